/* SPDX-License-Identifier: Apache-2.0 */
/* tools/list: what is taken, what is left out and why, bounds. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SCHEMA "\"inputSchema\":{\"type\":\"object\"}"

static void tool_list_add__keeps_schemas_byte_by_byte(void **state)
{
	struct tool_list l = {0};
	struct error e;
	(void)state;
	assert_int_equal(
		tool_list_add(
			&l,
			SLICE_LIT(
				"[{\"name\":\"a\",\"inputSchema\":{ \"type\" : \"object\", \"x-own\":1.50 },"
				"\"outputSchema\":{\"type\":\"object\"},\"annotations\":{\"title\":\"A\","
				"\"readOnlyHint\":true}}]"),
			&e),
		ERR_NONE);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.tools[0].input_schema.data, "{ \"type\" : \"object\", \"x-own\":1.50 }");
	assert_string_equal(l.tools[0].output_schema.data, "{\"type\":\"object\"}");
	assert_string_equal(l.tools[0].title, "A");
	assert_string_equal(l.tools[0].description, "");
	assert_true(l.tools[0].read_only);
	tool_list_release(&l);
}

static void tool_list_add__leaves_out_each_bad_tool_alone(void **state)
{
	static const struct {
		const char *tool, *reason;
	} bad[] = {
		{"7", "no name"},
		{"{" SCHEMA "}", "no name"},
		{"{\"name\":\"\"," SCHEMA "}", "no name"},
		{"{\"name\":\"ok\"," SCHEMA "}", "same name"},
		{"{\"name\":\"x\"}", "inputSchema is missing"},
		{"{\"name\":\"x\",\"inputSchema\":[]}", "inputSchema is array"},
		{"{\"name\":\"x\",\"inputSchema\":{\"type\":\"string\"}}", "other than \"object\""},
		{"{\"name\":\"x\",\"inputSchema\":{\"type\":\"object\",\"minProperties\":\"many\"}}",
		 "inputSchema"},
		{"{\"name\":\"x\",\"name\":\"y\"," SCHEMA "}", "name"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct tool_list l = {0};
		struct buf text = BUF_INIT;
		struct error e;
		buf_printf(&text, "[{\"name\":\"ok\"," SCHEMA "},%s,{\"name\":\"also\"," SCHEMA "}]",
			   bad[i].tool);
		assert_int_equal(tool_list_add(&l, buf_slice(&text), &e), ERR_NONE);
		assert_int_equal(l.count, 2);
		assert_int_equal(l.faults.count, 1);
		if (!strstr(l.faults.list[0].reason, bad[i].reason))
			fail_msg("\"%s\" does not say \"%s\"", l.faults.list[0].reason, bad[i].reason);
		buf_release(&text);
		tool_list_release(&l);
	}
}

static void tool_list_add__bad_output_schema_keeps_the_tool(void **state)
{
	struct tool_list l = {0};
	struct error e;
	(void)state;
	assert_int_equal(
		tool_list_add(&l, SLICE_LIT("[{\"name\":\"a\"," SCHEMA ",\"outputSchema\":\"no\"}]"), &e),
		ERR_NONE);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.tools[0].output_schema.len, 0);
	tool_list_release(&l);
}

static void tool_list_add__refuses_what_is_no_array(void **state)
{
	struct tool_list l = {0};
	struct error e;
	(void)state;
	assert_int_equal(tool_list_add(&l, SLICE_LIT("{}"), &e), ERR_UPSTREAM);
	assert_int_equal(tool_list_add(&l, (struct slice){0}, &e), ERR_UPSTREAM);
	tool_list_release(&l);
}

static void tool_list_add__is_bounded(void **state)
{
	struct tool_list l = {0};
	struct buf text = BUF_INIT;
	struct error e;
	(void)state;
	buf_add_char(&text, '[');
	for (int i = 0; i < TOOLS_MAX + 200; i++)
		buf_printf(&text, "%s{\"name\":\"t%d\"," SCHEMA "}", i ? "," : "", i);
	buf_add_char(&text, ']');
	assert_int_equal(tool_list_add(&l, buf_slice(&text), &e), ERR_NONE);
	assert_int_equal(l.count, TOOLS_MAX);
	assert_int_equal(l.faults.count, FAULTS_MAX);
	assert_non_null(strstr(l.faults.list[0].reason, "more than"));
	buf_release(&text);
	tool_list_release(&l);
}

static void tool_list_add__long_name_is_refused_and_cut_in_the_report(void **state)
{
	struct tool_list l = {0};
	struct buf text = BUF_INIT;
	struct error e;
	(void)state;
	buf_add_str(&text, "[{\"name\":\"");
	for (int i = 0; i <= TOOL_NAME_BYTES_MAX; i++)
		buf_add_char(&text, 'n');
	buf_add_str(&text, "\"," SCHEMA "}]");
	assert_int_equal(tool_list_add(&l, buf_slice(&text), &e), ERR_NONE);
	assert_int_equal(l.count, 0);
	assert_int_equal(strlen(l.faults.list[0].name), TOOL_NAME_BYTES_MAX);
	buf_release(&text);
	tool_list_release(&l);
}

static void list_of(struct tool_list *l, const char *array)
{
	struct error e;
	*l = (struct tool_list){0};
	assert_int_equal(tool_list_add(l, slice_str(array), &e), ERR_NONE);
}

static void tool_list_same__sees_each_difference(void **state)
{
	static const char *const others[] = {
		"[]",
		"[{\"name\":\"b\",\"description\":\"d\"," SCHEMA "}]",
		"[{\"name\":\"a\",\"description\":\"e\"," SCHEMA "}]",
		"[{\"name\":\"a\",\"title\":\"t\",\"description\":\"d\"," SCHEMA "}]",
		"[{\"name\":\"a\",\"description\":\"d\",\"inputSchema\":{ \"type\":\"object\"}}]",
		"[{\"name\":\"a\",\"description\":\"d\",\"outputSchema\":{\"type\":\"object\"}," SCHEMA "}]",
		"[{\"name\":\"a\",\"description\":\"d\",\"annotations\":{\"openWorldHint\":false}," SCHEMA
		"}]",
		"[{\"name\":\"a\",\"description\":\"d\",\"annotations\":{\"readOnlyHint\":true}," SCHEMA "}]",
		"[{\"name\":\"a\",\"description\":\"d\",\"annotations\":{\"idempotentHint\":true}," SCHEMA
		"}]",
	};
	struct tool_list one, two;
	(void)state;
	list_of(&one, "[{\"name\":\"a\",\"description\":\"d\"," SCHEMA "}]");
	list_of(&two, "[{" SCHEMA ",\"description\":\"d\",\"name\":\"a\"}]");
	assert_true(tool_list_same(&one, &two));
	tool_list_release(&two);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		list_of(&two, others[i]);
		assert_false(tool_list_same(&one, &two));
		tool_list_release(&two);
	}
	tool_list_release(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_list_add__keeps_schemas_byte_by_byte),
		cmocka_unit_test(tool_list_add__leaves_out_each_bad_tool_alone),
		cmocka_unit_test(tool_list_add__bad_output_schema_keeps_the_tool),
		cmocka_unit_test(tool_list_add__refuses_what_is_no_array),
		cmocka_unit_test(tool_list_add__is_bounded),
		cmocka_unit_test(tool_list_same__sees_each_difference),
		cmocka_unit_test(tool_list_add__long_name_is_refused_and_cut_in_the_report),
	};
	return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}
