/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for keeper and archive: a small database in arrays. The test says when a commit happens
 * (kept_commit) and when the archive answers (at once in the next turn, or, while kept.held, with
 * kept_answer).
 */
#ifndef TESTS_KEPT_RIG_H
#define TESTS_KEPT_RIG_H

#include "base/base.h"
#include "store/archive.h"
#include "store/store_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { KEPT_MAX = 64 };

struct kept_task {
	struct id id;
	enum task_state state;
	uint64_t last_seq;
	struct buf sse, doc;
};

struct archive_call {
	TAILQ_ENTRY(archive_call) link;
	char what; /* task, events, list, request, delete, read */
	struct id task, before;
	bool continued;
	uint64_t after_seq, offset;
	uint32_t states, number;
	size_t bytes_max, limit;
	struct request_key key;
	archive_fn *fn;
	void *arg;
};

static struct {
	struct loop *loop;
	struct store *store; /* the keeper's handle */
	struct kept_task tasks[KEPT_MAX];
	size_t tasks_count;
	struct request_unsaved keys[KEPT_MAX];
	size_t keys_count;
	/* one artifact, number 1 of any task */
	struct slice artifact;
	const char *media_type, *name;
	bool held, lost;
	int asked, pending, cancelled;
	TAILQ_HEAD(, archive_call) calls;
} kept;

static inline struct kept_task *kept_find(const struct id *id)
{
	for (size_t i = 0; i < kept.tasks_count; i++) {
		if (id_compare(&kept.tasks[i].id, id) == 0)
			return &kept.tasks[i];
	}
	return NULL;
}

/* --- the keeper --- */

static inline void kept_save(const struct task_unsaved *t, void *arg)
{
	struct kept_task *k = kept_find(&t->id);

	(void)arg;
	if (!k) {
		assert_true(kept.tasks_count < KEPT_MAX);
		k = &kept.tasks[kept.tasks_count++];
		k->id = t->id;
	}
	assert_int_equal(k->last_seq, t->after_seq);
	k->state = t->state;
	k->last_seq = t->last_seq;
	buf_add_slice(&k->sse, t->events);
	buf_reset(&k->doc);
	buf_add_slice(&k->doc, t->doc);
	unsaved_done(kept.store, t->ref, t->last_seq, t->state, t->doc);
}

/* Everything that is new becomes durable. */
static inline void kept_commit(void)
{
	struct request_unsaved keys[8];
	size_t n;

	while (unsaved_take(kept.store, 100, 1 << 20, kept_save, NULL) > 0)
		;
	n = requests_take(kept.store, COUNT_OF(keys), keys);
	for (size_t i = 0; i < n; i++)
		kept.keys[kept.keys_count++] = keys[i];
	requests_done(kept.store, keys, n);
}

/* A task of so many events, the last of which moves it to this state; only the database has it. */
static inline struct kept_task *kept_put(const char *id, enum task_state to, int events)
{
	struct kept_task *k = &kept.tasks[kept.tasks_count++];
	const char *at = "\"at\":\"2026-11-23T03:24:41.123Z\"";
	struct error e;

	assert_true(events >= 2 && id_parse(id, strlen(id), &k->id));
	k->state = to;
	k->last_seq = (uint64_t)events;
	buf_printf(&k->sse,
		   "id: 1\nevent: task.created\ndata: {\"seq\":1,%s,\"task_id\":\"%s\",\"prompt\":\"x\","
		   "\"approval\":\"auto\",\"metadata\":{}}\n\n",
		   at, id);
	for (int i = 2; i < events; i++)
		buf_printf(&k->sse,
			   "id: %d\nevent: step.skipped\ndata: "
			   "{\"seq\":%d,%s,\"step\":\"a\",\"reason\":\"b\"}\n\n",
			   i, i, at);
	buf_printf(&k->sse,
		   "id: %d\nevent: task.state\ndata: {\"seq\":%d,%s,\"from\":\"queued\",\"to\":\"%s\"}\n\n",
		   events, events, at, task_state_text(to));
	assert_int_equal(task_fold(buf_slice(&k->sse), &k->doc, &e), ERR_NONE);
	return k;
}

/* As the keeper does when the service starts. */
static inline void kept_restore(const struct kept_task *k)
{
	struct task_saved saved = {.id = k->id,
				   .state = k->state,
				   .last_seq = k->last_seq,
				   .created_ms = 1,
				   .updated_ms = 1,
				   .doc = buf_slice(&k->doc)};
	struct error e;

	assert_int_equal(task_restore(kept.store, &saved, &e), ERR_NONE);
}

static inline void kept_stop(void)
{
	struct archive_call *c;

	while ((c = TAILQ_FIRST(&kept.calls)) != NULL) {
		TAILQ_REMOVE(&kept.calls, c, link);
		free(c);
	}
	loop_defer_cancel(kept.loop, &kept);
	for (size_t i = 0; i < kept.tasks_count; i++) {
		buf_release(&kept.tasks[i].sse);
		buf_release(&kept.tasks[i].doc);
	}
	memset(&kept, 0, sizeof(kept));
}

/* --- the archive's answers --- */

static inline void kept_events(const struct archive_call *c, const struct kept_task *k,
			       struct archive_answer *a)
{
	struct slice rest = buf_slice(&k->sse), from = {0};
	struct event_view v;
	const char *start = rest.ptr;

	a->last_seq = c->after_seq;
	while (event_next(&rest, &v)) {
		size_t n = (size_t)(rest.ptr - (from.ptr ? from.ptr : start));

		if (v.seq > c->after_seq && (from.len == 0 || n <= c->bytes_max)) {
			from = (struct slice){from.ptr ? from.ptr : start, n};
			a->last_seq = v.seq;
		} else if (v.seq > c->after_seq) {
			break;
		}
		start = rest.ptr;
	}
	a->bytes = from;
}

static inline void kept_list(const struct archive_call *c, struct buf *out, struct archive_answer *a)
{
	size_t n = 0;

	for (size_t i = kept.tasks_count; i-- > 0;) {
		struct kept_task *k = &kept.tasks[i];

		if ((c->states && !(c->states & 1u << k->state)) ||
		    (c->continued && id_compare(&k->id, &c->before) >= 0))
			continue;
		if (n++ == c->limit) {
			a->more = true;
			break;
		}
		buf_add_slice(out, buf_slice(&k->doc));
		buf_add_char(out, '\n');
		a->last_id = k->id;
	}
	a->bytes = buf_slice(out);
}

static inline void kept_request(const struct archive_call *c, struct archive_answer *a)
{
	err_set(&a->error, ERR_NOT_FOUND, "no such key");
	for (size_t i = 0; i < kept.keys_count; i++) {
		if (memcmp(kept.keys[i].key.key, c->key.key, REQUEST_DIGEST) != 0)
			continue;
		a->error.code = ERR_NONE;
		a->place = kept.keys[i].place;
		memcpy(a->body, kept.keys[i].key.body, REQUEST_DIGEST);
	}
}

static inline void kept_delete(struct kept_task *k, struct archive_answer *a)
{
	if (!task_state_terminal(k->state)) {
		err_set(&a->error, ERR_CONFLICT, "unfinished");
		return;
	}
	a->error.code = task_forget(kept.store, &k->id, &a->error);
	memset(&k->id, 0, sizeof(k->id));
}

static inline void kept_read(const struct archive_call *c, struct archive_answer *a)
{
	size_t at = c->offset < kept.artifact.len ? (size_t)c->offset : kept.artifact.len;
	size_t left = kept.artifact.len - at;
	static char digest[SHA256_HEX_SIZE];

	if (c->number != 1) {
		err_set(&a->error, ERR_NOT_FOUND, "no such artifact");
		return;
	}
	sha256_hex(kept.artifact.ptr, kept.artifact.len, digest);
	a->bytes = (struct slice){kept.artifact.ptr + at, left < c->bytes_max ? left : c->bytes_max};
	a->artifact_bytes = kept.artifact.len;
	a->media_type = kept.media_type;
	a->name = kept.name;
	a->sha256 = digest;
}

static inline void kept_answer_call(struct archive_call *c)
{
	struct kept_task *k = kept_find(&c->task);
	struct archive_answer a = {0};
	struct buf out = BUF_INIT;

	if (kept.lost)
		err_set(&a.error, ERR_UNAVAILABLE, "the keeper is gone");
	else if (!k && strchr("tedr", c->what))
		err_set(&a.error, ERR_NOT_FOUND, "no such task");
	else if (c->what == 't')
		a.bytes = buf_slice(&k->doc);
	else if (c->what == 'e')
		kept_events(c, k, &a);
	else if (c->what == 'l')
		kept_list(c, &out, &a);
	else if (c->what == 'q')
		kept_request(c, &a);
	else if (c->what == 'd')
		kept_delete(k, &a);
	else
		kept_read(c, &a);
	if (k)
		a.head = (struct task_head){.id = k->id,
					    .state = k->state,
					    .last_seq = k->last_seq,
					    .durable_seq = k->last_seq,
					    .durable_state = k->state};
	c->fn(&a, c->arg);
	buf_release(&out);
	free(c);
}

/* What was asked so far is answered. */
static inline void kept_answer(void *unused)
{
	struct archive_call *c;
	int n = kept.pending;

	(void)unused;
	while (n-- > 0 && (c = TAILQ_FIRST(&kept.calls)) != NULL) {
		TAILQ_REMOVE(&kept.calls, c, link);
		kept.pending--;
		kept_answer_call(c);
	}
}

/* --- the archive's face --- */

static inline struct archive_call *kept_ask(char what, const struct id *task, archive_fn *fn, void *arg)
{
	struct archive_call *c = xcalloc(1, sizeof(*c));

	c->what = what;
	if (task)
		c->task = *task;
	c->fn = fn;
	c->arg = arg;
	kept.asked++;
	kept.pending++;
	TAILQ_INSERT_TAIL(&kept.calls, c, link);
	if (!kept.held)
		loop_defer(kept.loop, kept_answer, &kept);
	return c;
}

struct archive_call *archive_task(struct archive *a, const struct id *task, archive_fn *fn, void *arg)
{
	(void)a;
	return kept_ask('t', task, fn, arg);
}

struct archive_call *archive_events(struct archive *a, const struct id *task, uint64_t after_seq,
				    size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *c = kept_ask('e', task, fn, arg);

	(void)a;
	c->after_seq = after_seq;
	c->bytes_max = bytes_max;
	return c;
}

struct archive_call *archive_list(struct archive *a, uint32_t states, const struct id *before, size_t limit,
				  size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *c = kept_ask('l', NULL, fn, arg);

	(void)a;
	c->states = states;
	c->continued = before != NULL;
	if (before)
		c->before = *before;
	c->limit = limit;
	c->bytes_max = bytes_max;
	return c;
}

struct archive_call *archive_request(struct archive *a, const struct request_key *k, archive_fn *fn,
				     void *arg)
{
	struct archive_call *c = kept_ask('q', NULL, fn, arg);

	(void)a;
	c->key = *k;
	return c;
}

struct archive_call *archive_delete(struct archive *a, const struct id *task, archive_fn *fn, void *arg)
{
	(void)a;
	return kept_ask('d', task, fn, arg);
}

struct archive_call *artifact_read(struct archive *a, const struct id *task, uint32_t number, uint64_t offset,
				   size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *c = kept_ask('r', task, fn, arg);

	(void)a;
	c->number = number;
	c->offset = offset;
	c->bytes_max = bytes_max;
	return c;
}

void archive_cancel(struct archive_call *call)
{
	kept.cancelled++;
	kept.pending--;
	TAILQ_REMOVE(&kept.calls, call, link);
	free(call);
}

#endif
