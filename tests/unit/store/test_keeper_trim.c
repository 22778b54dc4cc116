/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/keeper_rig.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static bool in_table(struct rig *r, const struct id *id)
{
	struct task_ref ref;
	return task_find(r->t.a, id, &ref);
}

static struct id finished(struct rig *r)
{
	struct task_ref ref = create(r->t.a);
	move(r->t.a, ref, EVENT_TASK_RESULT, "{\"result\":1}", TASK_CANCELLED);
	rig_turn(r);
	rig_pass(r, 1);
	return id_of(r->t.a, ref);
}

/* So many steps of the trimmer, which comes once a second. */
static void seconds(struct rig *r, int n)
{
	for (int i = 0; i < n; i++) {
		rig_pass(r, 1000);
		rig_turn(r);
	}
}

static void finished_tasks__go_after_their_time(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	r.options.retention_ms = DAY_MS;
	rig_start(&r);
	struct id old = finished(&r);
	struct task_ref waiting = create(r.t.a);
	rig_turn(&r);
	seconds(&r, 3);
	assert_non_null(fake_row(&r.db, &old));
	assert_true(in_table(&r, &old));
	rig_pass(&r, DAY_MS / 2);
	struct id young = finished(&r);
	rig_pass(&r, DAY_MS / 2);
	seconds(&r, 4);
	assert_null(fake_row(&r.db, &old));
	assert_false(in_table(&r, &old));
	assert_non_null(fake_row(&r.db, &young));
	assert_true(in_table(&r, &young));
	/* the unfinished stay, however old */
	struct id id = id_of(r.t.a, waiting);
	rig_pass(&r, 10 * (int64_t)DAY_MS);
	seconds(&r, 4);
	assert_non_null(fake_row(&r.db, &id));
	assert_null(fake_row(&r.db, &young));
	rig_close(&r);
}

static void without_a_limit__nothing_goes(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	rig_start(&r);
	struct id id = finished(&r);
	rig_pass(&r, 1000 * (int64_t)DAY_MS);
	r.db.bytes_used = UINT64_MAX;
	seconds(&r, 4);
	assert_non_null(fake_row(&r.db, &id));
	rig_close(&r);
}

static void a_full_database__loses_the_oldest_finished(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	r.options.bytes_max = 1000;
	rig_start(&r);
	struct id first = finished(&r), second = finished(&r);
	r.db.bytes_used = 900;
	seconds(&r, 4);
	assert_non_null(fake_row(&r.db, &first));
	r.db.bytes_used = 901;
	rig_pass(&r, 1000);
	loop_turn(r.loop, 0);
	/* hidden at once and everywhere, its rows are gone by and by */
	assert_true(rig_row(&r.db, &first)->hidden);
	assert_false(in_table(&r, &first));
	r.db.bytes_used = 800;
	seconds(&r, 4);
	assert_null(fake_row(&r.db, &first));
	assert_non_null(fake_row(&r.db, &second));
	assert_true(in_table(&r, &second));
	rig_close(&r);
}

static void a_database_with_room__is_not_looked_at_after_each_commit(void **state)
{
	struct rig r = rig_options(8, 16);
	(void)state;
	r.options.bytes_max = 100 << 20;
	rig_start(&r);
	r.db.bytes_used = 50 << 20;
	create(r.t.a);
	rig_turn(&r);
	size_t looks = r.db.looks;
	for (int i = 0; i < 4; i++) {
		create(r.t.a);
		rig_turn(&r);
	}
	assert_int_equal(r.db.looks, looks);
	rig_close(&r);
}

static void a_database_that_fills_quickly__makes_room_at_once(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	r.options.bytes_max = 1000;
	rig_start(&r);
	struct id first = finished(&r);
	r.db.bytes_used = 950;
	create(r.t.a);
	rig_turn(&r); /* this commit shows it */
	rig_pass(&r, 2);
	loop_turn(r.loop, 0);
	assert_true(rig_row(&r.db, &first)->hidden);
	assert_false(in_table(&r, &first));
	rig_close(&r);
}

static void a_deletion_that_has_begun__is_ended_by_the_next_keeper(void **state)
{
	struct rig r = rig_options(4, 16);
	struct error e;
	(void)state;
	rig_start(&r);
	struct id id = finished(&r);
	assert_int_equal(keeper_delete(r.keeper, &id, &e), ERR_NONE);
	assert_false(in_table(&r, &id));
	assert_true(rig_row(&r.db, &id)->hidden);
	assert_int_equal(keeper_delete(r.keeper, &id, &e), ERR_NOT_FOUND);
	rig_keeper_die(&r);
	rig_keeper_open(&r);
	rig_restore(&r);
	assert_false(in_table(&r, &id));
	seconds(&r, 4);
	assert_null(fake_row(&r.db, &id));
	rig_close(&r);
}

static void a_person__deletes_what_is_over(void **state)
{
	struct rig r = rig_options(4, 16);
	struct error e;
	struct id none;
	(void)state;
	rig_start(&r);
	id_new(&none);
	assert_int_equal(keeper_delete(r.keeper, &none, &e), ERR_NOT_FOUND);
	struct task_ref ref = create(r.t.a);
	struct id id = id_of(r.t.a, ref);
	assert_int_equal(keeper_delete(r.keeper, &id, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "queued"));
	/* over, and not durable until now */
	move(r.t.a, ref, EVENT_TASK_RESULT, NULL, TASK_CANCELLED);
	assert_int_equal(keeper_delete(r.keeper, &id, &e), ERR_NONE);
	assert_int_equal(task_head_get(r.t.a, ref, &(struct task_head){0}), ERR_GONE);
	for (int i = 0; i < 4; i++) {
		rig_pass(&r, 2); /* soon, not in a second */
		rig_turn(&r);
	}
	assert_null(fake_row(&r.db, &id));
	rig_close(&r);
}

static void many_keys_of_requests__go_as_fast_as_they_come(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	r.options.retention_ms = 1;
	rig_start(&r);
	r.db.expired = 10000;
	rig_pass(&r, 1000);
	for (int i = 0; i < 60; i++) {
		rig_turn(&r);
		rig_pass(&r, 2);
	}
	assert_int_equal(r.db.expired, 0);
	/* tasks that go all the time do not keep keys from going */
	r.db.expired = 200;
	finished(&r);
	rig_pass(&r, 1000);
	loop_turn(r.loop, 0);
	assert_int_equal(r.db.expired, 0);
	rig_close(&r);
}

/* The last of the room is for the tasks there are. */
static void a_database_full_of_unfinished_tasks__takes_no_new_ones(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	r.options.bytes_max = 1000;
	rig_start(&r);
	struct task_ref ref = create(r.t.a);
	rig_turn(&r);
	r.db.bytes_used = 951;
	seconds(&r, 2);
	assert_int_equal(store_health(r.t.a, NULL), STORE_FULL);
	/* one that ends makes room */
	move(r.t.a, ref, 0, NULL, TASK_CANCELLED);
	rig_turn(&r);
	seconds(&r, 2);
	r.db.bytes_used = 900;
	seconds(&r, 2);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	rig_close(&r);
}

static void trimming__bears_a_full_disk_and_ends_with_a_broken_one(void **state)
{
	struct rig r = rig_options(4, 16);
	(void)state;
	r.options.retention_ms = 1;
	rig_start(&r);
	struct id id = finished(&r);
	for (int at = 1; at <= 4; at++) {
		r.db.fail_code = ERR_NO_SPACE;
		r.db.fail_at = at;
		rig_pass(&r, 1000);
		loop_turn(r.loop, 0);
	}
	r.db.fail_at = 0;
	seconds(&r, 4);
	assert_int_equal(store_health(r.t.a, NULL), STORE_WORKS);
	assert_null(fake_row(&r.db, &id));
	r.db.fail_code = ERR_IO;
	r.db.fail_at = 1;
	seconds(&r, 4);
	assert_int_equal(r.told_broken, 1);
	assert_int_equal(r.db.calls_when_broken, 0);
	rig_close(&r);
}

RUN_TESTS(cmocka_unit_test(finished_tasks__go_after_their_time),
	  cmocka_unit_test(without_a_limit__nothing_goes),
	  cmocka_unit_test(a_full_database__loses_the_oldest_finished),
	  cmocka_unit_test(a_database_with_room__is_not_looked_at_after_each_commit),
	  cmocka_unit_test(a_database_that_fills_quickly__makes_room_at_once),
	  cmocka_unit_test(a_deletion_that_has_begun__is_ended_by_the_next_keeper),
	  cmocka_unit_test(a_person__deletes_what_is_over),
	  cmocka_unit_test(many_keys_of_requests__go_as_fast_as_they_come),
	  cmocka_unit_test(a_database_full_of_unfinished_tasks__takes_no_new_ones),
	  cmocka_unit_test(trimming__bears_a_full_disk_and_ends_with_a_broken_one))
