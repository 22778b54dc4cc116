/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framed messages between our own processes over AF_UNIX SOCK_STREAM sockets, on the loop. A frame is
 * {u32 length, u16 message, u16 flags, u64 id} in host order followed by a payload; at most one descriptor
 * rides on a frame. Sending never blocks: what the socket does not take is queued up to a limit. A large body
 * does not go through the socket: it is written once into memory that the peer maps. The peer's death is an
 * end-of-file, told once through on_close; after it nothing more is sent or received.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include "base/base.h"

enum ipc_msg {
#define MSG(name, number, who) IPC_##name = number,
#include "ipc/message.def"
#undef MSG
};
const char *ipc_msg_name(enum ipc_msg m); /* "CALL", or "?" */

struct ipc_channel;

struct ipc_frame {
	enum ipc_msg msg;
	uint64_t id;
	struct slice body; /* borrowed for the callback */
	int fd; /* -1, or a descriptor the receiver now owns (take it by setting it to -1; else it is closed)
		 */
};

struct ipc_handler {
	void (*on_frame)(struct ipc_frame *f, void *arg);
	/* Peer gone or broke the framing. The channel may be closed from here. */
	void (*on_close)(const struct error *why, void *arg);
	void *arg;
};

/* Takes fd (non-blocking, close-on-exec). frame_bytes_max bounds both directions of one frame;
 * queue_bytes_max bounds what waits to be sent. */
struct ipc_channel *ipc_open(struct loop *l, int fd, size_t frame_bytes_max, size_t queue_bytes_max,
			     struct ipc_handler h);
/* From now on small frames wait for the end of the turn and go together: where many calls are under way that
 * saves a system call and a wake-up of the peer for most of them. */
void ipc_gather(struct ipc_channel *c);
void ipc_close(struct ipc_channel *c); /* closes fd; allowed inside a callback; NULL is fine */

/* Queues one frame; body is copied; `fd` (or -1) is duplicated. ERR_FULL over the queue limit, ERR_LOST after
 * the end, ERR_TOO_LARGE over the frame limit. */
must_check enum err ipc_send(struct ipc_channel *c, enum ipc_msg msg, uint64_t id, struct slice body, int fd,
			     struct error *e);
/* The same with a body in two parts, so that a large second one need not be copied to stand behind a small
 * first. */
must_check enum err ipc_send_parts(struct ipc_channel *c, enum ipc_msg msg, uint64_t id, struct slice first,
				   struct slice second, struct error *e);
/* What the peer has not taken yet, as far as we know. */
size_t ipc_queued_bytes(struct ipc_channel *c);

/* --- typed packing: write in order, read in the same order, then check the end --- */
void pack_u32(struct buf *b, uint32_t v);
void pack_u64(struct buf *b, uint64_t v);
void pack_text(struct buf *b, const char *s); /* NULL stays NULL */
void pack_slice(struct buf *b, struct slice s);

struct unpack {
	struct slice rest;
	bool bad; /* ran out or malformed; all later reads give zero */
};
#define UNPACK(s) ((struct unpack){(s), false})
uint32_t unpack_u32(struct unpack *u);
uint64_t unpack_u64(struct unpack *u);
struct slice unpack_slice(struct unpack *u); /* borrowed from the frame */
const char *unpack_text(struct unpack *u);   /* borrowed, NUL-terminated within the frame; may be NULL */
/* true when everything was read and nothing was malformed. */
bool unpack_end(const struct unpack *u);

#endif
