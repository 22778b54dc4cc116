/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of fixed size, chained for anything of variable size. A block is FREE and on the list, or USED by
 * one slot; a death in between leaves it FREE and off the list, or USED and unreachable: the first is found
 * when the pool lock's next owner rebuilds the list, the second when the slot's next owner reclaims what its
 * chains do not reach.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE /* younger than some headers */
#define MADV_POPULATE_WRITE 23
#endif

enum { BLOCKS_MAPPED = 256, PAGE_BYTES = 4096 };

static void pool_repair(struct store *s, void *arg);

static void pool_lock(struct store *s)
{
	lock_take(s, &s->map->pool_lock, LOCK_POOL, pool_repair, NULL);
}

static void pool_unlock(struct store *s)
{
	lock_give(&s->map->pool_lock, LOCK_POOL);
}

void pool_format(struct map *m)
{
	m->block_free = NONE;
	m->blocks_fresh = 0;
}

uint32_t pool_unused(const struct store *s)
{
	/* In this order: a block is backed before it is used. */
	uint32_t used = atomic_load(&s->map->blocks_used);
	return atomic_load(&s->map->blocks_backed) - used;
}

/* One off the list, or one never taken before. Enough of them are there. */
static uint32_t block_next(struct store *s)
{
	struct map *m = s->map;
	uint32_t at = m->block_free;
	if (at != NONE)
		m->block_free = block_at(s, at)->next;
	else
		at = m->blocks_fresh++;
	return at;
}

static void block_drop(struct store *s, uint32_t i)
{
	struct block *b = block_at(s, i);
	atomic_store(&b->used, BLOCK_FREE);
	atomic_fetch_sub(&s->map->blocks_used, 1);
	KILL_POINT("pool-freed");
	b->next = s->map->block_free;
	s->map->block_free = i;
}

/* Pages of bytes that nobody used before are mapped many at a time: a fault for each would cost more than
 * what is written there. Systems before Linux 5.14 have the faults. */
static void pages_map(struct store *s, uint32_t fresh)
{
	uint32_t backed = atomic_load(&s->map->blocks_backed), from = s->blocks_mapped;
	if (fresh <= from)
		return;
	if (fresh - from > BLOCKS_MAPPED)
		from = fresh; /* we have not been here for long */
	uint32_t to = backed - from > BLOCKS_MAPPED ? from + BLOCKS_MAPPED : backed;
	uintptr_t begin = (uintptr_t)block_bytes(s, from) / PAGE_BYTES * PAGE_BYTES;
	uintptr_t end = (uintptr_t)block_bytes(s, to) / PAGE_BYTES * PAGE_BYTES;
	s->blocks_mapped = to;
	if (end > begin && madvise((void *)begin, end - begin, MADV_POPULATE_WRITE) != 0)
		s->blocks_mapped = UINT32_MAX;
}

uint32_t pool_take(struct store *s, uint32_t slot, uint32_t n, uint32_t leave)
{
	struct map *m = s->map;
	uint32_t head = NONE;
	if (n == 0)
		return NONE;
	pool_lock(s);
	uint32_t unused = pool_unused(s);
	if (unused < n || unused - n < leave) {
		pool_unlock(s);
		return NONE;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = block_next(s);
		struct block *b = block_at(s, at);
		KILL_POINT("pool-off-list");
		atomic_store_explicit(&b->owner, slot, memory_order_relaxed);
		b->next = head;
		atomic_store(&b->used, BLOCK_USED);
		atomic_fetch_add(&m->blocks_used, 1);
		head = at;
		KILL_POINT("pool-used");
	}
	uint32_t fresh = m->blocks_fresh;
	pool_unlock(s);
	pages_map(s, fresh);
	return head;
}

void pool_give(struct store *s, uint32_t head, uint32_t n)
{
	if (n == 0)
		return;
	pool_lock(s);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t next = block_at(s, head)->next;
		block_drop(s, head);
		head = next;
	}
	pool_unlock(s);
}

static bool block_is(const struct store *s, uint32_t i, uint32_t slot, uint32_t used)
{
	const struct block *b = block_at(s, i);
	return atomic_load(&b->used) == used && atomic_load(&b->owner) == slot;
}

static void chain_keep(struct store *s, uint32_t slot, struct chain c)
{
	for (uint32_t i = 0, at = c.head; i < c.blocks; i++) {
		if (at >= s->map->blocks_max || !block_is(s, at, slot, BLOCK_USED))
			return; /* damaged: store_check says so */
		atomic_store(&block_at(s, at)->used, BLOCK_KEPT);
		at = block_at(s, at)->next;
	}
}

/* What is reached is marked in the blocks themselves, so that nothing is allocated under the locks. */
void pool_reclaim(struct store *s, uint32_t slot, const struct chain chains[SLOT_CHAINS])
{
	pool_lock(s);
	uint32_t n = s->map->blocks_fresh;
	/* Marks of somebody who died over this. */
	for (uint32_t i = 0; i < n; i++)
		if (block_is(s, i, slot, BLOCK_KEPT))
			atomic_store(&block_at(s, i)->used, BLOCK_USED);
	for (int i = 0; i < SLOT_CHAINS; i++)
		chain_keep(s, slot, chains[i]);
	KILL_POINT("reclaim-marked");
	for (uint32_t i = 0; i < n; i++) {
		if (block_is(s, i, slot, BLOCK_USED))
			block_drop(s, i);
		else if (block_is(s, i, slot, BLOCK_KEPT))
			atomic_store(&block_at(s, i)->used, BLOCK_USED);
	}
	pool_unlock(s);
}

/* The states of the blocks are the truth; list and count follow from them. */
static void pool_repair(struct store *s, void *arg)
{
	struct map *m = s->map;
	uint32_t used = 0;
	(void)arg;
	m->block_free = NONE;
	for (uint32_t i = m->blocks_fresh; i-- > 0;) {
		struct block *b = block_at(s, i);
		if (atomic_load(&b->used)) {
			used++;
			continue;
		}
		b->next = m->block_free;
		m->block_free = i;
	}
	atomic_store(&m->blocks_used, used);
}
