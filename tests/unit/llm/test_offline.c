/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worked examples of the offline provider from prompt to answer, over a file system of canned answers in
 * the words of the official filesystem server: planner, each step turn by turn, writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/llm/test_offline_tools.h"

static const char guide[] =
	"# Field guide\n\nThe station measures rain and wind every hour. The rain gauge is emptied each "
	"morning.\n"
	"Wind is measured at ten metres above the ground. The wind sensor needs power.\n\n"
	"Power comes from a solar panel. A battery keeps the station running for three days without sun.\n"
	"If the battery is low, the station stops the wind sensor first. Rain is always measured.\n";

/* What the file system answers to a call. */
static const char *answer_for(const char *tool, const struct json *args)
{
	const char *path = json_get_text(args, "path", "");
	if (strcmp(tool, "files__list_allowed_directories") == 0)
		return "Allowed directories:\n/srv/data\n/srv/other";
	if (strcmp(tool, "files__list_directory") == 0 && strcmp(path, "/srv/data") == 0)
		return "[DIR] data\n[FILE] README.md\n[FILE] app.log\n[FILE] photo.png";
	if (strcmp(tool, "files__search_files") == 0 &&
	    strcmp(json_get_text(args, "pattern", ""), "**/*.log") == 0)
		return "/srv/data/app.log\n/srv/data/old/b.log";
	if (strcmp(tool, "files__read_text_file") == 0 &&
	    (strcmp(path, "/srv/data/README.md") == 0 || strcmp(path, "notes.md") == 0))
		return guide;
	if (strcmp(tool, "files__read_text_file") == 0 && strcmp(path, "data/readings.csv") == 0)
		return "time,celsius\n01:00,4.5\n02:00,4.1\n03:00,3.9\n";
	return "Error: ENOENT: no such file or directory";
}

struct outcome {
	bool success;
	char *result;
	int calls;
	char asked[256]; /* arguments of the last tool call */
};

/* One step until finish_step, as the runtime drives it. */
static struct outcome step_run(const struct offer *o, const char *goal, const struct json *plan,
			       const char *id, const struct llm_result_of *results, size_t results_count)
{
	struct outcome out = {0};
	struct llm_message messages[8];
	struct llm_tool_call calls[8];
	struct llm_turn_buf turns[8];
	size_t n = 0, turn = 0;
	for (; out.result == NULL; turn++) {
		assert_true(turn < COUNT_OF(turns));
		struct llm_context c = {.goal = goal,
					.plan = plan,
					.step_id = id,
					.results = results,
					.results_count = results_count};
		struct llm_request r = {.role = LLM_EXECUTOR,
					.tools = o->tools,
					.tools_count = o->count,
					.messages = messages,
					.messages_count = n,
					.context = &c};
		turn_buf_init(&turns[turn]);
		assert_int_equal(llm_offline_answer(&r, &turns[turn], NULL), ERR_NONE);
		const struct llm_turn *t = turn_buf_view(&turns[turn]);
		assert_int_equal(t->calls_count, 1);
		assert_int_equal(t->stop, LLM_STOP_TOOL);
		calls[turn] = t->calls[0];
		struct json *args = json_parse(calls[turn].arguments, strlen(calls[turn].arguments), 0, NULL);
		assert_non_null(args);
		if (strcmp(calls[turn].name, "finish_step") == 0) {
			out.success = strcmp(json_get_text(args, "status", ""), "success") == 0;
			out.result = xstrdup(json_get_text(args, "result", NULL));
		} else {
			assert_non_null(rules_tool_find(&r, calls[turn].name));
			assert_true(rules_tool_find(&r, calls[turn].name)->read_only);
			snprintf(out.asked, sizeof out.asked, "%s", calls[turn].arguments);
			messages[n++] = (struct llm_message){
				.speaker = LLM_ASSISTANT, .calls = &calls[turn], .calls_count = 1};
			const char *text = answer_for(calls[turn].name, args);
			messages[n++] = (struct llm_message){.speaker = LLM_TOOL,
							     .tool_call_id = calls[turn].id,
							     .text = text,
							     .is_error = strncmp(text, "Error: ", 7) == 0};
			out.calls++;
		}
		json_free(args);
	}
	for (size_t i = 0; i < turn; i++)
		turn_buf_release(&turns[i]);
	return out;
}

/* Whole task; the answer, to be freed. steps_expected 0: the plan has none and its final text is the answer.
 */
static char *task_run(const char *goal, size_t steps_expected)
{
	struct offer o;
	struct llm_result_of results[PLAN_STEPS_MAX];
	char *texts[PLAN_STEPS_MAX], *answer;
	size_t n = 0;
	offer_filesystem(&o);
	struct json *plan = plan_for(&o, goal, NULL);
	assert_int_equal(json_count(json_get(plan, "steps")), steps_expected);
	char *failed = NULL;
	for (const struct json *s = json_first(json_get(plan, "steps")); s != NULL && failed == NULL;
	     s = json_next(s)) {
		const char *id = json_get_text(s, "id", "");
		struct outcome out = step_run(&o, goal, plan, id, results, n);
		if (!out.success) {
			failed = out.result;
			break;
		}
		texts[n] = out.result;
		results[n] = (struct llm_result_of){id, json_get_text(s, "title", ""), texts[n]};
		n++;
	}
	struct llm_context c = {
		.goal = goal, .plan = plan, .results = results, .results_count = n, .failed = failed};
	struct llm_request r = {.role = LLM_WRITER, .context = &c};
	struct llm_turn_buf turn;
	turn_buf_init(&turn);
	assert_int_equal(llm_offline_answer(&r, &turn, NULL), ERR_NONE);
	answer = xstrdup(steps_expected == 0 ? json_get_text(plan, "final_output", "")
					     : turn_buf_view(&turn)->text);
	turn_buf_release(&turn);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(failed);
	json_free(plan);
	offer_release(&o);
	return answer;
}

static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void task__reads_a_file_and_summarises_it(void **state)
{
	(void)state;
	char *answer = task_run("Read a file and summarize its contents", 4);
	assert_has(answer, "/srv/data/README.md (of 4 entries: a README comes first)");
	assert_has(answer, "Field guide");
	assert_has(answer, "Keywords: ");
	assert_has(answer, "[s4]");
	assert_has(answer, "offline rules, no language model");
	free(answer);
}

static void task__is_deterministic(void **state)
{
	(void)state;
	char *first = task_run("Read a file and summarize its contents", 4);
	char *second = task_run("Read a file and summarize its contents", 4);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void task__summarises_a_named_file(void **state)
{
	(void)state;
	char *answer = task_run("Summarize notes.md", 2);
	assert_has(answer, "Summary of notes.md");
	free(answer);
}

static void task__lists_and_counts(void **state)
{
	(void)state;
	char *answer = task_run("List the files and count them", 3);
	assert_has(answer, "3 files and 1 directory.");
	free(answer);
}

static void task__counts_lines(void **state)
{
	(void)state;
	char *answer = task_run("How many lines does data/readings.csv have?", 2);
	assert_has(answer, "data/readings.csv has 4 lines.");
	free(answer);
}

static void task__searches(void **state)
{
	(void)state;
	char *answer = task_run("Search for files named *.log", 2);
	assert_has(answer, "/srv/data/old/b.log");
	free(answer);
}

static void task__tells_why_a_step_failed(void **state)
{
	(void)state;
	char *answer = task_run("Summarize missing.md", 2);
	assert_has(answer, "Failed: ");
	assert_has(answer, "ENOENT");
	free(answer);
}

static void task__declines_what_no_tool_does(void **state)
{
	static const char *const goals[] = {"delete all temp files", "Book me a flight to Paris", "?!.,;", "",
					    "Прочитай файл и перескажи его"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(goals); i++) {
		char *answer = task_run(goals[i], 0);
		assert_has(answer, "no connected tool fits");
		assert_has(answer, "The nearest tools by name are files__");
		assert_has(answer, "tool registry");
		assert_has(answer, "OPENAI_API_KEY");
		assert_has(answer, "offline rules, no language model");
		free(answer);
	}
}

static void task__never_writes(void **state)
{
	(void)state;
	char *answer = task_run("Write hello to a.txt", 0);
	assert_has(answer, "files__write_file would fit, but it is not marked read-only");
	free(answer);
}

static void answer__needs_a_context(void **state)
{
	(void)state;
	struct llm_request r = {.role = LLM_PLANNER};
	struct llm_turn_buf turn;
	struct error e = {0};
	turn_buf_init(&turn);
	assert_int_equal(llm_offline_answer(&r, &turn, &e), ERR_INTERNAL);
	turn_buf_release(&turn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task__reads_a_file_and_summarises_it),
		cmocka_unit_test(task__is_deterministic),
		cmocka_unit_test(task__summarises_a_named_file),
		cmocka_unit_test(task__lists_and_counts),
		cmocka_unit_test(task__counts_lines),
		cmocka_unit_test(task__searches),
		cmocka_unit_test(task__tells_why_a_step_failed),
		cmocka_unit_test(task__declines_what_no_tool_does),
		cmocka_unit_test(task__never_writes),
		cmocka_unit_test(answer__needs_a_context),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
