/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue as a worker holds it: immutable, read once from the supervisor's text, shared by counted
 * references, so that a run keeps the one it planned with while a newer one arrives. All strings belong to
 * its tree and its text and live as long as it does.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

enum { CATALOG_DEPTH = JSON_DEPTH_DEFAULT + 3 }; /* a schema of full depth stands three levels down */

struct catalog {
	struct mcp_catalog face; /* first: the face is a pointer to it */
	unsigned refs;
	struct buf text;
	struct json *tree;
	struct mcp_tool *tools;
};

static struct catalog *catalog_of(const struct mcp_catalog *c)
{
	return (struct catalog *)(uintptr_t)c;
}

const struct mcp_catalog *mcp_catalog_hold(const struct mcp_catalog *c)
{
	catalog_of(c)->refs++;
	return c;
}

void mcp_catalog_drop(const struct mcp_catalog *face)
{
	struct catalog *c = catalog_of(face);
	if (!c)
		return;
	ensure(c->refs > 0);
	if (--c->refs)
		return;
	json_free(c->tree);
	buf_release(&c->text);
	free(c->tools);
	free(c);
}

static int exposed_order(const void *a, const void *b)
{
	const struct mcp_tool *x = a, *y = b;
	return strcmp(x->exposed, y->exposed);
}

static int exposed_compare(const void *name, const void *tool)
{
	const struct mcp_tool *t = tool;
	return strcmp(name, t->exposed);
}

static bool name_joins(const char *name, const struct mcp_tool *t, const char *joint)
{
	size_t server_len = strlen(t->server), joint_len = strlen(joint);
	return strncmp(name, t->server, server_len) == 0 &&
	       strncmp(name + server_len, joint, joint_len) == 0 &&
	       strcmp(name + server_len + joint_len, t->name) == 0;
}

const struct mcp_tool *mcp_catalog_find(const struct mcp_catalog *c, const char *name)
{
	if (!c->count)
		return NULL;
	const struct mcp_tool *found = bsearch(name, c->tools, c->count, sizeof(*c->tools), exposed_compare);
	for (size_t i = 0; !found && i < c->count; i++) {
		const struct mcp_tool *t = &c->tools[i];
		if (name_joins(name, t, ".") ||
		    (!server_id_seems_joined(t->server) && name_joins(name, t, "__")))
			found = t;
	}
	return found;
}

static enum err tool_read(struct mcp_tool *t, const struct json *j, struct slice raw, struct error *e)
{
	*t = (struct mcp_tool){
		.server = json_get_text(j, "server", NULL),
		.name = json_get_text(j, "tool", NULL),
		.exposed = json_get_text(j, "name", NULL),
		.title = json_get_text(j, "title", NULL),
		.description = json_get_text(j, "description", ""),
		.input_schema = scan_member(raw, "input_schema"),
		.schema = json_get(j, "input_schema"),
		.output_schema = scan_member(raw, "output_schema"),
		.read_only = json_get_bool(j, "read_only", false),
		.destructive = json_get_bool(j, "destructive", true),
		.idempotent = json_get_bool(j, "idempotent", false),
		.open_world = json_get_bool(j, "open_world", true),
		.by_runtime = strcmp(json_get_text(j, "provided_by", ""), "runtime") == 0,
		.untrusted = json_get_bool(j, "untrusted", true),
	};
	if (!t->server || !t->name || !t->exposed || !t->schema)
		return err_set(e, ERR_INVALID, "a tool of the catalogue lacks server, tool, name or schema");
	return ERR_NONE;
}

static enum err tools_read(struct catalog *c, struct error *e)
{
	const struct json *list = json_get(c->tree, "tools"), *j = json_first(list);
	struct scan_iter it;
	struct slice name, raw;
	enum err rc = ERR_NONE;
	if (!json_is(list, JSON_ARRAY) || !scan_open(scan_member(buf_slice(&c->text), "tools"), &it))
		return err_set(e, ERR_INVALID, "the catalogue has no array \"tools\"");
	c->tools = xcalloc(json_count(list) + 1, sizeof(*c->tools));
	for (; j && !rc && scan_next(&it, &name, &raw); j = json_next(j))
		rc = tool_read(&c->tools[c->face.count++], j, raw, e);
	ensure(rc || c->face.count == json_count(list));
	return rc;
}

const struct mcp_catalog *catalog_read(struct slice text, uint64_t version, struct error *e)
{
	struct catalog *c = xcalloc(1, sizeof(*c));
	c->refs = 1;
	c->face.version = version;
	if (!buf_add_slice(&c->text, text)) {
		err_set(e, ERR_MEMORY, "no memory for a catalogue of %zu bytes", text.len);
		goto fail;
	}
	c->tree = json_parse(c->text.data, c->text.len, CATALOG_DEPTH, e);
	if (!c->tree || tools_read(c, e) != ERR_NONE)
		goto fail;
	qsort(c->tools, c->face.count, sizeof(*c->tools), exposed_order);
	c->face.tools = c->tools;
	c->face.text = buf_slice(&c->text);
	return &c->face;
fail:
	mcp_catalog_drop(&c->face);
	return NULL;
}
