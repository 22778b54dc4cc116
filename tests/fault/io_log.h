/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What io_fault.so writes about each operation on the watched folder, and what the replayer reads: a file of
 * records, one write(2) each, in the order in which the operations ended. Acknowledgements stand between
 * them as marks, so that it is known what had been promised when the power went.
 *
 * io_fault.so is told what to do by the environment of the process it is loaded into:
 *   IO_FAULT_DIR      the folder that is watched; everything below it counts, nothing else
 *   IO_FAULT_LOG      the file of records; none: nothing is recorded
 *   IO_FAULT_CONTROL  a text file, read at each operation, so that it works at once when it is changed:
 *                       kill-before | kill-torn | kill-after | eio | enospc | short | eintr
 *                       at=N         at the N-th matching operation since the text changed (default 1)
 *                       for=ever     ... and at all matching ones after it (default once)
 *                       ops=A,B      of write sync truncate create unlink rename mkdir (default all)
 *                       path=TEXT    whose path contains TEXT
 *                       clock=S      CLOCK_REALTIME is S seconds off
 *                       mono=S       CLOCK_MONOTONIC is S seconds ahead
 *                       sql=NAME     statements are changed: normal, noindex (sql_mutant.c)
 *                     words it does not know are without effect: a serial number makes a text new
 */
#ifndef TESTS_FAULT_IO_LOG_H
#define TESTS_FAULT_IO_LOG_H

#include <stddef.h>
#include <stdint.h>

enum io_op {
	IO_WRITE,    /* data at offset */
	IO_SYNC,     /* of a file */
	IO_TRUNCATE, /* to offset: shorter, or longer (fallocate too) */
	IO_CREATE,   /* a file that was not there */
	IO_UNLINK,
	IO_RENAME, /* data is the new path */
	IO_MKDIR,
	IO_SYNC_DIR, /* of a folder: names in it are durable */
	IO_MARK,     /* data is the harness's own */
	IO_OP_COUNT
};
#define IO_OP_NAMES                                                                                \
	{                                                                                          \
		"write", "sync", "truncate", "create", "unlink", "rename", "mkdir", "sync", "mark" \
	}

struct io_rec {
	uint32_t bytes; /* of the whole record, a multiple of 8 */
	uint32_t op;
	int32_t error; /* errno when it failed; then nothing of it happened */
	uint32_t pid;
	uint64_t ino;
	uint64_t offset;
	uint64_t size_before;        /* of the file */
	uint32_t path_len, data_len; /* path, relative to the folder ("" is the folder itself), then data */
};

static inline const char *io_rec_path(const struct io_rec *r)
{
	return (const char *)(r + 1);
}
static inline const uint8_t *io_rec_data(const struct io_rec *r)
{
	return (const uint8_t *)(r + 1) + r->path_len;
}

#endif
