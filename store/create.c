/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New tasks. Document and first event are made aside; then, under the index lock, room is made, a free slot
 * is filled, marked as used and listed. Until it is marked there is no task; a death after that leaves one
 * that the index's next owner lists.
 */
#include "base/base.h"
#include "store/doc.h"

/* Movers take blocks without the index lock, between our look and our taking. */
enum { FILLS_MAX = 8 };

static enum err draft_make(struct store *s, struct task_doc *doc, int64_t at_ms, struct slice created,
			   struct error *e)
{
	enum err code = doc_apply(doc, 1, at_ms, EVENT_TASK_CREATED, created, e);
	buf_reset(&s->scratch_doc);
	buf_reset(&s->scratch_events);
	if (code != ERR_NONE)
		return code;
	if (!event_put(s, 1, at_ms, EVENT_TASK_CREATED, created))
		return err_set(e, ERR_JSON, "the data of task.created is not an object on one line");
	doc_render(doc, &s->scratch_doc);
	if (s->scratch_doc.overflow || s->scratch_events.overflow)
		return err_set(e, ERR_MEMORY, "no memory for a new task");
	if (s->scratch_events.len > s->map->task_bytes_max)
		return err_set(e, ERR_TOO_LARGE,
			       "the task takes %zu bytes; one task may take %llu (store.task_bytes)",
			       s->scratch_events.len, (unsigned long long)s->map->task_bytes_max);
	return ERR_NONE;
}

/* Blocks for a slot that nobody uses. false, and the slot is free again, when somebody was quicker. */
static bool slot_fill(struct store *s, uint32_t i, int64_t at_ms)
{
	struct slot *t = slot_at(s, i);
	struct filling f = {.doc = buf_slice(&s->scratch_doc), .events = buf_slice(&s->scratch_events)};
	slot_take_any(s, i);
	struct version *v = slot_begin(t);
	atomic_store(&v->state, TASK_QUEUED);
	atomic_store(&v->works, 1);
	lease_clear(&v->lease);
	atomic_store(&v->lease.epoch, 0);
	v->last_seq = 1;
	v->updated_ms = at_ms;
	v->events_bytes = 0;
	v->first_seq = 1;
	v->events_head = v->events_tail = v->shown_head = NONE;
	v->shown_bytes = 0;
	atomic_store(&v->durable_seq, keeper_is(s) ? 0 : 1);
	atomic_store(&v->durable_state, TASK_QUEUED);
	if (room_fill(s, i, v, &f))
		return true;
	index_slot_put(s, i);
	slot_give(s, i);
	return false;
}

/* Holds the slot's lock. */
struct task_ref slot_use(struct store *s, uint32_t i, const struct id *id, int64_t created_ms, bool works)
{
	struct slot *t = slot_at(s, i);
	uint64_t age = 0;
	for (int k = 0; k < 8; k++)
		age = age << 8 | id->b[k];
	t->id = *id;
	t->created_ms = created_ms;
	atomic_store(&t->watchers, 0);
	atomic_store(&t->age, age);
	unsaved_mark(s, i);
	KILL_POINT("create-before-publish");
	slot_publish(t);
	atomic_store(&t->used, 1);
	atomic_fetch_add(&s->map->slots_used, 1);
	work_mark(s, i, works);
	KILL_POINT("create-used");
	index_add(s, i);
	KILL_POINT("create-indexed");
	return (struct task_ref){i, atomic_load(&t->gen)};
}

static enum err full(const struct store *s, struct error *e)
{
	const struct map *m = s->map;
	if (m->slot_free == NONE && pool_unused(s) > m->reserve_blocks)
		return err_set(e, ERR_FULL, "all %u tasks of the table are unfinished (store.tasks_max)",
			       m->tasks_max);
	return err_set(
		e, ERR_FULL,
		"a task of %zu KiB does not fit beside the unfinished ones into the memory of the task "
		"table (%u MiB, store.size_mb)",
		(s->scratch_doc.len + s->scratch_events.len) >> 10, (unsigned)(m->bytes >> 20));
}

/* Under the index lock. */
static enum err slot_make(struct store *s, const struct id *id, int64_t at_ms, struct task_ref *out,
			  struct error *e)
{
	uint32_t need = room_needed(s->scratch_doc.len, s->scratch_events.len);
	if (index_find(s, id) != NONE)
		return err_set(e, ERR_CONFLICT, "there is a task with this id already");
	for (int i = 0; i < FILLS_MAX; i++) {
		if (!room_make(s, need, true))
			break;
		uint32_t slot = index_slot_free(s);
		KILL_POINT("create-slot-taken");
		if (!slot_fill(s, slot, at_ms))
			continue;
		*out = slot_use(s, slot, id, at_ms, true);
		slot_give(s, slot);
		return ERR_NONE;
	}
	return full(s, e);
}

enum err task_create(struct store *s, const struct id *id, struct slice created, struct task_ref *out,
		     struct error *e)
{
	struct task_doc *doc = doc_new();
	int64_t at_ms = clock_wall_ms();
	enum err code = store_accepts_task(s, e);
	if (code == ERR_NONE)
		code = draft_make(s, doc, at_ms, created, e);
	if (code == ERR_NONE) {
		index_take(s);
		code = slot_make(s, id, at_ms, out, e);
		index_give(s);
	}
	if (code != ERR_NONE) {
		doc_free(doc);
		scratch_trim(s);
		return code;
	}
	cache_put(s, *out, 1, doc, s->scratch_doc.len);
	scratch_trim(s);
	store_count(s, COUNTER_TASKS_CREATED, 1);
	store_count(s, COUNTER_EVENTS, 1);
	unsaved_tell(s);
	work_offer(s);
	return ERR_NONE;
}
