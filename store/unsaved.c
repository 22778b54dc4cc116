/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the table is not durable yet, and how the keeper takes it. The table is its own journal: a change
 * is published in one atomic version, the task is marked, the keeper copies what is new under the task's
 * lock, commits it, and moves the task's durable_seq. A death of the mover leaves the mark or no change; a
 * death of the keeper leaves tasks that are behind, which the next one marks again.
 *
 * While a task is ahead of what is durable, its last durable document stands beside the newest one: the one
 * that was there before, or, when more has become durable meanwhile, the one that was committed.
 */
#include "base/base.h"
#include "store/store_int.h"
#include "store/store_db.h"

#include <stdlib.h>

static bool task_copy(struct store *s, uint32_t i, struct task_unsaved *out);
static struct chain durable_shown(struct store *s, uint32_t slot, struct version *v, struct slice doc);

static _Atomic uint64_t *unsaved_of(const struct store *s)
{
	return map_at(s, s->map->unsaved_at);
}

static uint32_t unsaved_words(const struct store *s)
{
	return (s->map->tasks_max + 63) / 64;
}

bool durable_carry(const struct store *s, const struct version *old, struct version *v)
{
	if (!keeper_is(s)) {
		atomic_store(&v->durable_seq, v->last_seq);
		atomic_store(&v->durable_state, atomic_load(&v->state));
		return false;
	}
	if (atomic_load(&old->durable_seq) != old->last_seq || old->doc_bytes == 0)
		return false;
	v->shown_head = old->doc_head;
	v->shown_bytes = old->doc_bytes;
	v->shown_state = atomic_load(&old->state);
	v->shown_seq = old->last_seq;
	return true;
}

void unsaved_mark(struct store *s, uint32_t slot)
{
	if (keeper_is(s))
		atomic_fetch_or(&unsaved_of(s)[slot / 64], (uint64_t)1 << (slot % 64));
}

void unsaved_tell(struct store *s)
{
	if (keeper_is(s))
		wake_proc(s, s->map->keeper_proc, WAKE_UNSAVED);
}

bool store_has_keeper(const struct store *s)
{
	return keeper_is(s);
}

/* How far one taking has come. */
struct taking {
	size_t tasks, tasks_max, bytes, bytes_max;
	void (*fn)(const struct task_unsaved *t, void *arg);
	void *arg;
};

/* Those of one word's tasks that `mask` names and that are marked now, each once. false: it is enough. */
static bool word_take(struct store *s, struct taking *k, uint32_t word, uint64_t mask)
{
	_Atomic uint64_t *at = &unsaved_of(s)[word];
	for (uint64_t bits = atomic_load(at) & mask; bits != 0; bits &= bits - 1) {
		struct task_unsaved t;
		uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(bits);
		if (k->tasks == k->tasks_max || k->bytes >= k->bytes_max) {
			s->unsaved_at = i;
			return false;
		}
		atomic_fetch_and(at, ~((uint64_t)1 << (i % 64)));
		if (!task_copy(s, i, &t))
			continue;
		k->tasks++;
		k->bytes += t.events.len + t.doc.len;
		k->fn(&t, k->arg);
	}
	return true;
}

size_t unsaved_take(struct store *s, size_t tasks_max, size_t bytes_max,
		    void (*fn)(const struct task_unsaved *t, void *arg), void *arg)
{
	struct taking k = {.tasks_max = tasks_max, .bytes_max = bytes_max, .fn = fn, .arg = arg};
	_Atomic uint64_t *bits = unsaved_of(s);
	uint32_t words = unsaved_words(s), first = s->unsaved_at / 64;
	uint64_t behind = UINT64_MAX << (s->unsaved_at % 64);
	/* Once around from where it stopped, so that busy tasks keep no others waiting. */
	bool on = word_take(s, &k, first, behind);
	for (uint32_t i = 1, w = first; i < words && on; i++) {
		w = w + 1 < words ? w + 1 : 0;
		/* Nearly all are empty. */
		if (atomic_load_explicit(&bits[w], memory_order_relaxed) != 0)
			on = word_take(s, &k, w, UINT64_MAX);
	}
	if (on)
		word_take(s, &k, first, ~behind);
	scratch_trim(s);
	return k.tasks;
}

void unsaved_done(struct store *s, struct task_ref ref, uint64_t last_seq, enum task_state state,
		  struct slice doc)
{
	if (!slot_take(s, ref))
		return;
	struct slot *t = slot_at(s, ref.slot);
	struct version *v = slot_begin(t);
	struct chain left = {v->shown_head, blocks_for(v->shown_bytes)};
	atomic_store(&v->durable_seq, last_seq);
	atomic_store(&v->durable_state, state);
	if (v->last_seq > last_seq) {
		left = durable_shown(s, ref.slot, v, doc);
		v->shown_state = v->shown_seq == last_seq ? state : v->shown_state;
	} else {
		v->shown_head = NONE;
		v->shown_bytes = 0;
	}
	uint64_t told = wake_mark(s, ref.slot, true, NONE);
	KILL_POINT("durable-before-publish");
	slot_publish(t);
	KILL_POINT("durable-after-publish");
	pool_give(s, left.head, left.blocks);
	slot_give(s, ref.slot);
	KILL_POINT("durable-before-wake");
	wake_marked(s, told);
}

void unsaved_again(struct store *s, struct task_ref ref)
{
	unsaved_mark(s, ref.slot);
}

void unsaved_mark_all(struct store *s)
{
	for (uint32_t i = 0; i < s->map->tasks_max; i++)
		if (atomic_load(&slot_at(s, i)->used))
			unsaved_mark(s, i);
	keys_mark_all(s);
	budgets_mark_all(s);
}

/* --- helpers --- */

/* The committed document takes the place of the one that is shown, if there is room for it; if not, that
 * stays, though something newer is durable. The reserve is for the ends of tasks. Returns what is to be
 * freed. */
static struct chain durable_shown(struct store *s, uint32_t slot, struct version *v, struct slice doc)
{
	uint32_t head = pool_take(s, slot, blocks_for(doc.len), s->map->reserve_blocks);
	if (head == NONE)
		return (struct chain){NONE, 0};
	struct chain left = {v->shown_head, blocks_for(v->shown_bytes)};
	chain_write(s, head, 0, doc.ptr, doc.len);
	v->shown_head = head;
	v->shown_bytes = (uint32_t)doc.len;
	v->shown_seq = atomic_load(&v->durable_seq);
	return left;
}

/* Under the slot lock: events and document as of one instant. *room: what the buffers would have to hold,
 * when they do not. */
static enum copy_end task_read(struct store *s, struct task_ref ref, const struct version *v,
			       struct event_cursor *c, struct event_cursor *at, size_t *room)
{
	size_t need = 0;
	struct buf *events = &s->scratch_events;
	uint64_t read = at->block != NONE ? at->position : 0;
	*room = v->doc_bytes + (v->events_bytes > read ? v->events_bytes - read : v->events_bytes);
	if (events->cap <= *room || s->scratch_doc.cap <= v->doc_bytes)
		return COPY_STUCK;
	enum copy_end end = events_read(s, ref, v, c, at, events->cap - 1, events, &need);
	if (end == COPY_DONE && c->next_seq <= v->last_seq) {
		/* The place was not its own: all of the chain, then. */
		at->block = NONE;
		*room = v->doc_bytes + v->events_bytes;
		return COPY_STUCK;
	}
	if (end == COPY_DONE && v->doc_bytes > 0)
		ensure(doc_read(s, v, &s->scratch_doc));
	return end;
}

/* false: nothing is new of what is in the slot. */
static bool task_copy(struct store *s, uint32_t i, struct task_unsaved *out)
{
	struct event_cursor at = s->unsaved_from[i], c;
	size_t room = 0;
	enum copy_end end = COPY_ON;
	while (end != COPY_DONE) {
		if (end == COPY_STUCK) {
			/* A keeper without memory for what it must save is no keeper. */
			ensure(buf_grow(&s->scratch_events, room + 1) != NULL);
			ensure(buf_grow(&s->scratch_doc, room + 1) != NULL);
		}
		slot_take_any(s, i);
		struct slot *t = slot_at(s, i);
		const struct version *v = slot_version(t);
		struct task_ref ref = {i, atomic_load(&t->gen)};
		uint64_t after = atomic_load(&v->durable_seq);
		if (!atomic_load(&t->used) || after == v->last_seq) {
			slot_give(s, i);
			return false;
		}
		buf_reset(&s->scratch_events);
		buf_reset(&s->scratch_doc);
		event_cursor_init_newest(&c, after);
		if (at.next_seq == 0 || at.gen != ref.gen || at.next_seq > c.next_seq)
			at = c;
		end = task_read(s, ref, v, &c, &at, &room);
		ensure(end != COPY_GONE);
		*out = (struct task_unsaved){.ref = ref,
					     .id = t->id,
					     .state = (enum task_state)atomic_load(&v->state),
					     .after_seq = after,
					     .last_seq = v->last_seq,
					     .created_ms = t->created_ms,
					     .updated_ms = v->updated_ms};
		slot_give(s, i);
	}
	s->unsaved_from[i] = c;
	out->events = buf_slice(&s->scratch_events);
	out->doc = buf_slice(&s->scratch_doc);
	return true;
}
