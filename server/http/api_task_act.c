/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person does to a task: approve its plan, reject it, cancel. Each is one move of the store.
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

enum { ATTEMPTS_MAX = 16 };

/* One request of this kind. */
struct act {
	struct http_request *request;
	struct json *body;     /* NULL when none was sent */
	struct buf doc;        /* the task as it was read ... */
	struct task_head head; /* ... with its head */
	const char *digest;    /* of the plan that is shown; into plan */
	int64_t plan_version;
	struct buf data; /* of the event */
	struct task_event event;
	struct task_change change;
};

typedef enum err act_prepare_fn(struct act *a, struct error *e);

/* Only a plan that is waiting for a person can be approved or rejected. Leaves the document's tree to the
 * caller. */
static struct json *plan_waiting(struct act *a, const char *verb, struct error *e)
{
	const struct json *plan;
	struct json *doc;

	if (a->head.state != TASK_AWAITING_APPROVAL) {
		err_set(e, ERR_CONFLICT, "the task is %s: only a task that is awaiting_approval can be %s",
			task_state_text(a->head.state), verb);
		return NULL;
	}
	doc = json_parse(a->doc.data, a->doc.len, JSON_DEPTH_MAX, e);
	if (!doc) {
		err_set(e, ERR_INTERNAL, "the task's document cannot be read");
		return NULL;
	}
	plan = json_get(doc, "plan");
	a->digest = json_get_text(plan, "digest", "");
	a->plan_version = json_get_integer(plan, "version", 0);
	return doc;
}

/* Begins the data of an event about the plan; the caller adds one more member and ends it. */
static struct jw plan_event(struct act *a, enum event_type type)
{
	struct jw w = JW(&a->data);

	buf_reset(&a->data);
	jw_object(&w);
	jw_kv_text(&w, "digest", a->digest);
	jw_kv_int(&w, "version", a->plan_version);
	a->event.type = type;
	return w;
}

static void plan_event_end(struct act *a, struct jw *w, enum task_state to)
{
	jw_object_end(w);
	a->event.data = buf_slice(&a->data);
	a->change = (struct task_change){
		.events = &a->event, .events_count = 1, .to = to, .if_last_seq = a->head.last_seq};
}

static enum err approve_prepare(struct act *a, struct error *e)
{
	const struct json *given = json_get(a->body, "plan_digest");
	const char *wanted = json_text(given);
	enum err code = ERR_NONE;
	struct json *doc;
	struct jw w;

	if (given && !wanted)
		return err_set_field(e, ERR_FIELD, "/plan_digest", "plan_digest must be a string, not %s",
				     json_type_name(json_type(given)));
	doc = plan_waiting(a, "approved", e);
	if (!doc)
		return e->code;
	if (wanted && strcmp(wanted, a->digest) != 0) {
		code = err_set_field(
			e, ERR_STALE, "/plan_digest",
			"the plan has changed: its digest is %s, not \"%.80s\"; read the task again",
			a->digest, wanted);
	} else {
		w = plan_event(a, EVENT_PLAN_APPROVED);
		jw_kv_text(&w, "by", "person");
		plan_event_end(a, &w, TASK_RUNNING);
	}
	json_free(doc);
	return code;
}

static enum err feedback_check(const struct act *a, const char **feedback, struct error *e)
{
	const struct json *given = json_get(a->body, "feedback");
	size_t max = a->request->http->options.prompt_bytes_max;

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
	struct jw w;

	if (code != ERR_NONE)
		return code;
	doc = plan_waiting(a, "rejected", e);
	if (!doc)
		return e->code;
	if (feedback) {
		w = plan_event(a, EVENT_PLAN_REJECTED);
		jw_kv_text(&w, "feedback", feedback);
		plan_event_end(a, &w, TASK_PLANNING);
	} else {
		a->change =
			(struct task_change){.to = TASK_REJECTED,
					     .state_data = SLICE_LIT("{\"reason\":\"rejected by request\"}"),
					     .if_last_seq = a->head.last_seq};
	}
	json_free(doc);
	return ERR_NONE;
}

static enum err cancel_prepare(struct act *a, struct error *e)
{
	if (task_state_terminal(a->head.state))
		return err_set(e, ERR_CONFLICT, "the task is %s already: there is nothing to cancel",
			       task_state_text(a->head.state));
	a->change = (struct task_change){.to = TASK_CANCELLED,
					 .state_data = SLICE_LIT("{\"reason\":\"cancelled by request\"}")};
	return ERR_NONE;
}

/* Has the task moved on since it was read? */
static bool moved_on(struct act *a, struct task_ref ref)
{
	struct task_head now;

	return task_head_get(a->request->http->store, ref, &now) == ERR_NONE &&
	       now.last_seq != a->head.last_seq;
}

static enum err act_do(struct act *a, struct task_ref ref, act_prepare_fn *prepare, struct error *e)
{
	struct store *s = a->request->http->store;

	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		enum err code;

		buf_reset(&a->doc);
		code = task_doc_copy(s, ref, &a->doc, &a->head);
		if (code != ERR_NONE)
			return err_set(e, code,
				       code == ERR_GONE ? "the task is no longer kept"
							: "no memory for the task's document");
		code = prepare(a, e);
		if (code != ERR_NONE)
			return code;
		if (a->data.overflow)
			return err_set(e, ERR_MEMORY, "no memory for the change");
		code = task_move(s, ref, &a->change, NULL, e);
		if (code != ERR_CONFLICT || !moved_on(a, ref))
			return code;
	}
	return err_set(e, ERR_UNAVAILABLE, "the task changes too fast to be changed; try again");
}

static void act_run(struct http_request *r, const char *const *members, act_prepare_fn *prepare)
{
	static const char *const no_parameters[] = {NULL};
	struct act a = {.request = r};
	struct task_ref ref;
	struct error e;
	bool absent;

	if (!api_query_check(r, no_parameters) || !api_task_resolve(r, &ref))
		return;
	a.body = api_body_object(r, members, true, &absent);
	if (!a.body && !absent)
		return;
	if (act_do(&a, ref, prepare, &e) == ERR_NONE)
		api_reply_task(r, ref, 200, NULL);
	else
		http_reply_error(r, &e);
	json_free(a.body);
	buf_release(&a.doc);
	buf_release(&a.data);
}

void api_task_approve(struct http_request *r)
{
	static const char *const members[] = {"plan_digest", NULL};

	act_run(r, members, approve_prepare);
}

void api_task_reject(struct http_request *r)
{
	static const char *const members[] = {"feedback", NULL};

	act_run(r, members, reject_prepare);
}

void api_task_cancel(struct http_request *r)
{
	static const char *const members[] = {NULL};

	act_run(r, members, cancel_prepare);
}
