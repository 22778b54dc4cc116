/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks/{id}/stream: the events of a task as server-sent events (WHATWG HTML, section 9.2), from any
 * place on, then as they happen, until the task is over. Only what is durable is shown.
 *
 * A subscriber is a cursor. It is pulled: bytes are copied only when its socket has room, so a slow reader
 * costs no memory and loses nothing. They come from the table where it has them, and from the archive where
 * it has not: events from before a restart, and tasks that have made room. One piece is asked of the archive
 * at a time; where it ends, the table is looked at again.
 *
 * Live events are for whoever has seen all that is durable just then; they may be ahead of the disk, and are
 * never kept for those who are not there. A clean end is said twice, by "event: end" and by the end of the
 * body, and only after the task's last event; everything else (a deleted task, a lost archive, drain, our
 * death) is a reset, after which the client comes back with Last-Event-ID.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>

#define SSE_COMMENT SLICE_LIT(":\n\n")

/* In the request's arena; followed from the start of the stream to its end. */
struct sse {
	struct http_follower follower;
	struct http_request *request;
	struct id id;
	struct task_ref ref;
	struct event_cursor cursor;
	struct api_ask ask;    /* a piece is on its way */
	const char *field;     /* where the client said where to begin */
	bool in_table;         /* ref is followed */
	bool started, greeted; /* head, first byte were sent */
	bool caught_up;        /* with what was durable when we last looked */
	bool dry;              /* the archive has nothing behind the cursor */
};

static void archive_ask(struct sse *s);
static void sse_enter(struct sse *s);

/* Nobody calls s any more. */
static void sse_leave(struct sse *s)
{
	struct http_request *r = s->request;

	http_unfollow(r->http->watchers, &s->follower);
	api_ask_cancel(&s->ask);
	r->on_gone = NULL;
}

static void sse_reset(struct sse *s)
{
	sse_leave(s);
	http_stream_reset(s->request);
}

static void sse_end(struct sse *s)
{
	sse_leave(s);
	http_stream_end(s->request);
}

static void sse_cut(struct sse *s, const char *why)
{
	log_info("a stream is cut off: its events can no longer be read",
		 LF_STR("task_id", s->request->params[0]), LF_STR("error", why),
		 LF_STR("request_id", s->request->id));
	sse_reset(s);
}

static void end_write(struct buf *out, enum task_state state)
{
	buf_add_str(out, "event: end\ndata: {\"status\":\"");
	buf_add_str(out, task_state_text(state));
	buf_add_str(out, "\"}\n\n");
}

/* What this subscriber gets next, in one piece. */
static enum err piece_read(struct sse *s, struct sse_piece *p)
{
	struct http *h = s->request->http;
	struct task_head head;
	enum err code;

	if (p->valid && s->greeted && p->ref.slot == s->ref.slot && p->ref.gen == s->ref.gen &&
	    p->from_seq == s->cursor.next_seq)
		return ERR_NONE;
	p->valid = false;
	p->ref = s->ref;
	p->from_seq = s->cursor.next_seq;
	p->after = s->cursor;
	buf_reset(&p->bytes);
	if (!s->greeted)
		buf_add_slice(&p->bytes, SSE_COMMENT);
	code = task_events_copy(h->store, s->ref, &p->after, h->options.stream_chunk_bytes, &p->bytes, &head);
	if (code != ERR_NONE)
		return code;
	p->caught_up = p->after.next_seq > head.durable_seq;
	p->over = p->caught_up && task_state_terminal(head.durable_state);
	if (p->over)
		end_write(&p->bytes, head.state);
	p->valid = p->sharing && s->greeted;
	return p->bytes.overflow ? ERR_MEMORY : ERR_NONE;
}

/* The table cannot give what is next: the task has left it, or only its newer events are there. false: s is
 * gone. */
static bool table_missed(struct sse *s, enum err code)
{
	struct http *h = s->request->http;
	struct task_head head;

	if (code != ERR_GONE || !h->archive || (s->dry && s->in_table)) {
		sse_cut(s, err_info(code)->name);
		return false;
	}
	if (s->in_table && task_head_get(h->store, s->ref, &head) != ERR_NONE) {
		http_unfollow(h->watchers, &s->follower);
		s->in_table = false;
		http_follow_loose(h->watchers, &s->follower);
	}
	archive_ask(s);
	return true;
}

/* false: the stream is over and s is gone. */
static bool sse_pump(struct sse *s)
{
	struct sse_piece *p = http_watchers_piece(s->request->http->watchers);
	bool caught_up = false;

	while (!caught_up && !s->ask.call && http_stream_has_room(s->request)) {
		enum err code = s->in_table ? piece_read(s, p) : ERR_GONE;

		if (code != ERR_NONE)
			return table_missed(s, code);
		s->cursor = p->after;
		s->greeted = true;
		s->dry = false;
		s->caught_up = caught_up = p->caught_up;
		if (p->bytes.len)
			http_stream_write(s->request, buf_slice(&p->bytes));
		if (p->over) {
			sse_end(s);
			return false;
		}
	}
	return true;
}

/* --- from the archive --- */

/* Writes what came. false: s is gone. */
static bool archive_take(struct sse *s, const struct archive_answer *a)
{
	struct http_request *r = s->request;
	struct buf bytes = BUF_INIT;
	bool over;

	s->dry = a->bytes.len == 0;
	if (!s->dry)
		event_cursor_init(&s->cursor, a->last_seq);
	over = s->cursor.next_seq > a->head.last_seq && task_state_terminal(a->head.state);
	if (!s->greeted)
		buf_add_slice(&bytes, SSE_COMMENT);
	s->greeted = true;
	buf_add_slice(&bytes, a->bytes);
	if (over)
		end_write(&bytes, a->head.state);
	http_stream_write(r, buf_slice(&bytes));
	buf_release(&bytes);
	if (over)
		sse_end(s);
	return !over;
}

/* The first piece was asked for before the stream began: what is wrong is still told in plain. */
static void archive_begin(struct sse *s, const struct archive_answer *a);

static void archive_came(const struct archive_answer *a, void *arg)
{
	struct sse *s = arg;

	if (!s->started) {
		archive_begin(s, a);
		return;
	}
	if (a->error.code != ERR_NONE) {
		sse_cut(s, a->error.msg);
		return;
	}
	/* Without room it is asked for again when there is some. */
	if (!http_stream_has_room(s->request) || !archive_take(s, a))
		return;
	if (!s->in_table)
		sse_enter(s);
	if (!s->in_table && s->dry)
		sse_cut(s, "an unfinished task is not in the table");
	else
		sse_pump(s);
}

static void archive_ask(struct sse *s)
{
	struct http *h = s->request->http;

	api_ask_start(&s->ask, h,
		      archive_events(h->archive, &s->id, s->cursor.next_seq - 1,
				     h->options.stream_chunk_bytes, api_ask_came, &s->ask),
		      archive_came, s);
}

/* --- what happens to a stream --- */

static struct sse *sse_of(struct http_follower *f)
{
	return (struct sse *)((char *)f - offsetof(struct sse, follower));
}

static void sse_ready(struct http_request *r)
{
	sse_pump(r->data);
}

static void sse_gone(struct http_request *r)
{
	sse_leave(r->data);
}

static void sse_changed(struct http_follower *f)
{
	sse_pump(sse_of(f));
}

static void sse_live(struct http_follower *f, uint64_t after_seq, struct slice text)
{
	struct sse *s = sse_of(f);

	if (s->cursor.next_seq <= after_seq && !sse_pump(s))
		return;
	if ((s->caught_up || s->cursor.next_seq > after_seq) && !s->ask.call &&
	    http_stream_has_room(s->request))
		http_stream_write(s->request, text);
}

static void sse_beat(struct http_follower *f)
{
	struct sse *s = sse_of(f);

	if (http_stream_has_room(s->request))
		http_stream_write(s->request, SSE_COMMENT);
}

/* What has happened so far is still told. */
static void sse_drained(struct http_follower *f)
{
	struct sse *s = sse_of(f);

	if (sse_pump(s))
		sse_reset(s);
}

/* --- start --- */

static struct sse *sse_new(struct http_request *r, uint64_t after, const char *field)
{
	struct sse *s = arena_alloc(r->arena, sizeof(*s));

	if (!s)
		return NULL;
	s->request = r;
	s->field = field;
	s->follower.on_change = sse_changed;
	s->follower.on_drain = sse_drained;
	s->follower.on_live = sse_live;
	s->follower.on_beat = sse_beat;
	event_cursor_init(&s->cursor, after);
	return s;
}

/* Follows the task in the table, or nothing when it is not there. */
static void sse_enter(struct sse *s)
{
	struct http *h = s->request->http;

	http_unfollow(h->watchers, &s->follower);
	s->in_table = task_find(h->store, &s->id, &s->ref) &&
		      http_follow(h->watchers, s->ref, &s->follower) == ERR_NONE;
	if (!s->in_table)
		http_follow_loose(h->watchers, &s->follower);
}

static void sse_begin(struct sse *s)
{
	struct http_request *r = s->request;

	s->started = true;
	r->on_gone = sse_gone;
	sse_enter(s);
	http_stream_start(r, 200, "text/event-stream", "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n",
			  (struct http_stream_handler){sse_ready});
}

static void sse_refuse(struct sse *s, const struct error *e)
{
	s->request->on_gone = NULL;
	http_reply_error(s->request, e);
}

/* Is the place behind the last event? */
static enum err place_check(const struct sse *s, uint64_t last_seq, struct error *e)
{
	uint64_t after = s->cursor.next_seq - 1;

	if (after <= last_seq)
		return ERR_NONE;
	return err_set_field(e, ERR_FIELD, s->field, "%s is %llu, but the task's last event is %llu",
			     s->field, (unsigned long long)after, (unsigned long long)last_seq);
}

static void archive_begin(struct sse *s, const struct archive_answer *a)
{
	struct error e = a->error;

	if (e.code == ERR_NOT_FOUND)
		api_task_missing(s->request, &e);
	else if (e.code == ERR_NONE && http_watchers_draining(s->request->http->watchers))
		err_set(&e, ERR_UNAVAILABLE, "this server is stopping: connect again");
	else if (e.code == ERR_NONE)
		e.code = place_check(s, a->head.last_seq, &e);
	if (e.code != ERR_NONE) {
		sse_refuse(s, &e);
		return;
	}
	sse_begin(s);
	if (http_stream_has_room(s->request) && archive_take(s, a))
		sse_pump(s);
}

/* ERR_NOT_FOUND, ERR_GONE: the archive has to be asked. */
static enum err table_begin(struct sse *s, struct error *e)
{
	struct store *store = s->request->http->store;
	struct task_head head;

	if (!task_find(store, &s->id, &s->ref) || task_head_get(store, s->ref, &head) != ERR_NONE ||
	    head.durable_seq == 0)
		return api_task_missing(s->request, e);
	if (place_check(s, head.durable_seq, e) != ERR_NONE)
		return e->code;
	if (s->cursor.next_seq < head.first_seq)
		return err_set(e, ERR_GONE, "the task's events are no longer kept");
	sse_begin(s);
	sse_pump(s);
	return ERR_NONE;
}

void api_task_stream(struct http_request *r)
{
	struct http *h = r->http;
	const char *field;
	uint64_t after;
	struct error e;
	struct sse *s;
	enum err code;

	if (!api_after_parse(r, &after, &field))
		return;
	s = sse_new(r, after, field);
	if (!s)
		code = err_set(&e, ERR_MEMORY, "no memory for this request");
	else
		code = api_task_id(r, &s->id, &e);
	if (code == ERR_NONE && http_watchers_draining(h->watchers))
		code = err_set(&e, ERR_UNAVAILABLE, "this server is stopping: connect again");
	if (code != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	r->data = s;
	code = table_begin(s, &e);
	if ((code == ERR_NOT_FOUND || code == ERR_GONE) && h->archive) {
		r->on_gone = sse_gone;
		archive_ask(s);
	} else if (code != ERR_NONE) {
		sse_refuse(s, &e);
	}
}
