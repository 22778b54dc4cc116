/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn of a step's model: what it is asked, and what becomes of what it says. A model that neither calls
 * a tool nor finishes is asked twice, then finish_step is demanded, as on the last turn there is; a model
 * that ignores that fails the step.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

enum { IDLE_TURNS_MAX = 2 };

/* --- what was said --- */

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
		record_model_completed(&rec, x->model_call_id, LLM_EXECUTOR, exec_step_id(x), turn);
		if (success && !json_get_bool(arguments, "criteria_met", true))
			exec_step_failed(x, &rec, "criteria-not-met", result);
		else if (success)
			exec_step_completed(x, &rec, result);
		else
			exec_step_failed(x, &rec, "step-failed",
					 *result != '\0' ? result : "no reason given");
	}
	json_free(arguments);
	return well_formed;
}

static void turn_take(struct exec *x, const struct llm_turn *turn)
{
	bool checked = finish_waits(x, turn);
	if (!checked && finish_take(x, turn))
		return;
	struct record rec;
	enum event_type type = EVENT_MODEL_COMPLETED;
	record_model_completed(&rec, x->model_call_id, LLM_EXECUTOR, exec_step_id(x), turn);
	if (turn->refusal != NULL) {
		exec_step_failed(x, &rec, "refused", turn->refusal);
		return;
	}
	if (x->forced && !checked) {
		exec_step_failed(x, &rec, "stuck",
				 "the model did not finish the step although it was told to");
		return;
	}
	if (!record_soon(x->run, &rec, &type, 1))
		return;
	exec_add_turn(x, turn);
}

static void model_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct exec *x = arg;
	x->model = NULL;
	budget_give(x->run, x->model_call_id, turn, e);
	if (turn != NULL) {
		context_learn(x, &turn->usage);
		turn_take(x, turn);
	} else if (record_model_failed(x->run, x->model_call_id, LLM_EXECUTOR, exec_step_id(x), e))
		exec_step_failed(x, NULL, record_error_code(e), e->msg);
	if (!run_over(x->run))
		run_wake(x->run);
}

static void model_delta(struct slice text, void *arg)
{
	struct exec *x = arg;
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "role", llm_role_text(LLM_EXECUTOR));
	jw_kv_text(&rec.w, "step", exec_step_id(x));
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

struct llm_handler exec_model_handler(struct exec *x)
{
	return (struct llm_handler){.on_delta = model_delta,
				    .on_retry = model_retry,
				    .may_repeat = model_may_repeat,
				    .on_failover = model_failover,
				    .on_end = model_end,
				    .arg = x};
}

/* --- asking --- */

static bool must_finish(const struct exec *x)
{
	const struct agent_options *o = &x->run->agent->options;
	return x->turns + 1 >= o->turns_max || x->turns_idle >= IDLE_TURNS_MAX ||
	       x->calls_made >= o->calls_max;
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

void exec_turn_start(struct exec *x)
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
		.goal = r->prompt, .plan = r->plan->tree, .step_id = exec_step_id(x), .results = results};
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
		record_model_started(r, x->model_call_id, LLM_EXECUTOR, exec_step_id(x),
				     x->messages + x->messages_told, x->messages_count - x->messages_told);
		x->messages_told = x->messages_count;
		if (!run_over(r))
			x->model = llm_call_start(r->agent->llm, &req, exec_model_handler(x));
	}
	free(shown);
}
