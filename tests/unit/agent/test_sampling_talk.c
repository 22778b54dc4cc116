/* SPDX-License-Identifier: Apache-2.0 */
/* What a tool server may ask of the model, what of it the model is told, and what the server is told. (That
 * it is asked, seen and counted: tests/e2e/server_asks.test.mjs.) */
#include "base/base.h"
#include "agent/agent_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const char *check(const char *params)
{
	static struct error e;
	struct json *j = json_parse(params, strlen(params), 0, &e);
	assert_non_null(j);
	enum err rc = sampling_check(j, &e);
	json_free(j);
	return rc ? e.msg : "";
}

#define SAID_BY(role, blocks) "{\"role\":\"" role "\",\"content\":[" blocks "]}"
#define USE(id)               "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"t\",\"input\":{\"q\":1}}"
#define RESULT(id)                                                 \
	"{\"type\":\"tool_result\",\"toolUseId\":\"" id            \
	"\",\"content\":[{\"type\":\"text\",\"text\":\"found\"}]," \
	"\"isError\":true}"
#define TOOL_T       "{\"name\":\"t\",\"description\":\"d\",\"inputSchema\":{\"type\":\"object\"}}"
#define TALK(more)   "{\"messages\":[" TEXT("user") "," more "]}"
#define OFFER(tools) "{\"messages\":[" TEXT("user") "],\"tools\":" tools "}"
#define TEXT(role)   "{\"role\":\"" role "\",\"content\":{\"type\":\"text\",\"text\":\"t\"}}"

static void sampling_check__takes_conversations_in_text(void **state)
{
	(void)state;
	assert_string_equal(check("{\"messages\":[" TEXT("user") "]}"), "");
	assert_string_equal(check("{\"messages\":[" TEXT("user") "," TEXT("assistant") "," TEXT("user") "]}"),
			    "");
	assert_string_equal(
		check("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
		      "\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}],\"maxTokens\":5}"),
		"");
}

static void sampling_check__says_what_is_wrong(void **state)
{
	static const struct {
		const char *params, *why;
	} cases[] = {
		{"{}", "messages must be"},
		{"{\"messages\":[]}", "at least one"},
		{"{\"messages\":[" TEXT("system") "]}", "user or assistant"},
		{"{\"messages\":[" TEXT("user") "," TEXT("assistant") "]}", "last message"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":\"plain\"}]}", "no text"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":[]}]}", "no content"},
		{"{\"messages\":[{\"role\":\"user\"}]}", "no content"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"image\",\"data\":\"\"}}]}",
		 "\"image\" is not taken"},
		{"{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"tool_result\"}}]}", "toolUseId"},
		{TALK("{\"role\":\"user\",\"content\":" USE("a") "}"), "the assistant's"},
		{TALK(SAID_BY("assistant", RESULT("a"))), "the assistant's"},
		{TALK(SAID_BY("assistant", "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"t\"}")),
		 "as input"},
		{TALK(SAID_BY("user", RESULT("a"))), "each tool_use"},
		{TALK(SAID_BY("assistant", USE("a")) "," TEXT("user")), "each tool_use"},
		{TALK(SAID_BY("assistant", USE("a")) "," TEXT("assistant")), "each tool_use"},
		{TALK(SAID_BY("assistant", USE("a")) "," SAID_BY("user", RESULT("b"))), "each tool_use"},
		{TALK(SAID_BY("assistant", USE("a") "," USE("b")) "," SAID_BY("user", RESULT("a"))),
		 "each tool_use"},
		{TALK(SAID_BY("assistant", USE("a")) "," SAID_BY("user", RESULT("a") "," RESULT("a"))),
		 "each tool_use"},
		{TALK(SAID_BY("assistant", USE("a")) "," SAID_BY(
			 "user", RESULT("a") ",{\"type\":\"text\",\"text\":\"t\"}")),
		 "nothing else"},
		{TALK(SAID_BY("assistant", USE("a")) "," SAID_BY(
			 "user", "{\"type\":\"tool_result\",\"toolUseId\":\"a\",\"content\":[{\"type\":"
				 "\"image\"}]}")),
		 "\"image\" is not taken"},
		{TALK(SAID_BY("assistant", USE("a"))), "last message"},
		{OFFER("{}"), "must be a list"},
		{OFFER("[{\"name\":\"a b\",\"inputSchema\":{}}]"), "\"a b\""},
		{OFFER("[{\"inputSchema\":{}}]"), "the name of a tool"},
		{OFFER("[{\"name\":\"t\"}]"), "inputSchema"},
		{OFFER("[" TOOL_T "," TOOL_T "]"), "two tools"},
		{OFFER("[" TOOL_T "],\"toolChoice\":{\"mode\":\"any\"}"), "auto, required or none"},
		{OFFER("[" TOOL_T "],\"toolChoice\":\"none\""), "auto, required or none"},
		{OFFER("[],\"toolChoice\":{\"mode\":\"required\"}"), "there are none"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (strstr(check(cases[i].params), cases[i].why) == NULL)
			fail_msg("%s: \"%s\"", cases[i].params, check(cases[i].params));
}

static void sampling_read__carries_uses_and_results(void **state)
{
	static const char text[] = "{\"systemPrompt\":\"s\",\"messages\":[" TEXT("user") "," SAID_BY(
		"assistant",
		"{\"type\":\"text\",\"text\":\"look\"}," USE("a") "," USE(
			"b")) "," SAID_BY("user",
					  RESULT("b") ",{\"type\":\"tool_result\",\"toolUseId\":\"a\","
						      "\"content\":[],"
						      "\"structuredContent\":{\"n\":1}}") "],\"tools\":"
											  "[" TOOL_T
											  "],\"toolChoice\":{"
											  "\"mode\":"
											  "\"required\"}}";
	struct sampling_talk t;
	struct error e;
	(void)state;
	struct arena *a = arena_new(0);
	struct json *j = json_parse(text, strlen(text), 0, &e);
	assert_int_equal(sampling_check(j, &e), ERR_NONE);
	sampling_read(j, a, &t);
	assert_int_equal(t.messages_count, 5);
	assert_int_equal(t.messages[0].speaker, LLM_SYSTEM);
	assert_int_equal(t.messages[1].speaker, LLM_USER);
	assert_int_equal(t.messages[2].speaker, LLM_ASSISTANT);
	assert_string_equal(t.messages[2].text, "look");
	assert_int_equal(t.messages[2].calls_count, 2);
	assert_string_equal(t.messages[2].calls[1].id, "b");
	assert_string_equal(t.messages[2].calls[1].name, "t");
	assert_string_equal(t.messages[2].calls[1].arguments, "{\"q\":1}");
	assert_int_equal(t.messages[3].speaker, LLM_TOOL);
	assert_string_equal(t.messages[3].tool_call_id, "b");
	assert_string_equal(t.messages[3].text, "found");
	assert_true(t.messages[3].is_error);
	assert_string_equal(t.messages[4].text, "{\"n\":1}");
	assert_false(t.messages[4].is_error);
	assert_int_equal(t.choice, LLM_CHOICE_REQUIRED);
	assert_int_equal(t.tools_count, 1);
	assert_string_equal(t.tools[0].name, "t");
	assert_true(slice_eq_str(t.tools[0].schema_text, "{\"type\":\"object\"}"));
	json_free(j);
	arena_free(a);
}

static void turn_is(struct sampling_talk t, struct llm_turn turn, const char *expected)
{
	struct buf out = BUF_INIT;
	turn.model = "m";
	assert_int_equal(sampling_turn_write(&t, &turn, &out), expected != NULL);
	if (expected != NULL)
		assert_string_equal(buf_cstr(&out), expected);
	buf_release(&out);
}

static void sampling_turn_write__tells_uses_where_tools_were_offered(void **state)
{
	const struct llm_tool_call call = {.id = "c", .name = "t", .arguments = "{\"q\":1}"},
				   bad = {.id = "c", .name = "t", .arguments = "{\"q\":"};
	const struct sampling_talk none = {0}, one = {.tools_count = 1},
				   off = {.tools_count = 1, .choice = LLM_CHOICE_NONE};
	static const char plain[] = "{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"hi\"},"
				    "\"model\":\"m\",\"stopReason\":\"endTurn\"}";
	(void)state;
	struct llm_turn turn = {.text = "hi", .calls = &call, .calls_count = 1, .stop = LLM_STOP_TOOL};
	turn_is(one, turn,
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"},{\"type\":\"tool_"
		"use\",\"id\":\"c\",\"name\":\"t\",\"input\":{\"q\":1}}],\"model\":\"m\",\"stopReason\":"
		"\"toolUse\"}");
	turn_is(none, turn, plain);
	turn_is(off, turn, plain);
	turn_is(one, (struct llm_turn){.text = "hi"}, plain);
	turn.calls = &bad;
	turn_is(one, turn, NULL);
	/* What is cut off is not acted upon. */
	turn.stop = LLM_STOP_LENGTH;
	turn_is(one, turn,
		"{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"hi\"},\"model\":\"m\","
		"\"stopReason\":\"maxTokens\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sampling_check__takes_conversations_in_text),
		cmocka_unit_test(sampling_check__says_what_is_wrong),
		cmocka_unit_test(sampling_read__carries_uses_and_results),
		cmocka_unit_test(sampling_turn_write__tells_uses_where_tools_were_offered),
	};
	return cmocka_run_group_tests_name("sampling_talk", tests, NULL, NULL);
}
