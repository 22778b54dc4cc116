/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's half of the archive against a keeper played by hand. */
#ifndef TESTS_STORE_ARCHIVE_WORLD_H
#define TESTS_STORE_ARCHIVE_WORLD_H

#include "base/base.h"
#include "store/archive_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { FRAME_MAX = DB_PART_BYTES + KEPT_OVERHEAD_BYTES, QUEUE_MAX = 3 * FRAME_MAX, HEARD_MAX = 64 };

/* A question as the keeper got it. */
struct heard {
	enum ipc_msg msg;
	uint64_t id;
	struct kept_ask ask; /* without what it borrowed */
	size_t bytes_len;
	char first;
};

struct world {
	struct loop *loop;
	struct archive *archive;
	struct ipc_channel *keeper;
	struct heard heard[HEARD_MAX];
	size_t heard_count, heard_all;
	bool prompt; /* answers at once */
	/* what the caller was told */
	int told;
	struct error error;
	uint64_t last_seq;
	char bytes[64];
	struct archive_call *cancel_when_told;
	bool free_when_told, ask_when_told;
};

static inline void answer(struct world *w, uint64_t id, const struct archive_answer *a)
{
	struct buf b = BUF_INIT;
	struct error e = {0};
	archive_answer_pack(a, &b);
	if (ipc_send(w->keeper, IPC_KEPT, id, buf_slice(&b), -1, &e))
		fail_msg("%s", e.msg);
	buf_release(&b);
}

static inline void keeper_hears(struct ipc_frame *f, void *arg)
{
	struct world *w = arg;
	struct heard h = {.msg = f->msg, .id = f->id};
	assert_true(kept_ask_unpack(f->msg, f->body, &h.ask));
	h.bytes_len = h.ask.bytes.len;
	h.first = h.bytes_len ? h.ask.bytes.ptr[0] : 0;
	w->heard[w->heard_count++ % HEARD_MAX] = h;
	w->heard_all++;
	if (w->prompt) {
		struct archive_answer a = {.last_seq = f->id};
		answer(w, f->id, &a);
	}
}

static inline void keeper_ends(const struct error *why, void *arg)
{
	struct world *w = arg;
	(void)why;
	ipc_close(w->keeper);
	w->keeper = NULL;
}

static inline void turns(struct world *w)
{
	for (int i = 0; i < 30; i++)
		loop_turn(w->loop, 0);
}

static inline void keeper_start(struct world *w)
{
	struct error e = {0};
	struct ipc_handler h = {keeper_hears, keeper_ends, w};
	int pair[2];
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	w->heard_count = 0;
	w->keeper = ipc_open(w->loop, pair[0], FRAME_MAX, QUEUE_MAX, h);
	archive_connect(w->archive, pair[1]);
	turns(w);
}

static inline void keeper_dies(struct world *w)
{
	ipc_close(w->keeper);
	w->keeper = NULL;
	turns(w);
}

static inline void world_open(struct world *w)
{
	*w = (struct world){.loop = loop_new()};
	w->archive = archive_new(w->loop, FRAME_MAX, QUEUE_MAX);
}

static inline void world_close(struct world *w)
{
	archive_free(w->archive);
	ipc_close(w->keeper);
	loop_free(w->loop);
}

static inline struct id id_of(uint8_t n)
{
	struct id id;
	memset(id.b, n, ID_BYTES);
	return id;
}

static inline void hear_answer(const struct archive_answer *a, void *arg);

static inline struct archive_call *ask_task(struct world *w, uint8_t n)
{
	struct id id = id_of(n);
	return archive_task(w->archive, &id, hear_answer, w);
}

static inline struct archive_call *ask_request(struct world *w, uint8_t n)
{
	struct request_key k = {{n}, {n}};
	return archive_request(w->archive, &k, hear_answer, w);
}

static inline void hear_answer(const struct archive_answer *a, void *arg)
{
	struct world *w = arg;
	w->told++;
	w->error = a->error;
	w->last_seq = a->last_seq;
	size_t n = a->bytes.len < sizeof(w->bytes) - 1 ? a->bytes.len : sizeof(w->bytes) - 1;
	memcpy(w->bytes, n ? a->bytes.ptr : "", n);
	w->bytes[n] = '\0';
	archive_cancel(w->cancel_when_told);
	w->cancel_when_told = NULL;
	if (w->ask_when_told)
		ask_request(w, 99);
	w->ask_when_told = false;
	if (w->free_when_told) {
		archive_free(w->archive);
		w->archive = NULL;
	}
}

static inline struct archive_call *write_bytes(struct world *w, size_t n)
{
	char *p = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i / DB_PART_BYTES);
	struct artifact_new new = {
		.task = id_of(5), .number = 2, .media_type = "text/plain", .name = "n", .bytes = {p, n}};
	struct archive_call *call = artifact_write(w->archive, &new, hear_answer, w);
	memset(p, '?', n);
	free(p);
	return call;
}

#endif
