/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for the store: for what they changed to become durable, or for another request with the
 * same key to be settled. Each waits for store.ack_seconds at most, so the list is in order of time by itself
 * and one timer stands for its first. The timer is left armed when the list empties: on a busy server a
 * request that waits costs two pointer moves.
 *
 * Not here: what a request waits for is looked at by itself (hold.c, post.c) when it is told of news.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdlib.h>

struct http_waiters {
	struct http *http;
	struct loop_timer *timer;
	TAILQ_HEAD(, http_waiter) waiting;
};

static void on_time(void *waiters)
{
	struct http_waiters *ws = waiters;
	int64_t now_ms = clock_mono_ms();
	struct http_waiter *w;

	while ((w = TAILQ_FIRST(&ws->waiting)) != NULL && w->until_ms <= now_ms) {
		http_wait_end(ws, w);
		w->on_over(w);
	}
	if (w)
		loop_timer_set(ws->timer, w->until_ms - now_ms);
}

struct http_waiters *http_waiters_new(struct http *h)
{
	struct http_waiters *ws = xcalloc(1, sizeof(*ws));

	ws->http = h;
	TAILQ_INIT(&ws->waiting);
	ws->timer = loop_timer_new(h->loop, on_time, ws);
	return ws;
}

void http_waiters_free(struct http_waiters *ws)
{
	if (!ws)
		return;
	ensure(TAILQ_EMPTY(&ws->waiting));
	loop_timer_free(ws->timer);
	free(ws);
}

void http_wait(struct http_waiters *ws, struct http_waiter *w)
{
	ensure(!w->waiting && w->on_over);
	w->waiting = true;
	w->until_ms = clock_mono_ms() + ws->http->options.ack_ms_max;
	TAILQ_INSERT_TAIL(&ws->waiting, w, link);
	if (!loop_timer_armed(ws->timer))
		loop_timer_set(ws->timer, ws->http->options.ack_ms_max);
}

void http_wait_end(struct http_waiters *ws, struct http_waiter *w)
{
	if (!w->waiting)
		return;
	w->waiting = false;
	TAILQ_REMOVE(&ws->waiting, w, link);
}

void http_waiters_on_health(struct http_waiters *ws)
{
	struct http_waiter *w, *next;

	for (w = TAILQ_FIRST(&ws->waiting); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->on_health)
			w->on_health(w);
	}
}

void http_waiters_on_requests(struct http_waiters *ws)
{
	struct http_waiter *w, *next;

	for (w = TAILQ_FIRST(&ws->waiting); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->on_requests)
			w->on_requests(w);
	}
}
