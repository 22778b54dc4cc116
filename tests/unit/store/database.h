/* SPDX-License-Identifier: Apache-2.0 */
/* A database in a folder of its own, and tasks to put into it. */
#ifndef TESTS_STORE_DATABASE_H
#define TESTS_STORE_DATABASE_H

#include "base/base.h"
#include "store/store_int.h"
#include "store/store_db.h"
#include "store/db_sqlite_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct database {
	char folder[96], file[128], log[128];
	struct db_options options;
	const struct db_backend *b;
	struct db *db;
};

static inline void assert_well(enum err code, const struct error *e)
{
	if (code != ERR_NONE)
		fail_msg("%s", e->msg);
}

static inline void database_open(struct database *d)
{
	struct error e = {0};
	d->options.path = d->folder;
	assert_well(d->b->open(&d->options, &d->db, &e), &e);
}

/* Not opened yet. */
static inline void database_init(struct database *d)
{
	*d = (struct database){.b = db_backend_find("sqlite")};
	snprintf(d->folder, sizeof d->folder, "%s/database-XXXXXX",
		 getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(d->folder));
	snprintf(d->file, sizeof d->file, "%s/tasks.db", d->folder);
	snprintf(d->log, sizeof d->log, "%s/tasks.db-wal", d->folder);
	d->options = (struct db_options){.cache_bytes = 4 << 20};
}

static inline struct database database_new(void)
{
	struct database d;
	database_init(&d);
	database_open(&d);
	return d;
}

static inline int database_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void database_fault(const char *line, void *arg)
{
	(void)arg;
	fail_msg("%s", line);
}

static inline void database_check(struct database *d)
{
	struct error e = {0};
	assert_well(d->b->check(d->db, database_fault, NULL, &e), &e);
}

/* What a query says. */
static inline int64_t database_number(struct database *d, const char *query)
{
	sqlite3_stmt *s;
	assert_int_equal(sqlite3_prepare_v2(db_of(d->db)->handle, query, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

/* Whatever was done to it, it must be whole at the end. */
static inline void database_free(struct database *d)
{
	if (d->db != NULL) {
		database_check(d);
		d->b->close(d->db);
	}
	assert_int_equal(nftw(d->folder, database_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void database_reopen(struct database *d)
{
	d->b->close(d->db);
	database_open(d);
}

static inline void begin(struct database *d)
{
	struct error e = {0};
	assert_well(d->b->begin(d->db, &e), &e);
}

static inline void commit(struct database *d)
{
	struct error e = {0};
	assert_well(d->b->commit(d->db, &e), &e);
}

static inline long file_bytes(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

/* --- openings that are refused, and what they leave alone --- */

static inline void assert_refused_at(struct database *d, const char *path, const char *piece)
{
	struct error e = {0};
	d->options.path = path;
	d->db = (struct db *)d;
	assert_int_equal(d->b->open(&d->options, &d->db, &e), ERR_CONFIG);
	assert_null(d->db);
	if (strstr(e.msg, piece) == NULL)
		fail_msg("no \"%s\" in: %s", piece, e.msg);
}

static inline void assert_refused(struct database *d, const char *piece)
{
	assert_refused_at(d, d->folder, piece);
}

static inline void file_write(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static inline void assert_file(const char *path, const void *bytes, size_t n)
{
	struct buf b = BUF_INIT;
	struct error e = {0};
	assert_well(file_read(path, 64 << 20, &b, &e), &e);
	assert_int_equal(b.len, n);
	assert_memory_equal(b.data, bytes, n);
	buf_release(&b);
}

/* --- tasks --- */

/* Ids in the order of n. */
static inline struct id id_nth(uint32_t n)
{
	struct id id = {{0}};
	for (int i = 0; i < 4; i++)
		id.b[i] = (uint8_t)(n >> (24 - 8 * i));
	id.b[15] = 7;
	return id;
}

/* Events first..last of a task: the first event makes it, the second moves it to planning. */
static inline void events_add(struct buf *out, const struct id *id, uint64_t first, uint64_t last)
{
	char text[ID_TEXT_SIZE], data[128];
	id_format(id, text);
	for (uint64_t seq = first; seq <= last; seq++) {
		enum event_type type = seq == 1   ? EVENT_TASK_CREATED
				       : seq == 2 ? EVENT_TASK_STATE
						  : EVENT_MODEL_STARTED;
		snprintf(data, sizeof data,
			 "{\"task_id\":\"%s\",\"prompt\":\"p\",\"to\":\"planning\",\"call\":\"m\"}", text);
		assert_true(event_format(out, seq, 1000 + (int64_t)seq, type, slice_str(data)));
	}
}

static inline struct task_saved task_nth(uint32_t n, enum task_state state, uint64_t last_seq,
					 const char *doc)
{
	return (struct task_saved){.id = id_nth(n),
				   .state = state,
				   .last_seq = last_seq,
				   .created_ms = 1000,
				   .updated_ms = 1000 + (int64_t)n,
				   .doc = slice_str(doc)};
}

/* In the transaction that is open: the task with its document, and its events from `first` on. */
static inline void task_write(struct database *d, const struct task_saved *t, uint64_t first)
{
	struct error e = {0};
	struct buf sse = BUF_INIT;
	assert_well(d->b->task_put(d->db, t, &e), &e);
	events_add(&sse, &t->id, first, t->last_seq);
	assert_well(d->b->events_put(d->db, &t->id, buf_slice(&sse), &e), &e);
	buf_release(&sse);
}

static inline void task_save(struct database *d, uint32_t n, enum task_state state, uint64_t last_seq)
{
	struct task_saved t = task_nth(n, state, last_seq, "{\"id\":1}");
	begin(d);
	task_write(d, &t, 1);
	commit(d);
}

static inline bool task_there(struct database *d, uint32_t n)
{
	struct id id = id_nth(n);
	struct task_saved t;
	struct error e = {0};
	struct buf doc = BUF_INIT;
	enum err code = d->b->task_get(d->db, &id, &t, &doc, &e);
	buf_release(&doc);
	if (code != ERR_NOT_FOUND)
		assert_well(code, &e);
	return code == ERR_NONE;
}

#endif
