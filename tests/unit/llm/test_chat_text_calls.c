/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that stand in the text of an answer, where they count. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_calls(const char *text, const char *rest, const char *calls)
{
	struct llm_turn_buf t;
	struct buf b = BUF_INIT;
	turn_buf_init(&t);
	turn_buf_add_text(&t, text);
	chat_text_calls_take(&t);
	for (size_t i = 0; i < t.calls_count; i++)
		buf_printf(&b, "%s %s %s;", buf_cstr(&t.calls[i].id), buf_cstr(&t.calls[i].name),
			   buf_cstr(&t.calls[i].arguments));
	assert_string_equal(buf_cstr(&t.text), rest);
	assert_string_equal(buf_cstr(&b), calls);
	buf_release(&b);
	turn_buf_release(&t);
}

static void chat_text_calls__become_calls_and_leave_the_text(void **state)
{
	(void)state;
	assert_calls("Sure.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>\n"
		     "<tool_call>{\"name\":\"g\",\"parameters\":\"{}\"}</tool_call>",
		     "Sure.", "call_0 f {\"x\":1};call_1 g {};");
	assert_calls("<tool_call>{\"name\":\"f\"}", "", "call_0 f {};"); /* never closed */
}

static void chat_text_calls__leave_what_is_none(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"plain words",
		"",
		"<tool_call>no json</tool_call>",
		"<tool_call>{\"arguments\":{}}</tool_call> ",
		"<tool_call>",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_calls(texts[i], texts[i], "");
	assert_calls("<tool_call>{</tool_call> <tool_call>{\"name\":\"f\"}</tool_call>",
		     "<tool_call>{</tool_call>", "call_0 f {};");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chat_text_calls__become_calls_and_leave_the_text),
		cmocka_unit_test(chat_text_calls__leave_what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
