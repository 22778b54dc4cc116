/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of one server: waiting, progress, both time limits, cancelling, bounds, the end of the worker. */
#include "tests/unit/mcp/rig.h"

#include <fcntl.h>

static void rig_ready(struct rig *r, const char *const *args)
{
	rig_init(r);
	rig_add(r, "fake", rig_fake(), args);
	rig_start(r);
	rig_settle(r);
}

/* How many cancellations the server was told of. */
static int cancels_seen(struct rig *r)
{
	struct outcome o;
	rig_call_wait(r, "fake", "cancelled", "{}", &o);
	return atoi(strstr(buf_cstr(&o.result), "\"text\":\"") + 8);
}

static void call__answers_and_tool_errors_are_told_apart(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_ready(&r, args);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"h\\u00e9\\n\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.sent);
	assert_false(o.is_error);
	assert_string_equal(buf_cstr(&o.result),
			    "{\"content\":[{\"type\":\"text\",\"text\":\"h\xc3\xa9\\n\"}]}");
	rig_call_wait(&r, "fake", "fail", "", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.is_error);
	rig_free(&r);
}

/* The server finds the call's key in the request, to tell a repeat from a new call. */
static void call__carries_its_key(void **state)
{
	struct rig r;
	struct outcome o;
	char dir[] = "/tmp/mcp-test-XXXXXX", text[64] = "";
	const char *args[] = {"echo", NULL};
	(void)state;
	assert_non_null(mkdtemp(dir));
	char *file = xasprintf("%s/count", dir), *arguments = xasprintf("{\"file\":\"%s\"}", file);
	const char *paths[] = {dir, NULL};
	rig_one(&r, args);
	r.servers[0].sandbox.write = paths;
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "count", arguments, &o);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(text, "called task:c1\n");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(dir), 0);
	free(arguments);
	free(file);
	rig_free(&r);
}

static void call__escapes_that_are_no_text_are_replaced(void **state)
{
	struct rig r;
	struct outcome o;
	struct error e;
	const char *args[] = {"verbatim", NULL};
	(void)state;
	rig_ready(&r, args);
	rig_call_wait(&r, "fake", "verbatim",
		      "{\"result\":\"{\\\"content\\\":[{\\\"type\\\":\\\"text\\\",\\\"text\\\":"
		      "\\\"a\\\\u0000b\\\\ud800\\\"}]}\"}",
		      &o);
	assert_int_equal(o.error.code, ERR_NONE);
	struct json *j = json_parse(o.result.data, o.result.len, 0, &e);
	if (!j)
		fail_msg("%s: %s", o.result.data, e.msg);
	assert_string_equal(json_text(json_pointer(j, "/content/0/text")), "a\xef\xbf\xbd"
									   "b\xef\xbf\xbd");
	json_free(j);
	rig_free(&r);
}

static void call__result_that_is_no_object_is_an_error(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"verbatim", NULL};
	(void)state;
	rig_ready(&r, args);
	rig_call_wait(&r, "fake", "verbatim", "{\"result\":\"[7]\"}", &o);
	assert_int_equal(o.error.code, ERR_UPSTREAM);
	assert_true(o.sent);
	assert_non_null(strstr(o.error.msg, "not an object"));
	rig_call_wait(&r, "fake", "verbatim", "{\"result\":\"{\\\"a\\\":NaN}\"}", &o);
	assert_int_equal(o.error.code, ERR_UPSTREAM);
	assert_non_null(strstr(o.error.msg, "not valid JSON"));
	rig_free(&r);
}

static void call__waits_while_the_server_starts(void **state)
{
	struct rig r;
	struct outcome o[3];
	const char *args[] = {"slow-start", "200", NULL};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	for (int i = 0; i < 3; i++)
		rig_call(&r, "fake", "echo", "{\"text\":\"early\"}", 0, &o[i]);
	rig_wait(&r, o[0].ends && o[1].ends && o[2].ends);
	for (int i = 0; i < 3; i++)
		assert_int_equal(o[i].error.code, ERR_NONE);
	rig_free(&r);
}

static void call__waiting_for_a_start_that_fails_was_not_sent(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"never-init", NULL};
	(void)state;
	rig_init(&r);
	r.options.start_ms_max = 150;
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	assert_false(o.sent);
	assert_non_null(strstr(o.error.msg, "could not be started"));
	rig_free(&r);
}

static void call__waiting_has_its_own_time_limit(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"never-init", NULL};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_call(&r, "fake", "echo", "{}", 50, &o);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_TIMEOUT);
	assert_false(o.sent);
	assert_non_null(strstr(o.error.msg, "not sent"));
	rig_free(&r);
}

static void call__progress_is_forwarded_as_it_came(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"progress", NULL};
	(void)state;
	rig_ready(&r, args);
	rig_call_wait(&r, "fake", "progress", "{\"steps\":3}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_equal(o.progress, 3);
	assert_string_equal(o.last_progress, "3.50/3 step \xe2\x9c\x93 3");
	rig_free(&r);
}

static void call__progress_keeps_an_idle_call_alive(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"progress", NULL};
	(void)state;
	rig_init(&r);
	r.options.call_idle_ms_max = 600;
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "progress", "{\"steps\":8,\"ms\":100}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_equal(o.progress, 8);
	rig_free(&r);
}

static void call__silence_meets_the_idle_limit(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_init(&r);
	r.options.call_idle_ms_max = 100;
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "sleep", "{\"ms\":60000}", &o);
	assert_int_equal(o.error.code, ERR_TIMEOUT);
	assert_true(o.sent);
	assert_non_null(strstr(o.error.msg, "idle time limit"));
	assert_int_equal(cancels_seen(&r), 1);
	rig_free(&r);
}

static void call__progress_does_not_move_the_absolute_limit(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"progress", NULL};
	(void)state;
	rig_ready(&r, args);
	rig_call(&r, "fake", "progress", "{\"steps\":1000,\"ms\":20}", 200, &o);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_TIMEOUT);
	assert_non_null(strstr(o.error.msg, "absolute time limit"));
	assert_true(o.progress > 0);
	rig_free(&r);
}

static void call__cancelling_tells_the_server_and_nobody_else(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_ready(&r, args);
	struct mcp_call *call = rig_call(&r, "fake", "sleep", "{\"ms\":60000}", 0, &o);
	loop_turn(r.loop, 10);
	mcp_call_cancel(call);
	assert_int_equal(cancels_seen(&r), 1);
	assert_int_equal(o.ends, 0);
	rig_free(&r);
}

static void call__death_of_the_worker_cancels_its_calls(void **state)
{
	struct rig r;
	struct outcome o, p;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_ready(&r, args);
	rig_call(&r, "fake", "sleep", "{\"ms\":60000}", 0, &o);
	rig_call(&r, "fake", "sleep", "{\"ms\":60000}", 0, &p);
	loop_turn(r.loop, 10);
	rig_connect(&r);
	rig_wait(&r, o.ends && p.ends);
	assert_int_equal(o.error.code, ERR_LOST);
	assert_true(o.sent);
	assert_int_equal(cancels_seen(&r), 2);
	rig_free(&r);
}

static void call__are_bounded_for_each_server(void **state)
{
	struct rig r;
	struct outcome o[9];
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_ready(&r, args);
	for (int i = 0; i < 9; i++)
		rig_call(&r, "fake", "sleep", "{\"ms\":50}", 0, &o[i]);
	for (int i = 0; i < 9; i++)
		rig_wait(&r, o[i].ends);
	for (int i = 0; i < 8; i++)
		assert_int_equal(o[i].error.code, ERR_NONE);
	assert_int_equal(o[8].error.code, ERR_FULL);
	assert_false(o[8].sent);
	rig_free(&r);
}

static void call__wide_arguments_pass_and_do_not_stop_the_reading(void **state)
{
	struct rig r;
	struct outcome o[4];
	struct buf arguments = BUF_INIT;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_ready(&r, args);
	buf_add_str(&arguments, "{\"text\":\"");
	for (int i = 0; i < 1000000; i++)
		buf_add_char(&arguments, 'y');
	buf_add_str(&arguments, "\"}");
	for (int i = 0; i < 4; i++)
		rig_call(&r, "fake", "echo", arguments.data, 0, &o[i]);
	for (int i = 0; i < 4; i++) {
		rig_wait(&r, o[i].ends);
		assert_int_equal(o[i].error.code, ERR_NONE);
		assert_true(o[i].result.len > 1000000);
	}
	buf_release(&arguments);
	rig_free(&r);
}

static void call__end_when_the_servers_are_stopped(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"silent", NULL};
	(void)state;
	rig_ready(&r, args);
	rig_call(&r, "fake", "echo", "{}", 0, &o);
	loop_turn(r.loop, 10); /* a call goes at the end of a turn, and its server has it in the next */
	loop_turn(r.loop, 10);
	rig_stop(&r);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	assert_true(o.sent);
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	assert_false(o.sent);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call__answers_and_tool_errors_are_told_apart),
		cmocka_unit_test(call__carries_its_key),
		cmocka_unit_test(call__escapes_that_are_no_text_are_replaced),
		cmocka_unit_test(call__result_that_is_no_object_is_an_error),
		cmocka_unit_test(call__waits_while_the_server_starts),
		cmocka_unit_test(call__waiting_for_a_start_that_fails_was_not_sent),
		cmocka_unit_test(call__waiting_has_its_own_time_limit),
		cmocka_unit_test(call__progress_is_forwarded_as_it_came),
		cmocka_unit_test(call__progress_keeps_an_idle_call_alive),
		cmocka_unit_test(call__silence_meets_the_idle_limit),
		cmocka_unit_test(call__progress_does_not_move_the_absolute_limit),
		cmocka_unit_test(call__cancelling_tells_the_server_and_nobody_else),
		cmocka_unit_test(call__death_of_the_worker_cancels_its_calls),
		cmocka_unit_test(call__are_bounded_for_each_server),
		cmocka_unit_test(call__wide_arguments_pass_and_do_not_stop_the_reading),
		cmocka_unit_test(call__end_when_the_servers_are_stopped),
	};
	return cmocka_run_group_tests_name("server_call", tests, NULL, NULL);
}
