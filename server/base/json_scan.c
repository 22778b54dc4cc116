/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict half of the JSON parser: one pass over the text that accepts exactly RFC 8259 with our limits,
 * before cJSON sees it. It exists because cJSON 1.7.15 takes what it should refuse (01, 1., raw control
 * characters, bad UTF-8, text after the document, duplicate names), cuts text at \u0000, cuts numbers at 63
 * characters, and says no more about an error than "NULL". After this pass cJSON only meets text on which the
 * two agree.
 *
 * It is not recursive: open containers are a stack of bounded depth. It keeps the names of the objects that
 * are open, to find duplicates when one closes, and the places of numbers that a double cannot hold. Memory
 * is bounded by a small multiple of the text, which is the caller's to bound. Errors give line and column,
 * both from 1, columns in characters.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_PAIRWISE_MAX = 8 }; /* up to this many, comparing all pairs is cheaper than sorting */

struct name {
	uint64_t hash;
	size_t at;  /* offset of its first byte: in the text, or in scan.unescaped */
	size_t len; /* bytes, unescaped */
	size_t pos; /* offset of the name in the text */
	bool unescaped;
};

enum expect { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_NAME, EXPECT_NAME_OR_END, EXPECT_AFTER };

struct scan {
	struct json_cursor cur;
	enum expect expect;
	int depth, depth_max;
	char open[JSON_DEPTH_MAX];           /* '{' or '[' */
	size_t names_before[JSON_DEPTH_MAX]; /* bytes of `names` that belong to outer objects */
	struct buf names;     /* of struct name: those of the objects that are open, outer ones first */
	struct buf unescaped; /* text of names that were written with escapes */
	size_t number_count;
	struct buf *exact; /* of struct json_exact */
};

static enum err fail_memory(struct scan *s)
{
	return err_set(s->cur.e, ERR_MEMORY, "no memory to check a JSON text of %zu bytes", s->cur.len);
}

static enum err container_open(struct scan *s, char c)
{
	if (s->depth >= s->depth_max)
		return json_fail_at(&s->cur, s->cur.pos, "nested deeper than the limit of %d levels",
				    s->depth_max);
	s->open[s->depth] = c;
	s->names_before[s->depth] = s->names.len;
	s->depth++;
	s->cur.pos++;
	s->expect = c == '{' ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
	return ERR_NONE;
}

static enum err number_scan(struct scan *s)
{
	struct json_exact x = {.index = s->number_count++, .at = s->cur.pos};
	bool exact;
	enum err err = json_token_number(&s->cur, &exact);

	if (err || !exact)
		return err;
	x.len = s->cur.pos - x.at;
	if (!buf_add(s->exact, &x, sizeof(x)))
		return fail_memory(s);
	return ERR_NONE;
}

static enum err value_scan(struct scan *s)
{
	char c = s->cur.pos < s->cur.len ? s->cur.text[s->cur.pos] : '\0';
	bool escapes;

	if (c == '{' || c == '[')
		return container_open(s, c);
	s->expect = EXPECT_AFTER;
	if (c == '"')
		return json_token_string(&s->cur, NULL, &escapes);
	if (c == '-' || (c >= '0' && c <= '9'))
		return number_scan(s);
	return json_token_literal(&s->cur);
}

static const char *name_ptr(const struct scan *s, const struct name *n)
{
	return n->unescaped ? s->unescaped.data + n->at : s->cur.text + n->at;
}

static enum err name_scan(struct scan *s)
{
	struct name name = {.at = s->cur.pos + 1, .pos = s->cur.pos};
	enum err err = json_token_string(&s->cur, NULL, &name.unescaped);

	if (err)
		return err;
	name.len = s->cur.pos - name.at - 1;
	if (name.unescaped) { /* seldom: read it a second time */
		name.at = s->unescaped.len;
		s->cur.pos = name.pos;
		err = json_token_string(&s->cur, &s->unescaped, &name.unescaped);
		if (err)
			return err;
		name.len = s->unescaped.len - name.at;
	}
	if (s->unescaped.overflow)
		return fail_memory(s);
	name.hash = hash64(name_ptr(s, &name), name.len);
	if (!buf_add(&s->names, &name, sizeof(name)))
		return fail_memory(s);
	json_space_skip(&s->cur);
	if (s->cur.pos >= s->cur.len || s->cur.text[s->cur.pos] != ':')
		return json_fail_expected(&s->cur, "':' after the name");
	s->cur.pos++;
	s->expect = EXPECT_VALUE;
	return ERR_NONE;
}

/* Any total order that puts equal names side by side. */
static int name_compare(const void *pa, const void *pb, void *arg)
{
	const struct name *a = pa, *b = pb;
	const struct scan *s = arg;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(name_ptr(s, a), name_ptr(s, b), a->len);
}

static enum err fail_duplicate(struct scan *s, const struct name *a, const struct name *b)
{
	const struct name *later = a->pos > b->pos ? a : b;
	size_t shown = utf8_cut(name_ptr(s, later), later->len, 64);

	return json_fail_at(&s->cur, later->pos, "the name \"%.*s\" stands twice in one object", (int)shown,
			    name_ptr(s, later));
}

static enum err object_check(struct scan *s, struct name *names, size_t n)
{
	if (n <= NAMES_PAIRWISE_MAX) {
		for (size_t i = 1; i < n; i++) {
			for (size_t k = 0; k < i; k++) {
				if (name_compare(&names[i], &names[k], s) == 0)
					return fail_duplicate(s, &names[i], &names[k]);
			}
		}
		return ERR_NONE;
	}
	qsort_r(names, n, sizeof(*names), name_compare, s);
	for (size_t i = 1; i < n; i++) {
		if (name_compare(&names[i - 1], &names[i], s) == 0)
			return fail_duplicate(s, &names[i - 1], &names[i]);
	}
	return ERR_NONE;
}

static enum err container_close(struct scan *s)
{
	ensure(s->depth > 0);
	s->depth--;
	s->cur.pos++;
	s->expect = EXPECT_AFTER;
	if (s->open[s->depth] == '[')
		return ERR_NONE;
	size_t first = s->names_before[s->depth], count = (s->names.len - first) / sizeof(struct name);
	s->names.len = first; /* what is behind stays readable until the next append */
	if (count < 2)
		return ERR_NONE;
	return object_check(s, (struct name *)(void *)(s->names.data + first), count);
}

/* After a value inside a container: a comma or the end. */
static enum err after_scan(struct scan *s)
{
	bool object = s->open[s->depth - 1] == '{';
	char c = s->cur.pos < s->cur.len ? s->cur.text[s->cur.pos] : '\0';

	if (c == (object ? '}' : ']'))
		return container_close(s);
	if (c != ',')
		return json_fail_expected(&s->cur, object ? "',' or '}'" : "',' or ']'");
	s->cur.pos++;
	s->expect = object ? EXPECT_NAME : EXPECT_VALUE;
	return ERR_NONE;
}

static enum err token_scan(struct scan *s)
{
	char c = s->cur.pos < s->cur.len ? s->cur.text[s->cur.pos] : '\0';

	switch (s->expect) {
	case EXPECT_VALUE: return value_scan(s);
	case EXPECT_VALUE_OR_END: return c == ']' ? container_close(s) : value_scan(s);
	case EXPECT_NAME_OR_END:
		if (c == '}')
			return container_close(s);
		return c == '"' ? name_scan(s) : json_fail_expected(&s->cur, "a name in quotes or '}'");
	case EXPECT_NAME: return c == '"' ? name_scan(s) : json_fail_expected(&s->cur, "a name in quotes");
	case EXPECT_AFTER: return after_scan(s);
	}
	ensure(!"unknown state");
	return ERR_INTERNAL;
}

static enum err document_scan(struct scan *s, size_t *begin, size_t *end)
{
	if (s->cur.len >= 3 && memcmp(s->cur.text, "\xEF\xBB\xBF", 3) == 0)
		return json_fail_at(&s->cur, 0,
				    "the text begins with a byte order mark, which JSON does not allow");
	json_space_skip(&s->cur);
	if (s->cur.pos == s->cur.len)
		return json_fail_at(&s->cur, s->cur.pos, "the text is empty");
	*begin = s->cur.pos;
	do {
		json_space_skip(&s->cur);
		enum err err = token_scan(s);
		if (err)
			return err;
	} while (s->depth > 0 || s->expect != EXPECT_AFTER);
	*end = s->cur.pos;
	json_space_skip(&s->cur);
	return s->cur.pos == s->cur.len ? ERR_NONE
					: json_fail_expected(&s->cur, "nothing more after the document");
}

enum err json_scan(const char *text, size_t len, int depth_max, struct buf *exact, size_t *begin, size_t *end,
		   struct error *e)
{
	struct scan
		s; /* what is open at each depth is written before it is read: the stacks are not cleared */

	ensure(depth_max > 0 && depth_max <= JSON_DEPTH_MAX);
	s.cur = (struct json_cursor){text, 0, len, e};
	s.expect = EXPECT_VALUE;
	s.depth = 0;
	s.depth_max = depth_max;
	s.names = s.unescaped = BUF_INIT;
	s.number_count = 0;
	s.exact = exact;
	enum err err = document_scan(&s, begin, end);
	buf_release(&s.names);
	buf_release(&s.unescaped);
	return err;
}
