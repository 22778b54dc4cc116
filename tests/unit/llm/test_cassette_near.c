/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest recorded request, and where another one differs from it. */
#include "cassette_rig.h"

static void assert_differs(const char *recorded, const char *asked, const char *wanted)
{
	struct buf out = BUF_INIT;
	cassette_difference(slice_str(recorded), slice_str(asked), &out);
	assert_string_equal(buf_cstr(&out), wanted);
	buf_release(&out);
}

static void cassette_difference__names_the_place(void **state)
{
	(void)state;
	assert_differs("{\"a\":[{\"b\":\"same\"},{\"b\":\"one\"}]}",
		       "{\"a\":[{\"b\":\"same\"},{\"b\":\"ore\"}]}", "/a/1/b, at byte 1");
	assert_differs("{\"a\":\"x\"}", "{\"a\":\"xy\"}", "/a, at byte 1");
	assert_differs("{\"a\":1}", "{\"a\":2}", "/a");
	assert_differs("{\"a\":1}", "{\"a\":\"1\"}", "/a");
	assert_differs("{\"a/b~\":1,\"c\":2}", "{\"a/b~\":1,\"c\":2,\"d\":3}",
		       "/d, which only the new one has");
	assert_differs("{\"a/b~\":1,\"c\":2}", "{\"c\":2}", "/a~1b~0, which only the recorded one has");
	assert_differs("{\"a\":[1,2]}", "{\"a\":[1]}", "/a/1, which only the recorded one has");
	assert_differs("{\"a\":[1]}", "{\"a\":[1,2]}", "/a/1, which only the new one has");
	assert_differs("[]", "{}", "its beginning");
	assert_differs("\"abc\"", "\"abd\"", "its beginning");
	assert_differs("no json", "no jsen", "byte 5");
}

static void cassette_difference__is_bounded(void **state)
{
	(void)state;
	struct buf a = BUF_INIT, b = BUF_INIT, out = BUF_INIT;
	buf_add_str(&a, "{\"");
	for (int i = 0; i < 1000; i++)
		buf_add_str(&a, "ä");
	buf_add_slice(&b, buf_slice(&a));
	buf_add_str(&a, "\":1}");
	buf_add_str(&b, "\":2}");
	cassette_difference(buf_slice(&a), buf_slice(&b), &out);
	assert_true(out.len <= 200);
	assert_true(utf8_valid(out.data, out.len));
	buf_release(&a);
	buf_release(&b);
	buf_release(&out);
}

static void cassette_nearest__goes_the_same_way_for_the_longest(void **state)
{
	(void)state;
	struct cassette_exchange list[] = {exchange_make("{\"m\":[\"planner\"]}", ""),
					   exchange_make("{\"m\":[\"executor\",\"a\"]}", ""),
					   exchange_make("{\"m\":[\"executor\",\"bb\"]}", ""),
					   exchange_make("{\"m\":[\"executor\",\"bbb\"]}", "")};
	free(list[3].provider);
	list[3].provider = xstrdup("spare");
	const char *path = list[0].path;
	assert_int_equal(cassette_nearest(list, 4, "main", path, SLICE_LIT("{\"m\":[\"executor\",\"bbb\"]}")),
			 2);
	assert_int_equal(cassette_nearest(list, 4, "spare", path, SLICE_LIT("{\"m\":[\"planner\"]}")), 3);
	assert_int_equal(
		cassette_nearest(list, 4, "other", "/x", SLICE_LIT("{\"m\":[\"executor\",\"bbbb\"]}")), 3);
	assert_int_equal(cassette_nearest(list, 1, "other", "/x", SLICE_LIT("x")), 0);
	for (size_t i = 0; i < COUNT_OF(list); i++)
		cassette_exchange_release(&list[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette_difference__names_the_place),
		cmocka_unit_test(cassette_difference__is_bounded),
		cmocka_unit_test(cassette_nearest__goes_the_same_way_for_the_longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
