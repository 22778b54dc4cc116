/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that come from the database and go back to it: the keeper puts them into the table when the service
 * starts, with their document and without their events, and takes one out that is deleted. Who is unfinished
 * and comes back evicts finished ones, as a new task does: it may have waited in the database for room. Who
 * is finished evicts nothing.
 */
#include "base/base.h"
#include "store/doc.h"
#include "store/store_db.h"

/* Only where the state does not tell is the document looked at. */
static bool saved_works(const struct task_saved *t)
{
	if (t->state != TASK_INPUT_REQUIRED)
		return task_state_works(t->state);
	struct error e;
	struct task_doc *d = doc_parse(t->doc, &e);
	bool works = d != NULL && doc_works(d);
	doc_free(d);
	return works;
}

static bool slot_restore(struct store *s, uint32_t i, const struct task_saved *t, bool works)
{
	slot_take_any(s, i);
	struct version *v = slot_begin(slot_at(s, i));
	uint32_t head = pool_take(s, i, blocks_for(t->doc.len), s->map->reserve_blocks);
	if (head == NONE) {
		index_slot_put(s, i);
		slot_give(s, i);
		return false;
	}
	chain_write(s, head, 0, t->doc.ptr, t->doc.len);
	v->doc_head = head;
	v->doc_bytes = (uint32_t)t->doc.len;
	v->last_seq = t->last_seq;
	v->first_seq = t->last_seq + 1;
	v->updated_ms = t->updated_ms;
	v->events_bytes = v->shown_bytes = 0;
	v->events_head = v->events_tail = v->shown_head = NONE;
	atomic_store(&v->state, t->state);
	atomic_store(&v->works, works);
	atomic_store(&v->durable_seq, t->last_seq);
	atomic_store(&v->durable_state, t->state);
	lease_clear(&v->lease);
	atomic_store(&v->lease.epoch, 0);
	slot_use(s, i, &t->id, t->created_ms, works);
	slot_give(s, i);
	return true;
}

enum err task_restore(struct store *s, const struct task_saved *t, struct error *e)
{
	enum err code = ERR_NONE;
	bool works = saved_works(t);
	ensure(t->doc.len > 0 && t->last_seq > 0);
	index_take(s);
	if (index_find(s, &t->id) != NONE) {
		code = err_set(e, ERR_CONFLICT, "the task is in the table already");
	} else {
		if (!task_state_terminal(t->state))
			room_make(s, blocks_for(t->doc.len), true);
		uint32_t i = index_slot_free(s);
		if (i == NONE || !slot_restore(s, i, t, works))
			code = err_set(e, ERR_FULL, "the task table has no room for another task (%s)",
				       i == NONE ? "store.tasks_max" : "store.size_mb");
	}
	index_give(s);
	if (code == ERR_NONE && works) {
		work_again(s);
		work_offer(s);
	}
	return code;
}

enum err task_forget(struct store *s, const struct id *id, struct error *e)
{
	enum err code = ERR_NONE;
	index_take(s);
	uint32_t i = index_find(s, id);
	if (i != NONE) {
		slot_take_any(s, i);
		if (index_done_with(slot_version(slot_at(s, i)))) {
			index_evict_slot(s, i);
		} else {
			slot_give(s, i);
			code = err_set(e, ERR_CONFLICT, "the task is not over");
		}
	}
	index_give(s);
	return code;
}
