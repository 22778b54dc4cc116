/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tool's result looks like to a model: the text of its content blocks; binary blocks by type, size and
 * the artifact that has them; of what is too long head and tail, or of JSON less of the arrays, and how to
 * read the rest. It is given results as tool.completed has them, so that a run that is taken over reads the
 * same. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INVALID_SHOWN_BYTES = 100 };

static void block_text(const struct json *block, const char *reader, struct buf *out);
static void link_text(const struct json *block, const char *reader, struct buf *out);
static void count_text(int64_t n, struct buf *out);
static void binary_text(const char *what, const struct json *holder, const char *member, struct buf *out);

/* The text of all blocks. */
static void blocks_text(const struct json *result, const char *reader, struct buf *all)
{
	const struct json *content = json_get(result, "content");
	for (const struct json *b = json_first(content); b != NULL; b = json_next(b)) {
		if (all->len > 0)
			buf_add_char(all, '\n');
		block_text(b, reader, all);
	}
	if (all->len == 0 && json_get(result, "structuredContent") != NULL)
		json_print(json_get(result, "structuredContent"), all);
}

void result_shown(const struct result_view *v, size_t bytes_max, struct buf *out, struct buf *full)
{
	struct buf all = BUF_INIT;
	if (v->fault != NULL)
		buf_printf(
			out,
			"Error: the call was carried out, but the structured content of the answer does not "
			"fit the tool's output schema (%s). The answer, unchecked:\n",
			v->fault);
	else if (v->is_error)
		buf_add_str(out, "Error: ");
	blocks_text(v->result, v->reader, &all);
	bool cut = all.len > bytes_max;
	if (v->handle == NULL || !cut || !json_shorten(buf_slice(&all), bytes_max, out))
		result_bound(buf_slice(&all), bytes_max, out);
	if (cut && v->handle != NULL) {
		buf_printf(out, "\n[shortened from %zu bytes: read_result with handle %s reads all of it]",
			   all.len, v->handle);
		buf_add_slice(full, buf_slice(&all));
	}
	buf_release(&all);
	if (v->whole_bytes == 0)
		return;
	buf_add_str(out, "\n[of a result of ");
	count_text(v->whole_bytes, out);
	buf_add_str(out, " bytes");
	if (v->artifact > 0)
		buf_printf(out, ", which is artifact %lld", (long long)v->artifact);
	buf_add_char(out, ']');
	if (v->artifact > 0 && v->handle != NULL)
		buf_printf(out, "\n[read_result with handle a%lld reads it]", (long long)v->artifact);
}

void result_text(const struct json *result, const char *reader, size_t bytes_max, struct buf *out)
{
	struct buf all = BUF_INIT;
	blocks_text(result, reader, &all);
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

static void block_text(const struct json *block, const char *reader, struct buf *out)
{
	const char *type = json_get_text(block, "type", "");
	const struct json *resource = json_get(block, "resource");
	if (strcmp(type, "text") == 0) {
		buf_add_str(out, json_get_text(block, "text", ""));
	} else if (strcmp(type, "image") == 0 || strcmp(type, "audio") == 0) {
		binary_text(type, block, "data", out);
	} else if (strcmp(type, "resource_link") == 0) {
		link_text(block, reader, out);
	} else if (strcmp(type, "resource") == 0 && json_get_text(resource, "text", NULL) != NULL) {
		buf_add_str(out, json_get_text(resource, "text", ""));
	} else if (strcmp(type, "resource") == 0) {
		char *what = xasprintf("resource %s", json_get_text(resource, "uri", "without URI"));
		binary_text(what, resource, "blob", out);
		free(what);
	} else {
		json_print(block, out);
	}
}

static void link_text(const struct json *block, const char *reader, struct buf *out)
{
	const char *more[] = {json_get_text(block, "mimeType", NULL),
			      json_get_text(block, "description", NULL)};
	buf_printf(out, "[link: %s %s", json_get_text(block, "name", ""), json_get_text(block, "uri", ""));
	for (size_t i = 0; i < COUNT_OF(more); i++)
		if (more[i] != NULL)
			buf_printf(out, ", %s", more[i]);
	if (reader != NULL)
		buf_printf(out, "; read it with %s", reader);
	buf_add_char(out, ']');
}

/* "12,345" */
static void count_text(int64_t n, struct buf *out)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%lld", (long long)(n > 0 ? n : 0));
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buf_add_char(out, ',');
		buf_add_char(out, digits[i]);
	}
}

/* As parts.c has left it. */
static void binary_text(const char *what, const struct json *holder, const char *member, struct buf *out)
{
	const char *data = json_get_text(holder, member, ""),
		   *invalid = json_get_text(holder, "invalid", NULL);
	int64_t bytes = json_get_integer(holder, "bytes", -1);
	int64_t number = json_get_integer(json_get(holder, "artifact"), "number", 0);
	buf_printf(out, "[%s %s, ", what, json_get_text(holder, "mimeType", "of unknown type"));
	if (invalid != NULL) {
		buf_printf(out, "not readable: %s", invalid);
		if (*data != '\0') {
			buf_add_str(out, ": ");
			buf_add(out, data, utf8_cut(data, strlen(data), INVALID_SHOWN_BYTES));
		}
	} else if (bytes < 0) {
		buf_printf(out, "about %zu bytes, not shown", strlen(data) / 4 * 3);
	} else {
		count_text(bytes, out);
		buf_add_str(out, " bytes, ");
		if (number > 0)
			buf_printf(out, "artifact %lld", (long long)number);
		else
			buf_add_str(out, "not kept");
	}
	buf_add_char(out, ']');
}
