/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors and whole files. The two blocking calls (fd_write_all, file_read) are for the boot path and the
 * command line; nothing that runs under an event loop may use them.
 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP_BYTES = 16 << 10 };

enum err fd_set_nonblock(int fd, struct error *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set_errno(e, errno, "cannot make descriptor %d non-blocking", fd);
	return ERR_NONE;
}

void fd_close(int *fd)
{
	int saved = errno;

	/* Linux frees the descriptor even when close reports EINTR: never try again. */
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

enum err fd_socketpair(int pair[2], struct error *e)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		pair[0] = pair[1] = -1;
		return err_set_errno(e, errno, "cannot make a socket pair");
	}
	return ERR_NONE;
}

enum err fd_write_all(int fd, const void *p, size_t n, struct error *e)
{
	const char *from = p;

	while (n > 0) {
		ssize_t done = write(fd, from, n);
		if (done >= 0) {
			from += done;
			n -= (size_t)done;
		} else if (errno == EAGAIN) {
			/* Someone made our standard output non-blocking: wait for room. */
			struct pollfd wait = {.fd = fd, .events = POLLOUT};
			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			return err_set_errno(e, errno, "cannot write to descriptor %d", fd);
		}
	}
	return ERR_NONE;
}

static enum err read_to_end(int fd, const char *path, size_t max, struct buf *out, struct error *e)
{
	size_t total = 0;

	for (;;) {
		char *to = buf_grow(out, READ_STEP_BYTES);
		if (!to)
			return err_set(e, ERR_TOO_LARGE, "%s: does not fit into the buffer", path);
		ssize_t n = read(fd, to, READ_STEP_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(e, errno, "%s: cannot read", path);
		if (n == 0)
			break;
		total += (size_t)n;
		if (total > max)
			return err_set(e, ERR_TOO_LARGE, "%s: is larger than the limit of %zu bytes", path,
				       max);
		out->len += (size_t)n;
	}
	out->data[out->len] = '\0';
	return ERR_NONE;
}

enum err file_read(const char *path, size_t max, struct buf *out, struct error *e)
{
	struct stat st;
	enum err err = ERR_NONE;

	/* O_NONBLOCK: opening a FIFO would wait for a writer before we could see that it is one. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(e, errno, "%s: cannot open", path);
	if (fstat(fd, &st) < 0)
		err = err_set_errno(e, errno, "%s: cannot stat", path);
	else if (!S_ISREG(st.st_mode))
		err = err_set(e, ERR_IO, "%s: is not a regular file", path);
	else
		err = read_to_end(fd, path, max, out, e);
	fd_close(&fd);
	return err;
}
