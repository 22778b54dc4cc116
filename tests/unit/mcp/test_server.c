/* SPDX-License-Identifier: Apache-2.0 */
/* One server at a time, good and bad, as real children: states, restarts, the stop ladder, what is shown. */
#include "tests/unit/mcp/rig.h"

#include <errno.h>

static void rig_one(struct rig *r, const char *const *args)
{
	rig_init(r);
	rig_add(r, "fake", rig_fake(), args);
}

static const char *state_text(struct rig *r, const char *pointer)
{
	const char *text = json_text(rig_state(r, pointer));
	return text ? text : "(null)";
}

static int64_t state_number(struct rig *r, const char *pointer)
{
	int64_t n = -1;
	json_integer(rig_state(r, pointer), &n);
	return n;
}

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

static void server__missing_command_is_named(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	rig_init(&r);
	rig_add(&r, "gone", "no-such-command-anywhere", NULL);
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"),
			       "command not found: no-such-command-anywhere"));
	rig_call_wait(&r, "gone", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	assert_false(o.sent);
	assert_non_null(strstr(o.error.msg, "command not found"));
	rig_free(&r);
}

static void server__missing_folder_is_named(void **state)
{
	struct rig r;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	r.servers[0].cwd = "/no/such/folder";
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "working directory /no/such/folder"));
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

static void server__stderr_flood_blocks_nobody(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"stderr-flood", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"a\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(strlen(state_text(&r, "/servers/0/stderr_tail")) <= r.options.stderr_tail_bytes);
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

static void big_line(const char *arguments)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"big-line", NULL};
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "big", arguments, &o);
	assert_int_equal(o.error.code, ERR_TOO_LARGE);
	assert_true(o.sent);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"still here\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_equal(state_number(&r, "/servers/0/restarts"), 0);
	rig_free(&r);
}

static void server__line_over_the_limit_fails_one_call_only(void **state)
{
	(void)state;
	big_line("{\"id_first\":true}");
	big_line("{\"id_first\":false}");
}

static void server__result_over_the_frame_limit_fails_one_call_only(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"big-line", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.line_bytes_max = 32 << 20;
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "big", "{}", &o);
	assert_int_equal(o.error.code, ERR_TOO_LARGE);
	rig_call_wait(&r, "fake", "big", "{\"bytes\":6000000}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.result.len > 6000000);
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

static void server__environment_is_cleared(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	struct mcp_env env[] = {{"GIVEN", "to it"}, {"HOME", "/elsewhere"}};
	(void)state;
	setenv("OPENAI_API_KEY", "sk-not-for-children", 1);
	rig_one(&r, args);
	r.servers[0].env = env;
	r.servers[0].env_count = COUNT_OF(env);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "env", "{}", &o);
	assert_null(strstr(buf_cstr(&o.result), "sk-not"));
	assert_non_null(strstr(buf_cstr(&o.result), "GIVEN=to it"));
	assert_non_null(strstr(buf_cstr(&o.result), "HOME=/elsewhere"));
	assert_non_null(strstr(buf_cstr(&o.result), "PATH="));
	unsetenv("OPENAI_API_KEY");
	rig_free(&r);
}

static void server__descriptors_are_not_inherited(void **state)
{
	struct rig r;
	const char *args[] = {"echo", NULL};
	char path[64], target[8];
	int count = 0, leaked = dup(2);
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)state_number(&r, "/servers/0/pid"), fd);
		count += readlink(path, target, sizeof(target)) > 0;
	}
	assert_int_equal(count, 3);
	close(leaked);
	rig_free(&r);
}

static void server__stubborn_one_is_killed_by_the_ladder(void **state)
{
	struct rig r;
	const char *args[] = {"stubborn", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.stop_grace_ms = 100;
	rig_start(&r);
	rig_settle(&r);
	int64_t before_ms = clock_mono_ms();
	rig_stop(&r);
	assert_true(clock_mono_ms() - before_ms >= 200);
	assert_string_equal(state_text(&r, "/servers/0/state"), "stopped");
	rig_free(&r);
}

static void server__grandchildren_end_with_it(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"grandchild", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "grandchild", "{}", &o);
	pid_t pid = atoi(strstr(buf_cstr(&o.result), "\"text\":\"") + 8);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, 0), 0);
	rig_stop(&r);
	/* Whoever adopts it reaps it: until then it is at most a zombie. */
	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++) {
		char path[64], text[512] = "";
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		FILE *f = fopen(path, "r");
		if (!f || !fgets(text, sizeof(text), f) || strstr(text, ") Z")) {
			if (f)
				fclose(f);
			break;
		}
		fclose(f);
		assert_true(i < 99);
		loop_turn(r.loop, 10);
	}
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
			    "remote_http servers are not supported by this version yet");
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_non_null(strstr(o.error.msg, "disabled"));
	rig_call_wait(&r, "far", "echo", "{}", &o);
	assert_non_null(strstr(o.error.msg, "not supported"));
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server__becomes_ready_and_shows_itself),
		cmocka_unit_test(server__pages_are_followed_with_an_empty_cursor_too),
		cmocka_unit_test(server__missing_command_is_named),
		cmocka_unit_test(server__missing_folder_is_named),
		cmocka_unit_test(server__that_exits_at_once_is_started_again_and_its_last_words_told),
		cmocka_unit_test(server__that_never_answers_initialize_is_given_up),
		cmocka_unit_test(server__of_an_unknown_version_is_refused),
		cmocka_unit_test(server__whose_list_fails_is_not_ready),
		cmocka_unit_test(server__bad_tools_are_left_out_alone),
		cmocka_unit_test(server__crash_loses_the_call_and_comes_back),
		cmocka_unit_test(server__stderr_flood_blocks_nobody),
		cmocka_unit_test(server__junk_lines_are_counted),
		cmocka_unit_test(server__line_over_the_limit_fails_one_call_only),
		cmocka_unit_test(server__result_over_the_frame_limit_fails_one_call_only),
		cmocka_unit_test(server__list_changed_burst_is_one_fetch),
		cmocka_unit_test(server__its_own_requests_do_not_mix_with_ours),
		cmocka_unit_test(server__ping_before_the_handshake_is_answered),
		cmocka_unit_test(server__answers_that_come_twice_are_counted),
		cmocka_unit_test(server__environment_is_cleared),
		cmocka_unit_test(server__descriptors_are_not_inherited),
		cmocka_unit_test(server__stubborn_one_is_killed_by_the_ladder),
		cmocka_unit_test(server__grandchildren_end_with_it),
		cmocka_unit_test(server__disabled_and_remote_ones_settle),
	};
	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
