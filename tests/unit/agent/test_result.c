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
	result_text(j, "s__read_resource", bytes_max, &out);
	assert_string_equal(buf_cstr(&out), wanted);
	json_free(j);
	buf_release(&out);
}

static void result_text__joins_blocks(void **state)
{
	(void)state;
	assert_text(
		"{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"resource_link\",\"name\":\"n\","
		"\"uri\":\"file:///"
		"x\"},{\"type\":\"resource_link\",\"name\":\"m\",\"uri\":\"u\",\"mimeType\":"
		"\"text/plain\",\"description\":\"d\"},"
		"{\"type\":\"resource\",\"resource\":{\"uri\":\"u\",\"text\":\"inner\"}}]}",
		1000,
		"a\n[link: n file:///x; read it with s__read_resource]\n[link: m u, text/plain, d; "
		"read it with s__read_resource]\ninner");
}

static void result_text__describes_binary(void **state)
{
	(void)state;
	assert_text(
		"{\"content\":[{\"type\":\"image\",\"mimeType\":\"image/png\",\"bytes\":12345,\"artifact\":{"
		"\"number\":2}},{\"type\":\"audio\",\"mimeType\":\"audio/"
		"wav\",\"bytes\":1234567,\"kept\":false},"
		"{\"type\":\"resource\",\"resource\":{\"uri\":\"u\",\"bytes\":123,\"artifact\":{\"number\":3}"
		"}},"
		"{\"type\":\"image\",\"mimeType\":\"image/gif\",\"invalid\":\"the data is not "
		"base64\",\"data\":"
		"\"?!\"},{\"type\":\"image\",\"mimeType\":\"image/gif\",\"data\":\"AAAAAAAA\"}]}",
		1000,
		"[image image/png, 12,345 bytes, artifact 2]\n[audio audio/wav, 1,234,567 bytes, not kept]\n"
		"[resource u of unknown type, 123 bytes, artifact 3]\n"
		"[image image/gif, not readable: the data is not base64: ?!]\n"
		"[image image/gif, about 6 bytes, not shown]");
}

static void result_shown__says_what_is_wrong_and_what_is_missing(void **state)
{
	struct buf out = BUF_INIT;
	static const char text[] = "{\"content\":[{\"type\":\"text\",\"text\":\"t\"}]}";
	struct json *j = json_parse(text, sizeof text - 1, 0, NULL);
	(void)state;
	result_shown(&(struct result_view){.result = j, .is_error = true}, 100, &out, NULL);
	assert_string_equal(buf_cstr(&out), "Error: t");
	buf_reset(&out);
	result_shown(&(struct result_view){.result = j, .is_error = true, .fault = "/a: no"}, 100, &out,
		     NULL);
	assert_non_null(strstr(buf_cstr(&out), "output schema (/a: no). The answer, unchecked:\nt"));
	buf_reset(&out);
	result_shown(&(struct result_view){.result = j, .whole_bytes = 5000, .artifact = 4}, 100, &out, NULL);
	assert_string_equal(buf_cstr(&out), "t\n[of a result of 5,000 bytes, which is artifact 4]");
	buf_release(&out);
	json_free(j);
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
		cmocka_unit_test(result_text__joins_blocks),
		cmocka_unit_test(result_text__describes_binary),
		cmocka_unit_test(result_shown__says_what_is_wrong_and_what_is_missing),
		cmocka_unit_test(result_text__shows_unknown_and_structured_content),
		cmocka_unit_test(result_bound__keeps_head_and_tail_of_whole_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
