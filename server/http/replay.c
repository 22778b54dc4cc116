/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task as it was right after a request took effect: the fold of its events up to the one that names the
 * request (or has a given number). With it a repeated request gets the answer of the first one, whatever has
 * happened to the task since and whichever processes have died.
 *
 * First everything that the task has now must be durable: what is looked for is either in that, or never was.
 * Then the events are read from the first on (walk.c). Nothing of it is kept but the document so far.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>
#include <string.h>

static struct http *http_of(const struct api_replay *p)
{
	return p->request->http;
}

void api_replay_cancel(struct api_replay *p)
{
	api_hold_cancel(&p->hold);
	api_walk_cancel(&p->walk);
	buf_release(&p->doc);
}

static void replay_end(struct api_replay *p, const struct error *e)
{
	if (e)
		buf_release(&p->doc);
	p->fn(p, e);
}

static bool names_request(const struct api_replay *p, const struct event_view *v)
{
	struct json *data;
	bool found;

	if ((v->type != EVENT_TASK_CREATED && v->type != EVENT_TASK_STATE && v->type != EVENT_PLAN_CREATED) ||
	    !memmem(v->data.ptr, v->data.len, p->hex, strlen(p->hex)))
		return false;
	data = json_parse(v->data.ptr, v->data.len, JSON_DEPTH_MAX, NULL);
	found = strcmp(json_get_text(data, "request", ""), p->hex) == 0;
	json_free(data);
	return found;
}

static bool is_sought(const struct api_replay *p, const struct event_view *v)
{
	return p->seq ? v->seq == p->seq : v->seq > p->after_seq && names_request(p, v);
}

/* Whole events that follow those taken before. */
static enum err piece_take(struct api_replay *p, struct slice sse, struct error *e)
{
	struct slice rest = sse, used;
	struct buf doc = BUF_INIT;
	struct event_view v;
	enum err code;

	while (!p->found && event_next(&rest, &v)) {
		p->found = is_sought(p, &v);
		p->folded = v.seq;
	}
	used = (struct slice){sse.ptr, p->found ? (size_t)(rest.ptr - sse.ptr) : sse.len};
	if (used.len == 0)
		return ERR_NONE;
	code = p->doc.len ? task_fold_on(buf_slice(&p->doc), used, &doc, e) : task_fold(used, &doc, e);
	buf_release(&p->doc);
	p->doc = doc;
	return code == ERR_NONE && doc.overflow ? err_set(e, ERR_MEMORY, "no memory for the task's document")
						: code;
}

static struct api_replay *of_walk(struct api_walk *w)
{
	return (struct api_replay *)((char *)w - offsetof(struct api_replay, walk));
}

static enum err walk_take(struct api_walk *w, struct slice sse, struct error *e)
{
	enum err code = piece_take(of_walk(w), sse, e);

	w->enough = of_walk(w)->found;
	return code;
}

static void walk_end(struct api_walk *w, const struct error *e)
{
	struct api_replay *p = of_walk(w);
	struct error none;

	if (!e && !p->found) {
		err_set(&none, ERR_NOT_FOUND, "the request took no effect");
		e = &none;
	}
	replay_end(p, e);
}

static void replay_read(struct api_replay *p)
{
	p->walk =
		(struct api_walk){.request = p->request, .task = p->task, .take = walk_take, .end = walk_end};
	api_walk_start(&p->walk);
}

static void replay_durable(struct api_hold *hold, const struct error *e)
{
	struct api_replay *p = (struct api_replay *)((char *)hold - offsetof(struct api_replay, hold));

	if (e)
		replay_end(p, e);
	else
		replay_read(p);
}

void api_replay(struct api_replay *p)
{
	struct task_head head;
	struct task_ref ref;

	if (task_find(http_of(p)->store, &p->task, &ref) &&
	    task_head_get(http_of(p)->store, ref, &head) == ERR_NONE)
		api_hold(&p->hold, p->request, ref, head.last_seq, replay_durable);
	else
		replay_read(p);
}
