/* SPDX-License-Identifier: Apache-2.0 */
/* What steps build on. (What is refused: test_plan.c.) */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static struct plan *parse_good(const char *text)
{
	static const struct mcp_catalog none;
	struct error e = {0};
	struct plan *p = plan_parse(slice_str(text), &none, 20, &e);
	if (p == NULL)
		fail_msg("refused: %s %s", e.field, e.msg);
	return p;
}

static void plan_graph__input_from_a_step_is_a_dependency(void **state)
{
	(void)state;
	struct plan *p =
		parse_good("{\"steps\":[{\"id\":\"a\",\"objective\":\"x\"},{\"id\":\"b\",\"objective\":\"y\","
			   "\"inputs\":[{\"name\":\"text\",\"from_step\":\"a\",\"literal\":null}]}]}");
	assert_int_equal(p->steps[1].depends_count, 1);
	assert_int_equal(p->steps[1].depends_on[0], 0);
	plan_free(p);
}

static void plan_graph__a_reference_in_an_objective_is_a_dependency(void **state)
{
	(void)state;
	struct plan *p = parse_good("{\"steps\":[{\"id\":\"s1\",\"objective\":\"list, $s1 is me\"},"
				    "{\"id\":\"s10\",\"objective\":\"costs $5, not $s12\"},"
				    "{\"id\":\"s2\",\"objective\":\"sum up ${s1} and $s10, then $s1\"}]}");
	assert_int_equal(p->steps[0].depends_count, 0);
	assert_int_equal(p->steps[1].depends_count, 0);
	assert_int_equal(p->steps[2].depends_count, 2);
	assert_int_equal(p->steps[2].depends_on[0], 0);
	assert_int_equal(p->steps[2].depends_on[1], 1);
	plan_free(p);
}

static void plan_graph__a_dependency_said_twice_is_one(void **state)
{
	struct buf text = BUF_INIT;
	(void)state;
	buf_add_str(&text, "{\"steps\":[{\"id\":\"a\",\"objective\":\"o\"},{\"id\":\"b\",\"objective\":\"o\","
			   "\"depends_on\":[");
	for (int i = 0; i < 200; i++)
		buf_printf(&text, "%s\"a\"", i > 0 ? "," : "");
	buf_add_str(&text, "],\"inputs\":[{\"name\":\"x\",\"from_step\":\"a\",\"literal\":null}]}]}");
	struct plan *p = parse_good(buf_cstr(&text));
	assert_int_equal(p->steps[1].depends_count, 1);
	plan_free(p);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_graph__input_from_a_step_is_a_dependency),
		cmocka_unit_test(plan_graph__a_reference_in_an_objective_is_a_dependency),
		cmocka_unit_test(plan_graph__a_dependency_said_twice_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
