/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every POST goes through: its key is claimed, it is carried out once, and it is answered when what it
 * changed is durable.
 *
 *   claim ── new ──► ask the archive ── unknown ──► carry out ──► settle ──► hold ──► answer
 *     │ ▲                    └ known ──► replay        └ refused: drop the key, answer
 *     │ └ busy: wait until that request is settled
 *     └ used before ──► replay: found ──► the same answer; without effect ──► reclaim, carry out
 *
 * Without a key it is carried out at once; without a keeper it is durable at once, so that such a request
 * never leaves the stack. Refused requests leave no trace. A client that leaves is forgotten: what was
 * carried out stays, a key that was only claimed is free again.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>
#include <string.h>

static void post_claim(struct api_post *p);
static void post_run(struct api_post *p);
static void post_replay(struct api_post *p, uint64_t seq);

/* Nothing of it goes on; a key that is only claimed is free again. */
static void post_clear(struct api_post *p)
{
	struct http *h = p->request->http;

	p->request->on_gone = NULL;
	http_wait_end(h->waiters, &p->busy);
	api_ask_cancel(&p->ask);
	api_hold_cancel(&p->hold);
	api_replay_cancel(&p->replay);
	buf_release(&p->doc);
	if (p->claimed)
		request_key_drop(h->store, &p->key);
	p->claimed = false;
}

static void post_gone(struct http_request *r)
{
	post_clear(r->data);
}

static void post_fail(struct api_post *p, const struct error *why)
{
	struct http_request *r = p->request;
	struct error e = *why;

	post_clear(p);
	http_reply_error(r, &e);
}

/* --- the answer --- */

static void post_answer(struct api_post *p)
{
	struct http_request *r = p->request;
	struct buf doc = p->doc, lines = BUF_INIT;
	char id[ID_TEXT_SIZE];
	int status = p->status;

	p->doc = BUF_INIT;
	id_format(&p->place.task, id);
	buf_printf(&lines, "ETag: \"%llu\"\r\n", (unsigned long long)p->seq);
	if (status == 202)
		buf_printf(&lines, "Location: /v1/tasks/%s\r\n", id);
	if (p->repeated)
		buf_add_str(&lines, "Idempotency-Replayed: true\r\n");
	post_clear(p);
	http_reply(r, status, "application/json", buf_cstr(&lines), buf_slice(&doc));
	buf_release(&doc);
	buf_release(&lines);
}

static void post_durable(struct api_hold *hold, const struct error *e)
{
	struct api_post *p = (struct api_post *)((char *)hold - offsetof(struct api_post, hold));

	if (e)
		post_fail(p, e);
	else
		post_answer(p);
}

/* The change is made. Its document is taken now, and shown when it is durable. When somebody else was quick
 * to change the task further, an answer that may be asked for again is made from the events. */
static void post_made(struct api_post *p, const struct api_made *made)
{
	struct http *h = p->request->http;
	struct task_head head;
	struct error e;
	enum err code;

	if (p->claimed)
		request_key_settle(h->store, &p->key, &p->place, false);
	p->claimed = false;
	p->request->on_gone = post_gone;
	code = task_doc_copy_newest(h->store, made->ref, &p->doc, &head);
	if (code == ERR_GONE || (code == ERR_NONE && p->keyed && head.last_seq != made->last_seq)) {
		post_replay(p, made->last_seq);
	} else if (code != ERR_NONE) {
		err_set(&e, code, "the change is made, but there is no memory for the task's document");
		post_fail(p, &e);
	} else {
		p->seq = head.last_seq;
		api_hold(&p->hold, p->request, made->ref, head.last_seq, post_durable);
	}
}

/* --- repeated --- */

static void post_replayed(struct api_replay *replay, const struct error *e)
{
	struct api_post *p = (struct api_post *)((char *)replay - offsetof(struct api_post, replay));
	struct http *h = p->request->http;
	struct error gone;

	if (!e) {
		p->seq = replay->folded;
		p->doc = replay->doc;
		replay->doc = BUF_INIT;
		post_answer(p);
	} else if (e->code == ERR_NOT_FOUND && p->repeated) {
		p->repeated = false;
		p->claimed = request_key_reclaim(h->store, &p->key, &p->place);
		if (p->claimed)
			post_run(p);
		else
			post_claim(p);
	} else if (e->code == ERR_GONE && p->repeated) {
		err_set_field(&gone, ERR_GONE, "Idempotency-Key",
			      "the request with this key has changed a task that is no longer kept");
		post_fail(p, &gone);
	} else {
		post_fail(p, e);
	}
}

/* seq 0: by the key. */
static void post_replay(struct api_post *p, uint64_t seq)
{
	buf_release(&p->doc);
	p->repeated = seq == 0;
	p->replay = (struct api_replay){.request = p->request,
					.task = p->place.task,
					.after_seq = p->place.after_seq,
					.seq = seq,
					.hex = p->hex,
					.fn = post_replayed};
	api_replay(&p->replay);
}

/* --- the key --- */

static void post_reused(struct api_post *p)
{
	struct error e;

	err_set_field(&e, ERR_KEY_REUSED, "Idempotency-Key",
		      "this key was used with another body: a new request needs a new key");
	post_fail(p, &e);
}

/* A new one for the table; the archive may know it from before. */
static void key_looked_up(const struct archive_answer *a, void *post)
{
	struct api_post *p = post;
	struct error e = a->error;

	if (e.code == ERR_NOT_FOUND) {
		post_run(p);
	} else if (e.code != ERR_NONE) {
		err_prefix(&e, "it cannot be told whether this Idempotency-Key was used before");
		post_fail(p, &e);
	} else if (memcmp(a->body, p->key.body, REQUEST_DIGEST) != 0) {
		post_reused(p);
	} else {
		p->place = a->place;
		p->claimed = false;
		request_key_settle(p->request->http->store, &p->key, &p->place, true);
		post_replay(p, 0);
	}
}

static void post_claim(struct api_post *p)
{
	struct http *h = p->request->http;
	enum request_status status;
	struct error e;

	if (request_key_claim(h->store, &p->key, &status, &p->place, &e) != ERR_NONE) {
		post_fail(p, &e);
		return;
	}
	if (status != REQUEST_BUSY)
		http_wait_end(h->waiters, &p->busy);
	switch (status) {
	case REQUEST_BUSY:
		if (!p->busy.waiting)
			http_wait(h->waiters, &p->busy);
		break;
	case REQUEST_OTHER: post_reused(p); break;
	case REQUEST_BEGUN: post_replay(p, 0); break;
	case REQUEST_NEW:
		p->claimed = true;
		if (h->archive)
			api_ask_start(&p->ask, h, archive_request(h->archive, &p->key, api_ask_came, &p->ask),
				      key_looked_up, p);
		else
			post_run(p);
		break;
	}
}

static struct api_post *of_busy(struct http_waiter *w)
{
	return (struct api_post *)((char *)w - offsetof(struct api_post, busy));
}

static void busy_settled(struct http_waiter *w)
{
	post_claim(of_busy(w));
}

static void busy_over(struct http_waiter *w)
{
	struct error e;

	err_set_field(
		&e, ERR_UNAVAILABLE, "Idempotency-Key",
		"another request with this key is being carried out; repeat this one to get its answer");
	post_fail(of_busy(w), &e);
}

/* --- carrying out --- */

/* The task is not in the table. If it is an old one, nothing about it can be changed any more. */
static void missing_looked_up(const struct archive_answer *a, void *post)
{
	struct api_post *p = post;
	struct error e = a->error;

	if (e.code == ERR_NOT_FOUND)
		api_task_missing(p->request, &e);
	else if (e.code == ERR_NONE && task_state_terminal(a->head.state))
		err_set(&e, ERR_CONFLICT, "the task is %s already: nothing about it can be changed",
			task_state_text(a->head.state));
	else if (e.code == ERR_NONE)
		err_set(&e, ERR_UNAVAILABLE, "the task is not loaded just now; try again");
	post_fail(p, &e);
}

static void post_run(struct api_post *p)
{
	struct http *h = p->request->http;
	struct api_made made = {0};
	struct error e = {0};
	enum err code = store_accepts(h->store, &e);
	struct id id;

	if (code == ERR_NONE)
		code = p->run(p, &made, &e);
	if (code == ERR_NONE) {
		post_made(p, &made);
	} else if (code == ERR_NOT_FOUND && h->archive && api_task_id(p->request, &id, &e) == ERR_NONE) {
		p->request->on_gone = post_gone;
		api_ask_start(&p->ask, h, archive_task(h->archive, &id, api_ask_came, &p->ask),
			      missing_looked_up, p);
	} else {
		post_fail(p, &e);
	}
}

void api_post_begin(struct api_post *p, const struct id *task, uint64_t after_seq)
{
	p->place = (struct request_place){.task = *task, .after_seq = after_seq, .at_ms = clock_wall_ms()};
	if (p->claimed)
		request_key_begin(p->request->http->store, &p->key, &p->place);
}

void api_post_start(struct http_request *r, int status, api_post_fn *run)
{
	api_post_start_with(r, status, run, NULL);
}

void api_post_start_with(struct http_request *r, int status, api_post_fn *run, void *arg)
{
	static const char *const no_parameters[] = {NULL};
	struct api_post *p;
	struct error e;

	if (!api_query_check(r, no_parameters))
		return;
	p = arena_alloc(r->arena, sizeof(*p));
	if (!p) {
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for this request");
		return;
	}
	*p = (struct api_post){.request = r, .status = status, .run = run, .arg = arg};
	p->busy.on_requests = busy_settled;
	p->busy.on_over = busy_over;
	r->data = p;
	if (api_key_read(r, &p->key, &p->keyed, &e) != ERR_NONE) {
		http_reply_error(r, &e);
	} else if (p->keyed) {
		request_key_hex(&p->key, p->hex);
		r->on_gone = post_gone;
		post_claim(p);
	} else {
		post_run(p);
	}
}
