/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs a task. A lease names participant, generation and epoch; it is void as soon as the participant is
 * dead or of a later generation, and then anybody may take the task, with a new epoch.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

static uint32_t work_find(struct store *s, bool *more);
static void lease_note(struct store *s, struct task_ref ref);

enum err lease_take(struct store *s, struct task_ref ref, struct lease *out, struct error *e)
{
	ensure(s->proc != NONE);
	/* The master has not told of us yet: a lease would be void as soon as it does. WAKE_WORK follows. */
	if (!atomic_load(&proc_at(s, s->proc)->alive))
		return err_set(e, ERR_CONFLICT, "this worker is still starting");
	if (!slot_take(s, ref))
		return err_set(e, ERR_GONE, "the task is no longer kept");
	struct slot *t = slot_at(s, ref.slot);
	struct version *v = slot_version(t);
	enum task_state state = (enum task_state)atomic_load(&v->state);
	bool alive = lease_alive(s, &v->lease);
	bool taken_over = atomic_load(&v->lease.proc) != NONE;
	if (!atomic_load(&v->works) || alive) {
		slot_give(s, ref.slot);
		return err_set(e, ERR_CONFLICT,
			       alive ? "another worker runs the task" : "the task is %s and needs no worker",
			       task_state_text(state));
	}
	v = slot_begin(t);
	atomic_store(&v->lease.proc, s->proc);
	atomic_store(&v->lease.proc_gen, atomic_load(&proc_at(s, s->proc)->gen));
	uint32_t epoch = atomic_fetch_add(&v->lease.epoch, 1) + 1;
	KILL_POINT("lease-before-publish");
	slot_publish(t);
	KILL_POINT("lease-after-publish");
	slot_give(s, ref.slot);
	if (taken_over)
		store_count(s, COUNTER_LEASES_TAKEN_OVER, 1);
	lease_note(s, ref);
	*out = (struct lease){ref, epoch};
	return ERR_NONE;
}

bool lease_next(struct store *s, struct lease *out)
{
	struct proc *me = proc_at(s, s->proc);
	struct error e;
	bool more;
	while (atomic_load(&me->alive)) {
		/* Asked before the look, so that what comes meanwhile is looked for again. */
		uint64_t seq = atomic_load(&s->map->work_seq);
		if (seq == s->work_seen) {
			atomic_store(&me->hungry, 1);
			/* Whoever offers work counts first and then looks who is hungry. */
			if (atomic_load(&s->map->work_seq) == seq)
				return false;
			continue;
		}
		uint32_t oldest = work_find(s, &more);
		if (oldest == NONE) {
			s->work_seen = seq;
			continue;
		}
		struct task_ref ref = {oldest, atomic_load(&slot_at(s, oldest)->gen)};
		if (lease_take(s, ref, out, &e) != ERR_NONE)
			continue; /* another one had it first */
		atomic_store(&me->hungry, 0);
		if (more)
			work_pass(s);
		return true;
	}
	return false;
}

void lease_decline(struct store *s)
{
	atomic_store(&proc_at(s, s->proc)->hungry, 0);
	work_pass(s);
}

void lease_release(struct store *s, const struct lease *l)
{
	if (!slot_take(s, l->ref))
		return;
	struct slot *t = slot_at(s, l->ref.slot);
	struct version *v = slot_version(t);
	bool ours = atomic_load(&v->lease.proc) == s->proc && atomic_load(&v->lease.epoch) == l->epoch;
	bool works = atomic_load(&v->works);
	if (ours) {
		v = slot_begin(t);
		lease_clear(&v->lease);
		slot_publish(t);
		s->watches[l->ref.slot].leased = false;
	}
	slot_give(s, l->ref.slot);
	KILL_POINT("release-before-wake");
	if (ours && works) {
		work_again(s);
		atomic_fetch_add(&s->map->work_seq, 1);
		wake_all(s, WAKE_WORK);
	}
}

/* --- helpers --- */

static _Atomic uint64_t *works_of(const struct store *s)
{
	return map_at(s, s->map->works_at);
}

void work_mark(struct store *s, uint32_t slot, bool works)
{
	uint64_t bit = (uint64_t)1 << (slot % 64);
	if (works)
		atomic_fetch_or(&works_of(s)[slot / 64], bit);
	else
		atomic_fetch_and(&works_of(s)[slot / 64], ~bit);
}

/* Without the lock: a guess that lease_take makes sure of. What it misses is being changed at this moment,
 * and the change, or the death of who makes it, is offered anew. */
static bool wants_worker(struct store *s, uint32_t i)
{
	struct slot *t = slot_at(s, i);
	if (!atomic_load(&t->used))
		return false;
	const struct version *v = slot_version(t);
	return atomic_load(&v->works) && !lease_alive(s, &v->lease);
}

/* Keeps the oldest WORK_KEPT of those it is given, youngest first. */
static void work_keep(struct store *s, struct work_item item)
{
	uint32_t i = 0;
	if (s->work_count == WORK_KEPT) {
		s->work_more = true;
		if (item.age >= s->work[0].age)
			return;
		memmove(s->work, s->work + 1, (WORK_KEPT - 1) * sizeof *s->work);
		s->work_count--;
	}
	while (i < s->work_count && s->work[s->work_count - 1 - i].age < item.age)
		i++;
	uint32_t at = s->work_count - i;
	memmove(s->work + at + 1, s->work + at, i * sizeof *s->work);
	s->work[at] = item;
	s->work_count++;
}

static void work_look(struct store *s)
{
	s->work_count = 0;
	s->work_more = false;
	for (uint32_t k = 0; k < (s->map->tasks_max + 63) / 64; k++) {
		uint64_t bits = atomic_load(&works_of(s)[k]);
		for (; bits != 0; bits &= bits - 1) {
			uint32_t i = k * 64 + (uint32_t)__builtin_ctzll(bits);
			if (wants_worker(s, i))
				work_keep(s, (struct work_item){atomic_load(&slot_at(s, i)->age), i});
		}
	}
}

/* The oldest task that wants a worker, or NONE. *more: it may not be the only one. One look at all of them
 * serves for many calls: what is new meanwhile is younger, and what is not new makes us look again. */
static uint32_t work_find(struct store *s, bool *more)
{
	for (bool looked = false;; looked = true) {
		uint64_t again = atomic_load(&s->map->work_again);
		if (looked || again != s->work_again) {
			work_look(s);
			s->work_again = again;
			looked = true;
		}
		while (s->work_count > 0) {
			struct work_item item = s->work[--s->work_count];
			if (!wants_worker(s, item.slot) ||
			    atomic_load(&slot_at(s, item.slot)->age) != item.age)
				continue;
			*more = s->work_count > 0 || s->work_more;
			return item.slot;
		}
		if (looked)
			return NONE;
	}
}

/* Remembers what we run, to be told of its end even when its slot has gone to another by then. */
static void lease_note(struct store *s, struct task_ref ref)
{
	struct watch *w = &s->watches[ref.slot];
	if (w->leased && w->leased_gen != ref.gen)
		stale_add(s, (struct task_ref){ref.slot, w->leased_gen});
	w->leased = true;
	w->leased_gen = ref.gen;
}
