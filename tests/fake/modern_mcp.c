/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted tool server on stdio of either era: modern_mcp MODE [LOG]. MODE:
 *
 *   modern   speaks 2026-07-28 alone: no handshake, the envelope is demanded on every request
 *   dual     that, and the handshake
 *   legacy   the handshake alone; what else comes first is refused with -32601
 *   exits    legacy, and ends when the first request is not initialize
 *   hangs    legacy, and never says another word then
 *   floods   legacy, and writes a megabyte to stderr first then
 *
 * Each request that comes is a line "pid method" of the file LOG. Tools: echo (text), ask (wants to know a
 * name by elicitation, with a state, and greets), again (sends a state alone, twice), grow (one tool more,
 * told to who has subscribed), stall (never answered), cancelled (how many calls were cancelled), logs (a
 * message of the level that the request names, then that level).
 */
#include "base/base.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define META      "io.modelcontextprotocol/"
#define ASK_STATE "{\\\"round\\\":1} \\u00e9\\/"

enum { FLOOD_BYTES = 1 << 20 };

static const char *mode = "modern", *log_path;
static struct buf subscription; /* raw id; empty: none */
static int grown, cancelled;
static bool legacy; /* a handshake was made */

static bool mode_is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static void line_write(int fd, const struct buf *text)
{
	struct error e;
	if (fd_write_all(fd, text->data, text->len, &e) != ERR_NONE)
		_exit(9);
}

static void say(const char *id, const char *member, const char *value)
{
	struct buf text = BUF_INIT;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":%s}\n", id, member, value);
	line_write(1, &text);
	buf_release(&text);
}

static void refuse(const char *id, int code, const char *message, const char *data)
{
	char *text = xasprintf("{\"code\":%d,\"message\":\"%s\"%s}", code, message, data);
	say(id, "error", text);
	free(text);
}

/* members: of the result, after its type and who we are. */
static void answer(const char *id, const char *type, const char *members)
{
	char *text = legacy ? xasprintf("{%s}", members)
			    : xasprintf("{\"resultType\":\"%s\",\"_meta\":{\"" META "serverInfo\":{\"name\":"
					"\"modern-fake\",\"version\":\"2\"}},%s}",
					type, members);
	say(id, "result", text);
	free(text);
}

static void answer_text(const char *id, const char *said)
{
	struct buf text = BUF_INIT;
	struct jw w = JW(&text);
	buf_add_str(&text, "\"content\":[{\"type\":\"text\",\"text\":");
	jw_text(&w, said);
	buf_add_str(&text, "}]");
	answer(id, "complete", text.data);
	buf_release(&text);
}

static void notify(const char *method, const char *members)
{
	struct buf text = BUF_INIT;
	buf_printf(&text,
		   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/%s\",\"params\":{%s\"_meta\":{\"" META
		   "subscriptionId\":%s}}}\n",
		   method, members, buf_cstr(&subscription));
	line_write(1, &text);
	buf_release(&text);
}

/* --- tools --- */

static void tool_ask(const char *id, const struct json *params)
{
	const char *state = json_get_text(params, "requestState", NULL);
	const struct json *given = json_pointer(params, "/inputResponses/who");
	if (!given) {
		answer(id, "input_required",
		       "\"inputRequests\":{\"who\":{\"method\":\"elicitation/"
		       "create\",\"params\":{\"message\":"
		       "\"Who are you?\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{\"name\":{"
		       "\"type\":\"string\"}}}}}},\"requestState\":\"" ASK_STATE "\"");
		return;
	}
	if (!state || strcmp(state, "{\"round\":1} \303\251/") != 0) {
		refuse(id, -32602, "the state is not the one that was sent", "");
		return;
	}
	char *text = xasprintf("%s: hello %s", json_get_text(given, "action", "?"),
			       json_get_text(json_get(given, "content"), "name", "nobody"));
	answer_text(id, text);
	free(text);
}

static void tool_again(const char *id, const struct json *params)
{
	const char *state = json_get_text(params, "requestState", "0");
	char *next = xasprintf("\"requestState\":\"%d\"", atoi(state) + 1);
	if (atoi(state) < 2)
		answer(id, "input_required", next);
	else
		answer_text(id, state);
	free(next);
}

static void tool_grow(const char *id)
{
	grown++;
	if (subscription.len)
		notify("tools/list_changed", "");
	answer_text(id, "grown");
}

static void tool_logs(const char *id, const struct json *params)
{
	const char *level = json_get_text(json_get(params, "_meta"), META "logLevel", NULL);
	char *text = xasprintf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"%s\","
		"\"logger\":\"modern\",\"data\":\"working\"}}\n",
		level ? level : "");
	struct error e;
	if (level && fd_write_all(1, text, strlen(text), &e) != ERR_NONE)
		_exit(9);
	free(text);
	answer_text(id, level ? level : "none");
}

static void call(const char *id, const struct json *params)
{
	const char *name = json_get_text(params, "name", "");
	char number[16];
	snprintf(number, sizeof(number), "%d", cancelled);
	if (strcmp(name, "echo") == 0)
		answer_text(id, json_get_text(json_get(params, "arguments"), "text", ""));
	else if (strcmp(name, "ask") == 0)
		tool_ask(id, params);
	else if (strcmp(name, "again") == 0)
		tool_again(id, params);
	else if (strcmp(name, "logs") == 0)
		tool_logs(id, params);
	else if (strcmp(name, "grow") == 0)
		tool_grow(id);
	else if (strcmp(name, "cancelled") == 0)
		answer_text(id, number);
	else if (strcmp(name, "stall") != 0)
		answer_text(id, "unknown tool");
}

static void list(const char *id)
{
	static const char *const names[] = {"echo", "ask", "again", "grow", "stall", "cancelled", "logs"};
	struct buf text = BUF_INIT;
	buf_add_str(&text, "\"ttlMs\":0,\"cacheScope\":\"public\",\"tools\":[");
	for (size_t i = 0; i < COUNT_OF(names); i++)
		buf_printf(
			&text,
			"%s{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":{"
			"\"type\":\"string\"}}},\"annotations\":{\"readOnlyHint\":true}}",
			i ? "," : "", names[i]);
	for (int i = 0; i < grown; i++)
		buf_printf(&text, ",{\"name\":\"grown%d\",\"inputSchema\":{\"type\":\"object\"}}", i);
	buf_add_str(&text, "]");
	answer(id, "complete", text.data);
	buf_release(&text);
}

/* --- requests --- */

static bool is_modern_mode(void)
{
	return mode_is("modern") || mode_is("dual");
}

static bool envelope_fits(const char *id, const struct json *params)
{
	const struct json *meta = json_get(params, "_meta");
	const char *version = json_get_text(meta, META "protocolVersion", NULL);
	if (!version || !json_is(json_get(meta, META "clientCapabilities"), JSON_OBJECT) ||
	    !json_get_text(json_get(meta, META "clientInfo"), "name", NULL))
		refuse(id, -32602, "the envelope is missing", "");
	else if (strcmp(version, "2026-07-28") != 0)
		refuse(id, -32022, "no such version", ",\"data\":{\"supported\":[\"2026-07-28\"]}");
	else
		return true;
	return false;
}

static void listen_take(const char *id, const struct json *params)
{
	bool tools = json_get_bool(json_get(params, "notifications"), "toolsListChanged", false);
	buf_reset(&subscription);
	buf_add_str(&subscription, id);
	notify("subscriptions/acknowledged",
	       tools ? "\"notifications\":{\"toolsListChanged\":true}," : "\"notifications\":{},");
}

static void served(const char *id, const char *method, const struct json *params)
{
	if (strcmp(method, "server/discover") == 0)
		answer(id, "complete",
		       "\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{\"listChanged\":"
		       "true}},\"instructions\":\"Be kind.\"");
	else if (strcmp(method, "tools/list") == 0)
		list(id);
	else if (strcmp(method, "tools/call") == 0)
		call(id, params);
	else if (strcmp(method, "subscriptions/listen") == 0)
		listen_take(id, params);
	else
		refuse(id, -32601, "no such method", "");
}

static void surprised(const char *id)
{
	char *bytes = xmalloc(FLOOD_BYTES);
	struct buf text = {.data = bytes, .len = FLOOD_BYTES};
	memset(bytes, 'e', FLOOD_BYTES);
	if (mode_is("exits"))
		_exit(3);
	while (mode_is("hangs"))
		pause();
	if (mode_is("floods"))
		line_write(2, &text);
	free(bytes);
	refuse(id, -32601, "no such method", "");
}

static void request(const char *id, const char *method, const struct json *params)
{
	if (strcmp(method, "initialize") == 0 && !mode_is("modern")) {
		legacy = true;
		answer(id, "complete",
		       "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{"
		       "\"name\":\"legacy-fake\",\"version\":\"1\"}");
	} else if (legacy) {
		served(id, method, params);
	} else if (!is_modern_mode()) {
		surprised(id);
	} else if (envelope_fits(id, params)) {
		served(id, method, params);
	}
}

static void logged(const char *method)
{
	struct buf line = BUF_INIT;
	int fd = log_path ? open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	buf_printf(&line, "%d %s\n", (int)getpid(), method);
	line_write(fd, &line);
	buf_release(&line);
	close(fd);
}

static void message(const struct json *m)
{
	const char *method = json_get_text(m, "method", NULL);
	struct buf id = BUF_INIT;
	if (!method)
		_exit(8); /* this wire knows no answers of clients, and we ask nothing on the other */
	logged(method);
	if (json_get(m, "id"))
		json_print(json_get(m, "id"), &id);
	if (id.len)
		request(id.data, method, json_get(m, "params"));
	else if (strcmp(method, "notifications/cancelled") == 0)
		cancelled++;
	buf_release(&id);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	mode = argc > 1 ? argv[1] : mode;
	log_path = argc > 2 ? argv[2] : NULL;
	for (ssize_t n; (n = getline(&line, &size, stdin)) > 0;) {
		struct json *m = json_parse(line, (size_t)n - 1, 0, NULL);
		if (m)
			message(m);
		json_free(m);
	}
	free(line);
	return 0;
}
