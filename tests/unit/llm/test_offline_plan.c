/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for prompts and for feedback: which tools, in which order, with which inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/llm/test_offline_tools.h"

/* "list_directory(path<s1) summarise(text<s3)" */
static char *outline_of(const char *goal, const char *feedback)
{
	struct offer o;
	struct buf out = BUF_INIT;
	offer_filesystem(&o);
	struct json *plan = plan_for(&o, goal, feedback);
	const struct json *steps = json_get(plan, "steps");
	for (const struct json *s = json_first(steps); s != NULL; s = json_next(s)) {
		const char *tool = json_text(json_at(json_get(s, "tool_hints"), 0));
		buf_printf(&out, "%s%s(", out.len > 0 ? " " : "",
			   tool != NULL ? tool + strlen("files__") : "rules");
		const struct json *inputs = json_get(s, "inputs");
		for (const struct json *in = json_first(inputs); in != NULL; in = json_next(in)) {
			const char *from = json_get_text(in, "from_step", NULL);
			buf_printf(&out, "%s%s", in == json_first(inputs) ? "" : ", ",
				   json_get_text(in, "name", ""));
			if (from != NULL) {
				buf_printf(&out, "<%s", from);
			} else {
				buf_add_char(&out, '=');
				json_print(json_get(in, "literal"), &out);
			}
		}
		buf_add_char(&out, ')');
	}
	for (const struct json *q = json_first(json_get(plan, "questions")); q != NULL; q = json_next(q))
		buf_printf(&out, "?%.*s", (int)strcspn(json_text(q), ":"), json_text(q));
	json_free(plan);
	offer_release(&o);
	return buf_take(&out);
}

static void assert_outline(const char *goal, const char *feedback, const char *expected)
{
	char *got = outline_of(goal, feedback);
	if (strcmp(got, expected) != 0)
		fail_msg("%s\n got      %s\n expected %s", goal, got, expected);
	free(got);
}

#define ROOTS "list_allowed_directories() "

static void plan__matches_the_worked_examples(void **state)
{
	(void)state;
	assert_outline("Read a file and summarize its contents", NULL,
		       ROOTS "list_directory(path<s1) read_text_file(path<s2, in_directory<s1) "
			     "rules(operation=\"summarise\", text<s3)");
	assert_outline("Summarize notes.txt", NULL,
		       "read_text_file(path=\"notes.txt\") rules(operation=\"summarise\", "
		       "subject=\"notes.txt\", text<s1)");
	assert_outline("delete all temp files", NULL, "");
	assert_outline("Book me a flight to Paris", NULL, "");
}

static void plan__chains_steps(void **state)
{
	(void)state;
	assert_outline("List the files and count them", NULL,
		       ROOTS "list_directory(path<s1) rules(operation=\"count\", text<s2)");
	assert_outline("List the files in the docs folder and read one", NULL,
		       "list_directory(path=\"docs\") read_text_file(path<s1, in_directory=\"docs\")");
	assert_outline("Search for files named *.log", NULL,
		       ROOTS "search_files(pattern=\"**/*.log\", path<s1)");
	assert_outline("Read all files", NULL,
		       ROOTS "list_directory(path<s1) read_multiple_files(paths<s2, in_directory<s1)");
	assert_outline("Read all files in the data folder", NULL,
		       "list_directory(path=\"data\") read_multiple_files(paths<s1, in_directory=\"data\")");
	assert_outline("Summarize a file in docs/", NULL,
		       "list_directory(path=\"docs/\") read_text_file(path<s1, in_directory=\"docs/\") "
		       "rules(operation=\"summarise\", text<s2)");
	assert_outline(
		"Summarize all *.md files", NULL,
		ROOTS
		"search_files(pattern=\"**/*.md\", path<s1) "
		"read_multiple_files(paths<s2, in_directory<s1) rules(operation=\"summarise\", text<s3)");
	assert_outline("Read a.md and b.md", NULL,
		       "read_text_file(path=\"a.md\") read_text_file(path=\"b.md\")");
	assert_outline(
		"Summarize a.md and count its words", NULL,
		"read_text_file(path=\"a.md\") rules(operation=\"summarise\", subject=\"a.md\", text<s1) "
		"rules(operation=\"count\", unit=\"words\", subject=\"a.md\", text<s1)");
	assert_outline("Extract lines containing ERROR from a.log and count them", NULL,
		       "read_text_file(path=\"a.log\") rules(operation=\"extract\", contains=\"ERROR\", "
		       "subject=\"a.log\", text<s1) "
		       "rules(operation=\"count\", text<s2)");
}

static void plan__works_on_text_of_the_prompt(void **state)
{
	(void)state;
	assert_outline("Count the words in \"one two\"", NULL,
		       "rules(operation=\"count\", unit=\"words\", text=\"one two\")");
	assert_outline("Summarize this text: Read. Delete.", NULL,
		       "rules(operation=\"summarise\", text=\"Read. Delete.\")");
}

static void plan__asks_for_what_is_missing(void **state)
{
	(void)state;
	assert_outline("Summarize the meeting", NULL, "?path (string)");
	assert_outline("Extract lines from a.md", NULL, "?contains (string)");
	/* A question leaves no steps, whatever else could be done. */
	assert_outline("Read a.md and extract lines", NULL, "?contains (string)");
}

static void plan__heeds_feedback(void **state)
{
	(void)state;
	assert_outline("Read a file and summarize its contents", "use notes.md instead",
		       "read_text_file(path=\"notes.md\") rules(operation=\"summarise\", "
		       "subject=\"notes.md\", text<s1)");
	assert_outline("Read a file and summarize its contents", "only list the files",
		       ROOTS "list_directory(path<s1)");
	assert_outline(
		"Summarize the meeting", "path=m.md",
		"read_text_file(path=\"m.md\") rules(operation=\"summarise\", subject=\"m.md\", text<s1)");
}

static void plan__says_what_is_left_out(void **state)
{
	struct offer o;
	struct buf text = BUF_INIT;
	(void)state;
	offer_filesystem(&o);
	struct json *plan = plan_for(&o, "Read a.md, translate it, then delete it", NULL);
	json_print(plan, &text);
	assert_int_equal(json_count(json_get(plan, "steps")), 1);
	assert_non_null(strstr(buf_cstr(&text), "Not done: \\\"translate it\\\""));
	assert_non_null(strstr(buf_cstr(&text), "Not done: \\\"delete it\\\""));
	json_free(plan);
	buf_release(&text);
	offer_release(&o);
}

static void plan__never_hints_a_writing_tool(void **state)
{
	static const char *const goals[] = {
		"Write hello to a.txt", "Create a folder named x",        "Edit a.md",
		"Move a.md to b.md",    "Read a.md and write it to b.md", "Read a.md and move it to \"b\""};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(goals); i++) {
		char *got = outline_of(goals[i], NULL);
		if (strstr(got, "write_") || strstr(got, "edit_") || strstr(got, "move_") ||
		    strstr(got, "create_"))
			fail_msg("%s: %s", goals[i], got);
		free(got);
	}
}

static void plan__survives_hostile_prompts(void **state)
{
	static const char *const parts[] = {
		"x ", "Read a.txt. ", "read a file and ",         "'a ", "\"",   "```", "a.b ",    "name is ",
		"* ", "summarize ",   "\xe6\x97\xa5\xe6\x9c\xac", "=",   "a=b ", "\n",  "[FILE] ", "{\"",
		"\\"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		struct buf goal = BUF_INIT;
		while (goal.len < GOAL_BYTES_MAX + 4096)
			buf_add_str(&goal, parts[i]);
		free(outline_of(buf_cstr(&goal), NULL));
		free(outline_of("Read a file", buf_cstr(&goal)));
		buf_release(&goal);
	}
}

static void plan__works_without_any_tool(void **state)
{
	struct offer o = {0};
	(void)state;
	struct json *plan = plan_for(&o, "Read a file and summarize its contents", NULL);
	assert_int_equal(json_count(json_get(plan, "steps")), 0);
	assert_non_null(strstr(json_get_text(plan, "final_output", ""), "No tool server is connected."));
	json_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan__matches_the_worked_examples),
		cmocka_unit_test(plan__chains_steps),
		cmocka_unit_test(plan__works_on_text_of_the_prompt),
		cmocka_unit_test(plan__asks_for_what_is_missing),
		cmocka_unit_test(plan__heeds_feedback),
		cmocka_unit_test(plan__says_what_is_left_out),
		cmocka_unit_test(plan__never_hints_a_writing_tool),
		cmocka_unit_test(plan__survives_hostile_prompts),
		cmocka_unit_test(plan__works_without_any_tool),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
