/* SPDX-License-Identifier: Apache-2.0 */
/* What dies in the kill matrix of a table with a keeper: mutations of workers, and of the keeper itself. */
#ifndef TESTS_PROC_KEEPER_MUTATION_H
#define TESTS_PROC_KEEPER_MUTATION_H

#include "tests/proc/kept.h"

#include <sys/wait.h>

enum {
	VICTIM,
	SURVIVOR,
	HURT,
	KEEPER,
	PROCS,
	TASKS = 4,
	COUNT_MAX = 4,
	LOCKS_MAX = 40,
	DISK_BYTES = 4 << 20
};

/* One queued and one finished task, both durable; `queued` is watched by the survivor. */
struct scene {
	struct store *created, *survivor;
	struct medium medium;
	struct running keeper;
	bool keeper_lives;
	struct task_ref queued;
	struct id queued_id, finished_id;
	uint64_t durable_seq; /* of queued, as the survivor was told */
};

/* --- workers' mutations --- */

static enum err do_create(struct store *s, struct scene *c)
{
	struct id id;
	struct task_ref ref;
	(void)c;
	return kept_create(s, &id, &ref);
}
static enum err do_move(struct store *s, struct scene *c)
{
	return kept_move(s, c->queued, TASK_PLANNING, 10);
}
static enum err do_move_large(struct store *s, struct scene *c)
{
	return kept_move(s, c->queued, TASK_PLANNING, 6000);
}
static enum err do_end(struct store *s, struct scene *c)
{
	return kept_move(s, c->queued, TASK_CANCELLED, 10);
}
static enum err do_release(struct store *s, struct scene *c)
{
	struct lease l;
	struct error e;
	enum err code = lease_take(s, c->queued, &l, &e);
	if (code == ERR_NONE)
		lease_release(s, &l);
	return code;
}
static enum err do_key(struct store *s, struct scene *c)
{
	struct request_key k = kept_key(1);
	struct request_place p = {.task = c->queued_id, .after_seq = 1, .at_ms = 5};
	enum request_status status;
	struct error e;
	enum err code = request_key_claim(s, &k, &status, &p, &e);
	if (code == ERR_NONE)
		request_key_begin(s, &k, &p);
	if (code == ERR_NONE)
		code = kept_move(s, c->queued, TASK_PLANNING, 10);
	request_key_settle(s, &k, &p, false);
	return code;
}
static enum err do_key_drop(struct store *s, struct scene *c)
{
	struct request_key k = kept_key(1);
	struct request_place p = {.task = c->queued_id, .after_seq = 1, .at_ms = 5};
	enum request_status status;
	struct error e;
	enum err code = request_key_claim(s, &k, &status, &p, &e);
	if (code == ERR_NONE)
		request_key_begin(s, &k, &p);
	request_key_drop(s, &k);
	return code;
}

/* --- the keeper's --- */

static void unsaved_work(struct scene *c)
{
	struct request_key k = kept_key(2);
	struct request_place p = {.task = c->queued_id, .after_seq = 1, .at_ms = 5};
	enum request_status status;
	struct error e;
	struct id id;
	struct task_ref ref;
	assert_int_equal(request_key_claim(c->survivor, &k, &status, &p, &e), ERR_NONE);
	request_key_begin(c->survivor, &k, &p);
	assert_int_equal(kept_move(c->survivor, c->queued, TASK_PLANNING, 3000), ERR_NONE);
	assert_int_equal(kept_create(c->survivor, &id, &ref), ERR_NONE);
	struct budget_sums worst = {.cost_nano = 5};
	struct budget_hold hold;
	struct budget_refusal why;
	assert_int_equal(budget_reserve(c->survivor, "t", &worst, 86400000, &hold, &why), ERR_NONE);
}

static struct running *between; /* the keeper in whose commits a worker goes on */
static struct task_ref between_ref;
static const struct db_backend *plain;

static enum err commit_late(struct db *d, struct error *e)
{
	struct store *worker = store_attach(between->created, HURT);
	(void)!kept_move(worker, between_ref, TASK_SAME, 2000);
	store_detach(worker);
	return plain->commit(d, e);
}

static enum err keeper_runs(struct scene *c, bool late, const struct id *delete)
{
	static struct running r;
	static struct db_backend slow;
	struct error e;
	running_open(&r, c->created, &c->medium);
	plain = r.db->backend;
	slow = *plain;
	slow.commit = commit_late;
	between = &r;
	between_ref = c->queued;
	if (late)
		r.db->backend = &slow;
	enum err code = keeper_restore(r.keeper, &e);
	if (code == ERR_NONE)
		loop_turn(r.loop, 0);
	if (code == ERR_NONE && delete != NULL)
		code = keeper_delete(r.keeper, delete, &e);
	return code;
}

static enum err do_commit(struct store *s, struct scene *c)
{
	(void)s;
	return keeper_runs(c, false, NULL);
}
static enum err do_commit_late(struct store *s, struct scene *c)
{
	(void)s;
	return keeper_runs(c, true, NULL);
}
static enum err do_delete(struct store *s, struct scene *c)
{
	(void)s;
	return keeper_runs(c, false, &c->finished_id);
}

/* A table of the next boot: the database has both tasks. */
static void empty_table(struct scene *c)
{
	store_detach(c->survivor);
	store_destroy(c->created);
	c->created = kept_open(1 << 20, TASKS, PROCS);
	c->survivor = store_attach(c->created, SURVIVOR);
	c->durable_seq = 0; /* nothing is watched */
}

/* Somebody died in the task's slot before. */
static void hurt_slot(struct scene *c)
{
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = store_attach(c->created, HURT);
		kill_point_arm("move-before-publish", 1);
		_exit(kept_move(s, c->queued, TASK_PLANNING, 3000) == ERR_NONE ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	store_proc_died(c->created, HURT);
}

static void ahead(struct scene *c)
{
	running_die(&c->keeper);
	c->keeper_lives = false;
	assert_int_equal(kept_move(c->survivor, c->queued, TASK_SAME, 3000), ERR_NONE);
}

static const struct mutation {
	const char *name;
	enum err (*act)(struct store *s, struct scene *c);
	uint32_t proc, tasks_max; /* 2: creating evicts */
	void (*before)(struct scene *c);
} mutations[] = {
	{"create", do_create, VICTIM, TASKS, NULL},
	{"create-evicting", do_create, VICTIM, 2, NULL},
	{"move", do_move, VICTIM, TASKS, NULL},
	{"move-large", do_move_large, VICTIM, TASKS, NULL},
	{"move-ahead", do_move, VICTIM, TASKS, ahead},
	{"move-hurt", do_move, VICTIM, TASKS, hurt_slot},
	{"end", do_end, VICTIM, TASKS, NULL},
	{"release", do_release, VICTIM, TASKS, NULL},
	{"key", do_key, VICTIM, TASKS, NULL},
	{"key-drop", do_key_drop, VICTIM, TASKS, NULL},
	{"commit", do_commit, KEEPER, TASKS, unsaved_work},
	{"commit-late", do_commit_late, KEEPER, TASKS, unsaved_work},
	{"commit-hurt", do_commit, KEEPER, TASKS, hurt_slot},
	{"delete", do_delete, KEEPER, TASKS, unsaved_work},
	{"restore", do_commit, KEEPER, TASKS, empty_table},
};

#endif
