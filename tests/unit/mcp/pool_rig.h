/* SPDX-License-Identifier: Apache-2.0 */
/* Calls in the name of tasks, and a look at the instances, for the tests of pools. */
#ifndef TESTS_UNIT_MCP_POOL_RIG_H
#define TESTS_UNIT_MCP_POOL_RIG_H

#include "tests/unit/mcp/rig.h"

/* Its tool grow answers how often this process was asked to. */
static const char *const REMEMBERS[] = {"list-changed-burst", NULL};

static inline struct mcp_server_options *pool_rig(struct rig *r, const char *const *args)
{
	rig_init(r);
	struct mcp_server_options *o = rig_add(r, "fake", rig_fake(), args);
	o->scope = MCP_TASK;
	o->instances_max = 4;
	r->options.drain_ms_max = 15000;
	return o;
}

static inline void task_call(struct rig *r, const char *task, const char *tool, const char *arguments,
			     int64_t timeout_ms, struct outcome *o)
{
	struct mcp_call_request q = {"fake", tool, slice_str(arguments), task, timeout_ms, false, NULL};
	struct mcp_call_handler h = {.on_end = outcome_end, .arg = o};
	*o = (struct outcome){0};
	mcp_call_start(r->client, &q, h);
}

static inline void task_call_wait(struct rig *r, const char *task, const char *tool, struct outcome *o)
{
	task_call(r, task, tool, "{}", 0, o);
	rig_wait(r, o->ends);
}

/* How often this task's instance has grown, now once more. */
static inline int task_grow(struct rig *r, const char *task)
{
	struct outcome o;
	task_call_wait(r, task, "grow", &o);
	if (o.error.code)
		fail_msg("%s", o.error.msg);
	const char *text = strstr(buf_cstr(&o.result), "\"text\":\"");
	assert_non_null(text);
	return atoi(text + 8);
}

static inline size_t instances(struct rig *r)
{
	return json_count(rig_state(r, "/servers/0/instances"));
}

/* Of this task; NULL: a spare. 0: it has none. */
static inline int64_t instance_pid(struct rig *r, const char *task)
{
	const struct json *list = rig_state(r, "/servers/0/instances");
	for (const struct json *i = json_first(list); i; i = json_next(i)) {
		const char *id = json_text(json_get(i, "task_id"));
		if (task ? id && strcmp(id, task) == 0 : !id)
			return json_get_integer(i, "pid", 0);
	}
	return 0;
}

#endif
