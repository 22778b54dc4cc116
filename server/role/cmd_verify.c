/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `agent-runtime verify`: is what lies on the disk what was acknowledged? The database's own check; of each
 * task, that its events are 1, 2, 3 ... to the last, that folding them gives the document that is kept, and
 * that the artifacts they name are there and their bytes those of their digest. Each fault is a line; nothing
 * is repaired.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_AT_ONCE_BYTES = 1 << 20 };
static const size_t ARTIFACT_BYTES_MAX = (size_t)4 << 30;

/* An artifact as an event of the task names it. */
struct named {
	uint32_t number;
	char sha256[SHA256_HEX_SIZE];
};

struct verify {
	struct db *db;
	struct id *ids;
	size_t tasks, ids_room;
	uint64_t unfinished, events, artifacts, artifact_bytes, faults;
	const struct id *at; /* whose faults are told; NULL: the database's */
	struct named *named; /* by events of this task */
	size_t named_count, named_room;
};

static enum err all_verify(struct verify *v, struct error *e);
static bool id_take(const struct task_saved *t, void *arg);
static enum err task_verify(struct verify *v, const struct id *id, struct error *e);
static enum err events_fold(struct verify *v, const struct id *id, uint64_t last_seq, struct buf *doc,
			    struct error *e);
static enum err artifacts_verify(struct verify *v, const struct id *id, struct error *e);
static void fault_line(const char *line, void *arg);
static void fault(struct verify *v, const char *fmt, ...) printf_like(2);

int command_verify(const struct cli *cli)
{
	struct kept k;
	struct verify v = {0};
	struct error e = {0};
	int code = kept_open(&k, cli);
	if (code != EXIT_OK)
		return code;
	v.db = k.db;
	if (all_verify(&v, &e) != ERR_NONE)
		code = kept_failed(&e);
	/* What cannot be read of a damaged file is no reason to call it anything else. */
	if (v.faults > 0)
		code = EXIT_NOT_COMPLETED;
	uint64_t used = k.db->backend->bytes_used(k.db);
	if (!kept_close(&k))
		code = EXIT_AGAIN;
	if (code == EXIT_OK || code == EXIT_NOT_COMPLETED)
		printf("%zu tasks (%" PRIu64 " unfinished), %" PRIu64 " events, %" PRIu64
		       " artifacts of %" PRIu64 " bytes, %" PRIu64 " bytes in use: %" PRIu64 " faults\n",
		       v.tasks, v.unfinished, v.events, v.artifacts, v.artifact_bytes, used, v.faults);
	free(v.ids);
	free(v.named);
	return code;
}

/* --- helpers --- */

static enum err all_verify(struct verify *v, struct error *e)
{
	enum err code = v->db->backend->check(v->db, fault_line, v, e);
	if (code == ERR_NONE)
		code = v->db->backend->tasks_each(v->db, 0, NULL, id_take, v, e);
	for (size_t i = 0; code == ERR_NONE && i < v->tasks; i++)
		code = task_verify(v, &v->ids[i], e);
	return code;
}

/* Their turn comes when the list is over: one question to the database at a time. */
static bool id_take(const struct task_saved *t, void *arg)
{
	struct verify *v = arg;
	if (v->tasks == v->ids_room) {
		v->ids_room = v->ids_room == 0 ? 1024 : 2 * v->ids_room;
		v->ids = xrealloc(v->ids, v->ids_room * sizeof *v->ids);
	}
	v->ids[v->tasks++] = t->id;
	v->unfinished += !task_state_terminal(t->state);
	return true;
}

static enum err task_verify(struct verify *v, const struct id *id, struct error *e)
{
	struct task_saved t;
	struct buf kept = BUF_INIT, folded = BUF_INIT;
	v->at = id;
	v->named_count = 0;
	enum err code = v->db->backend->task_get(v->db, id, &t, &kept, e);
	if (code == ERR_NONE)
		code = events_fold(v, id, t.last_seq, &folded, e);
	if (code == ERR_NONE && folded.len > 0 && !slice_eq(t.doc, buf_slice(&folded)))
		fault(v, "the document is not what its events say");
	if (code == ERR_NONE)
		code = artifacts_verify(v, id, e);
	buf_release(&kept);
	buf_release(&folded);
	/* One that cannot be read is a fault of its own; the others are looked at all the same. */
	if (code == ERR_NOT_FOUND || code == ERR_INTERNAL) {
		fault(v, "%s", e->msg);
		code = ERR_NONE;
	}
	v->at = NULL;
	return code;
}

static void artifact_note(struct verify *v, const struct event_view *ev)
{
	struct json *data = json_parse(ev->data.ptr, ev->data.len, JSON_DEPTH_MAX, NULL);
	const struct json *artifact = json_get(data, "artifact");
	int64_t number = json_get_integer(artifact, "number", 0);
	if (number > 0 && number <= UINT32_MAX) {
		if (v->named_count == v->named_room) {
			v->named_room = v->named_room == 0 ? 16 : 2 * v->named_room;
			v->named = xrealloc(v->named, v->named_room * sizeof *v->named);
		}
		struct named *n = &v->named[v->named_count++];
		n->number = (uint32_t)number;
		snprintf(n->sha256, sizeof n->sha256, "%s", json_get_text(artifact, "sha256", ""));
	}
	json_free(data);
}

/* Checks the numbers of a part of the events; the last one of them. */
static uint64_t events_count(struct verify *v, struct slice sse, uint64_t after_seq)
{
	struct event_view ev;
	while (event_next(&sse, &ev)) {
		if (ev.seq != after_seq + 1)
			fault(v, "event %" PRIu64 " follows %" PRIu64, ev.seq, after_seq);
		after_seq = ev.seq;
		v->events++;
		if (ev.type == EVENT_TOOL_COMPLETED &&
		    memmem(ev.data.ptr, ev.data.len, "\"artifact\"", 10) != NULL)
			artifact_note(v, &ev);
	}
	return after_seq;
}

/* *doc stays empty when there is nothing to compare. */
static enum err events_fold(struct verify *v, const struct id *id, uint64_t last_seq, struct buf *doc,
			    struct error *e)
{
	struct buf sse = BUF_INIT, from = BUF_INIT;
	uint64_t seq = 0, got = 0, faults = v->faults;
	enum err code;
	for (;;) {
		buf_reset(&sse);
		code = v->db->backend->events_get(v->db, id, seq, EVENTS_AT_ONCE_BYTES, &sse, &got, e);
		if (code != ERR_NONE || sse.len == 0)
			break;
		uint64_t before = seq;
		seq = events_count(v, buf_slice(&sse), seq);
		if (seq == before) {
			fault(v, "event %" PRIu64 " cannot be read", seq + 1);
			break;
		}
		if (v->faults > faults)
			continue; /* numbers that do not follow cannot be folded */
		struct buf old = from;
		from = *doc;
		*doc = old;
		buf_reset(doc);
		code = from.len == 0 ? task_fold(buf_slice(&sse), doc, e)
				     : task_fold_on(buf_slice(&from), buf_slice(&sse), doc, e);
		if (code != ERR_NONE)
			break;
	}
	if (code == ERR_NONE && seq != last_seq)
		fault(v, "the events end with %" PRIu64 ", but the task is at %" PRIu64, seq, last_seq);
	if (v->faults > faults)
		buf_reset(doc);
	buf_release(&sse);
	buf_release(&from);
	return code;
}

static enum err artifact_verify(struct verify *v, const struct db_artifact *a, struct error *e)
{
	struct buf bytes = BUF_LIMIT(ARTIFACT_BYTES_MAX);
	char digest[SHA256_HEX_SIZE];
	enum err code = ERR_NONE;
	for (size_t before = 1; code == ERR_NONE && bytes.len != before && bytes.len < a->bytes;) {
		before = bytes.len;
		code = v->db->backend->artifact_read(v->db, &a->task, a->number, before, DB_PART_BYTES,
						     &bytes, e);
	}
	sha256_hex(bytes.data, bytes.len, digest);
	if (code == ERR_NONE && bytes.len != a->bytes)
		fault(v, "artifact %u has %zu bytes instead of %" PRIu64, a->number, bytes.len, a->bytes);
	else if (code == ERR_NONE && strcmp(digest, a->sha256) != 0)
		fault(v, "artifact %u is not what its digest says", a->number);
	v->artifacts++;
	v->artifact_bytes += bytes.len;
	buf_release(&bytes);
	return code;
}

static bool is_named(const struct verify *v, uint32_t number)
{
	for (size_t i = 0; i < v->named_count; i++)
		if (v->named[i].number == number)
			return true;
	return false;
}

/* Those that are named, and those that a run which died has left before it could name them. */
static enum err artifacts_verify(struct verify *v, const struct id *id, struct error *e)
{
	const struct db_backend *b = v->db->backend;
	struct db_artifact a;
	enum err code = ERR_NONE;
	for (size_t i = 0; i < v->named_count && code == ERR_NONE; i++) {
		code = b->artifact_get(v->db, id, v->named[i].number, &a, e);
		if (code == ERR_NOT_FOUND)
			fault(v, "artifact %u is named but not there", v->named[i].number);
		else if (code == ERR_NONE && strcmp(a.sha256, v->named[i].sha256) != 0)
			fault(v, "artifact %u has another digest than its event says", a.number);
		code = code == ERR_NONE ? artifact_verify(v, &a, e) : code == ERR_NOT_FOUND ? ERR_NONE : code;
	}
	for (uint32_t n = 1; code == ERR_NONE; n++) {
		if (is_named(v, n))
			continue;
		code = b->artifact_get(v->db, id, n, &a, e);
		if (code == ERR_NONE)
			code = artifact_verify(v, &a, e);
	}
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

/* SQLite's check says several things in one. */
static void fault_line(const char *line, void *arg)
{
	while (*line != '\0') {
		size_t n = strcspn(line, "\n");
		if (strncmp(line, "*** ", 4) != 0)
			fault(arg, "%.*s", (int)n, line);
		line += line[n] == '\n' ? n + 1 : n;
	}
}

static void fault(struct verify *v, const char *fmt, ...)
{
	char id[ID_TEXT_SIZE] = "", text[ERROR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (v->at != NULL)
		id_format(v->at, id);
	text_print(stderr, "%s%s: %s\n", v->at != NULL ? "task " : "database", id, text);
	v->faults++;
}
