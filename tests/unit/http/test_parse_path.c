/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded paths and query parameters. */
#include "base/base.h"
#include "http/http_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void path_decode__decodes(void **state)
{
	static const char *const pairs[][2] = {
		{"/", "/"},         {"/a%20b", "/a b"}, {"/a+b", "/a+b"}, {"/%c3%A4", "/\xc3\xa4"},
		{"/%2e%2E", "/.."}, {"", ""},
	};
	struct arena *a = arena_new(0);
	struct error e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++)
		assert_string_equal(http_decode_path(a, slice_str(pairs[i][0]), &e), pairs[i][1]);
	arena_free(a);
}

static void path_decode__refuses(void **state)
{
	static const char *const bad[] = {"/%",     "/%4",  "/%4g", "/%zz",       "/%00",
					  "/a%00b", "/%ff", "/%c3", "/%ed%a0%80", "/%c0%80"};
	struct arena *a = arena_new(0);
	struct error e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_null(http_decode_path(a, slice_str(bad[i]), &e));
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(e.field, "path");
	}
	assert_null(http_decode_path(a, (struct slice){"a\0b", 3}, &e));
	arena_free(a);
}

static void query_get__finds_by_decoded_name(void **state)
{
	struct arena *a = arena_new(0);
	struct slice q = slice_str("a=1&b=x+y%26z&&c&%64=4&e=&f=a=b");
	struct error e;

	(void)state;
	assert_string_equal(http_query_get(a, q, "a", &e), "1");
	assert_string_equal(http_query_get(a, q, "b", &e), "x y&z");
	assert_string_equal(http_query_get(a, q, "c", &e), "");
	assert_string_equal(http_query_get(a, q, "d", &e), "4");
	assert_string_equal(http_query_get(a, q, "e", &e), "");
	assert_string_equal(http_query_get(a, q, "f", &e), "a=b");
	assert_null(http_query_get(a, q, "g", &e));
	assert_int_equal(e.code, ERR_NONE);
	assert_null(http_query_get(a, (struct slice){0}, "a", &e));
	assert_int_equal(e.code, ERR_NONE);
	arena_free(a);
}

static void query_get__refuses_what_is_malformed_or_twice(void **state)
{
	static const char *const bad[] = {"a=1&a=1", "a&%61", "a=%", "a=%00", "a=%ff"};
	struct arena *a = arena_new(0);
	struct error e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_null(http_query_get(a, slice_str(bad[i]), "a", &e));
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(e.field, "a");
	}
	arena_free(a);
}

static void path_decode__keeps_to_the_arena(void **state)
{
	struct arena *a = arena_new(8);
	struct error e;

	(void)state;
	assert_null(http_decode_path(a, slice_str("/longer/than/eight"), &e));
	assert_int_equal(e.code, ERR_MEMORY);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_decode__decodes),
		cmocka_unit_test(path_decode__refuses),
		cmocka_unit_test(query_get__finds_by_decoded_name),
		cmocka_unit_test(query_get__refuses_what_is_malformed_or_twice),
		cmocka_unit_test(path_decode__keeps_to_the_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
