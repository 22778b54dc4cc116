/* SPDX-License-Identifier: Apache-2.0 */
/* A session of the handshake wire whose server has tasks. */
#ifndef TESTS_UNIT_MCP_HANDSHAKE_TASK_WORLD_H
#define TESTS_UNIT_MCP_HANDSHAKE_TASK_WORLD_H

#include "tests/unit/mcp/session_world.h"
#include "mcp/session_int.h"

#define OFFERS "\"tools\":{},\"tasks\":{\"requests\":{\"tools\":{\"call\":{}}}}"
#define TASK_TOOL(name, support) \
	"{\"name\":\"" name      \
	"\",\"inputSchema\":{\"type\":\"object\"},\"execution\":{\"taskSupport\":\"" support "\"}}"
#define STATUS(status, more)  "\"taskId\":\"t-1\",\"status\":\"" status "\"" more
#define CREATED(status, more) "{\"id\":3,\"result\":{\"task\":{" STATUS(status, more) "}}}"
#define GOT(id, status, more) "{\"id\":" id ",\"result\":{" STATUS(status, more) "}}"
#define ASKS(id, method) \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{\"taskId\":\"t-1\"}}\n"

static inline void world_with(struct world *w, const char *capabilities, const char *tool)
{
	char line[512];
	*w = (struct world){.takes_asks = true};
	world_open(w);
	snprintf(line, sizeof(line),
		 "{\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{%s},"
		 "\"serverInfo\":{\"name\":\"n\",\"version\":\"v\"}}}",
		 capabilities);
	say(w, line);
	snprintf(line, sizeof(line), "{\"id\":2,\"result\":{\"tools\":[%s]}}", tool);
	say(w, line);
	assert_int_equal(w->ready, 1);
	buf_reset(&w->sent);
}

/* A call whose task has begun. */
static inline uint64_t task_world(struct world *w)
{
	world_with(w, OFFERS, TASK_TOOL("a", "required"));
	uint64_t id = call(w, "{}");
	say(w, CREATED("working", ",\"pollInterval\":500"));
	buf_reset(&w->sent);
	return id;
}

#endif
