/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is structured content what its tool promises? It is checked against the tool's output schema when there is
 * some and the tool does not itself report an error (MCP 2025-06-18, "Tools": clients should validate). A
 * schema that cannot be used (broken, remote references, beyond the bounds of a check) says nothing about the
 * answer: the log is told once for each tool, and the answer is taken as it is.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/schema.h"

#include <stdlib.h>
#include <string.h>

enum { UNCHECKED_MAX = 256 }; /* tools whose schema the log was told of */

static void unchecked_tell(struct agent *a, const struct mcp_tool *t, const struct error *why);

char *output_fault(struct exec_call *c, const struct mcp_call_end *end, const struct json *result)
{
	const struct mcp_tool *t =
		c->tool != NULL ? mcp_catalog_find(c->exec->box.catalog, c->tool->name) : NULL;
	const struct json *content = json_get(result, "structuredContent");
	struct error e = {0};
	if (t == NULL || t->output_schema.len == 0 || content == NULL || end->is_error)
		return NULL;
	struct json *schema = json_parse(t->output_schema.ptr, t->output_schema.len, JSON_DEPTH_MAX, &e);
	enum err code = schema != NULL ? schema_check(schema, content, &e) : e.code;
	json_free(schema);
	if (code == ERR_FIELD)
		return xstrdup(e.msg);
	if (code != ERR_NONE)
		unchecked_tell(c->exec->run->agent, t, &e);
	return NULL;
}

/* --- helpers --- */

static void unchecked_tell(struct agent *a, const struct mcp_tool *t, const struct error *why)
{
	size_t count = 0, n = strlen(t->exposed) + 1;
	for (const struct text_list *u = a->unchecked; u != NULL; u = u->next, count++)
		if (strcmp(u->text, t->exposed) == 0)
			return;
	if (count == UNCHECKED_MAX)
		return;
	struct text_list *u = xmalloc(sizeof *u + n);
	memcpy(u->text, t->exposed, n);
	u->next = a->unchecked;
	a->unchecked = u;
	log_warn("a tool's output schema cannot be used: its results are taken as they come",
		 LF_STR("server", t->server), LF_STR("tool", t->name), LF_STR("error", why->msg));
}
