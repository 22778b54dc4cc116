/* SPDX-License-Identifier: Apache-2.0 */
/* A provider as it is made of its options: what it owns, where it asks, what may be shown of it. */
#include "llm/llm.h"
#include "llm/llm_int.h"
#include "call_world.h"

#include <string.h>

static void provider__owns_its_texts_and_shows_no_secret(void **state)
{
	char url[] = "https://user:pw@h.example/v1?sig=secret", key[] = "sk-secret-key-1", model[] = "m 1";
	struct llm_options o = options_of(url);
	struct loop *l = loop_new();
	(void)state;
	o.api_key = key;
	o.model = model;
	struct llm_provider *p = llm_provider_new(l, &o);
	memset(url, 'x', sizeof url - 1);
	memset(key, 'x', sizeof key - 1);
	memset(model, 'x', sizeof model - 1);
	assert_string_equal(p->options.name, "openai");
	assert_string_equal(p->options.model, "m 1");
	assert_string_equal(p->options.api_key, "sk-secret-key-1");
	assert_non_null(strstr(p->url, "/v1/chat/completions?sig=secret"));
	assert_null(strstr(p->shown, "secret"));
	assert_null(strstr(p->shown, "pw"));
	assert_non_null(strstr(p->shown, "h.example"));
	llm_provider_free(p);
	loop_free(l);
}

static void provider__of_the_rules_asks_nobody(void **state)
{
	struct loop *l = loop_new();
	(void)state;
	struct llm_provider *p = llm_provider_new(l, &(struct llm_options){.api = LLM_OFFLINE});
	assert_string_equal(p->options.name, "offline");
	assert_null(p->wire);
	assert_null(p->fetch);
	assert_null(p->url);
	llm_provider_free(p);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provider__owns_its_texts_and_shows_no_secret),
		cmocka_unit_test(provider__of_the_rules_asks_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
