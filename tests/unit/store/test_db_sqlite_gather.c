/* SPDX-License-Identifier: Apache-2.0 */
/* Writes that adjoin go together, and nobody sees less than was written: a file of the VFS by itself, and
 * what it makes of commits. */
#include "tests/unit/store/database.h"
#include "tests/unit/store/disk.h"

#include <fcntl.h>

struct gathered {
	char folder[96], database[128], path[160];
	sqlite3_filename name;
	sqlite3_file *file;
	int fd; /* the same file, as others see it */
};

/* A log or a journal gets its mode from the database beside it. */
static struct gathered gathered_new(int flags)
{
	struct gathered g = {.fd = -1};
	sqlite3_vfs *vfs = sqlite3_vfs_find(gather_vfs());
	int got;
	assert_non_null(vfs);
	assert_ptr_not_equal(vfs, sqlite3_vfs_find(NULL));
	snprintf(g.folder, sizeof g.folder, "%s/gather-XXXXXX",
		 getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(g.folder));
	snprintf(g.database, sizeof g.database, "%s/file", g.folder);
	file_write(g.database, "", 0);
	const char *kind = flags & SQLITE_OPEN_WAL ? "-wal" : flags & SQLITE_OPEN_MAIN_DB ? "" : "-journal";
	snprintf(g.path, sizeof g.path, "%s%s", g.database, kind);
	g.name = sqlite3_create_filename(g.path, g.path, g.path, 0, NULL);
	g.file = xcalloc(1, (size_t)vfs->szOsFile);
	assert_int_equal(
		vfs->xOpen(vfs, g.name, g.file, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &got),
		SQLITE_OK);
	g.fd = open(g.path, O_RDONLY | O_CLOEXEC);
	assert_true(g.fd >= 0);
	disk = (struct disk){0};
	return g;
}

static void gathered_free(struct gathered *g)
{
	if (g->file->pMethods != NULL)
		g->file->pMethods->xClose(g->file);
	free(g->file);
	sqlite3_free_filename(g->name);
	close(g->fd);
	assert_int_equal(nftw(g->folder, database_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int put(struct gathered *g, const char *text, sqlite3_int64 at)
{
	return g->file->pMethods->xWrite(g->file, text, (int)strlen(text), at);
}

/* What the file has for others. */
static void assert_disk(struct gathered *g, const char *want)
{
	char got[64] = "";
	assert_int_equal(pread(g->fd, got, sizeof got - 1, 0), strlen(want));
	assert_string_equal(got, want);
}

static void writes_that_adjoin_go_together_when_it_is_synced(void **state)
{
	struct gathered g = gathered_new(SQLITE_OPEN_WAL);
	(void)state;
	assert_int_equal(put(&g, "one ", 0), SQLITE_OK);
	assert_int_equal(put(&g, "two ", 4), SQLITE_OK);
	assert_int_equal(put(&g, "three", 8), SQLITE_OK);
	assert_disk(&g, "");
	assert_int_equal(g.file->pMethods->xSync(g.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	assert_disk(&g, "one two three");
	assert_int_equal(disk.writes, 1);
	assert_int_equal(disk.syncs, 1);
	gathered_free(&g);
}

static void others_keep_their_order(void **state)
{
	struct gathered g = gathered_new(SQLITE_OPEN_MAIN_DB);
	(void)state;
	assert_int_equal(put(&g, "aaaa", 0), SQLITE_OK);
	assert_int_equal(put(&g, "bb", 1), SQLITE_OK); /* over the first */
	assert_disk(&g, "aaaa");
	assert_int_equal(put(&g, "c", 0), SQLITE_OK);
	assert_disk(&g, "abba");
	assert_int_equal(g.file->pMethods->xSync(g.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	assert_disk(&g, "cbba");
	assert_int_equal(disk.writes, 3);
	gathered_free(&g);
}

static void who_reads_measures_or_cuts_meets_what_was_written(void **state)
{
	struct gathered g = gathered_new(SQLITE_OPEN_MAIN_DB);
	sqlite3_int64 size = 0;
	char got[9] = "";
	(void)state;
	assert_int_equal(put(&g, "12345678", 0), SQLITE_OK);
	assert_int_equal(g.file->pMethods->xRead(g.file, got, 8, 0), SQLITE_OK);
	assert_string_equal(got, "12345678");
	assert_int_equal(put(&g, "9", 8), SQLITE_OK);
	assert_int_equal(g.file->pMethods->xFileSize(g.file, &size), SQLITE_OK);
	assert_int_equal(size, 9);
	assert_int_equal(put(&g, "0", 9), SQLITE_OK);
	assert_int_equal(g.file->pMethods->xTruncate(g.file, 4), SQLITE_OK);
	assert_disk(&g, "1234");
	gathered_free(&g);
}

static void more_than_is_gathered_is_written_on_the_way(void **state)
{
	enum { PAGE = 4096, PAGES = 100 };
	static char page[PAGE], got[PAGE];
	struct gathered g = gathered_new(SQLITE_OPEN_WAL);
	(void)state;
	for (int i = 0; i < PAGES; i++) {
		memset(page, 'a' + i % 26, PAGE);
		assert_int_equal(g.file->pMethods->xWrite(g.file, page, PAGE, i * PAGE), SQLITE_OK);
	}
	assert_int_equal(g.file->pMethods->xSync(g.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	assert_in_range(disk.writes, 2, 8);
	for (int i = 0; i < PAGES; i++) {
		memset(page, 'a' + i % 26, PAGE);
		assert_int_equal(pread(g.fd, got, PAGE, i * PAGE), PAGE);
		assert_memory_equal(page, got, PAGE);
	}
	gathered_free(&g);
}

static void a_failed_write_is_told_before_the_sync(void **state)
{
	struct gathered g = gathered_new(SQLITE_OPEN_WAL);
	(void)state;
	assert_int_equal(put(&g, "lost", 0), SQLITE_OK);
	disk.write_errno = ENOSPC;
	assert_int_equal(g.file->pMethods->xSync(g.file, SQLITE_SYNC_NORMAL), SQLITE_FULL);
	assert_int_equal(disk.syncs, 0);
	disk.write_errno = 0;
	/* It is not written after all, later. */
	assert_int_equal(g.file->pMethods->xSync(g.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	assert_disk(&g, "");
	gathered_free(&g);
}

static void what_was_not_synced_is_dropped_at_the_end(void **state)
{
	struct gathered g = gathered_new(SQLITE_OPEN_WAL);
	(void)state;
	assert_int_equal(put(&g, "nobody was told", 0), SQLITE_OK);
	assert_int_equal(g.file->pMethods->xClose(g.file), SQLITE_OK);
	g.file->pMethods = NULL;
	assert_disk(&g, "");
	assert_int_equal(disk.writes, 0);
	gathered_free(&g);
}

static void files_of_other_kinds_are_not_gathered_for(void **state)
{
	struct gathered g = gathered_new(SQLITE_OPEN_MAIN_JOURNAL);
	(void)state;
	assert_int_equal(put(&g, "journal", 0), SQLITE_OK);
	assert_disk(&g, "journal");
	gathered_free(&g);
}

static void a_commit_is_one_write_and_one_sync(void **state)
{
	struct database d = database_new();
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1); /* the log has its header */
	disk = (struct disk){0};
	task_save(&d, 2, TASK_QUEUED, 1);
	assert_int_equal(disk.writes, 1);
	assert_int_equal(disk.syncs, 1);
	database_free(&d);
}

/* More than the cache holds goes into the log before the commit, and is read from there. */
static void a_transaction_larger_than_the_cache_is_whole(void **state)
{
	enum { PARTS = 12 };
	static char bytes[DB_PART_BYTES];
	struct database d = database_new();
	struct error e;
	(void)state;
	memset(bytes, 'x', sizeof bytes);
	task_save(&d, 1, TASK_QUEUED, 1);
	struct task_saved t = task_nth(1, TASK_QUEUED, 1, "");
	for (int round = 0; round < 2; round++) {
		disk = (struct disk){0};
		assert_well(d.b->begin(d.db, &e), &e);
		for (uint32_t i = 0; i < PARTS; i++)
			assert_well(d.b->artifact_part_put(d.db, &t.id, 1, i,
							   (struct slice){bytes, sizeof bytes}, &e),
				    &e);
		if (round == 0) {
			d.b->rollback(d.db);
			continue;
		}
		struct db_artifact a = {.task = t.id,
					.number = 1,
					.bytes = PARTS * sizeof bytes,
					.media_type = "text/plain",
					.at_ms = 1};
		assert_well(d.b->artifact_put(d.db, &a, &e), &e);
		assert_well(d.b->commit(d.db, &e), &e);
	}
	d.b->abandon(d.db);
	d.db = NULL;
	database_open(&d);
	struct buf got = BUF_INIT;
	assert_well(d.b->artifact_read(d.db, &t.id, 1, 0, PARTS * sizeof bytes, &got, &e), &e);
	assert_int_equal(got.len, PARTS * sizeof bytes);
	buf_release(&got);
	database_check(&d);
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_that_adjoin_go_together_when_it_is_synced),
		cmocka_unit_test(others_keep_their_order),
		cmocka_unit_test(who_reads_measures_or_cuts_meets_what_was_written),
		cmocka_unit_test(more_than_is_gathered_is_written_on_the_way),
		cmocka_unit_test(a_failed_write_is_told_before_the_sync),
		cmocka_unit_test(what_was_not_synced_is_dropped_at_the_end),
		cmocka_unit_test(files_of_other_kinds_are_not_gathered_for),
		cmocka_unit_test(a_commit_is_one_write_and_one_sync),
		cmocka_unit_test(a_transaction_larger_than_the_cache_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
