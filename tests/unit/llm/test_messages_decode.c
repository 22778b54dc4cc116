/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of Anthropic Messages: by the book, and where compatible servers differ. */
#include "decode_case.h"

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                                                      \
	EVENT("message_start",                                                                     \
	      ",\"message\":{\"id\":\"msg\",\"type\":\"message\",\"model\":\"c1\",\"content\":[]," \
	      "\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_"        \
	      "tokens\":200,\"cache_read_input_tokens\":3000,\"output_tokens\":1}}")
#define BLOCK(i, block) EVENT("content_block_start", ",\"index\":" i ",\"content_block\":" block)
#define PIECE(i, delta) EVENT("content_block_delta", ",\"index\":" i ",\"delta\":" delta)
#define END(i)          EVENT("content_block_stop", ",\"index\":" i)
#define TEXT_BLOCK(i, t)                              \
	BLOCK(i, "{\"type\":\"text\",\"text\":\"\"}") \
	PIECE(i, "{\"type\":\"text_delta\",\"text\":\"" t "\"}") END(i)
#define JSON_PIECE(i, t) PIECE(i, "{\"type\":\"input_json_delta\",\"partial_json\":\"" t "\"}")
#define STOP(reason)                                                                           \
	EVENT("message_delta",                                                                 \
	      ",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{" \
	      "\"output_tokens\":42}")                                                         \
	EVENT("message_stop", "")

static void messages_decode__reads_a_stream_by_the_book(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		START EVENT("ping", "") BLOCK("0",
					      "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
			PIECE("0", "{\"type\":\"thinking_delta\",\"thinking\":\"Let me \"}") PIECE(
				"0", "{\"type\":\"thinking_delta\",\"thinking\":\"see\"}")
				PIECE("0", "{\"type\":\"signature_delta\",\"signature\":\"Eq==\"}") END(
					"0") TEXT_BLOCK("1", "Hello")
					BLOCK("2", "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\","
						   "\"input\":{}}") JSON_PIECE("2", "")
						JSON_PIECE("2", "{\\\"x\\\":") JSON_PIECE("2", "1}") END("2")
							STOP("tool_use"));
	assert_string_equal(t->text, "Hello");
	assert_string_equal(t->reasoning, "Let me see");
	assert_string_equal(t->model, "c1");
	assert_int_equal(t->stop, LLM_STOP_TOOL);
	assert_int_equal(t->calls_count, 1);
	assert_string_equal(t->calls[0].id, "toolu_1");
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
	assert_string_equal(
		t->echo, "{\"origin\":\"here\",\"parts\":[{\"raw\":{\"type\":\"thinking\",\"thinking\":\"Let "
			 "me see\",\"signature\":\"Eq==\"}},{\"text\":5},{\"call\":1}]}");
	assert_int_equal(t->usage.input_tokens, 3210);
	assert_int_equal(t->usage.cached_tokens, 3000);
	assert_int_equal(t->usage.cache_write_tokens, 200);
	assert_int_equal(t->usage.output_tokens, 42);
	assert_false(t->usage.estimated);
}

static void messages_decode__keeps_other_blocks_in_their_place(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(START BLOCK("0", "{\"type\":\"redacted_thinking\",\"data\":\"d\"}") END("0")
				TEXT_BLOCK("1", "a") BLOCK("2", "{\"type\":\"server_tool_use\",\"id\":\"s\","
								"\"name\":\"web_search\",\"input\":{}}")
					JSON_PIECE("2", "{\\\"q\\\":1}") END("2") TEXT_BLOCK("3", "b")
						STOP("end_turn"));
	assert_string_equal(t->text, "ab");
	assert_int_equal(t->stop, LLM_STOP_END);
	assert_string_equal(
		t->echo, "{\"origin\":\"here\",\"parts\":[{\"raw\":{\"type\":\"redacted_thinking\",\"data\":"
			 "\"d\"}},{\"text\":1},{\"raw\":{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":"
			 "\"web_search\",\"input\":{\"q\":1}}},{\"text\":1}]}");
}

static void messages_decode__leaves_unsigned_thinking_behind(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(START BLOCK("0", "{\"type\":\"thinking\",\"thinking\":\"hm\"}")
						   END("0") TEXT_BLOCK("1", "x") STOP("end_turn"));
	assert_string_equal(t->reasoning, "hm");
	assert_null(t->echo);
}

static void messages_decode__reads_calls_that_come_whole(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		START BLOCK("0", "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"x\":1}}")
			END("0") BLOCK("1", "{\"type\":\"tool_use\",\"id\":\"\",\"name\":\"g\",\"input\":{}}")
				END("1") STOP("end_turn"));
	assert_int_equal(t->calls_count, 2);
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
	assert_string_equal(t->calls[1].id, "call_4");
	assert_string_equal(t->calls[1].arguments, "{}");
	assert_int_equal(t->stop, LLM_STOP_TOOL);
}

static void messages_decode__reads_a_json_body(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of("{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\","
					   "\"model\":\"c2\",\"content\":[{\"type\":"
					   "\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},{\"type\":"
					   "\"text\",\"text\":\"hi\"},{\"type\":"
					   "\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"x\":1}}],"
					   "\"stop_reason\":\"tool_use\",\"usage\":{"
					   "\"input_tokens\":5,\"output_tokens\":6}}");
	assert_string_equal(t->text, "hi");
	assert_string_equal(t->model, "c2");
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
	assert_int_equal(t->usage.input_tokens, 5);
	assert_int_equal(t->usage.output_tokens, 6);
	assert_non_null(strstr(t->echo, "\"signature\":\"s\""));
}

static void messages_decode__tells_how_it_ended(void **state)
{
	(void)state;
	static const struct {
		const char *stream;
		enum llm_stop stop;
	} rows[] = {
		{START TEXT_BLOCK("0", "x") STOP("end_turn"), LLM_STOP_END},
		{START TEXT_BLOCK("0", "x") STOP("stop_sequence"), LLM_STOP_END},
		{START TEXT_BLOCK("0", "x") STOP("max_tokens"), LLM_STOP_LENGTH},
		{START TEXT_BLOCK("0", "x") STOP("model_context_window_exceeded"), LLM_STOP_LENGTH},
		{START TEXT_BLOCK("0", "x") STOP("pause_turn"), LLM_STOP_PAUSE},
		{START STOP("end_turn"), LLM_STOP_END},
		/* arguments that break off */
		{START BLOCK("0", "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}")
			 JSON_PIECE("0", "{\\\"x\\\":") END("0") STOP("tool_use"),
		 LLM_STOP_LENGTH},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(turn_of(rows[i].stream)->stop, rows[i].stop);
	const struct llm_turn *t = turn_of(START EVENT(
		"message_delta", ",\"delta\":{\"stop_reason\":\"refusal\",\"stop_details\":{\"category\":"
				 "\"cyber\",\"explanation\":\"not this\"}}") EVENT("message_stop", ""));
	assert_int_equal(t->stop, LLM_STOP_REFUSAL);
	assert_string_equal(t->refusal, "not this");
	assert_string_equal(turn_of(START STOP("refusal"))->refusal, "the model declined to answer");
}

static void messages_decode__is_lost_before_a_stop_reason(void **state)
{
	(void)state;
	assert_int_equal(decode_all(START TEXT_BLOCK("0", "x")), ERR_LOST);
	assert_int_equal(decode_all(START "event: content_block_delta\ndata: {\"ty"), ERR_LOST);
	assert_int_equal(decode_all(EVENT("ping", "")), ERR_LOST);
	assert_int_equal(decode_all(""), ERR_LOST);
	/* after it the end of the connection is the end */
	assert_string_equal(
		turn_of(START TEXT_BLOCK("0", "x") EVENT("message_delta", ",\"delta\":{\"stop_reason\":"
									  "\"end_turn\"}"))
			->text,
		"x");
}

static void messages_decode__finds_errors_within_an_answer(void **state)
{
	(void)state;
	assert_int_equal(
		decode_all(START EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":"
						"\"Overloaded\"}")),
		ERR_UPSTREAM);
	assert_true(decode.faulted);
	assert_string_equal(decode.fault.type, "overloaded_error");
	assert_int_equal(
		decode_all("{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\","
			   "\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}"),
		ERR_UPSTREAM);
	assert_true(llm_fault_is_money(&decode.fault));
	assert_int_equal(decode_all("event: error\ndata: broken\n\n"), ERR_UPSTREAM);
	assert_int_equal(decode_all("event: content_block_delta\ndata: {]\n\n"), ERR_UPSTREAM);
	assert_int_equal(decode_all("<html>"), ERR_UPSTREAM);
}

static void messages_decode__estimates_usage_nobody_counted(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		EVENT("message_start",
		      ",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}")
			TEXT_BLOCK("0", "12345678")
				EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},"
						       "\"usage\":{\"output_tokens\":0}"));
	assert_true(t->usage.estimated);
	assert_int_equal(t->usage.input_tokens, 100);
	assert_int_equal(t->usage.output_tokens, 2);
}

static void messages_decode__holds_its_limits(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	buf_add_str(&b, START);
	for (int i = 0; i <= LLM_PARTS_MAX; i++)
		buf_printf(&b,
			   "data: "
			   "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":{\"type\":"
			   "\"text\"}}\n\n",
			   i);
	assert_int_equal(decode_in_steps(b.data, b.len, b.len), ERR_UPSTREAM);
	buf_reset(&b);
	buf_add_str(&b, START BLOCK("0", "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}"));
	for (int i = 0; i < 300; i++) {
		buf_add_str(
			&b,
			"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"partial_json\":\"");
		for (int k = 0; k < 1024; k++)
			buf_add_char(&b, '1');
		buf_add_str(&b, "\"}}\n\n");
	}
	assert_int_equal(decode_in_steps(b.data, b.len, b.len), ERR_UPSTREAM);
	buf_release(&b);
}

static int setup(void **state)
{
	(void)state;
	decode_api = LLM_MESSAGES;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_decode__reads_a_stream_by_the_book),
		cmocka_unit_test(messages_decode__keeps_other_blocks_in_their_place),
		cmocka_unit_test(messages_decode__leaves_unsigned_thinking_behind),
		cmocka_unit_test(messages_decode__reads_calls_that_come_whole),
		cmocka_unit_test(messages_decode__reads_a_json_body),
		cmocka_unit_test(messages_decode__tells_how_it_ended),
		cmocka_unit_test(messages_decode__is_lost_before_a_stop_reason),
		cmocka_unit_test(messages_decode__finds_errors_within_an_answer),
		cmocka_unit_test(messages_decode__estimates_usage_nobody_counted),
		cmocka_unit_test(messages_decode__holds_its_limits),
	};
	return cmocka_run_group_tests(tests, setup, decode_teardown);
}
