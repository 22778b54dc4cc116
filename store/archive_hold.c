/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line's way to a database that a running service has open: it asks the keeper to put everything
 * into the file and to leave that alone, and then reads the file itself. Blocking, with a limit; for
 * processes that have no loop of their own. The hold is the open socket: it ends with the process at the
 * latest. A keeper that breaks it (its log has grown too much), stops or dies closes its end first, so that
 * whoever looks after reading knows whether what was read is of one piece.
 */
#include "base/base.h"
#include "store/archive_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { HOLD_MS_MAX = 30000 };

struct holding {
	bool answered;
	struct error error;
};

static void hold_answered(struct ipc_frame *f, void *arg)
{
	struct holding *h = arg;
	struct archive_answer a = {0};
	if (f->msg != IPC_KEPT || !archive_answer_unpack(f->body, &a))
		err_set(&a.error, ERR_INTERNAL, "the keeper's answer cannot be read");
	h->error = a.error;
	h->answered = true;
}

static void hold_refused(const struct error *why, void *arg)
{
	struct holding *h = arg;
	if (h->answered)
		return;
	h->answered = true;
	err_set(&h->error, ERR_UNAVAILABLE, "the keeper does not let the database be read: %s", why->msg);
}

static int keeper_connect(const char *path, struct error *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(at.sun_path)) {
		err_set(e, ERR_NOT_FOUND, "%s: longer than a socket's path may be", path);
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	if (errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED)
		err_set(e, ERR_NOT_FOUND, "%s: no service listens there", path);
	else if (errno == EAGAIN)
		err_set(e, ERR_UNAVAILABLE, "%s: too many others read the database", path);
	else
		err_set_errno(e, errno, "%s: cannot be connected to", path);
	fd_close(&fd);
	return -1;
}

/* Turns until there is an answer, or none in time. */
static void hold_wait(struct loop *l, struct holding *h)
{
	int64_t until_ms = clock_mono_ms() + HOLD_MS_MAX, left_ms;
	while (!h->answered && (left_ms = until_ms - clock_mono_ms()) > 0)
		loop_turn(l, (int)left_ms);
	if (!h->answered)
		err_set(&h->error, ERR_TIMEOUT, "the keeper did not answer within %d s", HOLD_MS_MAX / 1000);
}

int archive_hold(const char *socket_path, struct error *e)
{
	struct holding h = {0};
	int fd = keeper_connect(socket_path, e);
	if (fd < 0)
		return -1;
	/* The channel closes what it is given; the hold is the copy. */
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (kept < 0) {
		err_set_errno(e, errno, "%s: no further descriptor", socket_path);
		fd_close(&fd);
		return -1;
	}
	struct loop *l = loop_new();
	struct ipc_handler handler = {hold_answered, hold_refused, &h};
	struct ipc_channel *c = ipc_open(l, fd, KEPT_OVERHEAD_BYTES, 2 * KEPT_OVERHEAD_BYTES, handler);
	if (ipc_send(c, IPC_KEPT_HOLD, 1, (struct slice){0}, -1, &h.error) == ERR_NONE)
		hold_wait(l, &h);
	ipc_close(c);
	loop_free(l);
	if (h.error.code == ERR_NONE)
		return kept;
	*e = h.error;
	fd_close(&kept);
	return -1;
}

bool archive_hold_kept(int fd)
{
	char byte;
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}
