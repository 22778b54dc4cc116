/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving half of a channel: bytes become frames in place, descriptors find their frames, large bodies
 * that were lent are mapped for the time of a callback; the end is told once. See ipc.c for what a channel
 * owns and how it fails.
 */
#include "base/base.h"
#include "ipc/ipc.h"
#include "ipc/ipc_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	READ_BYTES = 64 << 10,  /* room offered to one recvmsg when no longer frame is under way */
	KEEP_BYTES = 256 << 10, /* an empty input buffer above this is given back */
};

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

/* Puts the memory that was lent in the place of the frame's body. */
static enum err lent_read(const struct ipc_channel *c, struct ipc_frame *f, struct error *e)
{
	struct unpack u = UNPACK(f->body);
	uint64_t bytes = unpack_u64(&u);
	if (!unpack_end(&u) || bytes > c->frame_bytes_max)
		return err_set(e, ERR_TOO_LARGE,
			       "the peer process lent %llu bytes with %s, over the limit of %zu",
			       (unsigned long long)bytes, ipc_msg_name(f->msg), c->frame_bytes_max);
	enum err rc = lend_take(f->fd, (size_t)bytes, &f->body, e);
	fd_close(&f->fd);
	return rc;
}

/* Takes the next whole frame off the input. false when there is none yet or the peer is out of step (then e
 * is set). *lent: its body is to be dropped. */
static bool in_next(struct ipc_channel *c, struct ipc_frame *f, bool *lent, struct error *e)
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
	if (h.flags & (HAS_FD | LENT)) {
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
	*lent = h.flags & LENT;
	return !*lent || lent_read(c, f, e) == ERR_NONE;
}

/* Delivers what is whole. false when the channel is gone or must end (then e is set). */
static bool ipc_deliver(struct ipc_channel *c, struct error *e)
{
	struct ipc_frame f;
	bool lent;
	while (in_next(c, &f, &lent, e)) {
		struct slice body = f.body;
		c->busy = true;
		c->handler.on_frame(&f, c->handler.arg);
		c->busy = false;
		fd_close(&f.fd);
		if (lent)
			lend_drop(body);
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

void ipc_on_ready(int fd, int ready, void *arg)
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
