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
	if (t->len == t->size && t->len)
		buf_add(out, t->ring + t->at, t->size - t->at);
	if (t->len)
		buf_add(out, t->ring, t->at ? t->at : t->len == t->size ? 0 : t->len);
}

void tail_last_line(const struct tail *t, char *out, size_t size)
{
	struct buf text = BUF_INIT;
	ensure(size > 0);
	tail_text(t, &text);
	size_t end = text.len;
	while (end && strchr(" \t\r\n", text.data[end - 1]))
		end--;
	size_t start = end;
	while (start && text.data[start - 1] != '\n')
		start--;
	size_t n = end - start < size - 1 ? end - start : size - 1;
	if (n)
		memcpy(out, text.data + start, n);
	out[n] = '\0';
	out[utf8_valid_prefix(out, n)] = '\0';
	buf_release(&text);
}
