/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT /v1/tasks/{id}/plan: a person changes the plan that waits for approval. The new version is checked like
 * the planner's own, and becomes an event; the task goes on waiting, for an approval of what it says now.
 * If-Match names the digest of the version that the change was made from (RFC 9110 section 13.1.1): whoever
 * was shown another one must look again.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

/* The digest that If-Match names, in the request's arena; "*" for any. */
static enum err match_read(const struct http_request *r, const char **digest, struct error *e)
{
	struct slice given = http_request_header(r, "If-Match");

	if (!given.ptr)
		return err_set_field(e, ERR_MATCH_NEEDED, "If-Match",
				     "If-Match is missing: send the digest of the plan that you changed, in "
				     "quotes, as the ETag of GET says it");
	if (given.len > 2 && given.ptr[0] == '"' && given.ptr[given.len - 1] == '"')
		given = (struct slice){given.ptr + 1, given.len - 2};
	else if (!slice_eq_str(given, "*"))
		return err_set_field(e, ERR_FIELD, "If-Match",
				     "If-Match must be one digest in quotes, or *, not %.80s",
				     arena_strndup(r->arena, given.ptr, given.len));
	*digest = arena_strndup(r->arena, given.ptr, given.len);
	return ERR_NONE;
}

static enum err match_check(const struct act *a, const struct json *plan, struct error *e)
{
	const char *digest = json_get_text(plan, "digest", ""), *wanted = "";
	enum err code = match_read(a->post->request, &wanted, e);

	if (code == ERR_NONE && strcmp(wanted, "*") != 0 && strcmp(wanted, digest) != 0)
		code = err_set_field(e, ERR_MATCH, "If-Match",
				     "the plan has changed: its digest is %s, not \"%.80s\"; read it again",
				     digest, wanted);
	return code;
}

static enum err plan_change(struct act *a, const struct json *plan, struct error *e)
{
	const struct http_plans *plans = &a->post->request->http->options.plans;
	struct jw w = JW(&a->data);
	struct buf text = BUF_INIT;
	enum err code = plans->check(a->body, plan, (uint64_t)json_get_integer(plan, "version", 0) + 1, &text,
				     e, plans->arg);

	buf_reset(&a->data);
	if (code == ERR_NONE) {
		jw_object(&w);
		jw_kv_raw(&w, "plan", text.data, text.len);
		act_by_write(a, &w);
		if (a->post->hex[0])
			jw_kv_text(&w, "request", a->post->hex);
		jw_object_end(&w);
		a->events[0] = (struct task_event){EVENT_PLAN_CREATED, buf_slice(&a->data)};
		a->change = (struct task_change){.events = a->events,
						 .events_count = 1,
						 .to = TASK_SAME,
						 .if_last_seq = a->head.last_seq};
	}
	buf_release(&text);
	return code;
}

static enum err put_prepare(struct act *a, struct error *e)
{
	struct json *doc;
	enum err code;

	if (a->head.state != TASK_AWAITING_APPROVAL)
		return err_set(
			e, ERR_CONFLICT,
			"the task is %s: only the plan of a task that is awaiting_approval can be changed",
			task_state_text(a->head.state));
	doc = json_parse(a->doc.data, a->doc.len, JSON_DEPTH_MAX, e);
	if (!doc)
		return err_set(e, ERR_INTERNAL, "the task's document cannot be read");
	code = match_check(a, json_get(doc, "plan"), e);
	if (code == ERR_NONE)
		code = plan_change(a, json_get(doc, "plan"), e);
	json_free(doc);
	return code;
}

static enum err put(struct api_post *p, struct api_made *made, struct error *e)
{
	/* What GET shows may be sent back; version, digests and progress are not the client's to say. */
	static const char *const members[] = {"goal",    "assumptions", "questions", "steps", "final_output",
					      "version", "digest",      "tools",     NULL};

	return act_run(p, made, members, false, put_prepare, e);
}

void api_plan_put(struct http_request *r)
{
	api_post_start(r, 200, put);
}
