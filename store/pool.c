/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of fixed size, chained for anything of variable size. A block is FREE and on the list, or USED by
 * one slot; a death in between leaves it FREE and off the list, or USED and unreachable: the first is found
 * when the pool lock's next owner rebuilds the list, the second when the slot's next owner reclaims what its
 * chains do not reach.
 */
#include "base/base.h"
#include "store/store_int.h"

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
	struct block *b = (struct block *)((char *)m + m->blocks_at);
	for (uint32_t i = 0; i < m->blocks_max; i++)
		b[i].next = i + 1 < m->blocks_max ? i + 1 : NONE;
	m->block_free = 0;
}

uint32_t pool_take(struct store *s, uint32_t slot, uint32_t n, bool terminal)
{
	struct map *m = s->map;
	uint32_t head = NONE;
	if (n == 0)
		return NONE;
	pool_lock(s);
	uint32_t unused = m->blocks_max - atomic_load(&m->blocks_used);
	if (unused < n || (!terminal && unused - n < m->reserve_blocks)) {
		pool_unlock(s);
		return NONE;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = m->block_free;
		struct block *b = block_at(s, at);
		m->block_free = b->next;
		KILL_POINT("pool-off-list");
		b->owner = slot;
		b->next = head;
		atomic_store(&b->used, 1);
		atomic_fetch_add(&m->blocks_used, 1);
		head = at;
		KILL_POINT("pool-used");
	}
	pool_unlock(s);
	return head;
}

void pool_give(struct store *s, uint32_t head, uint32_t n)
{
	struct map *m = s->map;
	if (n == 0)
		return;
	pool_lock(s);
	for (uint32_t i = 0; i < n; i++) {
		struct block *b = block_at(s, head);
		uint32_t next = b->next;
		atomic_store(&b->used, 0);
		atomic_fetch_sub(&m->blocks_used, 1);
		KILL_POINT("pool-freed");
		b->next = m->block_free;
		m->block_free = head;
		head = next;
	}
	pool_unlock(s);
}

void pool_reclaim(struct store *s, uint32_t slot, const uint64_t *keep)
{
	struct map *m = s->map;
	pool_lock(s);
	for (uint32_t i = 0; i < m->blocks_max; i++) {
		struct block *b = block_at(s, i);
		if (!atomic_load(&b->used) || b->owner != slot || (keep[i / 64] >> (i % 64) & 1))
			continue;
		atomic_store(&b->used, 0);
		atomic_fetch_sub(&m->blocks_used, 1);
		b->next = m->block_free;
		m->block_free = i;
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
	for (uint32_t i = m->blocks_max; i-- > 0;) {
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
