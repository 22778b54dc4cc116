/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a connection: readiness in, readiness out. socket_recv and socket_send are the only two places
 * that touch the socket's data; TLS would go there.
 *
 * Writing is tried at once and interest in writability taken only when the socket is full. Reading stops when
 * its buffer is full or when the client does not take its answers: then the kernel's window closes and the
 * client feels it.
 *
 * A client that has shut its writing side still gets its answer, and to TCP one that has closed altogether
 * looks the same. From its FIN on both events are edge-triggered: the end of input, which stays readable for
 * ever, is seen once, and an RST (the answer to the first thing we send to a client that is really gone) is
 * seen at once.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { OUT_SPARE_BYTES = 64 << 10, OUT_SHIFT_BYTES = 64 << 10 };

static ssize_t socket_recv(struct http_conn *c, void *p, size_t n)
{
	return recv(c->fd, p, n, 0);
}

static ssize_t socket_send(struct http_conn *c, struct iovec *iov, size_t n)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};

	if (n == 1)
		return send(c->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
	return sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

/* Once the end of input was read, recv says nothing of an RST that comes after it. */
static bool socket_broken(struct http_conn *c)
{
	int errnum = 0;
	socklen_t n = sizeof(errnum);

	return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errnum, &n) != 0 || errnum != 0;
}

static bool errno_is_later(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* --- out --- */

size_t conn_out_pending(const struct http_conn *c)
{
	return c->out.len - c->out_at;
}

void conn_out_take(struct http_conn *c)
{
	struct http_conns *cs = c->http->conns;

	if (!c->out.data && cs->spare_out.data) {
		c->out = cs->spare_out;
		cs->spare_out = BUF_INIT;
	}
	c->out.max = HTTP_OUT_MAX;
}

void conn_out_release(struct http_conn *c)
{
	struct http_conns *cs = c->http->conns;

	c->out_at = 0;
	buf_reset(&c->out);
	if (!cs->spare_out.data && c->out.cap <= OUT_SPARE_BYTES) {
		cs->spare_out = c->out;
		c->out = BUF_INIT;
	} else {
		buf_release(&c->out);
	}
}

static void writing_set(struct http_conn *c, bool on)
{
	if (c->writing == on)
		return;
	c->writing = on;
	if (on)
		event_add(&c->ev_write, NULL);
	else
		event_del(&c->ev_write);
}

/* n bytes of `out` are with the kernel. */
static void out_sent(struct http_conn *c, size_t n)
{
	c->out_at += n;
	if (n > 0 && c->deadline == DEADLINE_SEND)
		conn_deadline_clear(c);
	if (conn_out_pending(c) == 0) {
		conn_out_release(c);
	} else if (c->out_at >= OUT_SHIFT_BYTES) {
		buf_consume(&c->out, c->out_at);
		c->out_at = 0;
	}
	writing_set(c, conn_out_pending(c) > 0);
}

bool conn_flush(struct http_conn *c)
{
	struct iovec iov = {c->out.data + c->out_at, conn_out_pending(c)};
	ssize_t n;

	if (iov.iov_len == 0)
		return true;
	n = socket_send(c, &iov, 1);
	if (n < 0 && !errno_is_later()) {
		conn_close(c, false);
		return false;
	}
	out_sent(c, n > 0 ? (size_t)n : 0);
	return true;
}

bool conn_send(struct http_conn *c, struct iovec *iov, int n)
{
	size_t pending = conn_out_pending(c), sent = 0, skip;
	ssize_t got = 0;

	if (!c->writing) {
		iov[0] = (struct iovec){pending ? c->out.data + c->out_at : NULL, pending};
		got = socket_send(c, iov, (size_t)n);
		if (got < 0 && !errno_is_later()) {
			conn_close(c, false);
			return false;
		}
		sent = got > 0 ? (size_t)got : 0;
	}
	skip = sent > pending ? sent - pending : 0;
	for (int i = 1; i < n; i++) {
		size_t gone = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		skip -= gone;
		if (gone < iov[i].iov_len) {
			conn_out_take(c);
			buf_add(&c->out, (char *)iov[i].iov_base + gone, iov[i].iov_len - gone);
		}
	}
	if (c->out.overflow) {
		log_warn("a client is too far behind and is cut off: its stream writes without asking for "
			 "room");
		conn_close(c, true);
		return false;
	}
	out_sent(c, sent < pending ? sent : pending);
	return true;
}

/* --- in --- */

/* false when nothing came or the connection is closed now. *n bytes at p, 0 at the end of input. */
static bool input_take(struct http_conn *c, void *p, size_t room, size_t *n)
{
	ssize_t got = socket_recv(c, p, room);

	if (got < 0 && !errno_is_later())
		conn_close(c, false);
	*n = got > 0 ? (size_t)got : 0;
	return got >= 0;
}

static void input_ended(struct http_conn *c)
{
	bool writing = c->writing;

	c->eof = true;
	if (c->state == CONN_LINGER) {
		conn_close(c, false);
		return;
	}
	conn_events_del(c);
	conn_events_init(c, true);
	c->reading = true;
	event_add(&c->ev_read, NULL);
	writing_set(c, writing);
}

/* Input while a stream runs or after the last answer: nobody wants it. */
static void input_discard(struct http_conn *c)
{
	char *scratch = c->http->conns->scratch;
	size_t n;

	if (!input_take(c, scratch, sizeof(c->http->conns->scratch), &n))
		return;
	c->discarded += n;
	if (n == 0)
		input_ended(c);
	else if (c->state == CONN_LINGER && c->discarded > HTTP_LINGER_BYTES)
		conn_close(c, true);
}

static void input_read(struct http_conn *c)
{
	struct http_intake *in;
	size_t n;

	if (!c->intake)
		c->intake = conn_intake_take(c->http->conns);
	in = c->intake;
	ensure(in->len < in->cap);
	if (!input_take(c, in->in + in->len, in->cap - in->len, &n))
		return;
	in->len += n;
	if (n == 0)
		input_ended(c);
	if (c->state == CONN_HEAD || c->state == CONN_BODY)
		conn_process(c);
}

void conn_read(struct http_conn *c)
{
	if (c->eof && socket_broken(c))
		conn_close(c, false);
	else if (!c->eof && (c->state == CONN_STREAM || c->state == CONN_LINGER))
		input_discard(c);
	else if (!c->eof)
		input_read(c);
	conn_settle(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_read(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *c = arg;

	(void)fd;
	(void)what;
	if (!conn_flush(c))
		return;
	if (c->state == CONN_STREAM && conn_out_pending(c) < HTTP_OUT_LOW) {
		c->stream_ready_due = true;
		conn_defer(c);
	} else if (c->state == CONN_HEAD || c->state == CONN_BODY) {
		conn_process(c);
	}
	conn_settle(c);
}

/* --- interest --- */

void conn_events_init(struct http_conn *c, bool edge)
{
	struct event_base *base = loop_base(c->http->loop);
	short more = (short)(EV_PERSIST | (edge ? EV_ET : 0));

	event_assign(&c->ev_read, base, c->fd, (short)(EV_READ | more), on_readable, c);
	event_assign(&c->ev_write, base, c->fd, (short)(EV_WRITE | more), on_writable, c);
	c->reading = c->writing = false;
}

void conn_events_del(struct http_conn *c)
{
	if (c->reading)
		event_del(&c->ev_read);
	if (c->writing)
		event_del(&c->ev_write);
	c->reading = c->writing = false;
}

static bool reading_wanted(const struct http_conn *c)
{
	bool room = !c->intake || c->intake->len < c->intake->cap;

	switch (c->state) {
	case CONN_HEAD: return room && conn_out_pending(c) <= HTTP_OUT_HIGH;
	case CONN_BODY:
	case CONN_PENDING: return room;
	case CONN_STREAM: return c->discarded < HTTP_STREAM_IN_BYTES;
	case CONN_LINGER: return true;
	case CONN_CLOSING:
	case CONN_CLOSED: break;
	}
	return false;
}

void conn_interest_set(struct http_conn *c)
{
	bool wanted = c->eof || reading_wanted(c);

	if (wanted == c->reading)
		return;
	c->reading = wanted;
	if (wanted)
		event_add(&c->ev_read, NULL);
	else
		event_del(&c->ev_read);
}
