/* SPDX-License-Identifier: Apache-2.0 */
/* A session of the modern wire whose server has the extension of tasks. */
#ifndef TESTS_UNIT_MCP_TASK_WORLD_H
#define TESTS_UNIT_MCP_TASK_WORLD_H

#include "tests/unit/mcp/modern_world.h"

#include <stdlib.h>

#define HAS_TASKS                                                                                   \
	"{\"id\":1,\"result\":{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"]," \
	"\"capabilities\":{\"tools\":{},\"extensions\":{\"" TASK_EXTENSION "\":{}}}}}"
#define STATUS(status, more) "\"taskId\":\"t-1\",\"status\":\"" status "\",\"ttlMs\":60000" more
#define CREATED(id, status, more) \
	"{\"id\":" id ",\"result\":{\"resultType\":\"task\"," STATUS(status, more) "}}"
#define GOT(id, status, more) \
	"{\"id\":" id ",\"result\":{\"resultType\":\"complete\"," STATUS(status, more) "}}"
#define WORKING(id)         GOT(id, "working", ",\"pollIntervalMs\":500")
#define DONE(id, content)   GOT(id, "completed", ",\"result\":{\"content\":[" content "]}")
#define WANTS(id, requests) GOT(id, "input_required", ",\"pollIntervalMs\":500,\"inputRequests\":" requests)
#define ELICITS(key)        "\"" key "\":{\"method\":\"elicitation/create\",\"params\":{\"message\":\"" key "?\"}}"
#define TELLS(params) \
	"{\"method\":\"notifications/tasks\",\"params\":{" params ",\"_meta\":{\"" SUBSCRIPTION_ID "\":4}}}"
/* For sent_like. */
#define ASKED(id, method, more)                                                          \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" more \
	"\"_meta\":{" ASKING_META "}}}\n"
#define ABOUT(id, method) ASKED(id, method, "\"taskId\":\"t-1\",")
#define LISTENS(id)       ASKED(id, "subscriptions/listen", "\"notifications\":{\"taskIds\":[\"t-1\"]},")
#define UNLISTENS                                             \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"    \
	"cancelled\",\"params\":{\"requestId\":4,\"reason\":" \
	"\"nobody waits for the task any more\"}}\n"

static inline void tasks_ready(struct world *w)
{
	*w = (struct world){.era = MCP_ERA_MODERN, .takes_asks = true, .has_headers = w->has_headers};
	world_open(w);
	say(w, HAS_TASKS);
	say(w, "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "]}}");
	assert_int_equal(w->ready, 1);
	buf_reset(&w->sent);
	buf_reset(&w->headers);
}

/* A call (request 3) whose task has begun; its subscription (4) is refused. */
static inline uint64_t task_begun(struct world *w)
{
	*w = (struct world){0};
	tasks_ready(w);
	uint64_t id = call(w, "{}");
	say(w, CREATED("3", "working", ",\"pollIntervalMs\":500"));
	say(w, "{\"id\":4,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}");
	buf_reset(&w->sent);
	return id;
}

#endif
