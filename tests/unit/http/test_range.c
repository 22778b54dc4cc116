/* SPDX-License-Identifier: Apache-2.0 */
/* Byte ranges: which part is meant, what is outside, what is as if it were not there. */
#include "conn_rig.h"
#include "http/api_int.h"

static void range__means_a_part(void **state)
{
	static const struct {
		const char *value;
		uint64_t from, end;
	} cases[] = {
		{"bytes=0-0", 0, 1},
		{"bytes=0-99", 0, 100},
		{"bytes=10-19", 10, 20},
		{"bytes=90-200", 90, 100},
		{"bytes=99-", 99, 100},
		{"bytes=0-", 0, 100},
		{"bytes=-1", 99, 100},
		{"bytes=-100", 0, 100},
		{"bytes=-500", 0, 100},
		{"BYTES=1-1", 1, 2},
		{"bytes=0-99999999999999999999999", 0, 100},
		{"bytes=-18446744073709551616", 0, 100},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint64_t from = 7, end = 7;

		if (api_range_parse(slice_str(cases[i].value), 100, &from, &end) != RANGE_PART ||
		    from != cases[i].from || end != cases[i].end)
			fail_msg("%s: %d-%d", cases[i].value, (int)from, (int)end);
	}
}

static void range__is_outside(void **state)
{
	static const char *const cases[] = {"bytes=100-", "bytes=100-200", "bytes=-0",
					    "bytes=18446744073709551616-"};
	uint64_t from, end;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(api_range_parse(slice_str(cases[i]), 100, &from, &end), RANGE_OUTSIDE);
	assert_int_equal(api_range_parse(SLICE_LIT("bytes=0-"), 0, &from, &end), RANGE_OUTSIDE);
	assert_int_equal(api_range_parse(SLICE_LIT("bytes=-5"), 0, &from, &end), RANGE_OUTSIDE);
}

static void range__is_ignored(void **state)
{
	static const char *const cases[] = {"",          "bytes",     "bytes=",      "bytes=-",
					    "bytes=5",   "bytes=9-5", "bytes=0-1,3", "bytes=0-1,-1",
					    "bytes=a-b", "lines=1-2", "bytes= 1-2",  "bytes=1-2 ",
					    "bytes=1--2"};
	uint64_t from, end;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (api_range_parse(slice_str(cases[i]), 100, &from, &end) != RANGE_WHOLE)
			fail_msg("%s", cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range__means_a_part),
		cmocka_unit_test(range__is_outside),
		cmocka_unit_test(range__is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
