/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket: one for all workers, owned by the master, so that no connection waits on a dead
 * worker. The children of a master that was killed have it for a moment longer: a start right after it waits
 * for them.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_USE_WAIT_MS = 2000, IN_USE_STEP_US = 20000 };

static int address_port(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof a;
	if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					     : ((struct sockaddr_in *)&a)->sin_port);
}

static int address_listen(const struct addrinfo *a, int backlog)
{
	int one = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, backlog) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Of the first address that can be had; -1 with errno. */
static int addresses_listen(const struct addrinfo *list, int backlog)
{
	/* A name may have addresses of a family this machine lacks; any other failure is the answer. */
	int fd = -1, saved = EAFNOSUPPORT;
	for (const struct addrinfo *a = list;
	     a != NULL && fd < 0 && (saved == EAFNOSUPPORT || saved == EADDRNOTAVAIL); a = a->ai_next) {
		fd = address_listen(a, backlog);
		saved = errno;
	}
	errno = saved;
	return fd;
}

enum err listen_open(const struct conf *c, int *fd, int *port, struct error *e)
{
	char service[8];
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
			*list;
	snprintf(service, sizeof service, "%d", (int)c->server.port);
	int bad = getaddrinfo(c->server.host, service, &hints, &list);
	if (bad != 0)
		return err_set_field(e, ERR_CONFIG, "server.host", "cannot find the address \"%s\": %s",
				     c->server.host, gai_strerror(bad));
	int64_t until_ms = clock_mono_ms() + IN_USE_WAIT_MS;
	*fd = addresses_listen(list, (int)c->server.backlog);
	while (*fd < 0 && errno == EADDRINUSE && clock_mono_ms() < until_ms) {
		usleep(IN_USE_STEP_US);
		*fd = addresses_listen(list, (int)c->server.backlog);
	}
	int saved = errno;
	freeaddrinfo(list);
	if (*fd < 0)
		return err_set_errno(e, saved, "cannot listen on %s port %d (server.host, server.port)",
				     c->server.host, (int)c->server.port);
	*port = address_port(*fd);
	return ERR_NONE;
}
