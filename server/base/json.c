/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON tree: a cJSON tree behind our own names. Only this file, json_scan.c, which parses, and
 * json_node.c, which holds its memory, know so; json_print.c walks it through this face.
 *
 * A struct json is a cJSON node. One thing is ours: a number node whose valuestring is set carries the exact
 * text of an integer that a double cannot hold (cJSON leaves that field alone in numbers, copies it and frees
 * it with the node). Look-up by name is a walk over the members, so keep objects that are asked often small.
 *
 * cJSON recurses when it copies and frees; depth is bounded by JSON_DEPTH_MAX for what we parse, and
 * by their makers for trees built here.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define INTEGER_EXACT_MAX 9007199254740992 /* 2^53 */

static const cJSON *node(const struct json *j)
{
	return (const cJSON *)(const void *)j;
}

static cJSON *node_mut(struct json *j)
{
	return (cJSON *)(void *)j;
}

static struct json *tree(cJSON *n)
{
	ensure(n); /* cJSON's constructors fail only when memory is out */
	return (struct json *)(void *)n;
}

static const struct json *view(const cJSON *n)
{
	return (const struct json *)(const void *)n;
}

struct json *json_parse(const char *text, size_t len, int depth_max, struct error *e)
{
	depth_max = depth_max ? depth_max : JSON_DEPTH_DEFAULT;
	return (struct json *)(void *)json_scan(text, len, depth_max, NULL, e);
}

struct json *json_parse_front(const char *text, size_t len, int depth_max, size_t *used, struct error *e)
{
	depth_max = depth_max ? depth_max : JSON_DEPTH_DEFAULT;
	return (struct json *)(void *)json_scan(text, len, depth_max, used, e);
}

void json_free(struct json *j)
{
	json_tree_free(node_mut(j));
}

enum json_type json_type(const struct json *j)
{
	switch (node(j)->type & 0xff) {
	case cJSON_NULL: return JSON_NULL;
	case cJSON_False:
	case cJSON_True: return JSON_BOOL;
	case cJSON_Number: return JSON_NUMBER;
	case cJSON_String: return JSON_STRING;
	case cJSON_Array: return JSON_ARRAY;
	case cJSON_Object: return JSON_OBJECT;
	}
	ensure(!"a JSON node of no known type");
	return JSON_NULL;
}

const char *json_type_name(enum json_type t)
{
	static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};

	ensure((unsigned)t < COUNT_OF(names));
	return names[t];
}

bool json_is(const struct json *j, enum json_type t)
{
	return j && json_type(j) == t;
}

const struct json *json_get(const struct json *obj, const char *name)
{
	if (!json_is(obj, JSON_OBJECT))
		return NULL;
	for (const cJSON *n = node(obj)->child; n; n = n->next) {
		/* Most names differ in their first letter. */
		if (*n->string == *name && strcmp(n->string, name) == 0)
			return view(n);
	}
	return NULL;
}

const struct json *json_first(const struct json *j)
{
	return json_is(j, JSON_ARRAY) || json_is(j, JSON_OBJECT) ? view(node(j)->child) : NULL;
}

const struct json *json_next(const struct json *j)
{
	return j ? view(node(j)->next) : NULL;
}

const struct json *json_at(const struct json *arr, size_t i)
{
	const struct json *j = json_is(arr, JSON_ARRAY) ? json_first(arr) : NULL;

	while (j && i-- > 0)
		j = json_next(j);
	return j;
}

size_t json_count(const struct json *j)
{
	size_t n = 0;

	for (const struct json *k = json_first(j); k; k = json_next(k))
		n++;
	return n;
}

const char *json_name(const struct json *j)
{
	return j ? node(j)->string : NULL;
}

const char *json_text(const struct json *j)
{
	return json_is(j, JSON_STRING) ? node(j)->valuestring : NULL;
}

bool json_truth(const struct json *j)
{
	return j && cJSON_IsTrue(node(j));
}

double json_number(const struct json *j)
{
	return json_is(j, JSON_NUMBER) ? node(j)->valuedouble : 0;
}

const char *json_number_text(const struct json *j)
{
	return json_is(j, JSON_NUMBER) ? node(j)->valuestring : NULL;
}

bool json_integer(const struct json *j, int64_t *out)
{
	if (!json_is(j, JSON_NUMBER))
		return false;
	const char *text = json_number_text(j);
	if (text) {
		char *end;
		errno = 0;
		int64_t v = strtoll(text, &end, 10);
		if (errno || *end)
			return false;
		*out = v;
		return true;
	}
	double v = node(j)->valuedouble;
	if (v != trunc(v) || v < -0x1p63 || v >= 0x1p63)
		return false;
	*out = (int64_t)v;
	return true;
}

const char *json_get_text(const struct json *obj, const char *name, const char *fallback)
{
	const char *text = json_text(json_get(obj, name));

	return text ? text : fallback;
}

int64_t json_get_integer(const struct json *obj, const char *name, int64_t fallback)
{
	int64_t v;

	return json_integer(json_get(obj, name), &v) ? v : fallback;
}

bool json_get_bool(const struct json *obj, const char *name, bool fallback)
{
	const struct json *j = json_get(obj, name);

	return json_is(j, JSON_BOOL) ? json_truth(j) : fallback;
}

struct json *json_new_object(void)
{
	return tree(cJSON_CreateObject());
}

struct json *json_new_array(void)
{
	return tree(cJSON_CreateArray());
}

struct json *json_new_text(const char *s)
{
	ensure(s);
	return tree(cJSON_CreateString(s));
}

struct json *json_new_number(double v)
{
	ensure(isfinite(v));
	return tree(cJSON_CreateNumber(v));
}

struct json *json_new_integer(int64_t v)
{
	struct json *j = json_new_number((double)v);

	if (v > INTEGER_EXACT_MAX || v < -INTEGER_EXACT_MAX) {
		char *text = cJSON_malloc(24);
		ensure(text);
		snprintf(text, 24, "%" PRId64, v);
		node_mut(j)->valuestring = text;
	}
	return j;
}

struct json *json_new_bool(bool v)
{
	return tree(cJSON_CreateBool(v));
}

struct json *json_new_null(void)
{
	return tree(cJSON_CreateNull());
}

struct json *json_copy(const struct json *j)
{
	cJSON *copy = cJSON_Duplicate(node(j), true);

	/* A copy of a member would keep the member's name, and json_name would give it for an element. */
	if (copy && copy->string) {
		cJSON_free(copy->string);
		copy->string = NULL;
	}
	return tree(copy);
}

void json_set(struct json *obj, const char *name, struct json *value)
{
	ensure(json_is(obj, JSON_OBJECT) && value && !node(value)->string);
	bool replace = json_get(obj, name) != NULL;

	json_tree_mix(node_mut(obj));
	ensure(replace ? cJSON_ReplaceItemInObjectCaseSensitive(node_mut(obj), name, node_mut(value))
		       : cJSON_AddItemToObject(node_mut(obj), name, node_mut(value)));
}

void json_push(struct json *arr, struct json *value)
{
	ensure(json_is(arr, JSON_ARRAY) && value && !node(value)->string);
	json_tree_mix(node_mut(arr));
	ensure(cJSON_AddItemToArray(node_mut(arr), node_mut(value)));
}

void json_remove(struct json *obj, const char *name)
{
	ensure(json_is(obj, JSON_OBJECT));
	json_tree_mix(node_mut(obj));
	cJSON_DeleteItemFromObjectCaseSensitive(node_mut(obj), name);
}
