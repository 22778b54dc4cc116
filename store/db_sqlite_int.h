/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the SQLite backend among themselves:
 *
 *   db_sqlite.c           the row of functions; transactions, checkpoints, the end
 *   db_sqlite_open.c      folder, file, settings, refusals
 *   db_sqlite_gather.c    how the files are written
 *   db_sqlite_schema.c    tables and forward migrations
 *   db_sqlite_sql.c       statements, binding, what an error of SQLite means
 *   db_sqlite_write.c     tasks, events and requests in; db_sqlite_read.c: out
 *   db_sqlite_artifact.c  artifacts; db_sqlite_budget.c: budgets of days
 *   db_sqlite_trim.c      what is deleted, and the check of everything
 */
#ifndef STORE_DB_SQLITE_INT_H
#define STORE_DB_SQLITE_INT_H

#include "base/base.h"
#include "store/db_int.h"

#include <sqlite3.h>

enum sql {
#define SQL(name, text) SQL_##name,
#include "store/db_sqlite.def"
#undef SQL
	SQL_COUNT
};

enum {
	DB_SCHEMA_VERSION = 4,
	DB_APPLICATION_ID = 0x41525453, /* "ARTS" */
	DB_KEYS = 4096,                 /* power of two */
	ROW_EVENTS_MAX = 32,            /* of one task in one row; SQL_EVENTS names it */
	ROW_BYTES = 1024,               /* a row that has so many gets no more; a page takes about three */
};

/* States as they are stored: fixed for ever, whatever the order of task_state.def. 100 and up is finished.
 * A task that is being deleted is none of ours any more: DB_DELETED and up. */
enum { DB_FINISHED = 100, DB_DELETED = 200 };
int state_code(enum task_state s);
bool state_of_code(int64_t code, enum task_state *out);

/* The key a task's id has in the database, as it was last seen. 0: an empty place. */
struct db_key {
	struct id id;
	int64_t key;
	int64_t last_seq; /* of its events; -1: not looked at yet */
	int state;        /* code in its row, when that is behind its events and known to be; 0 */
};

struct db_sqlite {
	struct db db;
	sqlite3 *handle;
	sqlite3_stmt *statements[SQL_COUNT];
	sqlite3_stmt *lists[TASK_STATE_COUNT]; /* tasks of one state, newest first */
	char *path;                            /* of the file, for messages */
	int64_t page_bytes;
	int64_t pages_max, pages_spare; /* pages_max 0: no limit; the spare ones are for deleting */
	bool read_only;
	bool writing;            /* between begin and commit or rollback */
	enum err failed;         /* why this transaction was rolled back in the midst of it */
	bool broken;             /* for ever: a write or sync failed, or the file is damaged */
	bool spare;              /* they may be used now */
	uint64_t written_bytes;  /* of this transaction, as they were given */
	int wal_pages;           /* in the log */
	char *media_type, *name; /* of the artifact last asked for */
	struct db_key keys[DB_KEYS];
};

static inline struct db_sqlite *db_of(struct db *d)
{
	return (struct db_sqlite *)d;
}

/* --- db_sqlite_sql.c --- */

/* A statement ready to be bound. What is bound is borrowed until it has run. Fails at once when nothing may
 * be tried any more, or not in this transaction. */
must_check enum err sql_use(struct db_sqlite *d, enum sql s, sqlite3_stmt **out, struct error *e);
must_check enum err sql_prepare(struct db_sqlite *d, const char *text, sqlite3_stmt **out, struct error *e);
/* Runs what has no values to bind and gives no rows; for opening. What SQLite answered. */
must_check int sql_exec(struct db_sqlite *d, const char *text);
void sql_bind_id(sqlite3_stmt *s, int at, const struct id *id);
void sql_bind_bytes(sqlite3_stmt *s, int at, struct slice bytes);
void sql_bind_u64(sqlite3_stmt *s, int at, uint64_t v);
/* Runs a statement without rows to its end. */
must_check enum err sql_run(struct db_sqlite *d, sqlite3_stmt *s, struct error *e);
/* The next row, if there is one; after the last one, or on error, the statement is reset. */
must_check enum err sql_row(struct db_sqlite *d, sqlite3_stmt *s, bool *row, struct error *e);
/* As sql_row and a reset: the first number of the first row, `fallback` without a row. */
must_check enum err sql_number(struct db_sqlite *d, sqlite3_stmt *s, int64_t fallback, int64_t *out,
			       struct error *e);
struct slice sql_column(sqlite3_stmt *s, int at); /* borrowed until the next step */
bool sql_column_id(sqlite3_stmt *s, int at, struct id *out);
/* What SQLite's answer means, with its words; notes when nothing may be tried any more. A transaction that
 * cannot go on is rolled back. */
enum err sql_failed(struct db_sqlite *d, int rc, struct error *e);
void sql_finalize(struct db_sqlite *d);

/* The key of a task; 0 when there is none. */
must_check enum err key_find(struct db_sqlite *d, const struct id *id, int64_t *key, struct error *e);
struct db_key *key_known(struct db_sqlite *d, const struct id *id); /* NULL: it may be there all the same */
void key_note(struct db_sqlite *d, const struct id *id, int64_t key, int64_t last_seq);
/* The last event of a task that is there; 0: none. */
must_check enum err key_events(struct db_sqlite *d, const struct id *id, int64_t key, int64_t *last_seq,
			       struct error *e);
void key_forget(struct db_sqlite *d, const struct id *id);
void keys_forget(struct db_sqlite *d);

/* --- db_sqlite_gather.c --- */

/* The name of a VFS that writes what adjoins in one call; NULL, which is SQLite's own, for want of memory. */
const char *gather_vfs(void);

/* --- db_sqlite_schema.c --- */

/* Looks, and changes nothing: ERR_CONFIG when the file is not ours, or of a newer version. *version is 0 for
 * an empty one. */
must_check enum err schema_look(struct db_sqlite *d, int64_t *version, struct error *e);
must_check enum err schema_migrate(struct db_sqlite *d, int64_t from, struct error *e);
/* What SQLite said while a database was being opened, as a fault of the configuration. */
enum err open_failed(struct db_sqlite *d, int rc, struct error *e);

/* --- the functions of the row, by file --- */

enum err db_sqlite_open(const struct db_options *o, struct db **out, struct error *e);

enum err db_task_put(struct db *d, const struct task_saved *t, struct error *e);
enum err db_events_put(struct db *d, const struct id *task, struct slice sse, struct error *e);
enum err db_request_put(struct db *d, const struct db_request *r, struct error *e);

enum err db_task_get(struct db *d, const struct id *id, struct task_saved *out, struct buf *doc,
		     struct error *e);
enum err db_events_get(struct db *d, const struct id *task, uint64_t after_seq, size_t bytes_max,
		       struct buf *out, uint64_t *last_seq, struct error *e);
enum err db_tasks_each(struct db *d, uint32_t states, const struct id *before, db_task_fn *fn, void *arg,
		       struct error *e);
enum err db_request_get(struct db *d, const uint8_t key[REQUEST_DIGEST], struct db_request *out,
			struct error *e);

enum err db_budget_put(struct db *d, const struct budget_saved *b, struct error *e);
enum err db_budgets_each(struct db *d, int64_t day, void (*fn)(const struct budget_saved *b, void *arg),
			 void *arg, struct error *e);
enum err db_part_put(struct db *d, const struct id *task, uint32_t number, uint32_t part, struct slice bytes,
		     struct error *e);
enum err db_artifact_put(struct db *d, const struct db_artifact *a, struct error *e);
enum err db_artifact_get(struct db *d, const struct id *task, uint32_t number, struct db_artifact *out,
			 struct error *e);
enum err db_artifact_read(struct db *d, const struct id *task, uint32_t number, uint64_t offset,
			  size_t bytes_max, struct buf *out, struct error *e);

enum err db_task_delete(struct db *d, const struct id *task, size_t rows_max, bool *done, struct error *e);
enum err db_task_oldest(struct db *d, int64_t before_ms, struct id *out, struct error *e);
enum err db_requests_expire(struct db *d, int64_t before_ms, size_t rows_max, size_t *gone, struct error *e);
enum err db_orphans_delete(struct db *d, size_t rows_max, size_t *gone, struct error *e);
uint64_t db_bytes_used(struct db *d);
enum err db_check(struct db *d, void (*fn)(const char *line, void *arg), void *arg, struct error *e);

/* Deleting may need pages of its own (an index splits), or a full database could never become smaller: gives
 * it the spare ones, or takes them back. */
must_check int spare_set(struct db_sqlite *d, bool spare);

/* Adds to a transaction's count, for what a full database is blamed on. */
static inline void db_wrote(struct db_sqlite *d, size_t bytes)
{
	ensure(d->writing && !d->read_only);
	d->written_bytes += bytes;
}

#endif
