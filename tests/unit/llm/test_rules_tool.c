/* SPDX-License-Identifier: Apache-2.0 */
/* Which tool fits a wish, and when none does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/llm/test_offline_tools.h"

static struct llm_request request_of(const struct offer *o)
{
	return (struct llm_request){.tools = o->tools, .tools_count = o->count};
}

static void assert_chosen(const char *words, enum intent intent, enum tool_fit fit, const char *name)
{
	struct offer o;
	const struct llm_tool *t;
	offer_filesystem(&o);
	struct llm_request r = request_of(&o);
	struct tool_wish w = {.intent = intent, .words = slice_str(words)};
	enum tool_fit got = rules_tool_choose(&r, &w, &t);
	if (got != fit || (t != NULL) != (name != NULL) || (t != NULL && strcmp(t->server_tool, name) != 0))
		fail_msg("%s: fit %d, %s", words, got, t ? t->name : "none");
	offer_release(&o);
}

static void tool_choose__finds_the_filesystem_tools(void **state)
{
	(void)state;
	assert_chosen("read a file text", INTENT_READ, FIT_YES, "read_text_file");
	assert_chosen("list the files directory", INTENT_LIST, FIT_YES, "list_directory");
	assert_chosen("search for files", INTENT_SEARCH, FIT_YES, "search_files");
	assert_chosen("get file info", INTENT_INFO, FIT_YES, "get_file_info");
	assert_chosen("list allowed directories", INTENT_LIST, FIT_YES, "list_allowed_directories");
}

static void tool_choose__avoids_the_deprecated(void **state)
{
	(void)state;
	assert_chosen("read file", INTENT_READ, FIT_YES, "read_text_file");
}

static void tool_choose__tells_what_may_write(void **state)
{
	(void)state;
	assert_chosen("write file hello", INTENT_WRITE, FIT_NOT_READ_ONLY, "write_file");
	assert_chosen("move file", INTENT_MOVE, FIT_NOT_READ_ONLY, "move_file");
}

static void tool_choose__abstains(void **state)
{
	(void)state;
	assert_chosen("delete all temp files", INTENT_DELETE, FIT_NONE, NULL);
	assert_chosen("book me a flight to paris", INTENT_SEND, FIT_NONE, NULL);
	assert_chosen("read the news", INTENT_READ, FIT_NONE, NULL);
	assert_chosen("list all users", INTENT_LIST, FIT_NONE, NULL);
	assert_chosen("", INTENT_READ, FIT_NONE, NULL);
}

static void tool_choose__takes_lists_only_when_several_are_meant(void **state)
{
	struct offer o;
	const struct llm_tool *t;
	(void)state;
	offer_filesystem(&o);
	struct llm_request r = request_of(&o);
	struct tool_wish w = {
		.intent = INTENT_READ, .words = slice_str("read text multiple files"), .several = true};
	assert_int_equal(rules_tool_choose(&r, &w, &t), FIT_YES);
	assert_string_equal(t->server_tool, "read_multiple_files");
	offer_release(&o);
}

static void tool_nearest__names_three_or_what_there_is(void **state)
{
	struct offer o;
	const struct llm_tool *near[3];
	(void)state;
	offer_filesystem(&o);
	struct llm_request r = request_of(&o);
	assert_int_equal(rules_tool_nearest(&r, slice_str("Book me a flight to Paris"), near), 3);
	r.tools_count = 1;
	assert_int_equal(rules_tool_nearest(&r, slice_str("x"), near), 1);
	r.tools_count = 0;
	assert_int_equal(rules_tool_nearest(&r, slice_str("x"), near), 0);
	offer_release(&o);
}

static void tool_roots_and_lister__are_of_the_same_server(void **state)
{
	struct offer o;
	(void)state;
	offer_filesystem(&o);
	struct llm_request r = request_of(&o);
	assert_string_equal(rules_tool_roots(&r, "files")->server_tool, "list_allowed_directories");
	assert_string_equal(rules_tool_lister(&r, "files")->server_tool, "list_directory");
	assert_null(rules_tool_roots(&r, "other"));
	assert_null(rules_tool_lister(&r, "other"));
	offer_release(&o);
}

static void tool_choose__ignores_the_runtimes_own_tools(void **state)
{
	const struct llm_tool *t;
	struct llm_tool own = {.name = "finish_step", .description = "read a file", .read_only = true};
	struct llm_request r = {.tools = &own, .tools_count = 1};
	struct tool_wish w = {.intent = INTENT_READ, .words = slice_str("read a file")};
	(void)state;
	assert_int_equal(rules_tool_choose(&r, &w, &t), FIT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_choose__finds_the_filesystem_tools),
		cmocka_unit_test(tool_choose__avoids_the_deprecated),
		cmocka_unit_test(tool_choose__tells_what_may_write),
		cmocka_unit_test(tool_choose__abstains),
		cmocka_unit_test(tool_choose__takes_lists_only_when_several_are_meant),
		cmocka_unit_test(tool_nearest__names_three_or_what_there_is),
		cmocka_unit_test(tool_roots_and_lister__are_of_the_same_server),
		cmocka_unit_test(tool_choose__ignores_the_runtimes_own_tools),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
