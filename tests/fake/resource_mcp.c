/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted server with resources, templates, prompts and completion on stdin and stdout. argv[1] names how
 * it behaves:
 *
 *   shelf    behaves. Resources shelf://1 to shelf://3 (text) and shelf://4 (a blob), one on each page, the
 *            second page's cursor being ""; two templates; prompts "greet" (who) and "plain". Reads of what
 * it has not are refused with -32002; shelf://slow is never answered.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *mode = "shelf";

static bool mode_is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static void line_write(const struct buf *line)
{
	for (size_t at = 0; at < line->len;) {
		ssize_t n = write(1, line->data + at, line->len - at);
		if (n < 0)
			_exit(1);
		at += (size_t)n;
	}
}

/* member: "result" or "error". */
static void answer(const char *id, const char *member, const char *value)
{
	struct buf line = BUF_INIT;
	buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":", id, member);
	buf_add_str(&line, value);
	buf_add_str(&line, "}\n");
	line_write(&line);
	buf_release(&line);
}

static void refuse(const char *id, int code, const char *message)
{
	char text[200];
	snprintf(text, sizeof(text), "{\"code\":%d,\"message\":\"%s\"}", code, message);
	answer(id, "error", text);
}

static void initialize(const char *id)
{
	answer(id, "result",
	       "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{},\"resources\":{"
	       "\"subscribe\":true,"
	       "\"listChanged\":true},\"prompts\":{\"listChanged\":true},\"completions\":{}},"
	       "\"serverInfo\":{\"name\":\"resource-fake\",\"version\":\"1.0\"}}");
}

static void read_answer(const char *id, const struct json *params)
{
	const char *uri = json_get_text(params, "uri", "");
	char text[200];
	if (strcmp(uri, "shelf://slow") == 0)
		return;
	if (strcmp(uri, "shelf://4") == 0)
		answer(id, "result",
		       "{\"contents\":[{\"uri\":\"shelf://4\",\"mimeType\":\"image/"
		       "png\",\"blob\":\"iVBORw==\"}]}");
	else if (strncmp(uri, "shelf://", 8) == 0 && uri[8] >= '1' && uri[8] <= '3' && !uri[9]) {
		snprintf(text, sizeof(text),
			 "{\"contents\":[{\"uri\":\"%s\",\"mimeType\":\"text/plain\",\"text\":\"page %s\"}]}",
			 uri, uri + 8);
		answer(id, "result", text);
	} else
		refuse(id, -32002, "Resource not found");
}

static void message_take(const struct json *message)
{
	const char *method = json_get_text(message, "method", "");
	const struct json *params = json_get(message, "params");
	struct buf id = BUF_INIT;
	if (json_get(message, "id"))
		json_print(json_get(message, "id"), &id);
	if (strcmp(method, "initialize") == 0)
		initialize(buf_cstr(&id));
	else if (strcmp(method, "tools/list") == 0)
		answer(buf_cstr(&id), "result", "{\"tools\":[]}");
	else if (strcmp(method, "resources/read") == 0 && mode_is("shelf"))
		read_answer(buf_cstr(&id), params);
	else if (id.len)
		refuse(buf_cstr(&id), -32601, "Method not found");
	buf_release(&id);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	if (argc > 1)
		mode = argv[1];
	while ((n = getline(&line, &size, stdin)) > 0) {
		struct json *message = json_parse(line, (size_t)n, 0, NULL);
		if (message)
			message_take(message);
		json_free(message);
	}
	free(line);
	return 0;
}
