/* SPDX-License-Identifier: Apache-2.0 */
/* Leases and the offering of work. */
#include "tests/unit/store/table.h"

static void lease_next__gives_the_oldest_first(void **state)
{
	struct table t = table_open(4, 200);
	struct task_ref refs[130];
	struct lease l;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refs); i++)
		refs[i] = create(i % 2 ? t.a : t.b);
	for (size_t i = 0; i < COUNT_OF(refs); i++) {
		assert_true(lease_next(i % 3 ? t.a : t.b, &l));
		assert_int_equal(l.ref.slot, refs[i].slot);
	}
	assert_false(lease_next(t.a, &l));
	assert_false(lease_next(t.b, &l));
	table_close(&t);
}

/* One look serves for many leases; what comes back into line, or is taken by others, must not be missed. */
static void lease_next__gives_an_older_one_that_comes_back_before_younger(void **state)
{
	struct table t = table_open(4, 200);
	struct task_ref refs[150], late;
	struct lease l, first;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refs); i++)
		refs[i] = create(t.b);
	assert_true(lease_next(t.a, &first));
	assert_int_equal(first.ref.slot, refs[0].slot);
	assert_true(lease_next(t.a, &l));
	lease_release(t.a, &first);
	assert_true(lease_next(t.a, &l));
	assert_int_equal(l.ref.slot, refs[0].slot);
	late = create(t.b);
	move(t.b, refs[2], 0, NULL, TASK_CANCELLED);
	for (size_t i = 3; i < COUNT_OF(refs); i++) {
		assert_true(lease_next(i % 4 ? t.a : t.b, &l));
		assert_int_equal(l.ref.slot, refs[i].slot);
	}
	assert_true(lease_next(t.a, &l));
	assert_int_equal(l.ref.slot, late.slot);
	assert_false(lease_next(t.a, &l));
	assert_false(lease_next(t.b, &l));
	table_close(&t);
}

/* Slots are in no order of age, and more wait than one look brings home. */
static void lease_next__gives_the_oldest_whatever_its_slot(void **state)
{
	enum { N = 150 };
	struct table t = table_open(4, N);
	struct task_ref refs[N];
	struct lease l;
	struct error e;
	(void)state;
	for (int i = N - 1; i >= 0; i--) {
		struct id id = {.b = {[7] = (uint8_t)i, [15] = 1}};
		char text[ID_TEXT_SIZE], json[128];
		id_format(&id, text);
		snprintf(json, sizeof json, "{\"task_id\":\"%s\"}", text);
		assert_int_equal(task_create(t.a, &id, slice_str(json), &refs[i], &e), ERR_NONE);
	}
	for (int i = 0; i < N; i++) {
		assert_true(lease_next(t.b, &l));
		assert_int_equal(l.ref.slot, refs[i].slot);
	}
	assert_false(lease_next(t.b, &l));
	table_close(&t);
}

static void lease_next__gives_what_a_dead_one_ran_before_younger(void **state)
{
	struct table t = table_open(4, 8);
	struct task_ref oldest = create(t.a);
	struct lease l;
	(void)state;
	create(t.a);
	create(t.a);
	assert_true(lease_next(t.a, &l));
	assert_int_equal(l.ref.slot, oldest.slot);
	assert_true(lease_next(t.b, &l));
	store_proc_died(t.created, 0);
	assert_true(lease_next(t.b, &l));
	assert_int_equal(l.ref.slot, oldest.slot);
	table_close(&t);
}

/* Approved later than younger tasks came into line. */
static void lease_next__gives_an_approved_task_before_younger(void **state)
{
	struct table t = table_open(4, 8);
	struct task_ref old = create(t.a), young;
	struct lease l;
	(void)state;
	move(t.a, old, 0, NULL, TASK_PLANNING);
	move(t.a, old, 0, NULL, TASK_AWAITING_APPROVAL);
	create(t.a);
	young = create(t.a);
	assert_true(lease_next(t.b, &l));
	assert_int_not_equal(l.ref.slot, old.slot);
	move(t.a, old, 0, NULL, TASK_RUNNING);
	assert_true(lease_next(t.b, &l));
	assert_int_equal(l.ref.slot, old.slot);
	assert_true(lease_next(t.b, &l));
	assert_int_equal(l.ref.slot, young.slot);
	table_close(&t);
}

static void lease_take__refuses_what_is_held_and_what_needs_no_worker(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref ref = create(t.a);
	struct lease l, other;
	struct error e;
	(void)state;
	assert_int_equal(lease_take(t.a, ref, &l, &e), ERR_NONE);
	assert_int_equal(lease_take(t.b, ref, &other, &e), ERR_CONFLICT);
	assert_int_equal(lease_take(t.a, ref, &other, &e), ERR_CONFLICT);
	lease_release(t.a, &l);
	assert_int_equal(lease_take(t.b, ref, &other, &e), ERR_NONE);
	assert_true(other.epoch > l.epoch);
	lease_release(t.a, &l); /* no longer ours: no effect */
	assert_true(head_of(t.a, ref).leased);
	move(t.a, ref, 0, NULL, TASK_CANCELLED);
	assert_int_equal(lease_take(t.b, ref, &l, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "cancelled"));
	table_close(&t);
}

/* Its lease would be void as soon as the master counts up its generation. */
static void lease_take__waits_until_the_master_has_told_of_the_start(void **state)
{
	struct table t = table_open(4, 4);
	struct store *late = store_attach(t.created, 2);
	struct task_ref ref = create(t.a);
	struct lease l;
	struct error e;
	unsigned flags;
	(void)state;
	assert_int_equal(lease_take(late, ref, &l, &e), ERR_CONFLICT);
	assert_false(lease_next(late, &l));
	store_proc_started(t.created, 2, 5);
	wake(late, &flags);
	assert_true(flags & WAKE_WORK);
	assert_true(lease_next(late, &l));
	assert_true(head_of(t.a, ref).leased);
	store_detach(late);
	table_close(&t);
}

static void work__is_offered_to_others_when_we_do_not_wait_for_any(void **state)
{
	struct table t = table_open(4, 8);
	struct lease l;
	unsigned flags;
	(void)state;
	assert_false(lease_next(t.a, &l));
	assert_false(lease_next(t.b, &l));
	wake(t.a, NULL);
	wake(t.b, NULL);
	create(t.a); /* ours: we wait for work ourselves */
	assert_true(readable(t.a));
	assert_false(readable(t.b));
	create(t.a); /* a second one before we came to the first */
	assert_true(readable(t.b));
	wake(t.b, &flags);
	assert_true(flags & WAKE_WORK);
	assert_true(lease_next(t.b, &l));
	assert_true(lease_next(t.a, &l));
	wake(t.a, NULL);
	/* both are busy and did not ask again: nobody is woken, and whoever asks finds it */
	create(t.a);
	assert_false(readable(t.a));
	assert_false(readable(t.b));
	assert_true(lease_next(t.b, &l));
	table_close(&t);
}

static void work__is_passed_on_by_who_sees_more_than_it_takes(void **state)
{
	struct table t = table_open(4, 8);
	struct lease l;
	(void)state;
	assert_false(lease_next(t.b, &l));
	wake(t.b, NULL);
	atomic_store(&proc_at(t.a, 0)->hungry, 1);
	create(t.a);
	atomic_store(&proc_at(t.a, 0)->hungry, 1);
	create(t.a);
	assert_false(readable(t.b));
	assert_true(lease_next(t.a, &l));
	assert_true(readable(t.b));
	table_close(&t);
}

static void lease_release__wakes_the_others(void **state)
{
	struct table t = table_open(4, 8);
	struct lease l;
	unsigned flags;
	(void)state;
	create(t.a);
	assert_true(lease_next(t.a, &l));
	assert_false(lease_next(t.b, &l));
	wake(t.b, NULL);
	wake(t.a, NULL);
	assert_int_equal(lease_take(t.b, l.ref, &(struct lease){0}, &(struct error){0}), ERR_CONFLICT);
	struct lease mine = {l.ref, head_of(t.a, l.ref).lease_epoch};
	lease_release(t.a, &mine);
	assert_true(readable(t.b));
	assert_false(readable(t.a));
	wake(t.b, &flags);
	assert_true(flags & WAKE_WORK);
	assert_true(lease_next(t.b, &l));
	table_close(&t);
}

static void store_proc_died__offers_what_the_dead_ran(void **state)
{
	struct table t = table_open(4, 8);
	struct lease first, second;
	struct error e;
	(void)state;
	create(t.a);
	assert_true(lease_next(t.a, &first));
	assert_false(lease_next(t.b, &second));
	store_proc_died(t.created, 0);
	assert_true(lease_next(t.b, &second));
	assert_int_equal(store_counter(t.b, COUNTER_LEASES_TAKEN_OVER), 1);
	store_proc_started(t.created, 0, 7);
	assert_int_equal(move_as(t.a, first.ref, &first, 0, NULL, TASK_PLANNING, &e), ERR_CONFLICT);
	assert_int_equal(move_as(t.b, second.ref, &second, 0, NULL, TASK_PLANNING, &e), ERR_NONE);
	table_close(&t);
}

/* A person is asked while a call goes on: who runs the task keeps it, and when it dies another takes it. */
static void lease__is_kept_while_a_live_entry_waits(void **state)
{
	struct table t = table_open(4, 8);
	struct lease l, second;
	struct error e;
	(void)state;
	struct task_ref ref = create(t.a);
	assert_true(lease_next(t.a, &l));
	move(t.a, ref, 0, NULL, TASK_PLANNING);
	move(t.a, ref, 0, NULL, TASK_RUNNING);
	assert_int_equal(move_as(t.a, ref, &l, EVENT_TASK_PENDING, "{\"pending\":{\"live\":true}}",
				 TASK_INPUT_REQUIRED, &e),
			 ERR_NONE);
	assert_true(head_of(t.a, ref).leased);
	assert_int_equal(move_as(t.a, ref, &l, EVENT_STEP_STARTED, "{\"step\":\"s1\"}", TASK_SAME, &e),
			 ERR_NONE);
	assert_false(lease_next(t.b, &second));
	move(t.b, ref, EVENT_TASK_PENDING, "{\"pending\":null}", TASK_RUNNING);
	assert_true(head_of(t.a, ref).leased);
	move(t.b, ref, EVENT_TASK_PENDING, "{\"pending\":{\"live\":true}}", TASK_INPUT_REQUIRED);
	store_proc_died(t.created, 0);
	assert_true(lease_next(t.b, &second));
	/* An entry that nobody waits for gives the lease back, without a change of state. */
	assert_int_equal(move_as(t.b, ref, &second, EVENT_TASK_PENDING, "{\"pending\":{}}", TASK_SAME, &e),
			 ERR_NONE);
	assert_false(head_of(t.b, ref).leased);
	assert_false(lease_next(t.b, &second));
	store_proc_started(t.created, 0, 7);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(lease__is_kept_while_a_live_entry_waits),
	  cmocka_unit_test(lease_next__gives_the_oldest_first),
	  cmocka_unit_test(lease_next__gives_an_older_one_that_comes_back_before_younger),
	  cmocka_unit_test(lease_next__gives_an_approved_task_before_younger),
	  cmocka_unit_test(lease_next__gives_the_oldest_whatever_its_slot),
	  cmocka_unit_test(lease_next__gives_what_a_dead_one_ran_before_younger),
	  cmocka_unit_test(lease_take__refuses_what_is_held_and_what_needs_no_worker),
	  cmocka_unit_test(lease_take__waits_until_the_master_has_told_of_the_start),
	  cmocka_unit_test(work__is_offered_to_others_when_we_do_not_wait_for_any),
	  cmocka_unit_test(work__is_passed_on_by_who_sees_more_than_it_takes),
	  cmocka_unit_test(lease_release__wakes_the_others),
	  cmocka_unit_test(store_proc_died__offers_what_the_dead_ran))
