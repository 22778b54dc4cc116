/* SPDX-License-Identifier: Apache-2.0 */
/* A loop, a scripted server and an llm that calls it; and what a call told. Shared by the tests of llm.c,
 * attempt.c and the transport. */
#ifndef TESTS_UNIT_LLM_CALL_WORLD_H
#define TESTS_UNIT_LLM_CALL_WORLD_H

#include "llm/llm.h"
#include "http_script.h"

#include <stdio.h>

#define OK_HEAD     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define TEXT(t)     "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define FINISH      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE        "data: [DONE]\n\n"
#define ANSWER      OK_HEAD TEXT("fine") FINISH DONE
#define SOON        "Retry-After-Ms: 1\r\n"
#define ERR_HEAD(s) "HTTP/1.1 " s "\r\nContent-Type: application/json\r\nConnection: close\r\n"

enum { PATIENCE_MS = 5000 };

struct world {
	struct loop *loop;
	struct script_server *server;
	struct llm *llm;
	char *url;
};

/* What a call told. */
struct heard {
	struct world *w;
	struct llm_call *call;
	struct buf text;
	char *turn_text;
	int deltas, retries, ends;
	int repeats,
		repeats_paid; /* asked whether one more attempt may be made; of them after one to be paid */
	int64_t wait_ms;
	struct error e, why;
	size_t calls_count;
	const char *schema; /* asked of the answer; NULL: none */
	bool cancel_on_delta, free_on_end, cancel_on_end, cancel_on_retry, no_repeats;
};

static inline struct llm_options options_of(const char *url)
{
	return (struct llm_options){
		.api = LLM_CHAT,
		.base_url = url,
		.api_key = "sk-secret-key-1",
		.model = "m",
		.connect_ms = 2000,
		.first_byte_ms = 4000,
		.idle_ms = 4000,
		.call_ms_max = 8000,
		.retries_max = 2,
		.retry_wait_ms_max = 1000,
		.response_bytes_max = 1 << 20,
		.concurrency_max = 4,
	};
}

static inline struct llm *llm_one(struct loop *l, const struct llm_options *o)
{
	return llm_new(l, &(struct llm_setup){.providers = o, .providers_count = 1});
}

/* A literal address goes without libcurl, a name with it: the tests of the transport run with either. */
static const char *world_host = "127.0.0.1";

static inline void world_open(struct world *w, const struct script_reply *replies, size_t count)
{
	*w = (struct world){.loop = loop_new()};
	w->server = script_open(w->loop, replies, count);
	w->url = xasprintf("http://%s:%d/v1", world_host, w->server->port);
	struct llm_options o = options_of(w->url);
	w->llm = llm_one(w->loop, &o);
}

static inline void world_options(struct world *w, struct llm_options o)
{
	llm_free(w->llm);
	w->llm = llm_one(w->loop, &o);
}

static inline void world_close(struct world *w)
{
	if (w->llm != NULL)
		llm_free(w->llm);
	script_close(w->server);
	loop_free(w->loop);
	free(w->url);
}

static inline void on_delta(struct slice text, void *arg)
{
	struct heard *h = arg;
	assert_true(utf8_valid(text.ptr, text.len));
	h->deltas++;
	buf_add_slice(&h->text, text);
	if (h->cancel_on_delta)
		llm_call_cancel(h->call);
}

static inline void on_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	struct heard *h = arg;
	h->retries++;
	assert_int_equal(attempt, h->retries + 1);
	h->wait_ms = wait_ms;
	h->why = *why;
	if (h->cancel_on_retry)
		llm_call_cancel(h->call);
}

static inline bool may_repeat(bool paid, void *arg)
{
	struct heard *h = arg;
	h->repeats++;
	h->repeats_paid += paid;
	return !h->no_repeats;
}

static inline void on_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct heard *h = arg;
	h->ends++;
	h->e = *e;
	assert_true((turn == NULL) == (e->code != ERR_NONE));
	if (turn != NULL) {
		h->turn_text = xstrdup(turn->text);
		h->calls_count = turn->calls_count;
	}
	if (h->cancel_on_end)
		llm_call_cancel(h->call);
	if (h->free_on_end) {
		llm_free(h->w->llm);
		h->w->llm = NULL;
	}
}

static inline void call_start(struct world *w, struct heard *h)
{
	static const struct llm_message messages[] = {{.speaker = LLM_USER, .text = "hello"}};
	struct llm_request r = {
		.role = LLM_WRITER, .messages = messages, .messages_count = 1, .task_id = "t1"};
	r.response_schema = slice_str(h->schema);
	struct llm_handler handler = {.on_delta = on_delta,
				      .on_retry = on_retry,
				      .may_repeat = may_repeat,
				      .on_end = on_end,
				      .arg = h};
	h->w = w;
	h->call = llm_call_start(w->llm, &r, handler);
	assert_non_null(h->call);
	assert_int_equal(h->ends, 0);
}

static inline void turn_until(struct world *w, const int *counter, int wanted)
{
	int64_t end = clock_mono_ms() + PATIENCE_MS;
	while (*counter < wanted) {
		if (clock_mono_ms() > end)
			fail_msg("waited for %d ms in vain", PATIENCE_MS);
		loop_turn(w->loop, 50);
	}
}

static inline void heard_release(struct heard *h)
{
	buf_release(&h->text);
	free(h->turn_text);
}

/* A call to its end; replies as given. */
static inline struct heard call_once(const struct script_reply *replies, size_t count, size_t requests)
{
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, count);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	loop_turn(w.loop, 0);
	assert_int_equal(h.ends, 1);
	assert_int_equal(w.server->requests_count, requests);
	assert_null(strstr(h.e.msg, "sk-secret"));
	assert_null(strstr(h.why.msg, "sk-secret"));
	world_close(&w);
	return h;
}

#endif
