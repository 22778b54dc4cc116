/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/table.h"
#include "store/store_db.h"

static struct table kept_open(size_t mib, uint32_t tasks_max)
{
	struct store_options o = table_options(mib, tasks_max);
	o.keeper = true;
	struct table t = table_open_with(&o);
	store_health_set(t.b, STORE_WORKS, "");
	lease_decline(t.b); /* it stands for the keeper */
	return t;
}

/* The n-th id: a larger n is younger. */
static struct id id_nth(uint32_t n)
{
	struct id id = {
		{0x01, 0x80, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, 0x70}};
	id.b[8] = 0x80;
	return id;
}

static const char *doc_nth(uint32_t n, enum task_state state, uint64_t seq, size_t pad)
{
	static char text[64 << 10];
	char id[ID_TEXT_SIZE];
	struct id at = id_nth(n);
	id_format(&at, id);
	snprintf(text, sizeof text,
		 "{\"id\":\"%s\",\"status\":\"%s\",\"prompt\":\"%0*d\",\"approval\":\"auto\",\"plan\":null,"
		 "\"result\":null,\"error\":null,\"pending\":null,\"metadata\":null,\"last_seq\":%llu,"
		 "\"created_at\":\"2026-01-01T00:00:00.000Z\",\"updated_at\":\"2026-01-01T00:00:00.000Z\"}",
		 id, task_state_text(state), (int)pad, 0, (unsigned long long)seq);
	return text;
}

static enum err restore(struct store *s, uint32_t n, enum task_state state, uint64_t seq, size_t pad)
{
	struct error e;
	struct task_saved t = {.id = id_nth(n),
			       .state = state,
			       .last_seq = seq,
			       .created_ms = 1000 + n,
			       .updated_ms = 2000 + n,
			       .doc = slice_str(doc_nth(n, state, seq, pad))};
	return task_restore(s, &t, &e);
}

static void a_restored_task__has_its_document_and_no_events(void **state)
{
	struct table t = kept_open(4, 8);
	struct task_ref ref;
	struct id id = id_nth(1);
	struct event_cursor c;
	struct buf b = BUF_INIT;
	(void)state;
	assert_int_equal(restore(t.b, 1, TASK_RUNNING, 7, 100), ERR_NONE);
	assert_true(task_find(t.a, &id, &ref));
	struct task_head h = head_of(t.a, ref);
	assert_int_equal(h.last_seq, 7);
	assert_int_equal(h.first_seq, 8);
	assert_int_equal(h.durable_seq, 7);
	assert_int_equal(h.state, TASK_RUNNING);
	assert_int_equal(h.durable_state, TASK_RUNNING);
	assert_int_equal(h.created_ms, 1001);
	assert_int_equal(h.updated_ms, 2001);
	char *doc = doc_text(t.a, ref);
	assert_string_equal(doc, doc_nth(1, TASK_RUNNING, 7, 100));
	free(doc);
	event_cursor_init(&c, 3);
	assert_int_equal(task_events_copy(t.a, ref, &c, 1000, &b, NULL), ERR_GONE);
	event_cursor_init(&c, 7);
	assert_int_equal(task_events_copy(t.a, ref, &c, 1000, &b, NULL), ERR_NONE);
	assert_int_equal(b.len, 0);
	buf_release(&b);
	table_close(&t);
}

static void it_goes_on__from_its_last_event(void **state)
{
	struct table t = kept_open(4, 8);
	struct lease l;
	struct id id = id_nth(1);
	struct error e;
	struct event_cursor c;
	struct event_view v;
	struct buf b = BUF_INIT;
	(void)state;
	wake(t.a, NULL);
	assert_false(lease_next(t.a, &l));
	assert_int_equal(restore(t.b, 1, TASK_RUNNING, 7, 100), ERR_NONE);
	assert_true(readable(t.a)); /* whoever looks for work is told */
	assert_true(lease_next(t.a, &l));
	assert_int_equal(move_as(t.a, l.ref, &l, EVENT_TASK_RESULT, "{\"result\":9}", TASK_COMPLETED, &e),
			 ERR_NONE);
	struct task_head h = head_of(t.a, l.ref);
	assert_memory_equal(&h.id, &id, sizeof id);
	assert_int_equal(h.last_seq, 9);
	assert_int_equal(h.first_seq, 8);
	assert_int_equal(h.durable_seq, 7);
	event_cursor_init_newest(&c, 7);
	assert_int_equal(task_events_copy(t.a, l.ref, &c, 4000, &b, NULL), ERR_NONE);
	struct slice rest = buf_slice(&b);
	assert_true(event_next(&rest, &v));
	assert_int_equal(v.seq, 8);
	/* readers see what was restored until the rest is durable */
	char *doc = doc_text(t.b, l.ref);
	assert_string_equal(doc, doc_nth(1, TASK_RUNNING, 7, 100));
	free(doc);
	buf_release(&b);
	table_close(&t);
}

static void one_that_waits_for_a_person__is_no_work(void **state)
{
	struct table t = kept_open(4, 8);
	struct lease l;
	(void)state;
	assert_int_equal(restore(t.b, 1, TASK_AWAITING_APPROVAL, 7, 10), ERR_NONE);
	assert_int_equal(restore(t.b, 2, TASK_INPUT_REQUIRED, 7, 10), ERR_NONE);
	assert_int_equal(restore(t.b, 3, TASK_FAILED, 7, 10), ERR_NONE);
	assert_false(lease_next(t.a, &l));
	table_close(&t);
}

static void one_that_asked_in_the_middle_of_a_call__is_work(void **state)
{
	struct table t = kept_open(4, 8);
	struct lease l;
	struct error e;
	char *doc = xstrdup(doc_nth(1, TASK_INPUT_REQUIRED, 7, 10)), *at = strstr(doc, "\"pending\":null");
	char *live = xasprintf("%.*s\"pending\":{\"live\":true}%s", (int)(at - doc), doc,
			       at + strlen("\"pending\":null"));
	struct task_saved saved = {.id = id_nth(1),
				   .state = TASK_INPUT_REQUIRED,
				   .last_seq = 7,
				   .created_ms = 1,
				   .updated_ms = 2,
				   .doc = slice_str(live)};
	(void)state;
	assert_int_equal(task_restore(t.b, &saved, &e), ERR_NONE);
	assert_true(lease_next(t.a, &l));
	free(live);
	free(doc);
	table_close(&t);
}

static void a_second_time__is_a_conflict(void **state)
{
	struct table t = kept_open(4, 8);
	(void)state;
	assert_int_equal(restore(t.b, 1, TASK_RUNNING, 7, 10), ERR_NONE);
	assert_int_equal(restore(t.b, 1, TASK_RUNNING, 7, 10), ERR_CONFLICT);
	assert_int_equal(restore(t.b, 1, TASK_FAILED, 8, 10), ERR_CONFLICT);
	table_close(&t);
}

static void a_finished_one__evicts_nobody(void **state)
{
	struct table t = kept_open(4, 2);
	struct id id = id_nth(1);
	struct task_ref ref;
	(void)state;
	assert_int_equal(restore(t.b, 1, TASK_COMPLETED, 7, 10), ERR_NONE);
	assert_int_equal(restore(t.b, 2, TASK_COMPLETED, 7, 10), ERR_NONE);
	assert_int_equal(restore(t.b, 3, TASK_COMPLETED, 7, 10), ERR_FULL);
	assert_true(task_find(t.a, &id, &ref));
	table_close(&t);
}

static void an_unfinished_one__evicts_finished_ones(void **state)
{
	struct table t = kept_open(4, 2);
	struct id id = id_nth(5);
	struct task_ref ref;
	(void)state;
	assert_int_equal(restore(t.b, 5, TASK_COMPLETED, 7, 10), ERR_NONE);
	assert_int_equal(restore(t.b, 2, TASK_QUEUED, 7, 10), ERR_NONE);
	assert_int_equal(restore(t.b, 1, TASK_QUEUED, 7, 10), ERR_NONE);
	assert_false(task_find(t.a, &id, &ref));
	assert_int_equal(restore(t.b, 3, TASK_QUEUED, 7, 10), ERR_FULL);
	table_close(&t);
}

static void no_memory__leaves_the_slot_free(void **state)
{
	struct table t = kept_open(1, 1000);
	uint32_t n = 0;
	(void)state;
	while (restore(t.b, ++n, TASK_COMPLETED, 3, 20000) == ERR_NONE)
		assert_true(n < 1000);
	assert_true(n > 10);
	assert_true(pool_unused(t.a) >= t.a->map->reserve_blocks);
	table_check(&t);
	assert_int_equal(restore(t.b, n, TASK_COMPLETED, 3, 10), ERR_NONE);
	table_close(&t);
}

static void a_restored_task__can_end_without_room_for_its_document(void **state)
{
	struct table t = kept_open(1, 1000);
	struct id id = id_nth(1);
	struct task_ref ref, filler;
	struct error e;
	struct buf b = BUF_INIT;
	(void)state;
	assert_int_equal(restore(t.b, 1, TASK_RUNNING, 7, 30000), ERR_NONE);
	assert_true(task_find(t.a, &id, &ref));
	while (create_sized(t.a, 5000, &filler, &id, &e) == ERR_NONE)
		;
	assert_int_equal(move_sized(t.a, ref, 10000, TASK_FAILED, &e), ERR_NONE);
	assert_int_equal(slot_version(slot_at(t.a, ref.slot))->doc_bytes, 0);
	table_check(&t);
	/* readers see what is durable; then the archive has its document */
	char *doc = doc_text(t.b, ref);
	assert_string_equal(doc, doc_nth(1, TASK_RUNNING, 7, 30000));
	free(doc);
	unsaved_done(t.b, ref, 9, TASK_FAILED, SLICE_LIT("{}"));
	assert_int_equal(task_doc_copy(t.a, ref, &b, NULL), ERR_GONE);
	assert_int_equal(task_doc_copy_newest(t.a, ref, &b, NULL), ERR_GONE);
	buf_release(&b);
	table_close(&t);
}

static void ten_thousand__are_restored_quickly_in_any_order_of_time(void **state)
{
	enum { N = 10000, LATE = 3000 };
	struct table t = kept_open(40, N + LATE);
	struct task_ref list[3];
	(void)state;
	int64_t begun = clock_mono_ms();
	for (uint32_t i = N / 2; i > 0; i--)
		assert_int_equal(restore(t.b, LATE + 2 * i, TASK_QUEUED, 1, 10), ERR_NONE);
	/* the others lie in between */
	for (uint32_t i = N / 2; i > 0; i--)
		assert_int_equal(restore(t.b, LATE + 2 * i - 1, TASK_FAILED, 1, 10), ERR_NONE);
	/* and then what comes after a clock was set back */
	for (uint32_t i = 1; i <= LATE; i++)
		assert_int_equal(restore(t.b, i, TASK_FAILED, 1, 10), ERR_NONE);
	assert_true(clock_mono_ms() - begun < 1500);
	assert_int_equal(task_list(t.a, &(struct task_query){.limit = 3}, list), 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct id id = id_nth(N + LATE - i);
		struct task_head h = head_of(t.a, list[i]);
		assert_memory_equal(&h.id, &id, sizeof id);
	}
	table_close(&t);
}

static void forgetting__takes_what_is_over_and_durable(void **state)
{
	struct table t = kept_open(4, 8);
	struct error e;
	struct id id = id_nth(1), there;
	struct task_ref ref;
	(void)state;
	assert_int_equal(task_forget(t.b, &id, &e), ERR_NONE); /* not there */
	assert_int_equal(restore(t.b, 1, TASK_COMPLETED, 7, 5000), ERR_NONE);
	assert_true(task_find(t.a, &id, &ref));
	assert_int_equal(task_watch(t.a, ref), ERR_NONE);
	assert_int_equal(task_forget(t.b, &id, &e), ERR_NONE);
	assert_false(task_find(t.a, &id, &ref));
	assert_int_equal(task_head_get(t.a, ref, &(struct task_head){0}), ERR_GONE);
	task_unwatch(t.a, ref);
	assert_int_equal(restore(t.b, 2, TASK_RUNNING, 7, 10), ERR_NONE);
	id = id_nth(2);
	assert_int_equal(task_forget(t.b, &id, &e), ERR_CONFLICT);
	assert_int_equal(create_sized(t.a, 10, &ref, &there, &e), ERR_NONE);
	move(t.a, ref, EVENT_TASK_RESULT, NULL, TASK_CANCELLED);
	assert_int_equal(task_forget(t.b, &there, &e), ERR_CONFLICT);
	assert_true(task_find(t.a, &there, &ref));
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(a_restored_task__has_its_document_and_no_events),
	  cmocka_unit_test(it_goes_on__from_its_last_event),
	  cmocka_unit_test(one_that_waits_for_a_person__is_no_work),
	  cmocka_unit_test(one_that_asked_in_the_middle_of_a_call__is_work),
	  cmocka_unit_test(a_second_time__is_a_conflict), cmocka_unit_test(a_finished_one__evicts_nobody),
	  cmocka_unit_test(an_unfinished_one__evicts_finished_ones),
	  cmocka_unit_test(no_memory__leaves_the_slot_free),
	  cmocka_unit_test(a_restored_task__can_end_without_room_for_its_document),
	  cmocka_unit_test(ten_thousand__are_restored_quickly_in_any_order_of_time),
	  cmocka_unit_test(forgetting__takes_what_is_over_and_durable))
