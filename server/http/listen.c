/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections on a socket that all workers share. The socket is not ours: it is neither made nor
 * closed here.
 *
 * A few at a time, so that a burst spreads over the workers that wake for it and does not starve the
 * connections that are open. When the system has no descriptor or memory left, accepting pauses for a moment:
 * the clients wait in the backlog (or are taken by another worker) instead of this process spinning on a
 * readable socket that it cannot accept from.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ACCEPTS_PER_WAKE = 8, PAUSE_MS = 100, PAUSE_LOG_MS = 60000 };

struct http_listener {
	struct http *http;
	int fd;
	struct loop_io *io;
	struct loop_timer *pause;
	int64_t pause_logged_ms;
};

static void on_pause_over(void *arg)
{
	struct http_listener *l = arg;

	loop_io_set(l->io, LOOP_READ);
}

/* Once a while: the shortage lasts as long as its cause, and a pause is short. */
static void pause_log(struct http_listener *l, int errnum)
{
	int64_t now_ms = clock_mono_ms();

	if (l->pause_logged_ms && now_ms - l->pause_logged_ms < PAUSE_LOG_MS)
		return;
	l->pause_logged_ms = now_ms;
	log_warn("cannot accept connections, pausing: raise the limit of open files, or look for what holds "
		 "them",
		 LF_STR("error", strerror(errnum)), LF_INT("pause_ms", PAUSE_MS));
}

static void accept_failed(struct http_listener *l, int errnum)
{
	switch (errnum) {
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
	case EPROTO: return;
	default:
		pause_log(l, errnum);
		loop_io_set(l->io, 0);
		loop_timer_set(l->pause, PAUSE_MS);
	}
}

static void on_connection(int fd, int ready, void *arg)
{
	struct http_listener *l = arg;

	(void)ready;
	for (int i = 0; i < ACCEPTS_PER_WAKE; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0) {
			accept_failed(l, errno);
			return;
		}
		http_conn_open(l->http, client);
	}
}

struct http_listener *http_listener_new(struct http *h, int fd)
{
	struct http_listener *l = xcalloc(1, sizeof(*l));

	l->http = h;
	l->fd = fd;
	l->io = loop_io_new(h->loop, fd, LOOP_READ, on_connection, l);
	l->pause = loop_timer_new(h->loop, on_pause_over, l);
	return l;
}

void http_listener_free(struct http_listener *l)
{
	if (!l)
		return;
	loop_timer_free(l->pause);
	loop_io_free(l->io);
	free(l);
}
