/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of prompts and of tool names. */
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

static void verb_find__knows_classes(void **state)
{
	struct verb v;
	(void)state;
	assert_true(rules_verb_find(slice_str("Summarise"), &v));
	assert_int_equal(v.intent, INTENT_TRANSFORM);
	assert_int_equal(v.op, OP_SUMMARISE);
	assert_true(rules_verb_find(slice_str("show"), &v) && v.weak);
	assert_true(rules_verb_find(slice_str("book"), &v));
	assert_int_equal(v.intent, INTENT_SEND);
	assert_false(rules_verb_find(slice_str("flight"), &v));
}

static void tool_intent__reads_the_first_verb(void **state)
{
	static const struct {
		const char *name;
		enum intent intent;
	} rows[] = {{"read_text_file", INTENT_READ},    {"list_allowed_directories", INTENT_LIST},
		    {"directory_tree", INTENT_LIST},    {"get_file_info", INTENT_INFO},
		    {"searchFiles", INTENT_SEARCH},     {"move_file", INTENT_MOVE},
		    {"delete-entities", INTENT_DELETE}, {"echo", INTENT_NONE},
		    {"get.weather", INTENT_READ}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rules_tool_intent(rows[i].name) != rows[i].intent)
			fail_msg("%s is taken as %s", rows[i].name,
				 rules_intent_text(rules_tool_intent(rows[i].name)));
	assert_true(rules_tool_is_getter("getWeather"));
	assert_false(rules_tool_is_getter("read_file"));
}

static void operation_find__inverts_text(void **state)
{
	(void)state;
	for (int op = OP_SUMMARISE; op < OP_UNSUPPORTED; op++)
		assert_int_equal(rules_operation_find(rules_operation_text((enum operation)op)), op);
	assert_int_equal(rules_operation_find("dance"), OP_NONE);
	assert_int_equal(rules_operation_find(NULL), OP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verb_find__knows_classes),
		cmocka_unit_test(tool_intent__reads_the_first_verb),
		cmocka_unit_test(operation_find__inverts_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
