/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements, and what an error of SQLite means. There are three kinds of failure. No space: the transaction
 * is rolled back here, whatever else is asked for in it fails the same way, and the next one may go well. A
 * failed write, read or sync, or a damaged file: nothing is tried on this file any more, since a second sync
 * may lie about the first. Everything else is our own mistake or want of memory, and concerns the one call.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {
#define SQL(name, text) text,
#include "store/db_sqlite.def"
#undef SQL
};

static enum err no_space(struct db_sqlite *d, struct error *e);
static enum err broken(struct db_sqlite *d, int why, struct error *e, const char *what);

enum err sql_prepare(struct db_sqlite *d, const char *text, sqlite3_stmt **out, struct error *e)
{
	if (d->broken)
		return err_set(e, ERR_IO, "the database: nothing is tried on it any more after an error");
	errno = 0;
	int rc = sqlite3_prepare_v3(d->handle, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	return rc == SQLITE_OK ? ERR_NONE : sql_failed(d, rc, e);
}

enum err sql_use(struct db_sqlite *d, enum sql s, sqlite3_stmt **out, struct error *e)
{
	*out = d->statements[s];
	if (d->broken)
		return err_set(e, ERR_IO, "the database: nothing is tried on it any more after an error");
	if (d->failed != ERR_NONE)
		return err_set(e, d->failed, "this transaction was rolled back");
	if (*out == NULL) {
		enum err code = sql_prepare(d, texts[s], out, e);
		if (code != ERR_NONE)
			return code;
		d->statements[s] = *out;
	}
	sqlite3_reset(*out);
	return ERR_NONE;
}

void sql_bind_id(sqlite3_stmt *s, int at, const struct id *id)
{
	ensure(sqlite3_bind_blob(s, at, id->b, ID_BYTES, SQLITE_STATIC) == SQLITE_OK);
}

void sql_bind_bytes(sqlite3_stmt *s, int at, struct slice bytes)
{
	/* A null pointer would be NULL, not a blob without bytes. One that is too long fails when it is run.
	 */
	sqlite3_bind_blob64(s, at, bytes.len > 0 ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
}

void sql_bind_u64(sqlite3_stmt *s, int at, uint64_t v)
{
	ensure(sqlite3_bind_int64(s, at, v <= INT64_MAX ? (int64_t)v : INT64_MAX) == SQLITE_OK);
}

enum err sql_row(struct db_sqlite *d, sqlite3_stmt *s, bool *row, struct error *e)
{
	errno = 0;
	int rc = sqlite3_step(s);
	*row = rc == SQLITE_ROW;
	if (*row)
		return ERR_NONE;
	enum err code = rc == SQLITE_DONE ? ERR_NONE : sql_failed(d, rc, e);
	sqlite3_reset(s);
	return code;
}

enum err sql_run(struct db_sqlite *d, sqlite3_stmt *s, struct error *e)
{
	bool row;
	enum err code = sql_row(d, s, &row, e);
	ensure(!row);
	return code;
}

enum err sql_number(struct db_sqlite *d, sqlite3_stmt *s, int64_t fallback, int64_t *out, struct error *e)
{
	bool row;
	enum err code = sql_row(d, s, &row, e);
	*out = row ? sqlite3_column_int64(s, 0) : fallback;
	sqlite3_reset(s);
	return code;
}

int sql_exec(struct db_sqlite *d, const char *text)
{
	return sqlite3_exec(d->handle, text, NULL, NULL, NULL);
}

struct slice sql_column(sqlite3_stmt *s, int at)
{
	const char *bytes = sqlite3_column_blob(s, at);
	return (struct slice){bytes != NULL ? bytes : "", (size_t)sqlite3_column_bytes(s, at)};
}

bool sql_column_id(sqlite3_stmt *s, int at, struct id *out)
{
	struct slice b = sql_column(s, at);
	if (b.len != ID_BYTES)
		return false;
	memcpy(out->b, b.ptr, ID_BYTES);
	return true;
}

enum err sql_failed(struct db_sqlite *d, int rc, struct error *e)
{
	/* SQLite keeps the system's word for some failures only, and errno as it was for all. */
	int why = errno, all = sqlite3_extended_errcode(d->handle);
	switch (rc & 0xff) {
	case SQLITE_FULL: return no_space(d, e);
	case SQLITE_IOERR:
		if (all == SQLITE_IOERR_WRITE && why == EDQUOT)
			return no_space(d, e);
		if (all != SQLITE_IOERR_NOMEM)
			return broken(d, why, e, "cannot be written, read or synced; look at the disk");
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return broken(d, why, e, "is damaged; restore it from a backup");
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY: return broken(d, why, e, "was moved, deleted or made read-only while in use");
	case SQLITE_NOMEM: break;
	case SQLITE_TOOBIG: return err_set(e, ERR_TOO_LARGE, "more than a database's row may have");
	default:
		return err_set(e, ERR_INTERNAL, "the database: %s (SQLite error %d)",
			       sqlite3_errmsg(d->handle), all);
	}
	if (d->writing)
		d->failed = ERR_MEMORY;
	return err_set(e, ERR_MEMORY, "the database: memory ran out");
}

void sql_finalize(struct db_sqlite *d)
{
	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(d->statements[i]);
	for (size_t i = 0; i < TASK_STATE_COUNT; i++)
		sqlite3_finalize(d->lists[i]);
	memset(d->statements, 0, sizeof d->statements);
	memset(d->lists, 0, sizeof d->lists);
}

/* --- keys: most of what is written belongs to a task that was written a moment ago --- */

static struct db_key *key_place(struct db_sqlite *d, const struct id *id)
{
	return &d->keys[hash64(id->b, ID_BYTES) % DB_KEYS];
}

struct db_key *key_known(struct db_sqlite *d, const struct id *id)
{
	struct db_key *k = key_place(d, id);
	return k->key != 0 && id_compare(&k->id, id) == 0 ? k : NULL;
}

enum err key_find(struct db_sqlite *d, const struct id *id, int64_t *key, struct error *e)
{
	const struct db_key *k = key_known(d, id);
	sqlite3_stmt *s;
	*key = k != NULL ? k->key : 0;
	if (k != NULL)
		return ERR_NONE;
	enum err code = sql_use(d, SQL_TASK_KEY, &s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_id(s, 1, id);
	code = sql_number(d, s, 0, key, e);
	if (code == ERR_NONE && *key != 0)
		key_note(d, id, *key, -1);
	return code;
}

void key_note(struct db_sqlite *d, const struct id *id, int64_t key, int64_t last_seq)
{
	struct db_key *k = key_known(d, id);
	*key_place(d, id) = (struct db_key){*id, key, last_seq, k != NULL ? k->state : 0};
}

enum err key_events(struct db_sqlite *d, const struct id *id, int64_t key, int64_t *last_seq, struct error *e)
{
	const struct db_key *k = key_known(d, id);
	sqlite3_stmt *s;
	*last_seq = k != NULL && k->key == key ? k->last_seq : -1;
	if (*last_seq >= 0)
		return ERR_NONE;
	enum err code = sql_use(d, SQL_EVENT_LAST, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, key);
	return sql_number(d, s, 0, last_seq, e);
}

void key_forget(struct db_sqlite *d, const struct id *id)
{
	struct db_key *k = key_known(d, id);
	if (k != NULL)
		k->key = 0;
}

void keys_forget(struct db_sqlite *d)
{
	memset(d->keys, 0, sizeof d->keys);
}

/* --- helpers --- */

/* SQLite says the same when the disk is full and when max_page_count is reached. It was the limit if what
 * this transaction wrote may not have fitted under it, with as much again for what a table needs beside its
 * bytes. */
static bool limit_reached(struct db_sqlite *d)
{
	int64_t used = (int64_t)db_bytes_used(&d->db) / d->page_bytes;
	int64_t wanted = (int64_t)(2 * d->written_bytes) / d->page_bytes + d->pages_spare + 64;
	return d->pages_max > 0 && d->pages_max - used <= wanted;
}

static enum err no_space(struct db_sqlite *d, struct error *e)
{
	if (!sqlite3_get_autocommit(d->handle))
		sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
	keys_forget(d);
	bool limit = limit_reached(d);
	if (d->writing)
		d->failed = ERR_NO_SPACE;
	if (limit)
		return err_set(e, ERR_NO_SPACE,
			       "the database is full: store.max_bytes is %lld; raise it, or delete tasks or "
			       "lower store.retention_days",
			       (long long)(d->pages_max * d->page_bytes));
	return err_set(e, ERR_NO_SPACE, "the disk is full; make room on it (store.path)");
}

static enum err broken(struct db_sqlite *d, int why, struct error *e, const char *what)
{
	int all = sqlite3_extended_errcode(d->handle);
	const char *system = why != 0 ? strerrordesc_np(why) : NULL;
	d->broken = true;
	return err_set(e, ERR_IO, "the database %s: %s (SQLite error %d%s%s)", what,
		       sqlite3_errmsg(d->handle), all, system != NULL ? ", " : "",
		       system != NULL ? system : "");
}
