/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a tool from what a prompt states, conservatively: an explicit value, the one enum word that is
 * there, a span of the right kind, the schema's default. A free string is never made of unquoted words, but
 * for a property that is a query or a message. What is required and not stated is reported, never guessed:
 * eager filling was measured wrong in a third to half of all cases.
 */
#include "base/base.h"
#include "llm/offline_int.h"
#include "base/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_NEAR_BYTES = 25 };

static struct json *value_of_text(const struct json *property, struct slice text);
static struct slice explicit_value(const struct evidence *ev, const char *name);
static struct json *value_of_spans(const struct llm_tool *t, const struct json *property, const char *name,
				   const struct evidence *ev);

static bool name_has(const char *name, const char *list)
{
	size_t at = 0;
	struct slice all = slice_str(name);
	for (struct slice w = rules_word_next(all, &at); w.len > 0; w = rules_word_next(all, &at)) {
		if (rules_word_is(w, list))
			return true;
		for (size_t i = 1; i < w.len; i++) /* camelCase: the last part says what it is */
			if (isupper((unsigned char)w.ptr[i]) &&
			    rules_word_is((struct slice){w.ptr + i, w.len - i}, list))
				return true;
	}
	return false;
}

static const char *type_of(const struct json *property)
{
	const struct json *type = json_get(property, "type");
	if (json_is(type, JSON_ARRAY))
		type = json_at(type, 0);
	return json_text(type) != NULL ? json_text(type) : "";
}

enum arg_kind rules_arg_kind(const struct json *property, const char *name)
{
	const char *type = type_of(property), *format = json_get_text(property, "format", "");
	if (strcmp(type, "array") == 0)
		return ARG_ARRAY;
	if (strcmp(type, "number") == 0 || strcmp(type, "integer") == 0)
		return ARG_NUMBER;
	if (strcmp(type, "boolean") == 0)
		return ARG_BOOL;
	if (strcmp(type, "string") != 0)
		return ARG_OTHER;
	if (name_has(name, "|url|uri|link|") || strcmp(format, "uri") == 0)
		return ARG_URL;
	if (name_has(name, "|pattern|glob|mask|"))
		return ARG_PATTERN;
	if (name_has(name, "|path|file|filename|filepath|dir|directory|folder|paths|files|"))
		return ARG_PATH;
	if (name_has(name, "|date|day|time|when|") || strncmp(format, "date", 4) == 0)
		return ARG_DATE;
	return name_has(name, "|query|q|text|message|prompt|") ? ARG_QUERY : ARG_TEXT;
}

const char *rules_arg_required(const struct json *schema, enum arg_kind kind)
{
	const struct json *properties = json_get(schema, "properties");
	const struct json *required = json_get(schema, "required");
	for (const struct json *n = json_first(required); n != NULL; n = json_next(n)) {
		const char *name = json_text(n);
		if (name != NULL && rules_arg_kind(json_get(properties, name), name) == kind)
			return name;
	}
	return NULL;
}

static bool is_required(const struct json *schema, const char *name)
{
	const struct json *required = json_get(schema, "required");
	for (const struct json *n = json_first(required); n != NULL; n = json_next(n))
		if (json_text(n) != NULL && strcmp(json_text(n), name) == 0)
			return true;
	return false;
}

size_t rules_fill(const struct llm_tool *t, const struct evidence *ev, struct json **args,
		  const char **missing, size_t missing_max)
{
	const struct json *properties = json_get(t->schema, "properties");
	size_t n = 0;
	*args = json_new_object();
	for (const struct json *p = json_first(properties); p != NULL; p = json_next(p)) {
		const char *name = json_name(p);
		bool required = is_required(t->schema, name);
		struct slice stated = explicit_value(ev, name);
		struct json *value = stated.len > 0 ? value_of_text(p, stated) : NULL;
		if (value == NULL && required)
			value = value_of_spans(t, p, name, ev);
		if (value == NULL && required && json_get(p, "default") != NULL)
			value = json_copy(json_get(p, "default"));
		if (value != NULL && schema_check(p, value, NULL) == ERR_FIELD) {
			json_free(value);
			value = NULL;
		}
		if (value != NULL)
			json_set(*args, name, value);
		else if (required && n < missing_max)
			missing[n++] = name;
	}
	return n;
}

/* --- helpers --- */

static struct json *text_value(struct slice s)
{
	char *copy = slice_dup(s);
	struct json *j = json_new_text(copy);
	free(copy);
	return j;
}

/* The text as a value of the property's type; NULL when it is none. */
static struct json *value_of_text(const struct json *property, struct slice text)
{
	const char *type = type_of(property);
	if (strcmp(type, "string") == 0)
		return text_value(text);
	if (strcmp(type, "array") == 0) {
		struct json *list = json_new_array();
		json_push(list, text_value(text));
		return list;
	}
	struct json *j = json_parse(text.ptr, text.len, 4, NULL);
	bool fits = j != NULL && schema_check(property, j, NULL) == ERR_NONE;
	if (!fits) {
		json_free(j);
		j = NULL;
	}
	return j;
}

/* "name: value" and "name is value" in a text; the value is a span or one word that a span is not. */
static struct slice stated_in(struct slice text, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i + n + 2 < text.len; i++) {
		bool start = i == 0 || !isalnum((unsigned char)text.ptr[i - 1]);
		if (!start || strncasecmp(text.ptr + i, name, n) != 0)
			continue;
		struct slice rest = {text.ptr + i + n, text.len - i - n};
		size_t skip = 0;
		if (rest.ptr[0] == ':' && isspace((unsigned char)rest.ptr[1]))
			skip = 2;
		else if (rest.len > 4 && strncasecmp(rest.ptr, " is ", 4) == 0)
			skip = 4;
		if (skip == 0 || skip >= rest.len)
			continue;
		rest = rules_trim((struct slice){rest.ptr + skip, rest.len - skip});
		struct span s;
		if (rules_spans_find(rest, &s, 1) == 1 && s.at == 0)
			return s.text;
		size_t end = 0;
		while (end < rest.len && !isspace((unsigned char)rest.ptr[end]) &&
		       strchr(",;", rest.ptr[end]) == NULL)
			end++;
		return (struct slice){rest.ptr, end};
	}
	return (struct slice){0};
}

static struct slice explicit_value(const struct evidence *ev, const char *name)
{
	for (size_t i = 0; i < ev->answer_spans_count; i++)
		if (ev->answer_spans[i].kind == SPAN_KEY_VALUE &&
		    slice_eq_nocase(ev->answer_spans[i].name, name))
			return ev->answer_spans[i].text;
	struct slice found = stated_in(ev->answer, name);
	for (size_t i = 0; found.len == 0 && i < ev->clause->spans_count; i++)
		if (ev->clause->spans[i].kind == SPAN_KEY_VALUE &&
		    slice_eq_nocase(ev->clause->spans[i].name, name))
			found = ev->clause->spans[i].text;
	return found.len > 0 ? found : stated_in(ev->clause->text, name);
}

/* Spans of the answer first: it is the later word. */
static const struct span *span_of(const struct evidence *ev, enum span_kind kind, size_t nth)
{
	for (size_t i = 0, k = 0; i < ev->answer_spans_count; i++)
		if (ev->answer_spans[i].kind == kind && k++ == nth)
			return &ev->answer_spans[i];
	return rules_clause_span(ev->clause, kind, nth);
}

static size_t spans_of_kind(const struct clause *c, enum span_kind kind)
{
	size_t n = 0;
	while (rules_clause_span(c, kind, n) != NULL)
		n++;
	return n;
}

/* The one choice that stands in the text; two are none. */
static struct json *enum_value(const struct json *property, struct slice text)
{
	const struct json *found = NULL, *choices = json_get(property, "enum");
	for (const struct json *v = json_first(choices); v != NULL; v = json_next(v)) {
		char list[64];
		if (json_text(v) == NULL ||
		    snprintf(list, sizeof list, "|%s|", json_text(v)) >= (int)sizeof list)
			continue;
		for (char *p = list; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		if (!rules_has_word(text, list))
			continue;
		if (found != NULL)
			return NULL;
		found = v;
	}
	return found != NULL ? json_copy(found) : NULL;
}

static struct json *number_value(const struct llm_tool *t, const struct json *property, const char *name,
				 const struct clause *c)
{
	const struct json *properties = json_get(t->schema, "properties");
	size_t wanted = 0, place = 0, numbers = spans_of_kind(c, SPAN_NUMBER);
	for (const struct json *p = json_first(properties); p != NULL; p = json_next(p)) {
		if (rules_arg_kind(p, json_name(p)) != ARG_NUMBER || !is_required(t->schema, json_name(p)))
			continue;
		if (strcmp(json_name(p), name) == 0)
			place = wanted;
		wanted++;
	}
	const struct span *s = numbers == wanted ? rules_clause_span(c, SPAN_NUMBER, place) : NULL;
	for (size_t i = 0; s == NULL && i < numbers; i++) {
		const struct span *n = rules_clause_span(c, SPAN_NUMBER, i);
		size_t at = n->at - c->at, from = at > NUMBER_NEAR_BYTES ? at - NUMBER_NEAR_BYTES : 0;
		char list[64];
		if (snprintf(list, sizeof list, "|%s|", name) < (int)sizeof list &&
		    rules_has_word((struct slice){c->text.ptr + from, at - from}, list))
			s = n;
	}
	return s != NULL ? value_of_text(property, s->text) : NULL;
}

/* What is asked about: the words behind "for" or "about", else all behind the verb. */
static struct slice remainder_of(const struct clause *c)
{
	size_t at = 0;
	for (struct slice w = rules_word_next(c->text, &at); w.len > 0; w = rules_word_next(c->text, &at))
		if (rules_word_is(w, "|for|about|named|called|"))
			return rules_trim((struct slice){c->text.ptr + at, c->text.len - at});
	if (c->verb.len == 0)
		return c->text;
	const char *rest = c->verb.ptr + c->verb.len;
	return rules_trim((struct slice){rest, (size_t)(c->text.ptr + c->text.len - rest)});
}

/* "*.log" means any folder where a tool tells apart the top and the whole tree. */
static struct json *pattern_value(const struct llm_tool *t, const struct evidence *ev)
{
	const struct span *s = span_of(ev, SPAN_GLOB, 0);
	if (s == NULL)
		s = span_of(ev, SPAN_PATH, 0);
	if (s == NULL)
		s = span_of(ev, SPAN_QUOTED, 0);
	if (s == NULL || s->directory)
		return NULL;
	bool deep = t->description != NULL && strstr(t->description, "**/") != NULL &&
		    memchr(s->text.ptr, '/', s->text.len) == NULL;
	char *text = xasprintf("%s%.*s", deep ? "**/" : "", (int)s->text.len, s->text.ptr);
	struct json *j = json_new_text(text);
	free(text);
	return j;
}

static struct json *array_value(const struct json *property, const char *name, const struct evidence *ev)
{
	const struct json *items = json_get(property, "items");
	enum arg_kind kind = rules_arg_kind(items, name);
	enum span_kind wanted = kind == ARG_URL ? SPAN_URL : kind == ARG_PATH ? SPAN_PATH : SPAN_QUOTED;
	if (strcmp(type_of(items), "string") != 0)
		return NULL;
	struct json *list = json_new_array();
	for (size_t i = 0; rules_clause_span(ev->clause, wanted, i) != NULL; i++)
		json_push(list, text_value(rules_clause_span(ev->clause, wanted, i)->text));
	if (json_count(list) > 0)
		return list;
	json_free(list);
	return NULL;
}

static struct json *value_of_spans(const struct llm_tool *t, const struct json *property, const char *name,
				   const struct evidence *ev)
{
	const struct span *s = NULL;
	if (json_get(property, "enum") != NULL) {
		struct json *said = enum_value(property, ev->answer);
		return said != NULL ? said : enum_value(property, ev->clause->text);
	}
	switch (rules_arg_kind(property, name)) {
	case ARG_URL: s = span_of(ev, SPAN_URL, 0); break;
	case ARG_DATE: s = span_of(ev, SPAN_DATE, 0); break;
	case ARG_PATH:
		s = span_of(ev, SPAN_PATH, 0);
		if (rules_arg_required(t->schema, ARG_PATTERN) != NULL && s != NULL && !s->directory &&
		    s->text.ptr[0] != '/')
			s = NULL; /* "find notes.md": the name is the pattern, not the place */
		break;
	case ARG_PATTERN: return pattern_value(t, ev);
	case ARG_NUMBER: return number_value(t, property, name, ev->clause);
	case ARG_ARRAY: return array_value(property, name, ev);
	case ARG_QUERY:
		s = span_of(ev, SPAN_QUOTED, 0);
		if (s == NULL && remainder_of(ev->clause).len > 0)
			return text_value(remainder_of(ev->clause));
		break;
	case ARG_TEXT:
		s = span_of(ev, SPAN_QUOTED, 0);
		if (s == NULL && ev->answer_is_value)
			return text_value(rules_trim(ev->answer));
		break;
	case ARG_BOOL:
	case ARG_OTHER: return NULL;
	}
	return s != NULL ? text_value(s->text) : NULL;
}
