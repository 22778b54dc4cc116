/* SPDX-License-Identifier: Apache-2.0 */
/* Locks: order, death of an owner, the limit of waiting. */
#include "tests/unit/store/table.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs fn in a child; returns how it ended. */
static int child_run(struct table *t, void (*fn)(struct table *t))
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		fclose(stderr);
		log_init("child", LOG_OFF, LOG_FORMAT_JSON);
		fn(t);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int repairs;

static void repair(struct store *s, void *arg)
{
	(void)s;
	(void)arg;
	repairs++;
}

static void take_and_die(struct table *t)
{
	lock_take(t->a, &t->a->map->pool_lock, LOCK_POOL, NULL, NULL);
	kill(getpid(), SIGKILL);
}

static void lock_take__repairs_after_a_death_once(void **state)
{
	struct table t = table_open(4, 4);
	struct lock *l = &t.a->map->pool_lock;
	(void)state;
	repairs = 0;
	assert_true(WIFSIGNALED(child_run(&t, take_and_die)));
	lock_take(t.b, l, LOCK_POOL, repair, NULL);
	lock_give(l, LOCK_POOL);
	lock_take(t.b, l, LOCK_POOL, repair, NULL);
	lock_give(l, LOCK_POOL);
	assert_int_equal(repairs, 1);
	assert_int_equal(store_counter(t.a, COUNTER_OWNER_DEATHS), 1);
	table_close(&t);
}

static void killed_in_repair(struct store *s, void *arg)
{
	(void)s;
	(void)arg;
	kill(getpid(), SIGKILL);
}

static void repair_and_die(struct table *t)
{
	lock_take(t->a, &t->a->map->pool_lock, LOCK_POOL, killed_in_repair, NULL);
}

static void lock_take__repairs_again_when_the_repairer_died(void **state)
{
	struct table t = table_open(4, 4);
	(void)state;
	repairs = 0;
	assert_true(WIFSIGNALED(child_run(&t, take_and_die)));
	assert_true(WIFSIGNALED(child_run(&t, repair_and_die)));
	lock_take(t.b, &t.a->map->pool_lock, LOCK_POOL, repair, NULL);
	lock_give(&t.a->map->pool_lock, LOCK_POOL);
	assert_int_equal(repairs, 1);
	table_close(&t);
}

static void take_in_wrong_order(struct table *t)
{
	slot_take_any(t->a, 0);
	index_take(t->a);
}

static void take_two_slots(struct table *t)
{
	slot_take_any(t->a, 0);
	slot_take_any(t->a, 1);
}

static void lock_take__ends_who_breaks_the_order(void **state)
{
	struct table t = table_open(4, 4);
	(void)state;
	int status = child_run(&t, take_in_wrong_order);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	status = child_run(&t, take_two_slots);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	table_close(&t);
}

static void wait_too_long(struct table *t)
{
	lock_wait_limit_set(60);
	slot_take_any(t->b, 2);
}

static void lock_take__ends_who_waits_too_long_and_tells_for_whom(void **state)
{
	struct table t = table_open(4, 4);
	uint32_t proc = 77;
	int status;
	(void)state;
#ifdef __SANITIZE_THREAD__
	/* lock.c waits without a limit there. */
	table_close(&t);
	print_message("skipped: under ThreadSanitizer a lock is waited for without a limit\n");
	skip();
#endif
	assert_int_equal(store_stuck_take(t.created, &proc), 0);
	pid_t holder = fork();
	if (holder == 0) {
		slot_take_any(t.a, 2);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(holder, &status, WUNTRACED), holder);
	store_proc_died(t.created, 0);
	store_proc_started(t.created, 0, holder);
	int64_t before = clock_mono_ms();
	status = child_run(&t, wait_too_long);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(clock_mono_ms() - before >= 60);
	assert_int_equal(store_stuck_take(t.created, &proc), holder);
	assert_int_equal(proc, 0);
	assert_int_equal(store_stuck_take(t.created, &proc), 0);
	kill(holder, SIGKILL);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	table_close(&t);
}

static void lock_owner_died__tells_a_death_from_a_lock_that_is_free(void **state)
{
	struct table t = table_open(4, 4);
	(void)state;
	assert_false(lock_owner_died(&t.a->map->pool_lock));
	assert_true(WIFSIGNALED(child_run(&t, take_and_die)));
	assert_true(lock_owner_died(&t.a->map->pool_lock));
	assert_false(lock_owner_died(&t.a->map->pool_lock));
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(lock_take__repairs_after_a_death_once),
	  cmocka_unit_test(lock_take__repairs_again_when_the_repairer_died),
	  cmocka_unit_test(lock_take__ends_who_breaks_the_order),
	  cmocka_unit_test(lock_take__ends_who_waits_too_long_and_tells_for_whom),
	  cmocka_unit_test(lock_owner_died__tells_a_death_from_a_lock_that_is_free))
