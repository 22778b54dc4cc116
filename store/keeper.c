/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: copies what is new in the table, commits it in one transaction, then makes it visible. As soon
 * as a commit is done the next one takes what has come meanwhile (or after options.batch_delay_ms). When many
 * tasks wait for each commit, commits keep a small distance: it costs those that wait less than the syncs
 * that it saves, and a task alone never waits.
 *
 * A full disk rolls the transaction back: the changes stay in the table, marked as unsaved, nothing new is
 * taken (STORE_NO_SPACE), and it is tried again every second. Any other failed write or sync ends it for
 * good: what the kernel has dropped cannot be told, so the database is not touched again (STORE_BROKEN).
 */
#include "base/base.h"
#include "store/keeper.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	NO_SPACE_RETRY_MS = 1000,
	BUSY_TASKS = 5, /* in one commit: then the next begins so long after it at the earliest */
	BUSY_DISTANCE_US = 1000,
	REQUESTS_STEP = 256,
	HELD_BYTES_MAX = 256 << 20, /* committed while a client keeps the log from being moved */
};

/* One task of the transaction that is being made. */
struct batch_task {
	struct task_ref ref;
	uint64_t last_seq;
	enum task_state state;
	size_t doc_at, doc_bytes; /* into batch.docs */
};

struct batch {
	struct keeper *keeper;
	struct batch_task *tasks; /* options.batch_tasks_max */
	size_t count;
	size_t bytes;     /* that were taken from the table */
	int64_t began_us; /* monotonic */
	struct buf docs;
	struct request_unsaved *requests;
	size_t requests_count, requests_cap;
	struct budget_saved *budgets; /* store_budgets */
	size_t budgets_count;
	uint64_t budgets_change;
	enum err code; /* of the first write that failed */
	struct error error;
};

static void on_timer(void *keeper);
static enum err batch_commit(struct keeper *k, bool *more, struct error *e);
static void task_write(const struct task_unsaved *t, void *batch);
static void batch_done(struct batch *b);
static void batch_again(struct batch *b);

struct keeper *keeper_new(struct loop *l, struct store *s, struct db *db, const struct keeper_options *o)
{
	struct keeper *k = xcalloc(1, sizeof *k);
	k->loop = l;
	k->store = s;
	k->db = db;
	k->options = *o;
	k->listen_fd = -1;
	LIST_INIT(&k->clients);
	k->batch = xcalloc(1, sizeof *k->batch);
	k->batch->keeper = k;
	k->batch->tasks = xcalloc(o->batch_tasks_max, sizeof *k->batch->tasks);
	k->batch->budgets = xcalloc(store_budgets(s) + 1, sizeof *k->batch->budgets);
	k->timer = loop_timer_new(l, on_timer, k);
	/* What a dead keeper was told of and did not commit is in nobody's wake any more. */
	unsaved_mark_all(s);
	loop_defer(l, on_timer, k);
	keeper_trim_open(k);
	keeper_serve_open(k);
	return k;
}

void keeper_free(struct keeper *k)
{
	struct error e;
	keeper_serve_close(k);
	keeper_trim_close(k);
	if (!k->broken && keeper_flush(k, &e) != ERR_NONE)
		log_error("the last changes could not be stored", LF_STR("error", e.msg));
	if (k->broken)
		k->db->backend->abandon(k->db);
	else
		k->db->backend->close(k->db);
	loop_defer_cancel(k->loop, k);
	loop_timer_free(k->timer);
	buf_release(&k->batch->docs);
	free(k->batch->requests);
	free(k->batch->budgets);
	free(k->batch->tasks);
	free(k->batch);
	free(k);
}

void keeper_on_wake(struct keeper *k)
{
	unsigned what = wake_take(k->store, NULL, NULL);
	if (k->broken || !(what & (WAKE_UNSAVED | WAKE_PEER_DIED)))
		return;
	/* While the disk is full the timer tries. */
	if (loop_timer_armed(k->timer))
		return;
	if (k->options.batch_delay_ms > 0)
		loop_timer_set(k->timer, k->options.batch_delay_ms);
	else
		on_timer(k);
}

enum err keeper_flush(struct keeper *k, struct error *e)
{
	enum err code = ERR_NONE;
	for (bool more = true; more && code == ERR_NONE;)
		code = batch_commit(k, &more, e);
	return code;
}

enum err keeper_transact(struct keeper *k, keeper_change_fn *fn, void *arg, struct error *e)
{
	const struct db_backend *b = k->db->backend;
	if (k->broken)
		return err_set(e, ERR_UNAVAILABLE,
			       "nothing can be stored any more in this run of the service");
	enum err code = b->begin(k->db, e);
	if (code != ERR_NONE)
		return keeper_failed(k, code, e);
	code = fn(k->db, arg, e);
	if (code == ERR_NONE)
		code = b->commit(k->db, e);
	else if (code != ERR_IO)
		b->rollback(k->db);
	k->unseen_bytes -= k->unseen_bytes < 2 * DB_PART_BYTES ? k->unseen_bytes : 2 * DB_PART_BYTES;
	if (code == ERR_NONE)
		code = keeper_checkpoint(k, DB_PART_BYTES, e);
	return code == ERR_NONE ? ERR_NONE : keeper_failed(k, code, e);
}

enum err keeper_checkpoint(struct keeper *k, size_t bytes, struct error *e)
{
	k->held_bytes = k->held ? k->held_bytes + bytes : 0;
	if (k->held_bytes > HELD_BYTES_MAX) {
		log_warn("a reader of the database file took too long and was cut off: the log had grown too "
			 "far");
		keeper_hold_break(k);
	}
	return k->held ? ERR_NONE : k->db->backend->checkpoint(k->db, false, e);
}

static const char *file_of(const struct keeper *k)
{
	return k->db->path != NULL ? k->db->path : "";
}

enum err keeper_failed(struct keeper *k, enum err code, const struct error *e)
{
	if (code == ERR_NO_SPACE) {
		if (store_health(k->store, NULL) == STORE_WORKS)
			log_error(
				"nothing can be stored for want of room; reads go on, and it is tried again",
				LF_STR("error", e->msg), LF_STR("file", file_of(k)));
		store_health_set(k->store, STORE_NO_SPACE, e->msg);
		if (!loop_timer_armed(k->timer))
			loop_timer_set(k->timer, NO_SPACE_RETRY_MS);
		keeper_trim_hurry(k, UINT64_MAX);
	} else if (code == ERR_IO && !k->broken) {
		k->broken = true;
		loop_timer_set(k->timer, -1);
		log_error(
			"the database cannot be written any more; nothing is tried again on it: look at the "
			"disk, then restart the service",
			LF_STR("error", e->msg), LF_STR("file", file_of(k)));
		store_health_set(k->store, STORE_BROKEN, e->msg);
		k->options.on_broken(k->options.arg);
	}
	return code;
}

/* --- helpers --- */

/* All there are: no event may become durable without the key it was made under. */
static void requests_gather(struct batch *b)
{
	for (size_t got = REQUESTS_STEP; got == REQUESTS_STEP; b->requests_count += got) {
		if (b->requests_cap < b->requests_count + REQUESTS_STEP) {
			b->requests_cap += REQUESTS_STEP;
			b->requests = xrealloc(b->requests, b->requests_cap * sizeof *b->requests);
		}
		got = requests_take(b->keeper->store, REQUESTS_STEP, b->requests + b->requests_count);
	}
}

/* There is nothing to store, but is there room again? Asked with a key that is over its time at once. */
static enum err room_probe(struct batch *b)
{
	static const struct db_request probe = {.place = {.at_ms = 0}};
	struct keeper *k = b->keeper;
	if (store_health(k->store, NULL) != STORE_NO_SPACE)
		return ERR_NONE;
	return k->db->backend->request_put(k->db, &probe, &b->error);
}

/* The keeper is the one process that may wait; nobody's question is held up longer than by a commit. */
static void distance_keep(const struct batch *b)
{
	int64_t left = b->began_us + BUSY_DISTANCE_US - clock_mono_us();
	struct timespec pause = {.tv_nsec = left * 1000};
	if (b->count >= BUSY_TASKS && left > 0)
		nanosleep(&pause, NULL);
}

/* One transaction; when there is more, or something came meanwhile, another turn of the loop makes the next:
 * reads of others get theirs in between. */
static void on_timer(void *keeper)
{
	struct keeper *k = keeper;
	struct error e;
	bool more = false;
	loop_defer_cancel(k->loop, k);
	distance_keep(k->batch);
	if (batch_commit(k, &more, &e) == ERR_NONE && more)
		loop_defer(k->loop, on_timer, k);
}

/* *more: the bounds of a batch were reached. */
static enum err batch_commit(struct keeper *k, bool *more, struct error *e)
{
	const struct db_backend *db = k->db->backend;
	struct batch *b = k->batch;
	struct keeper_options *o = &k->options;
	*more = false;
	if (k->broken)
		return err_set(e, ERR_IO, "the database cannot be written any more");
	b->count = b->bytes = b->requests_count = b->budgets_count = 0;
	b->began_us = clock_mono_us();
	b->code = db->begin(k->db, &b->error);
	buf_reset(&b->docs);
	if (b->code == ERR_NONE)
		unsaved_take(k->store, o->batch_tasks_max, o->batch_bytes_max, task_write, b);
	*more = b->count == o->batch_tasks_max || b->bytes >= o->batch_bytes_max;
	/* After the tasks: the key of an event that was seen has been seen, too. */
	if (b->code == ERR_NONE)
		requests_gather(b);
	for (size_t i = 0; i < b->requests_count && b->code == ERR_NONE; i++) {
		struct db_request r = {b->requests[i].key, b->requests[i].place};
		b->code = db->request_put(k->db, &r, &b->error);
	}
	if (b->code == ERR_NONE)
		b->budgets_count = budgets_take(k->store, b->budgets, &b->budgets_change);
	for (size_t i = 0; i < b->budgets_count && b->code == ERR_NONE; i++)
		b->code = db->budget_put(k->db, &b->budgets[i], &b->error);
	if (b->code == ERR_NONE && b->count == 0 && b->requests_count == 0 && b->budgets_count == 0)
		b->code = room_probe(b);
	if (b->code == ERR_NONE) {
		KILL_POINT("commit-before");
		b->code = db->commit(k->db, &b->error);
	} else if (b->code != ERR_IO) {
		db->rollback(k->db);
	}
	if (b->code != ERR_NONE) {
		/* What else can go wrong here does so again next time. */
		b->code = b->code == ERR_NO_SPACE ? ERR_NO_SPACE : ERR_IO;
		batch_again(b);
		*e = b->error;
		return keeper_failed(k, b->code, e);
	}
	KILL_POINT("commit-after");
	batch_done(b);
	if (store_health(k->store, NULL) == STORE_NO_SPACE) {
		log_info("there is room again: what was waiting is stored");
		loop_timer_set(k->timer, -1); /* of the next try: it would hold up what comes */
		store_health_set(k->store, STORE_WORKS, "");
	}
	keeper_trim_hurry(k, b->bytes);
	enum err code = keeper_checkpoint(k, b->bytes, e);
	return code == ERR_NONE ? ERR_NONE : keeper_failed(k, code, e);
}

/* The document of a task that ended when the table had no room for it. A predecessor may have committed some
 * of the events and not lived to tell. */
static void doc_fold_in(struct batch *b, const struct task_unsaved *t)
{
	const struct db_backend *db = b->keeper->db->backend;
	struct task_saved before = {.last_seq = 0};
	struct buf doc = BUF_INIT;
	enum err code = db->task_get(b->keeper->db, &t->id, &before, &doc, &b->error);
	if (code == ERR_NOT_FOUND)
		code = ERR_NONE;
	if (code == ERR_NONE)
		code = task_fold_on(buf_slice(&doc), events_after(t->events, before.last_seq), &b->docs,
				    &b->error);
	buf_release(&doc);
	if (b->code == ERR_NONE)
		b->code = code;
}

/* The documents of tasks that a worker goes on with are not written, since they would be again and again:
 * whoever restores such a task folds its events. */
static bool doc_waits(const struct task_unsaved *t)
{
	return task_state_works(t->state);
}

static void task_write(const struct task_unsaved *t, void *batch)
{
	struct batch *b = batch;
	const struct db_backend *db = b->keeper->db->backend;
	struct batch_task *bt = &b->tasks[b->count++];
	*bt = (struct batch_task){
		.ref = t->ref, .last_seq = t->last_seq, .state = t->state, .doc_at = b->docs.len};
	b->bytes += t->events.len + t->doc.len;
	if (b->code != ERR_NONE)
		return;
	if (t->doc.len > 0)
		buf_add_slice(&b->docs, t->doc);
	else
		doc_fold_in(b, t);
	ensure(!b->docs.overflow);
	bt->doc_bytes = b->docs.len - bt->doc_at;
	struct task_saved saved = {.id = t->id,
				   .state = t->state,
				   .last_seq = t->last_seq,
				   .created_ms = t->created_ms,
				   .updated_ms = t->updated_ms,
				   .doc = {b->docs.data + bt->doc_at, doc_waits(t) ? 0 : bt->doc_bytes}};
	if (b->code == ERR_NONE)
		b->code = db->task_put(b->keeper->db, &saved, &b->error);
	if (b->code == ERR_NONE)
		b->code = db->events_put(b->keeper->db, &t->id, t->events, &b->error);
}

static void batch_done(struct batch *b)
{
	struct store *s = b->keeper->store;
	for (size_t i = 0; i < b->count; i++) {
		const struct batch_task *t = &b->tasks[i];
		unsaved_done(s, t->ref, t->last_seq, t->state,
			     (struct slice){b->docs.data + t->doc_at, t->doc_bytes});
		KILL_POINT("commit-told");
	}
	requests_done(s, b->requests, b->requests_count);
	if (b->budgets_count > 0)
		budgets_done(s, b->budgets_change);
	store_count(s, COUNTER_COMMITS, 1);
}

static void batch_again(struct batch *b)
{
	struct store *s = b->keeper->store;
	for (size_t i = 0; i < b->count; i++)
		unsaved_again(s, b->tasks[i].ref);
	requests_again(s, b->requests, b->requests_count);
	if (b->budgets_count > 0)
		budgets_again(s);
}
