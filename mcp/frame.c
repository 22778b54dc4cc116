/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines out of a stream of bytes: LF ends a line, a CR before it is dropped. Bytes are read straight into the
 * buffer and lines are given out in place; each byte is searched once and moved at most a few times, so the
 * work is linear in the input whatever its pieces are.
 *
 * A line over the limit is not kept: its first and last bytes are, in which its id can usually be found (the
 * official SDK writes it last), and the rest of it is dropped as it comes. Owns its buffer; failing to get
 * memory makes the line under way an overlong one.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	ROOM_BYTES = 64 << 10,
	KEEP_BYTES = 256 << 10, /* an empty buffer above this is given back */
	ENDLESS_TIMES = 16,     /* so many times the limit without an end is no line any more */
};

void framer_init(struct framer *f, size_t line_bytes_max)
{
	*f = (struct framer){.line_bytes_max = line_bytes_max};
	f->cap = ROOM_BYTES;
	f->data = xmalloc(f->cap);
}

void framer_release(struct framer *f)
{
	free(f->data);
	*f = (struct framer){0};
}

/* Remembers the first and the last bytes of the line that is being dropped. */
static void edges_keep(struct framer *f, const char *p, size_t n)
{
	size_t head = FRAME_EDGE_BYTES - f->head_len < n ? FRAME_EDGE_BYTES - f->head_len : n;
	memcpy(f->head + f->head_len, p, head);
	f->head_len += head;
	f->skipped += n;
	if (n >= FRAME_EDGE_BYTES) {
		memcpy(f->tail, p + n - FRAME_EDGE_BYTES, FRAME_EDGE_BYTES);
		f->tail_len = FRAME_EDGE_BYTES;
		return;
	}
	size_t keep = FRAME_EDGE_BYTES - n < f->tail_len ? FRAME_EDGE_BYTES - n : f->tail_len;
	memmove(f->tail, f->tail + f->tail_len - keep, keep);
	memcpy(f->tail + keep, p, n);
	f->tail_len = keep + n;
}

static void skip_begin(struct framer *f)
{
	f->skipping = true;
	f->skipped = f->head_len = f->tail_len = 0;
}

static void bytes_drop(struct framer *f, size_t n)
{
	f->start += n;
	f->searched = 0;
	if (f->start == f->end)
		f->start = f->end = 0;
}

char *framer_room(struct framer *f, size_t *room)
{
	if (f->cap - f->end < ROOM_BYTES / 2 && f->start) {
		memmove(f->data, f->data + f->start, f->end - f->start);
		f->end -= f->start;
		f->start = 0;
	}
	if (f->cap - f->end < ROOM_BYTES / 2) {
		char *p = realloc(f->data, f->cap * 2);
		if (p) {
			f->data = p;
			f->cap *= 2;
		} else {
			if (!f->skipping)
				skip_begin(f);
			edges_keep(f, f->data, f->end);
			bytes_drop(f, f->end);
		}
	}
	if (!f->end && f->cap > KEEP_BYTES) {
		char *p = realloc(f->data, ROOM_BYTES);
		if (p) {
			f->data = p;
			f->cap = ROOM_BYTES;
		}
	}
	*room = f->cap - f->end;
	return f->data + f->end;
}

void framer_filled(struct framer *f, size_t n)
{
	ensure(n <= f->cap - f->end);
	f->end += n;
}

static void edges_give(const struct framer *f, struct frame_line *out)
{
	out->head = (struct slice){f->head, f->head_len};
	out->tail = (struct slice){f->tail, f->tail_len};
	out->bytes = f->skipped;
	out->bytes_max = f->line_bytes_max;
}

/* What is there belongs to a line that is dropped, up to lf (NULL: all of it). */
static enum frame_kind skip_next(struct framer *f, const char *lf, struct frame_line *out)
{
	size_t before = f->skipped, endless = f->line_bytes_max * ENDLESS_TIMES;
	size_t n = (lf ? (size_t)(lf - f->data) : f->end) - f->start;
	edges_keep(f, f->data + f->start, n);
	bytes_drop(f, lf ? n + 1 : n);
	edges_give(f, out);
	if (lf) {
		f->skipping = false;
		return FRAME_OVERLONG;
	}
	return before <= endless && f->skipped > endless ? FRAME_ENDLESS : FRAME_NONE;
}

enum frame_kind framer_next(struct framer *f, struct frame_line *out)
{
	*out = (struct frame_line){0};
	size_t have = f->end - f->start;
	if (!have)
		return FRAME_NONE;
	const char *from = f->data + f->start;
	const char *lf = memchr(from + f->searched, '\n', have - f->searched);
	size_t len = lf ? (size_t)(lf - from) : have;
	if (!f->skipping && len > f->line_bytes_max)
		skip_begin(f);
	if (f->skipping)
		return skip_next(f, lf, out);
	if (!lf) {
		f->searched = have;
		return FRAME_NONE;
	}
	out->text = (struct slice){from, len && from[len - 1] == '\r' ? len - 1 : len};
	out->bytes = len;
	bytes_drop(f, len + 1);
	return FRAME_LINE;
}
