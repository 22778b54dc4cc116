/* SPDX-License-Identifier: Apache-2.0 */
/* The answer from the results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/llm/test_offline_tools.h"

static char *written(const char *plan_text, const struct llm_result_of *results, size_t count,
		     const char *failed)
{
	struct llm_turn_buf turn;
	struct json *plan = json_parse(plan_text, strlen(plan_text), 0, NULL);
	struct llm_context c = {
		.goal = "x", .plan = plan, .results = results, .results_count = count, .failed = failed};
	struct llm_request r = {.role = LLM_WRITER, .context = &c};
	turn_buf_init(&turn);
	assert_int_equal(llm_offline_answer(&r, &turn, NULL), ERR_NONE);
	assert_int_equal(turn_buf_view(&turn)->stop, LLM_STOP_END);
	char *text = xstrdup(turn_buf_view(&turn)->text);
	turn_buf_release(&turn);
	json_free(plan);
	return text;
}

static const char plan[] =
	"{\"assumptions\":[\"Planned by rules\",\"Not done: \\\"delete it\\\": no tool.\"],\"steps\":["
	"{\"id\":\"s1\",\"depends_on\":[],\"tool_hints\":[\"x\"]},{\"id\":\"s2\",\"depends_on\":[\"s1\"]}]}";

static void write__shows_last_results_and_cites_steps(void **state)
{
	const struct llm_result_of results[] = {{"s1", "Read", "the whole text"},
						{"s2", "Summarise", "the summary"}};
	(void)state;
	char *got = written(plan, results, 2, NULL);
	assert_string_equal(
		got,
		"the summary [s2]\n\nNot done: \"delete it\": no tool.\n"
		"Steps: [s1] Read; [s2] Summarise.\nWritten by offline rules, no language model was used.\n");
	free(got);
}

static void write__states_what_failed(void **state)
{
	const struct llm_result_of results[] = {{"s1", "Read", "the whole text"}};
	(void)state;
	char *got = written(plan, results, 1, "s2 (Summarise): it broke");
	assert_non_null(strstr(got, "the whole text"));
	assert_non_null(strstr(got, "Failed: s2 (Summarise): it broke\n"));
	free(got);
	got = written(plan, NULL, 0, "s1: gone");
	assert_non_null(strstr(got, "No step has a result."));
	free(got);
}

static void write__bounds_long_results(void **state)
{
	char *big = xmalloc(100000);
	(void)state;
	memset(big, 'a', 99999);
	big[99999] = '\0';
	const struct llm_result_of results[] = {{"s1", NULL, big}};
	char *got = written("{}", results, 1, NULL);
	assert_true(strlen(got) < EXCERPT_BYTES_MAX + 400);
	assert_non_null(strstr(got, "bytes more in the result of s1]"));
	free(got);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write__shows_last_results_and_cites_steps),
		cmocka_unit_test(write__states_what_failed),
		cmocka_unit_test(write__bounds_long_results),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
