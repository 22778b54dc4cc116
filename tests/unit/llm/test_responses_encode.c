/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a Responses request. */
#include "encode_case.h"

static const struct llm_options options = {.api = LLM_RESPONSES, .model = "gpt-6-sol"};

static void responses_encode__is_stateless_and_says_the_least(void **state)
{
	(void)state;
	const struct llm_message messages[] = {{.speaker = LLM_SYSTEM, .text = "be brief"},
					       {.speaker = LLM_USER, .text = "hi"}};
	struct llm_request r = {.messages = messages, .messages_count = 2, .task_id = "t1"};
	struct buf b = BUF_INIT;
	struct json *j = body_of(&options, &r);
	json_print_canonical(j, &b);
	assert_string_equal(
		buf_cstr(&b),
		"{\"include\":[\"reasoning.encrypted_content\"],"
		"\"input\":[{\"content\":[{\"text\":\"hi\",\"type\":\"input_text\"}],\"role\":\"user\","
		"\"type\":\"message\"}],\"instructions\":\"be brief\",\"model\":\"gpt-6-sol\","
		"\"prompt_cache_key\":\"t1\",\"store\":false,\"stream\":true}");
	buf_release(&b);
	json_free(j);
}

static void responses_encode__asks_only_models_that_reason_for_reasoning(void **state)
{
	(void)state;
	static const struct {
		const char *model;
		bool asked;
	} rows[] = {{"gpt-4.1", false},     {"openai/gpt-4o", false}, {"gpt-3.5-turbo", false},
		    {"gpt-5.6-mini", true}, {"o4-mini", true},        {"my-deployment", true}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct llm_options o = {.api = LLM_RESPONSES, .model = rows[i].model};
		struct json *j = body_of(&o, &(struct llm_request){0});
		assert_true((json_get(j, "include") != NULL) == rows[i].asked);
		json_free(j);
	}
}

static void responses_encode__offers_tools_flat_and_not_strict(void **state)
{
	(void)state;
	const struct llm_tool tool = {.name = "now", .description = "The time"};
	struct llm_request r = {.tools = &tool, .tools_count = 1, .force_tool = "now"};
	struct json *j = body_of(&options, &r);
	assert_at(j, "/tools/0",
		  "{\"type\":\"function\",\"name\":\"now\",\"description\":\"The time\","
		  "\"parameters\":{\"type\":\"object\",\"properties\":{}},\"strict\":false}");
	assert_at(j, "/tool_choice", "{\"type\":\"function\",\"name\":\"now\"}");
	json_free(j);
	r.force_tool = NULL;
	for (int i = LLM_CHOICE_AUTO; i <= LLM_CHOICE_NONE; i++) {
		static const char *const words[] = {"", "\"required\"", "\"none\""};
		r.tool_choice = (enum llm_choice)i;
		j = body_of(&options, &r);
		assert_at(j, "/tool_choice", words[i]);
		json_free(j);
	}
	r.tools_in_text = true;
	j = body_of(&options, &r);
	assert_at(j, "/tools", "");
	json_free(j);
}

static void responses_encode__asks_for_a_format_effort_and_limit(void **state)
{
	(void)state;
	struct llm_options o = {.api = LLM_RESPONSES,
				.model = "m",
				.reasoning_effort = "low",
				.max_output_tokens = 9,
				.prompt_cache = LLM_CACHE_OFF};
	struct llm_request r = {
		.response_schema = SLICE_LIT(STRICT_SCHEMA), .schema_name = "plan", .task_id = "t"};
	struct json *j = body_of(&o, &r);
	assert_at(j, "/text",
		  "{\"format\":{\"type\":\"json_schema\",\"name\":\"plan\",\"strict\":true,"
		  "\"schema\":" STRICT_SCHEMA "}}");
	assert_at(j, "/reasoning", "{\"effort\":\"low\"}");
	assert_at(j, "/max_output_tokens", "9");
	assert_at(j, "/prompt_cache_key", "");
	json_free(j);
	r.response_schema = SLICE_LIT(LOOSE_SCHEMA);
	j = body_of(&o, &r);
	assert_at(j, "/text/format/strict", "false");
	json_free(j);
	o.json_format = LLM_FORMAT_OBJECT;
	j = body_of(&o, &r);
	assert_at(j, "/text", "{\"format\":{\"type\":\"json_object\"}}");
	json_free(j);
	o.json_format = LLM_FORMAT_NONE;
	j = body_of(&o, &r);
	assert_at(j, "/text", "");
	json_free(j);
}

static void responses_encode__gives_items_back_in_order(void **state)
{
	(void)state;
	const struct llm_tool_call call = {
		.id = "call_1", .name = "f", .arguments = "{\"x\":1}", .opaque = "{\"namespace\":\"n\"}"};
	char *echo =
		xasprintf("{\"origin\":\"%s\",\"parts\":[{\"raw\":{\"type\":\"reasoning\",\"summary\":[],"
			  "\"encrypted_content\":\"gAAA\"}},{\"text\":5,\"phase\":\"commentary\"},"
			  "{\"call\":1}]}",
			  origin_of(&options));
	const struct llm_message messages[] = {
		{.speaker = LLM_ASSISTANT, .text = "first", .calls = &call, .calls_count = 1, .echo = echo},
		{.speaker = LLM_TOOL, .tool_call_id = "call_1", .text = "42"},
	};
	struct llm_request r = {.messages = messages, .messages_count = 2};
	struct json *j = body_of(&options, &r);
	assert_at(j, "/input",
		  "[{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"gAAA\"},"
		  "{\"type\":\"message\",\"role\":\"assistant\",\"phase\":\"commentary\","
		  "\"content\":[{\"type\":\"output_text\",\"text\":\"first\"}]},"
		  "{\"type\":\"function_call\",\"call_id\":\"call_1\",\"name\":\"f\","
		  "\"arguments\":\"{\\\"x\\\":1}\",\"namespace\":\"n\"},"
		  "{\"type\":\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"42\"}]");
	json_free(j);
	/* another model cannot open what is sealed */
	struct llm_options other = {.api = LLM_RESPONSES, .model = "gpt-6-luna"};
	j = body_of(&other, &r);
	assert_at(j, "/input/0/role", "\"assistant\"");
	json_free(j);
	free(echo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_encode__is_stateless_and_says_the_least),
		cmocka_unit_test(responses_encode__asks_only_models_that_reason_for_reasoning),
		cmocka_unit_test(responses_encode__offers_tools_flat_and_not_strict),
		cmocka_unit_test(responses_encode__asks_for_a_format_effort_and_limit),
		cmocka_unit_test(responses_encode__gives_items_back_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
