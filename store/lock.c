/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that knows mutexes: process-shared and robust, taken in order of rank, held for bounded
 * memory work. Waiting has a limit: whoever is stopped inside a critical section is the master's to end, and
 * then the lock tells us of the death.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_WAIT_SECONDS = 10 };

static _Thread_local unsigned ranks_held; /* bit per rank */

static int mutex_wait(pthread_mutex_t *m, const struct timespec *until)
{
#ifdef __SANITIZE_THREAD__
	/* GCC 12's ThreadSanitizer does not know pthread_mutex_clocklock and would see an unlocked mutex. */
	(void)until;
	return pthread_mutex_lock(m);
#else
	return pthread_mutex_clocklock(m, CLOCK_MONOTONIC, until);
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

void lock_take(struct store *s, struct lock *l, enum lock_rank rank,
	       void (*repair)(struct store *s, void *arg), void *arg)
{
	struct timespec until;
	ensure(ranks_held < 1u << rank);
	int code = pthread_mutex_trylock(&l->mutex);
	if (code == EBUSY) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += LOCK_WAIT_SECONDS;
		code = mutex_wait(&l->mutex, &until);
	}
	ranks_held |= 1u << rank;
	if (code == EOWNERDEAD) {
		store_count(s, COUNTER_OWNER_DEATHS, 1);
		if (repair != NULL)
			repair(s, arg);
		ensure(pthread_mutex_consistent(&l->mutex) == 0);
		store_count(s, COUNTER_REPAIRS, 1);
		code = 0;
	}
	if (code == ETIMEDOUT)
		ensure_failed("a lock of the task table was not given up in time: some process is stopped while holding it",
			      __FILE__, __LINE__);
	ensure(code == 0);
}

void lock_give(struct lock *l, enum lock_rank rank)
{
	ranks_held &= ~(1u << rank);
	ensure(pthread_mutex_unlock(&l->mutex) == 0);
}

#ifdef STORE_KILL_POINTS
static const char *kill_name;
static int kill_count;

void kill_point_arm(const char *name, int count)
{
	kill_name = name;
	kill_count = count;
}

void kill_point(const char *name)
{
	if (kill_name != NULL && strcmp(name, kill_name) == 0 && --kill_count == 0)
		kill(getpid(), SIGKILL);
}
#endif
