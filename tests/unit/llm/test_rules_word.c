/* SPDX-License-Identifier: Apache-2.0 */
/* Words, lines and cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "llm/offline_int.h"

static void word_next__keeps_other_scripts_and_apostrophes(void **state)
{
	struct slice text = slice_str("don't, \xd1\x84\xd0\xb0\xd0\xb9\xd0\xbb-2!");
	size_t at = 0;
	(void)state;
	assert_true(slice_eq_str(rules_word_next(text, &at), "don't"));
	assert_true(slice_eq_str(rules_word_next(text, &at), "\xd1\x84\xd0\xb0\xd0\xb9\xd0\xbb"));
	assert_true(slice_eq_str(rules_word_next(text, &at), "2"));
	assert_int_equal(rules_word_next(text, &at).len, 0);
}

static void word_is__ignores_case_and_refuses_parts(void **state)
{
	(void)state;
	assert_true(rules_word_is(slice_str("Read"), "|read|open|"));
	assert_false(rules_word_is(slice_str("rea"), "|read|open|"));
	assert_false(rules_word_is(slice_str("read|open"), "|read|open|"));
	assert_false(rules_word_is(slice_str(""), "|read|open|"));
}

static void line_next__takes_both_line_ends_and_the_last(void **state)
{
	struct slice text = slice_str("a\r\n\nb"), line;
	size_t at = 0;
	(void)state;
	assert_true(rules_line_next(text, &at, &line) && slice_eq_str(line, "a"));
	assert_true(rules_line_next(text, &at, &line) && line.len == 0);
	assert_true(rules_line_next(text, &at, &line) && slice_eq_str(line, "b"));
	assert_false(rules_line_next(text, &at, &line));
}

static void cut__keeps_characters_whole(void **state)
{
	(void)state;
	assert_int_equal(rules_cut(slice_str("a\xc3\xa4z"), 2).len, 1);
	assert_int_equal(rules_cut(slice_str("a\xc3\xa4z"), 3).len, 3);
}

static void trim__takes_white_space_off_both_ends(void **state)
{
	(void)state;
	assert_true(slice_eq_str(rules_trim(slice_str(" \n a b\t ")), "a b"));
	assert_int_equal(rules_trim(slice_str(" \n ")).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(word_next__keeps_other_scripts_and_apostrophes),
		cmocka_unit_test(word_is__ignores_case_and_refuses_parts),
		cmocka_unit_test(line_next__takes_both_line_ends_and_the_last),
		cmocka_unit_test(cut__keeps_characters_whole),
		cmocka_unit_test(trim__takes_white_space_off_both_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
