/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider of the configuration says arrives in the options of the llm room, and so do the roles. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

static struct conf_env_pair headers[] = {{"X-Team", "hush"}};

static struct conf_provider provider(const char *name)
{
	return (struct conf_provider){.name = name,
				      .api = CONF_LLM_CHAT,
				      .base_url = "http://h/v1",
				      .model = "m",
				      .key = "k",
				      .ca_file = "",
				      .proxy = "http://p",
				      .headers = headers,
				      .headers_count = 1,
				      .connect_seconds = 1,
				      .first_byte_seconds = 2,
				      .idle_seconds = 3,
				      .call_seconds = 4,
				      .retries_max = 5,
				      .max_output_tokens = 6,
				      .prices = {7, 8, 9, 10}};
}

static void wire_llm__fills_a_provider(void **state)
{
	struct conf_provider list[] = {provider("a")};
	struct conf c = {.providers = {.list = list, .count = 1, .roles_count = {1, 1, 1}}};
	struct llm_setup s;
	(void)state;
	c.llm.retry_wait_seconds = 11;
	c.llm.response_bytes = 12;
	c.llm.concurrency_max = 13;
	wire_llm(&c, &s);
	const struct llm_options *o = &s.providers[0];
	assert_string_equal(o->name, "a");
	assert_int_equal(o->api, LLM_CHAT);
	assert_string_equal(o->base_url, "http://h/v1");
	assert_string_equal(o->model, "m");
	assert_string_equal(o->api_key, "k");
	assert_null(o->ca_file);
	assert_string_equal(o->proxy, "http://p");
	assert_string_equal(o->headers[0], "X-Team: hush");
	assert_null(o->headers[1]);
	assert_int_equal(o->connect_ms, 1000);
	assert_int_equal(o->first_byte_ms, 2000);
	assert_int_equal(o->idle_ms, 3000);
	assert_int_equal(o->call_ms_max, 4000);
	assert_int_equal(o->retries_max, 5);
	assert_int_equal(o->max_output_tokens, 6);
	assert_int_equal(o->retry_wait_ms_max, 11000);
	assert_int_equal(o->response_bytes_max, 12);
	assert_int_equal(o->concurrency_max, 13);
	assert_int_equal(o->prices.input, 7);
	assert_int_equal(o->prices.cached, 8);
	assert_int_equal(o->prices.cache_write, 9);
	assert_int_equal(o->prices.output, 10);
	wire_llm_release(&s);
}

static void wire_llm__takes_words_and_roles(void **state)
{
	static const int formats[][2] = {{CONF_FORMAT_SCHEMA, LLM_FORMAT_SCHEMA},
					 {CONF_FORMAT_OBJECT, LLM_FORMAT_OBJECT},
					 {CONF_FORMAT_NONE, LLM_FORMAT_NONE}};
	struct conf_provider list[] = {provider("a"), provider("b")};
	struct conf c = {
		.providers = {
			.list = list, .count = 2, .roles = {{1, 0}, {0}, {1}}, .roles_count = {2, 1, 1}}};
	struct llm_setup s;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(formats); i++) {
		list[0].json_format = formats[i][0];
		list[0].api = i == 0 ? CONF_LLM_OFFLINE : CONF_LLM_CHAT;
		wire_llm(&c, &s);
		assert_int_equal(s.providers_count, 2);
		assert_int_equal(s.providers[0].json_format, formats[i][1]);
		assert_int_equal(s.providers[0].api, i == 0 ? LLM_OFFLINE : LLM_CHAT);
		assert_int_equal(s.roles_count[LLM_PLANNER], 2);
		assert_int_equal(s.roles[LLM_PLANNER][0], 1);
		assert_int_equal(s.roles[LLM_PLANNER][1], 0);
		assert_int_equal(s.roles[LLM_WRITER][0], 1);
		wire_llm_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_llm__fills_a_provider),
		cmocka_unit_test(wire_llm__takes_words_and_roles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
