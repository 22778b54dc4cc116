/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading llm.providers and llm.roles from the file: every key is known here and every error has its place.
 * Keys and values of headers are credentials, written as ${NAME} or {file: path} and read once, before any
 * process is forked.
 */
#include "base/base.h"
#include "conf/providers_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 32, PRICE_DIGITS = 6 };

struct reading {
	struct conf *conf;
	const struct conf_tree *tree;
	conf_env_fn *env;
	void *env_arg;
};

static const char *const KEYS[] = {
	"name",
	"api",
	"base_url",
	"model",
	"key",
	"headers",
	"timeouts",
	"retries_max",
	"max_output_tokens",
	"json_format",
	"api_version",
	"key_header",
	"reasoning_effort",
	"reasoning_echo",
	"thinking",
	"thinking_tokens",
	"prompt_cache",
	"text_tool_calls",
	"ca_file",
	"proxy",
	"max_concurrency",
	"requests_per_minute",
	"tokens_per_minute",
	"prices",
};

/* --- secrets --- */

static void variable_note(struct conf_providers *p, const char *name)
{
	for (size_t i = 0; i < p->variables_count; i++)
		if (!strcmp(p->variables[i], name))
			return;
	p->variables = xrealloc(p->variables, (p->variables_count + 1) * sizeof *p->variables);
	p->variables[p->variables_count++] = xstrdup(name);
}

static enum err variable_add(const struct conf_node *n, struct slice name, struct buf *out, void *arg,
			     struct error *e)
{
	struct reading *r = arg;
	char *text = slice_dup(name);
	const char *value = r->env(text, r->env_arg);
	enum err rc = ERR_NONE;
	if (value && *value)
		buf_add_str(out, value);
	else if (!r->conf->providers.keyless)
		rc = conf_error_at(r->tree, n->place, e, "the environment variable %.100s is not set", text);
	variable_note(&r->conf->providers, text);
	free(text);
	return rc;
}

/* A text with ${NAME}s, or {file: path}. */
static enum err secret_read(struct reading *r, const struct conf_node *n, const char **out, struct error *e)
{
	static const char *const FILE_KEYS[] = {"file"};
	struct buf b = BUF_LIMIT(4 * CONF_SECRET_BYTES_MAX);
	const struct conf_node *file = n->kind == CONF_MAP ? provider_member(n, "file") : NULL;
	enum err rc = ERR_NONE;
	buf_grow(&b, 2 * CONF_SECRET_BYTES_MAX); /* so that it does not move and leave a copy behind */
	if (n->kind == CONF_MAP)
		rc = provider_keys_check(r->tree, n, n->key, FILE_KEYS, COUNT_OF(FILE_KEYS), e);
	if (!rc && (n->kind == CONF_LIST || (n->kind == CONF_MAP && (!file || file->kind != CONF_SCALAR))))
		rc = conf_error_at(r->tree, n->place, e, "%s must be a text, or {file: path}", n->key);
	if (!rc && !file)
		rc = conf_expand(r->tree, n, variable_add, r, &b, e);
	else if (!rc && !r->conf->providers.keyless)
		rc = conf_secret_read(r->tree, file, file->text, &b, e);
	if (!rc && !conf_header_value_ok(buf_cstr(&b)))
		rc = conf_error_at(r->tree, n->place, e,
				   "%s is over %d bytes or holds a line break or a control character", n->key,
				   CONF_SECRET_BYTES_MAX);
	if (!rc)
		*out = xstrdup(buf_cstr(&b));
	if (b.data)
		explicit_bzero(b.data, b.cap);
	buf_release(&b);
	return rc;
}

static enum err headers_read(struct reading *r, const struct conf_node *map, struct conf_provider *p,
			     struct error *e)
{
	static const char *const OURS[] = {"content-type",      "content-length", "host",
					   "transfer-encoding", "connection",     "expect"};
	if (!map)
		return ERR_NONE;
	if (map->kind != CONF_MAP)
		return conf_error_at(r->tree, map->place, e, "headers must be a map, is %s",
				     conf_node_kind_name(map));
	p->headers = xcalloc(HEADERS_MAX, sizeof *p->headers);
	for (const struct conf_node *n = map->first; n; n = n->next) {
		if (!conf_header_name_ok(n->key))
			return conf_error_at(r->tree, n->key_place, e, "\"%.60s\" cannot name a header",
					     n->key);
		for (size_t i = 0; i < COUNT_OF(OURS); i++)
			if (slice_eq_nocase(slice_str(n->key), OURS[i]))
				return conf_error_at(r->tree, n->key_place, e,
						     "header %s belongs to the transport and cannot be set",
						     n->key);
		if (p->headers_count == HEADERS_MAX)
			return conf_error_at(r->tree, n->place, e, "more than %d headers", HEADERS_MAX);
		struct conf_env_pair *h = &p->headers[p->headers_count];
		enum err rc = secret_read(r, n, &h->value, e);
		if (rc)
			return rc;
		h->name = xstrdup(n->key);
		p->headers_count++;
	}
	return ERR_NONE;
}

/* --- one provider --- */

static enum err name_check(const struct reading *r, const struct conf_node *entry, const struct conf_node *n,
			   struct error *e)
{
	const struct conf_providers *all = &r->conf->providers;
	if (!n || n->kind != CONF_SCALAR)
		return conf_error_at(r->tree, entry->place, e, "an entry of llm.providers needs a name");
	size_t len = strspn(n->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	if (!len || n->text[len] || len > CONF_PROVIDER_NAME_MAX)
		return conf_error_at(r->tree, n->place, e,
				     "a provider's name must be 1 to %d letters, digits, '_' or '-', is "
				     "\"%.60s\"",
				     CONF_PROVIDER_NAME_MAX, n->text);
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].name && !strcmp(all->list[i].name, n->text))
			return conf_error_at(r->tree, n->place, e, "there is already a provider named %s",
					     n->text);
	return ERR_NONE;
}

static enum err prices_read(const struct reading *r, const struct conf_node *map, struct conf_provider *p,
			    struct error *e)
{
	enum err rc =
		map ? provider_keys_check(r->tree, map, "prices", provider_price_names, PROVIDER_PRICES, e)
		    : ERR_NONE;
	for (size_t i = 0; i < PROVIDER_PRICES && !rc; i++) {
		const struct conf_node *n = provider_member(map, provider_price_names[i]);
		if (n && (n->kind != CONF_SCALAR || n->quoted ||
			  !conf_decimal_parse(n->text, PRICE_DIGITS, provider_price_at(&p->prices, i))))
			rc = conf_error_at(
				r->tree, n->place, e,
				"%s must be a price per million tokens, as 2.50 (at most %d decimals)",
				n->key, PRICE_DIGITS);
	}
	if (!rc && map && (p->prices.input == NOT_GIVEN) != (p->prices.output == NOT_GIVEN))
		rc = conf_error_at(r->tree, map->place, e, "prices need both input and output");
	if (p->prices.cached == NOT_GIVEN)
		p->prices.cached = p->prices.input;
	if (p->prices.cache_write == NOT_GIVEN)
		p->prices.cache_write = p->prices.input;
	return rc;
}

static enum err numbers_read(const struct reading *r, const struct conf_node *entry, struct conf_provider *p,
			     struct error *e)
{
	static const char *const TIMEOUT_KEYS[] = {"connect_seconds", "first_byte_seconds", "idle_seconds",
						   "call_seconds"};
	const struct conf_node *timeouts = provider_member(entry, "timeouts");
	enum err rc = timeouts ? provider_keys_check(r->tree, timeouts, "timeouts", TIMEOUT_KEYS,
						     COUNT_OF(TIMEOUT_KEYS), e)
			       : ERR_NONE;
	for (size_t i = 0; i < PROVIDER_NUMBERS && !rc; i++) {
		const struct provider_number *n = &provider_numbers[i];
		rc = provider_number_read(r->tree, provider_member(n->timeout ? timeouts : entry, n->key),
					  n->min, n->max, provider_number_at(p, n), e);
	}
	return rc;
}

static enum err base_url_check(const struct reading *r, const struct conf_node *entry,
			       const struct conf_provider *p, struct error *e)
{
	const struct conf_option *o = conf_option_find("openai", 6, "base_url");
	const struct conf_node *n = provider_member(entry, "base_url");
	struct conf probe = {0};
	enum err rc = n && *p->base_url ? conf_option_assign(&probe, o, p->base_url, true, e) : ERR_NONE;
	conf_option_release(&probe, o);
	return rc ? err_prefix(e, "%s:%d:%d: base_url", r->tree->file, n->place.line, n->place.column)
		  : ERR_NONE;
}

static enum err provider_read(struct reading *r, const struct conf_node *entry, struct error *e)
{
	struct conf_providers *all = &r->conf->providers;
	enum err rc =
		provider_keys_check(r->tree, entry, "an entry of llm.providers", KEYS, COUNT_OF(KEYS), e);
	if (!rc)
		rc = name_check(r, entry, provider_member(entry, "name"), e);
	if (!rc && all->count == CONF_PROVIDERS_MAX)
		rc = conf_error_at(r->tree, entry->place, e, "more than %d providers", CONF_PROVIDERS_MAX);
	if (rc)
		return rc;
	struct conf_provider *p = &all->list[all->count++];
	provider_begin(p);
	const struct conf_node *key = provider_member(entry, "key");
	int64_t api = CONF_LLM_CHAT;
	rc = provider_text_read(r->tree, provider_member(entry, "name"), &p->name, e);
	if (!rc)
		rc = provider_word_read(r->tree, provider_member(entry, "api"), "api", &api, e);
	if (!rc && api == CONF_LLM_AUTO)
		rc = conf_error_at(r->tree, entry->place, e, "the api of provider %s cannot be auto",
				   p->name);
	p->api = (enum conf_llm_api)api;
	/* "" is a value of some, as of proxy. */
	for (size_t i = 0; i < PROVIDER_TEXTS && !rc; i++)
		rc = provider_text_read(r->tree, conf_node_find(entry, provider_texts[i]),
					provider_text_at(p, i), e);
	if (!rc)
		rc = base_url_check(r, entry, p, e);
	if (!rc && key)
		rc = secret_read(r, key, &p->key, e);
	if (!rc)
		rc = headers_read(r, provider_member(entry, "headers"), p, e);
	for (size_t i = 0; i < PROVIDER_WORDS && !rc; i++)
		rc = provider_word_read(r->tree, provider_member(entry, provider_words[i]), provider_words[i],
					provider_word_at(p, i), e);
	if (!rc)
		rc = numbers_read(r, entry, p, e);
	if (!rc)
		rc = prices_read(r, provider_member(entry, "prices"), p, e);
	if (!rc && p->api != CONF_LLM_OFFLINE && !p->model)
		rc = conf_error_at(r->tree, entry->place, e, "provider %s needs a model", p->name);
	return rc;
}

/* --- roles --- */

static enum err role_add(const struct reading *r, size_t role, const struct conf_node *n, struct error *e)
{
	struct conf_providers *all = &r->conf->providers;
	const char *names[CONF_PROVIDERS_MAX];
	size_t count = all->roles_count[role], i;
	if (n->kind != CONF_SCALAR)
		return conf_error_at(r->tree, n->place, e, "%s must name providers, is %s",
				     provider_roles[role], conf_node_kind_name(n));
	for (i = 0; i < all->count; i++)
		names[i] = all->list[i].name;
	for (i = 0; i < all->count && strcmp(names[i], n->text); i++)
		;
	if (i == all->count) {
		conf_error_at(r->tree, n->place, e, "%s: there is no provider named \"%.60s\"",
			      provider_roles[role], n->text);
		conf_suggest(e, n->text, names, all->count);
		return ERR_CONFIG;
	}
	for (size_t k = 0; k < count; k++)
		if (all->roles[role][k] == i)
			return conf_error_at(r->tree, n->place, e, "%s names %s twice", provider_roles[role],
					     n->text);
	all->roles[role][count] = i;
	all->roles_count[role]++;
	/* The rules plan and answer otherwise than models do, and are told other things. */
	if (count > 0 && (all->list[i].api == CONF_LLM_OFFLINE) !=
				 (all->list[all->roles[role][0]].api == CONF_LLM_OFFLINE))
		return conf_error_at(r->tree, n->place, e,
				     "%s: an offline provider cannot stand in one list with models",
				     provider_roles[role]);
	return ERR_NONE;
}

static enum err roles_read(const struct reading *r, const struct conf_node *map, struct error *e)
{
	enum err rc = map ? provider_keys_check(r->tree, map, "llm.roles", provider_roles, CONF_ROLES, e)
			  : ERR_NONE;
	for (size_t role = 0; role < CONF_ROLES && !rc; role++) {
		const struct conf_node *n = provider_member(map, provider_roles[role]);
		if (n && n->kind == CONF_LIST && !n->first)
			rc = conf_error_at(r->tree, n->place, e, "%s must name a provider",
					   provider_roles[role]);
		else if (n && n->kind == CONF_LIST)
			for (const struct conf_node *m = n->first; m && !rc; m = m->next)
				rc = role_add(r, role, m, e);
		else if (n)
			rc = role_add(r, role, n, e);
	}
	return rc;
}

enum err conf_providers_read(struct conf *c, const struct conf_tree *t, const struct conf_node *section,
			     conf_env_fn *env, void *env_arg, struct error *e)
{
	struct reading r = {c, t, env, env_arg};
	const struct conf_node *list = provider_member(section, "providers"),
			       *roles = provider_member(section, "roles");
	if (!list && roles)
		return conf_error_at(t, roles->key_place, e, "llm.roles needs llm.providers");
	if (!list)
		return ERR_NONE;
	if (list->kind != CONF_LIST || !list->first)
		return conf_error_at(t, list->place, e, "llm.providers must be a list of providers, is %s",
				     list->kind == CONF_LIST ? "empty" : conf_node_kind_name(list));
	c->providers.list = xcalloc(CONF_PROVIDERS_MAX, sizeof *c->providers.list);
	c->providers.listed = true;
	for (const struct conf_node *n = list->first; n; n = n->next) {
		enum err rc = provider_read(&r, n, e);
		if (rc)
			return rc;
	}
	return roles_read(&r, roles, e);
}
