/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task as it was right after a request took effect: the fold of its events up to the one that names the
 * request (or has a given number). With it a repeated request gets the answer of the first one, whatever has
 * happened to the task since and whichever processes have died.
 *
 * First everything that the task has now must be durable: what is looked for is either in that, or never was.
 * Then the events are read from the first on, from the table if it has them all, else from the archive, piece
 * by piece. Nothing of it is kept but the document so far.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>
#include <string.h>

enum { PIECE_BYTES = 256 << 10 };

static void archive_ask(struct api_replay *p);

static struct http *http_of(const struct api_replay *p)
{
	return p->request->http;
}

void api_replay_cancel(struct api_replay *p)
{
	api_hold_cancel(&p->hold);
	api_ask_cancel(&p->ask);
	buf_release(&p->doc);
}

static void replay_end(struct api_replay *p, const struct error *e)
{
	if (e)
		buf_release(&p->doc);
	p->fn(p, e);
}

static void replay_fail(struct api_replay *p, enum err code, const char *text)
{
	struct error e;

	err_set(&e, code, "%s", text);
	replay_end(p, &e);
}

static bool names_request(const struct api_replay *p, const struct event_view *v)
{
	struct json *data;
	bool found;

	if ((v->type != EVENT_TASK_CREATED && v->type != EVENT_TASK_STATE) ||
	    !memmem(v->data.ptr, v->data.len, p->hex, strlen(p->hex)))
		return false;
	data = json_parse(v->data.ptr, v->data.len, JSON_DEPTH_MAX, NULL);
	found = strcmp(json_get_text(data, "request", ""), p->hex) == 0;
	json_free(data);
	return found;
}

static bool is_sought(const struct api_replay *p, const struct event_view *v)
{
	return p->seq ? v->seq == p->seq : v->seq > p->after_seq && names_request(p, v);
}

/* Whole events that follow those taken before. */
static enum err piece_take(struct api_replay *p, struct slice sse, struct error *e)
{
	struct slice rest = sse, used;
	struct buf doc = BUF_INIT;
	struct event_view v;
	enum err code;

	while (!p->found && event_next(&rest, &v)) {
		p->found = is_sought(p, &v);
		p->folded = v.seq;
	}
	used = (struct slice){sse.ptr, p->found ? (size_t)(rest.ptr - sse.ptr) : sse.len};
	if (used.len == 0)
		return ERR_NONE;
	code = p->doc.len ? task_fold_on(buf_slice(&p->doc), used, &doc, e) : task_fold(used, &doc, e);
	buf_release(&p->doc);
	p->doc = doc;
	return code == ERR_NONE && doc.overflow ? err_set(e, ERR_MEMORY, "no memory for the task's document")
						: code;
}

/* ERR_GONE: the table does not have them all. ERR_NOT_FOUND: it has, and none is the one. */
static enum err table_read(struct api_replay *p, struct task_ref ref, struct error *e)
{
	struct buf piece = BUF_INIT;
	struct event_cursor c;
	struct task_head head;
	enum err code;

	event_cursor_init(&c, 0);
	do {
		buf_reset(&piece);
		code = task_events_copy(http_of(p)->store, ref, &c, PIECE_BYTES, &piece, &head);
		if (code == ERR_NONE)
			code = piece_take(p, buf_slice(&piece), e);
		else
			err_set(e, code, "the task's events cannot be read");
	} while (code == ERR_NONE && !p->found && c.next_seq <= head.durable_seq);
	buf_release(&piece);
	if (code == ERR_NONE && !p->found)
		code = err_set(e, ERR_NOT_FOUND, "the request took no effect");
	return code;
}

static void archive_came(const struct archive_answer *a, void *replay)
{
	struct api_replay *p = replay;
	struct error e = a->error;

	if (e.code == ERR_NONE && piece_take(p, a->bytes, &e) == ERR_NONE) {
		if (!p->found && a->bytes.len > 0 && a->last_seq < a->head.last_seq) {
			archive_ask(p);
			return;
		}
		if (!p->found)
			err_set(&e, ERR_NOT_FOUND, "the request took no effect");
	}
	replay_end(p, p->found && e.code == ERR_NONE ? NULL : &e);
}

static void archive_ask(struct api_replay *p)
{
	struct http *h = http_of(p);

	api_ask_start(&p->ask, h,
		      archive_events(h->archive, &p->task, p->folded, PIECE_BYTES, api_ask_came, &p->ask),
		      archive_came, p);
}

static void replay_read(struct api_replay *p)
{
	struct error e = {0};
	struct task_ref ref;
	enum err code = ERR_GONE;

	if (task_find(http_of(p)->store, &p->task, &ref))
		code = table_read(p, ref, &e);
	if (code == ERR_GONE && http_of(p)->archive) {
		buf_release(&p->doc);
		p->folded = 0;
		archive_ask(p);
	} else if (code == ERR_GONE) {
		replay_fail(p, ERR_GONE, "the task was finished and has made room for others");
	} else {
		replay_end(p, code == ERR_NONE ? NULL : &e);
	}
}

static void replay_durable(struct api_hold *hold, const struct error *e)
{
	struct api_replay *p = (struct api_replay *)((char *)hold - offsetof(struct api_replay, hold));

	if (e)
		replay_end(p, e);
	else
		replay_read(p);
}

void api_replay(struct api_replay *p)
{
	struct task_head head;
	struct task_ref ref;

	if (task_find(http_of(p)->store, &p->task, &ref) &&
	    task_head_get(http_of(p)->store, ref, &head) == ERR_NONE)
		api_hold(&p->hold, p->request, ref, head.last_seq, replay_durable);
	else
		replay_read(p);
}
