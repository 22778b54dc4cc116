/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tools that the runtime makes of a server's resources, so that models can use them: read_resource and
 * list_resources. They stand in the catalogue of a server that lists resources or templates, unless it has a
 * tool of that name itself; they only read, whatever the registry says of others. A call of the first becomes
 * a resources/read, whose contents become embedded resources of a tool's result; the second is answered here,
 * from the list that is kept. Pure.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdio.h>
#include <string.h>

enum { LISTED_MAX = 100 };

static char read_name[] = MCP_READ_RESOURCE, list_name[] = MCP_LIST_RESOURCES;
static char read_title[] = "Read a resource", list_title[] = "List resources";
static char read_text[] =
	"Reads one resource of this server by its URI: one that is listed, that a template makes, or "
	"that a result links to.";
static char list_text[] = "Lists the resources of this server, and the templates of further ones.";
static char read_schema[] =
	"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"uri\"],\"properties\":{\"uri\":{"
	"\"type\":\"string\",\"minLength\":1,\"description\":\"URI of the resource.\"}}}";
static char list_schema[] =
	"{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"query\":{\"type\":\"string\","
	"\"description\":\"Only those that have this text in their URI, name, title or description.\"}}}";

static const struct tool_entry tools[RESOURCE_TOOLS] = {
	{.name = read_name,
	 .title = read_title,
	 .description = read_text,
	 .input_schema = {.data = read_schema, .len = sizeof(read_schema) - 1},
	 .read_only = true,
	 .idempotent = true},
	{.name = list_name,
	 .title = list_title,
	 .description = list_text,
	 .input_schema = {.data = list_schema, .len = sizeof(list_schema) - 1},
	 .read_only = true,
	 .idempotent = true},
};

static bool is_taken(const struct tool_list *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++) {
		if (strcmp(l->tools[i].name, name) == 0)
			return true;
	}
	return false;
}

size_t resource_tools(const struct shelf *s, const struct tool_list *l,
		      const struct tool_entry *out[RESOURCE_TOOLS])
{
	size_t n = 0;
	if (!s->lists[MCP_RESOURCES].list.count && !s->lists[MCP_RESOURCE_TEMPLATES].list.count)
		return 0;
	for (size_t i = 0; i < RESOURCE_TOOLS; i++) {
		if (!is_taken(l, tools[i].name))
			out[n++] = &tools[i];
	}
	return n;
}

enum resource_tool resource_tool_of(const struct shelf *s, const struct tool_list *l, const char *name)
{
	const struct tool_entry *own[RESOURCE_TOOLS];
	size_t n = resource_tools(s, l, own);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(own[i]->name, name) == 0)
			return own[i] == &tools[0] ? RESOURCE_TOOL_READ : RESOURCE_TOOL_LIST;
	}
	return RESOURCE_TOOL_NONE;
}

/* --- read_resource --- */

enum err resource_tool_result(struct slice result, struct buf *out, struct error *e)
{
	struct scan_iter it;
	struct slice name, value, contents = scan_member(result, "contents");
	const char *comma = "";
	if (!scan_open(contents, &it) || it.object)
		return err_set(e, ERR_UPSTREAM,
			       "the server's result of resources/read has no array \"contents\"");
	buf_add_str(out, "{\"content\":[");
	for (; scan_next(&it, &name, &value); comma = ",") {
		buf_printf(out, "%s{\"type\":\"resource\",\"resource\":", comma);
		buf_add_slice(out, value);
		buf_add_char(out, '}');
	}
	if (!*comma)
		buf_add_str(out, "{\"type\":\"text\",\"text\":\"(the resource has no contents)\"}");
	buf_add_str(out, "]}");
	return out->overflow ? err_set(e, ERR_MEMORY, "no memory for the contents of a resource") : ERR_NONE;
}

void resource_tool_fault(const char *message, struct buf *out)
{
	struct jw w = JW(out);
	buf_add_str(out, "{\"content\":[{\"type\":\"text\",\"text\":");
	jw_text(&w, message);
	buf_add_str(out, "}],\"isError\":true}");
}

/* --- list_resources --- */

static const char *const shown[] = {"name", "title", "description", "mimeType"};

static bool text_has(struct slice raw, const char *query)
{
	struct buf text = BUF_INIT;
	bool found = scan_text(raw, &text) && strcasestr(buf_cstr(&text), query);
	buf_release(&text);
	return found;
}

static bool item_fits(const struct item *item, const char *query)
{
	struct slice raw = buf_slice(&item->raw);
	bool fits = !query || !*query || strcasestr(item->key, query);
	for (size_t i = 0; !fits && i < COUNT_OF(shown); i++)
		fits = text_has(scan_member(raw, shown[i]), query);
	return fits;
}

static void link_write(const struct item *item, struct jw *w)
{
	jw_object(w);
	jw_kv_text(w, "type", "resource_link");
	jw_kv_text(w, "uri", item->key);
	for (size_t i = 0; i < COUNT_OF(shown); i++) {
		struct slice value = scan_member(buf_slice(&item->raw), shown[i]);
		if (value.len)
			jw_kv_raw(w, shown[i], value.ptr, value.len);
	}
	jw_object_end(w);
}

static void template_write(const struct item *item, struct jw *w)
{
	struct buf text = BUF_INIT;
	buf_printf(&text, "[template: %s", item->key);
	for (size_t i = 0; i < COUNT_OF(shown); i++) {
		size_t before = text.len;
		buf_add_str(&text, ", ");
		if (!scan_text(scan_member(buf_slice(&item->raw), shown[i]), &text))
			text.len = before;
	}
	buf_add_char(&text, ']');
	jw_object(w);
	jw_kv_text(w, "type", "text");
	jw_kv_text(w, "text", buf_cstr(&text));
	jw_object_end(w);
	buf_release(&text);
}

/* Those that fit the query, up to a number of them; how many there are. */
static size_t items_write(const struct item_list *l, const char *query,
			  void (*write)(const struct item *item, struct jw *w), struct jw *w)
{
	size_t n = 0;
	for (size_t i = 0; i < l->count; i++) {
		if (!item_fits(&l->items[i], query))
			continue;
		if (n++ < LISTED_MAX)
			write(&l->items[i], w);
	}
	return n;
}

void resource_tool_list(const struct shelf *s, const char *query, struct buf *out)
{
	struct jw w = JW(out);
	char text[160];
	jw_object(&w);
	jw_name(&w, "content");
	jw_array(&w);
	size_t resources = items_write(&s->lists[MCP_RESOURCES].list, query, link_write, &w);
	size_t templates = items_write(&s->lists[MCP_RESOURCE_TEMPLATES].list, query, template_write, &w);
	const char *cut = resources > LISTED_MAX || templates > LISTED_MAX
				  ? "; only the first 100 of each are shown: narrow it down with query"
				  : "";
	snprintf(text, sizeof(text), "Resources: %zu, templates: %zu%s%s.", resources, templates,
		 query && *query ? " (that fit the query)" : "", cut);
	jw_object(&w);
	jw_kv_text(&w, "type", "text");
	jw_kv_text(&w, "text", text);
	jw_object_end(&w);
	jw_array_end(&w);
	jw_object_end(&w);
}
