/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step: a conversation of its own with the executor model, turn by turn, until finish_step. The step's
 * success is what finish_step says, never what a text claims. A turn of the model, from asking it to what it
 * said, is exec_turn.c's.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS_MAX = 2 /* of a step whose on_failure is "retry" */ };

struct exec *exec_new(struct run *r, size_t step)
{
	const struct plan_step *s = &r->plan->steps[step];
	struct exec *x = xcalloc(1, sizeof *x);
	struct buf text = BUF_INIT;
	struct toolbox_want want = {.queries = {r->prompt},
				    .queries_count = 2,
				    .hints = s->hints,
				    .hints_count = s->hints_count,
				    .pinned = r->agent->options.tools_pinned,
				    .max = exec_tools_offered_max(r->agent, LLM_EXECUTOR),
				    .own = true,
				    .reads = !agent_is_offline(r->agent, LLM_EXECUTOR),
				    .plain = agent_is_offline(r->agent, LLM_EXECUTOR)};
	x->run = r;
	x->step = step;
	x->arena = arena_new(0);
	buf_put(&text, s->title, " ", s->objective);
	want.queries[1] = buf_cstr(&text);
	toolbox_init(&x->box, agent_tool_index(r->agent), &want);
	buf_reset(&text);
	prompt_executor_system(&text);
	exec_say(x, LLM_SYSTEM, buf_cstr(&text));
	buf_reset(&text);
	prompt_executor_user(r, step, &text);
	exec_say(x, LLM_USER, buf_cstr(&text));
	buf_release(&text);
	return x;
}

void exec_free(struct exec *x)
{
	if (x == NULL)
		return;
	if (x->model != NULL)
		llm_call_cancel(x->model);
	calls_cancel(x);
	toolbox_release(&x->box);
	free(x->calls);
	free(x->messages);
	free(x->results);
	arena_free(x->arena);
	free(x);
}

bool exec_busy(const struct exec *x, bool people)
{
	return x->model != NULL || calls_in_flight(x, people);
}

void exec_pump(struct exec *x)
{
	if (x->over || x->model != NULL)
		return;
	calls_pump(x);
	if (run_over(x->run) || !agent_begins(x->run->agent) || !calls_all_done(x) ||
	    permits_hold_calls(x->run))
		return;
	if (x->finishing) {
		if (!check_due(x) || !check_start(x))
			exec_step_finish(x, NULL);
		return;
	}
	x->calls_count = 0;
	if (x->stuck != NULL)
		exec_step_failed(x, NULL, "stuck", x->stuck);
	else if (x->turns >= x->run->agent->options.turns_max)
		exec_step_failed(x, NULL, "stuck",
				 "the model used all its turns (agent.turns_max) without finishing the step");
	else
		exec_turn_start(x);
}

void exec_say(struct exec *x, enum llm_speaker speaker, const char *text)
{
	if (x->messages_count == x->messages_cap) {
		x->messages_cap = x->messages_cap * 2 + 8;
		x->messages = xrealloc(x->messages, x->messages_cap * sizeof *x->messages);
	}
	x->messages[x->messages_count++] =
		(struct llm_message){.speaker = speaker, .text = arena_strndup(x->arena, text, strlen(text))};
}

static char *arena_copy(struct arena *a, const char *s)
{
	return s != NULL ? arena_strndup(a, s, strlen(s)) : NULL;
}

const char *exec_keep(struct exec *x, const char *text)
{
	return arena_copy(x->arena, text);
}

/* The user's message after a turn without calls that can be carried out. */
static void nudge(struct exec *x, bool cut)
{
	exec_say(x, LLM_USER,
		 cut ? "Your answer was cut off for its length. Be shorter: call a tool, or call " FINISH_STEP
		       "."
		     : "Call a tool, or call " FINISH_STEP " with the result of this step.");
}

void exec_add_turn(struct exec *x, const struct llm_turn *turn)
{
	/* Arguments that may be cut off are not acted upon. */
	bool cut = turn->stop == LLM_STOP_LENGTH;
	const struct llm_tool_call *calls = turn->calls;
	size_t n = cut ? 0 : turn->calls_count;
	struct llm_tool_call *kept = arena_alloc(x->arena, (n + 1) * sizeof *kept);
	free(x->calls);
	x->calls = xcalloc(n + 1, sizeof *x->calls);
	x->calls_count = n;
	for (size_t i = 0; i < n; i++) {
		kept[i] = (struct llm_tool_call){.id = arena_copy(x->arena, calls[i].id),
						 .name = arena_copy(x->arena, calls[i].name),
						 .arguments = arena_copy(x->arena, calls[i].arguments),
						 .opaque = arena_copy(x->arena, calls[i].opaque)};
		x->calls[i] = (struct exec_call){.exec = x,
						 .model_id = kept[i].id,
						 .name = kept[i].name,
						 .arguments = kept[i].arguments,
						 .tool = toolbox_find(&x->box, kept[i].name)};
	}
	exec_say(x, LLM_ASSISTANT, turn->text);
	struct llm_message *m = &x->messages[x->messages_count - 1];
	m->calls = kept;
	m->calls_count = n;
	m->reasoning = arena_copy(x->arena, turn->reasoning);
	m->echo = arena_copy(x->arena, turn->echo);
	/* Answers stand in the order of the calls, whichever comes first. */
	for (size_t i = 0; i < n; i++) {
		x->calls[i].message = x->messages_count;
		exec_say(x, LLM_TOOL, "");
		x->messages[x->messages_count - 1].tool_call_id = kept[i].id;
	}
	x->turns++;
	x->turns_idle = n > 0 ? 0 : x->turns_idle + 1;
	/* A turn that paused goes on by itself when it is sent back. */
	if (n == 0 && turn->stop != LLM_STOP_PAUSE)
		nudge(x, cut);
}

void exec_step_finish(struct exec *x, struct record *turn)
{
	struct buf result = BUF_INIT;
	finish_result(x, &result);
	exec_step_completed(x, turn, buf_cstr(&result));
	buf_release(&result);
}

const char *exec_step_id(const struct exec *x)
{
	return x->run->plan->steps[x->step].id;
}

/* "retry" was approved for what can be repeated without harm; a call that may have had effects cannot. */
bool exec_may_retry(const struct exec *x)
{
	const struct run *r = x->run;
	return r->plan->steps[x->step].on_failure == STEP_RETRY &&
	       r->steps[x->step].attempts < ATTEMPTS_MAX && !x->wrote;
}

/* The offline rules work on the text itself and choose by themselves; neither costs anything by length. */
size_t exec_context_bytes_max(const struct agent *a)
{
	return agent_is_offline(a, LLM_EXECUTOR) ? a->options.tool_result_bytes_max
						 : a->options.tool_context_bytes_max;
}

size_t exec_tools_offered_max(const struct agent *a, enum llm_role r)
{
	return agent_is_offline(a, r) ? SIZE_MAX : (size_t)a->options.tools_offered_max;
}

/* --- the end --- */

/* The turn that ends a step and the end are one change, so that no crash falls between. turn: NULL when it
 * was written before. */
void exec_step_completed(struct exec *x, struct record *turn, const char *result)
{
	struct run *r = x->run;
	struct run_step *s = &r->steps[x->step];
	struct buf bounded = BUF_INIT;
	struct record recs[2];
	enum event_type types[] = {EVENT_MODEL_COMPLETED, EVENT_STEP_COMPLETED};
	size_t from = turn == NULL;
	if (turn != NULL) {
		recs[0] = *turn;
		recs[0].w.out = &recs[0].text;
	}
	result_bound(slice_str(result), r->agent->options.tool_result_bytes_max, &bounded);
	record_begin(&recs[1]);
	jw_kv_text(&recs[1].w, "step", exec_step_id(x));
	jw_kv_text(&recs[1].w, "result", buf_cstr(&bounded));
	if (x->finishing && (x->checks > 0 || x->unchecked))
		jw_kv_bool(&recs[1].w, "checked", !x->unchecked);
	if (record_soon(r, recs + from, types + from, 2 - from)) {
		s->status = STEP_COMPLETED;
		free(s->result);
		s->result = bounded.len > 0 ? buf_take(&bounded) : xstrdup("");
		x->over = true;
		run_wake(r);
	}
	buf_release(&bounded);
}

void exec_step_failed(struct exec *x, struct record *turn, const char *code, const char *message)
{
	struct run *r = x->run;
	struct run_step *s = &r->steps[x->step];
	struct record recs[2];
	enum event_type types[] = {EVENT_MODEL_COMPLETED, EVENT_STEP_FAILED};
	if (turn != NULL) {
		recs[0] = *turn;
		recs[0].w.out = &recs[0].text;
	}
	record_begin(&recs[1]);
	jw_kv_text(&recs[1].w, "step", exec_step_id(x));
	record_error(&recs[1], code, message);
	size_t from = turn == NULL;
	if (!record_events(r, recs + from, types + from, 2 - from, TASK_SAME, NULL))
		return;
	s->status = exec_may_retry(x) ? STEP_PENDING : STEP_FAILED;
	free(s->error);
	s->error = xstrdup(message);
	x->over = true;
	run_wake(r);
}
