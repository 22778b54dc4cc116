/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step: a conversation of its own with the executor model, turn by turn, until finish_step. The step's
 * success is what finish_step says, never what a text claims. A model that neither calls a tool nor finishes
 * is asked twice, then finish_step is demanded; a model that ignores that fails the step.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

enum { IDLE_TURNS_MAX = 2, ATTEMPTS_MAX = 2 /* of a step whose on_failure is "retry" */ };

static void model_start(struct exec *x);
static void model_delta(struct slice text, void *arg);
static void model_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg);
static void model_failover(const char *provider, const char *model, const struct error *why, void *arg);
static bool model_may_repeat(bool paid, void *arg);
static void model_end(const struct llm_turn *turn, const struct error *e, void *arg);
static void turn_take(struct exec *x, const struct llm_turn *turn);
static bool finish_take(struct exec *x, const struct llm_turn *turn);
static void step_completed(struct exec *x, struct record *turn, const char *result);
static const char *step_id(const struct exec *x);
static size_t dependency_results(const struct exec *x, struct llm_result_of *out);

struct exec *exec_new(struct run *r, size_t step)
{
	const struct plan_step *s = &r->plan->steps[step];
	struct exec *x = xcalloc(1, sizeof *x);
	struct buf text = BUF_INIT;
	struct toolbox_want want = {.queries = {r->prompt},
				    .queries_count = 2,
				    .hints = s->hints,
				    .hints_count = s->hints_count,
				    .max = exec_tools_offered_max(r->agent, LLM_EXECUTOR),
				    .own = true,
				    .reads = !agent_is_offline(r->agent, LLM_EXECUTOR),
				    .plain = agent_is_offline(r->agent, LLM_EXECUTOR)};
	x->run = r;
	x->step = step;
	x->arena = arena_new(0);
	buf_printf(&text, "%s %s", s->title, s->objective);
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
		model_start(x);
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
	step_completed(x, turn, buf_cstr(&result));
	buf_release(&result);
}

struct llm_handler exec_model_handler(struct exec *x)
{
	return (struct llm_handler){.on_delta = model_delta,
				    .on_retry = model_retry,
				    .may_repeat = model_may_repeat,
				    .on_failover = model_failover,
				    .on_end = model_end,
				    .arg = x};
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

/* --- helpers --- */

static const char *step_id(const struct exec *x)
{
	return x->run->plan->steps[x->step].id;
}

static bool must_finish(const struct exec *x)
{
	const struct agent_options *o = &x->run->agent->options;
	return x->turns + 1 >= o->turns_max || x->turns_idle >= IDLE_TURNS_MAX ||
	       x->calls_made >= o->calls_max;
}

static void model_start(struct exec *x)
{
	struct run *r = x->run;
	struct error e = {0};
	struct llm_message *shown = xcalloc(x->messages_count, sizeof *shown);
	if (!context_fit(x, shown, &e)) {
		free(shown);
		exec_step_failed(x, NULL, "context-full", e.msg);
		return;
	}
	struct llm_result_of results[PLAN_STEPS_MAX];
	struct llm_context context = {
		.goal = r->prompt, .plan = r->plan->tree, .step_id = step_id(x), .results = results};
	context.results_count = dependency_results(x, results);
	x->forced = must_finish(x);
	struct llm_request req = {.role = LLM_EXECUTOR,
				  .messages = shown,
				  .messages_count = x->messages_count,
				  .tools = x->box.tools,
				  .tools_count = x->box.count,
				  .force_tool = x->forced ? FINISH_STEP : NULL,
				  .context = &context,
				  .deadline_mono_ms = r->deadline_mono_ms,
				  .task_id = r->task_id};
	run_call_name(r, x, x->model_call_id);
	if (budget_take(r, x->model_call_id, &req)) {
		record_model_started(r, x->model_call_id, LLM_EXECUTOR, step_id(x),
				     x->messages + x->messages_told, x->messages_count - x->messages_told);
		x->messages_told = x->messages_count;
		if (!run_over(r))
			x->model = llm_call_start(r->agent->llm, &req, exec_model_handler(x));
	}
	free(shown);
}

static void model_delta(struct slice text, void *arg)
{
	struct exec *x = arg;
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "role", llm_role_text(LLM_EXECUTOR));
	jw_kv_text(&rec.w, "step", step_id(x));
	jw_name(&rec.w, "text");
	jw_text_n(&rec.w, text.ptr, text.len);
	record_live(x->run, &rec, EVENT_MODEL_DELTA);
}

static void model_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	struct exec *x = arg;
	record_model_retried(x->run, x->model_call_id, attempt, wait_ms, why);
}

static void model_failover(const char *provider, const char *model, const struct error *why, void *arg)
{
	struct exec *x = arg;
	record_model_failover(x->run, x->model_call_id, provider, model, why);
}

static bool model_may_repeat(bool paid, void *arg)
{
	struct exec *x = arg;
	return budget_repeat(x->run, x->model_call_id, paid);
}

static void model_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct exec *x = arg;
	x->model = NULL;
	budget_give(x->run, x->model_call_id, turn, e);
	if (turn != NULL) {
		context_learn(x, &turn->usage);
		turn_take(x, turn);
	} else if (record_model_failed(x->run, x->model_call_id, LLM_EXECUTOR, step_id(x), e))
		exec_step_failed(x, NULL, record_error_code(e), e->msg);
	if (!run_over(x->run))
		run_wake(x->run);
}

static void turn_take(struct exec *x, const struct llm_turn *turn)
{
	bool checked = finish_waits(x, turn);
	if (!checked && finish_take(x, turn))
		return;
	struct record rec;
	record_model_completed(&rec, x->model_call_id, LLM_EXECUTOR, step_id(x), turn);
	if (turn->refusal != NULL) {
		exec_step_failed(x, &rec, "refused", turn->refusal);
		return;
	}
	if (x->forced && !checked) {
		exec_step_failed(x, &rec, "stuck",
				 "the model did not finish the step although it was told to");
		return;
	}
	if (!record_event(x->run, &rec, EVENT_MODEL_COMPLETED))
		return;
	exec_add_turn(x, turn);
}

/* A turn that is one well-formed finish_step ends the step. */
static bool finish_take(struct exec *x, const struct llm_turn *turn)
{
	if (turn->calls_count != 1 || turn->stop == LLM_STOP_LENGTH ||
	    strcmp(turn->calls[0].name, FINISH_STEP) != 0)
		return false;
	struct json *arguments =
		json_parse(turn->calls[0].arguments, strlen(turn->calls[0].arguments), 0, NULL);
	const char *status = json_get_text(arguments, "status", "");
	const char *result = json_get_text(arguments, "result", NULL);
	bool success = strcmp(status, "success") == 0;
	bool well_formed =
		result != NULL && (success ? finish_is_shown(x, result) : strcmp(status, "failed") == 0);
	if (well_formed) {
		struct record rec;
		record_model_completed(&rec, x->model_call_id, LLM_EXECUTOR, step_id(x), turn);
		if (success && !json_get_bool(arguments, "criteria_met", true))
			exec_step_failed(x, &rec, "criteria-not-met", result);
		else if (success)
			step_completed(x, &rec, result);
		else
			exec_step_failed(x, &rec, "step-failed",
					 *result != '\0' ? result : "no reason given");
	}
	json_free(arguments);
	return well_formed;
}

/* The turn that ends a step and the end are one change, so that no crash falls between. turn: NULL when it
 * was written before. */
static void step_completed(struct exec *x, struct record *turn, const char *result)
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
	jw_kv_text(&recs[1].w, "step", step_id(x));
	jw_kv_text(&recs[1].w, "result", buf_cstr(&bounded));
	if (x->finishing && (x->checks > 0 || x->unchecked))
		jw_kv_bool(&recs[1].w, "checked", !x->unchecked);
	if (record_events(r, recs + from, types + from, 2 - from, TASK_SAME, NULL)) {
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
	jw_kv_text(&recs[1].w, "step", step_id(x));
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

static size_t dependency_results(const struct exec *x, struct llm_result_of *out)
{
	const struct run *r = x->run;
	const struct plan_step *s = &r->plan->steps[x->step];
	size_t n = 0;
	for (size_t i = 0; i < s->depends_count; i++) {
		const struct run_step *d = &r->steps[s->depends_on[i]];
		const struct plan_step *p = &r->plan->steps[s->depends_on[i]];
		if (d->status == STEP_COMPLETED)
			out[n++] = (struct llm_result_of){p->id, p->title, d->result};
	}
	return n;
}
