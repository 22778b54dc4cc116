/* SPDX-License-Identifier: Apache-2.0 */
/* Error bodies as servers write them, and what people get to read. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_read(const char *body, int status, const char *type, const char *code, const char *message)
{
	struct llm_fault f = {0};
	llm_fault_from_body(slice_str(body), &f);
	assert_int_equal(f.status, status);
	assert_string_equal(f.type, type);
	assert_string_equal(f.code, code);
	assert_string_equal(f.message, message);
}

static void llm_fault__reads_the_forms_in_use(void **state)
{
	(void)state;
	assert_read("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"c\"}}", 0, "t",
		    "c", "m");
	assert_read("{\"error\":{\"message\":\"m\",\"code\":429}}", 429, "", "429", "m");
	assert_read("[{\"error\":{\"message\":\"m\",\"code\":null}}]", 0, "", "", "m");
	assert_read("{\"error\":\"model 'x' not found\"}", 0, "", "", "model 'x' not found");
	assert_read("{\"object\":\"error\",\"message\":\"m\",\"type\":\"t\",\"code\":40}", 0, "t", "40", "m");
	assert_read("{\"detail\":\"Not Found\"}", 0, "", "", "Not Found");
	assert_read("{\"error\":{\"message\":\"m\",\"details\":{\"error_code\":\"enforced_spend_limit_"
		    "reached\"}}}",
		    0, "", "enforced_spend_limit_reached", "m");
	assert_read(" <html><title>Bad Gateway</title></html>", 0, "", "",
		    "(a page of HTML, not an answer of an API)");
	assert_read("plain\r\nwords", 0, "", "", "plain  words");
	assert_read("bad \xff bytes", 0, "", "", "bad ");
	assert_read("", 0, "", "", "");
}

static void llm_fault__finds_none_in_an_answer(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"choices\":[]}",
		"{\"error\":null,\"choices\":[]}",
		"{\"error\":\"\",\"choices\":[]}",
		"{\"message\":\"m\",\"choices\":[]}",
		"[]",
	};
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct llm_fault f = {0};
		struct json *j = json_parse(bodies[i], strlen(bodies[i]), 0, NULL);
		assert_false(llm_fault_read(j, &f));
		json_free(j);
	}
}

static void llm_fault__cuts_long_text_at_a_character(void **state)
{
	(void)state;
	struct llm_fault f = {0};
	char body[600];
	memset(body, 'a', sizeof(body));
	memcpy(body + sizeof(f.message) - 2, "\xc3\xa9", 2); /* lies across the end */
	llm_fault_from_body((struct slice){body, sizeof(body)}, &f);
	assert_int_equal(strlen(f.message), sizeof(f.message) - 2);
	assert_true(utf8_valid(f.message, strlen(f.message)));
}

static void llm_fault__masks_the_key(void **state)
{
	(void)state;
	struct llm_fault f = {.message = "key sk-abcdef is bad (sk-abcdef), cut: sk-abc",
			      .code = "sk-abcdef"};
	llm_fault_mask(&f, "sk-abcdef");
	assert_string_equal(f.message, "key ********* is bad (*********), cut: ******");
	assert_string_equal(f.code, "*********");
	struct llm_fault plain = {.message = "none of it"};
	llm_fault_mask(&plain, "");
	llm_fault_mask(&plain, "none");
	assert_string_equal(plain.message, "none of it");
}

static void llm_fault__says_what_to_do(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum err code;
		const char *hint;
	} rows[] = {
		{301, ERR_CONFIG, "final address"},     {400, ERR_UPSTREAM, "llm.model"},
		{401, ERR_CONFIG, "openai.api_key"},    {402, ERR_BUDGET, "billing"},
		{404, ERR_CONFIG, "openai.base_url"},   {413, ERR_TOO_LARGE, "fewer tools"},
		{418, ERR_UPSTREAM, "openai.base_url"}, {429, ERR_UNAVAILABLE, "llm.concurrency_max"},
		{500, ERR_UPSTREAM, "status page"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct llm_fault f = {.status = rows[i].status, .message = "because"};
		struct fetch_head h = {.request_id = "req_1"};
		struct error e = {0};
		assert_int_equal(llm_fault_word(&f, &h, "http://h/v1", &e), rows[i].code);
		assert_int_equal(e.code, rows[i].code);
		assert_non_null(strstr(e.msg, "the model server at http://h/v1 "));
		assert_non_null(strstr(e.msg, "because"));
		assert_non_null(strstr(e.msg, rows[i].hint));
		assert_non_null(strstr(e.msg, "[request req_1]"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_fault__reads_the_forms_in_use),
		cmocka_unit_test(llm_fault__finds_none_in_an_answer),
		cmocka_unit_test(llm_fault__cuts_long_text_at_a_character),
		cmocka_unit_test(llm_fault__masks_the_key),
		cmocka_unit_test(llm_fault__says_what_to_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
