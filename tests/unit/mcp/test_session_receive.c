/* SPDX-License-Identifier: Apache-2.0 */
/* What a server sends of its own accord, and what is no message: theirs apart from ours, and little is
 * harmed. */
#include "tests/unit/mcp/session_world.h"

static void session__answers_their_requests_with_their_ids(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	buf_reset(&w.sent);
	say(&w, "{\"id\":3,\"method\":\"ping\"}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n");
	say(&w, "{\"id\":\"\\u0033\",\"method\":\"roots/list\"}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0033\",\"error\":{\"code\":-32601,\"message\":\"this "
		    "client "
		    "does not offer that method\"}}\n");
	assert_int_equal(w.ends, 0);
	world_close(&w);
}

/* A request whose answer cannot be read would look like one that is not answered. */
static void session__broken_answer_ends_its_request(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	say(&w, "{\"result\":{\"a\":\"caf\xe9\"},\"jsonrpc\":\"2.0\",\"id\":3}");
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.answer.error.code, ERR_UPSTREAM);
	assert_non_null(strstr(w.answer.error.msg, "not valid JSON"));
	call(&w, "{}");
	say(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{\"n\":NaN}}");
	assert_int_equal(w.ends, 2);
	assert_int_equal(session_facts(w.session)->junk_lines, 2);
	world_close(&w);
}

static void session__junk_that_names_an_id_ends_nothing(void **state)
{
	const char *const junk[] = {
		"got {\"jsonrpc\":\"2.0\",\"id\":3}",
		"{\"level\":\"info\",\"id\":3}",
		"{\"level\":info,\"id\":3}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{,\"id\":3}",
		"{\"jsonrpc\":\"2.0\",\"result\":{,\"id\":99}",
		"{\"jsonrpc\":\"2.0\",\"result\":{",
		"{",
		"",
	};
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	for (size_t i = 0; i < COUNT_OF(junk); i++)
		say(&w, junk[i]);
	assert_int_equal(w.ends, 0);
	assert_int_equal(session_facts(w.session)->junk_lines, COUNT_OF(junk));
	assert_int_equal(session_facts(w.session)->late_answers, 0);
	world_close(&w);
}

static void session_overlong__fails_one_request_or_breaks(void **state)
{
	struct world w = {0};
	struct frame_line line = {.head = SLICE_LIT("{\"result\":{\"a\":\"xx"),
				  .tail = SLICE_LIT("xx\"},\"jsonrpc\":\"2.0\",\"id\":3}"),
				  .bytes = 9999};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	session_overlong(w.session, &line);
	assert_int_equal(w.answer.error.code, ERR_TOO_LARGE);
	line.head = SLICE_LIT("{\"method\":\"notifications/message\",\"params\":");
	session_overlong(w.session, &line);
	assert_int_equal(w.broken, 0);
	line.head = line.tail = SLICE_LIT("no message at all");
	session_overlong(w.session, &line);
	assert_int_equal(w.broken, 1);
	world_close(&w);
}

static void session__knows_methods_whose_slashes_are_escaped(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	say(&w, "{\"method\":\"notifications\\/progress\",\"params\":{\"progressToken\":3,\"progress\":1}}");
	assert_int_equal(w.progress, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session__answers_their_requests_with_their_ids),
		cmocka_unit_test(session__knows_methods_whose_slashes_are_escaped),
		cmocka_unit_test(session__broken_answer_ends_its_request),
		cmocka_unit_test(session__junk_that_names_an_id_ends_nothing),
		cmocka_unit_test(session_overlong__fails_one_request_or_breaks),
	};
	return cmocka_run_group_tests_name("session_receive", tests, NULL, NULL);
}
