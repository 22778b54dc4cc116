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

static bool at(const struct cursor *c, char wanted)
{
	return c->p < c->end && *c->p == wanted;
}

static void space_skip(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

/* c is at the opening quote. Escapes of one letter only. */
static bool string_skip(struct cursor *c)
{
	const char *begin = ++c->p;
	unsigned char seen = 0;
	c->p += text_plain_run(c->p, (size_t)(c->end - c->p)); /* most strings whole */
	while (c->p < c->end && *c->p != '"') {
		unsigned char byte = (unsigned char)*c->p++;
		if (byte < 0x20)
			return false;
		seen |= byte;
		if (byte != '\\')
			continue;
		if (c->p == c->end || *c->p == '\0' || strchr("\"\\/bfnrt", *c->p) == NULL)
			return false;
		c->p++;
	}
	if (c->p == c->end || (seen >= 0x80 && !utf8_valid(begin, (size_t)(c->p - begin))))
		return false;
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

static bool object_walk(struct cursor *c, int depth, const struct slice *names, size_t count,
			struct slice *values);

static bool value_skip(struct cursor *c, int depth)
{
	if (c->p == c->end || depth == 0)
		return false;
	switch (*c->p) {
	case '"': return string_skip(c);
	case '{': return object_walk(c, depth - 1, NULL, 0, NULL);
	case '[': return array_skip(c, depth - 1);
	case 'n': return literal_skip(c, "null", 4);
	case 't': return literal_skip(c, "true", 4);
	case 'f': return literal_skip(c, "false", 5);
	}
	return number_skip(c);
}

/* Index of the name that stands between begin and end; count: none of them. */
static size_t name_find(const char *begin, const char *end, const struct slice *names, size_t count)
{
	size_t i = 0, len = (size_t)(end - begin);
	while (i < count && (names[i].len != len || memcmp(names[i].ptr, begin, len) != 0))
		i++;
	return i;
}

static bool member_walk(struct cursor *c, int depth, const struct slice *names, size_t count,
			struct slice *values)
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
	const char *value = c->p;
	if (!value_skip(c, depth))
		return false;
	size_t i = name_find(name, name_end, names, count);
	if (i == count)
		return true;
	if (values[i].ptr != NULL)
		return false;
	values[i] = (struct slice){value, (size_t)(c->p - value)};
	return true;
}

static bool object_walk(struct cursor *c, int depth, const struct slice *names, size_t count,
			struct slice *values)
{
	c->p++;
	space_skip(c);
	if (at(c, '}')) {
		c->p++;
		return true;
	}
	for (;;) {
		space_skip(c);
		if (!member_walk(c, depth, names, count, values))
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

size_t json_peek_object(struct slice s, const struct slice *names, size_t count, struct slice *values)
{
	for (size_t i = 0; i < count; i++)
		values[i] = (struct slice){0};
	if (s.len == 0)
		return 0; /* of a member that is absent: no text at all */
	struct cursor c = {s.ptr, s.ptr + s.len};
	if (!at(&c, '{') || !object_walk(&c, PEEK_DEPTH_MAX, names, count, values))
		return 0;
	return (size_t)(c.p - s.ptr);
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
