/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls are asked for as tasks: those of tools that run so only, of a server that can. */
#include "tests/unit/mcp/session_world.h"
#include "mcp/session_int.h"

#define CAPABLE "{\"tasks\":{\"list\":{},\"requests\":{\"tools\":{\"call\":{}}}}}"

static struct session session_of(const char *capabilities, struct tool_entry *tools, size_t count)
{
	struct session s = {.tools = {.tools = tools, .count = count}};
	tasks_offered(&s, slice_str(capabilities));
	task_tools_make(&s);
	return s;
}

static void task_wanted__where_the_tool_demands_it(void **state)
{
	char only[] = "only", may[] = "may", other[] = "other";
	struct tool_entry tools[] = {{.name = may}, {.name = only, .task_required = true}, {.name = other}};
	(void)state;
	struct session s = session_of(CAPABLE, tools, COUNT_OF(tools));
	assert_true(task_wanted(&s, "only"));
	assert_false(task_wanted(&s, "may"));
	assert_false(task_wanted(&s, "other"));
	assert_false(task_wanted(&s, "onl"));
	assert_false(task_wanted(&s, ""));
	/* The names are its own: the list goes to the session's owner. */
	only[0] = 'O';
	assert_true(task_wanted(&s, "only"));
	task_tools_release(&s);
	assert_false(task_wanted(&s, "only"));
}

static void task_wanted__of_no_server_that_cannot(void **state)
{
	static const char *const others[] = {
		"{}",
		"{\"tasks\":{}}",
		"{\"tasks\":{\"requests\":{}}}",
		"{\"tasks\":{\"requests\":{\"sampling\":{\"createMessage\":{}}}}}",
		"{\"tasks\":{\"requests\":{\"tools\":{}}}}",
		"{\"extensions\":{\"" TASK_EXTENSION "\":{}}}",
	};
	char only[] = "only";
	struct tool_entry tools[] = {{.name = only, .task_required = true}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		struct session s = session_of(others[i], tools, 1);
		assert_false(task_wanted(&s, "only"));
		task_tools_release(&s);
	}
}

static void task_wanted__follows_the_list(void **state)
{
	char only[] = "only", later[] = "later";
	struct tool_entry first[] = {{.name = only, .task_required = true}};
	struct tool_entry second[] = {{.name = only}, {.name = later, .task_required = true}};
	(void)state;
	struct session s = session_of(CAPABLE, first, 1);
	s.tools = (struct tool_list){.tools = second, .count = 2};
	task_tools_make(&s);
	assert_false(task_wanted(&s, "only"));
	assert_true(task_wanted(&s, "later"));
	s.tools = (struct tool_list){0};
	task_tools_make(&s);
	assert_false(task_wanted(&s, "later"));
	task_tools_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_wanted__where_the_tool_demands_it),
		cmocka_unit_test(task_wanted__of_no_server_that_cannot),
		cmocka_unit_test(task_wanted__follows_the_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
