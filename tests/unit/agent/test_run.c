/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task from lease to release: what it waits for, what ends a run. The model is scripted, the tools are
 * real children.
 */
#include "base/base.h"
#include "run_rig.h"

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

/* Where exchanges are recorded or replayed, a prompt has its marks from there. */
static void run__marks_are_those_of_the_recording(void **state)
{
	struct world w;
	char hex[SHA256_HEX_SIZE];
	(void)state;
	world_open(&w, "echo", false);
	agent_free(w.agent);
	w.options.marks = "0123";
	agent_make(&w);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__echo", "{\"text\":\"a\"}");
	model_finish(&w, "success", "done");
	model_text(&w, "Done.");
	task_give(&w, "say a");
	assert_ended(&w, "completed", NULL);
	sha256_hex("0123\nsay a", 10, hex);
	char *mark = xasprintf("<data-%.16s>", hex);
	assert_says(model_shown(&w, 2), mark);
	free(mark);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__its_time_is_bounded),
		cmocka_unit_test(run__does_not_wait_for_tools_for_ever),
		cmocka_unit_test(run__a_lease_that_was_lost_ends_it_quietly),
		cmocka_unit_test(run__pauses_while_the_store_takes_nothing),
		cmocka_unit_test(run__none_begins_while_the_store_takes_nothing),
		cmocka_unit_test(run__the_longest_plan),
		cmocka_unit_test(run__marks_are_those_of_the_recording),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
