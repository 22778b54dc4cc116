/* SPDX-License-Identifier: Apache-2.0 */
/* The figures in the text format of Prometheus. */
#include "api_rig.h"

static bool has_line(const char *line)
{
	char *text = xasprintf("\n%s\n", line);
	bool found = strstr(buf_cstr(&rig.got), text) != NULL;

	free(text);
	return found;
}

static void metrics__are_of_all_processes(void **state)
{
	(void)state;
	api_task_new();
	api_task_new();
	store_count(api.other, COUNTER_TOOL_CALLS, 3);
	assert_int_equal(api_ask("GET /metrics", NULL), 200);
	assert_string_equal(api_header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
	assert_true(has_line("agent_runtime_tasks_created_total 2"));
	assert_true(has_line("agent_runtime_tool_calls_total 3"));
	assert_true(has_line("# TYPE agent_runtime_tool_calls_total counter"));
	assert_true(has_line("agent_runtime_tasks 2"));
	assert_true(has_line("agent_runtime_tasks_unfinished 2"));
	assert_true(has_line("agent_runtime_store_works 1"));
	assert_int_equal(api_ask("GET /metrics?x=1", NULL), 400);
}

/* Every line is a comment or a name, perhaps with a label, and a number. */
static void metrics__are_well_formed(void **state)
{
	const char *at;

	(void)state;
	assert_int_equal(api_ask("GET /metrics", NULL), 200);
	at = strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4;
	for (size_t n; *at; at += n + 1) {
		n = strcspn(at, "\n");
		assert_int_equal(at[n], '\n');
		if (strncmp(at, "# HELP agent_runtime_", 21) == 0 ||
		    strncmp(at, "# TYPE agent_runtime_", 21) == 0)
			continue;
		assert_int_equal(strncmp(at, "agent_runtime_", 14), 0);
		const char *number = memchr(at, ' ', n);
		assert_non_null(number);
		assert_int_equal(strspn(number + 1, "0123456789"), (size_t)(at + n - number - 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(metrics__are_of_all_processes),
		API_TEST(metrics__are_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
