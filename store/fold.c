/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each event does to the fold state. The document is nothing but the fold of a task's events: task_fold
 * does it for all of them, task_move for the newest. Members it does not know are left alone.
 */
#include "base/base.h"
#include "store/doc.h"

#include <stdlib.h>
#include <string.h>

/* A member of an event sits a few levels deeper in the document, which must still be readable. */
enum { EVENT_DEPTH_MAX = JSON_DEPTH_MAX - 8 };

static void fold_state(struct task_doc *d, const struct json *data);
static void fold_steps_close(struct task_doc *d);
static void fold_step(struct task_doc *d, enum event_type type, const struct json *data);
static void fold_usage(struct task_doc *d, const struct json *usage);
static void fold_created(struct task_doc *d, const struct json *data);

/* Most events are told, not folded: their text need not be parsed. */
static bool event_folds(enum event_type t)
{
	switch (t) {
	case EVENT_TASK_CREATED:
	case EVENT_TASK_STATE:
	case EVENT_TASK_RESULT:
	case EVENT_TASK_PENDING:
	case EVENT_PLAN_CREATED:
	case EVENT_STEP_STARTED:
	case EVENT_STEP_COMPLETED:
	case EVENT_STEP_FAILED:
	case EVENT_STEP_SKIPPED:
	case EVENT_STEP_CANCELLED:
	case EVENT_STEP_WAITING:
	case EVENT_STEP_IN_DOUBT:
	case EVENT_STEP_RESUMED:
	case EVENT_BUDGET_EXHAUSTED:
	case EVENT_MODEL_COMPLETED: return true;
	default: return false;
	}
}

/* What an event of this type may change of the document has to be rendered again. */
static void parts_drop(struct task_doc *d, enum event_type t)
{
	bool all = t == EVENT_TASK_CREATED, state = t == EVENT_TASK_STATE;
	bool counted = t == EVENT_MODEL_STARTED || t == EVENT_MODEL_COMPLETED || t == EVENT_TOOL_STARTED;
	bool told = t == EVENT_TASK_RESULT || t == EVENT_TASK_PENDING, spent = t == EVENT_BUDGET_EXHAUSTED;
	bool dropped[DOC_PARTS] = {
		[DOC_ASKED] = all,
		[DOC_PLAN] = event_folds(t) && !counted && !told && !spent,
		[DOC_OUTCOME] = all || state || told,
		[DOC_USAGE] = all || counted,
		[DOC_GIVEN] = all || spent,
	};
	for (size_t i = 0; i < DOC_PARTS; i++)
		if (dropped[i])
			buf_reset(&d->parts[i]);
}

enum err doc_apply(struct task_doc *d, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data,
		   struct error *e)
{
	struct json *j = NULL;
	d->last_seq = seq;
	d->updated_ms = at_ms;
	d->model_calls += type == EVENT_MODEL_STARTED;
	d->tool_calls += type == EVENT_TOOL_STARTED;
	parts_drop(d, type);
	if (!event_folds(type) || doc_fold_peek(d, type, data))
		return ERR_NONE;
	struct error why = {0};
	j = json_parse(data.ptr, data.len, EVENT_DEPTH_MAX, &why);
	if (!json_is(j, JSON_OBJECT)) {
		const char *colon = j == NULL ? ": " : "";
		json_free(j);
		return err_set(e, ERR_JSON, "the data of %s is not a JSON object%s%s", event_type_text(type),
			       colon, why.msg);
	}
	if (type == EVENT_TASK_CREATED) {
		d->created_ms = at_ms;
		fold_created(d, j);
	} else if (type == EVENT_TASK_STATE) {
		fold_state(d, j);
	} else if (type == EVENT_TASK_RESULT) {
		doc_text_set(&d->result, doc_member(j, "result"));
	} else if (type == EVENT_TASK_PENDING) {
		doc_pending_set(d, j);
	} else if (type == EVENT_PLAN_CREATED) {
		doc_plan_set(d, json_get(j, "plan"));
	} else if (type == EVENT_MODEL_COMPLETED) {
		fold_usage(d, json_get(j, "usage"));
		doc_cost_add(d, doc_cost_nano(json_get(j, "cost")));
	} else if (type == EVENT_BUDGET_EXHAUSTED) {
		static const char *const but[] = {"seq", "at", NULL};
		char *members = doc_members(j, but);
		doc_text_set(&d->budget_exhausted, xasprintf("{%s}", members));
		free(members);
	} else {
		fold_step(d, type, j);
	}
	json_free(j);
	return ERR_NONE;
}

enum err doc_fold(struct task_doc *d, struct slice sse, uint64_t *seq, struct error *e)
{
	struct event_view v;
	enum err code = ERR_NONE;
	while (code == ERR_NONE && event_next(&sse, &v)) {
		struct json *j = json_parse(v.data.ptr, v.data.len, JSON_DEPTH_MAX, e);
		int64_t at_ms = 0;
		if (j == NULL || v.seq != ++*seq || !clock_parse(json_get_text(j, "at", ""), &at_ms))
			code = err_set(e, ERR_INTERNAL, "event %llu is damaged or out of order",
				       (unsigned long long)v.seq);
		json_free(j);
		if (code == ERR_NONE)
			code = doc_apply(d, v.seq, at_ms, v.type, v.data, e);
	}
	if (code == ERR_NONE && sse.len > 0)
		code = err_set(e, ERR_INTERNAL, "the events after %llu are damaged",
			       (unsigned long long)*seq);
	return code;
}

enum err task_fold(struct slice sse, struct buf *doc, struct error *e)
{
	return task_fold_on((struct slice){0}, sse, doc, e);
}

enum err task_fold_on(struct slice from, struct slice sse, struct buf *doc, struct error *e)
{
	struct task_doc *d = from.len > 0 ? doc_parse(from, e) : doc_new();
	if (d == NULL)
		return ERR_INTERNAL;
	uint64_t seq = d->last_seq;
	enum err code = doc_fold(d, sse, &seq, e);
	if (code == ERR_NONE)
		doc_render(d, doc);
	doc_free(d);
	return code;
}

/* --- helpers --- */

static void fold_created(struct task_doc *d, const struct json *data)
{
	doc_text_set(&d->id, doc_member(data, "task_id"));
	doc_text_set(&d->prompt, doc_member(data, "prompt"));
	doc_text_set(&d->approval, doc_member(data, "approval"));
	doc_text_set(&d->metadata, doc_member(data, "metadata"));
	doc_text_set(&d->output_schema, doc_member(data, "output_schema"));
	doc_text_set(&d->tenant, doc_member(data, "tenant"));
	doc_text_set(&d->parent, doc_member(data, "parent"));
	doc_text_set(&d->budget, doc_member(data, "budget"));
}

void doc_state_become(struct task_doc *d, const char *text)
{
	enum task_state to;
	if (!task_state_parse(text, &to))
		return;
	d->state = to;
	if (!task_state_terminal(to))
		return;
	fold_steps_close(d);
	doc_pending_set(d, NULL); /* nothing is asked any more */
}

static void fold_state(struct task_doc *d, const struct json *data)
{
	doc_state_become(d, json_get_text(data, "to", ""));
	if (json_get(data, "error") != NULL)
		doc_text_set(&d->error, doc_member(data, "error"));
}

/* No step is left open in a task that is over. */
static void fold_steps_close(struct task_doc *d)
{
	const char *open = d->state == TASK_CANCELLED ? "cancelled" : "skipped";
	const char *running = d->state == TASK_FAILED ? "failed" : open;
	for (size_t i = 0; i < d->steps_count; i++) {
		char **status = &d->steps[i].status;
		if (strcmp(*status, "running") == 0 || strcmp(*status, "in_doubt") == 0)
			doc_text_set(status, xstrdup(running));
		else if (strcmp(*status, "pending") == 0 || strcmp(*status, "waiting") == 0)
			doc_text_set(status, xstrdup(open));
	}
}

static const char *step_status(enum event_type t)
{
	switch (t) {
	case EVENT_STEP_COMPLETED: return "completed";
	case EVENT_STEP_FAILED: return "failed";
	case EVENT_STEP_SKIPPED: return "skipped";
	case EVENT_STEP_CANCELLED: return "cancelled";
	case EVENT_STEP_WAITING: return "waiting";
	case EVENT_STEP_IN_DOUBT: return "in_doubt";
	default: return "running";
	}
}

void doc_step_become(struct task_doc *d, struct slice id, enum event_type type, struct slice result,
		     struct slice error)
{
	for (size_t i = 0; i < d->steps_count; i++) {
		struct doc_step *s = &d->steps[i];
		if (!slice_eq_str(id, s->id))
			continue;
		doc_text_set(&s->status, xstrdup(step_status(type)));
		if (type == EVENT_STEP_COMPLETED)
			doc_text_set(&s->result, slice_dup(result));
		if (type == EVENT_STEP_FAILED || type == EVENT_STEP_COMPLETED)
			doc_text_set(&s->error, slice_dup(error));
		return;
	}
}

static void fold_step(struct task_doc *d, enum event_type type, const struct json *data)
{
	char *result = doc_member(data, "result"), *error = doc_member(data, "error");
	doc_step_become(d, slice_str(json_get_text(data, "step", "")), type, slice_str(result),
			slice_str(error));
	free(result);
	free(error);
}

void doc_tokens_add(int64_t *sum, int64_t more)
{
	if (more > 0 && __builtin_add_overflow(*sum, more, sum))
		*sum = INT64_MAX;
}

static void fold_usage(struct task_doc *d, const struct json *usage)
{
	doc_tokens_add(&d->input_tokens, json_get_integer(usage, "input_tokens", 0));
	doc_tokens_add(&d->output_tokens, json_get_integer(usage, "output_tokens", 0));
	doc_tokens_add(&d->cached_tokens, json_get_integer(usage, "cached_tokens", 0));
	d->estimated = d->estimated || json_get_bool(usage, "estimated", false);
}

void doc_cost_add(struct task_doc *d, int64_t nano)
{
	if (nano >= 0 && __builtin_add_overflow(d->cost_nano > 0 ? d->cost_nano : 0, nano, &d->cost_nano))
		d->cost_nano = INT64_MAX;
}
