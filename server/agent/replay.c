/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each event says of a run that is being rebuilt: the conversations of steps that were under way, what
 * was sent and what came back, what a person decided. Nothing is decided or written here.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static void step_replay(struct run *r, size_t step, enum event_type type, const struct json *data);
static void model_completed(struct exec *x, const struct json *data);
static void call_replay(struct exec *x, enum event_type type, const struct json *data);
static void call_started(struct exec *x, const struct json *data);
static void call_ended(struct exec_call *c, enum event_type type, const struct json *data);
static void input_replay(struct run *r, const struct json *data);
static void steps_reset(struct run *r);
static void text_take(char **at, const char *text);

static void calls_named_raise(struct run *r, const struct json *data)
{
	const char *call = json_get_text(data, "call", "");
	unsigned long long n = *call == 'c' ? strtoull(call + 1, NULL, 10) : 0;
	uint64_t *named = n / STEP_CALLS == 0                ? &r->calls_named
			  : n / STEP_CALLS <= PLAN_STEPS_MAX ? &r->step_calls_named[n / STEP_CALLS - 1]
							     : NULL;
	if (named != NULL && n % STEP_CALLS > *named)
		*named = n % STEP_CALLS;
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
	if (r->plan != NULL && to == TASK_PLANNING &&
	    strcmp(json_get_text(data, "from", ""), task_state_text(TASK_RUNNING)) == 0)
		replan_count(r, json_get_text(data, "reason", "a step failed"));
	if (r->works_since_ms != 0 && at_ms > r->works_since_ms)
		r->worked_ms += at_ms - r->works_since_ms;
	r->works_since_ms = task_state_works(to) ? at_ms : 0;
}

static void artifact_named(struct run *r, const struct json *artifact)
{
	int64_t n = json_get_integer(artifact, "number", 0);
	if (n > (int64_t)r->artifacts_named && n <= UINT32_MAX)
		r->artifacts_named = (uint32_t)n;
}

static void artifacts_named_raise(struct run *r, const struct json *data)
{
	artifact_named(r, json_get(data, "artifact"));
	for (const struct json *a = json_first(json_get(data, "artifacts")); a != NULL; a = json_next(a))
		artifact_named(r, a);
}

void event_replay(struct run *r, enum event_type type, const struct json *data)
{
	size_t i;
	if (type == EVENT_TASK_STATE) {
		work_count(r, data);
		if (json_get_text(data, "fence", NULL) != NULL)
			snprintf(r->fence, sizeof r->fence, "%s", json_get_text(data, "fence", ""));
	}
	calls_named_raise(r, data);
	budget_replay(r, type, data);
	artifacts_named_raise(r, data);
	if (type == EVENT_PLAN_REJECTED)
		text_take(&r->feedback, json_get_text(data, "feedback", NULL));
	else if (type == EVENT_PLAN_CREATED)
		text_take(&r->feedback, NULL);
	if (type == EVENT_PLAN_CREATED)
		r->plan_tainted = r->tainted && strcmp(json_get_text(data, "by", ""), "person") != 0;
	else if (type == EVENT_PLAN_APPROVED && strcmp(json_get_text(data, "by", ""), "person") == 0)
		r->plan_tainted = false;
	else if ((type == EVENT_TOOL_COMPLETED || type == EVENT_TOOL_FAILED) &&
		 json_get_bool(data, "untrusted", false))
		r->tainted = true;
	questions_replay(r, type, data);
	inherit_replay(r, type, data);
	if (r->plan == NULL)
		return;
	if (type == EVENT_PLAN_CREATED)
		steps_reset(r);
	permit_replay(r, type, data);
	if (type == EVENT_TASK_INPUT)
		input_replay(r, data);
	else if (plan_step_find(r->plan, json_get_text(data, "step", NULL), &i) != NULL)
		step_replay(r, i, type, data);
}

/* --- helpers --- */

static void step_replay(struct run *r, size_t step, enum event_type type, const struct json *data)
{
	struct run_step *s = &r->steps[step];
	if (type == EVENT_STEP_STARTED) {
		exec_free(s->exec);
		s->attempts++;
		s->status = STEP_RUNNING;
		s->exec = exec_new(r, step); /* its prompt shows the status */
	} else if (type == EVENT_STEP_COMPLETED) {
		s->status = STEP_COMPLETED;
	} else if (type == EVENT_STEP_FAILED) {
		s->status = s->exec != NULL && exec_may_retry(s->exec) ? STEP_PENDING : STEP_FAILED;
		text_take(&s->error, json_get_text(json_get(data, "error"), "message", "failed"));
	} else if (type == EVENT_STEP_SKIPPED) {
		s->status = STEP_SKIPPED;
	}
	if (s->exec == NULL)
		return;
	if (s->status != STEP_RUNNING) {
		exec_free(s->exec);
		s->exec = NULL;
	} else if (type == EVENT_MODEL_STARTED) {
		s->exec->messages_told = s->exec->messages_count;
	} else if (type == EVENT_MODEL_COMPLETED) {
		model_completed(s->exec, data);
	} else if (type == EVENT_TOOL_STARTED) {
		call_started(s->exec, data);
	} else {
		call_replay(s->exec, type, data);
	}
}

static void model_completed(struct exec *x, const struct json *data)
{
	if (json_get_bool(data, "check", false)) { /* no turn of the conversation */
		x->checks++;
		return;
	}
	const struct json *calls = json_get(data, "calls");
	size_t count = json_count(calls), n = 0;
	struct llm_tool_call *list = xcalloc(count + 1, sizeof *list);
	for (const struct json *c = json_first(calls); c != NULL; c = json_next(c))
		list[n++] = (struct llm_tool_call){.id = json_get_text(c, "id", ""),
						   .name = json_get_text(c, "name", ""),
						   .arguments = json_get_text(c, "arguments", "{}"),
						   .opaque = json_get_text(c, "opaque", NULL)};
	exec_add_turn(x, &(struct llm_turn){.text = json_get_text(data, "text", ""),
					    .reasoning = json_get_text(data, "reasoning", NULL),
					    .echo = json_get_text(data, "echo", NULL),
					    .calls = list,
					    .calls_count = n,
					    .stop = llm_stop_of(json_get_text(data, "stop", ""))});
	free(list);
}

/* The call that a person has spoken of. */
static struct exec_call *call_pending(struct exec *x, const char *pending)
{
	char id[PENDING_ID_SIZE];
	for (size_t i = 0; i < x->calls_count; i++) {
		struct exec_call *c = &x->calls[i];
		pending_id(c, id);
		if (c->started && c->state == CALL_WAITING && strcmp(id, pending) == 0)
			return c;
	}
	return NULL;
}

static struct exec_call *call_by_id(struct exec *x, const char *id)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].started && x->calls[i].state == CALL_WAITING &&
		    strcmp(x->calls[i].id, id) == 0)
			return &x->calls[i];
	return NULL;
}

/* What was sent, which a person may have made of what the model wrote. */
static void arguments_take(struct exec_call *c, const struct json *arguments)
{
	struct buf text = BUF_INIT;
	if (!json_is(arguments, JSON_OBJECT))
		return;
	json_print(arguments, &text);
	c->arguments = exec_keep(c->exec, buf_cstr(&text));
	buf_release(&text);
}

static void call_started(struct exec *x, const struct json *data)
{
	struct exec_call *c = call_unstarted(x, json_get_text(data, "model_call", ""));
	if (c == NULL)
		return;
	c->started = true;
	c->read_only = json_get_bool(data, "read_only", false);
	c->untrusted = json_get_bool(data, "untrusted", false);
	arguments_take(c, json_get(data, "arguments"));
	if (c->tool != NULL && c->tool->server != NULL)
		inherit_sent(c, json_get(data, "arguments"));
	c->idempotent = json_get_bool(data, "idempotent", false);
	c->server = exec_keep(x, json_get_text(data, "server", NULL));
	c->server_tool = exec_keep(x, json_get_text(data, "tool", c->name));
	c->seq = (uint64_t)json_get_integer(data, "seq", 0);
	(void)clock_parse(json_get_text(data, "at", ""), &c->started_ms);
	snprintf(c->id, sizeof c->id, "%s", json_get_text(data, "call", ""));
	x->wrote = x->wrote || !c->read_only;
	x->calls_made++;
}

static void call_replay(struct exec *x, enum event_type type, const struct json *data)
{
	struct exec_call *c = call_by_id(x, json_get_text(data, "call", ""));
	if (c == NULL && (type == EVENT_TOOL_FAILED || type == EVENT_TOOL_COMPLETED))
		c = call_unstarted(
			x, json_get_text(data, "model_call", "")); /* it was refused, or reached no server */
	if (c == NULL)
		return;
	if (type == EVENT_TOOL_COMPLETED || type == EVENT_TOOL_FAILED) {
		if (type == EVENT_TOOL_COMPLETED && c->tool != NULL && builtin_is(c->tool))
			builtin_replay(c, json_get(data, "result"));
		call_ended(c, type, data);
	} else if (type == EVENT_TOOL_UNSENT) {
		c->unsent = true;
	} else if (type == EVENT_STEP_IN_DOUBT) {
		c->in_doubt = true;
	} else if (type == EVENT_TOOL_REPEATED) {
		c->was_sent = c->was_sent || !c->unsent;
		c->unsent = c->in_doubt = false;
		c->word = WORD_NONE;
		c->repeats++;
		c->seq = (uint64_t)json_get_integer(data, "seq", 0);
	}
}

static void call_ended(struct exec_call *c, enum event_type type, const struct json *data)
{
	const struct json *error = json_get(data, "error");
	struct buf text = BUF_INIT;
	bool is_error = type == EVENT_TOOL_FAILED || json_get_bool(data, "is_error", false);
	bool skipped = strcmp(json_get_text(error, "code", ""), CALL_SKIPPED) == 0;
	bool doubt = json_get_bool(data, "sent", false) && !call_repeatable(c) && !skipped;
	struct result_view view = {.result = json_get(data, "result"),
				   .is_error = is_error,
				   .fault = json_get_text(data, "schema_error", NULL),
				   .whole_bytes = json_get_integer(data, "result_bytes", 0),
				   .artifact = json_get_integer(json_get(data, "artifact"), "number", 0)};
	snprintf(c->id, sizeof c->id, "%s", json_get_text(data, "call", ""));
	if (type == EVENT_TOOL_FAILED) {
		calls_failure_text(json_get_text(error, "message", "failed"), doubt, &text);
		calls_answer(c, buf_cstr(&text), NULL, true);
	} else {
		calls_answer_result(c, &view);
	}
	buf_release(&text);
}

/* The last word counts; one that is none is as if nobody had spoken. */
static void input_replay(struct run *r, const struct json *data)
{
	static const struct {
		const char *action;
		enum call_word word;
	} words[] = {{"retry", WORD_RETRY},
		     {"completed", WORD_COMPLETED},
		     {"skip", WORD_SKIP},
		     {"fail", WORD_FAIL}};
	const struct json *content = json_get(data, "content");
	struct exec_call *c = NULL;
	for (size_t i = 0; i < r->plan->steps_count && c == NULL; i++)
		if (r->steps[i].exec != NULL)
			c = call_pending(r->steps[i].exec, json_get_text(data, "id", ""));
	if (c == NULL || !c->in_doubt)
		return;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(json_get_text(data, "action", ""), words[i].action) == 0)
			c->word = words[i].word;
	struct buf text = BUF_INIT;
	if (json_text(content) != NULL)
		buf_add_str(&text, json_text(content));
	else if (content != NULL && !json_is(content, JSON_NULL))
		json_print(content, &text);
	c->content = exec_keep(c->exec, buf_cstr(&text));
	buf_release(&text);
}

/* Another plan: what was not finished under the one before is not begun under this one, even where it has the
 * same id. */
static void steps_reset(struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		struct run_step *s = &r->steps[i];
		if (s->status == STEP_COMPLETED)
			continue;
		exec_free(s->exec);
		free(s->error);
		*s = (struct run_step){.result = s->result};
	}
}

static void text_take(char **at, const char *text)
{
	free(*at);
	*at = xstrdup(text);
}
