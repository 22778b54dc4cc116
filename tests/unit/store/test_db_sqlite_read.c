/* SPDX-License-Identifier: Apache-2.0 */
/* Documents folded on, events in pieces, lists in order. */
#include "store/db_sqlite_int.h"
#include "tests/unit/store/database.h"

/* The document after the first `last` events, as a fold of all of them has it. */
static char *folded(const struct id *id, uint64_t last)
{
	struct buf sse = BUF_INIT, doc = BUF_INIT;
	struct error e = {0};
	events_add(&sse, id, 1, last);
	assert_well(task_fold(buf_slice(&sse), &doc, &e), &e);
	buf_release(&sse);
	return buf_take(&doc);
}

static void assert_doc(struct database *d, uint32_t n, uint64_t last_seq, const char *doc)
{
	struct id id = id_nth(n);
	struct task_saved t;
	struct error e = {0};
	struct buf out = BUF_INIT;
	assert_well(d->b->task_get(d->db, &id, &t, &out, &e), &e);
	assert_int_equal(t.last_seq, last_seq);
	if (!slice_eq_str(t.doc, doc))
		fail_msg("%.*s is not %s", (int)t.doc.len, t.doc.ptr, doc);
	buf_release(&out);
}

static void task_get__folds_a_document_that_was_left_behind(void **state)
{
	struct database d = database_new();
	struct id id = id_nth(1);
	char *third = folded(&id, 3), *sixth = folded(&id, 6);
	struct task_saved t = task_nth(1, TASK_PLANNING, 3, third);
	(void)state;
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_doc(&d, 1, 3, third);
	t = task_nth(1, TASK_PLANNING, 6, "");
	begin(&d);
	task_write(&d, &t, 4);
	commit(&d);
	assert_doc(&d, 1, 6, sixth);
	/* again, when its key is not remembered */
	database_reopen(&d);
	begin(&d);
	task_write(&d, &t, 4);
	commit(&d);
	assert_doc(&d, 1, 6, sixth);
	free(third);
	free(sixth);
	database_free(&d);
}

static void task_get__folds_a_document_that_never_was(void **state)
{
	struct database d = database_new();
	struct id id = id_nth(1);
	struct task_saved t = task_nth(1, TASK_PLANNING, 5, "");
	char *doc = folded(&id, 5);
	(void)state;
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_doc(&d, 1, 5, doc);
	free(doc);
	database_free(&d);
}

static void task_get__tells_of_memory_that_is_not_enough(void **state)
{
	struct database d = database_new();
	struct id id = id_nth(1);
	struct task_saved t = task_nth(1, TASK_QUEUED, 1, "{\"long\":true}"), got;
	struct buf out = BUF_LIMIT(5);
	struct error e = {0};
	(void)state;
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_int_equal(d.b->task_get(d.db, &id, &got, &out, &e), ERR_MEMORY);
	buf_release(&out);
	database_free(&d);
}

static void events_get__gives_whole_events_up_to_a_size(void **state)
{
	struct database d = database_new();
	struct id id = id_nth(1), none = id_nth(2);
	struct buf out = BUF_INIT, want = BUF_INIT;
	struct error e = {0};
	uint64_t last_seq;
	(void)state;
	task_save(&d, 1, TASK_RUNNING, 20);
	events_add(&want, &id, 5, 7);
	buf_add_str(&out, "x");
	assert_well(d.b->events_get(d.db, &id, 4, want.len, &out, &last_seq, &e), &e);
	assert_int_equal(last_seq, 7);
	assert_int_equal(out.len, want.len + 1);
	assert_memory_equal(out.data + 1, want.data, want.len);
	/* one byte less, and the last of them stays out */
	buf_reset(&out);
	assert_well(d.b->events_get(d.db, &id, 4, want.len - 1, &out, &last_seq, &e), &e);
	assert_int_equal(last_seq, 6);
	/* at least one */
	buf_reset(&out);
	assert_well(d.b->events_get(d.db, &id, 4, 0, &out, &last_seq, &e), &e);
	assert_int_equal(last_seq, 5);
	/* none behind the last */
	buf_reset(&out);
	assert_well(d.b->events_get(d.db, &id, 20, 1000, &out, &last_seq, &e), &e);
	assert_int_equal(last_seq, 20);
	assert_int_equal(out.len, 0);
	assert_well(d.b->events_get(d.db, &id, UINT64_MAX, 1000, &out, &last_seq, &e), &e);
	assert_int_equal(out.len, 0);
	assert_int_equal(d.b->events_get(d.db, &none, 0, 1000, &out, &last_seq, &e), ERR_NOT_FOUND);
	buf_release(&out);
	buf_release(&want);
	database_free(&d);
}

/* --- lists --- */

struct listing {
	struct database *d;
	struct buf seen; /* "3 1 " */
	size_t limit;
};

static bool on_task(const struct task_saved *t, void *arg)
{
	struct listing *l = arg;
	struct buf events = BUF_INIT, doc = BUF_INIT;
	struct task_saved again;
	struct error e = {0};
	uint64_t last_seq;
	buf_printf(&l->seen, "%d ", t->id.b[3]);
	/* others may be looked at meanwhile */
	assert_well(l->d->b->events_get(l->d->db, &t->id, 0, 1 << 20, &events, &last_seq, &e), &e);
	assert_int_equal(last_seq, t->last_seq);
	assert_well(l->d->b->task_get(l->d->db, &t->id, &again, &doc, &e), &e);
	assert_true(slice_eq(again.doc, t->doc));
	assert_int_equal(again.state, t->state);
	buf_release(&events);
	buf_release(&doc);
	return --l->limit > 0;
}

static void assert_list(struct database *d, uint32_t states, uint32_t before, size_t limit, const char *want)
{
	struct listing l = {.d = d, .limit = limit};
	struct id id = id_nth(before);
	struct error e = {0};
	assert_well(d->b->tasks_each(d->db, states, before > 0 ? &id : NULL, on_task, &l, &e), &e);
	assert_string_equal(buf_cstr(&l.seen), want);
	buf_release(&l.seen);
}

static void tasks_each__goes_from_the_newest_by_state(void **state)
{
	static const enum task_state states[] = {TASK_QUEUED, TASK_COMPLETED, TASK_RUNNING, TASK_FAILED,
						 TASK_QUEUED, TASK_COMPLETED, TASK_REJECTED};
	/* not written in the order of their ids */
	static const uint32_t order[] = {4, 1, 7, 3, 2, 6, 5};
	struct database d = database_new();
	(void)state;
	assert_list(&d, 0, 0, 100, "");
	for (size_t i = 0; i < COUNT_OF(order); i++)
		task_save(&d, order[i], states[order[i] - 1], order[i]);
	assert_list(&d, 0, 0, 100, "7 6 5 4 3 2 1 ");
	assert_list(&d, 0, 5, 100, "4 3 2 1 ");
	assert_list(&d, 0, 1, 100, "");
	assert_list(&d, 0, 0, 2, "7 6 ");
	assert_list(&d, 1u << TASK_COMPLETED, 0, 100, "6 2 ");
	assert_list(&d, 1u << TASK_COMPLETED | 1u << TASK_QUEUED, 6, 100, "5 2 1 ");
	assert_list(&d, 1u << TASK_CANCELLED, 0, 100, "");
	/* a task that goes on is in one list only */
	struct task_saved t = task_nth(3, TASK_COMPLETED, 3, "{}");
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_list(&d, 1u << TASK_COMPLETED, 0, 100, "6 3 2 ");
	assert_list(&d, 1u << TASK_RUNNING, 0, 100, "");
	database_free(&d);
}

static void tasks_each__folds_documents_that_were_left_behind(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(1, TASK_PLANNING, 4, "");
	(void)state;
	task_save(&d, 2, TASK_QUEUED, 1);
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_list(&d, 0, 0, 100, "2 1 ");
	database_free(&d);
}

static bool on_any(const struct task_saved *t, void *arg)
{
	buf_printf(arg, "%d ", t->id.b[3]);
	return true;
}

/* Or one damaged task would keep the service from starting. */
static void tasks_each__leaves_out_what_cannot_be_folded(void **state)
{
	struct database d = database_new();
	struct task_saved t = task_nth(2, TASK_PLANNING, 4, "");
	struct buf seen = BUF_INIT;
	struct error e = {0};
	(void)state;
	task_save(&d, 1, TASK_QUEUED, 1);
	task_save(&d, 3, TASK_QUEUED, 1);
	for (t.last_seq = 1; t.last_seq <= 4; t.last_seq++) {
		begin(&d);
		task_write(&d, &t, 1);
		commit(&d);
	}
	begin(&d);
	assert_int_equal(
		sqlite3_exec(db_of(d.db)->handle, "DELETE FROM event WHERE seq = 3", NULL, NULL, NULL), 0);
	commit(&d);
	enum log_level level = log_level();
	log_init("test", LOG_OFF, LOG_FORMAT_TEXT);
	assert_well(d.b->tasks_each(d.db, 0, NULL, on_any, &seen, &e), &e);
	log_init("test", level, LOG_FORMAT_AUTO);
	assert_string_equal(buf_cstr(&seen), "3 1 ");
	buf_release(&seen);
	d.b->close(d.db);
	d.db = NULL; /* it is not whole */
	database_free(&d);
}

/* Three events in one row, of which the end of the second and the beginning of the third are lost: what is
 * left of both looks like one. */
static void events_get__misses_an_event_whose_beginning_is_lost(void **state)
{
	static const char hole[] =
		"UPDATE event SET body = CAST(replace(CAST(body AS TEXT), char(10) || char(10) || 'id: 3' || "
		"char(10) || "
		"'event: model.started' || char(10) || 'data: ', 'x') AS BLOB) WHERE more = 2";
	struct database d = database_new();
	struct task_saved t = task_nth(2, TASK_PLANNING, 3, "");
	struct buf sse = BUF_INIT;
	uint64_t last_seq;
	struct error e = {0};
	(void)state;
	begin(&d);
	task_write(&d, &t, 1);
	commit(&d);
	assert_well(d.b->events_get(d.db, &t.id, 0, 1 << 20, &sse, &last_seq, &e), &e);
	assert_int_equal(last_seq, 3);
	begin(&d);
	assert_int_equal(sqlite3_exec(db_of(d.db)->handle, hole, NULL, NULL, NULL), 0);
	commit(&d);
	assert_int_equal(d.b->events_get(d.db, &t.id, 0, 1 << 20, &sse, &last_seq, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.msg, "event 2 is damaged"));
	assert_int_equal(d.b->task_get(d.db, &t.id, &t, &sse, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.msg, "damaged"));
	buf_release(&sse);
	d.b->close(d.db);
	d.db = NULL; /* it is not whole */
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_get__folds_a_document_that_was_left_behind),
		cmocka_unit_test(task_get__folds_a_document_that_never_was),
		cmocka_unit_test(task_get__tells_of_memory_that_is_not_enough),
		cmocka_unit_test(events_get__gives_whole_events_up_to_a_size),
		cmocka_unit_test(tasks_each__goes_from_the_newest_by_state),
		cmocka_unit_test(tasks_each__folds_documents_that_were_left_behind),
		cmocka_unit_test(tasks_each__leaves_out_what_cannot_be_folded),
		cmocka_unit_test(events_get__misses_an_event_whose_beginning_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
