/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of model APIs: one row each, and what is the same for all that follows from a row: the address of
 * a call and its headers. To add an API is to add a row with its encoder and decoder; nobody else knows one
 * by name. Pure.
 *
 * Addresses are forgiving, since people paste what they have: with or without a slash, a version or the whole
 * path at the end, with a query (Azure's api-version), with the model's name within ("{model}", Azure's
 * deployments).
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct llm_wire wires[] = {
	{.api = LLM_CHAT,
	 .name = "chat",
	 .title = "Chat Completions",
	 .base_default = "https://api.openai.com/v1",
	 .version_path = "",
	 .path = "/chat/completions",
	 .key_header = "Authorization",
	 .format = {"response_format"},
	 .encode = chat_encode,
	 .peek = chat_peek,
	 .take = chat_take,
	 .finish = chat_finish},
	{.api = LLM_RESPONSES,
	 .name = "responses",
	 .title = "Responses",
	 .base_default = "https://api.openai.com/v1",
	 .version_path = "",
	 .path = "/responses",
	 .key_header = "Authorization",
	 .format = {"text"},
	 .event_prefixes = {"response."},
	 .encode = responses_encode,
	 .peek = responses_peek,
	 .take = responses_take,
	 .finish = responses_finish},
	{.api = LLM_MESSAGES,
	 .name = "messages",
	 .title = "Messages",
	 .base_default = "https://api.anthropic.com",
	 .version_path = "/v1",
	 .path = "/messages",
	 .key_header = "x-api-key",
	 .format = {"output_config", "format"},
	 .version_header = "anthropic-version",
	 .version_default = "2023-06-01",
	 .event_prefixes = {"message_", "content_block_"},
	 .encode = messages_encode,
	 .peek = messages_peek,
	 .take = messages_take,
	 .finish = messages_finish},
};

const struct llm_wire *llm_wire_of(enum llm_api api)
{
	for (size_t i = 0; i < COUNT_OF(wires); i++) {
		if (wires[i].api == api)
			return &wires[i];
	}
	return NULL;
}

void llm_wire_unformat(const struct llm_wire *w, struct buf *request)
{
	struct json *j = json_parse(request->data, request->len, JSON_DEPTH_MAX, NULL);
	ensure(j != NULL); /* ours */
	struct json *outer = (struct json *)(uintptr_t)json_get(j, w->format[0]);
	if (w->format[1] != NULL && outer != NULL)
		json_remove(outer, w->format[1]);
	if (w->format[1] == NULL || json_count(outer) == 0)
		json_remove(j, w->format[0]);
	buf_reset(request);
	json_print(j, request);
	json_free(j);
}

/* --- the address --- */

static bool ends_with(struct slice s, const char *end)
{
	size_t n = strlen(end);
	return n > 0 && s.len >= n && memcmp(s.ptr + s.len - n, end, n) == 0;
}

/* One segment of a path (RFC 3986 section 3.3): a model's name may hold slashes and colons. */
static void put_encoded(struct buf *b, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || strchr("-._~", *p) != NULL;
		if (plain)
			buf_add_char(b, *p);
		else
			buf_printf(b, "%%%02X", (unsigned char)*p);
	}
}

static void put_template(struct buf *b, struct slice s, const char *model)
{
	static const char mark[] = "{model}";
	const size_t mark_len = sizeof(mark) - 1;
	for (size_t i = 0; i < s.len; i++) {
		if (s.len - i >= mark_len && memcmp(s.ptr + i, mark, mark_len) == 0) {
			put_encoded(b, model);
			i += mark_len - 1;
		} else {
			buf_add_char(b, s.ptr[i]);
		}
	}
}

char *llm_wire_url(const struct llm_wire *w, const struct llm_options *o)
{
	const char *base = o->base_url != NULL && o->base_url[0] != '\0' ? o->base_url : w->base_default;
	struct slice address = {base, strcspn(base, "?#")};
	const char *query = base[address.len] == '?' ? base + address.len : "";
	struct slice query_part = {query, strcspn(query, "#")};
	while (address.len > 0 && address.ptr[address.len - 1] == '/')
		address.len--;
	struct buf b = BUF_INIT;
	put_template(&b, address, o->model != NULL ? o->model : "");
	if (!ends_with(address, w->path)) {
		if (!ends_with(address, w->version_path))
			buf_add_str(&b, w->version_path);
		buf_add_str(&b, w->path);
	}
	put_template(&b, query_part, o->model != NULL ? o->model : "");
	return buf_take(&b);
}

void llm_wire_origin(const struct llm_wire *w, const struct llm_options *o, char out[LLM_ORIGIN_SIZE])
{
	char hex[SHA256_HEX_SIZE];
	char *url = llm_wire_url(w, o);
	char *both = xasprintf("%s %s", url, o->model != NULL ? o->model : "");
	sha256_hex(both, strlen(both), hex);
	snprintf(out, LLM_ORIGIN_SIZE, "%s-%.16s", w->name, hex);
	free(both);
	free(url);
}

/* --- headers --- */

struct header_list {
	char **lines;
	size_t count;
};

static void header_add(struct header_list *l, char *line)
{
	l->lines = xrealloc(l->lines, (l->count + 2) * sizeof(*l->lines));
	l->lines[l->count++] = line;
	l->lines[l->count] = NULL;
}

static bool is_named(const char *line, const char *name)
{
	size_t n = strlen(name);
	return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

/* Does the operator's list say it already? Then that stands. */
static bool is_given(const struct llm_options *o, const char *name)
{
	for (const char *const *h = o->headers; h != NULL && *h != NULL; h++) {
		if (is_named(*h, name))
			return true;
	}
	return false;
}

static bool is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

char **llm_wire_headers(const struct llm_wire *w, const struct llm_options *o)
{
	struct header_list l = {0};
	const char *key_header = is_set(o->key_header) ? o->key_header : w->key_header;
	header_add(&l, xstrdup("Content-Type: application/json"));
	header_add(&l, xstrdup("Accept: text/event-stream, application/json"));
	if (is_set(o->api_key) && !is_given(o, key_header))
		header_add(&l, xasprintf("%s: %s%s", key_header,
					 strcasecmp(key_header, "Authorization") == 0 ? "Bearer " : "",
					 o->api_key));
	if (w->version_header != NULL && !is_given(o, w->version_header))
		header_add(&l, xasprintf("%s: %s", w->version_header,
					 is_set(o->api_version) ? o->api_version : w->version_default));
	for (const char *const *h = o->headers; h != NULL && *h != NULL; h++)
		header_add(&l, xstrdup(*h));
	return l.lines;
}

void llm_headers_free(char **headers)
{
	for (char **h = headers; h != NULL && *h != NULL; h++) {
		explicit_bzero(*h, strlen(*h));
		free(*h);
	}
	free(headers);
}

int64_t llm_output_max(const struct llm_options *o, const struct llm_request *r)
{
	int64_t ours = o->max_output_tokens;
	return r->output_tokens_max > 0 && (ours == 0 || r->output_tokens_max < ours) ? r->output_tokens_max
										      : ours;
}
