/* SPDX-License-Identifier: Apache-2.0 */
/* The most tokens of a prompt: for each kind of text above what tokenizers make of it; and what is learned
 * from a server that has counted more. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static int64_t tokens(const struct agent *a, const char *text)
{
	const struct llm_message m = {.speaker = LLM_USER, .text = text};
	return budget_prompt_tokens(a, &(struct llm_request){.messages = &m, .messages_count = 1});
}

/* Digits are a token each for some tokenizers, capitals of base64 nearly so, other scripts a token a byte. */
static void prompt_tokens__are_an_upper_bound(void **state)
{
	struct agent a = {0};
	int64_t none = tokens(&a, "");
	(void)state;
	assert_int_equal(tokens(&a, "the quick brown fox jumps over it") - none, 17); /* about 8 */
	assert_int_equal(tokens(&a, "3.14159265,2718") - none, 15);                   /* at most 15 */
	assert_true(tokens(&a, "QmFzZTY0IGlzIGRlbnNl") - none >= 16);                 /* 20 bytes, about 13 */
	assert_int_equal(tokens(&a, "{\"a\":[1]}") - none, 9);
	assert_int_equal(tokens(&a, "\xe6\x97\xa5") - none, 3);
	assert_true(none > 0); /* what a server puts around a message */
}

static void prompt_tokens__learn_from_what_was_counted(void **state)
{
	struct agent a = {0};
	int64_t before = tokens(&a, "hello there");
	(void)state;
	budget_prompt_learn(&a, before, &(struct llm_usage){.input_tokens = before - 1});
	budget_prompt_learn(&a, before, &(struct llm_usage){.input_tokens = before * 9, .estimated = true});
	assert_int_equal(tokens(&a, "hello there"), before);
	budget_prompt_learn(&a, before, &(struct llm_usage){.input_tokens = before * 3});
	assert_true(tokens(&a, "hello there") >= before * 3);
	/* The next one counts on top of that; never less again. */
	budget_prompt_learn(&a, before * 3, &(struct llm_usage){.input_tokens = before * 4});
	assert_true(tokens(&a, "hello there") >= before * 4);
	budget_prompt_learn(&a, before * 4, &(struct llm_usage){.input_tokens = 1});
	assert_true(tokens(&a, "hello there") >= before * 4);
	/* Beyond reason it is not believed. */
	budget_prompt_learn(&a, before, &(struct llm_usage){.input_tokens = INT64_MAX});
	assert_int_equal(tokens(&a, "hello there"), before * 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt_tokens__are_an_upper_bound),
		cmocka_unit_test(prompt_tokens__learn_from_what_was_counted),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
