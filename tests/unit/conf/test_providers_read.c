/* SPDX-License-Identifier: Apache-2.0 */
/* The list of model providers as it is written: what is taken, and every message with its place. */
#include "conf_test.h"
#include "load_text.h"

static const char *const env[] = {"KEY_A", "sk-aaa", "TEAM", "t1", NULL};

static void providers__are_read_with_all_they_say(void **state)
{
	struct conf *c;
	struct error e;
	static const char text[] = "llm:\n"
				   "  providers:\n"
				   "    - name: main\n"
				   "      api: chat\n"
				   "      base_url: https://one.example/v1\n"
				   "      model: m1\n"
				   "      key: ${KEY_A}\n"
				   "      headers: {X-Team: \"team-${TEAM}\", X-Plain: yes}\n"
				   "      timeouts: {first_byte_seconds: 7, call_seconds: 70}\n"
				   "      retries_max: 0\n"
				   "      json_format: object\n"
				   "      max_output_tokens: 900\n"
				   "      prices: {input: 2.50, output: 10}\n"
				   "      max_concurrency: 5\n"
				   "      requests_per_minute: 60\n"
				   "      tokens_per_minute: 1000\n"
				   "    - {name: spare, model: m2, base_url: \"http://127.0.0.1:9/v1\"}\n"
				   "  roles: {planner: [spare, main], writer: main}\n"
				   "  first_byte_seconds: 33\n";
	(void)state;
	if (loaded(text, NULL, 0, env, &c, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_int_equal(c->providers.count, 2);
	const struct conf_provider *p = &c->providers.list[0], *q = &c->providers.list[1];
	assert_string_equal(p->name, "main");
	assert_int_equal(p->api, CONF_LLM_CHAT);
	assert_string_equal(p->base_url, "https://one.example/v1");
	assert_string_equal(p->model, "m1");
	assert_string_equal(p->key, "sk-aaa");
	assert_int_equal(p->headers_count, 2);
	assert_string_equal(p->headers[0].name, "X-Team");
	assert_string_equal(p->headers[0].value, "team-t1");
	assert_int_equal(p->first_byte_seconds, 7);
	assert_int_equal(p->call_seconds, 70);
	assert_int_equal(p->idle_seconds, 60);
	assert_int_equal(p->retries_max, 0);
	assert_int_equal(p->json_format, CONF_FORMAT_OBJECT);
	assert_int_equal(p->max_output_tokens, 900);
	assert_int_equal(p->max_concurrency, 5);
	assert_int_equal(p->requests_per_minute, 60);
	assert_int_equal(p->tokens_per_minute, 1000);
	assert_int_equal(p->prices.input, 2500000);
	assert_int_equal(p->prices.cached, 2500000);
	assert_int_equal(p->prices.output, 10000000);
	assert_int_equal(q->first_byte_seconds, 33);
	assert_int_equal(q->prices.input, -1);
	assert_string_equal(q->key, "");
	assert_int_equal(c->providers.roles_count[0], 2);
	assert_int_equal(c->providers.roles[0][0], 1);
	assert_int_equal(c->providers.roles[0][1], 0);
	assert_int_equal(c->providers.roles_count[1], 2);
	assert_int_equal(c->providers.roles[1][0], 0);
	assert_int_equal(c->providers.roles_count[2], 1);
	assert_int_equal(c->providers.roles[2][0], 0);
	assert_int_equal(c->providers.variables_count, 2);
	conf_free(c);
}

static void providers__key_may_stand_in_a_file(void **state)
{
	struct conf *c;
	struct error e;
	struct folder f;
	(void)state;
	folder_open(&f);
	folder_write(f.other, "sk-from-file\n");
	char *text = xasprintf("llm: {providers: [{name: a, model: m, key: {file: %s}}]}", f.other);
	if (loaded(text, NULL, 0, NULL, &c, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_string_equal(c->providers.list[0].key, "sk-from-file");
	conf_free(c);
	free(text);
	folder_close(&f);
}

#define ONE(rest) "llm:\n  providers:\n    - {name: a, model: m, " rest "}\n"

static void providers__say_what_is_wrong_and_where(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"llm: {providers: {}}",
		 "config.yaml:1:18: llm.providers must be a list of providers, is a map"},
		{"llm: {providers: []}",
		 "config.yaml:1:18: llm.providers must be a list of providers, is empty"},
		{"llm: {roles: {}}", "config.yaml:1:7: llm.roles needs llm.providers"},
		{"llm: {providers: [{model: m}]}",
		 "config.yaml:1:19: an entry of llm.providers needs a name"},
		{"llm: {providers: [{name: a}]}", "config.yaml:1:19: provider a needs a model"},
		{ONE("modell: x"),
		 "config.yaml:3:27: an entry of llm.providers has no option modell; did you "
		 "mean model?"},
		{ONE("api: auto"), "config.yaml:3:7: the api of provider a cannot be auto"},
		{ONE("key: \"${NOT_SET}\""), "config.yaml:3:32: the environment variable NOT_SET is not set"},
		{ONE("key: \"a\\nb\""),
		 "config.yaml:3:32: key is over 8192 bytes or holds a line break or a control character"},
		{ONE("key: [a]"), "config.yaml:3:32: key must be a text, or {file: path}"},
		{ONE("headers: {Host: x}"),
		 "config.yaml:3:37: header Host belongs to the transport and cannot be set"},
		{ONE("timeouts: {connect_seconds: 0}"),
		 "config.yaml:3:55: connect_seconds must be a whole number from 1 to 600"},
		{ONE("prices: {input: -1, output: 2}"),
		 "config.yaml:3:43: input must be a price per million tokens, as 2.50 (at most 6 decimals)"},
		{ONE("prices: {input: 1}"), "config.yaml:3:35: prices need both input and output"},
		{ONE("base_url: ftp://x"),
		 "config.yaml:3:37: base_url: must be an address that starts with http:// or https://"},
		{"llm:\n  providers: [{name: a, model: m}, {name: a, model: m}]",
		 "config.yaml:2:43: there is already a provider named a"},
		{"llm:\n  providers: [{name: main, model: m}]\n  roles: {planner: mian}",
		 "config.yaml:3:20: planner: there is no provider named \"mian\"; did you mean main?"},
		{"llm:\n  providers: [{name: a, model: m}]\n  roles: {planner: [a, a]}",
		 "config.yaml:3:24: planner names a twice"},
		{"llm:\n  providers: [{name: a, model: m}]\n  roles: {planer: a}",
		 "config.yaml:3:11: llm.roles has no option planer; did you mean planner?"},
		{"llm:\n  providers: [{name: a, model: m}, {name: o, api: offline}]\n  roles: {writer: [a, "
		 "o]}",
		 "config.yaml:3:23: writer: an offline provider cannot stand in one list with models"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_refused(rows[i].text, rows[i].msg);
}

static void providers__need_no_keys_where_no_server_is_asked(void **state)
{
	struct folder f;
	struct conf *c;
	struct error e = {0};
	(void)state;
	folder_open(&f);
	folder_write(f.file,
		     "openai: {api_key: sk-flat}\n"
		     "llm:\n"
		     "  providers:\n"
		     "    - {name: a, model: m, key: \"${KEY_A}\", headers: {X-Team: \"${NOT_SET}\"}}\n"
		     "    - {name: b, model: m, key: {file: /nonexistent/key}}\n");
	if (conf_load_keyless(f.file, NULL, 0, env_listed, (void *)(uintptr_t)env, &c, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_int_equal(c->providers.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(c->providers.list[i].key, "");
		assert_int_equal(c->providers.list[i].headers_count, 0);
	}
	assert_string_equal(c->openai.api_key, "");
	/* What holds keys is known all the same, for those processes that forget them. */
	assert_int_equal(c->providers.variables_count, 2);
	conf_free(c);
	folder_write(f.file, "");
	assert_int_equal(conf_load_keyless(f.file, NULL, 0, env_listed, NULL, &c, &e), ERR_NONE);
	assert_int_equal(c->llm.api, CONF_LLM_CHAT);
	conf_free(c);
	folder_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(providers__are_read_with_all_they_say),
		cmocka_unit_test(providers__key_may_stand_in_a_file),
		cmocka_unit_test(providers__need_no_keys_where_no_server_is_asked),
		cmocka_unit_test(providers__say_what_is_wrong_and_where),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
