/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Budgets of a day: what each tenant, and all of them together, have spent since midnight UTC, beside what
 * they may. Whoever is about to make a call charges the worst it may cost, and is refused when that would
 * pass a limit; afterwards it gives back what was not used. A participant that dies in between leaves the
 * worst charged: no death makes room for spending.
 *
 * Fields are charged one after the other and given back one after the other, so that a death within the lock
 * leaves too much charged at any instruction, never too little: nothing needs repair. The keeper saves what
 * has changed with the next commit; a reservation names the change it is, so that a call can wait until no
 * power cut can undo its charge. The first entry is the whole service's.
 */
#include "base/base.h"
#include "store/store_db.h"
#include "store/store_int.h"

#include <stdio.h>
#include <string.h>

enum { DAY_MS = 24 * 3600 * 1000, SERVICE = 0 };

static struct budget_entry *entry_at(const struct store *s, uint32_t i)
{
	return (struct budget_entry *)map_at(s, s->map->budgets_at) + i;
}

static void budgets_take_lock(struct store *s)
{
	lock_take(s, &s->map->budgets_lock, LOCK_BUDGETS, NULL, NULL);
}

static void budgets_give_lock(struct store *s)
{
	lock_give(&s->map->budgets_lock, LOCK_BUDGETS);
}

int64_t budget_day(int64_t wall_ms)
{
	return wall_ms / DAY_MS;
}

/* --- sums --- */

enum { SUMS = 5 };

static int64_t *sum_at(struct budget_sums *s, size_t i)
{
	int64_t *const at[SUMS] = {&s->input_tokens, &s->output_tokens, &s->cost_nano, &s->model_calls,
				   &s->tool_calls};
	return at[i];
}

static int64_t sum_of(const struct budget_sums *s, size_t i)
{
	struct budget_sums copy = *s;
	return *sum_at(&copy, i);
}

static int64_t added(int64_t a, int64_t b)
{
	int64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

enum budget_limit budget_over(const struct budget_sums *spent, const struct budget_sums *more,
			      const struct budget_caps *caps, int64_t *used, int64_t *cap)
{
	const struct {
		enum budget_limit limit;
		int64_t used, more, cap;
	} rows[] = {
		{BUDGET_INPUT_TOKENS, spent->input_tokens, more->input_tokens, caps->input_tokens},
		{BUDGET_OUTPUT_TOKENS, spent->output_tokens, more->output_tokens, caps->output_tokens},
		{BUDGET_TOTAL_TOKENS, added(spent->input_tokens, spent->output_tokens),
		 added(more->input_tokens, more->output_tokens), caps->total_tokens},
		{BUDGET_COST, spent->cost_nano, more->cost_nano, caps->cost_nano},
		{BUDGET_MODEL_CALLS, spent->model_calls, more->model_calls, caps->model_calls},
		{BUDGET_TOOL_CALLS, spent->tool_calls, more->tool_calls, caps->tool_calls},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (rows[i].cap == 0 || rows[i].more == 0 || added(rows[i].used, rows[i].more) <= rows[i].cap)
			continue;
		*used = rows[i].used;
		*cap = rows[i].cap;
		return rows[i].limit;
	}
	return BUDGET_NONE;
}

const char *budget_limit_text(enum budget_limit l)
{
	static const char *const text[] = {"none", "input_tokens", "output_tokens", "total_tokens",
					   "cost", "model_calls",  "tool_calls",    "wall_seconds"};
	ensure((size_t)l < COUNT_OF(text));
	return text[l];
}

/* --- entries --- */

/* The day is written last: with another one the sums are none of this day's. */
static void entry_turn(struct budget_entry *b, int64_t day)
{
	if (b->day == day)
		return;
	b->spent = (struct budget_sums){0};
	KILL_POINT("budget-turned");
	b->day = day;
}

/* The tenant's, or a free one, or the first that is of an earlier day; NULL: all are in use. */
static struct budget_entry *entry_of(struct store *s, const char *tenant, int64_t day)
{
	struct budget_entry *old = NULL;
	for (uint32_t i = SERVICE + 1; i < s->map->budgets_max; i++) {
		struct budget_entry *b = entry_at(s, i);
		if (atomic_load(&b->used) && strcmp(b->tenant, tenant) == 0)
			return b;
		bool free_now = !atomic_load(&b->used) || (b->day < day && !b->dirty && !b->taken);
		if (old == NULL && free_now)
			old = b;
	}
	if (old == NULL)
		return NULL;
	atomic_store(&old->used, 0);
	snprintf(old->tenant, sizeof old->tenant, "%s", tenant);
	old->spent = (struct budget_sums){0};
	old->day = day;
	old->dirty = old->taken = false;
	KILL_POINT("budget-named");
	atomic_store(&old->used, 1);
	return old;
}

static void entry_dirty(struct store *s, struct budget_entry *b)
{
	b->dirty = true;
	b->change = ++s->map->budget_changes;
	atomic_store(&s->map->budgets_unsaved, 1);
}

/* Under the lock. */
static void saved_at_once(struct store *s)
{
	if (!keeper_is(s))
		atomic_store(&s->map->budget_saved, s->map->budget_changes);
}

static void keeper_tell(struct store *s)
{
	if (keeper_is(s))
		wake_proc(s, s->map->keeper_proc, WAKE_UNSAVED);
}

static void charge(struct store *s, struct budget_entry *b, const struct budget_sums *more)
{
	entry_dirty(s, b);
	for (size_t i = 0; i < SUMS; i++) {
		*sum_at(&b->spent, i) = added(sum_of(&b->spent, i), sum_of(more, i));
		KILL_POINT("budget-charging");
	}
}

/* What was not used goes back; what was used beyond the worst is charged. */
static void settle(struct store *s, struct budget_entry *b, const struct budget_hold *h,
		   const struct budget_sums *used)
{
	if (b->day != h->day)
		return;
	entry_dirty(s, b);
	for (size_t i = 0; i < SUMS; i++) {
		int64_t rest = sum_of(&b->spent, i) - sum_of(&h->worst, i);
		*sum_at(&b->spent, i) = added(rest > 0 ? rest : 0, sum_of(used, i));
		KILL_POINT("budget-settling");
	}
}

bool store_has_budgets(const struct store *s)
{
	return s->map->budgets_max > 0;
}

enum err budget_reserve(struct store *s, const char *tenant, const struct budget_sums *worst, int64_t wall_ms,
			struct budget_hold *hold, struct budget_refusal *why)
{
	*hold = (struct budget_hold){.entry = NONE, .day = budget_day(wall_ms), .worst = *worst};
	*why = (struct budget_refusal){.limit = BUDGET_NONE};
	if (!store_has_budgets(s))
		return ERR_NONE;
	enum err code = ERR_NONE;
	budgets_take_lock(s);
	struct budget_entry *all = entry_at(s, SERVICE), *one = entry_of(s, tenant, hold->day);
	entry_turn(all, hold->day);
	if (one != NULL)
		entry_turn(one, hold->day);
	if (one == NULL) {
		code = ERR_FULL;
	} else if ((why->limit = budget_over(&one->spent, worst, &s->map->tenant_caps, &why->used,
					     &why->cap)) != BUDGET_NONE) {
		code = ERR_FULL;
	} else if ((why->limit = budget_over(&all->spent, worst, &s->map->service_caps, &why->used,
					     &why->cap)) != BUDGET_NONE) {
		why->of_service = true;
		code = ERR_FULL;
	} else {
		charge(s, all, worst);
		KILL_POINT("budget-half");
		charge(s, one, worst);
		hold->entry = (uint32_t)(one - entry_at(s, 0));
		hold->change = s->map->budget_changes;
		saved_at_once(s);
	}
	budgets_give_lock(s);
	KILL_POINT("budget-reserved");
	if (code == ERR_NONE)
		keeper_tell(s);
	return code;
}

void budget_settle(struct store *s, const char *tenant, const struct budget_hold *hold,
		   const struct budget_sums *used)
{
	if (hold->entry == NONE || !store_has_budgets(s))
		return;
	budgets_take_lock(s);
	struct budget_entry *one = entry_at(s, hold->entry);
	settle(s, entry_at(s, SERVICE), hold, used);
	KILL_POINT("budget-half-settled");
	if (strcmp(one->tenant, tenant) == 0)
		settle(s, one, hold, used);
	saved_at_once(s);
	budgets_give_lock(s);
	keeper_tell(s);
}

bool budget_is_saved(struct store *s, uint64_t change)
{
	if (atomic_load(&s->map->budget_saved) >= change)
		return true;
	/* Announced before it is looked at again: a commit in between wakes us. */
	atomic_fetch_or(&s->map->budget_waiting, (uint64_t)1 << s->proc);
	return atomic_load(&s->map->budget_saved) >= change;
}

bool budget_get(struct store *s, const char *tenant, int64_t wall_ms, struct budget_sums *out)
{
	bool found = false;
	*out = (struct budget_sums){0};
	if (!store_has_budgets(s))
		return false;
	budgets_take_lock(s);
	for (uint32_t i = 0; i < s->map->budgets_max && !found; i++) {
		const struct budget_entry *b = entry_at(s, i);
		found = atomic_load(&b->used) && strcmp(b->tenant, tenant) == 0;
		if (found && b->day == budget_day(wall_ms))
			*out = b->spent;
	}
	budgets_give_lock(s);
	return found;
}

bool budget_view_get(struct store *s, uint32_t i, int64_t wall_ms, struct budget_view *out)
{
	*out = (struct budget_view){0};
	if (i >= s->map->budgets_max)
		return false;
	budgets_take_lock(s);
	const struct budget_entry *b = entry_at(s, i);
	if (atomic_load(&b->used) && b->day == budget_day(wall_ms)) {
		memcpy(out->tenant, b->tenant, sizeof out->tenant);
		out->charged = b->spent;
	}
	budgets_give_lock(s);
	return true;
}

void store_budget_caps(const struct store *s, struct budget_caps *tenant, struct budget_caps *service)
{
	*tenant = s->map->tenant_caps;
	*service = s->map->service_caps;
}

/* --- the keeper's side --- */

size_t store_budgets(const struct store *s)
{
	return s->map->budgets_max;
}

size_t budgets_take(struct store *s, struct budget_saved *out, uint64_t *change)
{
	size_t n = 0;
	*change = 0;
	if (!store_has_budgets(s) || atomic_exchange(&s->map->budgets_unsaved, 0) == 0)
		return 0;
	budgets_take_lock(s);
	*change = s->map->budget_changes;
	for (uint32_t i = 0; i < s->map->budgets_max; i++) {
		struct budget_entry *b = entry_at(s, i);
		if (!b->dirty || !atomic_load(&b->used))
			continue;
		b->dirty = false;
		b->taken = true;
		out[n] = (struct budget_saved){.day = b->day, .spent = b->spent};
		snprintf(out[n++].tenant, sizeof out->tenant, "%s", b->tenant);
	}
	budgets_give_lock(s);
	return n;
}

static void budgets_end(struct store *s, bool saved)
{
	if (!store_has_budgets(s))
		return;
	budgets_take_lock(s);
	for (uint32_t i = 0; i < s->map->budgets_max; i++) {
		struct budget_entry *b = entry_at(s, i);
		b->dirty = b->dirty || (b->taken && !saved);
		b->taken = false;
	}
	budgets_give_lock(s);
	if (!saved)
		atomic_store(&s->map->budgets_unsaved, 1);
}

void budgets_done(struct store *s, uint64_t change)
{
	budgets_end(s, true);
	if (change > atomic_load(&s->map->budget_saved))
		atomic_store(&s->map->budget_saved, change);
	KILL_POINT("budgets-saved");
	uint64_t waiting = atomic_exchange(&s->map->budget_waiting, 0);
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (waiting >> i & 1)
			wake_proc(s, i, WAKE_GATES);
}

void budgets_again(struct store *s)
{
	budgets_end(s, false);
}

void budgets_mark_all(struct store *s)
{
	budgets_end(s, false);
}

void budget_restore(struct store *s, const struct budget_saved *b)
{
	if (!store_has_budgets(s))
		return;
	budgets_take_lock(s);
	struct budget_entry *e = b->tenant[0] == '\0' ? entry_at(s, SERVICE) : entry_of(s, b->tenant, b->day);
	/* A keeper that takes over reads what the table has newer. */
	if (e != NULL && (e->day < b->day || e->change == 0)) {
		e->spent = b->spent;
		e->day = b->day;
	}
	budgets_give_lock(s);
}

void budgets_format(struct map *m)
{
	lock_init(&m->budgets_lock);
	if (m->budgets_max > 0)
		atomic_store(&((struct budget_entry *)(void *)((char *)m + m->budgets_at))->used, 1);
}

enum err budgets_check(struct store *s, struct error *e)
{
	enum err code = ERR_NONE;
	if (!store_has_budgets(s))
		return ERR_NONE;
	budgets_take_lock(s);
	for (uint32_t i = 0; i < s->map->budgets_max && code == ERR_NONE; i++)
		for (size_t k = 0; k < SUMS; k++)
			if (sum_of(&entry_at(s, i)->spent, k) < 0)
				code = err_set(e, ERR_INTERNAL, "budget %u has spent less than nothing", i);
	budgets_give_lock(s);
	return code;
}
