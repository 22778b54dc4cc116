/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person does to a task: approve its plan, reject it, cancel; giving input (api_task_input.c) is of
 * the same kind. Each is one move of the store, of the task as it is, durable or not.
 *
 * What was checked (state, digest of the plan) is what is moved: the move names the event number of the
 * document that was read, and when the task has moved on in between everything is looked at again. Cancelling
 * needs no such pin, since all it asks for is that the task is not over, which the mover checks itself: a
 * busy task cannot outrun its cancellation.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

enum { ATTEMPTS_MAX = 16, USER_BYTES_MAX = 200 };

/* Only a plan that is waiting for a person can be approved or rejected. NULL, or the document's tree for the
 * caller to free. */
static struct json *plan_waiting(struct act *a, const char *verb, struct error *e)
{
	struct json *doc;

	if (a->head.state != TASK_AWAITING_APPROVAL) {
		err_set(e, ERR_CONFLICT, "the task is %s: only a task that is awaiting_approval can be %s",
			task_state_text(a->head.state), verb);
		return NULL;
	}
	doc = json_parse(a->doc.data, a->doc.len, JSON_DEPTH_MAX, e);
	if (!doc)
		err_set(e, ERR_INTERNAL, "the task's document cannot be read");
	return doc;
}

void act_state_data(struct act *a, const char *reason)
{
	struct jw w = JW(&a->state_data);

	buf_reset(&a->state_data);
	jw_object(&w);
	if (reason)
		jw_kv_text(&w, "reason", reason);
	if (a->post->hex[0])
		jw_kv_text(&w, "request", a->post->hex);
	jw_object_end(&w);
	a->change.state_data = buf_slice(&a->state_data);
}

void act_by_write(const struct act *a, struct jw *w)
{
	const struct http_request *r = a->post->request;
	const char *header = r->http->options.user_header;
	struct slice user = header ? http_request_header(r, header) : (struct slice){0};

	jw_kv_text(w, "by", "person");
	if (user.len) {
		jw_name(w, "user");
		jw_text_n(w, user.ptr, user.len < USER_BYTES_MAX ? user.len : USER_BYTES_MAX);
	}
}

/* The change: an event about the plan, then the new state. */
static void plan_change(struct act *a, const struct json *doc, enum event_type type, const char *feedback,
			enum task_state to)
{
	const struct json *plan = json_get(doc, "plan");
	struct jw w = JW(&a->data);

	buf_reset(&a->data);
	jw_object(&w);
	jw_kv_text(&w, "digest", json_get_text(plan, "digest", ""));
	jw_kv_int(&w, "version", json_get_integer(plan, "version", 0));
	if (feedback)
		jw_kv_text(&w, "feedback", feedback);
	act_by_write(a, &w);
	jw_object_end(&w);
	a->events[0] = (struct task_event){type, buf_slice(&a->data)};
	a->change = (struct task_change){
		.events = a->events, .events_count = 1, .to = to, .if_last_seq = a->head.last_seq};
	act_state_data(a, NULL);
}

static enum err approve_prepare(struct act *a, struct error *e)
{
	const struct json *given = json_get(a->body, "plan_digest");
	const char *wanted = json_text(given), *digest;
	enum err code = ERR_NONE;
	struct json *doc;

	if (given && !wanted)
		return err_set_field(e, ERR_FIELD, "/plan_digest", "plan_digest must be a string, not %s",
				     json_type_name(json_type(given)));
	doc = plan_waiting(a, "approved", e);
	if (!doc)
		return e->code;
	digest = json_get_text(json_get(doc, "plan"), "digest", "");
	if (wanted && strcmp(wanted, digest) != 0)
		code = err_set_field(
			e, ERR_STALE, "/plan_digest",
			"the plan has changed: its digest is %s, not \"%.80s\"; read the task again", digest,
			wanted);
	else
		plan_change(a, doc, EVENT_PLAN_APPROVED, NULL, TASK_RUNNING);
	json_free(doc);
	return code;
}

static enum err feedback_check(const struct act *a, const char **feedback, struct error *e)
{
	const struct json *given = json_get(a->body, "feedback");
	size_t max = a->post->request->http->options.prompt_bytes_max;

	*feedback = json_text(given);
	if (!given || json_is(given, JSON_NULL))
		return ERR_NONE;
	if (!*feedback)
		return err_set_field(e, ERR_FIELD, "/feedback", "feedback must be a string, not %s",
				     json_type_name(json_type(given)));
	if ((*feedback)[strspn(*feedback, " \t\r\n\v\f")] == '\0')
		return err_set_field(
			e, ERR_FIELD, "/feedback",
			"feedback is empty: say what the next plan must do otherwise, or leave the field "
			"out to reject the task for good");
	if (strlen(*feedback) > max)
		return err_set_field(e, ERR_FIELD, "/feedback",
				     "feedback has %zu bytes, the most is %zu (limits.prompt_bytes)",
				     strlen(*feedback), max);
	return ERR_NONE;
}

static enum err reject_prepare(struct act *a, struct error *e)
{
	const char *feedback;
	enum err code = feedback_check(a, &feedback, e);
	struct json *doc;

	if (code != ERR_NONE)
		return code;
	doc = plan_waiting(a, "rejected", e);
	if (!doc)
		return e->code;
	if (feedback) {
		plan_change(a, doc, EVENT_PLAN_REJECTED, feedback, TASK_PLANNING);
	} else {
		a->change = (struct task_change){.to = TASK_REJECTED, .if_last_seq = a->head.last_seq};
		act_state_data(a, "rejected by request");
	}
	json_free(doc);
	return ERR_NONE;
}

static enum err cancel_prepare(struct act *a, struct error *e)
{
	if (task_state_terminal(a->head.state))
		return err_set(e, ERR_CONFLICT, "the task is %s already: there is nothing to cancel",
			       task_state_text(a->head.state));
	a->change = (struct task_change){.to = TASK_CANCELLED};
	act_state_data(a, "cancelled by request");
	return ERR_NONE;
}

/* Has the task moved on since it was read? */
static bool moved_on(struct store *s, struct task_ref ref, uint64_t seen_seq)
{
	struct task_head now;

	return task_head_get(s, ref, &now) == ERR_NONE && now.last_seq != seen_seq;
}

/* ERR_NOT_FOUND: it has left the table, so it is over. */
static enum err task_read(struct act *a, struct task_ref ref, struct error *e)
{
	enum err code;

	buf_reset(&a->doc);
	code = task_doc_copy_newest(a->post->request->http->store, ref, &a->doc, &a->head);
	if (code == ERR_GONE)
		return api_task_missing(a->post->request, e);
	return code == ERR_NONE ? code : err_set(e, code, "no memory for the task's document");
}

/* No worker runs it, or one that will hear of it: its tool servers may go at once. */
static void over_tell(const struct act *a)
{
	char id[ID_TEXT_SIZE];

	id_format(&a->head.id, id);
	mcp_client_task_ended(a->post->request->http->mcp, id);
}

static enum err act_do(struct act *a, struct api_made *made, act_prepare_fn *prepare, struct error *e)
{
	struct store *s = a->post->request->http->store;
	bool begun = false;

	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		enum err code = task_read(a, made->ref, e);

		if (code == ERR_NONE)
			code = prepare(a, e);
		if (code != ERR_NONE)
			return code;
		if (a->data.overflow || a->state_data.overflow)
			return err_set(e, ERR_MEMORY, "no memory for the change");
		if (!begun)
			api_post_begin(a->post, &a->head.id, a->head.last_seq);
		begun = true;
		code = task_move(s, made->ref, &a->change, &made->last_seq, e);
		if (code == ERR_NONE && task_state_terminal(a->change.to))
			over_tell(a);
		if (code != ERR_CONFLICT || !moved_on(s, made->ref, a->head.last_seq))
			return code;
	}
	return err_set(e, ERR_UNAVAILABLE, "the task changes too fast to be changed; try again");
}

enum err act_run(struct api_post *p, struct api_made *made, const char *const *members, bool optional,
		 act_prepare_fn *prepare, struct error *e)
{
	struct act a = {.post = p};
	struct id id;
	enum err code = api_task_find(p->request, &id, &made->ref, e);

	if (code == ERR_NONE)
		code = api_body_object(p->request, members, optional, &a.body, e);
	if (code == ERR_NONE)
		code = act_do(&a, made, prepare, e);
	json_free(a.body);
	buf_release(&a.doc);
	buf_release(&a.data);
	buf_release(&a.state_data);
	return code;
}

static enum err approve(struct api_post *p, struct api_made *made, struct error *e)
{
	static const char *const members[] = {"plan_digest", NULL};

	return act_run(p, made, members, true, approve_prepare, e);
}

static enum err reject(struct api_post *p, struct api_made *made, struct error *e)
{
	static const char *const members[] = {"feedback", NULL};

	return act_run(p, made, members, true, reject_prepare, e);
}

static enum err cancel(struct api_post *p, struct api_made *made, struct error *e)
{
	static const char *const members[] = {NULL};

	return act_run(p, made, members, true, cancel_prepare, e);
}

void api_task_approve(struct http_request *r)
{
	api_post_start(r, 200, approve);
}

void api_task_reject(struct http_request *r)
{
	api_post_start(r, 200, reject);
}

void api_task_cancel(struct http_request *r)
{
	api_post_start(r, 200, cancel);
}
