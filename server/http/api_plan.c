/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks/{id}/plan: every version of a task's plan as its events have it, oldest first, who made it
 * and what was decided about it, and what each version changed. The ETag is the digest of the newest version:
 * what PUT wants in If-Match, and what an approval is bound to.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdlib.h>
#include <string.h>

/* One version; everything in it is borrowed from the data of its events. */
struct version {
	struct json *created;
	struct json *decided; /* NULL: not yet */
	enum event_type how;
};

struct history {
	struct api_walk walk;
	struct version *versions;
	size_t count;
};

static void history_release(struct history *h)
{
	api_walk_cancel(&h->walk);
	for (size_t i = 0; i < h->count; i++) {
		json_free(h->versions[i].created);
		json_free(h->versions[i].decided);
	}
	free(h->versions);
	h->versions = NULL;
	h->count = 0;
}

/* Takes data. A decision is about the newest version. */
static void event_keep(struct history *h, enum event_type type, struct json *data)
{
	if (type == EVENT_PLAN_CREATED) {
		h->versions = xrealloc(h->versions, (h->count + 1) * sizeof(*h->versions));
		h->versions[h->count++] = (struct version){.created = data};
	} else if (h->count > 0) {
		struct version *v = &h->versions[h->count - 1];

		json_free(v->decided);
		v->decided = data;
		v->how = type;
	} else {
		json_free(data);
	}
}

static enum err history_take(struct api_walk *w, struct slice sse, struct error *e)
{
	struct history *h = (struct history *)w;
	struct event_view v;

	while (event_next(&sse, &v)) {
		struct json *data;

		if (v.type != EVENT_PLAN_CREATED && v.type != EVENT_PLAN_APPROVED &&
		    v.type != EVENT_PLAN_REJECTED)
			continue;
		data = json_parse(v.data.ptr, v.data.len, JSON_DEPTH_MAX, e);
		if (!data)
			return err_set(e, ERR_INTERNAL, "event %llu of the task cannot be read",
				       (unsigned long long)v.seq);
		event_keep(h, v.type, data);
	}
	return ERR_NONE;
}

static const struct json *plan_of(const struct version *v)
{
	return json_get(v->created, "plan");
}

static void decision_write(const struct version *v, struct jw *w)
{
	jw_name(w, "decision");
	if (!v->decided) {
		jw_null(w);
		return;
	}
	jw_object(w);
	jw_kv_text(w, "decision", v->how == EVENT_PLAN_APPROVED ? "approved" : "rejected");
	jw_kv_text(w, "at", json_get_text(v->decided, "at", NULL));
	jw_kv_text(w, "by", json_get_text(v->decided, "by", "person"));
	if (json_get(v->decided, "user"))
		jw_kv_json(w, "user", json_get(v->decided, "user"));
	if (json_get(v->decided, "feedback"))
		jw_kv_json(w, "feedback", json_get(v->decided, "feedback"));
	jw_object_end(w);
}

static void version_write(const struct version *v, struct jw *w)
{
	const struct json *plan = plan_of(v);

	jw_object(w);
	jw_kv_int(w, "version", json_get_integer(plan, "version", 0));
	jw_kv_text(w, "digest", json_get_text(plan, "digest", NULL));
	jw_kv_text(w, "created_at", json_get_text(v->created, "at", NULL));
	jw_kv_text(w, "by", json_get_text(v->created, "by", "model"));
	decision_write(v, w);
	jw_kv_json(w, "plan", plan);
	jw_object_end(w);
}

/* NULL: there is no plan yet. */
static const struct json *history_newest(const struct history *h)
{
	return h->count > 0 ? plan_of(&h->versions[h->count - 1]) : NULL;
}

static void history_write(const struct history *h, struct buf *out)
{
	const struct json *newest = history_newest(h);
	struct jw w = JW(out);

	jw_object(&w);
	jw_kv_text(&w, "task_id", h->walk.request->params[0]);
	jw_kv_json(&w, "version", json_get(newest, "version"));
	jw_kv_text(&w, "digest", json_get_text(newest, "digest", NULL));
	jw_name(&w, "versions");
	jw_array(&w);
	for (size_t i = 0; i < h->count; i++)
		version_write(&h->versions[i], &w);
	jw_array_end(&w);
	jw_name(&w, "changes");
	jw_array(&w);
	for (size_t i = 1; i < h->count; i++)
		plan_diff_write(plan_of(&h->versions[i - 1]), plan_of(&h->versions[i]), &w);
	jw_array_end(&w);
	jw_object_end(&w);
}

static void history_reply(const struct history *h)
{
	struct http_request *r = h->walk.request;
	const char *digest = json_get_text(history_newest(h), "digest", "");
	struct buf out = BUF_INIT, lines = BUF_INIT;

	if (h->count > 0)
		buf_printf(&lines, "ETag: \"%s\"\r\n", digest);
	history_write(h, &out);
	if (out.overflow)
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for the plan");
	else if (h->count > 0 && api_etag_matches_text(r, digest))
		http_reply(r, 304, NULL, buf_cstr(&lines), (struct slice){0});
	else
		http_reply(r, 200, "application/json", buf_cstr(&lines), buf_slice(&out));
	buf_release(&out);
	buf_release(&lines);
}

static void history_end(struct api_walk *w, const struct error *why)
{
	struct history *h = (struct history *)w;
	struct http_request *r = w->request;
	struct error e = {0};

	r->on_gone = NULL;
	if (why)
		e = api_walk_why(w, why);
	/* The answer ends the request, in whose arena the history lies. */
	struct history now = *h;
	h->versions = NULL;
	h->count = 0;
	if (e.code != ERR_NONE)
		http_reply_error(r, &e);
	else
		history_reply(&now);
	now.walk.ask.call = NULL;
	history_release(&now);
}

static void history_gone(struct http_request *r)
{
	history_release(r->data);
}

void api_plan_get(struct http_request *r)
{
	static const char *const no_parameters[] = {NULL};
	struct history *h;
	struct error e;
	struct id id;

	if (!api_query_check(r, no_parameters))
		return;
	if (api_task_id(r, &id, &e) != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	h = arena_alloc(r->arena, sizeof(*h));
	if (!h) {
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for this request");
		return;
	}
	*h = (struct history){.walk = {.request = r, .task = id, .take = history_take, .end = history_end}};
	r->data = h;
	r->on_gone = history_gone;
	api_walk_start(&h->walk);
}
