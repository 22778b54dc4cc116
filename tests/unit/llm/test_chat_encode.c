/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a Chat Completions request, read back with the JSON parser. */
#include "encode_case.h"

static void chat_encode__sends_the_least(void **state)
{
	(void)state;
	const struct llm_message messages[] = {{.speaker = LLM_SYSTEM, .text = "be \"brief\"\n"},
					       {.speaker = LLM_USER, .text = "hi \xc3\xa9"}};
	struct llm_request r = {.messages = messages, .messages_count = 2};
	struct json *j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m"}, &r);
	struct buf b = BUF_INIT;
	json_print_canonical(j, &b);
	assert_string_equal(
		buf_cstr(&b),
		"{\"messages\":[{\"content\":\"be \\\"brief\\\"\\n\",\"role\":\"system\"},{\"content\":\"hi "
		"\xc3\xa9\",\"role\":\"user\"}],"
		"\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
	buf_release(&b);
	json_free(j);
}

static void chat_encode__limits_output_when_configured(void **state)
{
	(void)state;
	struct llm_request r = {0};
	struct json *j =
		body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m", .max_output_tokens = 77}, &r);
	assert_at(j, "/max_completion_tokens", "77");
	json_free(j);
	/* compatible servers know the older name */
	j = body_of(&(struct llm_options){.api = LLM_CHAT,
					  .model = "m",
					  .base_url = "http://127.0.0.1:11434/v1",
					  .max_output_tokens = 77},
		    &r);
	assert_at(j, "/max_tokens", "77");
	assert_at(j, "/max_completion_tokens", "");
	json_free(j);
}

static void chat_encode__offers_and_forces_tools(void **state)
{
	(void)state;
	struct json *bare = json_parse("{\"type\":\"object\"}", 17, 0, NULL);
	struct json *full = json_parse("{\"properties\":{\"p\":{}}}", 23, 0, NULL);
	const struct llm_tool tools[] = {
		{.name = "fs__read",
		 .description = "Reads",
		 .schema = full,
		 .schema_text = SLICE_LIT("{\"properties\":{\"p\":{}}}")},
		{.name = "now",
		 .title = "Now",
		 .schema = bare,
		 .schema_text = SLICE_LIT("{\"type\":\"object\"}")},
		{.name = "none"},
	};
	struct llm_request r = {.tools = tools, .tools_count = 3, .force_tool = "now"};
	struct json *j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m"}, &r);
	assert_at(j, "/tools/0",
		  "{\"type\":\"function\",\"function\":{\"name\":\"fs__read\",\"description\":\"Reads\","
		  "\"parameters\":{\"properties\":{\"p\":{}},\"type\":\"object\"}}}");
	assert_at(j, "/tools/1/function/description", "\"Now\"");
	/* OpenAI refuses an object without properties */
	assert_at(j, "/tools/1/function/parameters", "{\"type\":\"object\",\"properties\":{}}");
	assert_at(j, "/tools/2/function/parameters", "{\"type\":\"object\",\"properties\":{}}");
	assert_at(j, "/tool_choice", "{\"type\":\"function\",\"function\":{\"name\":\"now\"}}");
	json_free(j);
	r.force_tool = NULL;
	for (int i = LLM_CHOICE_AUTO; i <= LLM_CHOICE_NONE; i++) {
		static const char *const words[] = {"", "\"required\"", "\"none\""};
		r.tool_choice = (enum llm_choice)i;
		j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m"}, &r);
		assert_at(j, "/tool_choice", words[i]);
		json_free(j);
	}
	r.tools_in_text = true;
	j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m"}, &r);
	assert_null(json_get(j, "tools"));
	assert_null(json_get(j, "tool_choice"));
	json_free(j);
	json_free(bare);
	json_free(full);
}

static void chat_encode__asks_for_a_format_the_server_knows(void **state)
{
	(void)state;
	struct llm_request r = {.response_schema = SLICE_LIT(STRICT_SCHEMA), .schema_name = "plan"};
	struct json *j = body_of(
		&(struct llm_options){.api = LLM_CHAT, .model = "m", .json_format = LLM_FORMAT_SCHEMA}, &r);
	assert_at(j, "/response_format",
		  "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"plan\",\"strict\":true,"
		  "\"schema\":" STRICT_SCHEMA "}}");
	json_free(j);
	r.response_schema = SLICE_LIT(LOOSE_SCHEMA);
	j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m"}, &r);
	assert_at(j, "/response_format/json_schema/strict", "false");
	json_free(j);
	j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m", .json_format = LLM_FORMAT_OBJECT},
		    &r);
	assert_at(j, "/response_format", "{\"type\":\"json_object\"}");
	json_free(j);
	j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m", .json_format = LLM_FORMAT_NONE}, &r);
	assert_null(json_get(j, "response_format"));
	json_free(j);
}

static void chat_encode__gives_back_what_the_model_sent(void **state)
{
	(void)state;
	const struct llm_tool_call calls[] = {
		{.id = "a",
		 .name = "f",
		 .arguments = "{\"x\":1}",
		 .opaque = "{\"extra_content\":{\"s\":\"t\"},\"k\\\"\":1}"},
		{.id = "b", .name = "g", .arguments = ""},
		{.id = "c", .name = "h", .arguments = "x="},
	};
	const struct llm_message messages[] = {
		{.speaker = LLM_ASSISTANT, .calls = calls, .calls_count = 3, .reasoning = "because"},
		{.speaker = LLM_TOOL, .tool_call_id = "a", .text = "42"},
		{.speaker = LLM_ASSISTANT},
	};
	struct llm_request r = {.messages = messages, .messages_count = 3};
	struct json *j = body_of(&(struct llm_options){.api = LLM_CHAT, .model = "m"}, &r);
	assert_at(j, "/messages/0/content", "null");
	assert_at(j, "/messages/0/reasoning_content", "\"because\"");
	assert_at(j, "/messages/0/tool_calls/0",
		  "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{"
		  "\\\"x\\\":1}\"},"
		  "\"extra_content\":{\"s\":\"t\"},\"k\\\"\":1}");
	assert_at(j, "/messages/0/tool_calls/1/function/arguments", "\"{}\"");
	/* servers that parse it must find an object */
	assert_at(j, "/messages/0/tool_calls/2/function/arguments",
		  "\"{\\\"invalid_arguments\\\":\\\"x=\\\"}\"");
	assert_at(j, "/messages/1", "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"42\"}");
	assert_at(j, "/messages/2", "{\"role\":\"assistant\",\"content\":\"\"}");
	json_free(j);
}

static void chat_encode__echoes_reasoning_as_configured(void **state)
{
	(void)state;
	const struct llm_message message = {.speaker = LLM_ASSISTANT, .text = "t", .reasoning = "r"};
	struct llm_request r = {.messages = &message, .messages_count = 1, .task_id = "t1"};
	struct llm_options o = {.api = LLM_CHAT, .model = "m", .reasoning_echo = LLM_ECHO_REASONING};
	struct json *j = body_of(&o, &r);
	assert_at(j, "/messages/0", "{\"role\":\"assistant\",\"content\":\"t\",\"reasoning\":\"r\"}");
	assert_at(j, "/prompt_cache_key", "");
	json_free(j);
	o.reasoning_echo = LLM_ECHO_OFF;
	o.reasoning_effort = "low";
	o.prompt_cache = LLM_CACHE_ON;
	j = body_of(&o, &r);
	assert_at(j, "/messages/0", "{\"role\":\"assistant\",\"content\":\"t\"}");
	assert_at(j, "/reasoning_effort", "\"low\"");
	assert_at(j, "/prompt_cache_key", "\"t1\"");
	json_free(j);
}

static void chat_encode__says_when_it_is_too_large(void **state)
{
	(void)state;
	struct buf b = BUF_LIMIT(40);
	struct error e;
	const struct llm_message message = {.speaker = LLM_USER, .text = "a conversation that does not fit"};
	struct llm_request r = {.messages = &message, .messages_count = 1};
	assert_int_equal(chat_encode(&(struct llm_options){.api = LLM_CHAT, .model = "m"}, &r, &b, &e),
			 ERR_TOO_LARGE);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chat_encode__sends_the_least),
		cmocka_unit_test(chat_encode__limits_output_when_configured),
		cmocka_unit_test(chat_encode__offers_and_forces_tools),
		cmocka_unit_test(chat_encode__asks_for_a_format_the_server_knows),
		cmocka_unit_test(chat_encode__gives_back_what_the_model_sent),
		cmocka_unit_test(chat_encode__echoes_reasoning_as_configured),
		cmocka_unit_test(chat_encode__says_when_it_is_too_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
