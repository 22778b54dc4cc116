/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of the model check, and the processes that carry them out: each waits on its socket for one
 * operation, does it on its own handle and tells what came of it. The keeper is one of them: it keeps
 * documents in its memory and commits nothing until it is told to.
 */
#ifndef TESTS_PROC_MODEL_OP_H
#define TESTS_PROC_MODEL_OP_H

#include "base/base.h"
#include "store/store_int.h"
#include "store/store_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MODEL_LIST = 64 };

enum op_kind {
	OP_CREATE,
	OP_MOVE,
	OP_LEASE_TAKE,
	OP_LEASE_NEXT,
	OP_LEASE_RELEASE,
	OP_FIND,
	OP_READ,
	OP_EVENTS,
	OP_LIST,
	OP_WATCH,
	OP_UNWATCH,
	OP_WAKE,
	OP_KEY_CLAIM,
	OP_KEY_BEGIN,
	OP_KEY_SETTLE,
	OP_KEY_DROP,
	OP_KEY_RECLAIM,
	OP_TAKE, /* from here on the keeper's */
	OP_DONE,
	OP_AGAIN,
	OP_FORGET,
	OP_RESTORE,
	OP_HEALTH,
	OP_TAKE_OVER,
};

struct op {
	enum op_kind kind;
	struct id id;
	struct task_ref ref;
	enum task_state to;
	uint64_t if_last_seq, after_seq;
	uint32_t epoch, states;
	bool leased, newest, with_event, saved;
	size_t max;
	enum store_health health;
	struct request_key key;
	struct request_place place;
	uint64_t last_seq; /* of what is restored */
};

struct answer {
	enum err code;
	bool found;
	struct task_ref ref;
	struct task_head head;
	uint64_t last_seq, first, last; /* of a move; of the events read */
	uint64_t doc_seq;
	enum task_state doc_state;
	struct lease lease;
	enum request_status status;
	struct request_place place;
	size_t count;
	struct task_ref list[MODEL_LIST];
	uint64_t seqs[MODEL_LIST];
	size_t keys_count;
	struct request_unsaved keys[MODEL_LIST];
};

/* What the keeper has taken and not yet committed. */
struct model_taken {
	struct task_ref ref;
	uint64_t last_seq;
	enum task_state state;
	char *doc;
};
struct model_keeper {
	struct model_taken tasks[MODEL_LIST];
	size_t count;
	struct request_unsaved keys[MODEL_LIST];
	size_t keys_count;
};

static inline enum err model_create(struct store *s, const struct op *o, struct answer *a)
{
	char text[ID_TEXT_SIZE], json[256];
	struct error e;
	id_format(&o->id, text);
	snprintf(json, sizeof json, "{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\"}", text);
	return task_create(s, &o->id, slice_str(json), &a->ref, &e);
}

static inline enum err model_move(struct store *s, const struct op *o, struct answer *a)
{
	struct task_event ev = {EVENT_TOOL_STARTED, SLICE_LIT("{\"call\":\"c\"}")};
	struct lease l = {o->ref, o->epoch};
	struct error e;
	struct task_change c = {.to = o->to,
				.events = &ev,
				.events_count = o->with_event,
				.lease = o->leased ? &l : NULL,
				.if_last_seq = o->if_last_seq};
	return task_move(s, o->ref, &c, &a->last_seq, &e);
}

static inline enum err model_read(struct store *s, const struct op *o, struct answer *a)
{
	struct buf doc = BUF_INIT;
	enum err code = o->newest ? task_doc_copy_newest(s, o->ref, &doc, &a->head)
				  : task_doc_copy(s, o->ref, &doc, &a->head);
	struct json *j = code == ERR_NONE ? json_parse(doc.data, doc.len, 16, NULL) : NULL;
	if (j != NULL) {
		a->doc_seq = (uint64_t)json_get_integer(j, "last_seq", 0);
		ensure(task_state_parse(json_get_text(j, "status", ""), &a->doc_state));
	}
	json_free(j);
	buf_release(&doc);
	return code;
}

static inline enum err model_events(struct store *s, const struct op *o, struct answer *a)
{
	struct buf sse = BUF_INIT;
	struct event_cursor c;
	struct event_view v;
	if (o->newest)
		event_cursor_init_newest(&c, o->after_seq);
	else
		event_cursor_init(&c, o->after_seq);
	enum err code = task_events_copy(s, o->ref, &c, o->max, &sse, &a->head);
	for (struct slice rest = buf_slice(&sse); code == ERR_NONE && rest.len > 0; a->last = v.seq) {
		ensure(event_next(&rest, &v));
		ensure(a->last == 0 || v.seq == a->last + 1);
		a->first = a->first == 0 ? v.seq : a->first;
	}
	buf_release(&sse);
	return code;
}

static inline void model_told(struct task_ref ref, void *arg)
{
	struct answer *a = arg;
	ensure(a->count < MODEL_LIST);
	a->list[a->count++] = ref;
}

static inline enum err model_key(struct store *s, const struct op *o, struct answer *a)
{
	struct error e;
	switch (o->kind) {
	case OP_KEY_BEGIN: request_key_begin(s, &o->key, &o->place); break;
	case OP_KEY_SETTLE: request_key_settle(s, &o->key, &o->place, o->saved); break;
	case OP_KEY_DROP: request_key_drop(s, &o->key); break;
	case OP_KEY_RECLAIM: a->found = request_key_reclaim(s, &o->key, &o->place); break;
	default: return request_key_claim(s, &o->key, &a->status, &a->place, &e);
	}
	return ERR_NONE;
}

/* --- the keeper's --- */

static inline void model_take_one(const struct task_unsaved *t, void *arg)
{
	struct model_keeper *k = arg;
	ensure(k->count < MODEL_LIST && t->doc.len > 0 && t->events.len > 0);
	k->tasks[k->count++] = (struct model_taken){t->ref, t->last_seq, t->state, slice_dup(t->doc)};
}

static inline void model_take(struct store *s, const struct op *o, struct model_keeper *k, struct answer *a)
{
	ensure(unsaved_take(s, o->max, SIZE_MAX, model_take_one, k) == k->count);
	k->keys_count = requests_take(s, MODEL_LIST, k->keys);
	a->count = k->count;
	for (size_t i = 0; i < k->count; i++) {
		a->list[i] = k->tasks[i].ref;
		a->seqs[i] = k->tasks[i].last_seq;
	}
	a->keys_count = k->keys_count;
	memcpy(a->keys, k->keys, sizeof k->keys);
}

static inline void model_taken_end(struct store *s, struct model_keeper *k, bool done)
{
	for (size_t i = 0; i < k->count; i++) {
		struct model_taken *t = &k->tasks[i];
		if (done)
			unsaved_done(s, t->ref, t->last_seq, t->state, slice_str(t->doc));
		else
			unsaved_again(s, t->ref);
		free(t->doc);
	}
	if (done)
		requests_done(s, k->keys, k->keys_count);
	else
		requests_again(s, k->keys, k->keys_count);
	k->count = k->keys_count = 0;
}

static inline enum err model_restore(struct store *s, const struct op *o)
{
	char id[ID_TEXT_SIZE], text[512];
	struct error e;
	id_format(&o->id, id);
	snprintf(text, sizeof text,
		 "{\"id\":\"%s\",\"status\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\",\"plan\":null,"
		 "\"result\":null,\"error\":null,\"pending\":null,\"metadata\":null,\"last_seq\":%llu,"
		 "\"created_at\":\"2026-01-01T00:00:00.000Z\",\"updated_at\":\"2026-01-01T00:00:00.000Z\"}",
		 id, task_state_text(o->to), (unsigned long long)o->last_seq);
	struct task_saved t = {.id = o->id, .state = o->to, .last_seq = o->last_seq, .doc = slice_str(text)};
	return task_restore(s, &t, &e);
}

static inline void model_do(struct store *s, const struct op *o, struct model_keeper *k, struct answer *a)
{
	struct lease l = {o->ref, o->epoch};
	struct error e;
	switch (o->kind) {
	case OP_CREATE: a->code = model_create(s, o, a); break;
	case OP_MOVE: a->code = model_move(s, o, a); break;
	case OP_LEASE_TAKE: a->code = lease_take(s, o->ref, &a->lease, &e); break;
	case OP_LEASE_NEXT: a->found = lease_next(s, &a->lease); break;
	case OP_LEASE_RELEASE: lease_release(s, &l); break;
	case OP_FIND: a->found = task_find(s, &o->id, &a->ref); break;
	case OP_READ: a->code = model_read(s, o, a); break;
	case OP_EVENTS: a->code = model_events(s, o, a); break;
	case OP_LIST:
		a->count = task_list(s, &(struct task_query){.states = o->states, .limit = o->max}, a->list);
		break;
	case OP_WATCH: a->code = task_watch(s, o->ref); break;
	case OP_UNWATCH: task_unwatch(s, o->ref); break;
	case OP_WAKE: wake_take(s, model_told, a); break;
	case OP_KEY_CLAIM:
	case OP_KEY_BEGIN:
	case OP_KEY_SETTLE:
	case OP_KEY_DROP:
	case OP_KEY_RECLAIM: a->code = model_key(s, o, a); break;
	case OP_TAKE: model_take(s, o, k, a); break;
	case OP_DONE:
	case OP_AGAIN: model_taken_end(s, k, o->kind == OP_DONE); break;
	case OP_FORGET: a->code = task_forget(s, &o->id, &e); break;
	case OP_RESTORE: a->code = model_restore(s, o); break;
	case OP_HEALTH: store_health_set(s, o->health, "as told"); break;
	case OP_TAKE_OVER: unsaved_mark_all(s); break;
	}
}

static inline _Noreturn void model_process(struct store *created, uint32_t proc, int fd)
{
	struct store *s = store_attach(created, proc);
	struct model_keeper k = {.count = 0};
	struct op o;
	while (recv(fd, &o, sizeof o, 0) == (ssize_t)sizeof o) {
		struct answer a = {.code = ERR_NONE};
		model_do(s, &o, &k, &a);
		ensure(send(fd, &a, sizeof a, 0) == (ssize_t)sizeof a);
	}
	_exit(0);
}

#endif
