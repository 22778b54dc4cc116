/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tools/list brought, page by page. Each tool is looked at by itself: one whose name is missing, whose
 * schema is no object or does not compile, or that comes twice is left out alone, with the reason, and the
 * others stay. Schemas are kept as the bytes the server sent. Bounded in tools and in remembered faults.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "base/schema.h"

#include <stdlib.h>
#include <string.h>

static void entry_release(struct tool_entry *t)
{
	free(t->name);
	free(t->title);
	free(t->description);
	buf_release(&t->input_schema);
	buf_release(&t->output_schema);
}

static bool text_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool bytes_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static bool entry_same(const struct tool_entry *a, const struct tool_entry *b)
{
	return text_same(a->name, b->name) && text_same(a->title, b->title) &&
	       text_same(a->description, b->description) && bytes_same(&a->input_schema, &b->input_schema) &&
	       bytes_same(&a->output_schema, &b->output_schema) && a->read_only == b->read_only &&
	       a->task_required == b->task_required && a->idempotent == b->idempotent &&
	       a->closed_world == b->closed_world;
}

bool tool_list_same(const struct tool_list *a, const struct tool_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!entry_same(&a->tools[i], &b->tools[i]))
			return false;
	return true;
}

void tool_list_release(struct tool_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		entry_release(&l->tools[i]);
	faults_release(&l->faults);
	free(l->tools);
	*l = (struct tool_list){0};
}

static bool name_is_taken(const struct tool_list *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++) {
		if (strcmp(l->tools[i].name, name) == 0)
			return true;
	}
	return false;
}

static enum err name_check(const struct tool_list *l, const char *name, struct error *e)
{
	if (!name || !*name)
		return err_set(e, ERR_UPSTREAM, "the tool has no name");
	if (strlen(name) > TOOL_NAME_BYTES_MAX)
		return err_set(e, ERR_UPSTREAM, "the name is longer than %d bytes", TOOL_NAME_BYTES_MAX);
	if (name_is_taken(l, name))
		return err_set(e, ERR_UPSTREAM, "another tool of this server has the same name");
	if (l->count == TOOLS_MAX)
		return err_set(e, ERR_UPSTREAM, "the server has more than %d tools", TOOLS_MAX);
	return ERR_NONE;
}

static enum err schema_usable(const struct json *schema, struct error *e)
{
	if (!json_is(schema, JSON_OBJECT))
		return err_set(e, ERR_UPSTREAM, "inputSchema is %s, not an object",
			       schema ? json_type_name(json_type(schema)) : "missing");
	if (schema_compile_check(schema, e) != ERR_NONE)
		return err_prefix(e, "inputSchema");
	return ERR_NONE;
}

static enum err tool_check(const struct tool_list *l, const struct json *tool, struct error *e)
{
	const struct json *type = json_get(json_get(tool, "inputSchema"), "type");
	enum err rc = name_check(l, json_get_text(tool, "name", NULL), e);
	if (!rc)
		rc = schema_usable(json_get(tool, "inputSchema"), e);
	if (!rc && type && (!json_text(type) || strcmp(json_text(type), "object") != 0))
		rc = err_set(e, ERR_UPSTREAM, "inputSchema has a type other than \"object\"");
	return rc;
}

static enum err headers_check(const struct tool_list *l, const struct json *tool, struct error *e)
{
	struct param_plan plan;
	enum err rc = !l->wants_headers ? ERR_NONE
					: param_plan_make(json_get_text(tool, "name", ""),
							  json_get(tool, "inputSchema"), &plan, e);
	if (!rc && l->wants_headers)
		param_plan_release(&plan);
	return rc;
}

/* Models read it: nothing may stand in it that people do not see. */
static char *text_seen(const char *text)
{
	struct buf clean = BUF_INIT;
	if (!text)
		return NULL;
	text_clean(slice_str(text), &clean);
	return buf_take(&clean);
}

static void entry_fill(struct tool_entry *t, const struct json *tool, struct slice raw)
{
	const struct json *notes = json_get(tool, "annotations");
	const char *title = json_get_text(tool, "title", NULL);
	*t = (struct tool_entry){0};
	t->name = xstrdup(json_get_text(tool, "name", ""));
	t->title = text_seen(title ? title : json_get_text(notes, "title", NULL));
	t->description = text_seen(json_get_text(tool, "description", ""));
	t->read_only = json_get_bool(notes, "readOnlyHint", false);
	t->idempotent = json_get_bool(notes, "idempotentHint", false);
	t->task_required =
		strcmp(json_get_text(json_get(tool, "execution"), "taskSupport", ""), "required") == 0;
	t->closed_world = !json_get_bool(notes, "openWorldHint", true);
	tool_schema_seen(json_get(tool, "inputSchema"), scan_member(raw, "inputSchema"), &t->input_schema);
	/* One that cannot be used does not make the tool unusable: whoever checks results finds out. */
	if (json_is(json_get(tool, "outputSchema"), JSON_OBJECT))
		buf_add_slice(&t->output_schema, scan_member(raw, "outputSchema"));
}

static void tool_add(struct tool_list *l, struct slice raw)
{
	struct error e = {0};
	struct json *tool = json_parse(raw.ptr, raw.len, 0, &e);
	if (tool && tool_check(l, tool, &e) == ERR_NONE && headers_check(l, tool, &e) == ERR_NONE) {
		if (l->count == l->cap) {
			l->cap = l->cap ? l->cap * 2 : 16;
			l->tools = xrealloc(l->tools, l->cap * sizeof(*l->tools));
		}
		entry_fill(&l->tools[l->count++], tool, raw);
	} else {
		faults_add(&l->faults, json_get_text(tool, "name", "?"), e.msg);
	}
	json_free(tool);
}

enum err tool_list_add(struct tool_list *l, struct slice array, struct error *e)
{
	struct scan_iter it;
	struct slice name, value;
	if (!scan_open(array, &it) || it.object)
		return err_set(e, ERR_UPSTREAM, "the answer to tools/list has no array \"tools\"");
	while (scan_next(&it, &name, &value))
		tool_add(l, value);
	return ERR_NONE;
}
