/* SPDX-License-Identifier: Apache-2.0 */
/* What a server may have of us beside its calls: roots, sampling, a level to log from. */
#include "conf_test.h"

static void registry_offer_read__both_forms(void **state)
{
	static const char *const texts[] = {
		"tool_registry:\n"
		"  - id: a\n"
		"    roots: [/srv/a, \"${REGISTRY_DIR}/b\"]\n"
		"    sampling: ask\n"
		"    log_level: debug\n"
		"    config: {command: x}\n"
		"  - {id: b, config: {command: x}}\n",
		"{\"mcpServers\": {\"a\": {\"command\": \"x\", \"roots\": [\"/srv/a\", "
		"\"${REGISTRY_DIR}/b\"], "
		"\"sampling\": \"ask\", \"log_level\": \"debug\"}, \"b\": {\"command\": \"x\"}}}"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct conf_registry *r;
		struct error e;
		if (registry_loaded(texts[i], &r, &e))
			fail_msg("%s", e.msg);
		const struct conf_tool_server *s = r->servers;
		assert_string_equal(s[0].roots[0], "/srv/a");
		assert_int_equal(s[0].roots[1][0], '/');
		assert_null(s[0].roots[2]);
		assert_int_equal(s[0].sampling, CONF_SAMPLING_ASK);
		assert_string_equal(s[0].log_level, "debug");
		assert_null(s[1].roots);
		assert_int_equal(s[1].sampling, CONF_SAMPLING_OFF);
		assert_string_equal(s[1].log_level, "warning");
		conf_registry_free(r);
	}
}

static void registry_offer_read__says_what_is_wrong(void **state)
{
	(void)state;
#define ONE "tool_registry:\n  - id: a\n    config: {command: x}\n    "
	assert_registry_refused(ONE "roots: /srv\n", "roots must be a list of paths, is text");
	assert_registry_refused(ONE "roots: [a/b]\n", "a path of roots must be absolute, is \"a/b\"");
	assert_registry_refused(ONE "sampling: asks\n", "unknown sampling \"asks\"; did you mean ask?");
	assert_registry_refused(ONE "log_level: warn\n", "unknown log_level \"warn\"");
#undef ONE
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_offer_read__both_forms),
		cmocka_unit_test(registry_offer_read__says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
