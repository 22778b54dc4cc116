/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tools that are the runtime's own: find_tools, read_result. They reach no server and change
 * nothing outside, so there is no tool.started: their answer is one tool.completed, which is all that a run
 * that is taken over needs. finish_step is no call: exec_turn.c ends the step by it.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

static void find_tools(struct exec_call *c, const struct json *arguments);
static void found_text(const struct toolbox *box, const size_t *hits, size_t n, struct buf *out);

bool builtin_is(const struct llm_tool *tool)
{
	return strcmp(tool->name, FIND_TOOLS) == 0 || strcmp(tool->name, READ_RESULT) == 0;
}

void builtin_call(struct exec_call *c, const struct json *arguments)
{
	run_call_name(c->exec->run, c->exec, c->id);
	if (strcmp(c->name, FIND_TOOLS) == 0)
		find_tools(c, arguments);
	else
		read_result(c, arguments);
}

void builtin_replay(struct exec_call *c, const struct json *result)
{
	const struct json *names = json_get(json_get(result, "structuredContent"), "tools");
	for (const struct json *j = json_first(names); j != NULL; j = json_next(j))
		if (json_text(j) != NULL)
			(void)toolbox_add(&c->exec->box, json_text(j));
}

void builtin_answer(struct exec_call *c, const char *text, struct slice structured)
{
	struct record rec;
	call_head(&rec, c);
	jw_kv_bool(&rec.w, "is_error", false);
	jw_name(&rec.w, "result");
	jw_object(&rec.w);
	jw_name(&rec.w, "content");
	jw_array(&rec.w);
	jw_object(&rec.w);
	jw_kv_text(&rec.w, "type", "text");
	jw_kv_text(&rec.w, "text", text);
	jw_object_end(&rec.w);
	jw_array_end(&rec.w);
	if (structured.len > 0)
		jw_kv_raw(&rec.w, "structuredContent", structured.ptr, structured.len);
	jw_object_end(&rec.w);
	if (record_event(c->exec->run, &rec, EVENT_TOOL_COMPLETED))
		calls_answer(c, text, NULL, false);
}

/* --- helpers --- */

/* Best first; what is shown already is named again, but takes no room. */
static void find_tools(struct exec_call *c, const struct json *arguments)
{
	enum { FOUND_MAX = 10 };
	struct toolbox *box = &c->exec->box;
	struct tool_index *index = tool_index_new(box->catalog);
	struct tool_index *present = agent_tool_index(c->exec->run->agent);
	bool same = tool_index_catalog(present) == box->catalog;
	struct buf text = BUF_INIT, structured = BUF_INIT;
	struct jw w = JW(&structured);
	size_t hits[FOUND_MAX], kept = 0;
	size_t n = tool_index_query(same ? present : index, json_get_text(arguments, "query", ""), hits,
				    FOUND_MAX);
	jw_object(&w);
	jw_name(&w, "tools");
	jw_array(&w);
	for (size_t i = 0; i < n; i++) {
		if (!toolbox_add(box, box->catalog->tools[hits[i]].exposed))
			continue;
		hits[kept++] = hits[i];
		jw_text(&w, box->catalog->tools[hits[i]].exposed);
	}
	jw_array_end(&w);
	jw_object_end(&w);
	found_text(box, hits, kept, &text);
	builtin_answer(c, buf_cstr(&text), buf_slice(&structured));
	tool_index_free(index);
	buf_release(&text);
	buf_release(&structured);
}

static void found_text(const struct toolbox *box, const size_t *hits, size_t n, struct buf *out)
{
	if (n == 0) {
		buf_add_str(
			out,
			box->found == box->found_max
				? "No further tools can be shown in this step (agent.tools_offered_max)."
				: "No tool fits these words. Try others, or go on with the tools you have.");
		return;
	}
	buf_add_str(out, "You can call these from now on:\n");
	for (size_t i = 0; i < n; i++)
		prompt_tool_line(toolbox_find(box, box->catalog->tools[hits[i]].exposed), out);
}
