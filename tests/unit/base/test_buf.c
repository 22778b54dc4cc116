/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c: growth, the limit and its stickiness, termination, slices. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void buf_add__grows_and_terminates(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_string_equal(buf_cstr(&b), "");
	for (int i = 0; i < 1000; i++)
		assert_true(buf_add_str(&b, "0123456789"));
	assert_int_equal(b.len, 10000);
	assert_int_equal(strlen(buf_cstr(&b)), 10000);
	buf_reset(&b);
	assert_int_equal(buf_slice(&b).len, 0);
	buf_release(&b);
	assert_null(b.data);
}

static void buf_add__stops_at_the_limit_and_stays_stopped(void **state)
{
	struct buf b = BUF_LIMIT(5);

	(void)state;
	assert_true(buf_add_str(&b, "12345"));
	assert_false(buf_add_char(&b, '6'));
	assert_true(b.overflow);
	buf_consume(&b, 3);
	assert_false(buf_add_char(&b, '6'));
	assert_string_equal(buf_cstr(&b), "45");
	buf_reset(&b);
	assert_true(buf_add_char(&b, '6'));
	assert_null(buf_grow(&b, SIZE_MAX));
	buf_release(&b);
}

static void buf_add__formats_numbers(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_add_u64(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, 0);
	assert_string_equal(buf_cstr(&b), "18446744073709551615 -9223372036854775808 0");
	buf_release(&b);
}

static void buf_printf__takes_long_text(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_true(buf_printf(&b, "%d-%s", 7, "x"));
	assert_true(buf_printf(&b, "%500s|", "y"));
	assert_int_equal(b.len, 3 + 501);
	assert_int_equal(b.data[b.len - 1], '|');
	buf_release(&b);
	b = BUF_LIMIT(10);
	assert_false(buf_printf(&b, "%500s", "y"));
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void buf_consume__keeps_the_rest(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_consume(&b, 0);
	buf_add_str(&b, "hello world");
	buf_consume(&b, 6);
	assert_string_equal(buf_cstr(&b), "world");
	buf_consume(&b, 5);
	assert_string_equal(buf_cstr(&b), "");
	buf_release(&b);
}

static void buf_take__gives_the_text_away(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	char *s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
	buf_add_str(&b, "mine");
	s = buf_take(&b);
	assert_string_equal(s, "mine");
	assert_int_equal(b.len, 0);
	assert_true(buf_add_str(&b, "new"));
	free(s);
	buf_release(&b);
}

static void buf_grow__leaves_room_for_exactly_that(void **state)
{
	struct buf b = BUF_LIMIT(8);

	(void)state;
	char *p = buf_grow(&b, 8);
	assert_non_null(p);
	memcpy(p, "abcdefgh", 8);
	b.len += 8;
	assert_string_equal(b.data, "abcdefgh");
	buf_release(&b);
}

static void slice_eq__compares_bytes(void **state)
{
	(void)state;
	assert_true(slice_eq(SLICE_LIT("ab"), slice_str("ab")));
	assert_false(slice_eq_str(SLICE_LIT("ab"), "abc"));
	assert_true(slice_eq_str(slice_str(NULL), ""));
	assert_true(slice_eq_nocase(SLICE_LIT("Content-LENGTH"), "content-length"));
	assert_false(slice_eq_nocase(SLICE_LIT("content"), "content-length"));
	assert_false(slice_eq_nocase(SLICE_LIT("content-length"), "content"));
	assert_false(slice_eq_nocase(SLICE_LIT("@"), "`")); /* 0x40 and 0x60 are not letters */
	char *copy = slice_dup((struct slice){"abcdef", 3});
	assert_string_equal(copy, "abc");
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_add__grows_and_terminates),
		cmocka_unit_test(buf_add__stops_at_the_limit_and_stays_stopped),
		cmocka_unit_test(buf_add__formats_numbers),
		cmocka_unit_test(buf_printf__takes_long_text),
		cmocka_unit_test(buf_consume__keeps_the_rest),
		cmocka_unit_test(buf_take__gives_the_text_away),
		cmocka_unit_test(buf_grow__leaves_room_for_exactly_that),
		cmocka_unit_test(slice_eq__compares_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
