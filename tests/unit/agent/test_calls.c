/* SPDX-License-Identifier: Apache-2.0 */
/* The tool calls of a turn: what is refused and how it is worded for the model, what goes out together, what
 * waits for the disk. Over a real broker with a real child. */
#include "base/base.h"
#include "run_rig.h"

/* One reading or writing step, in which the model makes these calls and then finishes. */
#define step_with(w, effect, ...)                     \
	do {                                          \
		model_plan((w), STEP("s1", effect));  \
		model_calls((w), __VA_ARGS__);        \
		model_finish((w), "success", "done"); \
		model_text((w), "The end.");          \
		task_give((w), "call");               \
		assert_ended((w), "completed", NULL); \
	} while (0)

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

static void call__refused_ones_are_told_and_not_made(void **state)
{
	static const struct {
		const char *name, *arguments, *why;
	} cases[] = {
		{"fake__nothing", "{}", "there is no tool \"fake__nothing\""},
		{"fake__echo", "[1]", "must be a JSON object"},
		{"fake__echo", "{\"text\":5}", "do not fit the tool's schema"},
		{"fake__count", "{\"file\":\"/nonexistent/x\"}", "approved as reading only"},
		{"finish_step", "{\"status\":\"maybe\"}", "call finish_step alone"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		world_open(&w, "echo", false);
		step_with(&w, "read", cases[i].name, cases[i].arguments);
		assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
		assert_call_refused(&w, 0, cases[i].why);
		assert_says(model_shown(&w, 2), "Error: ");
		world_close(&w);
	}
}

static void call__there_are_so_many_in_a_step(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	agent_free(w.agent);
	w.options.calls_max = 1;
	agent_make(&w);
	step_with(&w, "read", "fake__echo", "{\"text\":\"a\"}", "fake__echo", "{\"text\":\"b\"}");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_call_refused(&w, 0, "agent.calls_max");
	/* and then finish_step is demanded */
	assert_says(model_shown(&w, 2), "\"tool_choice\":{");
	world_close(&w);
}

static void call__reading_ones_go_out_together(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__sleep", "{\"ms\":60000}", "fake__sleep", "{\"ms\":60000}");
	task_give(&w, "call");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 0);
	world_close(&w);
}

static void call__a_writing_one_waits_for_the_one_before(void **state)
{
	struct world w;
	struct counted counted;
	char key[128];
	(void)state;
	counted_open(&counted);
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "write"));
	model_calls(&w, "fake__sleep", "{\"ms\":30}", "fake__count", counted.arguments);
	model_finish(&w, "success", "done");
	model_text(&w, "The end.");
	task_give(&w, "call");
	world_wait(&w, events_count(&w, EVENT_TOOL_STARTED) == 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
	assert_ended(&w, "completed", NULL);
	/* it carried the key that a repeat would carry, too */
	struct json *j = event_nth(&w, EVENT_TOOL_STARTED, 1), *doc = task_doc(&w);
	snprintf(key, sizeof key, "called %s:%s\n", json_get_text(doc, "id", ""),
		 json_get_text(j, "call", ""));
	assert_string_equal(counted_text(&counted), key);
	json_free(j);
	json_free(doc);
	world_close(&w);
	counted_close(&counted);
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

static void call__a_tool_that_reports_failure(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	step_with(&w, "write", "fake__fail", "{}");
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_true(json_get_bool(j, "is_error", false));
	json_free(j);
	assert_says(model_shown(&w, 2), "Error: ");
	world_close(&w);
}

static void calls_failure_text__says_what_is_not_known(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	calls_failure_text("lost", false, &b);
	assert_string_equal(buf_cstr(&b), "Error: lost");
	buf_reset(&b);
	calls_failure_text("lost", true, &b);
	assert_says(buf_cstr(&b), "Error: lost. It is not known");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call__gets_exactly_one_end),
		cmocka_unit_test(call__refused_ones_are_told_and_not_made),
		cmocka_unit_test(call__there_are_so_many_in_a_step),
		cmocka_unit_test(call__reading_ones_go_out_together),
		cmocka_unit_test(call__a_writing_one_waits_for_the_one_before),
		cmocka_unit_test(call__a_writing_one_is_sent_when_its_start_is_durable),
		cmocka_unit_test(call__one_that_is_dropped_before_it_is_durable_is_not_sent),
		cmocka_unit_test(call__a_tool_that_reports_failure),
		cmocka_unit_test(calls_failure_text__says_what_is_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
