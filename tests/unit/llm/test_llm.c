/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from start to end against a scripted server on the same loop: streaming, retries, faults, cancelling,
 * the queue. */
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
	int64_t wait_ms;
	struct error e, why;
	size_t calls_count;
	bool cancel_on_delta, free_on_end, cancel_on_end, cancel_on_retry;
};

static struct llm_options options_of(const char *url)
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

static void world_open(struct world *w, const struct script_reply *replies, size_t count)
{
	*w = (struct world){.loop = loop_new()};
	w->server = script_open(w->loop, replies, count);
	w->url = xasprintf("http://127.0.0.1:%d/v1", w->server->port);
	struct llm_options o = options_of(w->url);
	w->llm = llm_new(w->loop, &o);
}

static void world_options(struct world *w, struct llm_options o)
{
	llm_free(w->llm);
	w->llm = llm_new(w->loop, &o);
}

static void world_close(struct world *w)
{
	if (w->llm != NULL)
		llm_free(w->llm);
	script_close(w->server);
	loop_free(w->loop);
	free(w->url);
}

static void on_delta(struct slice text, void *arg)
{
	struct heard *h = arg;
	assert_true(utf8_valid(text.ptr, text.len));
	h->deltas++;
	buf_add_slice(&h->text, text);
	if (h->cancel_on_delta)
		llm_call_cancel(h->call);
}

static void on_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	struct heard *h = arg;
	h->retries++;
	assert_int_equal(attempt, h->retries + 1);
	h->wait_ms = wait_ms;
	h->why = *why;
	if (h->cancel_on_retry)
		llm_call_cancel(h->call);
}

static void on_end(const struct llm_turn *turn, const struct error *e, void *arg)
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

static void call_start(struct world *w, struct heard *h)
{
	static const struct llm_message messages[] = {{.speaker = LLM_USER, .text = "hello"}};
	struct llm_request r = {
		.role = LLM_WRITER, .messages = messages, .messages_count = 1, .task_id = "t1"};
	struct llm_handler handler = {.on_delta = on_delta, .on_retry = on_retry, .on_end = on_end, .arg = h};
	h->w = w;
	h->call = llm_call_start(w->llm, &r, handler);
	assert_non_null(h->call);
	assert_int_equal(h->ends, 0);
}

static void turn_until(struct world *w, const int *counter, int wanted)
{
	int64_t end = clock_mono_ms() + PATIENCE_MS;
	while (*counter < wanted) {
		if (clock_mono_ms() > end)
			fail_msg("waited for %d ms in vain", PATIENCE_MS);
		loop_turn(w->loop, 50);
	}
}

static void heard_release(struct heard *h)
{
	buf_release(&h->text);
	free(h->turn_text);
}

/* A call to its end; replies as given. */
static struct heard call_once(const struct script_reply *replies, size_t count, size_t requests)
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

static void llm_call__streams_text_as_it_comes(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("one ") "\x01" TEXT("tw") "\x01" TEXT("o") FINISH "\x01" DONE, SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_NONE);
	assert_string_equal(h.turn_text, "one two");
	assert_string_equal(buf_cstr(&h.text), "one two");
	assert_true(h.deltas >= 2);
	heard_release(&h);
}

static void llm_call__sends_key_and_body(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{ANSWER, SCRIPT_CLOSE}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	const char *request = w.server->requests[0];
	assert_non_null(strstr(request, "POST /v1/chat/completions HTTP/1.1\r\n"));
	assert_non_null(strstr(request, "\r\nAuthorization: Bearer sk-secret-key-1\r\n"));
	assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
	assert_null(strstr(request, "Expect:"));
	assert_non_null(strstr(request, "\"stream\":true"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__ends_well_when_the_connection_breaks_after_the_end(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" TEXT("fine") FINISH, SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_NONE);
	assert_string_equal(h.turn_text, "fine");
	heard_release(&h);
}

static void llm_call__does_not_wait_for_the_close_after_done(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("fine") FINISH DONE, SCRIPT_KEEP}};
	int64_t start = clock_mono_ms();
	struct heard h = call_once(replies, 1, 1);
	assert_string_equal(h.turn_text, "fine");
	assert_true(clock_mono_ms() - start < 1000);
	heard_release(&h);
}

static void llm_call__fails_a_stream_cut_after_its_first_text(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" TEXT("par") "\x01" TEXT("t"),
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1); /* no second request: text was passed on */
	assert_int_equal(h.e.code, ERR_LOST);
	assert_non_null(strstr(h.e.msg, "127.0.0.1"));
	assert_int_equal(h.retries, 0);
	heard_release(&h);
}

static void llm_call__tries_again_when_cut_before_any_text(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD ": processing\n\n", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 2, 2);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(h.retries, 1);
	assert_int_equal(h.why.code, ERR_LOST);
	assert_in_range(h.wait_ms, 375, 500);
	heard_release(&h);
}

static void llm_call__obeys_retry_after(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("429 Too Many Requests") "Retry-After: 0.05\r\n\r\n"
						   "{\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_"
						   "exceeded\"}}",
		 SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 2, 2);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(h.retries, 1);
	assert_int_equal(h.wait_ms, 50);
	assert_int_equal(h.why.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(h.why.msg, "slow"));
	heard_release(&h);
}

static void llm_call__refuses_a_retry_after_over_the_limit(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("429 Too Many Requests") "Retry-After: 3600\r\n\r\n{}", SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(h.e.msg, "3600 s"));
	assert_non_null(strstr(h.e.msg, "llm.retry_wait_seconds"));
	heard_release(&h);
}

static void llm_call__survives_two_failures_of_the_server(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("500 Internal Server Error") SOON "\r\n{}", SCRIPT_CLOSE},
		{ERR_HEAD("500 Internal Server Error") SOON "\r\n{}", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 3, 3);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(h.retries, 2);
	heard_release(&h);
}

static void llm_call__gives_up_after_the_last_attempt(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("503 Busy") SOON "\r\n", SCRIPT_CLOSE},
		{ERR_HEAD("503 Busy") SOON "\r\n", SCRIPT_CLOSE},
		{ERR_HEAD("503 Busy") SOON "\r\n<html>", SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 3, 3);
	assert_int_equal(h.e.code, ERR_UPSTREAM);
	assert_non_null(strstr(h.e.msg, "gave up after 3 attempts"));
	assert_non_null(strstr(h.e.msg, "503"));
	heard_release(&h);
}

static void llm_call__never_tries_again_without_money(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("429 Too Many Requests") SOON
		 "X-Should-Retry: true\r\n\r\n"
		 "{\"error\":{\"message\":\"You exceeded your quota\",\"type\":\"insufficient_quota\"}}",
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_BUDGET);
	assert_int_equal(h.retries, 0);
	heard_release(&h);
}

static void llm_call__hides_a_key_the_server_echoes(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("401 Unauthorized") "\r\n{\"error\":{\"message\":\"Incorrect API key: "
					      "sk-secret-key-1.\"}}",
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1); /* looks for the key in the message */
	assert_int_equal(h.e.code, ERR_CONFIG);
	assert_non_null(strstr(h.e.msg, "openai.api_key"));
	heard_release(&h);
}

static void llm_call__reports_an_error_after_200(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("x") "\x01"
				   "data: {\"error\":{\"message\":\"backend fell over\",\"code\":502}}\n\n",
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_UPSTREAM);
	assert_non_null(strstr(h.e.msg, "backend fell over"));
	heard_release(&h);
}

static void llm_call__tells_where_a_redirect_leads(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("301 Moved") "Location: https://u:p@new.example/v1?k=1\r\n\r\n", SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_CONFIG);
	assert_non_null(strstr(h.e.msg, "to https://new.example/v1;"));
	heard_release(&h);
}

static void llm_call__fails_a_stalled_stream(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("x"), SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.idle_ms = 30;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_TIMEOUT);
	assert_non_null(strstr(h.e.msg, "llm.idle_seconds"));
	assert_string_equal(buf_cstr(&h.text), "x");
	world_close(&w);
	heard_release(&h);
}

static void llm_call__fails_without_a_first_byte(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD, SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.first_byte_ms = 30;
	o.retries_max = 0;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_TIMEOUT);
	assert_non_null(strstr(h.e.msg, "llm.first_byte_seconds"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__ends_at_its_deadline(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{"", SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.call_ms_max = 30;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_TIMEOUT);
	assert_non_null(strstr(h.e.msg, "llm.call_seconds"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__can_be_cancelled_in_the_middle(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("x"), SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	call_start(&w, &h);
	turn_until(&w, &h.deltas, 1);
	llm_call_cancel(h.call);
	int64_t end = clock_mono_ms() + PATIENCE_MS;
	while (w.server->conns_closed == 0 && clock_mono_ms() < end)
		loop_turn(w.loop, 50);
	assert_int_equal(w.server->conns_closed, 1); /* the server can stop generating */
	assert_int_equal(h.ends, 0);
	world_close(&w);
	heard_release(&h);
}

static void llm_call__can_be_cancelled_from_its_own_functions(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("x") FINISH DONE, SCRIPT_CLOSE},
		{ERR_HEAD("500 No") SOON "\r\n", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct world w;
	struct heard in_delta = {.cancel_on_delta = true}, in_retry = {.cancel_on_retry = true};
	struct heard in_end = {.cancel_on_end = true, .free_on_end = true};
	world_open(&w, replies, 3);
	call_start(&w, &in_delta);
	turn_until(&w, &in_delta.deltas, 1);
	call_start(&w, &in_retry);
	turn_until(&w, &in_retry.retries, 1);
	call_start(&w, &in_end);
	turn_until(&w, &in_end.ends, 1);
	loop_turn(w.loop, 0);
	assert_int_equal(in_delta.ends, 0);
	assert_int_equal(in_retry.ends, 0);
	assert_int_equal(in_end.ends, 1);
	world_close(&w);
	heard_release(&in_delta);
	heard_release(&in_retry);
	heard_release(&in_end);
}

static void llm_call__can_be_cancelled_before_and_after_it_ran(void **state)
{
	(void)state;
	struct world w;
	struct heard h = {0};
	world_open(&w, NULL, 0);
	call_start(&w, &h);
	llm_call_cancel(h.call);
	struct llm_options o = options_of(w.url);
	o.api_key = "two words";
	world_options(&w, o);
	call_start(&w, &h); /* is over at once, on_end is due */
	llm_call_cancel(h.call);
	for (int i = 0; i < 3; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(h.ends, 0);
	world_close(&w);
	heard_release(&h);
}

static void llm_call__refuses_a_key_that_is_no_header(void **state)
{
	(void)state;
	struct world w;
	struct heard h = {0};
	world_open(&w, NULL, 0);
	struct llm_options o = options_of(w.url);
	o.api_key = "sk-secret\r\nX-Evil: 1";
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_CONFIG);
	assert_null(strstr(h.e.msg, "sk-secret"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__says_who_refused_the_connection(void **state)
{
	(void)state;
	struct world w;
	struct heard h = {0};
	world_open(&w, NULL, 0);
	struct llm_options o = options_of(w.url);
	o.retries_max = 0;
	world_options(&w, o);
	loop_io_set(w.server->io, 0);
	fd_close(&w.server->fd); /* nobody listens there now */
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_UNAVAILABLE);
	char *expected = xasprintf(
		"the model server at %s/chat/completions refused the connection; check openai.base_url",
		w.url);
	assert_non_null(strstr(h.e.msg, expected));
	free(expected);
	world_close(&w);
	heard_release(&h);
}

static void llm_call__waits_for_a_place_in_order(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("first") "\x01\x01\x01" FINISH DONE, SCRIPT_CLOSE},
		{OK_HEAD TEXT("second") FINISH DONE, SCRIPT_CLOSE},
		{OK_HEAD TEXT("third") FINISH DONE, SCRIPT_CLOSE},
	};
	struct world w;
	struct heard h[4] = {0};
	world_open(&w, replies, 3);
	struct llm_options o = options_of(w.url);
	o.concurrency_max = 1;
	world_options(&w, o);
	for (int i = 0; i < 4; i++)
		call_start(&w, &h[i]);
	llm_call_cancel(h[1].call); /* one that waits may leave */
	turn_until(&w, &h[0].deltas, 1);
	assert_int_equal(w.server->requests_count, 1);
	turn_until(&w, &h[3].ends, 1);
	assert_string_equal(h[0].turn_text, "first");
	assert_int_equal(h[1].ends, 0);
	assert_string_equal(h[2].turn_text, "second");
	assert_string_equal(h[3].turn_text, "third");
	world_close(&w);
	for (int i = 0; i < 4; i++)
		heard_release(&h[i]);
}

static void llm_call__holds_the_response_limit(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("a") TEXT("b") TEXT("c") TEXT("d") TEXT("e") TEXT("f") TEXT("g"), SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.response_bytes_max = 200;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_UPSTREAM);
	assert_non_null(strstr(h.e.msg, "over 200 bytes; raise llm.response_bytes"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__resends_once_on_a_connection_that_had_died(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 141\r\n\r\n" TEXT("fine") FINISH DONE, SCRIPT_KEEP},
		{"", SCRIPT_CLOSE}, /* the kept connection is closed without an answer */
		{ANSWER, SCRIPT_CLOSE},
	};
	struct world w;
	struct heard h[2] = {0};
	world_open(&w, replies, 3);
	assert_int_equal(strlen(TEXT("fine") FINISH DONE), 141);
	call_start(&w, &h[0]);
	turn_until(&w, &h[0].ends, 1);
	loop_turn(w.loop, 10);
	call_start(&w, &h[1]);
	turn_until(&w, &h[1].ends, 1);
	assert_int_equal(h[1].e.code, ERR_NONE);
	assert_int_equal(h[1].retries, 0);
	assert_int_equal(w.server->requests_count, 3);
	assert_int_equal(w.server->conns_count, 2);
	world_close(&w);
	heard_release(&h[0]);
	heard_release(&h[1]);
}

static void llm__names_itself(void **state)
{
	(void)state;
	struct world w;
	world_open(&w, NULL, 0);
	assert_string_equal(llm_provider(w.llm), "openai");
	assert_string_equal(llm_model(w.llm), "m");
	world_options(&w, (struct llm_options){.api = LLM_OFFLINE});
	assert_string_equal(llm_provider(w.llm), "offline");
	assert_string_equal(llm_role_text(LLM_PLANNER), "planner");
	assert_string_equal(llm_stop_text(LLM_STOP_FILTER), "filter");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_call__streams_text_as_it_comes),
		cmocka_unit_test(llm_call__sends_key_and_body),
		cmocka_unit_test(llm_call__ends_well_when_the_connection_breaks_after_the_end),
		cmocka_unit_test(llm_call__does_not_wait_for_the_close_after_done),
		cmocka_unit_test(llm_call__fails_a_stream_cut_after_its_first_text),
		cmocka_unit_test(llm_call__tries_again_when_cut_before_any_text),
		cmocka_unit_test(llm_call__obeys_retry_after),
		cmocka_unit_test(llm_call__refuses_a_retry_after_over_the_limit),
		cmocka_unit_test(llm_call__survives_two_failures_of_the_server),
		cmocka_unit_test(llm_call__gives_up_after_the_last_attempt),
		cmocka_unit_test(llm_call__never_tries_again_without_money),
		cmocka_unit_test(llm_call__hides_a_key_the_server_echoes),
		cmocka_unit_test(llm_call__reports_an_error_after_200),
		cmocka_unit_test(llm_call__tells_where_a_redirect_leads),
		cmocka_unit_test(llm_call__fails_a_stalled_stream),
		cmocka_unit_test(llm_call__fails_without_a_first_byte),
		cmocka_unit_test(llm_call__ends_at_its_deadline),
		cmocka_unit_test(llm_call__can_be_cancelled_in_the_middle),
		cmocka_unit_test(llm_call__can_be_cancelled_from_its_own_functions),
		cmocka_unit_test(llm_call__can_be_cancelled_before_and_after_it_ran),
		cmocka_unit_test(llm_call__refuses_a_key_that_is_no_header),
		cmocka_unit_test(llm_call__says_who_refused_the_connection),
		cmocka_unit_test(llm_call__waits_for_a_place_in_order),
		cmocka_unit_test(llm_call__holds_the_response_limit),
		cmocka_unit_test(llm_call__resends_once_on_a_connection_that_had_died),
		cmocka_unit_test(llm__names_itself),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
