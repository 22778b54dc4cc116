/* SPDX-License-Identifier: Apache-2.0 */
/* Which steps run when, and what a failed one means. The model is scripted, the tools are real children. */
#include "base/base.h"
#include "run_rig.h"

/* Ids of the steps in the order of their events of one type: "s1 s2 ". */
static char *steps_of(struct world *w, enum event_type type)
{
	struct buf b = BUF_INIT;
	for (size_t n = 0;; n++) {
		struct json *j = event_nth(w, type, n);
		if (j == NULL)
			return buf_take(&b);
		buf_printf(&b, "%s ", json_get_text(j, "step", "?"));
		json_free(j);
	}
}

static void assert_steps(struct world *w, enum event_type type, const char *ids)
{
	char *got = steps_of(w, type);
	assert_string_equal(got, ids);
	free(got);
}

static void steps_start__reads_side_by_side_writes_alone(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w,
		   STEP("s1", "read") "," STEP("s2", "none") "," STEP("s3", "write") "," STEP("s4", "read"));
	for (int i = 0; i < 4; i++)
		model_finish(&w, "success", "r");
	model_text(&w, "The end.");
	task_give(&w, "order");
	world_wait(&w, events_count(&w, EVENT_STEP_STARTED) == 2);
	/* the writing step waits for both, and is not overtaken by the reading one behind it */
	assert_steps(&w, EVENT_STEP_STARTED, "s1 s2 ");
	world_wait(&w, events_count(&w, EVENT_STEP_STARTED) == 3);
	assert_int_equal(events_count(&w, EVENT_STEP_COMPLETED), 2);
	assert_steps(&w, EVENT_STEP_STARTED, "s1 s2 s3 ");
	world_wait(&w, events_count(&w, EVENT_STEP_STARTED) == 4);
	assert_int_equal(events_count(&w, EVENT_STEP_COMPLETED), 3);
	assert_ended(&w, "completed", NULL);
	world_close(&w);
}

static void steps_start__no_more_than_allowed(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	agent_free(w.agent);
	w.options.parallel_steps = 2;
	agent_make(&w);
	model_plan(&w, STEP("s1", "read") "," STEP("s2", "read") "," STEP("s3", "read"));
	for (int i = 0; i < 3; i++)
		model_finish(&w, "success", "r");
	model_text(&w, "The end.");
	task_give(&w, "order");
	world_wait(&w, events_count(&w, EVENT_STEP_STARTED) >= 2);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), 2);
	assert_ended(&w, "completed", NULL);
	world_close(&w);
}

static void step__a_failed_one_ends_the_task_and_stops_the_others(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read") "," STEP("s2", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":60000}");
	model_finish(&w, "failed", "the file is not there");
	task_give(&w, "fail");
	struct json *doc = task_end(&w);
	const struct json *e = json_get(doc, "error");
	assert_string_equal(json_get_text(e, "code", ""), "step-failed");
	assert_says(json_get_text(e, "message", ""), "the file is not there");
	assert_int_equal(agent_runs(w.agent), 0);
	json_free(doc);
	world_close(&w);
}

static void step__one_that_may_be_skipped_does_not_end_the_task(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP_AFTER("s1", "read", "", "skip") "," STEP_AFTER("s2", "read", "\"s1\"", "abort"));
	model_finish(&w, "failed", "nothing </failed> found");
	model_finish(&w, "success", "two");
	model_text(&w, "The end.");
	task_give(&w, "skip");
	assert_ended(&w, "completed", NULL);
	assert_steps(&w, EVENT_STEP_FAILED, "s1 ");
	assert_says(model_shown(&w, 2), "nothing </failed> found</failed-");
	assert_says(model_shown(&w, 3), "nothing </failed> found");
	world_close(&w);
}

static void step__is_tried_twice_where_that_was_planned(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP_AFTER("s1", "read", "", "retry"));
	model_finish(&w, "failed", "once");
	model_finish(&w, "failed", "twice");
	task_give(&w, "retry");
	assert_ended(&w, "failed", "twice");
	assert_steps(&w, EVENT_STEP_STARTED, "s1 s1 ");
	world_close(&w);
}

/* s1 fails for good: what builds on it, directly or not, is left out, the rest goes on and is told of. */
static void step__one_that_failed_for_good_takes_its_dependants_along(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP_AFTER("s0", "read", "\"s2\"", "skip") "," STEP_AFTER(
			       "s1", "write", "",
			       "retry") "," STEP_AFTER("s2", "read", "\"s1\"",
						       "skip") "," STEP_AFTER("s3", "write", "", "abort"));
	model_finish(&w, "failed", "once");
	model_finish(&w, "failed", "twice");
	model_finish(&w, "success", "three");
	model_text(&w, "The end [s3].");
	task_give(&w, "poison");
	assert_ended(&w, "completed", NULL);
	assert_steps(&w, EVENT_STEP_STARTED, "s1 s1 s3 ");
	assert_steps(&w, EVENT_STEP_SKIPPED, "s2 s0 ");
	assert_says(model_shown(&w, 4), "skipped step=\\\"s2\\\"");
	world_close(&w);
}

static void step__is_not_tried_again_after_it_may_have_written(void **state)
{
	struct world w;
	char dir[] = "/tmp/agent-test-XXXXXX", arguments[64];
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(arguments, sizeof arguments, "{\"file\":\"%s/count\"}", dir);
	world_open(&w, "echo", false);
	model_plan(&w, STEP_AFTER("s1", "write", "", "retry"));
	model_calls(&w, "fake__count", arguments);
	model_finish(&w, "failed", "half done");
	task_give(&w, "retry");
	assert_ended(&w, "failed", "half done");
	assert_steps(&w, EVENT_STEP_STARTED, "s1 ");
	world_close(&w);
	char *file = xasprintf("%s/count", dir);
	assert_int_equal(unlink(file), 0);
	free(file);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_start__reads_side_by_side_writes_alone),
		cmocka_unit_test(steps_start__no_more_than_allowed),
		cmocka_unit_test(step__a_failed_one_ends_the_task_and_stops_the_others),
		cmocka_unit_test(step__one_that_may_be_skipped_does_not_end_the_task),
		cmocka_unit_test(step__is_tried_twice_where_that_was_planned),
		cmocka_unit_test(step__one_that_failed_for_good_takes_its_dependants_along),
		cmocka_unit_test(step__is_not_tried_again_after_it_may_have_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
