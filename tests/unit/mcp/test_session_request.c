/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a session that are no tool calls: how they are written, and what their errors mean. */
#include "tests/unit/mcp/session_world.h"

#include <stdlib.h>

static uint64_t request(struct world *w, const char *method, const char *params)
{
	struct error e;
	struct request_handler h = {.on_progress = told_progress, .on_end = told_end, .arg = w};
	return session_request(w->session, session_method(method), slice_str(params), h, &e);
}

static void request__params_get_a_progress_token(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	assert_int_equal(request(&w, "resources/read", " { \"uri\": \"a://}{\" }\n"), 3);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/read\",\"params\":{ \"uri\": "
		    "\"a://}{\" ,\"_meta\":{\"progressToken\":3}}}\n");
	assert_int_equal(request(&w, "prompts/list", "{ }"), 4);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"prompts/list\",\"params\":{"
		    "\"_meta\":{\"progressToken\":4}}}\n");
	say(&w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,\"progress\":1}}");
	assert_int_equal(w.progress, 1);
	say(&w, "{\"id\":3,\"result\":{\"contents\":[]}}");
	assert_int_equal(w.ends, 1);
	assert_string_equal(buf_cstr(&w.result), "{\"contents\":[]}");
	world_close(&w);
}

static void request__methods_are_those_of_the_list(void **state)
{
	(void)state;
	assert_string_equal(session_method("completion/complete"), "completion/complete");
	assert_null(session_method("tools/call"));
	assert_null(session_method("resources/read\",\"x\":\""));
	assert_null(session_method(""));
}

static void request__code_of_an_error_is_told(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	request(&w, "resources/read", "{}");
	say(&w, "{\"id\":3,\"error\":{\"code\":-32002,\"message\":\"no such thing\"}}");
	assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
	assert_int_equal(w.answer.rpc_code, -32002);
	request(&w, "resources/read", "{}");
	say(&w, "{\"id\":4,\"error\":{\"code\":\"x\",\"message\":\"no such thing\"}}");
	assert_int_equal(w.answer.rpc_code, 0);
	request(&w, "resources/read", "{}");
	say(&w, "{\"id\":5,\"error\":{\"code\":99999999999999999999,\"message\":\"no such thing\"}}");
	assert_int_equal(w.answer.rpc_code, 0);
	world_close(&w);
}

static void key__names_what_is_asked_for(void **state)
{
	char *key =
		session_request_key("resources/read", SLICE_LIT("{\"name\":\"n\",\"uri\":\"a:\\u00e9\"}"));
	(void)state;
	assert_string_equal(key, "a:\xc3\xa9");
	free(key);
	assert_null(session_request_key("resources/read", SLICE_LIT("{\"uri\":7}")));
	assert_null(session_request_key("resources/list", SLICE_LIT("{\"uri\":\"a:b\"}")));
	key = session_request_key("prompts/get", SLICE_LIT("{\"name\":\"n\"}"));
	assert_string_equal(key, "n");
	free(key);
}

static enum err fault(const char *method, int64_t rpc_code, enum err was)
{
	struct error e;
	err_set(&e, was, "x");
	session_request_fault(method, rpc_code, &e);
	return e.code;
}

static void fault__depends_on_the_method(void **state)
{
	(void)state;
	assert_int_equal(fault("resources/read", -32002, ERR_UPSTREAM), ERR_NOT_FOUND);
	assert_int_equal(fault("resources/read", -32602, ERR_UPSTREAM), ERR_NOT_FOUND);
	assert_int_equal(fault("prompts/get", -32602, ERR_UPSTREAM), ERR_FIELD);
	assert_int_equal(fault("completion/complete", -32601, ERR_UPSTREAM), ERR_UNSUPPORTED);
	assert_int_equal(fault("prompts/get", -32603, ERR_UPSTREAM), ERR_UPSTREAM);
	assert_int_equal(fault("prompts/get", 0, ERR_UPSTREAM), ERR_UPSTREAM);
	/* Not the server's answer. */
	assert_int_equal(fault("resources/read", 0, ERR_LOST), ERR_LOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__params_get_a_progress_token),
		cmocka_unit_test(request__methods_are_those_of_the_list),
		cmocka_unit_test(request__code_of_an_error_is_told),
		cmocka_unit_test(key__names_what_is_asked_for),
		cmocka_unit_test(fault__depends_on_the_method),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
