/* SPDX-License-Identifier: Apache-2.0 */
/* The look into JSON without a tree: what it finds, and what it leaves to the parser. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct slice names[] = {SLICE_LIT("a"), SLICE_LIT("b")};

static void assert_peek(const char *text, size_t length, const char *a, const char *b)
{
	struct slice v[2];
	assert_int_equal(json_peek_object(slice_str(text), names, 2, v), length);
	if (length == 0)
		return;
	assert_true(slice_eq_str(v[0], a));
	assert_true(slice_eq_str(v[1], b));
}

static void json_peek_object__finds_members_as_they_are_written(void **state)
{
	(void)state;
	assert_peek("{}", 2, "", "");
	assert_peek("{\"a\":1,\"c\":{\"a\":2},\"b\":\"x\\\"}\"}tail", 30, "1", "\"x\\\"}\"");
	assert_peek("{ \"b\" : [ 1 , {\"a\":[]} ] ,\n\"a\":null }", 37, "null", "[ 1 , {\"a\":[]} ]");
	assert_peek("{\"a\":0.00125,\"b\":10.5}", 22, "0.00125", "10.5");
	assert_peek("{\"a\":true,\"b\":\"\xc3\xa9\"}", 19, "true", "\"\xc3\xa9\"");
}

static void json_peek_object__leaves_the_unusual_to_the_parser(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"[]",
		"{",
		"{\"a\"",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,\"a\":2}",
		"{\"\\u0061\":1}",
		"{\"\\n\":1}",
		"{\"a\":\"\\u00e9\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":01}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":1.5e3}",
		"{\"a\":1.5.1}",
		"{\"a\":1e3}",
		"{\"a\":-1}",
		"{\"a\":1234567890123456}",
		"{\"a\":nul}",
		"{\"a\":[1,]}",
		"{\"a\":[1 2]}",
		"{\"a\":[[[[[[[[[1]]]]]]]]]}",
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_peek(rows[i], 0, "", "");
	struct slice v[2];
	assert_int_equal(json_peek_object((struct slice){0}, names, 2, v), 0); /* what an absent member is */
}

static void json_peek_text__unescapes(void **state)
{
	(void)state;
	struct buf b = BUF_LIMIT(16);
	assert_true(json_peek_text(SLICE_LIT("\"a\\n\\\"\\\\\\/b\""), &b));
	assert_string_equal(buf_cstr(&b), "a\n\"\\/b");
	assert_false(json_peek_text(SLICE_LIT("null"), &b));
	assert_false(json_peek_text(SLICE_LIT(""), &b));
	assert_false(json_peek_text(SLICE_LIT("\"more than there is room\""), &b));
	assert_string_equal(buf_cstr(&b), "a\n\"\\/b");
	assert_false(b.overflow);
	buf_release(&b);
}

static void json_peek_index__reads_whole_numbers(void **state)
{
	(void)state;
	int64_t n;
	assert_true(json_peek_index(SLICE_LIT("120"), &n));
	assert_int_equal(n, 120);
	assert_false(json_peek_index(SLICE_LIT("\"1\""), &n));
	assert_false(json_peek_index(SLICE_LIT("1.5"), &n));
	assert_false(json_peek_index(SLICE_LIT(""), &n));
	assert_true(json_peek_is_null(SLICE_LIT("null")) && json_peek_is_null((struct slice){0}));
	assert_false(json_peek_is_null(SLICE_LIT("0")));
}

static void json_peek_wants__looks_within(void **state)
{
	static const struct json_want of_b[] = {JSON_WANT("x", 2), JSON_WANT("y", 3)};
	static const struct json_want wants[] = {JSON_WANT("a", 0), JSON_WANT_IN("b", 1, of_b)};
	static const struct {
		const char *text, *b, *x, *y;
	} rows[] = {{"{\"b\":{\"y\":[1],\"x\":2}}", "{\"y\":[1],\"x\":2}", "2", "[1]"},
		    {"{\"b\":[{\"x\":{}}],\"a\":1}", "[{\"x\":{}}]", "{}", ""},
		    {"{\"b\":\"x\"}", "\"x\"", "", ""},
		    {"{\"b\":[]}", "[]", "", ""},
		    {"{\"b\":[1,{\"x\":2}]}", "[1,{\"x\":2}]", "", ""}};
	struct slice v[4];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct slice s = slice_str(rows[i].text);
		assert_int_equal(json_peek_wants(s, wants, 2, true, v, 4), s.len);
		assert_true(slice_eq_str(v[1], rows[i].b) && slice_eq_str(v[2], rows[i].x) &&
			    slice_eq_str(v[3], rows[i].y));
	}
	/* two of them, one of them broken, a member that nobody wants: left to the parser */
	assert_int_equal(json_peek_wants(SLICE_LIT("{\"b\":[{\"x\":1},{\"x\":2}]}"), wants, 2, true, v, 4),
			 0);
	assert_int_equal(json_peek_wants(SLICE_LIT("{\"b\":[{\"x\":1]}"), wants, 2, true, v, 4), 0);
	assert_int_equal(json_peek_wants(SLICE_LIT("{\"b\":{\"x\":1,\"x\":1}}"), wants, 2, true, v, 4), 0);
	assert_int_equal(json_peek_wants(SLICE_LIT("{\"c\":1}"), wants, 2, true, v, 4), 0);
	assert_int_equal(json_peek_wants(SLICE_LIT("{\"c\":1}"), wants, 2, false, v, 4), 7);
}

static void json_peek_before__looks_no_further(void **state)
{
	struct slice v[2];
	(void)state;
	assert_true(
		json_peek_before(SLICE_LIT("{\"b\":[1], \"stop\":broken"), SLICE_LIT("stop"), names, 2, v));
	assert_true(v[0].len == 0 && slice_eq_str(v[1], "[1]"));
	assert_true(json_peek_before(SLICE_LIT("{\"stop\":1,\"a\":2}"), SLICE_LIT("stop"), names, 2, v));
	assert_int_equal(v[0].len, 0);
	assert_false(json_peek_before(SLICE_LIT("{\"a\":1,\"stopped\":2}"), SLICE_LIT("stop"), names, 2, v));
	assert_false(
		json_peek_before(SLICE_LIT("{\"a\":1,\"a\":1,\"stop\":2}"), SLICE_LIT("stop"), names, 2, v));
	assert_false(json_peek_before(SLICE_LIT("{\"a\":1"), SLICE_LIT("stop"), names, 2, v));
	assert_false(json_peek_before(SLICE_LIT("[\"stop\"]"), SLICE_LIT("stop"), names, 2, v));
	assert_false(json_peek_before((struct slice){0}, SLICE_LIT("stop"), names, 2, v));
}

static void json_peek_plain__copies_short_strings(void **state)
{
	char text[4];
	(void)state;
	assert_true(json_peek_plain(SLICE_LIT("\"abc\""), text, sizeof text));
	assert_string_equal(text, "abc");
	assert_false(json_peek_plain(SLICE_LIT("\"abcd\""), text, sizeof text));
	assert_false(json_peek_plain(SLICE_LIT("\"\\n\""), text, sizeof text));
	assert_false(json_peek_plain(SLICE_LIT("12"), text, sizeof text));
	assert_true(json_peek_plain(SLICE_LIT("null"), text, sizeof text) && text[0] == '\0');
	assert_true(json_peek_plain((struct slice){0}, text, sizeof text) && text[0] == '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_peek_object__finds_members_as_they_are_written),
		cmocka_unit_test(json_peek_object__leaves_the_unusual_to_the_parser),
		cmocka_unit_test(json_peek_text__unescapes),
		cmocka_unit_test(json_peek_index__reads_whole_numbers),
		cmocka_unit_test(json_peek_wants__looks_within),
		cmocka_unit_test(json_peek_before__looks_no_further),
		cmocka_unit_test(json_peek_plain__copies_short_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
