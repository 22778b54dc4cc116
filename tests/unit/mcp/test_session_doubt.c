/* SPDX-License-Identifier: Apache-2.0 */
/* When a server is asked whether it is there, and what follows from silence. */
#include "tests/unit/mcp/session_world.h"

static void session__that_nobody_uses_asks_nothing(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	for (int i = 0; i < 100; i++)
		world_pass(&w, 60000);
	sent_is(&w, "");
	assert_int_equal(w.broken, 0);
	world_close(&w);
}

static void session__pings_when_in_doubt_and_breaks_without_answer(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	session_doubt(w.session);
	session_doubt(w.session); /* the question is asked already */
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}\n");
	say(&w, "{\"id\":3,\"result\":{}}");
	world_pass(&w, 60000);
	assert_int_equal(w.broken, 0);
	session_doubt(w.session);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}\n");
	world_pass(&w, 29999);
	assert_int_equal(w.broken, 0);
	world_pass(&w, 1);
	assert_int_equal(w.broken, 1);
	assert_non_null(strstr(w.why.msg, "ping"));
	world_close(&w);
}

static void session__in_doubt_waits_for_one_that_works(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	call(&w, "{}");
	session_doubt(w.session);
	world_pass(&w, 60000); /* deaf, but it owes an answer */
	assert_int_equal(w.broken, 0);
	session_doubt(w.session);
	say(&w, "{\"method\":\"notifications/message\"}");
	world_pass(&w, 60000); /* it said something, if no answer */
	assert_int_equal(w.broken, 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session__that_nobody_uses_asks_nothing),
		cmocka_unit_test(session__pings_when_in_doubt_and_breaks_without_answer),
		cmocka_unit_test(session__in_doubt_waits_for_one_that_works),
	};
	return cmocka_run_group_tests_name("session_doubt", tests, NULL, NULL);
}
