/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers what the kernel asks about a confined server while the asking process waits: may it start one more
 * process or thread, and, where only this machine may be reached, may it connect or bind there.
 *
 * Processes: RLIMIT_NPROC counts all of a user's and none of root's, so the limit of one server is kept here.
 * What the server has is estimated from above. When the estimate reaches the limit, the question is held
 * until the processes that were allowed last have come into being, and they are counted in /proc. At the
 * limit the answer is EAGAIN, and it comes late: whoever asks in a loop waits, and costs us little.
 *
 * Connections: memory of the asking process may change between our look and the kernel's, so nothing is
 * allowed by looking. The address is copied, and the call is made from here, on the process's own socket.
 *
 * The watch ends when the last process of the server has. Should it go first, what it would have answered is
 * refused by the kernel (ENOSYS).
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { QUESTIONS_MAX = 32, LATE_MS = 50, CONNECT_WAIT_US = 20000, STAT_BYTES = 512 };

struct watch {
	struct loop *loop;
	struct loop_io *io; /* of the socket, then of the questions */
	struct loop_timer *late;
	int socket, questions; /* -1: not yet, or no more */
	const char *server;
	int group;
	int64_t processes_max, estimate;
	bool told, full;
	uint64_t held; /* full: this question, and all after it, wait until `late` */
};

static void questions_ready(int fd, int ready, void *arg);

/* --- processes --- */

/* Threads of a process when it is of this group, else 0. */
static int64_t threads_of(const char *pid, int group)
{
	char path[64], text[STAT_BYTES];
	int pgrp = 0;
	long threads = 0;
	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	const char *after = strrchr(text, ')'); /* the name may hold anything */
	if (!after ||
	    sscanf(after + 1, " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld",
		   &pgrp, &threads) != 2)
		return 0;
	return pgrp == group ? threads : 0;
}

static int64_t processes_count(int group)
{
	int64_t count = 0;
	DIR *d = opendir("/proc");
	for (const struct dirent *entry; d && (entry = readdir(d));)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			count += threads_of(entry->d_name, group);
	if (d)
		closedir(d);
	return count;
}

static void limit_tell(struct watch *w)
{
	if (!w->told)
		log_warn("tool server is at its limit of processes and threads: it may not start more "
			 "(sandbox.processes)",
			 LF_STR("server", w->server), LF_INT("pid", w->group),
			 LF_INT("limit", w->processes_max));
	w->told = true;
}

/* --- connections --- */

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

/* The process a thread belongs to; 0 when it is gone. */
static int process_of(int thread)
{
	char path[64], line[128];
	int process = 0;
	snprintf(path, sizeof path, "/proc/%d/status", thread);
	FILE *f = fopen(path, "re");
	while (f && !process && fgets(line, sizeof line, f))
		sscanf(line, "Tgid: %d", &process);
	if (f)
		fclose(f);
	return process;
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
	int process = process_of(thread);
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

/* 0, or the error the caller is to see. */
static int address_use(const struct watch *w, const struct seccomp_notif *q)
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
	if (ioctl(w->questions, SECCOMP_IOCTL_NOTIF_ID_VALID, &q->id) == 0) {
		if (q->data.nr == SYS_connect)
			rc = connect_soon(fd, (struct sockaddr *)&a, (socklen_t)len);
		else
			rc = bind(fd, (struct sockaddr *)&a, (socklen_t)len) == 0 ? 0 : errno;
	}
	close(fd);
	return rc;
}

/* --- questions --- */

static void reply(const struct watch *w, uint64_t id, int errnum)
{
	struct seccomp_notif_resp a = {.id = id, .error = -errnum};
	if (!errnum)
		a.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	ioctl(w->questions, SECCOMP_IOCTL_NOTIF_SEND, &a); /* it may have been killed meanwhile */
}

static void process_answer(struct watch *w, uint64_t id)
{
	w->estimate++;
	reply(w, id, 0);
}

static void question_answer(struct watch *w, const struct seccomp_notif *q)
{
	struct seccomp_notif_resp a = {.id = q->id};
	if (q->data.nr == SYS_connect || q->data.nr == SYS_bind) {
		a.error = -address_use(w, q);
		ioctl(w->questions, SECCOMP_IOCTL_NOTIF_SEND, &a);
	} else if (!w->processes_max || w->estimate < w->processes_max) {
		process_answer(w, q->id);
	} else {
		w->held = q->id;
		w->full = true;
	}
}

static void questions_end(struct watch *w)
{
	loop_io_free(w->io);
	w->io = NULL;
	loop_timer_set(w->late, -1);
	fd_close(&w->questions);
}

static void questions_ready(int fd, int ready, void *arg)
{
	struct watch *w = arg;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	(void)ready;
	for (int i = 0; i < QUESTIONS_MAX && !w->full && poll(&p, 1, 0) > 0; i++) {
		struct seccomp_notif q = {0};
		if (p.revents & POLLIN && ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &q) == 0) {
			question_answer(w, &q);
		} else if (p.revents & POLLHUP) {
			questions_end(w);
			return;
		}
	}
	if (w->full) {
		loop_io_set(w->io, 0);
		loop_timer_set(w->late, LATE_MS);
	}
}

static void late_fired(void *arg)
{
	struct watch *w = arg;
	if (!w->io)
		return;
	w->full = false;
	w->estimate = processes_count(w->group);
	if (w->estimate < w->processes_max) {
		process_answer(w, w->held);
	} else {
		limit_tell(w);
		reply(w, w->held, EAGAIN);
	}
	loop_io_set(w->io, LOOP_READ);
}

/* --- the descriptor of the questions --- */

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

bool watch_send(int socket, int listener)
{
	char byte = 0;
	struct iovec part = {&byte, 1};
	union control c = {0};
	struct msghdr m = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = sizeof c.bytes};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &listener, sizeof listener);
	return sendmsg(socket, &m, MSG_NOSIGNAL) == 1;
}

static int descriptor_receive(int socket, bool *later)
{
	char byte;
	int fd = -1;
	struct iovec part = {&byte, 1};
	union control c;
	struct msghdr m = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = sizeof c.bytes};
	ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	*later = n < 0 && (errno == EAGAIN || errno == EINTR);
	const struct cmsghdr *h = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
	if (h && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(h), sizeof fd);
	return fd;
}

static void socket_ready(int fd, int ready, void *arg)
{
	struct watch *w = arg;
	bool later;
	(void)ready;
	w->questions = descriptor_receive(fd, &later);
	if (later)
		return;
	loop_io_free(w->io);
	w->io = NULL;
	fd_close(&w->socket);
	if (w->questions >= 0)
		w->io = loop_io_new(w->loop, w->questions, LOOP_READ, questions_ready, w);
}

struct watch *watch_new(struct loop *l, int socket, const char *server, int group, int64_t processes_max)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	*w = (struct watch){.loop = l,
			    .socket = socket,
			    .questions = -1,
			    .server = server,
			    .group = group,
			    .processes_max = processes_max,
			    .estimate = 1};
	w->late = loop_timer_new(l, late_fired, w);
	w->io = loop_io_new(l, socket, LOOP_READ, socket_ready, w);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	loop_io_free(w->io);
	loop_timer_free(w->late);
	fd_close(&w->socket);
	fd_close(&w->questions);
	free(w);
}
