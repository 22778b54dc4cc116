/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one mover, and creation. The new document and the event bytes are made aside, without any lock; then
 * the slot is locked, what the work was based on is checked again, blocks are filled, and one store publishes
 * everything. Nothing else in the program writes a task.
 */
#include "base/base.h"
#include "store/doc.h"

#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS_MAX = 32, LENGTH_BYTES = 4 };

/* What a change is based on, as it was when it was looked at. */
struct basis {
	uint64_t last_seq, events_bytes;
	enum task_state state;
	uint32_t epoch;
};

/* A change made ready: the text of both, to be put into blocks. */
struct draft {
	struct task_doc *doc;
	uint64_t last_seq;
	int64_t at_ms;
	enum task_state to;
};

static enum err basis_look(struct store *s, struct task_ref ref, const struct task_change *c, struct basis *b,
			   struct task_doc **doc, struct error *e);
static enum err change_check(struct store *s, const struct slot *t, const struct task_change *c,
			     struct error *e);
static enum err limits_check(const struct store *s, const struct basis *b, const struct task_change *c,
			     struct error *e);
static enum err draft_make(struct store *s, const struct basis *b, const struct task_change *c,
			   struct draft *d, struct error *e);
static enum err draft_publish(struct store *s, struct task_ref ref, const struct basis *b,
			      const struct task_change *c, struct draft *d, bool *moved_on, struct error *e);
static bool blocks_fill(struct store *s, uint32_t slot, struct version *v, struct slice doc,
			struct slice events, bool terminal);
static enum err room_make(struct store *s, const char *what, struct error *e);
static struct task_doc *cache_take(struct store *s, struct task_ref ref, uint64_t last_seq);
static void cache_put(struct store *s, struct task_ref ref, uint64_t last_seq, struct task_doc *doc);
static bool event_put(struct store *s, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data);

enum err task_create(struct store *s, const struct id *id, struct slice created, struct task_ref *out,
		     struct error *e)
{
	struct task_doc *doc = doc_new();
	int64_t at_ms = clock_wall_ms();
	enum err code = doc_apply(doc, 1, at_ms, EVENT_TASK_CREATED, created, e);
	buf_reset(&s->scratch_doc);
	buf_reset(&s->scratch_events);
	if (code == ERR_NONE && !event_put(s, 1, at_ms, EVENT_TASK_CREATED, created))
		code = err_set(e, ERR_JSON, "the data of task.created is not an object on one line");
	doc_render(doc, &s->scratch_doc);
	uint32_t need = blocks_for(s->scratch_doc.len) + blocks_for(s->scratch_events.len), i = NONE;
	index_take(s);
	for (; code == ERR_NONE && i == NONE;) {
		struct map *m = s->map;
		bool room = m->blocks_max - atomic_load(&m->blocks_used) >= need + m->reserve_blocks;
		i = room ? index_slot_free(s) : NONE;
		if (i == NONE && !index_evict_oldest(s))
			code = err_set(e, ERR_FULL,
				       room ? "all %u tasks of the table are unfinished (store.tasks_max)"
					    : "the memory of the task table is used up by unfinished tasks "
					      "(%u MiB, store.size_mb)",
				       room ? m->tasks_max : (unsigned)(m->bytes >> 20));
	}
	if (code != ERR_NONE) {
		index_give(s);
		doc_free(doc);
		return code;
	}
	KILL_POINT("create-slot-taken");
	struct slot *t = slot_at(s, i);
	slot_take_any(s, i);
	struct version *v = slot_begin(t);
	*v = (struct version){
		.state = TASK_QUEUED, .lease = {.proc = NONE}, .last_seq = 1, .updated_ms = at_ms};
	v->events_head = v->events_tail = NONE;
	bool filled = blocks_fill(s, i, v, buf_slice(&s->scratch_doc), buf_slice(&s->scratch_events), false);
	if (!filled) {
		/* Another task took the room in between. */
		t->hash_next = s->map->slot_free;
		s->map->slot_free = i;
		slot_give(s, i);
		index_give(s);
		doc_free(doc);
		return err_set(e, ERR_FULL, "the memory of the task table is used up (store.size_mb)");
	}
	t->id = *id;
	t->created_ms = at_ms;
	atomic_store(&t->watchers, 0);
	uint64_t age = 0;
	for (int k = 0; k < 8; k++)
		age = age << 8 | id->b[k];
	atomic_store(&t->age, age);
	KILL_POINT("create-before-publish");
	slot_publish(t);
	*out = (struct task_ref){i, atomic_load(&t->gen)};
	atomic_store(&t->used, 1);
	atomic_fetch_add(&s->map->slots_used, 1);
	KILL_POINT("create-used");
	index_add(s, i);
	KILL_POINT("create-indexed");
	slot_give(s, i);
	index_give(s);
	cache_put(s, *out, 1, doc);
	store_count(s, COUNTER_TASKS_CREATED, 1);
	store_count(s, COUNTER_EVENTS, 1);
	work_offer(s, false);
	return ERR_NONE;
}

enum err task_move(struct store *s, struct task_ref ref, const struct task_change *c, uint64_t *last_seq,
		   struct error *e)
{
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		struct basis b = {0};
		struct draft d = {0};
		bool moved_on = false;
		enum err code = basis_look(s, ref, c, &b, &d.doc, e);
		if (code == ERR_NONE)
			code = draft_make(s, &b, c, &d, e);
		if (code == ERR_NONE)
			code = draft_publish(s, ref, &b, c, &d, &moved_on, e);
		if (code == ERR_NONE && !moved_on) {
			if (last_seq != NULL)
				*last_seq = d.last_seq;
			return ERR_NONE;
		}
		doc_free(d.doc);
		if (code == ERR_FULL && d.at_ms != 0 && attempt == 0 &&
		    room_make(s, "change", NULL) == ERR_NONE)
			continue;
		if (code != ERR_NONE) {
			store_count(s, COUNTER_MOVES_REFUSED, 1);
			return code;
		}
	}
	return err_set(e, ERR_UNAVAILABLE, "the task changes too fast to be changed; try again");
}

/* --- helpers --- */

static enum err basis_look(struct store *s, struct task_ref ref, const struct task_change *c, struct basis *b,
			   struct task_doc **doc, struct error *e)
{
	if (!slot_take(s, ref))
		return err_set(e, ERR_GONE, "the task is no longer kept");
	struct slot *t = slot_at(s, ref.slot);
	struct version *v = slot_version(t);
	enum err code = change_check(s, t, c, e);
	*b = (struct basis){.last_seq = v->last_seq,
			    .events_bytes = v->events_bytes,
			    .state = (enum task_state)atomic_load(&v->state),
			    .epoch = atomic_load(&v->lease.epoch)};
	*doc = code == ERR_NONE ? cache_take(s, ref, v->last_seq) : NULL;
	buf_reset(&s->scratch_doc);
	uint32_t block = v->doc_head, offset = 0;
	bool copied = code != ERR_NONE || *doc != NULL || buf_grow(&s->scratch_doc, v->doc_bytes) != NULL;
	if (code == ERR_NONE && *doc == NULL && copied) {
		copied = chain_read(s, &block, &offset, s->scratch_doc.data, v->doc_bytes);
		s->scratch_doc.len = v->doc_bytes;
	}
	slot_give(s, ref.slot);
	if (!copied)
		return err_set(e, ERR_MEMORY, "no memory for a task's document");
	if (code == ERR_NONE && *doc == NULL) {
		*doc = doc_parse(buf_slice(&s->scratch_doc), e);
		code = *doc != NULL ? ERR_NONE : ERR_INTERNAL;
	}
	return code == ERR_NONE ? limits_check(s, b, c, e) : code;
}

static enum err change_check(struct store *s, const struct slot *t, const struct task_change *c,
			     struct error *e)
{
	const struct version *v = &t->versions[atomic_load(&t->current) & 1];
	enum task_state state = (enum task_state)atomic_load(&v->state);
	if (task_state_terminal(state))
		return err_set(e, ERR_CONFLICT, "the task is %s: nothing can change it any more",
			       task_state_text(state));
	if (c->to != TASK_SAME && !task_state_may_follow(state, c->to))
		return err_set(e, ERR_CONFLICT, "the task is %s and cannot become %s", task_state_text(state),
			       task_state_text(c->to));
	if (c->if_last_seq != 0 && c->if_last_seq != v->last_seq)
		return err_set(e, ERR_CONFLICT, "the task has changed: its last event is %llu, not %llu",
			       (unsigned long long)v->last_seq, (unsigned long long)c->if_last_seq);
	if (c->lease != NULL &&
	    (atomic_load(&v->lease.proc) != s->proc || atomic_load(&v->lease.epoch) != c->lease->epoch ||
	     !lease_alive(s, &v->lease)))
		return err_set(e, ERR_CONFLICT, "the task is run by another worker now");
	return ERR_NONE;
}

static enum err limits_check(const struct store *s, const struct basis *b, const struct task_change *c,
			     struct error *e)
{
	uint64_t bytes = b->events_bytes + c->state_data.len,
		 count = b->last_seq + c->events_count + (c->to != TASK_SAME);
	if (c->to != TASK_SAME && task_state_terminal(c->to))
		return ERR_NONE;
	for (size_t i = 0; i < c->events_count; i++)
		bytes += c->events[i].data.len;
	if (count > s->map->task_events_max)
		return err_set(e, ERR_FULL,
			       "the task has had %u events, the most it may have (store.task_events_max)",
			       s->map->task_events_max);
	if (bytes > s->map->task_bytes_max)
		return err_set(e, ERR_FULL,
			       "the task's events take %llu bytes, the most they may (store.task_bytes)",
			       (unsigned long long)s->map->task_bytes_max);
	return ERR_NONE;
}

static enum err draft_make(struct store *s, const struct basis *b, const struct task_change *c,
			   struct draft *d, struct error *e)
{
	enum err code = ERR_NONE;
	d->last_seq = b->last_seq;
	d->at_ms = clock_wall_ms();
	d->to = c->to == TASK_SAME ? b->state : c->to;
	buf_reset(&s->scratch_events);
	for (size_t i = 0; code == ERR_NONE && i < c->events_count; i++) {
		const struct task_event *ev = &c->events[i];
		ensure(!event_type_live(ev->type) && ev->type != EVENT_TASK_STATE &&
		       ev->type != EVENT_TASK_CREATED);
		code = doc_apply(d->doc, ++d->last_seq, d->at_ms, ev->type, ev->data, e);
		if (code == ERR_NONE && !event_put(s, d->last_seq, d->at_ms, ev->type, ev->data))
			code = err_set(e, ERR_JSON, "the data of %s is not an object on one line",
				       event_type_text(ev->type));
	}
	if (code == ERR_NONE && c->to != TASK_SAME) {
		struct buf data = BUF_INIT;
		buf_printf(&data, "{\"from\":\"%s\",\"to\":\"%s\"", task_state_text(b->state),
			   task_state_text(c->to));
		if (c->state_data.len > 2) {
			buf_add_char(&data, ',');
			buf_add(&data, c->state_data.ptr + 1, c->state_data.len - 2);
		}
		buf_add_char(&data, '}');
		code = doc_apply(d->doc, ++d->last_seq, d->at_ms, EVENT_TASK_STATE, buf_slice(&data), e);
		if (code == ERR_NONE &&
		    !event_put(s, d->last_seq, d->at_ms, EVENT_TASK_STATE, buf_slice(&data)))
			code = err_set(e, ERR_JSON, "the data of task.state is not an object on one line");
		buf_release(&data);
	}
	buf_reset(&s->scratch_doc);
	if (code == ERR_NONE)
		doc_render(d->doc, &s->scratch_doc);
	if (s->scratch_doc.overflow || s->scratch_events.overflow)
		code = err_set(e, ERR_MEMORY, "no memory for the change of a task");
	return code;
}

/* *moved_on: somebody else changed the task since it was looked at; nothing was done. */
static enum err draft_publish(struct store *s, struct task_ref ref, const struct basis *b,
			      const struct task_change *c, struct draft *d, bool *moved_on, struct error *e)
{
	if (!slot_take(s, ref))
		return err_set(e, ERR_GONE, "the task is no longer kept");
	struct slot *t = slot_at(s, ref.slot);
	struct version *old = slot_version(t);
	if (old->last_seq != b->last_seq || atomic_load(&old->lease.epoch) != b->epoch) {
		*moved_on = true;
		slot_give(s, ref.slot);
		return ERR_NONE;
	}
	uint32_t holder = lease_alive(s, &old->lease) ? atomic_load(&old->lease.proc) : NONE;
	struct version *v = slot_begin(t);
	if (!blocks_fill(s, ref.slot, v, buf_slice(&s->scratch_doc), buf_slice(&s->scratch_events),
			 task_state_terminal(d->to))) {
		slot_give(s, ref.slot);
		return err_set(e, ERR_FULL, "the memory of the task table is used up (%u MiB, store.size_mb)",
			       (unsigned)(s->map->bytes >> 20));
	}
	v->last_seq = d->last_seq;
	v->updated_ms = d->at_ms;
	atomic_store(&v->state, d->to);
	if (!task_state_works(d->to))
		lease_clear(&v->lease);
	uint32_t old_doc = old->doc_head, old_blocks = blocks_for(old->doc_bytes);
	bool unleased = task_state_works(d->to) && holder == NONE;
	KILL_POINT("move-before-publish");
	slot_publish(t);
	KILL_POINT("move-after-publish");
	pool_give(s, old_doc, old_blocks);
	slot_give(s, ref.slot);
	KILL_POINT("move-before-wake");
	cache_put(s, ref, d->last_seq, d->doc);
	d->doc = NULL;
	store_count(s, COUNTER_EVENTS, d->last_seq - b->last_seq);
	/* Whoever runs the task is told of changes by others only. */
	wake_task(s, ref.slot, c->lease == NULL ? holder : NONE);
	if (unleased)
		work_offer(s, false);
	return ERR_NONE;
}

/* Puts the document into fresh blocks and the events behind the ones there are. What is written beyond the
 * published lengths is invisible until the version is published. */
static bool blocks_fill(struct store *s, uint32_t slot, struct version *v, struct slice doc,
			struct slice events, bool terminal)
{
	size_t used = v->events_bytes % BLOCK_BYTES;
	bool room_in_tail = v->events_bytes > 0 && used > 0;
	uint32_t have = blocks_for(v->events_bytes), want = blocks_for(v->events_bytes + events.len) - have;
	uint32_t doc_blocks = blocks_for(doc.len), head = NONE;
	uint32_t doc_head = pool_take(s, slot, doc_blocks, terminal);
	if (doc_head == NONE)
		return false;
	KILL_POINT("fill-doc-taken");
	if (want > 0) {
		head = pool_take(s, slot, want, terminal);
		if (head == NONE) {
			pool_give(s, doc_head, doc_blocks);
			return false;
		}
	}
	chain_write(s, doc_head, 0, doc.ptr, doc.len);
	if (have > 0 && want > 0)
		block_at(s, v->events_tail)->next = head;
	KILL_POINT("fill-linked");
	if (room_in_tail)
		chain_write(s, v->events_tail, used, events.ptr, events.len);
	else
		chain_write(s, head, 0, events.ptr, events.len);
	if (v->events_bytes == 0)
		v->events_head = head;
	for (uint32_t i = 0; i < want; i++) {
		v->events_tail = head;
		head = block_at(s, head)->next;
	}
	v->events_bytes += events.len;
	v->doc_head = doc_head;
	v->doc_bytes = (uint32_t)doc.len;
	return true;
}

/* Evicts finished tasks until there is some room beyond the reserve. */
static enum err room_make(struct store *s, const char *what, struct error *e)
{
	struct map *m = s->map;
	bool evicted = false;
	index_take(s);
	while (m->blocks_max - atomic_load(&m->blocks_used) < 2 * m->reserve_blocks && index_evict_oldest(s))
		evicted = true;
	index_give(s);
	return evicted ? ERR_NONE : err_set(e, ERR_FULL, "no room for a %s", what);
}

static struct task_doc *cache_take(struct store *s, struct task_ref ref, uint64_t last_seq)
{
	for (size_t i = 0; i < DOC_CACHE; i++) {
		struct doc_entry *c = &s->cache[i];
		if (c->doc == NULL || c->ref.slot != ref.slot || c->ref.gen != ref.gen)
			continue;
		struct task_doc *doc = c->doc;
		c->doc = NULL;
		if (c->last_seq == last_seq)
			return doc;
		doc_free(doc);
		return NULL;
	}
	return NULL;
}

static void cache_put(struct store *s, struct task_ref ref, uint64_t last_seq, struct task_doc *doc)
{
	struct doc_entry *at = &s->cache[0];
	for (size_t i = 0; i < DOC_CACHE && at->doc != NULL; i++)
		if (s->cache[i].doc == NULL || s->cache[i].age < at->age)
			at = &s->cache[i];
	doc_free(at->doc);
	/* What is over will not be changed again. */
	if (task_state_terminal(doc_state(doc))) {
		doc_free(doc);
		doc = NULL;
	}
	*at = (struct doc_entry){.ref = ref, .last_seq = last_seq, .age = ++s->cache_clock, .doc = doc};
}

/* One record of the event chain: its length, then the bytes as they are sent. */
static bool event_put(struct store *s, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data)
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
