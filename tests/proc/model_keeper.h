/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of the model check: keys of requests, and the keeper. */
#ifndef TESTS_PROC_MODEL_KEEPER_H
#define TESTS_PROC_MODEL_KEEPER_H

#include "tests/proc/model.h"

/* --- keys --- */

static inline struct request_key key_nth(uint32_t n, uint8_t body)
{
	struct request_key k = {.body = {body}};
	memcpy(k.key, &n, sizeof n);
	return k;
}

static inline struct request_place place_any(void)
{
	struct request_place p = {.after_seq = any(1000), .at_ms = any(1000)};
	p.task.b[0] = (uint8_t)any(4);
	return p;
}

static inline bool claimed(const struct model_request *r)
{
	return r->status == KEY_CLAIMED || r->status == KEY_BEGUN;
}

static inline void step_claim(uint32_t w)
{
	uint32_t n = any(KEYS);
	uint8_t body = any(5) == 0 ? 2 : 1;
	struct model_request *r = &requests[n];
	struct answer a = ask(w, &(struct op){.kind = OP_KEY_CLAIM, .key = key_nth(n, body)});
	enum request_status wanted = REQUEST_NEW;
	bool dead = r->owner == DEAD;
	if (r->status != KEY_FREE && r->body != body && !(r->status == KEY_CLAIMED && dead))
		wanted = REQUEST_OTHER;
	else if (claimed(r) && !dead)
		wanted = REQUEST_BUSY;
	else if (r->status == KEY_BEGUN || r->status == KEY_DONE)
		wanted = REQUEST_BEGUN;
	assert_int_equal(a.code, ERR_NONE);
	assert_int_equal(a.status, wanted);
	if (wanted == REQUEST_BEGUN)
		assert_memory_equal(&a.place, &r->place, sizeof a.place);
	if (wanted == REQUEST_NEW)
		*r = (struct model_request){.status = KEY_CLAIMED, .owner = w, .body = body};
}

static inline void step_reclaim(uint32_t w)
{
	uint32_t n = any(KEYS);
	struct model_request *r = &requests[n];
	struct op o = {.kind = OP_KEY_RECLAIM, .key = key_nth(n, r->body), .place = r->place};
	bool stale = any(4) == 0;
	o.place.after_seq += stale;
	struct answer a = ask(w, &o);
	bool wanted = (r->status == KEY_DONE || (r->status == KEY_BEGUN && r->owner == DEAD)) && !stale;
	assert_int_equal(a.found, wanted);
	if (wanted)
		*r = (struct model_request){.status = KEY_CLAIMED, .owner = w, .body = r->body};
}

/* Of a key that is this worker's. */
static inline void step_key(uint32_t w)
{
	uint32_t n = any(KEYS), what = any(4);
	struct model_request *r = &requests[n];
	struct op o = {.key = key_nth(n, r->body), .place = place_any()};
	if (!claimed(r) || r->owner != w)
		return;
	if (what < 2) {
		o.kind = OP_KEY_BEGIN;
		ask(w, &o);
		r->status = KEY_BEGUN;
		r->place = o.place;
		r->saved = r->taken = false;
	} else if (what == 2) {
		o.kind = OP_KEY_SETTLE;
		o.saved = r->status == KEY_CLAIMED && any(2);
		ask(w, &o);
		if (r->status == KEY_CLAIMED)
			r->place = o.place;
		r->saved = r->saved || o.saved;
		r->status = KEY_DONE;
	} else {
		o.kind = OP_KEY_DROP;
		ask(w, &o);
		r->status = KEY_FREE;
	}
}

/* --- the keeper --- */

static inline bool key_unsaved(const struct model_request *r)
{
	return (r->status == KEY_BEGUN || r->status == KEY_DONE) && !r->saved && !r->taken;
}

static inline void keys_taken(const struct answer *a)
{
	size_t wanted = 0;
	for (size_t i = 0; i < KEYS; i++)
		wanted += key_unsaved(&requests[i]);
	assert_int_equal(a->keys_count, wanted);
	for (size_t i = 0; i < a->keys_count; i++) {
		uint32_t n;
		memcpy(&n, a->keys[i].key.key, sizeof n);
		assert_true(n < KEYS && key_unsaved(&requests[n]));
		assert_memory_equal(&a->keys[i].place, &requests[n].place, sizeof a->keys[i].place);
		requests[n].taken = true;
		batch.keys[i] = n;
		batch.places[i] = requests[n].place;
	}
	batch.keys_count = a->keys_count;
}

static inline void step_take(void)
{
	struct op o = {.kind = OP_TAKE, .max = 1 + any(SLOTS)};
	size_t wanted = 0;
	if (batch.open)
		return;
	struct answer a = ask(KEEPER, &o);
	for (size_t i = 0; i < kept_count; i++)
		wanted += tasks[kept[i]].unsaved && tasks[kept[i]].durable_seq < tasks[kept[i]].last_seq;
	assert_int_equal(a.count, wanted < o.max ? wanted : o.max);
	for (size_t i = 0; i < a.count; i++) {
		struct model_task *t = task_of(a.list[i]);
		ensure(t != NULL);
		assert_true(t->unsaved && t->durable_seq < t->last_seq);
		assert_int_equal(a.seqs[i], t->last_seq);
		t->unsaved = false;
		batch.tasks[i] = (size_t)(t - tasks);
		batch.seqs[i] = t->last_seq;
		batch.states[i] = t->state;
	}
	batch.count = a.count;
	batch.open = true;
	keys_taken(&a);
}

static inline void batch_commit(void)
{
	for (size_t i = 0; i < batch.count; i++) {
		struct model_task *t = &tasks[batch.tasks[i]];
		t->durable_seq = batch.seqs[i];
		t->durable_state = batch.states[i];
		for (uint32_t w = 0; w < WORKERS; w++)
			t->told[w] = t->told[w] || t->watch[w] > 0;
	}
}

static inline void batch_end(bool done)
{
	for (size_t i = 0; i < batch.keys_count; i++) {
		struct model_request *r = &requests[batch.keys[i]];
		if (!r->taken || memcmp(&r->place, &batch.places[i], sizeof r->place) != 0)
			continue;
		r->taken = false;
		r->saved = done;
	}
	batch.open = false;
}

static inline void step_commit(void)
{
	bool done = any(4) > 0;
	if (!batch.open)
		return;
	ask(KEEPER, &(struct op){.kind = done ? OP_DONE : OP_AGAIN});
	if (done)
		batch_commit();
	for (size_t i = 0; i < batch.count && !done; i++)
		tasks[batch.tasks[i]].unsaved = true;
	batch_end(done);
}

static inline void step_forget(void)
{
	struct model_task *t = task_any();
	struct answer a = ask(KEEPER, &(struct op){.kind = OP_FORGET, .id = t->id});
	assert_int_equal(a.code, !t->kept || evictable(t) ? ERR_NONE : ERR_CONFLICT);
	if (t->kept && evictable(t))
		task_unkeep(t);
}

/* One that was there before and is over, or one that the database has from long ago. */
static inline void step_restore(void)
{
	struct model_task *t = any(6) == 0 ? task_new() : task_any();
	enum err wanted = ERR_NONE;
	if (t->last_seq == 0) {
		t->state = t->durable_state = any(2) ? TASK_RUNNING : TASK_INPUT_REQUIRED;
		t->last_seq = t->durable_seq = 7;
		t->spare = true;
		if (any(2))
			return; /* later: then it is older than others */
	}
	if (t->kept)
		wanted = ERR_CONFLICT;
	else if (over(t) ? kept_count == SLOTS : !room_for_one())
		wanted = ERR_FULL;
	struct op o = {.kind = OP_RESTORE, .id = t->id, .to = t->state, .last_seq = t->last_seq};
	assert_int_equal(ask(KEEPER, &o).code, wanted);
	if (wanted != ERR_NONE)
		return;
	struct answer a = ask(any(WORKERS), &(struct op){.kind = OP_FIND, .id = t->id});
	assert_true(a.found);
	task_keep(t, a.ref);
	t->first_seq = t->last_seq + 1;
}

static inline void step_health(void)
{
	health = any(4) == 0 ? STORE_NO_SPACE : STORE_WORKS;
	ask(KEEPER, &(struct op){.kind = OP_HEALTH, .health = health});
}

static inline void step_keeper_dies(void)
{
	process_kill(KEEPER);
	process_start(KEEPER);
	ask(KEEPER, &(struct op){.kind = OP_TAKE_OVER});
	batch.open = false;
	for (size_t i = 0; i < kept_count; i++)
		tasks[kept[i]].unsaved = true;
	for (size_t i = 0; i < KEYS; i++)
		requests[i].taken = false;
}

#endif
