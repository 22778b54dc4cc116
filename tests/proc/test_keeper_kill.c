/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kill matrix of a table with a keeper: every mutation, of workers and of the keeper, dies at every named
 * point. Then the table must be whole, the keeper (the same, when a worker died; the next, when it died
 * itself) make everything durable, each event once, whoever watches be told, and others go on.
 */
#include "tests/proc/keeper_mutation.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#ifndef STORE_KILL_POINTS
#error "build with FLAVOUR=kill"
#endif

static const char *const points[] = {
	"pool-off-list",
	"pool-used",
	"pool-freed",
	"reclaim-marked",
	"create-slot-taken",
	"create-before-publish",
	"create-used",
	"create-indexed",
	"fill-doc-taken",
	"fill-linked",
	"move-before-publish",
	"move-after-publish",
	"move-before-wake",
	"evict-gen",
	"evict-unused",
	"evict-half-freed",
	"evict-removed",
	"wake-flagged",
	"durable-before-publish",
	"durable-after-publish",
	"durable-before-wake",
	"commit-before",
	"commit-after",
	"commit-told",
	"budgets-saved",
	"key-claimed",
	"key-placed",
	"locked",
};

/* --- scenes --- */

static struct task_ref queued;
static bool queued_told;

static void told(struct task_ref ref, void *arg)
{
	(void)arg;
	queued_told = queued_told || (ref.slot == queued.slot && ref.gen == queued.gen);
}

/* c stays where it is: the keeper knows its database by address. */
static void scene_open(struct scene *c, const struct mutation *m, bool real)
{
	struct task_ref finished;
	*c = (struct scene){.created = kept_open(1 << 20, m->tasks_max, PROCS), .keeper_lives = true};
	medium_open(&c->medium, real ? 0 : DISK_BYTES);
	c->survivor = store_attach(c->created, SURVIVOR);
	running_start(&c->keeper, c->created, &c->medium);
	assert_int_equal(kept_create(c->survivor, &c->finished_id, &finished), ERR_NONE);
	assert_int_equal(kept_move(c->survivor, finished, TASK_CANCELLED, 3000), ERR_NONE);
	assert_int_equal(kept_create(c->survivor, &c->queued_id, &c->queued), ERR_NONE);
	running_turn(&c->keeper);
	if (m->proc == KEEPER) {
		running_die(&c->keeper);
		c->keeper_lives = false;
	}
	assert_int_equal(task_watch(c->survivor, c->queued), ERR_NONE);
	c->durable_seq = 1;
	if (m->before != NULL)
		m->before(c);
	wake_take(c->survivor, told, NULL);
	queued_told = false;
	queued = c->queued;
}

static void scene_close(struct scene *c)
{
	running_die(&c->keeper);
	store_detach(c->survivor);
	store_destroy(c->created);
	medium_free(&c->medium);
}

static bool die_there(struct scene *c, const struct mutation *m, const char *point, int count)
{
	int status;
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = store_attach(c->created, VICTIM);
		kill_point_arm(point, count);
		_exit(m->act(s, c) == ERR_NONE ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	store_proc_died(c->created, m->proc);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		fail_msg("%s failed", m->name);
	return WIFSIGNALED(status);
}

/* --- what must hold --- */

/* As often as more of the task became durable. */
static void assert_told(struct scene *c, const char *where)
{
	struct task_head h;
	wake_take(c->survivor, told, NULL);
	if (c->durable_seq == 0 || task_head_get(c->survivor, c->queued, &h) != ERR_NONE)
		return;
	if (h.durable_seq > c->durable_seq && !queued_told)
		fail_msg("%s: the watcher was not told that event %llu is durable", where,
			 (unsigned long long)h.durable_seq);
	c->durable_seq = h.durable_seq;
	queued_told = false;
}

static void keeper_goes_on(struct scene *c)
{
	if (c->keeper_lives)
		running_turn(&c->keeper);
	else
		running_start(&c->keeper, c->created, &c->medium);
	c->keeper_lives = true;
}

/* Claimed by nobody alive, and where it began is told, if it did; what is saved is in the database. */
static void assert_keys(struct scene *c, const char *where)
{
	for (uint32_t i = 1; i <= 2; i++) {
		struct request_key k = kept_key(i);
		struct request_place p = {.after_seq = 77};
		enum request_status status;
		struct error e;
		assert_int_equal(request_key_claim(c->survivor, &k, &status, &p, &e), ERR_NONE);
		if (status == REQUEST_BUSY && i == 1)
			fail_msg("%s: a dead worker holds a key", where);
		if (status == REQUEST_BEGUN &&
		    (p.after_seq != 1 || p.at_ms != 5 || id_compare(&p.task, &c->queued_id) != 0))
			fail_msg("%s: a key leads to a wrong place", where);
		if (status == REQUEST_NEW)
			request_key_drop(c->survivor, &k);
	}
	const struct map *m = c->survivor->map;
	for (uint32_t i = 0; i < m->keys_max; i++) {
		const struct key_entry *k = (const struct key_entry *)map_at(c->survivor, m->keys_at) + i;
		if (atomic_load(&k->status) >= KEY_BEGUN && !k->saved)
			fail_msg("%s: a key that has begun is not saved", where);
	}
}

static void assert_goes_on(struct scene *c, const char *where)
{
	struct id id;
	struct task_ref ref;
	struct task_head h;
	assert_told(c, where);
	kept_whole(c->survivor, where);
	keeper_goes_on(c);
	assert_told(c, where);
	kept_whole(c->survivor, where);
	if (!budget_is_saved(c->survivor, c->survivor->map->budget_changes))
		fail_msg("%s: a budget is not saved", where);
	kept_same(c->survivor, c->keeper.db, where);
	assert_keys(c, where);
	assert_int_equal(store_health(c->survivor, NULL), STORE_WORKS);
	if (!task_find(c->survivor, &c->queued_id, &ref))
		fail_msg("%s: a task that was accepted is gone", where);
	assert_int_equal(task_head_get(c->survivor, ref, &h), ERR_NONE);
	if (!task_state_terminal(h.state))
		assert_int_equal(kept_move(c->survivor, ref, TASK_FAILED, 100), ERR_NONE);
	for (int i = 0; i < 2 * TASKS; i++) {
		running_turn(&c->keeper);
		assert_int_equal(kept_create(c->survivor, &id, &ref), ERR_NONE);
		assert_int_equal(kept_move(c->survivor, ref, TASK_CANCELLED, 2000), ERR_NONE);
	}
	running_turn(&c->keeper);
	kept_whole(c->survivor, where);
	kept_same(c->survivor, c->keeper.db, where);
}

static bool reached[COUNT_OF(points)];

/* How often it died at the k-th point. */
static int deaths_at(const struct mutation *m, size_t k, bool real)
{
	int deaths = 0;
	bool died = true, lock = k + 1 == COUNT_OF(points);
	for (int count = 1; count <= (lock ? LOCKS_MAX : COUNT_MAX) && died; count++) {
		char where[128];
		struct scene c;
		scene_open(&c, m, real);
		died = die_there(&c, m, points[k], count);
		snprintf(where, sizeof where, "%s at %s, %d", m->name, points[k], count);
		assert_goes_on(&c, where);
		scene_close(&c);
		reached[k] = reached[k] || died;
		deaths += died;
	}
	return deaths;
}

static void kill_matrix__nothing_is_lost_and_nothing_twice(void **state)
{
	int deaths = 0;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(mutations); i++)
		for (size_t k = 0; k < COUNT_OF(points); k++)
			deaths += deaths_at(&mutations[i], k, false);
	for (size_t k = 0; k < COUNT_OF(points); k++)
		if (!reached[k])
			fail_msg("no mutation comes to the point %s", points[k]);
	print_message("%d deaths\n", deaths);
}

/* What only the keeper comes to, before the real database. */
static void kill_matrix__likewise_before_sqlite(void **state)
{
	static const char *const of_keeper[] = {"durable-", "commit-", "evict-", "create-"};
	int deaths = 0;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(mutations); i++)
		for (size_t k = 0; k < COUNT_OF(points) && mutations[i].proc == KEEPER; k++)
			for (size_t n = 0; n < COUNT_OF(of_keeper); n++)
				if (strncmp(points[k], of_keeper[n], strlen(of_keeper[n])) == 0)
					deaths += deaths_at(&mutations[i], k, true);
	print_message("%d deaths\n", deaths);
	assert_true(deaths > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill_matrix__nothing_is_lost_and_nothing_twice),
		cmocka_unit_test(kill_matrix__likewise_before_sqlite),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	/* processes are killed, not the machine: no disk need be waited for */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
