/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tools a model is shown: the hinted and the pinned ones, then those that fit the words of the queries
 * best, sorted by name so that providers can cache the prompt. The runtime's own tools stand behind them, and
 * what a model finds with find_tools comes last: nothing that was said before changes its place.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

enum { OWN_MAX = 3 };

static const struct own_tool {
	const char *name, *title, *description, *schema;
} own_tools[] = {
	{FIND_TOOLS, "Find further tools",
	 "Not all tools are listed here. Finds tools by words of what they do; those that are found can be "
	 "called from the next turn on.",
	 "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"query\"],\"properties\":{"
	 "\"query\":{\"type\":\"string\",\"minLength\":1,\"description\":\"What the tool should do.\"}}}"},
	{READ_RESULT, "Read more of a result",
	 "Reads what was shown only in part: the result of an earlier call, of a finished step, or an "
	 "artifact. A piece "
	 "from offset on, or the lines that hold query.",
	 "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"handle\"],\"properties\":{"
	 "\"handle\":{\"type\":\"string\",\"description\":\"c7 for a call, s1 for a step, a2 for artifact "
	 "2.\"},"
	 "\"offset\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"In bytes.\"},"
	 "\"length\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"In bytes.\"},"
	 "\"query\":{\"type\":\"string\",\"description\":\"A text, upper and lower case alike.\"}}}"},
	{FINISH_STEP, "Finish this step",
	 "End this step: call it once, alone, when the step's objective is reached or cannot be reached; or "
	 "beside calls "
	 "with an empty result: if none of them fails, their answers are the result.",
	 "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"status\",\"result\"],"
	 "\"properties\":{\"status\":{\"type\":\"string\",\"enum\":[\"success\",\"failed\"]},"
	 "\"criteria_met\":{\"type\":\"boolean\",\"description\":\"Whether the success criteria of the step, "
	 "if "
	 "it has any, are met.\"},"
	 "\"result\":{\"type\":\"string\",\"description\":\"What this step found or did, complete enough for "
	 "the steps that build on it; or why it failed.\"}}}"},
};
enum { OWN_FIND_TOOLS, OWN_READ_RESULT, OWN_FINISH_STEP };
/* Of the process: parsed when they are first needed. */
static struct json *own_schemas[COUNT_OF(own_tools)];

static void pick_hints(const struct mcp_catalog *c, const struct toolbox_want *w, bool *picked);
static void pick_pinned(const struct mcp_catalog *c, const char *pinned, bool *picked);
static void pick_ranked(struct tool_index *x, const struct toolbox_want *w, bool *picked);
static void pick_rest(const struct mcp_catalog *c, size_t max, bool *picked);
static void add_own(struct toolbox *t, size_t which);

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

void toolbox_init(struct toolbox *t, struct tool_index *x, const struct toolbox_want *w)
{
	const struct mcp_catalog *c = tool_index_catalog(x);
	*t = (struct toolbox){.catalog = mcp_catalog_hold(c)};
	bool all = c->count <= w->max;
	bool *picked = xcalloc(c->count + 1, sizeof *picked);
	if (all) {
		memset(picked, true, c->count);
	} else {
		pick_hints(c, w, picked);
		pick_pinned(c, w->pinned != NULL ? w->pinned : "", picked);
		pick_ranked(x, w, picked);
		pick_rest(c, w->max, picked);
	}
	size_t count = 0;
	for (size_t i = 0; i < c->count; i++) {
		picked[i] = picked[i] && !(w->plain && c->tools[i].by_runtime);
		count += picked[i];
	}
	/* Calls of a turn point into it: it never moves. */
	t->found_max = all ? 0 : w->max;
	t->tools = xcalloc(count + OWN_MAX + t->found_max, sizeof *t->tools);
	for (size_t i = 0; i < c->count; i++)
		if (picked[i])
			t->tools[t->count++] = tool_of(&c->tools[i]);
	free(picked);
	if (!w->own)
		return;
	if (!all)
		add_own(t, OWN_FIND_TOOLS);
	if (w->reads)
		add_own(t, OWN_READ_RESULT);
	add_own(t, OWN_FINISH_STEP);
}

void toolbox_release(struct toolbox *t)
{
	mcp_catalog_drop(t->catalog);
	free(t->tools);
	*t = (struct toolbox){0};
}

bool toolbox_add(struct toolbox *t, const char *exposed)
{
	const struct mcp_tool *m = mcp_catalog_find(t->catalog, exposed);
	if (m == NULL || t->found == t->found_max)
		return m != NULL && toolbox_find(t, m->exposed) != NULL;
	if (toolbox_find(t, m->exposed) != NULL)
		return true;
	t->tools[t->count++] = tool_of(m);
	t->found++;
	return true;
}

/* What nobody knows any more may come from anywhere. */
bool toolbox_untrusted(const struct toolbox *t, const struct llm_tool *tool)
{
	const struct mcp_tool *m = mcp_catalog_find(t->catalog, tool->name);
	return m == NULL || m->untrusted;
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

const char *toolbox_reader(const struct toolbox *t, const char *server)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct llm_tool *tool = &t->tools[i];
		if (tool->server != NULL && strcmp(tool->server, server) == 0 &&
		    strcmp(tool->server_tool, MCP_READ_RESOURCE) == 0)
			return tool->name;
	}
	return NULL;
}

/* --- helpers --- */

static void add_own(struct toolbox *t, size_t which)
{
	const struct own_tool *o = &own_tools[which];
	if (own_schemas[which] == NULL)
		own_schemas[which] = json_parse(o->schema, strlen(o->schema), 0, NULL);
	ensure(own_schemas[which] != NULL);
	t->tools[t->count++] = (struct llm_tool){.name = o->name,
						 .title = o->title,
						 .description = o->description,
						 .schema = own_schemas[which],
						 .schema_text = slice_str(o->schema),
						 .read_only = true};
}

static void pick_hints(const struct mcp_catalog *c, const struct toolbox_want *w, bool *picked)
{
	for (size_t i = 0; i < w->hints_count; i++) {
		const struct mcp_tool *t = mcp_catalog_find(c, w->hints[i]);
		if (t != NULL)
			picked[t - c->tools] = true;
	}
}

/* A name that no server offers now is none. */
static void pick_pinned(const struct mcp_catalog *c, const char *pinned, bool *picked)
{
	static const char between[] = ", \t";
	for (const char *p = pinned + strspn(pinned, between); *p != '\0'; p += strspn(p, between)) {
		size_t n = strcspn(p, between);
		char *name = xstrndup(p, n);
		const struct mcp_tool *t = mcp_catalog_find(c, name);
		if (t != NULL)
			picked[t - c->tools] = true;
		free(name);
		p += n;
	}
}

static size_t picked_count(const struct mcp_catalog *c, const bool *picked)
{
	size_t have = 0;
	for (size_t i = 0; i < c->count; i++)
		have += picked[i];
	return have;
}

/* The best of each query in turn, until there are enough. */
static void pick_ranked(struct tool_index *x, const struct toolbox_want *w, bool *picked)
{
	size_t have = picked_count(tool_index_catalog(x), picked);
	size_t *hits[TOOLBOX_QUERIES_MAX], n[TOOLBOX_QUERIES_MAX];
	if (have >= w->max)
		return;
	for (size_t q = 0; q < w->queries_count; q++) {
		hits[q] = xcalloc(w->max, sizeof *hits[q]);
		n[q] = tool_index_query(x, w->queries[q], hits[q], w->max);
	}
	for (size_t i = 0; i < w->max; i++) {
		for (size_t q = 0; q < w->queries_count && have < w->max; q++) {
			if (i >= n[q])
				continue;
			have += !picked[hits[q][i]];
			picked[hits[q][i]] = true;
		}
	}
	for (size_t q = 0; q < w->queries_count; q++)
		free(hits[q]);
}

/* A query that says little must not leave a model without tools. */
static void pick_rest(const struct mcp_catalog *c, size_t max, bool *picked)
{
	size_t have = picked_count(c, picked);
	for (size_t i = 0; i < c->count && have < max; i++) {
		have += !picked[i];
		picked[i] = true;
	}
}
