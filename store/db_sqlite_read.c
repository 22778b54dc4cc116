/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read back: documents, events, lists, keys of requests. A document that is older than its task's
 * last event is folded on from where it stands. Lists go by one index of states and ids: one cursor for each
 * state asked for, of which the newest is next, so that a list of rare tasks among millions costs what it
 * gives.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <inttypes.h>
#include <string.h>

static const char list_text[] = "SELECT key, id FROM task WHERE state = ?1 AND id < ?2 ORDER BY id DESC";

/* Columns of SQL_TASK_ROW and SQL_TASK_EACH. */
enum { ROW_ID, ROW_STATE, ROW_LAST, ROW_DOC_SEQ, ROW_CREATED, ROW_UPDATED, ROW_DOC };

static enum err damaged(struct error *e, const char *what)
{
	return err_set(e, ERR_INTERNAL, "%s is damaged; run `agent-runtime verify`", what);
}

/* The row of a task whose document is behind may be so itself. */
static void events_read(struct slice sse, struct task_saved *t)
{
	struct event_view v;
	while (event_next(&sse, &v)) {
		struct json *j =
			sse.len > 0 ? NULL : json_parse(v.data.ptr, v.data.len, JSON_DEPTH_MAX, NULL);
		if (v.seq > t->last_seq)
			t->last_seq = v.seq;
		if (j != NULL)
			clock_parse(json_get_text(j, "at", ""), &t->updated_ms);
		json_free(j);
	}
}

/* The document as of the last event, appended to *out; *t becomes what that event says. */
static enum err doc_fold_on(struct db_sqlite *d, int64_t key, sqlite3_stmt *row, struct task_saved *t,
			    struct buf *out, struct error *e)
{
	struct buf sse = BUF_INIT;
	uint64_t after_seq = (uint64_t)sqlite3_column_int64(row, ROW_DOC_SEQ), last_seq = 0;
	sqlite3_stmt *s;
	bool more = true;
	enum err code = sql_use(d, SQL_EVENTS_DOC, &s, e);
	if (code == ERR_NONE) {
		sqlite3_bind_int64(s, 1, key);
		sql_bind_u64(s, 2, after_seq);
	}
	while (code == ERR_NONE && more) {
		code = sql_row(d, s, &more, e);
		if (!more)
			break;
		buf_add_slice(&sse, events_after(sql_column(s, 0), after_seq));
		last_seq = (uint64_t)sqlite3_column_int64(s, 1);
	}
	if (code == ERR_NONE && sse.overflow)
		code = err_set(e, ERR_MEMORY, "a task's events do not fit into memory");
	struct error why;
	if (code == ERR_NONE &&
	    task_fold_on(sql_column(row, ROW_DOC), buf_slice(&sse), out, &why) != ERR_NONE)
		code = err_set(e, ERR_INTERNAL, "a task is damaged (%s); run `agent-runtime verify`",
			       why.msg);
	if (code == ERR_NONE)
		events_read(buf_slice(&sse), t);
	if (code == ERR_NONE && t->last_seq < last_seq)
		code = damaged(e, "a task");
	buf_release(&sse);
	return code;
}

static bool row_has_doc(sqlite3_stmt *row)
{
	return sqlite3_column_type(row, ROW_DOC) == SQLITE_BLOB &&
	       sqlite3_column_int64(row, ROW_DOC_SEQ) == sqlite3_column_int64(row, ROW_LAST);
}

/* All but the document; false when it is no task of ours (any more). */
static bool row_read(sqlite3_stmt *row, struct task_saved *out)
{
	out->last_seq = (uint64_t)sqlite3_column_int64(row, ROW_LAST);
	out->created_ms = sqlite3_column_int64(row, ROW_CREATED);
	out->updated_ms = sqlite3_column_int64(row, ROW_UPDATED);
	return state_of_code(sqlite3_column_int64(row, ROW_STATE), &out->state) &&
	       sql_column_id(row, ROW_ID, &out->id);
}

enum err db_task_get(struct db *db, const struct id *id, struct task_saved *out, struct buf *doc,
		     struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *row;
	size_t from = doc->len;
	bool found = false;
	int64_t key;
	enum err code = key_find(d, id, &key, e);
	if (code == ERR_NONE)
		code = sql_use(d, SQL_TASK_ROW, &row, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(row, 1, key);
	code = sql_row(d, row, &found, e);
	if (code != ERR_NONE)
		return code;
	if (!found || !row_read(row, out))
		code = err_set(e, ERR_NOT_FOUND, "there is no such task");
	else if (!row_has_doc(row))
		code = doc_fold_on(d, key, row, out, doc, e);
	else if (!buf_add_slice(doc, sql_column(row, ROW_DOC)))
		code = err_set(e, ERR_MEMORY, "a task's document does not fit into memory");
	sqlite3_reset(row);
	if (code == ERR_NONE)
		out->doc = (struct slice){doc->data + from, doc->len - from};
	return code;
}

static enum err event_damaged(struct error *e, uint64_t seq)
{
	return err_set(e, ERR_INTERNAL, "event %" PRIu64 " is damaged; run `agent-runtime verify`", seq);
}

/* Appends events of one row until what is behind `from` would exceed bytes_max; *more: it is not enough. */
static enum err row_events_add(struct buf *out, size_t from, size_t bytes_max, sqlite3_stmt *row,
			       uint64_t after_seq, uint64_t *last_seq, bool *more, struct error *e)
{
	struct slice body = events_after(sql_column(row, 0), after_seq);
	struct event_view v;
	for (const char *at = body.ptr; body.len > 0; at = body.ptr) {
		if (!event_next(&body, &v))
			return event_damaged(e, *last_seq + 1);
		struct slice event = {at, (size_t)(body.ptr - at)};
		*more = out->len == from || out->len - from + event.len <= bytes_max;
		if (!*more)
			return ERR_NONE;
		if (!buf_add_slice(out, event))
			return err_set(e, ERR_MEMORY, "a task's events do not fit into memory");
		*last_seq = v.seq;
	}
	/* An event whose end is lost takes the next one for its own. */
	if (*last_seq != (uint64_t)sqlite3_column_int64(row, 1))
		return event_damaged(e, *last_seq);
	return ERR_NONE;
}

enum err db_events_get(struct db *db, const struct id *task, uint64_t after_seq, size_t bytes_max,
		       struct buf *out, uint64_t *last_seq, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	size_t from = out->len;
	bool more = true;
	int64_t key;
	*last_seq = after_seq;
	enum err code = key_find(d, task, &key, e);
	if (code == ERR_NONE && key == 0)
		code = err_set(e, ERR_NOT_FOUND, "there is no such task");
	if (code == ERR_NONE)
		code = sql_use(d, SQL_EVENTS, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, key);
	sql_bind_u64(s, 2, after_seq);
	while (code == ERR_NONE && more && (code = sql_row(d, s, &more, e)) == ERR_NONE && more)
		code = row_events_add(out, from, bytes_max, s, after_seq, last_seq, &more, e);
	sqlite3_reset(s);
	return code;
}

/* --- lists --- */

/* Opens the cursor of one state, older than the id in before; *open: it has a row. */
static enum err list_open(struct db_sqlite *d, enum task_state state, struct slice before, bool *open,
			  struct error *e)
{
	*open = false;
	if (d->lists[state] == NULL) {
		enum err code = sql_prepare(d, list_text, &d->lists[state], e);
		if (code != ERR_NONE)
			return code;
	}
	sqlite3_stmt *s = d->lists[state];
	sqlite3_reset(s);
	sqlite3_bind_int(s, 1, state_code(state));
	sql_bind_bytes(s, 2, before);
	return sql_row(d, s, open, e);
}

/* The open cursor with the newest id; NULL when none is open. */
static sqlite3_stmt *list_newest(struct db_sqlite *d, const bool *open, size_t *which)
{
	sqlite3_stmt *best = NULL;
	for (size_t i = 0; i < TASK_STATE_COUNT; i++) {
		if (!open[i])
			continue;
		struct slice id = sql_column(d->lists[i], 1);
		if (best != NULL && memcmp(id.ptr, sql_column(best, 1).ptr, ID_BYTES) <= 0)
			continue;
		best = d->lists[i];
		*which = i;
	}
	return best;
}

/* Fills *t from a row; its document may be in *doc. */
static enum err list_row(struct db_sqlite *d, int64_t key, sqlite3_stmt *row, struct task_saved *t,
			 struct buf *doc, struct error *e)
{
	if (!row_read(row, t))
		return damaged(e, "a task");
	if (row_has_doc(row)) {
		t->doc = sql_column(row, ROW_DOC);
		return ERR_NONE;
	}
	enum err code = doc_fold_on(d, key, row, t, doc, e);
	t->doc = buf_slice(doc);
	return code;
}

/* One that cannot be folded keeps nobody from the others. */
static enum err list_skip(const struct id *id, enum err code, const struct error *why, struct error *e)
{
	char text[ID_TEXT_SIZE];
	if (code != ERR_INTERNAL && code != ERR_JSON)
		return err_set(e, code, "%s", why->msg);
	id_format(id, text);
	log_error("a task in the database is damaged and is left out; run `agent-runtime verify`",
		  LF_STR("task_id", text), LF_STR("error", why->msg));
	return ERR_NONE;
}

/* Tells fn of the task with this key. */
static enum err list_tell(struct db_sqlite *d, int64_t key, db_task_fn *fn, void *arg, bool *more,
			  struct error *e)
{
	struct buf doc = BUF_INIT;
	struct task_saved t = {0};
	struct error why;
	sqlite3_stmt *row;
	bool found;
	enum err code = sql_use(d, SQL_TASK_EACH, &row, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(row, 1, key);
	code = sql_row(d, row, &found, e);
	if (code != ERR_NONE || !found)
		return code;
	code = list_row(d, key, row, &t, &doc, &why);
	if (code == ERR_NONE)
		*more = fn(&t, arg);
	else
		code = list_skip(&t.id, code, &why, e);
	sqlite3_reset(row);
	buf_release(&doc);
	return code;
}

enum err db_tasks_each(struct db *db, uint32_t states, const struct id *before, db_task_fn *fn, void *arg,
		       struct error *e)
{
	struct db_sqlite *d = db_of(db);
	static const char above_all[ID_BYTES + 1] =
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
	struct slice from = {above_all, sizeof above_all};
	bool open[TASK_STATE_COUNT] = {false}, more = true;
	enum err code = ERR_NONE;
	sqlite3_stmt *s;
	size_t which = 0;
	if (before != NULL)
		from = (struct slice){(const char *)before->b, ID_BYTES};
	for (size_t i = 0; i < TASK_STATE_COUNT && code == ERR_NONE; i++)
		if (states == 0 || (states & 1u << i) != 0)
			code = list_open(d, (enum task_state)i, from, &open[i], e);
	while (code == ERR_NONE && more && (s = list_newest(d, open, &which)) != NULL) {
		code = list_tell(d, sqlite3_column_int64(s, 0), fn, arg, &more, e);
		if (code == ERR_NONE)
			code = sql_row(d, s, &open[which], e);
	}
	for (size_t i = 0; i < TASK_STATE_COUNT; i++)
		sqlite3_reset(d->lists[i]);
	return code;
}

enum err db_request_get(struct db *db, const uint8_t key[REQUEST_DIGEST], struct db_request *out,
			struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	bool row;
	enum err code = sql_use(d, SQL_REQUEST, &s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_bytes(s, 1, (struct slice){(const char *)key, REQUEST_DIGEST});
	code = sql_row(d, s, &row, e);
	if (code != ERR_NONE)
		return code;
	if (!row)
		return err_set(e, ERR_NOT_FOUND, "the key was not used");
	struct slice body = sql_column(s, 0);
	*out = (struct db_request){0};
	memcpy(out->key.key, key, REQUEST_DIGEST);
	if (body.len == REQUEST_DIGEST && sql_column_id(s, 1, &out->place.task))
		memcpy(out->key.body, body.ptr, REQUEST_DIGEST);
	else
		code = damaged(e, "a request's key");
	out->place.after_seq = (uint64_t)sqlite3_column_int64(s, 2);
	out->place.at_ms = sqlite3_column_int64(s, 3);
	sqlite3_reset(s);
	return code;
}
