/* SPDX-License-Identifier: Apache-2.0 */
/* A session of the modern wire over a link in memory. */
#ifndef TESTS_UNIT_MCP_MODERN_WORLD_H
#define TESTS_UNIT_MCP_MODERN_WORLD_H

#include "tests/unit/mcp/session_world.h"
#include "mcp/session_int.h"

#define MODERN_META                                                                       \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                     \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"agent-runtime\",\"version\":" \
	"\"1.2\"},\"io.modelcontextprotocol/clientCapabilities\":{}"
/* The first, when it is not known yet what the server has. */
#define DISCOVERY(id)                                                                               \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"server/discover\",\"params\":{\"_meta\":{" \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                               \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"agent-runtime\",\"version\":"           \
	"\"1.2\"},\"io.modelcontextprotocol/clientCapabilities\":{\"extensions\":{"                 \
	"\"io.modelcontextprotocol/tasks\":{}}}}}}\n"
#define MODERN_REQUEST(id, method, params)                                                 \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params \
	"\"_meta\":{" MODERN_META "}}}\n"
#define DISCOVERED                                                                 \
	"{\"id\":1,\"result\":{\"resultType\":\"complete\",\"supportedVersions\":" \
	"[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},\"_meta\":{\"io."        \
	"modelcontextprotocol/serverInfo\":{\"name\":\"n\",\"version\":\"v\"}}}}"
#define MARKED_TOOL(name, header)                                                             \
	"{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"r\":{" \
	"\"type\":\"string\",\"x-mcp-header\":\"" header "\"}}}}"

static inline void modern_open(struct world *w, bool has_headers)
{
	*w = (struct world){.era = MCP_ERA_MODERN, .has_headers = has_headers};
	world_open(w);
}

/* Ready with the tools a (no annotation) and m (r goes to Mcp-Param-R). */
static inline void modern_ready(struct world *w, bool has_headers)
{
	modern_open(w, has_headers);
	say(w, DISCOVERED);
	say(w, "{\"id\":2,\"result\":{\"resultType\":\"complete\",\"tools\":[" TOOL("a") "," MARKED_TOOL(
		       "m", "R") "]}}");
	assert_int_equal(w->ready, 1);
	buf_reset(&w->sent);
	buf_reset(&w->headers);
}

static inline uint64_t call_of(struct world *w, const char *tool, const char *arguments)
{
	struct error e;
	struct request_handler h = {.on_progress = told_progress, .on_end = told_end, .arg = w};
	return session_call(w->session, tool, slice_str(arguments), NULL, h, &e);
}

#define ASKING_META                                                                             \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/" \
	"clientInfo\":{\"name\":\"agent-runtime\",\"version\":\"1.2\"},"                        \
	"\"io.modelcontextprotocol/clientCapabilities\":CAPABILITIES"

/* With what is offered as CAPABILITIES, whatever that is at present. */
static inline void sent_like(struct world *w, const char *text)
{
	struct buf expected = BUF_INIT, capabilities = BUF_INIT;
	struct jw jw = JW(&capabilities);
	capabilities_write(w->session, &jw);
	for (const char *at = text, *hit; *at; at = hit ? hit + strlen("CAPABILITIES") : at + strlen(at)) {
		hit = strstr(at, "CAPABILITIES");
		buf_add(&expected, at, hit ? (size_t)(hit - at) : strlen(at));
		if (hit)
			buf_add_slice(&expected, buf_slice(&capabilities));
	}
	sent_is(w, buf_cstr(&expected));
	buf_release(&expected);
	buf_release(&capabilities);
}

#endif
