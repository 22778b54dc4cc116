/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llm.providers, the list of model servers, and llm.roles, who is asked for what and in which order. Without
 * a list the flat options of `llm` and `openai` are the one provider, so that a small installation needs no
 * list; with one they are what an entry leaves open. Secrets are printed as "***" and wiped wherever no model
 * calls are made.
 */
#include "base/base.h"
#include "conf/providers_int.h"

#include <stdlib.h>
#include <string.h>

enum { PRICE_DECIMALS = 6 };

const char *const provider_roles[CONF_ROLES] = {"planner", "executor", "writer"};
const char *const provider_price_names[PROVIDER_PRICES] = {"input", "cached", "cache_write", "output"};

const struct provider_number provider_numbers[PROVIDER_NUMBERS] = {
#define NUMBER(name, timeout, min, max)                                        \
	{                                                                      \
#name, offsetof(struct conf_provider, name), timeout, min, max \
	}
	NUMBER(connect_seconds, true, 1, 600),
	NUMBER(first_byte_seconds, true, 1, 3600),
	NUMBER(idle_seconds, true, 1, 3600),
	NUMBER(call_seconds, true, 1, 86400),
	NUMBER(retries_max, false, 0, 10),
	NUMBER(max_output_tokens, false, 0, 10000000),
	NUMBER(thinking_tokens, false, 1024, 1000000),
	NUMBER(max_concurrency, false, 0, 100000),
	NUMBER(requests_per_minute, false, 0, 10000000),
	NUMBER(tokens_per_minute, false, 0, 1000000000000),
#undef NUMBER
};

const char *const provider_words[PROVIDER_WORDS] = {"json_format", "reasoning_echo", "thinking",
						    "prompt_cache", "text_tool_calls"};
const char *const provider_texts[PROVIDER_TEXTS] = {"base_url",    "model",      "ca_file",         "proxy",
						    "api_version", "key_header", "reasoning_effort"};

int64_t *provider_word_at(struct conf_provider *p, size_t i)
{
	int64_t *const at[PROVIDER_WORDS] = {&p->json_format, &p->reasoning_echo, &p->thinking,
					     &p->prompt_cache, &p->text_tool_calls};
	return at[i];
}

const char **provider_text_at(struct conf_provider *p, size_t i)
{
	const char **const at[PROVIDER_TEXTS] = {&p->base_url,        &p->model,       &p->ca_file,
						 &p->proxy,           &p->api_version, &p->key_header,
						 &p->reasoning_effort};
	return at[i];
}

int64_t *provider_number_at(struct conf_provider *p, const struct provider_number *n)
{
	return (int64_t *)(void *)((char *)p + n->offset);
}

int64_t *provider_price_at(struct conf_prices *p, size_t i)
{
	int64_t *const at[PROVIDER_PRICES] = {&p->input, &p->cached, &p->cache_write, &p->output};
	return at[i];
}

void provider_begin(struct conf_provider *p)
{
	*p = (struct conf_provider){.prices = {NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN}};
	for (size_t i = 0; i < PROVIDER_NUMBERS; i++)
		*provider_number_at(p, &provider_numbers[i]) = NOT_GIVEN;
	for (size_t i = 0; i < PROVIDER_WORDS; i++)
		*provider_word_at(p, i) = NOT_GIVEN;
}

/* --- settling --- */

static void text_default(const char **at, const char *text)
{
	if (!*at)
		*at = xstrdup(text);
}

static void provider_settle(const struct conf *c, struct conf_provider *p)
{
	const int64_t numbers[PROVIDER_NUMBERS] = {c->llm.connect_seconds,
						   c->llm.first_byte_seconds,
						   c->llm.idle_seconds,
						   c->llm.call_seconds,
						   c->llm.retries_max,
						   c->llm.max_output_tokens,
						   c->llm.thinking_tokens,
						   0,
						   0,
						   0};
	const int64_t words[PROVIDER_WORDS] = {(int64_t)c->llm.json_format, (int64_t)c->llm.reasoning_echo,
					       (int64_t)c->llm.thinking, (int64_t)c->llm.prompt_cache,
					       (int64_t)c->llm.text_tool_calls};
	const char *texts[PROVIDER_TEXTS] = {c->providers.listed ? "" : c->openai.base_url,
					     c->llm.model,
					     c->llm.ca_file,
					     c->llm.proxy,
					     c->llm.api_version,
					     c->llm.key_header,
					     c->llm.reasoning_effort};
	for (size_t i = 0; i < PROVIDER_NUMBERS; i++)
		if (*provider_number_at(p, &provider_numbers[i]) == NOT_GIVEN)
			*provider_number_at(p, &provider_numbers[i]) = numbers[i];
	for (size_t i = 0; i < PROVIDER_WORDS; i++)
		if (*provider_word_at(p, i) == NOT_GIVEN)
			*provider_word_at(p, i) = words[i];
	for (size_t i = 0; i < PROVIDER_TEXTS; i++)
		text_default(provider_text_at(p, i), texts[i]);
	text_default(&p->key, "");
}

enum err conf_providers_settle(struct conf *c, struct error *e)
{
	struct conf_providers *all = &c->providers;
	if (!all->listed) {
		all->list = xcalloc(1, sizeof *all->list);
		struct conf_provider *p = &all->list[all->count++];
		provider_begin(p);
		p->name = xstrdup(c->llm.api == CONF_LLM_OFFLINE ? "offline" : "openai");
		p->api = c->llm.api;
		p->key = xstrdup(c->openai.api_key);
	}
	bool money = c->budgets.task_cost || c->budgets.task_max_cost || c->budgets.tenant_day_cost ||
		     c->budgets.service_day_cost;
	for (size_t i = 0; i < all->count; i++) {
		provider_settle(c, &all->list[i]);
		if (money && all->list[i].api != CONF_LLM_OFFLINE && all->list[i].prices.input == NOT_GIVEN)
			return err_set(
				e, ERR_CONFIG,
				"budgets bound money, and the prices of the provider %s are not known: give "
				"its prices in llm.providers",
				all->list[i].name);
	}
	for (size_t role = 0; role < CONF_ROLES; role++) {
		if (all->roles_count[role] > 0)
			continue;
		for (size_t i = 0; i < all->count; i++) {
			if ((all->list[i].api == CONF_LLM_OFFLINE) != (all->list[0].api == CONF_LLM_OFFLINE))
				return err_set(
					e, ERR_CONFIG,
					"llm.providers lists models beside an offline provider: say in "
					"llm.roles which of them the %s uses",
					provider_roles[role]);
			all->roles[role][all->roles_count[role]++] = i;
		}
	}
	return ERR_NONE;
}

struct slice conf_llm_api_text(enum conf_llm_api api)
{
	return conf_word(conf_option_find("llm", 3, "api")->words, (int64_t)api);
}

/* --- letting go, printing --- */

static void text_drop(const char **at, bool secret)
{
	char *text = (char *)(uintptr_t)*at;
	if (text && secret)
		explicit_bzero(text, strlen(text));
	free(text);
	*at = NULL;
}

void conf_providers_forget(struct conf *c)
{
	for (size_t i = 0; i < c->providers.count; i++) {
		struct conf_provider *p = &c->providers.list[i];
		text_drop(&p->key, true);
		p->key = xstrdup("");
		for (size_t k = 0; k < p->headers_count; k++) {
			text_drop(&p->headers[k].name, false);
			text_drop(&p->headers[k].value, true);
		}
		p->headers_count = 0;
	}
}

void conf_providers_release(struct conf *c)
{
	struct conf_providers *all = &c->providers;
	conf_providers_forget(c);
	for (size_t i = 0; i < all->count; i++) {
		struct conf_provider *p = &all->list[i];
		text_drop(&p->name, false);
		for (size_t k = 0; k < PROVIDER_TEXTS; k++)
			text_drop(provider_text_at(p, k), true); /* an address may hold a password */
		text_drop(&p->key, true);
		free(p->headers);
	}
	for (size_t i = 0; i < all->variables_count; i++)
		free(all->variables[i]);
	free(all->variables);
	free(all->list);
	*all = (struct conf_providers){0};
}

static void text_print(struct buf *out, const char *indent, const char *name, const char *text)
{
	struct jw w = JW(out);
	buf_printf(out, "%s%s: ", indent, name);
	jw_text(&w, text);
	buf_add_char(out, '\n');
}

static void word_print(struct buf *out, const char *option, int64_t value)
{
	buf_printf(out, "      %s: ", option);
	buf_add_slice(out, conf_word(conf_option_find("llm", 3, option)->words, value));
	buf_add_char(out, '\n');
}

static void provider_print(struct conf_provider *p, struct buf *out)
{
	text_print(out, "    - ", "name", p->name);
	word_print(out, "api", p->api);
	for (size_t i = 0; i < PROVIDER_TEXTS; i++)
		text_print(out, "      ", provider_texts[i], *provider_text_at(p, i));
	text_print(out, "      ", "key", *p->key ? "***" : "");
	if (p->headers_count > 0)
		buf_add_str(out, "      headers:\n");
	for (size_t i = 0; i < p->headers_count; i++)
		text_print(out, "        ", p->headers[i].name, "***");
	buf_add_str(out, "      timeouts:\n");
	for (size_t i = 0; i < PROVIDER_NUMBERS; i++)
		buf_printf(out, "%s%s: %lld\n", provider_numbers[i].timeout ? "        " : "      ",
			   provider_numbers[i].key, (long long)*provider_number_at(p, &provider_numbers[i]));
	for (size_t i = 0; i < PROVIDER_WORDS; i++)
		word_print(out, provider_words[i], *provider_word_at(p, i));
	for (size_t i = 0; i < PROVIDER_PRICES && p->prices.input != NOT_GIVEN; i++) {
		buf_printf(out, "%s        %s: ", i == 0 ? "      prices:\n" : "", provider_price_names[i]);
		conf_decimal_print(*provider_price_at(&p->prices, i), PRICE_DECIMALS, out);
		buf_add_char(out, '\n');
	}
}

void conf_providers_print(const struct conf *c, struct buf *out)
{
	const struct conf_providers *all = &c->providers;
	buf_add_str(out, "  providers:\n");
	for (size_t i = 0; i < all->count; i++)
		provider_print(&all->list[i], out);
	buf_add_str(out, "  roles:\n");
	for (size_t role = 0; role < CONF_ROLES; role++) {
		buf_printf(out, "    %s: [", provider_roles[role]);
		for (size_t i = 0; i < all->roles_count[role]; i++)
			buf_printf(out, "%s%s", i ? ", " : "", all->list[all->roles[role][i]].name);
		buf_add_str(out, "]\n");
	}
}
