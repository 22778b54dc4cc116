/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The final answer: one call without tools over the results of all steps. If it fails the task fails, but the
 * results of its steps stay in the document.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

static void writer_delta(struct slice text, void *arg);
static void writer_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg);
static void writer_end(const struct llm_turn *turn, const struct error *e, void *arg);
static size_t results_collect(const struct run *r, struct llm_result_of *out, struct buf *failed);

void writer_start(struct run *r)
{
	struct buf system = BUF_INIT, user = BUF_INIT, failed = BUF_INIT;
	struct llm_result_of results[PLAN_STEPS_MAX];
	prompt_writer_system(&system);
	prompt_writer_user(r, &user);
	struct llm_message messages[2] = {{.speaker = LLM_SYSTEM, .text = buf_cstr(&system)},
					  {.speaker = LLM_USER, .text = buf_cstr(&user)}};
	struct llm_context context = {.goal = r->prompt, .plan = r->plan->tree, .results = results};
	context.results_count = results_collect(r, results, &failed);
	context.failed = failed.len > 0 ? buf_cstr(&failed) : NULL;
	struct llm_request req = {.role = LLM_WRITER,
				  .messages = messages,
				  .messages_count = 2,
				  .context = &context,
				  .deadline_mono_ms = r->deadline_mono_ms,
				  .task_id = r->task_id};
	struct llm_handler h = {
		.on_delta = writer_delta, .on_retry = writer_retry, .on_end = writer_end, .arg = r};
	run_call_name(r, r->model_call_id);
	record_model_started(r, r->model_call_id, LLM_WRITER, NULL, messages, COUNT_OF(messages));
	if (!run_over(r))
		r->model = llm_call_start(r->agent->llm, &req, h);
	buf_release(&system);
	buf_release(&user);
	buf_release(&failed);
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

static void writer_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct run *r = arg;
	r->model = NULL;
	if (turn == NULL) {
		if (record_model_failed(r, r->model_call_id, LLM_WRITER, NULL, e))
			run_fail(r, record_error_code(e), e->msg);
		return;
	}
	struct record recs[2];
	record_model_completed(&recs[0], r->model_call_id, LLM_WRITER, NULL, turn);
	if (turn->refusal != NULL || *turn->text == '\0') {
		if (record_event(r, &recs[0], EVENT_MODEL_COMPLETED))
			run_fail(r, "refused",
				 turn->refusal != NULL ? turn->refusal : "the model wrote an empty answer");
		return;
	}
	enum event_type types[] = {EVENT_MODEL_COMPLETED, EVENT_TASK_RESULT};
	record_begin(&recs[1]);
	jw_kv_text(&recs[1].w, "result", turn->text);
	if (record_events(r, recs, types, 2, TASK_COMPLETED, NULL))
		run_drop(r, false);
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
