/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a schema well formed? One table says what each keyword's value must be and where schemas are nested; one
 * bounded walk applies it. Unknown keywords are annotations and are left alone, as both drafts want. Also
 * resolving references, never out of the document: nothing is fetched.
 *
 * Errors are ERR_CONFIG and name the place in the schema: it is the tool's author who has to act, not the
 * model.
 */
#include "base/base.h"
#include "base/schema_int.h"

#include <stdio.h>
#include <string.h>

enum shape {
	SHAPE_SCHEMA,
	SHAPE_SCHEMAS,        /* a list of at least one */
	SHAPE_SCHEMA_OR_LIST, /* items: draft-07 allows a list */
	SHAPE_SCHEMA_MAP,
	SHAPE_PATTERN_MAP,  /* the names are patterns */
	SHAPE_DEPENDENCIES, /* draft-07: name to schema or to names */
	SHAPE_NAMES,
	SHAPE_NAMES_MAP,
	SHAPE_TYPE,
	SHAPE_VALUES,
	SHAPE_COUNT,
	SHAPE_NUMBER,
	SHAPE_POSITIVE,
	SHAPE_LIMIT, /* a number, or draft-04's boolean, which is still about */
	SHAPE_BOOL,
	SHAPE_TEXT,
	SHAPE_PATTERN,
	SHAPE_REF,
};

static const struct keyword {
	const char *name;
	enum shape shape;
} KEYWORDS[] = {
	{"$ref", SHAPE_REF},
	{"$dynamicRef", SHAPE_REF},
	{"$recursiveRef", SHAPE_REF},
	{"$defs", SHAPE_SCHEMA_MAP},
	{"definitions", SHAPE_SCHEMA_MAP},
	{"type", SHAPE_TYPE},
	{"enum", SHAPE_VALUES},
	{"properties", SHAPE_SCHEMA_MAP},
	{"patternProperties", SHAPE_PATTERN_MAP},
	{"additionalProperties", SHAPE_SCHEMA},
	{"propertyNames", SHAPE_SCHEMA},
	{"unevaluatedProperties", SHAPE_SCHEMA},
	{"unevaluatedItems", SHAPE_SCHEMA},
	{"required", SHAPE_NAMES},
	{"dependentRequired", SHAPE_NAMES_MAP},
	{"dependentSchemas", SHAPE_SCHEMA_MAP},
	{"dependencies", SHAPE_DEPENDENCIES},
	{"minProperties", SHAPE_COUNT},
	{"maxProperties", SHAPE_COUNT},
	{"items", SHAPE_SCHEMA_OR_LIST},
	{"prefixItems", SHAPE_SCHEMAS},
	{"additionalItems", SHAPE_SCHEMA},
	{"contains", SHAPE_SCHEMA},
	{"minContains", SHAPE_COUNT},
	{"maxContains", SHAPE_COUNT},
	{"minItems", SHAPE_COUNT},
	{"maxItems", SHAPE_COUNT},
	{"uniqueItems", SHAPE_BOOL},
	{"minimum", SHAPE_NUMBER},
	{"maximum", SHAPE_NUMBER},
	{"exclusiveMinimum", SHAPE_LIMIT},
	{"exclusiveMaximum", SHAPE_LIMIT},
	{"multipleOf", SHAPE_POSITIVE},
	{"minLength", SHAPE_COUNT},
	{"maxLength", SHAPE_COUNT},
	{"pattern", SHAPE_PATTERN},
	{"format", SHAPE_TEXT},
	{"allOf", SHAPE_SCHEMAS},
	{"anyOf", SHAPE_SCHEMAS},
	{"oneOf", SHAPE_SCHEMAS},
	{"not", SHAPE_SCHEMA},
	{"if", SHAPE_SCHEMA},
	{"then", SHAPE_SCHEMA},
	{"else", SHAPE_SCHEMA},
};

static const char *const TYPES[] = {"null", "boolean", "number", "integer", "string", "array", "object"};

struct walk {
	const struct json *root;
	struct schema_path path;
	int visits;
	struct error *e;
};

static enum err schema_walk(struct walk *w, const struct json *schema, int depth);

/* --- the path --- */

static size_t path_append(struct schema_path *p, const char *segment, size_t n)
{
	size_t before = p->len;
	if (p->len + n + 2 <= sizeof(p->text)) {
		p->text[p->len++] = '/';
		memcpy(p->text + p->len, segment, n);
		p->len += n;
		p->text[p->len] = '\0';
	}
	return before;
}

size_t schema_path_add(struct schema_path *p, const char *name)
{
	char escaped[SCHEMA_PATH_MAX];
	size_t n = 0;
	for (; *name && n + 2 < sizeof(escaped); name++) {
		bool special = *name == '~' || *name == '/';
		escaped[n++] = special ? '~' : *name;
		if (special)
			escaped[n++] = *name == '~' ? '0' : '1';
	}
	return path_append(p, escaped, n);
}

size_t schema_path_add_index(struct schema_path *p, size_t i)
{
	char digits[U64_TEXT_SIZE];
	return path_append(p, digits, u64_format(i, digits));
}

void schema_path_cut(struct schema_path *p, size_t len)
{
	p->len = len;
	p->text[len] = '\0';
}

/* --- references --- */

/* Percent-decodes a fragment. false when it does not fit or is malformed. */
static bool fragment_decode(const char *s, char *out, size_t size)
{
	size_t n = 0;
	for (; *s; s++) {
		unsigned int byte = (unsigned char)*s;
		if (*s == '%') {
			if (sscanf(s + 1, "%2x", &byte) != 1 || !byte || !s[1] || !s[2])
				return false;
			s += 2;
		}
		if (n + 1 >= size)
			return false;
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	return true;
}

/* The first schema that names itself `anchor` ("$anchor", "$dynamicAnchor", or draft-07's "$id": "#anchor").
 */
static const struct json *anchor_find(const struct json *at, const char *anchor, int depth, int *visits)
{
	if (depth > SCHEMA_DEPTH_MAX || ++*visits > SCHEMA_VISITS_MAX)
		return NULL;
	const char *id = json_get_text(at, "$id", "");
	if (!strcmp(json_get_text(at, "$anchor", ""), anchor) ||
	    !strcmp(json_get_text(at, "$dynamicAnchor", ""), anchor) ||
	    (*id == '#' && !strcmp(id + 1, anchor)))
		return at;
	const struct json *found = NULL;
	if (json_is(at, JSON_OBJECT) || json_is(at, JSON_ARRAY))
		for (const struct json *m = json_first(at); m && !found; m = json_next(m))
			found = anchor_find(m, anchor, depth + 1, visits);
	return found;
}

const struct json *schema_resolve(const struct json *root, const char *ref)
{
	const char *id = json_get_text(root, "$id", "");
	size_t id_len = strcspn(id, "#");
	if (id_len && !strncmp(ref, id, id_len) && (ref[id_len] == '#' || !ref[id_len]))
		ref += id_len;
	char fragment[SCHEMA_PATH_MAX];
	if (!*ref)
		return root;
	if (*ref != '#' || !fragment_decode(ref + 1, fragment, sizeof(fragment)))
		return NULL;
	if (!*fragment || *fragment == '/')
		return json_pointer(root, fragment);
	int visits = 0;
	return anchor_find(root, fragment, 0, &visits);
}

/* --- the walk --- */

static enum err walk_fail(struct walk *w, const char *what)
{
	return err_set_field(w->e, ERR_CONFIG, w->path.text, "the schema is not valid at %s: %s",
			     *w->path.text ? w->path.text : "its top", what);
}

static bool is_names(const struct json *j)
{
	if (!json_is(j, JSON_ARRAY))
		return false;
	for (const struct json *m = json_first(j); m; m = json_next(m))
		if (!json_is(m, JSON_STRING))
			return false;
	return true;
}

static bool is_type_name(const struct json *j)
{
	const char *s = json_text(j);
	for (size_t i = 0; s && i < COUNT_OF(TYPES); i++)
		if (!strcmp(s, TYPES[i]))
			return true;
	return false;
}

static bool is_type(const struct json *j)
{
	if (!json_is(j, JSON_ARRAY))
		return is_type_name(j);
	for (const struct json *m = json_first(j); m; m = json_next(m))
		if (!is_type_name(m))
			return false;
	return json_count(j) > 0;
}

static bool is_count(const struct json *j)
{
	int64_t n;
	return json_integer(j, &n) && n >= 0;
}

static enum err list_walk(struct walk *w, const struct json *list, int depth)
{
	size_t i = 0;
	for (const struct json *m = json_first(list); m; m = json_next(m)) {
		size_t before = schema_path_add_index(&w->path, i++);
		enum err rc = schema_walk(w, m, depth);
		if (rc)
			return rc;
		schema_path_cut(&w->path, before);
	}
	return ERR_NONE;
}

/* Members of a map of schemas; of `dependencies` those that are lists of names are fine as well. */
static enum err map_walk(struct walk *w, const struct json *map, enum shape shape, int depth)
{
	if (!json_is(map, JSON_OBJECT))
		return walk_fail(w, "must be an object of schemas");
	for (const struct json *m = json_first(map); m; m = json_next(m)) {
		size_t before = schema_path_add(&w->path, json_name(m));
		if (shape == SHAPE_PATTERN_MAP && schema_pattern(json_name(m), "") == PATTERN_BROKEN)
			return walk_fail(w, "the name is not a regular expression");
		enum err rc = ERR_NONE;
		if (shape != SHAPE_DEPENDENCIES || !is_names(m))
			rc = schema_walk(w, m, depth);
		if (rc)
			return rc;
		schema_path_cut(&w->path, before);
	}
	return ERR_NONE;
}

static enum err names_map_check(struct walk *w, const struct json *map)
{
	if (!json_is(map, JSON_OBJECT))
		return walk_fail(w, "must be an object");
	for (const struct json *m = json_first(map); m; m = json_next(m))
		if (!is_names(m))
			return walk_fail(w, "must be an object of lists of property names");
	return ERR_NONE;
}

static enum err ref_check(struct walk *w, const struct json *value)
{
	const char *ref = json_text(value);
	if (!ref)
		return walk_fail(w, "must be a string");
	const struct json *to = schema_resolve(w->root, ref);
	if (json_is(to, JSON_OBJECT) || json_is(to, JSON_BOOL))
		return ERR_NONE;
	char what[160];
	snprintf(what, sizeof(what), "the reference \"%.80s\" %s", ref,
		 *ref == '#' ? "leads to no schema" : "leads out of the document; nothing is fetched");
	return walk_fail(w, what);
}

/* The value of one keyword that holds no schema. */
static enum err plain_check(struct walk *w, enum shape shape, const struct json *v)
{
	bool number = json_is(v, JSON_NUMBER);
	switch (shape) {
	case SHAPE_REF: return ref_check(w, v);
	case SHAPE_NAMES_MAP: return names_map_check(w, v);
	case SHAPE_NAMES: return is_names(v) ? ERR_NONE : walk_fail(w, "must be a list of property names");
	case SHAPE_TYPE: return is_type(v) ? ERR_NONE : walk_fail(w, "must be a type name or a list of them");
	case SHAPE_VALUES: return json_is(v, JSON_ARRAY) ? ERR_NONE : walk_fail(w, "must be a list");
	case SHAPE_COUNT: return is_count(v) ? ERR_NONE : walk_fail(w, "must be a whole number of 0 or more");
	case SHAPE_NUMBER: return number ? ERR_NONE : walk_fail(w, "must be a number");
	case SHAPE_POSITIVE:
		return number && json_number(v) > 0 ? ERR_NONE : walk_fail(w, "must be a number above 0");
	case SHAPE_LIMIT:
		return number || json_is(v, JSON_BOOL) ? ERR_NONE : walk_fail(w, "must be a number");
	case SHAPE_BOOL: return json_is(v, JSON_BOOL) ? ERR_NONE : walk_fail(w, "must be true or false");
	case SHAPE_TEXT: return json_is(v, JSON_STRING) ? ERR_NONE : walk_fail(w, "must be a string");
	case SHAPE_PATTERN:
		if (json_text(v) && schema_pattern(json_text(v), "") != PATTERN_BROKEN)
			return ERR_NONE;
		return walk_fail(w, "must be a regular expression");
	default: ensure(!"a shape that holds schemas"); return ERR_INTERNAL;
	}
}

static enum err keyword_check(struct walk *w, enum shape shape, const struct json *v, int depth)
{
	switch (shape) {
	case SHAPE_SCHEMA: return schema_walk(w, v, depth);
	case SHAPE_SCHEMA_OR_LIST:
		return json_is(v, JSON_ARRAY) ? list_walk(w, v, depth) : schema_walk(w, v, depth);
	case SHAPE_SCHEMAS:
		if (!json_is(v, JSON_ARRAY) || !json_count(v))
			return walk_fail(w, "must be a list of at least one schema");
		return list_walk(w, v, depth);
	case SHAPE_SCHEMA_MAP:
	case SHAPE_PATTERN_MAP:
	case SHAPE_DEPENDENCIES: return map_walk(w, v, shape, depth);
	default: return plain_check(w, shape, v);
	}
}

static enum err schema_walk(struct walk *w, const struct json *schema, int depth)
{
	if (json_is(schema, JSON_BOOL))
		return ERR_NONE;
	if (!json_is(schema, JSON_OBJECT))
		return walk_fail(w, "a schema must be an object, true or false");
	if (depth > SCHEMA_DEPTH_MAX || ++w->visits > SCHEMA_VISITS_MAX)
		return walk_fail(w, "too deep or too large");
	for (size_t i = 0; i < COUNT_OF(KEYWORDS); i++) {
		const struct json *v = json_get(schema, KEYWORDS[i].name);
		if (!v)
			continue;
		size_t before = schema_path_add(&w->path, KEYWORDS[i].name);
		enum err rc = keyword_check(w, KEYWORDS[i].shape, v, depth + 1);
		if (rc)
			return rc;
		schema_path_cut(&w->path, before);
	}
	return ERR_NONE;
}

enum err schema_compile_check(const struct json *schema, struct error *e)
{
	if (!schema)
		return ERR_NONE;
	struct walk w = {.root = schema, .e = e};
	return schema_walk(&w, schema, 0);
}
