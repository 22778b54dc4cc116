/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tool server on stdin and stdout that keeps account of what it does, for tests that kill:
 *
 *   counting_mcp LEDGER
 *
 * Each call becomes one line of the ledger, which is synced before anything else happens; the line is the
 * effect: {"key": <idempotency key of the call, null without one>, "tool", "label", "pid", "arguments"}.
 *
 *   read    read-only
 *   put     not read-only, but may be repeated
 *   bump    says nothing about itself: it must happen once
 *   big     read-only; the answer has `bytes` bytes of numbered lines of 64
 *
 * All take: label (goes into the ledger), ms (the answer comes so much later), gate (the answer comes once a
 * file of this name is there), die (when no file of this name is there, it is made and the server kills
 * itself: the effect has happened, the answer never comes). Calls do not wait for each other.
 *
 * It is no well-behaved server beyond that: no pages, no progress, no cancelling. A ledger that cannot be
 * written ends it.
 */
#include "base/base.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAITING_MAX = 256, GATE_LOOK_MS = 5, LINE_BYTES = 64, EXIT_LEDGER = 9 };

/* A call that has happened and is not answered yet. */
struct waiting {
	char *id; /* raw; NULL: free */
	char *gate;
	int64_t until_ms;
	size_t bytes;
};

static struct waiting waiting[WAITING_MAX];
static const char *ledger;

static const struct tool {
	const char *name, *annotations;
} tools[] = {
	{"read", ",\"annotations\":{\"readOnlyHint\":true}"},
	{"put", ",\"annotations\":{\"readOnlyHint\":false,\"idempotentHint\":true}"},
	{"bump", ""},
	{"big", ",\"annotations\":{\"readOnlyHint\":true}"},
};

/* --- writing --- */

static void bytes_write(int fd, const struct buf *b)
{
	struct error e;
	if (fd_write_all(fd, b->data, b->len, &e) != ERR_NONE)
		_exit(EXIT_LEDGER);
}

static void answer(const char *id, const char *result)
{
	struct buf line = BUF_INIT;
	buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n", id, result);
	bytes_write(1, &line);
	buf_release(&line);
}

static void lines_make(struct buf *out, size_t bytes)
{
	char line[LINE_BYTES + 1];
	for (size_t n = 0; out->len < bytes; n++) {
		snprintf(line, sizeof(line), "%08zu %054d\n", n, 0);
		buf_add(out, line, bytes - out->len < LINE_BYTES ? bytes - out->len : LINE_BYTES);
	}
}

static void call_answer(const struct waiting *c)
{
	struct buf text = BUF_INIT, result = BUF_INIT;
	struct jw w = JW(&result);
	if (c->bytes)
		lines_make(&text, c->bytes);
	else
		buf_add_str(&text, "noted");
	jw_object(&w);
	jw_name(&w, "content");
	jw_array(&w);
	jw_object(&w);
	jw_kv_text(&w, "type", "text");
	jw_kv_text(&w, "text", buf_cstr(&text));
	jw_object_end(&w);
	jw_array_end(&w);
	jw_object_end(&w);
	answer(c->id, buf_cstr(&result));
	buf_release(&text);
	buf_release(&result);
}

static void list_answer(const char *id)
{
	struct buf result = BUF_INIT;
	buf_add_str(&result, "{\"tools\":[");
	for (size_t i = 0; i < COUNT_OF(tools); i++)
		buf_printf(&result,
			   "%s{\"name\":\"%s\",\"description\":\"Notes a call of %s.\",\"inputSchema\":{"
			   "\"type\":\"object\",\"properties\":{\"label\":{\"type\":\"string\"},\"ms\":{"
			   "\"type\":"
			   "\"integer\"},\"gate\":{\"type\":\"string\"},\"die\":{\"type\":\"string\"},"
			   "\"bytes\":{"
			   "\"type\":\"integer\"}}}%s}",
			   i ? "," : "", tools[i].name, tools[i].name, tools[i].annotations);
	buf_add_str(&result, "]}");
	answer(id, buf_cstr(&result));
	buf_release(&result);
}

/* --- a call --- */

static void ledger_add(const char *tool, const char *key, const char *label, const struct json *args)
{
	struct buf line = BUF_INIT;
	struct jw w = JW(&line);
	jw_object(&w);
	if (key)
		jw_kv_text(&w, "key", key);
	else
		jw_kv_raw(&w, "key", "null", 4);
	jw_kv_text(&w, "tool", tool);
	jw_kv_text(&w, "label", label);
	jw_kv_int(&w, "pid", getpid());
	if (args)
		jw_kv_json(&w, "arguments", args);
	jw_object_end(&w);
	buf_add_char(&line, '\n');
	int fd = open(ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		_exit(EXIT_LEDGER);
	bytes_write(fd, &line);
	if (fsync(fd) != 0)
		_exit(EXIT_LEDGER);
	close(fd);
	buf_release(&line);
}

static void die_once(const char *mark)
{
	int fd = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		raise(SIGKILL);
}

static struct waiting *waiting_new(void)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (!waiting[i].id)
			return &waiting[i];
	_exit(EXIT_LEDGER);
}

static void call_take(const char *id, const struct json *params)
{
	const char *tool = json_get_text(params, "name", "");
	const struct json *args = json_get(params, "arguments"), *meta = json_get(params, "_meta");
	const char *die = json_get_text(args, "die", ""), *gate = json_get_text(args, "gate", "");
	struct waiting *w = waiting_new();
	ledger_add(tool, json_get_text(meta, "agent-runtime/idempotencyKey", NULL),
		   json_get_text(args, "label", ""), args);
	if (*die)
		die_once(die);
	*w = (struct waiting){.id = xstrdup(id),
			      .gate = *gate ? xstrdup(gate) : NULL,
			      .until_ms = clock_mono_ms() + json_get_integer(args, "ms", 0)};
	if (!strcmp(tool, "big"))
		w->bytes = (size_t)json_get_integer(args, "bytes", 0);
}

/* Answers what is due; milliseconds to the next look, -1: nothing waits. */
static int waiting_run(void)
{
	int64_t next = -1, now = clock_mono_ms();
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &waiting[i];
		if (!w->id)
			continue;
		int64_t left = w->gate && access(w->gate, F_OK) ? GATE_LOOK_MS : w->until_ms - now;
		if (left > 0) {
			next = next < 0 || left < next ? left : next;
			continue;
		}
		call_answer(w);
		free(w->id);
		free(w->gate);
		*w = (struct waiting){0};
	}
	return (int)next;
}

/* --- messages --- */

static void message_take(const struct json *message)
{
	const char *method = json_get_text(message, "method", "");
	struct buf id = BUF_INIT;
	if (json_get(message, "id"))
		json_print(json_get(message, "id"), &id);
	if (!strcmp(method, "initialize"))
		answer(buf_cstr(&id), "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
				      "\"serverInfo\":{\"name\":\"counting\",\"version\":\"1.0\"}}");
	else if (!strcmp(method, "tools/list"))
		list_answer(buf_cstr(&id));
	else if (!strcmp(method, "tools/call"))
		call_take(buf_cstr(&id), json_get(message, "params"));
	else if (!strcmp(method, "ping"))
		answer(buf_cstr(&id), "{}");
	buf_release(&id);
}

static void lines_take(struct buf *in)
{
	char *lf;
	while (in->len && (lf = memchr(in->data, '\n', in->len))) {
		size_t n = (size_t)(lf - in->data);
		struct json *message = json_parse(in->data, n, 0, NULL);
		if (message)
			message_take(message);
		json_free(message);
		buf_consume(in, n + 1);
	}
}

int main(int argc, char **argv)
{
	struct buf in = BUF_INIT;
	struct pollfd p = {.fd = 0, .events = POLLIN};
	if (argc != 2)
		return 2;
	ledger = argv[1];
	for (;;) {
		if (poll(&p, 1, waiting_run()) <= 0)
			continue;
		char *room = buf_grow(&in, 65536);
		ssize_t n = room ? read(0, room, 65536) : -1;
		if (n <= 0)
			return 0;
		in.len += (size_t)n;
		lines_take(&in);
	}
}
