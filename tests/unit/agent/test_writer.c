/* SPDX-License-Identifier: Apache-2.0 */
/* The final answer: what the model is shown for it, and what happens when there is none. */
#include "base/base.h"
#include "run_rig.h"

static void writer__is_shown_every_result_and_failure(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP_AFTER("s1", "none", "", "skip") "," STEP_AFTER("s2", "none", "\"s1\"", "abort"));
	model_finish(&w, "failed", "disk on fire");
	model_finish(&w, "success", "forty-two");
	model_text(&w, "It is 42 [s2].");
	task_give(&w, "what is it");
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "result", ""), "It is 42 [s2].");
	assert_says(model_shown(&w, 3), "disk on fire");
	assert_says(model_shown(&w, 3), "forty-two");
	assert_says(model_shown(&w, 3), "The answer should be: a line");
	assert_silent(model_shown(&w, 3), "\"tools\"");
	json_free(doc);
	world_close(&w);
}

static void writer__without_an_answer_the_results_stay(void **state)
{
	static const char *const answers[] = {
		"{\"role\":\"assistant\",\"content\":\"\"}",
		"{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\"}"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct world w;
		world_open(&w, NULL, false);
		model_plan(&w, STEP("s1", "none"));
		model_finish(&w, "success", "forty-two");
		model_message(&w, answers[i], "stop");
		task_give(&w, "what is it");
		struct json *doc = task_end(&w);
		assert_string_equal(json_get_text(doc, "status", ""), "failed");
		const struct json *step = json_at(json_get(json_get(doc, "plan"), "steps"), 0);
		assert_string_equal(json_get_text(step, "result", ""), "forty-two");
		json_free(doc);
		world_close(&w);
	}
}

static void writer__a_model_that_fails_ends_the_task(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "forty-two");
	model_raw(&w, xstrdup("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"));
	task_give(&w, "what is it");
	assert_ended(&w, "failed", "404");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer__is_shown_every_result_and_failure),
		cmocka_unit_test(writer__without_an_answer_the_results_stay),
		cmocka_unit_test(writer__a_model_that_fails_ends_the_task),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
