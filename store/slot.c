/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task's slot. A change is written into the version that is not valid and made valid by one store, so
 * that a death leaves the old or the new one. Blocks taken for a version that never became valid are given
 * back by the slot's next owner.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

static void slot_repair(struct store *s, void *arg);

void slot_take_any(struct store *s, uint32_t i)
{
	uint32_t number = i;
	lock_take(s, &slot_at(s, i)->lock, LOCK_SLOT, slot_repair, &number);
}

bool slot_take(struct store *s, struct task_ref ref)
{
	if (ref.slot >= s->map->tasks_max)
		return false;
	struct slot *t = slot_at(s, ref.slot);
	/* The generation is asked before the lock, too, so that stale references cost nothing. */
	if (atomic_load(&t->gen) != ref.gen)
		return false;
	slot_take_any(s, ref.slot);
	if (atomic_load(&t->gen) == ref.gen && atomic_load(&t->used))
		return true;
	slot_give(s, ref.slot);
	return false;
}

void slot_give(struct store *s, uint32_t i)
{
	lock_give(&slot_at(s, i)->lock, LOCK_SLOT);
}

struct version *slot_begin(struct slot *t)
{
	uint32_t current = atomic_load(&t->current) & 1;
	const struct version *from = &t->versions[current];
	struct version *to = &t->versions[!current];
	atomic_store(&to->state, atomic_load(&from->state));
	atomic_store(&to->works, atomic_load(&from->works));
	atomic_store(&to->lease.proc, atomic_load(&from->lease.proc));
	atomic_store(&to->lease.proc_gen, atomic_load(&from->lease.proc_gen));
	atomic_store(&to->lease.epoch, atomic_load(&from->lease.epoch));
	to->last_seq = from->last_seq;
	to->events_bytes = from->events_bytes;
	to->updated_ms = from->updated_ms;
	to->doc_head = from->doc_head;
	to->doc_bytes = from->doc_bytes;
	to->first_seq = from->first_seq;
	to->events_head = from->events_head;
	to->events_tail = from->events_tail;
	atomic_store(&to->durable_seq, atomic_load(&from->durable_seq));
	atomic_store(&to->durable_state, atomic_load(&from->durable_state));
	to->shown_head = from->shown_head;
	to->shown_bytes = from->shown_bytes;
	to->shown_state = from->shown_state;
	to->shown_seq = from->shown_seq;
	return to;
}

void slot_publish(struct slot *t)
{
	atomic_store(&t->current, !(atomic_load(&t->current) & 1));
}

void chain_write(struct store *s, uint32_t head, size_t offset, const void *p, size_t n)
{
	const char *from = p;
	while (n > 0) {
		if (offset == BLOCK_BYTES) {
			head = block_at(s, head)->next;
			offset = 0;
		}
		size_t part = n < BLOCK_BYTES - offset ? n : BLOCK_BYTES - offset;
		memcpy(block_bytes(s, head) + offset, from, part);
		from += part;
		n -= part;
		offset += part;
	}
}

bool chain_read(const struct store *s, uint32_t *block, uint32_t *offset, void *p, size_t n)
{
	char *to = p;
	while (n > 0) {
		if (*offset == BLOCK_BYTES) {
			*block = block_at(s, *block)->next;
			*offset = 0;
		}
		if (*block >= s->map->blocks_max || *offset > BLOCK_BYTES)
			return false;
		size_t part = n < BLOCK_BYTES - *offset ? n : BLOCK_BYTES - *offset;
		if (to != NULL) {
			memcpy(to, block_bytes(s, *block) + *offset, part);
			to += part;
		}
		n -= part;
		*offset += (uint32_t)part;
	}
	return true;
}

void version_chains(const struct version *v, struct chain out[SLOT_CHAINS])
{
	out[0] = (struct chain){v->doc_head, blocks_for(v->doc_bytes)};
	out[1] = (struct chain){v->events_head, blocks_for(v->events_bytes)};
	out[2] = (struct chain){v->shown_head, blocks_for(v->shown_bytes)};
}

bool lease_alive(const struct store *s, const struct lease_word *l)
{
	uint32_t proc = atomic_load(&l->proc);
	if (proc >= s->map->procs_max)
		return false;
	const struct proc *p = proc_at(s, proc);
	return atomic_load(&p->alive) && atomic_load(&p->gen) == atomic_load(&l->proc_gen);
}

void lease_clear(struct lease_word *l)
{
	atomic_store(&l->proc, (uint32_t)NONE);
}

/* --- helpers --- */

static void slot_repair(struct store *s, void *arg)
{
	uint32_t i = *(const uint32_t *)arg;
	struct slot *t = slot_at(s, i);
	struct chain chains[SLOT_CHAINS] = {{NONE, 0}, {NONE, 0}, {NONE, 0}};
	if (atomic_load(&t->used))
		version_chains(slot_version(t), chains);
	pool_reclaim(s, i, chains);
}
