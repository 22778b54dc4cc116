/* SPDX-License-Identifier: Apache-2.0 */
/* Which chunks take the short cut, and that those which do not leave nothing behind. That both ways come to
 * the same is test_wire.c's, and the fuzzers' (fuzz_llm.h). */

#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void begin(struct llm_decode *d)
{
	llm_decode_init(d, llm_wire_of(LLM_CHAT), (struct llm_decode_from){.origin = "o"});
}

static size_t peek(struct llm_decode *d, const char *chunk)
{
	return chat_peek(d, "message", slice_str(chunk));
}

static void chat_peek__takes_what_is_common(void **state)
{
	static const char *const chunks[] = {
		"{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
		"\"content\":\"\"},\"finish_reason\":null}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"wo\\nrd\"}}],\"usage\":null}",
		"{\"choices\":[{\"delta\":{\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"a\","
		"\"type\":"
		"\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"index\":1,\"id\":\"b\","
		"\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{"
		"\\\"x\\\""
		":1}\"}}]}}]}",
		"{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}",
		"{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}"
		"}"};
	struct llm_decode d;
	struct error e;
	(void)state;
	begin(&d);
	for (size_t i = 0; i < COUNT_OF(chunks); i++)
		if (peek(&d, chunks[i]) != strlen(chunks[i]))
			fail_msg("not taken: %s", chunks[i]);
	assert_int_equal(chat_finish(&d, &e), ERR_NONE);
	const struct llm_turn *t = turn_buf_view(&d.turn);
	assert_string_equal(t->text, "wo\nrd");
	assert_string_equal(buf_cstr(&d.turn.model), "m");
	assert_int_equal(t->calls_count, 2);
	assert_string_equal(t->calls[0].name, "f");
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
	assert_string_equal(t->calls[1].id, "b");
	assert_int_equal(t->usage.input_tokens, 7);
	assert_int_equal(t->usage.output_tokens, 5);
	assert_int_equal(t->stop, LLM_STOP_TOOL);
	llm_decode_release(&d);
}

static void chat_peek__leaves_the_rest_as_it_was(void **state)
{
	static const char *const chunks[] = {
		"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":{}}",
		"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":\"b\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":[{\"text\":\"a\"}]}}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"a\",\"reasoning_content\":\"b\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"a\",\"refusal\":\"no\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"error\"}]}",
		"{\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":-1,"
		"\"completion_tokens\":5}}",
		"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":1,"
		"\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":1}}}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"},\"extra_content\":{"
		"}}]}}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]}"
		"}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}},{},{\"function\":{"
		"}}]}}]}",
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}}]}}]}"};
	struct llm_decode d;
	(void)state;
	begin(&d);
	for (size_t i = 0; i < COUNT_OF(chunks); i++)
		if (peek(&d, chunks[i]) != 0)
			fail_msg("taken: %s", chunks[i]);
	assert_int_equal(chat_peek(&d, "ping", slice_str("{\"choices\":[]}")), 0);
	assert_int_equal(d.turn.text.len + d.turn.calls_count + d.turn.reasoning.len, 0);
	assert_false(d.has_answer || d.has_usage);
	llm_decode_release(&d);
}

static void chat_peek__leaves_what_is_over_a_bound(void **state)
{
	struct llm_decode d;
	struct buf chunk = BUF_INIT;
	(void)state;
	begin(&d);
	buf_add_str(
		&chunk,
		"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"");
	for (int i = 0; i < LLM_ARGUMENTS_BYTES_MAX; i++)
		buf_add_char(&chunk, 'x');
	buf_add_str(&chunk, "\"}}]}}]}");
	assert_int_equal(peek(&d, buf_cstr(&chunk)), 0);
	assert_int_equal(d.turn.calls_count, 0);
	buf_release(&chunk);
	llm_decode_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chat_peek__takes_what_is_common),
		cmocka_unit_test(chat_peek__leaves_the_rest_as_it_was),
		cmocka_unit_test(chat_peek__leaves_what_is_over_a_bound),
	};
	return cmocka_run_group_tests_name("chat_peek", tests, NULL, NULL);
}
