/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that no cassette has an answer to: which recorded one is most like it, and where do they part?
 * Most like is the one that goes the same way for the longest, which in canonical form means: the longest
 * common part of the conversation. What stands at the difference is not said: it may be private. Pure.
 */
#include "base/base.h"
#include "llm/cassette_int.h"

#include <string.h>

enum { POINTER_BYTES_MAX = 200 };

static size_t common(struct slice a, struct slice b)
{
	size_t n = 0;
	while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
		n++;
	return n;
}

size_t cassette_nearest(const struct cassette_exchange *list, size_t count, const char *provider,
			const char *path, struct slice request)
{
	size_t best = 0, best_score = 0;
	ensure(count > 0);
	for (size_t i = 0; i < count; i++) {
		bool same = strcmp(list[i].provider, provider) == 0 && strcmp(list[i].path, path) == 0;
		size_t score = common(buf_slice(&list[i].request), request) + 1;
		score += same ? request.len + 1 : 0;
		if (score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}

/* --- the first difference --- */

static bool differ(const struct json *a, const struct json *b, struct buf *at);

static void name_add(struct buf *at, const char *name)
{
	buf_add_char(at, '/');
	for (const char *p = name; *p != '\0'; p++) {
		if (*p == '~' || *p == '/')
			buf_add_str(at, *p == '~' ? "~0" : "~1");
		else
			buf_add_char(at, *p);
	}
}

static bool text_differ(const char *a, const char *b, struct buf *at)
{
	size_t n = common(slice_str(a), slice_str(b));
	if (a[n] == '\0' && b[n] == '\0')
		return false;
	buf_printf(at, ", at byte %zu", n);
	return true;
}

static bool list_differ(const struct json *a, const struct json *b, struct buf *at)
{
	size_t i = 0, len = at->len;
	const struct json *p = json_first(a), *q = json_first(b);
	for (; p != NULL && q != NULL; p = json_next(p), q = json_next(q), i++) {
		buf_printf(at, "/%zu", i);
		if (differ(p, q, at))
			return true;
		at->len = len;
	}
	if (p == NULL && q == NULL)
		return false;
	buf_printf(at, "/%zu, which only %s has", i, p != NULL ? "the recorded one" : "the new one");
	return true;
}

static bool object_differ(const struct json *a, const struct json *b, struct buf *at)
{
	size_t len = at->len;
	for (const struct json *m = json_first(a); m != NULL; m = json_next(m)) {
		const struct json *other = json_get(b, json_name(m));
		name_add(at, json_name(m));
		if (other == NULL)
			buf_add_str(at, ", which only the recorded one has");
		if (other == NULL || differ(m, other, at))
			return true;
		at->len = len;
	}
	for (const struct json *m = json_first(b); m != NULL; m = json_next(m)) {
		if (json_get(a, json_name(m)) != NULL)
			continue;
		name_add(at, json_name(m));
		buf_add_str(at, ", which only the new one has");
		return true;
	}
	return false;
}

static bool differ(const struct json *a, const struct json *b, struct buf *at)
{
	if (json_type(a) == json_type(b) && json_is(a, JSON_OBJECT))
		return object_differ(a, b, at);
	if (json_type(a) == json_type(b) && json_is(a, JSON_ARRAY))
		return list_differ(a, b, at);
	if (json_type(a) == json_type(b) && json_is(a, JSON_STRING))
		return text_differ(json_text(a), json_text(b), at);
	return !json_equal(a, b);
}

void cassette_difference(struct slice recorded, struct slice asked, struct buf *out)
{
	struct buf at = BUF_INIT;
	struct json *a = json_parse(recorded.ptr, recorded.len, JSON_DEPTH_MAX, NULL);
	struct json *b = json_parse(asked.ptr, asked.len, JSON_DEPTH_MAX, NULL);
	if (a == NULL || b == NULL || !differ(a, b, &at))
		buf_printf(out, "byte %zu", common(recorded, asked));
	else if (at.len == 0 || at.data[0] != '/')
		buf_add_str(out, "its beginning");
	else
		buf_add(out, at.data, utf8_cut(at.data, at.len, POINTER_BYTES_MAX));
	json_free(a);
	json_free(b);
	buf_release(&at);
}
