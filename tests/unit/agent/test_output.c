/* SPDX-License-Identifier: Apache-2.0 */
/* Structured content beside the output schema of its tool, in runs with a scripted tool server. */
#include "base/base.h"
#include "run_rig.h"

/* A task whose one call answers with this result; the event of it, to be freed. */
static struct json *answered(struct world *w, const char *tool, const char *result)
{
	struct buf arguments = BUF_INIT;
	struct jw j = JW(&arguments);
	jw_object(&j);
	jw_kv_text(&j, "result", result);
	jw_object_end(&j);
	world_open(w, "verbatim", false);
	model_plan(w, STEP("s1", "read"));
	model_calls(w, tool, buf_cstr(&arguments));
	model_finish(w, "success", "done");
	model_text(w, "The end.");
	buf_release(&arguments);
	task_give(w, "call");
	assert_ended(w, "completed", NULL);
	struct json *done = event_nth(w, EVENT_TOOL_COMPLETED, 0);
	assert_non_null(done);
	return done;
}

static void output__that_fits_is_taken(void **state)
{
	struct world w;
	(void)state;
	struct json *j = answered(&w, "fake__typed", "{\"content\":[],\"structuredContent\":{\"n\":21}}");
	assert_false(json_get_bool(j, "is_error", true));
	assert_null(json_get(j, "schema_error"));
	assert_says(model_shown(&w, 2), "{\\\"n\\\":21}");
	assert_silent(model_shown(&w, 2), "schema");
	json_free(j);
	world_close(&w);
}

static void output__that_does_not_is_an_error_for_the_model(void **state)
{
	struct world w;
	(void)state;
	struct json *j = answered(&w, "fake__typed",
				  "{\"content\":[{\"type\":\"text\",\"text\":\"twenty\"}],"
				  "\"structuredContent\":{\"n\":\"x\"}}");
	assert_true(json_get_bool(j, "is_error", false));
	assert_says(json_get_text(j, "schema_error", NULL), "/n: must be an integer, is a string");
	assert_string_equal(json_text(json_pointer(j, "/result/structuredContent/n")), "x");
	assert_says(model_shown(&w, 2), "output schema (/n: must be an integer, is a string)");
	assert_says(model_shown(&w, 2), "twenty");
	json_free(j);
	world_close(&w);
}

static void output__of_a_failed_call_is_not_checked(void **state)
{
	struct world w;
	(void)state;
	struct json *j = answered(&w, "fake__typed",
				  "{\"content\":[{\"type\":\"text\",\"text\":\"no\"}],\"isError\":true,"
				  "\"structuredContent\":{\"n\":\"x\"}}");
	assert_true(json_get_bool(j, "is_error", false));
	assert_null(json_get(j, "schema_error"));
	assert_says(model_shown(&w, 2), "Error: no");
	json_free(j);
	world_close(&w);
}

static void output__of_a_schema_that_cannot_be_used_is_taken(void **state)
{
	struct world w;
	(void)state;
	struct json *j = answered(&w, "fake__remote", "{\"content\":[],\"structuredContent\":{\"n\":\"x\"}}");
	assert_false(json_get_bool(j, "is_error", true));
	assert_null(json_get(j, "schema_error"));
	assert_non_null(w.agent->unchecked);
	assert_string_equal(w.agent->unchecked->text, "fake__remote");
	json_free(j);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output__that_fits_is_taken),
		cmocka_unit_test(output__that_does_not_is_an_error_for_the_model),
		cmocka_unit_test(output__of_a_failed_call_is_not_checked),
		cmocka_unit_test(output__of_a_schema_that_cannot_be_used_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
