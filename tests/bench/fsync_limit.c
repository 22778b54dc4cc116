/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk's own limit, for bench_durable.mjs: appends records to a file and syncs it, one loop, nothing
 * else. What a service can promise to have kept, it cannot promise faster.
 *
 * Usage: fsync_limit FILE BYTES RECORDS SECONDS
 * RECORDS of BYTES bytes are appended by one write before each fdatasync. Prints one line: syncs a second,
 * p50 and p99 of write and sync together in microseconds. Any failure ends the program with a message.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1 << 20 };

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fsync_limit: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: fsync_limit FILE BYTES RECORDS SECONDS\n");
		return 2;
	}
	size_t bytes = (size_t)atoll(argv[2]) * (size_t)atoll(argv[3]), n = 0;
	double end = atof(argv[4]) * 1e6, begin, at, *took = malloc(ROUNDS_MAX * sizeof(*took));
	char *record = malloc(bytes);
	int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && took && record, argv[1]);
	memset(record, 'r', bytes);
	begin = at = now_us();
	for (; n < ROUNDS_MAX && at - begin < end; n++) {
		check(write(fd, record, bytes) == (ssize_t)bytes, "write");
		check(fdatasync(fd) == 0, "fdatasync");
		double now = now_us();
		took[n] = now - at;
		at = now;
	}
	qsort(took, n, sizeof(*took), by_size);
	printf("%.1f %.1f %.1f\n", (double)n / ((at - begin) / 1e6), took[n / 2], took[n - 1 - n / 100]);
	close(fd);
	unlink(argv[1]);
	return 0;
}
