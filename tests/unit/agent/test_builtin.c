/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's own tools within a step: what a model finds, and that a run that is taken over knows it. */
#include "base/base.h"
#include "run_taken.h"

static void offered_set(struct world *w, int tools_offered_max)
{
	agent_free(w->agent);
	w->options.tools_offered_max = tools_offered_max;
	agent_make(w);
}

static void find_tools__shows_what_was_not_offered(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	offered_set(&w, 1);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__echo", "{\"text\":\"a\"}"); /* it is there, but was not shown */
	model_calls(&w, "find_tools", "{\"query\":\"echo a text\"}");
	model_calls(&w, "fake__echo", "{\"text\":\"b\"}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "count lines of a file"); /* which shows fake__count */
	assert_ended(&w, "completed", NULL);
	assert_call_refused(&w, 0, "there is no tool \"fake__echo\" here");
	assert_silent(model_shown(&w, 2), "\"name\":\"fake__echo\",\"description\"");
	assert_says(model_shown(&w, 3), "\"name\":\"fake__echo\",\"description\"");
	assert_says(model_shown(&w, 3), "You can call these from now on:\\n- fake__echo(text)");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 2);
	world_close(&w);
}

static void find_tools__says_when_nothing_fits_and_is_not_offered_in_vain(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	offered_set(&w, 1);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "find_tools", "{\"query\":\"zzz\"}");
	model_calls(&w, "find_tools", "{\"query\":\"\"}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "count lines of a file");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 2), "No tool fits these words");
	assert_call_refused(&w, 0, "do not fit the tool's schema");
	world_close(&w);
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "count");
	assert_ended(&w, "completed", NULL);
	assert_silent(model_shown(&w, 1), "find_tools");
	world_close(&w);
}

/* The worker that found the tool dies; whoever goes on may call it. */
static void find_tools__is_known_to_whoever_takes_over(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	offered_set(&w, 1);
	run_begun(&w, STEP("s1", "read"));
	event(&w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
	event(&w, EVENT_MODEL_COMPLETED,
	      "{\"call\":\"c1\",\"role\":\"executor\",\"step\":\"s1\",\"text\":\"\",\"stop\":\"tool\","
	      "\"calls\":["
	      "{\"id\":\"m1\",\"name\":\"find_tools\",\"arguments\":\"{\\\"query\\\":\\\"echo\\\"}\"}]}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_COMPLETED,
	      "{\"call\":\"c2\",\"step\":\"s1\",\"model_call\":\"m1\",\"tool\":\"find_tools\",\"is_error\":"
	      "false,"
	      "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"You can call these from now on: it\"}],"
	      "\"structuredContent\":{\"tools\":[\"fake__echo\",\"gone__tool\"]}}}",
	      TASK_SAME);
	model_calls(&w, "fake__echo", "{\"text\":\"b\"}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	run_taken_over(&w);
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 0), "You can call these from now on: it");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find_tools__shows_what_was_not_offered),
		cmocka_unit_test(find_tools__says_when_nothing_fits_and_is_not_offered_in_vain),
		cmocka_unit_test(find_tools__is_known_to_whoever_takes_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
