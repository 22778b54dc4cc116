/* SPDX-License-Identifier: Apache-2.0 */
/* tools/list of a session: changes, failures, cursors without end. */
#include "tests/unit/mcp/session_world.h"

static void session__changes_of_the_list_wait_for_a_quiet_moment(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	for (int i = 0; i < 5; i++) {
		say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
		world_pass(&w, 100);
	}
	sent_is(&w, "");
	world_pass(&w, 100);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\"}\n");
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	say(&w, "{\"id\":3,\"result\":{\"tools\":[]}}");
	assert_int_equal(w.tools_changed, 1);
	world_pass(&w, 200);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\"}\n");
	world_close(&w);
}

static void session__changes_without_a_pause_are_not_put_off_for_ever(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	for (int i = 0; i < 19; i++) {
		say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
		world_pass(&w, 100);
	}
	sent_is(&w, "");
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	world_pass(&w, 100);
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\"}\n");
	world_close(&w);
}

static void session__failed_refresh_keeps_the_session(void **state)
{
	struct world w = {0};
	(void)state;
	world_ready(&w);
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	world_pass(&w, 200);
	world_pass(&w, 5000);
	assert_int_equal(w.broken, 0);
	say(&w, "{\"method\":\"notifications/tools/list_changed\"}");
	world_pass(&w, 200);
	say(&w, "{\"id\":4,\"error\":{\"code\":-32603,\"message\":\"not now\"}}");
	assert_int_equal(w.broken, 0);
	assert_int_equal(w.tools_changed, 0);
	world_close(&w);
}

static void session__refused_cursor_starts_over_once(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	say(&w, INITIALIZED);
	say(&w, "{\"id\":2,\"result\":{\"tools\":[],\"nextCursor\":\"\"}}");
	buf_reset(&w.sent);
	say(&w, "{\"id\":3,\"error\":{\"code\":-32602,\"message\":\"old cursor\"}}");
	sent_is(&w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\"}\n");
	say(&w, "{\"id\":4,\"result\":{\"tools\":[],\"nextCursor\":\"\"}}");
	say(&w, "{\"id\":5,\"error\":{\"code\":-32602,\"message\":\"old cursor\"}}");
	assert_int_equal(w.broken, 1);
	assert_non_null(strstr(w.why.msg, "old cursor"));
	world_close(&w);
}

static void session__endless_pages_are_cut(void **state)
{
	struct world w = {0};
	(void)state;
	world_open(&w);
	say(&w, INITIALIZED);
	for (int i = 2; !w.ready && i < 1000; i++) {
		struct buf line = BUF_INIT;
		buf_printf(&line, "{\"id\":%d,\"result\":{\"tools\":[],\"nextCursor\":\"again\"}}", i);
		say(&w, line.data);
		buf_release(&line);
	}
	assert_int_equal(w.ready, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session__changes_of_the_list_wait_for_a_quiet_moment),
		cmocka_unit_test(session__changes_without_a_pause_are_not_put_off_for_ever),
		cmocka_unit_test(session__failed_refresh_keeps_the_session),
		cmocka_unit_test(session__refused_cursor_starts_over_once),
		cmocka_unit_test(session__endless_pages_are_cut),
	};
	return cmocka_run_group_tests_name("session_list", tests, NULL, NULL);
}
