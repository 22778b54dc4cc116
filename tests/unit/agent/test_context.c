/* SPDX-License-Identifier: Apache-2.0 */
/* What of a step's conversation a model is shown as it grows. */
#include "base/base.h"
#include "run_rig.h"

enum { BIG = 2000 };

/* {"text":"<n>xxxx..."}: each result is as large and different. */
static char *big_arguments(int n)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "{\"text\":\"result-%d-", n);
	for (int i = 0; i < BIG; i++)
		buf_add_char(&b, 'x');
	buf_add_str(&b, "\"}");
	return buf_take(&b);
}

static void call_big(struct world *w, int n)
{
	char *arguments = big_arguments(n);
	model_calls(w, "fake__echo", arguments);
	free(arguments);
}

static size_t times(const char *text, const char *part)
{
	size_t n = 0;
	for (const char *p = text; (p = strstr(p, part)) != NULL; p++)
		n++;
	return n;
}

/* Five results: the last three whole, the others one line, which leads back to them. */
static void context__old_results_are_one_line(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	for (int i = 1; i <= 5; i++)
		call_big(&w, i);
	model_calls(&w, "read_result", "{\"handle\":\"c3\",\"length\":12}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "big ones");
	assert_ended(&w, "completed", NULL);
	/* after three: all whole; "result-1-" stands in the call's arguments, too */
	assert_int_equal(times(model_shown(&w, 4), "an earlier result"), 0);
	assert_int_equal(times(model_shown(&w, 4), "result-1-"), 2);
	const char *shown = model_shown(&w, 6);
	assert_int_equal(times(shown, "an earlier result"), 2);
	assert_int_equal(times(shown, "result-1-"), 1);
	assert_int_equal(times(shown, "result-3-"), 2);
	assert_says(shown, "[an earlier result: fake__echo, arguments ");
	assert_says(shown, "with handle c3 shows it");
	assert_says(model_shown(&w, 7), "[bytes 0 to 12 of 2009]\\nresult-1-xxx");
	world_close(&w);
}

static void context__small_results_stay(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	model_plan(&w, STEP("s1", "read"));
	model_calls(&w, "fake__echo", "{\"text\":\"a\"}", "fake__echo", "{\"text\":\"b\"}", "fake__echo",
		    "{\"text\":\"c\"}", "fake__echo", "{\"text\":\"d\"}", "fake__echo", "{\"text\":\"e\"}");
	model_finish(&w, "success", "r");
	model_text(&w, "The end [s1].");
	task_give(&w, "small ones");
	assert_ended(&w, "completed", NULL);
	assert_silent(model_shown(&w, 2), "an earlier result");
	world_close(&w);
}

/* When the conversation is too large the newest results become lines, too; when that is not enough the step
 * ends, and says why. */
static void context__is_bounded(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "echo", false);
	agent_free(w.agent);
	w.options.context_tokens_max = 2400;
	agent_make(&w);
	model_plan(&w, STEP("s1", "read"));
	for (int i = 1; i <= 4; i++)
		call_big(&w, i);
	task_give(&w, "too big");
	assert_ended(&w, "failed", "agent.context_tokens");
	assert_int_equal(times(model_shown(&w, 3), "an earlier result"), 1);
	struct json *end = event_nth(&w, EVENT_STEP_FAILED, 0);
	assert_string_equal(json_get_text(json_get(end, "error"), "code", ""), "context-full");
	json_free(end);
	world_close(&w);
}

/* The guess is put right by what the server has counted: the same conversation is too large then. */
static void context__learns_from_what_was_counted(void **state)
{
	struct agent a = {.options = {.context_tokens_max = 100}};
	struct run r = {.agent = &a};
	struct llm_message m = {.speaker = LLM_USER, .text = "twenty letters here."}, out;
	struct exec x = {.run = &r, .messages = &m, .messages_count = 1};
	struct error e;
	(void)state;
	const struct llm_options lo = {
		.api = LLM_CHAT, .base_url = "http://127.0.0.1:9/v1", .model = "m", .concurrency_max = 1};
	struct loop *l = loop_new();
	a.llm = llm_new(l, &(struct llm_setup){.providers = &lo, .providers_count = 1});
	assert_true(context_fit(&x, &out, &e));
	assert_int_equal(x.shown_tokens, 6);
	context_learn(&x, &(struct llm_usage){.input_tokens = 6000, .estimated = true});
	context_learn(&x, &(struct llm_usage){.input_tokens = 3});
	assert_true(context_fit(&x, &out, &e));
	context_learn(&x, &(struct llm_usage){.input_tokens = 24});
	assert_true(context_fit(&x, &out, &e));
	a.options.context_tokens_max = 20;
	assert_false(context_fit(&x, &out, &e));
	assert_says(e.msg, "about 24 tokens");
	context_learn(&x, &(struct llm_usage){.input_tokens = INT64_MAX});
	assert_int_equal(x.tokens_percent, 800);
	llm_free(a.llm);
	loop_free(l);
}

static void context_tokens__guesses(void **state)
{
	(void)state;
	assert_int_equal(context_tokens(NULL), 1);
	assert_int_equal(context_tokens("abcdefgh"), 3);
	assert_int_equal(context_tokens("\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC"), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(context__old_results_are_one_line),
		cmocka_unit_test(context__small_results_stay),
		cmocka_unit_test(context__is_bounded),
		cmocka_unit_test(context__learns_from_what_was_counted),
		cmocka_unit_test(context_tokens__guesses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
