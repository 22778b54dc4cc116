/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets of a day: charged before, settled after, over all participants; what the dead leave charged; and
 * what the keeper saves. */
#include "tests/unit/store/table.h"
#include "store/store_db.h"

enum { DAY = 24 * 3600 * 1000, KEEPER = 3 };

static struct budget_hold hold;
static struct budget_refusal why;

static struct table open_with(struct budget_caps tenant, struct budget_caps service, bool keeper)
{
	struct store_options o = table_options(4, 8);
	o.tenant_caps = tenant;
	o.service_caps = service;
	o.budgets_max = 3;
	o.keeper = keeper;
	return table_open_with(&o);
}

static enum err reserve(struct store *s, const char *tenant, int64_t cost, int64_t at)
{
	struct budget_sums worst = {.input_tokens = cost * 2, .cost_nano = cost, .model_calls = 1};
	return budget_reserve(s, tenant, &worst, at, &hold, &why);
}

static void settle(struct store *s, const char *tenant, int64_t cost)
{
	budget_settle(s, tenant, &hold,
		      &(struct budget_sums){.input_tokens = cost * 2, .cost_nano = cost, .model_calls = 1});
}

static int64_t cost_of(struct store *s, const char *tenant, int64_t at)
{
	struct budget_sums sums;
	(void)budget_get(s, tenant, at, &sums);
	return sums.cost_nano;
}

static void budget__worst_is_charged_and_the_rest_given_back(void **state)
{
	struct table t = open_with((struct budget_caps){.cost_nano = 100}, (struct budget_caps){0}, false);
	(void)state;
	assert_int_equal(reserve(t.a, "x", 60, DAY), ERR_NONE);
	assert_int_equal(cost_of(t.b, "x", DAY), 60);
	assert_int_equal(cost_of(t.b, "", DAY), 60);
	struct budget_hold first = hold;
	assert_int_equal(reserve(t.b, "x", 41, DAY), ERR_FULL);
	assert_int_equal(why.limit, BUDGET_COST);
	assert_int_equal(why.used, 60);
	assert_int_equal(why.cap, 100);
	assert_false(why.of_service);
	hold = first;
	settle(t.a, "x", 20);
	assert_int_equal(cost_of(t.b, "x", DAY), 20);
	assert_int_equal(reserve(t.b, "x", 80, DAY), ERR_NONE);
	/* More than the worst: it was spent all the same. */
	settle(t.b, "x", 90);
	assert_int_equal(cost_of(t.a, "x", DAY), 110);
	assert_int_equal(reserve(t.a, "x", 1, DAY), ERR_FULL);
	assert_int_equal(reserve(t.a, "y", 100, DAY), ERR_NONE);
	table_close(&t);
}

static void budget__service_bounds_all_tenants(void **state)
{
	struct table t = open_with((struct budget_caps){.model_calls = 3},
				   (struct budget_caps){.model_calls = 4}, false);
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(reserve(t.a, "x", 0, DAY), ERR_NONE);
	assert_int_equal(reserve(t.a, "x", 0, DAY), ERR_FULL);
	assert_int_equal(reserve(t.b, "y", 0, DAY), ERR_NONE);
	assert_int_equal(reserve(t.b, "y", 0, DAY), ERR_FULL);
	assert_true(why.of_service);
	assert_int_equal(why.limit, BUDGET_MODEL_CALLS);
	table_close(&t);
}

static void budget__a_new_day_begins_at_nothing(void **state)
{
	struct table t = open_with((struct budget_caps){.cost_nano = 10}, (struct budget_caps){0}, false);
	(void)state;
	assert_int_equal(reserve(t.a, "x", 10, 2 * DAY - 1), ERR_NONE);
	assert_int_equal(reserve(t.b, "x", 10, 2 * DAY), ERR_NONE);
	struct budget_hold today = hold;
	/* What is given back of yesterday is none of today's. */
	hold.day--;
	settle(t.a, "x", 0);
	assert_int_equal(cost_of(t.a, "x", 2 * DAY), 10);
	hold = today;
	settle(t.b, "x", 3);
	assert_int_equal(cost_of(t.a, "x", 2 * DAY), 3);
	assert_int_equal(cost_of(t.a, "", 2 * DAY), 3);
	table_close(&t);
}

static void budget__places_of_other_days_are_used_again(void **state)
{
	struct table t = open_with((struct budget_caps){.cost_nano = 10}, (struct budget_caps){0}, false);
	struct budget_saved out[4];
	uint64_t change;
	(void)state;
	assert_int_equal(reserve(t.a, "x", 1, DAY), ERR_NONE);
	assert_int_equal(reserve(t.a, "y", 1, DAY), ERR_NONE);
	assert_int_equal(reserve(t.a, "z", 1, DAY), ERR_NONE);
	assert_int_equal(reserve(t.a, "w", 1, DAY), ERR_FULL);
	assert_int_equal(why.limit, BUDGET_NONE);
	assert_int_equal(budgets_take(t.a, out, &change), 4);
	budgets_done(t.a, change);
	assert_int_equal(reserve(t.a, "w", 1, 2 * DAY), ERR_NONE);
	table_close(&t);
}

static void budget__the_dead_leave_the_worst_charged(void **state)
{
	struct table t = open_with((struct budget_caps){.cost_nano = 10}, (struct budget_caps){0}, false);
	(void)state;
	assert_int_equal(reserve(t.a, "x", 10, DAY), ERR_NONE);
	store_proc_died(t.created, 0);
	store_proc_started(t.created, 0, 7);
	assert_int_equal(reserve(t.a, "x", 1, DAY), ERR_FULL);
	table_close(&t);
}

static void budget__is_saved_by_the_keeper_and_comes_back(void **state)
{
	struct table t = open_with((struct budget_caps){.cost_nano = 100}, (struct budget_caps){0}, true);
	struct budget_saved out[4];
	uint64_t change;
	(void)state;
	store_proc_started(t.created, KEEPER, 3);
	struct store *k = store_attach(t.created, KEEPER);
	assert_int_equal(reserve(t.a, "x", 30, DAY), ERR_NONE);
	assert_false(budget_is_saved(t.a, hold.change));
	(void)wake_take(t.a, NULL, NULL);
	assert_int_equal(budgets_take(k, out, &change), 2);
	assert_string_equal(out[0].tenant, "");
	assert_string_equal(out[1].tenant, "x");
	assert_int_equal(out[1].spent.cost_nano, 30);
	assert_int_equal(budgets_take(k, out, &change), 0);
	/* It could not be: again. */
	budgets_again(k);
	assert_int_equal(budgets_take(k, out, &change), 2);
	budgets_done(k, change);
	assert_true((wake_take(t.a, NULL, NULL) & WAKE_GATES) != 0);
	assert_true(budget_is_saved(t.a, hold.change));
	struct budget_saved saved = out[1], all = out[0];
	store_detach(k);
	table_close(&t);
	t = open_with((struct budget_caps){.cost_nano = 100}, (struct budget_caps){0}, true);
	budget_restore(t.a, &saved);
	budget_restore(t.a, &all);
	assert_int_equal(cost_of(t.b, "x", DAY), 30);
	assert_int_equal(cost_of(t.b, "", DAY), 30);
	assert_int_equal(reserve(t.b, "x", 71, DAY), ERR_FULL);
	/* What the table has newer stays. */
	assert_int_equal(reserve(t.b, "x", 5, DAY), ERR_NONE);
	budget_restore(t.a, &saved);
	assert_int_equal(cost_of(t.b, "x", DAY), 35);
	table_close(&t);
}

static void budget_over__names_the_first_limit(void **state)
{
	static const struct budget_sums spent = {10, 10, 10, 10, 10}, more = {1, 1, 1, 1, 1};
	static const struct {
		struct budget_caps caps;
		enum budget_limit limit;
	} rows[] = {{{0}, BUDGET_NONE},
		    {{.input_tokens = 11}, BUDGET_NONE},
		    {{.input_tokens = 10}, BUDGET_INPUT_TOKENS},
		    {{.output_tokens = 10}, BUDGET_OUTPUT_TOKENS},
		    {{.total_tokens = 21}, BUDGET_TOTAL_TOKENS},
		    {{.cost_nano = 10}, BUDGET_COST},
		    {{.model_calls = 10}, BUDGET_MODEL_CALLS},
		    {{.tool_calls = 10}, BUDGET_TOOL_CALLS}};
	int64_t used, cap;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(budget_over(&spent, &more, &rows[i].caps, &used, &cap), rows[i].limit);
	assert_string_equal(budget_limit_text(BUDGET_TOTAL_TOKENS), "total_tokens");
}

static void budget__nothing_is_counted_without(void **state)
{
	struct table t = table_open(4, 8);
	(void)state;
	assert_false(store_has_budgets(t.a));
	assert_int_equal(reserve(t.a, "x", 1, DAY), ERR_NONE);
	settle(t.a, "x", 1);
	assert_true(budget_is_saved(t.a, hold.change));
	table_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__worst_is_charged_and_the_rest_given_back),
		cmocka_unit_test(budget__service_bounds_all_tenants),
		cmocka_unit_test(budget__a_new_day_begins_at_nothing),
		cmocka_unit_test(budget__places_of_other_days_are_used_again),
		cmocka_unit_test(budget__the_dead_leave_the_worst_charged),
		cmocka_unit_test(budget__is_saved_by_the_keeper_and_comes_back),
		cmocka_unit_test(budget_over__names_the_first_limit),
		cmocka_unit_test(budget__nothing_is_counted_without),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
