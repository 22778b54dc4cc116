/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoders share: which schemas may be asked for strictly, schemas of tools, arguments. */
#include "encode_case.h"

static void llm_schema__is_strict_only_within_the_common_subset(void **state)
{
	(void)state;
#define OBJECT(properties, required)                                                      \
	"{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" properties \
	"},\"required\":[" required "]}"
	static const struct {
		const char *schema;
		bool strict;
	} rows[] = {
		{STRICT_SCHEMA, true},
		{OBJECT("\"a\":{\"type\":[\"string\",\"null\"]},\"b\":" STRICT_SCHEMA, "\"a\",\"b\""), true},
		{OBJECT("\"a\":{\"type\":\"array\",\"items\":" STRICT_SCHEMA "}", "\"a\""), true},
		{OBJECT("\"a\":{\"anyOf\":[{\"type\":\"string\"}," STRICT_SCHEMA "]}", "\"a\""), true},
		{LOOSE_SCHEMA, false},
		{"{\"type\":\"object\"}", false},
		{"{\"type\":\"string\"}", false},
		{"{}", false},
		{"no schema", false},
		{OBJECT("\"a\":{\"type\":\"string\"}", ""), false},
		{OBJECT("\"a\":{\"type\":\"string\",\"minLength\":1}", "\"a\""), false},
		{OBJECT("\"a\":" LOOSE_SCHEMA, "\"a\""), false},
		{OBJECT("\"a\":{\"type\":\"array\",\"items\":" LOOSE_SCHEMA "}", "\"a\""), false},
		{OBJECT("\"a\":{\"anyOf\":[" LOOSE_SCHEMA "]}", "\"a\""), false},
		{OBJECT("\"a\":true", "\"a\""), false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (llm_schema_is_strict(slice_str(rows[i].schema)) != rows[i].strict)
			fail_msg("row %zu: %s", i, rows[i].schema);
		/* What is kept of the last schema answers as the first look did. */
		if (llm_schema_is_strict(slice_str(rows[i].schema)) != rows[i].strict)
			fail_msg("row %zu, the second time: %s", i, rows[i].schema);
	}
}

static void assert_schema(const char *text, bool parsed, const char *expected)
{
	struct buf b = BUF_INIT;
	struct jw w = JW(&b);
	struct json *j = parsed ? json_parse(text, strlen(text), 0, NULL) : NULL;
	llm_put_schema(&w, &(struct llm_tool){.name = "t", .schema = j, .schema_text = slice_str(text)});
	assert_string_equal(buf_cstr(&b), expected);
	json_free(j);
	buf_release(&b);
}

static void llm_put_schema__writes_an_object_with_properties(void **state)
{
	(void)state;
	assert_schema("{\"type\":\"object\", \"properties\":{}}", true,
		      "{\"type\":\"object\", \"properties\":{}}");
	assert_schema("{\"properties\":{\"p\":{}}}", true, "{\"properties\":{\"p\":{}},\"type\":\"object\"}");
	assert_schema("{\"type\":\"object\"}", true, "{\"type\":\"object\",\"properties\":{}}");
	assert_schema("{\"type\":\"object\"}", false, "{\"type\":\"object\"}");
	assert_schema("", false, "{\"type\":\"object\",\"properties\":{}}");
}

static void llm_put_arguments__writes_an_object(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"{\"a\":1}", "{\"a\":1}"},
		{"", "{}"},
		{"x=1", "{\"invalid_arguments\":\"x=1\"}"},
		{"[1]", "{\"invalid_arguments\":\"[1]\"}"},
		{"{\"a\":", "{\"invalid_arguments\":\"{\\\"a\\\":\"}"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b = BUF_INIT;
		llm_put_arguments(&b, &(struct llm_tool_call){.name = "f", .arguments = rows[i][0]});
		assert_string_equal(buf_cstr(&b), rows[i][1]);
		buf_release(&b);
	}
}

static void llm_put_system__joins_what_is_said(void **state)
{
	(void)state;
	const struct llm_message messages[] = {{.speaker = LLM_SYSTEM, .text = "a"},
					       {.speaker = LLM_USER, .text = "u"},
					       {.speaker = LLM_SYSTEM, .text = ""},
					       {.speaker = LLM_SYSTEM, .text = "b"}};
	struct buf b = BUF_INIT;
	llm_put_system(&b, &(struct llm_request){.messages = messages, .messages_count = 4});
	assert_string_equal(buf_cstr(&b), "a\n\nb");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_schema__is_strict_only_within_the_common_subset),
		cmocka_unit_test(llm_put_schema__writes_an_object_with_properties),
		cmocka_unit_test(llm_put_arguments__writes_an_object),
		cmocka_unit_test(llm_put_system__joins_what_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
