/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts as clauses. */
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

/* "read:Read a file|work on:summarize it" */
static void assert_clauses(const char *prompt, const char *expected)
{
	struct analysis *a = xcalloc(1, sizeof *a);
	struct buf got = BUF_INIT;
	rules_analyse(slice_str(prompt), a);
	for (size_t i = 0; i < a->clauses_count; i++) {
		buf_printf(&got, "%s%s:", i > 0 ? "|" : "", rules_intent_text(a->clauses[i].intent));
		buf_add_slice(&got, a->clauses[i].text);
	}
	if (strcmp(buf_cstr(&got), expected) != 0)
		fail_msg("%s\n got      %s\n expected %s", prompt, buf_cstr(&got), expected);
	buf_release(&got);
	free(a);
}

static void analyse__splits_where_a_wish_begins(void **state)
{
	(void)state;
	assert_clauses("Read a file and summarize its contents",
		       "read:Read a file|work on:summarize its contents");
	assert_clauses("Read a.md, then delete it.", "read:Read a.md|delete:delete it");
	assert_clauses("List a/; count them", "list:List a/|work on:count them");
	assert_clauses("1. Read a.md\n2. Count its words", "read:Read a.md|work on:Count its words");
	assert_clauses("Read a.md, sort it and then count it",
		       "read:Read a.md|work on:sort it|work on:count it");
	assert_clauses("Give me a summary of a.md and the keywords",
		       "work on:Give me a summary of a.md|work on:keywords");
}

static void analyse__leaves_together_what_belongs_together(void **state)
{
	(void)state;
	assert_clauses("Read a.md and b.md", "read:Read a.md and b.md");
	assert_clauses("Read \"one. two; and read three\"", "read:Read \"one. two; and read three\"");
	assert_clauses("Open v1.2.txt", "read:Open v1.2.txt");
	assert_clauses("Read e.g. notes.md", "read:Read e.g. notes.md");
}

static void analyse__bounds_clauses_and_counts_the_rest(void **state)
{
	struct analysis *a = xcalloc(1, sizeof *a);
	struct buf prompt = BUF_INIT;
	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_add_str(&prompt, "go on\n");
	rules_analyse(buf_slice(&prompt), a);
	assert_int_equal(a->clauses_count, CLAUSES_MAX);
	assert_int_equal(a->clauses_left_out, 10000 - CLAUSES_MAX);
	buf_release(&prompt);
	free(a);
}

static void analyse__takes_text_that_follows(void **state)
{
	struct analysis *a = xcalloc(1, sizeof *a);
	(void)state;
	rules_analyse(slice_str("Summarize this text: One. Delete two. Three."), a);
	assert_true(slice_eq_str(a->inline_text, "One. Delete two. Three."));
	assert_int_equal(a->clauses_count, 1);
	free(a);
}

static void analyse__finds_nothing_in_nothing(void **state)
{
	(void)state;
	assert_clauses("", "");
	assert_clauses(" \n\t ", "");
	assert_clauses("?!.,;:--", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(analyse__splits_where_a_wish_begins),
		cmocka_unit_test(analyse__leaves_together_what_belongs_together),
		cmocka_unit_test(analyse__bounds_clauses_and_counts_the_rest),
		cmocka_unit_test(analyse__takes_text_that_follows),
		cmocka_unit_test(analyse__finds_nothing_in_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
