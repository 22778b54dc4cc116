/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the encoders of all wires share: tools, arguments, the system text, and how strictly an answer's
 * schema can be asked for. Pure. It does not choose or shorten messages and tools: that is the agent's work.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <string.h>

enum { STRICT_KEPT_BYTES_MAX = 65536 };

static bool is_json_object(const char *text)
{
	size_t len = strlen(text);
	if (json_peek_object(slice_str(text), NULL, 0, NULL) == len)
		return true;
	struct json *j = json_parse(text, len, JSON_DEPTH_MAX, NULL);
	bool yes = json_is(j, JSON_OBJECT);
	json_free(j);
	return yes;
}

/* Servers that render calls into a prompt parse the arguments and answer 400 to what is no object, which
 * would end the run for a slip of the model that its own next turn can mend. So such text goes back wrapped.
 */
void llm_put_arguments(struct buf *out, const struct llm_tool_call *c)
{
	const char *text = c->arguments != NULL && c->arguments[0] != '\0' ? c->arguments : "{}";
	if (is_json_object(text)) {
		buf_add_str(out, text);
		return;
	}
	struct jw w = JW(out);
	jw_object(&w);
	jw_kv_text(&w, "invalid_arguments", text);
	jw_object_end(&w);
}

/* Some APIs refuse an object schema without "properties", which many tools without arguments declare. */
void llm_put_schema(struct jw *w, const struct llm_tool *t)
{
	static const char none[] = "{\"type\":\"object\",\"properties\":{}}";
	bool whole = json_get(t->schema, "properties") != NULL && json_get(t->schema, "type") != NULL;
	if (t->schema == NULL && t->schema_text.len == 0) {
		jw_raw(w, none, sizeof(none) - 1);
	} else if (t->schema == NULL || (whole && t->schema_text.len > 0)) {
		jw_raw(w, t->schema_text.ptr, t->schema_text.len);
	} else if (whole || !json_is(t->schema, JSON_OBJECT)) {
		jw_json(w, t->schema);
	} else {
		struct json *copy = json_copy(t->schema);
		if (json_get(copy, "type") == NULL)
			json_set(copy, "type", json_new_text("object"));
		if (json_get(copy, "properties") == NULL)
			json_set(copy, "properties", json_new_object());
		jw_json(w, copy);
		json_free(copy);
	}
}

void llm_put_members(struct jw *w, const char *object)
{
	struct json *j = object != NULL ? json_parse(object, strlen(object), JSON_DEPTH_MAX, NULL) : NULL;
	for (const struct json *m = json_first(j); m != NULL; m = json_next(m)) {
		/* A name of the server's choosing needs escaping, which jw_name does not do: write it as
		 * text. */
		jw_text(w, json_name(m));
		buf_add_char(w->out, ':');
		w->comma = false;
		jw_json(w, m);
	}
	json_free(j);
}

const char *llm_tool_text(const struct llm_tool *t)
{
	return t->description != NULL ? t->description : t->title;
}

/* --- strict schemas --- */

/* Keywords that some server refuses or ignores when it keeps to a schema strictly. */
static bool has_loose_keyword(const struct json *schema)
{
	static const char *const loose[] = {"minLength",
					    "maxLength",
					    "pattern",
					    "format",
					    "minimum",
					    "maximum",
					    "multipleOf",
					    "minItems",
					    "maxItems",
					    "uniqueItems",
					    "exclusiveMinimum",
					    "exclusiveMaximum",
					    "oneOf",
					    "allOf",
					    "not",
					    "if",
					    "patternProperties",
					    "propertyNames",
					    "contains",
					    "minProperties",
					    "maxProperties",
					    "dependentRequired",
					    "default"};
	for (size_t i = 0; i < COUNT_OF(loose); i++) {
		if (json_get(schema, loose[i]) != NULL)
			return true;
	}
	return false;
}

static bool is_required(const struct json *schema, const char *name)
{
	const struct json *list = json_get(schema, "required");
	for (const struct json *r = json_first(list); r != NULL; r = json_next(r)) {
		if (json_text(r) != NULL && strcmp(json_text(r), name) == 0)
			return true;
	}
	return false;
}

static bool is_strict(const struct json *schema);

static bool all_strict(const struct json *list)
{
	for (const struct json *s = json_first(list); s != NULL; s = json_next(s)) {
		if (!is_strict(s))
			return false;
	}
	return true;
}

static bool is_strict_object(const struct json *schema)
{
	const struct json *more = json_get(schema, "additionalProperties");
	if (!json_is(more, JSON_BOOL) || json_truth(more))
		return false;
	for (const struct json *p = json_first(json_get(schema, "properties")); p != NULL; p = json_next(p)) {
		if (!is_required(schema, json_name(p)))
			return false;
	}
	return all_strict(json_get(schema, "properties"));
}

static bool is_strict(const struct json *schema)
{
	const struct json *type = json_get(schema, "type");
	const struct json *items = json_get(schema, "items");
	if (!json_is(schema, JSON_OBJECT) || has_loose_keyword(schema))
		return false;
	bool object = json_get(schema, "properties") != NULL ||
		      (json_text(type) != NULL && strcmp(json_text(type), "object") == 0);
	if (object && !is_strict_object(schema))
		return false;
	return (items == NULL || is_strict(items)) && all_strict(json_get(schema, "anyOf")) &&
	       all_strict(json_get(schema, "$defs"));
}

static bool schema_is_strict(struct slice schema)
{
	struct json *j = json_parse(schema.ptr, schema.len, 0, NULL);
	bool yes = strcmp(json_get_text(j, "type", ""), "object") == 0 && is_strict(j);
	json_free(j);
	return yes;
}

/* All planner calls come with one schema, whose tree costs more than the rest of the request: what was found
 * out about the last one is kept, of the process. */
bool llm_schema_is_strict(struct slice schema)
{
	static struct buf last;
	static bool last_is_strict;
	if (last.len > 0 && slice_eq(buf_slice(&last), schema))
		return last_is_strict;
	buf_reset(&last);
	last_is_strict = schema_is_strict(schema);
	if (schema.len <= STRICT_KEPT_BYTES_MAX)
		buf_add_slice(&last, schema);
	return last_is_strict;
}

/* --- the rest --- */

bool llm_wants_cache(const struct llm_options *o)
{
	return o->prompt_cache == LLM_CACHE_ON || (o->prompt_cache == LLM_CACHE_AUTO && o->api != LLM_CHAT);
}

void llm_put_system(struct buf *out, const struct llm_request *r)
{
	for (size_t i = 0; i < r->messages_count; i++) {
		const struct llm_message *m = &r->messages[i];
		if (m->speaker != LLM_SYSTEM || m->text == NULL || m->text[0] == '\0')
			continue;
		if (out->len > 0)
			buf_add_str(out, "\n\n");
		buf_add_str(out, m->text);
	}
}

enum err llm_encode_end(const struct buf *out, struct error *e)
{
	if (!out->overflow)
		return ERR_NONE;
	return err_set(e, ERR_TOO_LARGE, "the conversation is over %zu bytes: too large for one model call",
		       out->max != 0 ? out->max : BUF_MAX_DEFAULT);
}
