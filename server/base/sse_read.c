/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of server-sent events: bytes, cut anywhere, become events (WHATWG HTML section 9.2). Lines
 * end with LF, CR or CRLF, comment lines are skipped, several data lines are joined by LF.
 *
 * It knows nothing of what the data mean. An id is told with the event that carries it, and the last one is
 * kept, also when its event has no data, as is the last `retry`; an id too long to keep is none.
 * Against the standard, an event that the end of the stream leaves without a blank line is given too
 * (sse_reader_finish): many servers close that way, and whether the answer is complete shows in the answer.
 * Memory is bounded by two limits; over them the stream is an error.
 */
#include "base/base.h"
#include "base/sse_read.h"

#include <string.h>

enum { SSE_RETRY_MS_MAX = 24 * 3600 * 1000 };

void sse_reader_init(struct sse_reader *s, sse_reader_fn *fn, void *arg)
{
	*s = (struct sse_reader){
		.line = BUF_LIMIT(SSE_LINE_BYTES_MAX),
		.data = BUF_LIMIT(SSE_EVENT_BYTES_MAX),
		.retry_ms = -1,
		.fn = fn,
		.arg = arg,
	};
}

void sse_reader_limit(struct sse_reader *s, size_t event_bytes_max)
{
	s->line.max = event_bytes_max + 16; /* "data: " before it */
	s->data.max = event_bytes_max;
}

void sse_reader_release(struct sse_reader *s)
{
	buf_release(&s->line);
	buf_release(&s->data);
}

static enum err event_give(struct sse_reader *s, struct error *e)
{
	enum err rc = ERR_NONE;
	if (s->has_id)
		memcpy(s->last_id, s->id, sizeof(s->last_id));
	if (s->has_data) {
		struct sse_event ev = {.event = s->event[0] != '\0' ? s->event : "message",
				       .id = s->has_id ? s->id : NULL,
				       .data = buf_slice(&s->data)};
		rc = s->fn(&ev, s->arg, e);
	}
	buf_reset(&s->data);
	s->has_data = s->has_id = false;
	s->event[0] = '\0';
	return rc;
}

static enum err data_add(struct sse_reader *s, struct slice value, struct error *e)
{
	if (s->has_data)
		buf_add_char(&s->data, '\n');
	s->has_data = true;
	if (!buf_add_slice(&s->data, value))
		return err_set(e, ERR_UPSTREAM, "an event of the server's stream is over %zu bytes",
			       s->data.max);
	return ERR_NONE;
}

static void name_copy(char *to, size_t size, struct slice value)
{
	size_t n = value.len < size - 1 ? value.len : size - 1;
	memcpy(to, value.ptr, n);
	to[n] = '\0';
}

static void id_take(struct sse_reader *s, struct slice value)
{
	bool fits = value.len < sizeof(s->id) && !memchr(value.ptr, '\0', value.len);
	name_copy(s->id, sizeof(s->id), fits ? value : (struct slice){"", 0});
	s->has_id = true;
}

static void retry_take(struct sse_reader *s, struct slice value)
{
	int64_t ms = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9' || ms > SSE_RETRY_MS_MAX)
			return;
		ms = ms * 10 + (value.ptr[i] - '0');
	}
	if (value.len > 0)
		s->retry_ms = ms < SSE_RETRY_MS_MAX ? ms : SSE_RETRY_MS_MAX;
}

/* One line without its end. */
static enum err line_take(struct sse_reader *s, struct slice line, struct error *e)
{
	if (line.len == 0)
		return event_give(s, e);
	const char *colon = memchr(line.ptr, ':', line.len);
	struct slice name = {line.ptr, colon != NULL ? (size_t)(colon - line.ptr) : line.len};
	struct slice value = {"", 0};
	if (colon != NULL) {
		size_t skip = name.len + 1;
		if (skip < line.len && line.ptr[skip] == ' ')
			skip++;
		value = (struct slice){line.ptr + skip, line.len - skip};
	}
	if (slice_eq_str(name, "data"))
		return data_add(s, value, e);
	if (slice_eq_str(name, "event"))
		name_copy(s->event, sizeof(s->event), value);
	if (slice_eq_str(name, "id"))
		id_take(s, value);
	if (slice_eq_str(name, "retry"))
		retry_take(s, value);
	return ERR_NONE; /* comments have an empty name; unknown fields are ignored */
}

static enum err over_line(const struct sse_reader *s, struct error *e)
{
	return err_set(e, ERR_UPSTREAM, "a line of the server's stream is over %zu bytes", s->line.max);
}

/* The rest of a line; one that came in one piece is not copied first. */
static enum err line_end(struct sse_reader *s, struct slice rest, struct error *e)
{
	if (s->line.len == 0)
		return rest.len > s->line.max ? over_line(s, e) : line_take(s, rest, e);
	if (!buf_add_slice(&s->line, rest))
		return over_line(s, e);
	enum err rc = line_take(s, buf_slice(&s->line), e);
	buf_reset(&s->line);
	return rc;
}

/* The next end of a line, CR or LF; NULL when there is none. */
static const char *line_end_find(struct slice s)
{
	const char *lf = memchr(s.ptr, '\n', s.len);
	const char *cr = memchr(s.ptr, '\r', lf != NULL ? (size_t)(lf - s.ptr) : s.len);
	return cr != NULL ? cr : lf;
}

enum err sse_reader_feed(struct sse_reader *s, struct slice bytes, struct error *e)
{
	while (bytes.len > 0) {
		if (s->after_cr && bytes.ptr[0] == '\n')
			bytes = (struct slice){bytes.ptr + 1, bytes.len - 1};
		s->after_cr = false;
		const char *end = bytes.len > 0 ? line_end_find(bytes) : NULL;
		if (end == NULL)
			break;
		struct slice line = {bytes.ptr, (size_t)(end - bytes.ptr)};
		s->after_cr = *end == '\r';
		bytes = (struct slice){end + 1, bytes.len - line.len - 1};
		enum err rc = line_end(s, line, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return buf_add_slice(&s->line, bytes) ? ERR_NONE : over_line(s, e);
}

enum err sse_reader_finish(struct sse_reader *s, struct error *e)
{
	if (s->line.len > 0) {
		enum err rc = line_end(s, (struct slice){"", 0}, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return event_give(s, e);
}
