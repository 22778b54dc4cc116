/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of a turn that is over: names, ids and arguments the agent can rely on. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void add(struct llm_turn_buf *t, const char *id, const char *name, const char *arguments)
{
	struct llm_call_buf *c = turn_buf_new_call(t);
	buf_add_str(&c->id, id);
	buf_add_str(&c->name, name);
	buf_add_str(&c->arguments, arguments);
}

static void llm_calls_finish__makes_ids_and_arguments(void **state)
{
	(void)state;
	static const char *const expected[][2] = {
		{"a", "{}"}, {"call_4", "{}"}, {"call_5", "{\"x\":1}"}, {"call_3", "x"}};
	struct llm_turn_buf t;
	struct error e;
	bool cut;
	turn_buf_init(&t);
	add(&t, "a", "f", "");
	add(&t, "a", "f", "null ");
	add(&t, "", "f", "{\"x\":1}");
	add(&t, "call_3", "f", "x");
	assert_int_equal(llm_calls_finish(&t, 3, &cut, &e), ERR_NONE);
	assert_false(cut);
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		assert_string_equal(buf_cstr(&t.calls[i].id), expected[i][0]);
		assert_string_equal(buf_cstr(&t.calls[i].arguments), expected[i][1]);
	}
	turn_buf_release(&t);
}

static void llm_calls_finish__finds_what_breaks_off(void **state)
{
	(void)state;
	struct llm_turn_buf t;
	struct error e;
	bool cut;
	turn_buf_init(&t);
	add(&t, "a", "f", "{\"x\":\"}");
	assert_int_equal(llm_calls_finish(&t, 0, &cut, &e), ERR_NONE);
	assert_true(cut);
	add(&t, "b", "", "{}");
	assert_int_equal(llm_calls_finish(&t, 0, &cut, &e), ERR_UPSTREAM);
	turn_buf_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_calls_finish__makes_ids_and_arguments),
		cmocka_unit_test(llm_calls_finish__finds_what_breaks_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
