/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which slot holds which task: hash buckets, the list by id (which is by age, ids being UUIDv7), the free
 * slots. All of it follows from the slots themselves, and is rebuilt from them when the lock's owner died.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <stdlib.h>
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
	/* Nearly always the newest; clocks of processes differ by a little. */
	uint32_t older = m->newest, newer = NONE;
	while (older != NONE && id_compare(&slot_at(s, older)->id, &t->id) > 0) {
		newer = older;
		older = slot_at(s, older)->older;
	}
	t->older = older;
	t->newer = newer;
	*(newer == NONE ? &m->newest : &slot_at(s, newer)->older) = slot;
	*(older == NONE ? &m->oldest : &slot_at(s, older)->newer) = slot;
}

uint32_t index_slot_free(struct store *s)
{
	uint32_t i = s->map->slot_free;
	if (i != NONE)
		s->map->slot_free = slot_at(s, i)->hash_next;
	return i;
}

static void index_remove(struct store *s, uint32_t slot)
{
	struct map *m = s->map;
	struct slot *t = slot_at(s, slot);
	uint32_t *at = bucket_of(s, &t->id);
	while (*at != slot)
		at = &slot_at(s, *at)->hash_next;
	*at = t->hash_next;
	*(t->newer == NONE ? &m->newest : &slot_at(s, t->newer)->older) = t->older;
	*(t->older == NONE ? &m->oldest : &slot_at(s, t->older)->newer) = t->newer;
	t->hash_next = m->slot_free;
	m->slot_free = slot;
}

bool index_evict_oldest(struct store *s)
{
	struct map *m = s->map;
	uint32_t i = m->oldest;
	while (i != NONE &&
	       !task_state_terminal((enum task_state)atomic_load(&slot_version(slot_at(s, i))->state)))
		i = slot_at(s, i)->newer;
	if (i == NONE)
		return false;
	struct slot *t = slot_at(s, i);
	slot_take_any(s, i);
	struct version v = *slot_version(t);
	atomic_fetch_add(&t->gen, 1);
	KILL_POINT("evict-gen");
	atomic_store(&t->used, 0);
	atomic_fetch_sub(&m->slots_used, 1);
	KILL_POINT("evict-unused");
	pool_give(s, v.doc_head, blocks_for(v.doc_bytes));
	KILL_POINT("evict-half-freed");
	pool_give(s, v.events_head, blocks_for(v.events_bytes));
	index_remove(s, i);
	KILL_POINT("evict-removed");
	slot_give(s, i);
	store_count(s, COUNTER_TASKS_EVICTED, 1);
	return true;
}

/* --- helpers --- */

static int slot_by_id(const void *a, const void *b, void *arg)
{
	const struct store *s = arg;
	return id_compare(&slot_at(s, *(const uint32_t *)a)->id, &slot_at(s, *(const uint32_t *)b)->id);
}

static void index_repair(struct store *s, void *arg)
{
	struct map *m = s->map;
	uint32_t *used = xcalloc(m->tasks_max, sizeof *used), count = 0;
	(void)arg;
	index_format(m);
	m->slot_free = NONE;
	for (uint32_t i = m->tasks_max; i-- > 0;) {
		if (atomic_load(&slot_at(s, i)->used)) {
			used[count++] = i;
			continue;
		}
		slot_at(s, i)->hash_next = m->slot_free;
		m->slot_free = i;
	}
	qsort_r(used, count, sizeof *used, slot_by_id, s);
	for (uint32_t i = 0; i < count; i++)
		index_add(s, used[i]);
	atomic_store(&m->slots_used, count);
	free(used);
}
