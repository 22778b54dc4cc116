/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers list: tools, resources, templates, prompts; what is left out of it, and the catalogue that is
 * made of the tools of all. Pure. Part of mcp_int.h.
 */
#ifndef MCP_LIST_INT_H
#define MCP_LIST_INT_H

#include "mcp/wire_int.h"

/* --- faults.c: entries of lists that were left out --- */

enum { FAULTS_MAX = 100, FAULT_NAME_BYTES_MAX = 256 };

struct fault {
	char *name, *reason;
};
struct faults {
	struct fault *list;
	size_t count;
};
void faults_add(struct faults *f, const char *name, const char *reason);
void faults_release(struct faults *f);
void faults_write(const struct faults *f, struct jw *w); /* "quarantined":[...] */

/* --- tools.c: what tools/list brought --- */

enum { TOOLS_MAX = 2000, TOOL_NAME_BYTES_MAX = 256 };

struct tool_entry {
	char *name, *title, *description; /* title may be NULL */
	struct buf input_schema, output_schema;
	bool read_only, idempotent; /* the server's hints */
	bool closed_world;          /* openWorldHint is false */
	bool task_required; /* execution.taskSupport: it runs as a task of the server, or not at all */
};

struct tool_list {
	struct tool_entry *tools;
	size_t count, cap;
	struct faults faults;
	bool wants_headers; /* x-mcp-header annotations bind: a tool with a bad one is left out */
};
void tool_list_release(struct tool_list *l);
/* The same tools, in the same order, with the same schemas. */
bool tool_list_same(const struct tool_list *a, const struct tool_list *b);
/* Adds the elements of a raw "tools" array; a bad one is quarantined. ERR_UPSTREAM when it is no array. */
/* tool_schema.c: the schema as models may read it, appended; `schema` is what `raw` says. */
void tool_schema_seen(const struct json *schema, struct slice raw, struct buf *out);
must_check enum err tool_list_add(struct tool_list *l, struct slice array, struct error *e);

/* --- items.c: what the lists of resources, resource templates and prompts brought --- */

enum { ITEM_KINDS = MCP_PROMPTS + 1 };

struct item {
	char *key; /* uri, uriTemplate, name: unique within the list */
	uint64_t hash;
	struct buf raw; /* JSON object as the server sent it */
};
struct item_list {
	enum mcp_list kind; /* set by the owner */
	struct item *items; /* in the server's order */
	size_t count, cap, bytes;
	struct faults faults;
	bool truncated; /* there is more than the limits let in */
};
void item_list_release(struct item_list *l); /* keeps kind */
/* Adds the entries of one page, a raw result; a bad one is quarantined. ERR_UPSTREAM: it has no such array.
 */
must_check enum err item_list_add(struct item_list *l, struct slice result, size_t count_max,
				  size_t bytes_max, struct error *e);
const struct item *item_find(const struct item_list *l, const char *key); /* or NULL */
bool uri_has_scheme(const char *uri);                                     /* RFC 3986 section 3.1 */

/* --- watches.c: resources whose changes are to be told --- */

struct watch {
	char *uri;
	int64_t updated_wall_ms; /* 0: never told */
	uint64_t read_at;        /* on a clock of reads */
};
struct watches {
	struct watch *list;
	size_t count;
	uint64_t reads;
};
void watches_release(struct watches *w);
/* It was read. true: it is watched from now on, and *dropped, if not NULL, is not any more (to be freed). */
bool watches_read(struct watches *w, const char *uri, size_t max, char **dropped);
void watches_updated(struct watches *w, const char *uri);
void watches_write(const struct watches *w, struct jw *out); /* "subscriptions":[...] */

/* --- shelf.c: what a server lists besides tools, as it is shown --- */

struct shelf_list {
	struct item_list list; /* the last good one */
	uint64_t version;      /* 0: there was none yet */
	int64_t listed_wall_ms;
	struct error error; /* why there is no newer one; code 0: nothing is wrong */
};
struct shelf {
	struct shelf_list lists[ITEM_KINDS];
	struct watches watches;
};
void shelf_init(struct shelf *s);
void shelf_release(struct shelf *s);
void shelf_take(struct shelf *s, enum mcp_list kind, struct item_list l);
void shelf_fail(struct shelf *s, enum mcp_list kind, const struct error *why);
/* One page as mcp_client_list tells it; `offered` as there. cursor NULL or "": from the beginning. ERR_FIELD:
 * it is none of ours; ERR_GONE: the list is another one now. */
struct shelf_page {
	const char *server;
	enum mcp_list kind;
	bool offered;
	const char *cursor;
	size_t limit;
};
must_check enum err shelf_write(const struct shelf *s, const struct shelf_page *p, struct buf *out,
				struct error *e);

/* --- resource_tools.c --- */

enum { RESOURCE_TOOLS = 2 };
enum resource_tool { RESOURCE_TOOL_NONE, RESOURCE_TOOL_READ, RESOURCE_TOOL_LIST };
/* Those of a server with these lists. COUNT returned; static. */
size_t resource_tools(const struct shelf *s, const struct tool_list *l,
		      const struct tool_entry *out[RESOURCE_TOOLS]);
/* Which of them a call of this name means. */
enum resource_tool resource_tool_of(const struct shelf *s, const struct tool_list *l, const char *name);
/* What resources/read answered, or what it refused, as the result of a tool. ERR_UPSTREAM: it has no
 * contents. */
must_check enum err resource_tool_result(struct slice result, struct buf *out, struct error *e);
void resource_tool_fault(const char *message, struct buf *out);
/* The result of list_resources; query may be NULL. */
void resource_tool_list(const struct shelf *s, const char *query, struct buf *out);

/* --- effect.c --- */

struct tool_effect {
	enum mcp_effect effect;
	const char *source; /* "operator", "annotation", "default"; "runtime": a tool made here */
};
/* Whether calls of it can reach anybody, and whether anybody may have written what they return. */
struct tool_world {
	bool open, untrusted;
};
struct tool_world tool_world_of(const struct mcp_server_options *o, const struct tool_entry *t);
struct tool_effect tool_effect_of(const struct mcp_server_options *o, const struct tool_entry *t);
/* Warns of names among the operator's effects that the server does not offer; of each once, which `told`
 * (one for each effect) remembers. */
void tool_effects_check(const struct mcp_server_options *o, const struct tool_list *l, bool *told);

/* --- catalog.c, catalog_write.c --- */

struct catalog_source {
	const char *server;
	const struct tool_entry *tool;
	struct tool_effect effect;
	bool by_runtime;
	struct tool_world world;
	char exposed[MCP_TOOL_NAME_MAX + 1];
};
/* Gives each its exposed name and sorts by it. The names depend on the set only, not on its order, and those
 * of one server not on what others have. */
void catalog_name(struct catalog_source *sources, size_t count);
/* true: where the id ends and the tool's name begins cannot be told from "id__tool". */
bool server_id_seems_joined(const char *id);
/* {"tools":[...]} of named sources. */
void catalog_write(const struct catalog_source *sources, size_t count, struct buf *out);
/* From such a text (copied). NULL when it is not one. */
const struct mcp_catalog *catalog_read(struct slice text, uint64_t version, struct error *e);

#endif
