/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The comparison of a database with what a script did. It stops at the first fault, and says which task and
 * what. It reads through the row of functions that the service reads through, so what it finds right is what
 * a client would be given.
 */
#include "tests/fault/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct looking {
	struct look *look;
	struct db *db;
	const struct script *s;
	const struct acked *a;
	struct error e;
	bool listed[TASKS_MAX];
};

static bool fault(struct looking *k, const char *fmt, ...) printf_like(2);
static bool fault(struct looking *k, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (!k->look->fault[0])
		vsnprintf(k->look->fault, sizeof k->look->fault, fmt, ap);
	va_end(ap);
	return false;
}

static bool task_seen(const struct task_saved *t, void *arg)
{
	struct looking *k = arg;
	for (size_t i = 0; i < k->s->tasks_count; i++)
		if (id_compare(&k->s->tasks[i].id, &t->id) == 0) {
			if (k->listed[i])
				return fault(k, "task %zu is listed twice", i);
			k->listed[i] = true;
			k->look->vector += vector_hash(&t->id, t->last_seq);
			return true;
		}
	return fault(k, "a task is there that nobody made");
}

static bool doc_right(struct looking *k, size_t i, const struct task_saved *t, struct slice sse)
{
	struct buf fold = BUF_INIT;
	struct error e = {0};
	bool right = task_fold(sse, &fold, &e) == ERR_NONE;
	if (!right)
		fault(k, "task %zu: its events cannot be folded: %s", i, e.msg);
	else if (!(right = slice_eq(buf_slice(&fold), t->doc)))
		fault(k, "task %zu: its document is not the fold of its events", i);
	struct json *j = right ? json_parse(fold.data, fold.len, 64, &e) : NULL;
	if (right && strcmp(json_get_text(j, "status", ""), task_state_text(t->state)) != 0)
		right = fault(k, "task %zu: is %s, its document says otherwise", i,
			      task_state_text(t->state));
	if (right && json_get_integer(j, "last_seq", 0) != (int64_t)t->last_seq)
		right = fault(k, "task %zu: its document is not of its last event", i);
	json_free(j);
	buf_release(&fold);
	return right;
}

static bool events_right(struct looking *k, size_t i, const struct task_saved *t)
{
	const struct script_task *m = &k->s->tasks[i];
	struct buf sse = BUF_INIT;
	uint64_t last_seq = 0;
	bool right = true;
	if (t->last_seq > m->last_seq)
		return fault(k, "task %zu: event %llu is there, the last made was %llu", i,
			     (unsigned long long)t->last_seq, (unsigned long long)m->last_seq);
	if (k->db->backend->events_get(k->db, &m->id, 0, 8 << 20, &sse, &last_seq, &k->e) != ERR_NONE)
		right = fault(k, "task %zu: events: %s", i, k->e.msg);
	else if (last_seq != t->last_seq)
		right = fault(k, "task %zu: events up to %llu, its row says %llu", i,
			      (unsigned long long)last_seq, (unsigned long long)t->last_seq);
	right = right && doc_right(k, i, t, buf_slice(&sse));
	if (right && sse.len != m->ends[t->last_seq])
		right = fault(k, "task %zu: %zu bytes of events up to %llu are not the %zu that were made", i,
			      sse.len, (unsigned long long)last_seq, m->ends[t->last_seq]);
	else if (right && memcmp(sse.data, m->sse.data, sse.len) != 0)
		right = fault(k, "task %zu: its events up to %llu are not the same", i,
			      (unsigned long long)last_seq);
	buf_release(&sse);
	return right;
}

/* The keys of all events that are there. */
static bool requests_right(struct looking *k, size_t i, uint64_t last_seq)
{
	const struct script_task *m = &k->s->tasks[i];
	for (size_t q = 0; q < m->requests_count; q++) {
		const struct script_request *r = &m->requests[q];
		struct db_request got;
		if (r->seq > last_seq)
			continue;
		if (k->db->backend->request_get(k->db, r->key.key, &got, &k->e) != ERR_NONE)
			return fault(k, "task %zu: event %llu is there, the key of its request is not: %s", i,
				     (unsigned long long)r->seq, k->e.msg);
		if (memcmp(got.key.body, r->key.body, REQUEST_DIGEST) != 0 ||
		    id_compare(&got.place.task, &m->id) != 0 || got.place.after_seq >= r->seq)
			return fault(k, "task %zu: the key of event %llu says something else", i,
				     (unsigned long long)r->seq);
	}
	return true;
}

static bool task_right(struct looking *k, size_t i)
{
	const struct script_task *m = &k->s->tasks[i];
	struct task_saved t;
	struct buf doc = BUF_INIT;
	bool right;
	enum err code = k->db->backend->task_get(k->db, &m->id, &t, &doc, &k->e);
	if (code == ERR_NOT_FOUND)
		right = (!k->a->seq[i] || k->a->delete_asked[i]) && !k->listed[i]
				? true
				: fault(k, "task %zu: %llu events were acknowledged, it is not there", i,
					(unsigned long long)k->a->seq[i]);
	else if (code != ERR_NONE)
		right = fault(k, "task %zu: %s", i, k->e.msg);
	else if (k->a->deleted[i])
		right = fault(k, "task %zu: was deleted, and is there", i);
	else if (!k->listed[i])
		right = fault(k, "task %zu: is there and is not listed", i);
	else if (t.last_seq < k->a->seq[i])
		right = fault(k, "task %zu: event %llu was acknowledged, %llu are there", i,
			      (unsigned long long)k->a->seq[i], (unsigned long long)t.last_seq);
	else
		right = events_right(k, i, &t) && requests_right(k, i, t.last_seq);
	buf_release(&doc);
	return right;
}

static bool artifact_right(struct looking *k, size_t i)
{
	const struct script_artifact *f = &k->s->artifacts[i];
	const struct id *task = &k->s->tasks[f->task].id;
	struct db_artifact got;
	struct buf want = BUF_INIT, have = BUF_INIT;
	char sha256[SHA256_HEX_SIZE];
	bool right = true;
	if (k->a->delete_asked[f->task])
		return true;
	enum err code = k->db->backend->artifact_get(k->db, task, f->number, &got, &k->e);
	if (code == ERR_NOT_FOUND)
		return k->a->artifact[i] ? fault(k, "artifact %zu was acknowledged, it is not there", i)
					 : true;
	artifact_fill(f, &want);
	sha256_hex(want.data, want.len, sha256);
	while (code == ERR_NONE && have.len < got.bytes) {
		size_t before = have.len;
		code = k->db->backend->artifact_read(k->db, task, f->number, have.len, 100000, &have, &k->e);
		if (have.len == before)
			break;
	}
	if (code != ERR_NONE)
		right = fault(k, "artifact %zu: %s", i, k->e.msg);
	else if (!slice_eq(buf_slice(&want), buf_slice(&have)) || strcmp(sha256, got.sha256) != 0)
		right = fault(k, "artifact %zu: its bytes are not those that were written", i);
	buf_release(&want);
	buf_release(&have);
	return right;
}

static void fault_line(const char *line, void *arg)
{
	fault(arg, "the database says of itself: %s", line);
}

/* One more task, in a transaction of its own, and it can be read. */
static bool goes_on(struct looking *k)
{
	static const char events[] = "id: 1\nevent: task.created\ndata: "
				     "{\"seq\":1,\"at\":\"2026-01-01T00:00:00.000Z\",\"task_id\":"
				     "\"ffffffff-ffff-7fff-bfff-ffffffffffff\",\"prompt\":\"p\",\"approval\":"
				     "\"auto\",\"metadata\":{}}"
				     "\n\n";
	const struct db_backend *b = k->db->backend;
	struct task_saved t = {.state = TASK_QUEUED, .last_seq = 1}, got;
	struct buf doc = BUF_INIT, back = BUF_INIT;
	memset(t.id.b, 0xff, sizeof t.id.b);
	t.id.b[6] = 0x7f;
	t.id.b[8] = 0xbf;
	bool right = task_fold(SLICE_LIT(events), &doc, &k->e) == ERR_NONE;
	t.doc = buf_slice(&doc);
	right = right && b->begin(k->db, &k->e) == ERR_NONE && b->task_put(k->db, &t, &k->e) == ERR_NONE &&
		b->events_put(k->db, &t.id, SLICE_LIT(events), &k->e) == ERR_NONE &&
		b->commit(k->db, &k->e) == ERR_NONE &&
		b->task_get(k->db, &t.id, &got, &back, &k->e) == ERR_NONE &&
		slice_eq(buf_slice(&doc), buf_slice(&back));
	buf_release(&doc);
	buf_release(&back);
	return right ? true : fault(k, "it does not go on: %s", k->e.msg);
}

static bool all_right(struct looking *k)
{
	const struct db_backend *b = k->db->backend;
	if (b->check(k->db, fault_line, k, &k->e) != ERR_NONE)
		return fault(k, "the check of the database: %s", k->e.msg);
	if (b->tasks_each(k->db, 0, NULL, task_seen, k, &k->e) != ERR_NONE)
		return fault(k, "the list of tasks: %s", k->e.msg);
	for (size_t i = 0; i < k->s->tasks_count && !k->look->fault[0]; i++)
		task_right(k, i);
	for (size_t i = 0; i < k->s->artifacts_count && !k->look->fault[0]; i++)
		artifact_right(k, i);
	return !k->look->fault[0] && (k->look->keep_closed || goes_on(k));
}

bool look_at(struct look *l, const char *live, const struct script *s, const struct acked *a)
{
	struct looking k = {.look = l, .s = s, .a = a};
	const struct db_backend *b = db_backend_find("sqlite");
	char path[160];
	snprintf(path, sizeof path, "%s%s", live, rig_paths.db + strlen(rig_paths.live));
	struct db_options o = {.path = path, .cache_bytes = 1 << 20};
	*l = (struct look){.keep_closed = l->keep_closed};
	enum err code = b->open(&o, &k.db, &k.e);
	if (code != ERR_NONE) {
		l->refused = code == ERR_CONFIG;
		return fault(&k, "it is not opened: %s", k.e.msg);
	}
	bool right = all_right(&k);
	if (l->keep_closed || !right)
		b->abandon(k.db);
	else
		b->close(k.db);
	return right;
}
