/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the table does not have: old tasks, old events, artifacts and keys of requests, read from the database
 * through the keeper, over a Unix socket, without blocking. The worker's half. Requests outlive the keeper:
 * what was not answered when its socket ended is asked again on the next one; all of them may be repeated
 * without harm.
 */
#ifndef STORE_ARCHIVE_H
#define STORE_ARCHIVE_H

#include "base/base.h"
#include "store/store.h"

struct archive;
struct archive_call;

/* Only where store_has_keeper. frame_bytes_max: more than any document or event, and the keeper's; answers
 * have less than that (4 KiB) whatever bytes_max says. queue_bytes_max: more than a frame, and no more than
 * the keeper's; so much is asked at once as has room in it. */
struct archive *archive_new(struct loop *l, size_t frame_bytes_max, size_t queue_bytes_max);
void archive_free(struct archive *a); /* no further callbacks */
/* A (new) socket to the keeper; takes fd. */
void archive_connect(struct archive *a, int fd);
/* There will be no keeper any more: pending and later requests end with ERR_UNAVAILABLE. */
void archive_lost(struct archive *a);

/* What came of a request; everything is borrowed for the callback. */
struct archive_answer {
	struct error error; /* ERR_NOT_FOUND, ERR_CONFLICT, ERR_FULL (too many requests), ERR_UNAVAILABLE,
			       ERR_NO_SPACE, ERR_IO */
	/* archive_task, archive_events: of the task as the database has it; first_seq is last_seq + 1 */
	struct task_head head;
	/* archive_task: the document; archive_events: SSE bytes; archive_list: documents, each with a
	 * newline behind it; artifact_read: bytes of it */
	struct slice bytes;
	uint64_t last_seq;            /* archive_events: of the last event in bytes */
	struct id last_id;            /* archive_list: of the last document */
	bool more;                    /* archive_list: there are older ones */
	struct request_place place;   /* archive_request */
	uint8_t body[REQUEST_DIGEST]; /* archive_request */
	uint64_t artifact_bytes;      /* artifact_read */
	const char *media_type, *name, *sha256;
};
/* Exactly once, never from within the call that asks. The call is freed after it. */
typedef void archive_fn(const struct archive_answer *a, void *arg);

/* None returns NULL. */
struct archive_call *archive_task(struct archive *a, const struct id *task, archive_fn *fn, void *arg);
struct archive_call *archive_events(struct archive *a, const struct id *task, uint64_t after_seq,
				    size_t bytes_max, archive_fn *fn, void *arg);
struct archive_call *archive_list(struct archive *a, uint32_t states, const struct id *before, size_t limit,
				  size_t bytes_max, archive_fn *fn, void *arg);
struct archive_call *archive_request(struct archive *a, const struct request_key *k, archive_fn *fn,
				     void *arg);
/* Removes a finished task from database and table. ERR_NOT_FOUND, ERR_CONFLICT when it is unfinished. */
struct archive_call *archive_delete(struct archive *a, const struct id *task, archive_fn *fn, void *arg);
/* Durable when it ends well. media_type, name and bytes are copied. */
struct artifact_new {
	struct id task;
	uint32_t number;
	const char *media_type, *name; /* name may be NULL */
	struct slice bytes;
};
struct archive_call *artifact_write(struct archive *a, const struct artifact_new *n, archive_fn *fn,
				    void *arg);
struct archive_call *artifact_read(struct archive *a, const struct id *task, uint32_t number, uint64_t offset,
				   size_t bytes_max, archive_fn *fn, void *arg);
/* fn is not called; what was asked may still happen. */
void archive_cancel(struct archive_call *call);

/* For the command line, blocking: asks the keeper that listens there to put all that is durable into the
 * database's file and to leave the file as it is for as long as the descriptor is open (close it with
 * fd_close). A file that somebody else holds already is as of the beginning of that hold. -1: ERR_NOT_FOUND
 * when nobody listens there, ERR_UNAVAILABLE, ERR_NO_SPACE, ERR_TIMEOUT (30 s), ERR_IO. */
int archive_hold(const char *socket_path, struct error *e);
/* After reading: false when the hold was broken meanwhile, and what was read may be torn. */
bool archive_hold_kept(int fd);

#endif
