/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259), strict. cJSON is the parser and stays behind this face, which closes its traps: names are
 * case-sensitive, duplicate names and trailing bytes are errors, text must be UTF-8, "\u0000" is refused,
 * numbers follow the grammar, integers up to 2^63 keep their value, depth and size are bounded.
 *
 * Two halves: a tree (struct json) for reading what others wrote, and a writer (struct jw) that appends text
 * to a struct buf, for everything we send: it is several times faster than printing a tree.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

struct json; /* opaque tree node */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum { JSON_DEPTH_DEFAULT = 64, JSON_DEPTH_MAX = 512 };

/* Parses exactly one document. depth_max 0 means JSON_DEPTH_DEFAULT. On failure NULL, and e says what and at
 * which line and column (code ERR_JSON). The caller frees the tree with json_free. */
struct json *json_parse(const char *text, size_t len, int depth_max, struct error *e);
/* The same of the document that the text begins with, whatever follows it; *used: its bytes and the white
 * space around them. */
struct json *json_parse_front(const char *text, size_t len, int depth_max, size_t *used, struct error *e);
void json_free(struct json *j); /* NULL is fine */

enum json_type json_type(const struct json *j);
const char *json_type_name(enum json_type t); /* "null" "boolean" "number" "string" "array" "object" */
bool json_is(const struct json *j, enum json_type t); /* false for NULL */

/* Borrowed views; all accept NULL. */
const struct json *json_get(const struct json *obj, const char *name); /* NULL when absent or not an object */
const struct json *json_at(const struct json *arr, size_t i);
size_t json_count(const struct json *j);             /* members or elements; 0 otherwise */
const struct json *json_first(const struct json *j); /* iterate members or elements in order */
const struct json *json_next(const struct json *j);
const char *json_name(const struct json *j); /* member name, NULL for an element */
const char *json_text(const struct json *j); /* string value, NULL when not a string */
bool json_truth(const struct json *j);       /* true only for the literal true */
double json_number(const struct json *j);    /* 0 when not a number */
/* true when j is a number with an integral value that fits; 1.0 and 1e3 count as integers (JSON Schema does
 * too). */
bool json_integer(const struct json *j, int64_t *out);

/* Shorthands: value of member `name`, or the fallback when absent, null or of another type. */
const char *json_get_text(const struct json *obj, const char *name, const char *fallback);
int64_t json_get_integer(const struct json *obj, const char *name, int64_t fallback);
bool json_get_bool(const struct json *obj, const char *name, bool fallback);
/* RFC 6901. NULL when it leads nowhere. */
const struct json *json_pointer(const struct json *j, const char *pointer);

/* Deep equality: member order does not matter, 1 == 1.0. */
bool json_equal(const struct json *a, const struct json *b);
/* Compact text of the tree, appended. Numbers keep the text they came with when it was an integer. */
bool json_print(const struct json *j, struct buf *out);
/* The same with members sorted by name bytes and no white space: input of digests. */
bool json_print_canonical(const struct json *j, struct buf *out);

/* --- json_peek.c: a few members of a JSON text, without a tree --- */

/* Walks over the object that `s` begins with and finds the values of `names`, as they are written; absent
 * ones are empty. Returns the object's length; 0 when anything about it is unusual: parse it then. */
size_t json_peek_object(struct slice s, const struct slice *names, size_t count, struct slice *values);
/* Looks at the members in front of the one called `stop` only. false: there is none, or something unusual. */
bool json_peek_before(struct slice s, struct slice stop, const struct slice *names, size_t count,
		      struct slice *values);
/* The same in one walk for members of members: `within` is looked for in a value that is an object, or a list
 * of one object. */
struct json_want {
	struct slice name;
	size_t at; /* the place of its value */
	const struct json_want *within;
	size_t within_count;
};
#define JSON_WANT(name, at)                               \
	{                                                 \
		{(name), sizeof(name) - 1}, (at), NULL, 0 \
	}
#define JSON_WANT_IN(name, at, within)                                       \
	{                                                                    \
		{(name), sizeof(name) - 1}, (at), (within), COUNT_OF(within) \
	}
/* only: the object that `s` begins with may have no other members. */
size_t json_peek_wants(struct slice s, const struct json_want *wants, size_t count, bool only,
		       struct slice *values, size_t values_count);
bool json_peek_is_null(struct slice value); /* or absent */
/* Of values found by json_peek_object. Appends a string's text; false, and nothing appended, when the value
 * is none or out's limit, which must be set, may not hold it. */
bool json_peek_text(struct slice value, struct buf *out);
/* Copies a short string without escapes; "" when it is null or absent. false: it is none, or does not fit. */
bool json_peek_plain(struct slice value, char *out, size_t size);
bool json_peek_index(struct slice value, int64_t *out); /* false: no whole number */

/* --- building and changing trees (small things: arguments, schemas); values are owned by their parent --- */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_text(const char *s);
struct json *json_new_number(double v);
struct json *json_new_integer(int64_t v);
struct json *json_new_bool(bool v);
struct json *json_new_null(void);
struct json *json_copy(const struct json *j);
void json_set(struct json *obj, const char *name, struct json *value); /* takes value; replaces */
void json_push(struct json *arr, struct json *value);                  /* takes value */
void json_remove(struct json *obj, const char *name);

/* --- writer --- */
struct jw {
	struct buf *out;
	bool comma; /* a comma is due before the next value or name */
};
#define JW(b) ((struct jw){(b), false})
void jw_object(struct jw *w);
void jw_object_end(struct jw *w);
void jw_array(struct jw *w);
void jw_array_end(struct jw *w);
void jw_name_n(struct jw *w, const char *name, size_t n); /* plain ASCII names of ours */
void jw_text(struct jw *w, const char *s);                /* NULL writes null */
void jw_text_n(struct jw *w, const char *s, size_t n);    /* escapes; invalid UTF-8 becomes U+FFFD */
void jw_int(struct jw *w, int64_t v);
void jw_uint(struct jw *w, uint64_t v);
void jw_double(struct jw *w, double v); /* shortest text that reads back; not finite writes null */
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
void jw_raw(struct jw *w, const char *json, size_t n); /* ready-made JSON text; n 0 writes null */
void jw_json(struct jw *w, const struct json *j);      /* NULL writes null */
/* Here, so that the length of a literal name is known when it is compiled: a document has hundreds of them.
 */
static inline void jw_name(struct jw *w, const char *name)
{
	jw_name_n(w, name, strlen(name));
}

/* name and value in one: jw_kv_text(&w, "id", id) */
static inline void jw_kv_text(struct jw *w, const char *name, const char *s)
{
	jw_name(w, name);
	jw_text(w, s);
}

static inline void jw_kv_int(struct jw *w, const char *name, int64_t v)
{
	jw_name(w, name);
	jw_int(w, v);
}

static inline void jw_kv_bool(struct jw *w, const char *name, bool v)
{
	jw_name(w, name);
	jw_bool(w, v);
}

static inline void jw_kv_raw(struct jw *w, const char *name, const char *json, size_t n)
{
	jw_name(w, name);
	jw_raw(w, json, n);
}

static inline void jw_kv_json(struct jw *w, const char *name, const struct json *j)
{
	jw_name(w, name);
	jw_json(w, j);
}

#endif
