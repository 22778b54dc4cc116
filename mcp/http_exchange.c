/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange of a link over HTTP: a request, and all that answers it, which is one JSON body or a stream of
 * events. What it means that nothing more comes: http_over.c.
 *
 * It ends when its request has been answered or given up by whoever asked (the session says so through the
 * link), or when nothing can come any more. Memory is bounded: by one message within a stream or a body.
 */
#include "base/base.h"
#include "mcp/http_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* false: it is over the limit (e is set), or the exchange has ended. */
static bool bytes_take(struct exchange *x, struct slice bytes, struct error *e)
{
	if (x->is_sse) {
		enum err rc = sse_reader_feed(&x->sse, bytes, e);
		if (rc != ERR_NONE && rc != ERR_CANCELLED)
			e->code = ERR_TOO_LARGE;
		return rc == ERR_NONE && !x->ended;
	}
	if (!status_is_good(x->head.status)) {
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
	x->is_sse = status_is_good(head->status) && answer_type(head->content_type) == ANSWER_SSE;
	http_stream_answered(h, x);
	if (!x->is_first || !status_is_good(head->status) || !head->session_id[0])
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
		exchange_over(x, n->e);
}
