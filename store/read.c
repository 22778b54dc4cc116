/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: a look-up, a short lock, a copy. Nothing is allocated under the lock, and nothing is parsed but
 * for a task that ended when there was no room for its document any more.
 */
#include "base/base.h"
#include "store/store_int.h"

#include <string.h>

enum {
	LIST_STEP = 256,  /* tasks looked at under one taking of the index lock */
	SEEK_STEP = 4096, /* events passed over under one taking of a slot lock */
	REFOLD_BYTES = 256 << 10,
	DOC_BYTES_USUAL = 4 * BLOCK_BYTES,
};

static void head_fill(struct store *s, struct slot *t, struct task_head *out);
static enum err doc_refold(struct store *s, struct task_ref ref, struct buf *out);
static bool cursor_fits(const struct store *s, struct task_ref ref, const struct event_cursor *c);
static bool record_next(struct store *s, struct event_cursor *c, size_t bytes_max, struct buf *out,
			size_t *need);
static enum err doc_copy(struct store *s, struct task_ref ref, bool newest, struct buf *out,
			 struct task_head *head);
static bool text_read(const struct store *s, uint32_t block, uint32_t bytes, struct buf *out);

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

bool doc_read(const struct store *s, const struct version *v, struct buf *out)
{
	return text_read(s, v->doc_head, v->doc_bytes, out);
}

enum err task_doc_copy(struct store *s, struct task_ref ref, struct buf *out, struct task_head *head)
{
	return doc_copy(s, ref, false, out, head);
}

enum err task_doc_copy_newest(struct store *s, struct task_ref ref, struct buf *out, struct task_head *head)
{
	return doc_copy(s, ref, true, out, head);
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
			const struct version *v = slot_version(t);
			uint32_t bit = 1u << atomic_load(&v->durable_state);
			if (atomic_load(&v->durable_seq) > 0 && (q->states == 0 || (q->states & bit)))
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

void event_cursor_init_newest(struct event_cursor *c, uint64_t after_seq)
{
	event_cursor_init(c, after_seq);
	c->newest = true;
}

/* Passes over events before c->next_seq (at most SEEK_STEP), then appends whole events until `end` would be
 * passed. */
enum copy_end events_read(struct store *s, struct task_ref ref, const struct version *v,
			  struct event_cursor *c, struct event_cursor *at, size_t end, struct buf *out,
			  size_t *need)
{
	size_t before = out->len;
	int steps = 0;
	uint64_t last_seq = c->newest ? v->last_seq : atomic_load(&v->durable_seq);
	if (c->next_seq > last_seq)
		return COPY_DONE;
	if (c->next_seq < v->first_seq)
		return COPY_GONE;
	if (at->block == NONE || at->next_seq > c->next_seq || !cursor_fits(s, ref, at))
		*at = (struct event_cursor){.next_seq = v->first_seq,
					    .newest = c->newest,
					    .block = v->events_head,
					    .gen = ref.gen};
	for (; at->next_seq < c->next_seq && steps < SEEK_STEP; steps++)
		ensure(record_next(s, at, SIZE_MAX, NULL, need));
	if (at->next_seq < c->next_seq)
		return COPY_ON;
	bool fit = true;
	while (at->next_seq <= last_seq && (fit = record_next(s, at, end - out->len, out, need)))
		;
	*c = *at;
	return !fit && out->len == before ? COPY_STUCK : COPY_DONE;
}

enum err task_events_copy(struct store *s, struct task_ref ref, struct event_cursor *c, size_t bytes_max,
			  struct buf *out, struct task_head *head)
{
	struct task_head seen;
	struct event_cursor at = *c;
	size_t room = bytes_max, need = 0;
	/* As in task_doc_copy: a single event may be larger than bytes_max. */
	for (enum copy_end end = COPY_ON; end != COPY_DONE; room = end == COPY_STUCK ? need : room) {
		if (buf_grow(out, room) == NULL)
			return ERR_MEMORY;
		if (!slot_take(s, ref))
			return ERR_GONE;
		struct slot *t = slot_at(s, ref.slot);
		head_fill(s, t, head != NULL ? head : &seen);
		end = events_read(s, ref, slot_version(t), c, &at, out->len + room, out, &need);
		slot_give(s, ref.slot);
		if (end == COPY_GONE)
			return ERR_GONE;
	}
	return ERR_NONE;
}

/* --- helpers --- */

static bool text_read(const struct store *s, uint32_t block, uint32_t bytes, struct buf *out)
{
	uint32_t offset = 0;
	if (out->cap < out->len + bytes + 1)
		return false;
	ensure(chain_read(s, &block, &offset, out->data + out->len, bytes));
	out->len += bytes;
	out->data[out->len] = '\0';
	return true;
}

/* Under the slot lock: the document as readers see it. false: *out has not the room; *bytes is what it takes
 * (0: the document has to be folded). */
static bool shown_read(struct store *s, const struct version *v, struct buf *out, struct task_head *head,
		       size_t *bytes)
{
	if (atomic_load(&v->durable_seq) == v->last_seq) {
		*bytes = v->doc_bytes;
		return doc_read(s, v, out);
	}
	head->last_seq = v->shown_seq;
	head->state = (enum task_state)v->shown_state;
	*bytes = v->shown_bytes;
	return text_read(s, v->shown_head, v->shown_bytes, out);
}

static enum err doc_copy(struct store *s, struct task_ref ref, bool newest, struct buf *out,
			 struct task_head *head)
{
	struct task_head seen;
	size_t room = DOC_BYTES_USUAL;
	/* Room first. A document that needs more, or grew meanwhile, is tried again. */
	for (bool done = false; !done;) {
		if (buf_grow(out, room) == NULL)
			return ERR_MEMORY;
		if (!slot_take(s, ref))
			return ERR_GONE;
		struct slot *t = slot_at(s, ref.slot);
		const struct version *v = slot_version(t);
		bool hidden = !newest && atomic_load(&v->durable_seq) < v->last_seq && v->shown_head == NONE;
		head_fill(s, t, &seen);
		if (newest) {
			room = v->doc_bytes;
			done = doc_read(s, v, out);
		} else if (!hidden) {
			done = shown_read(s, v, out, &seen, &room);
		}
		slot_give(s, ref.slot);
		if (hidden)
			return ERR_GONE;
	}
	if (head != NULL)
		*head = seen;
	return room > 0 ? ERR_NONE : doc_refold(s, ref, out);
}

static void head_fill(struct store *s, struct slot *t, struct task_head *out)
{
	const struct version *v = slot_version(t);
	*out = (struct task_head){.id = t->id,
				  .state = (enum task_state)atomic_load(&v->state),
				  .last_seq = v->last_seq,
				  .first_seq = v->first_seq,
				  .durable_seq = atomic_load(&v->durable_seq),
				  .durable_state = (enum task_state)atomic_load(&v->durable_state),
				  .created_ms = t->created_ms,
				  .updated_ms = v->updated_ms,
				  .leased = lease_alive(s, &v->lease),
				  .lease_proc = atomic_load(&v->lease.proc),
				  .lease_epoch = atomic_load(&v->lease.epoch)};
}

/* Only for tasks that are over: they change no more. */
static enum err doc_refold(struct store *s, struct task_ref ref, struct buf *out)
{
	struct task_doc *d = doc_new();
	struct buf sse = BUF_INIT;
	struct event_cursor c;
	struct task_head head;
	struct error e;
	enum err code = ERR_NONE;
	uint64_t seq = 0;
	event_cursor_init_newest(&c, 0);
	do {
		buf_reset(&sse);
		code = task_events_copy(s, ref, &c, REFOLD_BYTES, &sse, &head);
		if (code == ERR_NONE)
			code = doc_fold(d, buf_slice(&sse), &seq, &e);
	} while (code == ERR_NONE && c.next_seq <= head.last_seq);
	if (code == ERR_NONE)
		doc_render(d, out);
	doc_free(d);
	buf_release(&sse);
	return code == ERR_NONE && out->overflow ? ERR_MEMORY : code;
}

/* Does the place still belong to this task? */
static bool cursor_fits(const struct store *s, struct task_ref ref, const struct event_cursor *c)
{
	if (c->gen != ref.gen || c->block >= s->map->blocks_max || c->offset > BLOCK_BYTES)
		return false;
	const struct block *b = block_at(s, c->block);
	return atomic_load(&b->used) != BLOCK_FREE && atomic_load(&b->owner) == ref.slot;
}

/* Copies one record (or passes over it, out NULL); false when it is longer than bytes_max. */
static bool record_next(struct store *s, struct event_cursor *c, size_t bytes_max, struct buf *out,
			size_t *need)
{
	uint32_t block = c->block, offset = c->offset, length;
	ensure(chain_read(s, &block, &offset, &length, LENGTH_BYTES));
	*need = length;
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
