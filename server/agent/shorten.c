/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large JSON text made short for a model: all members stay, long arrays and long texts are cut and say how
 * much is missing. What is kept shrinks until it fits. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <string.h>

struct limits {
	size_t items, text_bytes;
};

static void value_print(const struct json *j, const struct limits *l, struct jw *w);

bool json_shorten(struct slice text, size_t bytes_max, struct buf *out)
{
	static const struct limits tried[] = {{50, 1000}, {20, 400}, {8, 200}, {3, 100}, {1, 40}};
	size_t blank = 0;
	while (blank < text.len && strchr(" \t\r\n", text.ptr[blank]) != NULL)
		blank++;
	if (blank == text.len || (text.ptr[blank] != '{' && text.ptr[blank] != '['))
		return false;
	struct json *j = json_parse(text.ptr, text.len, 0, NULL);
	bool fits = false;
	for (size_t i = 0; j != NULL && !fits && i < COUNT_OF(tried); i++) {
		struct buf shorter = BUF_INIT;
		struct jw w = JW(&shorter);
		value_print(j, &tried[i], &w);
		fits = !shorter.overflow && shorter.len <= bytes_max;
		if (fits)
			buf_add_slice(out, buf_slice(&shorter));
		buf_release(&shorter);
	}
	json_free(j);
	return fits;
}

/* --- helpers --- */

static void text_print(const char *text, const struct limits *l, struct jw *w)
{
	size_t len = strlen(text), cut = utf8_cut(text, len, l->text_bytes);
	struct buf shown = BUF_INIT;
	if (len <= l->text_bytes) {
		jw_text(w, text);
		return;
	}
	buf_add(&shown, text, cut);
	buf_printf(&shown, " [%zu more bytes]", len - cut);
	jw_text_n(w, shown.data, shown.len);
	buf_release(&shown);
}

static void array_print(const struct json *j, const struct limits *l, struct jw *w)
{
	size_t n = 0, count = json_count(j);
	jw_array(w);
	for (const struct json *item = json_first(j); item != NULL && n < l->items;
	     item = json_next(item), n++)
		value_print(item, l, w);
	if (n < count) {
		char more[48];
		snprintf(more, sizeof more, "[%zu more items]", count - n);
		jw_text(w, more);
	}
	jw_array_end(w);
}

/* Names are the server's: they are written as texts. */
static void object_print(const struct json *j, const struct limits *l, struct jw *w)
{
	jw_object(w);
	for (const struct json *m = json_first(j); m != NULL; m = json_next(m)) {
		jw_text(w, json_name(m));
		buf_add_char(w->out, ':');
		w->comma = false;
		value_print(m, l, w);
	}
	jw_object_end(w);
}

static void value_print(const struct json *j, const struct limits *l, struct jw *w)
{
	if (json_is(j, JSON_OBJECT))
		object_print(j, l, w);
	else if (json_is(j, JSON_ARRAY))
		array_print(j, l, w);
	else if (json_is(j, JSON_STRING))
		text_print(json_text(j), l, w);
	else
		jw_json(w, j);
}
