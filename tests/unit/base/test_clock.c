/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c: the fake clock, RFC 3339 out and in. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void clock_fake__freezes_both(void **state)
{
	(void)state;
	clock_fake_set(1234567, 99);
	assert_int_equal(clock_mono_us(), 1234567);
	assert_int_equal(clock_mono_ms(), 1234);
	assert_int_equal(clock_wall_ms(), 99);
	clock_fake_clear();
	assert_true(clock_wall_ms() > 1600000000000);
	int64_t before_us = clock_mono_us();
	assert_true(clock_mono_us() >= before_us);
}

static void assert_format(int64_t wall_ms, const char *want)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t back;

	clock_format(wall_ms, text);
	assert_string_equal(text, want);
	assert_true(clock_parse(text, &back));
	assert_true(back == wall_ms);
}

static void clock_format__is_rfc_3339(void **state)
{
	(void)state;
	assert_format(0, "1970-01-01T00:00:00.000Z");
	assert_format(1795404281123, "2026-11-23T03:24:41.123Z");
	assert_format(951782400000, "2000-02-29T00:00:00.000Z");
	assert_format(-1, "1969-12-31T23:59:59.999Z");
	assert_format(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void clock_parse__takes_any_fraction(void **state)
{
	int64_t ms;

	(void)state;
	assert_true(clock_parse("1970-01-01T00:00:01Z", &ms) && ms == 1000);
	assert_true(clock_parse("1970-01-01T00:00:01.5Z", &ms) && ms == 1500);
	assert_true(clock_parse("1970-01-01T00:00:01.123456789Z", &ms) && ms == 1123);
}

static void clock_parse__refuses_other_forms(void **state)
{
	static const char *const bad[] = {
		"",
		"1970-01-01",
		"1970-01-01T00:00:00",
		"1970-01-01T00:00:00+00:00",
		"1970-01-01 00:00:00Z",
		"1970-13-01T00:00:00Z",
		"1970-00-01T00:00:00Z",
		"1970-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"1970-01-32T00:00:00Z",
		"1970-01-00T00:00:00Z",
		"1970-01-01T24:00:00Z",
		"1970-01-01T00:60:00Z",
		"1970-01-01T00:00:60Z",
		"1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00.1234567890Z",
		"1970-01-01T00:00:00Zx",
		"170-01-01T00:00:00Z",
		"1970-1-01T00:00:00Z",
		"-970-01-01T00:00:00Z",
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(clock_parse(bad[i], &ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_fake__freezes_both),
		cmocka_unit_test(clock_format__is_rfc_3339),
		cmocka_unit_test(clock_parse__takes_any_fraction),
		cmocka_unit_test(clock_parse__refuses_other_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
