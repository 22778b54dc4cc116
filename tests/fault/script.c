/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps. Each changes the table as a worker does and, most of the time, waits until what it changed is
 * durable; a few changes in a row make a group for one commit. What the store acknowledges is noted in the
 * log of operations before the next step begins, never after it.
 */
#include "tests/fault/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 20000 };

void acked_mark(struct acked *a, const struct mark *m)
{
	switch (m->kind) {
	case MARK_ACK_TASK: a->seq[m->index] = m->value; break;
	case MARK_ASK_DELETE: a->delete_asked[m->index] = true; break;
	case MARK_ACK_DELETE: a->deleted[m->index] = true; break;
	case MARK_ACK_ARTIFACT: a->artifact[m->index] = true; break;
	default: break;
	}
}

static void note(struct script *s, enum mark_kind kind, size_t index, uint64_t value)
{
	struct mark m = {kind, (uint32_t)index, value};
	rig_mark(kind, m.index, value);
	acked_mark(&s->acked, &m);
}

void script_init(struct script *s, struct rig *r, uint64_t seed, size_t steps)
{
	*s = (struct script){.rig = r, .random = seed, .steps = steps};
}

void script_release(struct script *s)
{
	for (size_t i = 0; i < s->tasks_count; i++)
		buf_release(&s->tasks[i].sse);
}

static uint64_t below(struct script *s, uint64_t n)
{
	return rig_random(&s->random) % n;
}

/* --- what the table has --- */

/* The events that the last change has added. */
static void events_note(struct script *s, struct script_task *t)
{
	struct event_cursor c;
	struct task_head h;
	size_t from = t->sse.len;
	event_cursor_init_newest(&c, t->last_seq);
	ensure(task_events_copy(s->rig->worker, t->ref, &c, 1 << 20, &t->sse, &h) == ERR_NONE);
	struct slice rest = {t->sse.data + from, t->sse.len - from};
	struct event_view v;
	while (event_next(&rest, &v)) {
		ensure(v.seq == t->last_seq + 1 && v.seq < EVENTS_MAX);
		t->last_seq = v.seq;
		t->ends[v.seq] = t->sse.len - rest.len;
	}
	ensure(t->last_seq == h.last_seq);
	t->state = h.state;
}

static bool gone_or_deleted(const struct script *s, size_t i)
{
	return s->acked.delete_asked[i];
}

/* Notes what has become durable; true when that is all. */
static bool acks_note(struct script *s)
{
	bool all = s->asked == 0;
	for (size_t i = 0; i < s->tasks_count; i++) {
		struct task_head h;
		if (gone_or_deleted(s, i) || task_head_get(s->rig->worker, s->tasks[i].ref, &h) != ERR_NONE)
			continue;
		if (h.durable_seq > s->acked.seq[i])
			note(s, MARK_ACK_TASK, i, h.durable_seq);
		all = all && h.durable_seq == h.last_seq;
	}
	return all;
}

enum script_end script_settle(struct script *s)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;
	for (;;) {
		bool all = acks_note(s);
		enum store_health h = store_health(s->rig->worker, NULL);
		if (s->rig->gone)
			return SCRIPT_GONE;
		if (h == STORE_NO_SPACE)
			return SCRIPT_NO_SPACE;
		if (all && h != STORE_BROKEN) /* then it is about to end */
			return SCRIPT_DONE;
		if (clock_mono_ms() > until_ms)
			die(70, "what was changed does not become durable: %s", buf_cstr(&s->rig->said));
		rig_turn(s->rig);
	}
}

/* --- steps; false: refused, to be tried again --- */

static void pad_add(struct script *s, struct buf *b, size_t bytes)
{
	char *at = buf_grow(b, bytes);
	for (size_t i = 0; i < bytes; i++)
		at[i] = (char)('a' + (i % 61 == 0 ? below(s, 26) : i % 26));
	b->len += bytes;
}

/* Mostly small, sometimes over several pages. */
static size_t some_bytes(struct script *s)
{
	return below(s, 12) == 0 ? 9000 + below(s, 12000) : 20 + below(s, 600);
}

static void request_new(struct script *s, struct script_task *t, char hex[REQUEST_HEX_SIZE])
{
	struct script_request *q = &t->requests[t->requests_count];
	struct request_place place = {t->id, t->last_seq, clock_wall_ms()};
	enum request_status status;
	struct error e = {0};
	for (size_t i = 0; i < REQUEST_DIGEST; i++) {
		q->key.key[i] = (uint8_t)below(s, 256);
		q->key.body[i] = (uint8_t)below(s, 256);
	}
	ensure(request_key_claim(s->rig->worker, &q->key, &status, &place, &e) == ERR_NONE);
	ensure(status == REQUEST_NEW);
	place = (struct request_place){t->id, t->last_seq, clock_wall_ms()};
	request_key_begin(s->rig->worker, &q->key, &place);
	request_key_hex(&q->key, hex);
}

static void request_end(struct script *s, struct script_task *t, bool made)
{
	struct script_request *q = &t->requests[t->requests_count];
	struct request_place place = {t->id, q->seq ? q->seq - 1 : 0, clock_wall_ms()};
	if (!made) {
		request_key_drop(s->rig->worker, &q->key);
		return;
	}
	request_key_settle(s->rig->worker, &q->key, &place, false);
	t->requests_count++;
}

static bool step_create(struct script *s)
{
	struct script_task *t = &s->tasks[s->tasks_count];
	char text[ID_TEXT_SIZE], hex[REQUEST_HEX_SIZE] = "";
	struct buf b = BUF_INIT;
	struct error e = {0};
	*t = (struct script_task){.script = s};
	for (size_t i = 0; i < ID_BYTES; i++)
		t->id.b[i] = i < 6 ? (uint8_t)(i == 5 ? s->tasks_count + 1 : 1) : (uint8_t)below(s, 256);
	t->id.b[6] = 0x70 | (t->id.b[6] & 15);
	t->id.b[8] = 0x80 | (t->id.b[8] & 63);
	id_format(&t->id, text);
	bool keyed = below(s, 2);
	if (keyed)
		request_new(s, t, hex);
	buf_printf(&b, "{\"task_id\":\"%s\",\"prompt\":\"", text);
	pad_add(s, &b, some_bytes(s));
	buf_printf(&b, "\",\"approval\":\"auto\",\"metadata\":{\"n\":%zu}", s->tasks_count);
	if (keyed)
		buf_printf(&b, ",\"request\":\"%s\"", hex);
	buf_add_char(&b, '}');
	enum err code = task_create(s->rig->worker, &t->id, buf_slice(&b), &t->ref, &e);
	if (keyed) {
		t->requests[0].seq = 1;
		request_end(s, t, code == ERR_NONE);
	}
	buf_release(&b);
	if (code != ERR_NONE)
		return false;
	ensure(task_watch(s->rig->worker, t->ref) == ERR_NONE);
	s->tasks_count++;
	events_note(s, t);
	return true;
}

static enum task_state state_after(struct script *s, const struct script_task *t)
{
	if (below(s, 3) == 0)
		return TASK_SAME;
	switch (t->state) {
	case TASK_QUEUED: return TASK_PLANNING;
	case TASK_PLANNING: return below(s, 2) ? TASK_RUNNING : TASK_AWAITING_APPROVAL;
	case TASK_AWAITING_APPROVAL: return TASK_RUNNING;
	case TASK_RUNNING: return below(s, 4) ? TASK_COMPLETED : TASK_FAILED;
	default: return TASK_SAME;
	}
}

/* What the plan says, what a model said, what came out: one to three events in one change. */
static bool step_move(struct script *s, struct script_task *t)
{
	struct buf b[3] = {BUF_INIT, BUF_INIT, BUF_INIT};
	struct task_event ev[3];
	char hex[REQUEST_HEX_SIZE];
	struct error e = {0};
	size_t n = 1 + below(s, 3);
	bool keyed = t->requests_count < COUNT_OF(t->requests) && below(s, 5) == 0;
	if (keyed)
		request_new(s, t, hex);
	for (size_t i = 0; i < n; i++) {
		static const enum event_type types[] = {EVENT_MODEL_COMPLETED, EVENT_TASK_RESULT,
							EVENT_TOOL_COMPLETED, EVENT_TASK_PENDING};
		ev[i].type = types[below(s, COUNT_OF(types))];
		buf_add_str(&b[i], ev[i].type == EVENT_TASK_PENDING ? "{\"pending\":\"" : "{\"result\":\"");
		pad_add(s, &b[i], some_bytes(s));
		buf_add_str(&b[i], "\",\"call\":\"c1\",\"step\":\"s1\",\"usage\":{\"input_tokens\":3}}");
		ev[i].data = buf_slice(&b[i]);
	}
	struct buf state = BUF_INIT;
	struct task_change c = {.events = ev, .events_count = n, .to = state_after(s, t)};
	if (keyed)
		c.to = c.to == TASK_SAME && t->state == TASK_QUEUED ? TASK_PLANNING : c.to;
	if (keyed && c.to != TASK_SAME) {
		buf_printf(&state, "{\"request\":\"%s\"}", hex);
		c.state_data = buf_slice(&state);
	}
	uint64_t last_seq = 0;
	enum err code = task_move(s->rig->worker, t->ref, &c, &last_seq, &e);
	if (keyed) {
		t->requests[t->requests_count].seq = last_seq;
		request_end(s, t, code == ERR_NONE && c.to != TASK_SAME);
	}
	for (size_t i = 0; i < n; i++)
		buf_release(&b[i]);
	buf_release(&state);
	if (code == ERR_NONE)
		events_note(s, t);
	return code == ERR_NONE;
}

void artifact_fill(const struct script_artifact *a, struct buf *out)
{
	uint64_t seed = a->seed;
	for (size_t i = 0; i < a->bytes; i += 8) {
		uint64_t x = rig_random(&seed);
		buf_add(out, &x, a->bytes - i < 8 ? a->bytes - i : 8);
	}
}

static void artifact_done(const struct archive_answer *a, void *arg)
{
	struct script_artifact *f = arg;
	f->script->asked--;
	if (a->error.code == ERR_NONE)
		note(f->script, MARK_ACK_ARTIFACT, (size_t)(f - f->script->artifacts), 0);
	else
		f->asked = false;
}

static bool step_artifact(struct script *s, size_t task)
{
	struct script_artifact *f = &s->artifacts[s->artifacts_count++];
	struct buf b = BUF_INIT;
	*f = (struct script_artifact){.task = (uint32_t)task,
				      .number = (uint32_t)s->artifacts_count,
				      .bytes = below(s, 3) ? 3000 + below(s, 9000) : DB_PART_BYTES + 5000,
				      .seed = rig_random(&s->random),
				      .asked = true,
				      .script = s};
	artifact_fill(f, &b);
	struct artifact_new n = {s->tasks[task].id, f->number, "text/plain", "a.txt", buf_slice(&b)};
	s->asked++;
	artifact_write(s->rig->archive, &n, artifact_done, f);
	buf_release(&b);
	return true;
}

static void delete_done(const struct archive_answer *a, void *arg)
{
	struct script_task *t = arg;
	struct script *s = t->script;
	s->asked--;
	/* Asked again of the next keeper, it may be told that there is no such task. */
	if (a->error.code == ERR_NONE || a->error.code == ERR_NOT_FOUND)
		note(s, MARK_ACK_DELETE, (size_t)(t - s->tasks), 0);
}

static bool step_delete(struct script *s, size_t task)
{
	task_unwatch(s->rig->worker, s->tasks[task].ref);
	note(s, MARK_ASK_DELETE, task, 0);
	s->asked++;
	archive_delete(s->rig->archive, &s->tasks[task].id, delete_done, &s->tasks[task]);
	return true;
}

/* A task that is there, durable as far as it goes when it is to be deleted. */
static bool step_task(struct script *s)
{
	size_t i = below(s, s->tasks_count), tries = s->tasks_count;
	while (tries-- && (gone_or_deleted(s, i) || s->tasks[i].last_seq + 5 >= EVENTS_MAX))
		i = (i + 1) % s->tasks_count;
	struct script_task *t = &s->tasks[i];
	if (gone_or_deleted(s, i) || t->last_seq + 5 >= EVENTS_MAX)
		return true;
	if (task_state_terminal(t->state))
		return s->acked.seq[i] == t->last_seq && below(s, 3) == 0 ? step_delete(s, i) : true;
	if (s->artifacts_count < ARTIFACTS_MAX && s->acked.seq[i] && below(s, 8) == 0)
		return step_artifact(s, i);
	return step_move(s, t);
}

enum script_end script_run(struct script *s)
{
	enum script_end end = SCRIPT_DONE;
	while (s->at < s->steps && end == SCRIPT_DONE) {
		uint64_t before = s->random;
		bool create = s->tasks_count == 0 || (s->tasks_count < TASKS_MAX && below(s, 4) == 0);
		bool done = create ? step_create(s) : step_task(s);
		if (done)
			s->at++;
		else
			s->random = before;
		if (!done || below(s, 3) || s->at == s->steps)
			end = script_settle(s);
	}
	return end == SCRIPT_DONE ? script_settle(s) : end;
}

bool script_resync(struct script *s)
{
	s->asked = 0; /* who asked is dead */
	for (size_t i = 0; i < s->tasks_count; i++) {
		struct script_task *t = &s->tasks[i];
		struct task_head h;
		if (gone_or_deleted(s, i))
			continue;
		if (!task_find(s->rig->worker, &t->id, &t->ref)) {
			if (s->acked.seq[i])
				return false;
			s->acked.delete_asked[i] = s->acked.deleted[i] = true;
			continue;
		}
		if (task_head_get(s->rig->worker, t->ref, &h) != ERR_NONE || h.durable_seq != h.last_seq ||
		    h.last_seq < s->acked.seq[i] || h.last_seq > t->last_seq)
			return false;
		t->last_seq = s->acked.seq[i] = h.last_seq;
		t->state = h.state;
		t->sse.len = t->ends[h.last_seq];
		while (t->requests_count && t->requests[t->requests_count - 1].seq > h.last_seq)
			t->requests_count--;
		ensure(task_watch(s->rig->worker, t->ref) == ERR_NONE);
	}
	return true;
}
