/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of the modern wire's requests over HTTP: the method, the name of what it is about, and the
 * arguments that a tool's schema marks (MCP 2026-07-28, Streamable HTTP, "Request Metadata"). The marks are
 * those of the last list of tools; a tool that is not on it has none, and its server will say so.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>
#include <string.h>

void plans_release(struct session *s)
{
	for (size_t i = 0; i < s->plans_count; i++)
		param_plan_release(&s->plans[i]);
	free(s->plans);
	s->plans = NULL;
	s->plans_count = 0;
}

void plans_make(struct session *s)
{
	plans_release(s);
	if (!s->modern || !s->link->ops->has_headers)
		return;
	s->plans = xcalloc(s->tools.count + 1, sizeof(*s->plans));
	for (size_t i = 0; i < s->tools.count; i++) {
		const struct tool_entry *t = &s->tools.tools[i];
		struct param_plan *p = &s->plans[s->plans_count];
		struct error e;
		struct json *schema = json_parse(t->input_schema.data, t->input_schema.len, 0, &e);
		/* The list has none whose marks are bad. */
		if (param_plan_make(t->name, schema, p, &e) == ERR_NONE && p->count)
			s->plans_count++;
		else
			param_plan_release(p);
		json_free(schema);
	}
}

static const struct param_plan *plan_find(const struct session *s, const char *tool)
{
	for (size_t i = 0; i < s->plans_count; i++) {
		if (strcmp(s->plans[i].tool, tool) == 0)
			return &s->plans[i];
	}
	return NULL;
}

/* Which member of the params a request is about; NULL: none. */
static const char *name_member(const char *method)
{
	static const char *const members[][2] = {
		{"tools/call", "name"},  {"prompts/get", "name"},    {"resources/read", "uri"},
		{"tasks/get", "taskId"}, {"tasks/update", "taskId"}, {"tasks/cancel", "taskId"},
	};
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (strcmp(method, members[i][0]) == 0)
			return members[i][1];
	}
	return NULL;
}

enum err request_headers(const struct session *s, const char *method, struct slice params,
			 struct header_lines *l, struct error *e)
{
	const char *member = name_member(method);
	struct buf name = BUF_INIT;
	if (!s->link->ops->has_headers)
		return ERR_NONE;
	enum err rc = header_lines_add(l, "Mcp-Method", slice_str(method), e);
	if (!rc && member && scan_text(scan_member(params, member), &name))
		rc = header_lines_add(l, "Mcp-Name", buf_slice(&name), e);
	const struct param_plan *plan =
		strcmp(method, "tools/call") == 0 ? plan_find(s, buf_cstr(&name)) : NULL;
	if (!rc && plan)
		rc = param_headers_add(plan, scan_member(params, "arguments"), l, e);
	buf_release(&name);
	return rc;
}
