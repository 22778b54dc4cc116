/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the kit share among themselves and show to nobody else. */
#ifndef BASE_BASE_INT_H
#define BASE_BASE_INT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"

/* --- log.c --- */
/* true when the log is plain text on stderr, so that printing there as well would say everything twice. */
bool log_is_on_terminal(void);

/* --- utf8.c --- */
/* Bytes of the well-formed UTF-8 character at s, 0 when there is none within n bytes. */
size_t utf8_char_bytes(const char *s, size_t n);
/* Bytes at the front of s that are printable ASCII other than '"' and '\\': what JSON text holds as it is. */
size_t text_plain_run(const char *s, size_t n);
/* Sixteen bytes at once; the compiler has vector instructions for it on every machine we build for. */
typedef signed char bytes16 __attribute__((vector_size(16)));

/* Index of the first byte that needs attention: below 0x20, '"', '\\', 0x7f or above. 16: none. */
static inline size_t text_special16(const char *s)
{
	bytes16 v;
	uint64_t marks[2];

	memcpy(&v, s, sizeof(v));
	bytes16 special = (v < 0x20) | (v == '"') | (v == '\\') | (v == 0x7f); /* above 0x7f is negative */
	memcpy(marks, &special, sizeof(marks));
	if (marks[0])
		return (size_t)__builtin_ctzll(le64toh(marks[0])) / 8;
	return marks[1] ? 8 + (size_t)__builtin_ctzll(le64toh(marks[1])) / 8 : 16;
}
/* Writes one code point (no surrogate, at most 0x10FFFF) and returns its bytes, 1 to 4. */
size_t utf8_put(uint32_t cp, char out[4]);

/* --- json_token.c: a place in JSON text and what may stand there --- */
struct json_cursor {
	const char *text;
	size_t pos, len;
	struct error *e;
};

/* Fails at offset `at` with a message like "line 3, column 14: ...". */
#define json_fail_at(cur, at, ...) (err_set((cur)->e, ERR_JSON, __VA_ARGS__), json_fail_prefix((cur), (at)))
enum err json_fail_prefix(struct json_cursor *cur, size_t at);
enum err json_fail_expected(struct json_cursor *cur, const char *what); /* "expected <what>, found ..." */
void json_space_skip(struct json_cursor *cur);
/* pos is at the opening quote; afterwards behind the closing one. With `unescaped` the value is appended to
 * it. */
must_check enum err json_token_string(struct json_cursor *cur, struct buf *unescaped, bool *escapes);
/* *exact: the number is an integer whose text says more than *value, a double, can hold. */
must_check enum err json_token_number(struct json_cursor *cur, double *value, bool *exact);
must_check enum err json_token_literal(struct json_cursor *cur);

/* --- json_node.c: memory of trees --- */
struct cJSON;
struct json_pool;
struct json_pool *json_pool_new(size_t text_bytes);      /* NULL: no memory, here and below */
void json_pool_free(struct json_pool *pool);             /* with all that stands in it */
void *json_pool_alloc(struct json_pool *pool, size_t n); /* lives as long as the pool */
/* A node at the end of its parent's; parent NULL: the root, with which the pool will be freed. */
struct cJSON *json_pool_node(struct json_pool *pool, struct cJSON *parent);
/* Before a piece from malloc is hung into the tree of n. */
void json_tree_mix(struct cJSON *n);
void json_tree_free(struct cJSON *root); /* NULL is fine */

/* --- json_scan.c --- */
/* Reads the text into a tree, the caller's to free. NULL: e says what and where. used NULL: something behind
 * the document is an error. */
struct cJSON *json_scan(const char *text, size_t len, int depth_max, size_t *used, struct error *e);

/* --- json.c --- */
/* The digits of an integer that a double cannot hold; NULL for any other value. Borrowed. */
const char *json_number_text(const struct json *j);

/* --- json_write.c --- */
/* Appends s with quotes, escaped; bytes that are not UTF-8 become U+FFFD. */
bool json_put_text(struct buf *out, const char *s, size_t n);
bool json_put_double(struct buf *out, double v);

/* --- loop_heap.c --- */
#define TIMER_DISARMED SIZE_MAX

struct loop_timer {
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	int64_t deadline_us; /* on clock_mono_us */
	uint64_t seq;        /* order of arming */
	size_t slot;         /* place in the heap, or TIMER_DISARMED */
};

struct timer_heap {
	struct loop_timer **at; /* owned array of borrowed timers */
	size_t count, cap;
};

void timer_heap_add(struct timer_heap *h, struct loop_timer *t);
void timer_heap_remove(struct timer_heap *h, struct loop_timer *t);
struct loop_timer *timer_heap_first(const struct timer_heap *h); /* NULL when empty */
void timer_heap_release(struct timer_heap *h);                   /* must be empty */

#endif
