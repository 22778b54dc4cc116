/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules do with a text by themselves. */
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

static char *transformed(struct transform t, const char *text)
{
	struct buf out = BUF_INIT;
	rules_transform(&t, slice_str(text), &out);
	return buf_take(&out);
}

static void assert_count(const char *unit, const char *text, const char *expected)
{
	char *got = transformed((struct transform){.op = OP_COUNT, .unit = unit, .subject = "it"}, text);
	assert_string_equal(got, expected);
	free(got);
}

static void count__knows_units(void **state)
{
	(void)state;
	assert_count("lines", "a\nb\nc", "it has 3 lines.\n");
	assert_count("lines", "a\nb\nc\n", "it has 3 lines.\n");
	assert_count("lines", "", "it has 0 lines.\n");
	assert_count("words", "one  two\nthree", "it has 3 words.\n");
	assert_count("characters", "a\xc3\xa4", "it has 2 characters.\n");
	assert_count("bytes", "a\xc3\xa4", "it has 3 bytes.\n");
	assert_count("paragraphs", "a\nb\n\nc\n", "it has 2 paragraphs.\n");
	assert_count("rows", "a,b\n1,2\n3,4\n", "it has 2 rows below its header line.\n");
	assert_count(NULL, "a b\n", "it has 1 lines, 2 words and 4 bytes.\n");
}

static void count__counts_entries_of_listings(void **state)
{
	(void)state;
	assert_count(NULL, "[FILE] a\n[DIR] b\n[FILE] c", "2 files and 1 directory.\n");
	assert_count("folders", "[FILE] a\n[DIR] b\n[FILE] c", "1 directory.\n");
	assert_count("files", "/a/b.log\n/a/c.log", "2 matches.\n");
	assert_count("files", "No matches found", "0 files: nothing was found.\n");
}

static void count__counts_matching_lines(void **state)
{
	(void)state;
	char *got = transformed((struct transform){.op = OP_COUNT, .unit = "lines", .needle = "error"},
				"ERROR a\nok\nan error\n");
	assert_string_equal(got, "2 of 3 lines of the text contain \"error\".\n");
	free(got);
}

static void transform__says_that_a_text_was_cut(void **state)
{
	(void)state;
	char *got = transformed((struct transform){.op = OP_COUNT, .unit = "lines"},
				"a\n[... 120 bytes left out ...]\nb\n");
	assert_non_null(strstr(got, "covers only what was left of it"));
	free(got);
}

static void extract__numbers_lines_and_finds_values(void **state)
{
	(void)state;
	char *got = transformed((struct transform){.op = OP_EXTRACT, .needle = "disk"},
				"a\nDisk full\nb\ndisk ok\n");
	assert_string_equal(got, "2 lines containing \"disk\"\n2: Disk full\n4: disk ok\n");
	free(got);
	got = transformed((struct transform){.op = OP_EXTRACT, .needle = "emails"},
			  "write to a@b.org or c@d.net.\n");
	assert_string_equal(got, "2 emails\na@b.org\nc@d.net\n");
	free(got);
	got = transformed((struct transform){.op = OP_EXTRACT, .needle = "headings"},
			  "# One\ntext\n## Two\n");
	assert_string_equal(got, "2 headings\n1: # One\n3: ## Two\n");
	free(got);
}

static void sort__orders_lines_both_ways(void **state)
{
	(void)state;
	char *got = transformed((struct transform){.op = OP_SORT}, "b\na\nc");
	assert_string_equal(got, "a\nb\nc\n");
	free(got);
	got = transformed((struct transform){.op = OP_SORT, .descending = true}, "b\na\nc");
	assert_string_equal(got, "c\nb\na\n");
	free(got);
}

static void keywords__are_counted_by_stem(void **state)
{
	(void)state;
	char *got = transformed((struct transform){.op = OP_KEYWORDS},
				"The station measures rain. Rain falls on the station; rain again.");
	assert_non_null(strstr(got, "Keywords: rain (3), station (2)"));
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(count__knows_units),
		cmocka_unit_test(count__counts_entries_of_listings),
		cmocka_unit_test(count__counts_matching_lines),
		cmocka_unit_test(transform__says_that_a_text_was_cut),
		cmocka_unit_test(extract__numbers_lines_and_finds_values),
		cmocka_unit_test(sort__orders_lines_both_ways),
		cmocka_unit_test(keywords__are_counted_by_stem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
