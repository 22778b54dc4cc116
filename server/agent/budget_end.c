/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a task that is over its budget: nothing more is begun, what was sent comes to its end, steps
 * that are not over are skipped, and the answer is written of what there is, for which a part of the budget
 * was kept. When not even that is left the answer is one without a model (answer_plain.c). Not a word of it
 * is a failure, unless nothing was finished.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

static const double NANO = 1e9;

static void words(const struct run *r, struct buf *out)
{
	const struct run_budget *b = &r->budget;
	double unit = b->over == BUDGET_COST ? NANO : 1;
	const char *whose = strcmp(b->scope, "task") == 0     ? "of this task"
			    : strcmp(b->scope, "tenant") == 0 ? "of the tenant's day"
							      : "of the service's day";
	buf_printf(out, "The budget %s is used up (%s: %.10g spent or reserved of %.10g)", whose,
		   budget_limit_text(b->over), (double)b->used / unit, (double)b->cap / unit);
}

void budget_note(const struct run *r, struct buf *out)
{
	if (!budget_is_over(r))
		return;
	buf_add_str(out, "\n\nNote: this answer is partial. ");
	words(r, out);
	buf_add_str(out, "; what was not finished by then was left out.");
}

static bool anything_done(const struct run *r)
{
	for (size_t i = 0; r->plan != NULL && i < r->plan->steps_count; i++)
		if (r->steps[i].status == STEP_COMPLETED)
			return true;
	return false;
}

void budget_finish(struct run *r)
{
	struct buf text = BUF_INIT;
	words(r, &text);
	if (answer_plain_possible(r)) {
		answer_plain_end(r, buf_cstr(&text));
	} else {
		buf_add_str(&text, anything_done(r)
					   ? ", and no result could be written that follows the output "
					     "schema; the results of steps are in the plan"
					   : " and nothing was finished; give the task a larger budget");
		run_fail(r, "budget-exhausted", buf_cstr(&text));
	}
	buf_release(&text);
}

static bool step_close(struct run *r, size_t i)
{
	struct record rec;
	exec_free(r->steps[i].exec);
	r->steps[i].exec = NULL;
	record_begin(&rec);
	jw_kv_text(&rec.w, "step", r->plan->steps[i].id);
	jw_kv_text(&rec.w, "reason", "the budget is used up");
	if (!record_event(r, &rec, EVENT_STEP_SKIPPED))
		return false;
	r->steps[i].status = STEP_SKIPPED;
	return true;
}

void budget_end(struct run *r, bool go_on)
{
	bool busy = r->model != NULL;
	for (size_t i = 0; i < r->plan->steps_count && !run_over(r); i++) {
		struct exec *x = r->steps[i].exec;
		if (x != NULL && !x->over)
			exec_pump(x); /* what was sent comes to its end */
		if (run_over(r))
			return;
		if (x != NULL && !x->over && exec_busy(x, false))
			busy = true;
		if (!go_on || (x != NULL && !x->over && exec_busy(x, false)))
			continue;
		bool open = r->steps[i].status == STEP_PENDING || r->steps[i].status == STEP_RUNNING;
		if (open && !step_close(r, i))
			return;
	}
	if (busy || !go_on || run_over(r))
		return;
	/* Who was asked something for a step that is closed now is asked no longer. */
	if (!asks_hush(r, "the budget of the task is used up"))
		return;
	if (!anything_done(r) || r->budget.answered) {
		budget_finish(r);
		return;
	}
	r->budget.answered = true;
	writer_start(r);
	if (!run_over(r) && r->model == NULL)
		budget_finish(r);
}
