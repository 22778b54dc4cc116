/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `agent-runtime replay TASK`: the event stream of a kept task, made anew from its journal, as GET
 * /v1/tasks/{id}/stream sends it without what was only live. Number, name and time of each event are rendered
 * from what was parsed of them, its other members are taken over as they are; the task is folded with each
 * event on the way.
 *
 * With --verify nothing of it is printed: the stream must be the kept one, the moves of the task those that
 * its states allow, and the last fold the kept document, all byte for byte. The first difference is named and
 * ends it; nothing is repaired. Without --verify a journal that cannot be folded prints nothing either.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_AT_ONCE_BYTES = 1 << 20 };
static const size_t STREAM_BYTES_MAX = (size_t)8 << 30;

struct replay {
	struct db *db;
	struct id id;
	bool verify;
	uint64_t seq, moves; /* of the last event; changes of state so far */
	enum task_state state;
	struct buf doc, next; /* the fold up to seq; room for the one after it */
	struct buf stream;    /* what is printed; with --verify only the last event */
};

static enum err task_replay(struct replay *r, struct error *e);
static enum err part_replay(struct replay *r, struct slice sse, struct error *e);
static enum err event_replay(struct replay *r, const struct event_view *ev, struct slice kept,
			     struct error *e);
static enum err event_render(struct replay *r, const struct event_view *ev, struct slice kept,
			     struct error *e);
static enum err state_follow(struct replay *r, const struct event_view *ev, struct error *e);
static enum err end_check(struct replay *r, const struct task_saved *t, struct error *e);
static int replay_told(struct replay *r);

int command_replay(const struct cli *cli)
{
	struct kept k;
	struct error e = {0};
	struct replay r = {.verify = cli->verify, .stream = BUF_LIMIT(STREAM_BYTES_MAX)};
	if (!kept_task_parse(cli->args[1], &r.id))
		return EXIT_USAGE;
	int code = kept_open(&k, cli);
	if (code != EXIT_OK)
		return code;
	r.db = k.db;
	enum err failed = task_replay(&r, &e);
	/* A journal that is not what it should be is what was asked about, not a failure of ours. */
	if (failed == ERR_INTERNAL) {
		text_print(stderr, "agent-runtime: %s: %s\n", cli->args[1], e.msg);
		code = EXIT_NOT_COMPLETED;
	} else if (failed != ERR_NONE) {
		code = kept_failed(&e);
	}
	if (!kept_close(&k))
		code = EXIT_AGAIN;
	if (code == EXIT_OK)
		code = replay_told(&r);
	buf_release(&r.doc);
	buf_release(&r.next);
	buf_release(&r.stream);
	return code;
}

/* --- helpers --- */

static enum err task_replay(struct replay *r, struct error *e)
{
	struct task_saved t;
	struct buf doc = BUF_INIT, sse = BUF_INIT;
	char text[ID_TEXT_SIZE];
	uint64_t got = 0;
	id_format(&r->id, text);
	enum err code = r->db->backend->task_get(r->db, &r->id, &t, &doc, e);
	if (code == ERR_NOT_FOUND)
		err_set(e, code, "no task %s is kept (store.path)", text);
	while (code == ERR_NONE) {
		buf_reset(&sse);
		code = r->db->backend->events_get(r->db, &r->id, r->seq, EVENTS_AT_ONCE_BYTES, &sse, &got, e);
		if (code != ERR_NONE || sse.len == 0)
			break;
		code = part_replay(r, buf_slice(&sse), e);
	}
	if (code == ERR_NONE)
		code = end_check(r, &t, e);
	buf_release(&sse);
	buf_release(&doc);
	return code;
}

static enum err part_replay(struct replay *r, struct slice sse, struct error *e)
{
	enum err code = ERR_NONE;
	while (code == ERR_NONE && sse.len > 0) {
		struct event_view ev;
		struct slice kept = sse;
		if (!event_next(&sse, &ev))
			return err_set(e, ERR_INTERNAL, "event %" PRIu64 " cannot be read", r->seq + 1);
		kept.len -= sse.len;
		code = event_replay(r, &ev, kept, e);
	}
	return code;
}

static enum err event_replay(struct replay *r, const struct event_view *ev, struct slice kept,
			     struct error *e)
{
	struct error why = {0};
	if (ev->seq != r->seq + 1)
		return err_set(e, ERR_INTERNAL, "event %" PRIu64 " follows %" PRIu64, ev->seq, r->seq);
	enum err code = event_render(r, ev, kept, e);
	if (code == ERR_NONE)
		code = state_follow(r, ev, e);
	if (code != ERR_NONE)
		return code;
	buf_reset(&r->next);
	code = task_fold_on(buf_slice(&r->doc), kept, &r->next, &why);
	if (code == ERR_NONE && r->next.overflow)
		return err_set(e, ERR_MEMORY, "there is not memory enough for this task");
	if (code != ERR_NONE)
		return err_set(e, ERR_INTERNAL, "event %" PRIu64 " cannot be folded: %s", ev->seq, why.msg);
	struct buf old = r->doc;
	r->doc = r->next;
	r->next = old;
	r->seq = ev->seq;
	return ERR_NONE;
}

/* What follows the members "seq" and "at", which every event begins with, as an object of its own. */
static void members_copy(struct slice data, struct buf *out)
{
	static const char at[] = ",\"at\":\"";
	const char *end = data.ptr + data.len, *p = memmem(data.ptr, data.len, at, sizeof at - 1);
	p = p != NULL ? memchr(p + sizeof at - 1, '"', (size_t)(end - p) - (sizeof at - 1)) : NULL;
	p = p != NULL ? p + 1 : end;
	if (p < end && *p == ',')
		p++;
	buf_add_char(out, '{');
	buf_add(out, p, (size_t)(end - p));
}

/* Appends the event, rendered from what was parsed of it. */
static enum err event_render(struct replay *r, const struct event_view *ev, struct slice kept,
			     struct error *e)
{
	struct error why = {0};
	struct buf members = BUF_INIT;
	int64_t at_ms = 0, seq;
	struct json *j = json_parse(ev->data.ptr, ev->data.len, JSON_DEPTH_MAX, &why);
	bool read = json_integer(json_get(j, "seq"), &seq) && clock_parse(json_get_text(j, "at", ""), &at_ms);
	json_free(j);
	if (!read)
		return err_set(e, ERR_INTERNAL, "event %" PRIu64 " (%s) has no \"seq\" and \"at\": %s",
			       ev->seq, event_type_text(ev->type), why.msg);
	if (r->verify)
		buf_reset(&r->stream);
	size_t from = r->stream.len;
	members_copy(ev->data, &members);
	bool whole = event_format(&r->stream, (uint64_t)seq, at_ms, ev->type, buf_slice(&members));
	if (members.overflow || r->stream.overflow)
		err_set(e, ERR_MEMORY, "there is not memory enough for this task");
	else if (!whole || r->stream.len - from != kept.len ||
		 memcmp(r->stream.data + from, kept.ptr, kept.len) != 0)
		err_set(e, ERR_INTERNAL, "event %" PRIu64 " (%s) does not come out as it was kept", ev->seq,
			event_type_text(ev->type));
	buf_release(&members);
	return e->code;
}

/* A task begins queued, with task.created; task.state alone moves it, from where it is to what may follow. */
static enum err state_follow(struct replay *r, const struct event_view *ev, struct error *e)
{
	enum task_state from, to;
	if ((ev->seq == 1) != (ev->type == EVENT_TASK_CREATED))
		return err_set(e, ERR_INTERNAL, "event %" PRIu64 " is %s; %s", ev->seq,
			       event_type_text(ev->type), "the first one, and no other, is task.created");
	if (ev->type != EVENT_TASK_STATE)
		return ERR_NONE;
	struct json *j = json_parse(ev->data.ptr, ev->data.len, JSON_DEPTH_MAX, e);
	bool known = task_state_parse(json_get_text(j, "from", ""), &from) &&
		     task_state_parse(json_get_text(j, "to", ""), &to);
	json_free(j);
	if (!known)
		return err_set(e, ERR_INTERNAL, "event %" PRIu64 " (task.state) names no states", ev->seq);
	if (from != r->state)
		return err_set(e, ERR_INTERNAL, "event %" PRIu64 " moves the task from %s, but it is %s",
			       ev->seq, task_state_text(from), task_state_text(r->state));
	if (!task_state_may_follow(from, to))
		return err_set(e, ERR_INTERNAL, "event %" PRIu64 " moves the task from %s to %s%s", ev->seq,
			       task_state_text(from), task_state_text(to), ", which is not allowed");
	r->state = to;
	r->moves++;
	return ERR_NONE;
}

static enum err end_check(struct replay *r, const struct task_saved *t, struct error *e)
{
	struct slice folded = buf_slice(&r->doc);
	size_t same = 0;
	if (r->seq != t->last_seq)
		return err_set(e, ERR_INTERNAL,
			       "the events end with %" PRIu64 ", but the task is at %" PRIu64, r->seq,
			       t->last_seq);
	if (!r->verify)
		return ERR_NONE;
	if (r->state != t->state)
		return err_set(e, ERR_INTERNAL, "its events leave it %s, but it is kept as %s",
			       task_state_text(r->state), task_state_text(t->state));
	if (slice_eq(t->doc, folded))
		return ERR_NONE;
	while (same < folded.len && same < t->doc.len && folded.ptr[same] == t->doc.ptr[same])
		same++;
	return err_set(e, ERR_INTERNAL,
		       "the document is not what its events say, from byte %zu on: kept %.*s, folded %.*s",
		       same, (int)(t->doc.len - same > 40 ? 40 : t->doc.len - same), t->doc.ptr + same,
		       (int)(folded.len - same > 40 ? 40 : folded.len - same), folded.ptr + same);
}

/* The stream with the end that GET /stream gives it, or what was verified. */
static int replay_told(struct replay *r)
{
	char id[ID_TEXT_SIZE];
	id_format(&r->id, id);
	if (r->verify) {
		buf_reset(&r->stream);
		buf_printf(&r->stream,
			   "task %s: %" PRIu64 " events, %" PRIu64
			   " changes of state, %s: the stream comes out as it was kept, the document too\n",
			   id, r->seq, r->moves, task_state_text(r->state));
	} else if (task_state_terminal(r->state)) {
		buf_printf(&r->stream, "event: end\ndata: {\"status\":\"%s\"}\n\n",
			   task_state_text(r->state));
	}
	return kept_print(buf_slice(&r->stream));
}
