/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elicitation (2025-11-25 and 2026-07-28, client/elicitation): what a server may ask of a person, and what
 * may be answered. Pure. A form is one flat object of texts, numbers, truths and choices; whatever else a
 * schema has is refused, because nobody could be shown it. An address is shown as it is, and never fetched.
 */
#include "base/base.h"
#include "base/schema.h"
#include "mcp/mcp.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 100, URL_BYTES_MAX = 4096 };

/* --- what is asked --- */

static bool is_choice(const struct json *items)
{
	return json_is(json_get(items, "enum"), JSON_ARRAY) || json_is(json_get(items, "anyOf"), JSON_ARRAY);
}

static bool is_flat(const struct json *field)
{
	static const char *const types[] = {"string", "number", "integer", "boolean"};
	const char *type = json_get_text(field, "type", "");
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return strcmp(type, "array") == 0 && is_choice(json_get(field, "items"));
}

static enum err schema_read(const struct json *schema, struct error *e)
{
	const struct json *fields = json_get(schema, "properties");
	if (strcmp(json_get_text(schema, "type", ""), "object") != 0 || !json_is(fields, JSON_OBJECT))
		return err_set(e, ERR_FIELD, "requestedSchema must be of type object, with properties");
	if (json_count(fields) > FIELDS_MAX)
		return err_set(e, ERR_FIELD, "requestedSchema has %zu properties, the most is %d",
			       json_count(fields), FIELDS_MAX);
	for (const struct json *f = json_first(fields); f; f = json_next(f)) {
		if (!is_flat(f))
			return err_set(e, ERR_FIELD,
				       "property \"%.60s\" of requestedSchema is no text, number, boolean or "
				       "choice",
				       json_name(f));
	}
	if (schema_compile_check(schema, e) != ERR_NONE)
		return err_set(e, ERR_FIELD, "requestedSchema cannot be used");
	return ERR_NONE;
}

static enum err url_read(const char *url, struct error *e)
{
	bool web = url && (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0);
	if (!web)
		return err_set(e, ERR_FIELD, "url must be one of http or https");
	if (strlen(url) > URL_BYTES_MAX)
		return err_set(e, ERR_FIELD, "url has %zu bytes, the most is %d", strlen(url), URL_BYTES_MAX);
	for (const char *c = url; *c; c++) {
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return err_set(e, ERR_FIELD, "url has white space or a control character in it");
	}
	return ERR_NONE;
}

enum err mcp_elicit_read(const struct json *params, bool *is_url, struct error *e)
{
	const char *mode = json_get_text(params, "mode", "form");
	*is_url = strcmp(mode, "url") == 0;
	if (!json_text(json_get(params, "message")))
		return err_set(e, ERR_FIELD, "message must be a text");
	if (*is_url)
		return url_read(json_text(json_get(params, "url")), e);
	if (strcmp(mode, "form") != 0)
		return err_set(e, ERR_FIELD, "unknown mode \"%.40s\": there are form and url", mode);
	return schema_read(json_get(params, "requestedSchema"), e);
}

/* --- what is answered --- */

/* Members that nobody asked for are mostly typed wrongly. */
static enum err unknown_find(const struct json *fields, const struct json *content, struct error *e)
{
	for (const struct json *m = json_first(content); m; m = json_next(m)) {
		if (!json_get(fields, json_name(m))) {
			char at[ERROR_FIELD_MAX];
			snprintf(at, sizeof(at), "/%s", json_name(m));
			return err_set_field(e, ERR_FIELD, at, "nobody asked for \"%.60s\"", json_name(m));
		}
	}
	return ERR_NONE;
}

enum err mcp_elicit_fill(const struct json *schema, const struct json *content, struct json **filled,
			 struct error *e)
{
	const struct json *fields = json_get(schema, "properties");
	struct json *all = content ? json_copy(content) : json_new_object();
	*filled = NULL;
	enum err rc = json_is(all, JSON_OBJECT) ? unknown_find(fields, all, e)
						: err_set(e, ERR_FIELD, "an object is needed, not %s",
							  json_type_name(json_type(all)));
	for (const struct json *f = json_first(fields); f && rc == ERR_NONE; f = json_next(f)) {
		const struct json *value = json_get(f, "default");
		if (value && !json_get(all, json_name(f)))
			json_set(all, json_name(f), json_copy(value));
	}
	if (rc == ERR_NONE)
		rc = schema_check(schema, all, e);
	if (rc == ERR_NONE)
		*filled = all;
	else
		json_free(all);
	return rc;
}
