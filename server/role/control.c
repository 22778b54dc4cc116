/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages between the master and one child: a number and at most one descriptor, on a SOCK_SEQPACKET
 * socket, which keeps message borders by itself. The master has no event loop, so this is separate from the
 * framed channels of ipc.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum err control_pair(int pair[2], struct error *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return err_set_errno(e, errno, "cannot make a control socket");
	return ERR_NONE;
}

union control_space {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

enum err control_send(int control_fd, enum ipc_msg msg, int fd, struct error *e)
{
	uint32_t number = msg;
	union control_space space = {0};
	struct iovec iov = {&number, sizeof number};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd >= 0) {
		m.msg_control = space.bytes;
		m.msg_controllen = sizeof space.bytes;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	if (sendmsg(control_fd, &m, MSG_NOSIGNAL) < 0)
		return err_set_errno(e, errno, "cannot send %s", ipc_msg_name(msg));
	return ERR_NONE;
}

int control_receive(int control_fd, enum ipc_msg *msg, int *fd)
{
	uint32_t number = 0;
	union control_space space = {0};
	struct iovec iov = {&number, sizeof number};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = space.bytes,
			   .msg_controllen = sizeof space.bytes};
	ssize_t n = recvmsg(control_fd, &m, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != sizeof number)
		return -1;
	*fd = -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	*msg = (enum ipc_msg)number;
	return 1;
}
