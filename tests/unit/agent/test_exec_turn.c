/* SPDX-License-Identifier: Apache-2.0 */
/* Turns of a step's model: what is demanded of it, what of its answers counts. */
#include "base/base.h"
#include "run_rig.h"

static void options_set(struct world *w, int turns_max)
{
	agent_free(w->agent);
	w->options.turns_max = turns_max;
	agent_make(w);
}

static void step__a_model_that_only_talks_is_made_to_finish(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	for (int i = 0; i < 3; i++)
		model_text(&w, "Let me think.");
	task_give(&w, "talk");
	assert_ended(&w, "failed", "although it was told to");
	assert_silent(model_shown(&w, 2), "\"tool_choice\":{");
	assert_says(model_shown(&w, 3), "\"tool_choice\":{");
	world_close(&w);
}

/* What was not asked for is not carried out. */
static void step__calls_in_place_of_the_finish_demanded_are_not_made(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	options_set(&w, 2);
	model_plan(&w, STEP("s1", "write"));
	model_calls(&w, "fake__echo", "{\"text\":\"a\"}");
	model_calls(&w, "fake__count", "{\"file\":\"/nonexistent/x\"}");
	task_give(&w, "call");
	assert_ended(&w, "failed", "although it was told to");
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	world_close(&w);
}

static void step__a_turn_that_was_cut_is_not_acted_upon(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls_stop(&w, "length", (const char *[]){"fake__echo", "{\"text\":\"a\"}", NULL, NULL});
	model_finish(&w, "success", "short");
	model_text(&w, "The end.");
	task_give(&w, "cut");
	assert_ended(&w, "completed", NULL);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 0);
	assert_says(model_shown(&w, 2), "cut off for its length");
	world_close(&w);
}

static void step__a_refusal_fails_it(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	model_message(&w, "{\"role\":\"assistant\",\"content\":null,\"refusal\":\"I would rather not.\"}",
		      "stop");
	task_give(&w, "refuse");
	assert_ended(&w, "failed", "I would rather not.");
	world_close(&w);
}

static void step__a_model_that_fails_fails_it(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	model_raw(&w, xstrdup("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: "
			      "close\r\n\r\n"
			      "{\"error\":{\"message\":\"no such model\"}}"));
	task_give(&w, "fail");
	assert_ended(&w, "failed", "no such model");
	assert_int_equal(events_count(&w, EVENT_MODEL_FAILED), 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step__a_model_that_only_talks_is_made_to_finish),
		cmocka_unit_test(step__calls_in_place_of_the_finish_demanded_are_not_made),
		cmocka_unit_test(step__a_turn_that_was_cut_is_not_acted_upon),
		cmocka_unit_test(step__a_refusal_fails_it),
		cmocka_unit_test(step__a_model_that_fails_fails_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
