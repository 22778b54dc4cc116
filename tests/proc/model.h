/* SPDX-License-Identifier: Apache-2.0 */
/* The array model of the model check: what the table ought to hold, and the processes that are asked. */
#ifndef TESTS_PROC_MODEL_H
#define TESTS_PROC_MODEL_H

#include "tests/proc/model_op.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { WORKERS = 3, LOOKER = WORKERS, KEEPER, PROCS, SLOTS = 12, KEYS = 6, DEAD = 99, ANSWER_SECONDS = 20 };

/* In the order of their ids. Not kept: evicted, forgotten, or (spare) never there. */
struct model_task {
	struct id id;
	struct task_ref ref;
	enum task_state state, durable_state;
	uint64_t last_seq, first_seq, durable_seq;
	uint32_t holder, epoch;
	uint32_t watch[WORKERS];
	bool told[WORKERS]; /* ought to be, at its next look */
	bool kept, spare, unsaved;
};

struct model_request {
	uint32_t status, owner;
	uint8_t body;
	struct request_place place;
	bool saved, taken;
};

/* What the keeper has taken. */
struct model_batch {
	bool open;
	size_t count, keys_count;
	size_t tasks[SLOTS];
	uint64_t seqs[SLOTS];
	enum task_state states[SLOTS];
	size_t keys[KEYS];
	struct request_place places[KEYS];
};

static struct model_task *tasks;
static size_t tasks_count, tasks_cap;
static size_t kept[SLOTS], kept_count; /* indices, rising */
static struct model_request requests[KEYS];
static struct model_batch batch;
static enum store_health health;

static struct store *created, *looker;
static pid_t pids[PROCS];
static int fds[PROCS];

static uint64_t rng;
static inline uint32_t any(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

/* --- the processes --- */

static inline void process_start(uint32_t proc)
{
	int pair[2];
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fflush(stdout);
	pids[proc] = fork();
	assert_true(pids[proc] >= 0);
	if (pids[proc] == 0) {
		for (uint32_t i = 0; i < PROCS; i++)
			if (fds[i] > 0)
				close(fds[i]);
		close(pair[0]);
		store_proc_started(created, proc, getpid());
		model_process(created, proc, pair[1]);
	}
	close(pair[1]);
	fds[proc] = pair[0];
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
}

static inline void process_kill(uint32_t proc)
{
	kill(pids[proc], SIGKILL);
	assert_int_equal(waitpid(pids[proc], NULL, 0), pids[proc]);
	close(fds[proc]);
	fds[proc] = 0;
	store_proc_died(created, proc);
}

static inline struct answer ask(uint32_t proc, const struct op *o)
{
	struct answer a;
	assert_int_equal(send(fds[proc], o, sizeof *o, 0), sizeof *o);
	if (recv(fds[proc], &a, sizeof a, 0) != (ssize_t)sizeof a)
		fail_msg("process %u does not answer operation %d", proc, o->kind);
	return a;
}

/* --- the array --- */

static inline bool over(const struct model_task *t)
{
	return task_state_terminal(t->state);
}

/* A place for one more: its id is younger than all others. */
static inline struct model_task *task_new(void)
{
	if (tasks_count == tasks_cap) {
		tasks_cap = tasks_cap * 2 + 1024;
		tasks = xrealloc(tasks, tasks_cap * sizeof *tasks);
	}
	struct model_task *t = &tasks[tasks_count++];
	*t = (struct model_task){.holder = NONE, .ref = {NONE, 0}};
	id_new(&t->id);
	return t;
}

/* One that is there, three times of four; else one that was there not long ago. */
static inline struct model_task *task_any(void)
{
	uint32_t span = tasks_count < 2 * SLOTS ? (uint32_t)tasks_count : 2 * SLOTS;
	if (kept_count > 0 && any(4) > 0)
		return &tasks[kept[any((uint32_t)kept_count)]];
	return &tasks[tasks_count - 1 - any(span)];
}

static inline void task_keep(struct model_task *t, struct task_ref ref)
{
	size_t index = (size_t)(t - tasks), i = kept_count++;
	for (; i > 0 && kept[i - 1] > index; i--)
		kept[i] = kept[i - 1];
	kept[i] = index;
	t->kept = true;
	t->spare = false;
	t->ref = ref;
	t->holder = NONE;
	t->epoch = 0;
	memset(t->watch, 0, sizeof t->watch);
	memset(t->told, 0, sizeof t->told);
}

static inline void task_unkeep(struct model_task *t)
{
	size_t i = 0;
	while (&tasks[kept[i]] != t)
		i++;
	memmove(&kept[i], &kept[i + 1], (--kept_count - i) * sizeof kept[0]);
	t->kept = false;
}

static inline bool evictable(const struct model_task *t)
{
	return over(t) && t->durable_seq == t->last_seq;
}

/* Room for one more by evicting the oldest that may go; false: there is none. */
static inline bool room_for_one(void)
{
	if (kept_count < SLOTS)
		return true;
	for (size_t i = 0; i < kept_count; i++) {
		if (evictable(&tasks[kept[i]])) {
			task_unkeep(&tasks[kept[i]]);
			return true;
		}
	}
	return false;
}

static inline struct model_task *task_of(struct task_ref ref)
{
	for (size_t i = 0; i < kept_count; i++) {
		struct model_task *t = &tasks[kept[i]];
		if (t->ref.slot == ref.slot && t->ref.gen == ref.gen)
			return t;
	}
	return NULL;
}

#endif
