/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange of a link over HTTP: a request, and all that answers it. The answer to a message is one JSON
 * body, or a stream of events that may be cut and asked for again from the last event on (Last-Event-ID); the
 * stream that the server talks on by itself is asked for again for as long as the link lives. A 401 or 403
 * goes to the authorization first, which may have it sent again.
 *
 * It ends when its request has been answered or given up by whoever asked (the session says so through the
 * link), or when nothing can come any more. Memory is bounded: by one message within a stream or a body.
 * Losing a stream is no cancellation: what was sent may have taken effect, and is told so.
 */
#include "base/base.h"
#include "mcp/http_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void over(struct exchange *x, const struct error *e);

/* --- life --- */

static char **headers_copy(const char *const *headers)
{
	size_t n = 0;
	while (headers && headers[n])
		n++;
	char **copy = xcalloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(headers[i]);
	return copy;
}

static enum err event_received(const struct sse_event *ev, void *arg, struct error *e);

static void retry_due(void *arg)
{
	exchange_send(arg);
}

struct exchange *exchange_new(struct http *h, enum exchange_kind kind, const struct link_message *m)
{
	struct exchange *x = xcalloc(1, sizeof(*x));
	x->http = h;
	x->kind = kind;
	x->retry_ms = -1;
	x->link = h->last;
	*h->last = x;
	h->last = &x->next;
	h->exchanges++;
	x->timer = loop_timer_new(h->loop, retry_due, x);
	sse_reader_init(&x->sse, event_received, x);
	sse_reader_limit(&x->sse, h->limits.message_bytes_max);
	x->body.max = h->limits.message_bytes_max;
	if (m) {
		x->id = m->id;
		buf_add_slice(&x->message, m->text);
		x->headers = headers_copy(m->headers);
	}
	return x;
}

static void memory_free(void *arg)
{
	struct exchange *x = arg;
	sse_reader_release(&x->sse);
	buf_release(&x->message);
	buf_release(&x->body);
	for (char **p = x->headers; p && *p; p++)
		free(*p);
	free((void *)x->headers);
	free(x);
}

static void take_out(struct exchange *x, bool well)
{
	struct http *h = x->http;
	if (x->ended)
		return;
	x->ended = true;
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	else
		h->last = x->link;
	h->exchanges--;
	if (x->fetch && x->is_sse)
		fetch_cancel(x->fetch);
	else if (x->fetch)
		fetch_forget(x->fetch);
	x->fetch = NULL;
	if (h->auth)
		auth_forget(h->auth, x);
	loop_timer_free(x->timer);
	loop_defer(h->loop, memory_free, x);
	http_exchange_ended(h, x, well);
}

void exchange_end(struct exchange *x)
{
	take_out(x, true);
}

void exchange_cut(struct exchange *x)
{
	if (x->fetch)
		fetch_cancel(x->fetch);
	x->fetch = NULL;
	take_out(x, true);
}

void exchange_fail(struct exchange *x, const struct error *why, bool sent)
{
	struct http *h = x->http;
	struct link_failure f = {x->id, *why, sent, x->head.status};
	if (x->ended)
		return;
	take_out(x, false);
	if (h->old && x->kind == EXCHANGE_STREAM) {
		http_lose(h, &f.why);
		return;
	}
	if (!f.id) {
		log_debug("a message to a tool server came to nothing", LF_STR("server", h->options->id),
			  LF_STR("error", why->msg));
		return;
	}
	secrets_mask(h->options, f.why.msg, strlen(f.why.msg));
	if (!h->lost)
		h->events.on_failed(&f, h->events.arg);
}

/* --- sending --- */

enum { HEADERS_MAX = 64, HEADER_LINE_MAX = 16 << 10 };

struct header_list {
	const char *lines[HEADERS_MAX + 1];
	char *owned[HEADERS_MAX];
	size_t count, owned_count;
};

static void header_borrow(struct header_list *l, const char *line)
{
	if (l->count < HEADERS_MAX)
		l->lines[l->count++] = line;
}

static void header_add(struct header_list *l, const char *name, const char *value)
{
	if (l->count == HEADERS_MAX || !*value)
		return;
	char *line = xasprintf("%s: %s", name, value);
	l->owned[l->owned_count++] = line;
	l->lines[l->count++] = line;
}

static void headers_release(struct header_list *l)
{
	for (size_t i = 0; i < l->owned_count; i++) {
		explicit_bzero(l->owned[i], strlen(l->owned[i]));
		free(l->owned[i]);
	}
}

static void headers_make(struct exchange *x, bool get, struct header_list *l)
{
	struct http *h = x->http;
	const char *token = h->auth ? auth_header(h->auth, &x->generation) : NULL;
	if (x->kind == EXCHANGE_POST && !get)
		header_borrow(l, "Content-Type: application/json");
	header_borrow(l, get ? "Accept: text/event-stream" : "Accept: application/json, text/event-stream");
	if (!h->old)
		header_add(l, "MCP-Protocol-Version", h->version);
	header_add(l, "Mcp-Session-Id", h->session_id);
	if (get)
		header_add(l, "Last-Event-ID", x->last_id);
	for (size_t i = 0; i < h->options->headers_count; i++)
		header_add(l, h->options->headers[i].name, h->options->headers[i].value);
	if (token)
		header_borrow(l, token);
	for (char **p = x->headers; p && *p && !get; p++)
		header_borrow(l, *p);
}

static void news(const struct fetch_news *n, void *arg);

static int64_t silence_ms(const struct exchange *x)
{
	const struct http *h = x->http;
	if (x->kind == EXCHANGE_DELETE)
		return h->limits.stop_grace_ms;
	return x->id || x->kind == EXCHANGE_STREAM ? -1 : h->limits.notify_ms_max;
}

void exchange_send(struct exchange *x)
{
	struct http *h = x->http;
	struct header_list l = {0};
	bool get = x->kind == EXCHANGE_STREAM || x->resuming;
	x->waiting = x->is_sse = x->event_seen = false;
	x->head = (struct fetch_head){0};
	buf_reset(&x->body);
	sse_reader_release(&x->sse);
	sse_reader_init(&x->sse, event_received, x);
	sse_reader_limit(&x->sse, h->limits.message_bytes_max);
	headers_make(x, get, &l);
	struct fetch_request r = {.method = x->kind == EXCHANGE_DELETE ? "DELETE"
					    : get                      ? "GET"
								       : "POST",
				  .url = h->post_url && !get ? h->post_url : h->options->url,
				  .headers = l.lines,
				  .body = get ? (struct slice){0} : buf_slice(&x->message),
				  .silence_ms = silence_ms(x),
				  .is_stream = true,
				  .once = x->is_call && !get};
	x->fetch = fetch_start(h->fetch, &r, news, x);
	headers_release(&l);
}

/* --- what comes --- */

static enum err event_received(const struct sse_event *ev, void *arg, struct error *e)
{
	struct exchange *x = arg;
	struct http *h = x->http;
	(void)e;
	x->event_seen = true;
	if (h->old && x->kind == EXCHANGE_STREAM && strcmp(ev->event, "endpoint") == 0)
		old_endpoint(h, ev->data);
	else if (ev->data.len && strcmp(ev->event, "message") == 0)
		http_messages(h, ev->data, x->id);
	return x->ended ? ERR_CANCELLED : ERR_NONE;
}

static bool is_good(int status)
{
	return status >= 200 && status < 300;
}

/* false: it is over the limit (e is set), or the exchange has ended. */
static bool bytes_take(struct exchange *x, struct slice bytes, struct error *e)
{
	if (x->is_sse) {
		enum err rc = sse_reader_feed(&x->sse, bytes, e);
		if (rc != ERR_NONE && rc != ERR_CANCELLED)
			e->code = ERR_TOO_LARGE;
		return rc == ERR_NONE && !x->ended;
	}
	if (!is_good(x->head.status)) {
		size_t room = HTTP_ERROR_BODY_MAX - x->body.len;
		buf_add(&x->body, bytes.ptr, bytes.len < room ? bytes.len : room);
		return true;
	}
	if (buf_add_slice(&x->body, bytes))
		return true;
	err_set(e, ERR_TOO_LARGE,
		"the server's answer is over the limit of %zu bytes for one message: raise tools.line_bytes, "
		"or ask the tool for less",
		x->body.max);
	return false;
}

static void stream_facts_keep(struct exchange *x)
{
	if (strcmp(x->last_id, x->sse.last_id) != 0 && x->sse.last_id[0]) {
		memcpy(x->last_id, x->sse.last_id, sizeof(x->last_id));
		x->event_seen = true;
	}
	if (x->sse.retry_ms >= 0)
		x->retry_ms = x->sse.retry_ms;
}

static void head_take(struct exchange *x, const struct fetch_head *head)
{
	struct http *h = x->http;
	x->head = *head;
	x->is_sse = is_good(head->status) && answer_type(head->content_type) == ANSWER_SSE;
	http_stream_answered(h, x);
	if (!x->is_first || !is_good(head->status) || !head->session_id[0])
		return;
	if (session_id_is_good(head->session_id))
		memcpy(h->session_id, head->session_id, sizeof(h->session_id));
	else
		log_warn("a tool server's session id is too long or not of visible ASCII: it is not used",
			 LF_STR("server", h->options->id));
}

static void news(const struct fetch_news *n, void *arg)
{
	struct exchange *x = arg;
	struct error e = {0};
	if (n->over)
		x->fetch = NULL;
	if (!x->head.status && n->head->status)
		head_take(x, n->head);
	if (n->body.len && !bytes_take(x, n->body, &e)) {
		if (!x->ended)
			exchange_fail(x, &e, true);
		return;
	}
	stream_facts_keep(x);
	if (n->over)
		over(x, n->e);
}

/* --- the end of a stream --- */

static int64_t retry_ms(const struct exchange *x)
{
	int64_t ms = x->retry_ms >= 0 ? x->retry_ms : HTTP_RETRY_MS;
	ms = ms > HTTP_RETRY_MS_MIN ? ms : HTTP_RETRY_MS_MIN;
	if (x->fruitless) {
		int shift = x->fruitless < 8 ? x->fruitless : 8;
		ms = ms << shift < HTTP_RETRY_MS_MAX ? ms << shift
		     : ms > HTTP_RETRY_MS_MAX        ? ms
						     : HTTP_RETRY_MS_MAX;
	}
	return ms;
}

/* A stream that lives on is asked for again; one that did not bring anything, a few times only. */
static void stream_ended(struct exchange *x, const struct error *why)
{
	struct error e;
	bool answers = x->kind == EXCHANGE_POST;
	x->fruitless = x->event_seen ? 0 : x->fruitless + 1;
	if (x->http->old && !answers)
		err_set(&e, ERR_LOST, "the server ended the stream that its answers come on%s%s",
			why->code ? ": " : "", why->code ? why->msg : "");
	else if (answers && (!x->last_id[0] || x->http->modern))
		err_set(&e, ERR_LOST, "the server's stream ended before its answer came%s%s",
			why->code ? ": " : "", why->code ? why->msg : "");
	else if (x->fruitless > (answers ? HTTP_RESUMES_MAX : HTTP_STREAMS_MAX))
		err_set(&e, ERR_LOST, "the server's stream ended, and %d more brought nothing%s%s",
			x->fruitless - 1, why->code ? ": " : "", why->code ? why->msg : "");
	else {
		x->resuming = answers;
		loop_timer_set(x->timer, retry_ms(x));
		return;
	}
	exchange_fail(x, &e, true);
}

/* --- refusals --- */

static void authorization_told(enum auth_verdict v, const struct error *why, void *arg)
{
	struct exchange *x = arg;
	if (v == AUTH_RETRY)
		exchange_send(x);
	else
		exchange_fail(x, why, x->resuming);
}

static void expired(struct exchange *x)
{
	struct http *h = x->http;
	struct error e;
	err_set(&e, ERR_UNAVAILABLE, "the server has ended our session (HTTP %d): a new one is opened",
		x->head.status);
	h->session_id[0] = '\0';
	exchange_fail(x, &e, x->resuming);
	e.code = ERR_GONE;
	http_lose(h, &e);
}

/* A JSON-RPC error is an answer, also when it does not say to what. */
static bool error_answered(struct exchange *x)
{
	struct http *h = x->http;
	struct slice error = refusal_error(buf_slice(&x->body));
	struct buf text = BUF_INIT;
	if (!x->id || !error.len || x->resuming)
		return false;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"error\":", (unsigned long long)x->id);
	buf_add_slice(&text, error);
	buf_add_char(&text, '}');
	if (!h->lost)
		h->events.on_message(buf_slice(&text), x->id, h->events.arg);
	buf_release(&text);
	return x->ended;
}

/* Streams are an offer: a server without has said so, and one that cannot now may later. */
static void stream_refused(struct exchange *x)
{
	struct http *h = x->http;
	struct error e;
	bool later = x->head.status >= 500 || x->head.status == 409 || x->head.status == 429;
	refusal_word(&x->head, buf_slice(&x->body), h->options->url, &e);
	if (later)
		stream_ended(x, &e);
	else if (x->kind == EXCHANGE_POST && h->session_id[0] && x->head.status == 404)
		expired(x);
	else
		exchange_fail(x, &e, true);
}

static void refused(struct exchange *x)
{
	struct http *h = x->http;
	struct slice body = buf_slice(&x->body);
	struct error e;
	if (h->auth && (x->head.status == 401 || x->head.status == 403)) {
		x->waiting = true;
		auth_challenged(h->auth, x->head.status, slice_str(x->head.www_authenticate), x->generation,
				authorization_told, x);
	} else if (x->kind == EXCHANGE_STREAM || x->resuming) {
		stream_refused(x);
	} else if (x->kind == EXCHANGE_POST && h->session_id[0] && !x->is_first &&
		   refusal_is_expiry(x->head.status, body)) {
		expired(x);
	} else if (x->is_first && !h->old && old_refusal(x->head.status) && !refusal_error(body).len) {
		old_begin(h, x);
	} else if (!error_answered(x)) {
		refusal_word(&x->head, body, h->options->url, &e);
		exchange_fail(x, &e, !refusal_is_unsent(x->head.status));
	}
}

/* --- the end of one request --- */

static void broken(struct exchange *x, const struct error *e)
{
	bool cut = x->is_sse || x->resuming || x->kind == EXCHANGE_STREAM;
	if (cut)
		stream_ended(x, e);
	else
		exchange_fail(x, e, e->code != ERR_UNAVAILABLE && e->code != ERR_CONFIG);
}

/* One JSON document, when the request wants an answer. */
static void answered(struct exchange *x)
{
	struct error e;
	bool accepted = x->http->old && x->kind == EXCHANGE_POST;
	if (!x->id || x->kind != EXCHANGE_POST) {
		exchange_end(x);
		return;
	}
	if (accepted)
		return; /* the answer comes on the stream */
	if (answer_type(x->head.content_type) == ANSWER_JSON)
		http_messages(x->http, buf_slice(&x->body), x->id);
	if (x->ended)
		return;
	if (!x->body.len)
		err_set(&e, ERR_UPSTREAM, "the server answered HTTP %d without an answer to the request",
			x->head.status);
	else if (answer_type(x->head.content_type) == ANSWER_JSON)
		err_set(&e, ERR_UPSTREAM, "the server's body of %zu bytes does not answer the request",
			x->body.len);
	else
		err_set(&e, ERR_UPSTREAM,
			"the server answered with content type \"%.80s\", which is neither application/json "
			"nor "
			"text/event-stream; check that url is an MCP endpoint",
			x->head.content_type);
	exchange_fail(x, &e, true);
}

static void over(struct exchange *x, const struct error *e)
{
	struct error last = *e;
	if (x->kind == EXCHANGE_DELETE) {
		exchange_end(x);
		return;
	}
	if (x->is_sse && e->code == ERR_NONE && sse_reader_finish(&x->sse, &last) != ERR_NONE && x->ended)
		return;
	if (x->ended)
		return;
	if (e->code)
		broken(x, e);
	else if (!is_good(x->head.status))
		refused(x);
	else if (x->is_sse)
		stream_ended(x, e);
	else if (x->kind == EXCHANGE_STREAM)
		stream_refused(x);
	else
		answered(x);
}
