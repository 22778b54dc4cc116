/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large bodies in memory of their own: the sender writes one into a memfd, whose descriptor rides on a small
 * frame, and the receiver maps it for the time of its callback. So a result of megabytes is copied once
 * between our processes instead of in and out of a socket that holds a fifth of it. The memory is sealed
 * against shrinking, which is checked before it is read: no peer can take it away meanwhile.
 */
#include "base/base.h"
#include "ipc/ipc_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool all_written(int fd, struct iovec part)
{
	while (part.iov_len) {
		ssize_t n = write(fd, part.iov_base, part.iov_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		part.iov_base = (char *)part.iov_base + n;
		part.iov_len -= (size_t)n;
	}
	return true;
}

int lend_make(const struct iovec *parts, size_t count)
{
	int fd = memfd_create("agent-runtime-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool ok = fd >= 0;
	for (size_t i = 0; ok && i < count; i++)
		ok = all_written(fd, parts[i]);
	if (ok && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	fd_close(&fd);
	return -1;
}

enum err lend_take(int fd, size_t len, struct slice *out, struct error *e)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	*out = (struct slice){"", 0};
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) != 0 || (uint64_t)st.st_size != len ||
	    !len)
		return err_set(e, ERR_INVALID, "the peer process lent memory that is not what it said");
	void *p = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		return err_set_errno(e, errno, "cannot map a message of %zu bytes", len);
	*out = (struct slice){p, len};
	return ERR_NONE;
}

void lend_drop(struct slice mapped)
{
	if (mapped.len)
		munmap((void *)(uintptr_t)mapped.ptr, mapped.len);
}
