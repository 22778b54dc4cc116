/* SPDX-License-Identifier: Apache-2.0 */
/* What varies in prompts is taken out, of the very words that the agent writes, and nothing else is. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct agent agent = {.options = {.steps_max = 20, .tool_context_bytes_max = 256}};

static char *plain(const char *text)
{
	struct buf out = BUF_INIT;
	agent_prompt_plain(slice_str(text), &out);
	return buf_take(&out);
}

static void assert_plain(const char *text, const char *wanted)
{
	char *once = plain(text), *twice = plain(once);
	assert_string_equal(once, wanted);
	assert_string_equal(twice, wanted);
	free(once);
	free(twice);
}

static void prompt_plain__leaves_all_else_as_it_is(void **state)
{
	static const char *const same[] = {
		"",
		"\n\n",
		"Today is a day",
		"Today is 2026-11-2",
		"Today is 2026-11-28",
		"On 2026-11-28.",
		"- s1 [done] x",
		"- s1 [running",
		"- [running] x",
		"s1 [running] x",
		"-",
		"- ",
		"- s1",
		"- s1 [",
		"read_result with handle a7 reads it",
		"handle c7",
		"no line end \xc3\xa4",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++)
		assert_plain(same[i], same[i]);
}

static void prompt_plain__takes_out_what_varies(void **state)
{
	(void)state;
	assert_plain("a\nToday is 2026-11-28.\nb", "a\nToday is (day).\nb");
	assert_plain("- s1 [running] x\n- s2 [pending] y [failed]\n",
		     "- s1 [...] x\n- s2 [...] y [failed]\n");
}

static void prompt_plain__knows_the_agents_words(void **state)
{
	struct run r = {.agent = &agent};
	struct buf prompt = BUF_INIT;
	char today[CLOCK_TEXT_SIZE];
	(void)state;
	clock_fake_set(0, 1764288000000);
	prompt_planner_system(&r, &prompt);
	char *first = plain(buf_cstr(&prompt));
	clock_format(clock_wall_ms(), today);
	today[10] = '\0';
	assert_non_null(strstr(buf_cstr(&prompt), today));
	assert_null(strstr(first, today));
	buf_reset(&prompt);
	clock_fake_set(0, 1764288000000 + 40 * (int64_t)86400000);
	prompt_planner_system(&r, &prompt);
	char *later = plain(buf_cstr(&prompt));
	assert_string_equal(first, later);
	clock_fake_clear();
	free(first);
	free(later);
	buf_release(&prompt);
}

static char *step_prompt(enum step_status status)
{
	static const char text[] =
		"{\"goal\":\"g\",\"steps\":[{\"id\":\"s1\",\"title\":\"First\",\"objective\":\"o1\"},"
		"{\"id\":\"s2\",\"title\":\"Second\",\"objective\":\"o2\"}]}";
	static const struct mcp_catalog none;
	struct error e = {0};
	struct run *r = xcalloc(1, sizeof *r);
	struct buf prompt = BUF_INIT;
	r->agent = &agent;
	r->prompt = xstrdup("Reach it.");
	r->plan = plan_parse(SLICE_LIT(text), &none, 20, &e);
	assert_non_null(r->plan);
	r->steps[0].status = status;
	prompt_executor_user(r, 1, &prompt);
	char *out = plain(buf_cstr(&prompt));
	plan_free(r->plan);
	free(r->prompt);
	free(r);
	buf_release(&prompt);
	return out;
}

static void prompt_plain__does_not_see_how_far_other_steps_are(void **state)
{
	(void)state;
	char *running = step_prompt(STEP_RUNNING), *completed = step_prompt(STEP_COMPLETED);
	assert_string_equal(running, completed);
	assert_non_null(strstr(running, "- s1 [...] First\n"));
	free(running);
	free(completed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt_plain__leaves_all_else_as_it_is),
		cmocka_unit_test(prompt_plain__takes_out_what_varies),
		cmocka_unit_test(prompt_plain__knows_the_agents_words),
		cmocka_unit_test(prompt_plain__does_not_see_how_far_other_steps_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
