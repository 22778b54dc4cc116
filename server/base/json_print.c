/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What walks a whole tree: printing, the canonical form behind digests, deep equality and JSON Pointer. It
 * sees the tree through the face only. Printing and comparing recurse, bounded by DEPTH_MAX: deeper than
 * anything json_parse gives, so reaching it is a bug of whoever built the tree.
 *
 * The canonical form sorts members by the bytes of their names; numbers that are equal print equally (1.0 as
 * 1), and integers beyond 2^53 keep their digits.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 2 * JSON_DEPTH_MAX, INDEX_DIGITS_MAX = 9 };

static void value_print(const struct json *j, struct buf *out, bool sorted, int depth);

static int name_order(const void *a, const void *b)
{
	return strcmp(json_name(*(const struct json *const *)a), json_name(*(const struct json *const *)b));
}

/* The members in name order; free() the array. NULL when there are none or memory is out. */
static const struct json **members_sort(const struct json *obj, size_t *count)
{
	size_t n = json_count(obj);
	const struct json **list = n ? malloc(n * sizeof(*list)) : NULL;

	*count = n;
	if (!list)
		return NULL;
	n = 0;
	for (const struct json *m = json_first(obj); m; m = json_next(m))
		list[n++] = m;
	qsort(list, n, sizeof(*list), name_order);
	return list;
}

static void member_print(const struct json *m, struct buf *out, bool sorted, int depth)
{
	json_put_text(out, json_name(m), strlen(json_name(m)));
	buf_add(out, ":", 1);
	value_print(m, out, sorted, depth);
}

static void members_print_sorted(const struct json *obj, struct buf *out, int depth)
{
	size_t n;
	const struct json **list = members_sort(obj, &n);

	if (!list && n) {
		out->overflow = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add(out, ",", 1);
		member_print(list[i], out, true, depth);
	}
	free(list);
}

static void container_print(const struct json *j, struct buf *out, bool sorted, int depth)
{
	bool object = json_is(j, JSON_OBJECT);

	buf_add(out, object ? "{" : "[", 1);
	if (object && sorted) {
		members_print_sorted(j, out, depth);
	} else {
		for (const struct json *k = json_first(j); k; k = json_next(k)) {
			if (k != json_first(j))
				buf_add(out, ",", 1);
			if (object)
				member_print(k, out, sorted, depth);
			else
				value_print(k, out, sorted, depth);
		}
	}
	buf_add(out, object ? "}" : "]", 1);
}

static void number_print(const struct json *j, struct buf *out, bool canonical)
{
	const char *text = json_number_text(j);
	int64_t v;

	if (canonical && json_integer(j, &v))
		buf_add_i64(out, v);
	else if (text)
		buf_add_str(out, text);
	else
		json_put_double(out, json_number(j));
}

static void value_print(const struct json *j, struct buf *out, bool sorted, int depth)
{
	ensure(depth < DEPTH_MAX);
	switch (json_type(j)) {
	case JSON_NULL: buf_add(out, "null", 4); return;
	case JSON_BOOL: buf_add_str(out, json_truth(j) ? "true" : "false"); return;
	case JSON_NUMBER: number_print(j, out, sorted); return;
	case JSON_STRING: json_put_text(out, json_text(j), strlen(json_text(j))); return;
	case JSON_ARRAY:
	case JSON_OBJECT: container_print(j, out, sorted, depth + 1); return;
	}
}

bool json_print(const struct json *j, struct buf *out)
{
	value_print(j, out, false, 0);
	return !out->overflow;
}

bool json_print_canonical(const struct json *j, struct buf *out)
{
	value_print(j, out, true, 0);
	return !out->overflow;
}

static bool number_equal(const struct json *a, const struct json *b)
{
	int64_t x, y;
	const char *ta = json_number_text(a), *tb = json_number_text(b);

	if (json_integer(a, &x) && json_integer(b, &y))
		return x == y;
	if (ta && tb) /* integers of more than 64 bits: no leading zeros, so the text decides */
		return strcmp(ta, tb) == 0;
	return json_number(a) == json_number(b);
}

static bool value_equal(const struct json *a, const struct json *b, int depth);

static bool object_equal(const struct json *a, const struct json *b, int depth)
{
	const struct json *x = json_first(a), *y = json_first(b);
	size_t na, nb;

	/* Most equal objects have their members in the same order. */
	while (x && y && strcmp(json_name(x), json_name(y)) == 0) {
		if (!value_equal(x, y, depth))
			return false;
		x = json_next(x);
		y = json_next(y);
	}
	if (!x || !y)
		return !x && !y;
	const struct json **la = members_sort(a, &na), **lb = members_sort(b, &nb);
	ensure(la && lb);
	bool equal = na == nb;
	for (size_t i = 0; equal && i < na; i++)
		equal = strcmp(json_name(la[i]), json_name(lb[i])) == 0 && value_equal(la[i], lb[i], depth);
	free(la);
	free(lb);
	return equal;
}

static bool array_equal(const struct json *a, const struct json *b, int depth)
{
	const struct json *x = json_first(a), *y = json_first(b);

	for (; x && y; x = json_next(x), y = json_next(y)) {
		if (!value_equal(x, y, depth))
			return false;
	}
	return !x && !y;
}

static bool value_equal(const struct json *a, const struct json *b, int depth)
{
	ensure(depth < DEPTH_MAX);
	if (json_type(a) != json_type(b))
		return false;
	switch (json_type(a)) {
	case JSON_NULL: return true;
	case JSON_BOOL: return json_truth(a) == json_truth(b);
	case JSON_NUMBER: return number_equal(a, b);
	case JSON_STRING: return strcmp(json_text(a), json_text(b)) == 0;
	case JSON_ARRAY: return array_equal(a, b, depth + 1);
	case JSON_OBJECT: return object_equal(a, b, depth + 1);
	}
	return false;
}

bool json_equal(const struct json *a, const struct json *b)
{
	return value_equal(a, b, 0);
}

/* One reference token against a name: "~1" is '/', "~0" is '~'. */
static bool token_is(const char *token, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++, name++) {
		char c = token[i];
		if (c == '~') {
			if (++i == n || (token[i] != '0' && token[i] != '1'))
				return false;
			c = token[i] == '0' ? '~' : '/';
		}
		if (*name != c) /* also when the name ends first */
			return false;
	}
	return !*name;
}

/* Array indices have no sign and no leading zero. */
static bool token_index(const char *token, size_t n, size_t *out)
{
	if (n == 0 || n > INDEX_DIGITS_MAX || (n > 1 && token[0] == '0'))
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (token[i] < '0' || token[i] > '9')
			return false;
		*out = *out * 10 + (size_t)(token[i] - '0');
	}
	return true;
}

static const struct json *token_follow(const struct json *j, const char *token, size_t n)
{
	size_t i;

	if (json_is(j, JSON_ARRAY))
		return token_index(token, n, &i) ? json_at(j, i) : NULL;
	if (!json_is(j, JSON_OBJECT))
		return NULL;
	for (const struct json *m = json_first(j); m; m = json_next(m)) {
		if (token_is(token, n, json_name(m)))
			return m;
	}
	return NULL;
}

const struct json *json_pointer(const struct json *j, const char *pointer)
{
	while (j && *pointer) {
		if (*pointer++ != '/')
			return NULL;
		size_t n = strcspn(pointer, "/");
		j = token_follow(j, pointer, n);
		pointer += n;
	}
	return j;
}
