/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking: a dirty bit for the task, a flag for the kind, then one write to the participant's eventfd if no
 * flag was up. Data never travels this way. Dirty bits are set before a change is published, so that whoever
 * dies before it could wake others leaves them; the news of its death makes everybody look. That news writes
 * the eventfd whatever the flags say: the dead may have raised one and not come to the write. A participant
 * that wakes itself need not ask the kernel to.
 *
 * Work is offered to those that wait for it: first to the participant that has it at hand; who takes some and
 * sees more calls the others.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(struct store *s, struct task_ref ref, void (*on_task)(struct task_ref, void *), void *arg);
static void tell_dirty(struct store *s, void (*on_task)(struct task_ref, void *), void *arg);

static uint32_t dirty_words(const struct store *s)
{
	return (s->map->tasks_max + 63) / 64;
}

static _Atomic uint64_t *dirty_of(const struct store *s, uint32_t proc)
{
	return (_Atomic uint64_t *)map_at(s, s->map->dirty_at) + (size_t)proc * dirty_words(s);
}

static void eventfd_raise(const struct store *s, uint32_t proc)
{
	static const uint64_t one = 1;
	/* Full or gone: it is awake already, or nobody is there. */
	ssize_t n = write(s->wake_fds[proc], &one, sizeof one);
	(void)n;
}

void wake_proc(struct store *s, uint32_t proc, uint32_t flags)
{
	if (atomic_fetch_or(&proc_at(s, proc)->flags, flags) != 0)
		return;
	KILL_POINT("wake-flagged");
	if (proc != s->proc || s->wake_self == NULL) {
		eventfd_raise(s, proc);
		return;
	}
	s->woken_self = true;
	s->wake_self(s->wake_self_arg);
}

void wake_all(struct store *s, uint32_t flags)
{
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (i != s->proc && atomic_load(&proc_at(s, i)->alive))
			wake_proc(s, i, flags);
}

uint64_t wake_mark(struct store *s, uint32_t slot, bool watchers, uint32_t also)
{
	uint64_t procs = watchers ? atomic_load(&slot_at(s, slot)->watchers) : 0;
	if (also != NONE)
		procs |= (uint64_t)1 << also;
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (procs >> i & 1)
			atomic_fetch_or(&dirty_of(s, i)[slot / 64], (uint64_t)1 << (slot % 64));
	return procs;
}

void wake_marked(struct store *s, uint64_t procs)
{
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (procs >> i & 1)
			wake_proc(s, i, WAKE_TASKS);
}

static bool wake_hungry(struct store *s, uint32_t proc)
{
	struct proc *p = proc_at(s, proc);
	if (!atomic_load(&p->alive) || !atomic_load(&p->hungry) || !atomic_exchange(&p->hungry, 0))
		return false;
	wake_proc(s, proc, WAKE_WORK);
	return true;
}

void work_pass(struct store *s)
{
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (i != s->proc)
			wake_hungry(s, i);
}

void work_again(struct store *s)
{
	atomic_fetch_add(&s->map->work_again, 1);
}

void work_offer(struct store *s)
{
	atomic_fetch_add(&s->map->work_seq, 1);
	if (s->proc == NONE || !wake_hungry(s, s->proc))
		work_pass(s);
}

void stale_add(struct store *s, struct task_ref ref)
{
	if (s->stale_count == s->stale_cap) {
		s->stale_cap = s->stale_cap * 2 + 8;
		s->stale = xrealloc(s->stale, s->stale_cap * sizeof *s->stale);
	}
	s->stale[s->stale_count++] = ref;
	wake_proc(s, s->proc, WAKE_TASKS);
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
		stale_add(s, (struct task_ref){ref.slot, w->gen});
		w->count = 0;
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

void store_wake_self_set(struct store *s, void (*fn)(void *arg), void *arg)
{
	s->wake_self = fn;
	s->wake_self_arg = arg;
}

unsigned wake_take(struct store *s, void (*on_task)(struct task_ref ref, void *arg), void *arg)
{
	uint64_t sink;
	/* If the descriptor was written as well, it stays readable. */
	if (!s->woken_self) {
		ssize_t n = read(s->wake_fds[s->proc], &sink, sizeof sink);
		(void)n;
	}
	s->woken_self = false;
	unsigned flags = atomic_exchange(&proc_at(s, s->proc)->flags, 0);
	while (s->stale_count > 0)
		on_task(s->stale[--s->stale_count], arg);
	if (flags & (WAKE_TASKS | WAKE_PEER_DIED))
		tell_dirty(s, on_task, arg);
	return flags;
}

void store_proc_started(struct store *s, uint32_t proc, int pid)
{
	struct proc *p = proc_at(s, proc);
	atomic_fetch_add(&p->gen, 1);
	atomic_store(&p->pid, pid);
	atomic_store(&p->hungry, proc != s->map->keeper_proc);
	atomic_store(&p->alive, 1);
	/* It may be running already and have flags up that it has not taken: none is cleared. Those of its
	 * predecessor would keep it from ever being woken, so the descriptor is written in any case. */
	atomic_fetch_or(&p->flags, WAKE_WORK | WAKE_TASKS);
	eventfd_raise(s, proc);
}

void store_proc_died(struct store *s, uint32_t proc)
{
	struct proc *p = proc_at(s, proc);
	atomic_store(&p->alive, 0);
	atomic_fetch_add(&p->gen, 1);
	work_again(s);
	atomic_fetch_add(&s->map->work_seq, 1);
	for (uint32_t i = 0; i < s->map->procs_max; i++) {
		if (i == s->proc || !atomic_load(&proc_at(s, i)->alive))
			continue;
		atomic_fetch_or(&proc_at(s, i)->flags, WAKE_PEER_DIED | WAKE_WORK | WAKE_REQUESTS);
		eventfd_raise(s, i);
	}
}

/* --- helpers --- */

/* ref: what the slot holds now. Whoever followed what it held before is told, too: that is gone. */
static void tell(struct store *s, struct task_ref ref, void (*on_task)(struct task_ref, void *), void *arg)
{
	struct watch *w = &s->watches[ref.slot];
	struct task_ref watched = {ref.slot, w->gen}, leased = {ref.slot, w->leased_gen};
	bool watched_gone = w->count > 0 && w->gen != ref.gen;
	bool leased_gone = w->leased && w->leased_gen != ref.gen;
	if (w->count == 0)
		atomic_fetch_and(&slot_at(s, ref.slot)->watchers, ~((uint64_t)1 << s->proc));
	if (leased_gone)
		w->leased = false;
	on_task(ref, arg);
	if (watched_gone)
		on_task(watched, arg);
	if (leased_gone && !(watched_gone && watched.gen == leased.gen))
		on_task(leased, arg);
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
