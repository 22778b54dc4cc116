/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a schema check that needs no walk: bounds of numbers, length, pattern and format of strings;
 * and how a failure is worded, so that a model can act on it: where, what must be, what is.
 */
#include "base/base.h"
#include "base/schema_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool schema_fail(struct schema_check *c, const char *fmt, ...)
{
	char msg[ERROR_MSG_MAX];
	c->on_value = false;
	if (!c->e)
		return false;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	msg[utf8_valid_prefix(msg, strlen(msg))] = '\0';
	err_set_field(c->e, ERR_FIELD, c->path.text, "%s: %s", c->path.len ? c->path.text : "value", msg);
	return false;
}

bool schema_visit(struct schema_check *c, int depth)
{
	if (++c->visits > SCHEMA_VISITS_MAX || depth > SCHEMA_DEPTH_MAX)
		c->broken = true;
	return !c->broken;
}

void schema_print_short(const struct json *j, char out[SCHEMA_SHORT_SIZE])
{
	struct buf b = BUF_LIMIT(SCHEMA_SHORT_SIZE * 8);
	if (!json_print(j, &b))
		snprintf(out, SCHEMA_SHORT_SIZE, "a long %s", json_type_name(json_type(j)));
	else if (b.len < SCHEMA_SHORT_SIZE)
		memcpy(out, buf_cstr(&b), b.len + 1);
	else
		snprintf(out, SCHEMA_SHORT_SIZE, "%.*s...",
			 (int)utf8_cut(b.data, b.len, SCHEMA_SHORT_SIZE - 4), b.data);
	buf_release(&b);
}

void schema_list_add(char list[SCHEMA_LIST_SIZE], const char *fmt, ...)
{
	size_t len = strlen(list);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(list + len, SCHEMA_LIST_SIZE - len, fmt, ap);
	va_end(ap);
	if (n < 0 || len + (size_t)n >= SCHEMA_LIST_SIZE)
		list[len] = '\0';
}

int64_t schema_count(const struct json *schema, const char *keyword, int64_t fallback)
{
	return json_get_integer(schema, keyword, fallback);
}

/* --- numbers --- */

/* Exact for integers, which doubles are not above 2^53. */
static int number_compare(const struct json *a, const struct json *b)
{
	int64_t x, y;
	if (json_integer(a, &x) && json_integer(b, &y))
		return (x > y) - (x < y);
	double p = json_number(a), q = json_number(b);
	return (p > q) - (p < q);
}

static bool is_multiple(const struct json *v, const struct json *of)
{
	int64_t x, y;
	if (json_integer(v, &x) && json_integer(of, &y) && y > 0)
		return x % y == 0;
	/* 0.3 is a multiple of 0.1 to everyone but binary fractions. */
	double q = json_number(v) / json_number(of);
	return isfinite(q) && fabs(q - round(q)) <= 1e-9 * fmax(1, fabs(q));
}

bool schema_number_fits(struct schema_check *c, const struct json *schema, const struct json *v)
{
	static const struct {
		const char *keyword, *exclusive_keyword;
		int sign;
	} SIDES[] = {{"minimum", "exclusiveMinimum", 1}, {"maximum", "exclusiveMaximum", -1}};
	char is[SCHEMA_SHORT_SIZE], bound[SCHEMA_SHORT_SIZE];
	schema_print_short(v, is);
	for (size_t i = 0; i < COUNT_OF(SIDES); i++) {
		const struct json *limit = json_get(schema, SIDES[i].keyword);
		const struct json *exclusive = json_get(schema, SIDES[i].exclusive_keyword);
		if (json_is(limit, JSON_NUMBER) && number_compare(v, limit) * SIDES[i].sign < 0) {
			schema_print_short(limit, bound);
			return schema_fail(c, "must be at %s %s, is %s", i ? "most" : "least", bound, is);
		}
		/* Draft-04: a boolean that sharpens the limit. */
		if (json_truth(exclusive))
			exclusive = limit;
		if (json_is(exclusive, JSON_NUMBER) && number_compare(v, exclusive) * SIDES[i].sign <= 0) {
			schema_print_short(exclusive, bound);
			return schema_fail(c, "must be %s %s, is %s", i ? "below" : "above", bound, is);
		}
	}
	const struct json *of = json_get(schema, "multipleOf");
	if (of && !is_multiple(v, of)) {
		schema_print_short(of, bound);
		return schema_fail(c, "must be a multiple of %s, is %s", bound, is);
	}
	return true;
}

/* --- strings --- */

static int64_t characters_count(const char *s)
{
	int64_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

bool schema_string_fits(struct schema_check *c, const struct json *schema, const struct json *v)
{
	const char *text = json_text(v), *pattern = json_get_text(schema, "pattern", NULL);
	const char *format = json_get_text(schema, "format", NULL);
	int64_t n = characters_count(text);
	int64_t least = schema_count(schema, "minLength", 0),
		most = schema_count(schema, "maxLength", INT64_MAX);
	if (n == 0 && least > 0)
		return schema_fail(c, "must not be empty");
	if (n < least)
		return schema_fail(c, "must have at least %lld characters, has %lld", (long long)least,
				   (long long)n);
	if (n > most)
		return schema_fail(c, "must have at most %lld characters, has %lld", (long long)most,
				   (long long)n);
	if (pattern && schema_pattern(pattern, text) == PATTERN_NO_MATCH)
		return schema_fail(c, "must match the pattern %.200s", pattern);
	if (format && !schema_format(format, text))
		return schema_fail(c, "must be a valid %s", format);
	return true;
}
