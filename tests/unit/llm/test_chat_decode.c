/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of Chat Completions: by the book, and each way in which compatible servers are known to differ.
 */
#include "decode_case.h"

static void chat_decode__reads_a_stream_by_the_book(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		CHUNK("{\"role\":\"assistant\",\"content\":\"\"}") CHUNK("{\"content\":\"Hel\"}")
			CHUNK("{\"content\":\"lo \xc3\xa9\"}")
				FINISH("stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
					       "\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_"
					       "tokens\":3},\"completion_tokens_details\":{\"reasoning_"
					       "tokens\":2}}}\n\n" DONE);
	assert_string_equal(t->text, "Hello \xc3\xa9");
	assert_string_equal(t->model, "m1");
	assert_int_equal(t->stop, LLM_STOP_END);
	assert_int_equal(t->usage.input_tokens, 9);
	assert_int_equal(t->usage.output_tokens, 4);
	assert_int_equal(t->usage.cached_tokens, 3);
	assert_int_equal(t->usage.reasoning_tokens, 2);
	assert_false(t->usage.estimated);
	assert_null(t->refusal);
	assert_null(t->reasoning);
}

static void chat_decode__tells_length_filter_and_refusal(void **state)
{
	(void)state;
	assert_int_equal(turn_of(CHUNK("{\"content\":\"x\"}") FINISH("length") DONE)->stop, LLM_STOP_LENGTH);
	assert_int_equal(turn_of(CHUNK("{\"content\":\"x\"}") FINISH("content_filter") DONE)->stop,
			 LLM_STOP_FILTER);
	const struct llm_turn *t =
		turn_of(CHUNK("{\"refusal\":\"I \"}") CHUNK("{\"refusal\":\"won't\"}") FINISH("stop") DONE);
	assert_int_equal(t->stop, LLM_STOP_REFUSAL);
	assert_string_equal(t->refusal, "I won't");
}

static void chat_decode__reads_reasoning_under_both_names(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(CHUNK("{\"reasoning_content\":\"a\"}") CHUNK(
		"{\"reasoning\":\"b\"}") CHUNK("{\"content\":\"c\"}") FINISH("stop") DONE);
	assert_string_equal(t->reasoning, "ab");
	assert_string_equal(t->text, "c");
}

static void chat_decode__accepts_empty_choices_anywhere(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of("data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n" CHUNK(
		"{\"content\":\"x\"}") "data: {\"choices\":[],\"usage\":null}\n\n" FINISH("stop"));
	assert_string_equal(t->text, "x");
}

static void chat_decode__estimates_usage_the_server_leaves_out(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(CHUNK("{\"content\":\"12345678\"}") FINISH("stop") DONE);
	assert_true(t->usage.estimated);
	assert_int_equal(t->usage.input_tokens, 100);
	assert_int_equal(t->usage.output_tokens, 2);
}

static void chat_decode__skips_comments_in_both_forms(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(": OPENROUTER PROCESSING\n\ndata: : keep-alive\n\n" CHUNK(
		"{\"content\":\"x\"}") "event: ping\ndata: pong\n\n" FINISH("stop") DONE);
	assert_string_equal(t->text, "x");
}

static void chat_decode__splits_glued_objects(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of("data: "
			"{\"choices\":[{\"delta\":{\"content\":\"a}\"}}]}{\"choices\":[{\"delta\":{"
			"\"content\":\"b\"}}]}\n"
			"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\ndata: [DONE]\n\n");
	assert_string_equal(t->text, "a}b");
}

static void chat_decode__reads_crlf_and_a_byte_order_mark(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of("\xef\xbb\xbf"
			"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\r\n\r\n"
			"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n");
	assert_string_equal(t->text, "x");
}

static void chat_decode__reads_a_json_body_instead_of_a_stream(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		"\n "
		"{\"model\":\"m2\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
		"\"hi\","
		"\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]},"
		"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n");
	assert_string_equal(t->text, "hi");
	assert_int_equal(t->calls_count, 1);
	assert_int_equal(t->usage.output_tokens, 2);
}

static void chat_decode__reads_content_in_parts(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		CHUNK("{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}")
			FINISH("stop"));
	assert_string_equal(t->text, "ab");
}

static void chat_decode__ends_well_after_a_finish_reason(void **state)
{
	(void)state;
	assert_string_equal(turn_of(CHUNK("{\"content\":\"x\"}") FINISH("stop"))->text, "x");
	/* no blank line at the end */
	assert_string_equal(turn_of(CHUNK("{\"content\":\"x\"}") "data: "
								 "{\"choices\":[{\"delta\":{},\"finish_"
								 "reason\":\"stop\"}]}")
				    ->text,
			    "x");
	/* [DONE] is an end too */
	assert_string_equal(turn_of(CHUNK("{\"content\":\"x\"}") DONE)->text, "x");
}

static void chat_decode__is_lost_before_a_finish_reason(void **state)
{
	(void)state;
	assert_int_equal(decode_all(CHUNK("{\"content\":\"x\"}")), ERR_LOST);
	assert_int_equal(decode_all(CHUNK("{\"content\":\"x\"}") "data: {\"choices\":[{\"del"), ERR_LOST);
	assert_int_equal(decode_all(": processing\n\n"), ERR_LOST);
	assert_int_equal(decode_all(""), ERR_LOST);
	assert_int_equal(decode_all(DONE), ERR_LOST);
	assert_int_equal(decode_all("{\"choices\":[{\"message\":{\"content\":\"x"), ERR_LOST);
}

static void assert_fault(const char *stream, int status, const char *code, const char *message)
{
	assert_int_equal(decode_all(stream), ERR_UPSTREAM);
	assert_true(decode.faulted);
	assert_int_equal(decode.fault.status, status);
	assert_string_equal(decode.fault.code, code);
	assert_string_equal(decode.fault.message, message);
}

static void chat_decode__finds_errors_within_an_answer(void **state)
{
	(void)state;
	assert_fault("data: {\"error\":{\"message\":\"m\",\"code\":\"server_error\"}}\n\n", 0, "server_error",
		     "m");
	assert_fault("event: error\ndata: {\"message\":\"m\",\"code\":\"x\"}\n\n", 0, "x", "m");
	assert_fault("event: error\ndata: out of order\n\n", 0, "", "out of order");
	assert_fault("data: {\"error\":\"m\"}\n\n", 0, "", "m");
	/* numeric codes are statuses; the error is found beside choices */
	assert_fault("data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}],"
		     "\"error\":{\"code\":502,\"message\":\"m\"}}\n\n",
		     502, "502", "m");
	assert_fault("[{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\"}}]", 429,
		     "429", "m");
	assert_fault("{\"error\":{\"message\":\"m\",\"type\":\"t\"}}", 0, "", "m");
	assert_fault(CHUNK("{\"content\":\"x\"}") FINISH("error"), 0, "", "");
}

static void chat_decode__refuses_what_is_no_json(void **state)
{
	(void)state;
	assert_int_equal(decode_all("data: {\"choices\":[}\n\n" DONE), ERR_UPSTREAM);
	assert_false(decode.faulted);
	assert_int_equal(decode_all("data: hello\n\n" DONE), ERR_UPSTREAM);
	assert_int_equal(decode_all("<!DOCTYPE html>\n<html></html>"), ERR_UPSTREAM);
	assert_non_null(strstr(failure.msg, "HTML"));
	assert_int_equal(decode_all("{\"choices\":oops}"), ERR_UPSTREAM);
	assert_int_equal(decode_all("{\"object\":\"list\"}"), ERR_UPSTREAM);
}

static void chat_decode__holds_its_limits(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	for (int i = 0; i <= LLM_CALLS_MAX; i++)
		buf_printf(&b, CALLS("{\"index\":%d,\"id\":\"i%d\"," FUNCTION("f", "{}") "}"), i, i);
	assert_int_equal(decode_in_steps(b.data, b.len, b.len), ERR_UPSTREAM);
	assert_int_equal(decode.turn.calls_count, LLM_CALLS_MAX);
	buf_reset(&b);
	buf_add_str(&b, CALLS("{\"index\":0,\"id\":\"a\"," FUNCTION("f", "[") "}"));
	for (int i = 0; i < 300; i++) {
		buf_add_str(&b, "data: "
				"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
				"\"arguments\":\"");
		for (int k = 0; k < 1024; k++)
			buf_add_char(&b, '1');
		buf_add_str(&b, "\"}}]}}]}\n\n");
	}
	assert_int_equal(decode_in_steps(b.data, b.len, b.len), ERR_UPSTREAM);
	assert_non_null(strstr(failure.msg, "262144"));
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chat_decode__reads_a_stream_by_the_book),
		cmocka_unit_test(chat_decode__tells_length_filter_and_refusal),
		cmocka_unit_test(chat_decode__reads_reasoning_under_both_names),
		cmocka_unit_test(chat_decode__accepts_empty_choices_anywhere),
		cmocka_unit_test(chat_decode__estimates_usage_the_server_leaves_out),
		cmocka_unit_test(chat_decode__skips_comments_in_both_forms),
		cmocka_unit_test(chat_decode__splits_glued_objects),
		cmocka_unit_test(chat_decode__reads_crlf_and_a_byte_order_mark),
		cmocka_unit_test(chat_decode__reads_a_json_body_instead_of_a_stream),
		cmocka_unit_test(chat_decode__reads_content_in_parts),
		cmocka_unit_test(chat_decode__ends_well_after_a_finish_reason),
		cmocka_unit_test(chat_decode__is_lost_before_a_finish_reason),
		cmocka_unit_test(chat_decode__finds_errors_within_an_answer),
		cmocka_unit_test(chat_decode__refuses_what_is_no_json),
		cmocka_unit_test(chat_decode__holds_its_limits),
	};
	return cmocka_run_group_tests(tests, NULL, decode_teardown);
}
