/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the conformance client does with a server that is ready: the calls that the scenario's context names,
 * else every tool once, and for servers that have them every resource and prompt. Whatever the server asks in
 * the course of a call is accepted, with the defaults of its schema and nothing else.
 */
#ifndef TESTS_CONFORMANCE_CALLS_H
#define TESTS_CONFORMANCE_CALLS_H

#include "base/base.h"
#include "mcp/mcp.h"

#include <stdio.h>
#include <string.h>

struct calls {
	struct loop *loop;
	struct mcp_client *client;
	struct mcp_call *call; /* under way */
	int ends, failures;
	struct buf result; /* of the last one */
};

static inline void calls_ended(const struct mcp_call_end *end, void *arg)
{
	struct calls *c = arg;
	c->ends++;
	c->failures += end->error.code != ERR_NONE;
	buf_reset(&c->result);
	buf_add_slice(&c->result, end->result);
	fprintf(stderr, "call: %s %.*s\n", end->error.code ? end->error.msg : "answered",
		(int)end->result.len, end->result.ptr ? end->result.ptr : "");
}

static inline void calls_asked(const struct mcp_ask *ask, void *arg)
{
	struct calls *c = arg;
	struct error e = {0};
	struct json *params = json_parse(ask->params.ptr, ask->params.len, 0, &e), *content = NULL;
	struct buf answer = BUF_INIT;
	struct jw w = JW(&answer);
	if (strcmp(ask->method, "elicitation/create") != 0 ||
	    mcp_elicit_fill(json_get(params, "requestedSchema"), NULL, &content, &e) != ERR_NONE) {
		mcp_call_refuse(c->call, ask->number, -32602, e.msg);
		goto out;
	}
	jw_object(&w);
	jw_kv_text(&w, "action", "accept");
	jw_kv_json(&w, "content", content);
	jw_object_end(&w);
	mcp_call_answer(c->call, ask->number, buf_slice(&answer));
out:
	json_free(content);
	json_free(params);
	buf_release(&answer);
}

static inline struct mcp_call_handler calls_handler(struct calls *c)
{
	return (struct mcp_call_handler){.on_end = calls_ended, .on_ask = calls_asked, .arg = c};
}

static inline void calls_wait(struct calls *c, int before)
{
	while (c->ends == before)
		loop_turn(c->loop, 1000);
	c->call = NULL;
}

static inline void calls_tool(struct calls *c, const char *tool, struct slice arguments)
{
	struct mcp_call_request q = {
		.server = "mock", .tool = tool, .arguments = arguments, .task_id = "conformance"};
	int before = c->ends;
	c->call = mcp_call_start(c->client, &q, calls_handler(c));
	calls_wait(c, before);
}

/* false: it failed; the result is in c->result. */
static inline bool calls_request(struct calls *c, const char *method, const char *member, const char *value)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	int before = c->ends, failures = c->failures;
	jw_object(&w);
	if (member)
		jw_kv_text(&w, member, value);
	jw_object_end(&w);
	struct mcp_request q = {.server = "mock", .method = method, .params = buf_slice(&params)};
	c->call = mcp_request_start(c->client, &q, calls_handler(c));
	calls_wait(c, before);
	buf_release(&params);
	return c->failures == failures;
}

static inline void calls_named(struct calls *c, const struct json *named)
{
	for (const struct json *j = json_first(named); j; j = json_next(j)) {
		struct buf arguments = BUF_INIT;
		json_print(json_get(j, "arguments"), &arguments);
		calls_tool(c, json_get_text(j, "name", ""), buf_slice(&arguments));
		buf_release(&arguments);
	}
}

/* A tool that wants a schema gets that of the first one, as it came; the others get two numbers. */
static inline void calls_every_tool(struct calls *c)
{
	const struct mcp_catalog *all = mcp_client_catalog(c->client);
	for (size_t i = 0; i < all->count; i++) {
		struct buf arguments = BUF_INIT;
		if (all->tools[i].by_runtime)
			continue;
		if (json_pointer(all->tools[i].schema, "/properties/schema"))
			buf_printf(&arguments, "{\"schema\":%.*s}", (int)all->tools[0].input_schema.len,
				   all->tools[0].input_schema.ptr);
		else
			buf_add_str(&arguments, "{\"a\":1,\"b\":2}");
		calls_tool(c, all->tools[i].name, buf_slice(&arguments));
		buf_release(&arguments);
	}
	c->failures += all->count == 0;
	mcp_catalog_drop(all);
}

static inline void calls_every(struct calls *c, const char *list, const char *array, const char *get,
			       const char *member)
{
	if (!calls_request(c, list, NULL, NULL))
		return;
	struct json *tree = json_parse(c->result.data, c->result.len, 0, NULL);
	for (const struct json *j = json_first(json_get(tree, array)); j; j = json_next(j))
		calls_request(c, get, member, json_get_text(j, member, ""));
	json_free(tree);
}

#endif
