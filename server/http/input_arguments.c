/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments that a person gives in place of those that a model wanted to call a tool with: only where a call
 * waits for approval, and only what the tool's schema takes, as it is in the catalogue now.
 */
#include "base/base.h"
#include "base/schema.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdio.h>
#include <string.h>

static enum err schema_fits(const struct act *a, const char *name, const struct json *given, struct error *e)
{
	const struct mcp_catalog *catalog = mcp_client_catalog(a->post->request->http->mcp);
	const struct mcp_tool *t = mcp_catalog_find(catalog, name);
	char field[ERROR_FIELD_MAX];
	enum err code = ERR_NONE;

	if (!t) {
		code = err_set_field(e, ERR_CONFLICT, "/arguments",
				     "%.80s is not offered now: approve the call as it is, or deny it", name);
	} else if (schema_check(t->schema, given, e) == ERR_FIELD) {
		snprintf(field, sizeof(field), "/arguments%.80s", e->field);
		code = err_set_field(e, ERR_FIELD, field, "%s", e->msg);
	}
	mcp_catalog_drop(catalog);
	return code;
}

enum err input_arguments_check(const struct act *a, const struct json *pending, struct error *e)
{
	const struct json *given = json_get(a->body, "arguments");
	const char *action = json_get_text(a->body, "action", "");

	if (!given || json_is(given, JSON_NULL))
		return ERR_NONE;
	if (strcmp(json_get_text(pending, "kind", ""), "approval") != 0 || strcmp(action, "approve") != 0)
		return err_set_field(e, ERR_FIELD, "/arguments",
				     "arguments are for approving a call of a tool, nothing else");
	if (!json_is(given, JSON_OBJECT))
		return err_set_field(e, ERR_FIELD, "/arguments", "arguments must be an object, not %s",
				     json_type_name(json_type(given)));
	return schema_fits(a, json_get_text(pending, "name", ""), given, e);
}
