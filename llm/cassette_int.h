/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the llm room: what a cassette is made of.
 *
 * - cassette.c: the object that processes share, and which recorded exchange answers a request
 * - cassette_dir.c: its folder, read when it is opened
 * - cassette_file.c: one exchange as a file; cassette_digest.c: what of a request counts;
 *   cassette_near.c: in what a request differs from the nearest one that is there (all three are pure)
 * - cassette_take.c: an exchange as it is recorded; cassette_writer.c: onto the disk, beside the loop
 * - cassette_play.c: an exchange as it is replayed
 */
#ifndef LLM_CASSETTE_INT_H
#define LLM_CASSETTE_INT_H

#include "base/base.h"
#include "base/fetch.h"
#include "llm/cassette.h"

#include <stdatomic.h>

/* --- one exchange --- */

enum cassette_end {
	CASSETTE_WHOLE,  /* to the end of the body */
	CASSETTE_LEFT,   /* we had all we wanted, or did not understand it: nobody listened any longer */
	CASSETTE_FAILED, /* as `e` says: no connection, cut, silent */
};

/* Of struct fetch_head what is looked at in an answer. */
enum { CASSETTE_HEADERS = 5 };

/* Owns all it holds. */
struct cassette_exchange {
	char *provider, *api, *path;
	struct buf request;              /* JSON, without what varies */
	int status;                      /* 0: there was no answer */
	char *headers[CASSETTE_HEADERS]; /* NULL: none */
	struct buf body;                 /* of the answer, as it came */
	/* In how many bytes each, together body.len. With the last one came the end, unless LEFT. 1 or more.
	 */
	size_t *pieces, pieces_count;
	enum cassette_end end;
	struct error e;
	char key[SHA256_HEX_SIZE]; /* cassette_key */
	char name[48];             /* of its file */
	uint64_t seq;
};
void cassette_exchange_release(struct cassette_exchange *x);
void cassette_head_take(struct cassette_exchange *x, const struct fetch_head *h); /* copies what counts */
void cassette_head_give(const struct cassette_exchange *x, struct fetch_head *h);
void cassette_piece_add(struct cassette_exchange *x, struct slice bytes);

/* cassette_file.c. key, name and seq are not of the text. ERR_JSON says what is wrong and where; then *x
 * holds nothing. */
void cassette_file_write(const struct cassette_exchange *x, struct buf *out);
must_check enum err cassette_file_read(struct slice text, struct cassette_exchange *x, struct error *e);

/* --- cassette_digest.c --- */

/* Appends the body as JSON in canonical form: texts through `plain`, top members that vary or that only bound
 * the answer left out. Twice is as once. A body that is no JSON becomes a text. */
void cassette_request_plain(struct slice body, void (*plain)(struct slice text, struct buf *out),
			    struct buf *out);
/* request: as cassette_request_plain has made it. */
void cassette_key(const char *provider, const char *path, struct slice request, char out[SHA256_HEX_SIZE]);

/* --- cassette_near.c --- */

/* Index of the exchange whose request is most like this one, of the same provider and path where there is
 * one; count must not be 0. */
size_t cassette_nearest(const struct cassette_exchange *list, size_t count, const char *provider,
			const char *path, struct slice request);
/* Appends where the two JSON texts differ first: a JSON pointer (RFC 6901), and within a text the byte. Says
 * nothing of what stands there. */
void cassette_difference(struct slice recorded, struct slice asked, struct buf *out);

/* --- cassette.c --- */

/* One for all processes, mapped before the fork. Each member is atomic and alone: no two have to agree. */
struct cassette_shared {
	_Atomic uint64_t seq;     /* record: of the last file */
	_Atomic uint64_t bytes;   /* record: of all files */
	_Atomic bool stopped;     /* record: something went wrong, and was logged */
	_Atomic uint64_t taken[]; /* replay: by the index of the first of those with one key */
};

struct llm_cassette {
	struct llm_cassette_options options; /* dir owned */
	bool replays;
	int dir_fd; /* record; else -1 */
	char marks[33];
	size_t found;                   /* exchanges in the folder */
	struct cassette_exchange *list; /* replay; in order of key, then seq */
	struct cassette_play *plays;    /* replay: under way in this process */
	struct cassette_shared *shared;
	size_t shared_bytes;
};

/* The next answer to this request; NULL: none is recorded. `request` as above. */
const struct cassette_exchange *cassette_next(struct llm_cassette *k, const char key[SHA256_HEX_SIZE]);

/* --- cassette_dir.c: boot path --- */

/* Opens the folder and reads or makes its head, which holds the marks. */
must_check enum err cassette_dir_open(struct llm_cassette *k, struct error *e);
/* Counts what is there: seq and bytes of k->shared, k->found. */
must_check enum err cassette_dir_scan(struct llm_cassette *k, uint64_t *seq, uint64_t *bytes,
				      struct error *e);
/* Reads all of it into k->list, in order of key and seq. */
must_check enum err cassette_dir_load(struct llm_cassette *k, struct error *e);

/* --- cassette_writer.c --- */

struct cassette_writer;
/* Of one process, with a thread that writes; k is borrowed. */
struct cassette_writer *cassette_writer_new(struct loop *l, struct llm_cassette *k);
/* Waits until everything is written. */
void cassette_writer_free(struct cassette_writer *w);
/* Queues the file of an exchange; takes text. Never blocks, never fails: when it cannot be written, recording
 * stops, which is logged once. */
void cassette_writer_put(struct cassette_writer *w, struct buf *text, const char key[SHA256_HEX_SIZE]);

/* --- cassette_take.c --- */

struct llm_provider;
struct cassette_take;
const char *cassette_path(const struct llm_provider *p); /* of the address, without a query */
/* NULL when p does not record. */
struct cassette_take *cassette_take_new(const struct llm_provider *p);
void cassette_take_news(struct cassette_take *t, const struct fetch_news *n);
/* The exchange is over, or no more of it is of interest: it is kept with its request's body, and the pointer
 * is gone. NULL is fine, here and below. */
void cassette_take_keep(struct cassette_take *t, struct slice request);
void cassette_take_drop(struct cassette_take *t); /* nothing is kept */

/* --- cassette_play.c --- */

struct cassette_play;
/* News of a recorded answer come from the loop as those of an exchange do (base/fetch.h). NULL: there is no
 * recorded answer, and *e names the nearest request and the difference. */
struct cassette_play *cassette_play_start(const struct llm_provider *p, struct slice request, fetch_fn *fn,
					  void *arg, struct error *e);
void cassette_play_cancel(struct cassette_play *y); /* no further news; allowed from within them */

#endif
