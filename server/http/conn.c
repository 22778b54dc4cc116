/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection: opened from an accepted descriptor, settled after everything that happens to it,
 * closed, and buried at the bottom of the loop, so that whoever is up the stack may still look at it.
 *
 * Plain libevent events with buffers of our own rather than bufferevents: on the hot path a request costs one
 * read and one write, no allocation of buffers and no epoll_ctl. Idle connections and streams own no buffers
 * at all; what a request needs (struct http_intake) and where its answer is put together (spare_out) are lent
 * from a pool of the process.
 *
 * Ends: a client that broke the rules or asked for the end gets its answer, then our FIN, then we read on for
 * a while (CONN_LINGER, bounded in bytes and time) so that no RST of ours destroys the answer on its way.
 * What must not look like an end (a cut stream) is reset.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What a slow reader may have waiting in the kernel. Left alone the kernel takes megabytes, and tells of
 * progress only when a third of them has gone: too late for the send deadline, and stale for a stream. */
enum { SOCKET_UNSENT_BYTES = 128 << 10, LIMIT_LOG_MS = 10000 };

static void conn_bottom(void *arg);

struct http_conns *http_conns_new(struct http *h)
{
	const struct http_options *o = &h->options;
	struct http_conns *cs = xcalloc(1, sizeof(*cs));

	TAILQ_INIT(&cs->all);
	for (int d = 0; d < DEADLINE_KINDS; d++)
		TAILQ_INIT(&cs->timed[d]);
	SLIST_INIT(&cs->intakes);
	cs->limits = (struct http_limits){
		.target_bytes_max = o->target_bytes_max,
		.header_bytes_max = o->header_bytes_max,
		.header_count_max = o->header_count_max,
		.body_bytes_max = o->body_bytes_max,
	};
	snprintf(cs->id_prefix, sizeof(cs->id_prefix), "%016" PRIx64, random_u64());
	cs->timer = loop_timer_new(h->loop, http_conns_tick, h);
	cs->timer_ms = INT64_MAX;
	h->conns = cs;
	return cs;
}

void conn_defer(struct http_conn *c)
{
	if (c->deferred)
		return;
	c->deferred = true;
	loop_defer(c->http->loop, conn_bottom, c);
}

void conn_close(struct http_conn *c, bool reset)
{
	if (c->state == CONN_CLOSED)
		return;
	if (reset) {
		struct linger hard = {.l_onoff = 1, .l_linger = 0};

		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	}
	/* No handler has heard of it yet. */
	if (c->state == CONN_BODY)
		conn_request_free(c);
	conn_events_del(c);
	conn_deadline_clear(c);
	fd_close(&c->fd);
	buf_release(&c->out);
	c->out_at = 0;
	c->state = CONN_CLOSED;
	conn_defer(c);
}

static void conn_free(struct http_conn *c)
{
	struct http *h = c->http;
	struct http_conns *cs = h->conns;

	ensure(c->state == CONN_CLOSED && !c->busy);
	conn_request_free(c);
	if (c->intake)
		conn_intake_give(cs, c->intake);
	if (c->deferred)
		loop_defer_cancel(h->loop, c);
	TAILQ_REMOVE(&cs->all, c, all);
	if (c->counted)
		cs->count--;
	else
		cs->overflow--;
	free(c);
}

/* A closed connection whose request is still with a handler that does not want to know (no on_gone) waits for
 * its answer, because the handler holds the request. */
static void conn_bury(struct http_conn *c)
{
	struct http *h = c->http;

	if (c->request && !c->request->on_gone)
		return;
	if (c->request) {
		void (*on_gone)(struct http_request * r) = c->request->on_gone;

		c->request->on_gone = NULL;
		on_gone(c->request);
	}
	conn_free(c);
	if (h->draining && h->drained && TAILQ_EMPTY(&h->conns->all)) {
		loop_fn *fn = h->drained;

		h->drained = NULL;
		loop_timer_set(h->drain_timer, -1);
		loop_defer(h->loop, fn, h->drained_arg);
	}
}

static void conn_bottom(void *arg)
{
	struct http_conn *c = arg;

	c->deferred = false;
	if (c->state == CONN_CLOSED) {
		conn_bury(c);
		return;
	}
	if (c->state == CONN_STREAM)
		conn_stream_bottom(c);
	else if (c->state == CONN_HEAD || c->state == CONN_BODY)
		conn_process(c);
	conn_settle(c);
}

/* All of the last answer is with the kernel. */
static void conn_linger(struct http_conn *c)
{
	if (c->eof || shutdown(c->fd, SHUT_WR) != 0) {
		conn_close(c, false);
		return;
	}
	c->state = CONN_LINGER;
	c->discarded = 0;
	if (c->intake)
		conn_intake_give(c->http->conns, c->intake);
	c->intake = NULL;
	conn_deadline_set(c, DEADLINE_LINGER, clock_mono_ms());
}

static void conn_deadline_choose(struct http_conn *c)
{
	if (conn_out_pending(c) > 0) {
		if (c->deadline != DEADLINE_SEND)
			conn_deadline_set(c, DEADLINE_SEND, clock_mono_ms());
	} else if ((c->state == CONN_HEAD || c->state == CONN_BODY) && c->request_ms) {
		conn_deadline_set(c, DEADLINE_REQUEST, c->request_ms);
	} else if (c->state == CONN_HEAD) {
		conn_deadline_set(c, DEADLINE_IDLE, clock_mono_ms());
	} else if (c->state != CONN_LINGER) {
		conn_deadline_clear(c);
	}
}

void conn_settle(struct http_conn *c)
{
	struct http_intake *in = c->intake;

	if (c->state == CONN_CLOSED || c->busy)
		return;
	if (conn_out_pending(c) > 0 && !c->writing && !conn_flush(c))
		return;
	if (c->state == CONN_CLOSING && conn_out_pending(c) == 0)
		conn_linger(c);
	if (c->state == CONN_CLOSED)
		return;
	if (c->state == CONN_HEAD && in && in->at == in->len) {
		conn_intake_give(c->http->conns, in);
		c->intake = NULL;
	}
	conn_interest_set(c);
	conn_deadline_choose(c);
}

/* Once a while, not once a client. */
static void limit_log(struct http *h)
{
	int64_t now_ms = clock_mono_ms();

	if (h->conns->limit_logged_ms && now_ms - h->conns->limit_logged_ms < LIMIT_LOG_MS)
		return;
	h->conns->limit_logged_ms = now_ms;
	log_warn(
		"clients are sent away: this worker has as many connections as server.connections_max allows",
		LF_INT("connections_max", h->options.connections_max));
}

void http_conn_open(struct http *h, int fd)
{
	struct http_conns *cs = h->conns;
	struct http_conn *c;
	struct error e;
	int on = 1, unsent_bytes = SOCKET_UNSENT_BYTES;

	if (h->store)
		store_count(h->store, COUNTER_HTTP_CONNECTIONS, 1);
	if (cs->count >= h->options.connections_max) {
		limit_log(h);
		if (cs->overflow >= HTTP_OVERFLOW_CONNECTIONS) {
			fd_close(&fd);
			return;
		}
	}
	c = xcalloc(1, sizeof(*c));
	c->http = h;
	c->fd = fd;
	c->deadline = DEADLINE_NONE;
	c->counted = cs->count < h->options.connections_max;
	TAILQ_INSERT_TAIL(&cs->all, c, all);
	if (c->counted)
		cs->count++;
	else
		cs->overflow++;
	/* Both fail on Unix sockets, which need neither. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes));
	conn_events_init(c, false);
	if (!c->counted) {
		err_set(&e, ERR_FULL,
			"this server has reached its limit of %d connections (server.connections_max)",
			h->options.connections_max);
		conn_refuse(c, &e);
	}
	conn_settle(c);
}

void http_conns_drain(struct http *h)
{
	struct http_conn *c, *next;

	for (c = TAILQ_FIRST(&h->conns->all); c; c = next) {
		next = TAILQ_NEXT(c, all);
		if (c->state != CONN_HEAD || c->intake)
			continue;
		/* A request may have come since we last looked. */
		if (!c->eof)
			conn_read(c);
		if (c->state == CONN_HEAD && !c->intake && conn_out_pending(c) == 0)
			conn_close(c, false);
	}
}

void http_conns_free(struct http *h)
{
	struct http_conns *cs = h->conns;
	struct http_intake *in;
	struct http_conn *c;

	while ((c = TAILQ_FIRST(&cs->all)) != NULL) {
		conn_close(c, c->state == CONN_STREAM || c->state == CONN_PENDING);
		if (c->request && c->request->on_gone)
			c->request->on_gone(c->request);
		conn_free(c);
	}
	while ((in = SLIST_FIRST(&cs->intakes)) != NULL) {
		SLIST_REMOVE_HEAD(&cs->intakes, link);
		buf_release(&in->body);
		free(in);
	}
	buf_release(&cs->spare_out);
	loop_timer_free(cs->timer);
	free(cs);
	h->conns = NULL;
}
