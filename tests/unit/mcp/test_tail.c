/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of last bytes. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void tail_is(const struct tail *t, const char *text)
{
	struct buf out = BUF_INIT;
	tail_text(t, &out);
	assert_string_equal(buf_cstr(&out), text);
	buf_release(&out);
}

static void tail__keeps_the_last_bytes(void **state)
{
	struct tail t;
	(void)state;
	tail_init(&t, 8);
	tail_is(&t, "");
	tail_add(&t, SLICE_LIT("abc"));
	tail_is(&t, "abc");
	tail_add(&t, SLICE_LIT("defgh"));
	tail_is(&t, "abcdefgh");
	tail_add(&t, SLICE_LIT("ij"));
	tail_is(&t, "cdefghij");
	tail_add(&t, SLICE_LIT("0123456789"));
	tail_is(&t, "23456789");
	tail_add(&t, SLICE_LIT(""));
	tail_is(&t, "23456789");
	tail_release(&t);
}

static void tail__without_room_keeps_nothing(void **state)
{
	struct tail t;
	char line[8];
	(void)state;
	tail_init(&t, 0);
	tail_add(&t, SLICE_LIT("abc"));
	tail_is(&t, "");
	text_last_line((struct slice){0}, line, sizeof(line));
	assert_string_equal(line, "");
	tail_release(&t);
}

static void tail__begins_with_a_whole_line_once_it_is_full(void **state)
{
	struct tail t;
	(void)state;
	tail_init(&t, 8);
	tail_add(&t, SLICE_LIT("secret\nab\n"));
	tail_is(&t, "ab\n");
	tail_add(&t, SLICE_LIT("longlonglong\n"));
	tail_is(&t, "onglong\n"); /* no other line to begin with */
	tail_release(&t);
}

static void text_last_line__skips_blank_ones_and_cuts_whole_characters(void **state)
{
	char line[16];
	(void)state;
	text_last_line(SLICE_LIT("first\nthe cause\n \r\n\n"), line, sizeof(line));
	assert_string_equal(line, "the cause");
	text_last_line(SLICE_LIT("fourteen bytes\xc3\xa9\n"), line, sizeof(line));
	assert_string_equal(line, "fourteen bytes");
}

static void text_last_line__finds_the_error_in_what_node_prints(void **state)
{
	char line[64];
	(void)state;
	text_last_line(
		SLICE_LIT(
			"Error: an older one\nnode:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\n"
			"Error: Cannot find module '/x.js'\n    at Error (node:internal/x:1:2)\n"
			"    at node:internal/main/run_main_module:28:49 {\n  code: 'MODULE_NOT_FOUND'\n}\n\n"
			"Node.js v20.20.2\n"),
		line, sizeof(line));
	assert_string_equal(line, "Error: Cannot find module '/x.js'");
	text_last_line(SLICE_LIT("killed by hand\n\nNode.js v22.1.0\n"), line, sizeof(line));
	assert_string_equal(line, "Node.js v22.1.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tail__keeps_the_last_bytes),
		cmocka_unit_test(tail__begins_with_a_whole_line_once_it_is_full),
		cmocka_unit_test(tail__without_room_keeps_nothing),
		cmocka_unit_test(text_last_line__skips_blank_ones_and_cuts_whole_characters),
		cmocka_unit_test(text_last_line__finds_the_error_in_what_node_prints),
	};
	return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
