/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tool calls whose end is not known because a process died: the worker that made them, the supervisor, the
 * tool server. What certainly never reached its server is made again, and so is what reads or may be repeated
 * without harm: under the same id, so with the same idempotency key, a few times, with a wait in between.
 * Anything else is in doubt: the task asks a person (input_required) and the run is given back.
 *
 * A run that is resumed decides the same from the events: tool.started and tool.repeated stand before each
 * sending, tool.unsent after one that came to nothing, task.input has the person's word. What follows from
 * the word is written in one change, so that a death before it leads here again and one after it does not.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS_MAX = 3, WAIT_GROWS = 3 };

static void call_doubt(struct exec_call *c, const char *why);
static void pending_write(struct jw *w, const struct exec_call *c, const char *why);
static void call_settle(struct exec_call *c, uint64_t durable_seq);
static void word_apply(struct exec_call *c);

void call_lost(struct exec_call *c, const struct error *why, bool sent, int64_t wait_ms)
{
	struct run *r = c->exec->run;
	if (sent && !call_repeatable(c)) {
		call_doubt(c, why->msg);
		return;
	}
	c->was_sent = c->was_sent || sent;
	if (c->repeats >= REPEATS_MAX) {
		call_failed(c, why, sent);
		return;
	}
	/* Whoever resumes this run must not take it for one that may have taken effect. */
	if (!sent && !call_repeatable(c)) {
		struct record rec;
		call_head(&rec, c);
		record_error(&rec, record_error_code(why), why->msg);
		if (!record_event(r, &rec, EVENT_TOOL_UNSENT))
			return;
	}
	c->state = CALL_LOST;
	c->again_mono_ms = clock_mono_ms() + wait_ms;
	run_timer_arm(r);
}

int64_t call_wait_ms(const struct exec_call *c)
{
	int64_t ms = c->exec->run->agent->options.repeat_wait_ms;
	for (int i = 0; i < c->repeats && i < REPEATS_MAX; i++)
		ms *= WAIT_GROWS;
	return ms;
}

static void repeated_begin(struct record *rec, const struct exec_call *c)
{
	call_head(rec, c);
	jw_kv_int(&rec->w, "attempt", c->repeats + 2);
}

static void repeated_done(struct exec_call *c)
{
	c->repeats++;
	c->seq = c->exec->run->last_seq;
	c->state = CALL_JOURNALED;
}

void call_again(struct exec_call *c)
{
	struct record rec;
	repeated_begin(&rec, c);
	log_info("a tool call that was lost with a process is made again",
		 LF_STR("task_id", c->exec->run->task_id), LF_STR("call", c->id), LF_STR("tool", c->name));
	if (record_event(c->exec->run, &rec, EVENT_TOOL_REPEATED))
		repeated_done(c);
}

void doubts_settle(struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		struct exec *x = r->steps[i].exec;
		for (size_t k = 0; x != NULL && k < x->calls_count && !x->over; k++) {
			if (run_over(r))
				return;
			if (x->calls[k].started && x->calls[k].state != CALL_DONE)
				call_settle(&x->calls[k], r->load_durable_seq);
		}
	}
}

/* --- helpers --- */

static const char *step_id(const struct exec_call *c)
{
	return c->exec->run->plan->steps[c->exec->step].id;
}

/* The question and the state that waits for its answer are one change. */
static void call_doubt(struct exec_call *c, const char *why)
{
	struct run *r = c->exec->run;
	struct record recs[2], state;
	enum event_type types[] = {EVENT_STEP_IN_DOUBT, EVENT_TASK_PENDING};
	if (!asks_hush(r, "another call is in doubt"))
		return;
	log_warn(
		"a tool call may or may not have taken effect: a person is asked before anything is repeated",
		LF_STR("task_id", r->task_id), LF_STR("call", c->id), LF_STR("tool", c->name),
		LF_STR("why", why));
	record_begin(&recs[0]);
	jw_kv_text(&recs[0].w, "step", step_id(c));
	jw_kv_text(&recs[0].w, "call", c->id);
	jw_kv_text(&recs[0].w, "server", c->server);
	jw_kv_text(&recs[0].w, "tool", c->server_tool);
	jw_kv_text(&recs[0].w, "reason", why);
	record_begin(&recs[1]);
	jw_name(&recs[1].w, "pending");
	pending_write(&recs[1].w, c, why);
	record_begin(&state);
	jw_kv_text(&state.w, "reason", "it is not known whether a tool call took effect");
	if (record_events(r, recs, types, 2, TASK_INPUT_REQUIRED, &state))
		run_drop(r, false);
}

void pending_id(const struct exec_call *c, char out[PENDING_ID_SIZE])
{
	if (c->repeats == 0)
		snprintf(out, PENDING_ID_SIZE, "%s", c->id);
	else
		snprintf(out, PENDING_ID_SIZE, "%s.%d", c->id, c->repeats + 1);
}

static void pending_write(struct jw *w, const struct exec_call *c, const char *why)
{
	char id[PENDING_ID_SIZE];
	static const char *const actions[] = {"retry", "completed", "skip", "fail"};
	char at[CLOCK_TEXT_SIZE];
	struct json *arguments = json_parse(c->arguments, strlen(c->arguments), 0, NULL);
	clock_format(c->started_ms, at);
	char *question = xasprintf(
		"%s of %s was called in step %s at %s, and its outcome is not known: %s. Find out whether it "
		"took effect, then choose: retry (the same call is made again), completed (it did; content "
		"is "
		"taken as its result), skip (the step goes on without it), fail (the step fails).",
		c->server_tool, c->server != NULL ? c->server : "?", step_id(c), at, why);
	jw_object(w);
	pending_id(c, id);
	jw_kv_text(w, "id", id);
	jw_kv_text(w, "kind", "in_doubt");
	jw_kv_text(w, "step", step_id(c));
	jw_kv_text(w, "server", c->server);
	jw_kv_text(w, "tool", c->server_tool);
	if (arguments != NULL)
		jw_kv_json(w, "arguments", arguments);
	jw_kv_text(w, "started_at", at);
	jw_name(w, "actions");
	jw_array(w);
	for (size_t i = 0; i < COUNT_OF(actions); i++)
		jw_text(w, actions[i]);
	jw_array_end(w);
	jw_kv_text(w, "question", question);
	jw_object_end(w);
	free(question);
	json_free(arguments);
}

static void call_settle(struct exec_call *c, uint64_t durable_seq)
{
	struct error why;
	err_set(&why, ERR_LOST, "the worker that made the call ended before its answer came");
	if (c->word != WORD_NONE)
		word_apply(c);
	else if (c->in_doubt)
		call_doubt(c, why.msg);
	else if (!c->read_only && c->seq > durable_seq)
		c->state = CALL_JOURNALED; /* never sent: its start was not durable */
	else if (c->unsent)
		call_lost(c, &why, false, 0);
	else
		call_lost(c, &why, true, 0);
}

/* --- a person's word --- */

static void word_retry(struct exec_call *c, struct record *resumed)
{
	struct record recs[2] = {*resumed};
	enum event_type types[] = {EVENT_STEP_RESUMED, EVENT_TOOL_REPEATED};
	recs[0].w.out = &recs[0].text;
	repeated_begin(&recs[1], c);
	jw_kv_text(&recs[1].w, "by", "person");
	if (!record_events(c->exec->run, recs, types, 2, TASK_SAME, NULL))
		return;
	c->was_sent = true;
	repeated_done(c);
}

static void word_completed(struct exec_call *c, struct record *resumed)
{
	struct run *r = c->exec->run;
	const char *said = c->content != NULL && *c->content != '\0'
				   ? c->content
				   : "A person has made sure that the call took effect.";
	struct record recs[2] = {*resumed};
	enum event_type types[] = {EVENT_STEP_RESUMED, EVENT_TOOL_COMPLETED};
	recs[0].w.out = &recs[0].text;
	call_head(&recs[1], c);
	jw_kv_text(&recs[1].w, "by", "person");
	jw_kv_bool(&recs[1].w, "is_error", false);
	result_write_text(&recs[1], said, r->agent->options.tool_result_bytes_max);
	if (!record_events(r, recs, types, 2, TASK_SAME, NULL))
		return;
	struct buf shown = BUF_INIT;
	result_bound(slice_str(said), exec_context_bytes_max(r->agent), &shown);
	calls_answer(c, buf_cstr(&shown), NULL, false);
	buf_release(&shown);
}

static void word_skip(struct exec_call *c, struct record *resumed)
{
	static const char said[] = "a person was asked about this call, whose outcome was not known, and "
				   "decided to skip it: go on without it";
	struct record recs[2] = {*resumed};
	enum event_type types[] = {EVENT_STEP_RESUMED, EVENT_TOOL_FAILED};
	struct buf shown = BUF_INIT;
	recs[0].w.out = &recs[0].text;
	call_head(&recs[1], c);
	jw_kv_text(&recs[1].w, "by", "person");
	record_error(&recs[1], CALL_SKIPPED, said);
	jw_kv_bool(&recs[1].w, "sent", true);
	if (!record_events(c->exec->run, recs, types, 2, TASK_SAME, NULL))
		return;
	calls_failure_text(said, false, &shown);
	calls_answer(c, buf_cstr(&shown), NULL, true);
	buf_release(&shown);
}

static void word_fail(struct exec_call *c)
{
	char *text =
		xasprintf("it is not known whether the call of %s took effect, and a person decided that "
			  "the step fails",
			  c->server_tool);
	exec_step_failed(c->exec, NULL, "outcome-unknown", text);
	free(text);
}

static void word_apply(struct exec_call *c)
{
	static const char *const actions[] = {
		[WORD_RETRY] = "retry", [WORD_COMPLETED] = "completed", [WORD_SKIP] = "skip"};
	struct record resumed;
	if (c->word == WORD_FAIL) {
		word_fail(c);
		return;
	}
	record_begin(&resumed);
	jw_kv_text(&resumed.w, "step", step_id(c));
	jw_kv_text(&resumed.w, "call", c->id);
	jw_kv_text(&resumed.w, "action", actions[c->word]);
	if (c->word == WORD_RETRY)
		word_retry(c, &resumed);
	else if (c->word == WORD_COMPLETED)
		word_completed(c, &resumed);
	else
		word_skip(c, &resumed);
}
