/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's rules: which one decides, and what a pattern fits. */
#include "agent/agent_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static enum permit decided(const struct agent_rule *rules, size_t n, const char *tool,
			   enum agent_effect effect, const char *arguments, size_t *rule)
{
	struct agent_policy p = {rules, n};
	struct json *j = json_parse(arguments, strlen(arguments), 0, NULL);
	assert_non_null(j);
	struct policy_call c = {"fs", tool, effect, j};
	enum permit got = policy_decide(&p, &c, rule);
	json_free(j);
	return got;
}

static void policy__without_a_rule_what_reads_is_allowed(void **state)
{
	size_t rule;
	(void)state;
	assert_int_equal(decided(NULL, 0, "t", AGENT_READS, "{}", &rule), PERMIT_ALLOW);
	assert_int_equal(decided(NULL, 0, "t", AGENT_WRITES_ONCE, "{}", &rule), PERMIT_ASK);
	assert_int_equal(decided(NULL, 0, "t", AGENT_WRITES, "{}", &rule), PERMIT_ASK);
	assert_int_equal(rule, 0);
}

static void policy__deny_wins_else_the_first_that_fits(void **state)
{
	const struct agent_rule rules[] = {
		{.tool = "write_*", .decision = PERMIT_ALLOW},
		{.server = "f?", .effects = 1u << AGENT_WRITES, .decision = PERMIT_ASK},
		{.tool = "*_secret", .decision = PERMIT_DENY},
		{.server = "other", .decision = PERMIT_DENY},
	};
	size_t rule;
	(void)state;
	assert_int_equal(decided(rules, 4, "write_file", AGENT_WRITES, "{}", &rule), PERMIT_ALLOW);
	assert_int_equal(rule, 1);
	assert_int_equal(decided(rules, 4, "move", AGENT_WRITES, "{}", &rule), PERMIT_ASK);
	assert_int_equal(rule, 2);
	assert_int_equal(decided(rules, 4, "write_secret", AGENT_WRITES, "{}", &rule), PERMIT_DENY);
	assert_int_equal(rule, 3);
	assert_int_equal(decided(rules, 4, "move", AGENT_READS, "{}", &rule), PERMIT_ALLOW);
	assert_int_equal(rule, 0);
}

static void policy__arguments_must_all_fit(void **state)
{
	static const struct agent_rule_argument two[] = {{"path", "/out/*"}, {"mode", "7"}};
	const struct agent_rule rule = {.arguments = two, .arguments_count = 2, .decision = PERMIT_ALLOW};
	size_t n;
	(void)state;
	assert_int_equal(decided(&rule, 1, "t", AGENT_WRITES, "{\"path\":\"/out/a\",\"mode\":7}", &n),
			 PERMIT_ALLOW);
	assert_int_equal(decided(&rule, 1, "t", AGENT_WRITES, "{\"path\":\"/out/a\",\"mode\":8}", &n),
			 PERMIT_ASK);
	assert_int_equal(decided(&rule, 1, "t", AGENT_WRITES, "{\"path\":\"/out/a\"}", &n), PERMIT_ASK);
}

/* A path that is written otherwise is the same path: no rule is evaded by it. */
static void policy__paths_are_what_they_lead_to(void **state)
{
	static const struct agent_rule_argument out = {"path", "/out/*"}, etc = {"path", "/etc/*"};
	const struct agent_rule allow = {.arguments = &out, .arguments_count = 1, .decision = PERMIT_ALLOW};
	const struct agent_rule deny = {.arguments = &etc, .arguments_count = 1, .decision = PERMIT_DENY};
	size_t n;
	(void)state;
	assert_int_equal(decided(&allow, 1, "t", AGENT_WRITES, "{\"path\":\"/out/a/../b\"}", &n),
			 PERMIT_ALLOW);
	assert_int_equal(decided(&allow, 1, "t", AGENT_WRITES, "{\"path\":\"/out/../etc/passwd\"}", &n),
			 PERMIT_ASK);
	assert_int_equal(decided(&allow, 1, "t", AGENT_WRITES, "{\"path\":\"/out/..\"}", &n), PERMIT_ASK);
	assert_int_equal(decided(&allow, 1, "t", AGENT_WRITES, "{\"path\":\"/x/../out/a\"}", &n), PERMIT_ASK);
	assert_int_equal(decided(&deny, 1, "t", AGENT_READS, "{\"path\":\"/out/../etc/passwd\"}", &n),
			 PERMIT_DENY);
	assert_int_equal(decided(&deny, 1, "t", AGENT_READS, "{\"path\":\"//etc//passwd\"}", &n),
			 PERMIT_DENY);
	assert_int_equal(decided(&deny, 1, "t", AGENT_READS, "{\"path\":\"/../etc/./x\"}", &n), PERMIT_DENY);
	assert_int_equal(decided(&deny, 1, "t", AGENT_READS, "{\"path\":\"/etcetera\"}", &n), PERMIT_ALLOW);
}

static void policy__lists_allow_only_when_all_fit(void **state)
{
	static const struct agent_rule_argument out = {"paths", "/out/*"};
	struct agent_rule rule = {.arguments = &out, .arguments_count = 1, .decision = PERMIT_ALLOW};
	size_t n;
	(void)state;
	assert_int_equal(decided(&rule, 1, "t", AGENT_WRITES, "{\"paths\":[\"/out/a\",\"/out/b\"]}", &n),
			 PERMIT_ALLOW);
	assert_int_equal(decided(&rule, 1, "t", AGENT_WRITES, "{\"paths\":[\"/out/a\",\"/b\"]}", &n),
			 PERMIT_ASK);
	rule.decision = PERMIT_DENY;
	assert_int_equal(decided(&rule, 1, "t", AGENT_READS, "{\"paths\":[\"/a\",\"/out/b\"]}", &n),
			 PERMIT_DENY);
	assert_int_equal(decided(&rule, 1, "t", AGENT_READS, "{\"paths\":[\"/a\"]}", &n), PERMIT_ALLOW);
	assert_int_equal(decided(&rule, 1, "t", AGENT_READS, "{\"paths\":[]}", &n), PERMIT_ALLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy__without_a_rule_what_reads_is_allowed),
		cmocka_unit_test(policy__deny_wins_else_the_first_that_fits),
		cmocka_unit_test(policy__arguments_must_all_fit),
		cmocka_unit_test(policy__paths_are_what_they_lead_to),
		cmocka_unit_test(policy__lists_allow_only_when_all_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
