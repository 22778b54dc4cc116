/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llm.providers, the list of model servers, and llm.roles, who is asked for what and in which order. Without a
 * list the flat options of `llm` and `openai` are the one provider, so that a small installation needs no
 * list; with one they are what an entry leaves open. Secrets are printed as "***" and wiped wherever no model
 * calls are made.
 */
#include "base/base.h"
#include "conf/providers_int.h"

#include <stdlib.h>
#include <string.h>

const char *const provider_roles[CONF_ROLES] = {"planner", "executor", "writer"};
const char *const provider_price_names[PROVIDER_PRICES] = {"input", "cached", "output"};

const struct provider_number provider_numbers[PROVIDER_NUMBERS] = {
#define NUMBER(name, timeout, min, max) {#name, offsetof(struct conf_provider, name), timeout, min, max}
	NUMBER(connect_seconds, true, 1, 600),
	NUMBER(first_byte_seconds, true, 1, 3600),
	NUMBER(idle_seconds, true, 1, 3600),
	NUMBER(call_seconds, true, 1, 86400),
	NUMBER(retries_max, false, 0, 10),
	NUMBER(max_output_tokens, false, 0, 10000000),
	NUMBER(max_concurrency, false, 0, 100000),
	NUMBER(requests_per_minute, false, 0, 10000000),
	NUMBER(tokens_per_minute, false, 0, 1000000000000),
#undef NUMBER
};

int64_t *provider_number_at(struct conf_provider *p, const struct provider_number *n)
{
	return (int64_t *)(void *)((char *)p + n->offset);
}

int64_t *provider_price_at(struct conf_prices *p, size_t i)
{
	int64_t *const at[PROVIDER_PRICES] = {&p->input, &p->cached, &p->output};
	return at[i];
}

void provider_begin(struct conf_provider *p)
{
	*p = (struct conf_provider){.json_format = NOT_GIVEN, .prices = {NOT_GIVEN, NOT_GIVEN, NOT_GIVEN}};
	for (size_t i = 0; i < PROVIDER_NUMBERS; i++)
		*provider_number_at(p, &provider_numbers[i]) = NOT_GIVEN;
}

/* --- settling --- */

static void text_default(const char **at, const char *text)
{
	if (!*at)
		*at = xstrdup(text);
}

static void provider_settle(const struct conf *c, struct conf_provider *p)
{
	const int64_t defaults[PROVIDER_NUMBERS] = {
		c->llm.connect_seconds, c->llm.first_byte_seconds, c->llm.idle_seconds, c->llm.call_seconds,
		c->llm.retries_max,     c->llm.max_output_tokens,  0,                   0,
		0};
	for (size_t i = 0; i < PROVIDER_NUMBERS; i++)
		if (*provider_number_at(p, &provider_numbers[i]) == NOT_GIVEN)
			*provider_number_at(p, &provider_numbers[i]) = defaults[i];
	if (p->json_format == NOT_GIVEN)
		p->json_format = (int64_t)c->llm.json_format;
	text_default(&p->base_url, c->openai.base_url);
	text_default(&p->model, c->llm.model);
	text_default(&p->key, "");
	text_default(&p->ca_file, c->llm.ca_file);
	text_default(&p->proxy, c->llm.proxy);
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
	for (size_t i = 0; i < all->count; i++)
		provider_settle(c, &all->list[i]);
	for (size_t role = 0; role < CONF_ROLES; role++) {
		if (all->roles_count[role] > 0)
			continue;
		for (size_t i = 0; i < all->count; i++) {
			if ((all->list[i].api == CONF_LLM_OFFLINE) != (all->list[0].api == CONF_LLM_OFFLINE))
				return err_set(e, ERR_CONFIG,
					       "llm.providers lists models beside an offline provider: say in "
					       "llm.roles which of them the %s uses",
					       provider_roles[role]);
			all->roles[role][all->roles_count[role]++] = i;
		}
	}
	return ERR_NONE;
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
		text_drop(&p->base_url, true); /* an address may hold a password */
		text_drop(&p->model, false);
		text_drop(&p->ca_file, false);
		text_drop(&p->proxy, true);
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

static void provider_print(const struct conf_provider *p, struct buf *out)
{
	struct conf_prices prices = p->prices;
	text_print(out, "    - ", "name", p->name);
	word_print(out, "api", p->api);
	text_print(out, "      ", "base_url", p->base_url);
	text_print(out, "      ", "model", p->model);
	text_print(out, "      ", "key", *p->key ? "***" : "");
	if (p->headers_count > 0)
		buf_add_str(out, "      headers:\n");
	for (size_t i = 0; i < p->headers_count; i++)
		text_print(out, "        ", p->headers[i].name, "***");
	buf_add_str(out, "      timeouts:\n");
	for (size_t i = 0; i < PROVIDER_NUMBERS; i++)
		buf_printf(out, "%s%s: %lld\n", provider_numbers[i].timeout ? "        " : "      ", provider_numbers[i].key,
			   (long long)*provider_number_at((struct conf_provider *)(uintptr_t)p, &provider_numbers[i]));
	word_print(out, "json_format", p->json_format);
	text_print(out, "      ", "ca_file", p->ca_file);
	text_print(out, "      ", "proxy", p->proxy);
	for (size_t i = 0; i < PROVIDER_PRICES && prices.input != NOT_GIVEN; i++)
		buf_printf(out, "%s        %s: %lld.%06lld\n", i == 0 ? "      prices:\n" : "", provider_price_names[i],
			   (long long)*provider_price_at(&prices, i) / 1000000, (long long)*provider_price_at(&prices, i) % 1000000);
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
