/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the schema files of the kit: limits, the keyword walk's shape, and the checks of single texts.
 */
#ifndef BASE_SCHEMA_INT_H
#define BASE_SCHEMA_INT_H

#include "base/schema.h"

enum {
	SCHEMA_DEPTH_MAX =
		200, /* schemas within schemas, references included: a reference to itself ends here */
	SCHEMA_VISITS_MAX = 200000, /* schema and value met, in one check */
	SCHEMA_PATH_MAX = 512,
	SCHEMA_SHORT_SIZE = 72, /* one value in a message */
	SCHEMA_LIST_SIZE = 256, /* a list in a message */
};

/* A JSON pointer that grows and shrinks with the walk. What does not fit is left out, whole segments at a
 * time. */
struct schema_path {
	char text[SCHEMA_PATH_MAX];
	size_t len;
};
/* Adds "/name" (escaped) and returns the length to restore with schema_path_cut. */
size_t schema_path_add(struct schema_path *p, const char *name);
size_t schema_path_add_index(struct schema_path *p, size_t i);
void schema_path_cut(struct schema_path *p, size_t len);

/* One check under way. Passing a bound sets `broken`: whoever loops or inverts an answer looks at it. */
struct schema_check {
	const struct json *root;
	bool ref_alone;          /* up to draft-07 the neighbours of $ref are ignored */
	struct schema_path path; /* into the value */
	int visits;
	bool broken;
	struct error *e; /* NULL while only yes or no is asked */
	bool on_value;   /* the last failure was enum or const: in a union, the sign of a branch that was not
			    meant */
};

/* --- schema.c --- */
bool schema_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth);

/* --- schema_tree.c --- */
bool schema_array_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth);
bool schema_object_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth);

/* --- schema_rest.c --- */
bool schema_rest_fits(struct schema_check *c, const struct json *schema, const struct json *v, int depth);

/* --- schema_value.c --- */
bool schema_number_fits(struct schema_check *c, const struct json *schema, const struct json *v);
bool schema_string_fits(struct schema_check *c, const struct json *schema, const struct json *v);
/* Words what is wrong at the current path; returns false. */
bool schema_fail(struct schema_check *c, const char *fmt, ...) printf_like(2);
/* Counts one visit; false when a bound is passed. */
bool schema_visit(struct schema_check *c, int depth);
/* The value as JSON, cut to the size of out. */
void schema_print_short(const struct json *j, char out[SCHEMA_SHORT_SIZE]);
/* Appends to a bounded text; what does not fit is left out. */
void schema_list_add(char list[SCHEMA_LIST_SIZE], const char *fmt, ...) printf_like(2);
/* Value of a keyword like minItems. */
int64_t schema_count(const struct json *schema, const char *keyword, int64_t fallback);

/* --- schema_pattern.c --- */
enum pattern_result { PATTERN_MATCH, PATTERN_NO_MATCH, PATTERN_UNSUPPORTED, PATTERN_BROKEN };
/* Does an ECMAScript pattern match anywhere in text? UNSUPPORTED: look-around, back references, or too much
 * work. BROKEN: no regular expression at all. */
enum pattern_result schema_pattern(const char *pattern, const char *text);

/* --- schema_format.c --- */
/* false when text is not of a format we know; true for unknown formats (they are annotations). */
bool schema_format(const char *format, const char *text);

/* --- schema_compile.c --- */
/* The schema a reference leads to: "#", "#/json/pointer", "#anchor", or one of these behind the root's own
 * $id. NULL when it leads nowhere or out of the document. */
const struct json *schema_resolve(const struct json *root, const char *ref);

#endif
