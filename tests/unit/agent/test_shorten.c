/* SPDX-License-Identifier: Apache-2.0 */
/* Large JSON made short for a model. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void json_shorten__keeps_members_and_cuts_arrays(void **state)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	(void)state;
	buf_add_str(&text, " {\"total\":500,\"na\\\"me\":{\"rows\":[");
	for (int i = 0; i < 500; i++)
		buf_printf(&text, "%s{\"id\":%d,\"tags\":[1,2]}", i > 0 ? "," : "", i);
	buf_add_str(&text, "]},\"next\":null,\"ok\":true}");
	assert_true(json_shorten(buf_slice(&text), 2000, &out));
	assert_true(out.len <= 2000);
	struct json *j = json_parse(out.data, out.len, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_get_integer(j, "total", 0), 500);
	assert_true(json_get_bool(j, "ok", false));
	const struct json *rows = json_get(json_get(j, "na\"me"), "rows");
	assert_int_equal(json_count(rows), 51);
	assert_int_equal(json_get_integer(json_at(rows, 49), "id", 0), 49);
	assert_string_equal(json_text(json_at(rows, 50)), "[450 more items]");
	json_free(j);
	/* with less room fewer are kept */
	buf_reset(&out);
	assert_true(json_shorten(buf_slice(&text), 300, &out));
	assert_non_null(strstr(buf_cstr(&out), "[492 more items]"));
	buf_release(&text);
	buf_release(&out);
}

static void json_shorten__cuts_texts_at_characters(void **state)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	(void)state;
	buf_add_str(&text, "[\"");
	for (int i = 0; i < 2000; i++)
		buf_add_str(&text, "\xE2\x82\xAC");
	buf_add_str(&text, "\"]");
	assert_true(json_shorten(buf_slice(&text), 600, &out));
	assert_true(utf8_valid(out.data, out.len));
	assert_non_null(strstr(buf_cstr(&out), " [5601 more bytes]"));
	buf_release(&text);
	buf_release(&out);
}

static void json_shorten__leaves_alone_what_is_none_or_stays_long(void **state)
{
	static const char *const texts[] = {"",        "  ", "plain text",
					    "{broken", "7",  "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"};
	struct buf out = BUF_INIT;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_false(json_shorten(slice_str(texts[i]), 10, &out));
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_shorten__keeps_members_and_cuts_arrays),
		cmocka_unit_test(json_shorten__cuts_texts_at_characters),
		cmocka_unit_test(json_shorten__leaves_alone_what_is_none_or_stays_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
