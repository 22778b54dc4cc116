/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's half of the archive: one answer for each question that workers and the command line ask
 * (keeper_serve.c has their sockets). Reads go to the database as it is between two commits, writes through
 * the keeper's transactions. It keeps nothing: what a question needs is found anew each time.
 *
 * What the database refuses is the answer. A failed read or write of the disk is the keeper's business first
 * (keeper_failed) and comes to who asked as ERR_UNAVAILABLE; after it the database is not asked any more.
 *
 * An artifact that is complete is never changed: a part of it that comes again after a lost answer is not
 * written, and the same artifact again is as good as written.
 */
#include "base/base.h"
#include "store/archive_int.h"
#include "store/keeper.h"

#include <string.h>

/* What is being put together for one question. */
struct answering {
	const struct kept_ask *ask;
	struct archive_answer answer;
	struct buf bytes; /* of the answer */
	char sha256[SHA256_HEX_SIZE];
};

typedef enum err serve_fn(struct keeper *k, struct answering *w, struct error *e);

static enum err bytes_done(struct answering *w, struct error *e)
{
	w->answer.bytes = buf_slice(&w->bytes);
	return w->bytes.overflow ? err_set(e, ERR_MEMORY, "no memory for the answer") : ERR_NONE;
}

static size_t bytes_clamp(const struct keeper *k, uint64_t bytes_max)
{
	size_t most = k->options.frame_bytes_max - KEPT_OVERHEAD_BYTES;
	return bytes_max < most ? (size_t)bytes_max : most;
}

/* --- reads --- */

/* The task's document into *doc, the rest into the answer. */
static enum err task_find_saved(struct keeper *k, struct answering *w, struct buf *doc, struct error *e)
{
	struct task_saved t;
	enum err rc = k->db->backend->task_get(k->db, &w->ask->task, &t, doc, e);
	if (rc == ERR_NONE)
		w->answer.head = (struct task_head){.id = t.id,
						    .state = t.state,
						    .last_seq = t.last_seq,
						    .created_ms = t.created_ms,
						    .updated_ms = t.updated_ms};
	return rc;
}

static enum err serve_task(struct keeper *k, struct answering *w, struct error *e)
{
	enum err rc = task_find_saved(k, w, &w->bytes, e);
	return rc == ERR_NONE ? bytes_done(w, e) : rc;
}

static enum err serve_events(struct keeper *k, struct answering *w, struct error *e)
{
	struct buf doc = BUF_INIT;
	enum err rc = task_find_saved(k, w, &doc, e);
	buf_release(&doc);
	if (rc == ERR_NONE)
		rc = k->db->backend->events_get(k->db, &w->ask->task, w->ask->from,
						bytes_clamp(k, w->ask->bytes_max), &w->bytes,
						&w->answer.last_seq, e);
	return rc == ERR_NONE ? bytes_done(w, e) : rc;
}

struct listing {
	struct answering *answering;
	size_t bytes_max;
	uint32_t count;
};

static bool list_one(const struct task_saved *t, void *arg)
{
	struct listing *l = arg;
	struct answering *w = l->answering;
	bool full = l->count > 0 && w->bytes.len + t->doc.len + 1 > l->bytes_max;
	if (l->count == w->ask->limit || full) {
		w->answer.more = true;
		return false;
	}
	buf_add_slice(&w->bytes, t->doc);
	buf_add_char(&w->bytes, '\n');
	w->answer.last_id = t->id;
	l->count++;
	return true;
}

static enum err serve_list(struct keeper *k, struct answering *w, struct error *e)
{
	struct listing l = {w, bytes_clamp(k, w->ask->bytes_max), 0};
	const struct id *before = w->ask->has_before ? &w->ask->before : NULL;
	enum err rc = k->db->backend->tasks_each(k->db, w->ask->states, before, list_one, &l, e);
	return rc == ERR_NONE ? bytes_done(w, e) : rc;
}

static enum err serve_request(struct keeper *k, struct answering *w, struct error *e)
{
	struct db_request r;
	enum err rc = k->db->backend->request_get(k->db, w->ask->key.key, &r, e);
	if (rc != ERR_NONE)
		return rc;
	w->answer.place = r.place;
	memcpy(w->answer.body, r.key.body, REQUEST_DIGEST);
	return ERR_NONE;
}

static enum err serve_read(struct keeper *k, struct answering *w, struct error *e)
{
	const struct db_backend *db = k->db->backend;
	struct db_artifact a;
	enum err rc = db->artifact_read(k->db, &w->ask->task, w->ask->number, w->ask->from,
					bytes_clamp(k, w->ask->bytes_max), &w->bytes, e);
	/* Last, since its texts are the backend's until it is asked again. */
	if (rc == ERR_NONE)
		rc = db->artifact_get(k->db, &w->ask->task, w->ask->number, &a, e);
	if (rc != ERR_NONE)
		return rc;
	w->answer.artifact_bytes = a.bytes;
	w->answer.media_type = a.media_type;
	w->answer.name = a.name;
	memcpy(w->sha256, a.sha256, sizeof w->sha256);
	w->answer.sha256 = w->sha256;
	return bytes_done(w, e);
}

/* --- writes --- */

static enum err serve_delete(struct keeper *k, struct answering *w, struct error *e)
{
	return keeper_delete(k, &w->ask->task, e);
}

static enum err part_put(struct db *d, void *arg, struct error *e)
{
	const struct kept_ask *q = arg;
	return d->backend->artifact_part_put(d, &q->task, q->number, q->part, q->bytes, e);
}

static enum err artifact_put(struct db *d, void *arg, struct error *e)
{
	const struct kept_ask *q = arg;
	struct db_artifact a = {.task = q->task,
				.number = q->number,
				.bytes = q->artifact_bytes,
				.media_type = q->media_type,
				.name = q->name,
				.at_ms = q->at_ms};
	memcpy(a.sha256, q->sha256, sizeof a.sha256);
	return d->backend->artifact_put(d, &a, e);
}

/* Runs fn unless the artifact is complete already; then *there is what it is. */
static enum err artifact_write_once(struct keeper *k, struct answering *w, keeper_change_fn *fn,
				    struct db_artifact *there, struct error *e)
{
	struct kept_ask q = *w->ask;
	enum err rc = k->db->backend->artifact_get(k->db, &q.task, q.number, there, e);
	if (rc != ERR_NOT_FOUND)
		return rc;
	*there = (struct db_artifact){0};
	return keeper_transact(k, fn, &q, e);
}

static enum err serve_part(struct keeper *k, struct answering *w, struct error *e)
{
	struct db_artifact there;
	return artifact_write_once(k, w, part_put, &there, e);
}

static enum err serve_artifact(struct keeper *k, struct answering *w, struct error *e)
{
	struct db_artifact there;
	const struct kept_ask *q = w->ask;
	enum err rc = artifact_write_once(k, w, artifact_put, &there, e);
	if (rc != ERR_NONE || !there.number)
		return rc;
	if (there.bytes == q->artifact_bytes && strcmp(there.sha256, q->sha256) == 0)
		return ERR_NONE;
	return err_set(e, ERR_CONFLICT, "artifact %u of the task is there already, with other bytes",
		       q->number);
}

/* Everything that was committed goes into the file; keeper_serve.c keeps it so. A file that is read already
 * stays as it is. */
static enum err serve_hold(struct keeper *k, struct answering *w, struct error *e)
{
	(void)w;
	return k->held ? ERR_NONE : k->db->backend->checkpoint(k->db, true, e);
}

/* --- the answer --- */

static serve_fn *serve_find(enum ipc_msg msg)
{
	switch (msg) {
	case IPC_KEPT_TASK: return serve_task;
	case IPC_KEPT_EVENTS: return serve_events;
	case IPC_KEPT_LIST: return serve_list;
	case IPC_KEPT_REQUEST: return serve_request;
	case IPC_KEPT_DELETE: return serve_delete;
	case IPC_KEPT_PART: return serve_part;
	case IPC_KEPT_ARTIFACT: return serve_artifact;
	case IPC_KEPT_READ: return serve_read;
	case IPC_KEPT_HOLD: return serve_hold;
	default: return NULL;
	}
}

/* What is more than a frame, a part or a number may be; the backend need not look. */
static bool ask_sane(enum ipc_msg msg, const struct kept_ask *q)
{
	bool artifact = msg == IPC_KEPT_PART || msg == IPC_KEPT_ARTIFACT || msg == IPC_KEPT_READ;
	return q->bytes.len <= DB_PART_BYTES && (!artifact || q->number > 0);
}

static enum err unavailable(struct error *e, const char *why)
{
	struct error was = *e;
	return err_set(e, ERR_UNAVAILABLE,
		       "nothing can be read from the database until the service is started again: %s",
		       why ? why : was.msg);
}

static enum err serve(struct keeper *k, serve_fn *fn, struct answering *w, struct error *e)
{
	if (k->broken)
		return unavailable(e, "a write or a sync of it failed");
	enum err rc = fn(k, w, e);
	if (rc == ERR_IO || rc == ERR_NO_SPACE)
		rc = keeper_failed(k, rc, e);
	return rc == ERR_IO ? unavailable(e, NULL) : rc;
}

bool keeper_answer(struct keeper *k, const struct ipc_frame *f, struct buf *out, enum err *code)
{
	struct kept_ask q;
	serve_fn *fn = serve_find(f->msg);
	struct error e = {0};
	if (!fn || !kept_ask_unpack(f->msg, f->body, &q) || !ask_sane(f->msg, &q))
		return false;
	struct answering w = {.ask = &q};
	*code = serve(k, fn, &w, &e);
	size_t most = k->options.frame_bytes_max;
	if (*code == ERR_NONE && w.answer.bytes.len > most - KEPT_OVERHEAD_BYTES)
		*code = err_set(&e, ERR_TOO_LARGE,
				"what was asked for has %zu bytes, over the limit of %zu for one message",
				w.answer.bytes.len, most - KEPT_OVERHEAD_BYTES);
	if (*code != ERR_NONE)
		w.answer.error = e;
	archive_answer_pack(&w.answer, out);
	buf_release(&w.bytes);
	ensure(!out->overflow);
	return true;
}
