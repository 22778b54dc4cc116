/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is told of its calls. */
#include "base/base.h"
#include "run_rig.h"

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
		cmocka_unit_test(call__a_tool_that_reports_failure),
		cmocka_unit_test(calls_failure_text__says_what_is_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
