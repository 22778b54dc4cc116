/* SPDX-License-Identifier: Apache-2.0 */
/* Waking: who is told of what, whatever dies or is reused in between. */
#include "tests/unit/store/table.h"

static void wake_take__tells_watchers_of_a_task_that_made_room_at_once(void **state)
{
	struct table t = table_open(4, 2);
	struct task_ref first = create(t.a), second = create(t.a);
	struct task_head h;
	(void)state;
	assert_int_equal(task_watch(t.b, first), ERR_NONE);
	wake(t.b, NULL);
	move(t.a, first, 0, NULL, TASK_CANCELLED);
	struct task_ref third = create(t.a); /* evicts it and takes its slot */
	assert_int_equal(third.slot, first.slot);
	assert_int_equal(task_head_get(t.a, first, &h), ERR_GONE);
	struct told told = wake(t.b, NULL);
	assert_true(told_has(&told, first));
	assert_false(told_has(&told, second));
	task_unwatch(t.b, first);
	table_close(&t);
}

static void count(void *told)
{
	++*(int *)told;
}

static void a_participant_that_wakes_itself__is_told_without_its_descriptor(void **state)
{
	struct table t = table_open(4, 2);
	struct task_ref ref = create(t.a);
	int told = 0;
	(void)state;
	assert_int_equal(task_watch(t.b, ref), ERR_NONE);
	wake(t.b, NULL);
	store_wake_self_set(t.b, count, &told);
	move(t.b, ref, 0, NULL, TASK_PLANNING);
	move(t.b, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	assert_int_equal(told, 1); /* until it has looked */
	assert_false(readable(t.b));
	struct told seen = wake(t.b, NULL);
	assert_true(told_has(&seen, ref));
	/* what others write stays readable when it is told by itself first */
	move(t.b, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	store_proc_died(t.created, 0);
	assert_true(readable(t.b));
	wake(t.b, NULL);
	assert_true(readable(t.b));
	wake(t.b, NULL);
	assert_false(readable(t.b));
	assert_int_equal(told, 2);
	/* and another's change comes by the descriptor */
	move(t.a, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	assert_true(readable(t.b));
	task_unwatch(t.b, ref);
	table_close(&t);
}

static void wake_take__tells_of_the_old_task_when_the_new_one_in_its_slot_is_watched(void **state)
{
	struct table t = table_open(4, 1);
	struct task_ref first = create(t.a);
	(void)state;
	assert_int_equal(task_watch(t.b, first), ERR_NONE);
	move(t.a, first, 0, NULL, TASK_CANCELLED);
	struct task_ref next = create(t.a);
	assert_int_equal(next.slot, first.slot);
	assert_int_equal(task_watch(t.b, next), ERR_NONE);
	assert_true(readable(t.b));
	struct told told = wake(t.b, NULL);
	assert_true(told_has(&told, first));
	/* unwatching the old one as often as it was watched leaves the new one's watch alone */
	task_unwatch(t.b, first);
	wake(t.b, NULL);
	move(t.a, next, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	told = wake(t.b, NULL);
	assert_true(told_has(&told, next));
	task_unwatch(t.b, next);
	table_close(&t);
}

static void wake_take__tells_the_holder_of_a_task_that_made_room_at_once(void **state)
{
	struct table t = table_open(4, 1);
	struct task_ref first = create(t.a);
	struct lease l, other;
	(void)state;
	assert_true(lease_next(t.b, &l));
	wake(t.b, NULL);
	move(t.a, first, 0, NULL, TASK_CANCELLED);
	create(t.a);
	struct told told = wake(t.b, NULL);
	assert_true(told_has(&told, first));
	/* and once more when the holder has leased the next one in the slot before it looked */
	assert_true(lease_next(t.b, &l));
	move(t.a, l.ref, 0, NULL, TASK_CANCELLED);
	create(t.a);
	assert_true(lease_next(t.b, &other));
	assert_int_equal(other.ref.slot, l.ref.slot);
	told = wake(t.b, NULL);
	assert_true(told_has(&told, l.ref));
	table_close(&t);
}

/* Whoever raised a flag and died before the write: the next flag alone would wake nobody. */
static void store_proc_died__wakes_whom_the_dead_left_with_a_flag_up(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref ref = create(t.a);
	unsigned flags;
	(void)state;
	assert_int_equal(task_watch(t.b, ref), ERR_NONE);
	wake(t.b, NULL);
	slot_take_any(t.a, ref.slot);
	uint64_t procs = wake_mark(t.a, ref.slot, true, NONE);
	slot_give(t.a, ref.slot);
	assert_int_equal(procs, 1 << 1);
	atomic_fetch_or(&proc_at(t.a, 1)->flags, WAKE_TASKS); /* dies here */
	assert_false(readable(t.b));
	store_proc_died(t.created, 0);
	assert_true(readable(t.b));
	struct told told = wake(t.b, &flags);
	assert_true(flags & WAKE_PEER_DIED);
	assert_true(told_has(&told, ref));
	store_proc_started(t.created, 0, 3);
	task_unwatch(t.b, ref);
	table_close(&t);
}

/* The other side of it: marked, no flag raised at all; the watcher and the holder both hear of it. */
static void store_proc_died__tells_watchers_and_holder_what_the_dead_had_marked(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref watched = create(t.a);
	struct lease held;
	(void)state;
	assert_int_equal(task_watch(t.b, watched), ERR_NONE);
	struct task_ref run = create(t.a);
	assert_int_equal(lease_take(t.b, run, &held, &(struct error){0}), ERR_NONE);
	wake(t.b, NULL);
	wake_mark(t.a, watched.slot, true, NONE);
	wake_mark(t.a, run.slot, true, 1);
	store_proc_died(t.created, 0);
	struct told told = wake(t.b, NULL);
	assert_true(told_has(&told, watched));
	assert_true(told_has(&told, run));
	store_proc_started(t.created, 0, 3);
	task_unwatch(t.b, watched);
	table_close(&t);
}

/* The master tells of a start when the process may be running for a while already. */
static void store_proc_started__drops_no_wake(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref ref = create(t.a);
	unsigned flags;
	(void)state;
	store_proc_died(t.created, 1);
	assert_int_equal(task_watch(t.b, ref), ERR_NONE);
	wake(t.b, NULL);
	move(t.a, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	store_proc_started(t.created, 1, 9);
	assert_true(readable(t.b));
	struct told told = wake(t.b, &flags);
	assert_true(told_has(&told, ref));
	assert_true(flags & WAKE_WORK);
	task_unwatch(t.b, ref);
	table_close(&t);
}

static void task_watch__is_counted(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref ref = create(t.a);
	(void)state;
	assert_int_equal(task_watch(t.b, ref), ERR_NONE);
	assert_int_equal(task_watch(t.b, ref), ERR_NONE);
	task_unwatch(t.b, ref);
	wake(t.b, NULL);
	move(t.a, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	assert_true(readable(t.b));
	task_unwatch(t.b, ref);
	wake(t.b, NULL);
	move(t.a, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	assert_false(readable(t.b));
	assert_int_equal(task_watch(t.b, (struct task_ref){ref.slot, ref.gen + 1}), ERR_GONE);
	assert_int_equal(task_watch(t.b, (struct task_ref){99, 0}), ERR_GONE);
	table_close(&t);
}

static void wake_marked__reaches_the_last_of_64_participants(void **state)
{
	struct store_options o = table_options(8, 70);
	o.procs_max = STORE_PROCS_MAX;
	struct table t = table_open_with(&o);
	struct store *last = store_attach(t.created, STORE_PROCS_MAX - 1);
	struct task_ref ref = {0};
	struct lease l;
	(void)state;
	store_proc_started(t.created, STORE_PROCS_MAX - 1, 64);
	for (int i = 0; i < 70; i++)
		ref = create(t.a); /* the slot's bit is in the second word */
	assert_int_equal(task_watch(last, ref), ERR_NONE);
	assert_int_equal(lease_take(last, ref, &l, &(struct error){0}), ERR_NONE);
	wake(last, NULL);
	move(t.a, ref, 0, NULL, TASK_CANCELLED);
	struct told told = wake(last, NULL);
	assert_int_equal(told.count, 1);
	assert_true(told_has(&told, ref));
	task_unwatch(last, ref);
	assert_int_equal(atomic_load(&slot_at(t.a, ref.slot)->watchers), 0);
	store_detach(last);
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(wake_take__tells_watchers_of_a_task_that_made_room_at_once),
	  cmocka_unit_test(a_participant_that_wakes_itself__is_told_without_its_descriptor),
	  cmocka_unit_test(wake_take__tells_of_the_old_task_when_the_new_one_in_its_slot_is_watched),
	  cmocka_unit_test(wake_take__tells_the_holder_of_a_task_that_made_room_at_once),
	  cmocka_unit_test(store_proc_died__wakes_whom_the_dead_left_with_a_flag_up),
	  cmocka_unit_test(store_proc_died__tells_watchers_and_holder_what_the_dead_had_marked),
	  cmocka_unit_test(store_proc_started__drops_no_wake), cmocka_unit_test(task_watch__is_counted),
	  cmocka_unit_test(wake_marked__reaches_the_last_of_64_participants))
