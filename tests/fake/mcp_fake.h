/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted tool server's state, its writing and its tools; see mcp_fake.c, the only file that includes
 * this. */
#ifndef TESTS_FAKE_MCP_FAKE_H
#define TESTS_FAKE_MCP_FAKE_H

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLEEPS_MAX = 64, FLOOD_BYTES = 1 << 20, BIG_BYTES = 20000000, PAGE_TOOLS = 3, PAGES = 5 };

struct sleeper {
	char id[64]; /* raw; "" when free */
	int64_t until_ms;
	int64_t steps_left, step, step_ms, steps; /* of progress{} */
	char token[64];
};

static const char *mode = "echo";
static int64_t number; /* argv[2] */
static struct sleeper sleepers[SLEEPS_MAX];
static int calls, cancels, pings_answered, lists, grown, asked;
static char asking_id[64], answers_seen[256];
static pid_t grandchild;
static char **environment;

static bool mode_is(const char *name)
{
	return strcmp(mode, name) == 0;
}

/* --- writing --- */

static void out_write(int fd, const char *p, size_t n)
{
	struct error e;
	if (fd_write_all(fd, p, n, &e) != ERR_NONE)
		_exit(9);
}

static void out_write_text(int fd, const char *text)
{
	out_write(fd, text, strlen(text));
}

static void line_send(struct buf *text)
{
	buf_add_char(text, '\n');
	if (mode_is("junk-lines"))
		out_write_text(1, "listening on stdio...\n{\"half\": \n\r\n[1,2]\n");
	out_write(1, text->data, text->len);
	buf_release(text);
}

static void flood(void)
{
	char *bytes = xmalloc(FLOOD_BYTES);
	memset(bytes, 'e', FLOOD_BYTES);
	bytes[FLOOD_BYTES - 1] = '\n';
	out_write(2, bytes, FLOOD_BYTES);
	free(bytes);
}

static void answer_raw(const char *id, const char *result)
{
	for (int i = 0; i < (mode_is("twice") ? 2 : 1); i++) {
		struct buf text = BUF_INIT;
		buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}", id, result);
		if (mode_is("stderr-flood"))
			flood();
		line_send(&text);
	}
}

static void answer_text(const char *id, const char *said, bool is_error)
{
	struct buf result = BUF_INIT;
	struct jw w = JW(&result);
	jw_object(&w);
	jw_name(&w, "content");
	jw_array(&w);
	jw_object(&w);
	jw_kv_text(&w, "type", "text");
	jw_kv_text(&w, "text", said);
	jw_object_end(&w);
	jw_array_end(&w);
	if (is_error)
		jw_kv_bool(&w, "isError", true);
	jw_object_end(&w);
	answer_raw(id, result.data);
	buf_release(&result);
}

static void answer_number(const char *id, int64_t n)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)n);
	answer_text(id, text, false);
}

static void answer_error(const char *id, int code, const char *message)
{
	struct buf text = BUF_INIT;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":\"%s\"}}", id,
		   code, message);
	line_send(&text);
}

static void say(const char *message)
{
	struct buf text = BUF_INIT;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",%s}", message);
	line_send(&text);
}

/* --- tools --- */

static void tool_echo(const char *id, const struct json *args)
{
	answer_text(id, json_get_text(args, "text", ""), false);
}

static struct sleeper *sleeper_new(const char *id, int64_t ms)
{
	for (int i = 0; i < SLEEPS_MAX; i++) {
		if (sleepers[i].id[0])
			continue;
		sleepers[i] = (struct sleeper){.until_ms = clock_mono_ms() + ms};
		snprintf(sleepers[i].id, sizeof(sleepers[i].id), "%s", id);
		return &sleepers[i];
	}
	answer_text(id, "too many sleep", true);
	return NULL;
}

static void tool_count(const char *id, const struct json *args)
{
	int fd = open(json_get_text(args, "file", ""), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		answer_text(id, strerror(errno), true);
		return;
	}
	char *line = xasprintf("called %s\n", json_get_text(args, "_key", "without a key"));
	out_write_text(fd, line);
	free(line);
	if (fsync(fd) != 0)
		_exit(9);
	close(fd);
	int64_t ms = json_get_integer(args, "ms", 0);
	if (ms > 0)
		sleeper_new(id, ms); /* done, and not yet answered: the moment that matters */
	else
		answer_text(id, "counted", false);
}

static void tool_sleep(const char *id, const struct json *args)
{
	sleeper_new(id, json_get_integer(args, "ms", 0));
}

static void tool_progress(const char *id, const struct json *args)
{
	struct sleeper *s = sleeper_new(id, 0);
	if (!s)
		return;
	s->steps = s->steps_left = json_get_integer(args, "steps", 3);
	s->step_ms = json_get_integer(args, "ms", 0);
	snprintf(s->token, sizeof(s->token), "%s", json_get_text(args, "_token", "0"));
}

static void tool_fail(const char *id, const struct json *args)
{
	(void)args;
	answer_text(id, "the tool failed as it was told to", true);
}

static void tool_env(const char *id, const struct json *args)
{
	struct buf text = BUF_INIT;
	(void)args;
	for (char **e = environment; *e; e++)
		buf_printf(&text, "%s\n", *e);
	answer_text(id, buf_cstr(&text), false);
	buf_release(&text);
}

static void tool_cancelled(const char *id, const struct json *args)
{
	(void)args;
	answer_number(id, cancels);
}

static void tool_big(const char *id, const struct json *args)
{
	struct buf text = BUF_INIT;
	bool id_first = json_get_bool(args, "id_first", false);
	size_t bytes = (size_t)json_get_integer(args, "bytes", BIG_BYTES);
	if (id_first)
		buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,", id);
	else
		buf_add_str(&text, "{");
	buf_add_str(&text, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"");
	memset(buf_grow(&text, bytes), 'x', bytes);
	text.len += bytes;
	buf_add_str(&text, "\"}]}");
	if (id_first)
		buf_add_str(&text, "}");
	else
		buf_printf(&text, ",\"jsonrpc\":\"2.0\",\"id\":%s}", id);
	line_send(&text);
}

static void tool_grow(const char *id, const struct json *args)
{
	(void)args;
	grown++;
	for (int i = 0; i < 7; i++)
		say("\"method\":\"notifications/tools/list_changed\"");
	answer_number(id, grown);
}

static void tool_listed(const char *id, const struct json *args)
{
	(void)args;
	answer_number(id, lists);
}

static void tool_ask(const char *id, const struct json *args)
{
	(void)args;
	snprintf(asking_id, sizeof(asking_id), "%s", id);
	answers_seen[0] = '\0';
	asked = 3;
	say("\"id\":0,\"method\":\"roots/list\"");
	say("\"id\":1,\"method\":\"ping\"");
	say("\"id\":2,\"method\":\"sampling/createMessage\",\"params\":{}");
}

static void tool_pings(const char *id, const struct json *args)
{
	(void)args;
	answer_number(id, pings_answered);
}

static void tool_grandchild(const char *id, const struct json *args)
{
	(void)args;
	answer_number(id, grandchild);
}

static void tool_verbatim(const char *id, const struct json *args)
{
	answer_raw(id, json_get_text(args, "result", ""));
}

/* An image of zeros. */
static void tool_picture(const char *id, const struct json *args)
{
	struct buf text = BUF_INIT;
	size_t letters = (size_t)json_get_integer(args, "bytes", 3) / 3 * 4;
	buf_add_str(&text, "{\"content\":[{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"");
	memset(buf_grow(&text, letters), 'A', letters);
	text.len += letters;
	buf_add_str(&text, "\"}]}");
	answer_raw(id, text.data);
	buf_release(&text);
}

#define TYPED_TOOL(name, schema)                                                            \
	"{\"name\":\"" name                                                                 \
	"\",\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}," \
	"\"outputSchema\":" schema "},"
#define TYPED_TOOLS                                                                                        \
	TYPED_TOOL("typed", "{\"$schema\":\"http://json-schema.org/draft-07/"                              \
			    "schema#\",\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}," \
			    "\"required\":[\"n\"]}")                                                       \
	TYPED_TOOL("remote", "{\"type\":\"object\",\"$ref\":\"http://127.0.0.1/elsewhere\"}")

static const struct tool {
	const char *mode; /* NULL: all */
	const char *name, *properties;
	bool read_only;
	void (*run)(const char *id, const struct json *args);
	bool unlisted; /* it is in TYPED_TOOLS */
} tools[] = {
	{NULL, "echo", "\"text\":{\"type\":\"string\"}", true, tool_echo, false},
	{NULL, "count", "\"file\":{\"type\":\"string\"},\"ms\":{\"type\":\"integer\"}", false, tool_count,
	 false},
	{NULL, "sleep", "\"ms\":{\"type\":\"integer\"}", true, tool_sleep, false},
	{NULL, "fail", "", false, tool_fail, false},
	{"echo", "env", "", true, tool_env, false},
	{NULL, "cancelled", "", true, tool_cancelled, false},
	{"big-line", "big", "\"bytes\":{\"type\":\"integer\"},\"id_first\":{\"type\":\"boolean\"}", true,
	 tool_big, false},
	{"progress", "progress", "\"steps\":{\"type\":\"integer\"},\"ms\":{\"type\":\"integer\"}", true,
	 tool_progress, false},
	{"list-changed-burst", "grow", "", false, tool_grow, false},
	{"list-changed-burst", "listed", "", true, tool_listed, false},
	{"colliding-ids", "ask", "", true, tool_ask, false},
	{"pinger", "pings", "", true, tool_pings, false},
	{"grandchild", "grandchild", "", true, tool_grandchild, false},
	{"verbatim", "verbatim", "\"result\":{\"type\":\"string\"}", true, tool_verbatim, false},
	{"verbatim", "picture", "\"bytes\":{\"type\":\"integer\"}", true, tool_picture, false},
	{"verbatim", "typed", "", true, tool_verbatim, true},
	{"verbatim", "remote", "", true, tool_verbatim, true},
};

static bool tool_is_here(const struct tool *t)
{
	return !t->mode || mode_is(t->mode);
}

#endif
