/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner: kinds of messages, raw parts, the grammar (compared with the parser), ids at the edges. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_slice(struct slice s, const char *text)
{
	if (!slice_eq_str(s, text))
		fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.ptr ? s.ptr : "", text);
}

static enum scan_kind kind_of(const char *line)
{
	struct scan_message m;
	return scan_message(slice_str(line), &m);
}

static void scan_message__knows_the_four_kinds(void **state)
{
	(void)state;
	assert_int_equal(kind_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"), SCAN_REQUEST);
	assert_int_equal(kind_of("{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":{}}"), SCAN_NOTIFICATION);
	assert_int_equal(kind_of("{\"id\":1,\"result\":{}}"), SCAN_ANSWER);
	assert_int_equal(kind_of("{\"id\":\"a\",\"error\":{\"code\":1}}"), SCAN_ANSWER);
	assert_int_equal(kind_of("{\"id\":null,\"error\":{\"code\":1}}"), SCAN_ANSWER);
	assert_int_equal(kind_of(" {\"id\":1,\"error\":null,\"result\":null} \t"), SCAN_ANSWER);
	assert_int_equal(kind_of("{\"id\":null,\"method\":\"m\"}"), SCAN_NOTIFICATION);
}

static void scan_message__calls_the_rest_junk(void **state)
{
	const char *const junk[] = {
		"",
		" ",
		"listening on port 3000",
		"{}",
		"{\"id\":1}",
		"[{\"id\":1,\"result\":{}}]",
		"\"text\"",
		"{\"id\":1,\"result\":{}",
		"{\"id\":1,\"result\":{}} x",
		"{\"id\":1,\"result\":{}}}",
		"{\"id\":1,\"result\":{\"a\":[1,2}}",
		"{\"id\":1,,\"result\":{}}",
		"{\"id\":1 \"result\":{}}",
		"{\"id\":1,\"result\":\"\xff\"}",
		"{\"method\":7}",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(junk); i++) {
		if (kind_of(junk[i]) != SCAN_JUNK)
			fail_msg("not taken for junk: %s", junk[i]);
	}
}

static void scan_message__a_zero_byte_is_no_escape(void **state)
{
	struct scan_message m;
	(void)state;
	assert_int_equal(scan_message(SLICE_LIT("{\"id\":1,\"result\":{\"a\":\"\\\0\"}}"), &m), SCAN_JUNK);
	assert_false(scan_is_object(SLICE_LIT("{\"a\":\"\\\0\"}")));
}

static void scan__slashes_may_be_escaped(void **state)
{
	static const char *const methods[][2] = {
		{"notifications\\/tools\\/list_changed", "notifications/tools/list_changed"},
		{"a\\\\\\/b", "a\\\\/b"}, /* a backslash before it stays escaped */
		{"a\\\\", "a\\\\"},
		{"a\\\"/b", "a\\\"/b"},
		{"0123456789012345678901234567890123456789012345678901234567890123\\/",
		 "0123456789012345678901234567890123456789012345678901234567890123\\/"},
	};
	struct scan_message m;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		char *line = xasprintf("{\"method\":\"%s\"}", methods[i][0]);
		assert_int_equal(scan_message(slice_str(line), &m), SCAN_NOTIFICATION);
		assert_slice(m.method, methods[i][1]);
		free(line);
	}
	assert_slice(scan_member(SLICE_LIT("{\"io\\/x\":1}"), "io/x"), "1");
	assert_slice(scan_member(SLICE_LIT("{\"io/x\":1}"), "io/x"), "1");
	assert_slice(scan_member(SLICE_LIT("{\"io\\/\":1,\"io\\/xy\":2,\"io\\\\x\":3}"), "io/x"), "");
}

static void scan_message__gives_the_parts_raw(void **state)
{
	struct scan_message m;
	(void)state;
	assert_int_equal(
		scan_message(SLICE_LIT("{ \"result\" : {\"a\" : [1, \"}\"], \"isError\":true} , \"id\":"
				       "\"x\\\"y\" ,\"other\":[]}"),
			     &m),
		SCAN_ANSWER);
	assert_slice(m.id, "\"x\\\"y\"");
	assert_slice(m.result, "{\"a\" : [1, \"}\"], \"isError\":true}");
	assert_true(m.is_error);
	scan_message(SLICE_LIT("{\"id\":1,\"result\":{\"content\":[{\"isError\":true}]}}"), &m);
	assert_false(m.is_error);
	scan_message(SLICE_LIT("{\"id\":-7,\"error\":{\"code\":-32601},\"method\":\"\"}"), &m);
	assert_slice(m.id, "-7");
	assert_slice(m.error, "{\"code\":-32601}");
}

static void scan_next__walks_members_and_elements(void **state)
{
	struct scan_iter it;
	struct slice name, value;
	(void)state;
	assert_true(scan_open(SLICE_LIT(" [1, {\"a\":2} , \"]\" ]"), &it));
	assert_true(scan_next(&it, &name, &value));
	assert_slice(value, "1");
	assert_true(scan_next(&it, &name, &value));
	assert_slice(value, "{\"a\":2}");
	assert_true(scan_next(&it, &name, &value));
	assert_slice(value, "\"]\"");
	assert_false(scan_next(&it, &name, &value));
	assert_false(it.bad);
	assert_false(scan_open(SLICE_LIT("17"), &it));
	assert_true(scan_open(SLICE_LIT("{\"a\":1,}"), &it));
	assert_true(scan_next(&it, &name, &value));
	assert_slice(name, "a");
	assert_false(scan_next(&it, &name, &value));
	assert_true(it.bad);
}

static void scan_member__is_exact_and_takes_the_last(void **state)
{
	struct slice o = SLICE_LIT("{\"A\":1,\"a\":2,\"b\":{\"a\":3},\"a\" : 4 }");
	(void)state;
	assert_slice(scan_member(o, "a"), "4");
	assert_slice(scan_member(o, "A"), "1");
	assert_slice(scan_member(o, "c"), "");
	assert_slice(scan_member(SLICE_LIT("[1]"), "a"), "");
	assert_slice(scan_member((struct slice){0}, "a"), "");
}

static void scan_text__decodes(void **state)
{
	struct buf out = BUF_INIT;
	(void)state;
	assert_true(scan_text(SLICE_LIT("\"h\\u00e9 \\ud83d\\ude00\""), &out));
	assert_string_equal(out.data, "h\xc3\xa9 \xf0\x9f\x98\x80");
	assert_false(scan_text(SLICE_LIT("7"), &out));
	assert_false(scan_text((struct slice){0}, &out));
	buf_release(&out);
}

/* What the parser refuses for reasons beyond the grammar is not in this list. */
static void scan_is_object__agrees_with_the_parser(void **state)
{
	const char *const values[] = {
		"0",           "-0",
		"01",          "1.",
		"1.5",         ".5",
		"1e5",         "1E+5",
		"1e",          "-",
		"+1",          "1-",
		"0x1",         "true",
		"True",        "tru",
		"null",        "nul",
		"\"\"",        "\"a",
		"\"\t\"",      "\"\\q\"",
		"\"\\u12G4\"", "\"\\u12\"",
		"\"\\u1234\"", "\"\\\\\"",
		"[]",          "[1]",
		"[1,]",        "[,1]",
		"[1 2]",       "[[]]",
		"[[]",         "[}",
		"{}",          "{\"a\"}",
		"{a:1}",       "{\"a\":1,}",
		"{\"a\":{}}",  "",
		"1,\"c\":2",   "[1],\"c\":[{}]",
		"'a'",         "\"\xc3\xa9\"",
		"\"\xc3\"",    "\"\xed\xa0\x80\"",
		"\"\x7f\"",    "[\n\r\t 1 ]",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		char text[128];
		struct error e;
		snprintf(text, sizeof(text), "{\"b\":%s}", values[i]);
		struct json *j = json_parse(text, strlen(text), 0, &e);
		if (scan_is_object(slice_str(text)) != (j != NULL))
			fail_msg("parser: %d, scanner: %d for %s", j != NULL, j == NULL, text);
		json_free(j);
	}
}

static void scan__is_bounded_in_depth(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	for (int depth = 511; depth <= 512; depth++) {
		buf_reset(&b);
		buf_add_str(&b, "{\"a\":");
		for (int i = 0; i < depth; i++)
			buf_add_char(&b, '[');
		for (int i = 0; i < depth; i++)
			buf_add_char(&b, ']');
		buf_add_char(&b, '}');
		assert_int_equal(scan_is_object(buf_slice(&b)), depth == 511);
	}
	buf_release(&b);
}

static void scan_edges__finds_the_id_in_front_or_at_the_end(void **state)
{
	bool answer;
	(void)state;
	assert_slice(scan_edges(SLICE_LIT("{\"jsonrpc\":\"2.0\",\"id\":12,\"result\":{\"content\":[{\"te"),
				SLICE_LIT("xxx\"}]}}"), &answer),
		     "12");
	assert_true(answer);
	assert_slice(scan_edges(SLICE_LIT("{\"result\":{\"content\":[{\"te"),
				SLICE_LIT("x\"}]},\"jsonrpc\":\"2.0\",\"id\" : \"a\" } \r"), &answer),
		     "\"a\"");
	assert_true(answer);
	/* An id deeper inside is not the envelope's. */
	assert_slice(
		scan_edges(SLICE_LIT("{\"result\":{\"x\":[{\"te"), SLICE_LIT("\"x\"}],\"id\":5}}"), &answer),
		"");
	assert_slice(
		scan_edges(SLICE_LIT("{\"result\":{\"x\":[{\"te"), SLICE_LIT("\"id\":5},\"y\":6}"), &answer),
		"");
	assert_slice(scan_edges(SLICE_LIT("{\"result\":\"xx"), SLICE_LIT("xx"), &answer), "");
	assert_slice(scan_edges(SLICE_LIT("{\"result\":\"xx"), (struct slice){0}, &answer), "");
	scan_edges(SLICE_LIT("{\"method\":\"notifications/message\",\"params\":{\"da"), SLICE_LIT("\"}}"),
		   &answer);
	assert_false(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_message__knows_the_four_kinds),
		cmocka_unit_test(scan_message__calls_the_rest_junk),
		cmocka_unit_test(scan_message__a_zero_byte_is_no_escape),
		cmocka_unit_test(scan__slashes_may_be_escaped),
		cmocka_unit_test(scan_message__gives_the_parts_raw),
		cmocka_unit_test(scan_next__walks_members_and_elements),
		cmocka_unit_test(scan_member__is_exact_and_takes_the_last),
		cmocka_unit_test(scan_text__decodes),
		cmocka_unit_test(scan_is_object__agrees_with_the_parser),
		cmocka_unit_test(scan__is_bounded_in_depth),
		cmocka_unit_test(scan_edges__finds_the_id_in_front_or_at_the_end),
	};
	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
