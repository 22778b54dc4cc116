/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framed channel: one end of a Unix stream socket on the loop. It moves frames and descriptors and knows
 * neither what a message means nor who the peer is.
 *
 * Owns its descriptor, the bytes received but not yet a whole frame, the descriptors received but not yet
 * claimed by their frame, and the queue of what the socket did not take. A descriptor is sent with the first
 * byte of its frame and announced by a flag in the header; the kernel keeps bytes and descriptors in order,
 * so the receiver pairs them first in, first out.
 *
 * Failing: a write error only stops the sending. The reading goes on until the end of file, because the peer
 * may have answered before it died; only then, once, on_close is called. A peer that breaks the framing (too
 * long, a descriptor announced but not sent) is cut off at once: there is no way back into step.
 */
#include "base/base.h"
#include "ipc/ipc.h"
#include "ipc/ipc_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	READ_BYTES = 64 << 10,  /* room offered to one recvmsg when no longer frame is under way */
	KEEP_BYTES = 256 << 10, /* an empty input buffer above this is given back */
	FDS_WAITING_MAX = 32,   /* descriptors received ahead of the end of their frames */
	SEND_FRAMES_MAX = 32,   /* queued frames handed to one sendmsg */
};

enum { HAS_FD = 1 }; /* ipc_header.flags */

struct ipc_header {
	uint32_t body_bytes;
	uint16_t msg;
	uint16_t flags;
	uint64_t id;
};
_Static_assert(sizeof(struct ipc_header) == 16, "the frame header has no padding");

/* A frame, or what is left of it, on the queue. Owned by the channel; freed when its last byte is sent. */
struct ipc_waiting {
	struct ipc_waiting *next;
	size_t len, sent;
	int fd; /* -1, or a duplicate that goes with the first byte */
	char bytes[];
};

struct ipc_channel {
	struct loop *loop;
	struct loop_io *io; /* NULL after the end */
	int fd;             /* -1 after the end */
	struct ipc_handler handler;
	size_t frame_bytes_max, queue_bytes_max;

	char *in; /* in[in_start..in_end) is received and not yet delivered */
	size_t in_start, in_end, in_cap;
	int fds[FDS_WAITING_MAX];
	size_t fds_count;

	struct ipc_waiting *out_first, **out_last;
	size_t out_bytes;
	bool send_broken; /* a write failed: nothing more is sent; the end of file will follow */

	bool busy;   /* inside one of the handler's callbacks */
	bool closed; /* ipc_close was called while busy: freed when the callback returns */
};

const char *ipc_msg_name(enum ipc_msg m)
{
	switch (m) {
#define MSG(name, number, who) \
	case IPC_##name:       \
		return #name;
#include "ipc/message.def"
#undef MSG
	}
	return "?";
}

static void ipc_on_ready(int fd, int ready, void *arg);

struct ipc_channel *ipc_open(struct loop *l, int fd, size_t frame_bytes_max, size_t queue_bytes_max,
			     struct ipc_handler h)
{
	ensure(fd >= 0 && frame_bytes_max <= UINT32_MAX && h.on_frame && h.on_close);
	struct ipc_channel *c = xcalloc(1, sizeof(*c));
	c->loop = l;
	c->fd = fd;
	c->handler = h;
	c->frame_bytes_max = frame_bytes_max;
	c->queue_bytes_max = queue_bytes_max;
	c->out_last = &c->out_first;
	c->io = loop_io_new(l, fd, LOOP_READ, ipc_on_ready, c);
	return c;
}

static void waiting_drop_first(struct ipc_channel *c)
{
	struct ipc_waiting *w = c->out_first;
	c->out_first = w->next;
	if (!c->out_first)
		c->out_last = &c->out_first;
	c->out_bytes -= w->len - w->sent;
	fd_close(&w->fd);
	free(w);
}

/* Gives back everything that belongs to the connection; the input buffer stays, a callback may be reading it.
 */
static void ipc_shut(struct ipc_channel *c)
{
	loop_io_free(c->io);
	c->io = NULL;
	fd_close(&c->fd);
	while (c->out_first)
		waiting_drop_first(c);
	while (c->fds_count)
		fd_close(&c->fds[--c->fds_count]);
}

static void ipc_free(struct ipc_channel *c)
{
	free(c->in);
	free(c);
}

void ipc_close(struct ipc_channel *c)
{
	if (!c)
		return;
	ensure(!c->closed);
	ipc_shut(c);
	if (c->busy)
		c->closed = true;
	else
		ipc_free(c);
}

size_t ipc_queued_bytes(const struct ipc_channel *c)
{
	return c->out_bytes;
}

/* --- sending --- */

/* The peer does not take what we say. Shutting both ways makes the reading side meet its end of file, after
 * what the peer still said, also for errors that do not come from a peer's death. */
static void send_break(struct ipc_channel *c)
{
	c->send_broken = true;
	while (c->out_first)
		waiting_drop_first(c);
	shutdown(c->fd, SHUT_RDWR);
	loop_io_set(c->io, LOOP_READ);
}

/* Hands the head of the queue to the socket; a frame with a descriptor starts a sendmsg of its own. */
static void ipc_flush(struct ipc_channel *c)
{
	struct iovec iov[SEND_FRAMES_MAX];
	size_t iov_count = 0;
	for (struct ipc_waiting *w = c->out_first; w && iov_count < SEND_FRAMES_MAX; w = w->next) {
		if (w->fd >= 0 && iov_count)
			break;
		iov[iov_count++] = (struct iovec){w->bytes + w->sent, w->len - w->sent};
	}
	if (!iov_count)
		return;
	ssize_t n = wire_send(c->fd, iov, iov_count, c->out_first->fd);
	if (n < 0) {
		send_break(c);
		return;
	}
	if (n > 0)
		fd_close(&c->out_first->fd);
	for (size_t left = (size_t)n; left;) {
		struct ipc_waiting *w = c->out_first;
		size_t part = w->len - w->sent < left ? w->len - w->sent : left;
		w->sent += part;
		c->out_bytes -= part;
		left -= part;
		if (w->sent == w->len)
			waiting_drop_first(c);
	}
	if (!c->out_first)
		loop_io_set(c->io, LOOP_READ);
}

/* Queues what is left of header and body after `sent` bytes of them. */
static enum err ipc_queue(struct ipc_channel *c, const struct ipc_header *h, struct slice body, size_t sent,
			  int fd, struct error *e)
{
	size_t total = sizeof(*h) + body.len;
	size_t header_left = sent < sizeof(*h) ? sizeof(*h) - sent : 0;
	size_t body_from = sent < sizeof(*h) ? 0 : sent - sizeof(*h);
	int fd_own = -1;
	if (fd >= 0 && sent == 0) {
		fd_own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd_own < 0)
			return err_set_errno(e, errno, "cannot duplicate the descriptor of %s",
					     ipc_msg_name(h->msg));
	}
	struct ipc_waiting *w = malloc(sizeof(*w) + total - sent);
	if (!w) {
		fd_close(&fd_own);
		/* Half a frame cannot be taken back: the channel is of no more use. */
		if (sent)
			send_break(c);
		return err_set(e, ERR_MEMORY, "no memory to queue %zu bytes", total - sent);
	}
	*w = (struct ipc_waiting){.len = total - sent, .fd = fd_own};
	memcpy(w->bytes, (const char *)h + sizeof(*h) - header_left, header_left);
	if (body.len > body_from)
		memcpy(w->bytes + header_left, body.ptr + body_from, body.len - body_from);
	*c->out_last = w;
	c->out_last = &w->next;
	c->out_bytes += w->len;
	loop_io_set(c->io, LOOP_READ | LOOP_WRITE);
	return ERR_NONE;
}

enum err ipc_send(struct ipc_channel *c, enum ipc_msg msg, uint64_t id, struct slice body, int fd,
		  struct error *e)
{
	ensure(!c->closed);
	size_t total = sizeof(struct ipc_header) + body.len;
	if (c->fd < 0 || c->send_broken)
		return err_set(e, ERR_LOST, "cannot send %s: the peer process is gone", ipc_msg_name(msg));
	if (body.len > c->frame_bytes_max)
		return err_set(e, ERR_TOO_LARGE, "%s of %zu bytes is over the limit of %zu for one message",
			       ipc_msg_name(msg), body.len, c->frame_bytes_max);
	if (total > c->queue_bytes_max - c->out_bytes)
		return err_set(e, ERR_FULL,
			       "cannot send %s: %zu bytes already wait for the peer process (limit %zu)",
			       ipc_msg_name(msg), c->out_bytes, c->queue_bytes_max);
	struct ipc_header h = {(uint32_t)body.len, (uint16_t)msg, fd >= 0 ? HAS_FD : 0, id};
	ssize_t sent = 0;
	if (!c->out_first) {
		struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)body.ptr, body.len}};
		sent = wire_send(c->fd, iov, 2, fd);
		if (sent < 0) {
			send_break(c);
			return err_set_errno(e, EPIPE, "cannot send %s: the peer process is gone",
					     ipc_msg_name(msg));
		}
	}
	return (size_t)sent == total ? ERR_NONE : ipc_queue(c, &h, body, (size_t)sent, fd, e);
}

/* --- receiving --- */

/* The end of the channel, told once. The handler may close the channel in it. */
static void ipc_end(struct ipc_channel *c, const struct error *why)
{
	ipc_shut(c);
	c->busy = true;
	c->handler.on_close(why, c->handler.arg);
	c->busy = false;
	if (c->closed)
		ipc_free(c);
}

/* Moves what is there to the front and makes room behind it: for the frame under way, or for READ_BYTES. */
static enum err in_reserve(struct ipc_channel *c, struct error *e)
{
	size_t have = c->in_end - c->in_start, want = have + READ_BYTES;
	struct ipc_header h;
	if (have >= sizeof(h)) {
		memcpy(&h, c->in + c->in_start, sizeof(h));
		if (sizeof(h) + h.body_bytes > want)
			want = sizeof(h) + h.body_bytes;
	}
	if (c->in_start && have)
		memmove(c->in, c->in + c->in_start, have);
	c->in_start = 0;
	c->in_end = have;
	bool oversized = have == 0 && c->in_cap > KEEP_BYTES;
	if (want <= c->in_cap && !oversized)
		return ERR_NONE;
	char *p = realloc(c->in, want);
	if (!p)
		return err_set(e, ERR_MEMORY, "no memory for a message of %zu bytes", want);
	c->in = p;
	c->in_cap = want;
	return ERR_NONE;
}

/* One receive. ERR_NONE with *got 0 when there is nothing now. */
static enum err in_receive(struct ipc_channel *c, size_t *got, struct error *e)
{
	*got = 0;
	enum err rc = in_reserve(c, e);
	if (rc)
		return rc;
	struct wire_fds fds = {c->fds, &c->fds_count, FDS_WAITING_MAX};
	ssize_t n = wire_receive(c->fd, c->in + c->in_end, c->in_cap - c->in_end, &fds);
	if (n < 0 && errno == EAGAIN)
		return ERR_NONE;
	if (n < 0 && errno == EMFILE)
		return err_set(e, ERR_INVALID, "descriptors of the peer process were lost on the way");
	if (n < 0)
		return err_set(e, ERR_LOST, "the connection to the peer process broke: %s", strerror(errno));
	if (n == 0)
		return err_set(e, ERR_LOST, "the peer process closed the connection%s",
			       c->in_end > c->in_start ? " in the middle of a message" : "");
	c->in_end += (size_t)n;
	*got = (size_t)n;
	return ERR_NONE;
}

/* Takes the next whole frame off the input. false when there is none yet or the peer is out of step (then e
 * is set). */
static bool in_next(struct ipc_channel *c, struct ipc_frame *f, struct error *e)
{
	struct ipc_header h;
	size_t have = c->in_end - c->in_start;
	if (have < sizeof(h))
		return false;
	memcpy(&h, c->in + c->in_start, sizeof(h));
	if (h.body_bytes > c->frame_bytes_max) {
		err_set(e, ERR_TOO_LARGE, "the peer process sent %s of %u bytes, over the limit of %zu",
			ipc_msg_name(h.msg), h.body_bytes, c->frame_bytes_max);
		return false;
	}
	if (have - sizeof(h) < h.body_bytes)
		return false;
	*f = (struct ipc_frame){h.msg, h.id, {c->in + c->in_start + sizeof(h), h.body_bytes}, -1};
	if (h.flags & HAS_FD) {
		if (!c->fds_count) {
			err_set(e, ERR_INVALID,
				"the peer process announced a descriptor with %s but sent none",
				ipc_msg_name(h.msg));
			return false;
		}
		f->fd = c->fds[0];
		memmove(c->fds, c->fds + 1, --c->fds_count * sizeof(c->fds[0]));
	}
	c->in_start += sizeof(h) + h.body_bytes;
	return true;
}

/* Delivers what is whole. false when the channel is gone or must end (then e is set). */
static bool ipc_deliver(struct ipc_channel *c, struct error *e)
{
	struct ipc_frame f;
	while (in_next(c, &f, e)) {
		c->busy = true;
		c->handler.on_frame(&f, c->handler.arg);
		c->busy = false;
		fd_close(&f.fd);
		if (c->closed) {
			ipc_free(c);
			return false;
		}
	}
	if (!e->code)
		return true;
	ipc_end(c, e);
	return false;
}

static void ipc_on_ready(int fd, int ready, void *arg)
{
	struct ipc_channel *c = arg;
	ensure(fd == c->fd && !c->busy);
	if (ready & LOOP_WRITE)
		ipc_flush(c);
	if (!(ready & LOOP_READ))
		return;
	struct error e = {0};
	size_t got;
	if (in_receive(c, &got, &e))
		ipc_end(c, &e);
	else if (got)
		ipc_deliver(c, &e);
}
