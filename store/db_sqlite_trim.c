/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is deleted, in steps small enough to go between two commits, and the check of everything.
 *
 * The first step of a deletion marks the task as no task any more: nobody reads half of it, and one that was
 * interrupted is found again, by task_oldest (it is older than all others) and by orphans_delete. The row
 * goes last, so that nothing is left without it.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <stdio.h>
#include <string.h>

/* What a task owns by its id: value 1. */
static const enum sql owned[] = {SQL_ARTIFACTS_DELETE, SQL_PARTS_DELETE, SQL_REQUESTS_DELETE};

static enum err delete_begin(struct db_sqlite *d, struct error *e)
{
	db_wrote(d, 0);
	int rc = d->spare ? SQLITE_OK : spare_set(d, true);
	return rc == SQLITE_OK ? ERR_NONE : sql_failed(d, rc, e);
}

/* Runs a deletion with a limit bound as its value `at`; adds to *gone what went. */
static enum err delete_some(struct db_sqlite *d, sqlite3_stmt *s, int at, size_t rows_max, size_t *gone,
			    struct error *e)
{
	sql_bind_u64(s, at, rows_max - *gone);
	enum err code = sql_run(d, s, e);
	if (code == ERR_NONE)
		*gone += (size_t)sqlite3_changes(d->handle);
	return code;
}

/* The key of a finished task, which is marked when it was not yet; 0 when there is none. */
static enum err task_mark(struct db_sqlite *d, const struct id *task, int64_t *key, struct error *e)
{
	bool row;
	sqlite3_stmt *s;
	*key = 0;
	enum err code = sql_use(d, SQL_TASK_STATE, &s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_id(s, 1, task);
	code = sql_row(d, s, &row, e);
	if (code != ERR_NONE || !row)
		return code;
	int64_t state = sqlite3_column_int64(s, 1);
	*key = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	if (state >= DB_DELETED)
		return ERR_NONE;
	if (state < DB_FINISHED)
		return err_set(e, ERR_CONFLICT, "the task is not finished; cancel it first");
	key_forget(d, task);
	code = sql_use(d, SQL_TASK_MARK, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, *key);
	return sql_run(d, s, e);
}

/* What belongs to a marked task, and at last itself. */
static enum err task_delete_some(struct db_sqlite *d, const struct id *task, int64_t key, size_t rows_max,
				 size_t *gone, bool *done, struct error *e)
{
	enum err code = ERR_NONE;
	sqlite3_stmt *s;
	for (size_t i = 0; i < COUNT_OF(owned) && code == ERR_NONE && *gone < rows_max; i++) {
		code = sql_use(d, owned[i], &s, e);
		if (code != ERR_NONE)
			break;
		sql_bind_id(s, 1, task);
		code = delete_some(d, s, 2, rows_max, gone, e);
	}
	if (code == ERR_NONE && *gone < rows_max &&
	    (code = sql_use(d, SQL_EVENTS_DELETE, &s, e)) == ERR_NONE) {
		sqlite3_bind_int64(s, 1, key);
		code = delete_some(d, s, 2, rows_max, gone, e);
	}
	if (code == ERR_NONE && *gone < rows_max && (code = sql_use(d, SQL_TASK_DELETE, &s, e)) == ERR_NONE) {
		sqlite3_bind_int64(s, 1, key);
		code = sql_run(d, s, e);
		*gone += code == ERR_NONE;
		*done = code == ERR_NONE;
	}
	return code;
}

enum err db_task_delete(struct db *db, const struct id *task, size_t rows_max, bool *done, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	size_t gone = 0;
	int64_t key;
	*done = false;
	ensure(rows_max > 0);
	enum err code = delete_begin(d, e);
	if (code == ERR_NONE)
		code = task_mark(d, task, &key, e);
	if (code != ERR_NONE)
		return code;
	*done = key == 0;
	return *done ? ERR_NONE : task_delete_some(d, task, key, rows_max, &gone, done, e);
}

/* The id a statement gives; ERR_NOT_FOUND without a row. */
static enum err id_take(struct db_sqlite *d, sqlite3_stmt *s, struct id *out, struct error *e)
{
	bool row;
	enum err code = sql_row(d, s, &row, e);
	if (code != ERR_NONE)
		return code;
	if (!row)
		return err_set(e, ERR_NOT_FOUND, "there is no such task");
	if (!sql_column_id(s, 0, out))
		code = err_set(e, ERR_INTERNAL, "a task's id is damaged; run `agent-runtime verify`");
	sqlite3_reset(s);
	return code;
}

enum err db_task_oldest(struct db *db, int64_t before_ms, struct id *out, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	enum err code = sql_use(d, SQL_TASK_OLDEST, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, before_ms);
	return id_take(d, s, out, e);
}

enum err db_requests_expire(struct db *db, int64_t before_ms, size_t rows_max, size_t *gone, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	*gone = 0;
	enum err code = delete_begin(d, e);
	if (code == ERR_NONE)
		code = sql_use(d, SQL_REQUESTS_EXPIRE, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, before_ms);
	return delete_some(d, s, 2, rows_max, gone, e);
}

enum err db_orphans_delete(struct db *db, size_t rows_max, size_t *gone, struct error *e)
{
	static const enum sql orphans[] = {SQL_ARTIFACTS_ORPHANED, SQL_PARTS_ORPHANED};
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	struct id task;
	*gone = 0;
	enum err code = delete_begin(d, e);
	while (code == ERR_NONE && *gone < rows_max &&
	       (code = sql_use(d, SQL_TASK_MARKED, &s, e)) == ERR_NONE &&
	       (code = id_take(d, s, &task, e)) == ERR_NONE) {
		bool done = false;
		int64_t key;
		code = task_mark(d, &task, &key, e);
		if (code == ERR_NONE)
			code = task_delete_some(d, &task, key, rows_max, gone, &done, e);
	}
	if (code == ERR_NOT_FOUND)
		code = ERR_NONE;
	for (size_t i = 0; i < COUNT_OF(orphans) && code == ERR_NONE && *gone < rows_max; i++) {
		code = sql_use(d, orphans[i], &s, e);
		if (code == ERR_NONE)
			code = delete_some(d, s, 1, rows_max, gone, e);
	}
	return code;
}

/* --- check --- */

/* One line of text for each fault. */
static const char *const queries[] = {
	"PRAGMA integrity_check(100)",
	"SELECT 'task ' || lower(hex(t.id)) || ': its events are not numbered 1 to ' || t.last_seq || ': '"
	" || ifnull(sum(1 + e.more), 0) || ' from ' || ifnull(min(e.seq), 0) || ' to '"
	" || ifnull(max(e.seq + e.more), 0)"
	" FROM task t LEFT JOIN event e ON e.task = t.key WHERE t.state < 200 GROUP BY t.key"
	" HAVING sum(1 + e.more) IS NOT max(e.seq + e.more) OR min(e.seq) <> 1"
	" OR ifnull(max(e.seq + e.more), 0) < t.last_seq"
	" OR (max(e.seq + e.more) > t.last_seq AND t.doc_seq = t.last_seq) LIMIT 100",
	"SELECT 'task ' || lower(hex(id)) || ': its document is of event ' || doc_seq || ', its last event "
	"is '"
	" || last_seq FROM task WHERE doc_seq > last_seq OR (doc IS NULL) <> (doc_seq = 0) LIMIT 100",
	"SELECT 'task ' || lower(hex(id)) || ': state ' || state || ' is unknown' FROM task"
	" WHERE state NOT IN (1, 2, 3, 4, 5, 101, 102, 103, 104, 200) LIMIT 100",
	"SELECT sum(1 + more) || ' events belong to no task' FROM event e"
	" WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.key = e.task) HAVING count(*) > 0",
	"SELECT 'artifact ' || a.number || ' of task ' || lower(hex(a.task)) || ': ' || a.bytes || ' bytes, "
	"its'"
	" || ' parts have ' || ifnull(sum(length(p.bytes)), 0) FROM artifact a LEFT JOIN artifact_part p"
	" ON p.task = a.task AND p.number = a.number GROUP BY a.task, a.number"
	" HAVING ifnull(sum(length(p.bytes)), 0) <> a.bytes LIMIT 100",
};

enum err db_check(struct db *db, void (*fn)(const char *line, void *arg), void *arg, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	enum err code = ERR_NONE;
	for (size_t i = 0; i < COUNT_OF(queries) && code == ERR_NONE; i++) {
		bool more = true;
		sqlite3_stmt *s = NULL;
		code = sql_prepare(d, queries[i], &s, e);
		while (code == ERR_NONE && (code = sql_row(d, s, &more, e)) == ERR_NONE && more) {
			const char *line = (const char *)sqlite3_column_text(s, 0);
			if (line != NULL && strcmp(line, "ok") != 0)
				fn(line, arg);
		}
		sqlite3_finalize(s);
	}
	return code;
}
