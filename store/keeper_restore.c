/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the table gets from the database when the service starts: every unfinished task, then the latest
 * finished ones as long as there is room to spare. Unfinished ones that find no room are not lost: they wait
 * in the database, and are tried again while the service runs.
 */
#include "base/base.h"
#include "store/keeper.h"

#include <unistd.h>

enum {
	ORPHANS_STEP = 1000,
	GROW_WAIT_US = 500,    /* the table gets its memory while the service starts ... */
	GROW_WAITS_MAX = 2000, /* ... and if it gets no more for a second, it will not */
	FULL_MAX = 16,         /* so many that do not fit keep no smaller one out; then it is full */
};

struct restoring {
	struct keeper *keeper;
	bool finished; /* of these only as many as leave room for others */
	bool again;    /* those that were left out before */
	size_t count, left_out;
};

/* Three quarters, so that new tasks need not evict at once. */
static bool table_filled(const struct store *s)
{
	const struct map *m = s->map;
	return atomic_load(&m->slots_used) >= m->tasks_max - m->tasks_max / 4 ||
	       atomic_load(&m->blocks_used) >= m->blocks_max - m->blocks_max / 4;
}

static bool table_grew(const struct store *s)
{
	uint64_t before = atomic_load(&s->map->bytes_backed);
	for (int i = 0; i < GROW_WAITS_MAX && !store_whole(s); i++) {
		if (atomic_load(&s->map->bytes_backed) != before)
			return true;
		usleep(GROW_WAIT_US);
	}
	return atomic_load(&s->map->bytes_backed) != before;
}

static bool task_take(const struct task_saved *t, void *arg)
{
	struct restoring *r = arg;
	struct store *s = r->keeper->store;
	struct error e;
	if (r->finished && table_filled(s))
		return false;
	if (r->left_out >= FULL_MAX) {
		r->left_out++;
		return !r->again;
	}
	enum err code = task_restore(s, t, &e);
	while (code == ERR_FULL && table_grew(s))
		code = task_restore(s, t, &e);
	r->count += code == ERR_NONE;
	r->left_out += code == ERR_FULL && !r->finished;
	return code != ERR_FULL || !r->finished;
}

static uint32_t states_of(bool terminal)
{
	uint32_t states = 0;
	for (int i = 0; i < TASK_STATE_COUNT; i++)
		if (task_state_terminal((enum task_state)i) == terminal)
			states |= 1u << i;
	return states;
}

enum err keeper_restore_rest(struct keeper *k, struct error *e)
{
	struct restoring r = {.keeper = k, .again = k->left_out > 0};
	enum err code = k->db->backend->tasks_each(k->db, states_of(false), NULL, task_take, &r, e);
	if (r.left_out > 0 && !r.again)
		log_error("unfinished tasks wait in the database for room in the task table; raise "
			  "store.size_mb or store.tasks_max",
			  LF_INT("tasks", r.left_out));
	k->left_out = r.left_out;
	if (r.count > 0)
		log_info("unfinished tasks go on", LF_INT("tasks", r.count));
	return code;
}

/* After others, of whom the last one may not have come as far as here. */
static enum err restore_over(struct keeper *k, struct error *e)
{
	enum err code = keeper_restore_rest(k, e);
	if (code == ERR_NONE && store_health(k->store, NULL) == STORE_AWAY) {
		log_info("the database is open again: what was waiting is stored");
		store_health_set(k->store, STORE_WORKS, "");
	}
	return code;
}

static void budget_take(const struct budget_saved *b, void *store)
{
	budget_restore(store, b);
}

enum err keeper_restore(struct keeper *k, struct error *e)
{
	const struct db_backend *db = k->db->backend;
	struct restoring finished = {.keeper = k, .finished = true};
	int64_t begun_ms = clock_mono_ms();
	enum err code = ERR_NONE;
	/* Where a keeper died the table is as it was; but there may be some that it had no room for. */
	if (store_health(k->store, NULL) != STORE_STARTING)
		return restore_over(k, e);
	for (size_t gone = ORPHANS_STEP; gone == ORPHANS_STEP && code == ERR_NONE;) {
		code = db->begin(k->db, e);
		if (code == ERR_NONE)
			code = db->orphans_delete(k->db, ORPHANS_STEP, &gone, e);
		if (code == ERR_NONE)
			code = db->commit(k->db, e);
		else if (code != ERR_IO)
			db->rollback(k->db);
	}
	/* A full disk keeps nobody from reading. */
	if (code == ERR_NONE || code == ERR_NO_SPACE)
		code = keeper_restore_rest(k, e);
	if (code == ERR_NONE)
		code = db->tasks_each(k->db, states_of(true), NULL, task_take, &finished, e);
	if (code == ERR_NONE)
		code = db->budgets_each(k->db, budget_day(clock_wall_ms()), budget_take, k->store, e);
	if (code != ERR_NONE)
		return code;
	store_health_set(k->store, STORE_WORKS, "");
	log_info("tasks restored", LF_INT("finished", finished.count),
		 LF_INT("ms", clock_mono_ms() - begun_ms));
	return ERR_NONE;
}
