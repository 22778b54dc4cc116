/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct buf: a growable byte string with a hard limit; always NUL-terminated one past `len`.
 * struct arena: many small allocations freed in one call (one request, one parse).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

/* A borrowed run of bytes, not NUL-terminated. */
struct slice {
	const char *ptr;
	size_t len;
};
#define SLICE_LIT(s) ((struct slice){(s), sizeof(s) - 1})
struct slice slice_str(const char *s); /* NULL gives an empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *s);
/* ASCII case folding only (header names). */
bool slice_eq_nocase(struct slice a, const char *s);
/* New NUL-terminated copy; the caller frees it with free(). Aborts when memory is out (small data only). */
char *slice_dup(struct slice s);

struct buf {
	char *data; /* NULL until the first byte; owned */
	size_t len;
	size_t cap;
	size_t max;    /* 0: BUF_MAX_DEFAULT; set before the first byte */
	bool overflow; /* an append did not fit under max, or memory ran out; sticky until buf_reset */
};
#define BUF_INIT        ((struct buf){0})
#define BUF_LIMIT(m)    ((struct buf){.max = (m)})
#define BUF_MAX_DEFAULT ((size_t)256 << 20)

void buf_release(struct buf *b);
void buf_reset(struct buf *b); /* len 0, keeps memory */
/* Room for n more bytes; pointer to the first of them. NULL (and overflow) when over max. */
char *buf_grow(struct buf *b, size_t n);
/* Most appends find their room: cap is never over max by more than the NUL. */
static inline bool buf_has_room(const struct buf *b, size_t n)
{
	return n < b->cap - b->len && !b->overflow;
}
bool buf_add_grown(struct buf *b, const void *p, size_t n); /* for buf_add */
/* Appends return false once overflow is set; a caller may check once at the end. */
static inline bool buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_has_room(b, n))
		return buf_add_grown(b, p, n);
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return true;
}
static inline bool buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}
static inline bool buf_add_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}
static inline bool buf_add_slice(struct buf *b, struct slice s)
{
	return buf_add(b, s.ptr, s.len);
}
enum { U64_TEXT_SIZE = 21 };
/* Decimal digits, NUL-terminated. Returns how many. */
size_t u64_format(uint64_t v, char out[U64_TEXT_SIZE]);
bool buf_add_u64(struct buf *b, uint64_t v);
bool buf_add_i64(struct buf *b, int64_t v);
bool buf_printf(struct buf *b, const char *fmt, ...) printf_like(2);
/* Several strings, one behind the other; none may be NULL. For text that is written often: printf takes ten
 * times as long. */
#define buf_put(b, ...) buf_add_all((b), (const char *const[]){__VA_ARGS__, NULL})
bool buf_add_all(struct buf *b, const char *const *strings);
/* Drops n bytes at the front (memmove). */
void buf_consume(struct buf *b, size_t n);
struct slice buf_slice(const struct buf *b);
/* The bytes as a malloc'ed C string; the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *b);
/* "" when empty, so always printable. Borrowed. */
const char *buf_cstr(const struct buf *b);

struct arena;                              /* opaque */
struct arena *arena_new(size_t bytes_max); /* 0: no limit */
void arena_free(struct arena *a);
/* 16-byte aligned, zeroed; NULL when over bytes_max. */
void *arena_alloc(struct arena *a, size_t n);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) printf_like(2);

/* malloc/calloc/realloc/strdup that abort when memory is out: for small, bounded data only. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) printf_like(1);

#endif
