/* SPDX-License-Identifier: Apache-2.0 */
/* A plan in place of another: what stays, what is replaced, how one step becomes several. */
#include "base/base.h"
#include "agent/agent_int.h"
#include "held_catalog.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static const struct held_catalog no_tools = {{.version = 1}, {9}};
static const char plan_text[] =
	"{\"goal\":\"g\",\"assumptions\":[\"a\"],\"final_output\":\"f\",\"steps\":["
	"{\"id\":\"s1\",\"objective\":\"one\"},"
	"{\"id\":\"s2\",\"objective\":\"two\",\"depends_on\":[\"s1\"],\"on_failure\":\"replan\"},"
	"{\"id\":\"s3\",\"objective\":\"three\",\"depends_on\":[\"s2\"],\"inputs\":[{\"name\":\"x\",\"from_"
	"step\":"
	"\"s2\",\"literal\":null}]},"
	"{\"id\":\"s4\",\"objective\":\"four\",\"depends_on\":[\"s1\"]}]}";

static struct plan *plan_old(void)
{
	struct error e = {0};
	struct plan *p = plan_parse(SLICE_LIT(plan_text), &no_tools.catalog, 20, &e);
	assert_non_null(p);
	return p;
}

/* s1 is finished. */
static struct plan *revise(const char *split, const char *answer, struct error *e)
{
	static const bool finished[4] = {true};
	struct plan *old = plan_old();
	struct plan_revision v = {.old = old, .finished = finished, .split = split};
	struct plan *p = plan_revise(&v, slice_str(answer), &no_tools.catalog, 5, e);
	plan_free(old);
	return p;
}

/* "s1< s2<s1 " */
static void assert_steps(const struct plan *p, const char *wanted)
{
	struct buf b = BUF_INIT;
	for (size_t i = 0; i < p->steps_count; i++) {
		buf_printf(&b, "%s<", p->steps[i].id);
		for (size_t k = 0; k < p->steps[i].depends_count; k++)
			buf_printf(&b, "%s%s", k > 0 ? "," : "", p->steps[p->steps[i].depends_on[k]].id);
		buf_add_char(&b, ' ');
	}
	assert_string_equal(buf_cstr(&b), wanted);
	buf_release(&b);
}

static void plan_revise__keeps_what_is_finished_and_replaces_the_rest(void **state)
{
	struct error e = {0};
	(void)state;
	struct plan *p =
		revise(NULL,
		       "{\"goal\":\"other\",\"final_output\":\"new\",\"steps\":[{\"id\":\"s1\",\"objective\":"
		       "\"again\"},{\"id\":\"s5\",\"objective\":\"five\",\"depends_on\":[\"s1\"]}]}",
		       &e);
	assert_non_null(p);
	assert_steps(p, "s1< s5<s1 ");
	assert_string_equal(p->steps[0].objective, "one"); /* not as the answer has it */
	assert_string_equal(p->goal, "g");
	assert_string_equal(p->final_output, "new");
	struct plan *old = plan_old();
	assert_string_not_equal(p->digest, old->digest);
	plan_free(old);
	plan_free(p);
}

static void plan_revise__nothing_more_to_do_is_a_plan(void **state)
{
	struct error e = {0};
	(void)state;
	struct plan *p = revise(NULL, "{\"steps\":[]}", &e);
	assert_non_null(p);
	assert_steps(p, "s1< ");
	assert_string_equal(p->final_output, "f");
	plan_free(p);
}

/* The first part takes what the step took; what built on the step builds on the parts nothing else needs. */
static void plan_revise__splits_one_step(void **state)
{
	struct error e = {0};
	(void)state;
	struct plan *p = revise(
		"s2",
		"{\"steps\":[{\"id\":\"a\",\"objective\":\"x\"},{\"id\":\"b\",\"objective\":\"y\","
		"\"depends_on\":[\"a\"],\"inputs\":[{\"name\":\"i\",\"from_step\":\"a\",\"literal\":null}]},"
		"{\"id\":\"c\",\"objective\":\"z\",\"on_failure\":\"skip\",\"depends_on\":[\"s4\"]}]}",
		&e);
	assert_non_null(p);
	assert_steps(p, "s1< s2.1<s1 s2.2<s2.1 s2.3<s4 s3<s2.2,s2.3 s4<s1 ");
	assert_int_equal(p->steps[1].split_depth, 1);
	assert_int_equal(p->steps[1].on_failure, STEP_REPLAN);
	assert_int_equal(p->steps[3].on_failure, STEP_SKIP);
	assert_int_equal(p->steps[4].split_depth, 0);
	assert_string_equal(json_get_text(json_at(p->steps[4].inputs, 0), "from_step", ""), "s2.3");
	assert_string_equal(json_get_text(json_at(p->steps[2].inputs, 0), "from_step", ""), "s2.1");
	/* and so it stays when it is read again */
	struct buf text = BUF_INIT;
	plan_print(p, &text);
	struct json *doc = json_parse(text.data, text.len, 0, &e);
	struct plan *q = plan_load(doc, &no_tools.catalog, &e);
	assert_non_null(q);
	assert_int_equal(q->steps[1].split_depth, 1);
	plan_free(q);
	json_free(doc);
	buf_release(&text);
	plan_free(p);
}

static void assert_refused(const char *split, const char *answer, const char *why)
{
	struct error e = {0};
	assert_null(revise(split, answer, &e));
	if (strstr(e.msg, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.msg, why);
}

static void plan_revise__refuses_what_breaks_a_rule(void **state)
{
	(void)state;
	assert_refused(NULL, "no plan", "no JSON object");
	assert_refused(NULL, "{\"steps\":[{\"id\":\"s5\",\"objective\":\"o\",\"depends_on\":[\"s2\"]}]}",
		       "depends on \"s2\", which is no step");
	assert_refused(NULL, "{\"steps\":[{\"id\":\"s5\"}]}", "required");
	assert_refused("s2", "{\"steps\":[]}", "no step in place of \"s2\"");
	assert_refused(
		"s2",
		"{\"steps\":[{\"id\":\"1\",\"objective\":\"o\"},{\"id\":\"2\",\"objective\":\"o\"},{\"id\":"
		"\"3\",\"objective\":\"o\"},{\"id\":\"4\",\"objective\":\"o\"},{\"id\":\"5\",\"objective\":"
		"\"o\"},"
		"{\"id\":\"6\",\"objective\":\"o\"}]}",
		"at most 5 are allowed");
	/* a cycle over the old steps: s3 needs s2's parts */
	assert_refused("s2", "{\"steps\":[{\"id\":\"a\",\"objective\":\"o\",\"depends_on\":[\"s3\"]}]}",
		       "depends on itself");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_revise__keeps_what_is_finished_and_replaces_the_rest),
		cmocka_unit_test(plan_revise__nothing_more_to_do_is_a_plan),
		cmocka_unit_test(plan_revise__splits_one_step),
		cmocka_unit_test(plan_revise__refuses_what_breaks_a_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
