/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of tasks as the supervisor learns of them, also when the worker that knew died before it told. */
#include "tests/unit/mcp/pool_rig.h"

static const char *over = "";

static bool is_over(const char *task_id, void *arg)
{
	(*(int *)arg)++;
	return strcmp(task_id, over) == 0;
}

static void task__instance_outlives_its_worker_and_is_asked_for(void **state)
{
	struct rig r;
	int asked = 0;
	(void)state;
	pool_rig(&r, REMEMBERS);
	rig_start(&r);
	rig_settle(&r);
	mcp_client_on_task_asked(r.client, is_over, &asked);
	task_grow(&r, "one");
	task_grow(&r, "two");
	task_grow(&r, NULL);
	over = "two";
	rig_connect(&r); /* as a worker that comes in place of one that died */
	rig_wait(&r, asked == 2);
	rig_wait(&r, instances(&r) == 2);
	assert_int_equal(instance_pid(&r, "two"), 0);
	assert_int_equal(task_grow(&r, "one"), 2); /* goes on where it was */
	rig_free(&r);
}

static void task__call_of_a_worker_that_is_gone_is_given_up_only(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	pool_rig(&r, REMEMBERS);
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(task_grow(&r, "one"), 1);
	task_call(&r, "one", "sleep", "{\"ms\":600000}", 0, &o);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	rig_connect(&r);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_LOST);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 0);
	assert_int_equal(task_grow(&r, "one"), 2);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__instance_outlives_its_worker_and_is_asked_for),
		cmocka_unit_test(task__call_of_a_worker_that_is_gone_is_given_up_only),
	};
	return cmocka_run_group_tests_name("broker_task", tests, NULL, NULL);
}
