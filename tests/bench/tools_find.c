/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long it takes to find the tools that fit a sentence among many: the index that the agent keeps for each
 * catalogue, over 2,000 tools with names, titles, descriptions and arguments made of a vocabulary, so that
 * words are as common as they are among real tools. Prints {"build_ms", "query_us": [...]}, one figure a
 * query.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOOLS = 2000, QUERIES = 400, OFFERED = 20, REFS = 64 };

static const char *const verbs[] = {"get",    "list", "search", "create",  "update",
				    "delete", "send", "read",   "convert", "check"};
static const char *const nouns[] = {"file",    "folder",   "invoice", "customer", "weather",
				    "route",   "calendar", "message", "ticket",   "commit",
				    "branch",  "pipeline", "sensor",  "payment",  "translation",
				    "contact", "report",   "account", "product",  "shipment"};
static const char *const places[] = {"archive",   "cloud",   "region", "team",  "project",
				     "workspace", "cluster", "store",  "queue", "map"};

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void tool_make(struct mcp_tool *t, size_t i)
{
	const char *verb = verbs[i % COUNT_OF(verbs)], *noun = nouns[i / COUNT_OF(verbs) % COUNT_OF(nouns)];
	const char *place = places[i / (COUNT_OF(verbs) * COUNT_OF(nouns)) % COUNT_OF(places)];
	char *schema = xasprintf("{\"type\":\"object\",\"properties\":{\"%s_id\":{},\"%s\":{},\"limit\":{}}}",
				 noun, place);
	*t = (struct mcp_tool){
		.server = "many",
		.name = xasprintf("%s_%s_%s", verb, noun, place),
		.exposed = xasprintf("many__%s_%s_%s", verb, noun, place),
		.title = xasprintf("%s %s", verb, noun),
		.description =
			xasprintf("Use this tool to %s a %s of the %s. It returns the %s with all of its "
				  "fields, and fails when there is none.",
				  verb, noun, place, noun),
		.schema = json_parse(schema, strlen(schema), 0, NULL),
		.read_only = true};
	free(schema);
}

int main(void)
{
	static struct mcp_tool tools[TOOLS];
	/* The room counts references behind a catalogue. */
	static struct {
		struct mcp_catalog catalog;
		int refs[REFS];
	} held = {{.version = 1, .count = TOOLS, .tools = tools}, {9}};
	size_t hits[OFFERED];
	for (size_t i = 0; i < TOOLS; i++)
		tool_make(&tools[i], i);
	struct tool_index *x = tool_index_new(&held.catalog);
	double begin = now_ms();
	ensure(tool_index_query(x, "warm", hits, OFFERED) == 0);
	printf("{\"build_ms\":%.3f,\"query_us\":[", now_ms() - begin);
	for (size_t i = 0; i < QUERIES; i++) {
		char *query = xasprintf(
			"Please %s the %s of our customer and report where each shipment is, by %s",
			verbs[i % COUNT_OF(verbs)], nouns[i % COUNT_OF(nouns)], places[i % COUNT_OF(places)]);
		begin = now_ms();
		ensure(tool_index_query(x, query, hits, OFFERED) == OFFERED);
		printf("%s%.1f", i > 0 ? "," : "", (now_ms() - begin) * 1e3);
		free(query);
	}
	printf("]}\n");
	return 0;
}
