/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's process of the fault tests: begins and ends as the service's does, with the real keeper on the
 * real database. Between the two stands a row of functions that passes everything on and notes, in the log of
 * operations, what the database holds after each commit; it also makes the mutant that acknowledges too
 * early, and merges the log often, so that a short script meets every kind of operation.
 */
#include "tests/fault/rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TASKS = 64, BETWEEN_FOLDERS_BYTES = 64 << 20 };

struct vector {
	struct {
		struct id id;
		uint64_t last_seq;
	} tasks[TASKS];
	size_t count;
};

static struct {
	const struct db_backend *real;
	struct db_backend row; /* what the keeper sees */
	struct keeper_how how;
	struct vector committed, open;
	uint32_t commits;
	bool owed; /* acknowledged and not committed */
	struct loop *loop;
	struct keeper *keeper;
} child;

static void vector_set(struct vector *v, const struct id *id, uint64_t last_seq)
{
	size_t i = 0;
	while (i < v->count && id_compare(&v->tasks[i].id, id) != 0)
		i++;
	ensure(i < TASKS);
	v->tasks[i].id = *id;
	v->tasks[i].last_seq = last_seq;
	v->count += i == v->count;
}

static void vector_note(void)
{
	uint64_t h = 0;
	for (size_t i = 0; i < child.committed.count; i++)
		if (child.committed.tasks[i].last_seq)
			h += vector_hash(&child.committed.tasks[i].id, child.committed.tasks[i].last_seq);
	rig_mark(MARK_COMMIT, child.commits, h);
}

/* --- the row in between --- */

static enum err commit_real(struct db *d, struct error *e)
{
	enum err code = child.real->commit(d, e);
	if (code != ERR_NONE)
		return code;
	child.committed = child.open;
	child.commits++;
	vector_note();
	return ERR_NONE;
}

static enum err row_begin(struct db *d, struct error *e)
{
	if (child.owed && commit_real(d, e) != ERR_NONE)
		return e->code;
	child.owed = false;
	child.open = child.committed;
	return child.real->begin(d, e);
}

static enum err row_commit(struct db *d, struct error *e)
{
	if (!child.how.ack_early)
		return commit_real(d, e);
	child.owed = true;
	return ERR_NONE;
}

static enum err row_checkpoint(struct db *d, bool all, struct error *e)
{
	if (child.owed)
		return ERR_NONE;
	bool due = child.how.merge_each && child.commits % child.how.merge_each == 0;
	return child.real->checkpoint(d, all || due, e);
}

static void row_close(struct db *d)
{
	struct error e;
	if (child.owed && commit_real(d, &e) != ERR_NONE)
		log_error("the mutant lost what it owed", LF_STR("error", e.msg));
	child.real->close(d);
}

static enum err row_task_put(struct db *d, const struct task_saved *t, struct error *e)
{
	enum err code = child.real->task_put(d, t, e);
	if (code == ERR_NONE)
		vector_set(&child.open, &t->id, t->last_seq);
	return code;
}

static enum err row_task_delete(struct db *d, const struct id *task, size_t rows_max, bool *done,
				struct error *e)
{
	enum err code = child.real->task_delete(d, task, rows_max, done, e);
	if (code == ERR_NONE)
		vector_set(&child.open, task, 0);
	return code;
}

static bool seen(const struct task_saved *t, void *arg)
{
	(void)arg;
	vector_set(&child.committed, &t->id, t->last_seq);
	return true;
}

static struct db *database_open(void)
{
	const struct db_backend *real = db_backend_find("sqlite");
	struct db_options o = {
		.path = rig_paths.db, .bytes_max = BETWEEN_FOLDERS_BYTES, .cache_bytes = 1 << 20};
	struct db *db;
	struct error e = {0};
	ensure(real && real->open);
	enum err code = real->open(&o, &db, &e);
	if (code == ERR_NONE)
		code = real->tasks_each(db, 0, NULL, seen, NULL, &e);
	if (code != ERR_NONE)
		die(code == ERR_CONFIG ? EXIT_REFUSED
		    : code == ERR_IO   ? EXIT_BROKEN
				       : EXIT_NO_START,
		    "%s", e.msg);
	child.real = real;
	child.row = *real;
	child.row.begin = row_begin;
	child.row.commit = row_commit;
	child.row.checkpoint = row_checkpoint;
	child.row.close = row_close;
	child.row.task_put = row_task_put;
	child.row.task_delete = row_task_delete;
	db->backend = &child.row;
	child.open = child.committed;
	vector_note();
	return db;
}

/* --- the process --- */

static void on_broken(void *arg)
{
	(void)arg;
	_exit(EXIT_BROKEN);
}

static void on_wake(int fd, int ready, void *arg)
{
	(void)fd;
	(void)ready;
	(void)arg;
	keeper_on_wake(child.keeper);
}

static void on_stop(int fd, int ready, void *arg)
{
	char c;
	(void)ready;
	(void)arg;
	if (read(fd, &c, 1) == 0)
		loop_stop(child.loop);
}

_Noreturn void keeper_child(struct store *created, const struct keeper_how *how,
			    const struct keeper_ends *ends)
{
	struct keeper_options o = {.batch_tasks_max = 64,
				   .batch_bytes_max = 1 << 20,
				   .bytes_max = BETWEEN_FOLDERS_BYTES,
				   .request_ms = 86400000,
				   .frame_bytes_max = 1 << 20,
				   .queue_bytes_max = 4 << 20,
				   .on_broken = on_broken};
	struct error e = {0};
	log_init("keeper", LOG_WARN, LOG_FORMAT_TEXT);
	child.how = *how;
	struct store *s = store_attach(created, KEEPER);
	struct db *db = database_open();
	child.loop = loop_new();
	child.keeper = keeper_new(child.loop, s, db, &o);
	if (keeper_restore(child.keeper, &e) != ERR_NONE)
		die(e.code == ERR_IO ? EXIT_BROKEN : EXIT_NO_START, "%s", e.msg);
	struct loop_io *wake = loop_io_new(child.loop, store_wake_fd(s), LOOP_READ, on_wake, NULL);
	struct loop_io *stop = loop_io_new(child.loop, ends->stop_fd, LOOP_READ, on_stop, NULL);
	keeper_add_worker(child.keeper, ends->archive_fd);
	if (write(ends->ready_fd, "r", 1) != 1)
		die(EXIT_NO_START, "the test is gone");
	loop_run(child.loop);
	loop_io_free(stop);
	loop_io_free(wake);
	keeper_free(child.keeper);
	_exit(0);
}
