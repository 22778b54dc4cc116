/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What resources/list, resources/templates/list and prompts/list brought, page by page. Each entry is looked
 * at by itself: one that lacks what it is asked for by, has a member of the wrong type, or comes twice is
 * left out alone, with the reason. Entries are kept as the bytes the server sent, so that members nobody here
 * knows get through. Bounded in number and in bytes; what comes beyond is dropped, and the list says so.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 8 << 10 };

static const struct {
	const char *member, *key, *what;
	bool key_is_uri;
} kinds[ITEM_KINDS] = {
	[MCP_RESOURCES] = {"resources", "uri", "resource", true},
	[MCP_RESOURCE_TEMPLATES] = {"resourceTemplates", "uriTemplate", "resource template", false},
	[MCP_PROMPTS] = {"prompts", "name", "prompt", false},
};

void item_list_release(struct item_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->items[i].key);
		buf_release(&l->items[i].raw);
	}
	faults_release(&l->faults);
	free(l->items);
	*l = (struct item_list){.kind = l->kind};
}

const struct item *item_find(const struct item_list *l, const char *key)
{
	uint64_t hash = hash64(key, strlen(key));
	for (size_t i = 0; i < l->count; i++) {
		if (l->items[i].hash == hash && strcmp(l->items[i].key, key) == 0)
			return &l->items[i];
	}
	return NULL;
}

bool uri_has_scheme(const char *uri)
{
	size_t n = strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	return n > 0 && uri[n] == ':' && !strchr("0123456789+-.", uri[0]);
}

/* --- one entry --- */

static enum err text_check(const struct json *entry, const char *member, struct error *e)
{
	const struct json *j = json_get(entry, member);
	if (j && !json_text(j))
		return err_set(e, ERR_UPSTREAM, "%s is %s, not a string", member,
			       json_type_name(json_type(j)));
	return ERR_NONE;
}

static enum err arguments_check(const struct json *arguments, struct error *e)
{
	if (arguments && !json_is(arguments, JSON_ARRAY))
		return err_set(e, ERR_UPSTREAM, "arguments is %s, not an array",
			       json_type_name(json_type(arguments)));
	for (const struct json *a = json_first(arguments); a; a = json_next(a)) {
		if (!json_get_text(a, "name", NULL))
			return err_set(e, ERR_UPSTREAM, "an argument has no name");
	}
	return ERR_NONE;
}

static enum err key_check(const struct item_list *l, const char *key, struct error *e)
{
	const char *name = kinds[l->kind].key;
	if (!key || !*key)
		return err_set(e, ERR_UPSTREAM, "%s is missing", name);
	if (strlen(key) > KEY_BYTES_MAX)
		return err_set(e, ERR_UPSTREAM, "%s is longer than %d bytes", name, KEY_BYTES_MAX);
	if (kinds[l->kind].key_is_uri && !uri_has_scheme(key))
		return err_set(e, ERR_UPSTREAM, "%s is no URI: it has no scheme", name);
	if (item_find(l, key))
		return err_set(e, ERR_UPSTREAM, "another %s of this server has the same %s",
			       kinds[l->kind].what, name);
	return ERR_NONE;
}

static enum err entry_check(const struct item_list *l, const struct json *entry, struct error *e)
{
	static const char *const texts[] = {"uri", "uriTemplate", "name", "title", "description", "mimeType"};
	if (!json_is(entry, JSON_OBJECT))
		return err_set(e, ERR_UPSTREAM, "the entry is %s, not an object",
			       json_type_name(json_type(entry)));
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (text_check(entry, texts[i], e) != ERR_NONE)
			return e->code;
	}
	if (key_check(l, json_get_text(entry, kinds[l->kind].key, NULL), e) != ERR_NONE)
		return e->code;
	if (!json_get(entry, "name"))
		return err_set(e, ERR_UPSTREAM, "name is missing");
	return l->kind == MCP_PROMPTS ? arguments_check(json_get(entry, "arguments"), e) : ERR_NONE;
}

/* Takes raw. */
static void entry_keep(struct item_list *l, const char *key, struct buf *raw)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->items = xrealloc(l->items, l->cap * sizeof(*l->items));
	}
	l->items[l->count++] = (struct item){xstrdup(key), hash64(key, strlen(key)), *raw};
	l->bytes += raw->len;
	*raw = BUF_INIT;
}

static void entry_add(struct item_list *l, struct slice text)
{
	struct error e = {0};
	struct buf raw = BUF_INIT;
	buf_add_slice(&raw, text);
	escapes_repair(raw.data, raw.len);
	struct json *entry = json_parse(raw.data, raw.len, 0, &e);
	const char *key = json_get_text(entry, kinds[l->kind].key, NULL);
	if (entry && entry_check(l, entry, &e) == ERR_NONE)
		entry_keep(l, key, &raw);
	else
		faults_add(&l->faults, key ? key : json_get_text(entry, "name", "?"), e.msg);
	json_free(entry);
	buf_release(&raw);
}

enum err item_list_add(struct item_list *l, struct slice result, size_t count_max, size_t bytes_max,
		       struct error *e)
{
	struct scan_iter it;
	struct slice name, value, array = scan_member(result, kinds[l->kind].member);
	if (!scan_open(array, &it) || it.object)
		return err_set(e, ERR_UPSTREAM, "the answer has no array \"%s\"", kinds[l->kind].member);
	while (!l->truncated && scan_next(&it, &name, &value)) {
		l->truncated = l->count >= count_max || value.len > bytes_max - l->bytes;
		if (!l->truncated)
			entry_add(l, value);
	}
	return ERR_NONE;
}
