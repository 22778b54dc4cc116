/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a schema check that goes down into a value: elements of arrays and members of objects. Failures
 * name the element or member by its pointer; for a name that is not known the nearest known one is offered.
 */
#include "base/base.h"
#include "base/schema_int.h"

#include <stdio.h>
#include <string.h>

/* --- arrays --- */

static bool element_fits(struct schema_check *c, const struct json *schema, const struct json *v, size_t i,
			 int depth)
{
	size_t before = schema_path_add_index(&c->path, i);
	bool ok = schema_fits(c, schema, v, depth);
	schema_path_cut(&c->path, before);
	return ok;
}

static bool is_unique(struct schema_check *c, const struct json *v)
{
	size_t i = 0;
	for (const struct json *a = json_first(v); a; a = json_next(a), i++) {
		size_t k = i + 1;
		for (const struct json *b = json_next(a); b; b = json_next(b), k++) {
			if (!schema_visit(c, 0))
				return false;
			if (json_equal(a, b))
				return schema_fail(c, "must not repeat an element: %zu and %zu are equal", i,
						   k);
		}
	}
	return true;
}

static bool contains_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	const struct json *wanted = json_get(schema, "contains");
	if (!wanted)
		return true;
	int64_t found = 0;
	struct error *e = c->e;
	c->e = NULL;
	for (const struct json *m = json_first(v); m; m = json_next(m))
		found += schema_fits(c, wanted, m, depth);
	c->e = e;
	int64_t least = schema_count(schema, "minContains", 1),
		most = schema_count(schema, "maxContains", INT64_MAX);
	if (c->broken)
		return false;
	if (found < least)
		return schema_fail(
			c, "must contain at least %lld element%s of the kind the schema asks for, has %lld",
			(long long)least, least == 1 ? "" : "s", (long long)found);
	if (found > most)
		return schema_fail(c, "must contain at most %lld elements of that kind, has %lld",
				   (long long)most, (long long)found);
	return true;
}

bool schema_array_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	int64_t n = (int64_t)json_count(v);
	int64_t least = schema_count(schema, "minItems", 0),
		most = schema_count(schema, "maxItems", INT64_MAX);
	if (n < least)
		return schema_fail(c, "must have at least %lld element%s, has %lld", (long long)least,
				   least == 1 ? "" : "s", (long long)n);
	if (n > most)
		return schema_fail(c, "must have at most %lld elements, has %lld", (long long)most,
				   (long long)n);
	/* Draft-07 writes prefixItems and items as items and additionalItems. */
	const struct json *first = json_get(schema, "prefixItems"), *rest = json_get(schema, "items");
	if (json_is(rest, JSON_ARRAY)) {
		first = rest;
		rest = json_get(schema, "additionalItems");
	}
	size_t i = 0, first_count = json_count(first);
	for (const struct json *m = json_first(v); m; m = json_next(m), i++) {
		const struct json *s = i < first_count ? json_at(first, i) : rest;
		if (s && !element_fits(c, s, m, i, depth))
			return false;
	}
	if (json_truth(json_get(schema, "uniqueItems")) && !is_unique(c, v))
		return false;
	return contains_fits(c, schema, v, depth);
}

/* --- objects --- */

static bool member_fits(struct schema_check *c, const struct json *schema, const struct json *m, int depth)
{
	size_t before = schema_path_add(&c->path, json_name(m));
	bool ok = schema_fits(c, schema, m, depth);
	schema_path_cut(&c->path, before);
	return ok;
}

/* " (string)" when the member's schema says so plainly. */
static void type_hint(const struct json *schema, const char *name, char out[SCHEMA_SHORT_SIZE])
{
	const struct json *member = json_get(json_get(schema, "properties"), name);
	const char *type = json_get_text(member, "type", NULL);
	snprintf(out, SCHEMA_SHORT_SIZE, type ? " (%s)" : "%s", type ? type : "");
}

static bool names_present(struct schema_check *c, const struct json *schema, const struct json *names,
			  const struct json *v, const char *because)
{
	for (const struct json *n = json_first(names); n; n = json_next(n)) {
		const char *name = json_text(n);
		if (!name || json_get(v, name))
			continue;
		char hint[SCHEMA_SHORT_SIZE];
		type_hint(schema, name, hint);
		size_t before = schema_path_add(&c->path, name);
		if (because)
			schema_fail(c, "is required%s when %.60s is given", hint, because);
		else
			schema_fail(c, "is required%s", hint);
		schema_path_cut(&c->path, before);
		return false;
	}
	return true;
}

/* The member is one that additionalProperties: false forbids. */
static bool unknown_fail(struct schema_check *c, const struct json *properties, const char *name)
{
	enum { NEAR_MAX = 3 };
	char known[SCHEMA_LIST_SIZE] = "";
	const char *nearest = NULL;
	int best = NEAR_MAX + 1;
	for (const struct json *p = json_first(properties); p; p = json_next(p)) {
		int d = text_distance(name, json_name(p), NEAR_MAX);
		if (d < best && d < (int)strlen(name)) {
			best = d;
			nearest = json_name(p);
		}
		schema_list_add(known, "%s%s", *known ? ", " : "", json_name(p));
	}
	if (nearest)
		return schema_fail(c, "is not a known property; did you mean %.60s? Known: %s", nearest,
				   known);
	if (*known)
		return schema_fail(c, "is not a known property; known: %s", known);
	return schema_fail(c, "is not a known property; none is allowed here");
}

/* One member against every schema that speaks of it: by name, by pattern, or else as an additional one. */
static bool property_fits(struct schema_check *c, const struct json *schema, const struct json *m, int depth)
{
	const struct json *properties = json_get(schema, "properties");
	const struct json *rest = json_get(schema, "additionalProperties");
	const struct json *own = json_get(properties, json_name(m));
	bool known = own != NULL;
	if (own && !member_fits(c, own, m, depth))
		return false;
	const struct json *patterns = json_get(schema, "patternProperties");
	for (const struct json *p = json_first(patterns); p; p = json_next(p)) {
		if (!schema_visit(c, depth))
			return false;
		enum pattern_result r = schema_pattern(json_name(p), json_name(m));
		/* A pattern we cannot read might be meant: then the member is nobody's business but the
		 * server's. */
		known |= r == PATTERN_MATCH || r == PATTERN_UNSUPPORTED;
		if (r == PATTERN_MATCH && !member_fits(c, p, m, depth))
			return false;
	}
	if (known || !rest)
		return true;
	if (!json_is(rest, JSON_BOOL))
		return member_fits(c, rest, m, depth);
	if (json_truth(rest))
		return true;
	size_t before = schema_path_add(&c->path, json_name(m));
	unknown_fail(c, properties, json_name(m));
	schema_path_cut(&c->path, before);
	return false;
}

static bool name_fits(struct schema_check *c, const struct json *schema, const char *name, int depth)
{
	struct json *text = json_new_text(name);
	struct error *e = c->e;
	c->e = NULL;
	bool ok = schema_fits(c, schema, text, depth);
	c->e = e;
	json_free(text);
	return ok || schema_fail(c, "\"%.60s\" is not allowed as a property name", name);
}

/* Keyword dependentRequired, dependentSchemas or draft-07's dependencies, which mixes both. */
static bool dependencies_fit(struct schema_check *c, const struct json *schema, const char *keyword,
			     const struct json *v, int depth)
{
	for (const struct json *d = json_first(json_get(schema, keyword)); d; d = json_next(d)) {
		if (!json_get(v, json_name(d)))
			continue;
		bool ok = json_is(d, JSON_ARRAY) ? names_present(c, schema, d, v, json_name(d))
						 : schema_fits(c, d, v, depth);
		if (!ok)
			return false;
	}
	return true;
}

bool schema_object_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	const struct json *names = json_get(schema, "propertyNames");
	if (!names_present(c, schema, json_get(schema, "required"), v, NULL))
		return false;
	for (const struct json *m = json_first(v); m; m = json_next(m))
		if (!property_fits(c, schema, m, depth) ||
		    (names && !name_fits(c, names, json_name(m), depth)))
			return false;
	int64_t n = (int64_t)json_count(v);
	int64_t least = schema_count(schema, "minProperties", 0);
	int64_t most = schema_count(schema, "maxProperties", INT64_MAX);
	if (n < least)
		return schema_fail(c, "must have at least %lld properties, has %lld", (long long)least,
				   (long long)n);
	if (n > most)
		return schema_fail(c, "must have at most %lld properties, has %lld", (long long)most,
				   (long long)n);
	return dependencies_fit(c, schema, "dependentRequired", v, depth) &&
	       dependencies_fit(c, schema, "dependentSchemas", v, depth) &&
	       dependencies_fit(c, schema, "dependencies", v, depth);
}
