/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of the modern wire's requests, tools with bad annotations, and headers that do not fit. */
#include "tests/unit/mcp/modern_world.h"

static void headers_are(struct world *w, const char *text)
{
	assert_string_equal(buf_cstr(&w->headers), text);
	buf_reset(&w->headers);
}

static void headers__name_the_method_and_what_it_is_about(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, true);
	headers_are(&w, "Mcp-Method: server/discover\n");
	world_close(&w);
	modern_ready(&w, true);
	call_of(&w, "a", "{\"r\":\"x\"}");
	headers_are(&w, "Mcp-Method: tools/call\nMcp-Name: a\n");
	call_of(&w, "m", "{\"r\":\"x\"}");
	headers_are(&w, "Mcp-Method: tools/call\nMcp-Name: m\nMcp-Param-R: x\n");
	call_of(&w, "m", "{\"r\":null}");
	headers_are(&w, "Mcp-Method: tools/call\nMcp-Name: m\n");
	call_of(&w, "\303\244", "{}");
	headers_are(&w, "Mcp-Method: tools/call\nMcp-Name: =?base64?w6Q=?=\n");
	world_close(&w);
}

static void headers__a_bad_annotation_leaves_its_tool_out_where_headers_are_sent(void **state)
{
	(void)state;
	for (int http = 0; http < 2; http++) {
		struct world w;
		modern_open(&w, http);
		say(&w, DISCOVERED);
		say(&w, "{\"id\":2,\"result\":{\"tools\":[" MARKED_TOOL("bad", "") "," MARKED_TOOL(
				"good", "R") "]}}");
		struct tool_list l = session_tools_take(w.session);
		assert_int_equal(l.count, http ? 1 : 2);
		assert_int_equal(l.faults.count, http ? 1 : 0);
		if (http) {
			assert_string_equal(l.faults.list[0].name, "bad");
			assert_non_null(strstr(l.faults.list[0].reason, "x-mcp-header"));
		}
		tool_list_release(&l);
		world_close(&w);
	}
}

#define MISMATCH(id) "{\"id\":" id ",\"error\":{\"code\":-32020,\"message\":\"headers\"}}"

static void headers__that_do_not_fit_are_made_once_more_from_a_new_list(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, true);
	call_of(&w, "a", "{\"r\":\"x\"}");
	buf_reset(&w.headers);
	say(&w, MISMATCH("3"));
	assert_int_equal(w.ends, 0);
	/* What the link says of the sending before is of no matter any more. */
	struct link_failure refused = {.id = 3, .status = 400};
	err_set(&refused.why, ERR_UPSTREAM, "HTTP 400");
	session_failed(w.session, &refused);
	assert_int_equal(w.ends, 0);
	headers_are(&w, "Mcp-Method: tools/list\n");
	say(&w, "{\"id\":4,\"result\":{\"tools\":[" MARKED_TOOL("a", "New") "]}}");
	headers_are(&w, "Mcp-Method: tools/call\nMcp-Name: a\nMcp-Param-New: x\n");
	assert_int_equal(w.tools_changed, 1);
	say(&w, MISMATCH("5"));
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "-32020"));
	headers_are(&w, "");
	world_close(&w);
}

static void headers__when_the_new_list_fails_the_call_ends(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, true);
	call_of(&w, "a", "{}");
	say(&w, MISMATCH("3"));
	say(&w, "{\"id\":4,\"error\":{\"code\":-32603,\"message\":\"no list\"}}");
	assert_int_equal(w.ends, 1);
	assert_non_null(strstr(w.answer.error.msg, "-32020"));
	world_close(&w);
}

static void headers__a_call_that_waits_for_the_list_can_be_cancelled(void **state)
{
	struct world w;
	(void)state;
	modern_ready(&w, true);
	uint64_t id = call_of(&w, "a", "{}");
	say(&w, MISMATCH("3"));
	session_cancel(w.session, id, "why");
	buf_reset(&w.headers);
	say(&w, "{\"id\":4,\"result\":{\"tools\":[]}}");
	headers_are(&w, "");
	assert_int_equal(w.ends, 0);
	world_close(&w);
}

static void headers__a_mismatch_of_anything_else_is_an_error(void **state)
{
	struct world w;
	(void)state;
	modern_open(&w, true);
	say(&w, MISMATCH("1"));
	assert_int_equal(w.broken, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers__name_the_method_and_what_it_is_about),
		cmocka_unit_test(headers__a_bad_annotation_leaves_its_tool_out_where_headers_are_sent),
		cmocka_unit_test(headers__that_do_not_fit_are_made_once_more_from_a_new_list),
		cmocka_unit_test(headers__when_the_new_list_fails_the_call_ends),
		cmocka_unit_test(headers__a_call_that_waits_for_the_list_can_be_cancelled),
		cmocka_unit_test(headers__a_mismatch_of_anything_else_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
