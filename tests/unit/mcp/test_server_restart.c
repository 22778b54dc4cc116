/* SPDX-License-Identifier: Apache-2.0 */
/* A server that is started anew on request: what its calls see of it, and when it is refused. */
#include "tests/unit/mcp/rig.h"

struct asked {
	int answers;
	enum err code;
	char text[4096];
};

static void asked_end(struct slice text, const struct error *e, void *arg)
{
	struct asked *a = arg;
	a->answers++;
	a->code = e ? e->code : ERR_NONE;
	snprintf(a->text, sizeof(a->text), "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static enum err restart(struct rig *r, const char *id, struct asked *a)
{
	*a = (struct asked){0};
	mcp_client_restart(r->client, id, asked_end, a);
	rig_wait(r, a->answers);
	assert_int_equal(a->answers, 1);
	return a->code;
}

static void restart__replaces_the_process(void **state)
{
	struct rig r;
	struct asked a;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	int64_t pid = state_number(&r, "/servers/0/pid");
	assert_int_equal(restart(&r, "fake", &a), ERR_NONE);
	assert_non_null(strstr(a.text, "\"id\":\"fake\""));
	assert_non_null(strstr(a.text, "\"state\":\"stopping\""));
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"x\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_not_equal(state_number(&r, "/servers/0/pid"), pid);
	assert_int_equal(state_number(&r, "/servers/0/restarts"), 1);
	assert_true(json_is(rig_state(&r, "/servers/0/last_error"), JSON_NULL));
	rig_free(&r);
}

static void restart__waits_for_running_calls_and_lets_others_wait(void **state)
{
	struct rig r;
	struct asked a;
	struct outcome running, waiting;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.drain_ms_max = 15000;
	rig_start(&r);
	rig_settle(&r);
	int64_t pid = state_number(&r, "/servers/0/pid");
	rig_call(&r, "fake", "sleep", "{\"ms\":300}", 0, &running);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	assert_int_equal(restart(&r, "fake", &a), ERR_NONE);
	assert_true(rig_state_is(&r, "draining"));
	assert_int_equal(restart(&r, "fake", &a), ERR_CONFLICT);
	rig_call(&r, "fake", "echo", "{\"text\":\"x\"}", 0, &waiting);
	rig_wait(&r, running.ends);
	assert_int_equal(running.error.code, ERR_NONE);
	assert_int_equal(waiting.ends, 0);
	rig_wait(&r, waiting.ends);
	assert_int_equal(waiting.error.code, ERR_NONE);
	assert_int_not_equal(state_number(&r, "/servers/0/pid"), pid);
	rig_free(&r);
}

static void restart__loses_a_call_that_does_not_end_in_time(void **state)
{
	struct rig r;
	struct asked a;
	struct outcome running, waiting;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.drain_ms_max = 30;
	rig_start(&r);
	rig_settle(&r);
	rig_call(&r, "fake", "sleep", "{\"ms\":600000}", 0, &running);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	assert_int_equal(restart(&r, "fake", &a), ERR_NONE);
	rig_call(&r, "fake", "echo", "{\"text\":\"x\"}", 0, &waiting);
	rig_wait(&r, waiting.ends);
	assert_int_equal(running.error.code, ERR_LOST);
	assert_true(running.sent);
	assert_non_null(strstr(running.error.msg, "tools.drain_seconds"));
	assert_int_equal(waiting.error.code, ERR_NONE);
	rig_free(&r);
}

static void restart__ends_the_pause_after_failures(void **state)
{
	struct rig r;
	struct asked a;
	const char *args[] = {"exit-at-once", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.restart_ms_min = r.options.restart_ms_max = 600000;
	rig_start(&r);
	rig_settle(&r);
	rig_wait(&r, rig_state_is(&r, "backoff"));
	assert_int_equal(restart(&r, "fake", &a), ERR_NONE);
	assert_non_null(strstr(a.text, "\"state\":\"starting\""));
	rig_wait(&r, rig_state_is(&r, "backoff"));
	assert_int_equal(state_number(&r, "/servers/0/restarts"), 1);
	rig_free(&r);
}

static void restart__of_one_that_starts_keeps_the_calls_that_wait(void **state)
{
	struct rig r;
	struct asked a;
	struct outcome o;
	const char *args[] = {"never-init", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_call(&r, "fake", "echo", "{}", 0, &o);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	assert_int_equal(restart(&r, "fake", &a), ERR_NONE);
	rig_wait(&r, state_number(&r, "/servers/0/restarts") == 1);
	assert_int_equal(o.ends, 0);
	assert_int_equal(state_number(&r, "/servers/0/calls_in_flight"), 1);
	rig_stop(&r);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	rig_free(&r);
}

static void restart__is_refused_for_what_cannot_be(void **state)
{
	struct rig r;
	struct asked a;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	r.servers[0].enabled = false;
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(restart(&r, "fake", &a), ERR_CONFLICT);
	assert_int_equal(restart(&r, "nobody", &a), ERR_NOT_FOUND);
	assert_string_equal(a.text, "");
	rig_free(&r);
}

static void restart__gives_way_to_the_stop_of_the_whole(void **state)
{
	struct rig r;
	struct asked a;
	struct outcome running, waiting;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.drain_ms_max = 15000;
	rig_start(&r);
	rig_settle(&r);
	rig_call(&r, "fake", "sleep", "{\"ms\":600000}", 0, &running);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	assert_int_equal(restart(&r, "fake", &a), ERR_NONE);
	rig_call(&r, "fake", "echo", "{}", 0, &waiting);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 2);
	rig_stop(&r);
	rig_wait(&r, running.ends && waiting.ends);
	assert_false(waiting.sent);
	assert_int_equal(r.exits, 1);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart__replaces_the_process),
		cmocka_unit_test(restart__waits_for_running_calls_and_lets_others_wait),
		cmocka_unit_test(restart__loses_a_call_that_does_not_end_in_time),
		cmocka_unit_test(restart__ends_the_pause_after_failures),
		cmocka_unit_test(restart__of_one_that_starts_keeps_the_calls_that_wait),
		cmocka_unit_test(restart__is_refused_for_what_cannot_be),
		cmocka_unit_test(restart__gives_way_to_the_stop_of_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
