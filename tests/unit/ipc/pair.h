/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of a channel on one loop, and what each has heard. */
#ifndef TESTS_UNIT_IPC_PAIR_H
#define TESTS_UNIT_IPC_PAIR_H

#include "base/base.h"
#include "ipc/ipc.h"

#include <stdarg.h>
#include <setjmp.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { FRAME_MAX = 1 << 20, QUEUE_MAX = 4 << 20, TURNS_MAX = 10000 };

/* What one end has heard. */
struct ear {
	struct ipc_channel *channel;
	int frames, closes;
	struct buf bodies; /* the first bytes of each, joined */
	uint64_t id;       /* of the last frame */
	enum ipc_msg msg;
	size_t len, total;
	bool same;    /* the last body was one byte repeated */
	int uneven;   /* how many were not */
	int fd;       /* taken from a frame; -1 */
	int fd_frame; /* which frame brought it, from 1 */
	bool take_fd, close_on_frame, close_on_close, answer;
	struct error why;
};

struct pair {
	struct loop *loop;
	struct ear a, b;
};

static inline void hear_frame(struct ipc_frame *f, void *arg)
{
	struct ear *ear = arg;
	ear->frames++;
	ear->id = f->id;
	ear->msg = f->msg;
	ear->len = f->body.len;
	ear->same = true;
	for (size_t i = 1; i < f->body.len; i++)
		ear->same &= f->body.ptr[i] == f->body.ptr[0];
	ear->total += f->body.len;
	ear->uneven += !ear->same;
	buf_add(&ear->bodies, f->body.ptr, f->body.len < 8 ? f->body.len : 8);
	if (f->fd >= 0 && ear->take_fd) {
		ear->fd = f->fd;
		ear->fd_frame = ear->frames;
		f->fd = -1;
	}
	struct error e;
	if (ear->answer)
		assert_int_equal(ipc_send(ear->channel, IPC_CALL_DONE, f->id, f->body, -1, &e), ERR_NONE);
	if (ear->close_on_frame) {
		struct ipc_channel *c = ear->channel;
		ear->channel = NULL;
		ipc_close(c);
	}
	/* The body outlives the close. */
	assert_int_equal(f->body.len, ear->len);
}

static inline void hear_close(const struct error *why, void *arg)
{
	struct ear *ear = arg;
	ear->closes++;
	ear->why = *why;
	if (ear->close_on_close) {
		struct ipc_channel *c = ear->channel;
		ear->channel = NULL;
		ipc_close(c);
	}
}

static inline struct ipc_channel *end_open(struct loop *l, int fd, struct ear *ear)
{
	*ear = (struct ear){.fd = -1};
	struct ipc_handler h = {hear_frame, hear_close, ear};
	return ear->channel = ipc_open(l, fd, FRAME_MAX, QUEUE_MAX, h);
}

static inline void pair_open(struct pair *p)
{
	int fds[2];
	struct error e = {0};
	p->loop = loop_new();
	assert_int_equal(fd_socketpair(fds, &e), ERR_NONE);
	end_open(p->loop, fds[0], &p->a);
	end_open(p->loop, fds[1], &p->b);
}

static inline void pair_close(struct pair *p)
{
	ipc_close(p->a.channel);
	ipc_close(p->b.channel);
	fd_close(&p->a.fd);
	fd_close(&p->b.fd);
	buf_release(&p->a.bodies);
	buf_release(&p->b.bodies);
	loop_free(p->loop);
}

/* Turns the loop until *count reaches n. */
static inline void turn_until(struct pair *p, const int *count, int n)
{
	for (int i = 0; i < TURNS_MAX && *count < n; i++)
		loop_turn(p->loop, 100);
	assert_int_equal(*count, n);
}

static inline void sent(struct ipc_channel *c, uint64_t id, struct slice body, int fd)
{
	struct error e = {0};
	if (ipc_send(c, IPC_CALL, id, body, fd, &e))
		fail_msg("%s", e.msg);
}

#endif
