/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one mover, and creation. The new document and the event bytes are made aside, without any lock; then
 * the slot is locked, what the work was based on is checked again, blocks are filled, and one store publishes
 * everything. Nothing else in the program writes a task. With a keeper, what is published is for the eyes of
 * those who change tasks until it is durable: the document that readers see stays beside it.
 */
#include "base/base.h"
#include "store/doc.h"

#include <string.h>

enum { ATTEMPTS_MAX = 32 };

/* What a change is based on, as it was when it was looked at. */
struct basis {
	uint64_t last_seq, first_seq, events_bytes;
	enum task_state state;
	uint32_t epoch;
};

/* A change made ready. Its text is in the handle's scratch buffers. */
struct draft {
	struct task_doc *doc; /* owned until it is published */
	uint64_t last_seq;
	int64_t at_ms;
	enum task_state to;
	bool bare;     /* there was no room for a document */
	bool foldable; /* the table has all of its events, or the database has what it lacks */
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
static enum err room_find(struct store *s, struct draft *d, struct error *e);

/* One attempt. *again: the task has changed meanwhile, or room was made; nothing was done. */
static enum err move_try(struct store *s, struct task_ref ref, const struct task_change *c, struct draft *d,
			 bool *again, struct error *e)
{
	struct basis b = {0};
	enum err code = basis_look(s, ref, c, &b, &d->doc, e);
	d->last_seq = b.last_seq;
	d->foldable = b.first_seq == 1 || keeper_is(s);
	/* A change of nothing asks whether a change would be allowed. */
	if (code == ERR_NONE && c->to == TASK_SAME && c->events_count == 0)
		return ERR_NONE;
	if (code == ERR_NONE)
		code = draft_make(s, &b, c, d, e);
	if (code != ERR_NONE)
		return code;
	code = draft_publish(s, ref, &b, c, d, again, e);
	if (code != ERR_FULL)
		return code;
	*again = room_find(s, d, e) == ERR_NONE;
	return *again ? ERR_NONE : ERR_FULL;
}

enum err task_move(struct store *s, struct task_ref ref, const struct task_change *c, uint64_t *last_seq,
		   struct error *e)
{
	enum err code = ERR_NONE;
	bool bare = false, again = true;
	ensure(c->lease == NULL || (c->lease->ref.slot == ref.slot && c->lease->ref.gen == ref.gen));
	/* An end takes effect even when it cannot be stored just now. */
	if (c->lease == NULL && (c->to == TASK_SAME || !task_state_terminal(c->to)))
		code = store_accepts(s, e);
	for (int attempt = 0; again && code == ERR_NONE && attempt < ATTEMPTS_MAX; attempt++) {
		struct draft d = {.bare = bare};
		again = false;
		code = move_try(s, ref, c, &d, &again, e);
		bare = d.bare;
		doc_free(d.doc);
		if (code == ERR_NONE && !again && last_seq != NULL)
			*last_seq = d.last_seq;
	}
	scratch_trim(s);
	if (code == ERR_NONE && again)
		code = err_set(e, ERR_UNAVAILABLE, "the task changes too fast to be changed; try again");
	if (code != ERR_NONE)
		store_count(s, COUNTER_MOVES_REFUSED, 1);
	return code;
}

/* --- helpers --- */

/* Checks the change against the task as it is now and takes its fold state from the cache; false when the
 * document has to be read and scratch_doc has no room for it (*bytes). */
static bool basis_read(struct store *s, struct task_ref ref, const struct task_change *c, struct basis *b,
		       struct task_doc **doc, size_t *bytes, enum err *code, struct error *e)
{
	if (!slot_take(s, ref)) {
		*code = err_set(e, ERR_GONE, "the task is no longer kept");
		return true;
	}
	const struct slot *t = slot_at(s, ref.slot);
	const struct version *v = &t->versions[atomic_load(&t->current) & 1];
	*code = change_check(s, t, c, e);
	*b = (struct basis){.last_seq = v->last_seq,
			    .first_seq = v->first_seq,
			    .events_bytes = v->events_bytes,
			    .state = (enum task_state)atomic_load(&v->state),
			    .epoch = atomic_load(&v->lease.epoch)};
	*bytes = v->doc_bytes;
	buf_reset(&s->scratch_doc);
	bool done = *code != ERR_NONE || cache_has(s, ref, v->last_seq) || doc_read(s, v, &s->scratch_doc);
	slot_give(s, ref.slot);
	if (done && *code == ERR_NONE)
		*doc = cache_take(s, ref, b->last_seq);
	return done;
}

static enum err basis_look(struct store *s, struct task_ref ref, const struct task_change *c, struct basis *b,
			   struct task_doc **doc, struct error *e)
{
	enum err code = ERR_NONE;
	size_t bytes = 0;
	/* Room is made without the lock; a document that grew meanwhile is tried again. */
	while (!basis_read(s, ref, c, b, doc, &bytes, &code, e))
		if (buf_grow(&s->scratch_doc, bytes) == NULL)
			return err_set(e, ERR_MEMORY, "no memory for a task's document");
	if (code == ERR_NONE)
		code = limits_check(s, b, c, e);
	struct error why = {0};
	if (code == ERR_NONE && *doc == NULL)
		*doc = doc_parse(buf_slice(&s->scratch_doc), &why);
	if (code == ERR_NONE && *doc == NULL)
		code = err_set(e, ERR_INTERNAL, "the document of a task cannot be read: %s", why.msg);
	return code;
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
	uint64_t bytes = b->events_bytes + c->state_data.len;
	uint64_t count = b->last_seq + c->events_count + (c->to != TASK_SAME);
	if (c->to != TASK_SAME && task_state_terminal(c->to))
		return ERR_NONE;
	for (size_t i = 0; i < c->events_count; i++)
		bytes += c->events[i].data.len;
	if (count > s->map->task_events_max)
		return err_set(e, ERR_FULL,
			       "the task has had %llu events and may have %u (store.task_events_max)",
			       (unsigned long long)b->last_seq, s->map->task_events_max);
	if (bytes > s->map->task_bytes_max)
		return err_set(e, ERR_FULL,
			       "the task's events take %llu bytes, with this change %llu, and may take %llu "
			       "(store.task_bytes)",
			       (unsigned long long)b->events_bytes, (unsigned long long)bytes,
			       (unsigned long long)s->map->task_bytes_max);
	return ERR_NONE;
}

/* The task.state event that closes a change of state. */
static enum err state_event_add(struct store *s, const struct basis *b, const struct task_change *c,
				struct draft *d, struct error *e)
{
	struct buf data = BUF_INIT;
	struct slice more;
	if (!event_members(c->state_data, &more))
		return err_set(e, ERR_JSON, "the data of task.state is not an object on one line");
	buf_put(&data, "{\"from\":\"", task_state_text(b->state), "\",\"to\":\"", task_state_text(c->to),
		more.len > 0 ? "\"," : "\"");
	buf_add_slice(&data, more);
	buf_add_char(&data, '}');
	enum err code = data.overflow ? err_set(e, ERR_MEMORY, "no memory for the change of a task")
				      : doc_apply(d->doc, ++d->last_seq, d->at_ms, EVENT_TASK_STATE,
						  buf_slice(&data), e);
	if (code == ERR_NONE)
		ensure(event_put(s, d->last_seq, d->at_ms, EVENT_TASK_STATE, buf_slice(&data)));
	buf_release(&data);
	return code;
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
	if (code == ERR_NONE && c->to != TASK_SAME)
		code = state_event_add(s, b, c, d, e);
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
	struct filling f = {.doc = buf_slice(&s->scratch_doc),
			    .events = buf_slice(&s->scratch_events),
			    .terminal = task_state_terminal(d->to),
			    .bare = d->bare};
	bool works = doc_works(d->doc);
	if (!slot_take(s, ref))
		return err_set(e, ERR_GONE, "the task is no longer kept");
	struct slot *t = slot_at(s, ref.slot);
	struct version *old = slot_version(t), *v = slot_begin(t);
	*moved_on = old->last_seq != b->last_seq || atomic_load(&old->lease.epoch) != b->epoch;
	if (*moved_on || !room_fill(s, ref.slot, v, &f)) {
		slot_give(s, ref.slot);
		return *moved_on ? ERR_NONE : ERR_FULL;
	}
	uint32_t holder = lease_alive(s, &old->lease) ? atomic_load(&old->lease.proc) : NONE;
	v->last_seq = d->last_seq;
	v->updated_ms = d->at_ms;
	atomic_store(&v->state, d->to);
	atomic_store(&v->works, works);
	/* Read before it is published: from then on the keeper may change what is shown. */
	struct chain left = {old->doc_head, durable_carry(s, old, v) ? 0 : blocks_for(old->doc_bytes)};
	if (works)
		work_mark(s, ref.slot, true);
	else
		lease_clear(&v->lease);
	/* Whoever runs the task is told of changes by others only; who watches it, when they are durable. */
	uint64_t told = wake_mark(s, ref.slot, !keeper_is(s), c->lease == NULL ? holder : NONE);
	unsaved_mark(s, ref.slot);
	KILL_POINT("move-before-publish");
	slot_publish(t);
	KILL_POINT("move-after-publish");
	pool_give(s, left.head, left.blocks);
	if (!works)
		work_mark(s, ref.slot, false);
	slot_give(s, ref.slot);
	KILL_POINT("move-before-wake");
	unsaved_tell(s);
	wake_marked(s, told);
	if (works && holder == NONE) {
		work_again(s);
		work_offer(s);
	}
	if (!works && c->lease != NULL)
		s->watches[ref.slot].leased = false;
	cache_put(s, ref, d->last_seq, d->doc, s->scratch_doc.len);
	d->doc = NULL;
	store_count(s, COUNTER_EVENTS, d->last_seq - b->last_seq);
	return ERR_NONE;
}

/* After a change found no room: finished tasks make some; without them the end of a task goes on without its
 * document. */
static enum err room_find(struct store *s, struct draft *d, struct error *e)
{
	uint32_t need = room_needed(s->scratch_doc.len, s->scratch_events.len);
	index_take(s);
	bool made = room_make(s, need, false);
	index_give(s);
	if (made)
		return ERR_NONE;
	if (task_state_terminal(d->to) && !d->bare && d->foldable) {
		d->bare = true;
		return ERR_NONE;
	}
	return err_set(e, ERR_FULL, "the memory of the task table is used up (%u MiB, store.size_mb)",
		       (unsigned)(s->map->bytes >> 20));
}
