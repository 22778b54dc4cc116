/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of an error of the disk: no room passes, anything else is final. */
#include "tests/unit/store/database.h"
#include "tests/unit/store/disk.h"

/* Whatever is asked for after a failed write or sync fails, and nothing more is written or synced. */
static void assert_final(struct database *d)
{
	struct task_saved t;
	struct id id = id_nth(1);
	struct error e = {0};
	struct buf out = BUF_INIT;
	uint64_t last_seq;
	disk = (struct disk){0};
	d->b->rollback(d->db);
	assert_int_equal(d->b->begin(d->db, &e), ERR_IO);
	assert_int_equal(d->b->checkpoint(d->db, true, &e), ERR_IO);
	assert_int_equal(d->b->task_get(d->db, &id, &t, &out, &e), ERR_IO);
	assert_int_equal(d->b->events_get(d->db, &id, 0, 100, &out, &last_seq, &e), ERR_IO);
	assert_int_equal(d->b->check(d->db, database_fault, NULL, &e), ERR_IO);
	d->b->abandon(d->db);
	d->db = NULL;
	assert_int_equal(disk.writes + disk.syncs, 0);
	buf_release(&out);
}

static void commit__that_cannot_sync_is_the_last_thing_done(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(2, TASK_QUEUED, 1, "{}");
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	begin(&d);
	task_write(&d, &t, 1);
	disk.sync_errno = EIO;
	assert_int_equal(d.b->commit(d.db, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "look at the disk"));
	assert_null(strstr(e.msg, "tasks.db")); /* the path is for the log */
	assert_final(&d);
	database_open(&d);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

static void commit__that_cannot_write_is_the_last_thing_done(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(2, TASK_QUEUED, 1, "{}");
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	begin(&d);
	task_write(&d, &t, 1);
	disk.write_errno = EIO;
	assert_int_equal(d.b->commit(d.db, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "Input/output error"));
	assert_final(&d);
	database_open(&d);
	assert_true(task_there(&d, 1));
	assert_false(task_there(&d, 2));
	database_free(&d);
}

/* SQLite's own checkpoints would say nothing of it. */
static void checkpoint__that_cannot_sync_is_the_last_thing_done(void **state)
{
	struct database d = database_new();
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	disk.sync_errno = EIO;
	assert_int_equal(d.b->checkpoint(d.db, true, &e), ERR_IO);
	assert_final(&d);
	database_open(&d);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

/* An orderly end that meets the error does not try again either. */
static void close__that_cannot_sync_leaves_the_log(void **state)
{
	struct database d = database_new();
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	disk = (struct disk){.sync_errno = EIO};
	log_set_fd(-1);
	d.b->close(d.db);
	assert_int_equal(disk.syncs, 1);
	assert_true(file_bytes(d.log) > 0);
	disk = (struct disk){0};
	database_open(&d);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

static void commit__without_room_may_be_tried_again(void **state)
{
	static const int errnos[] = {ENOSPC, EDQUOT};
	struct database d = database_new();
	struct error e = {0};
	(void)state;
	for (uint32_t i = 0; i < COUNT_OF(errnos); i++) {
		struct task_saved t = task_nth(i, TASK_QUEUED, 1, "{}");
		begin(&d);
		task_write(&d, &t, 1);
		disk.write_errno = errnos[i];
		assert_int_equal(d.b->commit(d.db, &e), ERR_NO_SPACE);
		assert_non_null(strstr(e.msg, "the disk is full"));
		assert_null(strstr(e.msg, d.folder)); /* clients get this text */
		assert_false(task_there(&d, i));
		disk.write_errno = 0;
		begin(&d);
		task_write(&d, &t, 1);
		commit(&d);
		assert_true(task_there(&d, i));
	}
	database_reopen(&d);
	assert_true(task_there(&d, 0) && task_there(&d, 1));
	database_free(&d);
}

static void checkpoint__without_room_may_be_tried_again(void **state)
{
	struct database d = database_new();
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	disk.write_errno = ENOSPC;
	assert_int_equal(d.b->checkpoint(d.db, true, &e), ERR_NO_SPACE);
	disk.write_errno = 0;
	assert_true(task_there(&d, 1));
	task_save(&d, 2, TASK_QUEUED, 1);
	assert_well(d.b->checkpoint(d.db, true, &e), &e);
	assert_true(task_there(&d, 1) && task_there(&d, 2));
	database_free(&d);
}

/* The transaction is gone as a whole; what is still asked for in it fails the same way. */
static void task_put__beyond_the_limit_names_the_limit(void **state)
{
	static char doc[100000];
	struct database d;
	struct error e = {0};
	uint32_t n = 1;
	bool done = false;
	(void)state;
	memset(doc, 'x', sizeof doc - 1);
	database_init(&d);
	d.options.bytes_max = 2 << 20;
	database_open(&d);
	task_save(&d, 1, TASK_COMPLETED, 1);
	enum err code = ERR_NONE;
	while (code == ERR_NONE) {
		struct task_saved t = task_nth(++n, TASK_COMPLETED, 1, doc);
		begin(&d);
		code = d.b->task_put(d.db, &t, &e);
		if (code == ERR_NONE)
			commit(&d);
	}
	assert_int_equal(code, ERR_NO_SPACE);
	assert_in_range(n, 15, 20);
	assert_non_null(strstr(e.msg, "store.max_bytes is 2097152"));
	struct task_saved t = task_nth(n, TASK_QUEUED, 1, "{}");
	assert_int_equal(d.b->task_put(d.db, &t, &e), ERR_NO_SPACE);
	assert_int_equal(d.b->commit(d.db, &e), ERR_NO_SPACE);
	assert_false(task_there(&d, n));
	assert_true(d.b->bytes_used(d.db) <= 2 << 20);
	/* deleting makes room */
	struct id id = id_nth(2);
	begin(&d);
	assert_well(d.b->task_delete(d.db, &id, 100, &done, &e), &e);
	commit(&d);
	assert_true(done);
	t = task_nth(n, TASK_COMPLETED, 1, doc);
	begin(&d);
	assert_well(d.b->task_put(d.db, &t, &e), &e);
	assert_well(d.b->events_put(d.db, &t.id, SLICE_LIT("id: 1\nevent: task.created\ndata: {}\n\n"), &e),
		    &e);
	commit(&d);
	assert_true(file_bytes(d.file) <= 2 << 20);
	d.b->close(d.db);
	d.db = NULL;
	database_free(&d);
}

/* Saves `count` finished tasks in one transaction. */
static enum err tasks_save(struct database *d, uint32_t first, uint32_t count)
{
	struct error e = {0};
	enum err code = ERR_NONE;
	begin(d);
	for (uint32_t n = first; n < first + count && code == ERR_NONE; n++) {
		struct task_saved t = task_nth(n, TASK_COMPLETED, 1, "{\"small\":true}");
		code = d->b->task_put(d->db, &t, &e);
		if (code == ERR_NONE)
			code = d->b->events_put(d->db, &t.id,
						SLICE_LIT("id: 1\nevent: task.created\ndata: {}\n\n"), &e);
	}
	if (code == ERR_NONE)
		return d->b->commit(d->db, &e);
	d->b->rollback(d->db);
	return code;
}

/* Or it would be full for ever: an index may split when a task is marked. */
static void task_delete__goes_on_in_a_full_database(void **state)
{
	struct database d;
	struct error e = {0};
	uint32_t n = 1;
	(void)state;
	database_init(&d);
	d.options.bytes_max = 1 << 20;
	database_open(&d);
	for (uint32_t count = 64; count > 0; count /= 4)
		while (tasks_save(&d, n, count) == ERR_NONE)
			n += count;
	assert_int_equal(tasks_save(&d, n, 1), ERR_NO_SPACE);
	assert_true(n > 2000);
	for (uint32_t i = 1; i < 600; i++) {
		struct id id = id_nth(i * 7919 % n);
		bool done = false;
		if (i % 10 == 1)
			begin(&d);
		assert_well(d.b->task_delete(d.db, &id, 1, &done, &e), &e);
		if (i % 10 == 0)
			commit(&d);
	}
	commit(&d);
	assert_true(file_bytes(d.file) <= 1 << 20);
	database_free(&d);
}

/* The limit is not blamed for a disk that is full long before it. */
static void task_put__on_a_full_disk_names_the_disk(void **state)
{
	struct database d;
	struct error e = {0};
	struct task_saved t = task_nth(1, TASK_QUEUED, 1, "{}");
	(void)state;
	database_init(&d);
	d.options.bytes_max = 64 << 20;
	database_open(&d);
	begin(&d);
	task_write(&d, &t, 1);
	disk.write_errno = ENOSPC;
	assert_int_equal(d.b->commit(d.db, &e), ERR_NO_SPACE);
	assert_non_null(strstr(e.msg, "the disk is full"));
	disk.write_errno = 0;
	database_free(&d);
}

static int disk_mend(void **state)
{
	(void)state;
	disk = (struct disk){0};
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(commit__that_cannot_sync_is_the_last_thing_done, disk_mend),
		cmocka_unit_test_setup(commit__that_cannot_write_is_the_last_thing_done, disk_mend),
		cmocka_unit_test_setup(checkpoint__that_cannot_sync_is_the_last_thing_done, disk_mend),
		cmocka_unit_test_setup(close__that_cannot_sync_leaves_the_log, disk_mend),
		cmocka_unit_test_setup(commit__without_room_may_be_tried_again, disk_mend),
		cmocka_unit_test_setup(checkpoint__without_room_may_be_tried_again, disk_mend),
		cmocka_unit_test_setup(task_put__beyond_the_limit_names_the_limit, disk_mend),
		cmocka_unit_test_setup(task_delete__goes_on_in_a_full_database, disk_mend),
		cmocka_unit_test_setup(task_put__on_a_full_disk_names_the_disk, disk_mend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
