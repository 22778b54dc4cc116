/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are written as the client takes them. The handler writes when there is room and is called back
 * (from the bottom of the loop) when there is room again; what the socket does not take at once is kept, and
 * that is bounded by the handler asking first.
 *
 * A clean end is told by the last chunk (HTTP/1.1), by FIN (1.0), or by the last byte of a length that was
 * told beforehand. Everything else, our own death included, is an RST or something missing, so that no client
 * takes it for the end. While a stream runs its connection owns neither head nor input buffer: thousands of
 * streams may wait.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <string.h>

enum { CHUNK_HEAD_BYTES = 24 };

/* length < 0: not known. */
static void stream_start(struct http_request *r, int status, const char *content_type, const char *headers,
			 int64_t length, struct http_stream_handler h)
{
	struct http_conn *c = r->conn;
	struct http_intake *in = c->intake;

	ensure(c->request == r && h.on_ready);
	c->on_ready = h.on_ready;
	if (c->state == CONN_CLOSED) {
		conn_defer(c);
		return;
	}
	ensure(c->state == CONN_PENDING);
	c->stream_mute = r->head->method == HTTP_HEAD;
	c->stream_sized = length >= 0;
	c->stream_left = length >= 0 ? (uint64_t)length : 0;
	c->stream_chunked = !c->stream_sized && r->head->minor >= 1;
	bool close_after = c->close_after || c->http->draining || (!c->stream_chunked && !c->stream_sized);
	/* A chunked stream says itself whether it is whole. A client that was told of a close may take a
	 * reset for the end (Node's fetch does): it is told only when it asked for it. */
	c->close_after = c->stream_chunked ? !r->head->keep_alive : close_after;
	if (!reply_head(c, status, content_type, headers, length)) {
		conn_close(c, true);
		return;
	}
	c->close_after = close_after;
	c->state = CONN_STREAM;
	c->discarded = in ? in->len - in->body_at : 0;
	r->head = &http_head_empty;
	r->query = r->body = (struct slice){0};
	if (in)
		conn_intake_give(c->http->conns, in);
	c->intake = NULL;
	c->stream_ready_due = true;
	conn_defer(c);
}

void http_stream_start(struct http_request *r, int status, const char *content_type, const char *headers,
		       struct http_stream_handler h)
{
	stream_start(r, status, content_type, headers, -1, h);
}

void http_stream_start_sized(struct http_request *r, int status, const char *content_type,
			     const char *headers, uint64_t length, struct http_stream_handler h)
{
	ensure(length <= INT64_MAX);
	stream_start(r, status, content_type, headers, (int64_t)length, h);
}

bool http_stream_has_room(const struct http_request *r)
{
	const struct http_conn *c = r->conn;

	return c->state == CONN_STREAM && !c->stream_mute && conn_out_pending(c) < HTTP_OUT_LOW;
}

/* Hexadecimal length and CR LF at the end of text; where it starts. */
static char *chunk_head(char text[CHUNK_HEAD_BYTES], size_t n)
{
	size_t at = CHUNK_HEAD_BYTES - 2;

	memcpy(text + at, "\r\n", 2);
	do {
		text[--at] = "0123456789abcdef"[n & 15];
		n >>= 4;
	} while (n > 0);
	return text + at;
}

void http_stream_write(struct http_request *r, struct slice bytes)
{
	static char crlf[] = "\r\n";
	struct http_conn *c = r->conn;
	char text[CHUNK_HEAD_BYTES];
	char *head = chunk_head(text, bytes.len);
	struct iovec iov[4];
	int n = 1;

	ensure(c->request == r);
	if (bytes.len == 0 || c->state != CONN_STREAM || c->stream_mute)
		return;
	if (c->stream_sized) {
		ensure(bytes.len <= c->stream_left);
		c->stream_left -= bytes.len;
	}
	if (c->stream_chunked)
		iov[n++] = (struct iovec){head, (size_t)(text + CHUNK_HEAD_BYTES - head)};
	iov[n++] = (struct iovec){(void *)(uintptr_t)bytes.ptr, bytes.len};
	if (c->stream_chunked)
		iov[n++] = (struct iovec){crlf, 2};
	if (!conn_send(c, iov, n))
		return;
	if (conn_out_pending(c) < HTTP_OUT_LOW) {
		c->stream_ready_due = true;
		conn_defer(c);
	}
	conn_settle(c);
}

void http_stream_end(struct http_request *r)
{
	struct http_conn *c = r->conn;

	ensure(c->request == r);
	if (c->state == CONN_STREAM) {
		ensure(!c->stream_sized || c->stream_mute || c->stream_left == 0);
		if (c->stream_chunked && !c->stream_mute) {
			conn_out_take(c);
			buf_add_str(&c->out, "0\r\n\r\n");
		}
		/* What was thrown away may have been the start of another request. */
		if (c->discarded > 0)
			c->close_after = true;
	}
	conn_request_done(c);
	conn_settle(c);
}

void http_stream_reset(struct http_request *r)
{
	struct http_conn *c = r->conn;

	ensure(c->request == r);
	conn_close(c, true);
	conn_request_free(c);
	conn_defer(c);
}

void conn_stream_bottom(struct http_conn *c)
{
	struct http_request *r = c->request;
	bool due = c->stream_ready_due;

	c->stream_ready_due = false;
	if (c->stream_mute) {
		void (*on_gone)(struct http_request * r) = r->on_gone;

		/* HEAD: its answer was the head alone, so the stream is over before it began. */
		r->on_gone = NULL;
		if (on_gone)
			on_gone(r);
		http_stream_end(r);
	} else if (due && conn_out_pending(c) < HTTP_OUT_LOW) {
		c->on_ready(r);
	}
}
