/* SPDX-License-Identifier: Apache-2.0 */
/* A registry that is read again: who is started, replaced, stopped and left alone, and when it is let go. */
#include "tests/unit/mcp/rig.h"

static const char *const ECHO[] = {"echo", NULL};

/* One registry with its owner. */
struct set {
	struct mcp_server_options rows[4];
	size_t count;
	int released;
};

static void set_release(void *arg)
{
	struct set *s = arg;
	s->released++;
	memset(s->rows, 0xa5, sizeof(s->rows)); /* whoever still looks at it does not get far */
}

static struct mcp_server_options *set_add(struct set *s, const char *id, const char *fingerprint)
{
	struct mcp_server_options *o = &s->rows[s->count++];
	*o = (struct mcp_server_options){
		.id = id, .enabled = true, .command = rig_fake(), .args = ECHO, .fingerprint = fingerprint};
	return o;
}

static void set_give(struct rig *r, struct set *s)
{
	struct mcp_auth_common none = {0};
	struct mcp_rows rows = {.rows = s->rows, .count = s->count, .release = set_release, .arg = s};
	mcp_broker_reload(r->broker, &rows, &none);
}

static void begin(struct rig *r, struct set *first)
{
	rig_init(r);
	r->options.drain_ms_max = 15000;
	rig_start(r);
	set_give(r, first);
	rig_wait(r, mcp_client_settled(r->client));
}

static size_t tools_count(struct rig *r)
{
	const struct mcp_catalog *c = mcp_client_catalog(r->client);
	size_t count = c->count;
	mcp_catalog_drop(c);
	return count;
}

static void reload__of_the_same_touches_nothing(void **state)
{
	struct rig r;
	struct set one = {0}, two = {0};
	(void)state;
	set_add(&one, "a", "1");
	set_add(&two, "a", "1");
	begin(&r, &one);
	int64_t pid = state_number(&r, "/servers/0/pid");
	set_give(&r, &two);
	assert_int_equal(state_number(&r, "/servers/0/pid"), pid);
	assert_int_equal(two.released, 1); /* nobody was made from it */
	assert_int_equal(one.released, 0);
	rig_free(&r);
	assert_int_equal(one.released, 1);
}

static void reload__starts_replaces_and_stops(void **state)
{
	struct rig r;
	struct set one = {0}, two = {0};
	(void)state;
	set_add(&one, "same", "1");
	set_add(&one, "gone", "1");
	set_add(&one, "other", "1");
	set_add(&two, "new", "1");
	set_add(&two, "other", "2");
	set_add(&two, "same", "1");
	begin(&r, &one);
	int64_t same = state_number(&r, "/servers/0/pid"), other = state_number(&r, "/servers/2/pid");
	assert_int_equal(tools_count(&r), 18);
	set_give(&r, &two);
	rig_wait(&r, r.exits == 2 && rig_state_is(&r, "ready"));
	rig_wait(&r, strcmp(state_text(&r, "/servers/1/state"), "ready") == 0);
	assert_string_equal(state_text(&r, "/servers/0/id"), "new");
	assert_int_not_equal(state_number(&r, "/servers/1/pid"), other);
	/* What ended has left the list when its row is freed, a moment after its process. */
	rig_wait(&r, !rig_state(&r, "/servers/3"));
	assert_int_equal(state_number(&r, "/servers/2/pid"), same);
	assert_int_equal(one.released, 0); /* "same" is still made from it */
	assert_true(mcp_client_settled(r.client));
	rig_free(&r);
	assert_int_equal(one.released, 1);
	assert_int_equal(two.released, 1);
}

static void reload__removes_a_server_after_its_calls(void **state)
{
	struct rig r;
	struct set one = {0}, two = {0};
	struct outcome running, late;
	(void)state;
	set_add(&one, "a", "1");
	begin(&r, &one);
	rig_call(&r, "a", "sleep", "{\"ms\":200}", 0, &running);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	set_give(&r, &two);
	rig_call_wait(&r, "a", "echo", "{}", &late);
	assert_int_equal(late.error.code, ERR_NOT_FOUND);
	rig_wait(&r, tools_count(&r) == 0);
	assert_string_equal(state_text(&r, "/servers/0/state"), "draining");
	rig_wait(&r, running.ends);
	assert_int_equal(running.error.code, ERR_NONE);
	rig_wait(&r, one.released);
	assert_null(rig_state(&r, "/servers/0"));
	rig_free(&r);
}

static void reload__of_one_that_comes_back_before_it_is_gone(void **state)
{
	struct rig r;
	struct set one = {0}, none = {0}, two = {0};
	struct outcome running, waiting;
	(void)state;
	set_add(&one, "a", "1");
	set_add(&two, "a", "1");
	begin(&r, &one);
	rig_call(&r, "a", "sleep", "{\"ms\":200}", 0, &running);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 1);
	set_give(&r, &none);
	set_give(&r, &two);
	rig_call(&r, "a", "echo", "{\"text\":\"x\"}", 0, &waiting);
	rig_wait(&r, running.ends && waiting.ends);
	assert_int_equal(running.error.code, ERR_NONE);
	assert_int_equal(waiting.error.code, ERR_NONE);
	assert_int_equal(one.released, 1);
	assert_null(rig_state(&r, "/servers/1"));
	rig_free(&r);
}

static void reload__disables_and_enables(void **state)
{
	struct rig r;
	struct set on = {0}, off = {0}, again = {0};
	struct outcome o;
	(void)state;
	set_add(&on, "a", "on");
	set_add(&off, "a", "off")->enabled = false;
	set_add(&again, "a", "on");
	begin(&r, &on);
	set_give(&r, &off);
	rig_call_wait(&r, "a", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	rig_wait(&r, rig_state_is(&r, "stopped") && tools_count(&r) == 0);
	assert_int_equal(r.exits, 1);
	set_give(&r, &again);
	rig_call_wait(&r, "a", "echo", "{\"text\":\"x\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	rig_wait(&r, tools_count(&r) == 6);
	rig_free(&r);
}

static void reload__while_all_is_stopped_is_let_go(void **state)
{
	struct rig r;
	struct set one = {0}, two = {0};
	(void)state;
	set_add(&one, "a", "1");
	set_add(&two, "b", "1");
	begin(&r, &one);
	rig_stop(&r);
	set_give(&r, &two);
	assert_int_equal(two.released, 1);
	assert_string_equal(state_text(&r, "/servers/0/id"), "a");
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reload__of_the_same_touches_nothing),
		cmocka_unit_test(reload__starts_replaces_and_stops),
		cmocka_unit_test(reload__removes_a_server_after_its_calls),
		cmocka_unit_test(reload__of_one_that_comes_back_before_it_is_gone),
		cmocka_unit_test(reload__disables_and_enables),
		cmocka_unit_test(reload__while_all_is_stopped_is_let_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
