/* SPDX-License-Identifier: Apache-2.0 */
/* json_print.c: printing, canonical form, deep equality, JSON Pointer. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct json *parse(const char *text)
{
	struct error e;
	struct json *j = json_parse(text, strlen(text), JSON_DEPTH_MAX, &e);

	if (!j)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void assert_prints(const char *text, const char *want,
			  bool (*print)(const struct json *, struct buf *))
{
	struct json *j = parse(text);
	struct buf b = BUF_INIT;

	assert_true(print(j, &b));
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
	json_free(j);
}

static void json_print__is_compact_and_keeps_order(void **state)
{
	(void)state;
	assert_prints(" { \"b\" : [ 1 , 2.50 , -0 , 1e2 ] , \"a\" : \"\\u00e9\\n\\u0001\\/\" } ",
		      "{\"b\":[1,2.5,-0,100],\"a\":\"\xC3\xA9\\n\\u0001/\"}", json_print);
	assert_prints("[]", "[]", json_print);
	assert_prints("[{},[],null,true,false,\"\"]", "[{},[],null,true,false,\"\"]", json_print);
	assert_prints("[0.1,1e300,5e-324,1.7976931348623157e308]",
		      "[0.1,1e+300,5e-324,1.7976931348623157e+308]", json_print);
}

static void json_print__fails_when_the_buffer_is_full(void **state)
{
	struct json *j = parse("[1,2,3]");
	struct buf b = BUF_LIMIT(4);

	(void)state;
	assert_false(json_print(j, &b));
	buf_release(&b);
	json_free(j);
}

static void json_print_canonical__does_not_depend_on_the_writer(void **state)
{
	const char *want = "{\"A\":[{\"x\":1,\"y\":2}],\"a\":1,\"b\":9007199254740993,\"\xC3\xA9\":0}";

	(void)state;
	assert_prints("{\"a\":1,\"b\":9007199254740993,\"A\":[{\"y\":2,\"x\":1}],\"\\u00e9\":0}", want,
		      json_print_canonical);
	assert_prints("{\"\xC3\xA9\": -0, \"A\":[{\"x\":1e0,\"y\":2.0}],\"b\":9007199254740993,\"a\":1.0}",
		      want, json_print_canonical);
	assert_prints("[1e17,100000000000000000]", "[100000000000000000,100000000000000000]",
		      json_print_canonical);
}

static bool equal(const char *a, const char *b)
{
	struct json *x = parse(a), *y = parse(b);
	bool same = json_equal(x, y);

	assert_int_equal(json_equal(y, x), same);
	json_free(x);
	json_free(y);
	return same;
}

static void json_equal__ignores_member_order_and_spelling(void **state)
{
	(void)state;
	assert_true(equal("{\"a\":1,\"b\":[1,{\"c\":null}]}", "{\"b\":[1.0,{\"c\":null}],\"a\":1e0}"));
	assert_true(equal("\"\\u0061\"", "\"a\""));
	assert_true(equal("9007199254740993", "9007199254740993"));
	assert_false(equal("9007199254740993", "9007199254740992"));
	assert_false(equal("123456789012345678901234567890", "123456789012345678901234567891"));
	assert_false(equal("[1,2]", "[2,1]"));
	assert_false(equal("[1]", "[1,2]"));
	assert_false(equal("{\"a\":1}", "{\"a\":1,\"b\":1}"));
	assert_false(equal("{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1}"));
	assert_false(equal("{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}"));
	assert_false(equal("{}", "[]"));
	assert_false(equal("true", "false"));
	assert_false(equal("0", "null"));
	assert_false(equal("1.5", "1"));
}

static void json_pointer__follows_rfc_6901(void **state)
{
	struct json *j =
		parse("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"m~n\":8,\"~1\":9,\"o\":{\"p\":[[7]]}}");

	(void)state;
	assert_ptr_equal(json_pointer(j, ""), j);
	assert_string_equal(json_text(json_pointer(j, "/foo/0")), "bar");
	assert_true(json_number(json_pointer(j, "/")) == 0);
	assert_true(json_number(json_pointer(j, "/a~1b")) == 1);
	assert_true(json_number(json_pointer(j, "/m~0n")) == 8);
	assert_true(json_number(json_pointer(j, "/~01")) == 9);
	assert_true(json_number(json_pointer(j, "/o/p/0/0")) == 7);
	static const char *const nowhere[] = {"foo",
					      "/foo/2",
					      "/foo/-",
					      "/foo/00",
					      "/foo/01",
					      "/foo/",
					      "/fo",
					      "/fooo",
					      "/m~n",
					      "/m~",
					      "/o/p/x",
					      "/foo/0/x",
					      "/foo/99999999999999999999"};
	for (size_t i = 0; i < COUNT_OF(nowhere); i++)
		assert_null(json_pointer(j, nowhere[i]));
	assert_null(json_pointer(NULL, "/a"));
	json_free(j);
}

static void json_print__reaches_the_deepest_tree(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 1];

	(void)state;
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	text[sizeof(text) - 1] = '\0';
	assert_prints(text, text, json_print);
	assert_true(equal(text, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_print__is_compact_and_keeps_order),
		cmocka_unit_test(json_print__fails_when_the_buffer_is_full),
		cmocka_unit_test(json_print_canonical__does_not_depend_on_the_writer),
		cmocka_unit_test(json_equal__ignores_member_order_and_spelling),
		cmocka_unit_test(json_pointer__follows_rfc_6901),
		cmocka_unit_test(json_print__reaches_the_deepest_tree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
