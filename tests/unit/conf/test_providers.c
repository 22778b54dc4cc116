/* SPDX-License-Identifier: Apache-2.0 */
/* The list of model providers once it is settled: the flat options as one, roles, and what may be shown. */
#include "conf_test.h"
#include "load_text.h"

static void providers__without_a_list_are_the_flat_options(void **state)
{
	struct conf *c;
	struct error e;
	(void)state;
	assert_int_equal(
		loaded("openai: {api_key: k1}\nllm: {model: m9, retries_max: 4}", NULL, 0, NULL, &c, &e),
		ERR_NONE);
	assert_int_equal(c->providers.count, 1);
	const struct conf_provider *p = &c->providers.list[0];
	assert_string_equal(p->name, "openai");
	assert_int_equal(p->api, CONF_LLM_CHAT);
	assert_string_equal(p->key, "k1");
	assert_string_equal(p->model, "m9");
	assert_int_equal(p->retries_max, 4);
	assert_int_equal(p->prices.output, -1);
	for (size_t role = 0; role < CONF_ROLES; role++)
		assert_int_equal(c->providers.roles_count[role], 1);
	conf_free(c);
	assert_int_equal(loaded("", NULL, 0, NULL, &c, &e), ERR_NONE);
	assert_string_equal(c->providers.list[0].name, "offline");
	assert_int_equal(c->providers.list[0].api, CONF_LLM_OFFLINE);
	conf_free(c);
}

static void providers__mixed_with_offline_need_roles(void **state)
{
	(void)state;
	assert_refused(
		"llm: {providers: [{name: a, model: m}, {name: o, api: offline}]}",
		"llm.providers lists models beside an offline provider: say in llm.roles which of them "
		"the planner uses");
}

static void providers__print_no_secret_and_load_again(void **state)
{
	struct conf *c, *again;
	struct error e;
	struct buf b = BUF_INIT;
	(void)state;
	assert_int_equal(
		loaded("llm:\n  providers:\n  - {name: a, model: m, key: hush1, headers: {X-A: hush2}, "
		       "prices: {input: 0.5, output: 12.25}}\n  - {name: b, model: n}\n"
		       "  roles: {writer: b}\n",
		       NULL, 0, NULL, &c, &e),
		ERR_NONE);
	conf_print_effective(c, &b);
	assert_null(strstr(buf_cstr(&b), "hush"));
	assert_non_null(strstr(buf_cstr(&b), "      key: \"***\"\n"));
	assert_non_null(strstr(buf_cstr(&b), "        output: 12.25\n"));
	assert_non_null(strstr(buf_cstr(&b), "    planner: [a, b]\n"));
	if (loaded(buf_cstr(&b), NULL, 0, NULL, &again, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	assert_int_equal(again->providers.count, 2);
	assert_int_equal(again->providers.list[0].prices.output, 12250000);
	assert_int_equal(again->providers.roles[2][0], 1);
	conf_free(again);
	conf_forget_secrets(c);
	assert_string_equal(c->providers.list[0].key, "");
	assert_int_equal(c->providers.list[0].headers_count, 0);
	conf_free(c);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(providers__without_a_list_are_the_flat_options),
		cmocka_unit_test(providers__mixed_with_offline_need_roles),
		cmocka_unit_test(providers__print_no_secret_and_load_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
