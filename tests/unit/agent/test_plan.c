/* SPDX-License-Identifier: Apache-2.0 */
/* The plan as data: what is accepted, what is refused and how it is worded, what the digest covers. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct mcp_tool tools[] = {
	{.server = "fs",
	 .name = "read_file",
	 .exposed = "fs__read_file",
	 .description = "Read a file",
	 .read_only = true},
	{.server = "fs", .name = "write_file", .exposed = "fs__write_file", .description = "Write a file"},
};
static const struct mcp_catalog catalog = {.version = 1, .count = 2, .tools = tools};

static struct plan *parse(const char *text, struct error *e)
{
	return plan_parse(slice_str(text), &catalog, 20, e);
}

static struct plan *parse_good(const char *text)
{
	struct error e = {0};
	struct plan *p = parse(text, &e);
	if (p == NULL)
		fail_msg("refused: %s %s", e.field, e.msg);
	return p;
}

static void assert_refused(const char *text, const char *why)
{
	struct error e = {0};
	assert_null(parse(text, &e));
	if (strstr(e.msg, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.msg, why);
}

static void plan_parse__finds_the_object_in_prose(void **state)
{
	(void)state;
	struct plan *p =
		parse_good("Sure, here it is:\n```json\n{\"goal\":\"a } brace\",\"steps\":[{\"id\":\"s1\","
			   "\"objective\":\"do\"}]}\n```\nAnything else?");
	assert_int_equal(p->steps_count, 1);
	assert_string_equal(p->goal, "a } brace");
	assert_string_equal(p->steps[0].title, "do");
	plan_free(p);
}

static void plan_parse__raises_the_effect_of_writing_tools(void **state)
{
	(void)state;
	struct plan *p =
		parse_good("{\"steps\":[{\"id\":\"s1\",\"objective\":\"x\",\"side_effects\":\"read\","
			   "\"tool_hints\":[\"fs.write_file\"]},{\"id\":\"s2\",\"objective\":\"y\","
			   "\"side_effects\":\"read\",\"tool_hints\":[\"fs__read_file\",\"fs__none\"]}]}");
	assert_int_equal(p->steps[0].effect, STEP_EFFECT_WRITE);
	assert_string_equal(p->steps[0].hints[0], "fs__write_file");
	assert_int_equal(p->steps[1].effect, STEP_EFFECT_READ);
	assert_int_equal(p->steps[1].hints_count, 1);
	plan_free(p);
}

static void plan_parse__refuses_what_breaks_a_rule(void **state)
{
	(void)state;
	assert_refused("no plan", "no JSON object");
	assert_refused("{\"steps\":[}", "line 1");
	assert_refused("{\"goal\":\"x\"}", "steps");
	assert_refused("{\"steps\":[{\"id\":\"s 1\",\"objective\":\"x\"}]}", "letters, digits");
	assert_refused(
		"{\"steps\":[{\"id\":\"s1\",\"objective\":\"x\"},{\"id\":\"s1\",\"objective\":\"y\"}]}",
		"two steps have the id \"s1\"");
	assert_refused("{\"steps\":[{\"id\":\"s1\",\"objective\":\"x\",\"depends_on\":[\"s9\"]}]}",
		       "\"s9\", which is no step");
	assert_refused("{\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"depends_on\":[\"b\"]},"
		       "{\"id\":\"b\",\"objective\":\"y\",\"depends_on\":[\"a\"]}]}",
		       "depends on itself");
	assert_refused("{\"steps\":[{\"id\":\"a\",\"objective\":\"x\",\"depends_on\":[\"a\"]}]}",
		       "depends on itself");
}

static void plan_parse__refuses_one_step_too_many(void **state)
{
	(void)state;
	struct buf text = BUF_INIT;
	struct error e = {0};
	buf_add_str(&text, "{\"steps\":[");
	for (int i = 0; i < 21; i++)
		buf_printf(&text, "%s{\"id\":\"s%d\",\"objective\":\"x\"}", i > 0 ? "," : "", i);
	buf_add_str(&text, "]}");
	assert_null(plan_parse(buf_slice(&text), &catalog, 20, &e));
	assert_non_null(strstr(e.msg, "21 steps, at most 20"));
	struct plan *p = plan_parse(buf_slice(&text), &catalog, 21, &e);
	assert_non_null(p);
	plan_free(p);
	buf_release(&text);
}

static void plan_digest__covers_what_is_approved(void **state)
{
	(void)state;
	struct plan *a = parse_good("{\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"objective\":\"x\"}]}");
	struct plan *b = parse_good("{ \"steps\": [{\"objective\":\"x\", \"id\":\"s1\"}], \"goal\":\"g\" }");
	struct plan *c = parse_good("{\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"objective\":\"X\"}]}");
	assert_string_equal(a->digest, b->digest);
	assert_string_not_equal(a->digest, c->digest);
	plan_free(a);
	plan_free(b);
	plan_free(c);
}

static void plan_load__reads_what_plan_print_wrote(void **state)
{
	(void)state;
	struct error e = {0};
	struct buf text = BUF_INIT;
	struct plan *p = parse_good(
		"{\"goal\":\"g\",\"questions\":[\"q\"],\"final_output\":\"f\",\"steps\":[{\"id\":\"s1\","
		"\"objective\":\"x\",\"on_failure\":\"skip\",\"tool_hints\":[\"fs__read_file\"]}]}");
	p->version = 3;
	plan_print(p, &text);
	struct json *j = json_parse(text.data, text.len, 0, &e);
	struct plan *q = plan_load(j, &catalog, &e);
	assert_non_null(q);
	assert_string_equal(p->digest, q->digest);
	assert_int_equal(q->version, 3);
	assert_int_equal(q->steps[0].on_failure, STEP_SKIP);
	json_free(j);
	buf_release(&text);
	plan_free(p);
	plan_free(q);
}

static void plan_single_step__must_be_approved_as_writing(void **state)
{
	(void)state;
	struct plan *p = plan_single_step("do \"it\"", "because", &catalog);
	assert_int_equal(p->steps_count, 1);
	assert_int_equal(p->steps[0].effect, STEP_EFFECT_WRITE);
	assert_string_equal(p->steps[0].objective, "do \"it\"");
	plan_free(p);
}

static void plan_parse__looks_past_braces_that_are_no_json(void **state)
{
	(void)state;
	struct plan *p = parse_good("For the set {a, b} the plan is "
				    "{\"steps\":[{\"id\":\"s1\",\"objective\":\"do\"}]}");
	assert_int_equal(p->steps_count, 1);
	plan_free(p);
	/* what is wrong with the plan is told, not what its parts lack */
	assert_refused("{\"steps\":[{\"id\":\"s1\",\"objective\":\"do\"},]}", "line 1");
}

static void plan_parse__titles_are_short_and_never_empty(void **state)
{
	struct buf text = BUF_INIT;
	(void)state;
	buf_add_str(&text, "{\"steps\":[{\"id\":\"a\",\"title\":\"\",\"objective\":\"");
	for (int i = 0; i < 500; i++)
		buf_add_str(&text, "\xE2\x82\xAC");
	buf_add_str(&text, "\"}]}");
	struct plan *p = parse_good(buf_cstr(&text));
	assert_true(strlen(p->steps[0].title) > 100 && strlen(p->steps[0].title) <= 200);
	assert_true(utf8_valid(p->steps[0].title, strlen(p->steps[0].title)));
	plan_free(p);
	buf_release(&text);
}

static void plan_load__keeps_the_effects_that_were_approved(void **state)
{
	static const char text[] =
		"{\"version\":3,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"title\":\"t\","
		"\"objective\":\"o\",\"tool_hints\":[\"fs__write_file\"],\"side_effects\":\"read\"}]}";
	struct error e = {0};
	(void)state;
	struct json *doc = json_parse(text, sizeof text - 1, 0, &e);
	struct plan *p = plan_load(doc, &catalog, &e);
	assert_non_null(p);
	assert_int_equal(p->steps[0].effect, STEP_EFFECT_READ);
	assert_int_equal(p->version, 3);
	plan_free(p);
	json_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_parse__finds_the_object_in_prose),
		cmocka_unit_test(plan_parse__raises_the_effect_of_writing_tools),
		cmocka_unit_test(plan_parse__refuses_what_breaks_a_rule),
		cmocka_unit_test(plan_parse__refuses_one_step_too_many),
		cmocka_unit_test(plan_digest__covers_what_is_approved),
		cmocka_unit_test(plan_load__reads_what_plan_print_wrote),
		cmocka_unit_test(plan_single_step__must_be_approved_as_writing),
		cmocka_unit_test(plan_parse__looks_past_braces_that_are_no_json),
		cmocka_unit_test(plan_parse__titles_are_short_and_never_empty),
		cmocka_unit_test(plan_load__keeps_the_effects_that_were_approved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
