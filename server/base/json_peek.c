/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into JSON text for a few members without building a tree of it. Pure.
 *
 * A tree costs ten times what a walk over the text does, and much of what comes by (an event of a stream
 * that carries a word, a model call of which only the usage counts) is read for a member or two. So its
 * readers look first whether it is of the common form; whatever is unusual about it (an escape in a name, a
 * \u escape, deep nesting, a negative number, a wanted member twice, bad syntax) makes the look fail, and it
 * is then parsed as any other: here nothing is ever decided to be wrong.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <string.h>

enum { PEEK_DEPTH_MAX = 8 };

struct cursor {
	const char *p, *end;
};

/* What is wanted of an object: members by name, or with what is wanted within them. */
struct seek {
	const struct slice *names;
	const struct json_want *wants; /* NULL: names alone */
	size_t count;
	struct slice *values;
	bool only; /* there may be no other members */
};

static bool at(const struct cursor *c, char wanted)
{
	return c->p < c->end && *c->p == wanted;
}

static void space_skip(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

static bool is_short_escape(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't': return true;
	default: return false;
	}
}

/* Up to the first byte that is not plain; most strings end within their first sixteen. */
static void plain_skip(struct cursor *c)
{
	while (c->end - c->p >= 16) {
		size_t n = text_special16(c->p);
		c->p += n;
		if (n < 16)
			return;
	}
	c->p += text_plain_run(c->p, (size_t)(c->end - c->p));
}

/* What is not plain: an escape of one letter, DEL, characters beyond ASCII. */
static bool special_skip(struct cursor *c)
{
	size_t left = (size_t)(c->end - c->p), n = 1;
	unsigned char byte = (unsigned char)*c->p;
	if (byte == '\\')
		n = left > 1 && is_short_escape(c->p[1]) ? 2 : 0;
	else if (byte != 0x7f)
		n = byte < 0x20 ? 0 : utf8_char_bytes(c->p, left);
	c->p += n;
	return n > 0;
}

/* c is at the opening quote. */
static bool string_skip(struct cursor *c)
{
	for (c->p++;;) {
		plain_skip(c);
		while (c->p < c->end && (*c->p == '\\' || (signed char)*c->p < 0x20 || *c->p == 0x7f))
			if (!special_skip(c))
				return false;
		if (c->p == c->end)
			return false;
		if (*c->p == '"')
			break;
	}
	c->p++;
	return true;
}

static bool literal_skip(struct cursor *c, const char *word, size_t n)
{
	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

static size_t digits_skip(struct cursor *c)
{
	const char *begin = c->p;
	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		c->p++;
	return (size_t)(c->p - begin);
}

/* Counts and amounts: neither negative nor with an exponent. */
static bool number_skip(struct cursor *c)
{
	const char *begin = c->p;
	size_t digits = digits_skip(c);
	if (digits == 0 || digits > 15 || (digits > 1 && *begin == '0'))
		return false;
	if (at(c, '.')) {
		c->p++;
		if (digits_skip(c) == 0)
			return false;
	}
	return c->p == c->end || *c->p == '\0' || strchr(".eE+-", *c->p) == NULL;
}

static bool value_skip(struct cursor *c, int depth);

static bool array_skip(struct cursor *c, int depth)
{
	c->p++;
	space_skip(c);
	if (at(c, ']')) {
		c->p++;
		return true;
	}
	for (;;) {
		space_skip(c);
		if (!value_skip(c, depth))
			return false;
		space_skip(c);
		if (at(c, ']')) {
			c->p++;
			return true;
		}
		if (!at(c, ','))
			return false;
		c->p++;
	}
}

static bool object_walk(struct cursor *c, int depth, const struct seek *k);

static bool value_skip(struct cursor *c, int depth)
{
	if (c->p == c->end || depth == 0)
		return false;
	switch (*c->p) {
	case '"': return string_skip(c);
	case '{': return object_walk(c, depth - 1, NULL);
	case '[': return array_skip(c, depth - 1);
	case 'n': return literal_skip(c, "null", 4);
	case 't': return literal_skip(c, "true", 4);
	case 'f': return literal_skip(c, "false", 5);
	}
	return number_skip(c);
}

/* Index of the name that stands between begin and end; k->count: nobody wants it. */
static size_t name_find(const char *begin, const char *end, const struct seek *k)
{
	size_t i = 0, len = (size_t)(end - begin);
	for (; i < k->count; i++) {
		struct slice name = k->wants != NULL ? k->wants[i].name : k->names[i];
		if (name.len == len && memcmp(name.ptr, begin, len) == 0)
			break;
	}
	return i;
}

/* An object, or the only one of a list, is looked into. */
static bool value_walk(struct cursor *c, int depth, const struct json_want *w, struct slice *values)
{
	struct seek within = {.wants = w->within, .count = w->within_count, .values = values};
	if (at(c, '{') && depth > 0)
		return object_walk(c, depth - 1, &within);
	if (!at(c, '[') || c->end - c->p < 2 || c->p[1] != '{' || depth < 2)
		return value_skip(c, depth);
	c->p++;
	if (!object_walk(c, depth - 2, &within) || !at(c, ']'))
		return false;
	c->p++;
	return true;
}

static bool wanted_walk(struct cursor *c, int depth, const struct seek *k, size_t i)
{
	const struct json_want *w = k->wants != NULL ? &k->wants[i] : NULL;
	struct slice *value = &k->values[w != NULL ? w->at : i];
	const char *begin = c->p;
	if (value->ptr != NULL)
		return false;
	if (w != NULL && w->within_count > 0 ? !value_walk(c, depth, w, k->values) : !value_skip(c, depth))
		return false;
	*value = (struct slice){begin, (size_t)(c->p - begin)};
	return true;
}

static bool member_walk(struct cursor *c, int depth, const struct seek *k)
{
	const char *name = c->p + 1;
	if (!at(c, '"') || !string_skip(c))
		return false;
	const char *name_end = c->p - 1;
	if (memchr(name, '\\', (size_t)(name_end - name)) != NULL)
		return false;
	space_skip(c);
	if (!at(c, ':'))
		return false;
	c->p++;
	space_skip(c);
	size_t i = k != NULL ? name_find(name, name_end, k) : 0;
	if (k != NULL && i < k->count)
		return wanted_walk(c, depth, k, i);
	return (k == NULL || !k->only) && value_skip(c, depth);
}

static bool object_walk(struct cursor *c, int depth, const struct seek *k)
{
	c->p++;
	space_skip(c);
	if (at(c, '}')) {
		c->p++;
		return true;
	}
	for (;;) {
		space_skip(c);
		if (!member_walk(c, depth, k))
			return false;
		space_skip(c);
		if (at(c, '}')) {
			c->p++;
			return true;
		}
		if (!at(c, ','))
			return false;
		c->p++;
	}
}

static size_t peek(struct slice s, const struct seek *k, size_t values_count)
{
	for (size_t i = 0; i < values_count; i++)
		k->values[i] = (struct slice){0};
	if (s.len == 0)
		return 0; /* of a member that is absent: no text at all */
	struct cursor c = {s.ptr, s.ptr + s.len};
	if (!at(&c, '{') || !object_walk(&c, PEEK_DEPTH_MAX, k))
		return 0;
	return (size_t)(c.p - s.ptr);
}

size_t json_peek_object(struct slice s, const struct slice *names, size_t count, struct slice *values)
{
	return peek(s, &(struct seek){.names = names, .count = count, .values = values}, count);
}

bool json_peek_before(struct slice s, struct slice stop, const struct slice *names, size_t count,
		      struct slice *values)
{
	struct seek k = {.names = names, .count = count, .values = values};
	struct cursor c = {s.ptr, s.ptr + s.len};
	for (size_t i = 0; i < count; i++)
		values[i] = (struct slice){0};
	for (char before = '{'; at(&c, before); before = ',') {
		c.p++;
		space_skip(&c);
		size_t left = (size_t)(c.end - c.p);
		if (left > stop.len + 1 && c.p[0] == '"' && memcmp(c.p + 1, stop.ptr, stop.len) == 0 &&
		    c.p[stop.len + 1] == '"')
			return true;
		if (!member_walk(&c, PEEK_DEPTH_MAX, &k))
			return false;
		space_skip(&c);
	}
	return false;
}

size_t json_peek_wants(struct slice s, const struct json_want *wants, size_t count, bool only,
		       struct slice *values, size_t values_count)
{
	return peek(s, &(struct seek){.wants = wants, .count = count, .values = values, .only = only},
		    values_count);
}

bool json_peek_is_null(struct slice value)
{
	return value.len == 0 || slice_eq_str(value, "null");
}

bool json_peek_text(struct slice value, struct buf *out)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	if (value.len < 2 || value.ptr[0] != '"')
		return false;
	const char *p = value.ptr + 1, *end = value.ptr + value.len - 1;
	if (out->len + (size_t)(end - p) > out->max)
		return false;
	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p));
		const char *stop = escape != NULL ? escape : end;
		buf_add(out, p, (size_t)(stop - p));
		if (escape != NULL)
			buf_add_char(out, meant[strchr(letters, escape[1]) - letters]);
		p = escape != NULL ? escape + 2 : end;
	}
	return true;
}

bool json_peek_plain(struct slice value, char *out, size_t size)
{
	out[0] = '\0';
	if (json_peek_is_null(value))
		return true;
	size_t n = value.len - 2;
	if (value.ptr[0] != '"' || n >= size || memchr(value.ptr, '\\', value.len) != NULL)
		return false;
	memcpy(out, value.ptr + 1, n);
	out[n] = '\0';
	return true;
}

bool json_peek_index(struct slice value, int64_t *out)
{
	*out = 0;
	if (value.len == 0 || value.len > 15)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return false;
		*out = *out * 10 + (value.ptr[i] - '0');
	}
	return true;
}
