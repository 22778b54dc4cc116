/* SPDX-License-Identifier: Apache-2.0 */
/* What calls cost: exact, rounded up, and nothing that a server says of itself makes it less than nothing. */
#include "base/base.h"
#include "llm/llm_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct llm_prices prices = {
	.input = 2500000, .cached = 250000, .cache_write = 3125000, .output = 10000000};

static int64_t cost(int64_t input, int64_t cached, int64_t written, int64_t output)
{
	struct llm_usage u = {.input_tokens = input,
			      .cached_tokens = cached,
			      .cache_write_tokens = written,
			      .output_tokens = output};
	return llm_cost_nano(&prices, &u);
}

static void cost__is_tokens_times_prices(void **state)
{
	(void)state;
	assert_int_equal(cost(0, 0, 0, 0), 0);
	assert_int_equal(cost(1000000, 0, 0, 0), 2500000000);
	assert_int_equal(cost(0, 0, 0, 1), 10000);
	assert_int_equal(cost(1000, 400, 100, 10), 500 * 2500 + 400 * 250 + 100 * 3125 + 10 * 10000);
}

static void cost__rounds_up(void **state)
{
	struct llm_prices cheap = {.input = 1, .cached = -1, .cache_write = -1, .output = 0};
	struct llm_usage u = {.input_tokens = 1, .cached_tokens = 1};
	(void)state;
	assert_int_equal(llm_cost_nano(&cheap, &u), 1);
}

static void cost__bears_what_a_server_makes_up(void **state)
{
	(void)state;
	assert_int_equal(cost(-5, -5, -5, -5), 0);
	assert_int_equal(cost(10, 100, 100, 0), 10 * 250);
	assert_true(cost(INT64_MAX, 0, 0, INT64_MAX) > INT64_MAX / 4);
}

static void cost__is_unknown_without_prices(void **state)
{
	struct llm_prices none = {-1, -1, -1, -1};
	(void)state;
	assert_int_equal(llm_cost_nano(&none, &(struct llm_usage){.input_tokens = 5}), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cost__is_tokens_times_prices),
		cmocka_unit_test(cost__rounds_up),
		cmocka_unit_test(cost__bears_what_a_server_makes_up),
		cmocka_unit_test(cost__is_unknown_without_prices),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
