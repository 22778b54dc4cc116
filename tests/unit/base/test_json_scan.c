/* SPDX-License-Identifier: Apache-2.0 */
/* json_scan.c and json_token.c: what is accepted, what is refused, and where the error is said to be. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text in memory of exactly its size, so that a sanitizer sees a read past its end. */
static struct json *parse_exact(const char *text, size_t n, int depth_max, struct error *e)
{
	char *copy = malloc(n ? n : 1);

	memcpy(copy, text, n);
	struct json *j = json_parse(copy, n, depth_max, e);
	free(copy);
	return j;
}

static void json_parse__accepts_what_the_rfc_allows(void **state)
{
	static const char *const good[] = {
		"0",
		"-0",
		"1",
		"-1.5",
		"1e3",
		"1E+3",
		"1.25e-3",
		"123456789012345678901234567890",
		"true",
		"false",
		"null",
		"\"\"",
		"\"a\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\u00e9\\uD83D\\uDE00\"",
		"\"\x7f\"",
		"\"\xF0\x9F\x98\x80\xE2\x82\xAC\xC3\xA9\"",
		"[]",
		"{}",
		" [ ] ",
		"\t\r\n{ }\n",
		"[1,[2,[3]]]",
		"{\"a\":{\"b\":[null,{\"\":1}]}}",
		"{\"a\":1,\"A\":2}",
		"[{\"a\":1},{\"a\":2}]",
		"\"12345678901234567\"",
		"5e-324",
		"1e-400",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct error e = {.msg = ""};
		struct json *j = parse_exact(good[i], strlen(good[i]), 0, &e);
		if (!j)
			fail_msg("%s: %s", good[i], e.msg);
		json_free(j);
	}
}

struct bad {
	const char *text;
	const char *msg;
};

static void json_parse__refuses_and_says_where(void **state)
{
	static const struct bad bad[] = {
		{"", "line 1, column 1: the text is empty"},
		{" \n ", "line 2, column 2: the text is empty"},
		{"\xEF\xBB\xBF{}",
		 "line 1, column 1: the text begins with a byte order mark, which JSON does not allow"},
		{"01", "line 1, column 1: a number may not begin with 0"},
		{"-", "line 1, column 2: expected a digit, but the text ends here"},
		{"+1", "line 1, column 1: expected a value, found '+'"},
		{".5", "line 1, column 1: expected a value, found '.'"},
		{"1.", "line 1, column 3: expected a digit after the decimal point, but the text ends here"},
		{"[1.e3]", "line 1, column 4: expected a digit after the decimal point, found 'e'"},
		{"1e", "line 1, column 3: expected a digit in the exponent, but the text ends here"},
		{"1e+x", "line 1, column 4: expected a digit in the exponent, found 'x'"},
		{"1e999", "line 1, column 1: the number is out of range"},
		{"0x10", "line 1, column 2: expected nothing more after the document, found 'x'"},
		{"NaN", "line 1, column 1: expected a value, found 'N'"},
		{"tru", "line 1, column 1: expected a value, found 't'"},
		{"truex", "line 1, column 5: expected nothing more after the document, found 'x'"},
		{"{} {}", "line 1, column 4: expected nothing more after the document, found '{'"},
		{"[1 2]", "line 1, column 4: expected ',' or ']', found '2'"},
		{"[1,]", "line 1, column 4: expected a value, found ']'"},
		{"[,1]", "line 1, column 2: expected a value, found ','"},
		{"[1", "line 1, column 3: expected ',' or ']', but the text ends here"},
		{"[", "line 1, column 2: expected a value, but the text ends here"},
		{"[}", "line 1, column 2: expected a value, found '}'"},
		{"{\"a\":1]", "line 1, column 7: expected ',' or '}', found ']'"},
		{"{\"a\" 1}", "line 1, column 6: expected ':' after the name, found '1'"},
		{"{\"a\":}", "line 1, column 6: expected a value, found '}'"},
		{"{\"a\":1,}", "line 1, column 8: expected a name in quotes, found '}'"},
		{"{a:1}", "line 1, column 2: expected a name in quotes or '}', found 'a'"},
		{"{'a':1}", "line 1, column 2: expected a name in quotes or '}', found '''"},
		{"// x", "line 1, column 1: expected a value, found '/'"},
		{"\"abc", "line 1, column 1: the string that begins here has no closing quote"},
		{"\"abc\\", "line 1, column 5: the text ends within an escape"},
		{"\"a\\x\"",
		 "line 1, column 3: unknown escape: after '\\' only \" \\ / b f n r t u may stand"},
		{"\"\\u12g4\"", "line 1, column 2: \\u must be followed by four hexadecimal digits"},
		{"\"\\u12", "line 1, column 2: \\u must be followed by four hexadecimal digits"},
		{"\"a\\u0000b\"", "line 1, column 3: \\u0000 is not accepted in text"},
		{"\"\\ud800\"",
		 "line 1, column 2: \\ud800 is half of a surrogate pair, the other half is missing"},
		{"\"\\ud800\\u0041\"",
		 "line 1, column 2: \\ud800 is half of a surrogate pair, the other half is missing"},
		{"\"\\udc00\\ud800\"",
		 "line 1, column 2: \\udc00 is half of a surrogate pair, the other half is missing"},
		{"\"a\nb\"",
		 "line 1, column 3: control character 0x0a within a string must be written as an escape"},
		{"[\n \"\xC3\xA9\xC3\xA9\xff\"]", "line 2, column 5: byte 0xff is not valid UTF-8"},
		{"\"\xC0\x80\"", "line 1, column 2: byte 0xc0 is not valid UTF-8"},
		{"\"\xED\xA0\x80\"", "line 1, column 2: byte 0xed is not valid UTF-8"},
		{"\"\xE2\x82\"", "line 1, column 2: byte 0xe2 is not valid UTF-8"},
		{"[1,\x01]", "line 1, column 4: expected a value, found byte 0x01"},
		{"{\"a\":1,\n\"b\":2,\n \"a\":3}",
		 "line 3, column 2: the name \"a\" stands twice in one object"},
		{"{\"a\":1,\"\\u0061\":3}", "line 1, column 8: the name \"a\" stands twice in one object"},
		{"{\"\":1,\"\":3}", "line 1, column 7: the name \"\" stands twice in one object"},
		{"[{\"x\":{\"y\":1,\"y\":1}}]",
		 "line 1, column 14: the name \"y\" stands twice in one object"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct error e = {.msg = ""};
		assert_null(parse_exact(bad[i].text, strlen(bad[i].text), 0, &e));
		assert_string_equal(e.msg, bad[i].msg);
		assert_int_equal(e.code, ERR_JSON);
	}
	assert_null(json_parse("[", 1, 0, NULL));
}

static void json_parse__refuses_raw_nul(void **state)
{
	struct error e;

	(void)state;
	assert_null(parse_exact("\"a\0b\"", 5, 0, &e));
	assert_null(parse_exact("1\0", 2, 0, &e));
	assert_string_equal(e.msg,
			    "line 1, column 2: expected nothing more after the document, found byte 0x00");
}

/* n opening brackets, then their ends. */
static struct json *parse_nested(int n, int depth_max, struct error *e)
{
	struct buf b = BUF_INIT;

	for (int i = 0; i < n; i++)
		buf_add_str(&b, i % 2 ? "{\"a\":" : "[");
	buf_add_str(&b, "1");
	for (int i = n - 1; i >= 0; i--)
		buf_add_str(&b, i % 2 ? "}" : "]");
	struct json *j = parse_exact(b.data, b.len, depth_max, e);
	buf_release(&b);
	return j;
}

static void json_parse__bounds_depth(void **state)
{
	struct error e;
	static const int limits[] = {1, 2, JSON_DEPTH_DEFAULT, JSON_DEPTH_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct json *j = parse_nested(limits[i], limits[i], &e);
		assert_non_null(j);
		json_free(j);
		assert_null(parse_nested(limits[i] + 1, limits[i], &e));
		assert_non_null(strstr(e.msg, "nested deeper than the limit of"));
	}
	assert_null(parse_nested(JSON_DEPTH_DEFAULT + 1, 0, &e));
	assert_null(parse_nested(100000, JSON_DEPTH_MAX, &e));
}

static void json_parse__bounds_numbers(void **state)
{
	char text[65];
	struct error e;

	(void)state;
	memset(text, '9', sizeof(text));
	struct json *j = parse_exact(text, 63, 0, &e);
	assert_non_null(j);
	json_free(j);
	assert_null(parse_exact(text, 64, 0, &e));
	assert_string_equal(e.msg,
			    "line 1, column 1: a number may have at most 63 characters, this one has 64");
}

static void json_parse__finds_duplicates_among_many(void **state)
{
	struct buf b = BUF_INIT;
	struct error e;

	(void)state;
	for (int twice = -1; twice < 2000; twice += 667) {
		buf_reset(&b);
		buf_add_str(&b, "{");
		for (int i = 0; i < 2000; i++)
			buf_printf(&b, "\"n%d\":{\"n%d\":%d},", i, i, i);
		buf_printf(&b, "\"n%d\":0}", twice);
		struct json *j = parse_exact(b.data, b.len, 0, &e);
		if (twice < 0) {
			assert_non_null(j);
			assert_int_equal(json_count(j), 2001);
		} else {
			assert_null(j);
			assert_non_null(strstr(e.msg, "stands twice in one object"));
		}
		json_free(j);
	}
	buf_release(&b);
}

/* Every prefix and every single-byte change of a document either parses or fails with a place; neither
 * crashes. */
static void json_parse__survives_damage(void **state)
{
	static const char doc[] =
		"{\"a\":[1,-2.5e3,\"\\u00e9\\ud83d\\ude00\",true,null],\"b\":{\"\":9007199254740993}}";
	char text[sizeof(doc)];
	struct error e;

	(void)state;
	for (size_t n = 0; n < sizeof(doc) - 1; n++)
		assert_null(parse_exact(doc, n, 0, &e));
	for (size_t at = 0; at < sizeof(doc) - 1; at++) {
		for (int c = 0; c < 256; c++) {
			memcpy(text, doc, sizeof(doc));
			text[at] = (char)c;
			struct json *j = parse_exact(text, sizeof(doc) - 1, 0, &e);
			if (!j)
				assert_ptr_equal(strstr(e.msg, "line "), e.msg);
			json_free(j);
		}
	}
}

static void json_parse_front__stops_behind_the_document(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t used;
	} rows[] = {{"{\"a\":1} {", 8}, {" [1]\n\n[2]", 6}, {"1 2", 2}, {"{}", 2}, {"null,", 4}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t used = 0;
		struct json *j = json_parse_front(rows[i].text, strlen(rows[i].text), 0, &used, NULL);
		assert_non_null(j);
		assert_int_equal(used, rows[i].used);
		json_free(j);
	}
	size_t used;
	assert_null(json_parse_front("{\"a\":1", 6, 0, &used, NULL));
	assert_null(json_parse_front("}", 1, 0, &used, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_parse_front__stops_behind_the_document),
		cmocka_unit_test(json_parse__accepts_what_the_rfc_allows),
		cmocka_unit_test(json_parse__refuses_and_says_where),
		cmocka_unit_test(json_parse__refuses_raw_nul),
		cmocka_unit_test(json_parse__bounds_depth),
		cmocka_unit_test(json_parse__bounds_numbers),
		cmocka_unit_test(json_parse__finds_duplicates_among_many),
		cmocka_unit_test(json_parse__survives_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
