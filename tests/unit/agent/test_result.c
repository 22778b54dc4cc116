/* SPDX-License-Identifier: Apache-2.0 */
/* What a tool's result looks like to a model. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void assert_text(const char *result, size_t bytes_max, const char *wanted)
{
	struct error e = {0};
	struct buf out = BUF_INIT;
	struct json *j = json_parse(result, strlen(result), 0, &e);
	assert_non_null(j);
	result_text(j, bytes_max, &out);
	assert_string_equal(buf_cstr(&out), wanted);
	json_free(j);
	buf_release(&out);
}

static void result_text__joins_blocks_and_describes_binary(void **state)
{
	(void)state;
	assert_text(
		"{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\",\"mimeType\":\"image/"
		"png\","
		"\"data\":\"AAAAAAAA\"},{\"type\":\"resource_link\",\"name\":\"n\",\"uri\":\"file:///x\"},"
		"{\"type\":\"resource\",\"resource\":{\"uri\":\"u\",\"text\":\"inner\"}}]}",
		1000, "a\n[image: image/png, about 6 bytes, not shown]\n[link: n file:///x]\ninner");
}

static void result_text__shows_unknown_and_structured_content(void **state)
{
	(void)state;
	assert_text("{\"content\":[{\"type\":\"new\",\"x\":1}]}", 1000, "{\"type\":\"new\",\"x\":1}");
	assert_text("{\"content\":[],\"structuredContent\":{\"t\":21}}", 1000, "{\"t\":21}");
	assert_text("{}", 1000, "");
}

static void result_bound__keeps_head_and_tail_of_whole_characters(void **state)
{
	(void)state;
	struct buf out = BUF_INIT;
	result_bound(SLICE_LIT("0123456789"), 10, &out);
	assert_string_equal(buf_cstr(&out), "0123456789");
	buf_reset(&out);
	/* ten characters of two bytes; head 8 bytes, tail 2 */
	result_bound(SLICE_LIT("éééééééééé"), 11, &out);
	assert_true(utf8_valid(out.data, out.len));
	assert_string_equal(buf_cstr(&out), "éééé\n[... 10 bytes left out ...]\né");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(result_text__joins_blocks_and_describes_binary),
		cmocka_unit_test(result_text__shows_unknown_and_structured_content),
		cmocka_unit_test(result_bound__keeps_head_and_tail_of_whole_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
