/* SPDX-License-Identifier: Apache-2.0 */
/* One tool call on its way: started, durable, sent, ended once. */
#include "base/base.h"
#include "run_rig.h"

static void call__gets_exactly_one_end(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	step_with(&w, "read", "fake__echo", "{\"text\":\"hello\"}", "fake__echo", "{\"text\":\"again\"}");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 0);
	struct json *j = event_nth(&w, EVENT_TOOL_STARTED, 0);
	assert_string_equal(json_get_text(j, "server", ""), "fake");
	assert_string_equal(json_get_text(j, "tool", ""), "echo");
	assert_string_equal(json_get_text(j, "model_call", ""), "t0");
	assert_true(json_get_bool(j, "read_only", false));
	assert_string_equal(json_get_text(json_get(j, "arguments"), "text", ""), "hello");
	json_free(j);
	assert_says(model_shown(&w, 2), ">\\nhello\\n</data-");
	world_close(&w);
}

/* Nothing that writes is sent before its start is on the disk; what reads need not wait. */
static void call__a_writing_one_is_sent_when_its_start_is_durable(void **state)
{
	struct world w;
	struct counted counted;
	(void)state;
	counted_open(&counted);
	world_open_as(&w, "echo", false, true);
	model_plan(&w, STEP("s1", "write"));
	model_calls(&w, "fake__echo", "{\"text\":\"a\"}", "fake__count", counted.arguments);
	model_finish(&w, "success", "done");
	model_text(&w, "The end.");
	task_give(&w, "call");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
	for (int i = 0; i < 20; i++)
		loop_turn(w.loop, 1);
	struct run *r = w.agent->runs;
	assert_true(r->watched);
	assert_int_equal(r->steps[0].exec->calls[1].state, CALL_JOURNALED);
	assert_true(run_busy(r, true));
	/* a drain need not wait for a disk that takes nothing */
	store_health_set(w.keeper, STORE_NO_SPACE, "full");
	assert_false(run_busy(r, true));
	store_health_set(w.keeper, STORE_WORKS, "");
	world_commit(&w);
	loop_turn(w.loop, 0);
	assert_int_equal(r->steps[0].exec->calls[1].state, CALL_RUNNING);
	assert_false(r->watched);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(strncmp(counted_text(&counted), "called ", 7), 0);
	world_close(&w);
	counted_close(&counted);
}

/* Cancelled while it waits for the disk: it was not sent. */
static void call__one_that_is_dropped_before_it_is_durable_is_not_sent(void **state)
{
	struct world w;
	struct counted counted;
	(void)state;
	counted_open(&counted);
	world_open_as(&w, "echo", false, true);
	model_plan(&w, STEP("s1", "write"));
	model_calls(&w, "fake__count", counted.arguments);
	task_give(&w, "call");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 1);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	agent_on_task(w.agent, w.ref);
	assert_int_equal(agent_runs(w.agent), 0);
	for (int i = 0; i < 20; i++) {
		loop_turn(w.loop, 1);
		world_commit(&w);
	}
	assert_string_equal(counted_text(&counted), "");
	world_close(&w);
	counted_close(&counted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call__gets_exactly_one_end),
		cmocka_unit_test(call__a_writing_one_is_sent_when_its_start_is_durable),
		cmocka_unit_test(call__one_that_is_dropped_before_it_is_durable_is_not_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
