/* SPDX-License-Identifier: Apache-2.0 */
/* Instances that end by themselves: idle ones, and those that are too old; and what their calls see of it. */
#include "tests/unit/mcp/pool_rig.h"

static void rest__shared_one_stops_when_idle_and_starts_with_a_call(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	rig_one(&r, REMEMBERS);
	r.servers[0].idle_stop_ms = 50;
	rig_start(&r);
	rig_settle(&r);
	rig_wait(&r, rig_state_is(&r, "idle"));
	assert_int_equal(r.exits, 1);
	assert_int_equal(instances(&r), 0);
	assert_true(json_is(rig_state(&r, "/servers/0/last_error"), JSON_NULL));
	assert_string_equal(state_text(&r, "/servers/0/last_end/why"), "it was idle (idle_stop)");
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	assert_non_null(mcp_catalog_find(c, "fake__grow")); /* still offered */
	mcp_catalog_drop(c);
	rig_call_wait(&r, "fake", "grow", "{}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_equal(state_number(&r, "/servers/0/starts"), 2);
	rig_wait(&r, rig_state_is(&r, "idle"));
	rig_free(&r);
}

static void rest__one_that_works_is_not_idle(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	rig_one(&r, REMEMBERS);
	r.servers[0].idle_stop_ms = 30;
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "sleep", "{\"ms\":400}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(state_number(&r, "/servers/0/starts") <= 2); /* it may have rested before the call */
	rig_wait(&r, rig_state_is(&r, "idle"));
	rig_free(&r);
}

static void rest__idle_one_can_be_stopped(void **state)
{
	struct rig r;
	(void)state;
	rig_one(&r, REMEMBERS);
	r.servers[0].idle_stop_ms = 100;
	rig_start(&r);
	rig_settle(&r);
	rig_wait(&r, rig_state_is(&r, "idle"));
	rig_stop(&r);
	assert_string_equal(state_text(&r, "/servers/0/state"), "stopped");
	rig_free(&r);
}

static void rest__instance_of_a_task_that_says_nothing_ends(void **state)
{
	struct rig r;
	(void)state;
	pool_rig(&r, REMEMBERS)->idle_stop_ms = 150;
	r.servers[0].warm = 1;
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(task_grow(&r, "one"), 1);
	rig_wait(&r, instance_pid(&r, "one") == 0);
	rig_wait(&r, strcmp(state_text(&r, "/servers/0/last_end/why"), "it was idle (idle_stop)") == 0);
	assert_int_equal(instances(&r), 1); /* the spare waits however long it takes */
	assert_int_equal(task_grow(&r, "one"), 1);
	rig_free(&r);
}

static void rest__too_old_one_is_replaced_between_calls(void **state)
{
	struct rig r;
	struct outcome running, waiting;
	(void)state;
	rig_one(&r, REMEMBERS);
	r.servers[0].lifetime_ms_max = 300;
	r.options.drain_ms_max = 0; /* is not what counts here */
	rig_start(&r);
	rig_settle(&r);
	int64_t pid = state_number(&r, "/servers/0/pid");
	rig_call(&r, "fake", "sleep", "{\"ms\":900}", 0, &running);
	rig_wait(&r, rig_state_is(&r, "draining") || running.ends);
	assert_int_equal(running.ends, 0);
	rig_call(&r, "fake", "grow", "{}", 0, &waiting);
	rig_wait(&r, waiting.ends);
	assert_int_equal(running.ends, 1);
	assert_int_equal(running.error.code, ERR_NONE);
	assert_int_equal(waiting.error.code, ERR_NONE);
	assert_int_not_equal(state_number(&r, "/servers/0/last_end/pid"), 0);
	assert_int_not_equal(state_number(&r, "/servers/0/pid"), pid);
	rig_free(&r);
}

static void rest__too_old_instance_of_a_task_makes_room_for_another(void **state)
{
	struct rig r;
	struct outcome running;
	(void)state;
	pool_rig(&r, REMEMBERS)->lifetime_ms_max = 300;
	rig_start(&r);
	rig_settle(&r);
	task_call(&r, "one", "sleep", "{\"ms\":900}", 0, &running);
	rig_wait(&r, strcmp(state_text(&r, "/servers/0/instances/0/state"), "draining") == 0 || running.ends);
	assert_int_equal(running.ends, 0);
	assert_int_equal(task_grow(&r, "one"), 1); /* not held up */
	rig_wait(&r, running.ends);
	assert_int_equal(running.error.code, ERR_NONE);
	rig_free(&r);
}

static void rest__one_without_limits_has_no_timer(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	rig_one(&r, REMEMBERS);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "grow", "{}", &o);
	rig_wait(&r, state_number(&r, "/servers/0/tools") == 8); /* the burst is over */
	int64_t before_ms = clock_mono_ms();
	loop_turn(r.loop, 300); /* returns sooner when anything is due */
	loop_turn(r.loop, 300);
	assert_true(clock_mono_ms() - before_ms >= 300);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rest__shared_one_stops_when_idle_and_starts_with_a_call),
		cmocka_unit_test(rest__one_that_works_is_not_idle),
		cmocka_unit_test(rest__idle_one_can_be_stopped),
		cmocka_unit_test(rest__instance_of_a_task_that_says_nothing_ends),
		cmocka_unit_test(rest__too_old_one_is_replaced_between_calls),
		cmocka_unit_test(rest__too_old_instance_of_a_task_makes_room_for_another),
		cmocka_unit_test(rest__one_without_limits_has_no_timer),
	};
	return cmocka_run_group_tests_name("server_rest", tests, NULL, NULL);
}
