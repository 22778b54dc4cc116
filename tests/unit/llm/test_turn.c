/* SPDX-License-Identifier: Apache-2.0 */
/* The growable turn and its view. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void turn_buf__shows_an_empty_turn(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	turn_buf_init(&t);
	const struct llm_turn *v = turn_buf_view(&t);
	assert_string_equal(v->text, "");
	assert_string_equal(v->model, "");
	assert_null(v->refusal);
	assert_null(v->reasoning);
	assert_int_equal(v->calls_count, 0);
	turn_buf_release(&t);
}

static void turn_buf__shows_what_was_added(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	turn_buf_init(&t);
	assert_true(turn_buf_add_text(&t, "one "));
	assert_true(turn_buf_add_text(&t, NULL));
	(void)turn_buf_view(&t); /* a view does not hinder growth */
	assert_true(turn_buf_add_text(&t, "two"));
	assert_true(turn_buf_add_reasoning(&t, "why"));
	assert_true(turn_buf_add_call(&t, NULL, "f", NULL));
	assert_true(turn_buf_add_call(&t, "id", "g", "{\"x\":1}"));
	turn_buf_set_model(&t, "m");
	const struct llm_turn *v = turn_buf_view(&t);
	assert_string_equal(v->text, "one two");
	assert_string_equal(v->reasoning, "why");
	assert_string_equal(v->calls[0].id, "call_0");
	assert_string_equal(v->calls[0].arguments, "{}");
	assert_string_equal(v->calls[1].id, "id");
	assert_string_equal(v->calls[1].arguments, "{\"x\":1}");
	assert_string_equal(v->model, "m");
	turn_buf_release(&t);
}

static void turn_buf__holds_its_limits(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	turn_buf_init(&t);
	for (int i = 0; i < LLM_CALLS_MAX; i++)
		assert_true(turn_buf_add_call(&t, NULL, "f", NULL));
	assert_false(turn_buf_add_call(&t, NULL, "f", NULL));
	assert_int_equal(turn_buf_view(&t)->calls_count, LLM_CALLS_MAX);
	turn_buf_release(&t);
	char *large = xmalloc(LLM_ARGUMENTS_BYTES_MAX + 2);
	memset(large, '1', LLM_ARGUMENTS_BYTES_MAX + 1);
	large[LLM_ARGUMENTS_BYTES_MAX + 1] = '\0';
	assert_false(turn_buf_add_call(&t, NULL, "f", large));
	free(large);
	turn_buf_release(&t);
}

static void turn_buf__estimates_four_bytes_a_token(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	turn_buf_init(&t);
	turn_buf_add_text(&t, "12345678");
	turn_buf_add_call(&t, NULL, "ab", "{}");
	turn_buf_estimate(&t, 41);
	assert_int_equal(t.usage.input_tokens, 11);
	assert_int_equal(t.usage.output_tokens, 3);
	assert_true(t.usage.estimated);
	turn_buf_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turn_buf__shows_an_empty_turn),
		cmocka_unit_test(turn_buf__shows_what_was_added),
		cmocka_unit_test(turn_buf__holds_its_limits),
		cmocka_unit_test(turn_buf__estimates_four_bytes_a_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
