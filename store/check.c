/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every invariant of the mapping, checked one lock at a time: for tests and for whoever wants to know. Run it
 * when nobody writes: what is counted over several locks may differ by what happens in between.
 */
#include "base/base.h"
#include "store/doc.h"

#include <stdlib.h>
#include <string.h>

enum { FOLD_STEP_BYTES = 64 << 10 };

static enum err check_slot(struct store *s, uint32_t i, uint8_t *seen, uint32_t *blocks, struct error *e);
static enum err check_chain(struct store *s, uint32_t slot, uint32_t head, uint32_t n, uint8_t *seen,
			    struct error *e);
static enum err check_fold(struct store *s, struct task_ref ref, struct error *e);
static enum err check_shown(struct store *s, struct task_ref ref, struct error *e);
static enum err check_index(struct store *s, uint32_t used, struct error *e);
static enum err check_pool(struct store *s, uint32_t used, struct error *e);

enum err store_check(struct store *s, struct error *e)
{
	struct map *m = s->map;
	uint8_t *seen = xcalloc(m->blocks_max, 1);
	uint32_t blocks = 0, used = 0;
	enum err code = ERR_NONE;
	/* Taking each lock once also brings about the repairs that are due. */
	index_take(s);
	index_give(s);
	for (uint32_t i = 0; code == ERR_NONE && i < m->tasks_max; i++) {
		slot_take_any(s, i);
		used += atomic_load(&slot_at(s, i)->used);
		code = check_slot(s, i, seen, &blocks, e);
		slot_give(s, i);
	}
	for (uint32_t i = 0; code == ERR_NONE && i < m->tasks_max; i++) {
		struct task_ref ref = {i, atomic_load(&slot_at(s, i)->gen)};
		if (!atomic_load(&slot_at(s, i)->used))
			continue;
		code = check_fold(s, ref, e);
		if (code == ERR_NONE)
			code = check_shown(s, ref, e);
	}
	if (code == ERR_NONE)
		code = check_index(s, used, e);
	if (code == ERR_NONE)
		code = check_pool(s, blocks, e);
	if (code == ERR_NONE)
		code = gates_check(s, e);
	if (code == ERR_NONE)
		code = budgets_check(s, e);
	free(seen);
	return code;
}

/* --- helpers --- */

static enum err wrong(struct error *e, const char *what, uint32_t slot)
{
	return err_set(e, ERR_INTERNAL, "slot %u: %s", slot, what);
}

static enum err check_slot(struct store *s, uint32_t i, uint8_t *seen, uint32_t *blocks, struct error *e)
{
	struct slot *t = slot_at(s, i);
	const struct version *v = slot_version(t);
	if (!atomic_load(&t->used))
		return ERR_NONE;
	struct chain chains[SLOT_CHAINS];
	version_chains(v, chains);
	bool terminal = task_state_terminal((enum task_state)atomic_load(&v->state));
	if (atomic_load(&v->state) >= TASK_STATE_COUNT || v->last_seq == 0 ||
	    (v->events_bytes == 0) != (v->first_seq > v->last_seq) ||
	    (v->doc_bytes == 0 && (!terminal || (v->first_seq != 1 && !keeper_is(s)))))
		return wrong(e, "a task without state, events or document", i);
	uint64_t durable = atomic_load(&v->durable_seq);
	if (durable > v->last_seq || (!keeper_is(s) && durable != v->last_seq) ||
	    (chains[2].blocks > 0 && (durable == v->last_seq || v->shown_seq > durable)))
		return wrong(e, "what is durable, what is shown and what is newest do not fit", i);
	enum task_state state = (enum task_state)atomic_load(&v->state);
	if (state != TASK_INPUT_REQUIRED && (atomic_load(&v->works) != 0) != task_state_works(state))
		return wrong(e, "its state does not tell whether it needs a worker", i);
	if (!atomic_load(&v->works) && lease_alive(s, &v->lease))
		return wrong(e, "a lease on a task that needs no worker", i);
	enum err code = ERR_NONE;
	for (int k = 0; k < SLOT_CHAINS && code == ERR_NONE; k++) {
		code = check_chain(s, i, chains[k].head, chains[k].blocks, seen, e);
		*blocks += chains[k].blocks;
	}
	return code;
}

static enum err check_chain(struct store *s, uint32_t slot, uint32_t head, uint32_t n, uint8_t *seen,
			    struct error *e)
{
	for (uint32_t k = 0; k < n; k++) {
		if (head >= s->map->blocks_max)
			return wrong(e, "a chain ends too early", slot);
		const struct block *b = block_at(s, head);
		if (seen[head]++)
			return wrong(e, "a block is in two chains", slot);
		if (atomic_load(&b->used) != BLOCK_USED || atomic_load(&b->owner) != slot)
			return wrong(e, "a block of the chain is not the slot's", slot);
		head = b->next;
	}
	return ERR_NONE;
}

/* The events name the task, too: a damaged id in the slot may still lead to the same bucket. */
static bool id_is(const struct task_doc *d, const struct id *id)
{
	char text[ID_TEXT_SIZE];
	id_format(id, text);
	return d->id != NULL && strlen(d->id) == ID_TEXT_SIZE + 1 &&
	       memcmp(d->id + 1, text, ID_TEXT_SIZE - 1) == 0;
}

/* Of a task whose older events are not here, only that the others are in order. */
static enum err check_fold(struct store *s, struct task_ref ref, struct error *e)
{
	struct buf doc = BUF_INIT, sse = BUF_INIT, folded = BUF_INIT;
	struct task_doc *d = doc_new();
	struct event_cursor c;
	struct task_head head;
	enum err code = task_doc_copy_newest(s, ref, &doc, &head);
	/* One that ended without a document, and whose older events are not here. */
	if (code == ERR_GONE && keeper_is(s) && task_head_get(s, ref, &head) == ERR_NONE &&
	    head.first_seq > 1)
		code = ERR_NONE;
	if (code != ERR_NONE)
		wrong(e, "its document cannot be read", ref.slot);
	uint64_t seq = code == ERR_NONE ? head.first_seq - 1 : 0;
	event_cursor_init_newest(&c, seq);
	while (code == ERR_NONE && c.next_seq <= head.last_seq) {
		buf_reset(&sse);
		code = task_events_copy(s, ref, &c, FOLD_STEP_BYTES, &sse, NULL);
		code = code == ERR_NONE ? doc_fold(d, buf_slice(&sse), &seq, e)
					: wrong(e, "its events cannot be read", ref.slot);
	}
	doc_render(d, &folded);
	bool whole = head.first_seq == 1;
	if (code == ERR_NONE && whole && !slice_eq(buf_slice(&doc), buf_slice(&folded)))
		code = wrong(e, "the document is not the fold of its events", ref.slot);
	if (code == ERR_NONE && whole && !id_is(d, &head.id))
		code = wrong(e, "its events are those of another task", ref.slot);
	doc_free(d);
	buf_release(&doc);
	buf_release(&sse);
	buf_release(&folded);
	return code;
}

/* What readers see of a task that is ahead of the disk is the fold of as many of its events, too. */
static enum err check_shown(struct store *s, struct task_ref ref, struct error *e)
{
	struct buf doc = BUF_INIT, sse = BUF_INIT, folded = BUF_INIT;
	struct task_doc *d = doc_new();
	struct event_cursor c;
	struct task_head head = {.last_seq = 0}, newest = head;
	uint64_t seq = 0;
	enum err code = task_head_get(s, ref, &newest);
	bool shown = code == ERR_NONE && task_doc_copy(s, ref, &doc, &head) == ERR_NONE &&
		     head.last_seq < newest.last_seq && newest.first_seq == 1;
	event_cursor_init_newest(&c, 0);
	while (shown && code == ERR_NONE && seq < head.last_seq) {
		buf_reset(&sse);
		code = task_events_copy(s, ref, &c, 1, &sse, NULL);
		if (code == ERR_NONE)
			code = doc_fold(d, buf_slice(&sse), &seq, e);
	}
	doc_render(d, &folded);
	if (shown && (code != ERR_NONE || !slice_eq(buf_slice(&doc), buf_slice(&folded))))
		code = wrong(e, "the document that is shown is not the fold of its events", ref.slot);
	doc_free(d);
	buf_release(&doc);
	buf_release(&sse);
	buf_release(&folded);
	return code;
}

static enum err check_index(struct store *s, uint32_t used, struct error *e)
{
	struct map *m = s->map;
	uint32_t listed = 0, unused = 0;
	enum err code = ERR_NONE;
	index_take(s);
	for (uint32_t i = m->newest, newer = NONE; i != NONE && code == ERR_NONE;
	     newer = i, i = slot_at(s, i)->older) {
		const struct slot *t = slot_at(s, i);
		if (++listed > m->tasks_max || t->newer != newer || !atomic_load(&t->used))
			code = wrong(e, "the list by age is broken", i);
		else if (newer != NONE && id_compare(&t->id, &slot_at(s, newer)->id) >= 0)
			code = wrong(e, "the list by age is not sorted", i);
		else if (index_find(s, &t->id) != i)
			code = wrong(e, "is not found by its id", i);
		else if (t->older == NONE && m->oldest != i)
			code = wrong(e, "the oldest is not the last", i);
	}
	for (uint32_t i = m->slot_free; i != NONE && code == ERR_NONE; i = slot_at(s, i)->hash_next)
		if (++unused > m->tasks_max || atomic_load(&slot_at(s, i)->used))
			code = wrong(e, "the list of free slots is broken", i);
	index_give(s);
	if (code == ERR_NONE &&
	    (listed != used || listed + unused != m->tasks_max || used != atomic_load(&m->slots_used)))
		code = err_set(e, ERR_INTERNAL, "%u slots used, %u listed, %u free, %u counted, of %u", used,
			       listed, unused, atomic_load(&m->slots_used), m->tasks_max);
	return code;
}

static enum err check_pool(struct store *s, uint32_t used, struct error *e)
{
	struct map *m = s->map;
	uint32_t listed = 0;
	bool broken = false;
	lock_take(s, &m->pool_lock, LOCK_POOL, NULL, NULL);
	for (uint32_t i = m->block_free; i != NONE && !broken; i = block_at(s, i)->next)
		broken = ++listed > m->blocks_max || atomic_load(&block_at(s, i)->used);
	uint32_t counted = atomic_load(&m->blocks_used), fresh = m->blocks_max - m->blocks_fresh;
	lock_give(&m->pool_lock, LOCK_POOL);
	if (broken)
		return err_set(e, ERR_INTERNAL, "the list of free blocks is broken");
	if (used != counted || used + listed + fresh != m->blocks_max)
		return err_set(e, ERR_INTERNAL, "%u blocks in chains, %u counted, %u free, %u fresh, of %u",
			       used, counted, listed, fresh, m->blocks_max);
	return ERR_NONE;
}
