/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls between a worker and a server: what a CALL or a REQUEST message asks for becomes a struct tool_call,
 * and how it ended becomes a CALL_DONE. Whatever is wrong with a call is answered to it alone; a result that
 * does not fit a message or the worker's queue becomes an error that says so, so that a call always has an
 * end.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"
#include "ipc/ipc.h"

#include <stdlib.h>
#include <string.h>

/* Servers made with the official SDK close the connection at a line of 10 MiB, with all calls on it. */
enum { ARGUMENTS_BYTES_MAX = 8 << 20 };
/* What results leave of a worker's queue, so that errors and other small things always fit. */
enum { QUEUE_RESERVE_BYTES = 64 << 10 };

/* --- calls: from the worker --- */

struct tool_call *broker_call_find(const struct worker *w, uint64_t id)
{
	struct tool_call *c = w->calls;
	while (c && c->worker_id != id)
		c = c->worker_next;
	return c;
}

void broker_call_cancelled(struct worker *w, uint64_t id)
{
	struct tool_call *c = broker_call_find(w, id);
	if (c)
		call_cancel(c, "cancelled by the client");
}

/* The result goes as it is, from where it is, unless something in it must be changed first. */
static void done_send(struct worker *w, uint64_t id, const struct answer *a, bool sent)
{
	struct slice result = a->error.code ? (struct slice){0} : a->result;
	struct answer small = {0};
	struct buf head = BUF_INIT, copy = BUF_LIMIT(w->broker->options.frame_bytes_max);
	if (escapes_broken(result)) {
		if (!buf_add_slice(&copy, result)) {
			err_set(&small.error, ERR_MEMORY, "no memory to hand on a result of %zu bytes",
				result.len);
			done_send(w, id, &small, sent);
			return;
		}
		escapes_repair(copy.data, copy.len);
		result = buf_slice(&copy);
	}
	pack_u32(&head, a->error.code);
	pack_text(&head, a->error.code ? a->error.msg : "");
	pack_u32(&head, sent);
	pack_u32(&head, a->is_error);
	pack_u32(&head, (uint32_t)result.len); /* as pack_slice, of which the second part is the rest */
	worker_send_parts(w, IPC_CALL_DONE, id, buf_slice(&head), result);
	buf_release(&head);
	buf_release(&copy);
}

static void call_refuse(struct worker *w, uint64_t id, enum err code, const char *why)
{
	struct answer a = {0};
	err_set(&a.error, code, "%s", why);
	done_send(w, id, &a, false);
}

static int64_t at_most(uint64_t asked_ms, int64_t limit_ms)
{
	return asked_ms && asked_ms < (uint64_t)limit_ms ? (int64_t)asked_ms : limit_ms;
}

static void call_start(struct worker *w, uint64_t id, struct pool *p, struct tool_call *c,
		       uint64_t timeout_ms)
{
	const struct mcp_broker_options *o = &w->broker->options;
	c->worker = w;
	c->worker_id = id;
	c->total_ms = at_most(timeout_ms, o->call_ms_max);
	int64_t idle_ms = p->options->call_idle_ms ? p->options->call_idle_ms : o->call_idle_ms_max;
	c->idle_ms = at_most((uint64_t)c->total_ms, idle_ms);
	c->worker_next = w->calls;
	if (w->calls)
		w->calls->worker_prev = c;
	w->calls = c;
	pool_call(p, c);
}

/* What is wrong with the arguments of a call or the params of a request. */
static enum err arguments_check(struct slice arguments, const char *what, struct error *e)
{
	if (arguments.len > ARGUMENTS_BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE, "the %s are over the 8 MiB that tool servers take", what);
	if (arguments.len && !scan_is_object(arguments))
		return err_set(e, ERR_INVALID, "the %s must be one JSON object", what);
	return ERR_NONE;
}

void broker_request_received(struct worker *w, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	struct error e;
	const char *server = unpack_text(&u), *task_id = unpack_text(&u), *name = unpack_text(&u);
	struct slice params = unpack_slice(&u);
	uint64_t timeout_ms = unpack_u64(&u);
	const char *method = name ? session_method(name) : NULL;
	struct pool *p = server ? broker_pool_find(w->broker, server) : NULL;
	if (!unpack_end(&u) || !server || !name) {
		worker_cut(w, "its REQUEST cannot be read");
	} else if (!p) {
		call_refuse(w, f->id, ERR_NOT_FOUND, "no server of that name is in the registry");
	} else if (!method) {
		call_refuse(w, f->id, ERR_UNSUPPORTED, "that method is none that tool servers are asked");
	} else if (arguments_check(params, "params of a request", &e) != ERR_NONE) {
		call_refuse(w, f->id, e.code, e.msg);
	} else {
		struct tool_call *c = xcalloc(1, sizeof(*c));
		c->method = method;
		c->tool = xstrdup(method);
		c->key = session_request_key(method, params);
		c->task_id = xstrdup(task_id);
		buf_add_slice(&c->arguments, params.len ? params : SLICE_LIT("{}"));
		call_start(w, f->id, p, c, timeout_ms);
	}
}

void broker_call_received(struct worker *w, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	struct error e;
	const char *server = unpack_text(&u), *tool = unpack_text(&u);
	struct slice arguments = unpack_slice(&u);
	const char *task_id = unpack_text(&u);
	uint64_t timeout_ms = unpack_u64(&u);
	bool want_progress = unpack_u32(&u) != 0;
	const char *key = unpack_text(&u);
	struct pool *p = server ? broker_pool_find(w->broker, server) : NULL;
	if (!unpack_end(&u) || !server || !tool) {
		worker_cut(w, "its CALL cannot be read");
	} else if (!p) {
		call_refuse(w, f->id, ERR_NOT_FOUND, "no server of that name is in the registry");
	} else if (arguments_check(arguments, "arguments of a tool call", &e) != ERR_NONE) {
		call_refuse(w, f->id, e.code, e.msg);
	} else {
		struct tool_call *c = xcalloc(1, sizeof(*c));
		c->tool = xstrdup(tool);
		c->task_id = xstrdup(task_id);
		c->want_progress = want_progress;
		c->idempotency_key = xstrdup(key);
		buf_add_slice(&c->arguments, arguments.len ? arguments : SLICE_LIT("{}"));
		call_start(w, f->id, p, c, timeout_ms);
	}
}

/* --- calls: back to the worker --- */

void broker_call_forget(struct tool_call *c)
{
	*(c->worker_prev ? &c->worker_prev->worker_next : &c->worker->calls) = c->worker_next;
	if (c->worker_next)
		c->worker_next->worker_prev = c->worker_prev;
}

/* Progress may be lost, answers may not: it gets a quarter of the queue. */
void broker_call_progress(struct tool_call *c, struct slice progress, struct slice total,
			  struct slice message)
{
	struct worker *w = c->worker;
	struct buf body = BUF_INIT;
	if (w->cut || ipc_queued_bytes(w->channel) > w->broker->options.queue_bytes_max / 4)
		return;
	pack_slice(&body, progress);
	pack_slice(&body, total);
	pack_slice(&body, message);
	if (body.len <= w->broker->options.frame_bytes_max)
		worker_send(w, IPC_CALL_PROGRESS, c->worker_id, buf_slice(&body));
	buf_release(&body);
}

void broker_call_done(struct tool_call *c, const struct answer *a, bool sent)
{
	struct worker *w = c->worker;
	const struct mcp_broker_options *o = &w->broker->options;
	struct answer small = {0};
	broker_call_forget(c);
	if (w->cut)
		return;
	size_t room = o->queue_bytes_max - ipc_queued_bytes(w->channel);
	size_t frame = a->result.len + ERROR_MSG_MAX + 64;
	if (a->error.code == ERR_NONE && frame > o->frame_bytes_max) {
		err_set(&small.error, ERR_TOO_LARGE,
			"the result of %s has %zu bytes, over the limit of %zu for one message to a worker",
			c->tool, a->result.len, o->frame_bytes_max);
		a = &small;
	} else if (a->error.code == ERR_NONE && frame + QUEUE_RESERVE_BYTES > room) {
		err_set(&small.error, ERR_FULL,
			"the result of %s (%zu bytes) does not fit the worker's queue: it reads too slowly",
			c->tool, a->result.len);
		a = &small;
	}
	done_send(w, c->worker_id, a, sent);
}
