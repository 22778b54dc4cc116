/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments from what a prompt states, never more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/llm/test_offline_tools.h"

static const struct tool_row weather = {
	"get_weather", "Weather", "Weather of a city.",
	"{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\","
	"\"maximum\":7},"
	"\"unit\":{\"type\":\"string\",\"enum\":[\"celsius\",\"fahrenheit\"],\"default\":\"celsius\"},"
	"\"day\":{\"type\":\"string\",\"format\":\"date\"},\"link\":{\"type\":\"string\"}},"
	"\"required\":[\"city\",\"days\",\"unit\"]}",
	true};
static const struct tool_row query = {
	"search_nodes", "Search", "Search.",
	"{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\"}},\"required\":[\"query\"]}",
	true};

/* Arguments as JSON text, then the missing names. */
static void assert_filled(const struct tool_row *row, const char *prompt, const char *answer,
			  const char *expected)
{
	struct offer o = {0};
	struct analysis *a = xcalloc(2, sizeof *a);
	const char *missing[8];
	struct json *args;
	struct buf got = BUF_INIT;
	offer_add(&o, "x", row);
	rules_analyse(slice_str(prompt), &a[0]);
	rules_analyse(slice_str(answer), &a[1]);
	struct evidence ev = {.clause = &a[0].clauses[0],
			      .answer = a[1].text,
			      .answer_spans = a[1].spans,
			      .answer_spans_count = a[1].spans_count};
	size_t n = rules_fill(&o.tools[0], &ev, &args, missing, 8);
	json_print(args, &got);
	for (size_t i = 0; i < n; i++)
		buf_printf(&got, " -%s", missing[i]);
	if (strcmp(buf_cstr(&got), expected) != 0)
		fail_msg("%s\n got      %s\n expected %s", prompt, buf_cstr(&got), expected);
	buf_release(&got);
	json_free(args);
	free(a);
	offer_release(&o);
}

static void fill__takes_what_is_stated(void **state)
{
	(void)state;
	assert_filled(&weather, "Get weather city=Paris for 3 days", NULL,
		      "{\"city\":\"Paris\",\"days\":3,\"unit\":\"celsius\"}");
	assert_filled(&weather, "Get weather of \"Paris\", days: 2, in fahrenheit", NULL,
		      "{\"city\":\"Paris\",\"days\":2,\"unit\":\"fahrenheit\"}");
	assert_filled(&weather, "Get weather, city is Paris and days is 5", NULL,
		      "{\"city\":\"Paris\",\"days\":5,\"unit\":\"celsius\"}");
}

static void fill__never_guesses_free_text(void **state)
{
	(void)state;
	assert_filled(&weather, "Get weather in Paris", NULL, "{\"unit\":\"celsius\"} -city -days");
	assert_filled(&weather, "Get weather celsius or fahrenheit", NULL,
		      "{\"unit\":\"celsius\"} -city -days");
}

static void fill__refuses_what_breaks_the_schema(void **state)
{
	(void)state;
	assert_filled(&weather, "Get weather city=Paris days=30", NULL,
		      "{\"city\":\"Paris\",\"unit\":\"celsius\"} -days");
}

static void fill__lets_the_answer_win(void **state)
{
	(void)state;
	assert_filled(&weather, "Get weather city=Paris days=3", "city=Rome",
		      "{\"city\":\"Rome\",\"days\":3,\"unit\":\"celsius\"}");
}

static void fill__gives_a_query_the_rest_of_the_clause(void **state)
{
	(void)state;
	assert_filled(&query, "Search nodes for red apples", NULL, "{\"query\":\"red apples\"}");
	assert_filled(&query, "Search nodes for \"red\"", NULL, "{\"query\":\"red\"}");
}

static const struct tool_row *filesystem(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(filesystem_tools); i++)
		if (strcmp(filesystem_tools[i].name, name) == 0)
			return &filesystem_tools[i];
	return NULL;
}

static void fill__knows_paths_and_patterns(void **state)
{
	(void)state;
	assert_filled(filesystem("read_text_file"), "Read notes.md", NULL, "{\"path\":\"notes.md\"}");
	assert_filled(filesystem("read_text_file"), "Read a file", NULL, "{} -path");
	assert_filled(filesystem("search_files"), "Find *.log in /var/log", NULL,
		      "{\"path\":\"/var/log\",\"pattern\":\"**/*.log\"}");
	assert_filled(filesystem("search_files"), "Find notes.md", NULL,
		      "{\"pattern\":\"**/notes.md\"} -path");
	assert_filled(filesystem("read_multiple_files"), "Read a.md and b.md", NULL,
		      "{\"paths\":[\"a.md\",\"b.md\"]}");
}

static void arg_kind__goes_by_type_then_name(void **state)
{
	struct json *text = json_parse("{\"type\":\"string\"}", 17, 0, NULL),
		    *list = json_parse("{\"type\":\"array\"}", 16, 0, NULL);
	(void)state;
	assert_int_equal(rules_arg_kind(text, "outputPath"), ARG_PATH);
	assert_int_equal(rules_arg_kind(text, "file_name"), ARG_PATH);
	assert_int_equal(rules_arg_kind(text, "base-url"), ARG_URL);
	assert_int_equal(rules_arg_kind(text, "message"), ARG_QUERY);
	assert_int_equal(rules_arg_kind(text, "city"), ARG_TEXT);
	assert_int_equal(rules_arg_kind(list, "paths"), ARG_ARRAY);
	assert_int_equal(rules_arg_kind(NULL, "x"), ARG_OTHER);
	json_free(text);
	json_free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fill__takes_what_is_stated),
		cmocka_unit_test(fill__never_guesses_free_text),
		cmocka_unit_test(fill__refuses_what_breaks_the_schema),
		cmocka_unit_test(fill__lets_the_answer_win),
		cmocka_unit_test(fill__gives_a_query_the_rest_of_the_clause),
		cmocka_unit_test(fill__knows_paths_and_patterns),
		cmocka_unit_test(arg_kind__goes_by_type_then_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
