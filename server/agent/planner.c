/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planner's call: goal and tools in, plan out. An answer that is no valid plan is shown to the model once
 * with what is wrong; if that does not help, the plan is the single step of pursuing the goal, which still
 * needs approval where approval is required. A plan without steps ends the task with its final
 * text, or waits for answers to its questions.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

static void planner_delta(struct slice text, void *arg);
static void planner_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg);
static void planner_failover(const char *provider, const char *model, const struct error *why, void *arg);
static bool planner_may_repeat(bool paid, void *arg);
static void planner_end(const struct llm_turn *turn, const struct error *e, void *arg);
static bool answer_refused(struct run *r, const struct llm_turn *turn, struct record *completed,
			   const struct error *why);
static void plan_take(struct run *r, struct plan *p, struct record *completed);
static void plan_empty(struct run *r, struct plan *p, struct record *recs);

/* There is no use in a plan: the task has failed. */
static bool planner_declines(struct run *r)
{
	if (r->unanswered) {
		run_fail(r, "needs-input", "the planner's questions were not answered");
		return true;
	}
	if (r->output_schema != NULL && agent_is_offline(r->agent, LLM_WRITER)) {
		run_fail(r, "unsupported",
			 "an output_schema needs a language model, and none is configured: the "
			 "offline rules write text only");
		return true;
	}
	return false;
}

void planner_start(struct run *r)
{
	struct agent *a = r->agent;
	struct toolbox_want want = {.queries = {r->prompt},
				    .queries_count = 1,
				    .pinned = a->options.tools_pinned,
				    .max = exec_tools_offered_max(a, LLM_PLANNER),
				    .plain = agent_is_offline(a, LLM_PLANNER)};
	if (planner_declines(r))
		return;
	struct toolbox box;
	struct buf system = BUF_INIT, user = BUF_INIT, repair = BUF_INIT;
	toolbox_init(&box, agent_tool_index(a), &want);
	prompt_planner_system(r, &system);
	prompt_planner_user(r, &box, &user);
	struct llm_message messages[4] = {{.speaker = LLM_SYSTEM, .text = buf_cstr(&system)},
					  {.speaker = LLM_USER, .text = buf_cstr(&user)}};
	size_t count = 2;
	if (r->rejected_answer != NULL) {
		buf_printf(&repair,
			   "That is not a valid plan: %s%s%s. Answer with the corrected object only.",
			   r->rejected_why.field, r->rejected_why.field[0] ? ": " : "", r->rejected_why.msg);
		messages[count++] =
			(struct llm_message){.speaker = LLM_ASSISTANT, .text = r->rejected_answer};
		messages[count++] = (struct llm_message){.speaker = LLM_USER, .text = buf_cstr(&repair)};
	}
	struct llm_context context = {.goal = r->prompt, .feedback = r->feedback};
	struct llm_request req = {.role = LLM_PLANNER,
				  .messages = messages,
				  .messages_count = count,
				  .tools = box.tools,
				  .tools_count = box.count,
				  .tools_in_text = true,
				  .response_schema = plan_schema_text(),
				  .schema_name = "plan",
				  .context = &context,
				  .deadline_mono_ms = r->deadline_mono_ms,
				  .task_id = r->task_id};
	struct llm_handler h = {.on_delta = planner_delta,
				.on_retry = planner_retry,
				.may_repeat = planner_may_repeat,
				.on_failover = planner_failover,
				.on_end = planner_end,
				.arg = r};
	run_call_name(r, NULL, r->model_call_id);
	size_t told = r->rejected_answer != NULL ? 2 : 0;
	if (budget_take(r, r->model_call_id, &req)) {
		record_model_started(r, r->model_call_id, LLM_PLANNER, NULL, messages + told, count - told);
		if (!run_over(r))
			r->model = llm_call_start(a->llm, &req, h);
	}
	if (!run_over(r) && r->model == NULL && budget_is_over(r))
		budget_finish(r);
	toolbox_release(&box);
	buf_release(&system);
	buf_release(&user);
	buf_release(&repair);
}

/* --- helpers --- */

static void planner_delta(struct slice text, void *arg)
{
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "role", llm_role_text(LLM_PLANNER));
	jw_name(&rec.w, "text");
	jw_text_n(&rec.w, text.ptr, text.len);
	record_live(arg, &rec, EVENT_MODEL_DELTA);
}

static void planner_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	struct run *r = arg;
	record_model_retried(r, r->model_call_id, attempt, wait_ms, why);
}

static void planner_failover(const char *provider, const char *model, const struct error *why, void *arg)
{
	struct run *r = arg;
	record_model_failover(r, r->model_call_id, provider, model, why);
}

static bool planner_may_repeat(bool paid, void *arg)
{
	struct run *r = arg;
	return budget_repeat(r, r->model_call_id, paid);
}

static void planner_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct run *r = arg;
	struct record completed;
	struct error why = {0};
	r->model = NULL;
	budget_give(r, r->model_call_id, turn, e);
	if (turn == NULL) {
		if (record_model_failed(r, r->model_call_id, LLM_PLANNER, NULL, e))
			run_fail(r, record_error_code(e), e->msg);
		return;
	}
	record_model_completed(&completed, r->model_call_id, LLM_PLANNER, NULL, turn);
	if (turn->refusal != NULL) {
		if (record_event(r, &completed, EVENT_MODEL_COMPLETED))
			run_fail(r, "refused", turn->refusal);
		return;
	}
	const struct mcp_catalog *catalog = mcp_client_catalog(r->agent->mcp);
	struct slice text = slice_str(turn->text);
	struct plan *p = r->plan != NULL
				 ? replan_parse(r, text, catalog, &why)
				 : plan_parse(text, catalog, (size_t)r->agent->options.steps_max, &why);
	if (p == NULL && turn->stop == LLM_STOP_LENGTH)
		err_prefix(&why, "your answer was cut off for its length, be shorter");
	if (p == NULL && answer_refused(r, turn, &completed, &why)) {
		mcp_catalog_drop(catalog);
		return;
	}
	if (p == NULL && r->plan != NULL) {
		mcp_catalog_drop(catalog);
		rejected_forget(r);
		replan_give_up(r, &completed, why.msg);
		return;
	}
	if (p == NULL) {
		char *reason = xasprintf(
			"The model's plan was not valid (%s): this plan is one step that pursues the goal.",
			why.msg);
		p = plan_single_step(r->prompt, reason, catalog);
		free(reason);
	}
	mcp_catalog_drop(catalog);
	plan_take(r, p, &completed);
}

void rejected_forget(struct run *r)
{
	free(r->rejected_answer);
	r->rejected_answer = NULL;
}

/* true: the model gets its one chance to put the plan right (or the run is gone). */
static bool answer_refused(struct run *r, const struct llm_turn *turn, struct record *completed,
			   const struct error *why)
{
	log_info("the model's plan was refused", LF_STR("task_id", r->task_id), LF_STR("field", why->field),
		 LF_STR("why", why->msg));
	if (r->rejected_answer != NULL)
		return false;
	if (!record_event(r, completed, EVENT_MODEL_COMPLETED))
		return true;
	r->rejected_answer = xstrdup(turn->text);
	r->rejected_why = *why;
	run_wake(r);
	return true;
}

static void plan_take(struct run *r, struct plan *p, struct record *completed)
{
	struct record recs[3] = {*completed};
	enum event_type types[3] = {EVENT_MODEL_COMPLETED, EVENT_PLAN_CREATED, EVENT_PLAN_APPROVED};
	struct buf text = BUF_INIT;
	recs[0].w.out = &recs[0].text;
	p->version = ++r->plan_version;
	plan_print(p, &text);
	record_begin(&recs[1]);
	jw_kv_raw(&recs[1].w, "plan", text.data, text.len);
	buf_release(&text);
	rejected_forget(r);
	replan_adopt(r, p);
	if (steps_over(r) && json_count(p->questions) > 0) {
		questions_ask(r, p, recs);
		return;
	}
	if (p->steps_count == 0 && r->output_schema == NULL) {
		plan_empty(r, p, recs);
		return;
	}
	r->plan_tainted = r->tainted && r->approval != APPROVAL_REQUIRED;
	if (r->approval == APPROVAL_REQUIRED && p->steps_count > 0) {
		if (record_events(r, recs, types, 2, TASK_AWAITING_APPROVAL, NULL))
			run_drop(r, false);
		return;
	}
	record_begin(&recs[2]);
	jw_kv_text(&recs[2].w, "digest", p->digest);
	jw_kv_int(&recs[2].w, "version", (int64_t)p->version);
	jw_kv_text(&recs[2].w, "by", "policy");
	if (record_events(r, recs, types, 3, TASK_RUNNING, NULL))
		run_wake(r);
}

/* Nothing is to be done: there is the answer. */
static void plan_empty(struct run *r, struct plan *p, struct record *recs)
{
	enum event_type types[3] = {EVENT_MODEL_COMPLETED, EVENT_PLAN_CREATED, EVENT_TASK_RESULT};
	record_begin(&recs[2]);
	jw_kv_text(&recs[2].w, "result", p->final_output);
	if (record_events(r, recs, types, 3, TASK_COMPLETED, NULL))
		run_drop(r, false);
}
