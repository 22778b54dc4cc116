/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator says of a server's confinement: in both forms, off, defaults, and what is refused. */
#include "conf_test.h"

static void registry_sandbox_read__both_forms(void **state)
{
	static const char *const texts[] = {
		"tool_registry:\n"
		"  - id: a\n"
		"    sandbox: {read: [/srv/a, \"${REGISTRY_DIR}/b\"], write: [/srv/c], network: loopback, "
		"cpu: 9,\n"
		"              memory: 100, processes: 20, files: 0, file_size: 7, require: true, log_files: "
		"false}\n"
		"    config: {command: x}\n"
		"  - {id: b, sandbox: off, config: {command: x}}\n"
		"  - {id: c, config: {command: x}}\n",
		"{\"mcpServers\": {\"a\": {\"command\": \"x\", \"sandbox\": {\"read\": [\"/srv/a\", "
		"\"${REGISTRY_DIR}/b\"], \"write\": [\"/srv/c\"], \"network\": \"loopback\", \"cpu\": 9, "
		"\"memory\": 100, \"processes\": 20, \"files\": 0, \"file_size\": 7, \"require\": true, "
		"\"log_files\": false}}, "
		"\"b\": "
		"{\"command\": \"x\", \"sandbox\": false}, \"c\": {\"command\": \"x\"}}}"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct conf_registry *r;
		struct error e;
		if (registry_loaded(texts[i], &r, &e))
			fail_msg("%s", e.msg);
		const struct conf_sandbox *s = &r->servers[0].sandbox, *plain = &r->servers[2].sandbox;
		assert_string_equal(s->read[0], "/srv/a");
		assert_non_null(strstr(s->read[1], "/conf-test-"));
		assert_null(s->read[2]);
		assert_string_equal(s->write[0], "/srv/c");
		assert_int_equal(s->network, CONF_NETWORK_LOOPBACK);
		assert_int_equal(s->cpu_seconds, 9);
		assert_int_equal(s->memory_mib, 100);
		assert_int_equal(s->processes, 20);
		assert_int_equal(s->files, 0);
		assert_int_equal(s->file_size_mib, 7);
		assert_true(s->require && !s->off && !s->log_files);
		assert_true(r->servers[1].sandbox.off);
		assert_true(!plain->off && !plain->require && plain->log_files && !plain->read &&
			    !plain->write);
		assert_int_equal(plain->network, CONF_NETWORK_NONE);
		assert_int_equal(plain->processes, CONF_SANDBOX_PROCESSES);
		conf_registry_free(r);
	}
}

static void registry_sandbox_read__says_what_is_wrong(void **state)
{
	(void)state;
#define ONE "tool_registry:\n  - id: a\n    config: {command: x}\n    sandbox: "
	assert_registry_refused(ONE "of\n", ":4:14: sandbox must be a map, on or off, is other text");
	assert_registry_refused(ONE "{reads: [/a]}\n", "sandbox has no option reads; did you mean read?");
	assert_registry_refused(ONE "{read: /a}\n", ":4:21: read must be a list of paths, is text");
	assert_registry_refused(ONE "{read: [a/b]}\n",
				":4:22: a path of sandbox must be absolute, is \"a/b\"");
	assert_registry_refused(ONE "{write: [\"${NOT_SET}\"]}\n",
				"the environment variable NOT_SET is not set");
	assert_registry_refused(ONE "{network: loopbak}\n",
				"unknown network \"loopbak\"; did you mean loopback?");
	assert_registry_refused(ONE "{cpu: -1}\n", ":4:20: cpu must be a whole number from 0 (no limit)");
	assert_registry_refused(ONE "{memory: 1g}\n", "memory must be a whole number");
	assert_registry_refused(ONE "{files: 99999999}\n",
				"files must be a whole number from 0 (no limit) to 1048576");
	assert_registry_refused(ONE "{require: yes}\n", "require must be true or false");
	assert_registry_refused(ONE "{log_files: all}\n", "log_files must be true or false");
	assert_registry_refused("tool_registry:\n  - {id: a, config: {url: \"https://x/\"}, sandbox: off}\n",
				"is reached by its url and takes no sandbox");
#undef ONE
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_sandbox_read__both_forms),
		cmocka_unit_test(registry_sandbox_read__says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
