/* SPDX-License-Identifier: Apache-2.0 */
/* A rig around the scripted server with resources and prompts (tests/fake/resource_mcp.c). */
#ifndef TESTS_UNIT_MCP_SHELF_RIG_H
#define TESTS_UNIT_MCP_SHELF_RIG_H

#include "tests/unit/mcp/rig.h"

static inline const char *shelf_path(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 40);
	assert_true(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/'), "/../../fake/resource_mcp");
	return path;
}

static inline void shelf_init(struct rig *r, const char *mode)
{
	static const char *args[2];
	args[0] = mode;
	rig_init(r);
	rig_add(r, "shelf", shelf_path(), args);
}

static inline struct mcp_call *request(struct rig *r, const char *server, const char *method,
				       const char *params, int64_t timeout_ms, struct outcome *o)
{
	struct mcp_request q = {server, method, slice_str(params), NULL, timeout_ms};
	struct mcp_call_handler h = {.on_progress = outcome_progress, .on_end = outcome_end, .arg = o};
	*o = (struct outcome){0};
	struct mcp_call *call = mcp_request_start(r->client, &q, h);
	assert_int_equal(o->ends, 0);
	return call;
}

static inline void request_wait(struct rig *r, const char *method, const char *params, struct outcome *o)
{
	request(r, "shelf", method, params, 0, o);
	rig_wait(r, o->ends);
}

struct listed {
	int ends;
	struct error error;
	struct json *page; /* NULL with an error */
};

static inline void listed_came(struct slice text, const struct error *e, void *arg)
{
	struct listed *l = arg;
	struct error bad;
	l->ends++;
	if (e)
		l->error = *e;
	else
		l->page = json_parse(text.ptr, text.len, 0, &bad);
	assert_true(e || l->page);
}

static inline void list_wait(struct rig *r, enum mcp_list list, const char *cursor, unsigned limit,
			     struct listed *l)
{
	struct mcp_list_request q = {"shelf", list, cursor, limit};
	*l = (struct listed){0};
	mcp_client_list(r->client, &q, listed_came, l);
	rig_wait(r, l->ends);
}

#endif
