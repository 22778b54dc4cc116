/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run rebuilt from what the store has: the document gives prompt, plan and finished steps; the events give
 * the conversation of steps that were under way. A model call in flight is made again. A tool call that was
 * started and has no end runs again only if it reads; any other may have taken effect, so its step is left in
 * doubt and fails rather than act twice.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { READ_BYTES = 256 * 1024 };

static enum err document_load(struct run *r, struct task_head *head, struct error *e);
static void fence_make(struct run *r);
static enum err steps_load(struct run *r, const struct json *plan, struct error *e);
static enum err events_load(struct run *r, struct error *e);
static void event_apply(struct run *r, enum event_type type, const struct json *data);
static void model_completed(struct exec *x, const struct json *data);
static void call_ended(struct exec *x, enum event_type type, const struct json *data);
static struct exec_call *call_find(struct exec *x, enum event_type type, const struct json *data);
static void text_take(char **at, const char *text);
static void doubts_settle(struct run *r);
static void call_in_doubt(struct run *r, struct exec_call *c);

enum err resume_load(struct run *r, struct error *e)
{
	struct task_head head;
	enum err code = document_load(r, &head, e);
	if (code != ERR_NONE)
		return code;
	/* A task nobody has touched has nothing to tell but its creation. */
	if (head.last_seq > 1)
		code = events_load(r, e);
	int64_t since_ms = r->works_since_ms != 0 ? clock_wall_ms() - r->works_since_ms : 0;
	r->deadline_mono_ms -= r->worked_ms + (since_ms > 0 ? since_ms : 0);
	if (code == ERR_NONE && r->plan != NULL)
		doubts_settle(r);
	return code;
}

/* --- helpers --- */

static enum err document_load(struct run *r, struct task_head *head, struct error *e)
{
	struct buf text = BUF_INIT;
	enum err code = task_doc_copy(r->agent->store, r->lease.ref, &text, head);
	if (code != ERR_NONE) {
		buf_release(&text);
		return err_set(e, code, "the task's document cannot be read");
	}
	struct json *doc = json_parse(text.data, text.len, JSON_DEPTH_MAX, e);
	buf_release(&text);
	if (doc == NULL)
		return ERR_JSON;
	r->state = head->state;
	id_format(&head->id, r->task_id);
	fence_make(r);
	r->prompt = xstrdup(json_get_text(doc, "prompt", ""));
	r->approval_required = strcmp(json_get_text(doc, "approval", "required"), "auto") != 0;
	const struct json *plan = json_get(doc, "plan");
	if (json_is(plan, JSON_OBJECT)) {
		r->plan_version = (uint64_t)json_get_integer(plan, "version", 0);
		if (r->state == TASK_RUNNING)
			code = steps_load(r, plan, e);
	} else if (r->state == TASK_RUNNING) {
		code = err_set(e, ERR_INTERNAL, "the task is running but has no plan");
	}
	json_free(doc);
	return code;
}

/* The same wherever the task is run, so that a conversation taken over reads as it did. Tool servers are told
 * no task's id. */
static void fence_make(struct run *r)
{
	char digest[SHA256_HEX_SIZE];
	sha256_hex(r->task_id, strlen(r->task_id), digest);
	snprintf(r->fence, sizeof r->fence, "%.16s", digest);
}

static enum err steps_load(struct run *r, const struct json *plan, struct error *e)
{
	const struct mcp_catalog *catalog = mcp_client_catalog(r->agent->mcp);
	r->plan = plan_load(plan, catalog, e);
	mcp_catalog_drop(catalog);
	if (r->plan == NULL)
		return e->code;
	for (const struct json *j = json_first(json_get(plan, "steps")); j != NULL; j = json_next(j)) {
		const char *status = json_get_text(j, "status", "");
		size_t i;
		if (plan_step_find(r->plan, json_get_text(j, "id", NULL), &i) == NULL)
			continue;
		if (strcmp(status, "completed") == 0) {
			r->steps[i].status = STEP_COMPLETED;
			text_take(&r->steps[i].result, json_get_text(j, "result", ""));
		} else if (strcmp(status, "skipped") == 0) {
			r->steps[i].status = STEP_SKIPPED;
		}
	}
	return ERR_NONE;
}

static enum err events_load(struct run *r, struct error *e)
{
	struct event_cursor cursor;
	struct buf sse = BUF_INIT;
	struct task_head head;
	enum err code = ERR_NONE;
	event_cursor_init(&cursor, 0);
	do {
		buf_reset(&sse);
		code = task_events_copy(r->agent->store, r->lease.ref, &cursor, READ_BYTES, &sse, &head);
		struct slice rest = buf_slice(&sse);
		struct event_view view;
		while (code == ERR_NONE && event_next(&rest, &view)) {
			struct json *data = json_parse(view.data.ptr, view.data.len, JSON_DEPTH_MAX, e);
			if (data == NULL)
				code = ERR_JSON;
			else
				event_apply(r, view.type, data);
			json_free(data);
		}
	} while (code == ERR_NONE && cursor.next_seq <= head.last_seq);
	buf_release(&sse);
	return code;
}

static void calls_named_raise(struct run *r, const struct json *data)
{
	const char *call = json_get_text(data, "call", "");
	unsigned long long n = *call == 'c' ? strtoull(call + 1, NULL, 10) : 0;
	if (n > r->calls_named)
		r->calls_named = n;
}

/* How long the task has been worked on, whoever did it: else a task whose workers die has all the time there
 * is. */
static void work_count(struct run *r, const struct json *data)
{
	enum task_state to;
	int64_t at_ms;
	if (!clock_parse(json_get_text(data, "at", ""), &at_ms) ||
	    !task_state_parse(json_get_text(data, "to", ""), &to))
		return;
	if (r->works_since_ms != 0 && at_ms > r->works_since_ms)
		r->worked_ms += at_ms - r->works_since_ms;
	r->works_since_ms = task_state_works(to) ? at_ms : 0;
}

static void event_apply(struct run *r, enum event_type type, const struct json *data)
{
	size_t i;
	if (type == EVENT_TASK_STATE)
		work_count(r, data);
	calls_named_raise(r, data);
	if (type == EVENT_PLAN_REJECTED)
		text_take(&r->feedback, json_get_text(data, "feedback", NULL));
	else if (type == EVENT_PLAN_CREATED)
		text_take(&r->feedback, NULL);
	if (r->plan == NULL || plan_step_find(r->plan, json_get_text(data, "step", NULL), &i) == NULL)
		return;
	struct run_step *s = &r->steps[i];
	if (type == EVENT_STEP_STARTED) {
		exec_free(s->exec);
		s->attempts++;
		s->status = STEP_RUNNING;
		s->exec = exec_new(r, i); /* its prompt shows the status */
	} else if (type == EVENT_STEP_COMPLETED) {
		s->status = STEP_COMPLETED;
	} else if (type == EVENT_STEP_FAILED) {
		s->status = s->exec != NULL && exec_may_retry(s->exec) ? STEP_PENDING : STEP_FAILED;
		text_take(&s->error, json_get_text(json_get(data, "error"), "message", "failed"));
	}
	if (s->exec == NULL)
		return;
	if (s->status != STEP_RUNNING) {
		exec_free(s->exec);
		s->exec = NULL;
	} else if (type == EVENT_MODEL_COMPLETED) {
		model_completed(s->exec, data);
	} else if (type == EVENT_TOOL_STARTED || type == EVENT_TOOL_COMPLETED || type == EVENT_TOOL_FAILED) {
		call_ended(s->exec, type, data);
	}
}

static void model_completed(struct exec *x, const struct json *data)
{
	const struct json *calls = json_get(data, "calls");
	size_t count = json_count(calls), n = 0;
	struct llm_tool_call *list = xcalloc(count + 1, sizeof *list);
	for (const struct json *c = json_first(calls); c != NULL; c = json_next(c))
		list[n++] = (struct llm_tool_call){.id = json_get_text(c, "id", ""),
						   .name = json_get_text(c, "name", ""),
						   .arguments = json_get_text(c, "arguments", "{}"),
						   .opaque = json_get_text(c, "opaque", NULL)};
	bool cut = strcmp(json_get_text(data, "stop", ""), llm_stop_text(LLM_STOP_LENGTH)) == 0;
	exec_add_turn(x, json_get_text(data, "text", ""), json_get_text(data, "reasoning", NULL), list,
		      cut ? 0 : n);
	if (cut || n == 0)
		exec_nudge(x, cut);
	free(list);
}

static void call_ended(struct exec *x, enum event_type type, const struct json *data)
{
	struct exec_call *c = call_find(x, type, data);
	if (c == NULL)
		return;
	if (type == EVENT_TOOL_STARTED) {
		c->started_before = true;
		c->started_reading = json_get_bool(data, "read_only", false);
		snprintf(c->id, sizeof c->id, "%s", json_get_text(data, "call", ""));
		x->wrote = x->wrote || !c->started_reading;
		x->calls_made++;
		return;
	}
	struct buf text = BUF_INIT;
	bool is_error = type == EVENT_TOOL_FAILED || json_get_bool(data, "is_error", false);
	if (type == EVENT_TOOL_FAILED)
		calls_failure_text(json_get_text(json_get(data, "error"), "message", "failed"),
				   json_get_bool(data, "sent", false) && !c->started_reading, &text);
	else if (is_error)
		buf_add_str(&text, "Error: ");
	if (type == EVENT_TOOL_COMPLETED)
		result_text(json_get(data, "result"), exec_context_bytes_max(x->run->agent), &text);
	calls_answer(c, buf_cstr(&text), is_error);
	buf_release(&text);
}

/* The call an event speaks of: an end by our own id of it where it was started. Models may give one id twice.
 */
static struct exec_call *call_find(struct exec *x, enum event_type type, const struct json *data)
{
	const char *call = json_get_text(data, "call", ""),
		   *model_call = json_get_text(data, "model_call", "");
	for (size_t i = 0; type != EVENT_TOOL_STARTED && i < x->calls_count; i++)
		if (x->calls[i].state == CALL_WAITING && x->calls[i].started_before &&
		    strcmp(x->calls[i].id, call) == 0)
			return &x->calls[i];
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state == CALL_WAITING && !x->calls[i].started_before &&
		    strcmp(x->calls[i].model_id, model_call) == 0)
			return &x->calls[i];
	return NULL;
}

static void text_take(char **at, const char *text)
{
	free(*at);
	*at = xstrdup(text);
}

static void doubts_settle(struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count && !run_over(r); i++) {
		struct exec *x = r->steps[i].exec;
		for (size_t k = 0; x != NULL && k < x->calls_count && !x->over && !run_over(r); k++) {
			struct exec_call *c = &x->calls[k];
			if (c->state == CALL_DONE || !c->started_before)
				continue;
			c->started_before = false;
			if (!c->started_reading)
				call_in_doubt(r, c);
			else
				c->id[0] = '\0'; /* made again under a new name */
		}
	}
}

static void call_in_doubt(struct run *r, struct exec_call *c)
{
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "step", r->plan->steps[c->exec->step].id);
	jw_kv_text(&rec.w, "call", c->id);
	jw_kv_text(&rec.w, "tool", c->name);
	log_warn("a tool call may or may not have taken effect before its worker died; it is not repeated",
		 LF_STR("task_id", r->task_id), LF_STR("tool", c->name));
	if (!record_event(r, &rec, EVENT_STEP_IN_DOUBT))
		return;
	char *text = xasprintf("%s was called, then the worker died: it is not known whether the call took "
			       "effect, and it was "
			       "not repeated; look before you submit the task again",
			       c->name);
	exec_step_failed(c->exec, "outcome-unknown", text);
	free(text);
}
