/* SPDX-License-Identifier: Apache-2.0 */
/* One instance for each task: who gets which, spares, how many there may be, and what a failed start does. */
#include "tests/unit/mcp/pool_rig.h"

static void task__has_an_instance_of_its_own(void **state)
{
	struct rig r;
	(void)state;
	pool_rig(&r, REMEMBERS);
	rig_start(&r);
	rig_settle(&r);
	rig_wait(&r, r.exits == 1 && instances(&r) == 0); /* the one that told the tools */
	assert_string_equal(state_text(&r, "/servers/0/state"), "idle");
	assert_string_equal(state_text(&r, "/servers/0/scope"), "task");
	assert_int_equal(state_number(&r, "/servers/0/tools"), 7);
	assert_int_equal(task_grow(&r, "one"), 1);
	assert_int_equal(task_grow(&r, "one"), 2);
	assert_int_equal(task_grow(&r, "two"), 1);
	assert_int_equal(task_grow(&r, "one"), 3);
	assert_int_equal(instances(&r), 2);
	assert_int_not_equal(instance_pid(&r, "one"), instance_pid(&r, "two"));
	rig_free(&r);
}

static void task__end_takes_its_instance_and_nobody_elses(void **state)
{
	struct rig r;
	(void)state;
	pool_rig(&r, REMEMBERS);
	rig_start(&r);
	rig_settle(&r);
	task_grow(&r, "one");
	task_grow(&r, "two");
	int64_t two = instance_pid(&r, "two");
	mcp_client_task_ended(r.client, "one");
	mcp_client_task_ended(r.client, "never-seen");
	rig_wait(&r, instances(&r) == 1);
	assert_int_equal(instance_pid(&r, "two"), two);
	assert_string_equal(state_text(&r, "/servers/0/last_end/task_id"), "one");
	assert_string_equal(state_text(&r, "/servers/0/last_end/why"), "its task has ended");
	assert_string_equal(state_text(&r, "/servers/0/last_end/stop_step"), "eof");
	assert_int_equal(task_grow(&r, "one"), 1); /* nothing is left of it */
	rig_free(&r);
}

static void task__end_waits_for_no_call_that_was_given_up(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	pool_rig(&r, REMEMBERS);
	rig_start(&r);
	rig_settle(&r);
	struct mcp_call_request q = {"fake", "sleep", slice_str("{\"ms\":600000}"), "one", 0, false, NULL};
	struct mcp_call_handler h = {.on_end = outcome_end, .arg = &o};
	struct mcp_call *call = mcp_call_start(r.client, &q, h);
	rig_wait(&r, strcmp(state_text(&r, "/servers/0/instances/0/state"), "ready") == 0);
	mcp_client_task_ended(r.client, "one"); /* before the call is given up, as it may come */
	mcp_call_cancel(call);
	rig_wait(&r, instances(&r) == 0);
	rig_free(&r);
}

static void task__spare_is_taken_and_made_good(void **state)
{
	struct rig r;
	(void)state;
	pool_rig(&r, REMEMBERS)->warm = 1;
	rig_start(&r);
	rig_settle(&r);
	int64_t spare = instance_pid(&r, NULL);
	assert_true(spare > 0);
	assert_string_equal(state_text(&r, "/servers/0/state"), "ready");
	int64_t starts = state_number(&r, "/servers/0/starts");
	task_grow(&r, "one");
	assert_int_equal(instance_pid(&r, "one"), spare);
	rig_wait(&r, instance_pid(&r, NULL) > 0);
	assert_int_not_equal(instance_pid(&r, NULL), spare);
	assert_int_equal(state_number(&r, "/servers/0/starts"), starts + 1);
	rig_free(&r);
}

static void task__waits_for_an_instance_of_another(void **state)
{
	struct rig r;
	struct outcome two, three;
	(void)state;
	struct mcp_server_options *o = pool_rig(&r, REMEMBERS);
	o->instances_max = 1;
	rig_start(&r);
	rig_settle(&r);
	task_grow(&r, "one");
	task_call(&r, "two", "grow", "{}", 0, &two);
	task_call(&r, "three", "grow", "{}", 50, &three);
	rig_wait(&r, three.ends);
	assert_int_equal(three.error.code, ERR_FULL);
	assert_false(three.sent);
	assert_non_null(strstr(three.error.msg, "all 1 instances"));
	assert_non_null(strstr(three.error.msg, "max_instances"));
	assert_int_equal(two.ends, 0);
	assert_string_equal(state_text(&r, "/servers/0/instances/1/state"), "waiting");
	mcp_client_task_ended(r.client, "one");
	rig_wait(&r, two.ends);
	assert_int_equal(two.error.code, ERR_NONE);
	assert_int_equal(instances(&r), 1);
	rig_free(&r);
}

static void task__many_at_once_have_only_so_many_processes(void **state)
{
	struct rig r;
	struct outcome o[8];
	char id[8][8];
	(void)state;
	pool_rig(&r, REMEMBERS)->instances_max = 3;
	r.options.calls_per_server_max = 7;
	r.options.starts_max = 1;
	rig_start(&r);
	rig_settle(&r);
	for (int i = 0; i < 8; i++) {
		snprintf(id[i], sizeof(id[i]), "t%d", i);
		task_call(&r, id[i], "grow", "{}", 0, &o[i]);
	}
	rig_wait(&r, o[7].ends);
	assert_int_equal(o[7].error.code, ERR_FULL);
	assert_non_null(strstr(o[7].error.msg, "tools.calls_per_server_max"));
	for (int i = 0; i < 7; i++) {
		rig_wait(&r, o[i].ends);
		assert_int_equal(o[i].error.code, ERR_NONE);
		assert_true(state_number(&r, "/servers/0/starts") - r.exits <= 3);
		mcp_client_task_ended(r.client, id[i]);
	}
	rig_wait(&r, instances(&r) == 0);
	rig_free(&r);
}

static void task__that_gave_up_leaves_no_place_in_the_queue(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	pool_rig(&r, REMEMBERS)->instances_max = 1;
	rig_start(&r);
	rig_settle(&r);
	task_grow(&r, "one");
	task_call(&r, "two", "grow", "{}", 30, &o);
	rig_wait(&r, o.ends);
	rig_wait(&r, instances(&r) == 1);
	assert_int_equal(state_number(&r, "/servers/0/calls_in_flight"), 0);
	rig_free(&r);
}

static void task__crash_harms_its_own_task_only(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"exit-after", "1", NULL};
	(void)state;
	pool_rig(&r, args);
	rig_start(&r);
	rig_settle(&r);
	task_call_wait(&r, "one", "fail", &o);
	task_call_wait(&r, "two", "fail", &o);
	int64_t two = instance_pid(&r, "two");
	task_call_wait(&r, "one", "fail", &o);
	assert_int_equal(o.error.code, ERR_LOST);
	assert_true(o.sent);
	assert_int_equal(instance_pid(&r, "two"), two);
	task_call_wait(&r, "one", "fail", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	rig_free(&r);
}

static void task__failed_starts_open_the_breaker_and_leave_nothing(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"exit-at-once", NULL};
	(void)state;
	pool_rig(&r, args);
	r.options.restart_ms_min = r.options.restart_ms_max = 600000;
	rig_start(&r);
	rig_settle(&r);
	rig_wait(&r, instances(&r) == 0);
	assert_string_equal(state_text(&r, "/servers/0/state"), "backoff");
	int64_t starts = state_number(&r, "/servers/0/starts");
	for (int i = 0; i < 20; i++) {
		task_call_wait(&r, "one", "fail", &o);
		assert_int_equal(o.error.code, ERR_UNAVAILABLE);
		assert_false(o.sent);
		assert_non_null(strstr(o.error.msg, "exited with status 3"));
	}
	assert_int_equal(state_number(&r, "/servers/0/starts"), starts);
	assert_int_equal(r.exits, starts);
	rig_free(&r);
}

static void task__that_is_none_has_an_instance_too(void **state)
{
	struct rig r;
	(void)state;
	pool_rig(&r, REMEMBERS);
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(task_grow(&r, NULL), 1);
	assert_int_equal(task_grow(&r, "one"), 1);
	assert_int_equal(task_grow(&r, NULL), 2);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__has_an_instance_of_its_own),
		cmocka_unit_test(task__end_takes_its_instance_and_nobody_elses),
		cmocka_unit_test(task__end_waits_for_no_call_that_was_given_up),
		cmocka_unit_test(task__spare_is_taken_and_made_good),
		cmocka_unit_test(task__waits_for_an_instance_of_another),
		cmocka_unit_test(task__many_at_once_have_only_so_many_processes),
		cmocka_unit_test(task__that_gave_up_leaves_no_place_in_the_queue),
		cmocka_unit_test(task__crash_harms_its_own_task_only),
		cmocka_unit_test(task__failed_starts_open_the_breaker_and_leave_nothing),
		cmocka_unit_test(task__that_is_none_has_an_instance_too),
	};
	return cmocka_run_group_tests_name("pool_task", tests, NULL, NULL);
}
