/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct buf and struct slice. A buffer grows by doubling up to its limit, while small by more; one byte more
 * than its content is always there for the terminating NUL. Failure is sticky: after the first append that
 * did not fit, later ones do nothing, so that a caller may append twenty times and check once, and never
 * sends text with a hole in it.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BUF_FIRST_BYTES = 256, BUF_FAST_BYTES = 4096, PRINT_BYTES_MIN = 128 };

struct slice slice_str(const char *s)
{
	return (struct slice){s ? s : "", s ? strlen(s) : 0};
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

static char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool slice_eq_nocase(struct slice a, const char *s)
{
	size_t i = 0;

	for (; i < a.len && s[i]; i++) {
		if (ascii_lower(a.ptr[i]) != ascii_lower(s[i]))
			return false;
	}
	return i == a.len && !s[i];
}

char *slice_dup(struct slice s)
{
	return xstrndup(s.ptr, s.len);
}

void buf_release(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
	b->overflow = false;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->data)
		b->data[0] = '\0';
}

static size_t max_of(const struct buf *b)
{
	return b->max ? b->max : BUF_MAX_DEFAULT;
}

static bool buf_enlarge(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;

	while (cap < need)
		cap *= cap < BUF_FAST_BYTES ? 4 : 2;
	if (cap > max_of(b) + 1)
		cap = max_of(b) + 1;
	char *data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

char *buf_grow(struct buf *b, size_t n)
{
	if (!buf_has_room(b, n)) {
		size_t max = max_of(b);
		if (b->overflow || b->len > max || n > max - b->len || !buf_enlarge(b, b->len + n + 1)) {
			b->overflow = true;
			return NULL;
		}
	}
	/* A caller that fills all n bytes finds its text terminated. */
	b->data[b->len] = '\0';
	b->data[b->len + n] = '\0';
	return b->data + b->len;
}

bool buf_add_grown(struct buf *b, const void *p, size_t n)
{
	if (!buf_grow(b, n))
		return false;
	return buf_add(b, p, n);
}

size_t u64_format(uint64_t v, char out[U64_TEXT_SIZE])
{
	char text[U64_TEXT_SIZE];
	char *end = text + sizeof(text), *p = end;

	*--p = '\0';
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	memcpy(out, p, (size_t)(end - p));
	return (size_t)(end - p) - 1;
}

bool buf_add_u64(struct buf *b, uint64_t v)
{
	char text[U64_TEXT_SIZE];
	size_t n = u64_format(v, text);

	return buf_add(b, text, n);
}

bool buf_add_i64(struct buf *b, int64_t v)
{
	if (v >= 0)
		return buf_add_u64(b, (uint64_t)v);
	return buf_add_char(b, '-') && buf_add_u64(b, -(uint64_t)v);
}

bool buf_add_all(struct buf *b, const char *const *strings)
{
	bool ok = true;

	for (; *strings; strings++)
		ok = buf_add_str(b, *strings);
	return ok;
}

/* Into the room that is there, and once more where that was too little. */
bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	if (b->cap - b->len < PRINT_BYTES_MIN && !b->overflow)
		buf_enlarge(b, b->len + PRINT_BYTES_MIN);
	size_t room = b->cap - b->len;
	va_start(ap, fmt);
	int n = vsnprintf(b->data ? b->data + b->len : NULL, room, fmt, ap);
	va_end(ap);
	ensure(n >= 0);
	if (buf_has_room(b, (size_t)n)) {
		b->len += (size_t)n;
		return true;
	}
	if (b->data)
		b->data[b->len] = '\0';
	char *to = buf_grow(b, (size_t)n);
	if (!to)
		return false;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return true;
}

void buf_consume(struct buf *b, size_t n)
{
	ensure(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
	b->data[b->len] = '\0';
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->data ? b->data : "", b->len};
}

char *buf_take(struct buf *b)
{
	if (!b->data)
		buf_grow(b, 0);
	char *data = b->data ? b->data : xstrdup("");
	data[b->len] = '\0';
	b->data = NULL;
	buf_release(b);
	return data;
}

const char *buf_cstr(const struct buf *b)
{
	if (!b->data)
		return "";
	b->data[b->len] = '\0'; /* a caller may have filled less than it asked buf_grow for */
	return b->data;
}
