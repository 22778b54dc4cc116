/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks/{id}/stream: the events of a task as server-sent events (WHATWG HTML, section 9.2), from any
 * place on, then as they happen, until the task is over.
 *
 * A subscriber is a cursor. It is pulled: bytes are copied from the store only when its socket has room, so a
 * slow reader costs no memory and loses nothing. Live events are for whoever is at the end just then; they
 * are never kept for those who are not. A clean end is said twice, by "event: end" and by the end of the
 * body, and only after the task's last event; everything else (eviction, drain, our death) is a reset, after
 * which the client comes back with Last-Event-ID.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>
#include <string.h>

#define SSE_COMMENT SLICE_LIT(":\n\n")

/* In the request's arena; on its watch from the start of the stream to its end. */
struct sse {
	struct http_follower follower;
	struct http_request *request;
	struct task_ref ref;
	struct event_cursor cursor;
	bool greeted; /* the first byte was sent */
};

static void sse_reset(struct sse *s)
{
	struct http_request *r = s->request;

	http_unfollow(r->http->watchers, &s->follower);
	r->on_gone = NULL;
	http_stream_reset(r);
}

static void sse_end(struct sse *s)
{
	struct http_request *r = s->request;

	http_unfollow(r->http->watchers, &s->follower);
	r->on_gone = NULL;
	http_stream_end(r);
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
	p->caught_up = p->after.next_seq > head.last_seq;
	p->over = p->caught_up && task_state_terminal(head.state);
	if (p->over)
		end_write(&p->bytes, head.state);
	p->valid = p->sharing && s->greeted;
	return p->bytes.overflow ? ERR_MEMORY : ERR_NONE;
}

/* false: the stream is over and s is gone. */
static bool sse_pump(struct sse *s)
{
	struct sse_piece *p = http_watchers_piece(s->request->http->watchers);
	bool caught_up = false;

	while (!caught_up && http_stream_has_room(s->request)) {
		enum err code = piece_read(s, p);

		if (code != ERR_NONE) {
			log_info("a stream is cut off: its events can no longer be read",
				 LF_STR("task_id", s->request->params[0]),
				 LF_STR("error", err_info(code)->name), LF_STR("request_id", s->request->id));
			sse_reset(s);
			return false;
		}
		s->cursor = p->after;
		s->greeted = true;
		caught_up = p->caught_up;
		if (p->bytes.len)
			http_stream_write(s->request, buf_slice(&p->bytes));
		if (p->over) {
			sse_end(s);
			return false;
		}
	}
	return true;
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
	struct sse *s = r->data;

	http_unfollow(r->http->watchers, &s->follower);
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
	if (s->cursor.next_seq > after_seq && http_stream_has_room(s->request))
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

/* The event after which to begin: the header, which a reconnecting client sends by itself, goes before the
 * parameter. false: answered. */
static bool after_parse(struct http_request *r, uint64_t *after, const char **field)
{
	static const char *const names[] = {"after", NULL};
	struct slice id = http_request_header(r, "Last-Event-ID");
	struct error e;
	char *text;

	*after = 0;
	*field = id.ptr ? "Last-Event-ID" : "after";
	if (!api_query_check(r, names))
		return false;
	text = http_query_get(r->arena, r->query, "after", &e);
	if (!text && e.code != ERR_NONE) {
		http_reply_error(r, &e);
		return false;
	}
	if (id.ptr)
		text = arena_strndup(r->arena, id.ptr, id.len);
	if (text && !api_uint_parse(text, UINT64_MAX - 1, after)) {
		http_reply_errorf(r, ERR_FIELD, *field,
				  "%s must be the number of an event, 0 for all of them, not \"%.40s\"",
				  *field, text);
		return false;
	}
	return true;
}

static struct sse *sse_new(struct http_request *r, struct task_ref ref, uint64_t after)
{
	struct sse *s = arena_alloc(r->arena, sizeof(*s));

	if (!s)
		return NULL;
	s->request = r;
	s->ref = ref;
	s->follower.on_change = sse_changed;
	s->follower.on_drain = sse_drained;
	s->follower.on_live = sse_live;
	s->follower.on_beat = sse_beat;
	event_cursor_init(&s->cursor, after);
	return s;
}

void api_task_stream(struct http_request *r)
{
	struct http *h = r->http;
	struct task_ref ref;
	struct task_head head;
	const char *field;
	uint64_t after;
	struct sse *s;

	if (!after_parse(r, &after, &field) || !api_task_resolve(r, &ref))
		return;
	if (http_watchers_draining(h->watchers)) {
		http_reply_errorf(r, ERR_UNAVAILABLE, NULL, "this server is stopping: connect again");
		return;
	}
	s = sse_new(r, ref, after);
	if (!s || http_follow(h->watchers, ref, &s->follower) != ERR_NONE) {
		http_reply_errorf(r, s ? ERR_GONE : ERR_MEMORY, NULL, "the task's events are no longer kept");
		return;
	}
	if (task_head_get(h->store, ref, &head) != ERR_NONE || after + 1 < head.first_seq) {
		http_unfollow(h->watchers, &s->follower);
		http_reply_errorf(r, ERR_GONE, NULL, "the task's events are no longer kept");
		return;
	}
	if (after > head.last_seq) {
		http_unfollow(h->watchers, &s->follower);
		http_reply_errorf(r, ERR_FIELD, field, "%s is %llu, but the task's last event is %llu", field,
				  (unsigned long long)after, (unsigned long long)head.last_seq);
		return;
	}
	r->data = s;
	r->on_gone = sse_gone;
	http_stream_start(r, 200, "text/event-stream", "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n",
			  (struct http_stream_handler){sse_ready});
	sse_pump(s);
}
