/* SPDX-License-Identifier: Apache-2.0 */
/* json_write.c: commas, escapes, replacement of bad UTF-8, number text that reads back. */
#include "base/base.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void jw__places_commas(void **state)
{
	struct buf b = BUF_INIT;
	struct jw w = JW(&b);

	(void)state;
	jw_object(&w);
	jw_kv_text(&w, "t", "x");
	jw_name(&w, "list");
	jw_array(&w);
	jw_int(&w, -1);
	jw_uint(&w, UINT64_MAX);
	jw_bool(&w, true);
	jw_null(&w);
	jw_array(&w);
	jw_array_end(&w);
	jw_object(&w);
	jw_object_end(&w);
	jw_double(&w, 0.5);
	jw_array_end(&w);
	jw_kv_int(&w, "i", INT64_MIN);
	jw_kv_bool(&w, "b", false);
	jw_kv_raw(&w, "raw", "[1]", 3);
	jw_kv_raw(&w, "none", "", 0);
	jw_kv_text(&w, "null", NULL);
	jw_kv_json(&w, "json", NULL);
	struct json *j = json_new_text("q");
	jw_kv_json(&w, "tree", j);
	jw_object_end(&w);
	assert_string_equal(buf_cstr(&b),
			    "{\"t\":\"x\",\"list\":[-1,18446744073709551615,true,null,[],{},0.5],"
			    "\"i\":-9223372036854775808,\"b\":false,\"raw\":[1],\"none\":null,"
			    "\"null\":null,\"json\":null,\"tree\":\"q\"}");
	json_free(j);
	buf_release(&b);
}

static void assert_text(const char *s, size_t n, const char *want)
{
	struct buf b = BUF_INIT;
	struct jw w = JW(&b);

	jw_text_n(&w, s, n);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void jw_text__escapes_what_it_must(void **state)
{
	(void)state;
	assert_text("", 0, "\"\"");
	assert_text("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f", 14,
		    "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_text("nul\0in", 6, "\"nul\\u0000in\"");
	assert_text("\xC3\xA9\xF0\x9F\x98\x80", 6, "\"\xC3\xA9\xF0\x9F\x98\x80\"");
}

#define FFFD "\xEF\xBF\xBD"

static void jw_text__replaces_invalid_utf8(void **state)
{
	(void)state;
	assert_text("a\xff"
		    "b",
		    3, "\"a" FFFD "b\"");
	assert_text("\xC3", 1, "\"" FFFD "\"");
	assert_text("\xED\xA0\x80", 3, "\"" FFFD FFFD FFFD "\"");
	assert_text("0123456\x80"
		    "89abcdef\xF0\x9F",
		    18, "\"0123456" FFFD "89abcdef" FFFD FFFD "\"");
}

/* Every byte at every place of a run must come back from the strict parser, or as U+FFFD. */
static void jw_text__is_always_valid_json(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		for (size_t at = 0; at < 20; at++) {
			char s[20];
			struct buf b = BUF_INIT;
			struct jw w = JW(&b);
			memset(s, 'x', sizeof(s));
			s[at] = (char)c;
			jw_text_n(&w, s, sizeof(s));
			struct json *j = json_parse(b.data, b.len, 0, NULL);
			assert_non_null(j);
			if (c < 0x80)
				assert_memory_equal(json_text(j), s, sizeof(s));
			else
				assert_int_equal(strlen(json_text(j)), sizeof(s) + 2);
			json_free(j);
			buf_release(&b);
		}
	}
}

static void assert_double(double v, const char *want)
{
	struct buf b = BUF_INIT;
	struct jw w = JW(&b);

	jw_double(&w, v);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void jw_double__is_short(void **state)
{
	(void)state;
	assert_double(0, "0");
	assert_double(-0.0, "-0");
	assert_double(3, "3");
	assert_double(0.1, "0.1");
	assert_double(0.1 + 0.2, "0.30000000000000004");
	assert_double(1.0 / 3, "0.3333333333333333");
	assert_double(1e15, "1e+15");
	assert_double(5e-324, "5e-324");
	assert_double(NAN, "null");
	assert_double(-INFINITY, "null");
}

static void jw_double__reads_back(void **state)
{
	uint64_t bits = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		double v;
		struct buf b = BUF_INIT;
		struct jw w = JW(&b);
		bits = hash64(&bits, sizeof(bits));
		memcpy(&v, &bits, sizeof(v));
		if (!isfinite(v))
			continue;
		jw_double(&w, v);
		assert_true(strtod(buf_cstr(&b), NULL) == v);
		buf_release(&b);
	}
}

static void jw__overflow_is_seen_at_the_end(void **state)
{
	struct buf b = BUF_LIMIT(10);
	struct jw w = JW(&b);

	(void)state;
	jw_array(&w);
	for (int i = 0; i < 100; i++)
		jw_text(&w, "text");
	jw_array_end(&w);
	assert_true(b.overflow);
	assert_true(b.len <= 10);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jw__places_commas),
		cmocka_unit_test(jw_text__escapes_what_it_must),
		cmocka_unit_test(jw_text__replaces_invalid_utf8),
		cmocka_unit_test(jw_text__is_always_valid_json),
		cmocka_unit_test(jw_double__is_short),
		cmocka_unit_test(jw_double__reads_back),
		cmocka_unit_test(jw__overflow_is_seen_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
