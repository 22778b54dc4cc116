/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that knows mutexes: process-shared and robust, taken in order of rank, held for bounded
 * memory work. Waiting has a limit: whoever is stopped inside a critical section is the master's to end, and
 * then the lock tells us of the death.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The limit is waited for in slices: whoever was stopped himself for a while (a suspended machine, a frozen
 * container) loses one slice to that, not all his patience. */
enum { LOCK_WAIT_MS = 10000, LOCK_WAIT_SLICES = 10, PROVE_WAIT_MS = 1000 };

static _Thread_local unsigned ranks_held; /* bit per rank */
static int64_t wait_limit_ms = LOCK_WAIT_MS;

static _Noreturn void give_up(struct store *s, const struct lock *l);

static int mutex_wait(pthread_mutex_t *m, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
#ifdef __SANITIZE_THREAD__
	/* GCC 12's ThreadSanitizer does not know pthread_mutex_clocklock and would see an unlocked mutex. */
	return pthread_mutex_lock(m);
#else
	return pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &until);
#endif
}

void lock_init(struct lock *l)
{
	pthread_mutexattr_t a;
	ensure(pthread_mutexattr_init(&a) == 0);
	ensure(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0);
	ensure(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
	ensure(pthread_mutex_init(&l->mutex, &a) == 0);
	pthread_mutexattr_destroy(&a);
}

void lock_wait_limit_set(int64_t ms)
{
	wait_limit_ms = ms;
}

void lock_take(struct store *s, struct lock *l, enum lock_rank rank,
	       void (*repair)(struct store *s, void *arg), void *arg)
{
	ensure(ranks_held < 1u << rank);
	int code = pthread_mutex_trylock(&l->mutex);
	for (int i = 0; (code == EBUSY || code == ETIMEDOUT) && i < LOCK_WAIT_SLICES; i++)
		code = mutex_wait(&l->mutex, wait_limit_ms / LOCK_WAIT_SLICES + 1);
	if (code == ETIMEDOUT)
		give_up(s, l);
	ranks_held |= 1u << rank;
	if (code == EOWNERDEAD) {
		store_count(s, COUNTER_OWNER_DEATHS, 1);
		if (repair != NULL)
			repair(s, arg);
		ensure(pthread_mutex_consistent(&l->mutex) == 0);
		store_count(s, COUNTER_REPAIRS, 1);
		code = 0;
	}
	ensure(code == 0);
	KILL_POINT("locked");
}

void lock_give(struct lock *l, enum lock_rank rank)
{
	ranks_held &= ~(1u << rank);
	ensure(pthread_mutex_unlock(&l->mutex) == 0);
}

bool lock_owner_died(struct lock *l)
{
	int code = mutex_wait(&l->mutex, PROVE_WAIT_MS);
	if (code == EOWNERDEAD)
		ensure(pthread_mutex_consistent(&l->mutex) == 0);
	if (code == 0 || code == EOWNERDEAD)
		ensure(pthread_mutex_unlock(&l->mutex) == 0);
	return code == EOWNERDEAD;
}

/* Who holds it: the kernel's robust futexes keep the owner's id in the lock word itself, so that there is no
 * instruction at which it is wrong. NONE: nobody we know. */
static uint32_t lock_holder(const struct store *s, const struct lock *l)
{
	int pid = __atomic_load_n(&l->mutex.__data.__lock, __ATOMIC_RELAXED) & FUTEX_TID_MASK;
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (pid != 0 && atomic_load(&proc_at(s, i)->alive) && atomic_load(&proc_at(s, i)->pid) == pid)
			return i;
	return NONE;
}

/* Locks of lower rank that we hold pass on by our death. */
static _Noreturn void give_up(struct store *s, const struct lock *l)
{
	uint32_t proc = lock_holder(s, l);
	int pid = proc != NONE ? atomic_load(&proc_at(s, proc)->pid) : -1;
	if (proc != NONE)
		atomic_store(&s->map->stuck, proc);
	log_error("a lock of the task table was not given up in time: a process is stopped while holding it",
		  LF_INT("participant", proc == NONE ? -1 : (int64_t)proc), LF_INT("holder_pid", pid));
	ensure_failed("a lock of the task table in time", __FILE__, __LINE__);
}

int store_stuck_take(struct store *s, uint32_t *proc)
{
	*proc = atomic_exchange(&s->map->stuck, (uint32_t)NONE);
	if (*proc >= s->map->procs_max || !atomic_load(&proc_at(s, *proc)->alive))
		return 0;
	return atomic_load(&proc_at(s, *proc)->pid);
}

#ifdef STORE_KILL_POINTS
static const char *kill_name;
static int kill_count, kill_signo = SIGKILL;

void kill_point_arm(const char *name, int count)
{
	kill_name = name;
	kill_count = count;
}

void kill_point_signal(int signo)
{
	kill_signo = signo;
}

void kill_point(const char *name)
{
	if (kill_name != NULL && strcmp(name, kill_name) == 0 && --kill_count == 0)
		kill(getpid(), kill_signo);
}
#endif
