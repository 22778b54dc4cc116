/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite backend: one file in WAL mode, one connection that holds it alone. Debian 12's SQLite 3.40.1 can
 * damage a file that two connections write and checkpoint at once; one connection cannot meet that.
 *
 * SQLite's own checkpoints are off, since it drops the error when one of them cannot sync; ours is run
 * between transactions and every answer is looked at. After an error of the disk, closing must not checkpoint
 * either: SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE is set from the opening on and taken back only by an orderly close
 * whose checkpoint went well. With it, closing finalizes, frees and closes descriptors, and neither writes
 * nor syncs.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The log is moved into the database when it has so many pages: fewer make commits slower, more make the
 * pauses longer. */
enum { CHECKPOINT_PAGES = 1000 };

static enum err transaction(struct db_sqlite *d, enum sql s, struct error *e)
{
	sqlite3_stmt *statement;
	enum err code = sql_use(d, s, &statement, e);
	return code == ERR_NONE ? sql_run(d, statement, e) : code;
}

int spare_set(struct db_sqlite *d, bool spare)
{
	char text[64];
	if (d->pages_max == 0 || d->broken)
		return SQLITE_OK;
	d->spare = spare;
	snprintf(text, sizeof text, "PRAGMA max_page_count = %lld",
		 (long long)(spare ? d->pages_max : d->pages_max - d->pages_spare));
	return sql_exec(d, text);
}

/* After a commit or rollback. */
static void transaction_over(struct db_sqlite *d)
{
	d->failed = ERR_NONE;
	d->writing = false;
	if (d->spare)
		(void)!spare_set(d, false);
}

static void rollback(struct db *db)
{
	struct db_sqlite *d = db_of(db);
	d->failed = ERR_NONE;
	/* An error may have rolled it back already. */
	if (!d->broken && !sqlite3_get_autocommit(d->handle))
		(void)!transaction(d, SQL_ROLLBACK, NULL);
	keys_forget(d);
	transaction_over(d);
}

static enum err begin(struct db *db, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	ensure(!d->writing && !d->read_only);
	enum err code = transaction(d, SQL_BEGIN, e);
	d->writing = code == ERR_NONE;
	d->written_bytes = 0;
	return code;
}

static enum err commit(struct db *db, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	ensure(d->writing);
	enum err code = transaction(d, SQL_COMMIT, e);
	if (code != ERR_NONE)
		rollback(db);
	else
		transaction_over(d);
	return code;
}

static enum err checkpoint(struct db *db, bool all, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	int in_log = 0, moved = 0;
	ensure(!d->writing && !d->read_only);
	if (d->broken)
		return err_set(e, ERR_IO, "the database: nothing is tried on it any more after an error");
	if (!all && d->wal_pages < CHECKPOINT_PAGES)
		return ERR_NONE;
	/* Nobody else reads: passive moves everything, and the next commit begins the log anew, over the
	 * bytes it has, which is quicker to sync than a file that grows again. */
	int mode = all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	errno = 0;
	int rc = sqlite3_wal_checkpoint_v2(d->handle, "main", mode, &in_log, &moved);
	if (rc != SQLITE_OK)
		return sql_failed(d, rc, e);
	d->wal_pages = in_log - moved;
	return ERR_NONE;
}

uint64_t db_bytes_used(struct db *db)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	int64_t pages = 0, unused = 0;
	if (sql_use(d, SQL_PAGES, &s, NULL) != ERR_NONE || sql_number(d, s, 0, &pages, NULL) != ERR_NONE ||
	    sql_use(d, SQL_PAGES_FREE, &s, NULL) != ERR_NONE ||
	    sql_number(d, s, 0, &unused, NULL) != ERR_NONE)
		return 0;
	return (uint64_t)(pages - unused) * (uint64_t)d->page_bytes;
}

static void release(struct db_sqlite *d)
{
	sql_finalize(d);
	ensure(sqlite3_close(d->handle) == SQLITE_OK);
	free(d->media_type);
	free(d->name);
	free(d->path);
	free(d);
}

static void abandon(struct db *db)
{
	if (db != NULL)
		release(db_of(db));
}

static void close_orderly(struct db *db)
{
	struct db_sqlite *d = db_of(db);
	struct error e = {0};
	if (db == NULL)
		return;
	if (d->writing)
		rollback(db);
	if (!d->broken && !d->read_only) {
		sql_finalize(d);
		if (checkpoint(db, true, &e) == ERR_NONE)
			sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		else
			log_warn("the database's log stays beside it until the next start",
				 LF_STR("error", e.msg));
	}
	release(d);
}

const struct db_backend db_sqlite_backend = {
	.name = "sqlite",
	.open = db_sqlite_open,
	.close = close_orderly,
	.abandon = abandon,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.checkpoint = checkpoint,
	.task_put = db_task_put,
	.events_put = db_events_put,
	.request_put = db_request_put,
	.budget_put = db_budget_put,
	.artifact_part_put = db_part_put,
	.artifact_put = db_artifact_put,
	.task_get = db_task_get,
	.events_get = db_events_get,
	.tasks_each = db_tasks_each,
	.request_get = db_request_get,
	.budgets_each = db_budgets_each,
	.artifact_get = db_artifact_get,
	.artifact_read = db_artifact_read,
	.task_delete = db_task_delete,
	.task_oldest = db_task_oldest,
	.requests_expire = db_requests_expire,
	.orphans_delete = db_orphans_delete,
	.bytes_used = db_bytes_used,
	.check = db_check,
};
