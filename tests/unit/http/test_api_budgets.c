/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/budgets: what the day has cost, beside what it may. */
#include "api_rig.h"

static void charge(const char *tenant, int64_t tokens, int64_t cost_nano)
{
	struct budget_sums worst = {
		.input_tokens = tokens, .output_tokens = 1, .cost_nano = cost_nano, .model_calls = 1};
	struct budget_hold hold;
	struct budget_refusal why;
	assert_int_equal(budget_reserve(api.other, tenant, &worst, clock_wall_ms(), &hold, &why), ERR_NONE);
}

static int64_t number(const char *path, const char *name)
{
	return json_get_integer(json_pointer(api.body, path), name, -1);
}

static void budgets__show_the_day_of_the_service_and_each_tenant(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /v1/budgets", NULL), 200);
	assert_true(json_get_bool(api.body, "counted", false));
	assert_int_equal(number("/service/charged", "model_calls"), 0);
	assert_int_equal(json_count(json_get(api.body, "tenants")), 0);
	charge("acme", 100, 1500000000);
	charge("zeta", 7, 0);
	charge("acme", 10, 0);
	assert_int_equal(api_ask("GET /v1/budgets", NULL), 200);
	assert_int_equal(strlen(api_text("/day")), 10);
	assert_non_null(strstr(api_text("/ends_at"), "T00:00:00.000Z"));
	assert_int_equal(number("/service/charged", "input_tokens"), 117);
	assert_int_equal(number("/service/charged", "total_tokens"), 120);
	assert_true(json_number(json_pointer(api.body, "/service/charged/cost")) == 1.5);
	assert_true(json_number(json_pointer(api.body, "/service/limits/cost")) == 2.5);
	assert_int_equal(json_count(json_pointer(api.body, "/service/limits")), 1);
	assert_int_equal(number("/tenant_limits", "model_calls"), 9);
	assert_string_equal(api_text("/tenants/0/tenant"), "acme");
	assert_int_equal(number("/tenants/0/charged", "model_calls"), 2);
	assert_string_equal(api_text("/tenants/1/tenant"), "zeta");
	assert_false(json_get_bool(api.body, "more", true));
}

static void budgets__of_one_tenant_or_some(void **state)
{
	(void)state;
	charge("acme", 1, 0);
	charge("zeta", 1, 0);
	assert_int_equal(api_ask("GET /v1/budgets?tenant=zeta", NULL), 200);
	assert_int_equal(json_count(json_get(api.body, "tenants")), 1);
	assert_string_equal(api_text("/tenants/0/tenant"), "zeta");
	assert_int_equal(api_ask("GET /v1/budgets?limit=1", NULL), 200);
	assert_int_equal(json_count(json_get(api.body, "tenants")), 1);
	assert_true(json_get_bool(api.body, "more", false));
	assert_int_equal(api_ask("GET /v1/budgets?tenant=nobody", NULL), 200);
	assert_int_equal(json_count(json_get(api.body, "tenants")), 0);
	assert_int_equal(api_ask("GET /v1/budgets?limit=0", NULL), 400);
	assert_int_equal(api_ask("GET /v1/budgets?user=x", NULL), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(budgets__show_the_day_of_the_service_and_each_tenant),
		API_TEST(budgets__of_one_tenant_or_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
