/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fault tests stand on: a scratch folder with io_fault.so over the half that holds the database, a
 * shared table, and a keeper in a process of its own, as the service has it. The test is the worker and the
 * master at once: it changes tasks, waits until they are durable, and starts, stops and loses keepers.
 */
#ifndef TESTS_FAULT_RIG_H
#define TESTS_FAULT_RIG_H

#include "base/base.h"
#include "store/archive.h"
#include "store/store_db.h"
#include "tests/fault/io_log.h"

#include <sys/types.h>

enum { EXIT_BROKEN = 74, EXIT_REFUSED = 78, EXIT_NO_START = 71 }; /* as the keeper of the service */

struct rig_paths {
	char *scratch;
	char *live;  /* watched by io_fault.so */
	char *db;    /* below live, made by the backend with its parents */
	char *state; /* for what is rebuilt, not watched */
	char *log, *control;
};
extern struct rig_paths rig_paths;
extern uint64_t rig_seed; /* FAULT_SEED, or by chance; printed */
extern bool rig_long;     /* FAULT_LONG is set: everything, however long it takes */

/* First in main: starts the program anew under io_fault.so, makes the folders. */
void rig_begin(char **argv);
/* A random number; all that is random in a test comes from here or from the seed. */
uint64_t rig_random(uint64_t *state);

/* What io_fault.so is told from now on; counts begin anew. "" for nothing. */
void rig_control(const char *fmt, ...) printf_like(1);

/* Marks in the log. */
enum mark_kind { MARK_ACK_TASK = 1, MARK_ASK_DELETE, MARK_ACK_DELETE, MARK_ACK_ARTIFACT, MARK_COMMIT };
struct mark {
	uint32_t kind, index;
	uint64_t value; /* of ACK_TASK: durable up to; of COMMIT: vector_hash of what is in the database */
};
void rig_mark(enum mark_kind kind, uint32_t index, uint64_t value);
void rig_log_clear(void);
void folder_clear(const char *path);
void folder_copy(const char *from, const char *to);

/* A set of tasks with their last events, as one number. */
uint64_t vector_hash(const struct id *id, uint64_t last_seq); /* add them up */

struct keeper_how {
	bool ack_early;      /* mutant: commits when the next transaction begins */
	uint32_t merge_each; /* the log is merged into the database after so many commits */
	char sql[24];        /* mutant: words for the control file that stay when a fault is over */
};

struct rig {
	struct store *created, *worker;
	struct loop *loop;
	struct loop_io *wake_io, *gone_io, *said_io;
	struct archive *archive;
	pid_t keeper;
	int gone_fd, stop_fd, said_fd;
	bool serves, gone;
	int status;      /* of the keeper that is gone */
	struct buf said; /* what it wrote to stderr */
};

void rig_open(struct rig *r);    /* nothing on disk, nothing in the table, no keeper */
void rig_close(struct rig *r);   /* kills a keeper */
void rig_restart(struct rig *r); /* the whole service: a new table, no keeper, the disk as it is */
/* Starts a keeper and waits until it serves; false when it ended instead. */
bool rig_keeper_start(struct rig *r, const struct keeper_how *how);
void rig_keeper_stop(struct rig *r); /* in order; waits */
void rig_keeper_kill(struct rig *r);
void rig_keeper_freeze(struct rig *r, bool frozen); /* so that the disk stands still */
/* So much time has passed, and the keeper looks at the clock; control as in rig_control. */
void rig_time_pass(struct rig *r, int seconds, const char *control);
/* One turn of the worker's loop. */
void rig_turn(struct rig *r);

/* --- keeper_child.c --- */
struct keeper_ends {
	int archive_fd, stop_fd, ready_fd;
};
_Noreturn void keeper_child(struct store *created, const struct keeper_how *how,
			    const struct keeper_ends *ends);

enum { WORKER, KEEPER, PARTICIPANTS };

#endif
