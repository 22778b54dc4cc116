/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails when it is told to: this program's own pwrite64 and fdatasync, which the database library
 * calls instead of the system's. */
#ifndef TESTS_STORE_DISK_H
#define TESTS_STORE_DISK_H

#include <errno.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static struct disk {
	int write_errno, sync_errno; /* 0: goes well */
	int writes, syncs;           /* that were asked for */
} disk;

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	disk.writes++;
	if (disk.write_errno == 0)
		return syscall(SYS_pwrite64, fd, bytes, n, at);
	errno = disk.write_errno;
	return -1;
}

int fdatasync(int fd);
int fdatasync(int fd)
{
	disk.syncs++;
	if (disk.sync_errno == 0)
		return (int)syscall(SYS_fdatasync, fd);
	errno = disk.sync_errno;
	return -1;
}

#endif
