/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of tools, and the choice of one file. */
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

static void assert_choice(const char *text, const char *goal, const char *name, const char *why)
{
	struct listing l;
	const char *reason;
	rules_listing_parse(slice_str(text), &l);
	const struct entry *e = rules_listing_choose(&l, slice_str(goal), &reason);
	if ((e != NULL) != (name != NULL) || (e != NULL && !slice_eq_str(e->name, name)) ||
	    strstr(reason, why) == NULL)
		fail_msg("%s: %.*s (%s)", goal, e ? (int)e->name.len : 4, e ? e->name.ptr : "none", reason);
	rules_listing_release(&l);
}

static void listing_choose__follows_the_fixed_rules(void **state)
{
	static const char many[] = "[FILE] z.md\n[FILE] a.csv\n[FILE] budget-2026.csv\n[FILE] "
				   "README.txt\n[DIR] docs\n[FILE] a.png";
	(void)state;
	assert_choice(many, "Summarize the budget file", "budget-2026.csv", "words of the prompt");
	assert_choice(many, "Read a file and summarize its contents", "README.txt", "README");
	assert_choice("[FILE] a.csv\n[FILE] z.md", "Read a file", "z.md", "prose");
	assert_choice("[FILE] b.md\n[FILE] a.md", "Read a file", "a.md", "first by name");
	assert_choice("[FILE] a.md      2.00 MB\n[FILE] b.md      10 B", "Read a file", "b.md",
		      "smallest size");
	assert_choice("[FILE] a.md\n[FILE] b.png", "Read a file", "a.md", "only text file");
	assert_choice("[FILE] LICENSE\n[FILE] b.png", "Read a file", "LICENSE", "only text file");
}

static void listing_choose__takes_no_binary_and_no_folder(void **state)
{
	(void)state;
	assert_choice("[FILE] a.png\n[FILE] photo.jpg\n[DIR] notes.md", "Read the photo", NULL,
		      "no entry is a text file");
}

static void listing_parse__knows_its_forms(void **state)
{
	static const struct {
		const char *text;
		enum listing_kind kind;
		size_t count;
	} rows[] = {
		{"Allowed directories:\n/srv/a\n/srv/b", LISTING_ROOTS, 2},
		{"[FILE] a b.txt\n[DIR] c", LISTING_ENTRIES, 2},
		{"[FILE] a.md    6 B\n\nTotal: 1 files, 0 directories\nCombined size: 6 B", LISTING_ENTRIES,
		 1},
		{"/a/b.md\n/a/c d.md\n", LISTING_PATHS, 2},
		{"[{\"name\":\"a\",\"type\":\"file\"},{\"name\":\"d\",\"type\":\"directory\",\"children\":[]}"
		 "]",
		 LISTING_ENTRIES, 2},
		{"[\"a.md\",\"b.md\"]", LISTING_ENTRIES, 2},
		{"No matches found", LISTING_NONE, 0},
		{"Just a sentence.\nAnother one.", LISTING_NONE, 0},
		{"", LISTING_NONE, 0},
		{"[broken", LISTING_NONE, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct listing l;
		rules_listing_parse(slice_str(rows[i].text), &l);
		if (l.kind != rows[i].kind || l.count != rows[i].count)
			fail_msg("%s: kind %d, %zu entries", rows[i].text, l.kind, l.count);
		rules_listing_release(&l);
	}
}

static void listing_parse__is_bounded_and_says_so(void **state)
{
	struct buf text = BUF_INIT;
	struct listing l;
	(void)state;
	for (int i = 0; i < ENTRIES_MAX + 5; i++)
		buf_printf(&text, "[FILE] %d.md\n", i);
	rules_listing_parse(buf_slice(&text), &l);
	assert_int_equal(l.count, ENTRIES_MAX);
	assert_int_equal(l.left_out, 5);
	rules_listing_release(&l);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listing_choose__follows_the_fixed_rules),
		cmocka_unit_test(listing_choose__takes_no_binary_and_no_folder),
		cmocka_unit_test(listing_parse__knows_its_forms),
		cmocka_unit_test(listing_parse__is_bounded_and_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
