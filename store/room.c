/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for what is written: which blocks a change goes into, and whose blocks it gets. Finished tasks make
 * room, oldest first and never in vain. A part of the pool is kept for the ends of tasks: the events of a
 * terminal change may use all of it, its document one half; when even that is used up the document is left
 * out and folded from the events by whoever asks. Such a change gives back more than it takes, so that every
 * task can end however many compete.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

/* More than was asked for, so that not each small change has to evict a task. */
enum { AHEAD_PART = 8, SCRATCH_KEPT_BYTES = 1 << 20 };

static bool room_is(const struct store *s, uint64_t blocks, bool slot)
{
	return pool_unused(s) >= blocks && (!slot || s->map->slot_free != NONE);
}

uint32_t room_needed(size_t doc_bytes, size_t events_bytes)
{
	/* The events may begin in the block of those before them, or not. */
	return blocks_for(doc_bytes) + blocks_for(events_bytes);
}

bool room_make(struct store *s, uint32_t blocks, bool slot)
{
	struct map *m = s->map;
	uint64_t need = (uint64_t)blocks + m->reserve_blocks;
	uint32_t slots, at = m->oldest, ahead = m->reserve_blocks / AHEAD_PART;
	if (room_is(s, need, slot))
		return true;
	uint64_t unused = pool_unused(s);
	uint64_t could = index_evictable(s, need > unused ? need - unused : 0, &slots);
	if (unused + could < need || (slot && slots == 0 && m->slot_free == NONE))
		return false;
	if (unused >= need)
		ahead = 0; /* it is slots that are missing */
	while (!room_is(s, need + ahead, slot) && index_evict(s, &at))
		;
	return room_is(s, need, slot);
}

/* The document's blocks, or NONE. */
static uint32_t doc_room(struct store *s, uint32_t slot, const struct filling *f)
{
	uint32_t reserve = s->map->reserve_blocks;
	return pool_take(s, slot, blocks_for(f->doc.len), f->terminal ? reserve / 2 : reserve);
}

static void events_write(struct store *s, struct version *v, uint32_t head, uint32_t blocks,
			 struct slice events)
{
	size_t used = v->events_bytes % BLOCK_BYTES;
	if (v->events_bytes > 0 && blocks > 0)
		block_at(s, v->events_tail)->next = head;
	KILL_POINT("fill-linked");
	if (used > 0)
		chain_write(s, v->events_tail, used, events.ptr, events.len);
	else
		chain_write(s, head, 0, events.ptr, events.len);
	if (v->events_bytes == 0)
		v->events_head = head;
	for (uint32_t i = 0; i < blocks; i++) {
		v->events_tail = head;
		head = block_at(s, head)->next;
	}
	v->events_bytes += events.len;
}

bool room_fill(struct store *s, uint32_t slot, struct version *v, const struct filling *f)
{
	uint32_t more = blocks_for(v->events_bytes + f->events.len) - blocks_for(v->events_bytes);
	uint32_t head = NONE, doc_head = doc_room(s, slot, f);
	bool bare = doc_head == NONE && f->terminal && f->bare;
	ensure(f->doc.len > 0 && f->events.len > 0);
	if (doc_head == NONE && !bare)
		return false;
	KILL_POINT("fill-doc-taken");
	if (more > 0)
		head = pool_take(s, slot, more, f->terminal ? 0 : s->map->reserve_blocks);
	if (more > 0 && head == NONE) {
		if (!bare)
			pool_give(s, doc_head, blocks_for(f->doc.len));
		return false;
	}
	if (!bare)
		chain_write(s, doc_head, 0, f->doc.ptr, f->doc.len);
	events_write(s, v, head, more, f->events);
	v->doc_head = doc_head;
	v->doc_bytes = bare ? 0 : (uint32_t)f->doc.len;
	return true;
}

bool event_put(struct store *s, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data)
{
	struct buf *b = &s->scratch_events;
	size_t start = b->len;
	uint32_t length = 0;
	buf_add(b, &length, LENGTH_BYTES);
	if (!event_format(b, seq, at_ms, type, data))
		return false;
	length = (uint32_t)(b->len - start - LENGTH_BYTES);
	if (!b->overflow)
		memcpy(b->data + start, &length, LENGTH_BYTES);
	return true;
}

void scratch_trim(struct store *s)
{
	if (s->scratch_doc.cap > SCRATCH_KEPT_BYTES)
		buf_release(&s->scratch_doc);
	if (s->scratch_events.cap > SCRATCH_KEPT_BYTES)
		buf_release(&s->scratch_events);
}
