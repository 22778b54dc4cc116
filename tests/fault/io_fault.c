/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_fault.so, to be preloaded: stands before the calls by which files are changed, records those on the
 * watched folder and lets them fail, tear or kill as io_plan.c says (io_log.h has the manual).
 *
 * What it does not see: writes through a mapping, and the calls no database here makes (pwritev, O_TMPFILE,
 * link, copy_file_range). Calls outside of the folder pass unchanged. Its functions take the place of the C
 * library's, so they reach the kernel by system calls; a process is assumed to change the folder from one
 * thread only, as the keeper does.
 */
#include "tests/fault/io_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 1024 };
static char *fd_path[FDS]; /* of open descriptors below the folder */

#define HOOK __attribute__((visibility("default")))

/* --- which calls are ours --- */

/* true and the path relative to the folder, when it is there or below. */
static bool inside(int dir, const char *path, char out[PATH_MAX])
{
	const char *folder = io_plan_folder();
	size_t n = strlen(folder);
	char whole[PATH_MAX];
	if (!n)
		return false;
	if (path[0] != '/' && dir != AT_FDCWD) {
		if (dir < 0 || dir >= FDS || !fd_path[dir])
			return false;
		snprintf(out, PATH_MAX, "%.2000s%s%.2000s", fd_path[dir], *fd_path[dir] ? "/" : "", path);
		return true;
	}
	if (path[0] != '/') {
		char cwd[PATH_MAX];
		if (!getcwd(cwd, sizeof cwd))
			return false;
		snprintf(whole, sizeof whole, "%.2000s/%.2000s", cwd, path);
	} else {
		snprintf(whole, sizeof whole, "%s", path);
	}
	if (strncmp(whole, folder, n) != 0 || (whole[n] && whole[n] != '/'))
		return false;
	const char *rest = whole + n;
	rest += strspn(rest, "/");
	snprintf(out, PATH_MAX, "%s", rest);
	for (size_t len = strlen(out); len && out[len - 1] == '/'; len--)
		out[len - 1] = 0;
	return true;
}

static bool ours(int fd)
{
	return fd >= 0 && fd < FDS && fd_path[fd];
}

static struct io_rec rec_of(int fd, enum io_op op)
{
	struct stat st = {0};
	int saved = errno;
	fstat(fd, &st);
	errno = saved;
	return (struct io_rec){.op = op, .ino = st.st_ino, .size_before = (uint64_t)st.st_size};
}

/* What a call that is done wholly or not at all becomes: 0, or -1 with errno. Kills where it must. */
static int before(enum io_op op, const char *path, enum io_fault *fault)
{
	*fault = io_plan_next(op, path);
	switch (*fault) {
	case FAULT_KILL_BEFORE:
	case FAULT_KILL_TORN: io_plan_die();
	case FAULT_EIO: errno = EIO; return -1;
	case FAULT_ENOSPC: errno = ENOSPC; return -1;
	case FAULT_EINTR: errno = EINTR; return -1;
	default: return 0;
	}
}

static long after(struct io_rec *r, const char *path, const void *data, enum io_fault fault, long result)
{
	r->error = result < 0 ? errno : 0;
	io_plan_record(r, path, data);
	if (fault == FAULT_KILL_AFTER)
		io_plan_die();
	return result;
}

/* --- files by descriptor --- */

static ssize_t hooked_write(int fd, const void *p, size_t n, off_t at)
{
	struct io_rec r = rec_of(fd, IO_WRITE);
	const char *path = fd_path[fd];
	enum io_fault fault = io_plan_next(IO_WRITE, path);
	bool append = fcntl(fd, F_GETFL) & O_APPEND;
	r.offset = at >= 0 ? (uint64_t)at : append ? r.size_before : (uint64_t)lseek(fd, 0, SEEK_CUR);
	if (fault == FAULT_KILL_BEFORE)
		io_plan_die();
	if (fault == FAULT_EIO || fault == FAULT_ENOSPC || fault == FAULT_EINTR) {
		errno = fault == FAULT_EIO ? EIO : fault == FAULT_ENOSPC ? ENOSPC : EINTR;
		return after(&r, path, NULL, fault, -1);
	}
	if ((fault == FAULT_KILL_TORN || fault == FAULT_SHORT) && n > 1)
		n /= 2;
	ssize_t done = at >= 0 ? syscall(SYS_pwrite64, fd, p, n, at) : syscall(SYS_write, fd, p, n);
	r.data_len = done > 0 ? (uint32_t)done : 0;
	return after(&r, path, p, fault == FAULT_KILL_TORN ? FAULT_KILL_AFTER : fault, done);
}

HOOK ssize_t write(int fd, const void *p, size_t n)
{
	return ours(fd) ? hooked_write(fd, p, n, -1) : syscall(SYS_write, fd, p, n);
}
HOOK ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return ours(fd) ? hooked_write(fd, p, n, at) : syscall(SYS_pwrite64, fd, p, n, at);
}
HOOK ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite(fd, p, n, at);
}
/* Ours as one write of the first piece: a legal short result, which callers must stand anyhow. */
HOOK ssize_t writev(int fd, const struct iovec *v, int n)
{
	if (!ours(fd) || n < 1)
		return syscall(SYS_writev, fd, v, n);
	while (n > 1 && v->iov_len == 0)
		n--, v++;
	return hooked_write(fd, v->iov_base, v->iov_len, -1);
}

/* Not really done: nothing here ever loses power, and what counts is that it was asked for. */
static int hooked_sync(int fd)
{
	struct stat st = {0};
	enum io_fault fault;
	fstat(fd, &st);
	struct io_rec r = rec_of(fd, S_ISDIR(st.st_mode) ? IO_SYNC_DIR : IO_SYNC);
	if (before(IO_SYNC, fd_path[fd], &fault) < 0)
		return (int)after(&r, fd_path[fd], NULL, fault, -1);
	return (int)after(&r, fd_path[fd], NULL, fault, 0);
}
HOOK int fsync(int fd)
{
	return ours(fd) ? hooked_sync(fd) : (int)syscall(SYS_fsync, fd);
}
HOOK int fdatasync(int fd)
{
	return ours(fd) ? hooked_sync(fd) : (int)syscall(SYS_fdatasync, fd);
}

HOOK int ftruncate(int fd, off_t size)
{
	enum io_fault fault;
	if (!ours(fd))
		return (int)syscall(SYS_ftruncate, fd, size);
	struct io_rec r = rec_of(fd, IO_TRUNCATE);
	r.offset = (uint64_t)size;
	int rc = before(IO_TRUNCATE, fd_path[fd], &fault);
	return (int)after(&r, fd_path[fd], NULL, fault, rc < 0 ? rc : syscall(SYS_ftruncate, fd, size));
}
HOOK int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}
HOOK int fallocate(int fd, int mode, off_t at, off_t n)
{
	enum io_fault fault;
	if (!ours(fd))
		return (int)syscall(SYS_fallocate, fd, mode, at, n);
	struct io_rec r = rec_of(fd, IO_TRUNCATE);
	r.offset = (uint64_t)(at + n) > r.size_before ? (uint64_t)(at + n) : r.size_before;
	int rc = before(IO_TRUNCATE, fd_path[fd], &fault);
	return (int)after(&r, fd_path[fd], NULL, fault,
			  rc < 0 ? rc : syscall(SYS_fallocate, fd, mode, at, n));
}
HOOK int posix_fallocate(int fd, off_t at, off_t n)
{
	return fallocate(fd, 0, at, n) == 0 ? 0 : errno;
}

/* --- opening and closing --- */

static int hooked_open(int dir, const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX];
	enum io_fault fault = FAULT_NONE;
	struct stat st;
	if (!inside(dir, name, path))
		return (int)syscall(SYS_openat, dir, name, flags, mode);
	int saved = errno;
	bool made = (flags & O_CREAT) && fstatat(dir, name, &st, 0) < 0;
	struct io_rec r = {.op = IO_CREATE};
	errno = saved;
	if (made && before(IO_CREATE, path, &fault) < 0)
		return (int)after(&r, path, NULL, fault, -1);
	int fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	if (fd >= 0 && fd < FDS) {
		free(fd_path[fd]);
		fd_path[fd] = strdup(path);
	}
	if (fd >= 0)
		r = rec_of(fd, made ? IO_CREATE : IO_TRUNCATE);
	if (made || (fd >= 0 && (flags & O_TRUNC)))
		after(&r, path, NULL, fault, fd);
	return fd;
}

#define MODE_OF(flags)                          \
	mode_t mode = 0;                        \
	if ((flags) & (O_CREAT | O_TMPFILE)) {  \
		va_list ap;                     \
		va_start(ap, flags);            \
		mode = (mode_t)va_arg(ap, int); \
		va_end(ap);                     \
	}
HOOK int open(const char *path, int flags, ...)
{
	MODE_OF(flags)
	return hooked_open(AT_FDCWD, path, flags, mode);
}
HOOK int open64(const char *path, int flags, ...)
{
	MODE_OF(flags)
	return hooked_open(AT_FDCWD, path, flags, mode);
}
HOOK int openat(int dir, const char *path, int flags, ...)
{
	MODE_OF(flags)
	return hooked_open(dir, path, flags, mode);
}
HOOK int openat64(int dir, const char *path, int flags, ...)
{
	MODE_OF(flags)
	return hooked_open(dir, path, flags, mode);
}
HOOK int creat(const char *path, mode_t mode)
{
	return hooked_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
HOOK int creat64(const char *path, mode_t mode)
{
	return creat(path, mode);
}
/* What a fortified program calls when there is no mode. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
HOOK int __open_2(const char *path, int flags)
{
	return hooked_open(AT_FDCWD, path, flags, 0);
}
HOOK int __open64_2(const char *path, int flags)
{
	return hooked_open(AT_FDCWD, path, flags, 0);
}
HOOK int __openat_2(int dir, const char *path, int flags)
{
	return hooked_open(dir, path, flags, 0);
}

HOOK int close(int fd)
{
	if (fd >= 0 && fd == io_plan_keeps())
		return 0;
	if (ours(fd)) {
		free(fd_path[fd]);
		fd_path[fd] = NULL;
	}
	return (int)syscall(SYS_close, fd);
}
HOOK int close_range(unsigned first, unsigned last, int flags)
{
	unsigned kept = (unsigned)io_plan_keeps();
	if (first <= kept && kept <= last)
		return (first == kept ? 0 : close_range(first, kept - 1, flags)) |
		       (last == kept ? 0 : close_range(kept + 1, last, flags));
	for (unsigned fd = first; fd <= last && fd < FDS && !flags; fd++)
		if (ours((int)fd)) {
			free(fd_path[fd]);
			fd_path[fd] = NULL;
		}
	return (int)syscall(SYS_close_range, first, last, flags);
}

/* --- names --- */

HOOK int unlinkat(int dir, const char *name, int flags)
{
	char path[PATH_MAX];
	enum io_fault fault;
	struct io_rec r = {.op = IO_UNLINK};
	if (!inside(dir, name, path))
		return (int)syscall(SYS_unlinkat, dir, name, flags);
	int rc = before(IO_UNLINK, path, &fault);
	return (int)after(&r, path, NULL, fault, rc < 0 ? rc : syscall(SYS_unlinkat, dir, name, flags));
}
HOOK int unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}
HOOK int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char path[PATH_MAX], new_path[PATH_MAX];
	enum io_fault fault;
	struct io_rec r = {.op = IO_RENAME};
	if (!inside(from_dir, from, path) || !inside(to_dir, to, new_path))
		return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
	r.data_len = (uint32_t)strlen(new_path) + 1;
	int rc = before(IO_RENAME, path, &fault);
	return (int)after(&r, path, new_path, fault,
			  rc < 0 ? rc : syscall(SYS_renameat2, from_dir, from, to_dir, to, 0));
}
HOOK int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
HOOK int mkdirat(int dir, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	enum io_fault fault;
	struct io_rec r = {.op = IO_MKDIR};
	if (!inside(dir, name, path))
		return (int)syscall(SYS_mkdirat, dir, name, mode);
	int rc = before(IO_MKDIR, path, &fault);
	return (int)after(&r, path, NULL, fault, rc < 0 ? rc : syscall(SYS_mkdirat, dir, name, mode));
}
HOOK int mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

/* --- clocks --- */

HOOK int clock_gettime(clockid_t clock, struct timespec *out)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, out);
	if (rc == 0 &&
	    (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE))
		out->tv_sec += io_plan_clock_s(clock == CLOCK_REALTIME);
	return rc;
}
HOOK int gettimeofday(struct timeval *out, void *zone)
{
	int rc = (int)syscall(SYS_gettimeofday, out, zone);
	if (rc == 0)
		out->tv_sec += io_plan_clock_s(true);
	return rc;
}
HOOK time_t time(time_t *out)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}
