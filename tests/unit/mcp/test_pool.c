/* SPDX-License-Identifier: Apache-2.0 */
/* Pools as the registry changes under them: all instances are replaced, none in the middle of a call. */
#include "tests/unit/mcp/pool_rig.h"

static struct mcp_server_options rows[2];
static int released;

static void release(void *arg)
{
	(void)arg;
	released++;
}

static struct mcp_server_options *row(int i, const char *fingerprint)
{
	rows[i] = (struct mcp_server_options){.id = "fake",
					      .enabled = true,
					      .command = rig_fake(),
					      .args = REMEMBERS,
					      .scope = MCP_TASK,
					      .instances_max = 4,
					      .fingerprint = fingerprint};
	return &rows[i];
}

static void give(struct rig *r, int i)
{
	struct mcp_auth_common none = {0};
	struct mcp_rows set = {.rows = &rows[i], .count = 1, .release = release};
	mcp_broker_reload(r->broker, &set, &none);
}

static void begin(struct rig *r)
{
	released = 0;
	rig_init(r);
	r->options.drain_ms_max = 15000;
	rig_start(r);
	give(r, 0);
	rig_wait(r, state_number(r, "/servers/0/tools") == 7);
	rig_wait(r, mcp_client_settled(r->client));
}

static void pool__replaces_all_instances_after_their_calls(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	row(0, "1");
	row(1, "2");
	begin(&r);
	assert_int_equal(task_grow(&r, "one"), 1);
	assert_int_equal(task_grow(&r, "two"), 1);
	task_call(&r, "one", "sleep", "{\"ms\":300}", 0, &o);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	give(&r, 1);
	assert_int_equal(task_grow(&r, "two"), 1); /* another one */
	assert_int_equal(task_grow(&r, "one"), 1);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_NONE);
	rig_wait(&r, instances(&r) == 2 && released == 1);
	rig_free(&r);
	assert_int_equal(released, 2);
}

static void pool__changes_its_scope_both_ways(void **state)
{
	struct rig r;
	(void)state;
	row(0, "1");
	row(1, "2")->scope = MCP_SHARED;
	rows[1].instances_max = 1;
	begin(&r);
	assert_int_equal(task_grow(&r, "one"), 1);
	give(&r, 1);
	assert_int_equal(task_grow(&r, "one"), 1);
	assert_int_equal(task_grow(&r, "two"), 2);
	rig_wait(&r, instances(&r) == 1);
	assert_string_equal(state_text(&r, "/servers/0/scope"), "shared");
	row(0, "3");
	give(&r, 0);
	assert_int_equal(task_grow(&r, "one"), 1);
	assert_int_equal(task_grow(&r, "two"), 1);
	rig_wait(&r, instances(&r) == 2);
	rig_free(&r);
}

static void pool__disabled_and_enabled_again(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	row(0, "1")->warm = 1;
	row(1, "2")->enabled = false;
	begin(&r);
	task_grow(&r, "one");
	give(&r, 1);
	task_call_wait(&r, "one", "grow", &o);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(o.error.msg, "disabled"));
	rig_wait(&r, rig_state_is(&r, "stopped") && instances(&r) == 0);
	assert_int_equal(state_number(&r, "/servers/0/tools"), 0);
	row(0, "3");
	give(&r, 0);
	rig_wait(&r, state_number(&r, "/servers/0/tools") == 7);
	assert_int_equal(task_grow(&r, "one"), 1);
	rig_free(&r);
}

static void asked_end(struct slice text, const struct error *e, void *arg)
{
	(void)text;
	*(int *)arg = e ? (int)e->code : -1;
}

static void pool__restart_replaces_spares_and_all(void **state)
{
	struct rig r;
	int answer = 0;
	(void)state;
	row(0, "1")->warm = 1;
	begin(&r);
	task_grow(&r, "one");
	rig_wait(&r, instance_pid(&r, NULL) > 0);
	int64_t spare = instance_pid(&r, NULL);
	mcp_client_restart(r.client, "fake", asked_end, &answer);
	rig_wait(&r, answer);
	assert_int_equal(answer, -1);
	rig_wait(&r, instances(&r) == 1 && instance_pid(&r, NULL) > 0 && instance_pid(&r, NULL) != spare);
	assert_int_equal(task_grow(&r, "one"), 1);
	rig_free(&r);
}

static void pool__stop_of_the_whole_ends_all(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	row(0, "1")->warm = 2;
	begin(&r);
	task_grow(&r, "one");
	task_call(&r, "two", "sleep", "{\"ms\":600000}", 0, &o);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	rig_stop(&r);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool__replaces_all_instances_after_their_calls),
		cmocka_unit_test(pool__changes_its_scope_both_ways),
		cmocka_unit_test(pool__disabled_and_enabled_again),
		cmocka_unit_test(pool__restart_replaces_spares_and_all),
		cmocka_unit_test(pool__stop_of_the_whole_ends_all),
	};
	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
