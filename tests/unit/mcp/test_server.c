/* SPDX-License-Identifier: Apache-2.0 */
/* One server at a time, good and bad, as real children: states, restarts, the stop ladder, what is shown. */
#include "tests/unit/mcp/rig.h"

#include <fcntl.h>

static void server__becomes_ready_and_shows_itself(void **state)
{
	struct rig r;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	assert_string_equal(state_text(&r, "/servers/0/state"), "starting");
	rig_settle(&r);
	assert_string_equal(state_text(&r, "/servers/0/state"), "ready");
	assert_string_equal(state_text(&r, "/servers/0/protocol_version"), "2025-06-18");
	assert_string_equal(state_text(&r, "/servers/0/server_info/name"), "mcp-fake");
	assert_int_equal(state_number(&r, "/servers/0/tools"), 6);
	assert_int_equal(state_number(&r, "/servers/0/restarts"), 0);
	assert_true(state_number(&r, "/servers/0/pid") > 1);
	assert_true(json_is(rig_state(&r, "/servers/0/last_error"), JSON_NULL));
	rig_free(&r);
}

static void server__pages_are_followed_with_an_empty_cursor_too(void **state)
{
	struct rig r;
	const char *args[] = {"paged", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	assert_int_equal(c->count, 15);
	assert_non_null(mcp_catalog_find(c, "fake__p14"));
	mcp_catalog_drop(c);
	rig_free(&r);
}

static void server__that_exits_at_once_is_started_again_and_its_last_words_told(void **state)
{
	struct rig r;
	const char *args[] = {"exit-at-once", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_wait(&r, r.exits >= 3);
	assert_true(state_number(&r, "/servers/0/restarts") >= 2);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "exited with status 3"));
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "left-pad"));
	assert_non_null(strstr(state_text(&r, "/servers/0/stderr_tail"), "starting\nfatal"));
	rig_free(&r);
}

static void server__that_never_answers_initialize_is_given_up(void **state)
{
	struct rig r;
	const char *args[] = {"never-init", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.start_ms_max = 150;
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "initialize is not answered"));
	rig_free(&r);
}

static int descriptors_open(void)
{
	int n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void server__failed_starts_leave_no_descriptor_and_no_child(void **state)
{
	enum { STARTS = 40 };
	struct rig r;
	const char *args[] = {"never-init", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.start_ms_max = 10;
	r.options.stop_grace_ms = 5;
	r.options.restart_ms_min = r.options.restart_ms_max = 1;
	rig_start(&r);
	rig_wait(&r, rig_state_is(&r, "backoff"));
	int before = descriptors_open();
	rig_wait(&r, r.exits >= STARTS && rig_state_is(&r, "backoff"));
	assert_int_equal(descriptors_open(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_true(state_number(&r, "/servers/0/restarts") >= STARTS - 1);
	rig_free(&r);
}

static void server__of_an_unknown_version_is_refused(void **state)
{
	struct rig r;
	const char *args[] = {"wrong-version", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "protocol version \"1999-01-01\""));
	rig_free(&r);
}

static void server__whose_list_fails_is_not_ready(void **state)
{
	struct rig r;
	const char *args[] = {"list-error", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "the list is broken"));
	rig_free(&r);
}

static void server__bad_tools_are_left_out_alone(void **state)
{
	struct rig r;
	const char *args[] = {"bad-schema", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(json_count(rig_state(&r, "/servers/0/quarantined")), 3);
	assert_string_equal(state_text(&r, "/servers/0/quarantined/0/name"), "no_object");
	assert_non_null(strstr(state_text(&r, "/servers/0/quarantined/0/reason"), "not an object"));
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	assert_non_null(mcp_catalog_find(c, "fake__echo"));
	assert_null(mcp_catalog_find(c, "fake__no_object"));
	mcp_catalog_drop(c);
	rig_free(&r);
}

static void server__crash_loses_the_call_and_comes_back(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"exit-after", "1", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"a\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"b\"}", &o);
	assert_int_equal(o.error.code, ERR_LOST);
	assert_true(o.sent);
	assert_non_null(strstr(o.error.msg, "exited with status 4"));
	rig_wait(&r, rig_state_is(&r, "ready"));
	assert_int_equal(state_number(&r, "/servers/0/restarts"), 1);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"c\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	rig_free(&r);
}

static void server__junk_lines_are_counted(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"junk-lines", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"a\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(state_number(&r, "/servers/0/junk_lines") >= 9);
	rig_free(&r);
}

static void server__list_changed_burst_is_one_fetch(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"list-changed-burst", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "grow", "{}", &o);
	rig_wait(&r, state_number(&r, "/servers/0/tools") == 8);
	rig_wait(&r, mcp_client_settled(r.client));
	rig_call_wait(&r, "fake", "listed", "{}", &o);
	assert_non_null(strstr(buf_cstr(&o.result), "\"text\":\"2\""));
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	assert_non_null(mcp_catalog_find(c, "fake__grown0"));
	mcp_catalog_drop(c);
	rig_free(&r);
}

static void server__its_own_requests_do_not_mix_with_ours(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"colliding-ids", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "ask", "{}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_non_null(strstr(buf_cstr(&o.result), "0:error 1:result 2:error"));
	rig_free(&r);
}

static void server__ping_before_the_handshake_is_answered(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"pinger", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "pings", "{}", &o);
	assert_non_null(strstr(buf_cstr(&o.result), "\"text\":\"1\""));
	rig_free(&r);
}

static void server__answers_that_come_twice_are_counted(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"twice", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"a\"}", &o);
	rig_wait(&r, state_number(&r, "/servers/0/late_answers") == 3);
	assert_int_equal(o.ends, 1);
	rig_free(&r);
}

static void server__disabled_and_remote_ones_settle(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	r.servers[0].enabled = false;
	rig_add(&r, "far", NULL, NULL)->transport = MCP_REMOTE;
	rig_start(&r);
	rig_settle(&r);
	assert_string_equal(state_text(&r, "/servers/0/state"), "stopped");
	assert_string_equal(state_text(&r, "/servers/1/state"), "failed");
	assert_string_equal(state_text(&r, "/servers/1/type"), "remote_http");
	assert_string_equal(state_text(&r, "/servers/1/last_error"),
			    "the registry names no url for this server");
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_non_null(strstr(o.error.msg, "disabled"));
	rig_call_wait(&r, "far", "echo", "{}", &o);
	assert_non_null(strstr(o.error.msg, "names no url"));
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server__becomes_ready_and_shows_itself),
		cmocka_unit_test(server__pages_are_followed_with_an_empty_cursor_too),
		cmocka_unit_test(server__that_exits_at_once_is_started_again_and_its_last_words_told),
		cmocka_unit_test(server__that_never_answers_initialize_is_given_up),
		cmocka_unit_test(server__failed_starts_leave_no_descriptor_and_no_child),
		cmocka_unit_test(server__of_an_unknown_version_is_refused),
		cmocka_unit_test(server__whose_list_fails_is_not_ready),
		cmocka_unit_test(server__bad_tools_are_left_out_alone),
		cmocka_unit_test(server__crash_loses_the_call_and_comes_back),
		cmocka_unit_test(server__junk_lines_are_counted),
		cmocka_unit_test(server__list_changed_burst_is_one_fetch),
		cmocka_unit_test(server__its_own_requests_do_not_mix_with_ours),
		cmocka_unit_test(server__ping_before_the_handshake_is_answered),
		cmocka_unit_test(server__answers_that_come_twice_are_counted),
		cmocka_unit_test(server__disabled_and_remote_ones_settle),
	};
	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
