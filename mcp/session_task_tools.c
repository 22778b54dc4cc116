/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which calls a server runs as tasks of its own (MCP 2025-11-25, basic/utilities/tasks): those of tools that
 * say execution.taskSupport "required", of a server that has the capability tasks.requests.tools.call. All
 * others are called plainly, also where a task would do.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>
#include <string.h>

void task_tools_release(struct session *s)
{
	for (size_t i = 0; i < s->task_tools_count; i++)
		free(s->task_tools[i]);
	free(s->task_tools);
	s->task_tools = NULL;
	s->task_tools_count = 0;
}

void task_tools_make(struct session *s)
{
	task_tools_release(s);
	if (!s->offers_tasks)
		return;
	s->task_tools = xcalloc(s->tools.count + 1, sizeof(*s->task_tools));
	for (size_t i = 0; i < s->tools.count; i++) {
		if (s->tools.tools[i].task_required)
			s->task_tools[s->task_tools_count++] = xstrdup(s->tools.tools[i].name);
	}
}

void tasks_offered(struct session *s, struct slice capabilities)
{
	struct slice requests = scan_member(scan_member(capabilities, "tasks"), "requests");
	s->offers_tasks = scan_member(scan_member(requests, "tools"), "call").len > 0;
}

bool task_wanted(const struct session *s, const char *tool)
{
	size_t i = 0;
	while (i < s->task_tools_count && strcmp(s->task_tools[i], tool) != 0)
		i++;
	return i < s->task_tools_count;
}
