/* SPDX-License-Identifier: Apache-2.0 */
/* The tool calls of a turn: what is refused and how it is worded for the model, what goes out together, what
 * waits for the disk. Over a real broker with a real child. */
#include "base/base.h"
#include "run_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call__refused_ones_are_told_and_not_made),
		cmocka_unit_test(call__there_are_so_many_in_a_step),
		cmocka_unit_test(call__reading_ones_go_out_together),
		cmocka_unit_test(call__a_writing_one_waits_for_the_one_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
