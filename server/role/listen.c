/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket: one for all workers, owned by the master, so that no connection waits on a dead
 * worker. */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

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
	*fd = -1;
	/* A name may have addresses of a family this machine lacks; any other failure is the answer. */
	int saved = EAFNOSUPPORT;
	for (const struct addrinfo *a = list;
	     a != NULL && *fd < 0 && (saved == EAFNOSUPPORT || saved == EADDRNOTAVAIL); a = a->ai_next) {
		*fd = address_listen(a, (int)c->server.backlog);
		saved = errno;
	}
	freeaddrinfo(list);
	if (*fd < 0)
		return err_set_errno(e, saved, "cannot listen on %s port %d (server.host, server.port)",
				     c->server.host, (int)c->server.port);
	*port = address_port(*fd);
	return ERR_NONE;
}
