/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database for tests of the keeper, over the log of fake_log.h. It checks what a keeper must observe:
 * writes only within a transaction, and not one call after ERR_IO. The n-th call can be told to fail.
 */
#ifndef TESTS_STORE_FAKE_BACKEND_H
#define TESTS_STORE_FAKE_BACKEND_H

#include "tests/unit/store/fake_log.h"

static inline struct fake_db *fake_of(struct db *d)
{
	return (struct fake_db *)d;
}

static inline enum err fake_call(struct db *d, struct error *e)
{
	struct fake_db *f = fake_of(d);
	f->calls++;
	f->calls_when_broken += f->broken;
	bool fails = f->fail_at > 0 && --f->fail_at == 0;
	if (!fails)
		return ERR_NONE;
	f->fail_at = f->fail_lasting;
	f->broken = f->broken || f->fail_code == ERR_IO;
	if (f->fail_code == ERR_NO_SPACE) {
		f->begun = false;
		buf_reset(&f->pending);
	}
	return err_set(e, f->fail_code, "the fake fails");
}

static inline void fake_release(struct db *d)
{
	struct fake_db *f = fake_of(d);
	while (f->rows_count > 0)
		fake_row_drop(f, &f->rows[f->rows_count - 1]);
	free(f->rows);
	free(f->requests);
	buf_release(&f->pending);
	f->rows = NULL;
	f->requests = NULL;
	f->rows_cap = f->requests_count = 0;
	f->played = 0;
	f->closed = true;
}

static inline void fake_close(struct db *d)
{
	fake_of(d)->calls_when_broken += fake_of(d)->broken;
	fake_release(d);
}

static inline enum err fake_begin(struct db *d, struct error *e)
{
	if (fake_call(d, e) != ERR_NONE)
		return e->code;
	ensure(!fake_of(d)->begun);
	fake_of(d)->begun = true;
	return ERR_NONE;
}

static inline enum err fake_commit(struct db *d, struct error *e)
{
	struct fake_db *f = fake_of(d);
	uint64_t len = atomic_load(&f->disk->len);
	if (fake_call(d, e) != ERR_NONE)
		return e->code;
	ensure(f->begun && !f->pending.overflow && len + f->pending.len <= f->disk->cap);
	if (f->pending.len > 0)
		memcpy(f->disk->bytes + len, f->pending.data, f->pending.len);
	atomic_store(&f->disk->len, len + f->pending.len);
	f->begun = false;
	f->commits++;
	buf_reset(&f->pending);
	fake_play(f);
	return ERR_NONE;
}

static inline void fake_rollback(struct db *d)
{
	struct error e;
	(void)!fake_call(d, &e);
	fake_of(d)->begun = false;
	buf_reset(&fake_of(d)->pending);
}

static inline enum err fake_checkpoint(struct db *d, bool all, struct error *e)
{
	(void)all;
	ensure(!fake_of(d)->begun);
	return fake_call(d, e);
}

static inline enum err fake_write(struct db *d, const struct fake_record *c, const char *bytes,
				  struct error *e)
{
	struct fake_db *f = fake_of(d);
	if (fake_call(d, e) != ERR_NONE)
		return e->code;
	ensure(f->begun);
	buf_add(&f->pending, c, sizeof *c);
	if (c->bytes > 0)
		buf_add(&f->pending, bytes, c->bytes);
	return ERR_NONE;
}

static inline enum err fake_db_task_put(struct db *d, const struct task_saved *t, struct error *e)
{
	struct fake_record c = {.kind = FAKE_TASK, .task = *t, .bytes = t->doc.len};
	return fake_write(d, &c, t->doc.ptr, e);
}

static inline enum err fake_db_events_put(struct db *d, const struct id *task, struct slice sse,
					  struct error *e)
{
	struct fake_record c = {.kind = FAKE_EVENTS, .task = {.id = *task}, .bytes = sse.len};
	return fake_write(d, &c, sse.ptr, e);
}

static inline enum err fake_db_request_put(struct db *d, const struct db_request *r, struct error *e)
{
	struct fake_record c = {.kind = FAKE_REQUEST, .request = *r};
	return fake_write(d, &c, "", e);
}

/* Budgets are kept by no fake: test_db_sqlite_budget.c has them. */
static inline enum err fake_db_budget_put(struct db *d, const struct budget_saved *b, struct error *e)
{
	ensure(fake_of(d)->begun && b->day > 0);
	return fake_call(d, e);
}

static inline enum err fake_db_budgets_each(struct db *d, int64_t day,
					    void (*fn)(const struct budget_saved *b, void *arg), void *arg,
					    struct error *e)
{
	(void)day;
	(void)fn;
	(void)arg;
	(void)e;
	ensure(!fake_of(d)->closed);
	return ERR_NONE;
}

/* The document as of the last event. */
static inline void fake_doc(const struct fake_row *r, struct buf *out)
{
	struct slice rest = buf_slice(&r->events), from = rest;
	struct event_view v;
	struct error e;
	while (from = rest, event_next(&rest, &v) && v.seq <= r->doc_seq)
		;
	if (r->doc_seq == r->task.last_seq)
		buf_add_slice(out, buf_slice(&r->doc));
	else
		ensure(task_fold_on(buf_slice(&r->doc), from, out, &e) == ERR_NONE);
}

static inline enum err fake_db_task_get(struct db *d, const struct id *id, struct task_saved *out,
					struct buf *doc, struct error *e)
{
	struct fake_row *r = fake_row(fake_of(d), id);
	if (fake_call(d, e) != ERR_NONE)
		return e->code;
	if (r == NULL || r->hidden)
		return err_set(e, ERR_NOT_FOUND, "no such task");
	*out = r->task;
	fake_doc(r, doc);
	out->doc = buf_slice(doc);
	return ERR_NONE;
}

/* All of them: bytes_max is for others. */
static inline enum err fake_events_get(struct db *d, const struct id *id, uint64_t after_seq,
				       size_t bytes_max, struct buf *out, uint64_t *last_seq, struct error *e)
{
	struct fake_row *r = fake_row(fake_of(d), id);
	struct event_view v;
	(void)bytes_max;
	if (fake_call(d, e) != ERR_NONE)
		return e->code;
	if (r == NULL)
		return err_set(e, ERR_NOT_FOUND, "no such task");
	struct slice rest = buf_slice(&r->events), from = rest;
	while (from = rest, event_next(&rest, &v) && v.seq <= after_seq)
		;
	buf_add_slice(out, from);
	*last_seq = r->events_seq;
	return ERR_NONE;
}

static inline int fake_newer_first(const void *a, const void *b)
{
	const struct fake_row *x = *(struct fake_row *const *)a, *y = *(struct fake_row *const *)b;
	return id_compare(&y->task.id, &x->task.id);
}

static inline enum err fake_tasks_each(struct db *d, uint32_t states, const struct id *before, db_task_fn *fn,
				       void *arg, struct error *e)
{
	struct fake_db *f = fake_of(d);
	if (fake_call(d, e) != ERR_NONE)
		return e->code;
	struct fake_row **list = xcalloc(f->rows_count + 1, sizeof *list);
	struct buf doc = BUF_INIT;
	bool on = true;
	for (size_t i = 0; i < f->rows_count; i++)
		list[i] = &f->rows[i];
	qsort(list, f->rows_count, sizeof *list, fake_newer_first);
	for (size_t i = 0; i < f->rows_count && on; i++) {
		struct task_saved t = list[i]->task;
		if (list[i]->hidden || (states != 0 && !(states >> t.state & 1)) ||
		    (before != NULL && id_compare(&t.id, before) >= 0))
			continue;
		buf_reset(&doc);
		fake_doc(list[i], &doc);
		t.doc = buf_slice(&doc);
		on = fn(&t, arg);
	}
	buf_release(&doc);
	free(list);
	return ERR_NONE;
}

/* Two steps at least: hidden first, gone later. */
static inline enum err fake_task_delete(struct db *d, const struct id *id, size_t rows_max, bool *done,
					struct error *e)
{
	struct fake_row *r = fake_row(fake_of(d), id);
	struct fake_record c = {.kind = FAKE_HIDE, .task = {.id = *id}};
	(void)rows_max;
	*done = r == NULL || r->hidden;
	if (r == NULL)
		return fake_call(d, e);
	c.kind = r->hidden ? FAKE_DELETE : FAKE_HIDE;
	return fake_write(d, &c, "", e);
}

static inline enum err fake_task_oldest(struct db *d, int64_t before_ms, struct id *out, struct error *e)
{
	struct fake_db *f = fake_of(d);
	const struct fake_row *oldest = NULL;
	if (fake_call(d, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < f->rows_count; i++) {
		const struct fake_row *r = &f->rows[i];
		if (r->hidden) {
			oldest = r;
			break;
		}
		if (task_state_terminal(r->task.state) && r->task.updated_ms < before_ms &&
		    (oldest == NULL || r->task.updated_ms < oldest->task.updated_ms))
			oldest = r;
	}
	if (oldest == NULL)
		return err_set(e, ERR_NOT_FOUND, "none");
	*out = oldest->task.id;
	return ERR_NONE;
}

static inline enum err fake_requests_expire(struct db *d, int64_t before_ms, size_t rows_max, size_t *gone,
					    struct error *e)
{
	struct fake_db *f = fake_of(d);
	(void)before_ms;
	*gone = f->expired < rows_max ? f->expired : rows_max;
	f->expired -= *gone;
	return fake_call(d, e);
}

static inline enum err fake_orphans_delete(struct db *d, size_t rows_max, size_t *gone, struct error *e)
{
	(void)rows_max;
	*gone = 0;
	return fake_call(d, e);
}

static inline uint64_t fake_bytes_used(struct db *d)
{
	fake_of(d)->looks++;
	return fake_of(d)->bytes_used;
}

static const struct db_backend fake_backend = {
	.name = "fake",
	.close = fake_close,
	.abandon = fake_release,
	.begin = fake_begin,
	.commit = fake_commit,
	.rollback = fake_rollback,
	.checkpoint = fake_checkpoint,
	.task_put = fake_db_task_put,
	.events_put = fake_db_events_put,
	.request_put = fake_db_request_put,
	.budget_put = fake_db_budget_put,
	.budgets_each = fake_db_budgets_each,
	.task_get = fake_db_task_get,
	.events_get = fake_events_get,
	.tasks_each = fake_tasks_each,
	.task_delete = fake_task_delete,
	.task_oldest = fake_task_oldest,
	.requests_expire = fake_requests_expire,
	.orphans_delete = fake_orphans_delete,
	.bytes_used = fake_bytes_used,
};

static inline void fake_open(struct fake_db *f, struct fake_disk *disk)
{
	*f = (struct fake_db){.db = {&fake_backend}, .disk = disk};
	fake_play(f);
}

#endif
