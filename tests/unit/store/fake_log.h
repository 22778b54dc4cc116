/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fake database for tests of the keeper keeps: an append-only log in shared memory, so that it
 * outlives the process that writes it. A transaction becomes part of the log by one store of its length;
 * whoever opens the log plays it into rows, and finds there that no event is missing. fake_backend.h writes
 * it.
 */
#ifndef TESTS_STORE_FAKE_LOG_H
#define TESTS_STORE_FAKE_LOG_H

#include "base/base.h"
#include "store/store_db.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct fake_disk {
	_Atomic uint64_t len;
	size_t cap;
	char bytes[];
};

enum fake_kind { FAKE_TASK, FAKE_EVENTS, FAKE_REQUEST, FAKE_HIDE, FAKE_DELETE };
struct fake_record {
	enum fake_kind kind;
	struct task_saved task; /* its doc.ptr means nothing here */
	struct db_request request;
	size_t bytes; /* of document or events, behind it */
};

struct fake_row {
	struct task_saved task;
	uint64_t doc_seq, events_seq; /* what the document is as of; the last event there is */
	struct buf doc, events;
	bool hidden;
};

struct fake_db {
	struct db db;
	struct fake_disk *disk;
	uint64_t played; /* bytes of the log that are in the rows */
	struct fake_row *rows;
	size_t rows_count, rows_cap;
	struct db_request *requests;
	size_t requests_count;
	struct buf pending;
	bool begun, broken, closed;
	int calls, calls_when_broken, commits;
	int fail_at; /* the calls-th from now on, 0: none; lasting: and all after it */
	bool fail_lasting;
	enum err fail_code;
	uint64_t bytes_used;
	size_t looks;   /* at bytes_used */
	size_t expired; /* keys that requests_expire has yet to tell as gone */
};

static inline struct fake_disk *fake_disk_new(size_t cap)
{
	struct fake_disk *d = mmap(NULL, sizeof *d + cap, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ensure(d != MAP_FAILED);
	d->cap = cap;
	return d;
}

static inline void fake_disk_free(struct fake_disk *d)
{
	munmap(d, sizeof *d + d->cap);
}

static inline struct fake_row *fake_row(struct fake_db *f, const struct id *id)
{
	for (size_t i = f->rows_count; i-- > 0;)
		if (id_compare(&f->rows[i].task.id, id) == 0)
			return &f->rows[i];
	return NULL;
}

static inline void fake_events_add(struct fake_row *r, struct slice sse)
{
	struct event_view v;
	for (struct slice rest = sse; rest.len > 0;) {
		const char *from = rest.ptr;
		ensure(event_next(&rest, &v));
		if (v.seq <= r->events_seq)
			continue;
		/* A restored task's older events may be none of ours; within one there is no gap. */
		ensure(r->events_seq == 0 || v.seq == r->events_seq + 1);
		buf_add(&r->events, from, (size_t)(rest.ptr - from));
		r->events_seq = v.seq;
	}
}

static inline void fake_row_drop(struct fake_db *f, struct fake_row *r)
{
	buf_release(&r->doc);
	buf_release(&r->events);
	memmove(r, r + 1, (size_t)(f->rows + f->rows_count - r - 1) * sizeof *r);
	f->rows_count--;
}

static inline void fake_task_put(struct fake_db *f, const struct fake_record *c, const char *bytes)
{
	struct fake_row *r = fake_row(f, &c->task.id);
	if (r == NULL) {
		if (f->rows_count == f->rows_cap) {
			f->rows_cap = f->rows_cap * 2 + 16;
			f->rows = xrealloc(f->rows, f->rows_cap * sizeof *f->rows);
		}
		r = &f->rows[f->rows_count++];
		*r = (struct fake_row){0};
	}
	ensure(c->task.last_seq >= r->task.last_seq);
	r->task = c->task;
	if (c->bytes == 0)
		return;
	buf_reset(&r->doc);
	buf_add(&r->doc, bytes, c->bytes);
	r->doc_seq = c->task.last_seq;
}

static inline void fake_request_put(struct fake_db *f, const struct db_request *q)
{
	size_t i = 0;
	while (i < f->requests_count && memcmp(f->requests[i].key.key, q->key.key, REQUEST_DIGEST) != 0)
		i++;
	if (i == f->requests_count)
		f->requests = xrealloc(f->requests, ++f->requests_count * sizeof *f->requests);
	f->requests[i] = *q;
}

static inline void fake_apply(struct fake_db *f, const struct fake_record *c, const char *bytes)
{
	struct fake_row *r = c->kind == FAKE_REQUEST ? NULL : fake_row(f, &c->task.id);
	switch (c->kind) {
	case FAKE_TASK: fake_task_put(f, c, bytes); break;
	case FAKE_EVENTS: fake_events_add(r, (struct slice){bytes, c->bytes}); break;
	case FAKE_REQUEST: fake_request_put(f, &c->request); break;
	case FAKE_HIDE: r->hidden = true; break;
	case FAKE_DELETE: fake_row_drop(f, r); break;
	}
}

/* What others have committed, too: a process that only looks. */
static inline void fake_play(struct fake_db *f)
{
	while (f->played < atomic_load(&f->disk->len)) {
		struct fake_record c;
		memcpy(&c, f->disk->bytes + f->played, sizeof c);
		fake_apply(f, &c, f->disk->bytes + f->played + sizeof c);
		f->played += sizeof c + c.bytes;
	}
}

#endif
