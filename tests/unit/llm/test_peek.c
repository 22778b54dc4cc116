/* SPDX-License-Identifier: Apache-2.0 */
/* The look into JSON without a tree: what it finds, what it leaves to the parser, and that the short cuts of
 * the wires change nothing. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct slice names[] = {SLICE_LIT("a"), SLICE_LIT("b")};

static void assert_peek(const char *text, size_t length, const char *a, const char *b)
{
	struct slice v[2];
	assert_int_equal(llm_peek_object(slice_str(text), names, 2, v), length);
	if (length == 0)
		return;
	assert_true(slice_eq_str(v[0], a));
	assert_true(slice_eq_str(v[1], b));
}

static void llm_peek_object__finds_members_as_they_are_written(void **state)
{
	(void)state;
	assert_peek("{}", 2, "", "");
	assert_peek("{\"a\":1,\"c\":{\"a\":2},\"b\":\"x\\\"}\"}tail", 30, "1", "\"x\\\"}\"");
	assert_peek("{ \"b\" : [ 1 , {\"a\":[]} ] ,\n\"a\":null }", 37, "null", "[ 1 , {\"a\":[]} ]");
	assert_peek("{\"a\":true,\"b\":\"\xc3\xa9\"}", 19, "true", "\"\xc3\xa9\"");
}

static void llm_peek_object__leaves_the_unusual_to_the_parser(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"[]",
		"{",
		"{\"a\"",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,\"a\":2}",
		"{\"\\u0061\":1}",
		"{\"\\n\":1}",
		"{\"a\":\"\\u00e9\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":01}",
		"{\"a\":1.5}",
		"{\"a\":-1}",
		"{\"a\":1234567890123456}",
		"{\"a\":nul}",
		"{\"a\":[1,]}",
		"{\"a\":[1 2]}",
		"{\"a\":[[[[[[[[[1]]]]]]]]]}",
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_peek(rows[i], 0, "", "");
	struct slice v[2];
	assert_int_equal(llm_peek_object((struct slice){0}, names, 2, v), 0); /* what an absent member is */
}

static void llm_peek_text__unescapes(void **state)
{
	(void)state;
	struct buf b = BUF_LIMIT(16);
	assert_true(llm_peek_text(SLICE_LIT("\"a\\n\\\"\\\\\\/b\""), &b));
	assert_string_equal(buf_cstr(&b), "a\n\"\\/b");
	assert_false(llm_peek_text(SLICE_LIT("null"), &b));
	assert_false(llm_peek_text(SLICE_LIT(""), &b));
	assert_false(llm_peek_text(SLICE_LIT("\"more than there is room\""), &b));
	assert_string_equal(buf_cstr(&b), "a\n\"\\/b");
	assert_false(b.overflow);
	buf_release(&b);
}

static void llm_peek_index__reads_whole_numbers(void **state)
{
	(void)state;
	int64_t n;
	assert_true(llm_peek_index(SLICE_LIT("120"), &n));
	assert_int_equal(n, 120);
	assert_false(llm_peek_index(SLICE_LIT("\"1\""), &n));
	assert_false(llm_peek_index(SLICE_LIT(""), &n));
	assert_true(llm_peek_is_null(SLICE_LIT("null")) && llm_peek_is_null((struct slice){0}));
	assert_false(llm_peek_is_null(SLICE_LIT("0")));
}

static char *turn_of(const struct llm_wire *wire, struct slice s)
{
	struct llm_decode d;
	struct error e = {0};
	struct buf b = BUF_INIT;
	llm_decode_init(&d, wire, (struct llm_decode_from){.origin = "o"});
	assert_int_equal(llm_decode_feed(&d, s, &e), ERR_NONE);
	assert_int_equal(llm_decode_finish(&d, &e), ERR_NONE);
	const struct llm_turn *t = turn_buf_view(&d.turn);
	buf_printf(&b, "%s|%s|%s|%d|%s", t->text, t->reasoning ? t->reasoning : "-", t->echo ? t->echo : "-",
		   (int)t->stop, t->calls_count > 0 ? t->calls[0].arguments : "");
	llm_decode_release(&d);
	return buf_take(&b);
}

static void llm_wire_peek__changes_nothing(void **state)
{
	(void)state;
	static const enum llm_api apis[] = {LLM_CHAT, LLM_RESPONSES, LLM_MESSAGES};
	static const char *const files[] = {"book_text", "book_calls", "book_length"};
	for (size_t i = 0; i < COUNT_OF(apis) * COUNT_OF(files); i++) {
		const struct llm_wire *wire = llm_wire_of(apis[i / COUNT_OF(files)]);
		struct llm_wire slow = *wire;
		struct buf b = BUF_INIT;
		slow.peek = NULL;
		char *path = xasprintf("tests/fuzz/corpus_%s/%s", wire->name, files[i % COUNT_OF(files)]);
		struct error e;
		if (file_read(path, 1 << 20, &b, &e) != ERR_NONE)
			fail_msg("%s (the tests run in the repository's folder)", e.msg);
		free(path);
		char *fast = turn_of(wire, buf_slice(&b)), *plain = turn_of(&slow, buf_slice(&b));
		assert_string_equal(fast, plain);
		free(fast);
		free(plain);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_peek_object__finds_members_as_they_are_written),
		cmocka_unit_test(llm_peek_object__leaves_the_unusual_to_the_parser),
		cmocka_unit_test(llm_peek_text__unescapes),
		cmocka_unit_test(llm_peek_index__reads_whole_numbers),
		cmocka_unit_test(llm_wire_peek__changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
