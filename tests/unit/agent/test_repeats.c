/* SPDX-License-Identifier: Apache-2.0 */
/* When a model goes in circles, and when it only looks like it. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

static void repeats__the_same_call_with_the_same_answer(void **state)
{
	struct repeats r = {0};
	(void)state;
	struct repeats_verdict v = repeats_note(&r, "read", "{\"a\":1,\"b\":2}", "text", false);
	assert_null(v.warning);
	assert_null(v.stuck);
	/* the order of members is no difference, other calls in between are none either */
	assert_null(repeats_note(&r, "list", "{}", "x", false).warning);
	v = repeats_note(&r, "read", "{\"b\": 2, \"a\": 1}", "text", false);
	assert_non_null(v.warning);
	assert_null(v.stuck);
	v = repeats_note(&r, "read", "{\"a\":1,\"b\":2}", "text", false);
	assert_non_null(v.stuck);
}

static void repeats__a_new_answer_is_progress(void **state)
{
	struct repeats r = {0};
	char answer[16];
	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(answer, sizeof answer, "%d of 20", i);
		struct repeats_verdict v = repeats_note(&r, "status", "{}", answer, false);
		assert_null(v.warning);
		assert_null(v.stuck);
	}
}

static void repeats__two_calls_in_turn(void **state)
{
	struct repeats r = {0};
	char answer[16];
	struct repeats_verdict v = {0};
	(void)state;
	for (int i = 0; i < 6; i++) {
		assert_null(v.stuck);
		snprintf(answer, sizeof answer, "%d", i);
		v = repeats_note(&r, i % 2 ? "b" : "a", "{}", answer, false);
		assert_int_equal(v.warning != NULL, i == 3);
	}
	assert_non_null(v.stuck);
}

static void repeats__three_calls_in_turn_are_none(void **state)
{
	struct repeats r = {0};
	char tool[2] = "a", answer[16];
	(void)state;
	for (int i = 0; i < 12; i++) {
		tool[0] = (char)('a' + i % 3);
		snprintf(answer, sizeof answer, "%d", i);
		assert_null(repeats_note(&r, tool, "{}", answer, false).stuck);
	}
}

/* Each time with other arguments and another end of the complaint. */
static void repeats__the_same_mistake(void **state)
{
	static const char *const errors[] = {
		"Error: the arguments do not fit the tool's schema: /a: is required (string)",
		"Error: the arguments do not fit the tool's schema: /b: is required (string)",
		"Error: the arguments do not fit the tool's schema: /c: is required (string)"};
	char arguments[32];
	(void)state;
	for (int between = 0; between < 2; between++) {
		struct repeats r = {0};
		struct repeats_verdict v = {0};
		for (int i = 0; i < 3; i++) {
			assert_null(v.stuck);
			snprintf(arguments, sizeof arguments, "{\"x\":%d}", i);
			v = repeats_note(&r, "read", arguments, errors[i], true);
			if (between == 1 && i == 1)
				(void)repeats_note(&r, "read", "{\"x\":9}", "fine", false);
		}
		assert_int_equal(v.stuck != NULL, between == 0);
	}
}

static void repeats__of_other_kinds_are_mistakes_each_by_itself(void **state)
{
	struct repeats r = {0};
	char arguments[32], error[32];
	(void)state;
	for (int i = 0; i < 6; i++) {
		snprintf(arguments, sizeof arguments, "{\"x\":%d}", i);
		snprintf(error, sizeof error, "Error: %d is no file", i);
		assert_null(repeats_note(&r, "read", arguments, error, true).stuck);
	}
}

/* What is no JSON is compared as it is; more calls than are kept push the oldest out. */
static void repeats__is_bounded(void **state)
{
	struct repeats r = {0};
	char arguments[32];
	(void)state;
	for (int i = 0; i < 3 * REPEATS_KEPT; i++) {
		snprintf(arguments, sizeof arguments, "no json %d", i);
		assert_null(repeats_note(&r, "t", arguments, "", false).warning);
	}
	assert_null(repeats_note(&r, "t", "no json 0", "", false).warning);
	assert_non_null(repeats_note(&r, "t", "no json 90", "", false).warning);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeats__the_same_call_with_the_same_answer),
		cmocka_unit_test(repeats__a_new_answer_is_progress),
		cmocka_unit_test(repeats__two_calls_in_turn),
		cmocka_unit_test(repeats__three_calls_in_turn_are_none),
		cmocka_unit_test(repeats__the_same_mistake),
		cmocka_unit_test(repeats__of_other_kinds_are_mistakes_each_by_itself),
		cmocka_unit_test(repeats__is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
