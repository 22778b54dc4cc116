/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to handlers: one request of a connection at a time. Further ones stay unparsed in the bounded
 * input until the present one is answered, so answers are in order by construction and a client cannot queue
 * work without end.
 *
 * A request is made when its head is complete and dispatched when its body is; it lives in its own arena
 * until it is answered. A body that lies whole in the input is not copied. Whoever breaks the rules of the
 * protocol is answered by conn_refuse and loses the connection.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTAKES_KEPT = 32,           /* unused ones kept for the next request */
	BODY_KEPT_BYTES = 64 << 10,  /* a larger body buffer is given back to the system */
	ARENA_FIXED_BYTES = 4 << 20, /* of a request, and as much as its body four times */
};

const struct http_head http_head_empty;

/* --- the pool --- */

struct http_intake *conn_intake_take(struct http_conns *cs)
{
	struct http_intake *in = SLIST_FIRST(&cs->intakes);
	size_t cap = http_head_bytes_max(&cs->limits) + HTTP_IN_SLACK_BYTES;

	if (in) {
		SLIST_REMOVE_HEAD(&cs->intakes, link);
		cs->intakes_count--;
	} else {
		in = xmalloc(sizeof(*in) + cap);
		in->cap = cap;
		in->body = BUF_LIMIT(cs->limits.body_bytes_max + 1);
	}
	in->scanned = in->at = in->head_end = in->body_at = in->len = 0;
	return in;
}

static void body_reset(struct http_intake *in)
{
	if (in->body.cap > BODY_KEPT_BYTES)
		buf_release(&in->body);
	else
		buf_reset(&in->body);
}

void conn_intake_give(struct http_conns *cs, struct http_intake *in)
{
	body_reset(in);
	if (cs->intakes_count >= INTAKES_KEPT) {
		buf_release(&in->body);
		free(in);
		return;
	}
	cs->intakes_count++;
	SLIST_INSERT_HEAD(&cs->intakes, in, link);
}

/* --- one request --- */

/* The client's id is kept when it cannot do harm in a log or a header, else it gets one of ours: random for
 * the process, counted within it. */
static void request_id_set(struct http_request *r)
{
	struct http_conns *cs = r->http->conns;
	struct slice own = http_request_header(r, "X-Request-Id");
	bool sane = own.len > 0 && own.len < ID_TEXT_SIZE;
	uint64_t n = ++cs->id_next;
	size_t at = sizeof(cs->id_prefix) - 1;

	for (size_t i = 0; i < own.len && sane; i++)
		sane = http_char_is(own.ptr[i], CHAR_HOST) && http_char_is(own.ptr[i], CHAR_TOKEN);
	if (sane) {
		memcpy(r->id, own.ptr, own.len);
		return;
	}
	memcpy(r->id, cs->id_prefix, at);
	r->id[at++] = '-';
	for (int shift = 44; shift >= 0; shift -= 4)
		r->id[at++] = "0123456789abcdef"[n >> shift & 15];
}

static struct http_request *request_new(struct http_conn *c)
{
	struct arena *a = arena_new(ARENA_FIXED_BYTES + 4 * c->http->conns->limits.body_bytes_max);
	struct http_request *r = arena_alloc(a, sizeof(*r));

	ensure(r && !c->request);
	r->http = c->http;
	r->conn = c;
	r->arena = a;
	r->head = c->intake ? &c->intake->head : &http_head_empty;
	r->query = r->head->query;
	request_id_set(r);
	c->request = r;
	c->close_after = !r->head->keep_alive || c->http->draining;
	return r;
}

void conn_request_free(struct http_conn *c)
{
	if (c->request)
		arena_free(c->request->arena);
	c->request = NULL;
}

void conn_request_done(struct http_conn *c)
{
	struct http_intake *in = c->intake;

	conn_request_free(c);
	if (c->state == CONN_CLOSED) {
		conn_defer(c);
		return;
	}
	c->request_ms = 0;
	c->state = c->close_after ? CONN_CLOSING : CONN_HEAD;
	if (in) {
		in->at = in->head_end = in->body_at;
		in->scanned = 0;
		body_reset(in);
	}
	if (!c->busy && c->state == CONN_HEAD && (c->eof || (in && in->at < in->len)))
		conn_defer(c);
}

void conn_refuse(struct http_conn *c, const struct error *e)
{
	struct http_request *r = c->request ? c->request : request_new(c);

	if (!r->path)
		r->path = arena_strndup(r->arena, "", 0);
	c->close_after = true;
	c->state = CONN_PENDING;
	http_reply_error(r, e);
}

static void request_dispatch(struct http_conn *c, struct slice body)
{
	c->request->body = body;
	c->state = CONN_PENDING;
	c->http->dispatch(c->request);
}

/* The head is complete: dispatch, or wait for the body. */
static void request_begin(struct http_conn *c)
{
	struct http_intake *in = c->intake;
	struct http_request *r = request_new(c);
	struct http *h = c->http;
	struct error e;

	r->path = http_decode_path(r->arena, r->head->path, &e);
	if (!r->path) {
		conn_refuse(c, &e);
		return;
	}
	if (!in->head.chunked && in->head.content_length == 0) {
		request_dispatch(c, (struct slice){0});
		return;
	}
	/* A client that has begun to send its body does not need to be told. */
	if (in->head.expect_continue && in->body_at == in->len) {
		if (h->wants_body && !h->wants_body(r)) {
			c->close_after = true;
			request_dispatch(c, (struct slice){0});
			return;
		}
		conn_out_take(c);
		buf_add_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	}
	c->state = CONN_BODY;
	in->chunked = (struct http_chunked){0};
}

/* Moves what is left of the input to its start, so that a whole head finds room. */
static void input_compact(struct http_intake *in)
{
	if (in->at > 0)
		memmove(in->in, in->in + in->at, in->len - in->at);
	in->len -= in->at;
	in->at = 0;
}

/* Both steps: true when there may be more to do. */
static bool head_step(struct http_conn *c)
{
	struct http_intake *in = c->intake;
	struct error e;
	size_t head_bytes = 0;
	enum http_parse p;

	if (!in || in->at == in->len) {
		if (c->eof || c->http->draining)
			c->state = CONN_CLOSING;
		return false;
	}
	if (conn_out_pending(c) > HTTP_OUT_HIGH)
		return false;
	if (c->request_ms == 0)
		c->request_ms = clock_mono_ms();
	p = http_parse_head((struct slice){in->in + in->at, in->len - in->at}, &in->scanned,
			    &c->http->conns->limits, &in->head, &head_bytes, &e);
	if (p == HTTP_PARSE_MORE && !c->eof) {
		input_compact(in);
		return false;
	}
	if (p == HTTP_PARSE_MORE)
		err_set(&e, ERR_INVALID, "the request ends within its head");
	if (p == HTTP_PARSE_DONE) {
		in->head_end = in->body_at = in->at + head_bytes;
		request_begin(c);
	} else {
		conn_refuse(c, &e);
	}
	return true;
}

/* A body of known length. true when it is complete, as *body. */
static bool body_sized(struct http_intake *in, struct slice *body)
{
	size_t length = (size_t)in->head.content_length, have = in->len - in->body_at;
	size_t missing = length - in->body.len;

	if (in->body.len == 0 && in->cap - in->head_end >= length) {
		if (have < length)
			return false;
		*body = (struct slice){in->in + in->head_end, length};
		in->body_at += length;
		return true;
	}
	if (have > missing)
		have = missing;
	buf_add(&in->body, in->in + in->body_at, have);
	in->body_at += have;
	*body = buf_slice(&in->body);
	return in->body.len == length;
}

static bool body_step(struct http_conn *c)
{
	struct http_intake *in = c->intake;
	enum http_parse p = HTTP_PARSE_MORE;
	struct slice body = {0};
	struct error e;
	size_t used = 0;

	if (in->head.chunked) {
		p = http_parse_chunked(&in->chunked,
				       (struct slice){in->in + in->body_at, in->len - in->body_at},
				       &c->http->conns->limits, &used, &in->body, &e);
		in->body_at += used;
		body = buf_slice(&in->body);
	} else if (body_sized(in, &body)) {
		p = HTTP_PARSE_DONE;
	} else if (in->body.overflow) {
		err_set(&e, ERR_MEMORY, "no memory for the body");
		p = HTTP_PARSE_BAD;
	}
	if (p == HTTP_PARSE_DONE) {
		request_dispatch(c, body);
		return true;
	}
	if (p == HTTP_PARSE_MORE && c->eof) {
		err_set(&e, ERR_INVALID, "the request ends within its body");
		p = HTTP_PARSE_BAD;
	}
	if (p == HTTP_PARSE_BAD) {
		conn_refuse(c, &e);
		return true;
	}
	if (in->body_at == in->len)
		in->len = in->body_at = in->head_end;
	return false;
}

void conn_process(struct http_conn *c)
{
	bool more = true;

	ensure(!c->busy);
	c->busy = true;
	while (more && (c->state == CONN_HEAD || c->state == CONN_BODY))
		more = c->state == CONN_HEAD ? head_step(c) : body_step(c);
	c->busy = false;
}
