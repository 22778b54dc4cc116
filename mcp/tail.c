/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last bytes of a stream, in a ring: what a server said on stderr before it died. It never fails and
 * never grows; the bytes may begin or end within a character, which whoever prints them repairs.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

void tail_init(struct tail *t, size_t size)
{
	*t = (struct tail){.ring = size ? xmalloc(size) : NULL, .size = size};
}

void tail_release(struct tail *t)
{
	free(t->ring);
	*t = (struct tail){0};
}

void tail_add(struct tail *t, struct slice bytes)
{
	if (bytes.len > t->size) {
		bytes.ptr += bytes.len - t->size;
		bytes.len = t->size;
	}
	size_t first = t->size - t->at < bytes.len ? t->size - t->at : bytes.len;
	if (!bytes.len)
		return;
	memcpy(t->ring + t->at, bytes.ptr, first);
	memcpy(t->ring, bytes.ptr + first, bytes.len - first);
	t->at = (t->at + bytes.len) % t->size;
	t->len = t->len + bytes.len < t->size ? t->len + bytes.len : t->size;
}

void tail_text(const struct tail *t, struct buf *out)
{
	size_t from = out->len;
	if (t->len < t->size) {
		buf_add(out, t->ring, t->len);
		return;
	}
	if (!t->len)
		return;
	buf_add(out, t->ring + t->at, t->size - t->at);
	buf_add(out, t->ring, t->at);
	/* What is left of a line whose front is gone says little, and may be the end of a secret. */
	const char *lf = out->len > from ? memchr(out->data + from, '\n', out->len - from) : NULL;
	size_t part = lf ? (size_t)(lf - out->data) + 1 - from : 0;
	if (part && part < out->len - from) {
		memmove(out->data + from, out->data + from + part, out->len - from - part);
		out->len -= part;
		out->data[out->len] = '\0';
	}
}

/* The last line of the text that is not blank, without the space at its end. */
static struct slice line_before(struct slice text)
{
	while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
		text.len--;
	size_t start = text.len;
	while (start && text.ptr[start - 1] != '\n')
		start--;
	return (struct slice){.ptr = text.ptr + start, .len = text.len - start};
}

/* Node ends the trace of an error with its version: the error is the line above the "    at ..." ones. */
static struct slice node_error(struct slice text)
{
	for (struct slice line; (line = line_before(text)).len; text.len = (size_t)(line.ptr - text.ptr)) {
		if (line.ptr[0] != ' ' && memmem(line.ptr, line.len, "Error", strlen("Error")))
			return line;
	}
	return (struct slice){0};
}

void text_last_line(struct slice text, char *out, size_t size)
{
	ensure(size > 0);
	static const char trailer[] = "Node.js v";
	struct slice line = line_before(text), error = {0};
	if (line.len >= strlen(trailer) && memcmp(line.ptr, trailer, strlen(trailer)) == 0)
		error = node_error(text);
	if (error.len)
		line = error;
	size_t n = line.len < size - 1 ? line.len : size - 1;
	if (n)
		memcpy(out, line.ptr, n);
	out[n] = '\0';
	out[utf8_valid_prefix(out, n)] = '\0';
}
