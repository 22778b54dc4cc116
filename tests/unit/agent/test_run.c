/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task from lease to release: which steps run when, what a failed one means, what ends a run. The model
 * is scripted, the tools are real children.
 */
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

static void run__its_time_is_bounded(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	agent_free(w.agent);
	w.options.task_ms_max = 300;
	agent_make(&w);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":60000}");
	task_give(&w, "sleep");
	assert_ended(&w, "failed", "agent.task_seconds");
	world_close(&w);
}

/* Tool servers that never come up keep a task waiting for so long only. */
static void run__does_not_wait_for_tools_for_ever(void **state)
{
	struct world w;
	struct mcp_client_options mo = {1 << 20, 1 << 20, 1000};
	(void)state;
	world_open(&w, "echo", false);
	struct mcp_client *deaf = mcp_client_new(w.loop, &mo);
	agent_free(w.agent);
	w.options.tools_wait_ms = 200;
	w.agent = agent_new(w.loop, w.s, w.llm, deaf, NULL, &w.options);
	model_text(&w, "{\"steps\":[],\"final_output\":\"Done.\"}");
	int64_t began = clock_mono_ms();
	task_give(&w, "no tools");
	assert_ended(&w, "completed", NULL);
	assert_true(clock_mono_ms() - began >= 200);
	assert_says(model_shown(&w, 0), "(none)");
	agent_free(w.agent);
	loop_turn(w.loop, 0);
	mcp_client_free(deaf);
	agent_make(&w);
	world_close(&w);
}

static void run__a_lease_that_was_lost_ends_it_quietly(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":60000}");
	task_give(&w, "sleep");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 1);
	/* declared dead and alive again, as after a long stop: somebody else has the task now */
	store_proc_died(w.created, 1);
	assert_true(lease_next(w.other, &w.lease));
	store_proc_started(w.created, 1, 3);
	uint64_t seq = task_head(&w).last_seq;
	agent_on_task(w.agent, w.ref);
	assert_int_equal(agent_runs(w.agent), 0);
	for (int i = 0; i < 5; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(task_head(&w).last_seq, seq);
	world_close(&w);
}

/* While the disk is full nothing is begun; what is under way is written; then it goes on by itself. */
static void run__pauses_while_the_store_takes_nothing(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "echo", false, true);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":50}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end.");
	task_give(&w, "pause");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 1);
	store_health_set(w.keeper, STORE_NO_SPACE, "the disk is full");
	world_wake(&w);
	world_wait(&w, events_count(&w, EVENT_TOOL_COMPLETED) == 1);
	struct run *r = w.agent->runs;
	uint64_t seq = task_head(&w).last_seq;
	int64_t deadline_ms = r->deadline_mono_ms;
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 1);
	assert_int_equal(task_head(&w).last_seq, seq);
	assert_int_equal(agent_runs(w.agent), 1);
	/* the time of the pause is given back: it would be over otherwise */
	r->paused_since_mono_ms = clock_mono_ms() - 100000;
	r->deadline_mono_ms = clock_mono_ms() - 1;
	run_wake(r);
	loop_turn(w.loop, 0);
	assert_int_equal(agent_runs(w.agent), 1);
	store_health_set(w.keeper, STORE_WORKS, "");
	world_wake(&w);
	loop_turn(w.loop, 0);
	assert_true(r->deadline_mono_ms > deadline_ms);
	assert_ended(&w, "completed", NULL);
	world_close(&w);
}

/* And no task is taken up. */
static void run__none_begins_while_the_store_takes_nothing(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, NULL, true, true);
	task_create_as(&w, "Book me a flight to Paris", "auto");
	store_health_set(w.keeper, STORE_BROKEN, "a sync failed");
	world_wake(&w);
	assert_int_equal(agent_runs(w.agent), 0);
	store_health_set(w.keeper, STORE_WORKS, "");
	world_wake(&w);
	assert_int_equal(agent_runs(w.agent), 1);
	assert_ended(&w, "completed", NULL);
	world_close(&w);
}

/* 64 steps, each after the one before, ids at their longest. */
static void run__the_longest_plan(void **state)
{
	struct world w;
	struct buf steps = BUF_INIT;
	(void)state;
	world_open(&w, NULL, true);
	task_create_as(&w, "all of it", "auto");
	assert_true(lease_next(w.other, &w.lease));
	event(&w, 0, NULL, TASK_PLANNING);
	buf_add_str(&steps, "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[");
	for (int i = 0; i < PLAN_STEPS_MAX; i++) {
		buf_printf(&steps, "%s{\"id\":\"step-%026d\",\"title\":\"\xE2\x82\xAC\",\"objective\":\"o\",",
			   i > 0 ? "," : "", i);
		buf_add_str(&steps, "\"on_failure\":\"skip\",\"side_effects\":\"read\",\"depends_on\":[");
		if (i > 0)
			buf_printf(&steps, "\"step-%026d\"", i - 1);
		buf_add_str(&steps, "]}");
	}
	buf_add_str(&steps, "]}}");
	event(&w, EVENT_PLAN_CREATED, buf_cstr(&steps), TASK_RUNNING);
	buf_release(&steps);
	store_proc_died(w.created, 0);
	agent_on_work(w.agent);
	struct json *doc = task_end(&w);
	assert_int_equal(events_count(&w, EVENT_STEP_STARTED), PLAN_STEPS_MAX);
	json_free(doc);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_start__reads_side_by_side_writes_alone),
		cmocka_unit_test(steps_start__no_more_than_allowed),
		cmocka_unit_test(step__a_failed_one_ends_the_task_and_stops_the_others),
		cmocka_unit_test(step__one_that_may_be_skipped_does_not_end_the_task),
		cmocka_unit_test(step__is_tried_twice_where_that_was_planned),
		cmocka_unit_test(step__is_not_tried_again_after_it_may_have_written),
		cmocka_unit_test(run__its_time_is_bounded),
		cmocka_unit_test(run__does_not_wait_for_tools_for_ever),
		cmocka_unit_test(run__a_lease_that_was_lost_ends_it_quietly),
		cmocka_unit_test(run__pauses_while_the_store_takes_nothing),
		cmocka_unit_test(run__none_begins_while_the_store_takes_nothing),
		cmocka_unit_test(run__the_longest_plan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
