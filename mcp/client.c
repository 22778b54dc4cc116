/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's half: a socket to the supervisor, the catalogue it told last, and questions to it. It knows no
 * server and no JSON-RPC. While the supervisor is away, and until its successor has started its servers, the
 * last catalogue stays, so that plans can be read; calls and questions fail at once, and a new socket comes
 * through mcp_client_connect.
 */
#include "base/base.h"
#include "mcp/client_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO_VERSION = 1, SERVERS_MS_MAX = 5000, LOGIN_MS_MAX = 40000 };

struct question {
	struct mcp_client *client;
	struct question *next;
	uint64_t id;
	void (*fn)(struct slice text, const struct error *e, void *arg);
	void *arg;
	int64_t ms_max;
	struct error error; /* once it failed: told at the bottom of the loop */
	bool failed;
	struct loop_timer *timer;
};

/* --- questions to the supervisor --- */

static void question_free(struct question *w)
{
	struct question **at = &w->client->questions;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	loop_timer_free(w->timer);
	loop_defer_cancel(w->client->loop, w);
	free(w);
}

static void question_tell_failure(void *arg)
{
	struct question *w = arg, told = *w;
	question_free(w);
	told.fn((struct slice){0}, &told.error, told.arg);
}

static void question_fail(struct question *w, const struct error *why)
{
	if (w->failed)
		return;
	w->failed = true;
	w->error = *why;
	loop_defer(w->client->loop, question_tell_failure, w);
}

static void question_timed_out(void *arg)
{
	struct question *q = arg;
	struct error e;
	err_set(&e, ERR_TIMEOUT, "the supervisor did not answer within %lld ms", (long long)q->ms_max);
	question_fail(q, &e);
}

static void question_ask(struct mcp_client *c, enum ipc_msg msg, struct slice body, int64_t ms_max,
			 void (*fn)(struct slice text, const struct error *e, void *arg), void *arg)
{
	struct question *q = xcalloc(1, sizeof(*q));
	struct error e;
	*q = (struct question){.client = c,
			       .next = c->questions,
			       .id = ++c->id_last,
			       .fn = fn,
			       .arg = arg,
			       .ms_max = ms_max};
	c->questions = q;
	q->timer = loop_timer_new(c->loop, question_timed_out, q);
	loop_timer_set(q->timer, ms_max);
	if (!c->channel) {
		err_set(&e, ERR_UNAVAILABLE, "the supervisor of the tool servers is away");
		question_fail(q, &e);
	} else if (ipc_send(c->channel, msg, q->id, body, -1, &e) != ERR_NONE) {
		question_fail(q, &e);
	}
}

void mcp_client_servers(struct mcp_client *c, void (*fn)(struct slice text, const struct error *e, void *arg),
			void *arg)
{
	question_ask(c, IPC_SERVERS_GET, (struct slice){0}, SERVERS_MS_MAX, fn, arg);
}

void mcp_client_login(struct mcp_client *c, const struct mcp_login *r,
		      void (*fn)(struct slice text, const struct error *e, void *arg), void *arg)
{
	struct buf body = BUF_INIT;
	pack_text(&body, r->code);
	pack_text(&body, r->state);
	pack_text(&body, r->iss);
	pack_text(&body, r->error);
	pack_text(&body, r->error_description);
	question_ask(c, IPC_LOGIN, buf_slice(&body), LOGIN_MS_MAX, fn, arg);
	if (body.data)
		explicit_bzero(body.data, body.cap); /* the code */
	buf_release(&body);
}

void mcp_client_restart(struct mcp_client *c, const char *server,
			void (*fn)(struct slice text, const struct error *e, void *arg), void *arg)
{
	struct buf body = BUF_INIT;
	pack_text(&body, server);
	question_ask(c, IPC_SERVER_RESTART, buf_slice(&body), SERVERS_MS_MAX, fn, arg);
	buf_release(&body);
}

void mcp_client_list(struct mcp_client *c, const struct mcp_list_request *r,
		     void (*fn)(struct slice text, const struct error *e, void *arg), void *arg)
{
	struct buf body = BUF_INIT;
	pack_text(&body, r->server);
	pack_u32(&body, r->list);
	pack_text(&body, r->cursor);
	pack_u32(&body, r->limit);
	question_ask(c, IPC_LIST_GET, buf_slice(&body), SERVERS_MS_MAX, fn, arg);
	buf_release(&body);
}

void mcp_client_servers_cancel(struct mcp_client *c, void *arg)
{
	for (struct question *w = c->questions, *next; w; w = next) {
		next = w->next;
		if (w->arg == arg)
			question_free(w);
	}
}

static void question_answer(struct mcp_client *c, uint64_t id, struct slice text, const struct error *e)
{
	for (struct question *q = c->questions; q; q = q->next) {
		if (q->id != id || q->failed)
			continue;
		struct question told = *q;
		question_free(q);
		told.fn(text, e, told.arg);
		return;
	}
}

/* A code with its message, and a text. */
static void question_done_received(struct mcp_client *c, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	struct error e = {0};
	uint32_t code = unpack_u32(&u);
	const char *text = unpack_text(&u);
	struct slice server = unpack_slice(&u);
	if (!unpack_end(&u) || code >= ERR_COUNT)
		err_set(&e, ERR_INTERNAL, "the supervisor's answer cannot be read");
	else if (code)
		err_set(&e, (enum err)code, "%s", text ? text : "");
	question_answer(c, f->id, server, e.code ? &e : NULL);
}

/* --- the catalogue --- */

static void catalog_received(struct mcp_client *c, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	struct error e = {0};
	uint64_t version = unpack_u64(&u);
	bool settled = unpack_u32(&u) != 0, all_told = unpack_u32(&u) != 0;
	bool tasks_matter = unpack_u32(&u) != 0;
	struct slice text = unpack_slice(&u);
	const struct mcp_catalog *fresh = unpack_end(&u) ? catalog_read(text, version, &e) : NULL;
	if (!fresh) {
		log_error("the supervisor's catalogue cannot be read; the last one stays",
			  LF_STR("error", e.msg));
	} else {
		/* A new supervisor does not know the tools of servers that have not been ready under it.
		 * Calls of them wait there: to those who plan and call they are not gone. */
		c->catalog_stays = c->catalog_stays && !all_told;
		mcp_catalog_drop(c->catalog_stays ? fresh : c->catalog);
		c->catalog = c->catalog_stays ? c->catalog : fresh;
		c->tasks_matter = tasks_matter;
	}
	c->settled = settled;
	if (c->on_change)
		c->on_change(c->on_change_arg);
}

const struct mcp_catalog *mcp_client_catalog(struct mcp_client *c)
{
	return mcp_catalog_hold(c->catalog);
}

bool mcp_client_settled(const struct mcp_client *c)
{
	return c->settled;
}

void mcp_client_on_change(struct mcp_client *c, loop_fn *fn, void *arg)
{
	c->on_change = fn;
	c->on_change_arg = arg;
}

/* --- the ends of tasks --- */

static void task_ended_tell(struct mcp_client *c, const char *task_id)
{
	struct buf body = BUF_INIT;
	struct error e;
	if (!c->channel)
		return; /* whoever comes next has no instances */
	pack_text(&body, task_id);
	if (ipc_send(c->channel, IPC_TASK_ENDED, 0, buf_slice(&body), -1, &e) != ERR_NONE)
		log_warn("the end of a task could not be told: its tool servers stay until they are idle",
			 LF_STR("task_id", task_id), LF_STR("error", e.msg));
	buf_release(&body);
}

void mcp_client_task_ended(struct mcp_client *c, const char *task_id)
{
	if (c->tasks_matter)
		task_ended_tell(c, task_id);
}

void mcp_client_on_task_asked(struct mcp_client *c, bool (*is_over)(const char *task_id, void *arg),
			      void *arg)
{
	c->is_over = is_over;
	c->is_over_arg = arg;
}

static void task_asked_received(struct mcp_client *c, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	const char *task_id = unpack_text(&u);
	if (unpack_end(&u) && task_id && c->is_over && c->is_over(task_id, c->is_over_arg))
		task_ended_tell(c, task_id);
}

/* --- the connection --- */

static void frame_received(struct ipc_frame *f, void *arg)
{
	struct mcp_client *c = arg;
	switch (f->msg) {
	case IPC_CATALOG: catalog_received(c, f); break;
	case IPC_CALL_PROGRESS: client_call_progress(c, f); break;
	case IPC_CALL_DONE: client_call_done(c, f); break;
	case IPC_CALL_ASK: client_asked(c, f); break;
	case IPC_CALL_LOG: client_logged(c, f); break;
	case IPC_CALL_ASK_OVER: client_ask_over(c, f); break;
	case IPC_TASK_ASKED: task_asked_received(c, f); break;
	case IPC_SERVERS: question_answer(c, f->id, f->body, NULL); break;
	case IPC_LOGIN_DONE:
	case IPC_LIST:
	case IPC_SERVER_RESTARTED: question_done_received(c, f); break;
	default: log_warn("unexpected message from the supervisor", LF_STR("message", ipc_msg_name(f->msg)));
	}
}

static void supervisor_lose(struct mcp_client *c, const struct error *why)
{
	ipc_close(c->channel);
	c->channel = NULL;
	client_calls_lose(c, why);
	for (struct question *w = c->questions; w; w = w->next)
		question_fail(w, why);
}

static void channel_closed(const struct error *why, void *arg)
{
	supervisor_lose(arg, why);
}

void mcp_client_connect(struct mcp_client *c, int fd)
{
	struct buf hello = BUF_INIT;
	struct error e;
	struct ipc_handler h = {frame_received, channel_closed, c};
	if (c->channel) {
		err_set(&e, ERR_LOST, "the supervisor of the tool servers was replaced");
		supervisor_lose(c, &e);
	}
	c->catalog_stays = c->catalog->count > 0;
	c->channel = ipc_open(c->loop, fd, c->options.frame_bytes_max, c->options.queue_bytes_max, h);
	ipc_gather(c->channel);
	pack_u32(&hello, HELLO_VERSION);
	pack_u32(&hello, (uint32_t)getpid());
	if (ipc_send(c->channel, IPC_HELLO, 0, buf_slice(&hello), -1, &e) != ERR_NONE)
		log_warn("the supervisor cannot be greeted", LF_STR("error", e.msg));
	buf_release(&hello);
}

struct mcp_client *mcp_client_new(struct loop *l, const struct mcp_client_options *o)
{
	struct mcp_client *c = xcalloc(1, sizeof(*c));
	struct error e;
	c->loop = l;
	c->options = *o;
	c->catalog = catalog_read(SLICE_LIT("{\"tools\":[]}"), 0, &e);
	ensure(c->catalog);
	return c;
}

void mcp_client_free(struct mcp_client *c)
{
	if (!c)
		return;
	ipc_close(c->channel);
	client_calls_drop(c);
	while (c->questions)
		question_free(c->questions);
	mcp_catalog_drop(c->catalog);
	free(c);
}
