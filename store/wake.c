/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking: a dirty bit for the task, a flag for the kind, then one write to the participant's eventfd if no
 * flag was up. Data never travels this way. Whoever died before it could wake others has its wakes made up
 * for when its death is told: then everything that is watched counts as changed.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(struct store *s, struct task_ref ref, void (*on_task)(struct task_ref, void *), void *arg);
static void tell_dirty(struct store *s, void (*on_task)(struct task_ref, void *), void *arg);
static void tell_watched(struct store *s, void (*on_task)(struct task_ref, void *), void *arg);

static uint32_t dirty_words(const struct store *s)
{
	return (s->map->tasks_max + 63) / 64;
}

static _Atomic uint64_t *dirty_of(const struct store *s, uint32_t proc)
{
	return (_Atomic uint64_t *)map_at(s, s->map->dirty_at) + (size_t)proc * dirty_words(s);
}

void wake_proc(struct store *s, uint32_t proc, uint32_t flags)
{
	static const uint64_t one = 1;
	if (atomic_fetch_or(&proc_at(s, proc)->flags, flags) != 0)
		return;
	/* Full or gone: it is awake already, or nobody is there. */
	ssize_t n = write(s->wake_fds[proc], &one, sizeof one);
	(void)n;
}

void wake_all(struct store *s, uint32_t flags)
{
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (i != s->proc && atomic_load(&proc_at(s, i)->alive))
			wake_proc(s, i, flags);
}

void wake_task(struct store *s, uint32_t slot, uint32_t also)
{
	uint64_t bits = atomic_load(&slot_at(s, slot)->watchers);
	if (also != NONE)
		bits |= (uint64_t)1 << also;
	for (uint32_t i = 0; bits != 0; i++, bits >>= 1) {
		if (!(bits & 1))
			continue;
		atomic_fetch_or(&dirty_of(s, i)[slot / 64], (uint64_t)1 << (slot % 64));
		wake_proc(s, i, WAKE_TASKS);
	}
}

void work_offer(struct store *s, bool all)
{
	atomic_store(&s->map->work_hint, 1);
	if (s->proc != NONE)
		wake_proc(s, s->proc, WAKE_WORK);
	if (all)
		wake_all(s, WAKE_WORK);
}

enum err task_watch(struct store *s, struct task_ref ref)
{
	struct watch *w;
	if (ref.slot >= s->map->tasks_max || !slot_take(s, ref))
		return ERR_GONE;
	atomic_fetch_or(&slot_at(s, ref.slot)->watchers, (uint64_t)1 << s->proc);
	slot_give(s, ref.slot);
	w = &s->watches[ref.slot];
	if (w->count > 0 && w->gen != ref.gen) {
		/* The slot went to another task before its watchers here were told: they are told by the next
		 * wake_take. */
		if (s->stale_count == s->stale_cap) {
			s->stale_cap = s->stale_cap * 2 + 8;
			s->stale = xrealloc(s->stale, s->stale_cap * sizeof *s->stale);
		}
		s->stale[s->stale_count++] = (struct task_ref){ref.slot, w->gen};
		w->count = 0;
		wake_proc(s, s->proc, WAKE_TASKS);
	}
	w->gen = ref.gen;
	w->count++;
	return ERR_NONE;
}

void task_unwatch(struct store *s, struct task_ref ref)
{
	struct watch *w = &s->watches[ref.slot];
	if (w->gen != ref.gen || w->count == 0)
		return; /* it was told as stale */
	if (--w->count == 0)
		atomic_fetch_and(&slot_at(s, ref.slot)->watchers, ~((uint64_t)1 << s->proc));
}

int store_wake_fd(struct store *s)
{
	return s->wake_fds[s->proc];
}

unsigned wake_take(struct store *s, void (*on_task)(struct task_ref ref, void *arg), void *arg)
{
	uint64_t sink;
	ssize_t n = read(s->wake_fds[s->proc], &sink, sizeof sink);
	(void)n;
	unsigned flags = atomic_exchange(&proc_at(s, s->proc)->flags, 0);
	while (s->stale_count > 0)
		on_task(s->stale[--s->stale_count], arg);
	if (flags & WAKE_PEER_DIED)
		tell_watched(s, on_task, arg);
	if (flags & (WAKE_TASKS | WAKE_PEER_DIED))
		tell_dirty(s, on_task, arg);
	return flags;
}

void store_proc_started(struct store *s, uint32_t proc, int pid)
{
	struct proc *p = proc_at(s, proc);
	atomic_fetch_add(&p->gen, 1);
	atomic_store(&p->pid, pid);
	/* A predecessor's unread wakes would keep its successor from ever being woken. */
	atomic_store(&p->flags, 0);
	atomic_store(&p->alive, 1);
	wake_proc(s, proc, WAKE_WORK);
}

void store_proc_died(struct store *s, uint32_t proc)
{
	struct proc *p = proc_at(s, proc);
	atomic_store(&p->alive, 0);
	atomic_fetch_add(&p->gen, 1);
	atomic_store(&s->map->work_hint, 1);
	wake_all(s, WAKE_PEER_DIED | WAKE_WORK);
}

/* --- helpers --- */

static void tell(struct store *s, struct task_ref ref, void (*on_task)(struct task_ref, void *), void *arg)
{
	const struct watch *w = &s->watches[ref.slot];
	uint32_t watched = w->gen;
	bool other = w->count > 0 && watched != ref.gen;
	if (w->count == 0)
		atomic_fetch_and(&slot_at(s, ref.slot)->watchers, ~((uint64_t)1 << s->proc));
	on_task(ref, arg);
	if (other)
		on_task((struct task_ref){ref.slot, watched}, arg);
}

static void tell_dirty(struct store *s, void (*on_task)(struct task_ref, void *), void *arg)
{
	_Atomic uint64_t *dirty = dirty_of(s, s->proc);
	for (uint32_t k = 0; k < dirty_words(s); k++) {
		if (atomic_load_explicit(&dirty[k], memory_order_relaxed) == 0)
			continue;
		uint64_t bits = atomic_exchange(&dirty[k], 0);
		for (uint32_t i = 0; bits != 0; i++, bits >>= 1) {
			uint32_t slot = k * 64 + i;
			if (bits & 1)
				tell(s, (struct task_ref){slot, atomic_load(&slot_at(s, slot)->gen)}, on_task,
				     arg);
		}
	}
}

static void tell_watched(struct store *s, void (*on_task)(struct task_ref, void *), void *arg)
{
	for (uint32_t i = 0; i < s->map->tasks_max; i++)
		if (s->watches[i].count > 0)
			on_task((struct task_ref){i, s->watches[i].gen}, arg);
}
