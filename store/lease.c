/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs a task. A lease names participant, generation and epoch; it is void as soon as the participant is
 * dead or of a later generation, and then anybody may take the task, with a new epoch.
 */
#include "base/base.h"
#include "store/store_int.h"

static bool wants_worker(struct store *s, uint32_t i);

enum err lease_take(struct store *s, struct task_ref ref, struct lease *out, struct error *e)
{
	ensure(s->proc != NONE);
	if (!slot_take(s, ref))
		return err_set(e, ERR_GONE, "the task is no longer kept");
	struct slot *t = slot_at(s, ref.slot);
	struct version *v = slot_version(t);
	enum task_state state = (enum task_state)atomic_load(&v->state);
	bool alive = lease_alive(s, &v->lease);
	bool taken_over = atomic_load(&v->lease.proc) != NONE;
	if (!task_state_works(state) || alive) {
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
	*out = (struct lease){ref, epoch};
	return ERR_NONE;
}

bool lease_next(struct store *s, struct lease *out)
{
	struct map *m = s->map;
	while (atomic_load(&m->work_hint)) {
		uint32_t oldest = NONE;
		struct error e;
		/* Down before the look, so that what comes meanwhile raises it again. */
		atomic_store(&m->work_hint, 0);
		for (uint32_t i = 0; i < m->tasks_max; i++)
			if (wants_worker(s, i) &&
			    (oldest == NONE ||
			     atomic_load(&slot_at(s, i)->age) < atomic_load(&slot_at(s, oldest)->age)))
				oldest = i;
		if (oldest == NONE)
			return false;
		atomic_store(&m->work_hint, 1);
		if (lease_take(s, (struct task_ref){oldest, atomic_load(&slot_at(s, oldest)->gen)}, out,
			       &e) == ERR_NONE)
			return true;
	}
	return false;
}

void lease_release(struct store *s, const struct lease *l)
{
	if (!slot_take(s, l->ref))
		return;
	struct slot *t = slot_at(s, l->ref.slot);
	struct version *v = slot_version(t);
	bool ours = atomic_load(&v->lease.proc) == s->proc && atomic_load(&v->lease.epoch) == l->epoch;
	bool works = task_state_works((enum task_state)atomic_load(&v->state));
	if (ours) {
		v = slot_begin(t);
		lease_clear(&v->lease);
		slot_publish(t);
	}
	slot_give(s, l->ref.slot);
	if (ours && works) {
		atomic_store(&s->map->work_hint, 1);
		wake_all(s, WAKE_WORK);
	}
}

/* --- helpers --- */

/* Without the lock: a guess that lease_take makes sure of. */
static bool wants_worker(struct store *s, uint32_t i)
{
	struct slot *t = slot_at(s, i);
	if (!atomic_load_explicit(&t->used, memory_order_acquire))
		return false;
	const struct version *v = slot_version(t);
	return task_state_works((enum task_state)atomic_load(&v->state)) && !lease_alive(s, &v->lease);
}
