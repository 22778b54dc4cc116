/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools as they were when a plan was made: the plan names each hinted tool with a digest of all that a model
 * is told of it, so that an approval of the plan is one of what the tools said then, and a server that
 * describes a tool otherwise later is noticed. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <string.h>

void tool_digest(const struct mcp_tool *t, char out[TOOL_DIGEST_SIZE])
{
	char hex[SHA256_HEX_SIZE];
	struct buf text = BUF_INIT;
	struct jw w = JW(&text);
	jw_array(&w);
	jw_text(&w, t->exposed);
	jw_text(&w, t->title);
	jw_text(&w, t->description);
	jw_text_n(&w, t->input_schema.ptr, t->input_schema.len);
	jw_array_end(&w);
	sha256_hex(text.data, text.len, hex);
	snprintf(out, TOOL_DIGEST_SIZE, "%.32s", hex);
	buf_release(&text);
}

const char *plan_tool_digest(const struct plan *p, const char *exposed)
{
	for (const struct json *t = json_first(p->tools); t != NULL; t = json_next(t))
		if (strcmp(json_get_text(t, "name", ""), exposed) == 0)
			return json_get_text(t, "digest", NULL);
	return NULL;
}

static void tool_pin(struct json *list, const struct mcp_tool *t)
{
	char digest[TOOL_DIGEST_SIZE];
	struct json *pin = json_new_object();
	tool_digest(t, digest);
	json_set(pin, "name", json_new_text(t->exposed));
	json_set(pin, "digest", json_new_text(digest));
	json_push(list, pin);
}

void plan_tools_pin(struct plan *p, const struct mcp_catalog *tools)
{
	struct json *list = json_new_array();
	json_set(p->tree, "tools", list);
	p->tools = list;
	for (size_t i = 0; i < p->steps_count; i++) {
		for (size_t k = 0; k < p->steps[i].hints_count; k++) {
			const struct mcp_tool *t = mcp_catalog_find(tools, p->steps[i].hints[k]);
			if (t != NULL && plan_tool_digest(p, t->exposed) == NULL)
				tool_pin(list, t);
		}
	}
}
