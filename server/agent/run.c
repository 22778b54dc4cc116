/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task from the moment this worker leases it until it is over, waits for a person, or is given back.
 * Every decision is taken in run_pump(), at the bottom of the loop, from the state of the run alone: which is
 * why a run rebuilt from its events goes on like one that never stopped.
 *
 * A run ends in run_drop(), which may be called from any callback: calls are cancelled at once, memory goes
 * at the bottom of the loop.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { END_AGAIN_MS = 1000, AGAIN_LOOK_MS = 10 };

static void run_pump(void *arg);
static bool store_takes(struct run *r);
static bool tools_awaited(struct run *r);
static void planning_begin(struct run *r);
static void run_load(struct run *r);
static bool durable_awaited(const struct run *r);
static void watch_end(struct run *r);
static void calls_stop(struct run *r);
static void timer_fired(void *arg);
static void run_free(void *arg);

void run_start(struct agent *a, const struct lease *l)
{
	struct run *r = xcalloc(1, sizeof *r);
	r->agent = a;
	r->lease = *l;
	r->next = a->runs;
	a->runs = r;
	a->runs_count++;
	r->timer = loop_timer_new(a->loop, timer_fired, r);
	r->deadline_mono_ms = clock_mono_ms() + a->options.task_ms_max;
	run_timer_arm(r);
	run_wake(r);
}

void run_wake(struct run *r)
{
	if (r->woken || r->dropped)
		return;
	r->woken = true;
	loop_defer(r->agent->loop, run_pump, r);
}

void run_drop(struct run *r, bool release)
{
	struct agent *a = r->agent;
	if (r->dropped)
		return;
	record_let_go(r);
	r->dropped = true;
	for (struct run **p = &a->runs; *p != NULL; p = &(*p)->next) {
		if (*p == r) {
			*p = r->next;
			break;
		}
	}
	a->runs_count--;
	agent_run_ended(a, r);
	calls_stop(r);
	if (r->loading != NULL)
		archive_cancel(r->loading);
	r->loading = NULL;
	watch_end(r);
	agent_task_check(a, r->lease.ref);
	if (release)
		lease_release(a->store, &r->lease);
	loop_defer_cancel(a->loop, r);
	loop_defer(a->loop, run_free, r);
}

void run_fail(struct run *r, const char *code, const char *message)
{
	struct record why;
	if (r->end_code == NULL) {
		r->end_code = code;
		r->end_message = xstrdup(message);
	}
	record_begin(&why);
	jw_kv_text(&why.w, "reason", message);
	record_error(&why, code, message);
	log_info("a task failed", LF_STR("task_id", r->task_id), LF_STR("code", code),
		 LF_STR("error", message));
	if (record_events(r, NULL, NULL, 0, TASK_FAILED, &why))
		run_drop(r, false);
}

void run_end_later(struct run *r, const char *code, const char *message)
{
	calls_stop(r);
	if (r->end_code == NULL) {
		r->end_code = code;
		r->end_message = xstrdup(message);
	}
	loop_timer_set(r->timer, END_AGAIN_MS);
}

bool run_over(const struct run *r)
{
	return r->dropped || r->end_code != NULL;
}

/* Models see the ids of calls whose results are long. Where a run is recorded they must come out the same,
 * whichever of two steps is faster, so there each step counts its own. */
void run_call_name(struct run *r, const struct exec *x, char out[CALL_ID_SIZE])
{
	uint64_t n;
	if (x != NULL && r->agent->options.marks != NULL)
		n = (x->step + 1) * STEP_CALLS + ++r->step_calls_named[x->step];
	else
		n = ++r->calls_named;
	out[0] = 'c';
	u64_format(n, out + 1);
}

bool run_busy(const struct run *r, bool people)
{
	bool busy = r->model != NULL;
	for (size_t i = 0; i < PLAN_STEPS_MAX; i++)
		busy = busy || (r->steps[i].exec != NULL && exec_busy(r->steps[i].exec, people));
	return busy;
}

bool run_is_durable(struct run *r, uint64_t seq)
{
	struct task_head head;
	struct store *s = r->agent->store;
	if (seq <= r->durable_seq)
		return true;
	/* Watched before it is looked at: what becomes durable in between wakes it. */
	if (!r->watched)
		r->watched = task_watch(s, r->lease.ref) == ERR_NONE;
	if (task_head_get(s, r->lease.ref, &head) == ERR_NONE)
		r->durable_seq = head.durable_seq;
	return seq <= r->durable_seq;
}

void run_timer_arm(struct run *r)
{
	int64_t now = clock_mono_ms(), until = r->deadline_mono_ms;
	if (r->settle_until_mono_ms > now && r->settle_until_mono_ms < until)
		until = r->settle_until_mono_ms;
	if (!r->loaded && r->load_again_mono_ms > now && r->load_again_mono_ms < until)
		until = r->load_again_mono_ms;
	for (size_t i = 0; i < PLAN_STEPS_MAX; i++) {
		int64_t again = r->steps[i].exec != NULL ? calls_again_mono_ms(r->steps[i].exec) : INT64_MAX;
		/* One that fell due since the calls were looked at is looked at again soon, or nothing would
		 * ever wake it. */
		again = again > now ? again : now + AGAIN_LOOK_MS;
		until = again < until ? again : until;
	}
	int64_t wall = budget_wall_mono_ms(r);
	until = wall > now && wall < until ? wall : until;
	/* While nothing may begin there is nothing to wait for but news of the store. */
	bool pauses = r->paused_since_mono_ms != 0 && r->end_code == NULL;
	loop_timer_set(r->timer, pauses ? -1 : until > now ? until - now : 1);
}

/* --- helpers --- */

static void run_pump(void *arg)
{
	struct run *r = arg;
	bool draining = r->agent->draining;
	r->woken = false;
	if (r->end_code != NULL) {
		run_fail(r, r->end_code, r->end_message);
		return;
	}
	bool takes = store_takes(r);
	if (r->loaded && takes)
		budget_wall_check(r);
	if (run_over(r))
		return;
	if (takes && clock_mono_ms() >= r->deadline_mono_ms && budget_is_over(r) && r->plan != NULL) {
		budget_finish(r);
		return;
	}
	if (takes && clock_mono_ms() >= r->deadline_mono_ms) {
		run_fail(r, "timeout", "the task used up its working time (agent.task_seconds)");
		return;
	}
	bool go_on = takes && !draining && !tools_awaited(r);
	if (!r->loaded && go_on)
		run_load(r);
	if (run_over(r))
		return;
	if (r->loaded && r->state == TASK_QUEUED && go_on)
		planning_begin(r);
	if (run_over(r))
		return;
	if (r->loaded && r->state == TASK_PLANNING && r->model == NULL && go_on)
		inherit_plans(r) ? inherit_begin(r) : planner_start(r);
	else if (r->loaded && (r->state == TASK_RUNNING || r->ask_shown != NULL) && asks_pump(r, go_on))
		steps_pump(r, go_on);
	if (run_over(r))
		return;
	if (draining && !run_busy(r, false))
		run_drop(r, true);
	else if (!durable_awaited(r))
		watch_end(r);
}

/* A store that takes nothing new pauses the run; the pause is not its working time. */
static bool store_takes(struct run *r)
{
	bool takes = store_accepts(r->agent->store, NULL) == ERR_NONE;
	int64_t now = clock_mono_ms();
	if (takes && r->paused_since_mono_ms != 0)
		r->deadline_mono_ms += now - r->paused_since_mono_ms;
	if (takes == (r->paused_since_mono_ms == 0))
		return takes;
	r->paused_since_mono_ms = takes ? 0 : now;
	run_timer_arm(r);
	return takes;
}

/* What is planned or begun before the tool servers have said what they offer would know no tools: at the
 * start of the service, in a worker that has just been born, while a supervisor is replaced. After
 * agent.tools_wait_seconds it goes on with the tools there are. */
static bool tools_awaited(struct run *r)
{
	int64_t now = clock_mono_ms();
	if (mcp_client_settled(r->agent->mcp)) {
		r->settle_until_mono_ms = 0;
		return false;
	}
	if (r->settle_until_mono_ms == 0) {
		r->settle_until_mono_ms = now + r->agent->options.tools_wait_ms;
		run_timer_arm(r);
	}
	return now < r->settle_until_mono_ms;
}

/* With the fence, so that a conversation that is taken over reads as it did. */
static void planning_begin(struct run *r)
{
	struct record state;
	record_begin(&state);
	jw_kv_text(&state.w, "fence", r->fence);
	(void)record_events(r, NULL, NULL, 0, TASK_PLANNING, &state);
}

static void run_load(struct run *r)
{
	enum resume end = resume_pump(r);
	if (end == RESUME_WAITS || run_over(r))
		return;
	r->loaded = true;
	if (end == RESUME_FAILED) {
		/* Also when its events are gone: if the task is gone, too, that ends the run without more. */
		log_warn("a task could not be taken up from its events", LF_STR("task_id", r->task_id),
			 LF_STR("error", r->load_error.msg));
		run_fail(r, record_error_code(&r->load_error), r->load_error.msg);
	}
	if (!run_over(r))
		run_timer_arm(r);
}

static bool durable_awaited(const struct run *r)
{
	for (size_t i = 0; i < PLAN_STEPS_MAX; i++)
		if (r->steps[i].exec != NULL && calls_journaled(r->steps[i].exec))
			return true;
	return false;
}

static void watch_end(struct run *r)
{
	if (r->watched)
		task_unwatch(r->agent->store, r->lease.ref);
	r->watched = false;
}

static void calls_stop(struct run *r)
{
	if (r->model != NULL)
		llm_call_cancel(r->model);
	r->model = NULL;
	for (size_t i = 0; i < PLAN_STEPS_MAX; i++) {
		struct exec *x = r->steps[i].exec;
		if (x == NULL)
			continue;
		if (x->model != NULL)
			llm_call_cancel(x->model);
		x->model = NULL;
		calls_cancel(x);
	}
}

static void timer_fired(void *arg)
{
	struct run *r = arg;
	run_wake(r);
	if (!run_over(r))
		run_timer_arm(r);
}

static void run_free(void *arg)
{
	struct run *r = arg;
	struct agent *a = r->agent;
	for (size_t i = 0; i < PLAN_STEPS_MAX; i++) {
		exec_free(r->steps[i].exec);
		free(r->steps[i].result);
		free(r->steps[i].error);
	}
	asks_free(r);
	loop_timer_free(r->timer);
	budget_release(r);
	for (struct text_list *t; (t = r->digests_accepted) != NULL; free(t))
		r->digests_accepted = t->next;
	json_free(r->inherited);
	plan_free(r->plan);
	free(r->prompt);
	free(r->feedback);
	free(r->asked);
	json_free(r->output_schema);
	buf_release(&r->answers);
	free(r->replan_why);
	free(r->rejected_answer);
	free(r->end_message);
	free(r);
	agent_run_freed(a);
}
