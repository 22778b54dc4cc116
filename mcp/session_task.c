/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that a server runs as tasks of its own (MCP 2025-11-25, basic/utilities/tasks; which these are:
 * session_task_tools.c). The answer to such a call names a task; from then on the call rests, tasks/get is
 * asked as often as the server likes (within bounds), and tasks/result as soon as the task has ended or wants
 * input: that is where the server's question comes, and the final result, which ends the call as if it had
 * come at once. Of all this the call's owner sees progress, when the status changes.
 *
 * A status notification only says earlier what the next tasks/get would say: one that comes before the answer
 * that names its task may be, and is, ignored. A lost answer is asked for again, a few times. Whoever cancels
 * has the task cancelled (tasks/cancel); if it has no name yet that is waited for, for a while.
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
	POLL_MS_MAX = 30000,
	POLL_MS_DEFAULT = 1000,
	POLL_DIGITS_MAX = 9,
	NAMELESS_MS_MAX = 30000, /* so long a cancelled one is waited for that has no name yet */
	NAMELESS_MAX = 64,
	CANCELS_MAX = 64, /* that the server has not answered yet */
	FAILURES_MAX = 3, /* in a row */
	WORDS_BYTES_MAX = 200
};

struct protocol_task {
	struct session *session;
	struct request *call;
	struct buf id;          /* a raw JSON string; empty: the server has not named it yet */
	uint64_t query, result; /* requests under way: tasks/get, tasks/result; 0: none */
	bool ended;             /* says the server */
	bool cancelled;         /* before it had a name: nobody waits for the call any more */
	uint64_t seen;          /* hash of the last status */
	int failures;
	int64_t poll_ms;
	struct loop_timer *timer; /* the next tasks/get; of a cancelled one: it is waited for no longer */
};

static void timer_fired(void *arg);

static struct request *request_of(const struct session *s, uint64_t id)
{
	struct request *r = s->requests;
	while (r && r->id != id)
		r = r->next;
	return r;
}

void task_begin(struct session *s, uint64_t id)
{
	struct request *call = request_of(s, id);
	ensure(call && !call->task);
	struct protocol_task *t = xcalloc(1, sizeof(*t));
	t->session = s;
	t->call = call;
	t->poll_ms = POLL_MS_DEFAULT;
	t->timer = loop_timer_new(s->loop, timer_fired, t);
	call->task = t;
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
	loop_timer_free(t->timer);
	buf_release(&t->id);
	free(t);
}

/* --- the end --- */

/* The call ends, and the task with it. */
static void task_end(struct protocol_task *t, const struct answer *a)
{
	struct answer seen = *a;
	seen.unsent = false; /* the call was, whatever became of its questions */
	wire_end(t->session, t->call, &seen);
}

static void task_fail(struct protocol_task *t, const struct error *why)
{
	struct answer a = {.error = *why};
	task_end(t, &a);
}

/* --- asking the server --- */

/* A request about the task of that name. 0 with e set when nothing was written. */
static uint64_t task_request(struct session *s, const char *method, const struct buf *task_id,
			     struct request_handler h, struct error *e)
{
	struct buf params = BUF_INIT;
	buf_add_str(&params, "{\"taskId\":");
	buf_add_slice(&params, buf_slice(task_id));
	buf_add_char(&params, '}');
	uint64_t id = wire_request(s, method, buf_slice(&params), h, e);
	buf_release(&params);
	return id;
}

/* *id is the request's. When it cannot be written the call ends, and t with it. */
static void task_ask(struct protocol_task *t, const char *method, uint64_t *id,
		     void (*on_end)(const struct answer *, void *))
{
	struct request_handler h = {.on_end = on_end, .arg = t};
	struct error e;
	*id = task_request(t->session, method, &t->id, h, &e);
	if (!*id)
		task_fail(t, &e);
}

/* true: it was lost on the way, and is asked again. */
static bool asked_again(struct protocol_task *t, const struct answer *a)
{
	bool lost = a->error.code == ERR_LOST || a->error.code == ERR_UNAVAILABLE;
	if (!lost || t->failures >= FAILURES_MAX)
		return false;
	t->failures++;
	loop_timer_set(t->timer, t->poll_ms);
	return true;
}

static void result_answered(const struct answer *a, void *arg)
{
	struct protocol_task *t = arg;
	struct answer seen = *a;
	t->result = 0;
	if (asked_again(t, a))
		return;
	if (seen.error.code)
		err_prefix(&seen.error, "tasks/result");
	task_end(t, &seen);
}

/* --- what it says of itself --- */

static void poll_ms_take(struct protocol_task *t, struct slice raw)
{
	int64_t ms = 0;
	size_t i = 0;
	for (; i < raw.len && i < POLL_DIGITS_MAX && raw.ptr[i] >= '0' && raw.ptr[i] <= '9'; i++)
		ms = ms * 10 + (raw.ptr[i] - '0');
	if (i)
		t->poll_ms = ms < POLL_MS_MIN ? POLL_MS_MIN : ms > POLL_MS_MAX ? POLL_MS_MAX : ms;
}

/* Each change is a sign of life. A server that says the same again and again shows none. */
static void progress_tell(struct protocol_task *t, struct slice status)
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

static void ended_by_server(struct protocol_task *t, struct slice status)
{
	struct error e;
	char words[WORDS_BYTES_MAX + 1];
	fact_copy(status, "statusMessage", words, sizeof(words));
	err_set(&e, ERR_UPSTREAM, "the server cancelled its task of this call%s%s", *words ? ": " : "",
		words);
	task_fail(t, &e);
}

/* An object with status and pollInterval; t may be gone after it. */
static void status_take(struct protocol_task *t, struct slice status)
{
	struct error e;
	char word[32];
	fact_copy(status, "status", word, sizeof(word));
	poll_ms_take(t, scan_member(status, "pollInterval"));
	progress_tell(t, status);
	bool input = strcmp(word, "input_required") == 0;
	t->ended = strcmp(word, "completed") == 0 || strcmp(word, "failed") == 0;
	if (strcmp(word, "cancelled") == 0) {
		ended_by_server(t, status);
	} else if (!t->ended && !input && strcmp(word, "working") != 0) {
		err_set(&e, ERR_UPSTREAM, "the server's task has the status \"%s\", which is not known here",
			word);
		task_fail(t, &e);
	} else {
		loop_timer_set(t->timer, t->ended ? -1 : t->poll_ms);
		if ((t->ended || input) && !t->result)
			task_ask(t, "tasks/result", &t->result, result_answered);
	}
}

static void query_answered(const struct answer *a, void *arg)
{
	struct protocol_task *t = arg;
	struct error e = a->error;
	t->query = 0;
	if (!e.code) {
		t->failures = t->ended ? t->failures : 0;
		status_take(t, a->result);
	} else if (!asked_again(t, a)) {
		err_prefix(&e, "tasks/get");
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

/* --- the beginning --- */

static void cancel_answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	s->cancels--;
	if (a->error.code)
		log_debug("a tool server did not cancel its task", LF_STR("server", s->server),
			  LF_STR("error", a->error.msg));
}

static void cancel_send(struct session *s, const struct buf *task_id)
{
	struct request_handler h = {.on_end = cancel_answered, .arg = s};
	struct error e;
	if (s->cancels >= CANCELS_MAX)
		err_set(&e, ERR_FULL, "the server has left %d of them without an answer", CANCELS_MAX);
	else if (task_request(s, "tasks/cancel", task_id, h, &e)) {
		s->cancels++;
		return;
	}
	log_warn("a task of a tool server cannot be cancelled there: it runs until it ends by itself",
		 LF_STR("server", s->server), LF_STR("error", e.msg));
}

bool task_take(struct session *s, struct request *call, const struct answer *a)
{
	struct protocol_task *t = call->task;
	struct slice task = scan_member(a->result, "task"), id = scan_member(task, "taskId");
	struct error e;
	if (a->error.code || !task.len)
		return false;
	if (id.len <= 2 || id.ptr[0] != '"' || id.len > TASK_ID_BYTES_MAX) {
		err_set(&e, ERR_UPSTREAM, "the server's task has no name of 1 to %d bytes",
			TASK_ID_BYTES_MAX - 2);
		task_fail(t, &e);
		return true;
	}
	buf_add_slice(&t->id, id);
	if (t->cancelled) {
		cancel_send(s, &t->id);
		wire_forget(s, call->id);
		return true;
	}
	wire_rest(s, call);
	status_take(t, task);
	return true;
}

/* --- cancelling --- */

static void nobody_waits(const struct answer *a, void *arg)
{
	(void)a;
	(void)arg;
}

bool task_cancel(struct session *s, uint64_t call_id)
{
	struct request *call = request_of(s, call_id);
	struct protocol_task *t = call ? call->task : NULL;
	if (!t)
		return false;
	if (t->id.len) {
		struct buf id = t->id;
		t->id = (struct buf)BUF_INIT;
		wire_forget(s, call->id);
		cancel_send(s, &id);
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

/* --- what comes of its own accord --- */

static struct request *call_of_task(const struct session *s, struct slice id)
{
	struct request *r = s->requests;
	while (r && !(r->task && r->task->id.len && slice_eq(buf_slice(&r->task->id), id)))
		r = r->next;
	return id.len ? r : NULL;
}

void task_status_received(struct session *s, struct slice params)
{
	struct request *call = call_of_task(s, scan_member(params, "taskId"));
	if (call && !call->task->ended)
		status_take(call->task, params);
}

struct slice task_related(struct slice params)
{
	return scan_member(scan_member(params, "_meta"), ASK_RELATED_TASK);
}

uint64_t task_owner(const struct session *s, uint64_t about, struct slice params)
{
	struct slice related = task_related(params);
	struct request *call = call_of_task(s, scan_member(related, "taskId"));
	if (related.len)
		return call ? call->id : 0;
	for (const struct request *r = about ? s->requests : NULL; r; r = r->next) {
		if (r->task && (r->task->query == about || r->task->result == about))
			return r->id;
	}
	return ask_owner(s, about);
}
