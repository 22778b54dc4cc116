/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model server for unit tests, on the loop under test: it reads requests and gives scripted bytes back, one
 * reply per request, in order. Single-threaded, so a test sees every step; it checks no syntax.
 */
#ifndef TESTS_UNIT_LLM_HTTP_SCRIPT_H
#define TESTS_UNIT_LLM_HTTP_SCRIPT_H

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRIPT_CONNS_MAX = 16, SCRIPT_REQUESTS_MAX = 16 };

enum script_then { SCRIPT_CLOSE, SCRIPT_KEEP };

struct script_reply {
	const char
		*bytes; /* a '\x01' parts what is sent in turns of the loop of its own; "" only does `then` */
	enum script_then then;
};

struct script_conn {
	struct script_server *server;
	int fd;
	struct loop_io *io;
	struct loop_timer *next_part;
	struct buf in;
	const char *rest; /* of the reply; NULL: none is being sent */
	enum script_then then;
};

struct script_server {
	struct loop *loop;
	int fd, port;
	struct loop_io *io;
	const struct script_reply *replies;
	size_t replies_count;
	struct script_conn conns[SCRIPT_CONNS_MAX];
	size_t conns_count, conns_closed; /* closed by the peer */
	char *requests[SCRIPT_REQUESTS_MAX];
	size_t requests_count;
};

static inline void script_conn_close(struct script_conn *c)
{
	loop_io_free(c->io);
	loop_timer_free(c->next_part);
	c->io = NULL;
	c->next_part = NULL;
	buf_release(&c->in);
	fd_close(&c->fd);
}

static inline void script_part_send(void *arg)
{
	struct script_conn *c = arg;
	size_t n = strcspn(c->rest, "\x01");
	if (n > 0)
		assert_int_equal(send(c->fd, c->rest, n, MSG_NOSIGNAL), n);
	if (c->rest[n] == '\x01') {
		c->rest += n + 1;
		loop_timer_set(c->next_part, 1);
		return;
	}
	c->rest = NULL;
	if (c->then == SCRIPT_CLOSE)
		script_conn_close(c);
}

/* Length of the request at the start of the buffer, 0 while it is not whole. */
static inline size_t script_request_len(const struct buf *in)
{
	const char *end = strstr(buf_cstr(in), "\r\n\r\n");
	const char *length = strcasestr(buf_cstr(in), "content-length:");
	if (end == NULL)
		return 0;
	size_t n = (size_t)(end - in->data) + 4 + (length != NULL ? strtoul(length + 15, NULL, 10) : 0);
	return n <= in->len ? n : 0;
}

static inline void script_read(int fd, int ready, void *arg)
{
	struct script_conn *c = arg;
	struct script_server *s = c->server;
	char piece[4096];
	(void)ready;
	ssize_t got = recv(fd, piece, sizeof(piece), 0);
	if (got <= 0) {
		s->conns_closed++;
		script_conn_close(c);
		return;
	}
	buf_add(&c->in, piece, (size_t)got);
	size_t n = script_request_len(&c->in);
	if (n == 0)
		return;
	ensure(s->requests_count < SCRIPT_REQUESTS_MAX);
	if (s->requests_count >= s->replies_count)
		fail_msg("request %zu was not expected", s->requests_count + 1);
	const struct script_reply *r = &s->replies[s->requests_count];
	s->requests[s->requests_count++] = xstrndup(c->in.data, n);
	buf_consume(&c->in, n);
	c->rest = r->bytes;
	c->then = r->then;
	script_part_send(c);
}

static inline void script_accept(int fd, int ready, void *arg)
{
	struct script_server *s = arg;
	(void)ready;
	ensure(s->conns_count < SCRIPT_CONNS_MAX);
	struct script_conn *c = &s->conns[s->conns_count++];
	*c = (struct script_conn){.server = s, .fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC)};
	ensure(c->fd >= 0);
	c->io = loop_io_new(s->loop, c->fd, LOOP_READ, script_read, c);
	c->next_part = loop_timer_new(s->loop, script_part_send, c);
}

static inline struct script_server *script_open(struct loop *l, const struct script_reply *replies,
						size_t count)
{
	struct script_server *s = xcalloc(1, sizeof(*s));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	*s = (struct script_server){.loop = l, .replies = replies, .replies_count = count};
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ensure(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&a, len) == 0 && listen(s->fd, 16) == 0);
	ensure(getsockname(s->fd, (struct sockaddr *)&a, &len) == 0);
	s->port = ntohs(a.sin_port);
	s->io = loop_io_new(l, s->fd, LOOP_READ, script_accept, s);
	return s;
}

static inline void script_close(struct script_server *s)
{
	for (size_t i = 0; i < s->conns_count; i++)
		script_conn_close(&s->conns[i]);
	for (size_t i = 0; i < s->requests_count; i++)
		free(s->requests[i]);
	loop_io_free(s->io);
	fd_close(&s->fd);
	free(s);
}

#endif
