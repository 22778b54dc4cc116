/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts: large results, kept in parts so that neither writing nor reading one holds up commits. Parts
 * come first, in any order and more than once; the artifact itself is the row that says they are complete,
 * and only then it can be read. Parts without it are swept up at the next boot (db_sqlite_trim.c).
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <stdlib.h>
#include <string.h>

static uint64_t parts_of(uint64_t bytes)
{
	return (bytes + DB_PART_BYTES - 1) / DB_PART_BYTES;
}

static enum err artifact_use(struct db_sqlite *d, enum sql which, const struct id *task, uint32_t number,
			     sqlite3_stmt **s, struct error *e)
{
	enum err code = sql_use(d, which, s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_id(*s, 1, task);
	sqlite3_bind_int64(*s, 2, number);
	return ERR_NONE;
}

enum err db_part_put(struct db *db, const struct id *task, uint32_t number, uint32_t part, struct slice bytes,
		     struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	ensure(bytes.len <= DB_PART_BYTES);
	db_wrote(d, bytes.len);
	enum err code = artifact_use(d, SQL_PART_PUT, task, number, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 3, part);
	sql_bind_bytes(s, 4, bytes);
	return sql_run(d, s, e);
}

/* All parts are there, each as long as it must be. Those of an earlier, longer try are cut off. */
static enum err parts_check(struct db_sqlite *d, const struct db_artifact *a, struct error *e)
{
	uint64_t count = parts_of(a->bytes), next = 0;
	bool more = true;
	sqlite3_stmt *s;
	enum err code = artifact_use(d, SQL_PARTS_CUT, &a->task, a->number, &s, e);
	if (code == ERR_NONE) {
		sql_bind_u64(s, 3, count);
		code = sql_run(d, s, e);
	}
	if (code == ERR_NONE)
		code = artifact_use(d, SQL_PART_LENGTHS, &a->task, a->number, &s, e);
	while (code == ERR_NONE && (code = sql_row(d, s, &more, e)) == ERR_NONE && more) {
		uint64_t left = a->bytes - next * DB_PART_BYTES;
		uint64_t length = left < DB_PART_BYTES ? left : DB_PART_BYTES;
		if ((uint64_t)sqlite3_column_int64(s, 0) != next ||
		    (uint64_t)sqlite3_column_int64(s, 1) != length)
			break;
		next++;
	}
	if (code != ERR_NONE)
		return code;
	sqlite3_reset(s);
	if (next < count)
		return err_set(e, ERR_CONFLICT,
			       "artifact %u: part %llu of %llu is missing or has another length", a->number,
			       (unsigned long long)next, (unsigned long long)count);
	return ERR_NONE;
}

enum err db_artifact_put(struct db *db, const struct db_artifact *a, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	db_wrote(d, sizeof *a);
	enum err code = parts_check(d, a, e);
	if (code == ERR_NONE)
		code = artifact_use(d, SQL_ARTIFACT_PUT, &a->task, a->number, &s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_u64(s, 3, a->bytes);
	sqlite3_bind_text(s, 4, a->media_type, -1, SQLITE_STATIC);
	if (a->name != NULL)
		sqlite3_bind_text(s, 5, a->name, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, 5);
	sqlite3_bind_text(s, 6, a->sha256, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 7, a->at_ms);
	return sql_run(d, s, e);
}

static void text_keep(char **to, sqlite3_stmt *s, int at)
{
	free(*to);
	*to = xstrdup((const char *)sqlite3_column_text(s, at));
}

enum err db_artifact_get(struct db *db, const struct id *task, uint32_t number, struct db_artifact *out,
			 struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	bool row;
	enum err code = artifact_use(d, SQL_ARTIFACT, task, number, &s, e);
	if (code == ERR_NONE)
		code = sql_row(d, s, &row, e);
	if (code != ERR_NONE)
		return code;
	if (!row)
		return err_set(e, ERR_NOT_FOUND, "there is no such artifact");
	text_keep(&d->media_type, s, 1);
	text_keep(&d->name, s, 2);
	*out = (struct db_artifact){.task = *task,
				    .number = number,
				    .bytes = (uint64_t)sqlite3_column_int64(s, 0),
				    .media_type = d->media_type != NULL ? d->media_type : "",
				    .name = d->name,
				    .at_ms = sqlite3_column_int64(s, 4)};
	struct slice sha256 = sql_column(s, 3);
	if (sha256.len < SHA256_HEX_SIZE)
		memcpy(out->sha256, sha256.ptr, sha256.len);
	sqlite3_reset(s);
	return ERR_NONE;
}

/* Appends bytes of one part from offset on, as many as are left of it and fit. */
static enum err part_read(struct db_sqlite *d, const struct db_artifact *a, uint64_t offset, size_t bytes_max,
			  struct buf *out, struct error *e)
{
	uint64_t within = offset % DB_PART_BYTES;
	bool row = false;
	sqlite3_stmt *s;
	enum err code = artifact_use(d, SQL_PART, &a->task, a->number, &s, e);
	if (code != ERR_NONE)
		return code;
	sql_bind_u64(s, 3, offset / DB_PART_BYTES);
	code = sql_row(d, s, &row, e);
	if (code != ERR_NONE)
		return code;
	struct slice part = row ? sql_column(s, 0) : (struct slice){"", 0};
	if (part.len <= within) {
		code = err_set(e, ERR_INTERNAL,
			       "an artifact is damaged: a part of it is missing; run "
			       "`agent-runtime verify`");
	} else {
		size_t n = part.len - within < bytes_max ? part.len - within : bytes_max;
		if (!buf_add(out, part.ptr + within, n))
			code = err_set(e, ERR_MEMORY, "an artifact's bytes do not fit into memory");
	}
	sqlite3_reset(s);
	return code;
}

enum err db_artifact_read(struct db *db, const struct id *task, uint32_t number, uint64_t offset,
			  size_t bytes_max, struct buf *out, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	struct db_artifact a;
	size_t from = out->len;
	enum err code = db_artifact_get(db, task, number, &a, e);
	while (code == ERR_NONE && offset < a.bytes && out->len - from < bytes_max) {
		size_t before = out->len;
		code = part_read(d, &a, offset, bytes_max - (out->len - from), out, e);
		offset += out->len - before;
	}
	return code;
}
