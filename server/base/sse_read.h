/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of server-sent events (WHATWG HTML section 9.2): bytes, cut anywhere, become events. Pure
 * and bounded.
 */
#ifndef BASE_SSE_READ_H
#define BASE_SSE_READ_H

#include "base/buf.h"

enum { SSE_LINE_BYTES_MAX = 1 << 20, SSE_EVENT_BYTES_MAX = 4 << 20, SSE_ID_SIZE = 256 };

/* Borrowed for the callback. */
struct sse_event {
	const char *event; /* "message" unless named */
	const char *id;    /* of this event's own id line; NULL when it has none */
	struct slice data; /* NUL-terminated */
};
/* An error returned ends the feeding and is passed on. */
typedef enum err sse_reader_fn(const struct sse_event *ev, void *arg, struct error *e);

struct sse_reader {
	struct buf line, data;
	char event[64], id[SSE_ID_SIZE];
	/* Of the stream: the last id that an event ended with ("" before one), as Last-Event-ID wants it, and
	 * the last `retry` (-1 before one). Borrowed; the reader's end does not change them. */
	char last_id[SSE_ID_SIZE];
	int64_t retry_ms;
	bool has_data, has_id;
	bool after_cr; /* a CR ended the last line: an LF that follows belongs to it */
	sse_reader_fn *fn;
	void *arg;
};
void sse_reader_init(struct sse_reader *s, sse_reader_fn *fn, void *arg);
/* Other limits than the two above. */
void sse_reader_limit(struct sse_reader *s, size_t event_bytes_max);
void sse_reader_release(struct sse_reader *s);
/* Bytes as they come, cut anywhere. ERR_UPSTREAM when a line or an event is over its limit. */
must_check enum err sse_reader_feed(struct sse_reader *s, struct slice bytes, struct error *e);
/* The end of the stream: also gives an event that no blank line ended, as many servers leave it. */
must_check enum err sse_reader_finish(struct sse_reader *s, struct error *e);

#endif
