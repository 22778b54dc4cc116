/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The final answer: one call without tools over the results of all steps. An answer that cites steps that do
 * not exist, or does not follow the task's output schema, is put right once; after that a note says which
 * citations mean nothing, and what is no valid result ends the task as failed. If the model cannot be asked
 * the answer is one without a model (answer_plain.c); if it declines the results of the steps stay in the
 * document.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

static void writer_delta(struct slice text, void *arg);
static void writer_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg);
static void writer_failover(const char *provider, const char *model, const struct error *why, void *arg);
static bool writer_may_repeat(bool paid, void *arg);
static void writer_end(const struct llm_turn *turn, const struct error *e, void *arg);
static void json_take(struct run *r, const struct llm_turn *turn, struct record *completed);
static void text_take(struct run *r, const struct llm_turn *turn, struct record *completed);
static size_t results_collect(const struct run *r, struct llm_result_of *out, struct buf *failed);

void writer_start(struct run *r)
{
	struct buf system = BUF_INIT, user = BUF_INIT, failed = BUF_INIT, schema = BUF_INIT;
	struct llm_result_of results[PLAN_STEPS_MAX];
	prompt_writer_system(r, &system);
	prompt_writer_user(r, &user);
	struct llm_message messages[4] = {{.speaker = LLM_SYSTEM, .text = buf_cstr(&system)},
					  {.speaker = LLM_USER, .text = buf_cstr(&user)}};
	size_t count = 2, told = 0;
	if (r->rejected_answer != NULL) {
		told = count;
		messages[count++] =
			(struct llm_message){.speaker = LLM_ASSISTANT, .text = r->rejected_answer};
		messages[count++] = (struct llm_message){.speaker = LLM_USER, .text = r->rejected_why.msg};
	}
	if (r->output_schema != NULL && answer_schema_strict(r->output_schema))
		json_print(r->output_schema, &schema);
	struct llm_context context = {.goal = r->prompt, .plan = r->plan->tree, .results = results};
	context.results_count = results_collect(r, results, &failed);
	context.failed = failed.len > 0 ? buf_cstr(&failed) : NULL;
	struct llm_request req = {.role = LLM_WRITER,
				  .messages = messages,
				  .messages_count = count,
				  .response_schema = buf_slice(&schema),
				  .schema_name = "result",
				  .context = &context,
				  .deadline_mono_ms = r->deadline_mono_ms,
				  .task_id = r->task_id};
	struct llm_handler h = {.on_delta = writer_delta,
				.on_retry = writer_retry,
				.may_repeat = writer_may_repeat,
				.on_failover = writer_failover,
				.on_end = writer_end,
				.arg = r};
	run_call_name(r, NULL, r->model_call_id);
	if (budget_take(r, r->model_call_id, &req)) {
		record_model_started(r, r->model_call_id, LLM_WRITER, NULL, messages + told, count - told);
		if (!run_over(r))
			r->model = llm_call_start(r->agent->llm, &req, h);
	}
	buf_release(&system);
	buf_release(&user);
	buf_release(&failed);
	buf_release(&schema);
}

/* --- helpers --- */

static void writer_delta(struct slice text, void *arg)
{
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "role", llm_role_text(LLM_WRITER));
	jw_name(&rec.w, "text");
	jw_text_n(&rec.w, text.ptr, text.len);
	record_live(arg, &rec, EVENT_MODEL_DELTA);
}

static void writer_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	struct run *r = arg;
	record_model_retried(r, r->model_call_id, attempt, wait_ms, why);
}

static void writer_failover(const char *provider, const char *model, const struct error *why, void *arg)
{
	struct run *r = arg;
	record_model_failover(r, r->model_call_id, provider, model, why);
}

/* What was finished is not lost with the model that should sum it up; but a task whose time is over has
 * failed. */
static void writer_failed(struct run *r, const struct error *e)
{
	if (budget_is_over(r)) {
		budget_finish(r);
	} else if (!answer_plain_possible(r) || clock_mono_ms() >= r->deadline_mono_ms) {
		run_fail(r, record_error_code(e), e->msg);
	} else {
		char *why = xasprintf("The model that writes the answer could not be asked (%s)", e->msg);
		answer_plain_end(r, why);
		free(why);
	}
}

static bool writer_may_repeat(bool paid, void *arg)
{
	struct run *r = arg;
	return budget_repeat(r, r->model_call_id, paid);
}

static void writer_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct run *r = arg;
	r->model = NULL;
	budget_give(r, r->model_call_id, turn, e);
	if (turn == NULL) {
		if (record_model_failed(r, r->model_call_id, LLM_WRITER, NULL, e))
			writer_failed(r, e);
		return;
	}
	struct record completed;
	record_model_completed(&completed, r->model_call_id, LLM_WRITER, NULL, turn);
	if (turn->refusal != NULL || *turn->text == '\0') {
		if (record_event(r, &completed, EVENT_MODEL_COMPLETED))
			run_fail(r, "refused",
				 turn->refusal != NULL ? turn->refusal : "the model wrote an empty answer");
	} else if (r->output_schema != NULL) {
		json_take(r, turn, &completed);
	} else {
		text_take(r, turn, &completed);
	}
}

/* The model gets its one chance to put the answer right; false: it has had it. */
static bool answer_refused(struct run *r, const char *text, const char *why, struct record *completed)
{
	if (r->rejected_answer != NULL)
		return false;
	log_info("the model's answer was refused", LF_STR("task_id", r->task_id), LF_STR("why", why));
	if (!record_event(r, completed, EVENT_MODEL_COMPLETED))
		return true;
	r->rejected_answer = xstrdup(text);
	err_set(&r->rejected_why, ERR_FIELD, "%s", why);
	run_wake(r);
	return true;
}

/* result: JSON. */
static void task_end(struct run *r, struct record *completed, struct slice result)
{
	struct record recs[2] = {*completed};
	enum event_type types[] = {EVENT_MODEL_COMPLETED, EVENT_TASK_RESULT};
	recs[0].w.out = &recs[0].text;
	record_begin(&recs[1]);
	jw_kv_raw(&recs[1].w, "result", result.ptr, result.len);
	if (record_events(r, recs, types, 2, TASK_COMPLETED, NULL))
		run_drop(r, false);
}

/* Why an answer is not whole; "": it is. */
static const char *cut_words(const struct llm_turn *turn)
{
	return turn->stop == LLM_STOP_LENGTH ? "it was cut off at the most output that a model call may have"
	       : turn->stop == LLM_STOP_FILTER ? "a content filter of the model server cut it off"
					       : "";
}

static void json_take(struct run *r, const struct llm_turn *turn, struct record *completed)
{
	struct error e = {0};
	struct json *value = answer_json(turn->text, r->output_schema, &e);
	struct buf out = BUF_INIT;
	const char *cut = cut_words(turn);
	char *why = xasprintf("the answer does not follow the output schema: %s%s%s%s%s", cut,
			      *cut ? "; " : "", e.field, e.field[0] ? ": " : "", e.msg);
	if (value != NULL && json_print(value, &out)) {
		task_end(r, completed, buf_slice(&out));
	} else {
		buf_printf(&out, "%s. Answer with the corrected JSON value only.", why);
		if (!answer_refused(r, turn->text, buf_cstr(&out), completed) &&
		    record_event(r, completed, EVENT_MODEL_COMPLETED))
			run_fail(r, "output-invalid", why);
	}
	free(why);
	json_free(value);
	buf_release(&out);
}

static void text_take(struct run *r, const struct llm_turn *turn, struct record *completed)
{
	const char *text = turn->text, *cut = cut_words(turn);
	struct buf unknown = BUF_INIT, whole = BUF_INIT, result = BUF_INIT;
	struct jw w = JW(&result);
	if (!agent_is_offline(r->agent, LLM_WRITER))
		answer_unknown_steps(r->plan, text, &unknown);
	if (unknown.len > 0) {
		buf_printf(&whole,
			   "The answer cites %s, and there is no such step. Write it again; cite only the "
			   "steps whose results you were given.",
			   buf_cstr(&unknown));
		if (answer_refused(r, text, buf_cstr(&whole), completed))
			goto out;
	}
	buf_reset(&whole);
	answer_text_add(r, text, &whole);
	if (unknown.len > 0)
		buf_printf(&whole, "\n\nNote: there is no step %s; what is said of it rests on nothing.",
			   buf_cstr(&unknown));
	if (*cut != '\0')
		buf_printf(&whole, "\n\nNote: this answer is not whole: %s.", cut);
	if (!agent_is_offline(r->agent, LLM_WRITER))
		answer_notes(r, text, &whole);
	budget_note(r, &whole);
	jw_text_n(&w, whole.data, whole.len);
	task_end(r, completed, buf_slice(&result));
out:
	buf_release(&unknown);
	buf_release(&whole);
	buf_release(&result);
}

static size_t results_collect(const struct run *r, struct llm_result_of *out, struct buf *failed)
{
	size_t n = 0;
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		const struct plan_step *p = &r->plan->steps[i];
		const struct run_step *s = &r->steps[i];
		if (s->status == STEP_COMPLETED)
			out[n++] = (struct llm_result_of){p->id, p->title, s->result};
		else if (s->status == STEP_FAILED)
			buf_printf(failed, "%s%s (%s): %s", failed->len > 0 ? "; " : "", p->id, p->title,
				   s->error != NULL ? s->error : "failed");
	}
	return n;
}
