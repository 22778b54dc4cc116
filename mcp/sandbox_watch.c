/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers what the kernel asks about a confined server while the asking process waits: may it start one more
 * process or thread, may it connect or bind where only this machine may be reached (sandbox_loopback.c), and
 * what it may not, which is told once for each call that it tries. Files may always be gone on with: the
 * kernel refuses them by itself, and they are only looked at (sandbox_files.c).
 *
 * Processes: RLIMIT_NPROC counts all of a user's and none of root's, so the limit of one server is kept here.
 * What the server has is estimated from above. When the estimate reaches the limit, the question is held
 * until the processes that were allowed last have come into being, and they are counted in /proc. At the
 * limit the answer is EAGAIN, and it comes late: whoever asks in a loop waits, and costs us little.
 *
 * Refusals: more than a few hundred in a second come late, too.
 *
 * The watch ends when the last process of the server has. Should it go first, what it would have answered is
 * refused by the kernel (ENOSYS).
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { QUESTIONS_MAX = 32, LATE_MS = 50, REFUSALS_PER_SECOND_MAX = 200 };
enum { AGAIN_NS = 20000, TURN_US = 300 };
/* From Linux 6.6 on: who asks and who answers take turns on one processor. Waking another that sleeps costs
 * three times as much. */
static const unsigned long NOTIF_SET_FLAGS = _IOW('!', 4, uint64_t), SYNC_WAKE_UP = 1;

struct watch {
	struct loop *loop;
	struct loop_io *io; /* of the socket, then of the questions */
	struct loop_timer *late;
	int socket, questions; /* -1: not yet, or no more */
	const char *server;
	int group;
	enum mcp_network network;
	struct files *files;
	int64_t processes_max, estimate;
	bool told, full;
	uint64_t held;  /* full: this question, and all after it, wait until `late` */
	int held_error; /* its answer; 0: it is about a process, and looked at again then */
	bool refusal_told[SECCOMP_CALLS_MAX];
	int64_t refusals_ms; /* the second that they are counted in began then */
	int refusals;
};

static void questions_ready(int fd, int ready, void *arg);

/* --- processes --- */

static void limit_tell(struct watch *w)
{
	if (!w->told)
		log_warn("tool server is at its limit of processes and threads: it may not start more "
			 "(sandbox.processes)",
			 LF_STR("server", w->server), LF_INT("pid", w->group),
			 LF_INT("limit", w->processes_max));
	w->told = true;
}

/* --- questions --- */

static void reply(const struct watch *w, uint64_t id, int errnum)
{
	struct seccomp_notif_resp a = {.id = id, .error = -errnum};
	if (!errnum)
		a.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	ioctl(w->questions, SECCOMP_IOCTL_NOTIF_SEND, &a); /* it may have been killed meanwhile */
}

static void hold(struct watch *w, uint64_t id, int errnum)
{
	w->held = id;
	w->held_error = errnum;
	w->full = true;
}

/* To connect is here to a socket of another program: a name service's is tried by many, in good faith. */
static void refusal_tell(struct watch *w, const char *call, int place)
{
	bool network = !strcmp(call, "socket") || !strcmp(call, "connect") || !strcmp(call, "bind");
	struct log_field server = LF_STR("server", w->server), pid = LF_INT("pid", w->group),
			 name = LF_STR("call", call);
	if (w->refusal_told[place])
		return;
	w->refusal_told[place] = true;
	if (!network)
		log_warn("tool server tried what its sandbox refuses: to look into other processes or to "
			 "change the system",
			 server, pid, name);
	else if (w->network == MCP_NETWORK_NONE && !strcmp(call, "connect"))
		log_info("tool server tried to reach another program, which its sandbox refuses", server, pid,
			 name);
	else
		log_warn("tool server tried to use a network that it is not granted (sandbox.network in its "
			 "registry entry)",
			 server, pid, name);
}

static void refuse(struct watch *w, uint64_t id, int errnum)
{
	int64_t now = clock_mono_ms();
	if (now - w->refusals_ms >= 1000) {
		w->refusals_ms = now;
		w->refusals = 0;
	}
	if (w->refusals++ < REFUSALS_PER_SECOND_MAX)
		reply(w, id, errnum);
	else
		hold(w, id, errnum);
}

static void call_answer(struct watch *w, const struct seccomp_notif *q, const char *call, int place,
			int errnum)
{
	bool here =
		w->network == MCP_NETWORK_LOOPBACK && (q->data.nr == SYS_connect || q->data.nr == SYS_bind);
	int rc = here ? loopback_use(w->questions, q) : errnum;
	struct seccomp_notif_resp a = {.id = q->id, .error = -rc};
	if (rc == errnum) {
		refusal_tell(w, call, place);
		refuse(w, q->id, errnum);
	} else {
		ioctl(w->questions, SECCOMP_IOCTL_NOTIF_SEND, &a);
	}
}

static void process_answer(struct watch *w, uint64_t id)
{
	w->estimate++;
	reply(w, id, 0);
}

static void file_answer(struct watch *w, const struct seccomp_notif *q)
{
	files_take(w->files, q);
	reply(w, q->id, 0);
	files_think(w->files);
}

/* Was it about a file? */
static bool question_answer(struct watch *w, const struct seccomp_notif *q)
{
	const char *call;
	int errnum, place = seccomp_call_find(q->data.nr, &call, &errnum);
	bool of_file = w->files && file_call_name(q->data.nr);
	if (of_file)
		file_answer(w, q);
	else if (place >= 0)
		call_answer(w, q, call, place, errnum);
	else if (!w->processes_max || w->estimate < w->processes_max)
		process_answer(w, q->id);
	else
		hold(w, q->id, 0);
	return of_file;
}

static void questions_end(struct watch *w)
{
	loop_io_free(w->io);
	w->io = NULL;
	loop_timer_set(w->late, -1);
	fd_close(&w->questions);
	if (w->files)
		files_finish(w->files);
}

/* Who searches files asks again within microseconds. A wait for that, instead of one in the loop, lets the
 * kernel hand over on one processor (SYNC_WAKE_UP does so past poll, not past epoll), and halves the cost. In
 * each turn it is done for so long that others do not notice. */
static bool is_asked(struct pollfd *p, bool again, int64_t turn_end_us)
{
	struct timespec wait = {0, again && clock_mono_us() < turn_end_us ? AGAIN_NS : 0};
	return ppoll(p, 1, &wait, NULL) > 0;
}

static void questions_ready(int fd, int ready, void *arg)
{
	struct watch *w = arg;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t turn_end_us = clock_mono_us() + TURN_US;
	bool of_file = false;
	(void)ready;
	for (int i = 0; i < QUESTIONS_MAX && !w->full && is_asked(&p, of_file, turn_end_us); i++) {
		struct seccomp_notif q = {0};
		if (p.revents & POLLIN && ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &q) == 0) {
			of_file = question_answer(w, &q);
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
	if (!w->held_error)
		w->estimate = group_threads(w->group, false);
	if (w->held_error) {
		reply(w, w->held, w->held_error);
	} else if (w->estimate < w->processes_max) {
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
		ioctl(w->questions, NOTIF_SET_FLAGS, SYNC_WAKE_UP);
	if (w->questions >= 0)
		w->io = loop_io_new(w->loop, w->questions, LOOP_READ, questions_ready, w);
}

struct watch *watch_new(struct loop *l, int socket, const char *server, int group, enum mcp_network network,
			int64_t processes_max, struct files *files)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	*w = (struct watch){.loop = l,
			    .socket = socket,
			    .questions = -1,
			    .server = server,
			    .group = group,
			    .network = network,
			    .files = files,
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
