/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and headers that follow from a row of the table of wires. */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_url(enum llm_api api, const char *base, const char *expected)
{
	struct llm_options o = {.api = api, .base_url = base, .model = "org/m:1"};
	char *url = llm_wire_url(llm_wire_of(api), &o);
	assert_string_equal(url, expected);
	free(url);
}

static void llm_wire__has_a_row_for_each_api(void **state)
{
	(void)state;
	static const struct {
		enum llm_api api;
		const char *name;
	} rows[] = {{LLM_CHAT, "chat"}, {LLM_RESPONSES, "responses"}, {LLM_MESSAGES, "messages"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(llm_wire_of(rows[i].api)->name, rows[i].name);
	assert_null(llm_wire_of(LLM_OFFLINE));
}

static void llm_wire_url__takes_what_people_paste(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"},
		{"http://h:1/v1//", "http://h:1/v1/chat/completions"},
		{"http://h/chat/completions", "http://h/chat/completions"},
		{"http://h#f", "http://h/chat/completions"},
		{"http://h?a=b#f", "http://h/chat/completions?a=b"},
		{"", "https://api.openai.com/v1/chat/completions"},
		{NULL, "https://api.openai.com/v1/chat/completions"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_url(LLM_CHAT, rows[i][0], rows[i][1]);
	assert_url(LLM_RESPONSES, "https://api.openai.com/v1", "https://api.openai.com/v1/responses");
	assert_url(LLM_MESSAGES, "", "https://api.anthropic.com/v1/messages");
	assert_url(LLM_MESSAGES, "https://h/anthropic/", "https://h/anthropic/v1/messages");
	assert_url(LLM_MESSAGES, "https://h/anthropic/v1", "https://h/anthropic/v1/messages");
	assert_url(LLM_MESSAGES, "https://h/v1/messages?beta=true", "https://h/v1/messages?beta=true");
}

static void llm_wire_origin__tells_servers_and_models_apart(void **state)
{
	(void)state;
	char a[LLM_ORIGIN_SIZE], b[LLM_ORIGIN_SIZE];
	const struct llm_wire *w = llm_wire_of(LLM_RESPONSES);
	struct llm_options o = {.api = LLM_RESPONSES, .model = "m"};
	llm_wire_origin(w, &o, a);
	assert_memory_equal(a, "responses-", 10);
	o.base_url = "https://api.openai.com/v1/"; /* the same */
	llm_wire_origin(w, &o, b);
	assert_string_equal(a, b);
	o.model = "n";
	llm_wire_origin(w, &o, b);
	assert_string_not_equal(a, b);
}

static void llm_wire_url__is_a_template(void **state)
{
	(void)state;
	assert_url(LLM_CHAT, "https://x.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21",
		   "https://x.openai.azure.com/openai/deployments/org%2Fm%3A1/chat/completions"
		   "?api-version=2024-10-21");
	assert_url(LLM_CHAT, "https://x/openai/deployments/d?api-version=2",
		   "https://x/openai/deployments/d/chat/completions?api-version=2");
	assert_url(LLM_CHAT, "https://x/{mode}/{model", "https://x/{mode}/{model/chat/completions");
}

static void assert_headers(const struct llm_options *o, const char *expected)
{
	struct buf b = BUF_INIT;
	char **headers = llm_wire_headers(llm_wire_of(o->api), o);
	for (char **h = headers; *h != NULL; h++)
		buf_printf(&b, "%s\n", *h);
	assert_string_equal(buf_cstr(&b), expected);
	buf_release(&b);
	llm_headers_free(headers);
}

#define MEDIA "Content-Type: application/json\nAccept: text/event-stream, application/json\n"

static void llm_wire_headers__carry_the_key_as_the_server_wants_it(void **state)
{
	(void)state;
	struct llm_options o = {.api = LLM_CHAT, .api_key = "k"};
	assert_headers(&o, MEDIA "Authorization: Bearer k\n");
	o.key_header = "api-key";
	assert_headers(&o, MEDIA "api-key: k\n");
	o.api_key = "";
	assert_headers(&o, MEDIA);
	o = (struct llm_options){.api = LLM_MESSAGES, .api_key = "k"};
	assert_headers(&o, MEDIA "x-api-key: k\nanthropic-version: 2023-06-01\n");
	o.api_version = "2026-10-21";
	o.key_header = "Authorization";
	assert_headers(&o, MEDIA "Authorization: Bearer k\nanthropic-version: 2026-10-21\n");
	llm_headers_free(NULL);
}

static void llm_wire_headers__let_the_operator_have_the_last_word(void **state)
{
	(void)state;
	static const char *const more[] = {"OpenAI-Project: p", "authorization: Basic x", NULL};
	struct llm_options o = {.api = LLM_CHAT, .api_key = "k", .headers = more};
	assert_headers(&o, MEDIA "OpenAI-Project: p\nauthorization: Basic x\n");
}

static char *turn_of(const struct llm_wire *wire, struct slice s)
{
	struct llm_decode d;
	struct error e = {0};
	struct buf b = BUF_INIT;
	llm_decode_init(&d, wire, (struct llm_decode_from){.origin = "o"});
	assert_int_equal(llm_decode_feed(&d, s, &e), ERR_NONE);
	assert_int_equal(llm_decode_finish(&d, &e), ERR_NONE);
	const struct llm_turn *t = turn_buf_view(&d.turn);
	buf_printf(&b, "%s|%s|%s|%d|%s", t->text, t->reasoning ? t->reasoning : "-", t->echo ? t->echo : "-",
		   (int)t->stop, t->calls_count > 0 ? t->calls[0].arguments : "");
	llm_decode_release(&d);
	return buf_take(&b);
}

static void llm_wire_peek__changes_nothing(void **state)
{
	(void)state;
	static const enum llm_api apis[] = {LLM_CHAT, LLM_RESPONSES, LLM_MESSAGES};
	static const char *const files[] = {"book_text", "book_calls", "book_length"};
	for (size_t i = 0; i < COUNT_OF(apis) * COUNT_OF(files); i++) {
		const struct llm_wire *wire = llm_wire_of(apis[i / COUNT_OF(files)]);
		struct llm_wire slow = *wire;
		struct buf b = BUF_INIT;
		slow.peek = NULL;
		char *path = xasprintf("tests/fuzz/corpus_%s/%s", wire->name, files[i % COUNT_OF(files)]);
		struct error e;
		if (file_read(path, 1 << 20, &b, &e) != ERR_NONE)
			fail_msg("%s (the tests run in the repository's folder)", e.msg);
		free(path);
		char *fast = turn_of(wire, buf_slice(&b)), *plain = turn_of(&slow, buf_slice(&b));
		assert_string_equal(fast, plain);
		free(fast);
		free(plain);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_wire__has_a_row_for_each_api),
		cmocka_unit_test(llm_wire_url__takes_what_people_paste),
		cmocka_unit_test(llm_wire_origin__tells_servers_and_models_apart),
		cmocka_unit_test(llm_wire_url__is_a_template),
		cmocka_unit_test(llm_wire_headers__carry_the_key_as_the_server_wants_it),
		cmocka_unit_test(llm_wire_headers__let_the_operator_have_the_last_word),
		cmocka_unit_test(llm_wire_peek__changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
