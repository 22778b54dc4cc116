/* SPDX-License-Identifier: Apache-2.0 */
/* A step that asks for a new plan has failed: it is split, then the rest is planned anew, so many times. */
#include "base/base.h"
#include "run_taken.h"

static void replans_set(struct world *w, int replans_max)
{
	agent_free(w->agent);
	w->options.replans_max = replans_max;
	agent_make(w);
}

static const char two[] = STEP("s1", "read") "," STEP_AFTER("s2", "read", "\"s1\"", "replan");

static void replan__splits_the_failed_step_first(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, two);
	model_finish(&w, "success", "alpha");
	model_finish(&w, "failed", "too large");
	model_plan(&w, STEP("a", "none"));
	model_finish(&w, "success", "beta");
	model_text(&w, "The end [s1][s2.1].");
	task_give(&w, "split it");
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	const struct json *plan = json_get(doc, "plan"), *steps = json_get(plan, "steps");
	assert_int_equal(json_get_integer(plan, "version", 0), 2);
	assert_int_equal(json_count(steps), 2);
	assert_string_equal(json_get_text(json_at(steps, 0), "result", ""), "alpha");
	assert_string_equal(json_get_text(json_at(steps, 1), "id", ""), "s2.1");
	json_free(doc);
	assert_says(model_shown(&w, 3), "Replace step s2 only");
	assert_says(model_shown(&w, 3), "too large");
	assert_says(model_shown(&w, 3), "alpha");
	assert_int_equal(events_count(&w, EVENT_PLAN_CREATED), 2);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 3);
	/* s1 is not run again, and its result is shown to the new step */
	assert_says(model_shown(&w, 4), "Your step: s2.1");
	assert_says(model_shown(&w, 4), "alpha");
	world_close(&w);
}

/* The part of the part of s2 fails, too: then all that is unfinished is planned anew. */
static void replan__then_replaces_the_rest_then_gives_up(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, two);
	model_finish(&w, "success", "alpha");
	model_finish(&w, "failed", "first");
	model_plan(&w, STEP("a", "none"));
	model_finish(&w, "failed", "second");
	model_plan(&w, STEP("a", "none"));
	model_finish(&w, "failed", "third");
	model_plan(&w, STEP_AFTER("s9", "none", "\"s1\"", "replan"));
	model_finish(&w, "failed", "fourth");
	model_text(&w, "Only [s1] was done.");
	task_give(&w, "try it");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 5), "Replace step s2.1 only");
	assert_says(model_shown(&w, 6), "Your step: s2.1.1");
	assert_says(model_shown(&w, 7), "Answer with the plan of what is still to be done");
	assert_says(model_shown(&w, 9), "fourth");
	assert_int_equal(events_count(&w, EVENT_PLAN_CREATED), 4);
	world_close(&w);
}

static void replan__an_answer_that_is_no_plan_leaves_the_old_one(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	replans_set(&w, 1);
	model_plan(&w, two);
	model_finish(&w, "success", "alpha");
	model_finish(&w, "failed", "no");
	model_text(&w, "I do not know.");
	model_text(&w, "Really not.");
	model_text(&w, "Only [s1] was done.");
	task_give(&w, "try it");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 4), "That is not a valid plan");
	assert_int_equal(events_count(&w, EVENT_PLAN_CREATED), 1);
	world_close(&w);
}

static void replan__none_is_made_where_none_is_allowed(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	replans_set(&w, 0);
	model_plan(&w, STEP_AFTER("s1", "none", "", "replan"));
	model_finish(&w, "failed", "no way");
	task_give(&w, "try it");
	assert_ended(&w, "failed", "no way");
	world_close(&w);
}

/* Steps that run come to their end first; none begins. */
static void replan__waits_for_the_steps_under_way(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read") "," STEP_AFTER("s2", "read", "", "replan") "," STEP("s3", "write"));
	model_calls(&w, "fake__sleep", "{\"ms\":100}");
	model_finish(&w, "failed", "no");
	model_finish(&w, "success", "slow");
	model_plan(&w, STEP("a", "none"));
	model_finish(&w, "success", "two");
	model_finish(&w, "success", "three");
	model_text(&w, "All [s1][s2.1][s3].");
	task_give(&w, "try it");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 4), "Replace step s2 only");
	assert_says(model_shown(&w, 4), "slow");
	assert_silent(model_shown(&w, 4), "s3 [completed]");
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 4);
	world_close(&w);
}

/* The tools that the step was planned with have gone: it is not even tried, and splitting it would not help.
 */
static void replan__a_step_whose_tools_are_gone_is_planned_anew(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	run_begun(&w, "{\"id\":\"s1\",\"title\":\"t\",\"objective\":\"o\",\"side_effects\":\"read\",\"tool_"
		      "hints\":["
		      "\"old__tool\"],\"on_failure\":\"replan\"}");
	model_plan(&w, STEP("s2", "none"));
	model_finish(&w, "success", "two");
	model_text(&w, "The end [s2].");
	run_taken_over(&w);
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 0), "still to be done");
	assert_says(model_shown(&w, 0), "none of the tools");
	world_close(&w);
}

/* A person has approved the first plan, and approves the second; a rejected one is made anew. */
static void replan__a_changed_plan_asks_again(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, two);
	task_create_as(&w, "with a person", "required");
	agent_on_work(w.agent);
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	model_finish(&w, "success", "alpha");
	model_finish(&w, "failed", "no");
	model_plan(&w, STEP("a", "none"));
	task_change(&w, EVENT_PLAN_APPROVED, "{\"digest\":\"d\",\"version\":1,\"by\":\"person\"}",
		    TASK_RUNNING, NULL);
	agent_on_work(w.agent);
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	struct json *doc = task_doc(&w);
	assert_int_equal(json_get_integer(json_get(doc, "plan"), "version", 0), 2);
	json_free(doc);
	model_plan(&w, STEP("s7", "none"));
	task_change(&w, EVENT_PLAN_REJECTED, "{\"digest\":\"d\",\"version\":2,\"feedback\":\"other way\"}",
		    TASK_PLANNING, NULL);
	agent_on_work(w.agent);
	world_wait(&w, task_head(&w).state == TASK_AWAITING_APPROVAL);
	assert_says(model_shown(&w, 4), "other way");
	assert_says(model_shown(&w, 4), "alpha");
	assert_says(model_shown(&w, 4), "still to be done");
	model_finish(&w, "success", "beta");
	model_text(&w, "The end [s1][s7].");
	task_change(&w, EVENT_PLAN_APPROVED, "{\"digest\":\"d\",\"version\":3,\"by\":\"person\"}",
		    TASK_RUNNING, NULL);
	agent_on_work(w.agent);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 3);
	world_close(&w);
}

/* The new plan's s2 is another step than the old one's: nothing of that is taken for it. */
static void replan__whoever_takes_over_knows_what_was_done(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	run_begun_replanning(&w);
	event(&w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":2,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[" STEP(
		      "s1", "read") "," STEP_AFTER("s2", "read", "\"s1\"", "abort") "]}}",
	      TASK_RUNNING);
	model_finish(&w, "success", "beta");
	model_text(&w, "The end [s1][s2].");
	run_taken_over(&w);
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 0), "Your step: s2");
	assert_silent(model_shown(&w, 0), "<failed-");
	world_close(&w);
}

/* The worker dies between the failure and the new plan: the next one asks for it. */
static void replan__whoever_takes_over_plans_on(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	replans_set(&w, 1);
	run_begun(&w, STEP_AFTER("s1", "read", "", "replan"));
	event(&w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
	event(&w, EVENT_STEP_FAILED, "{\"step\":\"s1\",\"error\":{\"code\":\"x\",\"message\":\"no\"}}",
	      TASK_SAME);
	event(&w, 0, NULL, TASK_PLANNING);
	model_plan(&w, STEP("a", "none"));
	model_finish(&w, "failed", "never");
	run_taken_over(&w);
	assert_ended(&w, "failed", "never"); /* and it was the only one that was allowed */
	assert_says(model_shown(&w, 0), "Replace step s1 only");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replan__splits_the_failed_step_first),
		cmocka_unit_test(replan__then_replaces_the_rest_then_gives_up),
		cmocka_unit_test(replan__an_answer_that_is_no_plan_leaves_the_old_one),
		cmocka_unit_test(replan__none_is_made_where_none_is_allowed),
		cmocka_unit_test(replan__waits_for_the_steps_under_way),
		cmocka_unit_test(replan__a_step_whose_tools_are_gone_is_planned_anew),
		cmocka_unit_test(replan__a_changed_plan_asks_again),
		cmocka_unit_test(replan__whoever_takes_over_knows_what_was_done),
		cmocka_unit_test(replan__whoever_takes_over_plans_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
