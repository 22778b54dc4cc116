/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: the folder and the file are made for their owner only, whatever the umask; a file that is there is
 * looked at before anything is changed about it, and refused with what to do when it cannot be ours to use.
 * Every fault of an opening is one of the configuration: the service does not start, and nothing was
 * overwritten.
 *
 * Whatever is made here has its folder synced before it is used: a database, or its log, that is gone after a
 * power cut would take what was acknowledged with it.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the log file shrinks to after a burst, on the way to being written again. */
enum { LOG_BYTES_KEPT = 64 << 20, CACHE_BYTES_LEAST = 1 << 20, SPARE_PAGES = 64 };

static enum err folder_sync(const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err code = ERR_NONE;
	if (fd < 0 || fsync(fd) < 0)
		code = err_set(e, ERR_CONFIG,
			       "store.path: the folder %s cannot be synced: %s; look at the disk", path,
			       strerrordesc_np(errno));
	fd_close(&fd);
	return code;
}

/* One folder of the path; what it is in is synced when it was made. */
static enum err folder_make_one(const char *path, struct error *e)
{
	if (mkdir(path, 0700) < 0) {
		if (errno == EEXIST || errno == EROFS)
			return ERR_NONE;
		return err_set(e, ERR_CONFIG,
			       "store.path: the folder %s cannot be made: %s; make it, or choose another",
			       path, strerrordesc_np(errno));
	}
	chmod(path, 0700);
	const char *slash = strrchr(path, '/');
	char *in = slash == NULL ? xstrdup(".") : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	enum err code = folder_sync(in, e);
	free(in);
	return code;
}

static enum err folder_make(const char *path, struct error *e)
{
	char *p = xstrdup(path);
	enum err code = ERR_NONE;
	for (char *at = p + 1; code == ERR_NONE && *p != '\0' && *at != '\0'; at++) {
		if (*at != '/' || at[-1] == '/')
			continue;
		*at = '\0';
		code = folder_make_one(p, e);
		*at = '/';
	}
	size_t n = strlen(p);
	while (n > 1 && p[n - 1] == '/')
		p[--n] = '\0';
	if (code == ERR_NONE)
		code = folder_make_one(p, e);
	free(p);
	return code;
}

/* The folder is one, and can be used as it must be. */
static enum err folder_ready(const struct db_options *o, struct error *e)
{
	struct stat st;
	bool reads = o->read_only || o->snapshot;
	if (*o->path == '\0')
		return err_set(e, ERR_CONFIG, "store.path is empty: name a folder");
	enum err code = reads ? ERR_NONE : folder_make(o->path, e);
	if (code != ERR_NONE)
		return code;
	if (stat(o->path, &st) < 0)
		return err_set(e, ERR_CONFIG, "store.path: the folder %s: %s; choose another", o->path,
			       strerrordesc_np(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFIG, "store.path: %s is not a folder; choose another", o->path);
	if (access(o->path, o->snapshot ? X_OK : R_OK | W_OK | X_OK) < 0)
		return err_set(e, ERR_CONFIG,
			       "store.path: the folder %s cannot be %s: %s; give this user access to it",
			       o->path, o->snapshot ? "read" : "written", strerrordesc_np(errno));
	return ERR_NONE;
}

/* Makes an empty file when there is none. One that is there is never opened here: closing it would give up
 * the locks of any other connection of this process. */
static enum err file_ready(const struct db_sqlite *d, const struct db_options *o, struct error *e)
{
	struct stat st;
	if (stat(d->path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return err_set(e, ERR_CONFIG,
				       "%s: is not a file; remove it, or choose another store.path", d->path);
		/* Who only reads takes the lock too, unless somebody else is known to hold it. */
		if (access(d->path, o->snapshot ? R_OK : R_OK | W_OK) == 0)
			return ERR_NONE;
		return err_set(e, ERR_CONFIG, "%s: cannot be %s: %s; give this user access to it", d->path,
			       o->snapshot ? "read" : "written", strerrordesc_np(errno));
	}
	if (errno == ENOENT && d->read_only)
		return err_set(e, ERR_CONFIG, "%s: there is no database; look at store.path", d->path);
	int fd = open(d->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	enum err code = ERR_NONE;
	if (fd < 0 || fchmod(fd, 0600) < 0)
		code = err_set(e, ERR_CONFIG,
			       "%s: cannot be made: %s; look at the folder, or choose another store.path",
			       d->path, strerrordesc_np(errno));
	fd_close(&fd);
	return code == ERR_NONE ? folder_sync(o->path, e) : code;
}

enum err open_failed(struct db_sqlite *d, int rc, struct error *e)
{
	int why = sqlite3_system_errno(d->handle);
	const char *system = why != 0 ? strerrordesc_np(why) : NULL, *what;
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(
			e, ERR_CONFIG,
			"%s: is in use: another service or program has it open; stop that one, or choose "
			"another folder for store.path",
			d->path);
	case SQLITE_NOTADB:
		return err_set(
			e, ERR_CONFIG,
			"%s: is not a database and is left as it is; move it away, or choose another folder "
			"for store.path",
			d->path);
	case SQLITE_CORRUPT:
		return err_set(
			e, ERR_CONFIG,
			"%s: the database is damaged (%s) and is left as it is; restore it from a backup, or "
			"move it away to begin anew",
			d->path, sqlite3_errmsg(d->handle));
	case SQLITE_FULL: what = "there is no room on the disk; make room"; break;
	case SQLITE_READONLY:
		what = "it cannot be written; look at its permissions and how the disk is mounted";
		break;
	case SQLITE_CANTOPEN:
		what = "it, or its log beside it, cannot be opened; look at the permissions of the folder";
		break;
	case SQLITE_IOERR: what = "it cannot be read, written or locked; look at the disk"; break;
	default: what = "it cannot be opened"; break;
	}
	return err_set(e, ERR_CONFIG, "%s: %s: %s (SQLite error %d%s%s)", d->path, what,
		       sqlite3_errmsg(d->handle), sqlite3_extended_errcode(d->handle),
		       system != NULL ? ", " : "", system != NULL ? system : "");
}

static void uri_add(struct buf *out, const char *path)
{
	for (const char *c = path; *c != '\0'; c++) {
		if (isalnum((unsigned char)*c) || strchr("/._-", *c) != NULL)
			buf_add_char(out, *c);
		else
			buf_printf(out, "%%%02X", (unsigned char)*c);
	}
}

static int handle_open(struct db_sqlite *d, const struct db_options *o)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	if (!o->snapshot)
		return sqlite3_open_v2(d->path, &d->handle, flags | SQLITE_OPEN_READWRITE, gather_vfs());
	struct buf uri = BUF_INIT;
	buf_add_str(&uri, "file:");
	uri_add(&uri, d->path);
	buf_add_str(&uri, "?immutable=1");
	int rc = sqlite3_open_v2(buf_cstr(&uri), &d->handle, flags | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
				 NULL);
	buf_release(&uri);
	return rc;
}

/* After every commit: how many pages the log has. */
static int on_commit(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct db_sqlite *d = arg;
	(void)handle;
	(void)name;
	d->wal_pages = pages;
	return SQLITE_OK;
}

/* What does not touch the file. Exclusive locking comes before anything reads it, so that the log never gets
 * an index in shared memory. */
static int settings(struct db_sqlite *d, const struct db_options *o)
{
	char cache[64];
	int64_t bytes = o->cache_bytes > CACHE_BYTES_LEAST ? o->cache_bytes : CACHE_BYTES_LEAST;
	int rc = sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_busy_timeout(d->handle, (int)o->lock_wait_ms);
	snprintf(cache, sizeof cache, "PRAGMA cache_size = -%lld", (long long)(bytes >> 10));
	if (rc == SQLITE_OK)
		rc = sqlite3_wal_autocheckpoint(d->handle, 0);
	sqlite3_wal_hook(d->handle, on_commit, d);
	if (rc == SQLITE_OK && !o->snapshot)
		rc = sql_exec(d, "PRAGMA locking_mode = EXCLUSIVE");
	if (rc == SQLITE_OK)
		rc = sql_exec(d, cache);
	if (rc == SQLITE_OK)
		rc = sql_exec(d, "PRAGMA synchronous = FULL;"
				 "PRAGMA temp_store = MEMORY;"
				 "PRAGMA foreign_keys = OFF;"
				 "PRAGMA secure_delete = FAST;"
				 "PRAGMA mmap_size = 0;"
				 "PRAGMA trusted_schema = OFF");
	if (rc == SQLITE_OK && d->read_only)
		rc = sql_exec(d, "PRAGMA query_only = ON");
	return rc;
}

/* The first that may write: the file is known to be ours, or empty. */
static enum err log_ready(struct db_sqlite *d, struct error *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(d->handle, "PRAGMA journal_mode = WAL", -1, &s, NULL);
	bool wal = false;
	if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		const char *mode = (const char *)sqlite3_column_text(s, 0);
		wal = mode != NULL && strcmp(mode, "wal") == 0;
		rc = SQLITE_OK;
	}
	int end = sqlite3_finalize(s);
	rc = rc == SQLITE_OK ? end : rc;
	if (rc != SQLITE_OK)
		return open_failed(d, rc, e);
	if (!wal)
		return err_set(
			e, ERR_CONFIG,
			"%s: cannot keep a log beside it; choose a folder on a local disk for store.path",
			d->path);
	return ERR_NONE;
}

/* What may only be set when the file has a size. */
static enum err limits_ready(struct db_sqlite *d, int64_t bytes_max, struct error *e)
{
	char text[64];
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(d->handle, "PRAGMA page_size", -1, &s, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		d->page_bytes = sqlite3_column_int64(s, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(s);
	if (rc == SQLITE_OK && !d->read_only) {
		int64_t pages = bytes_max / d->page_bytes;
		d->pages_spare = pages / 8 < SPARE_PAGES ? pages / 8 : SPARE_PAGES;
		d->pages_max = bytes_max > 0 && pages < 1 ? 1 : pages;
		snprintf(text, sizeof text, "PRAGMA journal_size_limit = %d", LOG_BYTES_KEPT);
		rc = sql_exec(d, text);
	}
	if (rc == SQLITE_OK && d->pages_max > 0)
		rc = spare_set(d, false);
	return rc == SQLITE_OK ? ERR_NONE : open_failed(d, rc, e);
}

/* For the whole process: it uses SQLite from one thread, and asks for no figures of its memory. Nothing is
 * said when it is too late, since it only costs time. */
static void library_ready(void)
{
	static bool done;
	if (done)
		return;
	done = true;
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum err database_ready(struct db_sqlite *d, const struct db_options *o, struct error *e)
{
	int64_t version = 0;
	int rc = handle_open(d, o);
	if (rc == SQLITE_OK)
		rc = settings(d, o);
	if (rc == SQLITE_OK && !d->read_only && sqlite3_db_readonly(d->handle, "main") == 1)
		rc = SQLITE_READONLY;
	if (rc != SQLITE_OK)
		return open_failed(d, rc, e);
	enum err code = schema_look(d, &version, e);
	if (code == ERR_NONE && !d->read_only)
		code = log_ready(d, e);
	/* The log's entry: SQLite asks for this sync, but does not look at how it went, and a second one
	 * would not tell. */
	if (code == ERR_NONE && !d->read_only)
		code = folder_sync(o->path, e);
	if (code == ERR_NONE && !d->read_only)
		code = schema_migrate(d, version, e);
	if (code == ERR_NONE)
		code = limits_ready(d, o->bytes_max, e);
	if (code != ERR_NONE || d->read_only || version > 0)
		return code;
	rc = sqlite3_wal_checkpoint_v2(d->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return rc == SQLITE_OK ? ERR_NONE : open_failed(d, rc, e);
}

enum err db_sqlite_open(const struct db_options *o, struct db **out, struct error *e)
{
	struct db_sqlite *d = xcalloc(1, sizeof *d);
	d->db.backend = &db_sqlite_backend;
	d->path = xasprintf("%s/tasks.db", o->path);
	d->db.path = d->path;
	d->read_only = o->read_only || o->snapshot;
	*out = NULL;
	library_ready();
	enum err code = folder_ready(o, e);
	if (code == ERR_NONE)
		code = file_ready(d, o, e);
	if (code == ERR_NONE)
		code = database_ready(d, o, e);
	if (code == ERR_NONE)
		*out = &d->db;
	else
		db_sqlite_backend.abandon(&d->db);
	return code;
}
