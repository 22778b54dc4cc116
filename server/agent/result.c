/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tool's result looks like to a model: the text of its content blocks; binary blocks by type and size
 * only; head and tail of what is too long, with a marker that says how much is missing. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

static void block_text(const struct json *block, struct buf *out);
static void binary_text(const char *what, const struct json *holder, const char *member, struct buf *out);

void result_text(const struct json *result, size_t bytes_max, struct buf *out)
{
	struct buf all = BUF_INIT;
	const struct json *content = json_get(result, "content");
	for (const struct json *b = json_first(content); b != NULL; b = json_next(b)) {
		if (all.len > 0)
			buf_add_char(&all, '\n');
		block_text(b, &all);
	}
	if (all.len == 0 && json_get(result, "structuredContent") != NULL)
		json_print(json_get(result, "structuredContent"), &all);
	result_bound(buf_slice(&all), bytes_max, out);
	buf_release(&all);
}

void result_bound(struct slice text, size_t bytes_max, struct buf *out)
{
	if (text.len <= bytes_max) {
		buf_add_slice(out, text);
		return;
	}
	size_t head = utf8_cut(text.ptr, text.len, bytes_max / 5 * 4);
	size_t tail = text.len - bytes_max / 5;
	while (tail < text.len && ((unsigned char)text.ptr[tail] & 0xC0) == 0x80)
		tail++;
	buf_add(out, text.ptr, head);
	buf_printf(out, "\n[... %zu bytes left out ...]\n", tail - head);
	buf_add(out, text.ptr + tail, text.len - tail);
}

/* --- helpers --- */

static void block_text(const struct json *block, struct buf *out)
{
	const char *type = json_get_text(block, "type", "");
	const struct json *resource = json_get(block, "resource");
	if (strcmp(type, "text") == 0) {
		buf_add_str(out, json_get_text(block, "text", ""));
	} else if (strcmp(type, "image") == 0 || strcmp(type, "audio") == 0) {
		binary_text(type, block, "data", out);
	} else if (strcmp(type, "resource_link") == 0) {
		buf_printf(out, "[link: %s %s]", json_get_text(block, "name", ""),
			   json_get_text(block, "uri", ""));
	} else if (strcmp(type, "resource") == 0 && json_get_text(resource, "text", NULL) != NULL) {
		buf_add_str(out, json_get_text(resource, "text", ""));
	} else if (strcmp(type, "resource") == 0) {
		binary_text(json_get_text(resource, "uri", "resource"), resource, "blob", out);
	} else {
		json_print(block, out);
	}
}

static void binary_text(const char *what, const struct json *holder, const char *member, struct buf *out)
{
	size_t encoded = strlen(json_get_text(holder, member, ""));
	buf_printf(out, "[%s: %s, about %zu bytes, not shown]", what,
		   json_get_text(holder, "mimeType", "unknown type"), encoded / 4 * 3);
}
