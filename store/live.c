/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live events: one ring per participant, written by it alone, read by everybody, overwritten without asking.
 * A reader copies and then checks that what it copied was not being overwritten meanwhile; if it was, it
 * starts again at the newest.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

/* Entries are whole numbers of words, so that they can be copied word by word while the writer goes on. */
struct live_entry {
	uint64_t words; /* of the whole entry */
	uint32_t slot, gen;
	uint64_t number; /* entries of this ring before it */
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
				   .number = atomic_load(&p->live_count),
				   .after_seq = head.last_seq,
				   .sse_bytes = s->scratch_events.len};
	uint64_t at = atomic_load(&p->live_published);
	/* Never less than before: a predecessor may have died over a longer one and spoilt what was there. */
	if (atomic_load(&p->live_reserved) < at + entry.words)
		atomic_store(&p->live_reserved, at + entry.words);
	KILL_POINT("live-reserved");
	atomic_thread_fence(memory_order_seq_cst);
	ring_write(s, at, &entry, sizeof entry);
	ring_write(s, at + ENTRY_WORDS, s->scratch_events.data, s->scratch_events.len);
	KILL_POINT("live-written");
	atomic_store(&p->live_published, at + entry.words);
	KILL_POINT("live-published");
	atomic_fetch_add(&p->live_count, 1);
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		if (watchers >> i & 1)
			wake_proc(s, i, WAKE_LIVE);
}

/* true: the words from `at` on had not been touched again when they had been copied. */
static bool still_there(const struct store *s, uint32_t proc, uint64_t at)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load(&proc_at(s, proc)->live_reserved) - at <= s->map->live_ring_bytes / 8;
}

/* Copies the entry at the reader's place into *entry and scratch_live. false: it was overwritten. */
static bool entry_read(struct store *s, uint32_t proc, struct live_entry *entry)
{
	uint64_t at = s->live_seen[proc];
	ring_read(s, proc, at, entry, sizeof *entry);
	if (!still_there(s, proc, at))
		return false;
	ensure(entry->sse_bytes <= s->map->live_ring_bytes / 4);
	buf_reset(&s->scratch_live);
	if (buf_grow(&s->scratch_live, (size_t)entry->sse_bytes) == NULL)
		return false;
	ring_read(s, proc, at + ENTRY_WORDS, s->scratch_live.data, (size_t)entry->sse_bytes);
	return still_there(s, proc, at);
}

/* The reader was overtaken and starts again at the newest. What is published between the two looks is found
 * missing by the number of the next entry. */
static uint64_t reader_skip(struct store *s, uint32_t proc)
{
	struct proc *p = proc_at(s, proc);
	uint64_t count = atomic_load(&p->live_count), lost = 0;
	if (count > s->live_seen_count[proc]) {
		lost = count - s->live_seen_count[proc];
		s->live_seen_count[proc] = count;
	}
	s->live_seen[proc] = atomic_load(&p->live_published);
	return lost;
}

static uint64_t ring_drain(struct store *s, uint32_t proc, void (*fn)(const struct live_view *v, void *arg),
			   void *arg)
{
	uint64_t lost = 0, published = atomic_load(&proc_at(s, proc)->live_published);
	while (s->live_seen[proc] != published) {
		struct live_entry entry;
		if (!entry_read(s, proc, &entry))
			return lost + reader_skip(s, proc);
		if (entry.number > s->live_seen_count[proc])
			lost += entry.number - s->live_seen_count[proc];
		s->live_seen_count[proc] = entry.number + 1;
		s->live_seen[proc] += entry.words;
		const struct watch *w = entry.slot < s->map->tasks_max ? &s->watches[entry.slot] : NULL;
		if (w == NULL || w->count == 0 || w->gen != entry.gen)
			continue;
		struct live_view view = {{entry.slot, entry.gen},
					 entry.after_seq,
					 {s->scratch_live.data, (size_t)entry.sse_bytes}};
		fn(&view, arg);
	}
	return lost;
}

uint64_t live_drain(struct store *s, void (*fn)(const struct live_view *v, void *arg), void *arg)
{
	uint64_t lost = 0;
	for (uint32_t i = 0; i < s->map->procs_max; i++)
		lost += ring_drain(s, i, fn, arg);
	if (lost > 0)
		store_count(s, COUNTER_LIVE_LOST, lost);
	return lost;
}
