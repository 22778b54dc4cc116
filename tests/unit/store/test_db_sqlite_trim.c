/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting in steps, what is found again after an interruption, and what the check finds. */
#include "store/db_sqlite_int.h"
#include "tests/unit/store/database.h"

static bool delete_step(struct database *d, uint32_t n, size_t rows_max)
{
	struct id id = id_nth(n);
	struct error e = {0};
	bool done = false;
	begin(d);
	assert_well(d->b->task_delete(d->db, &id, rows_max, &done, &e), &e);
	commit(d);
	return done;
}

static int64_t rows_of(struct database *d, const char *table)
{
	sqlite3_stmt *s;
	char *text = xasprintf("SELECT count(*) FROM %s", table);
	assert_int_equal(sqlite3_prepare_v2(db_of(d->db)->handle, text, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	free(text);
	return n;
}

/* With 10 events, two keys and an artifact of two parts. */
static void task_save_full(struct database *d, uint32_t n)
{
	static char part[DB_PART_BYTES];
	struct error e = {0};
	struct db_artifact a = {
		.task = id_nth(n), .number = 1, .bytes = DB_PART_BYTES + 1, .media_type = "x"};
	struct db_request r = {.place = {.task = id_nth(n), .at_ms = n}};
	task_save(d, n, TASK_COMPLETED, 10);
	begin(d);
	assert_well(d->b->artifact_part_put(d->db, &a.task, 1, 0, (struct slice){part, DB_PART_BYTES}, &e),
		    &e);
	assert_well(d->b->artifact_part_put(d->db, &a.task, 1, 1, (struct slice){part, 1}, &e), &e);
	assert_well(d->b->artifact_put(d->db, &a, &e), &e);
	for (uint8_t i = 0; i < 2; i++) {
		r.key.key[0] = (uint8_t)n;
		r.key.key[1] = i;
		assert_well(d->b->request_put(d->db, &r, &e), &e);
	}
	commit(d);
}

static void task_delete__goes_in_steps_and_takes_everything(void **state)
{
	static const char *const tables[] = {"task", "event", "request", "artifact", "artifact_part"};
	struct database d = database_new();
	int64_t before[COUNT_OF(tables)];
	int steps = 1;
	(void)state;
	task_save_full(&d, 1);
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		before[i] = rows_of(&d, tables[i]);
	task_save_full(&d, 2);
	/* 2 + 2 + 1 + 2 + 1 rows */
	while (!delete_step(&d, 2, 3)) {
		steps++;
		database_check(&d);
	}
	assert_in_range(steps, 2, 4);
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		assert_int_equal(rows_of(&d, tables[i]), before[i]);
	assert_true(task_there(&d, 1));
	/* one that is not there is done */
	assert_true(delete_step(&d, 2, 3));
	database_free(&d);
}

static void task_delete__hides_the_task_at_once(void **state)
{
	struct database d = database_new();
	struct id id = id_nth(1);
	struct error e = {0};
	struct buf out = BUF_INIT;
	struct db_artifact a;
	uint64_t last_seq;
	(void)state;
	task_save_full(&d, 1);
	assert_false(delete_step(&d, 1, 1));
	for (int i = 0; i < 2; i++) {
		assert_false(task_there(&d, 1));
		assert_int_equal(d.b->events_get(d.db, &id, 0, 100, &out, &last_seq, &e), ERR_NOT_FOUND);
		assert_int_equal(d.b->artifact_get(d.db, &id, 1, &a, &e), ERR_NOT_FOUND);
		database_reopen(&d);
	}
	assert_true(delete_step(&d, 1, 100));
	buf_release(&out);
	database_free(&d);
}

static void task_delete__refuses_an_unfinished_task(void **state)
{
	struct database d = database_new();
	struct id id = id_nth(1);
	struct error e = {0};
	bool done;
	(void)state;
	task_save(&d, 1, TASK_INPUT_REQUIRED, 3);
	begin(&d);
	assert_int_equal(d.b->task_delete(d.db, &id, 100, &done, &e), ERR_CONFLICT);
	assert_false(done);
	d.b->rollback(d.db);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

static void assert_oldest(struct database *d, int64_t before_ms, uint32_t want)
{
	struct id id, expected = id_nth(want);
	struct error e = {0};
	enum err code = d->b->task_oldest(d->db, before_ms, &id, &e);
	if (want == 0) {
		assert_int_equal(code, ERR_NOT_FOUND);
		return;
	}
	assert_well(code, &e);
	assert_int_equal(id_compare(&id, &expected), 0);
}

static void task_oldest__is_the_first_that_ended(void **state)
{
	struct database d = database_new();
	(void)state;
	assert_oldest(&d, INT64_MAX, 0);
	task_save(&d, 1, TASK_RUNNING, 1);
	assert_oldest(&d, INT64_MAX, 0);
	for (uint32_t n = 9; n > 1; n--)
		task_save(&d, n, n % 2 ? TASK_FAILED : TASK_CANCELLED, 1);
	/* task n ended at 1000 + n */
	assert_oldest(&d, INT64_MAX, 2);
	assert_oldest(&d, 1003, 2);
	assert_oldest(&d, 1002, 0);
	assert_oldest(&d, INT64_MIN, 0);
	assert_true(delete_step(&d, 2, 100));
	assert_oldest(&d, INT64_MAX, 3);
	/* one whose deletion has begun comes before all, whatever is asked for */
	assert_false(delete_step(&d, 7, 1));
	assert_oldest(&d, INT64_MAX, 7);
	assert_oldest(&d, INT64_MIN, 7);
	database_free(&d);
}

static void requests_expire__takes_the_oldest_few(void **state)
{
	struct database d = database_new();
	struct error e = {0};
	size_t gone;
	(void)state;
	begin(&d);
	for (uint8_t i = 0; i < 10; i++) {
		struct db_request r = {.key = {.key = {(uint8_t)(9 - i)}}, .place = {.at_ms = i}};
		assert_well(d.b->request_put(d.db, &r, &e), &e);
	}
	assert_well(d.b->requests_expire(d.db, 7, 4, &gone, &e), &e);
	assert_int_equal(gone, 4);
	assert_well(d.b->requests_expire(d.db, 7, 4, &gone, &e), &e);
	assert_int_equal(gone, 3);
	assert_well(d.b->requests_expire(d.db, 7, 4, &gone, &e), &e);
	assert_int_equal(gone, 0);
	commit(&d);
	struct db_request got;
	uint8_t key[REQUEST_DIGEST] = {2};
	assert_well(d.b->request_get(d.db, key, &got, &e), &e);
	key[0] = 3;
	assert_int_equal(d.b->request_get(d.db, key, &got, &e), ERR_NOT_FOUND);
	database_free(&d);
}

static size_t orphans_delete(struct database *d, size_t rows_max)
{
	struct error e = {0};
	size_t gone;
	begin(d);
	assert_well(d->b->orphans_delete(d->db, rows_max, &gone, &e), &e);
	commit(d);
	return gone;
}

static void orphans_delete__takes_what_was_never_completed(void **state)
{
	struct database d = database_new();
	struct id one = id_nth(1), none = id_nth(5);
	struct db_artifact lost = {.task = none, .number = 1, .media_type = "x"};
	struct error e = {0};
	(void)state;
	task_save_full(&d, 1);
	assert_int_equal(orphans_delete(&d, 100), 0);
	begin(&d);
	for (uint32_t part = 0; part < 5; part++)
		assert_well(d.b->artifact_part_put(d.db, &one, 2, part, SLICE_LIT("x"), &e), &e);
	assert_well(d.b->artifact_put(d.db, &lost, &e), &e);
	commit(&d);
	assert_int_equal(orphans_delete(&d, 4), 4);
	assert_int_equal(orphans_delete(&d, 4), 2);
	assert_int_equal(orphans_delete(&d, 4), 0);
	assert_int_equal(rows_of(&d, "artifact_part"), 2);
	assert_int_equal(rows_of(&d, "artifact"), 1);
	/* and ends deletions that were interrupted */
	task_save_full(&d, 2);
	task_save_full(&d, 3);
	assert_false(delete_step(&d, 2, 1));
	assert_false(delete_step(&d, 3, 1));
	database_reopen(&d);
	size_t gone = 0, step;
	while ((step = orphans_delete(&d, 5)) > 0) {
		assert_true(step <= 5);
		gone += step;
	}
	assert_int_equal(gone, 2 * 7);
	assert_int_equal(rows_of(&d, "task"), 1);
	assert_int_equal(rows_of(&d, "event"), 2);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

/* --- check --- */

static void fault_keep(const char *line, void *arg)
{
	buf_printf(arg, "%s\n", line);
}

static void assert_fault(const char *sql, const char *piece)
{
	struct database d = database_new();
	struct buf lines = BUF_INIT;
	struct error e = {0};
	task_save_full(&d, 1);
	task_save_full(&d, 2);
	database_check(&d);
	begin(&d);
	assert_int_equal(sqlite3_exec(db_of(d.db)->handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_well(d.b->check(d.db, fault_keep, &lines, &e), &e);
	if (strstr(buf_cstr(&lines), piece) == NULL)
		fail_msg("no \"%s\" in: %s", piece, buf_cstr(&lines));
	d.b->rollback(d.db);
	buf_release(&lines);
	database_free(&d);
}

static void check__tells_of_each_fault(void **state)
{
	(void)state;
	/* each task has rows of 6 and 4 events */
	assert_fault(
		"UPDATE event SET more = more - 1 WHERE task = 1 AND seq = 1",
		"task 00000001000000000000000000000007: its events are not numbered 1 to 10: 9 from 1 to 10");
	assert_fault("UPDATE event SET more = more + 1 WHERE task = 1 AND seq = 1", "11 from 1 to 10");
	assert_fault("DELETE FROM event WHERE task = 1 AND seq = 1", "not numbered 1 to 10: 4 from 7 to 10");
	assert_fault("DELETE FROM event WHERE task = 2", "not numbered 1 to 10: 0 from 0 to 0");
	assert_fault("UPDATE event SET seq = 8 WHERE task = 1 AND seq = 7", "10 from 1 to 11");
	assert_fault("UPDATE task SET last_seq = 11", "not numbered 1 to 11");
	assert_fault("UPDATE task SET last_seq = 9, doc_seq = 9", "not numbered 1 to 9: 10 from 1 to 10");
	assert_fault("UPDATE task SET doc_seq = 11", "its document is of event 11, its last event is 10");
	assert_fault("UPDATE task SET doc = NULL", "its document is of event 10");
	assert_fault("UPDATE task SET state = 42 WHERE key = 1", "state 42 is unknown");
	assert_fault("DELETE FROM task WHERE key = 1", "10 events belong to no task");
	assert_fault("DELETE FROM artifact_part WHERE part = 1", "262145 bytes, its parts have 262144");
}

/* A page overwritten behind its back. */
static void check__finds_a_damaged_page(void **state)
{
	struct database d = database_new();
	struct buf lines = BUF_INIT;
	struct error e = {0};
	char junk[512];
	(void)state;
	for (uint32_t n = 1; n < 200; n++)
		task_save(&d, n, TASK_COMPLETED, 10);
	d.b->close(d.db);
	memset(junk, 0x5a, sizeof junk);
	FILE *f = fopen(d.file, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, file_bytes(d.file) / 4096 * 3 / 4 * 4096, SEEK_SET), 0);
	assert_int_equal(fwrite(junk, 1, sizeof junk, f), sizeof junk);
	assert_int_equal(fclose(f), 0);
	database_open(&d);
	enum err code = d.b->check(d.db, fault_keep, &lines, &e);
	assert_true(lines.len > 0 || code == ERR_IO);
	buf_release(&lines);
	d.b->abandon(d.db);
	d.db = NULL;
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_delete__goes_in_steps_and_takes_everything),
		cmocka_unit_test(task_delete__hides_the_task_at_once),
		cmocka_unit_test(task_delete__refuses_an_unfinished_task),
		cmocka_unit_test(task_oldest__is_the_first_that_ended),
		cmocka_unit_test(requests_expire__takes_the_oldest_few),
		cmocka_unit_test(orphans_delete__takes_what_was_never_completed),
		cmocka_unit_test(check__tells_of_each_fault),
		cmocka_unit_test(check__finds_a_damaged_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
