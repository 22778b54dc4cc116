/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client of `agent-runtime run`: small requests with a JSON answer, and a task's event stream that
 * is taken up again with Last-Event-ID when it is cut.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 64 << 20, RECONNECT_MS_MIN = 200, RECONNECT_MS_MAX = 5000, TRIES_MAX = 30 };

/* One request under way. Freed when it is over. */
struct ask {
	struct client *client;
	struct ask *next;
	struct fetch_exchange *exchange;
	struct buf body;
	client_fn *fn;
	void *arg;
};

struct client {
	struct loop *loop;
	struct fetch *fetch;
	char *server_url;
	struct ask *asks;
	/* the stream */
	char *stream_path;
	struct fetch_exchange *stream;
	struct sse_reader sse;
	struct loop_timer *reconnect;
	uint64_t last_id;
	int tries;
	bool ended; /* the end event came */
	client_event_fn *on_event;
	client_fn *on_lost;
	void *arg;
};

static void ask_news(const struct fetch_news *n, void *arg);
static void stream_open(void *client);
static void stream_news(const struct fetch_news *n, void *arg);
static enum err stream_event(const struct sse_event *ev, void *arg, struct error *e);
static void stream_again(struct client *c, const struct error *why);
static bool refused_for_good(int status);

struct client *client_new(struct loop *l, const char *server_url)
{
	struct client *c = xcalloc(1, sizeof *c);
	static const struct fetch_words words = {.peer = "the server",
						 .address = "the URL of --server",
						 .proxy = "the proxy variables of the environment",
						 .ca_file = "its certificate",
						 .connect = "its capacity",
						 .first_byte = "its capacity",
						 .idle = "its capacity",
						 .response = "nothing"};
	struct fetch_options o = {
		.words = &words, .connect_ms = 10000, .response_bytes_max = ANSWER_BYTES_MAX};
	size_t len = strlen(server_url);
	while (len > 0 && server_url[len - 1] == '/')
		len--;
	c->loop = l;
	c->fetch = fetch_new(l, &o);
	c->server_url = xstrndup(server_url, len);
	c->reconnect = loop_timer_new(l, stream_open, c);
	return c;
}

void client_free(struct client *c)
{
	while (c->asks != NULL) {
		struct ask *a = c->asks;
		c->asks = a->next;
		fetch_cancel(a->exchange);
		buf_release(&a->body);
		free(a);
	}
	client_stream_close(c);
	loop_timer_free(c->reconnect);
	fetch_free(c->fetch);
	free(c->server_url);
	free(c);
}

void client_ask(struct client *c, const char *method, const char *path, struct slice body, client_fn *fn,
		void *arg)
{
	struct ask *a = xcalloc(1, sizeof *a);
	char *url = xasprintf("%s%s", c->server_url, path);
	const char *headers[] = {body.len > 0 ? "Content-Type: application/json" : NULL, NULL};
	struct fetch_request r = {.method = method, .url = url, .headers = headers, .body = body};
	*a = (struct ask){
		.client = c, .next = c->asks, .fn = fn, .arg = arg, .body = BUF_LIMIT(ANSWER_BYTES_MAX)};
	c->asks = a;
	a->exchange = fetch_start(c->fetch, &r, ask_news, a);
	free(url);
}

void client_stream(struct client *c, const char *path, client_event_fn *on_event, client_fn *on_lost,
		   void *arg)
{
	c->stream_path = xstrdup(path);
	c->on_event = on_event;
	c->on_lost = on_lost;
	c->arg = arg;
	stream_open(c);
}

void client_stream_close(struct client *c)
{
	loop_timer_set(c->reconnect, -1);
	if (c->stream != NULL) {
		fetch_cancel(c->stream);
		sse_reader_release(&c->sse);
	}
	c->stream = NULL;
	free(c->stream_path);
	c->stream_path = NULL;
}

/* --- helpers --- */

/* What a problem document says, or the status alone. */
static void problem_read(int status, const struct json *body, struct error *e)
{
	const char *detail = json_get_text(body, "detail", json_get_text(body, "title", "no reason given"));
	err_set(e,
		status == 404   ? ERR_NOT_FOUND
		: status == 409 ? ERR_CONFLICT
		: status >= 500 ? ERR_UNAVAILABLE
				: ERR_INVALID,
		"the server answered %d: %s", status, detail);
}

static void ask_news(const struct fetch_news *n, void *arg)
{
	struct ask *a = arg;
	struct error e = {0};
	buf_add_slice(&a->body, n->body);
	if (!n->over)
		return;
	for (struct ask **p = &a->client->asks; *p != NULL; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	e = *n->e;
	struct json *body = NULL;
	if (e.code == ERR_NONE)
		body = json_parse(a->body.data, a->body.len, JSON_DEPTH_MAX, &e);
	/* A gateway's refusal may be no JSON, and counts all the same. */
	if (n->e->code == ERR_NONE && n->head->status >= 300)
		problem_read(n->head->status, body, &e);
	else if (n->e->code == ERR_NONE && e.code != ERR_NONE)
		err_set(&e, ERR_UPSTREAM,
			"%s answers, but not as an agent runtime does (its answer is no JSON)",
			a->client->server_url);
	a->fn(body, &e, a->arg);
	json_free(body);
	buf_release(&a->body);
	free(a);
}

static void stream_open(void *client)
{
	struct client *c = client;
	char *url = xasprintf("%s%s", c->server_url, c->stream_path);
	char *resume = xasprintf("Last-Event-ID: %llu", (unsigned long long)c->last_id);
	const char *headers[] = {"Accept: text/event-stream", c->last_id > 0 ? resume : NULL, NULL};
	struct fetch_request r = {.method = "GET", .url = url, .headers = headers};
	sse_reader_init(&c->sse, stream_event, c);
	/* An event may hold as much as the server's limits let it. */
	c->sse.line.max = c->sse.data.max = ANSWER_BYTES_MAX;
	c->stream = fetch_start(c->fetch, &r, stream_news, c);
	free(url);
	free(resume);
}

static void stream_news(const struct fetch_news *n, void *arg)
{
	struct client *c = arg;
	struct error e = {0};
	bool refused = n->head->status >= 300;
	enum err bad = refused ? ERR_NONE : sse_reader_feed(&c->sse, n->body, &e);
	/* The handler of an event may have closed the stream. */
	if (c->stream == NULL)
		return;
	if (!n->over && bad == ERR_NONE)
		return;
	if (!n->over)
		fetch_cancel(c->stream);
	c->stream = NULL;
	sse_reader_release(&c->sse);
	if (c->ended)
		return;
	if (bad == ERR_NONE && refused)
		err_set(&e, ERR_UPSTREAM, "the server answered %d when asked for the events",
			n->head->status);
	else if (bad == ERR_NONE)
		e = *n->e;
	if (refused_for_good(n->head->status))
		c->on_lost(NULL, &e, c->arg);
	else
		stream_again(c, &e);
}

static enum err stream_event(const struct sse_event *ev, void *arg, struct error *e)
{
	struct client *c = arg;
	c->tries = 0;
	if (strcmp(ev->event, "end") == 0)
		c->ended = true;
	if (ev->id != NULL)
		c->last_id = strtoull(ev->id, NULL, 10);
	struct json *data = json_parse(ev->data.ptr, ev->data.len, JSON_DEPTH_MAX, e);
	if (data == NULL)
		return e->code;
	c->on_event(ev->event, data, ev->data, c->arg);
	json_free(data);
	return ERR_NONE;
}

/* Asking again helps against restarts and overload, not against "no such task". */
static bool refused_for_good(int status)
{
	return status >= 300 && status < 500 && status != 408 && status != 429;
}

static void stream_again(struct client *c, const struct error *why)
{
	int64_t wait_ms = (int64_t)RECONNECT_MS_MIN << (c->tries > 5 ? 5 : c->tries);
	if (++c->tries > TRIES_MAX) {
		c->on_lost(NULL, why, c->arg);
		return;
	}
	loop_timer_set(c->reconnect, wait_ms > RECONNECT_MS_MAX ? RECONNECT_MS_MAX : wait_ms);
}
