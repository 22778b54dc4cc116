/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges over HTTP/1.1 without TLS and proxy, with a literal address: the short way to a server on this
 * machine or beside it. One exchange at a time on a connection; a connection whose answer came whole is kept
 * and used again, the latest first.
 *
 * A kept connection stays on the loop, so that it goes as soon as the server closes it; when that happens
 * just as it is used again and nothing of an answer has come, the request is sent once more on a new one
 * (RFC 9112 section 9.3.1). One that must not arrive twice is not, once a byte of it has been sent.
 *
 * Owner: the pool owns its connections; a connection that carries an exchange goes with it unless it can be
 * kept. Nothing here calls whoever uses the exchange: fetch.c does, later, from the loop.
 */
#include "base/base.h"
#include "base/fetch_int.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_BYTES = 32 << 10, READS_MAX = 8 };

struct fetch_plain {
	struct fetch *wire;
	struct fetch_conn *kept; /* the latest first */
	size_t kept_count;
};

struct fetch_conn {
	struct fetch_plain *pool;
	struct fetch_conn *next; /* in pool->kept */
	struct sockaddr_storage address;
	socklen_t address_len;
	int fd;
	struct loop_io *io;
	struct loop_timer *connecting; /* NULL once connected */
	struct fetch_exchange *x;      /* NULL: kept */
	struct buf head;               /* of the request; holds credentials */
	size_t sent;                   /* of head and body */
	struct fetch_reply reply;
	int64_t kept_at_ms;
	bool was_used, has_read; /* an earlier exchange; something of this one's answer */
};

static void conn_ready(int fd, int ready, void *arg);

static void head_clear(struct fetch_conn *c)
{
	if (c->head.data != NULL)
		explicit_bzero(c->head.data, c->head.cap);
}

static void conn_free(struct fetch_conn *c)
{
	if (c->x != NULL)
		c->x->conn = NULL;
	loop_timer_free(c->connecting);
	loop_io_free(c->io);
	fd_close(&c->fd);
	head_clear(c);
	buf_release(&c->head);
	fetch_reply_release(&c->reply);
	free(c);
}

/* --- connections that are kept --- */

static void kept_drop(struct fetch_conn *c)
{
	struct fetch_conn **link = &c->pool->kept;
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	c->pool->kept_count--;
}

/* The exchange is over and its answer was whole. */
static void conn_keep(struct fetch_conn *c)
{
	struct fetch_plain *w = c->pool;
	c->x->conn = NULL;
	c->x = NULL;
	c->was_used = true;
	c->kept_at_ms = clock_mono_ms();
	head_clear(c);
	c->next = w->kept;
	w->kept = c;
	if (++w->kept_count <= FETCH_CONNECTIONS_KEPT_MAX)
		return;
	struct fetch_conn *oldest = w->kept;
	while (oldest->next != NULL)
		oldest = oldest->next;
	kept_drop(oldest);
	conn_free(oldest);
}

/* A kept connection to this address, or NULL. */
static struct fetch_conn *kept_take(struct fetch_plain *w, const struct fetch_target *t, long age_seconds)
{
	int64_t since_ms = clock_mono_ms() - (int64_t)age_seconds * 1000;
	for (struct fetch_conn *c = w->kept; c != NULL && c->kept_at_ms > since_ms; c = c->next) {
		if (c->address_len != t->address_len || memcmp(&c->address, &t->address, t->address_len) != 0)
			continue;
		kept_drop(c);
		return c;
	}
	return NULL;
}

/* --- the request goes out --- */

static void head_write(struct buf *b, const struct fetch_request *r, const struct fetch_target *t)
{
	bool slash = t->path.len == 0 || t->path.ptr[0] != '/';
	buf_put(b, r->method, slash ? " /" : " ");
	buf_add_slice(b, t->path);
	buf_add_str(b, " HTTP/1.1\r\nHost: ");
	buf_add_slice(b, t->host);
	buf_add_str(b, "\r\nUser-Agent: " FETCH_USER_AGENT "\r\n");
	bool accepts = false;
	for (const char *const *h = r->headers; *h != NULL; h++) {
		accepts = accepts || slice_eq_nocase((struct slice){*h, strcspn(*h, ":")}, "accept");
		buf_add_str(b, *h);
		buf_add_str(b, "\r\n");
	}
	if (!accepts)
		buf_add_str(b, "Accept: */*\r\n");
	if (strcmp(r->method, "GET") != 0) {
		buf_add_str(b, "Content-Length: ");
		buf_add_u64(b, r->body.len);
		buf_add_str(b, "\r\n");
	}
	buf_add_str(b, "\r\n");
}

static ssize_t request_send(struct fetch_conn *c)
{
	struct fetch_exchange *x = c->x;
	struct iovec v[2];
	size_t in_head = c->sent < c->head.len ? c->head.len - c->sent : 0;
	size_t in_body = in_head > 0 ? 0 : c->sent - c->head.len;
	v[0] = (struct iovec){c->head.data + c->head.len - in_head, in_head};
	v[1] = (struct iovec){x->request + in_body, x->request_len - in_body};
	struct msghdr m = {.msg_iov = in_head > 0 ? v : v + 1, .msg_iovlen = in_head > 0 ? 2 : 1};
	return sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

static bool request_is_out(const struct fetch_conn *c)
{
	return c->sent == c->head.len + c->x->request_len;
}

/* Where the peer takes no more, the reading tells why: it may have answered before, that the body is too
 * large for instance. */
static void conn_send(struct fetch_conn *c)
{
	bool takes = true;
	while (takes && !request_is_out(c)) {
		ssize_t n = request_send(c);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n >= 0)
			c->sent += (size_t)n;
		takes = n >= 0 || errno == EINTR;
	}
	loop_io_set(c->io, LOOP_READ | (takes && !request_is_out(c) ? LOOP_WRITE : 0));
}

static void conn_failed(struct fetch_conn *c, enum fetch_result result, const char *detail);

static void on_connect_time(void *arg)
{
	conn_failed(arg, FETCH_OPERATION_TIMEDOUT, "no connection");
}

static enum fetch_result connect_result(int error)
{
	return error == ECONNREFUSED ? FETCH_REFUSED : FETCH_COULDNT_CONNECT;
}

static void connect_failed(struct fetch_conn *c, int error)
{
	conn_failed(c, connect_result(error), strerror(error));
}

static void conn_connect(struct fetch_conn *c)
{
	struct fetch *wire = c->pool->wire;
	const int on = 1;
	c->fd = socket(c->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		connect_failed(c, errno);
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)); /* a stream may be quiet for hours */
	int rc = connect(c->fd, (const struct sockaddr *)&c->address, c->address_len);
	if (rc < 0 && errno != EINPROGRESS && errno != EINTR) {
		connect_failed(c, errno);
		return;
	}
	c->io = loop_io_new(wire->loop, c->fd, LOOP_WRITE, conn_ready, c);
	c->connecting = loop_timer_new(wire->loop, on_connect_time, c);
	loop_timer_set(c->connecting, wire->options.connect_ms > 0 ? wire->options.connect_ms : -1);
}

static struct fetch_conn *conn_new(struct fetch_plain *w, const struct fetch_target *t)
{
	struct fetch_conn *c = xcalloc(1, sizeof(*c));
	c->pool = w;
	c->fd = -1;
	c->address = t->address;
	c->address_len = t->address_len;
	return c;
}

/* --- the answer comes in --- */

/* The exchange goes on over a new connection to the same address. */
static void conn_renew(struct fetch_conn *c)
{
	struct fetch_conn *fresh = xcalloc(1, sizeof(*fresh));
	*fresh = (struct fetch_conn){
		.pool = c->pool, .fd = -1, .address = c->address, .address_len = c->address_len};
	fresh->head = c->head;
	fresh->x = c->x;
	fresh->x->conn = fresh;
	fetch_reply_init(&fresh->reply, &fresh->x->head);
	c->head = BUF_INIT;
	c->x = NULL;
	conn_free(c);
	conn_connect(fresh);
}

/* The connection is gone afterwards. */
static void conn_failed(struct fetch_conn *c, enum fetch_result result, const char *detail)
{
	bool lost = result == FETCH_GOT_NOTHING || result == FETCH_RECV_ERROR;
	bool may_repeat = !c->x->once || c->sent == 0;
	if (lost && c->was_used && !c->has_read && may_repeat)
		conn_renew(c); /* it had been closed before it was used again */
	else
		fetch_end_badly(c->x, result, detail);
}

static void answer_whole(struct fetch_conn *c, bool is_clean)
{
	struct fetch_exchange *x = c->x;
	if (is_clean && c->reply.keeps && request_is_out(c))
		conn_keep(c);
	fetch_end(x);
}

/* Bytes of the answer. false: the connection is gone or no longer this exchange's. */
static bool conn_take(struct fetch_conn *c, struct slice in)
{
	struct fetch_exchange *x = c->x;
	c->has_read = true;
	while (in.len > 0 && c->reply.state != REPLY_DONE) {
		struct slice body;
		fetch_reply_take(&c->reply, &in, &body);
		if (body.len > 0 && !fetch_take_body(x, body)) {
			conn_failed(c, FETCH_OTHER, "too long");
			return false;
		}
		if (c->reply.state == REPLY_BAD) {
			conn_failed(c, FETCH_OTHER, c->reply.why);
			return false;
		}
	}
	if (c->reply.state != REPLY_DONE)
		return true;
	answer_whole(c, in.len == 0);
	return false;
}

static void conn_closed(struct fetch_conn *c)
{
	if (fetch_reply_close(&c->reply))
		answer_whole(c, false);
	else if (c->has_read)
		conn_failed(c, FETCH_PARTIAL_FILE, "its end is missing");
	else
		conn_failed(c, FETCH_GOT_NOTHING, "empty answer");
}

static void conn_read(struct fetch_conn *c)
{
	char bytes[READ_BYTES];
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
		if (n == 0) {
			conn_closed(c);
			return;
		}
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				conn_failed(c, FETCH_RECV_ERROR, strerror(errno));
			return;
		}
		if (!conn_take(c, (struct slice){bytes, (size_t)n}) || (size_t)n < sizeof(bytes))
			return;
	}
}

static void conn_ready(int fd, int ready, void *arg)
{
	struct fetch_conn *c = arg;
	if (c->x == NULL) { /* kept: closed by the server, or it said what nobody asked */
		kept_drop(c);
		conn_free(c);
		return;
	}
	if (c->connecting != NULL) {
		int error = 0;
		socklen_t len = sizeof(error);
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			connect_failed(c, error);
			return;
		}
		loop_timer_free(c->connecting);
		c->connecting = NULL;
	}
	if (ready & LOOP_WRITE)
		conn_send(c);
	if (ready & LOOP_READ)
		conn_read(c);
}

/* --- the face --- */

struct fetch_plain *fetch_plain_new(struct fetch *wire)
{
	struct fetch_plain *w = xcalloc(1, sizeof(*w));
	w->wire = wire;
	return w;
}

void fetch_plain_free(struct fetch_plain *w)
{
	while (w->kept != NULL) {
		struct fetch_conn *c = w->kept;
		kept_drop(c);
		conn_free(c);
	}
	free(w);
}

static bool has_variable(const char *name)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0';
}

/* As libcurl has it, for addresses of http. */
static bool has_proxy(const struct fetch_options *o, const char *url)
{
	if (o->proxy != NULL)
		return o->proxy[0] != '\0';
	return !url_is_loopback(url) &&
	       (has_variable("http_proxy") || has_variable("all_proxy") || has_variable("ALL_PROXY"));
}

bool fetch_plain_start(struct fetch_exchange *x, const struct fetch_request *r)
{
	struct fetch_plain *w = x->wire->plain;
	const struct fetch_options *o = &x->wire->options;
	struct fetch_target target;
	if (o->public_only || !url_literal(r->url, &target) || has_proxy(o, r->url))
		return false;
	struct fetch_conn *c = kept_take(w, &target, fetch_connection_age(x));
	bool is_new = c == NULL;
	if (is_new)
		c = conn_new(w, &target);
	c->x = x;
	x->conn = c;
	c->sent = 0;
	c->has_read = false;
	buf_reset(&c->head);
	head_write(&c->head, r, &target);
	fetch_reply_release(&c->reply);
	fetch_reply_init(&c->reply, &x->head);
	if (is_new)
		conn_connect(c);
	else
		conn_send(c);
	return true;
}

void fetch_plain_stop(struct fetch_exchange *x)
{
	if (x->conn != NULL)
		conn_free(x->conn);
}
