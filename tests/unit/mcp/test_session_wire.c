/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, answers and ids of a session: one line each, ends once. */
#include "tests/unit/mcp/session_world.h"

static void session_call__is_one_line_with_token_and_key(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	assert_int_equal(call(&w, "{\r\n\"x\": [1,\n2]}"), 3);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"name\":\"a\","
		    "\"arguments\":{  \"x\": [1, 2]},\"_meta\":{\"progressToken\":3,\"agent-runtime/"
		    "idempotencyKey\":\"t:c1\"}}}\n");
	say(&w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,\"progress\":1}}");
	say(&w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":99,\"progress\":1}}");
	say(&w, "{\"method\":\"notifications/progress\"}");
	assert_int_equal(w.progress, 1);
	say(&w, "{\"id\":\"3\",\"result\":{\"content\":[],\"isError\":true}}");
	assert_int_equal(w.ends, 1);
	assert_true(w.answer.is_error);
	assert_string_equal(w.result.data, "{\"content\":[],\"isError\":true}");
	world_close(&w);
}

static void session_call__error_answers_are_worded(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	say(&w, "{\"id\":3,\"error\":{\"code\":-32602,\"message\":\"no \\u00fcse\"}}");
	assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
	assert_non_null(strstr(w.answer.error.msg, "-32602: no \xc3\xbcse"));
	call(&w, "{}");
	say(&w, "{\"id\":4,\"error\":7}");
	assert_int_equal(w.ends, 2);
	assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
	world_close(&w);
}

static void session_cancel__tells_and_ignores_the_late_answer(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	uint64_t id = call(&w, "{}");
	buf_reset(&w.sent);
	session_cancel(w.session, id, "why \"not\"");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":3,"
		    "\"reason\":\"why \\\"not\\\"\"}}\n");
	session_cancel(w.session, id, "again");
	sent_is(&w, "");
	say(&w, "{\"id\":3,\"result\":{}}");
	say(&w, "{\"id\":null,\"error\":{}}");
	say(&w, "{\"id\":3.0,\"result\":{}}");
	say(&w, "{\"id\":99999999999999999999,\"result\":{}}");
	assert_int_equal(w.ends, 0);
	assert_int_equal(session_facts(w.session)->late_answers, 4);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_call__is_one_line_with_token_and_key),
		cmocka_unit_test(session_call__error_answers_are_worded),
		cmocka_unit_test(session_cancel__tells_and_ignores_the_late_answer),
	};
	return cmocka_run_group_tests_name("session_wire", tests, NULL, NULL);
}
