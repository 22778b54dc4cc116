/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framed channel: one end of a Unix stream socket on the loop. It moves frames and descriptors and knows
 * neither what a message means nor who the peer is. Here are its life and its sending; receive.c has the
 * rest.
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

enum { SEND_FRAMES_MAX = 32 }; /* queued frames handed to one sendmsg */
/* A body of that size is lent (lend.c), unless so many already are or the socket is full. */
enum { LEND_BYTES = 256 << 10, LENT_MAX = 64 };
enum { GATHER_BYTES_MAX = 4096 }; /* of a frame that may wait for others; copying more costs more */

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

void ipc_shut(struct ipc_channel *c)
{
	loop_defer_cancel(c->loop, c);
	loop_io_free(c->io);
	c->io = NULL;
	fd_close(&c->fd);
	while (c->out_first)
		waiting_drop_first(c);
	while (c->fds_count)
		fd_close(&c->fds[--c->fds_count]);
}

void ipc_free(struct ipc_channel *c)
{
	free(c->in);
	free(c);
}

void ipc_close(struct ipc_channel *c)
{
	if (!c)
		return;
	ensure(!c->closed);
	if (c->gathered)
		ipc_flush(c);
	ipc_shut(c);
	if (c->busy)
		c->closed = true;
	else
		ipc_free(c);
}

/* What was lent is taken when the peer has nothing left to read. */
static void lent_settle(struct ipc_channel *c)
{
	if (c->lent_bytes && c->fd >= 0 && !c->out_first && wire_is_drained(c->fd)) {
		c->lent_bytes = 0;
		c->lent_count = 0;
	}
}

size_t ipc_queued_bytes(struct ipc_channel *c)
{
	lent_settle(c);
	return c->out_bytes + c->lent_bytes;
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
void ipc_flush(struct ipc_channel *c)
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
	loop_io_set(c->io, LOOP_READ | (c->out_first ? LOOP_WRITE : 0));
}

void ipc_gather(struct ipc_channel *c)
{
	c->gathers = true;
}

/* The turn is over. */
static void gathered_send(void *arg)
{
	struct ipc_channel *c = arg;
	c->gathered = false;
	ipc_flush(c);
}

/* Queues what is left of the parts of a frame after `sent` bytes of them. */
static enum err ipc_queue(struct ipc_channel *c, const struct iovec parts[], size_t count, size_t left,
			  size_t sent, int fd, struct error *e)
{
	int fd_own = -1;
	if (fd >= 0 && sent == 0) {
		fd_own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd_own < 0)
			return err_set_errno(e, errno, "cannot duplicate the descriptor of a message");
	}
	struct ipc_waiting *w = malloc(sizeof(*w) + left);
	if (!w) {
		fd_close(&fd_own);
		/* Half a frame cannot be taken back: the channel is of no more use. */
		if (sent)
			send_break(c);
		return err_set(e, ERR_MEMORY, "no memory to queue %zu bytes", left);
	}
	*w = (struct ipc_waiting){.len = left, .fd = fd_own};
	char *to = w->bytes;
	for (size_t i = 0; i < count; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		sent -= skip;
		if (parts[i].iov_len > skip)
			memcpy(to, (const char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
		to += parts[i].iov_len - skip;
	}
	*c->out_last = w;
	c->out_last = &w->next;
	c->out_bytes += left;
	return ERR_NONE;
}

/* A frame that waits for the end of the turn. */
static enum err frame_gather(struct ipc_channel *c, const struct iovec parts[], size_t count, size_t total,
			     struct error *e)
{
	enum err rc = ipc_queue(c, parts, count, total, 0, -1, e);
	if (rc == ERR_NONE && !c->gathered) {
		c->gathered = true;
		loop_late(c->loop, gathered_send, c);
	}
	return rc;
}

/* parts[0] has room for the header. */
static enum err frame_send(struct ipc_channel *c, struct ipc_header h, struct iovec parts[], size_t count,
			   int fd, struct error *e)
{
	size_t total = sizeof(h) + h.body_bytes;
	ssize_t sent = 0;
	parts[0] = (struct iovec){&h, sizeof(h)};
	if (c->gathers && fd < 0 && total <= GATHER_BYTES_MAX && (c->gathered || !c->out_first))
		return frame_gather(c, parts, count, total, e);
	if (c->gathered)
		ipc_flush(c);
	if (!c->out_first && !c->send_broken) {
		sent = wire_send(c->fd, parts, count, fd);
		if (sent < 0)
			send_break(c);
	}
	if (c->send_broken)
		return err_set_errno(e, EPIPE, "cannot send %s: the peer process is gone",
				     ipc_msg_name(h.msg));
	if ((size_t)sent == total)
		return ERR_NONE;
	enum err rc = ipc_queue(c, parts, count, total - (size_t)sent, (size_t)sent, fd, e);
	if (rc == ERR_NONE)
		loop_io_set(c->io, LOOP_READ | LOOP_WRITE);
	return rc;
}

/* false: it has to go through the socket. */
static bool frame_lend(struct ipc_channel *c, struct ipc_header h, const struct iovec *body, size_t count,
		       enum err *rc, struct error *e)
{
	uint64_t bytes = h.body_bytes;
	struct iovec parts[] = {{0}, {&bytes, sizeof(bytes)}};
	if (bytes >= LEND_BYTES && c->gathered)
		ipc_flush(c);
	if (bytes < LEND_BYTES || c->out_first || c->send_broken || c->lent_count >= LENT_MAX)
		return false;
	int fd = lend_make(body, count);
	if (fd < 0)
		return false;
	h.body_bytes = sizeof(bytes);
	h.flags = HAS_FD | LENT;
	*rc = frame_send(c, h, parts, COUNT_OF(parts), fd, e);
	fd_close(&fd);
	if (*rc == ERR_NONE) {
		c->lent_bytes += bytes;
		c->lent_count++;
	}
	return true;
}

/* parts[0] is the header's. */
static enum err body_send(struct ipc_channel *c, enum ipc_msg msg, uint64_t id, struct iovec parts[],
			  size_t count, int fd, struct error *e)
{
	size_t bytes = 0;
	enum err rc;
	ensure(!c->closed);
	for (size_t i = 1; i < count; i++)
		bytes += parts[i].iov_len;
	if (c->fd < 0 || c->send_broken)
		return err_set(e, ERR_LOST, "cannot send %s: the peer process is gone", ipc_msg_name(msg));
	if (bytes > c->frame_bytes_max)
		return err_set(e, ERR_TOO_LARGE, "%s of %zu bytes is over the limit of %zu for one message",
			       ipc_msg_name(msg), bytes, c->frame_bytes_max);
	size_t waiting = ipc_queued_bytes(c);
	if (waiting > c->queue_bytes_max || sizeof(struct ipc_header) + bytes > c->queue_bytes_max - waiting)
		return err_set(e, ERR_FULL,
			       "cannot send %s: %zu bytes already wait for the peer process (limit %zu)",
			       ipc_msg_name(msg), waiting, c->queue_bytes_max);
	struct ipc_header h = {(uint32_t)bytes, (uint16_t)msg, fd >= 0 ? HAS_FD : 0, id};
	if (fd < 0 && frame_lend(c, h, parts + 1, count - 1, &rc, e))
		return rc;
	return frame_send(c, h, parts, count, fd, e);
}

static struct iovec part(struct slice s)
{
	return (struct iovec){(void *)(uintptr_t)s.ptr, s.len};
}

enum err ipc_send(struct ipc_channel *c, enum ipc_msg msg, uint64_t id, struct slice body, int fd,
		  struct error *e)
{
	struct iovec parts[] = {{0}, part(body)};
	return body_send(c, msg, id, parts, COUNT_OF(parts), fd, e);
}

enum err ipc_send_parts(struct ipc_channel *c, enum ipc_msg msg, uint64_t id, struct slice first,
			struct slice second, struct error *e)
{
	struct iovec parts[] = {{0}, part(first), part(second)};
	return body_send(c, msg, id, parts, COUNT_OF(parts), -1, e);
}
