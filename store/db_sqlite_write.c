/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keeper writes: tasks, their events, keys of requests. All of it may be written again with no harm,
 * since a keeper that takes over from a dead one does not know how far that one came.
 *
 * The row of a task that a worker goes on with is written when its state changes and once more, to say that
 * its document is behind: how far such a task has come is what its last event says.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <string.h>

/* Values 2 to 7 are the same in all four statements. */
static void task_bind(sqlite3_stmt *s, const struct task_saved *t)
{
	sqlite3_bind_int(s, 2, state_code(t->state));
	sql_bind_u64(s, 3, t->last_seq);
	if (t->doc.len > 0)
		sql_bind_u64(s, 4, t->last_seq);
	sqlite3_bind_int64(s, 6, t->updated_ms);
	if (t->doc.len > 0)
		sql_bind_bytes(s, 7, t->doc);
}

/* One that was not seen lately: most likely it is new. */
static enum err task_insert(struct db_sqlite *d, const struct task_saved *t, struct error *e)
{
	sqlite3_stmt *s;
	enum err code = sql_use(d, t->doc.len > 0 ? SQL_TASK_INSERT : SQL_TASK_INSERT_BARE, &s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_id(s, 1, &t->id);
	task_bind(s, t);
	sqlite3_bind_int64(s, 5, t->created_ms);
	sqlite3_set_last_insert_rowid(d->handle, 0);
	code = sql_run(d, s, e);
	/* Stays as it was when the task was there already. */
	int64_t key = sqlite3_last_insert_rowid(d->handle);
	if (code == ERR_NONE && key != 0)
		key_note(d, &t->id, key, 0);
	return code;
}

static enum err task_update(struct db_sqlite *d, int64_t key, const struct task_saved *t, struct error *e)
{
	sqlite3_stmt *s;
	enum err code = sql_use(d, t->doc.len > 0 ? SQL_TASK_UPDATE : SQL_TASK_UPDATE_BARE, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, key);
	task_bind(s, t);
	return sql_run(d, s, e);
}

enum err db_task_put(struct db *db, const struct task_saved *t, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	struct db_key *k = key_known(d, &t->id);
	/* 0 when the row has to tell everything. */
	int behind = t->doc.len == 0 && task_state_works(t->state) ? state_code(t->state) : 0;
	db_wrote(d, t->doc.len + sizeof *t);
	if (k != NULL && behind != 0 && k->state == behind)
		return ERR_NONE;
	enum err code = k == NULL ? task_insert(d, t, e) : task_update(d, k->key, t, e);
	k = key_known(d, &t->id);
	if (k != NULL)
		k->state = code == ERR_NONE ? behind : 0;
	return code;
}

/* What goes into one row: events with following numbers. */
struct event_row {
	uint64_t seq; /* of the first */
	int count;
	struct slice body;
};

/* Takes a row off the front; false when an event is damaged. */
static bool row_take(struct slice *rest, struct event_row *out)
{
	struct event_view v;
	*out = (struct event_row){.body = {rest->ptr, 0}};
	while (rest->len > 0 && out->count < ROW_EVENTS_MAX) {
		struct slice behind = *rest;
		if (!event_next(&behind, &v))
			return false;
		size_t bytes = (size_t)(behind.ptr - out->body.ptr);
		if (out->count == 0)
			out->seq = v.seq;
		else if (bytes > ROW_BYTES || v.seq != out->seq + (uint64_t)out->count)
			break;
		out->body.len = bytes;
		out->count++;
		*rest = behind;
	}
	return true;
}

/* *last_seq: of what was put. */
static enum err rows_put(struct db_sqlite *d, int64_t key, struct slice sse, int64_t *last_seq,
			 struct error *e)
{
	struct event_row row;
	sqlite3_stmt *s;
	enum err code = sql_use(d, SQL_EVENT_PUT, &s, e);
	while (code == ERR_NONE && sse.len > 0) {
		if (!row_take(&sse, &row))
			return err_set(e, ERR_INTERNAL, "an event to be saved is damaged");
		sqlite3_bind_int64(s, 1, key);
		sql_bind_u64(s, 2, row.seq);
		sql_bind_bytes(s, 3, row.body);
		sqlite3_bind_int(s, 4, row.count - 1);
		code = sql_run(d, s, e);
		*last_seq = (int64_t)row.seq + row.count - 1;
	}
	return code;
}

enum err db_events_put(struct db *db, const struct id *task, struct slice sse, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	int64_t key, last_seq = 0;
	db_wrote(d, sse.len);
	enum err code = key_find(d, task, &key, e);
	if (code == ERR_NONE && key == 0)
		code = err_set(e, ERR_NOT_FOUND, "events of a task that is not there");
	if (code == ERR_NONE)
		code = key_events(d, task, key, &last_seq, e);
	if (code == ERR_NONE)
		code = rows_put(d, key, events_after(sse, (uint64_t)last_seq), &last_seq, e);
	if (code == ERR_NONE)
		key_note(d, task, key, last_seq);
	return code;
}

enum err db_request_put(struct db *db, const struct db_request *r, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	db_wrote(d, sizeof *r);
	enum err code = sql_use(d, SQL_REQUEST_PUT, &s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_bytes(s, 1, (struct slice){(const char *)r->key.key, REQUEST_DIGEST});
	sql_bind_bytes(s, 2, (struct slice){(const char *)r->key.body, REQUEST_DIGEST});
	sql_bind_id(s, 3, &r->place.task);
	sql_bind_u64(s, 4, r->place.after_seq);
	sqlite3_bind_int64(s, 5, r->place.at_ms);
	return sql_run(d, s, e);
}
