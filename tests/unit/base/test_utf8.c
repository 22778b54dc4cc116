/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.c: all code points, malformed sequences, cutting, edit distance. */
#include "base/base.h"
#include "base/base_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The bit pattern of UTF-8 for any number, surrogates included. */
static size_t utf8_put_any(uint32_t cp, char s[4])
{
	if (cp < 0x80) {
		s[0] = (char)cp;
		return 1;
	}
	size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, cp >>= 6)
		s[i] = (char)(0x80 | (cp & 63));
	s[0] = (char)(0xf00 >> n | cp);
	return n;
}

static void utf8_valid__agrees_with_the_definition(void **state)
{
	char s[4];

	(void)state;
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		size_t n = utf8_put_any(cp, s);
		bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
		assert_int_equal(utf8_valid_prefix(s, n), surrogate ? 0 : n);
		if (n > 1)
			assert_false(utf8_valid(s, n - 1));
	}
}

static void utf8_valid__refuses_malformed(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xBF",
		"\xC0\x80",
		"\xC1\xBF",
		"\xC3(",
		"\xE0\x80\x80",
		"\xE0\x9F\xBF",
		"\xE2\x82(",
		"\xF0\x80\x80\x80",
		"\xF0\x8F\xBF\xBF",
		"\xF4\x90\x80\x80",
		"\xF5\x80\x80\x80",
		"\xFE",
		"\xFF",
		"\xF0\x9F\x98(",
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(utf8_valid_prefix(bad[i], strlen(bad[i])), 0);
		for (size_t before = 0; before < 20; before++) { /* in every place of the fast path */
			memset(text, 'a', sizeof(text));
			memcpy(text + before, bad[i], strlen(bad[i]));
			assert_int_equal(utf8_valid_prefix(text, sizeof(text)), before);
		}
	}
	assert_true(utf8_valid("", 0));
}

static void utf8_cut__never_splits_a_character(void **state)
{
	static const char s[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
	static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};

	(void)state;
	for (size_t max = 0; max < COUNT_OF(want); max++)
		assert_int_equal(utf8_cut(s, sizeof(s) - 1, max), want[max]);
}

static void text_distance__counts_edits_up_to_the_limit(void **state)
{
	(void)state;
	assert_int_equal(text_distance("kitten", "sitting", 5), 3);
	assert_int_equal(text_distance("kitten", "sitting", 3), 3);
	assert_int_equal(text_distance("kitten", "sitting", 2), 3);
	assert_int_equal(text_distance("same", "same", 0), 0);
	assert_int_equal(text_distance("", "abc", 3), 3);
	assert_int_equal(text_distance("abc", "", 2), 3);
	assert_int_equal(text_distance("timeout", "timeuot", 2), 2);
	char a[100], b[100];
	memset(a, 'a', sizeof(a));
	memset(b, 'a', sizeof(b));
	a[99] = b[99] = '\0';
	assert_int_equal(text_distance(a, b, 2), 0);
	b[50] = 'x';
	assert_int_equal(text_distance(a, b, 2), 3); /* too long to be compared */
}

/* Every byte at every place, beside the definition one byte at a time. */
/* Every length, every byte at every place, and a second special one behind it; in memory of that size. */
static void text_plain_run__stops_at_the_first_that_needs_an_escape(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 40; n++) {
		char *text = malloc(n + 1);
		for (size_t at = 0; at < n; at++) {
			for (int c = 1; c < 256; c++) {
				bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
				memset(text, 'a', n);
				text[at] = (char)c;
				assert_int_equal(text_plain_run(text, n), plain ? n : at);
				text[n - 1] = '\n';
				assert_int_equal(text_plain_run(text, n), plain || at == n - 1 ? n - 1 : at);
			}
		}
		free(text);
	}
	assert_int_equal(text_plain_run("", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_plain_run__stops_at_the_first_that_needs_an_escape),
		cmocka_unit_test(utf8_valid__agrees_with_the_definition),
		cmocka_unit_test(utf8_valid__refuses_malformed),
		cmocka_unit_test(utf8_cut__never_splits_a_character),
		cmocka_unit_test(text_distance__counts_edits_up_to_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
