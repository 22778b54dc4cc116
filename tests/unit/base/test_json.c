/* SPDX-License-Identifier: Apache-2.0 */
/* json.c: reading values, exact integers, look-up, building and changing trees. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct json *parse(const char *text)
{
	struct error e;
	struct json *j = json_parse(text, strlen(text), 0, &e);

	if (!j)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void json_get__is_case_sensitive(void **state)
{
	struct json *j = parse("{\"Name\":1,\"name\":2,\"n\\u00e9\":3}");

	(void)state;
	assert_int_equal(json_get_integer(j, "name", 0), 2);
	assert_int_equal(json_get_integer(j, "Name", 0), 1);
	assert_int_equal(json_get_integer(j, "n\xC3\xA9", 0), 3);
	assert_null(json_get(j, "NAME"));
	assert_null(json_get(NULL, "x"));
	json_free(j);
}

struct integer_case {
	const char *text;
	bool fits;
	int64_t value;
};

static void json_integer__is_exact_for_all_64_bits(void **state)
{
	static const struct integer_case cases[] = {
		{"9007199254740993", true, 9007199254740993},
		{"-9007199254740993", true, -9007199254740993},
		{"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0},
		{"123456789012345678901234567890", false, 0},
		{"1.0", true, 1},
		{"1e3", true, 1000},
		{"-0", true, 0},
		{"1.5", false, 0},
		{"1e-3", false, 0},
		{"1e19", false, 0},
		{"9.3e18", false, 0},
		{"1e18", true, 1000000000000000000},
		{"999999999999999", true, 999999999999999},
		{"9999999999999999", true, 9999999999999999},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json *j = parse(cases[i].text);
		int64_t v = 0;
		assert_int_equal(json_integer(j, &v), cases[i].fits);
		assert_true(v == cases[i].value);
		json_free(j);
	}
}

/* The text of each big number must land on its own node, whatever stands around it. */
static void json_parse__attaches_exact_text_in_order(void **state)
{
	static const char text[] =
		"{\"a\":[1,{\"x\":9007199254740993,\"y\":[]},2],\"b\":{},\"c\":{\"d\":[[-0]],\"e\":1.5},"
		"\"f\":18446744073709551615,\"g\":\"9007199254740993\"}";
	struct json *j = parse(text);
	struct buf b = BUF_INIT;

	(void)state;
	assert_true(json_print(j, &b));
	assert_string_equal(buf_cstr(&b), text);
	assert_true(json_get_integer(json_at(json_get(j, "a"), 1), "x", 0) == 9007199254740993);
	buf_release(&b);
	json_free(j);
}

static void json_views__accept_null_and_other_types(void **state)
{
	struct json *j = parse("[\"t\",true,3.5,null,{\"k\":\"v\"}]");
	int64_t v;

	(void)state;
	assert_int_equal(json_count(j), 5);
	assert_string_equal(json_text(json_at(j, 0)), "t");
	assert_true(json_truth(json_at(j, 1)));
	assert_false(json_truth(json_at(j, 0)));
	assert_true(json_number(json_at(j, 2)) == 3.5);
	assert_true(json_number(json_at(j, 0)) == 0);
	assert_null(json_at(j, 5));
	assert_null(json_text(json_at(j, 3)));
	assert_null(json_name(json_at(j, 3)));
	assert_string_equal(json_name(json_first(json_at(j, 4))), "k");
	assert_int_equal(json_count(json_at(j, 0)), 0);
	assert_null(json_first(json_at(j, 0)));
	assert_null(json_at(NULL, 0));
	assert_null(json_next(NULL));
	assert_null(json_text(NULL));
	assert_null(json_name(NULL));
	assert_false(json_integer(NULL, &v));
	assert_false(json_is(NULL, JSON_NULL));
	assert_int_equal(json_count(NULL), 0);
	assert_string_equal(json_type_name(json_type(json_at(j, 2))), "number");
	json_free(j);
	json_free(NULL);
}

static void json_get_shorthands__fall_back(void **state)
{
	struct json *j = parse("{\"t\":\"x\",\"n\":null,\"i\":7,\"f\":1.5,\"b\":false}");

	(void)state;
	assert_string_equal(json_get_text(j, "t", "d"), "x");
	assert_string_equal(json_get_text(j, "n", "d"), "d");
	assert_string_equal(json_get_text(j, "i", "d"), "d");
	assert_int_equal(json_get_integer(j, "f", -1), -1);
	assert_int_equal(json_get_integer(j, "i", -1), 7);
	assert_false(json_get_bool(j, "b", true));
	assert_true(json_get_bool(j, "t", true));
	assert_true(json_get_bool(j, "absent", true));
	json_free(j);
}

static void assert_prints(const struct json *j, const char *want)
{
	struct buf b = BUF_INIT;

	assert_true(json_print(j, &b));
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void json_set__replaces_in_place(void **state)
{
	struct json *j = json_new_object();

	(void)state;
	json_set(j, "a", json_new_integer(1));
	json_set(j, "A", json_new_text("two"));
	struct json *list = json_new_array();
	json_push(list, json_new_bool(true));
	json_set(j, "a", list);
	assert_prints(j, "{\"a\":[true],\"A\":\"two\"}");
	json_remove(j, "a");
	json_remove(j, "absent");
	assert_prints(j, "{\"A\":\"two\"}");
	json_free(j);
}

static void json_copy__is_independent_and_nameless(void **state)
{
	struct json *j = parse("{\"a\":{\"big\":9007199254740993,\"t\":\"x\"}}");
	struct json *copy = json_copy(json_get(j, "a"));

	(void)state;
	json_free(j);
	assert_null(json_name(copy));
	struct json *arr = json_new_array();
	json_push(arr, copy);
	json_push(arr, json_new_null());
	assert_prints(arr, "[{\"big\":9007199254740993,\"t\":\"x\"},null]");
	json_free(arr);
}

static void json_new_integer__keeps_all_bits(void **state)
{
	static const int64_t values[] = {INT64_MAX, INT64_MIN, 9007199254740993, -9007199254740992, 0, -1};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		struct json *j = json_new_integer(values[i]);
		struct buf b = BUF_INIT, want = BUF_INIT;
		int64_t v;
		assert_true(json_integer(j, &v) && v == values[i]);
		buf_add_i64(&want, values[i]);
		json_print(j, &b);
		assert_string_equal(buf_cstr(&b), buf_cstr(&want));
		buf_release(&b);
		buf_release(&want);
		json_free(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_get__is_case_sensitive),
		cmocka_unit_test(json_integer__is_exact_for_all_64_bits),
		cmocka_unit_test(json_parse__attaches_exact_text_in_order),
		cmocka_unit_test(json_views__accept_null_and_other_types),
		cmocka_unit_test(json_get_shorthands__fall_back),
		cmocka_unit_test(json_set__replaces_in_place),
		cmocka_unit_test(json_copy__is_independent_and_nameless),
		cmocka_unit_test(json_new_integer__keeps_all_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
