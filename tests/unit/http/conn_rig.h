/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop, a struct http with a small handler of its own, and clients on loopback TCP (Unix sockets would not
 * show half-closed and reset connections as they are). Time is frozen; a test moves it. Nothing sleeps:
 * rig_until turns the loop while it waits for the kernel to carry bytes across.
 */
#ifndef TESTS_CONN_RIG_H
#define TESTS_CONN_RIG_H

#include "base/base.h"
#include "http/http_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { RIG_TURNS_MAX = 2000, RIG_BIG_BYTES = 8 << 20 };

struct rig {
	struct loop *loop;
	struct http http;
	int listen_fd;
	uint16_t port;
	int64_t now_us;
	struct http_request *held; /* "/hold" or a stream: what was not answered yet */
	int gone, ready, dispatched;
	struct buf got; /* what rig_read saw last */
	bool got_end, got_reset;
	struct buf big;
};

static struct rig rig;

static inline void rig_gone(struct http_request *r)
{
	assert_ptr_equal(r, rig.held);
	rig.held = NULL;
	rig.gone++;
}

static inline void rig_ready(struct http_request *r)
{
	assert_ptr_equal(r, rig.held);
	rig.ready++;
}

static inline void rig_stream(struct http_request *r)
{
	rig.held = r;
	r->on_gone = rig_gone;
	http_stream_start(r, 200, "text/event-stream", NULL, (struct http_stream_handler){rig_ready});
}

/* What each path does. */
static inline void rig_dispatch(struct http_request *r)
{
	rig.dispatched++;
	if (strcmp(r->path, "/echo") == 0) {
		http_reply(r, 200, "text/plain", NULL, r->body);
	} else if (strcmp(r->path, "/hold") == 0) {
		rig.held = r;
		r->on_gone = rig_gone;
	} else if (strcmp(r->path, "/hold-deaf") == 0) {
		rig.held = r;
	} else if (strcmp(r->path, "/stream") == 0) {
		rig_stream(r);
	} else if (strcmp(r->path, "/big") == 0) {
		http_reply(r, 200, "text/plain", NULL, buf_slice(&rig.big));
	} else if (strcmp(r->path, "/none") == 0) {
		http_reply(r, 204, NULL, NULL, SLICE_LIT("not sent"));
	} else if (strcmp(r->path, "/split") == 0) {
		http_reply(r, 200, "text/plain", "X: a\r\n\r\nevil", SLICE_LIT(""));
	} else if (strcmp(r->path, "/error") == 0) {
		http_reply_errorf(r, ERR_FULL, "/prompt", "no room for \"%s\"", "it");
	} else {
		http_reply(r, 200, "text/plain", "ETag: \"1\"\r\n", slice_str(r->path));
	}
}

static inline int rig_start(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(a);

	(void)state;
	memset(&rig, 0, sizeof(rig));
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	rig.now_us = 1000000000;
	clock_fake_set(rig.now_us, 1700000000000);
	rig.loop = loop_new();
	rig.http.loop = rig.loop;
	rig.http.dispatch = rig_dispatch;
	rig.http.options = (struct http_options){.header_bytes_max = 2000,
						 .header_count_max = 20,
						 .target_bytes_max = 200,
						 .body_bytes_max = 200000,
						 .request_ms_max = 5000,
						 .idle_ms_max = 20000,
						 .send_ms_max = 8000,
						 .connections_max = 4};
	http_conns_new(&rig.http);
	rig.http.drain_timer = loop_timer_new(rig.loop, NULL, NULL);
	rig.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(rig.listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(rig.listen_fd, 64), 0);
	assert_int_equal(getsockname(rig.listen_fd, (struct sockaddr *)&a, &n), 0);
	rig.port = ntohs(a.sin_port);
	return 0;
}

static inline int rig_stop(void **state)
{
	(void)state;
	http_conns_free(&rig.http);
	loop_timer_free(rig.http.drain_timer);
	loop_free(rig.loop);
	buf_release(&rig.got);
	buf_release(&rig.big);
	close(rig.listen_fd);
	clock_fake_clear();
	return 0;
}

static inline void rig_turns(int n)
{
	while (n-- > 0)
		loop_turn(rig.loop, 0);
}

static inline void rig_time_pass(int64_t ms)
{
	rig.now_us += ms * 1000;
	clock_fake_set(rig.now_us, 1700000000000 + rig.now_us / 1000);
	rig_turns(3);
}

/* A client's socket whose other end is not yet accepted. */
static inline int rig_connect(void)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(rig.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 64 << 10;

	/* Fixed, or the kernel grows it to take the largest answers whole. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fd_set_nonblock(fd, NULL), ERR_NONE);
	return fd;
}

static inline int rig_client(void)
{
	int fd = rig_connect();
	int server = accept4(rig.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	assert_true(server >= 0);
	http_conn_open(&rig.http, server);
	rig_turns(2);
	return fd;
}

static inline void rig_send_bytes(int fd, const char *p, size_t n)
{
	for (int turn = 0; n > 0; turn++) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		assert_true(turn < RIG_TURNS_MAX);
		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		}
		loop_turn(rig.loop, 1);
	}
	rig_turns(3);
}

static inline void rig_send(int fd, const char *text)
{
	rig_send_bytes(fd, text, strlen(text));
}

/* Takes what is there into rig.got. */
static inline void rig_take(int fd)
{
	char text[65536];
	ssize_t n;

	while ((n = recv(fd, text, sizeof(text), 0)) > 0)
		buf_add(&rig.got, text, (size_t)n);
	rig.got_end = n == 0;
	rig.got_reset = n < 0 && errno == ECONNRESET;
}

/* Reads until `text` has come, the client's connection is over, or (text NULL) it is over. */
static inline const char *rig_read(int fd, const char *text)
{
	buf_reset(&rig.got);
	rig.got_end = rig.got_reset = false;
	for (int turn = 0; turn < RIG_TURNS_MAX; turn++) {
		rig_take(fd);
		if (rig.got_end || rig.got_reset || (text && strstr(buf_cstr(&rig.got), text)))
			return buf_cstr(&rig.got);
		loop_turn(rig.loop, 1);
	}
	fail_msg("waited for \"%s\", got \"%s\"", text ? text : "the end", buf_cstr(&rig.got));
	return NULL;
}

/* Turns the loop until *counter reaches n. */
static inline void rig_until(const int *counter, int n)
{
	for (int turn = 0; *counter < n; turn++) {
		assert_true(turn < RIG_TURNS_MAX);
		loop_turn(rig.loop, 1);
	}
}

static inline void rig_until_connections(int n)
{
	for (int turn = 0; rig.http.conns->count != n; turn++) {
		assert_true(turn < RIG_TURNS_MAX);
		loop_turn(rig.loop, 1);
	}
}

/* The client goes with an RST. */
static inline void rig_reset(int fd)
{
	struct linger hard = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

static inline void rig_big_fill(void)
{
	for (size_t i = 0; i < RIG_BIG_BYTES / 8; i++)
		buf_add(&rig.big, "12345678", 8);
}

static inline size_t rig_count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		n++;
	return n;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_start, rig_stop)

#endif
