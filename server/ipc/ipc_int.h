/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the ipc room: the system calls that carry bytes, descriptors and memory, apart from what frames
 * mean. */
#ifndef IPC_IPC_INT_H
#define IPC_IPC_INT_H

#include "base/base.h"
#include "ipc/ipc.h"

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* --- ipc.c --- */

enum { FDS_WAITING_MAX = 32 }; /* descriptors received ahead of the end of their frames */

/* ipc_header.flags. LENT: the body is a u64, its real length, and the descriptor is the memory it lies in. */
enum { HAS_FD = 1, LENT = 2 };

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
	size_t lent_bytes; /* of frames that the peer may not have taken yet */
	int lent_count;
	bool gathers, gathered; /* ipc_gather; and what is queued goes at the end of this turn */
	bool send_broken;       /* a write failed: nothing more is sent; the end of file will follow */

	bool busy;   /* inside one of the handler's callbacks */
	bool closed; /* ipc_close was called while busy: freed when the callback returns */
};

/* Hands the head of the queue to the socket. */
void ipc_flush(struct ipc_channel *c);
/* Gives back everything that belongs to the connection; the input buffer stays, a callback may be reading it.
 */
void ipc_shut(struct ipc_channel *c);
void ipc_free(struct ipc_channel *c);

/* --- receive.c --- */

/* The loop's callback. */
void ipc_on_ready(int fd, int ready, void *arg);

/* --- wire.c --- */

/* Where received descriptors go: appended to fds[*count], at most `max` in all. They are the caller's to
 * close. */
struct wire_fds {
	int *fds;
	size_t *count;
	size_t max;
};

/* One non-blocking sendmsg; `fd` (or -1) goes with the first byte. Bytes taken, 0 when the socket is full, -1
 * with errno when the connection is of no more use. */
ssize_t wire_send(int sock, struct iovec *iov, size_t iov_count, int fd);
/* One non-blocking recvmsg. Bytes read, 0 at the end of file, -1 with errno: EAGAIN when there is nothing
 * now, EMFILE when descriptors did not fit (here or in the process). */
ssize_t wire_receive(int sock, void *p, size_t n, struct wire_fds *out);
/* Does the peer still have bytes to read that were sent? */
bool wire_is_drained(int sock);

/* --- lend.c --- */

/* Memory that holds the parts one behind the other and cannot shrink, as a descriptor; -1 when there is none
 * to be had. */
int lend_make(const struct iovec *parts, size_t count);
/* Maps `len` bytes of it, read-only; until lend_drop. ERR_INVALID: the peer did not make it as above. */
must_check enum err lend_take(int fd, size_t len, struct slice *out, struct error *e);
void lend_drop(struct slice mapped);

#endif
