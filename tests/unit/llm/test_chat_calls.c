/* SPDX-License-Identifier: Apache-2.0 */
/* Tool calls put together from fragments: by the book, and as compatible servers send them. */
#include "decode_case.h"

static void chat_calls__puts_parallel_calls_together(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(CALLS("{\"index\":0,\"id\":\"a\",\"type\":\"function\"," FUNCTION("f", "") "}")
				CALLS("{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\":\"}}")
					CALLS("{\"index\":1,\"id\":\"b\"," FUNCTION("g", "{}") "}")
						CALLS("{\"index\":0,\"function\":{\"arguments\":\"1}\"}}")
							FINISH("tool_calls") DONE);
	assert_int_equal(t->stop, LLM_STOP_TOOL);
	assert_int_equal(t->calls_count, 2);
	assert_string_equal(t->calls[0].id, "a");
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
	assert_string_equal(t->calls[1].name, "g");
	assert_null(t->calls[1].opaque);
}

static void chat_calls__accepts_zero_as_index_of_all_calls(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(CALLS("{\"index\":0,\"id\":\"a\"," FUNCTION("f", "{}") "}")
				CALLS("{\"index\":0,\"id\":\"b\"," FUNCTION("f", "{\\\"y\\\":") "}")
					CALLS("{\"index\":0,\"function\":{\"arguments\":\"2}\"}}")
						FINISH("tool_calls") DONE);
	assert_int_equal(t->calls_count, 2);
	assert_string_equal(t->calls[1].id, "b");
	assert_string_equal(t->calls[1].arguments, "{\"y\":2}");
}

static void chat_calls__accepts_calls_without_index(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(CALLS("{\"id\":\"a\"," FUNCTION("f", "{\\\"x\\\":1}") "},{\"id\":\"b\"," FUNCTION(
			"g", "{}") "}") CALLS("{\"id\":\"c\"," FUNCTION("h", "{}") "}") FINISH("stop") DONE);
	assert_int_equal(t->calls_count, 3);
	assert_string_equal(t->calls[1].name, "g");
	assert_string_equal(t->calls[2].id, "c");
}

static void chat_calls__accepts_calls_without_index_and_id(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(CALLS("{" FUNCTION("f", "{\\\"x\\\":") "},{" FUNCTION("g", "{}") "}")
				CALLS("{\"function\":{\"arguments\":\"1}\"}}")
					CALLS("{" FUNCTION("f", "{\\\"x\\\":2}") "}") FINISH("stop"));
	assert_int_equal(t->calls_count, 3);
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
	assert_string_equal(t->calls[2].arguments, "{\"x\":2}");
	/* ids are made, unlike those of the three calls before this turn */
	assert_string_equal(t->calls[0].id, "call_3");
	assert_string_equal(t->calls[2].id, "call_5");
}

static void chat_calls__tells_doubled_ids_apart(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(CALLS("{\"index\":0,\"id\":\"a\"," FUNCTION("f", "{}") "}") CALLS(
		"{\"index\":1,\"id\":\"a\"," FUNCTION("g", "{}") "}") FINISH("tool_calls") DONE);
	assert_int_equal(t->calls_count, 2);
	assert_string_equal(t->calls[0].id, "a");
	assert_string_equal(t->calls[1].id, "call_4");
}

static void chat_calls__makes_ids_no_other_call_bears(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(CALLS("{\"index\":0," FUNCTION("f", "{}") "}") CALLS(
		"{\"index\":1,\"id\":\"call_3\"," FUNCTION("g", "{}") "}") FINISH("tool_calls") DONE);
	assert_string_equal(t->calls[0].id, "call_3_1");
	assert_string_equal(t->calls[1].id, "call_3");
}

static void chat_calls__accepts_a_name_repeated_in_every_fragment(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(CALLS("{\"index\":0,\"id\":\"a\"," FUNCTION("f", "{\\\"x\\\"") "}") CALLS(
			"{\"index\":0,\"id\":\"a\"," FUNCTION("f", ":1}") "}") FINISH("tool_calls") DONE);
	assert_int_equal(t->calls_count, 1);
	assert_string_equal(t->calls[0].name, "f");
	assert_string_equal(t->calls[0].arguments, "{\"x\":1}");
}

static void chat_calls__accepts_arguments_as_object(void **state)
{
	(void)state;
	const struct llm_turn *t = turn_of(CALLS(
		"{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{\"x\":[1,\"y\"]}}}")
						   FINISH("stop") DONE);
	assert_string_equal(t->calls[0].arguments, "{\"x\":[1,\"y\"]}");
	assert_int_equal(t->stop, LLM_STOP_TOOL); /* although the server said stop */
}

static void chat_calls__reads_missing_arguments_as_none(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(CALLS("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":null}}")
				CALLS("{\"index\":1,\"id\":\"b\"," FUNCTION("g", "") "}")
					CALLS("{\"index\":2,\"id\":\"c\"," FUNCTION("h", "null") "}")
						FINISH("tool_calls") DONE);
	assert_int_equal(t->calls_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(t->calls[i].arguments, "{}");
}

static void chat_calls__keeps_unknown_members_of_a_call(void **state)
{
	(void)state;
	const struct llm_turn *t =
		turn_of(CALLS("{\"id\":\"a\",\"type\":\"function\"," FUNCTION("f", "{}") "}") CALLS(
			"{\"extra_content\":{\"google\":{\"thought_signature\":\"s+/=\"}}}") FINISH("stop"));
	assert_int_equal(t->calls_count, 1);
	assert_string_equal(t->calls[0].opaque,
			    "{\"extra_content\":{\"google\":{\"thought_signature\":\"s+/=\"}}}");
}

static void chat_calls__takes_finish_tool_calls_without_calls_as_end(void **state)
{
	(void)state;
	assert_int_equal(turn_of(CHUNK("{\"content\":\"x\"}") FINISH("tool_calls") DONE)->stop, LLM_STOP_END);
}

static void chat_calls__takes_cut_arguments_as_length(void **state)
{
	(void)state;
	const char *cut = CALLS("{\"index\":0,\"id\":\"a\"," FUNCTION("f", "{\\\"x\\\":\\\"abc") "}")
		FINISH("tool_calls") DONE;
	assert_int_equal(turn_of(cut)->stop, LLM_STOP_LENGTH);
	assert_int_equal(
		turn_of(CALLS("{\"index\":0,\"id\":\"a\"," FUNCTION("f", "{}") "}") FINISH("length") DONE)
			->stop,
		LLM_STOP_LENGTH);
	/* Text that never was JSON is the model's slip, for the agent to answer. */
	const struct llm_turn *t =
		turn_of(CALLS("{\"index\":0,\"id\":\"a\"," FUNCTION("f", "path=x") "}") FINISH("stop") DONE);
	assert_int_equal(t->stop, LLM_STOP_TOOL);
	assert_string_equal(t->calls[0].arguments, "path=x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chat_calls__puts_parallel_calls_together),
		cmocka_unit_test(chat_calls__accepts_zero_as_index_of_all_calls),
		cmocka_unit_test(chat_calls__accepts_calls_without_index),
		cmocka_unit_test(chat_calls__accepts_calls_without_index_and_id),
		cmocka_unit_test(chat_calls__tells_doubled_ids_apart),
		cmocka_unit_test(chat_calls__makes_ids_no_other_call_bears),
		cmocka_unit_test(chat_calls__accepts_a_name_repeated_in_every_fragment),
		cmocka_unit_test(chat_calls__accepts_arguments_as_object),
		cmocka_unit_test(chat_calls__reads_missing_arguments_as_none),
		cmocka_unit_test(chat_calls__keeps_unknown_members_of_a_call),
		cmocka_unit_test(chat_calls__takes_finish_tool_calls_without_calls_as_end),
		cmocka_unit_test(chat_calls__takes_cut_arguments_as_length),
	};
	return cmocka_run_group_tests(tests, NULL, decode_teardown);
}
