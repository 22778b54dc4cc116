/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of prompts: what is one, of which kind, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "llm/offline_int.h"

static const struct {
	const char *text;
	enum span_kind kind;
	const char *span;
} single[] = {
	{"read notes.md please", SPAN_PATH, "notes.md"},
	{"read notes.md.", SPAN_PATH, "notes.md"},
	{"read (data/readings.csv)!", SPAN_PATH, "data/readings.csv"},
	{"open /etc/hosts now", SPAN_PATH, "/etc/hosts"},
	{"open ./a and", SPAN_PATH, "./a"},
	{"open ~/a and", SPAN_PATH, "~/a"},
	{"open C:\\temp\\a and", SPAN_PATH, "C:\\temp\\a"},
	{"list docs/", SPAN_PATH, "docs/"},
	{"list the reports folder", SPAN_PATH, "reports"},
	{"files named *.log", SPAN_GLOB, "*.log"},
	{"get https://example.com/a?b=1.", SPAN_URL, "https://example.com/a?b=1"},
	{"say \"hello there\" twice", SPAN_QUOTED, "hello there"},
	{"say `x y`", SPAN_QUOTED, "x y"},
	{"say \xe2\x80\x9chi\xe2\x80\x9d", SPAN_QUOTED, "hi"},
	{"it's 'one two' that's", SPAN_QUOTED, "one two"},
	{"```text\nbody here\n```", SPAN_QUOTED, "body here\n"},
	{"open the file 'my notes.txt' now", SPAN_PATH, "my notes.txt"},
	{"on 2026-11-23 at noon", SPAN_DATE, "2026-11-23"},
	{"on 1/12/2026 at noon", SPAN_DATE, "1/12/2026"},
	{"mail a@b.org now", SPAN_EMAIL, "a@b.org"},
	{"add 12.5% more", SPAN_NUMBER, "12.5%"},
	{"path=notes.md", SPAN_KEY_VALUE, "notes.md"},
	{"city=\"New York\" now", SPAN_KEY_VALUE, "New York"},
	{"fly to New York, soon", SPAN_NAME, "New York"},
};

static void spans_find__knows_each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(single); i++) {
		struct span s[4];
		size_t n = rules_spans_find(slice_str(single[i].text), s, COUNT_OF(s));
		if (n != 1 || s[0].kind != single[i].kind || !slice_eq_str(s[0].text, single[i].span))
			fail_msg("%s: %zu spans, kind %d, \"%.*s\"", single[i].text, n,
				 n ? (int)s[0].kind : -1, n ? (int)s[0].text.len : 0, n ? s[0].text.ptr : "");
	}
}

static void spans_find__finds_none_in_plain_words(void **state)
{
	static const char *const texts[] = {"read a file and summarize it",
					    "e.g. this",
					    "either and/or",
					    "the current directory",
					    "don't do it",
					    "...",
					    "\"",
					    "'",
					    "```",
					    "",
					    "an unclosed \"quote"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct span s[4];
		if (rules_spans_find(slice_str(texts[i]), s, COUNT_OF(s)) != 0)
			fail_msg("%s: \"%.*s\"", texts[i], (int)s[0].text.len, s[0].text.ptr);
	}
}

static void spans_find__keeps_order_and_bound(void **state)
{
	struct span s[3];
	(void)state;
	assert_int_equal(rules_spans_find(slice_str("a.md b.md c.md d.md"), s, 3), 3);
	assert_true(slice_eq_str(s[2].text, "c.md"));
	assert_true(s[0].end <= s[1].at && s[1].end <= s[2].at);
}

static void spans_find__tells_folders(void **state)
{
	struct span s[2];
	(void)state;
	assert_int_equal(rules_spans_find(slice_str("docs/ a.md"), s, 2), 2);
	assert_true(s[0].directory);
	assert_false(s[1].directory);
}

static void spans_find__names_the_key(void **state)
{
	struct span s[1];
	(void)state;
	assert_int_equal(rules_spans_find(slice_str("use head=5"), s, 1), 1);
	assert_true(slice_eq_str(s[0].name, "head"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_find__knows_each_kind),
		cmocka_unit_test(spans_find__finds_none_in_plain_words),
		cmocka_unit_test(spans_find__keeps_order_and_bound),
		cmocka_unit_test(spans_find__tells_folders),
		cmocka_unit_test(spans_find__names_the_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
