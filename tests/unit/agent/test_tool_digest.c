/* SPDX-License-Identifier: Apache-2.0 */
/* The digest of a tool covers all that a model is told of it. */
#include "agent/agent_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void tool_digest__covers_what_a_model_is_told(void **state)
{
	const struct mcp_tool base = {
		.exposed = "a__t", .title = "T", .description = "does", .input_schema = SLICE_LIT("{}")};
	struct mcp_tool other[4] = {base, base, base, base};
	char first[TOOL_DIGEST_SIZE], again[TOOL_DIGEST_SIZE];
	(void)state;
	tool_digest(&base, first);
	assert_int_equal(strlen(first), TOOL_DIGEST_SIZE - 1);
	tool_digest(&base, again);
	assert_string_equal(first, again);
	other[0].exposed = "b__t";
	other[1].title = NULL;
	other[2].description = "does more";
	other[3].input_schema = SLICE_LIT("{\"type\":\"object\"}");
	for (size_t i = 0; i < COUNT_OF(other); i++) {
		tool_digest(&other[i], again);
		assert_string_not_equal(first, again);
	}
}

static void plan_tools_pin__names_hinted_tools_once(void **state)
{
	const struct mcp_tool tools[] = {{.server = "a",
					  .name = "t",
					  .exposed = "a__t",
					  .description = "x",
					  .input_schema = SLICE_LIT("{}")},
					 {.server = "a",
					  .name = "u",
					  .exposed = "a__u",
					  .description = "y",
					  .input_schema = SLICE_LIT("{}")}};
	const struct mcp_catalog catalog = {.version = 1, .count = 2, .tools = tools};
	struct error e;
	struct plan *p = plan_parse(
		slice_str("{\"tools\":\"junk\",\"steps\":[{\"id\":\"a\",\"objective\":\"o\",\"tool_hints\":["
			  "\"a__t\"]},"
			  "{\"id\":\"b\",\"objective\":\"o\",\"tool_hints\":[\"a__t\",\"gone\"]}]}"),
		&catalog, 9, &e);
	char digest[TOOL_DIGEST_SIZE];
	(void)state;
	assert_non_null(p);
	tool_digest(&tools[0], digest);
	assert_int_equal(json_count(p->tools), 1);
	assert_string_equal(plan_tool_digest(p, "a__t"), digest);
	assert_null(plan_tool_digest(p, "a__u"));
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_digest__covers_what_a_model_is_told),
		cmocka_unit_test(plan_tools_pin__names_hinted_tools_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
