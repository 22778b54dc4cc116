/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The http half of a worker put together: listener, connections, watchers; and how it ends, in two steps.
 * Quiescing stops accepting and lets each connection end with its next answer, while streams and waits go on.
 * Draining then answers the waits, closes what is idle, and resets streams that have not come to their end,
 * so that their clients come back to another process with Last-Event-ID; answers that wait for the disk have
 * the grace for it.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <stdlib.h>
#include <string.h>

static void on_grace_over(void *arg)
{
	struct http *h = arg;
	loop_fn *fn = h->drained;
	struct http_conn *c, *next;

	h->drained = NULL;
	for (c = TAILQ_FIRST(&h->conns->all); c; c = next) {
		next = TAILQ_NEXT(c, all);
		conn_close(c, true);
	}
	/* After the burials, which are deferred too: no handler hears of its request after this. */
	if (fn)
		loop_defer(h->loop, fn, h->drained_arg);
}

/* A body that would only be answered with 404 or 405 is not asked for. */
static bool body_wanted(const struct http_request *r)
{
	for (size_t i = 0; i < http_routes_count; i++) {
		if (http_routes[i].method == r->head->method &&
		    http_pattern_matches(http_routes[i].pattern, r->path, NULL))
			return true;
	}
	return false;
}

struct http *http_new(struct loop *l, int listen_fd, struct store *s, struct archive *a, struct mcp_client *c,
		      const struct http_options *o)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->loop = l;
	h->store = s;
	h->archive = a;
	h->mcp = c;
	h->options = *o;
	h->dispatch = http_route_request;
	h->wants_body = body_wanted;
	h->drain_timer = loop_timer_new(l, on_grace_over, h);
	http_conns_new(h);
	h->watchers = http_watchers_new(h);
	h->waiters = http_waiters_new(h);
	h->listener = http_listener_new(h, listen_fd);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	http_listener_free(h->listener);
	http_conns_free(h);
	http_watchers_free(h->watchers);
	http_waiters_free(h->waiters);
	loop_timer_free(h->drain_timer);
	free(h);
}

void http_on_task(struct http *h, struct task_ref ref)
{
	http_watchers_on_task(h->watchers, ref);
}

void http_on_live(struct http *h)
{
	http_watchers_on_live(h->watchers);
}

void http_on_health(struct http *h)
{
	http_waiters_on_health(h->waiters);
}

void http_on_requests(struct http *h)
{
	http_waiters_on_requests(h->waiters);
}

void http_quiesce(struct http *h)
{
	h->draining = true;
	http_listener_free(h->listener);
	h->listener = NULL;
}

void http_drain(struct http *h, int64_t grace_ms, loop_fn *fn, void *arg)
{
	ensure(!h->stopping);
	h->stopping = true;
	h->drained = fn;
	h->drained_arg = arg;
	http_quiesce(h);
	http_watchers_drain(h->watchers);
	http_conns_drain(h);
	loop_timer_set(h->drain_timer, TAILQ_EMPTY(&h->conns->all) ? 0 : grace_ms);
}
