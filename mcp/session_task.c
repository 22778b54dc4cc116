/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that a server runs as tasks of its own, of either wire (MCP 2025-11-25, basic/utilities/tasks:
 * session_task_handshake.c; the extension of 2026-07-28: session_task_modern.c). The answer to such a call
 * names a task; from then on the call rests, and tasks/get is asked as often as the server likes, within
 * bounds, until the task has ended, which ends the call as if its answer had come at once. Of all this the
 * call's owner sees progress, when the status changes.
 *
 * A status notification only says earlier what the next tasks/get would say: one that comes before the answer
 * that names its task may be, and is, ignored. A lost answer is asked for again, later each time, for longer
 * than a call may be idle by default. Whoever cancels has the task cancelled (tasks/cancel); if it has no
 * name yet that is waited for, for a while.
 *
 * A task is a part of the request that created it, and goes with it.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	TASK_ID_BYTES_MAX = 1024, /* raw */
	POLL_MS_MIN = 100,
	POLL_MS_DEFAULT = 1000,
	LOSS_MS_MIN = 500,
	NUMBER_DIGITS_MAX = 12,
	NAMELESS_MS_MAX = 30000, /* so long a cancelled one is waited for that has no name yet */
	NAMELESS_MAX = 64,
	CANCELS_MAX = 64, /* that the server has not answered yet */
	WORDS_BYTES_MAX = 200
};

static void timer_fired(void *arg);

struct protocol_task *task_new(struct session *s, struct request *call,
			       void (*take)(struct protocol_task *, struct slice))
{
	ensure(call && !call->task);
	struct protocol_task *t = xcalloc(1, sizeof(*t));
	t->session = s;
	t->call = call;
	t->take = take;
	t->poll_ms = POLL_MS_DEFAULT;
	t->ttl_ms = -1;
	t->timer = loop_timer_new(s->loop, timer_fired, t);
	call->task = t;
	return t;
}

void task_free(struct protocol_task *t)
{
	if (!t)
		return;
	if (t->query)
		wire_forget(t->session, t->query);
	if (t->result)
		wire_forget(t->session, t->result);
	if (t->cancelled)
		t->session->nameless--;
	task_inputs_free(t);
	task_listen_stop(t);
	loop_timer_free(t->timer);
	buf_release(&t->id);
	free(t);
}

bool task_id_fits(struct slice id)
{
	return id.len > 2 && id.ptr[0] == '"' && id.len <= TASK_ID_BYTES_MAX;
}

enum err task_name(struct protocol_task *t, struct slice id, struct error *e)
{
	if (!task_id_fits(id))
		return err_set(e, ERR_UPSTREAM, "the server's task has no name of 1 to %d bytes",
			       TASK_ID_BYTES_MAX - 2);
	buf_add_slice(&t->id, id);
	return ERR_NONE;
}

/* --- the end --- */

void task_end(struct protocol_task *t, const struct answer *a)
{
	struct answer seen = *a;
	seen.unsent = false; /* the call was, whatever became of its questions */
	wire_end(t->session, t->call, &seen);
}

void task_fail(struct protocol_task *t, const struct error *why)
{
	struct answer a = {.error = *why};
	task_end(t, &a);
}

void task_abandon(struct protocol_task *t, const struct error *why)
{
	task_cancel_send(t->session, &t->id);
	task_fail(t, why);
}

void task_ended_by_server(struct protocol_task *t, struct slice status)
{
	struct error e;
	char words[WORDS_BYTES_MAX + 1];
	fact_copy(status, "statusMessage", words, sizeof(words));
	err_set(&e, ERR_UPSTREAM, "the server cancelled its task of this call%s%s", *words ? ": " : "",
		words);
	task_fail(t, &e);
}

void task_status_unknown(const char *word, struct error *e)
{
	err_set(e, ERR_UPSTREAM, "the server's task has the status \"%s\", which is not known here", word);
}

/* --- asking the server --- */

uint64_t task_request(struct session *s, const char *method, const struct buf *task_id, struct slice more,
		      struct request_handler h, struct error *e)
{
	struct buf params = BUF_INIT;
	buf_add_str(&params, "{\"taskId\":");
	buf_add_slice(&params, buf_slice(task_id));
	if (more.len)
		buf_add_char(&params, ',');
	buf_add_slice(&params, more);
	buf_add_char(&params, '}');
	uint64_t id = wire_request(s, method, buf_slice(&params), h, e);
	buf_release(&params);
	return id;
}

void task_ask(struct protocol_task *t, const char *method, uint64_t *id,
	      void (*on_end)(const struct answer *, void *))
{
	struct request_handler h = {.on_end = on_end, .arg = t};
	struct error e;
	*id = task_request(t->session, method, &t->id, (struct slice){0}, h, &e);
	if (!*id)
		task_fail(t, &e);
}

/* Later each time: a server that is away for a moment still has its tasks. */
void task_poll_after_loss(struct protocol_task *t, int losses)
{
	int64_t ms = t->poll_ms > LOSS_MS_MIN ? t->poll_ms : LOSS_MS_MIN;
	ms <<= losses - 1;
	loop_timer_set(t->timer, ms < TASK_POLL_MS_MAX ? ms : TASK_POLL_MS_MAX);
}

bool task_asks_again(struct protocol_task *t, const struct answer *a)
{
	bool lost = a->error.code == ERR_LOST || a->error.code == ERR_UNAVAILABLE;
	if (!lost || t->failures >= TASK_FAILURES_MAX)
		return false;
	task_poll_after_loss(t, ++t->failures);
	return true;
}

/* Why there is no status; a server says so of a task that it has not kept. */
static void query_refused(const struct protocol_task *t, const struct answer *a, struct error *e)
{
	*e = a->error;
	if (a->rpc_code == RPC_INVALID_PARAMS && t->ttl_ms >= 0)
		err_prefix(
			e,
			"the server does not know its task of this call any more, which it was to keep for "
			"%lld ms",
			(long long)t->ttl_ms);
	else if (a->rpc_code == RPC_INVALID_PARAMS)
		err_prefix(e, "the server does not know its task of this call any more");
	err_prefix(e, "tasks/get");
}

static void query_answered(const struct answer *a, void *arg)
{
	struct protocol_task *t = arg;
	struct error e;
	t->query = 0;
	if (!a->error.code) {
		t->failures = t->ended ? t->failures : 0;
		t->take(t, a->result);
	} else if (!task_asks_again(t, a)) {
		query_refused(t, a, &e);
		task_fail(t, &e);
	}
}

static void timer_fired(void *arg)
{
	struct protocol_task *t = arg;
	if (t->cancelled)
		wire_forget(t->session, t->call->id);
	else if (!t->query)
		task_ask(t, "tasks/get", &t->query, query_answered);
}

void task_poll_later(struct protocol_task *t)
{
	loop_timer_set(t->timer, t->told ? TASK_POLL_MS_MAX : t->poll_ms);
}

/* --- what it says of itself --- */

/* -1: it is no number that is not negative. What is longer than any that makes sense is the largest. */
static int64_t number_of(struct slice raw)
{
	int64_t n = 0;
	size_t i = 0;
	for (; i < raw.len && i < NUMBER_DIGITS_MAX && raw.ptr[i] >= '0' && raw.ptr[i] <= '9'; i++)
		n = n * 10 + (raw.ptr[i] - '0');
	return i ? n : -1;
}

void task_times_take(struct protocol_task *t, struct slice poll, struct slice ttl)
{
	int64_t ms = number_of(poll), kept_ms = number_of(ttl);
	if (ms >= 0)
		t->poll_ms = ms < POLL_MS_MIN ? POLL_MS_MIN : ms > TASK_POLL_MS_MAX ? TASK_POLL_MS_MAX : ms;
	if (ttl.len)
		t->ttl_ms = kept_ms;
}

/* Each change is a sign of life. A server that says the same again and again shows none. */
void task_progress(struct protocol_task *t, struct slice status)
{
	static const char *const parts[] = {"status", "statusMessage", "lastUpdatedAt"};
	const struct request_handler *h = &t->call->handler;
	struct slice message = scan_member(status, "statusMessage");
	struct buf text = BUF_INIT;
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		buf_add_slice(&text, scan_member(status, parts[i]));
	uint64_t seen = hash64(text.data, text.len);
	buf_reset(&text);
	if (seen != t->seen && h->on_progress) {
		buf_add_str(&text, message.len ? "{\"message\":" : "{");
		buf_add_slice(&text, message);
		buf_add_char(&text, '}');
		h->on_progress(buf_slice(&text), h->arg);
	}
	t->seen = seen;
	buf_release(&text);
}

/* --- cancelling --- */

static void cancel_answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	s->cancels--;
	if (a->error.code)
		log_debug("a tool server did not cancel its task", LF_STR("server", s->server),
			  LF_STR("error", a->error.msg));
}

void task_cancel_send(struct session *s, const struct buf *task_id)
{
	struct request_handler h = {.on_end = cancel_answered, .arg = s};
	struct error e;
	if (s->cancels >= CANCELS_MAX)
		err_set(&e, ERR_FULL, "the server has left %d of them without an answer", CANCELS_MAX);
	else if (task_request(s, "tasks/cancel", task_id, (struct slice){0}, h, &e)) {
		s->cancels++;
		return;
	}
	log_warn("a task of a tool server cannot be cancelled there: it runs until it ends by itself",
		 LF_STR("server", s->server), LF_STR("error", e.msg));
}

static void nobody_waits(const struct answer *a, void *arg)
{
	(void)a;
	(void)arg;
}

bool task_cancel(struct session *s, uint64_t call_id)
{
	struct request *call = wire_find(s, call_id);
	struct protocol_task *t = call ? call->task : NULL;
	if (!t)
		return false;
	if (t->id.len) {
		struct buf id = t->id;
		t->id = (struct buf)BUF_INIT;
		wire_forget(s, call->id);
		task_cancel_send(s, &id);
		buf_release(&id);
		return true;
	}
	if (!call->wire_id || t->cancelled || s->nameless >= NAMELESS_MAX)
		return false;
	call->handler = (struct request_handler){.on_end = nobody_waits};
	t->cancelled = true;
	s->nameless++;
	asks_withdraw(s, call->id);
	loop_timer_set(t->timer, NAMELESS_MS_MAX);
	return true;
}

/* --- whose is it? --- */

struct request *task_call_of(const struct session *s, struct slice id)
{
	struct request *r = s->requests;
	while (r && !(r->task && r->task->id.len && slice_eq(buf_slice(&r->task->id), id)))
		r = r->next;
	return id.len ? r : NULL;
}

struct slice task_related(struct slice params)
{
	return scan_member(scan_member(params, "_meta"), ASK_RELATED_TASK);
}

uint64_t task_owner(const struct session *s, uint64_t about, struct slice params)
{
	struct slice related = task_related(params);
	struct request *call = task_call_of(s, scan_member(related, "taskId"));
	if (related.len)
		return call ? call->id : 0;
	for (const struct request *r = about ? s->requests : NULL; r; r = r->next) {
		if (r->task && (r->task->query == about || r->task->result == about))
			return r->id;
	}
	return ask_owner(s, about);
}
