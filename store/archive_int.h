/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the store room: what archive.c and archive_hold.c ask and keeper_serve.c answers, as it goes
 * over the socket. */
#ifndef STORE_ARCHIVE_INT_H
#define STORE_ARCHIVE_INT_H

#include "ipc/ipc.h"
#include "store/archive.h"
#include "store/store_db.h"

#include <sys/queue.h>

enum {
	ARCHIVE_CALLS_MAX = 4096,
	/* So often a question is put to a keeper that ends over it; then it is its caller's trouble. */
	ARCHIVE_SENDS_MAX = 5,
	ARCHIVE_TEXT_BYTES_MAX = 1024, /* media type, name */
	/* Everything in a frame but the bytes that were asked for or are to be kept. */
	KEPT_OVERHEAD_BYTES = 4096,
};

/* A question. Which members it has depends on its message (archive_pack.c). Slices and texts are borrowed. */
struct kept_ask {
	struct id task;
	uint64_t from; /* EVENTS: after this one; READ: offset */
	uint64_t bytes_max;
	uint32_t states, limit;
	bool has_before;
	struct id before;
	struct request_key key;
	uint32_t number, part; /* of an artifact; parts from 0 */
	struct slice bytes;    /* PART */
	uint64_t artifact_bytes;
	const char *media_type, *name, *sha256;
	int64_t at_ms;
};
void kept_ask_pack(enum ipc_msg msg, const struct kept_ask *q, struct buf *out);
/* false: msg is no question, or it is malformed. */
must_check bool kept_ask_unpack(enum ipc_msg msg, struct slice body, struct kept_ask *q);

/* An answer with an error carries nothing else. */
void archive_answer_pack(const struct archive_answer *a, struct buf *out);
must_check bool archive_answer_unpack(struct slice body, struct archive_answer *a);

/* --- archive.c --- */

TAILQ_HEAD(call_list, archive_call);

struct archive_call {
	TAILQ_ENTRY(archive_call) link;
	struct call_list *list; /* NULL while it is told */
	struct archive *archive;
	uint64_t id;
	enum ipc_msg msg;    /* for an artifact: of what was sent last */
	struct kept_ask ask; /* what it borrows is owned below, until the call is cancelled */
	char *bytes, *media_type, *name;
	size_t bytes_len;
	char sha256[SHA256_HEX_SIZE];
	uint32_t parts;  /* of the artifact, answered for */
	size_t cost;     /* while it is asked: most that its answer may take */
	unsigned losses; /* keepers that ended while it was asked */
	archive_fn *fn;  /* NULL: cancelled */
	void *arg;
	struct error error; /* once it is ended */
};

struct archive {
	struct loop *loop;
	struct ipc_channel *channel; /* NULL: the keeper is away */
	size_t frame_bytes_max, queue_bytes_max;
	struct call_list waiting, asked, ended;
	size_t calls;       /* on all three */
	size_t asked_bytes; /* cost of all that are asked */
	uint64_t id_last;
	bool lost;
};

/* Not on a list yet: archive_call_start sends it, archive_call_end tells its caller of a failure. */
struct archive_call *archive_call_new(struct archive *a, enum ipc_msg msg, archive_fn *fn, void *arg);
struct archive_call *archive_call_start(struct archive_call *call); /* returns it */
void archive_call_end(struct archive_call *call, const struct error *why);

#endif
