/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of connections: the whole of a request, quiet between requests, a client that does not read,
 * lingering.
 *
 * No timer per connection. Each kind of deadline has one fixed duration, so a list that is appended to is
 * sorted by itself; arming is two pointer moves. One timer stands for the earliest of all lists; it is never
 * moved to a later time, only found early when it fires, so that a busy server touches it once per shortest
 * time-out.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <sys/queue.h>

static int64_t duration_ms(const struct http *h, enum http_deadline d)
{
	switch (d) {
	case DEADLINE_REQUEST: return h->options.request_ms_max;
	case DEADLINE_IDLE: return h->options.idle_ms_max;
	case DEADLINE_SEND: return h->options.send_ms_max;
	case DEADLINE_LINGER: return HTTP_LINGER_MS;
	case DEADLINE_KINDS:
	case DEADLINE_NONE: break;
	}
	ensure(!"a deadline of a known kind");
	return 0;
}

void conn_deadline_clear(struct http_conn *c)
{
	if (c->deadline != DEADLINE_NONE)
		TAILQ_REMOVE(&c->http->conns->timed[c->deadline], c, timed);
	c->deadline = DEADLINE_NONE;
}

static void timer_earlier(struct http *h, int64_t at_ms, int64_t now_ms)
{
	struct http_conns *cs = h->conns;

	if (at_ms >= cs->timer_ms)
		return;
	cs->timer_ms = at_ms;
	loop_timer_set(cs->timer, at_ms > now_ms ? at_ms - now_ms : 0);
}

void conn_deadline_set(struct http_conn *c, enum http_deadline d, int64_t from_ms)
{
	int64_t at_ms = from_ms + duration_ms(c->http, d);
	struct http_conn_list *list = &c->http->conns->timed[d];
	struct http_conn *before;

	if (c->deadline == d && c->deadline_ms == at_ms)
		return;
	conn_deadline_clear(c);
	c->deadline = d;
	c->deadline_ms = at_ms;
	/* Nearly always the tail: only a request that waited for its client to read starts in the past. */
	for (before = TAILQ_LAST(list, http_conn_list); before && before->deadline_ms > at_ms;)
		before = TAILQ_PREV(before, http_conn_list, timed);
	if (before)
		TAILQ_INSERT_AFTER(list, before, c, timed);
	else
		TAILQ_INSERT_HEAD(list, c, timed);
	if (at_ms < c->http->conns->timer_ms)
		timer_earlier(c->http, at_ms, clock_mono_ms());
}

static void deadline_over(struct http_conn *c, enum http_deadline d)
{
	struct error e;

	switch (d) {
	case DEADLINE_REQUEST:
		err_set(&e, ERR_TIMEOUT_REQUEST,
			"the request was not complete after %lld ms (limits.request_seconds)",
			(long long)c->http->options.request_ms_max);
		conn_refuse(c, &e);
		conn_settle(c);
		break;
	case DEADLINE_SEND: conn_close(c, true); break;
	default: conn_close(c, false); break;
	}
}

void http_conns_tick(void *http)
{
	struct http *h = http;
	struct http_conns *cs = h->conns;
	int64_t now_ms = clock_mono_ms(), next_ms = INT64_MAX;

	for (int d = 0; d < DEADLINE_KINDS; d++) {
		struct http_conn *c;

		while ((c = TAILQ_FIRST(&cs->timed[d])) != NULL && c->deadline_ms <= now_ms) {
			conn_deadline_clear(c);
			deadline_over(c, (enum http_deadline)d);
		}
	}
	for (int d = 0; d < DEADLINE_KINDS; d++) {
		struct http_conn *c = TAILQ_FIRST(&cs->timed[d]);

		if (c && c->deadline_ms < next_ms)
			next_ms = c->deadline_ms;
	}
	cs->timer_ms = INT64_MAX;
	loop_timer_set(cs->timer, -1);
	timer_earlier(h, next_ms, now_ms);
}
