/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until a change is durable. Whoever has changed a task is answered when a power cut can no longer
 * undo it. At once when it is durable already (nothing is followed then), else when the task says so; a task
 * that has left the table was durable before it did.
 *
 * It ends exactly once: durable, or with why it is not: the disk is full, the store is broken, or it took too
 * long. In none of these has the change been taken back: it may still become durable, and the client is told.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>

static struct api_hold *of_follower(struct http_follower *f)
{
	return (struct api_hold *)((char *)f - offsetof(struct api_hold, follower));
}

static struct api_hold *of_waiter(struct http_waiter *w)
{
	return (struct api_hold *)((char *)w - offsetof(struct api_hold, waiter));
}

void api_hold_cancel(struct api_hold *h)
{
	if (!h->request)
		return;
	http_unfollow(h->request->http->watchers, &h->follower);
	http_wait_end(h->request->http->waiters, &h->waiter);
}

static void hold_end(struct api_hold *h, const struct error *e)
{
	api_hold_cancel(h);
	h->fn(h, e);
}

static bool hold_durable(const struct api_hold *h)
{
	struct task_head head;

	return task_head_get(h->request->http->store, h->ref, &head) != ERR_NONE ||
	       head.durable_seq >= h->seq;
}

/* What the client is to do when it is not known whether its change will last. */
static const char *hold_advice(const struct api_hold *h)
{
	return http_request_header(h->request, "Idempotency-Key").ptr
		       ? "repeat the request with the same Idempotency-Key"
		       : "look at the task before you repeat the request; with an Idempotency-Key it can be "
			 "repeated without harm";
}

/* ERR_NONE while there is hope. */
static enum err hold_refusal(const struct api_hold *h, struct error *e)
{
	char why[ERROR_MSG_MAX];

	switch (store_health(h->request->http->store, why)) {
	case STORE_NO_SPACE:
		return err_set(e, ERR_NO_SPACE,
			       "there is no room (%.200s): the change is kept in memory and is stored when "
			       "there is room again; %s",
			       why, hold_advice(h));
	case STORE_AWAY:
		return err_set(e, ERR_UNAVAILABLE,
			       "%.200s: the change is kept in memory and is stored when the database can be "
			       "opened again; %s",
			       why, hold_advice(h));
	case STORE_BROKEN:
		return err_set(e, ERR_UNAVAILABLE,
			       "the store has failed (%.160s): the change could not be stored; %s", why,
			       hold_advice(h));
	case STORE_STARTING:
	case STORE_FULL:
	case STORE_WORKS: break;
	}
	return ERR_NONE;
}

static void hold_changed(struct http_follower *f)
{
	struct api_hold *h = of_follower(f);

	if (hold_durable(h))
		hold_end(h, NULL);
}

static void hold_health(struct http_waiter *w)
{
	struct api_hold *h = of_waiter(w);
	struct error e;

	if (hold_durable(h))
		hold_end(h, NULL);
	else if (hold_refusal(h, &e) != ERR_NONE)
		hold_end(h, &e);
}

static void hold_over(struct http_waiter *w)
{
	struct api_hold *h = of_waiter(w);
	struct error e;

	err_set(&e, ERR_UNAVAILABLE,
		"the change was made but is not stored yet after %lld ms (store.ack_seconds); %s",
		(long long)h->request->http->options.ack_ms_max, hold_advice(h));
	hold_end(h, &e);
}

void api_hold(struct api_hold *h, struct http_request *r, struct task_ref ref, uint64_t seq, api_hold_fn *fn)
{
	struct error e;

	*h = (struct api_hold){.request = r, .ref = ref, .seq = seq, .fn = fn};
	if (hold_durable(h)) {
		fn(h, NULL);
		return;
	}
	h->follower.on_change = hold_changed;
	h->waiter.on_health = hold_health;
	h->waiter.on_over = hold_over;
	/* Followed first, looked at after: it may have become durable in between. */
	if (http_follow(r->http->watchers, ref, &h->follower) != ERR_NONE || hold_durable(h)) {
		hold_end(h, NULL);
	} else if (hold_refusal(h, &e) != ERR_NONE) {
		hold_end(h, &e);
	} else {
		http_wait(r->http->waiters, &h->waiter);
	}
}
