/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sendmsg and recvmsg with SCM_RIGHTS, so that the channel above reads as what it does and not as how control
 * messages are laid out. Keeps no state and knows no frames. Never blocks and never raises SIGPIPE. Received
 * descriptors are close-on-exec from the start, so that no child started meanwhile can inherit one.
 */
#include "base/base.h"
#include "ipc/ipc_int.h"

#include <errno.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { FDS_PER_READ_MAX = 16 };

ssize_t wire_send(int sock, struct iovec *iov, size_t iov_count, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = iov_count};
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.space;
		m.msg_controllen = sizeof(control.space);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	for (;;) {
		ssize_t n = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			return n;
		/* ETOOMANYREFS: too many descriptors are in flight between processes; it passes. */
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ETOOMANYREFS)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}

/* Takes the descriptors that came with one recvmsg; false when some were lost. */
static bool fds_collect(struct msghdr *m, struct wire_fds *out)
{
	bool complete = !(m->msg_flags & MSG_CTRUNC);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (*out->count < out->max) {
				out->fds[(*out->count)++] = fd;
			} else {
				fd_close(&fd);
				complete = false;
			}
		}
	}
	return complete;
}

ssize_t wire_receive(int sock, void *p, size_t n, struct wire_fds *out)
{
	union {
		char space[CMSG_SPACE(FDS_PER_READ_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {p, n};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.space,
			   .msg_controllen = sizeof(control.space)};
	ssize_t got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0 && (errno == EWOULDBLOCK || errno == EINTR))
		errno = EAGAIN;
	if (got >= 0 && !fds_collect(&m, out)) {
		errno = EMFILE;
		return -1;
	}
	return got;
}

bool wire_is_drained(int sock)
{
	int left;
	return ioctl(sock, SIOCOUTQ, &left) == 0 && left == 0;
}
