/* SPDX-License-Identifier: Apache-2.0 */
/* What a task may spend: reserved before a call, and what becomes of a task that has reached a limit. */
#include "base/base.h"
#include "run_rig.h"

static void give(struct world *w, const char *budget)
{
	task_create_with(w, "do it", "auto", budget);
	agent_on_work(w->agent);
}

static const char *status_of(const struct json *doc, size_t step)
{
	return json_get_text(json_at(json_get(json_get(doc, "plan"), "steps"), step), "status", "");
}

static void budget__bounds_the_output_and_tells_what_is_reserved(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "forty-two");
	model_text(&w, "It is 42 [s1].");
	give(&w, "{\"total_tokens\":100000}");
	struct json *doc = task_end(&w), *started = event_nth(&w, EVENT_MODEL_STARTED, 0);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_string_equal(json_get_text(doc, "result", ""), "It is 42 [s1].");
	assert_says(model_shown(&w, 0), "_tokens\":1000");
	const struct json *reserved = json_get(started, "reserved");
	assert_int_equal(json_get_integer(reserved, "output_tokens", 0), 1000);
	assert_true(json_get_integer(reserved, "input_tokens", 0) > 300);
	assert_int_equal(events_count(&w, EVENT_BUDGET_EXHAUSTED), 0);
	json_free(started);
	json_free(doc);
	world_close(&w);
}

static void budget__at_its_limit_the_answer_is_partial(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none") "," STEP_AFTER("s2", "none", "\"s1\"", "abort"));
	model_finish(&w, "success", "forty-two");
	model_text(&w, "It is 42 [s1].");
	give(&w, "{\"model_calls\":3}");
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_string_equal(status_of(doc, 0), "completed");
	assert_string_equal(status_of(doc, 1), "skipped");
	assert_says(json_get_text(doc, "result", ""), "It is 42 [s1].");
	assert_says(json_get_text(doc, "result", ""), "partial");
	assert_says(json_get_text(doc, "result", ""), "model_calls: 2 spent or reserved of 2");
	assert_string_equal(json_get_text(json_get(doc, "budget_exhausted"), "limit", ""), "model_calls");
	json_free(doc);
	world_close(&w);
}

static void budget__without_room_for_an_answer_the_finished_parts_are_it(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	w.options.answer_percent = 0;
	agent_free(w.agent);
	agent_make(&w);
	model_plan(&w, STEP("s1", "none") "," STEP_AFTER("s2", "none", "\"s1\"", "abort"));
	model_finish(&w, "success", "forty-two");
	give(&w, "{\"model_calls\":2}");
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_says(json_get_text(doc, "result", ""), "no answer was written");
	assert_says(json_get_text(doc, "result", ""), "forty-two");
	assert_says(json_get_text(doc, "result", ""), "1 of 2 steps");
	json_free(doc);
	world_close(&w);
}

static void budget__a_task_that_has_nothing_fails_and_says_why(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	give(&w, "{\"input_tokens\":20}");
	assert_ended(&w, "failed", "larger budget");
	world_close(&w);
}

/* An attempt that the server refused is a call, too: here for the response format, which is then left out. */
static void budget__attempts_are_calls(void **state)
{
	static const char refused[] =
		"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
		"{\"error\":{\"message\":\"response_format is not supported\"}}";
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_raw(&w, xstrdup(refused));
	model_plan(&w, STEP("s1", "none"));
	give(&w, "{\"model_calls\":3}");
	assert_ended(&w, "failed", "model_calls: 2 spent or reserved of 2");
	assert_int_equal(events_count(&w, EVENT_MODEL_RETRIED), 1);
	world_close(&w);
}

static void budget__the_planner_is_told_what_is_left(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "forty-two");
	model_text(&w, "It is 42 [s1].");
	give(&w, "{\"model_calls\":20,\"tool_calls\":7}");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 0), "may use, all together: 17 model calls, 7 tool calls. Plan no more");
	world_close(&w);
}

static void budget__tool_calls_are_counted(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s0", "none") "," STEP_AFTER("s1", "read", "\"s0\"", "abort"));
	model_finish(&w, "success", "ready");
	model_calls(&w, "fake__echo", "{\"text\":\"a\"}", "fake__echo", "{\"text\":\"b\"}");
	model_text(&w, "Half of it [s0].");
	give(&w, "{\"tool_calls\":1}");
	struct json *doc = task_end(&w);
	assert_int_equal(events_count(&w, EVENT_TOOL_STARTED), 1);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 1);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_string_equal(json_get_text(json_get(doc, "budget_exhausted"), "limit", ""), "tool_calls");
	json_free(doc);
	world_close(&w);
}

static void budget__wall_seconds_leave_time_for_the_answer(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none") "," STEP_AFTER("s2", "none", "\"s1\"", "abort"));
	model_finish(&w, "success", "forty-two");
	model_text(&w, "It is 42 [s1].");
	give(&w, "{\"wall_seconds\":30}");
	struct run *r = w.agent->runs;
	while (r->steps[0].status != STEP_COMPLETED)
		loop_turn(w.loop, 20);
	r->deadline_mono_ms = clock_mono_ms() + r->budget.wall_ms / 10; /* 85 percent are over */
	if (r->steps[1].exec != NULL && r->steps[1].exec->model != NULL)
		fail_msg("the second step was quicker than the test");
	run_wake(r);
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_string_equal(json_get_text(json_get(doc, "budget_exhausted"), "limit", ""), "wall_seconds");
	json_free(doc);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__bounds_the_output_and_tells_what_is_reserved),
		cmocka_unit_test(budget__at_its_limit_the_answer_is_partial),
		cmocka_unit_test(budget__without_room_for_an_answer_the_finished_parts_are_it),
		cmocka_unit_test(budget__a_task_that_has_nothing_fails_and_says_why),
		cmocka_unit_test(budget__attempts_are_calls),
		cmocka_unit_test(budget__the_planner_is_told_what_is_left),
		cmocka_unit_test(budget__tool_calls_are_counted),
		cmocka_unit_test(budget__wall_seconds_leave_time_for_the_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
