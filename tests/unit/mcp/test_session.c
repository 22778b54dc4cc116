/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a session: handshake, what breaks it. */
#include "tests/unit/mcp/session_world.h"

static void session__shakes_hands_and_lists(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	sent_is(&w,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
		"\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"agent-runtime\",\"version\":"
		"\"1.2\"}}}\n");
	say(&w, INITIALIZED);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
		    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n");
	say(&w, "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "],\"nextCursor\":\"x\\\"y\"}}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/"
		    "list\",\"params\":{\"cursor\":\"x\\\"y\"}}\n");
	assert_int_equal(w.ready, 0);
	say(&w, "{\"id\":3,\"result\":{\"tools\":[" TOOL("b") "]}}");
	assert_int_equal(w.ready, 1);
	struct tool_list l = session_tools_take(w.session);
	assert_int_equal(l.count, 2);
	tool_list_release(&l);
	assert_string_equal(session_facts(w.session)->server_name, "n");
	world_close(&w);
}

static void session__without_tools_is_ready_at_once(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	say(&w, "{\"id\":1,\"result\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{}}}");
	assert_int_equal(w.ready, 1);
	world_close(&w);
}

static void session__breaks_on_a_refused_or_foreign_handshake(void **state)
{
	const char *const answers[] = {
		"{\"id\":1,\"error\":{\"code\":-32600,\"message\":\"go away\"}}",
		"{\"id\":1,\"result\":{\"protocolVersion\":\"2026-07-28\"}}",
		"{\"id\":1,\"result\":{}}",
		"{\"id\":1,\"result\":[]}",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct world w = {0};
		world_open(&w);
		say(&w, answers[i]);
		assert_int_equal(w.broken, 1);
		assert_true(strstr(w.why.msg, "go away") || strstr(w.why.msg, "protocol version"));
		world_close(&w);
	}
}

static void session__that_cannot_write_breaks_later_not_at_once(void **state)
{
	struct world w = {.deaf = true};
	(void)state;
	world_open(&w);
	assert_int_equal(w.broken, 0);
	world_pass(&w, 0);
	assert_int_equal(w.broken, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session__shakes_hands_and_lists),
		cmocka_unit_test(session__without_tools_is_ready_at_once),
		cmocka_unit_test(session__breaks_on_a_refused_or_foreign_handshake),
		cmocka_unit_test(session__that_cannot_write_breaks_later_not_at_once),
	};
	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
