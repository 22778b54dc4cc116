/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live events: one ring per participant, written by it alone, read by everybody, overwritten without asking.
 * A reader copies and then checks that what it copied was not being overwritten meanwhile; if it was, it
 * starts again at the newest.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <stdlib.h>
#include <string.h>

/* Entries are whole numbers of words, so that they can be copied word by word while the writer goes on. */
struct live_entry {
	uint64_t words; /* of the whole entry */
	uint32_t slot, gen;
	uint64_t after_seq, sse_bytes;
};
enum { ENTRY_WORDS = sizeof(struct live_entry) / sizeof(uint64_t) };

static _Atomic uint64_t *ring_of(const struct store *s, uint32_t proc)
{
	return (_Atomic uint64_t *)map_at(s, s->map->live_at + (uint64_t)proc * s->map->live_ring_bytes);
}

static void ring_write(const struct store *s, uint64_t at, const void *p, size_t bytes)
{
	_Atomic uint64_t *ring = ring_of(s, s->proc);
	uint64_t mask = s->map->live_ring_bytes / 8 - 1;
	for (size_t i = 0; i * 8 < bytes; i++) {
		uint64_t word = 0;
		memcpy(&word, (const char *)p + i * 8, bytes - i * 8 < 8 ? bytes - i * 8 : 8);
		atomic_store_explicit(&ring[(at + i) & mask], word, memory_order_relaxed);
	}
}

static void ring_read(const struct store *s, uint32_t proc, uint64_t at, void *p, size_t bytes)
{
	_Atomic uint64_t *ring = ring_of(s, proc);
	uint64_t mask = s->map->live_ring_bytes / 8 - 1;
	for (size_t i = 0; i * 8 < bytes; i++) {
		uint64_t word = atomic_load_explicit(&ring[(at + i) & mask], memory_order_relaxed);
		memcpy((char *)p + i * 8, &word, bytes - i * 8 < 8 ? bytes - i * 8 : 8);
	}
}

void live_publish(struct store *s, const struct lease *l, enum event_type type, struct slice data)
{
	struct proc *p = proc_at(s, s->proc);
	struct task_head head;
	uint64_t watchers = atomic_load(&slot_at(s, l->ref.slot)->watchers);
	if (watchers == 0 || task_head_get(s, l->ref, &head) != ERR_NONE || head.lease_epoch != l->epoch)
		return;
	buf_reset(&s->scratch_events);
	if (!event_format_live(&s->scratch_events, type, data) ||
	    s->scratch_events.len > s->map->live_ring_bytes / 4 - sizeof(struct live_entry))
		return;
	struct live_entry entry = {.words = ENTRY_WORDS + (s->scratch_events.len + 7) / 8,
				   .slot = l->ref.slot,
				   .gen = l->ref.gen,
				   .after_seq = head.last_seq,
				   .sse_bytes = s->scratch_events.len};
	uint64_t at = atomic_load(&p->live_published);
	atomic_store(&p->live_reserved, at + entry.words);
	atomic_thread_fence(memory_order_seq_cst);
	ring_write(s, at, &entry, sizeof entry);
	ring_write(s, at + ENTRY_WORDS, s->scratch_events.data, s->scratch_events.len);
	atomic_store(&p->live_published, at + entry.words);
	atomic_fetch_add(&p->live_count, 1);
	for (uint32_t i = 0; watchers != 0; i++, watchers >>= 1)
		if (watchers & 1)
			wake_proc(s, i, WAKE_LIVE);
}

/* true: the words from `at` on had not been touched again when they had been copied. */
static bool still_there(const struct store *s, uint32_t proc, uint64_t at)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load(&proc_at(s, proc)->live_reserved) - at <= s->map->live_ring_bytes / 8;
}

uint64_t live_drain(struct store *s, void (*fn)(const struct live_view *v, void *arg), void *arg)
{
	uint64_t lost = 0;
	for (uint32_t i = 0; i < s->map->procs_max; i++) {
		struct proc *p = proc_at(s, i);
		uint64_t published = atomic_load(&p->live_published);
		while (s->live_seen[i] != published) {
			struct live_entry entry;
			uint64_t at = s->live_seen[i];
			ring_read(s, i, at, &entry, sizeof entry);
			bool good = still_there(s, i, at) && entry.sse_bytes < s->map->live_ring_bytes;
			buf_reset(&s->scratch_events);
			good = good && buf_grow(&s->scratch_events, (size_t)entry.sse_bytes + 8) != NULL;
			if (good)
				ring_read(s, i, at + ENTRY_WORDS, s->scratch_events.data,
					  (size_t)entry.sse_bytes);
			if (!good || !still_there(s, i, at)) {
				uint64_t count = atomic_load(&p->live_count);
				lost += count - s->live_seen_count[i];
				s->live_seen_count[i] = count;
				s->live_seen[i] = published = atomic_load(&p->live_published);
				continue;
			}
			s->live_seen[i] = at + entry.words;
			s->live_seen_count[i]++;
			const struct watch *w =
				entry.slot < s->map->tasks_max ? &s->watches[entry.slot] : NULL;
			if (w == NULL || w->count == 0 || w->gen != entry.gen)
				continue;
			struct live_view view = {{entry.slot, entry.gen},
						 entry.after_seq,
						 {s->scratch_events.data, (size_t)entry.sse_bytes}};
			fn(&view, arg);
		}
	}
	if (lost > 0)
		store_count(s, COUNTER_LIVE_LOST, lost);
	return lost;
}
