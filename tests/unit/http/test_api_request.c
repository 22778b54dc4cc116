/* SPDX-License-Identifier: Apache-2.0 */
/* The small parsers that handlers share. */
#include "api_rig.h"
#include "http/api_int.h"

static void duration__takes_whole_numbers_with_a_unit(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t ms;
	} cases[] = {
		{"500ms", true, 500},
		{"0s", true, 0},
		{"30s", true, 30000},
		{"1m", true, 60000},
		{"007s", true, 7000},
		{"", false, 0},
		{"5", false, 0},
		{"s", false, 0},
		{"1h", false, 0},
		{"1 s", false, 0},
		{" 1s", false, 0},
		{"1s ", false, 0},
		{"-1s", false, 0},
		{"+1s", false, 0},
		{"1.5s", false, 0},
		{"1S", false, 0},
		{"1sm", false, 0},
		{"999999999999999m", false, 0},
		{"99999999999999999999999s", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t ms = 0;

		if (api_duration_parse(cases[i].text, &ms) != cases[i].good || ms != cases[i].ms)
			fail_msg("\"%s\": %lld", cases[i].text, (long long)ms);
	}
}

static void uint__is_digits_within_a_range(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool good;
		uint64_t value;
	} cases[] = {
		{"0", 0, true, 0},
		{"1", 0, false, 0},
		{"5", 4, false, 0},
		{"0001", 4, true, 1},
		{"200", 200, true, 200},
		{"201", 200, false, 0},
		{"0000000000000000000000200", 200, true, 200},
		{"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, false, 0},
		{"18446744073709551615", UINT64_MAX - 1, false, 0},
		{"", 9, false, 0},
		{"+1", 9, false, 0},
		{"-1", 9, false, 0},
		{"1 ", 9, false, 0},
		{"0x1", 99, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint64_t v = 0;
		bool good = api_uint_parse(cases[i].text, cases[i].max, &v);

		if (good != cases[i].good || (good && v != cases[i].value))
			fail_msg("\"%s\": %llu", cases[i].text, (unsigned long long)v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duration__takes_whole_numbers_with_a_unit),
		cmocka_unit_test(uint__is_digits_within_a_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
