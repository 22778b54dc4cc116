/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The durable events of a task from the first on, piece by piece, for what its document does not tell. They
 * are read from the table as far as it has them, then from the archive, without blocking. Nothing of them is
 * kept here. A walk ends exactly once, unless it is cancelled.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

enum { PIECE_BYTES = 256 << 10 };

static void archive_ask(struct api_walk *w);

static struct http *http_of(const struct api_walk *w)
{
	return w->request->http;
}

void api_walk_cancel(struct api_walk *w)
{
	api_ask_cancel(&w->ask);
}

/* ERR_GONE: the table does not have the rest. */
static enum err table_read(struct api_walk *w, struct task_ref ref, struct error *e)
{
	struct buf piece = BUF_INIT;
	struct event_cursor c;
	struct task_head head;
	enum err code;

	event_cursor_init(&c, 0);
	do {
		buf_reset(&piece);
		code = task_events_copy(http_of(w)->store, ref, &c, PIECE_BYTES, &piece, &head);
		if (code != ERR_NONE)
			err_set(e, code, "the task's events cannot be read");
		else if (piece.len > 0)
			code = w->take(w, buf_slice(&piece), e);
		if (code == ERR_NONE)
			w->last_seq = c.next_seq - 1;
	} while (code == ERR_NONE && !w->enough && c.next_seq <= head.durable_seq);
	buf_release(&piece);
	return code;
}

static void archive_came(const struct archive_answer *a, void *walk)
{
	struct api_walk *w = walk;
	struct error e = a->error;

	if (e.code == ERR_NONE && a->bytes.len > 0 && w->take(w, a->bytes, &e) == ERR_NONE) {
		w->last_seq = a->last_seq;
		if (!w->enough && a->last_seq < a->head.last_seq) {
			archive_ask(w);
			return;
		}
	}
	w->end(w, e.code == ERR_NONE ? NULL : &e);
}

static void archive_ask(struct api_walk *w)
{
	struct http *h = http_of(w);

	api_ask_start(&w->ask, h,
		      archive_events(h->archive, &w->task, w->last_seq, PIECE_BYTES, api_ask_came, &w->ask),
		      archive_came, w);
}

void api_walk_start(struct api_walk *w)
{
	struct error e = {0};
	struct task_ref ref;
	enum err code = ERR_GONE;

	if (task_find(http_of(w)->store, &w->task, &ref))
		code = table_read(w, ref, &e);
	if (code == ERR_GONE && http_of(w)->archive) {
		archive_ask(w);
		return;
	}
	if (code == ERR_GONE)
		err_set(&e, ERR_GONE, "the task was finished and has made room for others");
	w->end(w, code == ERR_NONE ? NULL : &e);
}

struct error api_walk_why(const struct api_walk *w, const struct error *why)
{
	struct error e = *why;
	if (e.code == ERR_NOT_FOUND || (e.code == ERR_GONE && !w->request->http->archive))
		api_task_missing(w->request, &e);
	return e;
}
