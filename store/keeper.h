/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's parts among themselves: keeper.c commits what is unsaved, keeper_restore.c fills the table,
 * keeper_trim.c deletes what is over its time, keeper_serve.c has the sockets of those who ask
 * the archive, keeper_answer.c the answers. */
#ifndef STORE_KEEPER_H
#define STORE_KEEPER_H

#include "store/store_int.h"
#include "store/store_db.h"

#include <sys/queue.h>

struct keeper_client; /* keeper_serve.c: one socket */
struct batch;         /* keeper.c: the transaction that is being made */

struct keeper {
	struct loop *loop;
	struct store *store;
	struct db *db;
	struct keeper_options options;
	struct loop_timer *timer; /* batch delay, the next try after a full disk */
	struct loop_timer *trim_timer;
	bool trimming;         /* there is more to delete: the next step comes soon */
	uint64_t unseen_bytes; /* so much may be written before the room in the database is looked at again */
	struct batch *batch;
	size_t left_out; /* unfinished tasks that the table had no room for */
	LIST_HEAD(, keeper_client) clients;
	int listen_fd; /* of socket_path; -1 */
	struct loop_io *listener;
	bool held;           /* a client reads the database file: no checkpoint */
	uint64_t held_bytes; /* committed since the last checkpoint, while held */
	bool broken;         /* a write or sync failed: the database is not touched any more */
};

/* Runs fn in a transaction of its own, between two commits. What it failed with; ERR_NO_SPACE and ERR_IO have
 * set the health. */
typedef enum err keeper_change_fn(struct db *d, void *arg, struct error *e);
must_check enum err keeper_transact(struct keeper *k, keeper_change_fn *fn, void *arg, struct error *e);
/* Commits everything that is unsaved now. */
must_check enum err keeper_flush(struct keeper *k, struct error *e);
/* After a commit of so many bytes: moves the log into the database when it has grown, unless a client holds
 * the file; a hold that lets the log grow too far is broken. */
must_check enum err keeper_checkpoint(struct keeper *k, size_t bytes, struct error *e);
/* Takes note of an error of the database (ERR_NO_SPACE, ERR_IO; others are the caller's); returns it. */
enum err keeper_failed(struct keeper *k, enum err code, const struct error *e);

/* Unfinished tasks that are not in the table yet. */
must_check enum err keeper_restore_rest(struct keeper *k, struct error *e);

void keeper_serve_open(struct keeper *k); /* listens on options.socket_path */
void keeper_serve_close(struct keeper *k);
/* Clients that read the database file are cut off; held is false then. */
void keeper_hold_break(struct keeper *k);

struct ipc_frame;
/* keeper_answer.c: packs the answer to a question into *out, whose code is *code. false: it is none. */
must_check bool keeper_answer(struct keeper *k, const struct ipc_frame *f, struct buf *out, enum err *code);

/* Hides a finished task for good and takes it out of the table; its rows are deleted by and by.
 * ERR_NOT_FOUND, ERR_CONFLICT when it is unfinished. */
must_check enum err keeper_delete(struct keeper *k, const struct id *task, struct error *e);
/* After a commit of so many bytes: when the database is nearly full, the oldest make room now, not in a
 * second. UINT64_MAX: it is known to be full. */
void keeper_trim_hurry(struct keeper *k, uint64_t bytes);
void keeper_trim_open(struct keeper *k);
void keeper_trim_close(struct keeper *k);

#endif
