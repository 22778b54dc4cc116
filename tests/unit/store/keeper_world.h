/* SPDX-License-Identifier: Apache-2.0 */
/* Both halves of the archive on one loop, with a made-up database. Of the keeper there is only what its half
 * calls. One test program includes this once. */
#ifndef TESTS_STORE_KEEPER_WORLD_H
#define TESTS_STORE_KEEPER_WORLD_H

#include "fake_db.h"
#include "store/archive_int.h"
#include "store/keeper.h"

#include <stdio.h>
#include <unistd.h>

enum { FRAME_MAX = DB_PART_BYTES + KEPT_OVERHEAD_BYTES, QUEUE_MAX = 3 * FRAME_MAX };

struct world {
	struct loop *loop;
	struct fake_db fake;
	struct keeper keeper;
	struct archive *archive;
	char path[108];
	/* what the keeper was told and asked */
	int failures, transactions, deletes;
	/* what the caller was told */
	int told;
	struct error error;
	struct archive_answer answer; /* without what it borrowed, which is here: */
	struct buf bytes;
	char media_type[64], sha256[SHA256_HEX_SIZE];
};

static inline struct world *world_of(struct keeper *k)
{
	return (struct world *)((char *)k - offsetof(struct world, keeper));
}

enum err keeper_failed(struct keeper *k, enum err code, const struct error *e)
{
	(void)e;
	world_of(k)->failures++;
	k->broken |= code == ERR_IO;
	return code;
}

enum err keeper_transact(struct keeper *k, keeper_change_fn *fn, void *arg, struct error *e)
{
	world_of(k)->transactions++;
	return fn(k->db, arg, e);
}

enum err keeper_delete(struct keeper *k, const struct id *task, struct error *e)
{
	world_of(k)->deletes++;
	return task->b[0] == 2 ? err_set(e, ERR_CONFLICT, "the task is running") : ERR_NONE;
}

static inline void hear_answer(const struct archive_answer *a, void *arg)
{
	struct world *w = arg;
	w->told++;
	w->error = a->error;
	w->answer = *a;
	buf_reset(&w->bytes);
	buf_add_slice(&w->bytes, a->bytes);
	snprintf(w->media_type, sizeof(w->media_type), "%s", a->media_type ? a->media_type : "");
	snprintf(w->sha256, sizeof(w->sha256), "%s", a->sha256 ? a->sha256 : "");
}

/* Turns until n more answers have come. */
static inline void hear(struct world *w, int n)
{
	int until = w->told + n;
	for (int i = 0; i < 1000 && w->told < until; i++)
		loop_turn(w->loop, 10);
	assert_int_equal(w->told, until);
}

static inline void turns(struct world *w)
{
	for (int i = 0; i < 10; i++)
		loop_turn(w->loop, 0);
}

static inline void worker_connect(struct world *w)
{
	struct error e = {0};
	int pair[2];
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	keeper_add_worker(&w->keeper, pair[0]);
	archive_connect(w->archive, pair[1]);
}

static inline void world_open(struct world *w)
{
	*w = (struct world){.loop = loop_new()};
	fake_db_init(&w->fake);
	snprintf(w->path, sizeof(w->path), "/tmp/test-keeper-%d.sock", (int)getpid());
	w->keeper = (struct keeper){.loop = w->loop, .db = &w->fake.db, .listen_fd = -1};
	w->keeper.options = (struct keeper_options){
		.frame_bytes_max = FRAME_MAX, .queue_bytes_max = QUEUE_MAX, .socket_path = w->path};
	LIST_INIT(&w->keeper.clients);
	w->archive = archive_new(w->loop, FRAME_MAX, QUEUE_MAX);
	keeper_serve_open(&w->keeper);
	worker_connect(w);
}

static inline void world_close(struct world *w)
{
	keeper_serve_close(&w->keeper);
	archive_free(w->archive);
	buf_release(&w->bytes);
	fake_db_release(&w->fake);
	loop_free(w->loop);
	assert_int_not_equal(access(w->path, F_OK), 0);
}

static inline struct archive_call *write_bytes(struct world *w, size_t n, char c)
{
	char *p = xmalloc(n + 1);
	memset(p, c, n + 1);
	struct artifact_new new = {
		.task = id_of(1), .number = 1, .media_type = "text/plain", .bytes = {p, n}};
	struct archive_call *call = artifact_write(w->archive, &new, hear_answer, w);
	free(p);
	return call;
}

#endif
