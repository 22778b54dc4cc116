/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas of tools without what people do not see. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void assert_seen(const char *raw, const char *expected)
{
	struct json *j = json_parse(raw, strlen(raw), 0, NULL);
	struct buf b = BUF_INIT;
	assert_non_null(j);
	tool_schema_seen(j, slice_str(raw), &b);
	assert_string_equal(buf_cstr(&b), expected);
	json_free(j);
	buf_release(&b);
}

static void tool_schema__keeps_what_can_be_seen_byte_by_byte(void **state)
{
	static const char *const same[] = {
		"{ \"type\" : \"object\", \"x\":1.50 }",
		"{\"properties\":{\"description\":{\"type\":\"string\"}, \"gr\xc3\xb6\xc3\x9f"
		"e\":{\"title\":\"\\u00fc\"}}}",
		/* values are the server's: what is sent must match them */
		"{\"enum\":[\"a\\u200bb\"]}",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++)
		assert_seen(same[i], same[i]);
}

static void tool_schema__takes_out_what_cannot(void **state)
{
	(void)state;
	assert_seen("{\"description\":\"send\\u200b it\",\"type\":\"object\"}",
		    "{\"description\":\"send it\",\"type\":\"object\"}");
	assert_seen("{\"properties\":{\"a\":{\"anyOf\":[{\"title\":\"x\xe2\x80\xaey\",\"$comment\":"
		    "\"\\u0007z\"}]}}}",
		    "{\"properties\":{\"a\":{\"anyOf\":[{\"title\":\"xy\",\"$comment\":\"z\"}]}}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_schema__keeps_what_can_be_seen_byte_by_byte),
		cmocka_unit_test(tool_schema__takes_out_what_cannot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
