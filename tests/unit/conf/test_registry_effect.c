/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator says of a server's tools: trust in annotations, effects by hand, and what is refused. */
#include "conf_test.h"

static void registry_effects_read__both_forms(void **state)
{
	static const char *const texts[] = {
		"tool_registry:\n"
		"  - id: a\n"
		"    trust_annotations: true\n"
		"    tools: {send: {effect: write}, put: {effect: idempotent}, look: {effect: read}}\n"
		"    config: {command: x}\n"
		"  - {id: b, trust_annotations: false, config: {command: x}}\n"
		"  - {id: c, config: {command: x}}\n",
		"{\"mcpServers\": {\"a\": {\"command\": \"x\", \"trust_annotations\": true, \"tools\": "
		"{\"send\": {\"effect\": \"write\"}, \"put\": {\"effect\": \"idempotent\"}, \"look\": "
		"{\"effect\": \"read\"}}}, \"b\": {\"command\": \"x\", \"trust_annotations\": false}, "
		"\"c\": {\"command\": \"x\", \"tools\": {}}}}"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct conf_registry *r;
		struct error e;
		if (registry_loaded(texts[i], &r, &e))
			fail_msg("%s", e.msg);
		const struct conf_tool_server *s = r->servers;
		assert_int_equal(s[0].trust, CONF_TRUST_ALL);
		assert_int_equal(s[1].trust, CONF_TRUST_NONE);
		assert_int_equal(s[2].trust, CONF_TRUST_LOCAL_READS);
		assert_int_equal(s[0].effects_count, 3);
		assert_int_equal(s[2].effects_count, 0);
		assert_string_equal(s[0].effects[0].tool, "send");
		assert_int_equal(s[0].effects[0].effect, CONF_EFFECT_WRITE);
		assert_string_equal(s[0].effects[1].tool, "put");
		assert_int_equal(s[0].effects[1].effect, CONF_EFFECT_IDEMPOTENT);
		assert_string_equal(s[0].effects[2].tool, "look");
		assert_int_equal(s[0].effects[2].effect, CONF_EFFECT_READ);
		conf_registry_free(r);
	}
}

static void registry_effects_read__says_what_is_wrong(void **state)
{
	(void)state;
#define ONE "tool_registry:\n  - id: a\n    config: {command: x}\n    "
	assert_registry_refused(ONE "trust_annotations: maybe\n",
				":4:24: trust_annotations must be true or false");
	assert_registry_refused(ONE "tools: [look]\n", ":4:12: tools must be a map of tools, is a list");
	assert_registry_refused(ONE "tools: {look: read}\n", "an entry of tools must be a map, is text");
	assert_registry_refused(ONE "tools: {look: {}}\n", "look needs an effect");
	assert_registry_refused(ONE "tools: {look: {effect: reed}}\n",
				":4:28: unknown effect \"reed\"; did you mean read?");
	assert_registry_refused(ONE "tools: {look: {efect: read}}\n",
				"an entry of tools has no option efect; did you mean effect?");
#undef ONE
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_effects_read__both_forms),
		cmocka_unit_test(registry_effects_read__says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
