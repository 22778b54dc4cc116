/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets of days in the database: replaced, found again by day, gone when they are old. */
#include "tests/unit/store/database.h"

struct seen {
	struct budget_saved list[8];
	size_t count;
};

static void see(const struct budget_saved *b, void *arg)
{
	struct seen *s = arg;
	s->list[s->count++] = *b;
}

static struct seen of_day(struct database *d, int64_t day)
{
	struct seen s = {.count = 0};
	struct error e = {0};
	assert_well(d->b->budgets_each(d->db, day, see, &s, &e), &e);
	return s;
}

static void put(struct database *d, int64_t day, const char *tenant, int64_t n)
{
	struct budget_saved b = {.day = day, .spent = {n, n + 1, n + 2, n + 3, n + 4}};
	struct error e = {0};
	snprintf(b.tenant, sizeof b.tenant, "%s", tenant);
	assert_well(d->b->budget_put(d->db, &b, &e), &e);
}

static void budgets__come_back_as_they_were_last(void **state)
{
	struct database d = database_new();
	(void)state;
	begin(&d);
	put(&d, 20000, "", 7);
	put(&d, 20000, "team-a", 1);
	put(&d, 20000, "team-a", 5);
	commit(&d);
	database_reopen(&d);
	struct seen s = of_day(&d, 20000);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.list[0].tenant, "");
	assert_string_equal(s.list[1].tenant, "team-a");
	assert_int_equal(s.list[1].spent.input_tokens, 5);
	assert_int_equal(s.list[1].spent.output_tokens, 6);
	assert_int_equal(s.list[1].spent.cost_nano, 7);
	assert_int_equal(s.list[1].spent.model_calls, 8);
	assert_int_equal(s.list[1].spent.tool_calls, 9);
	assert_int_equal(of_day(&d, 20001).count, 0);
	database_free(&d);
}

static void budgets__of_old_days_go(void **state)
{
	struct database d = database_new();
	(void)state;
	begin(&d);
	put(&d, 20000, "a", 1);
	put(&d, 20001, "a", 1);
	assert_int_equal(of_day(&d, 20000).count, 1);
	put(&d, 20002, "a", 1);
	commit(&d);
	assert_int_equal(of_day(&d, 20000).count, 0);
	assert_int_equal(of_day(&d, 20001).count, 1);
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budgets__come_back_as_they_were_last),
		cmocka_unit_test(budgets__of_old_days_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
