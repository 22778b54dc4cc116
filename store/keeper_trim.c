/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leaves the database: finished tasks over their time, the oldest finished ones when it is nearly full,
 * keys of requests over theirs, and tasks that a person deletes. A task is hidden in one small transaction
 * and its rows go in further ones, with a pause after each, so that no commit waits long. It leaves the table
 * first: at no death is there a task in the table that the database does not have.
 */
#include "base/base.h"
#include "store/keeper.h"

#include <stdio.h>
#include <string.h>

enum {
	ROWS_STEP = 256,
	PAUSE_MS = 2, /* after a step that found something */
	IDLE_MS = 1000,
	FULL_PERCENT = 90,        /* of max_bytes: from here on the oldest make room ... */
	NO_NEW_PERCENT = 95,      /* ... and if there are none, the rest is for the tasks there are */
	GROWTH_BYTES = 256 << 10, /* pages that a transaction may begin, beside twice what it writes */
};

static enum err trim_step(struct keeper *k, bool *more, struct error *e);

static void on_trim(void *keeper)
{
	struct keeper *k = keeper;
	struct error e;
	bool more = false;
	if (k->broken)
		return;
	enum err code = trim_step(k, &more, &e);
	if (code == ERR_NONE && !more && k->left_out > 0)
		code = keeper_restore_rest(k, &e);
	if (code != ERR_NONE && code != ERR_NO_SPACE && !k->broken)
		log_error("old tasks could not be deleted; it is tried again", LF_STR("error", e.msg));
	k->trimming = code == ERR_NONE && more;
	loop_timer_set(k->trim_timer, k->trimming ? PAUSE_MS : IDLE_MS);
	/* What waits for room need not wait any longer. */
	if (k->trimming && store_health(k->store, NULL) == STORE_NO_SPACE)
		loop_timer_set(k->timer, 0);
}

static bool used_over(struct keeper *k, int percent)
{
	int64_t bytes_max = k->options.bytes_max;
	return bytes_max > 0 &&
	       k->db->backend->bytes_used(k->db) > (uint64_t)bytes_max / 100 * (uint64_t)percent;
}

/* Before the last of the room goes to new tasks, so that those there are can end, and then make room. */
static void new_tasks_look(struct keeper *k, bool trimmable)
{
	enum store_health health = store_health(k->store, NULL);
	bool full = !trimmable && used_over(k, NO_NEW_PERCENT);
	char why[ERROR_MSG_MAX];
	if (full && health == STORE_WORKS) {
		snprintf(why, sizeof why,
			 "the database is nearly full of tasks that are not finished: approve, answer or "
			 "cancel "
			 "some, or raise store.max_bytes (%lld)",
			 (long long)k->options.bytes_max);
		log_error("no new task is taken", LF_STR("reason", why));
		store_health_set(k->store, STORE_FULL, why);
	} else if (!full && health == STORE_FULL) {
		log_info("there is room again: new tasks are taken");
		store_health_set(k->store, STORE_WORKS, "");
	}
}

/* Looked at only when what was written since the last time may have filled it. */
static bool filled_by(struct keeper *k, uint64_t bytes)
{
	uint64_t grown = bytes < UINT64_MAX / 4 ? bytes * 2 + GROWTH_BYTES : UINT64_MAX;
	uint64_t full = (uint64_t)k->options.bytes_max / 100 * FULL_PERCENT;
	if (k->options.bytes_max <= 0)
		return false;
	if (k->unseen_bytes > grown) {
		k->unseen_bytes -= grown;
		return false;
	}
	uint64_t used = k->db->backend->bytes_used(k->db);
	k->unseen_bytes = used < full ? full - used : 0;
	return used > full;
}

void keeper_trim_hurry(struct keeper *k, uint64_t bytes)
{
	if (k->trimming || !filled_by(k, bytes))
		return;
	k->trimming = true;
	loop_timer_set(k->trim_timer, PAUSE_MS);
}

void keeper_trim_open(struct keeper *k)
{
	k->trim_timer = loop_timer_new(k->loop, on_trim, k);
	loop_timer_set(k->trim_timer, IDLE_MS);
}

void keeper_trim_close(struct keeper *k)
{
	loop_timer_free(k->trim_timer);
}

/* --- helpers --- */

struct deletion {
	struct id task;
	bool done;
};

static enum err delete_rows(struct db *d, void *arg, struct error *e)
{
	struct deletion *x = arg;
	return d->backend->task_delete(d, &x->task, ROWS_STEP, &x->done, e);
}

struct trimming {
	bool found; /* a task that has to go */
	struct deletion deletion;
	int64_t keys_before_ms;
	size_t keys_gone;
};

static enum err rows_trim(struct db *d, void *arg, struct error *e)
{
	struct trimming *x = arg;
	enum err code = x->found ? delete_rows(d, &x->deletion, e) : ERR_NONE;
	if (code == ERR_NONE)
		code = d->backend->requests_expire(d, x->keys_before_ms, ROWS_STEP, &x->keys_gone, e);
	return code;
}

/* The next task that has to go, if there is one. */
static enum err victim_find(struct keeper *k, struct id *out, struct error *e)
{
	const struct db_backend *db = k->db->backend;
	int64_t retention_ms = k->options.retention_ms;
	int64_t before_ms = retention_ms > 0 ? clock_wall_ms() - retention_ms : INT64_MIN;
	if (used_over(k, FULL_PERCENT))
		before_ms = INT64_MAX;
	return db->task_oldest(k->db, before_ms, out, e);
}

/* Deletes a few rows of one task, and a few keys. */
static enum err trim_step(struct keeper *k, bool *more, struct error *e)
{
	struct trimming x = {.keys_before_ms = clock_wall_ms() - k->options.request_ms};
	enum err code = victim_find(k, &x.deletion.task, e);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return keeper_failed(k, code, e);
	x.found = code == ERR_NONE && task_forget(k->store, &x.deletion.task, e) == ERR_NONE;
	code = keeper_transact(k, rows_trim, &x, e);
	*more = x.found || x.keys_gone == ROWS_STEP;
	if (code == ERR_NONE)
		new_tasks_look(k, x.found);
	return code;
}

/* Whether it is over, wherever it is. */
static enum err deletable(struct keeper *k, const struct id *task, struct error *e)
{
	struct task_saved saved;
	struct buf doc = BUF_INIT;
	enum err code = keeper_flush(k, e);
	/* What is deleted makes room. */
	if (code == ERR_NONE || code == ERR_NO_SPACE)
		code = k->db->backend->task_get(k->db, task, &saved, &doc, e);
	buf_release(&doc);
	if (code == ERR_NONE && !task_state_terminal(saved.state))
		code = err_set(e, ERR_CONFLICT, "the task is %s: only a task that is over can be deleted",
			       task_state_text(saved.state));
	return code;
}

enum err keeper_delete(struct keeper *k, const struct id *task, struct error *e)
{
	struct deletion x = {.task = *task};
	enum err code = deletable(k, task, e);
	if (code == ERR_NONE)
		code = task_forget(k->store, task, e);
	if (code == ERR_NONE)
		code = keeper_transact(k, delete_rows, &x, e);
	loop_timer_set(k->trim_timer, PAUSE_MS); /* the rest of its rows */
	return code;
}
