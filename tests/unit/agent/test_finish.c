/* SPDX-License-Identifier: Apache-2.0 */
/* A turn that calls tools and finishes its step. */
#include "base/base.h"
#include "run_taken.h"

/* finish_step beside calls, without a result: their answers are the result; no further turn is paid for. */
static void finish__takes_the_answers_of_the_calls_beside_it(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "finish_step", "{\"status\":\"success\",\"result\":\" \"}", "fake__echo",
		    "{\"text\":\"alpha\"}", "fake__echo", "{\"text\":\"beta\"}");
	model_text(&w, "The end [s1].");
	task_give(&w, "finish");
	struct json *doc = task_end(&w);
	const struct json *step = json_at(json_get(json_get(doc, "plan"), "steps"), 0);
	assert_string_equal(json_get_text(step, "status", ""), "completed");
	assert_string_equal(json_get_text(step, "result", ""), "alpha\nbeta");
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 2);
	assert_int_equal(events_count(&w, EVENT_TOOL_FAILED), 0);
	json_free(doc);
	world_close(&w);
}

/* One of them fails: then it is not finished. Nor is it with a result that nothing has shown yet. */
static void finish__is_none_when_a_call_fails_or_it_claims_more(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__echo", "{\"text\":\"alpha\"}", "fake__none", "{}", "finish_step",
		    "{\"status\":\"success\",\"result\":\"\"}");
	model_calls(&w, "fake__echo", "{\"text\":\"beta\"}", "finish_step",
		    "{\"status\":\"success\",\"result\":\"surely it said gamma\"}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "finish");
	assert_ended(&w, "completed", NULL);
	assert_says(model_shown(&w, 2), "the step is not finished: a call of this turn failed");
	assert_says(model_shown(&w, 3), "alone, after the other calls have answered");
	world_close(&w);
}

/* The worker dies when the call has answered and the step is not written as completed: whoever takes over
 * finishes it without asking anybody. */
static void finish__is_carried_out_by_whoever_takes_over(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	run_begun(&w, STEP("s1", "read"));
	event(&w, EVENT_STEP_STARTED, "{\"step\":\"s1\",\"attempt\":1}", TASK_SAME);
	event(&w, EVENT_MODEL_COMPLETED,
	      "{\"call\":\"c1\",\"role\":\"executor\",\"step\":\"s1\",\"text\":\"\",\"stop\":\"tool\","
	      "\"calls\":["
	      "{\"id\":\"m1\",\"name\":\"fake__echo\",\"arguments\":\"{}\"},"
	      "{\"id\":\"m2\",\"name\":\"finish_step\",\"arguments\":\"{\\\"status\\\":\\\"success\\\","
	      "\\\"result\\\":"
	      "\\\"\\\"}\"}]}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_STARTED,
	      "{\"call\":\"c2\",\"step\":\"s1\",\"model_call\":\"m1\",\"server\":\"fake\",\"tool\":\"echo\","
	      "\"arguments\":{},\"read_only\":true,\"idempotent\":true}",
	      TASK_SAME);
	event(&w, EVENT_TOOL_COMPLETED,
	      "{\"call\":\"c2\",\"step\":\"s1\",\"model_call\":\"m1\",\"server\":\"fake\",\"tool\":\"echo\","
	      "\"is_error\":false,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"alpha\"}]}}",
	      TASK_SAME);
	model_text(&w, "The end [s1].");
	run_taken_over(&w);
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(json_at(json_get(json_get(doc, "plan"), "steps"), 0), "result", ""),
			    "alpha");
	json_free(doc);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finish__takes_the_answers_of_the_calls_beside_it),
		cmocka_unit_test(finish__is_none_when_a_call_fails_or_it_claims_more),
		cmocka_unit_test(finish__is_carried_out_by_whoever_takes_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
