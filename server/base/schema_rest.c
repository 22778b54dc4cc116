/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unevaluatedProperties and unevaluatedItems (2020-12): a schema for the members and elements that no other
 * keyword spoke of, those of schemas it is combined with included, as far as they fit the value. Nothing is
 * kept of the check that went before; who spoke of what is asked for anew, member by member, which few
 * schemas need. The value fits all but these two keywords when this is asked.
 *
 * Up to draft-07 there are no such keywords. A pattern that cannot be read may speak of any member.
 */
#include "base/base.h"
#include "base/schema_int.h"

/* One member or element of a value: which schemas spoke of it? */
struct place {
	const struct json *value, *part;
	size_t index;
	const struct json *asking; /* its own unevaluated... says nothing of itself */
};

static bool spoke(struct schema_check *c, const struct json *schema, const struct place *p, int depth);

static bool fits_quietly(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	struct error *e = c->e;
	c->e = NULL;
	bool ok = schema_fits(c, schema, v, depth);
	c->e = e;
	return ok;
}

/* --- what one schema says by itself --- */

static bool spoke_of_member(const struct json *schema, const struct place *p)
{
	const struct json *patterns = json_get(schema, "patternProperties");
	if (json_get(json_get(schema, "properties"), json_name(p->part)) ||
	    json_get(schema, "additionalProperties"))
		return true;
	for (const struct json *n = json_first(patterns); n; n = json_next(n)) {
		if (schema_pattern(json_name(n), json_name(p->part)) != PATTERN_NO_MATCH)
			return true;
	}
	return schema != p->asking && json_get(schema, "unevaluatedProperties");
}

static bool spoke_of_element(struct schema_check *c, const struct json *schema, const struct place *p,
			     int depth)
{
	const struct json *first = json_get(schema, "prefixItems"), *rest = json_get(schema, "items");
	const struct json *wanted = json_get(schema, "contains");
	if (json_is(rest, JSON_ARRAY)) {
		first = rest;
		rest = json_get(schema, "additionalItems");
	}
	if (rest || p->index < json_count(first))
		return true;
	if (wanted && fits_quietly(c, wanted, p->part, depth))
		return true;
	return schema != p->asking && json_get(schema, "unevaluatedItems");
}

/* --- and through those it is combined with --- */

static bool one_spoke(struct schema_check *c, const struct json *list, const struct place *p, bool is_sure,
		      int depth)
{
	for (const struct json *s = json_first(list); s && !c->broken; s = json_next(s)) {
		if ((is_sure || fits_quietly(c, s, p->value, depth)) && spoke(c, s, p, depth))
			return true;
	}
	return false;
}

static bool condition_spoke(struct schema_check *c, const struct json *schema, const struct place *p,
			    int depth)
{
	const struct json *when = json_get(schema, "if");
	if (!when)
		return false;
	bool yes = fits_quietly(c, when, p->value, depth);
	return (yes && spoke(c, when, p, depth)) ||
	       spoke(c, json_get(schema, yes ? "then" : "else"), p, depth);
}

static bool reference_spoke(struct schema_check *c, const struct json *schema, const struct place *p,
			    int depth)
{
	static const char *const KEYWORDS[] = {"$ref", "$dynamicRef", "$recursiveRef"};
	for (size_t i = 0; i < COUNT_OF(KEYWORDS); i++) {
		const char *ref = json_get_text(schema, KEYWORDS[i], NULL);
		if (ref && spoke(c, schema_resolve(c->root, ref), p, depth))
			return true;
	}
	return false;
}

static bool dependent_spoke(struct schema_check *c, const struct json *schema, const struct place *p,
			    int depth)
{
	const struct json *all = json_get(schema, "dependentSchemas");
	for (const struct json *s = json_first(all); s; s = json_next(s)) {
		if (json_get(p->value, json_name(s)) && spoke(c, s, p, depth))
			return true;
	}
	return false;
}

static bool spoke(struct schema_check *c, const struct json *schema, const struct place *p, int depth)
{
	if (!json_is(schema, JSON_OBJECT) || !schema_visit(c, depth))
		return false;
	depth++;
	bool own = json_is(p->value, JSON_OBJECT) ? spoke_of_member(schema, p)
						  : spoke_of_element(c, schema, p, depth);
	return own || reference_spoke(c, schema, p, depth) ||
	       one_spoke(c, json_get(schema, "allOf"), p, true, depth) ||
	       one_spoke(c, json_get(schema, "anyOf"), p, false, depth) ||
	       one_spoke(c, json_get(schema, "oneOf"), p, false, depth) ||
	       condition_spoke(c, schema, p, depth) || dependent_spoke(c, schema, p, depth);
}

/* --- the rest --- */

static bool part_fits(struct schema_check *c, const struct json *rest, const struct place *p, int depth)
{
	size_t before = json_is(p->value, JSON_OBJECT) ? schema_path_add(&c->path, json_name(p->part))
						       : schema_path_add_index(&c->path, p->index);
	bool ok = schema_fits(c, rest, p->part, depth);
	schema_path_cut(&c->path, before);
	return ok;
}

bool schema_rest_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth)
{
	const struct json *rest = json_is(v, JSON_OBJECT)  ? json_get(schema, "unevaluatedProperties")
				  : json_is(v, JSON_ARRAY) ? json_get(schema, "unevaluatedItems")
							   : NULL;
	struct place p = {.value = v, .asking = schema};
	if (!rest || c->ref_alone)
		return true;
	for (p.part = json_first(v); p.part; p.part = json_next(p.part), p.index++) {
		if (!spoke(c, schema, &p, depth) && (c->broken || !part_fits(c, rest, &p, depth)))
			return false;
	}
	return !c->broken;
}
