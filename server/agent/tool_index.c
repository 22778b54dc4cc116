/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BM25 over the tools of one catalogue: names count three times, titles and descriptions once, names of
 * arguments half. The index is made when it is first asked and kept as long as the catalogue is the present
 * one, so that a question over thousands of tools costs microseconds.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/rank.h"

#include <stdlib.h>
#include <string.h>

struct tool_index {
	const struct mcp_catalog *catalog; /* held */
	struct rank *rank;                 /* NULL until it is asked */
};

static struct rank *rank_make(const struct mcp_catalog *c);

struct tool_index *tool_index_new(const struct mcp_catalog *c)
{
	struct tool_index *x = xcalloc(1, sizeof *x);
	x->catalog = mcp_catalog_hold(c);
	return x;
}

void tool_index_free(struct tool_index *x)
{
	if (x == NULL)
		return;
	rank_free(x->rank);
	mcp_catalog_drop(x->catalog);
	free(x);
}

const struct mcp_catalog *tool_index_catalog(const struct tool_index *x)
{
	return x->catalog;
}

size_t tool_index_query(struct tool_index *x, const char *query, size_t *out, size_t max)
{
	if (x->rank == NULL)
		x->rank = rank_make(x->catalog);
	struct rank_hit *hits = xcalloc(max + 1, sizeof *hits);
	size_t n = rank_query(x->rank, query, strlen(query), hits, max);
	for (size_t i = 0; i < n; i++)
		out[i] = hits[i].doc;
	free(hits);
	return n;
}

/* --- helpers --- */

static struct rank *rank_make(const struct mcp_catalog *c)
{
	struct rank *r = rank_new();
	for (size_t i = 0; i < c->count; i++) {
		const struct mcp_tool *t = &c->tools[i];
		rank_doc(r);
		rank_add(r, t->name, strlen(t->name), 3);
		if (t->title != NULL)
			rank_add(r, t->title, strlen(t->title), 1);
		if (t->description != NULL)
			rank_add(r, t->description, strlen(t->description), 1);
		const struct json *properties = json_get(t->schema, "properties");
		for (const struct json *p = json_first(properties); p != NULL; p = json_next(p))
			rank_add(r, json_name(p), strlen(json_name(p)), 0.5);
	}
	return r;
}
