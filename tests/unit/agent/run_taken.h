/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that a worker which has died was carrying out, and that the agent under test takes over. */
#ifndef TESTS_UNIT_AGENT_RUN_TAKEN_H
#define TESTS_UNIT_AGENT_RUN_TAKEN_H

#include "run_rig.h"

/* A task of participant 0, up to where it is running with this plan of one version (steps as JSON objects).
 */
static inline void run_begun(struct world *w, const char *steps)
{
	char *plan =
		xasprintf("{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[%s]}}", steps);
	task_create_as(w, "take over", "auto");
	assert_true(lease_next(w->other, &w->lease));
	event(w, 0, NULL, TASK_PLANNING);
	event(w, EVENT_PLAN_CREATED, plan, TASK_RUNNING);
	free(plan);
}

/* Its step s1 is completed with "alpha", s2 has failed and is to be planned anew. */
static inline void run_begun_replanning(struct world *w)
{
	run_begun(w, STEP("s1", "read") "," STEP_AFTER("s2", "read", "\"s1\"", "replan"));
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_STEP_COMPLETED, "{\"step\":\"s1\",\"result\":\"alpha\"}", TASK_SAME);
	event(w, EVENT_STEP_STARTED, "{\"step\":\"s2\",\"attempt\":1}", TASK_SAME);
	event(w, EVENT_STEP_FAILED, "{\"step\":\"s2\",\"error\":{\"code\":\"x\",\"message\":\"no\"}}",
	      TASK_SAME);
	event(w, 0, NULL, TASK_PLANNING);
}

/* That participant dies: the agent takes the task over. */
static inline void run_taken_over(struct world *w)
{
	store_proc_died(w->created, 0);
	agent_on_work(w->agent);
}

#endif
