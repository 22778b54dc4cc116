/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks/{id}?wait=: answers when the durable state of the task is another than when the request came,
 * when the time is over, or when the server stops; at once when the task is over, or when the client's
 * If-None-Match shows that it has not seen the present version, so that nothing is missed between two waits.
 * With until=end it answers when the task does not work any more: it is over, or a person has to say
 * something.
 *
 * A wait follows the task before it reads it: no change falls between. It ends exactly once, by its answer or
 * by its client leaving.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>
#include <stdlib.h>

struct task_wait {
	struct http_follower follower;
	struct http_request *request;
	struct id id;
	struct task_ref ref;
	enum task_state seen; /* durable */
	bool to_end;
	struct loop_timer *timer;
};

static void wait_free(struct task_wait *w)
{
	http_unfollow(w->request->http->watchers, &w->follower);
	loop_timer_free(w->timer);
	free(w);
}

static void wait_gone(struct http_request *r)
{
	wait_free(r->data);
}

static void wait_answer(void *wait)
{
	struct task_wait *w = wait;
	struct http_request *r = w->request;
	struct task_ref ref = w->ref;
	struct id id = w->id;

	wait_free(w);
	r->on_gone = NULL;
	api_reply_task(r, &id, &ref);
}

static struct task_wait *wait_of(struct http_follower *f)
{
	return (struct task_wait *)((char *)f - offsetof(struct task_wait, follower));
}

static void wait_changed(struct http_follower *f)
{
	struct task_wait *w = wait_of(f);
	struct task_head head;

	if (task_head_get(w->request->http->store, w->ref, &head) != ERR_NONE ||
	    (w->to_end ? !task_state_works(head.durable_state) : head.durable_state != w->seen))
		wait_answer(w);
}

static void wait_drained(struct http_follower *f)
{
	wait_answer(wait_of(f));
}

/* Is there nothing to wait for? */
static bool settled(const struct http_request *r, const struct task_head *head, bool to_end)
{
	bool tagged = !to_end && http_request_header(r, "If-None-Match").ptr != NULL;
	bool over =
		to_end ? !task_state_works(head->durable_state) : task_state_terminal(head->durable_state);

	return head->durable_seq == 0 || over || (tagged && !api_etag_matches(r, head->durable_seq)) ||
	       http_watchers_draining(r->http->watchers);
}

void api_task_wait(struct http_request *r, const struct id *id, struct task_ref ref, int64_t wait_ms,
		   bool to_end)
{
	struct http *h = r->http;
	struct task_wait *w = xcalloc(1, sizeof(*w));
	struct task_head head;

	w->request = r;
	w->id = *id;
	w->ref = ref;
	w->follower.on_change = wait_changed;
	w->follower.on_drain = wait_drained;
	if (http_follow(h->watchers, ref, &w->follower) != ERR_NONE ||
	    task_head_get(h->store, ref, &head) != ERR_NONE || settled(r, &head, to_end)) {
		wait_free(w);
		api_reply_task(r, id, &ref);
		return;
	}
	w->seen = head.durable_state;
	w->to_end = to_end;
	w->timer = loop_timer_new(h->loop, wait_answer, w);
	loop_timer_set(w->timer, wait_ms);
	r->data = w;
	r->on_gone = wait_gone;
}
