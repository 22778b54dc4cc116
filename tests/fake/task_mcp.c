/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted tool server on stdio of 2026-07-28 with the extension io.modelcontextprotocol/tasks: task_mcp
 * LOG. Each line that comes is a line of the file LOG. Each call of a tool becomes a task, which each
 * tasks/get moves on by one step:
 *
 *   long     works twice ("1 of 2", "2 of 2"), then is completed
 *   asks     wants to know a name by elicitation until it is told, works once, then greets
 *   fails    fails with an error of JSON-RPC
 *   expires  works once, and is unknown from then on
 *   endless  works, and says nothing new
 *   told     works, to be asked about every 30 seconds; who subscribes is told that it is completed
 *
 * The capability is demanded in the envelope of each request about a task, as the extension says.
 */
#include "base/base.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define META      "io.modelcontextprotocol/"
#define EXTENSION META "tasks"

enum { TASKS_MAX = 256 };

struct work {
	char tool[16], name[64]; /* name: what was answered; "" before that */
	int polls, updates;
};

static const char *log_path;
static struct work works[TASKS_MAX];
static int works_count;

static void bytes_write(int fd, const char *p, size_t n)
{
	struct error e;
	if (fd_write_all(fd, p, n, &e) != ERR_NONE)
		_exit(9);
}

static void say(const char *id, const char *member, const char *value)
{
	struct buf text = BUF_INIT;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":%s}\n", id, member, value);
	bytes_write(1, text.data, text.len);
	buf_release(&text);
}

static void refuse(const char *id, int code, const char *message)
{
	char *text = xasprintf("{\"code\":%d,\"message\":\"%s\"}", code, message);
	say(id, "error", text);
	free(text);
}

static void answer(const char *id, const char *type, const char *members)
{
	char *text = xasprintf("{\"resultType\":\"%s\"%s%s}", type, *members ? "," : "", members);
	say(id, "result", text);
	free(text);
}

/* --- tasks --- */

static bool tool_is(const struct work *w, const char *name)
{
	return strcmp(w->tool, name) == 0;
}

/* Members of a status; more begins with a comma, or is empty. */
static char *status(const struct work *w, const char *word, const char *more)
{
	return xasprintf("\"taskId\":\"task-%d\",\"status\":\"%s\",\"createdAt\":\"2026-07-28T00:00:00Z\","
			 "\"lastUpdatedAt\":\"2026-07-28T00:00:00Z\",\"ttlMs\":60000,\"pollIntervalMs\":%d%s",
			 (int)(w - works), word, tool_is(w, "told") ? 30000 : 100, more);
}

static char *completed(const struct work *w, const char *said)
{
	char *more = xasprintf(",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}", said);
	char *text = status(w, "completed", more);
	free(more);
	return text;
}

static char *asks_status(struct work *w)
{
	if (!w->updates)
		return status(w, "input_required",
			      ",\"inputRequests\":{\"who\":{\"method\":\"elicitation/create\",\"params\":{"
			      "\"mode\":\"form\",\"message\":\"Who are you?\",\"requestedSchema\":{\"type\":"
			      "\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}}}}");
	if (w->polls++ == 0)
		return status(w, "working", "");
	char *said = xasprintf("hello %s, told %d time(s)", w->name, w->updates);
	char *text = completed(w, said);
	free(said);
	return text;
}

static char *long_status(const struct work *w)
{
	if (w->polls > 2)
		return completed(w, "long and done");
	char *more = xasprintf(",\"statusMessage\":\"%d of 2\"", w->polls);
	char *text = status(w, "working", more);
	free(more);
	return text;
}

/* What tasks/get says now; NULL: it knows no such task. */
static char *status_next(struct work *w)
{
	if (tool_is(w, "asks"))
		return asks_status(w);
	w->polls++;
	if (tool_is(w, "long"))
		return long_status(w);
	if (tool_is(w, "fails"))
		return status(w, "failed",
			      ",\"error\":{\"code\":-32603,\"message\":\"rate limit exceeded\"}");
	return tool_is(w, "expires") && w->polls > 1 ? NULL : status(w, "working", "");
}

static void task_get(const char *id, struct work *w)
{
	char *text = status_next(w);
	if (text)
		answer(id, "complete", text);
	else
		refuse(id, -32602, "Failed to retrieve task: Task has expired");
	free(text);
}

static void task_update(const char *id, struct work *w, const struct json *params)
{
	const struct json *given = json_pointer(params, "/inputResponses/who");
	snprintf(w->name, sizeof(w->name), "%s", json_get_text(json_get(given, "content"), "name", "nobody"));
	w->updates++;
	answer(id, "complete", "");
}

static void call(const char *id, const struct json *params)
{
	if (works_count == TASKS_MAX)
		_exit(7);
	struct work *w = &works[works_count++];
	snprintf(w->tool, sizeof(w->tool), "%s", json_get_text(params, "name", ""));
	char *text = status(w, "working", "");
	answer(id, "task", text);
	free(text);
}

static struct work *work_of(const char *name)
{
	int n = -1;
	bool known = name && sscanf(name, "task-%d", &n) == 1 && n >= 0 && n < works_count;
	return known ? &works[n] : NULL;
}

/* --- subscriptions --- */

static void notify(const char *id, const char *method, const char *members)
{
	struct buf text = BUF_INIT;
	buf_printf(&text,
		   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/%s\",\"params\":{%s,\"_meta\":{\"" META
		   "subscriptionId\":%s}}}\n",
		   method, members, id);
	bytes_write(1, text.data, text.len);
	buf_release(&text);
}

static void listen_take(const char *id, const struct json *params)
{
	const char *name = json_text(json_pointer(params, "/notifications/taskIds/0"));
	struct work *w = work_of(name);
	if (!w || !tool_is(w, "told")) {
		notify(id, "subscriptions/acknowledged", "\"notifications\":{}");
		return;
	}
	char *granted = xasprintf("\"notifications\":{\"taskIds\":[\"%s\"]}", name);
	char *working = status(w, "working", ",\"statusMessage\":\"nearly\"");
	char *done = completed(w, "told and done");
	notify(id, "subscriptions/acknowledged", granted);
	notify(id, "tasks", working);
	notify(id, "tasks", done);
	notify(id, "tasks", working); /* too late */
	free(granted);
	free(working);
	free(done);
}

/* --- requests --- */

static void about_task(const char *id, const char *method, const struct json *params)
{
	struct work *w = work_of(json_get_text(params, "taskId", NULL));
	if (!json_get(json_get(json_get(json_get(params, "_meta"), META "clientCapabilities"), "extensions"),
		      EXTENSION))
		refuse(id, -32021, "Missing required client capability");
	else if (!w)
		refuse(id, -32602, "Failed to retrieve task: Task not found");
	else if (strcmp(method, "tasks/get") == 0)
		task_get(id, w);
	else if (strcmp(method, "tasks/update") == 0)
		task_update(id, w, params);
	else if (strcmp(method, "tasks/cancel") == 0)
		answer(id, "complete", "");
	else
		refuse(id, -32601, "no such method");
}

static void list(const char *id)
{
	static const char *const names[] = {"long", "asks", "fails", "expires", "endless", "told"};
	struct buf text = BUF_INIT;
	buf_add_str(&text, "\"ttlMs\":0,\"cacheScope\":\"public\",\"tools\":[");
	for (size_t i = 0; i < COUNT_OF(names); i++)
		buf_printf(&text, "%s{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}", i ? "," : "",
			   names[i]);
	buf_add_str(&text, "]");
	answer(id, "complete", text.data);
	buf_release(&text);
}

static void request(const char *id, const char *method, const struct json *params)
{
	if (strcmp(method, "server/discover") == 0)
		answer(id, "complete",
		       "\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{},\"extensions\":"
		       "{"
		       "\"" EXTENSION "\":{}}}");
	else if (strcmp(method, "tools/list") == 0)
		list(id);
	else if (strcmp(method, "tools/call") == 0)
		call(id, params);
	else if (strcmp(method, "subscriptions/listen") == 0)
		listen_take(id, params);
	else
		about_task(id, method, params);
}

static void logged(const char *line, size_t n)
{
	int fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		_exit(6);
	bytes_write(fd, line, n);
	close(fd);
}

static void message(const struct json *m)
{
	const char *method = json_get_text(m, "method", NULL);
	struct buf id = BUF_INIT;
	if (!method)
		_exit(8); /* this wire knows no answers of clients */
	if (json_get(m, "id"))
		json_print(json_get(m, "id"), &id);
	if (id.len)
		request(id.data, method, json_get(m, "params"));
	buf_release(&id);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	if (argc != 2)
		return 2;
	log_path = argv[1];
	for (ssize_t n; (n = getline(&line, &size, stdin)) > 0;) {
		logged(line, (size_t)n);
		struct json *m = json_parse(line, (size_t)n - 1, 0, NULL);
		if (m)
			message(m);
		json_free(m);
	}
	free(line);
	return 0;
}
