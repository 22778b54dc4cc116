/* SPDX-License-Identifier: Apache-2.0 */
/* What two versions of a plan have not in common. */
#include "api_rig.h"
#include "http/api_int.h"

static char *diff(const char *from, const char *to)
{
	struct json *a = json_parse(from, strlen(from), 0, NULL), *b = json_parse(to, strlen(to), 0, NULL);
	struct buf out = BUF_INIT;
	struct jw w = JW(&out);

	assert_non_null(a);
	assert_non_null(b);
	plan_diff_write(a, b, &w);
	json_free(a);
	json_free(b);
	return buf_take(&out);
}

static void diff_is(const char *from, const char *to, const char *expected)
{
	char *got = diff(from, to);

	assert_string_equal(got, expected);
	free(got);
}

static void plan_diff__names_steps_and_members(void **state)
{
	(void)state;
	diff_is("{\"version\":1,\"digest\":\"a\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"objective\":"
		"\"x\",\"tool_hints\":[]},"
		"{\"id\":\"s2\",\"objective\":\"y\"}]}",
		"{\"version\":2,\"digest\":\"b\",\"goal\":\"h\",\"steps\":[{\"id\":\"s1\",\"objective\":"
		"\"z\",\"tool_hints\":[]},"
		"{\"id\":\"s3\",\"objective\":\"y\"}]}",
		"{\"from\":1,\"to\":2,\"members\":[\"goal\"],\"steps\":{\"added\":[\"s3\"],\"removed\":["
		"\"s2\"],\"changed\":[{\"id\":"
		"\"s1\",\"members\":[\"objective\"]}]}}");
}

static void plan_diff__ignores_progress_and_order(void **state)
{
	(void)state;
	diff_is("{\"version\":1,\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"status\":\"pending\"},{\"id\":"
		"\"b\"}]}",
		"{\"version\":2,\"steps\":[{\"id\":\"b\"},{\"status\":\"completed\",\"result\":1,"
		"\"objective\":\"x\",\"id\":\"a\"}]}",
		"{\"from\":1,\"to\":2,\"members\":[],\"steps\":{\"added\":[],\"removed\":[],\"changed\":[]}"
		"}");
}

static void plan_diff__sees_members_that_come_and_go(void **state)
{
	(void)state;
	diff_is("{\"version\":1,\"goal\":\"g\",\"steps\":[{\"id\":\"a\",\"approval\":\"required\"}]}",
		"{\"version\":2,\"final_output\":\"f\",\"steps\":[{\"id\":\"a\"}]}",
		"{\"from\":1,\"to\":2,\"members\":[\"final_output\",\"goal\"],\"steps\":{\"added\":[],"
		"\"removed\":[],\"changed\":[{"
		"\"id\":\"a\",\"members\":[\"approval\"]}]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_diff__names_steps_and_members),
		cmocka_unit_test(plan_diff__ignores_progress_and_order),
		cmocka_unit_test(plan_diff__sees_members_that_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
