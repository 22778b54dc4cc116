/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails, or kills this process, when it is told to: this program's own pwrite64 and fdatasync,
 * which the database library calls instead of the system's. */
#ifndef TESTS_STORE_DISK_H
#define TESTS_STORE_DISK_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static struct disk {
	int write_errno, sync_errno; /* of all calls; 0: they go well */
	int writes, syncs;           /* calls so far */
	int at, at_errno;   /* the at-th call of both fails with at_errno, or kills when that is 0 ... */
	bool lasting, torn; /* ... as do all later ones; half of a write is done before */
} disk;

/* What becomes of a call: 0, or an errno. */
static inline int disk_call(int usual)
{
	int n = disk.writes + disk.syncs;
	return disk.at > 0 && (n == disk.at || (disk.lasting && n > disk.at)) ? disk.at_errno : usual;
}

static inline bool disk_kills(void)
{
	return disk.at > 0 && disk.at_errno == 0 && disk.writes + disk.syncs == disk.at;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	disk.writes++;
	int bad = disk_call(disk.write_errno);
	if (disk.torn && (bad != 0 || disk_kills()))
		(void)!syscall(SYS_pwrite64, fd, bytes, n / 2, at);
	if (disk_kills())
		raise(SIGKILL);
	if (bad == 0)
		return syscall(SYS_pwrite64, fd, bytes, n, at);
	errno = bad;
	return -1;
}

int fdatasync(int fd);
int fdatasync(int fd)
{
	struct stat st;
	/* SQLite does not look at how a folder's went. */
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return (int)syscall(SYS_fdatasync, fd);
	disk.syncs++;
	int bad = disk_call(disk.sync_errno);
	if (disk_kills())
		raise(SIGKILL);
	if (bad == 0)
		return (int)syscall(SYS_fdatasync, fd);
	errno = bad;
	return -1;
}

#endif
