/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of a confined server that may reach this machine and no other: its own calls of connect and
 * bind are never let through. Memory of the asking process may change between our look and the kernel's, so
 * nothing is allowed by looking: the address is copied, and the call is made from here, on the process's own
 * socket.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { CONNECT_WAIT_US = 20000 };

bool address_is_loopback(const void *address, size_t len)
{
	struct sockaddr_storage a = {0};
	const struct sockaddr_in *four = (const struct sockaddr_in *)&a;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a;
	if (len > sizeof(a))
		return false;
	memcpy(&a, address, len);
	if (a.ss_family == AF_INET && len >= sizeof(*four))
		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (a.ss_family != AF_INET6 || len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return six->sin6_addr.s6_addr[12] == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static ssize_t memory_read(int pid, uint64_t at, void *out, size_t n)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? pread(fd, out, n, (off_t)at) : -1;
	fd_close(&fd);
	return got;
}

static int socket_take(int thread, int fd)
{
	int process = asker_process(thread);
	int handle = process ? (int)syscall(SYS_pidfd_open, process, 0) : -1;
	int copy = handle >= 0 ? (int)syscall(SYS_pidfd_getfd, handle, fd, 0) : -1;
	fd_close(&handle);
	return copy;
}

/* Connecting on this machine is at once or never, but for a peer whose queue is full: not waited for. */
static int connect_soon(int fd, const struct sockaddr *address, socklen_t len)
{
	struct timeval before = {0}, soon = {.tv_usec = CONNECT_WAIT_US};
	socklen_t size = sizeof before;
	getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &before, &size);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
	int rc = connect(fd, address, len) == 0 ? 0 : errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &before, sizeof before);
	return rc;
}

int loopback_use(int questions, const struct seccomp_notif *q)
{
	struct sockaddr_storage a;
	size_t len = (size_t)q->data.args[2];
	if (len > sizeof(a) || memory_read((int)q->pid, q->data.args[1], &a, len) != (ssize_t)len)
		return EFAULT;
	if (!address_is_loopback(&a, len))
		return EACCES;
	int fd = socket_take((int)q->pid, (int)q->data.args[0]);
	if (fd < 0)
		return EACCES; /* some containers do not let us take it */
	int rc = ESRCH;
	/* Whoever asked still waits, so what was read and taken is its. */
	if (ioctl(questions, SECCOMP_IOCTL_NOTIF_ID_VALID, &q->id) == 0) {
		if (q->data.nr == SYS_connect)
			rc = connect_soon(fd, (struct sockaddr *)&a, (socklen_t)len);
		else
			rc = bind(fd, (struct sockaddr *)&a, (socklen_t)len) == 0 ? 0 : errno;
	}
	close(fd);
	return rc;
}
