/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which slot holds which task: hash buckets, the list by id (which is by age, ids being UUIDv7), the free
 * slots. All of it follows from the slots themselves, and is rebuilt from them when the lock's owner died.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

static void index_repair(struct store *s, void *arg);

void index_take(struct store *s)
{
	lock_take(s, &s->map->index_lock, LOCK_INDEX, index_repair, NULL);
}

void index_give(struct store *s)
{
	lock_give(&s->map->index_lock, LOCK_INDEX);
}

static uint32_t *bucket_of(const struct store *s, const struct id *id)
{
	uint32_t *buckets = map_at(s, s->map->buckets_at);
	return &buckets[hash64(id, sizeof *id) % s->map->buckets];
}

void index_format(struct map *m)
{
	struct slot *slots = (struct slot *)((char *)m + m->slots_at);
	uint32_t *buckets = (uint32_t *)((char *)m + m->buckets_at);
	memset(buckets, 0xFF, m->buckets * sizeof *buckets);
	for (uint32_t i = 0; i < m->tasks_max; i++)
		slots[i].hash_next = i + 1 < m->tasks_max ? i + 1 : NONE;
	m->slot_free = 0;
	m->newest = m->oldest = NONE;
}

uint32_t index_find(struct store *s, const struct id *id)
{
	uint32_t i = *bucket_of(s, id);
	while (i != NONE && memcmp(&slot_at(s, i)->id, id, sizeof *id) != 0)
		i = slot_at(s, i)->hash_next;
	return i;
}

void index_add(struct store *s, uint32_t slot)
{
	struct map *m = s->map;
	struct slot *t = slot_at(s, slot);
	uint32_t *bucket = bucket_of(s, &t->id);
	t->hash_next = *bucket;
	*bucket = slot;
	/* Nearly always the newest; clocks of processes differ by a little. Restored ones come in order, each
	 * older than the one before; new ones after a clock was set back likewise, each a bit younger. */
	uint32_t older = m->newest, newer = NONE, hint = s->index_hint;
	bool newest = older == NONE || id_compare(&slot_at(s, older)->id, &t->id) < 0;
	if (!newest && hint != NONE && hint != slot && atomic_load(&slot_at(s, hint)->used)) {
		newer = hint;
		while (newer != NONE && id_compare(&slot_at(s, newer)->id, &t->id) < 0)
			newer = slot_at(s, newer)->newer;
		older = slot_at(s, newer)->older;
	}
	while (older != NONE && id_compare(&slot_at(s, older)->id, &t->id) > 0) {
		newer = older;
		older = slot_at(s, older)->older;
	}
	t->older = older;
	t->newer = newer;
	*(newer == NONE ? &m->newest : &slot_at(s, newer)->older) = slot;
	*(older == NONE ? &m->oldest : &slot_at(s, older)->newer) = slot;
	s->index_hint = slot;
}

uint32_t index_slot_free(struct store *s)
{
	uint32_t i = s->map->slot_free;
	if (i != NONE)
		s->map->slot_free = slot_at(s, i)->hash_next;
	return i;
}

void index_slot_put(struct store *s, uint32_t slot)
{
	slot_at(s, slot)->hash_next = s->map->slot_free;
	s->map->slot_free = slot;
}

static void index_remove(struct store *s, uint32_t slot)
{
	struct map *m = s->map;
	struct slot *t = slot_at(s, slot);
	uint32_t *at = bucket_of(s, &t->id);
	while (*at != slot) {
		ensure(*at != NONE);
		at = &slot_at(s, *at)->hash_next;
	}
	*at = t->hash_next;
	*(t->newer == NONE ? &m->newest : &slot_at(s, t->newer)->older) = t->older;
	*(t->older == NONE ? &m->oldest : &slot_at(s, t->older)->newer) = t->newer;
	index_slot_put(s, slot);
}

bool index_done_with(const struct version *v)
{
	return task_state_terminal((enum task_state)atomic_load(&v->state)) &&
	       atomic_load(&v->durable_seq) == v->last_seq;
}

/* Looks without the slot's lock first, which may show a state that is being written and never will be
 * published; only what the lock confirms counts. true: the lock is held. */
static bool take_if_finished(struct store *s, uint32_t i)
{
	const struct slot *t = slot_at(s, i);
	if (!task_state_terminal((enum task_state)atomic_load(&slot_version(slot_at(s, i))->state)))
		return false;
	slot_take_any(s, i);
	const struct version *v = &t->versions[atomic_load(&t->current) & 1];
	if (index_done_with(v))
		return true;
	slot_give(s, i);
	return false;
}

void index_evict_slot(struct store *s, uint32_t i)
{
	struct slot *t = slot_at(s, i);
	struct chain chains[SLOT_CHAINS];
	version_chains(slot_version(t), chains);
	atomic_fetch_add(&t->gen, 1);
	KILL_POINT("evict-gen");
	atomic_store(&t->used, 0);
	atomic_fetch_sub(&s->map->slots_used, 1);
	KILL_POINT("evict-unused");
	for (int k = 0; k < SLOT_CHAINS; k++) {
		pool_give(s, chains[k].head, chains[k].blocks);
		KILL_POINT("evict-half-freed");
	}
	index_remove(s, i);
	KILL_POINT("evict-removed");
	slot_give(s, i);
	store_count(s, COUNTER_TASKS_EVICTED, 1);
}

bool index_evict(struct store *s, uint32_t *at)
{
	uint32_t i = *at;
	while (i != NONE && !take_if_finished(s, i))
		i = slot_at(s, i)->newer;
	*at = i == NONE ? NONE : slot_at(s, i)->newer;
	if (i == NONE)
		return false;
	index_evict_slot(s, i);
	return true;
}

uint64_t index_evictable(struct store *s, uint64_t enough, uint32_t *slots)
{
	uint64_t blocks = 0;
	*slots = 0;
	for (uint32_t i = s->map->oldest; i != NONE && (blocks < enough || *slots == 0);
	     i = slot_at(s, i)->newer) {
		if (!take_if_finished(s, i))
			continue;
		const struct version *v = slot_version(slot_at(s, i));
		blocks += blocks_for(v->doc_bytes) + blocks_for(v->events_bytes);
		++*slots;
		slot_give(s, i);
	}
	return blocks;
}

/* --- helpers --- */

/* Two lists that are linked by `older`, newest first, become one. */
static uint32_t lists_merge(struct store *s, uint32_t a, uint32_t b)
{
	uint32_t head = NONE, *end = &head;
	while (a != NONE && b != NONE) {
		uint32_t *from = id_compare(&slot_at(s, a)->id, &slot_at(s, b)->id) > 0 ? &a : &b;
		*end = *from;
		end = &slot_at(s, *from)->older;
		*from = *end;
	}
	*end = a != NONE ? a : b;
	return head;
}

/* Sorted in the links themselves, so that nothing is allocated under the lock: parts[k] is a list of 2^k. */
static uint32_t used_sorted(struct store *s)
{
	uint32_t parts[32], all = NONE;
	for (size_t k = 0; k < COUNT_OF(parts); k++)
		parts[k] = NONE;
	for (uint32_t i = 0; i < s->map->tasks_max; i++) {
		uint32_t list = i;
		size_t k = 0;
		if (!atomic_load(&slot_at(s, i)->used))
			continue;
		slot_at(s, i)->older = NONE;
		for (; parts[k] != NONE; parts[k++] = NONE)
			list = lists_merge(s, list, parts[k]);
		parts[k] = list;
	}
	for (size_t k = 0; k < COUNT_OF(parts); k++)
		all = lists_merge(s, all, parts[k]);
	return all;
}

static void index_repair(struct store *s, void *arg)
{
	struct map *m = s->map;
	uint32_t newer = NONE, count = 0;
	(void)arg;
	index_format(m);
	m->slot_free = NONE;
	for (uint32_t i = m->tasks_max; i-- > 0;) {
		if (atomic_load(&slot_at(s, i)->used))
			continue;
		index_slot_put(s, i);
		/* Whoever died may have left blocks with a slot that nobody takes for a long time: its lock
		 * brings about its repair. Only who holds the index lock stays in a slot that is not used. */
		slot_take_any(s, i);
		slot_give(s, i);
	}
	m->newest = used_sorted(s);
	for (uint32_t i = m->newest; i != NONE; newer = i, i = slot_at(s, i)->older, count++) {
		uint32_t *bucket = bucket_of(s, &slot_at(s, i)->id);
		slot_at(s, i)->newer = newer;
		slot_at(s, i)->hash_next = *bucket;
		*bucket = i;
	}
	m->oldest = newer;
	atomic_store(&m->slots_used, count);
}
