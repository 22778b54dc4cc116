/* SPDX-License-Identifier: Apache-2.0 */
/* Starts take turns, and a server that leaves the queue leaves nothing in it. */
#include "tests/unit/mcp/rig.h"

static int with_state(struct rig *r, const char *state)
{
	int n = 0;
	const struct json *list = rig_state(r, "/servers");
	for (const struct json *s = json_first(list); s; s = json_next(s))
		n += strcmp(json_get_text(s, "state", ""), state) == 0;
	return n;
}

static void start__one_at_a_time(void **state)
{
	struct rig r;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	rig_add(&r, "b", rig_fake(), args);
	rig_add(&r, "c", rig_fake(), args);
	r.options.starts_max = 1;
	rig_start(&r);
	assert_int_equal(with_state(&r, "starting"), 1);
	assert_int_equal(with_state(&r, "waiting"), 2);
	while (!mcp_client_settled(r.client)) {
		assert_true(with_state(&r, "starting") <= 1);
		loop_turn(r.loop, 100);
	}
	assert_int_equal(with_state(&r, "ready"), 3);
	rig_free(&r);
}

static void start__failed_one_lets_the_next_one_in(void **state)
{
	struct rig r;
	const char *bad[] = {"exit-at-once", NULL}, *good[] = {"echo", NULL};
	(void)state;
	rig_one(&r, bad);
	rig_add(&r, "missing", "/no/such/program", good);
	rig_add(&r, "c", rig_fake(), good);
	r.options.starts_max = 1;
	r.options.restart_ms_min = r.options.restart_ms_max = 600000;
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(with_state(&r, "ready"), 1);
	rig_wait(&r, with_state(&r, "backoff") == 2);
	rig_free(&r);
}

static void start__call_of_one_that_waits_its_turn_says_so(void **state)
{
	struct rig r;
	struct outcome o;
	const char *deaf[] = {"never-init", NULL}, *good[] = {"echo", NULL};
	(void)state;
	rig_one(&r, deaf);
	rig_add(&r, "b", rig_fake(), good);
	r.options.starts_max = 1;
	rig_start(&r);
	rig_call(&r, "b", "echo", "{}", 50, &o);
	rig_wait(&r, o.ends);
	assert_int_equal(o.error.code, ERR_TIMEOUT);
	assert_non_null(strstr(o.error.msg, "tools.starts_max"));
	rig_stop(&r); /* with one in the queue */
	assert_int_equal(r.exits, 1);
	rig_free(&r);
}

static void start__slow_one_holds_up_nobody_who_waits_for_all(void **state)
{
	struct rig r;
	const char *slow[] = {"slow-start", "3000", NULL};
	(void)state;
	const char *good[] = {"echo", NULL};
	rig_one(&r, slow);
	rig_add(&r, "b", rig_fake(), good)->start_ms = 15000;
	r.options.start_ms_max = 100;
	r.options.starts_max = 1;
	r.servers[0].start_ms = 15000; /* npx may well download for minutes */
	rig_start(&r);
	rig_settle(&r);
	assert_string_equal(state_text(&r, "/servers/0/state"), "starting");
	rig_wait(&r, strcmp(state_text(&r, "/servers/1/state"), "ready") == 0);
	assert_string_equal(state_text(&r, "/servers/0/state"), "starting");
	assert_true(json_is(rig_state(&r, "/servers/0/last_error"), JSON_NULL));
	rig_wait(&r, rig_state_is(&r, "ready"));
	assert_int_equal(state_number(&r, "/servers/0/restarts"), 0);
	rig_free(&r);
}

static void start__has_its_own_time(void **state)
{
	struct rig r;
	const char *deaf[] = {"never-init", NULL};
	(void)state;
	rig_one(&r, deaf);
	r.servers[0].start_ms = 100;
	r.options.restart_ms_min = r.options.restart_ms_max = 600000;
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(
		strstr(state_text(&r, "/servers/0/last_error"), "start_seconds in its registry entry"));
	rig_free(&r);
}

static size_t tools_count(struct rig *r)
{
	const struct mcp_catalog *c = mcp_client_catalog(r->client);
	size_t count = c->count;
	mcp_catalog_drop(c);
	return count;
}

static void start__failed_first_one_under_a_new_supervisor_takes_no_tool_away(void **state)
{
	struct rig r;
	const char *good[] = {"echo", NULL}, *bad[] = {"exit-at-once", NULL};
	(void)state;
	rig_one(&r, good);
	r.options.restart_ms_min = r.options.restart_ms_max = 300;
	rig_start(&r);
	rig_settle(&r);
	size_t known = tools_count(&r);
	assert_true(known > 0);
	rig_stop(&r);
	mcp_broker_free(r.broker);
	r.servers[0].args = bad;
	r.stopped = false;
	r.broker = mcp_broker_new(r.loop, &r.options);
	rig_connect(&r);
	assert_int_equal(tools_count(&r), known);
	rig_wait(&r, rig_state_is(&r, "backoff"));
	rig_settle(&r);
	assert_int_equal(tools_count(&r), known);
	rig_wait(&r, tools_count(&r) == 0); /* it fails again: nobody knows when it will be back */
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start__one_at_a_time),
		cmocka_unit_test(start__failed_one_lets_the_next_one_in),
		cmocka_unit_test(start__call_of_one_that_waits_its_turn_says_so),
		cmocka_unit_test(start__slow_one_holds_up_nobody_who_waits_for_all),
		cmocka_unit_test(start__has_its_own_time),
		cmocka_unit_test(start__failed_first_one_under_a_new_supervisor_takes_no_tool_away),
	};
	return cmocka_run_group_tests_name("broker_start", tests, NULL, NULL);
}
