/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/keeper_rig.h"

static void assert_durable(struct rig *r, struct task_ref ref)
{
	struct task_head h = head_of(r->t.b, ref);
	struct id id = h.id;
	struct fake_db f = rig_look(r);
	assert_int_equal(h.durable_seq, h.last_seq);
	assert_int_equal(rig_row(&f, &id)->task.last_seq, h.last_seq);
	assert_int_equal(rig_row(&f, &id)->events_seq, h.last_seq);
	fake_release(&f.db);
}

static struct request_key key_begin(struct store *s, uint32_t n)
{
	struct request_key k = {.body = {1}};
	struct request_place p = {.after_seq = n};
	enum request_status status;
	struct error e;
	memcpy(k.key, &n, sizeof n);
	assert_int_equal(request_key_claim(s, &k, &status, &p, &e), ERR_NONE);
	assert_int_equal(status, REQUEST_NEW);
	request_key_begin(s, &k, &p);
	return k;
}

static void changes__become_durable_and_visible(void **state)
{
	struct rig r = rig_options(4, 16);
	struct task_ref refs[3];
	unsigned flags;
	(void)state;
	rig_start(&r);
	for (int i = 0; i < 3; i++)
		refs[i] = create(r.t.a);
	move(r.t.a, refs[1], EVENT_TASK_RESULT, "{\"result\":1}", TASK_CANCELLED);
	assert_int_equal(task_watch(r.t.b, refs[1]), ERR_NONE);
	wake(r.t.b, NULL);
	rig_turn(&r);
	for (int i = 0; i < 3; i++)
		assert_durable(&r, refs[i]);
	struct told t = wake(r.t.b, &flags);
	assert_true(told_has(&t, refs[1]));
	assert_int_equal(r.db.commits, 2); /* one of the start, one of all */
	rig_close(&r);
}

static void what_waited_before_a_keeper_came__needs_no_further_wake(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	rig_start(&r);
	rig_turn(&r);
	struct task_ref ref = create(r.t.a);
	wake_take(r.k, NULL, NULL); /* it was told, and died over it */
	rig_keeper_die(&r);
	rig_keeper_open(&r);
	wake_take(r.k, NULL, NULL);
	loop_turn(r.loop, 0);
	loop_turn(r.loop, 0);
	assert_durable(&r, ref);
	rig_close(&r);
}

static void more_than_a_batch__takes_several(void **state)
{
	struct rig r = rig_options(4, 64);
	struct task_ref refs[10];
	(void)state;
	r.options.batch_tasks_max = 3;
	rig_start(&r);
	rig_turn(&r);
	int before = r.db.commits;
	for (int i = 0; i < 10; i++)
		refs[i] = create(r.t.a);
	rig_turn(&r);
	for (int i = 0; i < 10; i++)
		assert_durable(&r, refs[i]);
	assert_int_equal(r.db.commits - before, 4);
	rig_close(&r);
}

static void many_bytes_of_events__leave_no_one_behind(void **state)
{
	struct rig r = rig_options(8, 64);
	struct task_ref refs[6];
	struct error e;
	(void)state;
	r.options.batch_bytes_max = 100 << 10;
	rig_start(&r);
	for (int i = 0; i < 6; i++)
		refs[i] = create(r.t.a);
	rig_turn(&r);
	/* large events, small documents */
	char *data = xcalloc(1, 60 << 10);
	memset(data, ' ', (60 << 10) - 1);
	memcpy(data, "{\"call\":\"c\"", 11);
	data[(60 << 10) - 2] = '}';
	for (int i = 0; i < 6; i++)
		assert_int_equal(move_as(r.t.a, refs[i], NULL, EVENT_TOOL_STARTED, data, TASK_SAME, &e),
				 ERR_NONE);
	free(data);
	keeper_on_wake(r.keeper);
	assert_true(head_of(r.t.a, refs[5]).durable_seq < 2);
	for (int i = 0; i < 4; i++)
		loop_turn(r.loop, 0);
	for (int i = 0; i < 6; i++)
		assert_durable(&r, refs[i]);
	rig_close(&r);
}

static void all_keys__go_with_the_events_they_belong_to(void **state)
{
	struct rig r = rig_options(16, 16);
	enum { KEYS = 1500 };
	(void)state;
	rig_start(&r);
	rig_turn(&r);
	int before = r.db.commits;
	for (uint32_t i = 0; i < KEYS; i++)
		key_begin(r.t.a, i);
	create(r.t.a);
	keeper_on_wake(r.keeper);
	assert_int_equal(r.db.commits - before, 1);
	assert_int_equal(r.db.requests_count, KEYS);
	rig_close(&r);
}

static void a_delay__gathers_changes(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	r.options.batch_delay_ms = 20;
	rig_start(&r);
	rig_turn(&r);
	int before = r.db.commits;
	struct task_ref one = create(r.t.a);
	rig_turn(&r);
	struct task_ref two = create(r.t.a);
	rig_pass(&r, 19);
	rig_turn(&r);
	assert_int_equal(head_of(r.t.a, one).durable_seq, 0);
	rig_pass(&r, 1);
	rig_turn(&r);
	assert_durable(&r, one);
	assert_durable(&r, two);
	assert_int_equal(r.db.commits - before, 1);
	rig_close(&r);
}

static void a_full_disk__stops_new_things_and_recovers_by_itself(void **state)
{
	struct rig r = rig_options(4, 16);
	struct error e;
	char why[ERROR_MSG_MAX];
	struct task_ref ref;
	(void)state;
	rig_start(&r);
	/* at each call of a commit */
	for (int at = 1; at <= 6; at++) {
		rig_turn(&r);
		ref = create(r.t.a);
		key_begin(r.t.a, (uint32_t)at);
		r.db.fail_code = ERR_NO_SPACE;
		r.db.fail_at = at;
		r.db.fail_lasting = true;
		rig_turn(&r);
		/* the sixth is the checkpoint behind it */
		assert_int_equal(head_of(r.t.a, ref).durable_seq, at == 6 ? 1 : 0);
		assert_int_equal(store_health(r.t.a, why), STORE_NO_SPACE);
		assert_non_null(strstr(why, "the fake fails"));
		assert_int_equal(store_accepts(r.t.a, &e), ERR_NO_SPACE);
		/* not before its time, and not in vain for ever */
		int calls = r.db.calls;
		rig_pass(&r, 999);
		rig_turn(&r);
		rig_pass(&r, 1);
		rig_turn(&r);
		assert_true(r.db.calls > calls);
		assert_int_equal(store_health(r.t.a, NULL), STORE_NO_SPACE);
		r.db.fail_at = 0;
		rig_pass(&r, 1000);
		rig_turn(&r);
		assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
		assert_durable(&r, ref);
		/* at the sixth there was nothing left to store: whether there is room was asked by a key */
		assert_int_equal(r.db.requests_count, at + (at == 6));
	}
	assert_int_equal(r.told_broken, 0);
	rig_close(&r);
}

static void room_found_by_another_commit__ends_the_waiting(void **state)
{
	struct rig r = rig_options(4, 16);
	struct error e;
	(void)state;
	rig_start(&r);
	rig_turn(&r);
	create(r.t.a);
	r.db.fail_code = ERR_NO_SPACE;
	r.db.fail_at = 1;
	rig_turn(&r);
	assert_int_equal(store_health(r.t.a, NULL), STORE_NO_SPACE);
	assert_int_equal(keeper_flush(r.keeper, &e), ERR_NONE);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	struct task_ref ref = create(r.t.a);
	rig_turn(&r);
	assert_durable(&r, ref);
	rig_close(&r);
}

static void a_failed_write__ends_it_for_good(void **state)
{
	(void)state;
	/* begin, task, events, key, commit, checkpoint */
	for (int at = 1; at <= 6; at++) {
		struct rig r = rig_options(4, 16);
		struct error e;
		rig_start(&r);
		rig_turn(&r);
		struct task_ref ref = create(r.t.a);
		key_begin(r.t.a, 1);
		r.db.fail_code = ERR_IO;
		r.db.fail_at = at;
		rig_turn(&r);
		assert_int_equal(r.told_broken, 1);
		assert_int_equal(store_health(r.t.a, NULL), STORE_BROKEN);
		assert_int_equal(head_of(r.t.a, ref).durable_seq, at == 6 ? 1 : 0);
		assert_int_equal(store_accepts(r.t.a, &e), ERR_UNAVAILABLE);
		/* not one call more, whatever comes */
		struct lease l;
		assert_int_equal(lease_take(r.t.a, ref, &l, &e), ERR_NONE);
		assert_int_equal(move_as(r.t.a, ref, &l, EVENT_TASK_RESULT, NULL, TASK_PLANNING, &e),
				 ERR_NONE);
		struct id id = id_of(r.t.a, ref);
		assert_int_not_equal(keeper_delete(r.keeper, &id, &e), ERR_NONE);
		assert_int_not_equal(keeper_flush(r.keeper, &e), ERR_NONE);
		for (int i = 0; i < 5; i++) {
			rig_pass(&r, 1000);
			rig_turn(&r);
		}
		assert_int_equal(r.told_broken, 1);
		rig_keeper_close(&r);
		r.keeper = NULL;
		assert_int_equal(r.db.calls_when_broken, 0);
		rig_close(&r);
	}
}

static enum err change_nothing(struct db *d, void *arg, struct error *e)
{
	(void)d;
	enum err *code = arg;
	return *code == ERR_NONE ? ERR_NONE : err_set(e, *code, "as told");
}

static void a_transaction_of_others__is_judged_likewise(void **state)
{
	struct rig r = rig_options(4, 16);
	struct error e;
	enum err code = ERR_NOT_FOUND;
	(void)state;
	rig_start(&r);
	rig_turn(&r);
	assert_int_equal(keeper_transact(r.keeper, change_nothing, &code, &e), ERR_NOT_FOUND);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	code = ERR_NO_SPACE;
	assert_int_equal(keeper_transact(r.keeper, change_nothing, &code, &e), ERR_NO_SPACE);
	assert_int_equal(store_health(r.t.a, NULL), STORE_NO_SPACE);
	rig_pass(&r, 1000);
	rig_turn(&r);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	code = ERR_NONE;
	assert_int_equal(keeper_transact(r.keeper, change_nothing, &code, &e), ERR_NONE);
	code = ERR_IO;
	assert_int_equal(keeper_transact(r.keeper, change_nothing, &code, &e), ERR_IO);
	assert_int_equal(r.told_broken, 1);
	int calls = r.db.calls;
	assert_int_equal(keeper_transact(r.keeper, change_nothing, &code, &e), ERR_UNAVAILABLE);
	assert_int_equal(r.db.calls, calls);
	rig_close(&r);
}

static void an_overlap__is_harmless(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	rig_start(&r);
	struct task_ref ref = create(r.t.a);
	/* committed, and not told any more */
	rig_turn(&r);
	struct version *v = slot_begin(slot_at(r.t.a, ref.slot));
	atomic_store(&v->durable_seq, 0);
	slot_publish(slot_at(r.t.a, ref.slot));
	rig_keeper_die(&r);
	move(r.t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_PLANNING);
	rig_keeper_open(&r);
	rig_turn(&r);
	assert_durable(&r, ref);
	rig_close(&r);
}

/* Ends a task when the table has room for its events only. */
static struct task_ref end_without_document(struct rig *r)
{
	struct task_ref ref = create(r->t.a), other = create(r->t.a), filler;
	struct error e;
	struct id id;
	rig_turn(r);
	while (move_sized(r->t.a, other, 20000, TASK_SAME, &e) == ERR_NONE)
		;
	while (create_sized(r->t.a, 10, &filler, &id, &e) == ERR_NONE)
		;
	assert_int_equal(move_sized(r->t.a, ref, 20000, TASK_CANCELLED, &e), ERR_NONE);
	assert_int_equal(slot_version(slot_at(r->t.a, ref.slot))->doc_bytes, 0);
	return ref;
}

static void a_task_that_ended_without_a_document__has_one_in_the_database(void **state)
{
	(void)state;
	/* the second time it was committed by a keeper that could not tell of it any more */
	for (int again = 0; again < 2; again++) {
		struct rig r = rig_options(1, 100);
		rig_start(&r);
		struct task_ref ref = end_without_document(&r);
		struct id id = id_of(r.t.a, ref);
		rig_turn(&r);
		if (again) {
			struct version *v = slot_begin(slot_at(r.t.a, ref.slot));
			atomic_store(&v->durable_seq, 1);
			slot_publish(slot_at(r.t.a, ref.slot));
			rig_keeper_die(&r);
			rig_keeper_open(&r);
			rig_turn(&r);
		}
		assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
		assert_durable(&r, ref);
		struct fake_db f = rig_look(&r);
		assert_non_null(strstr(buf_cstr(&rig_row(&f, &id)->doc), "\"status\":\"cancelled\""));
		fake_release(&f.db);
		rig_close(&r);
	}
}

static void a_document__waits_behind_the_events_of_its_worker(void **state)
{
	struct rig r = rig_options(16, 8);
	struct error e;
	struct buf doc = BUF_INIT, shown = BUF_INIT;
	struct task_saved saved;
	(void)state;
	rig_start(&r);
	struct task_ref ref = create(r.t.a);
	struct id id = id_of(r.t.a, ref);
	rig_turn(&r);
	assert_int_equal(move_sized(r.t.a, ref, 100 << 10, TASK_PLANNING, &e), ERR_NONE);
	rig_turn(&r);
	assert_durable(&r, ref);
	assert_int_equal(rig_row(&r.db, &id)->doc_seq, 0);
	assert_int_equal(task_doc_copy(r.t.b, ref, &shown, NULL), ERR_NONE);
	assert_int_equal(fake_backend.task_get(&r.db.db, &id, &saved, &doc, &e), ERR_NONE);
	assert_true(slice_eq(buf_slice(&doc), buf_slice(&shown)));
	/* its end brings it up */
	move(r.t.a, ref, EVENT_TASK_RESULT, NULL, TASK_CANCELLED);
	rig_turn(&r);
	assert_int_equal(rig_row(&r.db, &id)->doc_seq, head_of(r.t.a, ref).last_seq);
	buf_release(&doc);
	buf_release(&shown);
	rig_close(&r);
}

/* On a clock that stands still a commit has just begun whenever it is looked at. */
static void commits_of_many__keep_a_distance(void **state)
{
	struct rig r = rig_options(4, 16);
	struct timespec from, to;
	(void)state;
	rig_start(&r);
	for (int i = 0; i < 5; i++)
		create(r.t.a);
	rig_turn(&r);
	clock_gettime(CLOCK_MONOTONIC, &from);
	struct task_ref ref = create(r.t.a);
	rig_turn(&r);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true((to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000 >= 1000);
	assert_durable(&r, ref);
	rig_close(&r);
}

static void an_orderly_end__commits_what_is_left(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	rig_start(&r);
	struct task_ref ref = create(r.t.a);
	rig_keeper_close(&r);
	r.keeper = NULL;
	assert_durable(&r, ref);
	assert_true(r.db.closed);
	rig_close(&r);
}

RUN_TESTS(cmocka_unit_test(changes__become_durable_and_visible),
	  cmocka_unit_test(what_waited_before_a_keeper_came__needs_no_further_wake),
	  cmocka_unit_test(more_than_a_batch__takes_several),
	  cmocka_unit_test(many_bytes_of_events__leave_no_one_behind),
	  cmocka_unit_test(all_keys__go_with_the_events_they_belong_to),
	  cmocka_unit_test(a_delay__gathers_changes),
	  cmocka_unit_test(a_full_disk__stops_new_things_and_recovers_by_itself),
	  cmocka_unit_test(room_found_by_another_commit__ends_the_waiting),
	  cmocka_unit_test(a_failed_write__ends_it_for_good),
	  cmocka_unit_test(a_transaction_of_others__is_judged_likewise),
	  cmocka_unit_test(an_overlap__is_harmless),
	  cmocka_unit_test(a_task_that_ended_without_a_document__has_one_in_the_database),
	  cmocka_unit_test(a_document__waits_behind_the_events_of_its_worker),
	  cmocka_unit_test(commits_of_many__keep_a_distance),
	  cmocka_unit_test(an_orderly_end__commits_what_is_left))
