/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tools a model is shown: the hinted ones, then those that fit the words of the query best (BM25 over
 * names, titles, descriptions), sorted by name so that providers can cache the prompt. The runtime's own
 * finish_step stands last.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/rank.h"

#include <stdlib.h>
#include <string.h>

static const char finish_schema[] = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":["
				    "\"status\",\"result\"],\"properties\":{"
				    "\"status\":{\"type\":\"string\",\"enum\":[\"success\",\"failed\"]},"
				    "\"result\":{\"type\":\"string\",\"description\":\"What this step found "
				    "or did, complete enough for the steps that "
				    "build on it; or why it failed.\"}}}";

static void pick_hints(const struct mcp_catalog *c, const char *const *hints, size_t count, bool *picked);
static void pick_ranked(const struct mcp_catalog *c, const char *query, size_t max, bool *picked);
static void pick_rest(const struct mcp_catalog *c, size_t max, bool *picked);

static struct llm_tool tool_of(const struct mcp_tool *t)
{
	return (struct llm_tool){.name = t->exposed,
				 .server = t->server,
				 .server_tool = t->name,
				 .title = t->title,
				 .description = t->description,
				 .schema = t->schema,
				 .schema_text = t->input_schema,
				 .read_only = t->read_only};
}

void toolbox_init(struct toolbox *t, const struct mcp_catalog *c, const char *query, const char *const *hints,
		  size_t hints_count, size_t max, bool finish_step)
{
	*t = (struct toolbox){.catalog = mcp_catalog_hold(c)};
	bool *picked = xcalloc(c->count + 1, sizeof *picked);
	if (c->count <= max) {
		memset(picked, true, c->count);
	} else {
		pick_hints(c, hints, hints_count, picked);
		pick_ranked(c, query, max, picked);
		pick_rest(c, max, picked);
	}
	t->tools = xcalloc(c->count + 1, sizeof *t->tools);
	for (size_t i = 0; i < c->count; i++)
		if (picked[i])
			t->tools[t->count++] = tool_of(&c->tools[i]);
	free(picked);
	if (!finish_step)
		return;
	t->finish_schema = json_parse(finish_schema, sizeof finish_schema - 1, 0, NULL);
	ensure(t->finish_schema != NULL);
	t->tools[t->count++] = (struct llm_tool){
		.name = FINISH_STEP,
		.title = "Finish this step",
		.description = "End this step: call it once, alone, when the step's objective is reached or "
			       "cannot be reached.",
		.schema = t->finish_schema,
		.schema_text = SLICE_LIT(finish_schema),
		.read_only = true,
	};
}

void toolbox_release(struct toolbox *t)
{
	mcp_catalog_drop(t->catalog);
	json_free(t->finish_schema);
	free(t->tools);
	*t = (struct toolbox){0};
}

bool toolbox_idempotent(const struct toolbox *t, const struct llm_tool *tool)
{
	const struct mcp_tool *m = mcp_catalog_find(t->catalog, tool->name);
	return m != NULL && m->idempotent;
}

const struct llm_tool *toolbox_find(const struct toolbox *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->tools[i].name, name) == 0)
			return &t->tools[i];
	return NULL;
}

/* --- helpers --- */

static void pick_hints(const struct mcp_catalog *c, const char *const *hints, size_t count, bool *picked)
{
	for (size_t i = 0; i < count; i++) {
		const struct mcp_tool *t = mcp_catalog_find(c, hints[i]);
		if (t != NULL)
			picked[t - c->tools] = true;
	}
}

static void pick_ranked(const struct mcp_catalog *c, const char *query, size_t max, bool *picked)
{
	size_t have = 0;
	for (size_t i = 0; i < c->count; i++)
		have += picked[i];
	if (have >= max)
		return;
	struct rank *r = rank_new();
	for (size_t i = 0; i < c->count; i++) {
		const struct mcp_tool *t = &c->tools[i];
		rank_doc(r);
		rank_add(r, t->name, strlen(t->name), 3);
		if (t->title != NULL)
			rank_add(r, t->title, strlen(t->title), 2);
		rank_add(r, t->description, strlen(t->description), 1);
	}
	struct rank_hit *hits = xcalloc(max, sizeof *hits);
	size_t n = rank_query(r, query, strlen(query), hits, max);
	for (size_t i = 0; i < n && have < max; i++) {
		have += !picked[hits[i].doc];
		picked[hits[i].doc] = true;
	}
	free(hits);
	rank_free(r);
}

/* A query that says little must not leave a model without tools. */
static void pick_rest(const struct mcp_catalog *c, size_t max, bool *picked)
{
	size_t have = 0;
	for (size_t i = 0; i < c->count; i++)
		have += picked[i];
	for (size_t i = 0; i < c->count && have < max; i++) {
		have += !picked[i];
		picked[i] = true;
	}
}
