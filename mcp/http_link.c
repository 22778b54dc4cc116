/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to a remote server: Streamable HTTP (2025-03-26 and later), or the transport of 2024-11-05 where
 * the server offers only that (http_old.c). Each message is an exchange of its own, many at once; what the
 * server says by itself comes on a stream that is open all the time, where the server has one.
 *
 * It knows nothing of JSON-RPC but which of our messages wait for an answer. Until the server has taken
 * notifications/initialized, and answered the request for that stream, nothing else is sent. The link is lost
 * when the server has forgotten our session (ERR_GONE); a request that fails alone is told alone. At the stop
 * the session is deleted, if the server takes that within the grace time. Owns its exchanges and its
 * connections; redirects are never followed.
 */
#include "base/base.h"
#include "mcp/http_int.h"

#include <stdlib.h>
#include <string.h>

static const struct fetch_words words = {
	.peer = "the tool server",
	.address = "url of its entry in the registry",
	.proxy = "proxy of its entry in the registry",
	.ca_file = "tls.ca_file of its entry in the registry",
	.connect = "tools.start_seconds",
	.first_byte = "tools.start_seconds",
	.idle = "tools.start_seconds",
	.response = "tools.line_bytes",
};

void http_lose(struct http *h, const struct error *why)
{
	if (h->lost)
		return;
	h->lost = true;
	h->events.on_lost(why, h->events.arg);
}

/* --- what came --- */

void http_messages(struct http *h, struct slice text, uint64_t about)
{
	struct scan_iter it;
	struct slice name, value;
	if (h->lost)
		return;
	if (!text.len || text.ptr[0] != '[' || !scan_open(text, &it)) {
		h->events.on_message(text, about, h->events.arg);
		return;
	}
	/* 2025-03-26 alone knew batches. */
	while (!h->lost && scan_next(&it, &name, &value))
		h->events.on_message(value, about, h->events.arg);
}

static struct exchange *stream_open(struct http *h)
{
	for (struct exchange *x = h->first; x; x = x->next) {
		if (x->kind == EXCHANGE_STREAM)
			return x;
	}
	struct exchange *x = exchange_new(h, EXCHANGE_STREAM, NULL);
	exchange_send(x);
	return x;
}

static void gate_open(struct http *h)
{
	h->gate = NULL;
	loop_timer_set(h->gate_timer, -1);
	for (struct exchange *x = h->first; x; x = x->next) {
		if (x->waiting && !x->fetch)
			exchange_send(x);
	}
}

static void gate_late(void *arg)
{
	gate_open(arg);
}

void http_stream_answered(struct http *h, const struct exchange *x)
{
	if (!h->freed && x == h->gate && x->kind == EXCHANGE_STREAM)
		gate_open(h);
}

static void gone(void *arg)
{
	struct http *h = arg;
	struct error e;
	err_set(&e, ERR_LOST, "the session is closed");
	h->events.on_gone(&e, h->events.arg);
}

void http_exchange_ended(struct http *h, const struct exchange *x, bool well)
{
	if (h->freed)
		return;
	if (x->kind == EXCHANGE_DELETE) {
		loop_timer_set(h->timer, 0);
		return;
	}
	if (h->stopping || x != h->gate)
		return;
	if (!x->is_gate || !well || h->old) {
		gate_open(h);
		return;
	}
	/* What the server wants to know in the course of a call it may ask on that stream, and does not ask
	 * at all when it is not open yet. */
	h->gate = stream_open(h);
	loop_timer_set(h->gate_timer, HTTP_STREAM_WAIT_MS);
}

/* --- what is sent --- */

static enum err http_send(struct link *l, const struct link_message *m, struct error *e)
{
	struct http *h = (struct http *)l;
	if (h->lost || h->stopping)
		return err_set(e, ERR_LOST, "the connection to the server has ended");
	if (m->text.len > h->limits.queue_bytes_max)
		return err_set(e, ERR_TOO_LARGE, "the message of %zu bytes is over the limit of %zu",
			       m->text.len, h->limits.queue_bytes_max);
	if (h->exchanges >= HTTP_EXCHANGES_MAX)
		return err_set(e, ERR_FULL, "%d messages to the server are under way, the limit",
			       HTTP_EXCHANGES_MAX);
	struct exchange *x = exchange_new(h, EXCHANGE_POST, m);
	x->is_call = m->method && strcmp(m->method, "tools/call") == 0;
	x->is_first = m->method && strcmp(m->method, "initialize") == 0;
	x->is_gate = m->method && strcmp(m->method, "notifications/initialized") == 0;
	if (x->is_gate)
		h->gate = x;
	x->waiting = h->gate && h->gate != x;
	if (!x->waiting)
		exchange_send(x);
	return ERR_NONE;
}

static void http_version(struct link *l, const char *version)
{
	struct http *h = (struct http *)l;
	size_t n = strlen(version);
	ensure(n < sizeof(h->version));
	memcpy(h->version, version, n + 1);
	h->modern = version_known(version, true) != NULL;
}

static void http_done(struct link *l, uint64_t id)
{
	struct http *h = (struct http *)l;
	struct exchange *x = h->first;
	while (x && (!id || x->id != id))
		x = x->next;
	if (x)
		exchange_end(x);
}

/* The modern wire knows a cancelled request by its closed stream. */
static void http_cancel(struct link *l, uint64_t id)
{
	struct http *h = (struct http *)l;
	struct exchange *x = h->first;
	while (x && x->id != id)
		x = x->next;
	if (x)
		exchange_cut(x);
}

/* --- ending --- */

static void exchanges_end(struct http *h)
{
	while (h->first)
		exchange_end(h->first);
}

static void grace_over(void *arg)
{
	struct http *h = arg;
	exchanges_end(h);
	loop_defer(h->loop, gone, h);
}

static void http_stop(struct link *l)
{
	struct http *h = (struct http *)l;
	if (h->stopping)
		return;
	h->stopping = h->lost = true;
	exchanges_end(h);
	if (!h->session_id[0]) {
		loop_timer_set(h->timer, 0);
		return;
	}
	exchange_send(exchange_new(h, EXCHANGE_DELETE, NULL));
	loop_timer_set(h->timer, h->limits.stop_grace_ms);
}

static void memory_free(void *arg)
{
	struct http *h = arg;
	free(h->post_url);
	free(h);
}

static void http_free(struct link *l)
{
	struct http *h = (struct http *)l;
	ensure(!h->freed);
	h->freed = h->lost = true;
	exchanges_end(h);
	loop_timer_free(h->timer);
	loop_timer_free(h->gate_timer);
	loop_defer_cancel(h->loop, h);
	fetch_free(h->fetch);
	explicit_bzero(h->session_id, sizeof(h->session_id));
	loop_defer(h->loop, memory_free, h);
}

/* --- facts --- */

static int http_pid(const struct link *l)
{
	(void)l;
	return 0;
}

static bool http_child_exited(struct link *l, int pid, int status)
{
	(void)l;
	(void)pid;
	(void)status;
	return false;
}

static const char *http_transport(const struct link *l)
{
	return ((const struct http *)l)->old ? "http_sse" : "streamable_http";
}

static const struct link_ops http_ops = {.send = http_send,
					 .stop = http_stop,
					 .free = http_free,
					 .pid = http_pid,
					 .child_exited = http_child_exited,
					 .transport = http_transport,
					 .version = http_version,
					 .done = http_done,
					 .cancel = http_cancel,
					 .has_headers = true};

struct link *http_open(struct loop *l, const struct mcp_server_options *o, const struct http_limits *limits,
		       struct auth *auth, struct link_events events)
{
	struct http *h = xcalloc(1, sizeof(*h));
	struct fetch_options f = {.words = &words,
				  .ca_file = o->ca_file,
				  .cert_file = o->cert_file,
				  .key_file = o->key_file,
				  .proxy = o->proxy,
				  .connect_ms = limits->notify_ms_max,
				  .response_bytes_max = limits->message_bytes_max + HTTP_ERROR_BODY_MAX};
	h->link.ops = &http_ops;
	h->loop = l;
	h->options = o;
	h->limits = *limits;
	h->events = events;
	h->auth = auth;
	h->last = &h->first;
	h->fetch = fetch_new(l, &f);
	h->timer = loop_timer_new(l, grace_over, h);
	h->gate_timer = loop_timer_new(l, gate_late, h);
	return &h->link;
}
