/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: a look-up, a short lock, a copy. Nothing is parsed on this way. */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

enum { LENGTH_BYTES = 4, LIST_STEP = 256 };

static void head_fill(struct store *s, struct slot *t, struct task_head *out);
static bool cursor_seek(struct store *s, const struct version *v, struct event_cursor *c, uint32_t gen);
static bool record_next(struct store *s, struct event_cursor *c, size_t bytes_max, struct buf *out);

bool task_find(struct store *s, const struct id *id, struct task_ref *out)
{
	index_take(s);
	uint32_t i = index_find(s, id);
	if (i != NONE)
		*out = (struct task_ref){i, atomic_load(&slot_at(s, i)->gen)};
	index_give(s);
	return i != NONE;
}

enum err task_head_get(struct store *s, struct task_ref ref, struct task_head *out)
{
	if (!slot_take(s, ref))
		return ERR_GONE;
	head_fill(s, slot_at(s, ref.slot), out);
	slot_give(s, ref.slot);
	return ERR_NONE;
}

enum err task_doc_copy(struct store *s, struct task_ref ref, struct buf *out, struct task_head *head)
{
	struct task_head seen;
	/* Room first: nothing is allocated under the lock. A document that grew meanwhile is tried again. */
	for (size_t room = 4 * BLOCK_BYTES;; room *= 2) {
		if (buf_grow(out, room) == NULL)
			return ERR_MEMORY;
		if (!slot_take(s, ref))
			return ERR_GONE;
		struct slot *t = slot_at(s, ref.slot);
		const struct version *v = slot_version(t);
		size_t n = v->doc_bytes;
		if (n <= room) {
			uint32_t block = v->doc_head, offset = 0;
			ensure(chain_read(s, &block, &offset, out->data + out->len, n));
			head_fill(s, t, head != NULL ? head : &seen);
			slot_give(s, ref.slot);
			out->len += n;
			out->data[out->len] = '\0';
			return ERR_NONE;
		}
		slot_give(s, ref.slot);
		while (room * 2 < n)
			room *= 2;
	}
}

size_t task_list(struct store *s, const struct task_query *q, struct task_ref *out)
{
	struct map *m = s->map;
	size_t n = 0;
	struct id last;
	bool started = false;
	if (q->before != NULL)
		last = *q->before;
	/* In short stretches, so that a long list keeps nobody waiting; the place is found again by id. */
	for (bool more = true; more && n < q->limit;) {
		index_take(s);
		uint32_t i = m->newest;
		if (started || q->before != NULL) {
			uint32_t at = index_find(s, &last);
			i = at != NONE ? slot_at(s, at)->older : m->newest;
			while (at == NONE && i != NONE && id_compare(&slot_at(s, i)->id, &last) >= 0)
				i = slot_at(s, i)->older;
		}
		int step = 0;
		for (; i != NONE && n < q->limit && step < LIST_STEP; i = slot_at(s, i)->older, step++) {
			struct slot *t = slot_at(s, i);
			uint32_t bit = 1u << atomic_load(&slot_version(t)->state);
			if (q->states == 0 || (q->states & bit))
				out[n++] = (struct task_ref){i, atomic_load(&t->gen)};
			last = t->id;
			started = true;
		}
		more = i != NONE;
		index_give(s);
	}
	return n;
}

void event_cursor_init(struct event_cursor *c, uint64_t after_seq)
{
	*c = (struct event_cursor){.next_seq = after_seq + 1, .block = NONE};
}

enum err task_events_copy(struct store *s, struct task_ref ref, struct event_cursor *c, size_t bytes_max,
			  struct buf *out, struct task_head *head)
{
	struct task_head seen;
	size_t need = bytes_max;
	/* As in task_doc_copy; a single event may be larger than bytes_max. */
	for (;;) {
		if (buf_grow(out, need) == NULL)
			return ERR_MEMORY;
		if (!slot_take(s, ref))
			return ERR_GONE;
		struct slot *t = slot_at(s, ref.slot);
		const struct version *v = slot_version(t);
		struct task_head *h = head != NULL ? head : &seen;
		head_fill(s, t, h);
		size_t before = out->len;
		bool found = cursor_seek(s, v, c, ref.gen);
		while (found && c->next_seq <= v->last_seq &&
		       record_next(s, c, before + need - out->len, out))
			;
		bool stuck = found && out->len == before && c->next_seq <= v->last_seq;
		uint32_t length = 0;
		if (stuck) {
			struct event_cursor look = *c;
			ensure(chain_read(s, &look.block, &look.offset, &length, LENGTH_BYTES));
		}
		slot_give(s, ref.slot);
		if (!stuck)
			return ERR_NONE;
		need = length;
	}
}

/* --- helpers --- */

static void head_fill(struct store *s, struct slot *t, struct task_head *out)
{
	const struct version *v = slot_version(t);
	*out = (struct task_head){.id = t->id,
				  .state = (enum task_state)atomic_load(&v->state),
				  .last_seq = v->last_seq,
				  .first_seq = 1,
				  .created_ms = t->created_ms,
				  .updated_ms = v->updated_ms,
				  .leased = lease_alive(s, &v->lease),
				  .lease_proc = atomic_load(&v->lease.proc),
				  .lease_epoch = atomic_load(&v->lease.epoch)};
}

/* Puts the cursor on the record of next_seq: from where it stood, or from the first event on. false: it is
 * not there yet. */
static bool cursor_seek(struct store *s, const struct version *v, struct event_cursor *c, uint32_t gen)
{
	if (c->next_seq > v->last_seq)
		return false;
	if (c->block != NONE && c->gen == gen)
		return true;
	uint64_t wanted = c->next_seq;
	*c = (struct event_cursor){.next_seq = 1, .block = v->events_head, .gen = gen};
	while (c->next_seq < wanted)
		ensure(record_next(s, c, SIZE_MAX, NULL));
	return true;
}

/* Copies one record (or skips it, out NULL); false when it is longer than bytes_max. */
static bool record_next(struct store *s, struct event_cursor *c, size_t bytes_max, struct buf *out)
{
	uint32_t block = c->block, offset = c->offset, length;
	ensure(chain_read(s, &block, &offset, &length, LENGTH_BYTES));
	if (length > bytes_max)
		return false;
	ensure(chain_read(s, &block, &offset, out != NULL ? out->data + out->len : NULL, length));
	if (out != NULL) {
		out->len += length;
		out->data[out->len] = '\0';
	}
	c->block = block;
	c->offset = offset;
	c->position += LENGTH_BYTES + length;
	c->next_seq++;
	return true;
}
