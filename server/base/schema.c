/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a value fit a schema? One recursive walk over schema and value together, interpreting the schema as it
 * is: tools' schemas are small and a call is rare, so nothing is compiled or kept. What a schema may look
 * like is schema_compile.c's matter and is checked first; going down into a value is schema_tree.c's, what
 * nothing spoke of is schema_rest.c's, numbers and strings are schema_value.c's. Here: references, types, and
 * schemas that combine schemas.
 *
 * Bounded: SCHEMA_DEPTH_MAX levels (a reference to itself ends there) and SCHEMA_VISITS_MAX visits. Passing a
 * bound sets `broken`, which every loop and every inversion looks at: a check that was cut short says so and
 * never "fits".
 *
 * Not checked, as annotations: contentEncoding and its kin, and unknown formats. $dynamicRef is taken for
 * $ref.
 */
#include "base/base.h"
#include "base/schema_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- type, enum, const --- */

static const char *with_article(const char *type)
{
	static const char *const names[][2] = {
		{"null", "null"},          {"boolean", "a boolean"}, {"number", "a number"},
		{"integer", "an integer"}, {"string", "a string"},   {"array", "an array"},
		{"object", "an object"},
	};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (!strcmp(type, names[i][0]))
			return names[i][1];
	return type;
}

static void types_print(const struct json *type, char list[SCHEMA_LIST_SIZE])
{
	if (json_text(type))
		schema_list_add(list, "%s%s", *list ? " or " : "", with_article(json_text(type)));
	for (const struct json *t = json_is(type, JSON_ARRAY) ? json_first(type) : NULL; t; t = json_next(t))
		schema_list_add(list, "%s%s", *list ? " or " : "", with_article(json_text(t)));
}

static bool is_integral(const struct json *v)
{
	int64_t n;
	double d = json_number(v);
	return json_is(v, JSON_NUMBER) && (json_integer(v, &n) || (isfinite(d) && floor(d) == d));
}

static bool is_of_type(const struct json *v, const char *type)
{
	if (!strcmp(type, "integer"))
		return is_integral(v);
	return !strcmp(type, json_type_name(json_type(v)));
}

static bool is_of_any_type(const struct json *v, const struct json *type)
{
	if (json_text(type))
		return is_of_type(v, json_text(type));
	for (const struct json *t = json_first(type); t; t = json_next(t))
		if (is_of_type(v, json_text(t)))
			return true;
	return false;
}

static bool type_fits(struct schema_check *c, const struct json *type, const struct json *v)
{
	if (!type || is_of_any_type(v, type))
		return true;
	char allowed[SCHEMA_LIST_SIZE] = "", is[SCHEMA_SHORT_SIZE];
	types_print(type, allowed);
	/* Of 1.5 for an integer, "is a number" would not help. */
	if (json_is(v, JSON_NUMBER) && strstr(allowed, "integer"))
		schema_print_short(v, is);
	else
		snprintf(is, sizeof(is), "%s", with_article(json_type_name(json_type(v))));
	return schema_fail(c, "must be %s, is %s", allowed, is);
}

static bool value_fits(struct schema_check *c, const struct json *schema, const struct json *v)
{
	const struct json *only = json_get(schema, "const"), *all = json_get(schema, "enum");
	char is[SCHEMA_SHORT_SIZE], one[SCHEMA_SHORT_SIZE], list[SCHEMA_LIST_SIZE] = "";
	if (only && !json_equal(only, v)) {
		schema_print_short(only, one);
		schema_print_short(v, is);
		schema_fail(c, "must be %s, is %s", one, is);
		c->on_value = true;
		return false;
	}
	if (!all)
		return true;
	for (const struct json *m = json_first(all); m; m = json_next(m)) {
		if (!schema_visit(c, 0))
			return false;
		if (json_equal(m, v))
			return true;
		schema_print_short(m, one);
		schema_list_add(list, "%s%s", *list ? ", " : "", one);
	}
	schema_print_short(v, is);
	schema_fail(c, "must be one of %s; is %s", list, is);
	c->on_value = true;
	return false;
}

/* --- schemas that combine schemas --- */

/* A trial whose failure is kept aside. */
static bool try_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth,
		     struct error *e)
{
	struct error *before = c->e;
	size_t path_len = c->path.len;
	c->e = e;
	bool ok = schema_fits(c, schema, v, depth);
	c->e = before;
	ensure(c->path.len == path_len);
	return ok;
}

/* Of all branches' complaints the one that went deepest is most likely about the branch that was meant. */
static int complaint_depth(const struct schema_check *c, const struct error *e)
{
	int depth = 0;
	for (const char *p = e->field; *p; p++)
		depth += *p == '/';
	return depth * 2 - c->on_value;
}

/* anyOf and oneOf: how many branches fit (counting stops at `enough`); of none, *best is the best complaint.
 */
static int branches_fit(struct schema_check *c, const struct json *list, const struct json *v, int depth,
			int enough, struct error *best)
{
	int count = 0, best_depth = -2;
	for (const struct json *s = json_first(list); s && count < enough && !c->broken; s = json_next(s)) {
		struct error e = {0};
		if (try_fits(c, s, v, depth, c->e ? &e : NULL)) {
			count++;
		} else if (c->e && complaint_depth(c, &e) > best_depth) {
			best_depth = complaint_depth(c, &e);
			*best = e;
		}
	}
	return count;
}

/* None fits. Where the branches only differ in type, say the types. */
static bool none_fail(struct schema_check *c, const struct json *list, const struct json *v,
		      const struct error *best)
{
	if (!c->e || c->broken)
		return false;
	char types[SCHEMA_LIST_SIZE] = "";
	for (const struct json *s = json_first(list); s; s = json_next(s)) {
		const struct json *type = json_get(s, "type");
		if (!type || is_of_any_type(v, type)) {
			*c->e = *best;
			return false;
		}
		types_print(type, types);
	}
	return schema_fail(c, "must be %s, is %s", types, with_article(json_type_name(json_type(v))));
}

static bool any_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	const struct json *any = json_get(schema, "anyOf"), *one = json_get(schema, "oneOf");
	struct error best = {0};
	if (any && !branches_fit(c, any, v, depth, 1, &best))
		return none_fail(c, any, v, &best);
	int count = one ? branches_fit(c, one, v, depth, 2, &best) : 1;
	if (!count)
		return none_fail(c, one, v, &best);
	return count == 1 ||
	       schema_fail(c, "fits more than one of the forms of which it must fit exactly one");
}

static bool combined_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	for (const struct json *s = json_first(json_get(schema, "allOf")); s; s = json_next(s))
		if (!schema_fits(c, s, v, depth))
			return false;
	if (!any_fits(c, schema, v, depth))
		return false;
	const struct json *forbidden = json_get(schema, "not"), *when = json_get(schema, "if");
	if (forbidden && try_fits(c, forbidden, v, depth, NULL))
		return schema_fail(c, "is of a form that the schema forbids (not)");
	if (!when || c->broken)
		return !c->broken;
	const struct json *then = json_get(schema, try_fits(c, when, v, depth, NULL) ? "then" : "else");
	return !c->broken && (!then || schema_fits(c, then, v, depth));
}

static bool references_fit(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	static const char *const KEYWORDS[] = {"$ref", "$dynamicRef", "$recursiveRef"};
	for (size_t i = 0; i < COUNT_OF(KEYWORDS); i++) {
		const char *ref = json_get_text(schema, KEYWORDS[i], NULL);
		if (ref && !schema_fits(c, schema_resolve(c->root, ref), v, depth))
			return false;
	}
	return true;
}

/* A bit for each first letter of a keyword that is there; most schemas have few of them. */
enum { AT_REFERENCE = 1u << 26 };
#define AT(letter) (1u << ((letter) - 'a'))
static uint32_t keywords(const struct json *schema)
{
	uint32_t at = 0;
	if (!json_is(schema, JSON_OBJECT))
		return 0; /* a reference may lead anywhere */
	for (const struct json *m = json_first(schema); m; m = json_next(m)) {
		char first = *json_name(m);
		if (first >= 'a' && first <= 'z')
			at |= AT(first);
		else if (first == '$')
			at |= AT_REFERENCE;
	}
	return at;
}

bool schema_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	if (!schema_visit(c, depth))
		return false;
	if (json_is(schema, JSON_BOOL))
		return json_truth(schema) || schema_fail(c, "is not allowed here");
	depth++;
	uint32_t at = keywords(schema);
	if ((at & AT_REFERENCE) && !references_fit(c, schema, v, depth))
		return false;
	if (c->ref_alone && (at & AT_REFERENCE) && json_get(schema, "$ref"))
		return true;
	if (!type_fits(c, json_get(schema, "type"), v))
		return false;
	if ((at & (AT('c') | AT('e'))) && !value_fits(c, schema, v)) /* const, enum */
		return false;
	bool ok = true;
	switch (json_type(v)) {
	case JSON_NUMBER: ok = schema_number_fits(c, schema, v); break;
	case JSON_STRING: ok = schema_string_fits(c, schema, v); break;
	case JSON_ARRAY: ok = schema_array_fits(c, schema, v, depth); break;
	case JSON_OBJECT: ok = schema_object_fits(c, schema, v, depth); break;
	case JSON_NULL:
	case JSON_BOOL: break;
	}
	/* allOf, anyOf; if; not; oneOf */
	bool combines = at & (AT('a') | AT('i') | AT('n') | AT('o'));
	return ok && (!combines || combined_fits(c, schema, v, depth)) &&
	       (!(at & AT('u')) || schema_rest_fits(c, schema, v, depth)); /* unevaluated... */
}

enum err schema_check(const struct json *schema, const struct json *value, struct error *e)
{
	enum err rc = schema_compile_check(schema, e);
	return rc ? rc : schema_check_compiled(schema, value, e);
}

enum err schema_check_compiled(const struct json *schema, const struct json *value, struct error *e)
{
	if (!schema)
		return ERR_NONE;
	struct error local = {0};
	struct schema_check c = {.root = schema, .e = e ? e : &local};
	const char *dialect = json_get_text(schema, "$schema", "");
	c.ref_alone =
		strstr(dialect, "draft-07") || strstr(dialect, "draft-06") || strstr(dialect, "draft-04");
	bool ok = schema_fits(&c, schema, value, 0);
	if (c.broken)
		return err_set(e, ERR_CONFIG,
			       "checking the value against its schema takes more than %d steps or %d levels",
			       SCHEMA_VISITS_MAX, SCHEMA_DEPTH_MAX);
	return ok ? ERR_NONE : ERR_FIELD;
}
