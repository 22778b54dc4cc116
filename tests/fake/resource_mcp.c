/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted server with resources, templates, prompts and completion on stdin and stdout. argv[1] names how
 * it behaves:
 *
 *   shelf    behaves. Resources shelf://1 to shelf://3 (text) and shelf://4 (a blob), one on each page, the
 *            second page's cursor being ""; two templates; prompts "greet" (who) and "plain". What it has not
 *            is refused with -32002 or -32602; shelf://slow is never answered. Tools: touch{uri} tells that a
 *            resource was updated, if it is subscribed to; grow{} adds a resource and tells so seven times;
 *            subscribed{} names what is subscribed to; link{} gives a link to shelf://2; stop{} ends it.
 *   silent   the same, but changes of lists are neither declared nor told
 *   taken    the same, with a tool read_resource of its own
 *   endless  resources: pages without end, the cursor always ""
 *   huge     resources: 20,000 on one page
 *   wrong    resources: two good ones among bad ones
 *   broken   resources: an error; prompts: no array; templates: unknown method
 *   mute     resources: never answered
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUBSCRIBED_MAX = 200, PAGES = 4 };

static const char *mode = "shelf";
static char *subscribed[SUBSCRIBED_MAX];
static size_t subscribed_count;
static int grown, endless_at;

static bool mode_is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static bool behaves(void)
{
	return mode_is("shelf") || mode_is("silent") || mode_is("taken");
}

/* --- writing --- */

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

static void answer_text(const char *id, const char *text)
{
	struct buf result = BUF_INIT;
	struct jw w = JW(&result);
	buf_add_str(&result, "{\"content\":[{\"type\":\"text\",\"text\":");
	jw_text(&w, text);
	buf_add_str(&result, "}]}");
	answer(id, "result", result.data);
	buf_release(&result);
}

static void notify(const char *method, const char *params)
{
	struct buf line = BUF_INIT;
	buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/%s\",\"params\":%s}\n", method,
		   params);
	line_write(&line);
	buf_release(&line);
}

static void initialize(const char *id)
{
	char text[400];
	const char *changes = mode_is("silent") ? "false" : "true";
	snprintf(text, sizeof(text),
		 "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{},\"resources\":{"
		 "\"subscribe\":true,"
		 "\"listChanged\":%s},\"prompts\":{\"listChanged\":%s},\"completions\":{}},"
		 "\"serverInfo\":{\"name\":\"resource-fake\",\"version\":\"1.0\"}}",
		 changes, changes);
	answer(id, "result", text);
}

/* --- lists --- */

static void tool_print(struct buf *out, const char *name)
{
	buf_printf(out,
		   "%s{\"name\":\"%s\",\"description\":\"Does %s.\",\"inputSchema\":{\"type\":\"object\"}}",
		   out->len > 10 ? "," : "", name, name);
}

static void tools_list(const char *id)
{
	static const char *const names[] = {"touch", "grow", "subscribed", "link", "stop"};
	struct buf out = BUF_INIT;
	buf_add_str(&out, "{\"tools\":[");
	for (size_t i = 0; i < COUNT_OF(names); i++)
		tool_print(&out, names[i]);
	if (mode_is("taken"))
		tool_print(&out, "read_resource");
	buf_add_str(&out, "]}");
	answer(id, "result", out.data);
	buf_release(&out);
}

static void resource_print(struct buf *out, int n)
{
	buf_printf(out, "%s{\"uri\":\"shelf://%d\",\"name\":\"book %d\",\"mimeType\":\"%s\",\"custom\":[%d]}",
		   out->data[out->len - 1] == '[' ? "" : ",", n, n, n == 4 ? "image/png" : "text/plain", n);
}

/* The first page is asked for without a cursor, the second with "", the n-th with "n". */
static void shelf_list(struct buf *out, const char *cursor)
{
	int page = !cursor ? 1 : !*cursor ? 2 : atoi(cursor);
	resource_print(out, page);
	for (int i = 0; page == PAGES && i < grown; i++)
		resource_print(out, PAGES + 1 + i);
	if (page == 1)
		buf_add_str(out, "],\"nextCursor\":\"\"}");
	else if (page < PAGES)
		buf_printf(out, "],\"nextCursor\":\"%d\"}", page + 1);
	else
		buf_add_str(out, "]}");
}

static void resources_list(const char *id, const struct json *params)
{
	struct buf out = BUF_INIT;
	buf_add_str(&out, "{\"resources\":[");
	if (behaves()) {
		shelf_list(&out, json_text(json_get(params, "cursor")));
	} else if (mode_is("endless")) {
		resource_print(&out, endless_at++);
		buf_add_str(&out, "],\"nextCursor\":\"\"}");
	} else if (mode_is("huge")) {
		for (int i = 0; i < 20000; i++)
			resource_print(&out, i);
		buf_add_str(&out, "]}");
	} else {
		resource_print(&out, 1);
		buf_add_str(
			&out,
			",7,null,{\"uri\":5,\"name\":\"x\"},{\"name\":\"no uri\"},"
			"{\"uri\":\"shelf://1\",\"name\":\"twice\"},{\"uri\":\"/no/scheme\",\"name\":\"y\"}");
		resource_print(&out, 2);
		buf_add_str(&out, "]}");
	}
	if (mode_is("broken"))
		refuse(id, -32603, "the shelf fell down");
	else if (!mode_is("mute"))
		answer(id, "result", out.data);
	buf_release(&out);
}

static void others_list(const char *id, const char *method)
{
	if (strcmp(method, "prompts/list") == 0)
		answer(id, "result",
		       mode_is("broken")
			       ? "{\"prompts\":\"none\"}"
			       : "{\"prompts\":[{\"name\":\"greet\",\"description\":\"Says hello.\","
				 "\"arguments\":[{\"name\":\"who\",\"required\":true}]},{\"name\":\"plain\"}]"
				 "}");
	else if (mode_is("broken"))
		refuse(id, -32601, "Method not found");
	else
		answer(id, "result",
		       "{\"resourceTemplates\":[{\"uriTemplate\":\"shelf://{n}\",\"name\":\"book\"},"
		       "{\"uriTemplate\":\"shelf://{n}/{page}\",\"name\":\"page\"}]}");
}

/* --- the rest --- */

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

static void prompt_answer(const char *id, const struct json *params)
{
	const char *name = json_get_text(params, "name", "");
	const char *who = json_text(json_pointer(params, "/arguments/who"));
	struct buf out = BUF_INIT;
	struct jw w = JW(&out);
	bool greet = strcmp(name, "greet") == 0;
	buf_add_str(&out, "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":");
	jw_text(&w, greet ? who : "as it is");
	buf_add_str(&out, "}}]}");
	if (!greet && strcmp(name, "plain") != 0)
		refuse(id, -32602, "Prompt not found");
	else if (greet && !who)
		refuse(id, -32602, "Invalid arguments: who is required");
	else
		answer(id, "result", out.data);
	buf_release(&out);
}

/* As many values as the argument's value says, each beginning with the argument "kind" of the context. */
static void completion_answer(const char *id, const struct json *params)
{
	const char *kind = json_text(json_pointer(params, "/context/arguments/kind"));
	int count = atoi(json_get_text(json_get(params, "argument"), "value", "0"));
	struct buf out = BUF_INIT;
	buf_add_str(&out, "{\"completion\":{\"values\":[");
	for (int i = 0; i < count; i++)
		buf_printf(&out, "%s\"%s%d\"", i ? "," : "", kind ? kind : "", i);
	buf_add_str(&out, "],\"hasMore\":false}}");
	answer(id, "result", out.data);
	buf_release(&out);
}

static size_t subscription_find(const char *uri)
{
	size_t i = 0;
	while (i < subscribed_count && strcmp(subscribed[i], uri) != 0)
		i++;
	return i;
}

static void subscription_set(const char *id, const char *uri, bool on)
{
	size_t at = subscription_find(uri);
	if (at < subscribed_count && !on) {
		free(subscribed[at]);
		subscribed[at] = subscribed[--subscribed_count];
	} else if (at == subscribed_count && on && at < SUBSCRIBED_MAX) {
		subscribed[subscribed_count++] = xstrdup(uri);
	}
	answer(id, "result", "{}");
}

static void touch(const char *uri)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	if (subscription_find(uri) == subscribed_count)
		return;
	jw_object(&w);
	jw_kv_text(&w, "uri", uri);
	jw_object_end(&w);
	notify("resources/updated", params.data);
	buf_release(&params);
}

static void call_answer(const char *id, const struct json *params)
{
	const char *name = json_get_text(params, "name", "");
	struct buf text = BUF_INIT;
	if (strcmp(name, "stop") == 0)
		_exit(0);
	if (strcmp(name, "touch") == 0)
		touch(json_get_text(json_get(params, "arguments"), "uri", ""));
	if (strcmp(name, "grow") == 0) {
		grown++;
		for (int i = 0; i < 7 && !mode_is("silent"); i++)
			notify("resources/list_changed", "{}");
	}
	for (size_t i = 0; strcmp(name, "subscribed") == 0 && i < subscribed_count; i++)
		buf_printf(&text, "%s ", subscribed[i]);
	if (strcmp(name, "read_resource") == 0)
		buf_add_str(&text, "the server's own");
	if (strcmp(name, "link") == 0)
		answer(id, "result",
		       "{\"content\":[{\"type\":\"resource_link\",\"uri\":\"shelf://2\",\"name\":\"book "
		       "2\"}]}");
	else
		answer_text(id, buf_cstr(&text));
	buf_release(&text);
}

static void message_take(const struct json *message)
{
	const char *method = json_get_text(message, "method", "");
	const struct json *params = json_get(message, "params");
	const char *uri = json_get_text(params, "uri", "");
	struct buf raw = BUF_INIT;
	if (json_get(message, "id"))
		json_print(json_get(message, "id"), &raw);
	const char *id = buf_cstr(&raw);
	if (strcmp(method, "initialize") == 0)
		initialize(id);
	else if (strcmp(method, "tools/list") == 0)
		tools_list(id);
	else if (strcmp(method, "resources/list") == 0)
		resources_list(id, params);
	else if (strcmp(method, "prompts/list") == 0 || strcmp(method, "resources/templates/list") == 0)
		others_list(id, method);
	else if (strcmp(method, "resources/read") == 0)
		read_answer(id, params);
	else if (strcmp(method, "resources/subscribe") == 0)
		subscription_set(id, uri, true);
	else if (strcmp(method, "resources/unsubscribe") == 0)
		subscription_set(id, uri, false);
	else if (strcmp(method, "prompts/get") == 0)
		prompt_answer(id, params);
	else if (strcmp(method, "completion/complete") == 0)
		completion_answer(id, params);
	else if (strcmp(method, "tools/call") == 0)
		call_answer(id, params);
	else if (raw.len)
		refuse(id, -32601, "Method not found");
	buf_release(&raw);
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
