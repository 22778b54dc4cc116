/* SPDX-License-Identifier: Apache-2.0 */
/* What one clause wants. */
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

struct row {
	const char *prompt;
	enum intent intent;
	enum operation op;
	const char *unit, *needle;
};

static const struct row rows[] = {
	{"Show me the contents of notes.md", INTENT_READ, OP_NONE, NULL, ""},
	{"Show all files", INTENT_LIST, OP_NONE, NULL, ""},
	{"What files are there?", INTENT_LIST, OP_NONE, NULL, ""},
	{"What does notes.md say?", INTENT_READ, OP_NONE, NULL, ""},
	{"Get the size of notes.md", INTENT_INFO, OP_NONE, NULL, ""},
	{"How big is notes.md?", INTENT_INFO, OP_NONE, NULL, ""},
	{"When was notes.md changed?", INTENT_INFO, OP_NONE, NULL, ""},
	{"Where is notes.md?", INTENT_SEARCH, OP_NONE, NULL, ""},
	{"How many lines does a.csv have?", INTENT_TRANSFORM, OP_COUNT, "lines", ""},
	{"What is the number of words in a.md?", INTENT_TRANSFORM, OP_COUNT, "words", ""},
	{"How many lines contain ERROR in a.log", INTENT_TRANSFORM, OP_COUNT, "lines", "ERROR"},
	{"Give me a summary of a.md", INTENT_TRANSFORM, OP_SUMMARISE, NULL, ""},
	{"Find lines with \"disk full\" in a.log", INTENT_TRANSFORM, OP_EXTRACT, NULL, "disk full"},
	{"Extract emails from a.md", INTENT_TRANSFORM, OP_EXTRACT, NULL, "emails"},
	{"What are the keywords of a.md", INTENT_TRANSFORM, OP_KEYWORDS, NULL, ""},
	{"Explain a.md", INTENT_TRANSFORM, OP_UNSUPPORTED, NULL, ""},
	{"Do not delete anything", INTENT_NONE, OP_NONE, NULL, ""},
	{"Without deleting, read a.md", INTENT_READ, OP_NONE, NULL, ""},
	{"I want to read a.md", INTENT_READ, OP_NONE, NULL, ""},
	{"Book me a flight to Paris", INTENT_SEND, OP_NONE, NULL, ""},
	{"The list is long", INTENT_NONE, OP_NONE, NULL, ""},
};

static void clause_classify__knows_wishes(void **state)
{
	struct analysis *a = xcalloc(1, sizeof *a);
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rules_analyse(slice_str(rows[i].prompt), a);
		const struct clause *c = &a->clauses[a->clauses_count - 1];
		bool same_unit = (c->unit == NULL) == (rows[i].unit == NULL) &&
				 (c->unit == NULL || strcmp(c->unit, rows[i].unit) == 0);
		if (c->intent != rows[i].intent || c->op != rows[i].op || !same_unit ||
		    !slice_eq_str(c->needle, rows[i].needle))
			fail_msg("%s: %s, %s, unit %s, needle \"%.*s\"", rows[i].prompt,
				 rules_intent_text(c->intent), rules_operation_text(c->op),
				 c->unit ? c->unit : "none", (int)c->needle.len, c->needle.ptr);
	}
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clause_classify__knows_wishes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
