/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server lists besides its tools: the last good list of each kind, kept while the server restarts, and
 * shown a page at a time. A cursor names the list it was given for; when that has been replaced meanwhile it
 * is refused, so that nobody puts pages of two lists together without noticing. Pure, but for the clock.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_BYTES_MAX = 4 << 20 };

static const char *const members[ITEM_KINDS] = {
	[MCP_RESOURCES] = "resources",
	[MCP_RESOURCE_TEMPLATES] = "resource_templates",
	[MCP_PROMPTS] = "prompts",
};

void shelf_init(struct shelf *s)
{
	*s = (struct shelf){0};
	for (int k = 0; k < ITEM_KINDS; k++)
		s->lists[k].list.kind = (enum mcp_list)k;
}

void shelf_release(struct shelf *s)
{
	for (int k = 0; k < ITEM_KINDS; k++)
		item_list_release(&s->lists[k].list);
	watches_release(&s->watches);
}

void shelf_take(struct shelf *s, enum mcp_list kind, struct item_list l)
{
	struct shelf_list *at = &s->lists[kind];
	ensure(l.kind == kind);
	item_list_release(&at->list);
	at->list = l;
	at->listed_wall_ms = clock_wall_ms();
	/* Like no version before, not even of another process of ours. */
	at->version =
		(uint64_t)at->listed_wall_ms > at->version ? (uint64_t)at->listed_wall_ms : at->version + 1;
	at->error = (struct error){0};
}

void shelf_fail(struct shelf *s, enum mcp_list kind, const struct error *why)
{
	s->lists[kind].error = *why;
}

/* --- pages --- */

static enum err cursor_read(const struct shelf_list *l, const char *cursor, size_t *from, struct error *e)
{
	unsigned long long version = 0, at = 0;
	int end = 0;
	*from = 0;
	if (!cursor || !*cursor)
		return ERR_NONE;
	if (sscanf(cursor, "%16llx.%9llu%n", &version, &at, &end) != 2 || cursor[end])
		return err_set_field(
			e, ERR_FIELD, "cursor",
			"cursor is none that this server gave: take next_cursor of the page before");
	if (version != l->version || at > l->list.count)
		return err_set_field(
			e, ERR_GONE, "cursor",
			"the list has changed since the page before: begin again without cursor");
	*from = (size_t)at;
	return ERR_NONE;
}

static void facts_write(const struct shelf_list *l, bool offered, struct jw *w)
{
	char at[CLOCK_TEXT_SIZE];
	if (l->version)
		clock_format(l->listed_wall_ms, at);
	jw_kv_bool(w, "offered", offered);
	jw_kv_text(w, "listed_at", l->version ? at : NULL);
	jw_kv_text(w, "last_error", l->error.code ? l->error.msg : NULL);
	jw_kv_bool(w, "truncated", l->list.truncated);
	faults_write(&l->list.faults, w);
}

enum err shelf_write(const struct shelf *s, const struct shelf_page *p, struct buf *out, struct error *e)
{
	const struct shelf_list *l = &s->lists[p->kind];
	struct jw w = JW(out);
	size_t i, from;
	if (cursor_read(l, p->cursor, &from, e) != ERR_NONE)
		return e->code;
	jw_object(&w);
	jw_kv_text(&w, "server", p->server);
	jw_name(&w, members[p->kind]);
	jw_array(&w);
	for (i = from; i < l->list.count && i - from < p->limit && out->len < PAGE_BYTES_MAX; i++)
		jw_raw(&w, l->list.items[i].raw.data, l->list.items[i].raw.len);
	jw_array_end(&w);
	facts_write(l, p->offered, &w);
	if (p->kind == MCP_RESOURCES)
		watches_write(&s->watches, &w);
	jw_name(&w, "next_cursor");
	if (i < l->list.count)
		buf_printf(out, "\"%llx.%zu\"", (unsigned long long)l->version, i);
	else
		jw_null(&w);
	jw_object_end(&w);
	return out->overflow ? err_set(e, ERR_MEMORY, "no memory for a page of the list") : ERR_NONE;
}
