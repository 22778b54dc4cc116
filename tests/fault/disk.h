/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replayer: from the records of io_fault.so it builds what a disk may hold after the power was cut. What
 * had been synced is there. Of each write, truncation and change of a name since then, any part may be there
 * or not, in any order: a write in sectors of 512 bytes, a file with its old or its new size, a name until
 * its folder was synced. What a sector holds that a file grew over but that was not written is zeros, or
 * anything.
 *
 * Not modelled: a disk that says it has synced and has not, and one that spoils what was not written at all.
 */
#ifndef TESTS_FAULT_DISK_H
#define TESTS_FAULT_DISK_H

#include "base/base.h"
#include "tests/fault/io_log.h"

struct disk;

/* The whole log, loaded; ends the test when it is not one. */
struct disk *disk_load(const char *log);
void disk_free(struct disk *d);
size_t disk_ops(const struct disk *d);
const struct io_rec *disk_op(const struct disk *d, size_t i);

/* The power is cut when the operations before `at` have been begun and ended, none after. Only forwards. */
void disk_seek(struct disk *d, size_t at);

enum disk_keep {
	KEEP_ALL,
	KEEP_NONE,
	KEEP_BUT,        /* all but the one */
	KEEP_ONLY,       /* nothing but the one */
	KEEP_TORN,       /* all before the one, of which only the first sectors; none after */
	KEEP_TORN_ALONE, /* of the one the first sectors */
	KEEP_HOLED,      /* all, but one sector of the one is missing */
	KEEP_SECTORS,    /* each sector by the seed */
	KEEP_WRITES,     /* each write by the seed */
};
enum disk_size {
	SIZE_AS_KEPT, /* as far as what is kept reaches */
	SIZE_OLD,     /* no file has grown since its sync */
	SIZE_NEW,     /* each has the size it was given, whether or not it was filled */
};
/* What is left of what was not synced. */
struct disk_state {
	enum disk_keep keep;
	size_t one, sectors; /* the place in what is unsynced, oldest first */
	enum disk_size size;
	enum disk_keep names; /* ALL, NONE, BUT, TORN (those before the one) */
	size_t name;
	uint64_t seed;
	uint8_t fill; /* of what was never written */
};
/* The states worth trying at this instant, some of them chosen by the seed. The caller frees the list. */
struct disk_state *disk_states(const struct disk *d, uint64_t seed, size_t *n);

/* Makes the folder hold that state and nothing else; NULL: only tells its hash. The same hash is the same
 * state. */
uint64_t disk_build(const struct disk *d, const struct disk_state *st, const char *folder);
void disk_state_text(const struct disk_state *st, char out[128]);

/* --- shared by disk.c and disk_state.c --- */

enum { SECTOR = 512 };
struct disk_pending {
	size_t op;
	size_t file;
};
struct disk {
	struct buf log;
	const struct io_rec **ops;
	size_t ops_count, at;
	struct disk_file *files;
	size_t files_count;
	struct disk_pending *data, *names; /* not synced, oldest first */
	size_t data_count, names_count;
	struct disk_name *durable;
	size_t durable_count;
};
bool disk_keeps(const struct disk *d, const struct disk_state *st, size_t pending, size_t sector);
bool disk_keeps_name(const struct disk_state *st, size_t pending);
uint64_t mix64(uint64_t x);

#endif
