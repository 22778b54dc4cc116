/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes that are JSON but no text: replaced in place, everything else untouched, our own reader satisfied.
 */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void becomes(const char *before, const char *after)
{
	struct error e = {0};
	struct buf text = BUF_INIT;
	buf_add_str(&text, before);
	assert_int_equal(escapes_broken(buf_slice(&text)), strcmp(before, after) != 0);
	escapes_repair(text.data, text.len);
	assert_string_equal(text.data, after);
	struct json *j = json_parse(text.data, text.len, 0, &e);
	if (!j)
		fail_msg("%s: %s", text.data, e.msg);
	json_free(j);
	buf_release(&text);
}

static void escapes_repair__replaces_what_is_no_text(void **state)
{
	(void)state;
	becomes("\"a\\u0000b\"", "\"a\\ufffdb\"");
	becomes("\"\\u0000\\u0000\"", "\"\\ufffd\\ufffd\"");
	becomes("\"\\ud800\"", "\"\\ufffd\"");
	becomes("\"\\uDC00\\uD800x\"", "\"\\ufffd\\ufffdx\"");
	becomes("\"\\ud800\\ud83d\\ude00\"", "\"\\ufffd\\ud83d\\ude00\"");
	becomes("{\"\\u0000\":[\"\\udfff\"]}", "{\"\\ufffd\":[\"\\ufffd\"]}");
}

static void escapes_repair__leaves_the_rest(void **state)
{
	const char *const same[] = {
		"\"\\ud83d\\ude00 \\uD83D\\uDE00\"",  "\"\\\\u0000\"", /* a backslash, then text */
		"\"\\\\\\\\u0000 \\n \\u0001 \\\"\"", "{\"a\":[1,\"\\/\"]}", "\"\\\\\"",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++)
		becomes(same[i], same[i]);
	escapes_repair(NULL, 0);
}

/* Never beyond the end, also on text that did not pass the scanner. */
static void escapes_repair__stays_within(void **state)
{
	char text[] = "\\u0000\\ud800\\u";
	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = xstrndup(text, n);
		escapes_broken((struct slice){copy, n});
		escapes_repair(copy, n);
		assert_int_equal(strlen(copy), n);
		free(copy);
	}
	char broken[] = "\"\\ud8ude00 \\u00:0\"";
	escapes_repair(broken, strlen(broken));
	assert_string_equal(broken, "\"\\ud8ude00 \\u00:0\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_repair__replaces_what_is_no_text),
		cmocka_unit_test(escapes_repair__leaves_the_rest),
		cmocka_unit_test(escapes_repair__stays_within),
	};
	return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
