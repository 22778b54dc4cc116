/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/keeper_rig.h"

/* A database of a service that ran before, with tasks in these states. */
static void service_before(struct rig *r, const enum task_state *states, size_t n, struct id *ids)
{
	struct rig old = rig_options(64, 20000);
	fake_disk_free(old.disk);
	old.disk = r->disk;
	rig_start(&old);
	for (size_t i = 0; i < n; i++) {
		struct task_ref ref = create(old.t.a);
		ids[i] = id_of(old.t.a, ref);
		if (states[i] != TASK_QUEUED)
			move(old.t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", states[i]);
		rig_pass(&old, 1);
	}
	rig_keeper_close(&old);
	table_close(&old.t);
	r->ms = old.ms;
}

static bool there(struct rig *r, const struct id *id)
{
	struct task_ref ref;
	return task_find(r->t.a, id, &ref);
}

static void finish(struct rig *r, const struct id *id)
{
	struct task_ref ref;
	assert_true(task_find(r->t.a, id, &ref));
	move(r->t.a, ref, EVENT_TASK_RESULT, NULL, TASK_CANCELLED);
}

/* The trimmer looks once a second. */
static void second_pass(struct rig *r)
{
	rig_pass(r, 1000);
	rig_turn(r);
}

static void a_service__starts_where_it_stopped(void **state)
{
	struct rig r = rig_options(4, 16);
	const enum task_state states[] = {TASK_QUEUED, TASK_PLANNING, TASK_CANCELLED, TASK_FAILED};
	struct id ids[4];
	struct task_ref ref;
	unsigned flags;
	(void)state;
	service_before(&r, states, 4, ids);
	wake(r.t.a, NULL);
	rig_start(&r);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	wake(r.t.a, &flags);
	assert_true(flags & WAKE_HEALTH);
	for (size_t i = 0; i < 4; i++) {
		assert_true(task_find(r.t.a, &ids[i], &ref));
		assert_int_equal(head_of(r.t.a, ref).state, states[i]);
		assert_int_equal(head_of(r.t.a, ref).first_seq, head_of(r.t.a, ref).last_seq + 1);
	}
	/* nothing of it is written again */
	uint64_t before = atomic_load(&r.disk->len);
	rig_turn(&r);
	assert_int_equal(atomic_load(&r.disk->len), before);
	rig_close(&r);
}

static void unfinished_ones__come_first_and_all_of_them(void **state)
{
	struct rig r = rig_options(4, 8);
	enum task_state states[20];
	struct id ids[20];
	(void)state;
	/* the five oldest are unfinished */
	for (size_t i = 0; i < 20; i++)
		states[i] = i < 5 ? TASK_PLANNING : TASK_CANCELLED;
	service_before(&r, states, 20, ids);
	rig_start(&r);
	for (size_t i = 0; i < 5; i++)
		assert_true(there(&r, &ids[i]));
	/* of the others the latest, and a quarter stays free */
	assert_true(there(&r, &ids[19]));
	assert_false(there(&r, &ids[18]));
	assert_int_equal(atomic_load(&r.t.a->map->slots_used), 6);
	rig_close(&r);
}

static void what_finds_no_room__comes_when_there_is_some(void **state)
{
	struct rig r = rig_options(4, 4);
	enum task_state states[6] = {TASK_QUEUED, TASK_QUEUED, TASK_QUEUED,
				     TASK_QUEUED, TASK_QUEUED, TASK_QUEUED};
	struct id ids[6];
	struct lease l;
	(void)state;
	service_before(&r, states, 6, ids);
	rig_start(&r);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	assert_int_equal(r.keeper->left_out, 2);
	assert_false(there(&r, &ids[0]) || there(&r, &ids[1]));
	second_pass(&r);
	assert_int_equal(r.keeper->left_out, 2);
	/* finished ones that are durable make room; a keeper's death forgets nobody */
	finish(&r, &ids[5]);
	rig_turn(&r);
	second_pass(&r);
	assert_true(there(&r, &ids[1]));
	assert_int_equal(r.keeper->left_out, 1);
	rig_keeper_die(&r);
	rig_keeper_open(&r);
	rig_restore(&r);
	assert_int_equal(r.keeper->left_out, 1);
	finish(&r, &ids[4]);
	rig_turn(&r);
	second_pass(&r);
	assert_true(there(&r, &ids[0]));
	assert_int_equal(r.keeper->left_out, 0);
	assert_true(lease_next(r.t.a, &l));
	rig_close(&r);
}

static void many_without_room__cost_no_look_at_each(void **state)
{
	enum { N = 3000 };
	struct rig r = rig_options(8, 100);
	enum task_state *states = xcalloc(N, sizeof *states);
	struct id *ids = xcalloc(N, sizeof *ids);
	(void)state;
	for (size_t i = 0; i < N; i++)
		states[i] = TASK_QUEUED;
	service_before(&r, states, N, ids);
	rig_start(&r);
	assert_int_equal(r.keeper->left_out, N - 100);
	for (size_t i = 0; i < 50; i++)
		finish(&r, &ids[N - 1 - i]);
	rig_turn(&r);
	second_pass(&r);
	for (size_t i = 0; i < 50; i++)
		assert_true(there(&r, &ids[N - 101 - i]));
	assert_true(r.keeper->left_out > 0);
	free(states);
	free(ids);
	rig_close(&r);
}

static void a_keeper_killed_while_restoring__is_followed_by_one_that_restores(void **state)
{
	struct rig r = rig_options(4, 16);
	const enum task_state states[] = {TASK_QUEUED, TASK_PLANNING, TASK_CANCELLED};
	struct id ids[3];
	struct error e;
	(void)state;
	service_before(&r, states, 3, ids);
	r.options.arg = &r;
	rig_keeper_open(&r);
	assert_int_equal(keeper_restore_rest(r.keeper, &e), ERR_NONE);
	rig_keeper_die(&r);
	assert_int_equal(store_health(r.t.a, NULL), STORE_STARTING);
	rig_keeper_open(&r);
	rig_restore(&r);
	for (size_t i = 0; i < 3; i++)
		assert_true(there(&r, &ids[i]));
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	rig_close(&r);
}

static void a_later_keeper__finds_the_table_as_it_is(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	rig_start(&r);
	struct task_ref done = create(r.t.a), ref = create(r.t.a);
	move(r.t.a, done, EVENT_TASK_RESULT, NULL, TASK_CANCELLED);
	rig_turn(&r);
	move(r.t.a, ref, EVENT_TASK_RESULT, NULL, TASK_CANCELLED);
	rig_keeper_die(&r);
	store_health_set(r.t.a, STORE_NO_SPACE, "it was full when the last one died");
	rig_keeper_open(&r);
	rig_restore(&r);
	assert_int_equal(head_of(r.t.a, ref).state, TASK_CANCELLED);
	rig_turn(&r);
	assert_int_equal(head_of(r.t.a, ref).durable_seq, 2);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	rig_close(&r);
}

/* The one that comes as far as here can store what others could not. */
static void a_later_keeper__can_what_one_before_it_could_not(void **state)
{
	struct rig r = rig_options(4, 16);
	struct error e = {0};
	(void)state;
	rig_start(&r);
	rig_keeper_die(&r);
	store_health_set(r.t.a, STORE_AWAY, "the database cannot be opened");
	assert_int_equal(store_accepts(r.t.a, &e), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "cannot be opened"));
	rig_keeper_open(&r);
	rig_restore(&r);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	rig_close(&r);
}

static void a_full_disk__keeps_nobody_from_reading(void **state)
{
	struct rig r = rig_options(4, 16);
	const enum task_state states[] = {TASK_QUEUED};
	struct id id;
	(void)state;
	service_before(&r, states, 1, &id);
	r.options.arg = &r;
	rig_keeper_open(&r);
	r.db.fail_code = ERR_NO_SPACE;
	r.db.fail_at = 1;
	rig_restore(&r);
	assert_true(there(&r, &id));
	rig_close(&r);
}

static void a_database_that_cannot_be_read__is_told(void **state)
{
	struct error e;
	(void)state;
	for (int at = 1; at <= 5; at++) {
		struct rig r = rig_options(4, 16);
		r.options.arg = &r;
		rig_keeper_open(&r);
		r.db.fail_code = ERR_IO;
		r.db.fail_at = at;
		assert_int_equal(keeper_restore(r.keeper, &e), ERR_IO);
		assert_int_equal(store_health(r.t.a, NULL), STORE_STARTING);
		rig_keeper_die(&r);
		r.keeper = NULL;
		assert_int_equal(r.db.calls_when_broken, 0);
		rig_close(&r);
	}
}

RUN_TESTS(cmocka_unit_test(a_service__starts_where_it_stopped),
	  cmocka_unit_test(unfinished_ones__come_first_and_all_of_them),
	  cmocka_unit_test(what_finds_no_room__comes_when_there_is_some),
	  cmocka_unit_test(many_without_room__cost_no_look_at_each),
	  cmocka_unit_test(a_keeper_killed_while_restoring__is_followed_by_one_that_restores),
	  cmocka_unit_test(a_later_keeper__finds_the_table_as_it_is),
	  cmocka_unit_test(a_later_keeper__can_what_one_before_it_could_not),
	  cmocka_unit_test(a_full_disk__keeps_nobody_from_reading),
	  cmocka_unit_test(a_database_that_cannot_be_read__is_told))
