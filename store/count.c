/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: a cell per participant, so that nobody waits for anybody; read as their sum. */
#include "base/base.h"
#include "store/store_int.h"

void store_count(struct store *s, enum counter c, uint64_t n)
{
	/* The creator takes part in nothing, but it can meet a dead owner: it counts in the first cell. */
	atomic_fetch_add_explicit(&proc_at(s, s->proc == NONE ? 0 : s->proc)->counters[c], n,
				  memory_order_relaxed);
}

uint64_t store_counter(struct store *s, enum counter c)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		sum += atomic_load_explicit(&proc_at(s, i)->counters[c], memory_order_relaxed);
	return sum;
}

void store_usage_get(struct store *s, struct store_usage *out)
{
	struct map *m = s->map;
	*out = (struct store_usage){.bytes = m->bytes,
				    .slots = m->tasks_max,
				    .slots_used = atomic_load(&m->slots_used),
				    .blocks = m->blocks_max,
				    .blocks_used = atomic_load(&m->blocks_used)};
	for (uint32_t i = 0; i < m->tasks_max; i++) {
		struct slot *t = slot_at(s, i);
		if (atomic_load(&t->used) &&
		    !task_state_terminal((enum task_state)atomic_load(&slot_version(t)->state)))
			out->slots_unfinished++;
	}
}
