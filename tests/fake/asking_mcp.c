/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted tool server on stdin and stdout that asks its client, in the course of a call of
 *
 *   ask{method, params, times, then, late}
 *
 * for `method` with `params` (JSON text) so many times at once (1), and answers with the texts of what came
 * back, in the order of the questions. `then`: instead, "die" right after asking, "answer" without waiting,
 * "take_back" what it asked before it answers. cancelled{} tells how many calls were cancelled, and
 * heard{} what came to questions after their call had ended. logs{times} sends so many log messages and
 * answers with the level that was set. unlock{addresses, errors, complete} fails so many times (1) with error
 * -32042 and so many addresses (1) to be opened, of which it tells at once that they were (complete), and
 * then answers. ask may be called several times at once. With an argument "writes", ask is a tool that
 * writes.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALLS_MAX = 16, ASKS_MAX = 64 };

struct asking {
	char *id; /* raw; NULL: free */
	char *answers[ASKS_MAX];
	int asked, answered;
};

static struct asking askings[CALLS_MAX];
static struct {
	struct asking *of; /* NULL: its call has ended */
	int number;
} asks[ASKS_MAX * CALLS_MAX];
static int asks_count, cancels, unlock_errors;
static char level[32] = "none";
static bool writes;
static struct buf heard;

static void line_send(struct buf *text)
{
	struct error e;
	buf_add_char(text, '\n');
	if (fd_write_all(1, text->data, text->len, &e) != ERR_NONE)
		_exit(9);
	buf_release(text);
}

static void result_send(const char *id, const char *result)
{
	struct buf text = BUF_INIT;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}", id, result);
	line_send(&text);
}

static void text_send(const char *id, const char *said)
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
	jw_object_end(&w);
	result_send(id, result.data);
	buf_release(&result);
}

static void asking_end(struct asking *a)
{
	for (int i = 0; i < asks_count; i++) {
		if (asks[i].of == a)
			asks[i].of = NULL;
	}
	for (int i = 0; i < a->asked; i++)
		free(a->answers[i]);
	free(a->id);
	*a = (struct asking){0};
}

static void asking_tell(struct asking *a)
{
	struct buf said = BUF_INIT;
	for (int i = 0; i < a->asked; i++)
		buf_printf(&said, "%s%s", i ? "\n" : "", a->answers[i] ? a->answers[i] : "nothing");
	text_send(a->id, buf_cstr(&said));
	buf_release(&said);
	asking_end(a);
}

static void ask(const char *id, const struct json *args)
{
	const char *then = json_get_text(args, "then", "");
	int times = (int)json_get_integer(args, "times", 1);
	struct asking *a = askings;
	struct buf text = BUF_INIT;
	while (a->id)
		a++;
	a->id = xstrdup(id);
	for (int i = 0; i < times && i < ASKS_MAX; i++) {
		asks[asks_count].of = a;
		asks[asks_count].number = a->asked++;
		buf_printf(&text, "%s{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}",
			   i ? "\n" : "", asks_count++, json_get_text(args, "method", "elicitation/create"),
			   json_get_text(args, "params", "{}"));
	}
	line_send(&text); /* all in one write: they are read together */
	if (strcmp(then, "die") == 0)
		_exit(7);
	for (int i = 0; strcmp(then, "take_back") == 0 && i < asks_count; i++) {
		buf_printf(&text,
			   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
			   "cancelled\",\"params\":{\"requestId\":%d}}",
			   i);
		line_send(&text);
	}
	if (*then)
		asking_tell(a);
}

static void logs(const char *id, int64_t times)
{
	for (int64_t i = 0; i < times; i++) {
		struct buf text = BUF_INIT;
		buf_printf(
			&text,
			"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
			"message\",\"params\":{\"level\":\"warning\",\"logger\":\"asking\",\"data\":\"line "
			"%d\"}}",
			(int)i);
		line_send(&text);
	}
	text_send(id, level);
}

static void unlock(const char *id, const struct json *args)
{
	int64_t addresses = json_get_integer(args, "addresses", 1);
	bool complete = json_get_bool(args, "complete", false);
	struct buf text = BUF_INIT;
	if (unlock_errors == json_get_integer(args, "errors", 1)) {
		unlock_errors = 0;
		text_send(id, "unlocked");
		return;
	}
	unlock_errors++;
	buf_printf(
		&text,
		"{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32042,\"message\":\"locked\",\"data\":{"
		"\"elicitations\":[",
		id);
	for (int64_t i = 0; i < addresses; i++)
		buf_printf(&text,
			   "%s{\"mode\":\"url\",\"message\":\"Open it.\",\"elicitationId\":\"e%d\",\"url\":"
			   "\"https://unlock.test/%d\"}",
			   i ? "," : "", (int)i, (int)i);
	buf_add_str(&text, "]}}}");
	for (int64_t i = 0; complete && i < addresses; i++)
		buf_printf(&text,
			   "\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/elicitation/complete\","
			   "\"params\":{\"elicitationId\":\"e%d\"}}",
			   (int)i);
	line_send(&text);
}

static void call(const char *id, const struct json *params)
{
	const char *name = json_get_text(params, "name", "");
	char number[16];
	snprintf(number, sizeof(number), "%d", cancels);
	if (strcmp(name, "logs") == 0)
		logs(id, json_get_integer(json_get(params, "arguments"), "times", 1));
	else if (strcmp(name, "unlock") == 0)
		unlock(id, json_get(params, "arguments"));
	else if (strcmp(name, "ask") == 0)
		ask(id, json_get(params, "arguments"));
	else
		text_send(id, strcmp(name, "cancelled") == 0 ? number : buf_cstr(&heard));
}

static void cancelled(const char *id)
{
	cancels++;
	for (struct asking *a = askings; a < askings + CALLS_MAX; a++) {
		if (a->id && strcmp(a->id, id) == 0)
			asking_end(a);
	}
}

static void answer_take(const struct json *message)
{
	int64_t id = -1;
	struct buf said = BUF_INIT;
	json_integer(json_get(message, "id"), &id);
	const struct json *result = json_get(message, "result");
	json_print(result ? result : json_get(message, "error"), &said);
	if (id < 0 || id >= asks_count)
		_exit(8);
	struct asking *a = asks[id].of;
	if (!a) {
		buf_printf(&heard, "%s\n", buf_cstr(&said));
		buf_release(&said);
		return;
	}
	if (a->answers[asks[id].number])
		_exit(8); /* answered twice */
	a->answers[asks[id].number] = buf_take(&said);
	if (++a->answered == a->asked)
		asking_tell(a);
}

static void tools_list(const char *id)
{
	struct buf text = BUF_INIT;
	buf_printf(
		&text,
		"{\"tools\":[{\"name\":\"ask\",\"description\":\"Asks the "
		"client.\",\"inputSchema\":{\"type\":"
		"\"object\"},\"annotations\":{\"readOnlyHint\":%s}},{\"name\":\"cancelled\",\"inputSchema\":"
		"{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}},{\"name\":\"heard\","
		"\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}},{\"name\":"
		"\"logs\",\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}},{"
		"\"name\":"
		"\"unlock\",\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}}]}",
		writes ? "false" : "true");
	result_send(id, text.data);
	buf_release(&text);
}

static void message_take(const struct json *message)
{
	const char *method = json_get_text(message, "method", NULL);
	const struct json *params = json_get(message, "params");
	struct buf id = BUF_INIT, other = BUF_INIT;
	if (json_get(message, "id"))
		json_print(json_get(message, "id"), &id);
	if (json_get(params, "requestId"))
		json_print(json_get(params, "requestId"), &other);
	if (!method)
		answer_take(message);
	else if (strcmp(method, "initialize") == 0)
		result_send(
			id.data,
			"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{},\"logging\":{}},"
			"\"serverInfo\":{\"name\":\"asking\",\"version\":\"1\"}}");
	else if (strcmp(method, "tools/list") == 0)
		tools_list(id.data);
	else if (strcmp(method, "logging/setLevel") == 0) {
		snprintf(level, sizeof(level), "%s", json_get_text(params, "level", ""));
		result_send(id.data, "{}");
	} else if (strcmp(method, "tools/call") == 0)
		call(id.data, params);
	else if (strcmp(method, "notifications/cancelled") == 0)
		cancelled(buf_cstr(&other));
	else if (id.len)
		result_send(id.data, "{}");
	buf_release(&id);
	buf_release(&other);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	writes = argc > 1 && strcmp(argv[1], "writes") == 0;
	while ((n = getline(&line, &cap, stdin)) > 0) {
		struct json *message = json_parse(line, (size_t)n, 0, NULL);
		if (message)
			message_take(message);
		json_free(message);
	}
	free(line);
	buf_release(&heard);
	return 0;
}
