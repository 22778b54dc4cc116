/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tool calls and other requests to servers as a worker sees them (call stands for both). A call is on the
 * client's list from start until on_end returns or until it is cancelled. It ends by the supervisor's
 * CALL_DONE, by the loss of the supervisor, or by this side's own time limit, which is there for a supervisor
 * that hangs and stands still while a person is asked. Ends that we find out ourselves are told from the
 * bottom of the loop, so that on_end never runs inside mcp_call_start.
 *
 * `sent` is told as false only when the call certainly never left: once it is on its way to a supervisor that
 * is then lost, nobody here knows how far it came.
 */
#include "base/base.h"
#include "mcp/client_int.h"

#include <stdlib.h>

static void call_free(struct mcp_call *call)
{
	struct mcp_client *c = call->client;
	*(call->prev ? &call->prev->next : &c->calls) = call->next;
	if (call->next)
		call->next->prev = call->prev;
	client_asks_forget(call);
	loop_timer_free(call->timer);
	loop_defer_cancel(c->loop, call);
	free(call);
}

void client_call_clock_stop(struct mcp_call *call)
{
	call->left_ms -= clock_mono_ms() - call->timer_set_ms;
	loop_timer_set(call->timer, -1);
}

void client_call_clock_go(struct mcp_call *call)
{
	call->timer_set_ms = clock_mono_ms();
	if (!call->ended)
		loop_timer_set(call->timer, call->left_ms > 0 ? call->left_ms : 0);
}

/* Off the list before the handler runs: it may start, cancel or free whatever it likes. */
static void call_tell(struct mcp_call *call, struct mcp_call_end *end)
{
	struct mcp_call_handler h = call->handler;
	end->duration_ms = clock_mono_ms() - call->started_ms;
	call_free(call);
	h.on_end(end, h.arg);
}

static void call_tell_failure(void *arg)
{
	struct mcp_call *call = arg;
	struct mcp_call_end end = {.error = call->error, .sent = call->sent};
	call_tell(call, &end);
}

static void call_end_later(struct mcp_call *call, const struct error *why)
{
	if (call->ended)
		return;
	call->ended = true;
	call->error = *why;
	loop_timer_set(call->timer, -1);
	loop_defer(call->client->loop, call_tell_failure, call);
}

static void cancel_send(const struct mcp_call *call)
{
	struct error e;
	struct ipc_channel *channel = call->client->channel;
	if (!call->sent || call->ended || !channel)
		return;
	if (ipc_send(channel, IPC_CALL_CANCEL, call->id, (struct slice){0}, -1, &e) != ERR_NONE)
		log_warn("a tool call could not be cancelled: its time limit will end it",
			 LF_STR("error", e.msg));
}

static void timer_fired(void *arg)
{
	struct mcp_call *call = arg;
	struct error e;
	cancel_send(call);
	err_set(&e, ERR_TIMEOUT,
		"the tool call did not end within %lld ms, and neither did the supervisor end it",
		(long long)call->client->options.call_ms_max);
	call_end_later(call, &e);
}

static enum err call_send(struct mcp_call *call, enum ipc_msg msg, const struct buf *body, struct error *e)
{
	if (!call->client->channel)
		return err_set(e, ERR_UNAVAILABLE, "the supervisor of the tool servers is away");
	enum err rc = body->overflow ? err_set(e, ERR_MEMORY, "no memory for the arguments of the tool call")
				     : ipc_send(call->client->channel, msg, call->id, buf_slice(body), -1, e);
	call->sent = rc == ERR_NONE;
	return rc;
}

/* Takes body. */
static struct mcp_call *call_start(struct mcp_client *c, enum ipc_msg msg, struct buf *body,
				   struct mcp_call_handler h)
{
	struct mcp_call *call = xcalloc(1, sizeof(*call));
	struct error e;
	ensure(h.on_end);
	*call = (struct mcp_call){.client = c, .next = c->calls, .id = ++c->id_last, .handler = h};
	call->started_ms = clock_mono_ms();
	if (c->calls)
		c->calls->prev = call;
	c->calls = call;
	call->timer = loop_timer_new(c->loop, timer_fired, call);
	call->left_ms = c->options.call_ms_max;
	client_call_clock_go(call);
	if (call_send(call, msg, body, &e) != ERR_NONE)
		call_end_later(call, &e);
	buf_release(body);
	return call;
}

struct mcp_call *mcp_call_start(struct mcp_client *c, const struct mcp_call_request *r,
				struct mcp_call_handler h)
{
	struct buf body = BUF_INIT;
	ensure(r->server && r->tool);
	pack_text(&body, r->server);
	pack_text(&body, r->tool);
	pack_slice(&body, r->arguments);
	pack_text(&body, r->task_id);
	pack_u64(&body, r->timeout_ms > 0 ? (uint64_t)r->timeout_ms : 0);
	pack_u32(&body, r->want_progress);
	pack_text(&body, r->idempotency_key);
	return call_start(c, IPC_CALL, &body, h);
}

struct mcp_call *mcp_request_start(struct mcp_client *c, const struct mcp_request *r,
				   struct mcp_call_handler h)
{
	struct buf body = BUF_INIT;
	ensure(r->server && r->method);
	pack_text(&body, r->server);
	pack_text(&body, r->task_id);
	pack_text(&body, r->method);
	pack_slice(&body, r->params);
	pack_u64(&body, r->timeout_ms > 0 ? (uint64_t)r->timeout_ms : 0);
	return call_start(c, IPC_REQUEST, &body, h);
}

void mcp_call_cancel(struct mcp_call *call)
{
	cancel_send(call);
	call_free(call);
}

/* --- what the supervisor tells --- */

struct mcp_call *client_call_find(const struct mcp_client *c, uint64_t id)
{
	struct mcp_call *call = c->calls;
	while (call && (call->id != id || call->ended))
		call = call->next;
	return call;
}

void client_call_progress(struct mcp_client *c, const struct ipc_frame *f)
{
	struct mcp_call *call = client_call_find(c, f->id);
	struct unpack u = UNPACK(f->body);
	struct slice progress = unpack_slice(&u), total = unpack_slice(&u), message = unpack_slice(&u);
	if (call && unpack_end(&u) && call->handler.on_progress)
		call->handler.on_progress(progress, total, message, call->handler.arg);
}

void client_call_done(struct mcp_client *c, const struct ipc_frame *f)
{
	struct mcp_call *call = client_call_find(c, f->id);
	struct unpack u = UNPACK(f->body);
	struct mcp_call_end end = {0};
	uint32_t code = unpack_u32(&u);
	const char *text = unpack_text(&u);
	end.sent = unpack_u32(&u) != 0;
	end.is_error = unpack_u32(&u) != 0;
	end.result = unpack_slice(&u);
	if (!call)
		return; /* cancelled, or ended by our own limit: the answer crossed that on its way */
	if (!unpack_end(&u) || code >= ERR_COUNT)
		err_set(&end.error, ERR_INTERNAL, "the supervisor's answer cannot be read");
	else if (code)
		err_set(&end.error, (enum err)code, "%s", text ? text : "");
	call_tell(call, &end);
}

void client_calls_lose(struct mcp_client *c, const struct error *why)
{
	struct error e = *why;
	e.code = ERR_LOST;
	err_prefix(&e, "the supervisor of the tool servers was lost");
	for (struct mcp_call *call = c->calls; call; call = call->next)
		call_end_later(call, &e);
}

void client_calls_drop(struct mcp_client *c)
{
	while (c->calls)
		call_free(c->calls);
}
