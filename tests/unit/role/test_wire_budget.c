/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets of the configuration arrive where they are kept; without any, nothing is counted. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void wire_budgets__counts_days_only_when_they_are_bounded(void **state)
{
	struct conf c = {.budgets = {.tenants_max = 7}};
	struct store_options o = {0};
	(void)state;
	wire_budgets(&c, &o);
	assert_int_equal(o.budgets_max, 0);
	c.budgets.service_day_cost = 5;
	wire_budgets(&c, &o);
	assert_int_equal(o.budgets_max, 7);
	assert_int_equal(o.service_caps.cost_nano, 5);
	assert_int_equal(o.tenant_caps.cost_nano, 0);
	c.budgets.tenant_day_tool_calls = 6;
	wire_budgets(&c, &o);
	assert_int_equal(o.tenant_caps.tool_calls, 6);
}

static void wire_budgets__of_tasks(void **state)
{
	struct conf c = {.budgets = {.task_cost = 1,
				     .task_wall_seconds = 2,
				     .task_max_cost = 3,
				     .task_max_input_tokens = 4}};
	struct http_budget given, most;
	(void)state;
	wire_task_budgets(&c, &given, &most);
	assert_int_equal(given.caps.cost_nano, 1);
	assert_int_equal(given.wall_seconds, 2);
	assert_int_equal(most.caps.cost_nano, 3);
	assert_int_equal(most.caps.input_tokens, 4);
	assert_int_equal(most.wall_seconds, 0);
}

static void wire_budgets__prices(void **state)
{
	struct conf_provider list[] = {{.api = CONF_LLM_OFFLINE, .prices = {.input = -1}},
				       {.api = CONF_LLM_CHAT, .prices = {.input = 0}}};
	struct conf c = {.providers = {.list = list, .count = 2}};
	(void)state;
	assert_true(wire_prices_known(&c));
	list[1].prices.input = -1;
	assert_false(wire_prices_known(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_budgets__counts_days_only_when_they_are_bounded),
		cmocka_unit_test(wire_budgets__of_tasks),
		cmocka_unit_test(wire_budgets__prices),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
