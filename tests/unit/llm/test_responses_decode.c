/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of Responses: by the book, and where gateways leave things out. */
#include "decode_case.h"

#define EVENT(type, rest)      "event: " type "\ndata: {\"type\":\"" type "\"," rest "}\n\n"
#define ADDED(index, item)     EVENT("response.output_item.added", "\"output_index\":" index ",\"item\":" item)
#define ITEM_DONE(index, item) EVENT("response.output_item.done", "\"output_index\":" index ",\"item\":" item)
#define TEXT_DELTA(index, t)                \
	EVENT("response.output_text.delta", \
	      "\"output_index\":" index ",\"content_index\":0,\"delta\":\"" t "\"")
#define ARGUMENTS(index, t) \
	EVENT("response.function_call_arguments.delta", "\"output_index\":" index ",\"delta\":\"" t "\"")
#define USAGE                                                                            \
	"\"usage\":{\"input_tokens\":90,\"input_tokens_details\":{\"cached_tokens\":64," \
	"\"cache_write_tokens\":8},\"output_tokens\":20,\"output_tokens_details\":{"     \
	"\"reasoning_tokens\":12},\"total_tokens\":110}"
#define CREATED EVENT("response.created", "\"response\":{\"id\":\"r\",\"model\":\"m1\",\"error\":null}")
#define COMPLETED \
	EVENT("response.completed", "\"response\":{\"status\":\"completed\",\"output\":[]," USAGE "}")
#define MESSAGE(text)                                                                                    \
	"{\"type\":\"message\",\"id\":\"msg_1\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_" \
	"text\","                                                                                        \
	"\"text\":\"" text "\",\"annotations\":[]}]}"
#define CALL(id, arguments)                                                                  \
	"{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"" id "\",\"name\":\"f\"," \
	"\"status\":\"completed\",\"arguments\":\"" arguments "\"}"

static void responses_decode__reads_a_stream_by_the_book(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		CREATED EVENT("response.in_progress", "\"response\":{}") ADDED(
			"0", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":"
			     "\"par\"}") EVENT("response.reasoning_summary_text.delta",
					       "\"output_index\":0,\"delta\":\"thought\"")
			ITEM_DONE("0", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":"
				       "\"summary_text\",\"text\":\"thought\"}],\"encrypted_content\":"
				       "\"sealed\"}") ADDED("1", MESSAGE("")) TEXT_DELTA("1", "Hel")
				TEXT_DELTA("1", "lo") ITEM_DONE("1", MESSAGE("Hello"))
					ADDED("2", CALL("call_a", "")) ARGUMENTS("2", "{\\\"x\\\"")
						ARGUMENTS("2", ":1}")
							ITEM_DONE("2", CALL("call_a", "{\\\"x\\\":1}"))
								COMPLETED);
	assert_string_equal(t->text, "Hello");
	assert_string_equal(t->reasoning, "thought");
	assert_string_equal(t->model, "m1");
	assert_int_equal(t->stop, LLM_STOP_TOOL);
	assert_int_equal(t->calls_count, 1);
	assert_string_equal(t->calls[0].id, "call_a");
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
	assert_null(t->calls[0].opaque);
	assert_string_equal(
		t->echo,
		"{\"origin\":\"here\",\"parts\":[{\"raw\":{\"type\":\"reasoning\",\"summary\":[{\"type\":"
		"\"summary_text\",\"text\":\"thought\"}],\"encrypted_content\":\"sealed\"}},"
		"{\"text\":5},{\"call\":1}]}");
	assert_int_equal(t->usage.input_tokens, 90);
	assert_int_equal(t->usage.cached_tokens, 64);
	assert_int_equal(t->usage.cache_write_tokens, 8);
	assert_int_equal(t->usage.output_tokens, 20);
	assert_int_equal(t->usage.reasoning_tokens, 12);
	assert_false(t->usage.estimated);
}

static void responses_decode__keeps_phases(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(ITEM_DONE(
		"0", "{\"type\":\"message\",\"phase\":\"commentary\",\"content\":[{\"type\":\"output_text\","
		     "\"text\":\"a\"}]}") ITEM_DONE("1", "{\"type\":\"message\",\"phase\":\"final_answer\","
							 "\"content\":[{\"type\":"
							 "\"output_text\",\"text\":\"bc\"}]}") COMPLETED);
	assert_string_equal(t->text, "abc");
	assert_string_equal(t->echo, "{\"origin\":\"here\",\"parts\":[{\"text\":1,\"phase\":\"commentary\"},"
				     "{\"text\":2,\"phase\":\"final_answer\"}]}");
}

static void responses_decode__leaves_unsealed_reasoning_behind(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(ITEM_DONE(
		"0", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":null}")
						   ITEM_DONE("1", MESSAGE("x")) COMPLETED);
	assert_null(t->echo);
}

static void responses_decode__believes_the_item_more_than_its_pieces(void **state)
{
	(void)state;
	/* no pieces at all; arguments as an object; members nobody knows */
	const struct llm_turn *t = turn_of(ITEM_DONE("0", MESSAGE("whole")) ITEM_DONE(
		"1", "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":{\"a\":1},"
		     "\"namespace\":\"n\",\"created_by\":null}") COMPLETED);
	assert_string_equal(t->text, "whole");
	assert_string_equal(t->calls[0].arguments, "{\"a\":1}");
	assert_string_equal(t->calls[0].opaque, "{\"namespace\":\"n\"}");
}

static void responses_decode__takes_items_of_the_last_event_when_no_others_came(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(CREATED EVENT(
		"response.completed", "\"response\":{\"status\":\"completed\",\"output\":[" MESSAGE(
					      "late") "," CALL("c", "{}") "]," USAGE "}"));
	assert_string_equal(t->text, "late");
	assert_int_equal(t->calls_count, 1);
	assert_int_equal(t->stop, LLM_STOP_TOOL);
}

static void responses_decode__reads_a_json_body(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of("{\"id\":\"r\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m2\","
			"\"error\":null,\"output\":[" MESSAGE("hi") "]}");
	assert_string_equal(t->text, "hi");
	assert_string_equal(t->model, "m2");
	assert_true(t->usage.estimated);
}

static void responses_decode__tells_how_it_ended(void **state)
{
	(void)state;
#define INCOMPLETE(reason)           \
	EVENT("response.incomplete", \
	      "\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"" reason "\"}}")
	assert_int_equal(turn_of(TEXT_DELTA("0", "x") INCOMPLETE("max_output_tokens"))->stop,
			 LLM_STOP_LENGTH);
	assert_int_equal(turn_of(TEXT_DELTA("0", "x") INCOMPLETE("content_filter"))->stop, LLM_STOP_FILTER);
	assert_int_equal(turn_of(TEXT_DELTA("0", "x") INCOMPLETE("steered"))->stop, LLM_STOP_LENGTH);
	assert_int_equal(turn_of(TEXT_DELTA("0", "x") COMPLETED)->stop, LLM_STOP_END);
	const struct llm_turn *t = turn_of(
		EVENT("response.refusal.delta", "\"output_index\":0,\"delta\":\"no \"")
			EVENT("response.refusal.delta", "\"output_index\":0,\"delta\":\"way\"") COMPLETED);
	assert_int_equal(t->stop, LLM_STOP_REFUSAL);
	assert_string_equal(t->refusal, "no way");
	t = turn_of(ITEM_DONE(
		"0", "{\"type\":\"message\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"never\"}]}")
			    COMPLETED);
	assert_string_equal(t->refusal, "never");
	/* cut arguments are not acted upon */
	assert_int_equal(turn_of(ITEM_DONE("0", CALL("c", "{\\\"x\\\":")) COMPLETED)->stop, LLM_STOP_LENGTH);
	/* what is cut goes back without what was sealed */
	assert_null(turn_of(ITEM_DONE("0", "{\"type\":\"reasoning\",\"encrypted_content\":\"s\"}")
				    TEXT_DELTA("1", "x") INCOMPLETE("max_output_tokens"))
			    ->echo);
}

static void responses_decode__is_lost_before_the_last_event(void **state)
{
	(void)state;
	assert_int_equal(decode_all(CREATED TEXT_DELTA("0", "x")), ERR_LOST);
	assert_int_equal(decode_all(CREATED "event: response.output_text.delta\ndata: {\"ty"), ERR_LOST);
	assert_int_equal(decode_all(CREATED DONE), ERR_LOST);
	assert_int_equal(decode_all(""), ERR_LOST);
	/* some gateways end with [DONE] in place of it */
	assert_string_equal(turn_of(CREATED TEXT_DELTA("0", "x") DONE)->text, "x");
}

static void responses_decode__finds_errors_within_an_answer(void **state)
{
	(void)state;
	static const struct {
		const char *stream, *code;
	} rows[] = {
		{CREATED EVENT("error", "\"code\":\"server_error\",\"message\":\"m\",\"param\":null"),
		 "server_error"},
		{CREATED EVENT("response.failed", "\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
						  "\"rate_limit_exceeded\",\"message\":\"m\"}}"),
		 "rate_limit_exceeded"},
		{"data: {\"error\":{\"code\":\"insufficient_quota\",\"message\":\"m\"}}\n\n",
		 "insufficient_quota"},
		{"{\"output\":[],\"status\":\"failed\",\"error\":{\"code\":\"x\",\"message\":\"m\"}}", "x"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(decode_all(rows[i].stream), ERR_UPSTREAM);
		assert_true(decode.faulted);
		assert_string_equal(decode.fault.code, rows[i].code);
		assert_string_equal(decode.fault.message, "m");
	}
	assert_int_equal(decode_all("{\"output\":[],\"status\":\"cancelled\"}"), ERR_UPSTREAM);
	assert_string_equal(decode.fault.message, "the response is cancelled");
}

static void responses_decode__ignores_what_it_does_not_know(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(
		EVENT("response.queued", "\"response\":{}") EVENT("keepalive", "\"n\":1")
			EVENT("response.content_part.added",
			      "\"output_index\":0,\"part\":{\"type\":\"output_text\"}") TEXT_DELTA("0", "x")
				EVENT("response.output_text.done", "\"text\":\"x\"")
					EVENT("response.new_thing.delta", "\"delta\":\"?\"") COMPLETED);
	assert_string_equal(t->text, "x");
	assert_int_equal(decode_all("event: response.output_text.delta\ndata: {]\n\n"), ERR_UPSTREAM);
}

static void responses_decode__holds_its_limits(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	for (int i = 0; i <= LLM_CALLS_MAX; i++)
		buf_printf(&b,
			   "data: "
			   "{\"type\":\"response.output_item.done\",\"output_index\":%d,\"item\":{\"type\":"
			   "\"function_call\",\"call_id\":\"c%d\",\"name\":\"f\",\"arguments\":\"{}\"}}\n\n",
			   i, i);
	assert_int_equal(decode_in_steps(b.data, b.len, b.len), ERR_UPSTREAM);
	buf_reset(&b);
	for (int i = 0; i < 300; i++) {
		buf_add_str(&b,
			    "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,"
			    "\"delta\":\"");
		for (int k = 0; k < 1024; k++)
			buf_add_char(&b, '1');
		buf_add_str(&b, "\"}\n\n");
	}
	assert_int_equal(decode_in_steps(b.data, b.len, b.len), ERR_UPSTREAM);
	buf_release(&b);
}

static int setup(void **state)
{
	(void)state;
	decode_api = LLM_RESPONSES;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_decode__reads_a_stream_by_the_book),
		cmocka_unit_test(responses_decode__keeps_phases),
		cmocka_unit_test(responses_decode__leaves_unsealed_reasoning_behind),
		cmocka_unit_test(responses_decode__believes_the_item_more_than_its_pieces),
		cmocka_unit_test(responses_decode__takes_items_of_the_last_event_when_no_others_came),
		cmocka_unit_test(responses_decode__reads_a_json_body),
		cmocka_unit_test(responses_decode__tells_how_it_ended),
		cmocka_unit_test(responses_decode__is_lost_before_the_last_event),
		cmocka_unit_test(responses_decode__finds_errors_within_an_answer),
		cmocka_unit_test(responses_decode__ignores_what_it_does_not_know),
		cmocka_unit_test(responses_decode__holds_its_limits),
	};
	return cmocka_run_group_tests(tests, setup, decode_teardown);
}
