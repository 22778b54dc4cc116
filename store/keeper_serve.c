/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's sockets: one to each worker, handed over by the master, and one that listens in the file
 * system for the command line, open to this service's user only. It moves frames between them and
 * keeper_answer.c and knows nothing of what is asked, except that a client may hold the database file.
 *
 * A held file is read by another process, which sees neither our log nor our locks: while any client holds
 * it, nothing is moved from the log into it. The log grows meanwhile, so a hold may be broken; who held finds
 * its socket closed and knows that what it read may be torn.
 *
 * A client owns its channel and is on keeper.clients until it is closed: at the end of its socket, after a
 * frame that cannot be read, when it does not take its answers, or when its hold is broken. The keeper works
 * without the listening socket; then the command line has to wait until the service is stopped.
 */
#include "base/base.h"
#include "store/archive_int.h"
#include "store/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { VISITORS_MAX = 16, BACKLOG = 16 };

struct keeper_client {
	LIST_ENTRY(keeper_client) link;
	struct keeper *keeper;
	struct ipc_channel *channel;
	bool visitor; /* not a worker: it came through the listening socket */
	bool holds;
	bool busy, closed; /* freed when the frame under way is done with */
};

/* --- clients --- */

static size_t visitors_count(const struct keeper *k)
{
	const struct keeper_client *c;
	size_t n = 0;
	LIST_FOREACH(c, &k->clients, link)
	n += c->visitor;
	return n;
}

static void held_set(struct keeper *k)
{
	const struct keeper_client *c;
	k->held = false;
	LIST_FOREACH(c, &k->clients, link)
	k->held |= c->holds;
}

static void client_close(struct keeper_client *c)
{
	struct keeper *k = c->keeper;
	if (c->closed)
		return;
	c->closed = true;
	LIST_REMOVE(c, link);
	ipc_close(c->channel);
	held_set(k);
	if (k->listener)
		loop_io_set(k->listener, LOOP_READ);
	if (!c->busy)
		free(c);
}

static void client_answer(struct keeper_client *c, const struct ipc_frame *f)
{
	struct buf body = BUF_INIT;
	struct error e = {0};
	enum err code;
	if (!keeper_answer(c->keeper, f, &body, &code)) {
		log_error("a question to the keeper cannot be read; its socket is closed",
			  LF_STR("message", ipc_msg_name(f->msg)), LF_INT("bytes", f->body.len));
		client_close(c);
	} else if (!c->closed &&
		   ipc_send(c->channel, IPC_KEPT, f->id, buf_slice(&body), -1, &e) != ERR_NONE) {
		log_warn("the keeper's answer was not taken; the socket is closed", LF_STR("error", e.msg));
		client_close(c);
	} else if (!c->closed && f->msg == IPC_KEPT_HOLD && code == ERR_NONE) {
		c->holds = true;
		held_set(c->keeper);
	}
	buf_release(&body);
}

static void frame_received(struct ipc_frame *f, void *arg)
{
	struct keeper_client *c = arg;
	c->busy = true;
	client_answer(c, f);
	c->busy = false;
	if (c->closed)
		free(c);
}

static void channel_closed(const struct error *why, void *arg)
{
	(void)why;
	client_close(arg);
}

static void client_add(struct keeper *k, int fd, bool visitor)
{
	struct keeper_client *c = xcalloc(1, sizeof *c);
	struct ipc_handler h = {frame_received, channel_closed, c};
	c->keeper = k;
	c->visitor = visitor;
	c->channel = ipc_open(k->loop, fd, k->options.frame_bytes_max, k->options.queue_bytes_max, h);
	LIST_INSERT_HEAD(&k->clients, c, link);
}

void keeper_add_worker(struct keeper *k, int fd)
{
	client_add(k, fd, false);
}

void keeper_hold_break(struct keeper *k)
{
	struct keeper_client *c, *next;
	for (c = LIST_FIRST(&k->clients); c; c = next) {
		next = LIST_NEXT(c, link);
		if (c->holds)
			client_close(c);
	}
}

/* --- the listening socket --- */

static void on_listener(int fd, int ready, void *arg)
{
	struct keeper *k = arg;
	(void)ready;
	/* Those over the limit wait in the backlog until another has gone. */
	if (visitors_count(k) >= VISITORS_MAX) {
		loop_io_set(k->listener, 0);
		return;
	}
	int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (got >= 0) {
		client_add(k, got, true);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		log_warn("the command line cannot be let in until a client has gone",
			 LF_STR("error", strerror(errno)));
		loop_io_set(k->listener, 0);
	}
}

/* A socket file that is there was left by a keeper that died: this one has the database to itself. */
static enum err stale_remove(const char *path, struct error *e)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? ERR_NONE : err_set_errno(e, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s: is not a socket, and is left as it is", path);
	return unlink(path) == 0 ? ERR_NONE : err_set_errno(e, errno, "%s: cannot be replaced", path);
}

static enum err listener_bind(int fd, const char *path, struct error *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof at.sun_path)
		return err_set(e, ERR_CONFIG, "%s: longer than the %zu bytes a socket's path may have", path,
			       sizeof at.sun_path - 1);
	memcpy(at.sun_path, path, strlen(path));
	enum err rc = stale_remove(path, e);
	if (rc != ERR_NONE)
		return rc;
	mode_t mask = umask(0177);
	int bound = bind(fd, (struct sockaddr *)&at, sizeof at);
	int why = errno;
	umask(mask);
	if (bound != 0)
		return err_set_errno(e, why, "%s: cannot be made", path);
	return listen(fd, BACKLOG) == 0 ? ERR_NONE : err_set_errno(e, errno, "%s: cannot listen", path);
}

void keeper_serve_open(struct keeper *k)
{
	struct error e = {0};
	k->listen_fd = -1;
	if (!k->options.socket_path)
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	enum err rc = fd < 0 ? err_set_errno(&e, errno, "no socket can be made")
			     : listener_bind(fd, k->options.socket_path, &e);
	if (rc != ERR_NONE) {
		log_warn("the command line cannot read the database while the service runs",
			 LF_STR("error", e.msg));
		fd_close(&fd);
		return;
	}
	k->listen_fd = fd;
	k->listener = loop_io_new(k->loop, fd, LOOP_READ, on_listener, k);
}

void keeper_serve_close(struct keeper *k)
{
	if (k->listener) {
		unlink(k->options.socket_path);
		loop_io_free(k->listener);
		k->listener = NULL;
		fd_close(&k->listen_fd);
	}
	while (!LIST_EMPTY(&k->clients))
		client_close(LIST_FIRST(&k->clients));
}
