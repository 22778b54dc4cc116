/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions and answers of the archive as bytes of a frame, each direction beside its reverse, so that both
 * halves agree by construction. Only packing: nothing here knows a socket or a database, keeps anything or
 * gives meaning to a value, except where a value could not be one (a state there is not, half an id).
 *
 * What is unpacked is borrowed from the frame. Whoever wrote it, nothing is read past its end, and what is
 * malformed or has bytes left over is refused as a whole.
 */
#include "base/base.h"
#include "store/archive_int.h"

#include <string.h>

/* Members of a question, in the order in which they are packed. */
enum {
	ASK = 1, /* it is a question */
	ASK_TASK = 2,
	ASK_FROM = 4,
	ASK_BYTES_MAX = 8,
	ASK_LIST = 16, /* states, limit, before */
	ASK_KEY = 32,
	ASK_NUMBER = 64,
	ASK_PART = 128,
	ASK_ARTIFACT = 256, /* bytes in all, media type, name, sha256, time */
};

static unsigned ask_members(enum ipc_msg msg)
{
	switch (msg) {
	case IPC_KEPT_TASK:
	case IPC_KEPT_DELETE: return ASK | ASK_TASK;
	case IPC_KEPT_EVENTS: return ASK | ASK_TASK | ASK_FROM | ASK_BYTES_MAX;
	case IPC_KEPT_LIST: return ASK | ASK_BYTES_MAX | ASK_LIST;
	case IPC_KEPT_REQUEST: return ASK | ASK_KEY;
	case IPC_KEPT_PART: return ASK | ASK_TASK | ASK_NUMBER | ASK_PART;
	case IPC_KEPT_ARTIFACT: return ASK | ASK_TASK | ASK_NUMBER | ASK_ARTIFACT;
	case IPC_KEPT_READ: return ASK | ASK_TASK | ASK_FROM | ASK_BYTES_MAX | ASK_NUMBER;
	case IPC_KEPT_HOLD: return ASK;
	default: return 0;
	}
}

static void fixed_pack(struct buf *b, const void *p, size_t n)
{
	pack_slice(b, (struct slice){p, n});
}

static void fixed_unpack(struct unpack *u, void *p, size_t n)
{
	struct slice s = unpack_slice(u);
	u->bad |= s.len != n;
	if (!u->bad)
		memcpy(p, s.ptr, n);
}

static void id_pack(struct buf *b, const struct id *id)
{
	fixed_pack(b, id->b, ID_BYTES);
}

static void id_unpack(struct unpack *u, struct id *id)
{
	fixed_unpack(u, id->b, ID_BYTES);
}

static bool flag_unpack(struct unpack *u)
{
	uint32_t v = unpack_u32(u);
	u->bad |= v > 1;
	return v == 1;
}

/* --- questions --- */

void kept_ask_pack(enum ipc_msg msg, const struct kept_ask *q, struct buf *out)
{
	unsigned members = ask_members(msg);
	ensure(members & ASK);
	if (members & ASK_TASK)
		id_pack(out, &q->task);
	if (members & ASK_FROM)
		pack_u64(out, q->from);
	if (members & ASK_BYTES_MAX)
		pack_u64(out, q->bytes_max);
	if (members & ASK_LIST) {
		pack_u32(out, q->states);
		pack_u32(out, q->limit);
		pack_u32(out, q->has_before);
		id_pack(out, &q->before);
	}
	if (members & ASK_KEY) {
		fixed_pack(out, q->key.key, REQUEST_DIGEST);
		fixed_pack(out, q->key.body, REQUEST_DIGEST);
	}
	if (members & ASK_NUMBER)
		pack_u32(out, q->number);
	if (members & ASK_PART) {
		pack_u32(out, q->part);
		pack_slice(out, q->bytes);
	}
	if (members & ASK_ARTIFACT) {
		pack_u64(out, q->artifact_bytes);
		pack_text(out, q->media_type);
		pack_text(out, q->name);
		pack_text(out, q->sha256);
		pack_u64(out, (uint64_t)q->at_ms);
	}
}

static void artifact_unpack(struct unpack *u, struct kept_ask *q)
{
	q->artifact_bytes = unpack_u64(u);
	q->media_type = unpack_text(u);
	q->name = unpack_text(u);
	q->sha256 = unpack_text(u);
	q->at_ms = (int64_t)unpack_u64(u);
	u->bad |= !q->media_type || !q->sha256 || strlen(q->sha256) != SHA256_HEX_SIZE - 1;
}

bool kept_ask_unpack(enum ipc_msg msg, struct slice body, struct kept_ask *q)
{
	unsigned members = ask_members(msg);
	struct unpack u = UNPACK(body);
	*q = (struct kept_ask){0};
	if (members & ASK_TASK)
		id_unpack(&u, &q->task);
	if (members & ASK_FROM)
		q->from = unpack_u64(&u);
	if (members & ASK_BYTES_MAX)
		q->bytes_max = unpack_u64(&u);
	if (members & ASK_LIST) {
		q->states = unpack_u32(&u);
		q->limit = unpack_u32(&u);
		q->has_before = flag_unpack(&u);
		id_unpack(&u, &q->before);
	}
	if (members & ASK_KEY) {
		fixed_unpack(&u, q->key.key, REQUEST_DIGEST);
		fixed_unpack(&u, q->key.body, REQUEST_DIGEST);
	}
	if (members & ASK_NUMBER)
		q->number = unpack_u32(&u);
	if (members & ASK_PART) {
		q->part = unpack_u32(&u);
		q->bytes = unpack_slice(&u);
	}
	if (members & ASK_ARTIFACT)
		artifact_unpack(&u, q);
	return (members & ASK) && unpack_end(&u);
}

/* --- answers --- */

static void head_pack(struct buf *b, const struct task_head *h)
{
	id_pack(b, &h->id);
	pack_u32(b, h->state);
	pack_u64(b, h->last_seq);
	pack_u64(b, (uint64_t)h->created_ms);
	pack_u64(b, (uint64_t)h->updated_ms);
}

/* The other members follow: all of it is durable, and none of its events is in a table. */
static void head_unpack(struct unpack *u, struct task_head *h)
{
	id_unpack(u, &h->id);
	uint32_t state = unpack_u32(u);
	u->bad |= state >= TASK_STATE_COUNT;
	h->state = h->durable_state = u->bad ? 0 : (enum task_state)state;
	h->last_seq = h->durable_seq = unpack_u64(u);
	h->first_seq = h->last_seq + 1;
	h->created_ms = (int64_t)unpack_u64(u);
	h->updated_ms = (int64_t)unpack_u64(u);
}

void archive_answer_pack(const struct archive_answer *a, struct buf *out)
{
	pack_u32(out, a->error.code);
	if (a->error.code != ERR_NONE) {
		pack_text(out, a->error.msg);
		pack_text(out, a->error.field);
		return;
	}
	head_pack(out, &a->head);
	pack_slice(out, a->bytes);
	pack_u64(out, a->last_seq);
	id_pack(out, &a->last_id);
	pack_u32(out, a->more);
	id_pack(out, &a->place.task);
	pack_u64(out, a->place.after_seq);
	pack_u64(out, (uint64_t)a->place.at_ms);
	fixed_pack(out, a->body, REQUEST_DIGEST);
	pack_u64(out, a->artifact_bytes);
	pack_text(out, a->media_type);
	pack_text(out, a->name);
	pack_text(out, a->sha256);
}

static void error_unpack(struct unpack *u, uint32_t code, struct error *e)
{
	const char *msg = unpack_text(u), *field = unpack_text(u);
	u->bad |= code >= ERR_COUNT || !msg || !field;
	if (!u->bad)
		err_set_field(e, (enum err)code, field, "%s", msg);
}

bool archive_answer_unpack(struct slice body, struct archive_answer *a)
{
	struct unpack u = UNPACK(body);
	*a = (struct archive_answer){0};
	uint32_t code = unpack_u32(&u);
	if (code != ERR_NONE) {
		error_unpack(&u, code, &a->error);
		return unpack_end(&u);
	}
	head_unpack(&u, &a->head);
	a->bytes = unpack_slice(&u);
	a->last_seq = unpack_u64(&u);
	id_unpack(&u, &a->last_id);
	a->more = flag_unpack(&u);
	id_unpack(&u, &a->place.task);
	a->place.after_seq = unpack_u64(&u);
	a->place.at_ms = (int64_t)unpack_u64(&u);
	fixed_unpack(&u, a->body, REQUEST_DIGEST);
	a->artifact_bytes = unpack_u64(&u);
	a->media_type = unpack_text(&u);
	a->name = unpack_text(&u);
	a->sha256 = unpack_text(&u);
	return unpack_end(&u);
}
