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

void text_last_line(struct slice text, char *out, size_t size)
{
	ensure(size > 0);
	size_t end = text.len;
	while (end && strchr(" \t\r\n", text.ptr[end - 1]))
		end--;
	size_t start = end;
	while (start && text.ptr[start - 1] != '\n')
		start--;
	size_t n = end - start < size - 1 ? end - start : size - 1;
	if (n)
		memcpy(out, text.ptr + start, n);
	out[n] = '\0';
	out[utf8_valid_prefix(out, n)] = '\0';
}
