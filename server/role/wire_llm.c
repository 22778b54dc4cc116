/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to the model providers, and who asks which. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND_MS = 1000 };

_Static_assert((int)CONF_PROVIDERS_MAX == (int)LLM_PROVIDERS_MAX && (int)CONF_ROLES == (int)LLM_ROLES,
	       "conf and llm count alike");

static const enum llm_api API[] = {
	[CONF_LLM_OFFLINE] = LLM_OFFLINE,
	[CONF_LLM_CHAT] = LLM_CHAT,
	[CONF_LLM_RESPONSES] = LLM_RESPONSES,
	[CONF_LLM_MESSAGES] = LLM_MESSAGES,
};

static const char *given(const char *text)
{
	return *text != '\0' ? text : NULL;
}

/* "Name: value" as the llm room takes them; NULL: none. */
static char **headers_of(const struct conf_provider *p)
{
	if (p->headers_count == 0)
		return NULL;
	char **lines = xcalloc(p->headers_count + 1, sizeof *lines);
	for (size_t i = 0; i < p->headers_count; i++)
		lines[i] = xasprintf("%s: %s", p->headers[i].name, p->headers[i].value);
	return lines;
}

static void provider_wire(const struct conf *c, const struct conf_provider *p, struct llm_options *o)
{
	*o = (struct llm_options){
		.name = p->name,
		.api = API[p->api],
		.base_url = p->base_url,
		.api_version = p->api_version,
		.key_header = p->key_header,
		.reasoning_effort = p->reasoning_effort,
		.thinking_tokens = (int)p->thinking_tokens,
		.api_key = p->key,
		.model = p->model,
		.headers = (const char *const *)headers_of(p),
		.ca_file = given(p->ca_file),
		.proxy = given(p->proxy),
		.connect_ms = p->connect_seconds * SECOND_MS,
		.first_byte_ms = p->first_byte_seconds * SECOND_MS,
		.idle_ms = p->idle_seconds * SECOND_MS,
		.call_ms_max = p->call_seconds * SECOND_MS,
		.retries_max = (int)p->retries_max,
		.retry_wait_ms_max = c->llm.retry_wait_seconds * SECOND_MS,
		.max_output_tokens = (int)p->max_output_tokens,
		.response_bytes_max = (size_t)c->llm.response_bytes,
		.concurrency_max = (int)c->llm.concurrency_max,
		.prices = {p->prices.input, p->prices.cached, p->prices.cache_write, p->prices.output}};
	o->reasoning_echo = p->reasoning_echo == CONF_ECHO_REASONING ? LLM_ECHO_REASONING
			    : p->reasoning_echo == CONF_ECHO_OFF     ? LLM_ECHO_OFF
								     : LLM_ECHO_REASONING_CONTENT;
	o->thinking = p->thinking == CONF_THINKING_ADAPTIVE ? LLM_THINKING_ADAPTIVE
		      : p->thinking == CONF_THINKING_BUDGET ? LLM_THINKING_BUDGET
		      : p->thinking == CONF_THINKING_OFF    ? LLM_THINKING_OFF
							    : LLM_THINKING_AUTO;
	o->prompt_cache = p->prompt_cache == CONF_CACHE_ON    ? LLM_CACHE_ON
			  : p->prompt_cache == CONF_CACHE_OFF ? LLM_CACHE_OFF
							      : LLM_CACHE_AUTO;
	o->text_tool_calls = p->text_tool_calls == CONF_ON;
	o->json_format = p->json_format == CONF_FORMAT_SCHEMA   ? LLM_FORMAT_SCHEMA
			 : p->json_format == CONF_FORMAT_OBJECT ? LLM_FORMAT_OBJECT
								: LLM_FORMAT_NONE;
}

_Static_assert((int)CONF_PROVIDERS_MAX <= (int)STORE_GATES_MAX, "a gate for each provider");

void wire_gates(const struct conf *c, struct gate_limits out[STORE_GATES_MAX])
{
	for (size_t i = 0; i < c->providers.count; i++) {
		const struct conf_provider *p = &c->providers.list[i];
		out[i] = (struct gate_limits){.concurrency_max = (uint32_t)p->max_concurrency,
					      .requests_per_minute = p->requests_per_minute,
					      .tokens_per_minute = p->tokens_per_minute,
					      .breaker_failures = (uint32_t)c->llm.breaker_failures,
					      .breaker_ms = c->llm.breaker_seconds * SECOND_MS};
	}
}

static unsigned roles_of(const struct conf_providers *all, size_t provider)
{
	unsigned roles = 0;
	for (size_t role = 0; role < CONF_ROLES; role++)
		for (size_t i = 0; i < all->roles_count[role]; i++)
			if (all->roles[role][i] == provider)
				roles |= 1u << role;
	return roles;
}

struct http_model *wire_models(const struct conf *c)
{
	struct http_model *list = xcalloc(c->providers.count + 1, sizeof *list);
	for (size_t i = 0; i < c->providers.count; i++) {
		const struct conf_provider *p = &c->providers.list[i];
		bool offline = p->api == CONF_LLM_OFFLINE;
		char *shown = url_shown(p->base_url);
		list[i] = (struct http_model){.provider = p->name,
					      .model = offline ? "builtin-rules" : p->model,
					      .roles = roles_of(&c->providers, i)};
		struct slice api = conf_llm_api_text(p->api);
		snprintf(list[i].api, sizeof list[i].api, "%.*s", (int)api.len, api.ptr);
		snprintf(list[i].base_url, sizeof list[i].base_url, "%s", offline ? "" : shown);
		free(shown);
	}
	return list;
}

void wire_llm(const struct conf *c, struct llm_setup *s)
{
	const struct conf_providers *all = &c->providers;
	struct llm_options *list = xcalloc(all->count, sizeof *list);
	*s = (struct llm_setup){.providers = list, .providers_count = all->count};
	for (size_t i = 0; i < all->count; i++)
		provider_wire(c, &all->list[i], &list[i]);
	for (size_t role = 0; role < LLM_ROLES; role++) {
		s->roles_count[role] = all->roles_count[role];
		for (size_t i = 0; i < all->roles_count[role]; i++)
			s->roles[role][i] = all->roles[role][i];
	}
}

void wire_cassette(const struct conf *c, struct llm_cassette_options *o)
{
	*o = (struct llm_cassette_options){.bytes_max = (size_t)c->llm.cassette_bytes,
					   .plain = agent_prompt_plain};
}

void wire_llm_release(struct llm_setup *s)
{
	for (size_t i = 0; i < s->providers_count; i++) {
		char **lines = (char **)(uintptr_t)s->providers[i].headers;
		for (char **l = lines; l != NULL && *l != NULL; l++) {
			explicit_bzero(*l, strlen(*l));
			free(*l);
		}
		free(lines);
	}
	free((void *)(uintptr_t)s->providers);
	*s = (struct llm_setup){0};
}
