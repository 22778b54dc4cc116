/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, checkpoints and the end; what is there after a kill. */
#include "tests/unit/store/database.h"
#include "tests/unit/store/disk.h"

#include <signal.h>

static void commit__is_there_after_a_kill_and_nothing_else_is(void **state)
{
	struct database d;
	(void)state;
	database_init(&d);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct task_saved t = task_nth(2, TASK_QUEUED, 3, "{}");
		database_open(&d);
		task_save(&d, 1, TASK_QUEUED, 2);
		begin(&d);
		task_write(&d, &t, 1);
		raise(SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(file_bytes(d.log) > 0);
	database_open(&d);
	assert_true(task_there(&d, 1));
	assert_false(task_there(&d, 2));
	/* and it goes on */
	task_save(&d, 2, TASK_QUEUED, 3);
	database_reopen(&d);
	assert_true(task_there(&d, 2));
	database_free(&d);
}

/* Killed when most of a large transaction is in the log already, beyond what the cache holds. */
static void commit__that_never_was_is_undone(void **state)
{
	struct database d;
	(void)state;
	database_init(&d);
	d.options.cache_bytes = 1;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		static char doc[8000];
		memset(doc, 'x', sizeof doc - 1);
		database_open(&d);
		task_save(&d, 1, TASK_QUEUED, 1);
		begin(&d);
		for (uint32_t n = 2; n < 1000; n++) {
			struct task_saved t = task_nth(n, TASK_QUEUED, 1, doc);
			task_write(&d, &t, 1);
		}
		raise(file_bytes(d.log) > 1 << 20 ? SIGKILL : SIGTERM);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	database_open(&d);
	assert_true(task_there(&d, 1));
	assert_false(task_there(&d, 2));
	assert_false(task_there(&d, 999));
	database_free(&d);
}

static void rollback__undoes_and_may_be_repeated(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(1, TASK_QUEUED, 1, "{}");
	(void)state;
	d.b->rollback(d.db);
	begin(&d);
	task_write(&d, &t, 1);
	d.b->rollback(d.db);
	d.b->rollback(d.db);
	assert_false(task_there(&d, 1));
	database_free(&d);
}

static void commit__syncs_once(void **state)
{
	struct database d = database_new();
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	disk = (struct disk){0};
	task_save(&d, 2, TASK_QUEUED, 1);
	assert_int_equal(disk.syncs, 1);
	/* what changed nothing costs nothing */
	disk = (struct disk){0};
	begin(&d);
	commit(&d);
	assert_int_equal(disk.syncs + disk.writes, 0);
	database_free(&d);
}

static void checkpoint__moves_the_log_when_it_has_grown_and_uses_it_again(void **state)
{
	struct database d = database_new();
	static char doc[4000];
	struct error e = {0};
	long most = 0;
	(void)state;
	memset(doc, 'x', sizeof doc - 1);
	long before = file_bytes(d.file);
	for (uint32_t n = 1; n <= 300; n++) {
		begin(&d);
		for (uint32_t i = 0; i < 20; i++) {
			struct task_saved t = task_nth(n * 20 + i, TASK_QUEUED, 1, doc);
			task_write(&d, &t, 1);
		}
		commit(&d);
		most = file_bytes(d.log) > most ? file_bytes(d.log) : most;
		assert_well(d.b->checkpoint(d.db, false, &e), &e);
	}
	/* 24 MB went through it */
	assert_true(most > 1000 * 4096 && most < 1200 * 4096);
	assert_true(file_bytes(d.file) > before + (16 << 20));
	/* below the threshold it costs nothing */
	task_save(&d, 1, TASK_QUEUED, 1);
	disk = (struct disk){0};
	assert_well(d.b->checkpoint(d.db, false, &e), &e);
	assert_int_equal(disk.syncs + disk.writes, 0);
	database_free(&d);
}

static void checkpoint__of_all_empties_the_log(void **state)
{
	struct database d = database_new();
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	assert_true(file_bytes(d.log) > 0);
	assert_well(d.b->checkpoint(d.db, true, &e), &e);
	assert_int_equal(file_bytes(d.log), 0);
	task_save(&d, 2, TASK_QUEUED, 1);
	database_reopen(&d);
	assert_true(task_there(&d, 1) && task_there(&d, 2));
	database_free(&d);
}

static void close__leaves_one_file(void **state)
{
	struct database d = database_new();
	char index[112];
	struct task_saved t = task_nth(2, TASK_QUEUED, 1, "{}");
	(void)state;
	snprintf(index, sizeof index, "%s/tasks.db-shm", d.folder);
	task_save(&d, 1, TASK_QUEUED, 1);
	assert_int_equal(file_bytes(index), -1);
	begin(&d);
	task_write(&d, &t, 1);
	d.b->close(d.db);
	assert_int_equal(file_bytes(d.log), -1);
	assert_int_equal(file_bytes(index), -1);
	database_open(&d);
	assert_true(task_there(&d, 1));
	assert_false(task_there(&d, 2));
	database_free(&d);
}

static void abandon__writes_and_syncs_nothing(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(2, TASK_QUEUED, 1, "{}");
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	begin(&d);
	task_write(&d, &t, 1);
	long file = file_bytes(d.file), log = file_bytes(d.log);
	disk = (struct disk){0};
	d.b->abandon(d.db);
	assert_int_equal(disk.writes + disk.syncs, 0);
	assert_int_equal(file_bytes(d.file), file);
	assert_int_equal(file_bytes(d.log), log);
	database_open(&d);
	assert_true(task_there(&d, 1));
	assert_false(task_there(&d, 2));
	database_free(&d);
}

static void bytes_used__leaves_out_what_is_free_inside(void **state)
{
	struct database d = database_new();
	static char doc[4 << 20];
	struct task_saved t = task_nth(1, TASK_COMPLETED, 1, doc);
	struct error e = {0};
	bool done = false;
	(void)state;
	memset(doc, 'x', sizeof doc - 1);
	t.doc = (struct slice){doc, sizeof doc};
	uint64_t empty = d.b->bytes_used(d.db);
	assert_true(empty > 0 && empty < 1 << 20);
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_true(d.b->bytes_used(d.db) >= empty + sizeof doc);
	begin(&d);
	assert_well(d.b->task_delete(d.db, &t.id, 100, &done, &e), &e);
	commit(&d);
	assert_true(done);
	assert_int_equal(d.b->bytes_used(d.db), empty);
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commit__is_there_after_a_kill_and_nothing_else_is),
		cmocka_unit_test(commit__that_never_was_is_undone),
		cmocka_unit_test(rollback__undoes_and_may_be_repeated),
		cmocka_unit_test(commit__syncs_once),
		cmocka_unit_test(checkpoint__moves_the_log_when_it_has_grown_and_uses_it_again),
		cmocka_unit_test(checkpoint__of_all_empties_the_log),
		cmocka_unit_test(close__leaves_one_file),
		cmocka_unit_test(abandon__writes_and_syncs_nothing),
		cmocka_unit_test(bytes_used__leaves_out_what_is_free_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
