/* SPDX-License-Identifier: Apache-2.0 */
/* What is made, what is refused with what to do about it, and that nothing of what is refused is touched. */
#include "tests/unit/store/database.h"
#include "tests/unit/store/disk.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>

static void file_patch(const char *path, long at, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *h;
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

static unsigned mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void open__makes_folders_and_files_for_their_owner_only(void **state)
{
	static const mode_t umasks[] = {0, 0277};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(umasks); i++) {
		struct database d;
		char deep[120], path[160];
		database_init(&d);
		snprintf(deep, sizeof deep, "%s/a//b c?#%%41/d/", d.folder);
		d.options.path = deep;
		struct error e = {0};
		mode_t before = umask(umasks[i]);
		enum err code = d.b->open(&d.options, &d.db, &e);
		umask(before);
		assert_well(code, &e);
		snprintf(path, sizeof path, "%s/a", d.folder);
		assert_int_equal(mode_of(path), 0700);
		assert_int_equal(mode_of(deep), 0700);
		snprintf(path, sizeof path, "%stasks.db", deep);
		assert_int_equal(mode_of(path), 0600);
		snprintf(path, sizeof path, "%stasks.db-wal", deep);
		assert_int_equal(mode_of(path), 0600);
		database_free(&d);
	}
}

static void open__leaves_the_mode_of_a_folder_that_is_there(void **state)
{
	struct database d;
	(void)state;
	database_init(&d);
	assert_int_equal(chmod(d.folder, 0755), 0);
	database_open(&d);
	assert_int_equal(mode_of(d.folder), 0755);
	database_free(&d);
}

static void open__refuses_a_path_that_is_no_folder(void **state)
{
	struct database d;
	char below[160];
	(void)state;
	database_init(&d);
	file_write(d.file, "x", 1);
	assert_refused_at(&d, "", "store.path is empty: name a folder");
	assert_refused_at(&d, d.file, "is not a folder; choose another");
	snprintf(below, sizeof below, "%s/below", d.file);
	assert_refused_at(&d, below, "cannot be made: Not a directory");
	assert_int_equal(unlink(d.file), 0);
	assert_int_equal(mkdir(d.file, 0700), 0);
	assert_refused(&d, "is not a file");
	database_free(&d);
}

/* In a child without the rights of root. */
static void refused_unprivileged(struct database *d, const char *piece)
{
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct error e = {0};
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(2);
		d->options.path = d->folder;
		enum err code = d->b->open(&d->options, &d->db, &e);
		if (code != ERR_CONFIG || strstr(e.msg, piece) == NULL)
			fprintf(stderr, "%d %s\n", code, e.msg);
		_exit(code == ERR_CONFIG && strstr(e.msg, piece) != NULL ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void open__refuses_what_it_may_not_write(void **state)
{
	struct database d = database_new();
	uid_t user = geteuid() == 0 ? 65534 : geteuid();
	(void)state;
	d.b->close(d.db);
	d.db = NULL;
	assert_int_equal(chown(d.folder, user, -1), 0);
	assert_int_equal(chmod(d.file, 0400), 0);
	assert_int_equal(chown(d.file, user, -1), 0);
	refused_unprivileged(&d, "tasks.db: cannot be written: Permission denied; give this user access");
	assert_int_equal(chmod(d.file, 0600), 0);
	assert_int_equal(chmod(d.folder, 0500), 0);
	refused_unprivileged(&d, "cannot be written: Permission denied; give this user access");
	assert_int_equal(chmod(d.folder, 0700), 0);
	database_open(&d);
	database_free(&d);
}

static void open__takes_an_empty_file(void **state)
{
	struct database d;
	(void)state;
	database_init(&d);
	file_write(d.file, "", 0);
	database_open(&d);
	task_save(&d, 1, TASK_QUEUED, 1);
	database_reopen(&d);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

static void open__refuses_garbage_and_leaves_it(void **state)
{
	static const char zeros[8192], text[] = "Dear diary";
	struct database d;
	char noise[10000];
	(void)state;
	random_bytes(noise, sizeof noise);
	database_init(&d);
	file_write(d.file, text, sizeof text);
	assert_refused(&d, "is not a database and is left as it is; move it away");
	assert_file(d.file, text, sizeof text);
	file_write(d.file, noise, sizeof noise);
	assert_refused(&d, "is not a database");
	assert_file(d.file, noise, sizeof noise);
	file_write(d.file, zeros, sizeof zeros);
	assert_refused(&d, "is not a database");
	assert_file(d.file, zeros, sizeof zeros);
	assert_int_equal(file_bytes(d.log), -1);
	database_free(&d);
}

static void open__refuses_a_database_of_another_program_and_leaves_it(void **state)
{
	struct database d;
	struct buf before = BUF_INIT;
	struct error e = {0};
	(void)state;
	database_init(&d);
	sql(d.file, "CREATE TABLE cake(size)");
	assert_well(file_read(d.file, 1 << 20, &before, &e), &e);
	assert_refused(&d, "of another program and is left as it is; choose another folder");
	assert_file(d.file, before.data, before.len);
	/* nor is it taken for ours when it has a log */
	assert_int_equal(unlink(d.file), 0);
	pid_t child = fork();
	if (child == 0) {
		sqlite3 *h;
		sqlite3_open(d.file, &h);
		sqlite3_exec(h, "PRAGMA journal_mode = WAL; CREATE TABLE cake(size); PRAGMA user_version = 1",
			     NULL, NULL, NULL);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	long log = file_bytes(d.log);
	assert_true(log > 0);
	buf_reset(&before);
	assert_well(file_read(d.file, 1 << 20, &before, &e), &e);
	assert_refused(&d, "of another program");
	assert_file(d.file, before.data, before.len);
	assert_int_equal(file_bytes(d.log), log);
	buf_release(&before);
	database_free(&d);
}

static void open__refuses_a_damaged_database(void **state)
{
	struct database d = database_new();
	struct buf whole = BUF_INIT;
	struct error e = {0};
	static char junk[4000];
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	d.b->close(d.db);
	memset(junk, 0x55, sizeof junk);
	assert_well(file_read(d.file, 1 << 20, &whole, &e), &e);
	assert_int_equal(truncate(d.file, 8192), 0);
	assert_refused(&d, "is damaged");
	assert_int_equal(file_bytes(d.file), 8192);
	file_write(d.file, whole.data, whole.len);
	file_patch(d.file, 100, junk, sizeof junk - 100);
	assert_refused(&d, "is damaged");
	file_write(d.file, whole.data, whole.len);
	file_patch(d.file, 0, "sqLite", 6);
	assert_refused(&d, "is not a database");
	file_write(d.file, whole.data, whole.len);
	database_open(&d);
	assert_true(task_there(&d, 1));
	buf_release(&whole);
	database_free(&d);
}

static void open__refuses_a_newer_schema_and_leaves_it(void **state)
{
	struct database d = database_new();
	struct buf before = BUF_INIT;
	struct error e = {0};
	(void)state;
	d.b->close(d.db);
	sql(d.file, "PRAGMA user_version = 99");
	assert_well(file_read(d.file, 1 << 20, &before, &e), &e);
	assert_refused(&d, "its schema is 99, this one knows up to 4); use a newer binary");
	d.options.read_only = true;
	assert_refused(&d, "use a newer binary");
	assert_file(d.file, before.data, before.len);
	buf_release(&before);
	database_free(&d);
}

static void open__on_a_full_disk_says_so(void **state)
{
	struct database d;
	(void)state;
	database_init(&d);
	disk = (struct disk){.write_errno = ENOSPC};
	assert_refused(&d, "there is no room on the disk; make room");
	disk = (struct disk){.write_errno = EIO};
	assert_refused(&d, "look at the disk");
	disk = (struct disk){.sync_errno = EIO};
	assert_refused(&d, "look at the disk");
	disk = (struct disk){0};
	/* and it begins well afterwards */
	database_open(&d);
	task_save(&d, 1, TASK_QUEUED, 1);
	database_free(&d);
}

/* Somebody looked at it with another program, which left it without a log. */
static void open__sets_the_log_again(void **state)
{
	struct database d = database_new();
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	d.b->close(d.db);
	sql(d.file, "PRAGMA journal_mode = DELETE");
	database_open(&d);
	task_save(&d, 2, TASK_QUEUED, 1);
	assert_true(file_bytes(d.log) > 0);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__makes_folders_and_files_for_their_owner_only),
		cmocka_unit_test(open__leaves_the_mode_of_a_folder_that_is_there),
		cmocka_unit_test(open__refuses_a_path_that_is_no_folder),
		cmocka_unit_test(open__refuses_what_it_may_not_write),
		cmocka_unit_test(open__takes_an_empty_file),
		cmocka_unit_test(open__refuses_garbage_and_leaves_it),
		cmocka_unit_test(open__refuses_a_database_of_another_program_and_leaves_it),
		cmocka_unit_test(open__refuses_a_damaged_database),
		cmocka_unit_test(open__refuses_a_newer_schema_and_leaves_it),
		cmocka_unit_test(open__on_a_full_disk_says_so),
		cmocka_unit_test(open__sets_the_log_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
