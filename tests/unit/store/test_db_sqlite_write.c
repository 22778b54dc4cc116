/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is there, once, however often it is written. */
#include "tests/unit/store/database.h"

static void assert_task(struct database *d, uint32_t n, enum task_state state, uint64_t last_seq,
			const char *doc)
{
	struct id id = id_nth(n);
	struct task_saved t;
	struct error e = {0};
	struct buf out = BUF_INIT;
	buf_add_str(&out, "before ");
	assert_well(d->b->task_get(d->db, &id, &t, &out, &e), &e);
	assert_int_equal(id_compare(&t.id, &id), 0);
	assert_int_equal(t.state, state);
	assert_int_equal(t.last_seq, last_seq);
	assert_int_equal(t.created_ms, 1000);
	assert_true(slice_eq_str(t.doc, doc));
	assert_memory_equal(out.data, "before ", 7);
	assert_ptr_equal(t.doc.ptr, out.data + 7);
	buf_release(&out);
}

static void assert_events(struct database *d, uint32_t n, uint64_t last)
{
	struct id id = id_nth(n);
	struct error e = {0};
	struct buf want = BUF_INIT, got = BUF_INIT;
	uint64_t last_seq;
	events_add(&want, &id, 1, last);
	assert_well(d->b->events_get(d->db, &id, 0, SIZE_MAX / 2, &got, &last_seq, &e), &e);
	assert_int_equal(last_seq, last);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	buf_release(&want);
	buf_release(&got);
}

static void task_put__makes_and_replaces(void **state)
{
	struct database d = database_new();
	struct task_saved a = task_nth(1, TASK_QUEUED, 1, "{\"a\":1}");
	struct task_saved b = task_nth(1, TASK_PLANNING, 3, "{\"a\":2}");
	(void)state;
	begin(&d);
	task_write(&d, &a, 1);
	commit(&d);
	assert_task(&d, 1, TASK_QUEUED, 1, "{\"a\":1}");
	begin(&d);
	task_write(&d, &b, 2);
	commit(&d);
	assert_task(&d, 1, TASK_PLANNING, 3, "{\"a\":2}");
	assert_events(&d, 1, 3);
	/* also when its key is not remembered */
	database_reopen(&d);
	assert_task(&d, 1, TASK_PLANNING, 3, "{\"a\":2}");
	b = task_nth(1, TASK_COMPLETED, 3, "{\"a\":3}");
	b.created_ms = 5;
	database_reopen(&d);
	begin(&d);
	task_write(&d, &b, 1);
	commit(&d);
	assert_task(&d, 1, TASK_COMPLETED, 3, "{\"a\":3}");
	assert_events(&d, 1, 3);
	database_free(&d);
}

static int64_t row_last_seq(struct database *d)
{
	return database_number(d, "SELECT last_seq FROM task");
}

/* Its events say how far a task has come that a worker goes on with. */
static void task_put__leaves_the_row_of_a_task_that_goes_on(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(1, TASK_PLANNING, 2, ""), got;
	struct error e = {0};
	(void)state;
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	for (t.last_seq = 3; t.last_seq <= 6; t.last_seq++) {
		begin(&d);
		task_write(&d, &t, 1);
		commit(&d);
	}
	assert_int_equal(row_last_seq(&d), 2);
	database_check(&d);
	for (int i = 0; i < 2; i++) {
		struct buf doc = BUF_INIT;
		assert_well(d.b->task_get(d.db, &t.id, &got, &doc, &e), &e);
		assert_int_equal(got.last_seq, 6);
		assert_int_equal(got.updated_ms, 1006);
		assert_non_null(strstr(buf_cstr(&doc), "\"last_seq\":6"));
		buf_release(&doc);
		database_reopen(&d);
	}
	/* Whoever takes over does not know the row, and tells it. */
	t.last_seq = 7;
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_int_equal(row_last_seq(&d), 7);
	/* What was rolled back is not taken for written. */
	t.state = TASK_RUNNING;
	t.last_seq = 8;
	begin(&d);
	task_write(&d, &t, 1);
	d.b->rollback(d.db);
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_int_equal(row_last_seq(&d), 8);
	assert_int_equal(database_number(&d, "SELECT state FROM task"), state_code(TASK_RUNNING));
	t.state = TASK_COMPLETED;
	t.last_seq = 9;
	t.doc = SLICE_LIT("{\"a\":9}");
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_task(&d, 1, TASK_COMPLETED, 9, "{\"a\":9}");
	database_free(&d);
}

static void events_put__leaves_those_that_are_there(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(1, TASK_RUNNING, 5, "{}");
	struct error e = {0};
	(void)state;
	begin(&d);
	task_write(&d, &t, 1);
	task_write(&d, &t, 3);
	/* another text under a number that is taken */
	assert_well(d.b->events_put(d.db, &t.id, SLICE_LIT("id: 5\nevent: tool.started\ndata: {}\n\n"), &e),
		    &e);
	commit(&d);
	assert_events(&d, 1, 5);
	database_free(&d);
}

/* A keeper that takes over puts what its predecessor did, and more behind it. */
static void events_put__goes_on_behind_what_is_there(void **state)
{
	struct database d = database_new();
	(void)state;
	task_save(&d, 1, TASK_RUNNING, 50);
	database_reopen(&d);
	task_save(&d, 1, TASK_RUNNING, 60);
	task_save(&d, 1, TASK_RUNNING, 70);
	assert_events(&d, 1, 70);
	database_free(&d);
}

static void events_put__makes_rows_of_a_few(void **state)
{
	struct database d = database_new();
	struct buf sse = BUF_INIT;
	struct id id = id_nth(1);
	struct error e = {0};
	int seq = 100;
	(void)state;
	task_save(&d, 1, TASK_RUNNING, 100);
	assert_in_range(database_number(&d, "SELECT count(*) FROM event"), 10, 25);
	assert_in_range(database_number(&d, "SELECT max(length(body)) FROM event"), ROW_BYTES / 2, ROW_BYTES);
	/* small ones by their number, a large one alone */
	begin(&d);
	for (int i = 0; i < 2 * ROW_EVENTS_MAX; i++)
		buf_printf(&sse, "id: %d\nevent: task.input\ndata: {}\n\n", ++seq);
	buf_printf(&sse, "id: %d\nevent: task.input\ndata: {\"a\":\"%*s\"}\n\n", seq + 1, 2 * ROW_BYTES, "");
	assert_well(d.b->events_put(d.db, &id, buf_slice(&sse), &e), &e);
	assert_in_range(database_number(&d, "SELECT max(more) FROM event"), ROW_EVENTS_MAX / 2,
			ROW_EVENTS_MAX - 1);
	assert_int_equal(database_number(&d, "SELECT more FROM event WHERE length(body) > 2000"), 0);
	d.b->rollback(d.db);
	buf_release(&sse);
	database_free(&d);
}

static void events_put__refuses_what_it_cannot_read_back(void **state)
{
	struct database d = database_new();
	struct id one = id_nth(1), two = id_nth(2);
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	begin(&d);
	assert_int_equal(
		d.b->events_put(d.db, &two, SLICE_LIT("id: 1\nevent: task.created\ndata: {}\n\n"), &e),
		ERR_NOT_FOUND);
	assert_int_equal(d.b->events_put(d.db, &one, SLICE_LIT("id: 2\nevent: task.created\ndata: {}\n"), &e),
			 ERR_INTERNAL);
	d.b->rollback(d.db);
	assert_events(&d, 1, 1);
	database_free(&d);
}

static void request_put__keeps_the_newest_place(void **state)
{
	struct database d = database_new();
	struct db_request r = {.key = {.key = "0123456789abcde", .body = "body"},
			       .place = {.task = id_nth(1), .after_seq = 7, .at_ms = 123}};
	struct db_request got;
	struct error e = {0};
	(void)state;
	assert_int_equal(d.b->request_get(d.db, r.key.key, &got, &e), ERR_NOT_FOUND);
	begin(&d);
	assert_well(d.b->request_put(d.db, &r, &e), &e);
	r.place = (struct request_place){.task = id_nth(2), .after_seq = 9, .at_ms = 124};
	assert_well(d.b->request_put(d.db, &r, &e), &e);
	commit(&d);
	database_reopen(&d);
	assert_well(d.b->request_get(d.db, r.key.key, &got, &e), &e);
	assert_memory_equal(got.key.key, r.key.key, REQUEST_DIGEST);
	assert_memory_equal(got.key.body, r.key.body, REQUEST_DIGEST);
	assert_int_equal(id_compare(&got.place.task, &r.place.task), 0);
	assert_int_equal(got.place.after_seq, 9);
	assert_int_equal(got.place.at_ms, 124);
	database_free(&d);
}

/* A key that was learned in a transaction is none when that is undone, or another task may get it. */
static void task_put__forgets_keys_of_what_was_undone(void **state)
{
	struct database d = database_new();
	struct task_saved a = task_nth(1, TASK_QUEUED, 1, "{}"), b = task_nth(2, TASK_QUEUED, 2, "{}");
	(void)state;
	begin(&d);
	task_write(&d, &a, 1);
	d.b->rollback(d.db);
	begin(&d);
	task_write(&d, &b, 1);
	task_write(&d, &a, 1);
	commit(&d);
	assert_events(&d, 1, 1);
	assert_events(&d, 2, 2);
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_put__makes_and_replaces),
		cmocka_unit_test(task_put__leaves_the_row_of_a_task_that_goes_on),
		cmocka_unit_test(events_put__leaves_those_that_are_there),
		cmocka_unit_test(events_put__goes_on_behind_what_is_there),
		cmocka_unit_test(events_put__makes_rows_of_a_few),
		cmocka_unit_test(events_put__refuses_what_it_cannot_read_back),
		cmocka_unit_test(request_put__keeps_the_newest_place),
		cmocka_unit_test(task_put__forgets_keys_of_what_was_undone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
