/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer of HTTP/1.1 as a client reads it (RFC 9112): status line, headers, and a body that ends by its
 * length, by its last chunk or with the connection (section 6.3). Pure: bytes go in cut anywhere, runs of the
 * body come out where they lie. What headers mean beside the framing is fetch_head.c's.
 *
 * It is strict where leniency lets two readers see two answers: lengths that differ, a coding beside chunked,
 * a chunk size that is no number are bad. Interim answers (1xx) are passed over.
 */
#include "base/base.h"
#include "base/fetch_int.h"

#include <string.h>

enum { HEAD_BYTES_MAX = 256 << 10, LENGTH_DIGITS_MAX = 15 };

void fetch_reply_init(struct fetch_reply *r, struct fetch_head *head)
{
	*r = (struct fetch_reply){.head = head, .line = BUF_LIMIT(HEAD_BYTES_MAX)};
}

void fetch_reply_release(struct fetch_reply *r)
{
	buf_release(&r->line);
}

static void bad(struct fetch_reply *r, const char *why)
{
	r->state = REPLY_BAD;
	r->why = why;
}

static struct slice trimmed(struct slice s)
{
	while (s.len > 0 && strchr(" \t\r", s.ptr[s.len - 1]) != NULL)
		s.len--;
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = (struct slice){s.ptr + 1, s.len - 1};
	return s;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK" */
static void status_take(struct fetch_reply *r, struct slice line)
{
	if (line.len < 12 || memcmp(line.ptr, "HTTP/1.", 7) != 0 || !is_digit(line.ptr[7]) ||
	    line.ptr[8] != ' ' || !is_digit(line.ptr[9]) || !is_digit(line.ptr[10]) ||
	    !is_digit(line.ptr[11])) {
		bad(r, "it begins with no status line of HTTP/1");
		return;
	}
	fetch_head_line(r->head, line);
	r->keeps = line.ptr[7] != '0';
	r->has_length = r->is_chunked = false;
	r->state = REPLY_HEADERS;
}

static void length_take(struct fetch_reply *r, struct slice value)
{
	uint64_t length = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]) || i >= LENGTH_DIGITS_MAX) {
			bad(r, "its Content-Length is no number");
			return;
		}
		length = length * 10 + (uint64_t)(value.ptr[i] - '0');
	}
	if (value.len == 0 || (r->has_length && length != r->left))
		bad(r, "its Content-Length is empty, or there are two of them");
	r->has_length = true;
	r->left = length;
}

/* Does a list of tokens hold this one? */
static bool list_has(struct slice list, const char *token)
{
	while (list.len > 0) {
		const char *comma = memchr(list.ptr, ',', list.len);
		size_t n = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
		if (slice_eq_nocase(trimmed((struct slice){list.ptr, n}), token))
			return true;
		n += comma != NULL;
		list = (struct slice){list.ptr + n, list.len - n};
	}
	return false;
}

/* RFC 9110 section 5.6.2. What begins like another status line is no name either. */
static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", s.ptr[i]) != NULL)
			return false;
	}
	return s.len > 0;
}

static void header_take(struct fetch_reply *r, struct slice line)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	struct slice name = {line.ptr, colon != NULL ? (size_t)(colon - line.ptr) : 0};
	if (!is_token(name)) {
		bad(r, "a line of its head is no header");
		return;
	}
	fetch_head_line(r->head, line);
	struct slice value = trimmed((struct slice){colon + 1, line.len - name.len - 1});
	if (slice_eq_nocase(name, "content-length")) {
		length_take(r, value);
	} else if (slice_eq_nocase(name, "transfer-encoding")) {
		r->is_chunked = true;
		if (!slice_eq_nocase(value, "chunked"))
			bad(r, "it has a transfer coding other than chunked");
	} else if (slice_eq_nocase(name, "connection")) {
		r->keeps = !list_has(value, "close") && (r->keeps || list_has(value, "keep-alive"));
	}
}

static void head_end(struct fetch_reply *r)
{
	int status = r->head->status;
	if (status >= 100 && status < 200) {
		r->state = REPLY_STATUS;
		return;
	}
	if (r->is_chunked && r->has_length)
		r->keeps = false; /* somebody before us may have believed the other one */
	if (status == 204 || status == 304) {
		r->state = REPLY_DONE;
	} else if (r->is_chunked) {
		r->state = REPLY_CHUNK_SIZE;
	} else if (r->has_length) {
		r->state = r->left > 0 ? REPLY_BODY : REPLY_DONE;
	} else {
		r->keeps = false;
		r->state = REPLY_BODY_OPEN;
	}
}

/* Hexadecimal, then perhaps an extension, which means nothing to us. */
static void chunk_size_take(struct fetch_reply *r, struct slice line)
{
	static const char hex[] = "0123456789abcdef0123456789ABCDEF";
	size_t i = 0;
	r->left = 0;
	for (const char *digit; i < line.len && line.ptr[i] != '\0'; i++) {
		digit = strchr(hex, line.ptr[i]);
		if (digit == NULL || i >= LENGTH_DIGITS_MAX)
			break;
		r->left = r->left * 16 + (uint64_t)((digit - hex) % 16);
	}
	if (i == 0 || (i < line.len && strchr("; \t", line.ptr[i]) == NULL) || i == LENGTH_DIGITS_MAX)
		bad(r, "a chunk of it has no size");
	else
		r->state = r->left > 0 ? REPLY_CHUNK : REPLY_TRAILERS;
}

/* A line without its end. */
static void line_take(struct fetch_reply *r, struct slice line)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	switch (r->state) {
	case REPLY_STATUS: status_take(r, line); return;
	case REPLY_HEADERS:
		if (line.len == 0)
			head_end(r);
		else
			header_take(r, line);
		return;
	case REPLY_CHUNK_SIZE: chunk_size_take(r, line); return;
	case REPLY_CHUNK_END:
		if (line.len > 0)
			bad(r, "a chunk of it is longer than its size");
		else
			r->state = REPLY_CHUNK_SIZE;
		return;
	case REPLY_TRAILERS:
		if (line.len == 0)
			r->state = REPLY_DONE;
		return;
	default: ensure(!"no state of lines");
	}
}

static void line_feed(struct fetch_reply *r, struct slice *in)
{
	const char *end = memchr(in->ptr, '\n', in->len);
	size_t n = end != NULL ? (size_t)(end - in->ptr) : in->len;
	struct slice line = {in->ptr, n};
	n += end != NULL;
	*in = (struct slice){in->ptr + n, in->len - n};
	r->head_bytes += n;
	if (r->head_bytes > HEAD_BYTES_MAX) {
		bad(r, "its head, or what stands between its chunks, has no end");
		return;
	}
	if (end == NULL || r->line.len > 0) {
		buf_add_slice(&r->line, line);
		line = buf_slice(&r->line);
	}
	if (end == NULL)
		return;
	line_take(r, line);
	buf_reset(&r->line);
	if (r->state == REPLY_CHUNK || r->state == REPLY_BODY)
		r->head_bytes = 0;
}

void fetch_reply_take(struct fetch_reply *r, struct slice *in, struct slice *body)
{
	*body = (struct slice){in->ptr, 0};
	switch (r->state) {
	case REPLY_BODY:
	case REPLY_CHUNK:
		body->len = in->len < r->left ? in->len : (size_t)r->left;
		r->left -= body->len;
		if (r->left == 0)
			r->state = r->state == REPLY_BODY ? REPLY_DONE : REPLY_CHUNK_END;
		break;
	case REPLY_BODY_OPEN: body->len = in->len; break;
	case REPLY_DONE:
	case REPLY_BAD: break;
	default: line_feed(r, in); return;
	}
	*in = (struct slice){in->ptr + body->len, in->len - body->len};
}

bool fetch_reply_close(struct fetch_reply *r)
{
	if (r->state == REPLY_BODY_OPEN)
		r->state = REPLY_DONE;
	return r->state == REPLY_DONE;
}
