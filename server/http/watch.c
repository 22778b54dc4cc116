/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who follows which task in this worker: streams and waits. The store tells that a task has changed, not
 * what; each follower looks for itself.
 *
 * One watch per task, however many follow it. News are collected while the store hands them out and told at
 * the bottom of the loop, so that ten changes at once are one visit to each follower, and so that nobody ends
 * inside the store's callback. One timer beats for all streams and runs only while there are some.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdlib.h>

enum { BUCKETS = 256, PIECE_KEPT_BYTES = 256 << 10 };

TAILQ_HEAD(follower_list, http_follower);

/* On its bucket while it has followers, on due while they have not been told of a change. */
struct http_watch {
	LIST_ENTRY(http_watch) bucket;
	TAILQ_ENTRY(http_watch) due_link;
	bool due;
	struct task_ref ref;
	struct follower_list followers;
};

struct http_watchers {
	struct http *http;
	LIST_HEAD(, http_watch) buckets[BUCKETS];
	TAILQ_HEAD(, http_watch) due;
	struct http_watch loose; /* of those whose task is not in the table */
	struct follower_list beating;
	struct loop_timer *beat;
	bool deferred, draining;
	struct sse_piece piece;
	/* live events of one task and place, until another comes */
	struct buf live;
	struct task_ref live_ref;
	uint64_t live_after_seq;
};

static void on_beat(void *watchers);
static void on_due(void *watchers);

struct http_watchers *http_watchers_new(struct http *h)
{
	struct http_watchers *w = xcalloc(1, sizeof(*w));

	w->http = h;
	TAILQ_INIT(&w->due);
	TAILQ_INIT(&w->beating);
	TAILQ_INIT(&w->loose.followers);
	w->beat = loop_timer_new(h->loop, on_beat, w);
	return w;
}

void http_watchers_free(struct http_watchers *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		ensure(LIST_EMPTY(&w->buckets[i]));
	ensure(TAILQ_EMPTY(&w->loose.followers));
	loop_defer_cancel(w->http->loop, w);
	loop_timer_free(w->beat);
	buf_release(&w->piece.bytes);
	buf_release(&w->live);
	free(w);
}

static bool ref_equal(struct task_ref a, struct task_ref b)
{
	return a.slot == b.slot && a.gen == b.gen;
}

static struct http_watch *watch_find(struct http_watchers *w, struct task_ref ref)
{
	struct http_watch *at;

	LIST_FOREACH(at, &w->buckets[ref.slot % BUCKETS], bucket)
	{
		if (ref_equal(at->ref, ref))
			return at;
	}
	return NULL;
}

static void watch_join(struct http_watchers *w, struct http_watch *at, struct http_follower *f)
{
	f->watch = at;
	TAILQ_INSERT_TAIL(&at->followers, f, link);
	if (!f->on_beat)
		return;
	TAILQ_INSERT_TAIL(&w->beating, f, beating);
	if (!loop_timer_armed(w->beat))
		loop_timer_set(w->beat, w->http->options.heartbeat_ms);
}

enum err http_follow(struct http_watchers *w, struct task_ref ref, struct http_follower *f)
{
	struct http_watch *at = watch_find(w, ref);

	ensure(!f->watch && !f->on_live == !f->on_beat);
	if (!at) {
		enum err code = task_watch(w->http->store, ref);

		if (code != ERR_NONE)
			return code;
		at = xcalloc(1, sizeof(*at));
		at->ref = ref;
		TAILQ_INIT(&at->followers);
		LIST_INSERT_HEAD(&w->buckets[ref.slot % BUCKETS], at, bucket);
	}
	watch_join(w, at, f);
	return ERR_NONE;
}

void http_follow_loose(struct http_watchers *w, struct http_follower *f)
{
	ensure(!f->watch);
	watch_join(w, &w->loose, f);
}

void http_unfollow(struct http_watchers *w, struct http_follower *f)
{
	struct http_watch *at = f->watch;

	if (!at)
		return;
	f->watch = NULL;
	TAILQ_REMOVE(&at->followers, f, link);
	if (f->on_beat) {
		TAILQ_REMOVE(&w->beating, f, beating);
		if (TAILQ_EMPTY(&w->beating))
			loop_timer_set(w->beat, -1);
	}
	if (at == &w->loose || !TAILQ_EMPTY(&at->followers))
		return;
	if (at->due)
		TAILQ_REMOVE(&w->due, at, due_link);
	LIST_REMOVE(at, bucket);
	task_unwatch(w->http->store, at->ref);
	free(at);
}

bool http_watchers_draining(const struct http_watchers *w)
{
	return w->draining;
}

struct sse_piece *http_watchers_piece(struct http_watchers *w)
{
	return &w->piece;
}

/* --- news --- */

/* The watch goes with its last follower, who is then the last one visited. */
static void watch_tell(struct http_watch *at)
{
	struct http_follower *f, *next;

	for (f = TAILQ_FIRST(&at->followers); f; f = next) {
		next = TAILQ_NEXT(f, link);
		f->on_change(f);
	}
}

static void due_tell(struct http_watchers *w)
{
	struct http_watch *at;

	w->piece.valid = false;
	w->piece.sharing = true;
	while ((at = TAILQ_FIRST(&w->due)) != NULL) {
		TAILQ_REMOVE(&w->due, at, due_link);
		at->due = false;
		watch_tell(at);
	}
	w->piece.sharing = w->piece.valid = false;
	if (w->piece.bytes.cap > PIECE_KEPT_BYTES)
		buf_release(&w->piece.bytes);
}

static void on_due(void *watchers)
{
	struct http_watchers *w = watchers;

	w->deferred = false;
	due_tell(w);
}

void http_watchers_on_task(struct http_watchers *w, struct task_ref ref)
{
	struct http_watch *at = watch_find(w, ref);

	if (!at || at->due)
		return;
	at->due = true;
	TAILQ_INSERT_TAIL(&w->due, at, due_link);
	if (!w->deferred)
		loop_defer(w->http->loop, on_due, w);
	w->deferred = true;
}

/* --- live events --- */

static void live_tell(struct http_watchers *w)
{
	struct http_watch *at = w->live.len ? watch_find(w, w->live_ref) : NULL;
	struct http_follower *f, *next;

	for (f = at ? TAILQ_FIRST(&at->followers) : NULL; f; f = next) {
		next = TAILQ_NEXT(f, link);
		if (f->on_live)
			f->on_live(f, w->live_after_seq, buf_slice(&w->live));
	}
	buf_reset(&w->live);
}

static void live_collect(const struct live_view *v, void *watchers)
{
	struct http_watchers *w = watchers;

	if (!ref_equal(v->ref, w->live_ref) || v->after_seq != w->live_after_seq ||
	    w->live.len + v->sse.len > w->http->options.stream_chunk_bytes)
		live_tell(w);
	w->live_ref = v->ref;
	w->live_after_seq = v->after_seq;
	buf_add_slice(&w->live, v->sse);
}

void http_watchers_on_live(struct http_watchers *w)
{
	/* What is numbered goes first: live events belong behind it. */
	due_tell(w);
	live_drain(w->http->store, live_collect, w);
	live_tell(w);
}

/* --- time and end --- */

static void on_beat(void *watchers)
{
	struct http_watchers *w = watchers;
	struct http_follower *f, *next;

	for (f = TAILQ_FIRST(&w->beating); f; f = next) {
		next = TAILQ_NEXT(f, beating);
		f->on_beat(f);
	}
	if (!TAILQ_EMPTY(&w->beating))
		loop_timer_set(w->beat, w->http->options.heartbeat_ms);
}

/* The watch goes with its last follower. Who has nothing to say about it stays. */
static void watch_drain(struct http_watch *at)
{
	struct http_follower *f, *next;

	for (f = TAILQ_FIRST(&at->followers); f; f = next) {
		next = TAILQ_NEXT(f, link);
		if (f->on_drain)
			f->on_drain(f);
	}
}

void http_watchers_drain(struct http_watchers *w)
{
	struct http_watch *at, *next;

	w->draining = true;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (at = LIST_FIRST(&w->buckets[i]); at; at = next) {
			next = LIST_NEXT(at, bucket);
			watch_drain(at);
		}
	}
	watch_drain(&w->loose);
}
