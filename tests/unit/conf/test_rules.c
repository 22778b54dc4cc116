/* SPDX-License-Identifier: Apache-2.0 */
/* agent.rules: what a rule may say, and what is told of one that is wrong. */
#include "conf_test.h"

static enum err loaded(const char *text, struct conf **out, struct error *e)
{
	struct folder f;
	folder_open(&f);
	folder_write(f.file, text);
	*e = (struct error){0};
	enum err rc = conf_load(f.file, NULL, 0, env_listed, NULL, out, e);
	folder_close(&f);
	return rc;
}

static void conf_rules__are_read_and_printed(void **state)
{
	static const char text[] =
		"agent:\n  runs_max: 3\n  rules:\n"
		"    - {server: fs, tool: \"write_*\", arguments: {path: \"/out/*\"}, decision: allow}\n"
		"    - {effect: [idempotent, write], decision: ask}\n"
		"    - {effect: read, decision: deny}\n";
	struct buf printed = BUF_INIT, again = BUF_INIT;
	struct conf *c;
	struct error e;
	(void)state;
	if (loaded(text, &c, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(c->rules.count, 3);
	assert_string_equal(c->rules.list[0].server, "fs");
	assert_string_equal(c->rules.list[0].arguments[0].pattern, "/out/*");
	assert_int_equal(c->rules.list[1].effects, 6);
	assert_int_equal(c->rules.list[2].decision, CONF_DENY);
	conf_print_effective(c, &printed);
	conf_free(c);
	/* What is printed is a file that says the same. */
	if (loaded(buf_cstr(&printed), &c, &e))
		fail_msg("%s\n%s", e.msg, buf_cstr(&printed));
	conf_print_effective(c, &again);
	assert_string_equal(buf_cstr(&printed), buf_cstr(&again));
	assert_non_null(strstr(buf_cstr(&printed), "/out/*"));
	conf_free(c);
	buf_release(&printed);
	buf_release(&again);
}

static void refused(const char *rules, const char *says)
{
	char *text = xasprintf("agent:\n  rules:%s\n", rules);
	struct conf *c;
	struct error e;
	assert_int_equal(loaded(text, &c, &e), ERR_CONFIG);
	if (strstr(e.msg, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.msg, says);
	free(text);
}

static void conf_rules__wrong_ones_are_refused_with_their_place(void **state)
{
	(void)state;
	refused(" {decision: ask}", ":2:10: agent.rules must be a list of rules");
	refused("\n    - ask", ":3:7: a rule must be a map");
	refused("\n    - {tool: x}", ":3:7: the rule needs a decision");
	refused("\n    - {decision: perhaps}", "unknown decision \"perhaps\"");
	refused("\n    - {decison: ask}", "a rule has no option decison; did you mean decision?");
	refused("\n    - {effect: writes, decision: ask}", "unknown effect \"writes\"; did you mean write?");
	refused("\n    - {effect: [], decision: ask}", "effect names none");
	refused("\n    - {arguments: [a], decision: ask}", "arguments must be a map");
	refused("\n    - {tool: [a], decision: ask}", "tool must be a pattern, is a list");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conf_rules__are_read_and_printed),
		cmocka_unit_test(conf_rules__wrong_ones_are_refused_with_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
