/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the backend's files are written: as SQLite's own VFS does it, but for writes that adjoin, which go to
 * the system together. SQLite writes a log's page in two calls and a checkpoint's pages in one each; most of
 * what they cost is the calls.
 *
 * What is gathered is written before the file is synced, read, cut or measured, so that nobody sees less than
 * was written, and a failed write is told before anything is taken for durable. What was gathered and not
 * synced when a file is closed is dropped: nobody was told of it, and after an error nothing may be written
 * any more. Only the database and its log are gathered for; they have one connection and are never mapped.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <string.h>

/* SQLite's VFS takes no more than 131071 bytes at once. */
enum { GATHER_BYTES = 96 << 10 };

struct gathering {
	sqlite3_file file; /* the one of SQLite's VFS stands behind this struct */
	sqlite3_int64 at;  /* where the first of the bytes belongs */
	int len;
	char *bytes; /* GATHER_BYTES; NULL until the first write */
};

static struct gathering *gathering_of(sqlite3_file *f)
{
	return (struct gathering *)f;
}

static sqlite3_file *below(sqlite3_file *f)
{
	return (sqlite3_file *)(gathering_of(f) + 1);
}

/* What could not be written is forgotten: its transaction or checkpoint ends with the error. */
static int flush(sqlite3_file *f)
{
	struct gathering *g = gathering_of(f);
	int len = g->len;
	g->len = 0;
	return len > 0 ? below(f)->pMethods->xWrite(below(f), g->bytes, len, g->at) : SQLITE_OK;
}

static int gathered_close(sqlite3_file *f)
{
	sqlite3_free(gathering_of(f)->bytes);
	return below(f)->pMethods->xClose(below(f));
}

static int gathered_read(sqlite3_file *f, void *bytes, int n, sqlite3_int64 at)
{
	int rc = flush(f);
	return rc == SQLITE_OK ? below(f)->pMethods->xRead(below(f), bytes, n, at) : rc;
}

static int gathered_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
	struct gathering *g = gathering_of(f);
	int rc = SQLITE_OK;
	ensure(n <= GATHER_BYTES); /* a page is the most that is written at once */
	if (g->bytes == NULL && (g->bytes = sqlite3_malloc(GATHER_BYTES)) == NULL)
		return SQLITE_IOERR_NOMEM;
	if (at != g->at + g->len || g->len + n > GATHER_BYTES)
		rc = flush(f);
	if (rc != SQLITE_OK)
		return rc;
	if (g->len == 0)
		g->at = at;
	memcpy(g->bytes + g->len, bytes, (size_t)n);
	g->len += n;
	return SQLITE_OK;
}

static int gathered_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = flush(f);
	return rc == SQLITE_OK ? below(f)->pMethods->xTruncate(below(f), size) : rc;
}

static int gathered_sync(sqlite3_file *f, int flags)
{
	int rc = flush(f);
	return rc == SQLITE_OK ? below(f)->pMethods->xSync(below(f), flags) : rc;
}

static int gathered_size(sqlite3_file *f, sqlite3_int64 *size)
{
	int rc = flush(f);
	return rc == SQLITE_OK ? below(f)->pMethods->xFileSize(below(f), size) : rc;
}

static int gathered_lock(sqlite3_file *f, int level)
{
	return below(f)->pMethods->xLock(below(f), level);
}

static int gathered_unlock(sqlite3_file *f, int level)
{
	return below(f)->pMethods->xUnlock(below(f), level);
}

static int gathered_reserved(sqlite3_file *f, int *out)
{
	return below(f)->pMethods->xCheckReservedLock(below(f), out);
}

static int gathered_control(sqlite3_file *f, int what, void *arg)
{
	return below(f)->pMethods->xFileControl(below(f), what, arg);
}

static int gathered_sector(sqlite3_file *f)
{
	return below(f)->pMethods->xSectorSize(below(f));
}

static int gathered_characteristics(sqlite3_file *f)
{
	return below(f)->pMethods->xDeviceCharacteristics(below(f));
}

/* Version 1: no shared memory, which exclusive locking does without, and no mapping. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = gathered_close,
	.xRead = gathered_read,
	.xWrite = gathered_write,
	.xTruncate = gathered_truncate,
	.xSync = gathered_sync,
	.xFileSize = gathered_size,
	.xLock = gathered_lock,
	.xUnlock = gathered_unlock,
	.xCheckReservedLock = gathered_reserved,
	.xFileControl = gathered_control,
	.xSectorSize = gathered_sector,
	.xDeviceCharacteristics = gathered_characteristics,
};

/* Others, as the journal that a new database begins with, are SQLite's own altogether. */
static int gathered_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *got)
{
	sqlite3_vfs *own = sqlite3_vfs_find(NULL);
	(void)v;
	if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
		return own->xOpen(own, name, f, flags, got);
	*gathering_of(f) = (struct gathering){.at = 0};
	int rc = own->xOpen(own, name, below(f), flags, got);
	/* SQLite closes what has methods, also after an error. */
	f->pMethods = below(f)->pMethods != NULL ? &methods : NULL;
	return rc;
}

const char *gather_vfs(void)
{
	static sqlite3_vfs vfs;
	const sqlite3_vfs *own = sqlite3_vfs_find(NULL);
	if (vfs.zName == NULL && own != NULL) {
		vfs = *own;
		vfs.zName = "gather";
		vfs.szOsFile = own->szOsFile + (int)sizeof(struct gathering);
		vfs.xOpen = gathered_open;
		/* Not to be the default: that is the one below. */
		if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
			vfs.zName = NULL;
	}
	return vfs.zName;
}
