/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the ipc room: the system calls that carry bytes and descriptors, apart from what frames mean. */
#ifndef IPC_IPC_INT_H
#define IPC_IPC_INT_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

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

#endif
