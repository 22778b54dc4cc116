/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of server-sent events: bytes, cut anywhere, become events (WHATWG HTML section 9.2). Lines
 * end with LF, CR or CRLF, comment lines are skipped, several data lines are joined by LF.
 *
 * It knows nothing of what the data mean. `id` and `retry` are ignored: a model's answer cannot be resumed.
 * Against the standard, an event that the end of the stream leaves without a blank line is given too
 * (llm_sse_finish): many servers close that way, and whether the answer is complete shows in the answer.
 * Memory is bounded by the two limits of llm_int.h; over them the stream is an error, for a peer that never
 * ends a line is no model.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <string.h>

void llm_sse_init(struct llm_sse *s, llm_sse_fn *fn, void *arg)
{
	*s = (struct llm_sse){
		.line = BUF_LIMIT(LLM_SSE_LINE_BYTES_MAX),
		.data = BUF_LIMIT(LLM_SSE_EVENT_BYTES_MAX),
		.fn = fn,
		.arg = arg,
	};
}

void llm_sse_release(struct llm_sse *s)
{
	buf_release(&s->line);
	buf_release(&s->data);
}

static enum err event_give(struct llm_sse *s, struct error *e)
{
	enum err rc = ERR_NONE;
	if (s->has_data)
		rc = s->fn(s->event[0] != '\0' ? s->event : "message", buf_slice(&s->data), s->arg, e);
	buf_reset(&s->data);
	s->has_data = false;
	s->event[0] = '\0';
	return rc;
}

static enum err data_add(struct llm_sse *s, struct slice value, struct error *e)
{
	if (s->has_data)
		buf_add_char(&s->data, '\n');
	s->has_data = true;
	if (!buf_add_slice(&s->data, value))
		return err_set(e, ERR_UPSTREAM, "an event of the model server's stream is over %d bytes",
			       LLM_SSE_EVENT_BYTES_MAX);
	return ERR_NONE;
}

static void event_name(struct llm_sse *s, struct slice value)
{
	size_t n = value.len < sizeof(s->event) - 1 ? value.len : sizeof(s->event) - 1;
	memcpy(s->event, value.ptr, n);
	s->event[n] = '\0';
}

/* One line without its end. */
static enum err line_take(struct llm_sse *s, struct slice line, struct error *e)
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
		event_name(s, value);
	return ERR_NONE; /* comments have an empty name; unknown fields are ignored */
}

static enum err line_end(struct llm_sse *s, struct slice rest, struct error *e)
{
	if (!buf_add_slice(&s->line, rest))
		return err_set(e, ERR_UPSTREAM, "a line of the model server's stream is over %d bytes",
			       LLM_SSE_LINE_BYTES_MAX);
	enum err rc = line_take(s, buf_slice(&s->line), e);
	buf_reset(&s->line);
	return rc;
}

enum err llm_sse_feed(struct llm_sse *s, struct slice bytes, struct error *e)
{
	size_t start = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];
		bool belongs = c == '\n' && s->after_cr;
		s->after_cr = c == '\r';
		if (belongs) {
			start = i + 1;
			continue;
		}
		if (c != '\n' && c != '\r')
			continue;
		enum err rc = line_end(s, (struct slice){bytes.ptr + start, i - start}, e);
		if (rc != ERR_NONE)
			return rc;
		start = i + 1;
	}
	if (!buf_add(&s->line, bytes.ptr + start, bytes.len - start))
		return err_set(e, ERR_UPSTREAM, "a line of the model server's stream is over %d bytes",
			       LLM_SSE_LINE_BYTES_MAX);
	return ERR_NONE;
}

enum err llm_sse_finish(struct llm_sse *s, struct error *e)
{
	if (s->line.len > 0) {
		enum err rc = line_end(s, (struct slice){"", 0}, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return event_give(s, e);
}
