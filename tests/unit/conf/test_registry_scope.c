/* SPDX-License-Identifier: Apache-2.0 */
/* How many instances the operator wants, and for how long: both forms, defaults, and what is refused. */
#include "conf_test.h"

static void registry_scope_read__both_forms(void **state)
{
	static const char *const texts[] = {
		"tool_registry:\n"
		"  - id: a\n"
		"    scope: task\n"
		"    warm: 2\n"
		"    max_instances: 4\n"
		"    idle_stop: 0\n"
		"    max_lifetime: 600\n"
		"    start_seconds: 300\n"
		"    config: {command: x}\n"
		"  - {id: b, scope: shared, idle_stop: 60, config: {command: x}}\n",
		"{\"mcpServers\": {\"a\": {\"command\": \"x\", \"scope\": \"task\", \"warm\": 2, "
		"\"max_instances\": 4, \"idle_stop\": 0, \"max_lifetime\": 600, \"start_seconds\": 300}, "
		"\"b\": {\"command\": \"x\", \"idle_stop\": 60}}}"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct conf_registry *r;
		struct error e;
		if (registry_loaded(texts[i], &r, &e))
			fail_msg("%s", e.msg);
		const struct conf_scoping *a = &r->servers[0].scope, *b = &r->servers[1].scope;
		assert_int_equal(a->scope, CONF_SCOPE_TASK);
		assert_int_equal(a->warm, 2);
		assert_int_equal(a->max_instances, 4);
		assert_int_equal(a->idle_stop_seconds, 0);
		assert_int_equal(a->lifetime_seconds, 600);
		assert_int_equal(a->start_seconds, 300);
		assert_int_equal(b->scope, CONF_SCOPE_SHARED);
		assert_int_equal(b->idle_stop_seconds, 60);
		conf_registry_free(r);
	}
}

static void registry_scope_read__defaults(void **state)
{
	struct conf_registry *r;
	struct error e;
	(void)state;
	if (registry_loaded("tool_registry:\n  - {id: a, config: {command: x}}\n"
			    "  - {id: b, scope: task, config: {command: x}}\n",
			    &r, &e))
		fail_msg("%s", e.msg);
	const struct conf_scoping *a = &r->servers[0].scope, *b = &r->servers[1].scope;
	assert_int_equal(a->scope, CONF_SCOPE_SHARED);
	assert_int_equal(a->warm + a->idle_stop_seconds + a->lifetime_seconds + a->start_seconds, 0);
	assert_int_equal(b->max_instances, CONF_SCOPE_INSTANCES);
	assert_int_equal(b->idle_stop_seconds, CONF_SCOPE_IDLE_SECONDS);
	assert_int_equal(b->warm + b->lifetime_seconds + b->start_seconds, 0);
	conf_registry_free(r);
}

static void registry_scope_read__says_what_is_wrong(void **state)
{
	(void)state;
#define ONE "tool_registry:\n  - id: a\n    config: {command: x}\n"
	assert_registry_refused(ONE "    scope: tasks\n",
				":4:12: unknown scope \"tasks\"; did you mean task?");
	assert_registry_refused(ONE "    scope: [task]\n", "unknown scope \"a list\"");
	assert_registry_refused(ONE "    warm: 1\n", "a is one process for all and takes no warm");
	assert_registry_refused(ONE "    max_instances: 1\n", "takes no max_instances (scope: task does)");
	assert_registry_refused(ONE "    scope: task\n    max_instances: 0\n",
				"max_instances must be a whole number from 1 to 10000");
	assert_registry_refused(ONE "    scope: task\n    warm: -1\n", "warm must be a whole number from 0");
	assert_registry_refused(ONE "    scope: task\n    warm: 3\n    max_instances: 2\n",
				":5:11: warm must be at most max_instances, which is 2");
	assert_registry_refused(ONE "    idle_stop: soon\n", "idle_stop must be a whole number");
	assert_registry_refused(ONE "    idle_stop: \"1\"\n", "idle_stop must be a whole number");
	assert_registry_refused(ONE "    max_lifetime: 1.5\n", "max_lifetime must be a whole number");
	assert_registry_refused(ONE "    start_seconds: 0\n", "start_seconds must be a whole number from 1");
	assert_registry_refused(ONE "    idle_stops: 1\n", "did you mean idle_stop?");
}

static void registry_scope_read__a_remote_one_for_each_task(void **state)
{
	struct conf_registry *r;
	struct error e;
	(void)state;
	if (registry_loaded("tool_registry:\n  - id: a\n    scope: task\n    config: {url: \"https://h/\"}\n",
			    &r, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(r->servers[0].scope.scope, CONF_SCOPE_TASK);
	conf_registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_scope_read__both_forms),
		cmocka_unit_test(registry_scope_read__defaults),
		cmocka_unit_test(registry_scope_read__says_what_is_wrong),
		cmocka_unit_test(registry_scope_read__a_remote_one_for_each_task),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
