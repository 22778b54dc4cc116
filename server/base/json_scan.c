/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON parser: one pass over the text that accepts exactly RFC 8259 with our limits and leaves a cJSON
 * tree. It stands in for cJSON's own, which takes what it should refuse (01, 1., raw control characters, bad
 * UTF-8, text after the document, duplicate names), cuts text at \u0000, cuts numbers at 63 characters, says
 * no more about an error than "NULL", and pays an allocation for each node, name and string.
 *
 * It is not recursive: the open containers are a stack of bounded depth. The place of a member in the text
 * stands in its node's valueint, which nobody else reads, until its object closes and its names are compared.
 * Memory is bounded by a small multiple of the text, which is the caller's to bound. Errors give line and
 * column, both from 1, columns in characters.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

enum { NAMES_PAIRWISE_MAX = 8 }; /* up to this many, comparing all pairs is cheaper than sorting */

enum expect { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_NAME, EXPECT_NAME_OR_END, EXPECT_AFTER };

struct scan {
	struct json_cursor cur;
	enum expect expect;
	int depth, depth_max;
	struct json_pool *pool;
	cJSON *root;
	cJSON *open[JSON_DEPTH_MAX]; /* containers */
	char *name;                  /* of the value that comes next; NULL: an element */
	size_t name_at;
	struct buf unescaped; /* of the string at hand */
};

static enum err fail_memory(struct scan *s)
{
	return err_set(s->cur.e, ERR_MEMORY, "no memory to parse a JSON text of %zu bytes", s->cur.len);
}

static enum err fail_length(struct scan *s)
{
	return err_set(s->cur.e, ERR_JSON, "a JSON text of %zu bytes is too long", s->cur.len);
}

/* The node of the value that begins here; NULL when memory is out. */
static cJSON *node_add(struct scan *s, int type)
{
	cJSON *n = json_pool_node(s->pool, s->depth > 0 ? s->open[s->depth - 1] : NULL);

	if (!n)
		return NULL;
	if (s->depth == 0)
		s->root = n;
	n->type = type;
	n->string = s->name;
	n->valueint = (int)s->name_at;
	s->name = NULL;
	return n;
}

static enum err container_open(struct scan *s, char c)
{
	if (s->depth >= s->depth_max)
		return json_fail_at(&s->cur, s->cur.pos, "nested deeper than the limit of %d levels",
				    s->depth_max);
	cJSON *n = node_add(s, c == '{' ? cJSON_Object : cJSON_Array);
	if (!n)
		return fail_memory(s);
	s->open[s->depth++] = n;
	s->cur.pos++;
	s->expect = c == '{' ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
	return ERR_NONE;
}

/* A copy in the pool, NUL-terminated. */
static char *text_keep(struct scan *s, const char *from, size_t n)
{
	char *to = json_pool_alloc(s->pool, n + 1);

	if (!to)
		return NULL;
	if (n)
		memcpy(to, from, n);
	to[n] = '\0';
	return to;
}

/* pos is at the opening quote; afterwards behind the closing one. */
static enum err string_take(struct scan *s, char **out)
{
	struct json_cursor *cur = &s->cur;
	const char *begin = cur->text + cur->pos + 1;
	size_t run = text_plain_run(begin, cur->len - cur->pos - 1);
	bool escapes;

	if (cur->pos + 1 + run < cur->len && begin[run] == '"') { /* most are plain */
		cur->pos += run + 2;
		*out = text_keep(s, begin, run);
		return *out ? ERR_NONE : fail_memory(s);
	}
	buf_reset(&s->unescaped);
	enum err err = json_token_string(cur, &s->unescaped, &escapes);
	if (err)
		return err;
	*out = s->unescaped.overflow ? NULL : text_keep(s, s->unescaped.data, s->unescaped.len);
	return *out ? ERR_NONE : fail_memory(s);
}

static enum err number_take(struct scan *s)
{
	size_t begin = s->cur.pos;
	double value = 0;
	bool exact;
	enum err err = json_token_number(&s->cur, &value, &exact);

	if (err)
		return err;
	cJSON *n = node_add(s, cJSON_Number);
	if (!n)
		return fail_memory(s);
	n->valuedouble = value;
	if (exact)
		n->valuestring = text_keep(s, s->cur.text + begin, s->cur.pos - begin);
	return exact && !n->valuestring ? fail_memory(s) : ERR_NONE;
}

static enum err literal_take(struct scan *s, char c)
{
	enum err err = json_token_literal(&s->cur);

	if (err)
		return err;
	return node_add(s, c == 't'   ? cJSON_True
			   : c == 'f' ? cJSON_False
				      : cJSON_NULL)
		       ? ERR_NONE
		       : fail_memory(s);
}

static enum err value_take(struct scan *s, char c)
{
	if (c == '{' || c == '[')
		return container_open(s, c);
	s->expect = EXPECT_AFTER;
	if (c == '"') {
		cJSON *n = node_add(s, cJSON_String);
		return n ? string_take(s, &n->valuestring) : fail_memory(s);
	}
	if (c == '-' || (c >= '0' && c <= '9'))
		return number_take(s);
	return literal_take(s, c);
}

static enum err name_take(struct scan *s)
{
	s->name_at = s->cur.pos;
	enum err err = string_take(s, &s->name);

	if (err)
		return err;
	json_space_skip(&s->cur);
	if (s->cur.pos >= s->cur.len || s->cur.text[s->cur.pos] != ':')
		return json_fail_expected(&s->cur, "':' after the name");
	s->cur.pos++;
	s->expect = EXPECT_VALUE;
	return ERR_NONE;
}

static enum err fail_duplicate(struct scan *s, const cJSON *a, const cJSON *b)
{
	const cJSON *later = a->valueint > b->valueint ? a : b;
	size_t shown = utf8_cut(later->string, strlen(later->string), 64);

	return json_fail_at(&s->cur, (size_t)later->valueint, "the name \"%.*s\" stands twice in one object",
			    (int)shown, later->string);
}

/* By name; equal ones in the order of the text. */
static int member_order(const void *pa, const void *pb)
{
	const cJSON *a = *(const cJSON *const *)pa, *b = *(const cJSON *const *)pb;
	int order = strcmp(a->string, b->string);

	return order ? order : (a->valueint > b->valueint) - (a->valueint < b->valueint);
}

static enum err names_check_sorted(struct scan *s, const cJSON *object, size_t count)
{
	const cJSON **members = malloc(count * sizeof(*members)), **to = members;
	enum err err = ERR_NONE;

	if (!members)
		return fail_memory(s);
	for (const cJSON *m = object->child; m; m = m->next)
		*to++ = m;
	qsort(members, count, sizeof(*members), member_order);
	for (size_t i = 1; i < count && !err; i++) {
		if (strcmp(members[i - 1]->string, members[i]->string) == 0)
			err = fail_duplicate(s, members[i - 1], members[i]);
	}
	free(members);
	return err;
}

static enum err names_check(struct scan *s, const cJSON *object)
{
	size_t count = 0;

	for (const cJSON *m = object->child; m; m = m->next, count++) {
		if (count >= NAMES_PAIRWISE_MAX)
			continue;
		for (const cJSON *k = object->child; k != m; k = k->next) {
			if (*k->string == *m->string && strcmp(k->string, m->string) == 0)
				return fail_duplicate(s, k, m);
		}
	}
	return count > NAMES_PAIRWISE_MAX ? names_check_sorted(s, object, count) : ERR_NONE;
}

static enum err container_close(struct scan *s)
{
	ensure(s->depth > 0);
	const cJSON *closed = s->open[--s->depth];
	s->cur.pos++;
	s->expect = EXPECT_AFTER;
	return closed->type == cJSON_Object ? names_check(s, closed) : ERR_NONE;
}

/* After a value inside a container: a comma or the end. */
static enum err after_take(struct scan *s, char c)
{
	bool object = s->open[s->depth - 1]->type == cJSON_Object;

	if (c == (object ? '}' : ']'))
		return container_close(s);
	if (c != ',')
		return json_fail_expected(&s->cur, object ? "',' or '}'" : "',' or ']'");
	s->cur.pos++;
	s->expect = object ? EXPECT_NAME : EXPECT_VALUE;
	return ERR_NONE;
}

static enum err token_take(struct scan *s)
{
	char c = s->cur.pos < s->cur.len ? s->cur.text[s->cur.pos] : '\0';

	switch (s->expect) {
	case EXPECT_VALUE: return value_take(s, c);
	case EXPECT_VALUE_OR_END: return c == ']' ? container_close(s) : value_take(s, c);
	case EXPECT_NAME_OR_END:
		if (c == '}')
			return container_close(s);
		return c == '"' ? name_take(s) : json_fail_expected(&s->cur, "a name in quotes or '}'");
	case EXPECT_NAME: return c == '"' ? name_take(s) : json_fail_expected(&s->cur, "a name in quotes");
	case EXPECT_AFTER: return after_take(s, c);
	}
	ensure(!"unknown state");
	return ERR_INTERNAL;
}

static enum err document_take(struct scan *s, bool may_go_on)
{
	if (s->cur.len >= 3 && memcmp(s->cur.text, "\xEF\xBB\xBF", 3) == 0)
		return json_fail_at(&s->cur, 0,
				    "the text begins with a byte order mark, which JSON does not allow");
	json_space_skip(&s->cur);
	if (s->cur.pos == s->cur.len)
		return json_fail_at(&s->cur, s->cur.pos, "the text is empty");
	do {
		json_space_skip(&s->cur);
		enum err err = token_take(s);
		if (err)
			return err;
	} while (s->depth > 0 || s->expect != EXPECT_AFTER);
	json_space_skip(&s->cur);
	return s->cur.pos == s->cur.len || may_go_on
		       ? ERR_NONE
		       : json_fail_expected(&s->cur, "nothing more after the document");
}

cJSON *json_scan(const char *text, size_t len, int depth_max, size_t *used, struct error *e)
{
	struct scan s; /* the stack of open containers is written before it is read: not cleared */

	ensure(depth_max > 0 && depth_max <= JSON_DEPTH_MAX);
	s.cur = (struct json_cursor){text, 0, len, e};
	s.expect = EXPECT_VALUE;
	s.depth = 0;
	s.depth_max = depth_max;
	s.root = NULL;
	s.name = NULL;
	s.name_at = 0;
	s.unescaped = BUF_INIT;
	s.pool = json_pool_new(len);
	enum err err = !s.pool         ? fail_memory(&s)
		       : len > INT_MAX ? fail_length(&s)
				       : document_take(&s, used != NULL);
	buf_release(&s.unescaped);
	if (err && s.pool)
		json_pool_free(s.pool);
	if (used)
		*used = s.cur.pos;
	return err ? NULL : s.root;
}
