/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which steps of a plan run when. A step is ready when those it builds on are over; what is ready begins in
 * the order of the plan, steps that read side by side, a step that writes alone. Nothing but the plan and the
 * states of its steps decides, so that a run rebuilt from its events goes on in the same order.
 *
 * A step that failed for good: "abort" ends the task; "skip" is told to those that build on it; else they are
 * left out, and the rest goes on.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>

static const char STEP_DECLINED[] = "a person was asked before it began and decided against it";
static const char TOOLS_GONE[] = "none of the tools it was planned with is there any more";

static bool steps_failed(struct run *r);
static int steps_running(const struct run *r);
static void steps_poison(struct run *r);
static bool nothing_done(struct run *r);
static void steps_drive(struct run *r);
static void steps_start(struct run *r);
static bool step_held_back(struct run *r, size_t i);
static void step_start(struct run *r, size_t i);

void steps_pump(struct run *r, bool go_on)
{
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		struct exec *x = r->steps[i].exec;
		if (x == NULL || !x->over)
			continue;
		r->steps[i].exec = NULL;
		exec_free(x);
	}
	if (budget_is_over(r)) {
		budget_end(r, go_on);
		return;
	}
	if (steps_failed(r))
		return;
	bool replans = replan_due(r);
	if (replans && go_on && steps_running(r) == 0) {
		replan_begin(r);
		return;
	}
	if (!replans)
		steps_poison(r);
	if (run_over(r))
		return;
	if (permits_wait(r)) {
		bool still = !run_busy(r, true) && (permits_hold_calls(r) || steps_running(r) == 0);
		if (still && go_on)
			permits_ask(r);
		else
			steps_drive(r);
		return;
	}
	if (go_on && !replans)
		steps_start(r);
	steps_drive(r);
	if (run_over(r) || permits_wait(r) || !steps_over(r) || r->model != NULL || !go_on || replan_due(r))
		return;
	if (!nothing_done(r))
		writer_start(r);
}

/* --- helpers --- */

static void steps_drive(struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count && !run_over(r); i++)
		if (r->steps[i].exec != NULL)
			exec_pump(r->steps[i].exec);
}

static void step_failure_ends(struct run *r, size_t i)
{
	char *text = xasprintf("step %s (%s) failed: %s", r->plan->steps[i].id, r->plan->steps[i].title,
			       r->steps[i].error != NULL ? r->steps[i].error : "no reason given");
	run_fail(r, "step-failed", text);
	free(text);
}

/* A failed step that ends the task, because its plan says so. */
static bool steps_failed(struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		if (r->steps[i].status != STEP_FAILED || r->plan->steps[i].on_failure != STEP_ABORT)
			continue;
		step_failure_ends(r, i);
		return true;
	}
	return false;
}

/* A step that failed for good, or was left out for such a one, whose result step i needs; NULL. Steps that
 * may be skipped harm none: those that build on them are told. */
static const struct plan_step *step_poison(const struct run *r, size_t i)
{
	const struct plan_step *s = &r->plan->steps[i];
	for (size_t k = 0; k < s->depends_count; k++) {
		size_t on = s->depends_on[k];
		bool failed =
			r->steps[on].status == STEP_FAILED && r->plan->steps[on].on_failure != STEP_SKIP;
		if (failed || r->steps[on].status == STEP_SKIPPED)
			return &r->plan->steps[on];
	}
	return NULL;
}

static void step_leave_out(struct run *r, size_t i, const struct plan_step *for_it)
{
	struct record rec;
	char *why = xasprintf("it builds on step %s, which was not completed", for_it->id);
	record_begin(&rec);
	jw_kv_text(&rec.w, "step", r->plan->steps[i].id);
	jw_kv_text(&rec.w, "reason", why);
	free(why);
	if (record_event(r, &rec, EVENT_STEP_SKIPPED))
		r->steps[i].status = STEP_SKIPPED;
}

/* Steps may build on later ones: until nothing changes. */
static void steps_poison(struct run *r)
{
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < r->plan->steps_count; i++) {
			const struct plan_step *bad = step_poison(r, i);
			if (r->steps[i].status != STEP_PENDING || bad == NULL)
				continue;
			step_leave_out(r, i, bad);
			if (run_over(r))
				return;
			again = true;
		}
	}
}

/* All steps are over. One failed for good, and none has a result: there is nothing to write an answer of. */
static bool nothing_done(struct run *r)
{
	size_t failed = PLAN_STEPS_MAX;
	for (size_t i = r->plan->steps_count; i-- > 0;) {
		if (r->steps[i].status == STEP_COMPLETED)
			return false;
		if (r->steps[i].status == STEP_FAILED && r->plan->steps[i].on_failure != STEP_SKIP)
			failed = i;
	}
	if (failed == PLAN_STEPS_MAX)
		return false;
	step_failure_ends(r, failed);
	return true;
}

static bool step_ready(const struct run *r, size_t i)
{
	const struct plan_step *s = &r->plan->steps[i];
	if (r->steps[i].status != STEP_PENDING)
		return false;
	for (size_t k = 0; k < s->depends_count; k++) {
		enum step_status d = r->steps[s->depends_on[k]].status;
		if (d == STEP_PENDING || d == STEP_RUNNING)
			return false;
	}
	return true;
}

static int steps_running(const struct run *r)
{
	int running = 0;
	for (size_t i = 0; i < r->plan->steps_count; i++)
		running += r->steps[i].status == STEP_RUNNING;
	return running;
}

/* In plan order; reading steps side by side, a writing step alone. A writing step whose turn has come is not
 * overtaken. */
static void steps_start(struct run *r)
{
	int running = steps_running(r);
	for (size_t i = 0; i < r->plan->steps_count; i++)
		if (r->steps[i].status == STEP_RUNNING && r->plan->steps[i].effect == STEP_EFFECT_WRITE)
			return;
	for (size_t i = 0;
	     i < r->plan->steps_count && running < r->agent->options.parallel_steps && !run_over(r); i++) {
		if (!step_ready(r, i))
			continue;
		bool writes = r->plan->steps[i].effect == STEP_EFFECT_WRITE;
		if (writes && running > 0)
			return;
		if (step_held_back(r, i))
			return;
		step_start(r, i);
		running++;
		if (writes)
			return;
	}
}

/* A step that is to be approved by itself: a person is asked, or has spoken against it. */
static bool step_held_back(struct run *r, size_t i)
{
	struct run_step *s = &r->steps[i];
	struct record rec;
	if (!r->plan->steps[i].approval || s->approved)
		return false;
	bool skipped = s->declined == STEP_SKIPPED;
	if (s->declined == STEP_PENDING) {
		s->asking = true;
		run_wake(r);
		return true;
	}
	record_begin(&rec);
	jw_kv_text(&rec.w, "step", r->plan->steps[i].id);
	if (skipped)
		jw_kv_text(&rec.w, "reason", STEP_DECLINED);
	else
		record_error(&rec, "denied", STEP_DECLINED);
	if (record_event(r, &rec, skipped ? EVENT_STEP_SKIPPED : EVENT_STEP_FAILED)) {
		s->status = s->declined;
		free(s->error);
		s->error = skipped ? NULL : xstrdup(STEP_DECLINED);
		run_wake(r);
	}
	return true;
}

static void step_start(struct run *r, size_t i)
{
	struct run_step *s = &r->steps[i];
	const struct plan_step *p = &r->plan->steps[i];
	struct record recs[2];
	enum event_type types[] = {EVENT_STEP_STARTED, EVENT_STEP_FAILED};
	bool gone = p->on_failure == STEP_REPLAN &&
		    plan_tools_gone(p, tool_index_catalog(agent_tool_index(r->agent)));
	record_begin(&recs[0]);
	jw_kv_text(&recs[0].w, "step", p->id);
	jw_kv_int(&recs[0].w, "attempt", s->attempts + 1);
	if (gone) {
		record_begin(&recs[1]);
		jw_kv_text(&recs[1].w, "step", p->id);
		record_error(&recs[1], "tools-gone", TOOLS_GONE);
	}
	if (!record_soon(r, recs, types, gone ? 2 : 1))
		return;
	s->attempts++;
	s->status = gone ? STEP_FAILED : STEP_RUNNING;
	if (!gone) {
		s->exec = exec_new(r, i);
		return;
	}
	s->error = xstrdup(TOOLS_GONE);
	run_wake(r);
}

bool steps_over(const struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count; i++)
		if (r->steps[i].status == STEP_PENDING || r->steps[i].status == STEP_RUNNING)
			return false;
	return true;
}
