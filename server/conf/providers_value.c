/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of an entry of llm.providers, each with its place in the file when it is none: texts, whole numbers,
 * words of an option, and which keys a map may have. What is absent leaves what was there.
 */
#include "base/base.h"
#include "conf/providers_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct conf_node *provider_member(const struct conf_node *map, const char *key)
{
	const struct conf_node *n = map ? conf_node_find(map, key) : NULL;
	return n && !conf_node_is_null(n) ? n : NULL;
}

enum err provider_keys_check(const struct conf_tree *t, const struct conf_node *map, const char *what,
			     const char *const *keys, size_t count, struct error *e)
{
	if (map->kind != CONF_MAP)
		return conf_error_at(t, map->place, e, "%s must be a map, is %s", what,
				     conf_node_kind_name(map));
	for (const struct conf_node *n = map->first; n; n = n->next) {
		bool known = false;
		for (size_t i = 0; i < count && !known; i++)
			known = !strcmp(n->key, keys[i]);
		if (known)
			continue;
		conf_error_at(t, n->key_place, e, "%s has no option %.60s", what, n->key);
		conf_suggest(e, n->key, keys, count);
		return ERR_CONFIG;
	}
	return ERR_NONE;
}

enum err provider_text_read(const struct conf_tree *t, const struct conf_node *n, const char **out,
			    struct error *e)
{
	if (!n || conf_node_is_null(n))
		return ERR_NONE;
	if (n->kind != CONF_SCALAR)
		return conf_error_at(t, n->place, e, "%s must be text, is %s", n->key,
				     conf_node_kind_name(n));
	free((char *)(uintptr_t)*out);
	*out = xstrdup(n->text);
	return ERR_NONE;
}

enum err provider_number_read(const struct conf_tree *t, const struct conf_node *n, int64_t min, int64_t max,
			      int64_t *out, struct error *e)
{
	if (!n)
		return ERR_NONE;
	const char *text = n->kind == CONF_SCALAR && !n->quoted ? n->text : "";
	int64_t v = 0;
	for (const char *p = text; *p >= '0' && *p <= '9' && v <= max; p++)
		v = v * 10 + (*p - '0');
	if (!*text || text[strspn(text, "0123456789")] || v < min || v > max)
		return conf_error_at(t, n->place, e, "%s must be a whole number from %lld to %lld", n->key,
				     (long long)min, (long long)max);
	*out = v;
	return ERR_NONE;
}

enum err provider_word_read(const struct conf_tree *t, const struct conf_node *n, const char *option,
			    int64_t *out, struct error *e)
{
	const struct conf_option *o = conf_option_find("llm", 3, option);
	const char *names[8];
	char copies[8][24];
	size_t count = 0;
	if (!n)
		return ERR_NONE;
	for (const char *w = o->words; *w; w += strcspn(w, "|"), w += *w == '|') {
		struct slice word = {w, strcspn(w, "|")};
		if (n->kind == CONF_SCALAR && slice_eq_nocase(word, n->text)) {
			*out = (int64_t)count;
			return ERR_NONE;
		}
		ensure(count < COUNT_OF(names));
		snprintf(copies[count], sizeof copies[count], "%.*s", (int)word.len, word.ptr);
		names[count] = copies[count];
		count++;
	}
	conf_error_at(t, n->place, e, "unknown %s \"%.40s\"", n->key,
		      n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n));
	conf_suggest(e, n->kind == CONF_SCALAR ? n->text : "", names, count);
	return ERR_CONFIG;
}
