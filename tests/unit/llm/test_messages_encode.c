/* SPDX-License-Identifier: Apache-2.0 */
/* The body of an Anthropic Messages request. */
#include "encode_case.h"

static const struct llm_options options = {.api = LLM_MESSAGES, .model = "m", .prompt_cache = LLM_CACHE_OFF};

#define MARK ",\"cache_control\":{\"type\":\"ephemeral\"}"

static void messages_encode__says_the_least(void **state)
{
	(void)state;
	const struct llm_message messages[] = {{.speaker = LLM_SYSTEM, .text = "be brief"},
					       {.speaker = LLM_USER, .text = "hi"}};
	struct llm_request r = {.messages = messages, .messages_count = 2, .task_id = "t1"};
	struct buf b = BUF_INIT;
	struct json *j = body_of(&options, &r);
	json_print_canonical(j, &b);
	assert_string_equal(buf_cstr(&b),
			    "{\"max_tokens\":16384,\"messages\":[{\"content\":[{\"text\":\"hi\",\"type\":"
			    "\"text\"}],\"role\":\"user\"}],\"model\":\"m\",\"stream\":true,"
			    "\"system\":[{\"text\":\"be brief\",\"type\":\"text\"}]}");
	buf_release(&b);
	json_free(j);
}

static void messages_encode__puts_results_first_and_into_one_message(void **state)
{
	(void)state;
	const struct llm_tool_call calls[] = {{.id = "a", .name = "f", .arguments = "{\"x\":1}"},
					      {.id = "b", .name = "g", .arguments = "oops"}};
	const struct llm_message messages[] = {
		{.speaker = LLM_USER, .text = "go"},
		{.speaker = LLM_ASSISTANT, .text = " \n", .calls = calls, .calls_count = 2},
		{.speaker = LLM_TOOL, .tool_call_id = "a", .text = "42"},
		{.speaker = LLM_USER, .text = "hurry"},
		{.speaker = LLM_TOOL, .tool_call_id = "b", .text = "no such file", .is_error = true},
		{.speaker = LLM_USER, .text = "  "},
		{.speaker = LLM_ASSISTANT, .text = ""},
	};
	struct llm_request r = {.messages = messages, .messages_count = COUNT_OF(messages)};
	struct json *j = body_of(&options, &r);
	assert_at(j, "/messages",
		  "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"go\"}]},"
		  "{\"role\":\"assistant\",\"content\":["
		  "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"x\":1}},"
		  "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"g\",\"input\":{\"invalid_arguments\":"
		  "\"oops\"}}]},"
		  "{\"role\":\"user\",\"content\":["
		  "{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":\"42\"},"
		  "{\"type\":\"tool_result\",\"tool_use_id\":\"b\",\"content\":\"no such file\","
		  "\"is_error\":true},{\"type\":\"text\",\"text\":\"hurry\"}]}]");
	json_free(j);
}

static void messages_encode__gives_thinking_back_as_it_came(void **state)
{
	(void)state;
	const struct llm_tool_call call = {.id = "a", .name = "f", .arguments = "{}"};
	char *echo =
		xasprintf("{\"origin\":\"%s\",\"parts\":[{\"raw\":{\"type\":\"thinking\",\"thinking\":\"t "
			  "\\u00e9\\n\",\"signature\":\"s==\"}},{\"text\":2},{\"raw\":{\"type\":"
			  "\"redacted_thinking\",\"data\":\"d\"}},{\"call\":1}]}",
			  origin_of(&options));
	struct llm_message m = {
		.speaker = LLM_ASSISTANT, .text = "ok", .calls = &call, .calls_count = 1, .echo = echo};
	struct llm_request r = {.messages = &m, .messages_count = 1};
	struct json *j = body_of(&options, &r);
	assert_at(j, "/messages/0/content",
		  "[{\"type\":\"thinking\",\"thinking\":\"t \xc3\xa9\\n\",\"signature\":\"s==\"},"
		  "{\"type\":\"text\",\"text\":\"ok\"},{\"type\":\"redacted_thinking\",\"data\":\"d\"},"
		  "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}]");
	json_free(j);
	/* of another origin it is left out, and with it a message that had nothing else */
	m = (struct llm_message){
		.speaker = LLM_ASSISTANT, .text = "", .echo = "{\"origin\":\"x\",\"parts\":[]}"};
	j = body_of(&options, &r);
	assert_at(j, "/messages", "[]");
	json_free(j);
	free(echo);
}

static void messages_encode__marks_four_places_to_cache_at_most(void **state)
{
	(void)state;
	struct llm_options o = {.api = LLM_MESSAGES, .model = "m"};
	const struct llm_tool tools[] = {{.name = "t1"}, {.name = "t2"}};
	const struct llm_message messages[] = {
		{.speaker = LLM_SYSTEM, .text = "s"},     {.speaker = LLM_USER, .text = "u1"},
		{.speaker = LLM_ASSISTANT, .text = "a1"}, {.speaker = LLM_USER, .text = "u2"},
		{.speaker = LLM_ASSISTANT, .text = "a2"}, {.speaker = LLM_USER, .text = "u3"},
	};
	struct llm_request r = {.messages = messages, .messages_count = 6, .tools = tools, .tools_count = 2};
	struct json *j = body_of(&o, &r);
	assert_at(j, "/tools/1",
		  "{\"name\":\"t2\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}" MARK "}");
	assert_at(j, "/tools/0/cache_control", "");
	assert_at(j, "/system", "[{\"type\":\"text\",\"text\":\"s\"" MARK "}]");
	assert_at(j, "/messages/0/content", "[{\"type\":\"text\",\"text\":\"u1\"}]");
	assert_at(j, "/messages/2/content", "[{\"type\":\"text\",\"text\":\"u2\"" MARK "}]");
	assert_at(j, "/messages/4/content", "[{\"type\":\"text\",\"text\":\"u3\"" MARK "}]");
	json_free(j);
}

static void messages_encode__thinks_as_configured_but_not_when_a_tool_is_forced(void **state)
{
	(void)state;
	struct llm_options o = {.api = LLM_MESSAGES,
				.model = "m",
				.thinking = LLM_THINKING_ADAPTIVE,
				.thinking_tokens = 2000};
	const struct llm_tool tool = {.name = "t"};
	struct llm_request r = {.tools = &tool, .tools_count = 1};
	struct json *j = body_of(&o, &r);
	assert_at(j, "/thinking", "{\"type\":\"adaptive\"}");
	json_free(j);
	o.thinking = LLM_THINKING_BUDGET;
	j = body_of(&o, &r);
	assert_at(j, "/thinking", "{\"type\":\"enabled\",\"budget_tokens\":2000}");
	json_free(j);
	o.max_output_tokens = 1500;
	j = body_of(&o, &r);
	assert_at(j, "/thinking", "{\"type\":\"enabled\",\"budget_tokens\":1499}");
	json_free(j);
	o.max_output_tokens = 1000;
	j = body_of(&o, &r);
	assert_at(j, "/thinking", "{\"type\":\"disabled\"}");
	assert_at(j, "/max_tokens", "1000");
	json_free(j);
	o.thinking = LLM_THINKING_ADAPTIVE;
	r.force_tool = "t";
	j = body_of(&o, &r);
	assert_at(j, "/thinking", "{\"type\":\"disabled\"}");
	assert_at(j, "/tool_choice", "{\"type\":\"tool\",\"name\":\"t\"}");
	json_free(j);
	r.force_tool = NULL;
	r.tool_choice = LLM_CHOICE_REQUIRED;
	j = body_of(&o, &r);
	assert_at(j, "/thinking", "{\"type\":\"disabled\"}");
	assert_at(j, "/tool_choice", "{\"type\":\"any\"}");
	json_free(j);
	r.tool_choice = LLM_CHOICE_NONE;
	j = body_of(&o, &r);
	assert_at(j, "/thinking", "{\"type\":\"adaptive\"}");
	assert_at(j, "/tool_choice", "{\"type\":\"none\"}");
	json_free(j);
}

static void messages_encode__asks_for_strict_schemas_only(void **state)
{
	(void)state;
	struct llm_options o = {.api = LLM_MESSAGES, .model = "m", .reasoning_effort = "high"};
	struct llm_request r = {.response_schema = SLICE_LIT(STRICT_SCHEMA), .schema_name = "plan"};
	struct json *j = body_of(&o, &r);
	assert_at(j, "/output_config",
		  "{\"effort\":\"high\",\"format\":{\"type\":\"json_schema\",\"schema\":" STRICT_SCHEMA "}}");
	json_free(j);
	r.response_schema = SLICE_LIT(LOOSE_SCHEMA);
	j = body_of(&o, &r);
	assert_at(j, "/output_config", "{\"effort\":\"high\"}");
	json_free(j);
	o.reasoning_effort = "";
	j = body_of(&o, &r);
	assert_at(j, "/output_config", "");
	json_free(j);
}

static void messages_encode__never_sends_sampling_parameters(void **state)
{
	(void)state;
	struct json *j = body_of(&options, &(struct llm_request){0});
	assert_at(j, "/temperature", "");
	assert_at(j, "/top_p", "");
	assert_at(j, "/top_k", "");
	json_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_encode__says_the_least),
		cmocka_unit_test(messages_encode__puts_results_first_and_into_one_message),
		cmocka_unit_test(messages_encode__gives_thinking_back_as_it_came),
		cmocka_unit_test(messages_encode__marks_four_places_to_cache_at_most),
		cmocka_unit_test(messages_encode__thinks_as_configured_but_not_when_a_tool_is_forced),
		cmocka_unit_test(messages_encode__asks_for_strict_schemas_only),
		cmocka_unit_test(messages_encode__never_sends_sampling_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
