/* SPDX-License-Identifier: Apache-2.0 */
/* The line framer: pieces of any size, CRLF, the limit, lines over it, memory given back. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Feeds text in pieces and writes what comes out as "L:text;" and "O:bytes;" and "E;". */
static void feed(struct framer *f, const char *text, size_t len, size_t piece, struct buf *out)
{
	struct frame_line line;
	for (size_t at = 0; at < len;) {
		size_t room, n = len - at < piece ? len - at : piece;
		char *p = framer_room(f, &room);
		assert_true(room > 0);
		n = n < room ? n : room;
		memcpy(p, text + at, n);
		framer_filled(f, n);
		at += n;
		for (enum frame_kind k; (k = framer_next(f, &line)) != FRAME_NONE;) {
			if (k == FRAME_LINE)
				buf_printf(out, "L:%.*s;", (int)line.text.len, line.text.ptr);
			else
				buf_printf(out, "%s:%zu:%.*s:%.*s;", k == FRAME_OVERLONG ? "O" : "E",
					   line.bytes, (int)(line.head.len < 4 ? line.head.len : 4),
					   line.head.ptr, (int)(line.tail.len < 4 ? line.tail.len : 4),
					   line.tail.ptr + (line.tail.len < 4 ? 0 : line.tail.len - 4));
		}
	}
}

static void framer__gives_the_same_lines_for_any_pieces(void **state)
{
	const char text[] = "one\ntwo\r\n\n\r\nfive\rx\r\nrest";
	struct buf out = BUF_INIT;
	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct framer f;
		framer_init(&f, 100);
		buf_reset(&out);
		feed(&f, text, sizeof(text) - 1, piece, &out);
		assert_string_equal(out.data, "L:one;L:two;L:;L:;L:five\rx;");
		framer_release(&f);
	}
	buf_release(&out);
}

static void framer__drops_what_is_over_the_limit_and_goes_on(void **state)
{
	const char text[] = "ten bytes!\nelevenbytes\nabcdefghijklmnopqrstuvwxyz\nok\n";
	struct buf out = BUF_INIT;
	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct framer f;
		framer_init(&f, 10);
		buf_reset(&out);
		feed(&f, text, sizeof(text) - 1, piece, &out);
		assert_string_equal(out.data, "L:ten bytes!;O:11:elev:ytes;O:26:abcd:wxyz;L:ok;");
		framer_release(&f);
	}
	buf_release(&out);
}

static void framer__keeps_both_edges_of_a_long_line(void **state)
{
	struct framer f;
	struct frame_line line;
	struct buf text = BUF_INIT, out = BUF_INIT;
	(void)state;
	framer_init(&f, 1000);
	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "%05d", i);
	feed(&f, text.data, text.len, 700, &out);
	assert_int_equal(out.len, 0);
	size_t room;
	framer_room(&f, &room)[0] = '\n';
	framer_filled(&f, 1);
	assert_int_equal(framer_next(&f, &line), FRAME_OVERLONG);
	assert_int_equal(line.bytes, 15000);
	assert_int_equal(line.head.len, FRAME_EDGE_BYTES);
	assert_int_equal(line.tail.len, FRAME_EDGE_BYTES);
	assert_memory_equal(line.head.ptr, text.data, FRAME_EDGE_BYTES);
	assert_memory_equal(line.tail.ptr, text.data + text.len - FRAME_EDGE_BYTES, FRAME_EDGE_BYTES);
	buf_release(&text);
	buf_release(&out);
	framer_release(&f);
}

static void framer__tells_of_a_line_without_end_once(void **state)
{
	struct framer f;
	struct buf out = BUF_INIT;
	char bytes[1000];
	(void)state;
	memset(bytes, 'z', sizeof(bytes));
	framer_init(&f, 100);
	for (int i = 0; i < 10; i++)
		feed(&f, bytes, sizeof(bytes), sizeof(bytes), &out);
	assert_string_equal(out.data, "E:2000:zzzz:zzzz;");
	buf_release(&out);
	framer_release(&f);
}

static void framer__gives_memory_back_after_a_large_line(void **state)
{
	struct framer f;
	struct buf text = BUF_INIT, out = BUF_INIT;
	size_t room;
	(void)state;
	framer_init(&f, 8 << 20);
	for (int i = 0; i < 1 << 20; i++)
		buf_add_str(&text, "wide");
	buf_add_char(&text, '\n');
	feed(&f, text.data, text.len, 65536, &out);
	assert_int_equal(out.len, text.len - 1 + strlen("L:;"));
	framer_room(&f, &room);
	assert_true(f.cap <= 256 << 10);
	buf_release(&text);
	buf_release(&out);
	framer_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framer__gives_the_same_lines_for_any_pieces),
		cmocka_unit_test(framer__drops_what_is_over_the_limit_and_goes_on),
		cmocka_unit_test(framer__keeps_both_edges_of_a_long_line),
		cmocka_unit_test(framer__tells_of_a_line_without_end_once),
		cmocka_unit_test(framer__gives_memory_back_after_a_large_line),
	};
	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
