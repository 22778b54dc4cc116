/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers ask in the course of a call, on its way to the worker that made the call, and the answer on
 * its way back. An ask is told under the number that its session gave it. A worker that is just being cut off
 * is told nothing: its calls end at once, and with them what was asked.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"
#include "ipc/ipc.h"

void broker_call_ask(struct tool_call *c, const struct session_ask *a)
{
	struct buf body = BUF_INIT;
	pack_u64(&body, a->number);
	pack_text(&body, a->method);
	pack_u32(&body, c->server->options->sampling == MCP_SAMPLING_ASK);
	pack_slice(&body, a->params);
	escapes_repair(body.data + body.len - a->params.len, a->params.len);
	worker_send(c->worker, IPC_CALL_ASK, c->worker_id, buf_slice(&body));
	buf_release(&body);
}

void broker_call_ask_over(struct tool_call *c, uint64_t number, const char *why)
{
	struct buf body = BUF_INIT;
	pack_u64(&body, number);
	pack_text(&body, why);
	worker_send(c->worker, IPC_CALL_ASK_OVER, c->worker_id, buf_slice(&body));
	buf_release(&body);
}

/* May be lost, as progress may: it gets a quarter of the queue. */
void broker_call_log(struct tool_call *c, struct slice params)
{
	struct worker *w = c->worker;
	struct buf body = BUF_INIT;
	if (w->cut || ipc_queued_bytes(w->channel) > w->broker->options.queue_bytes_max / 4)
		return;
	buf_add_slice(&body, params);
	escapes_repair(body.data, body.len);
	worker_send(w, IPC_CALL_LOG, c->worker_id, buf_slice(&body));
	buf_release(&body);
}

void broker_answer_received(struct worker *w, const struct ipc_frame *f)
{
	struct tool_call *c = broker_call_find(w, f->id);
	struct unpack u = UNPACK(f->body);
	uint64_t number = unpack_u64(&u);
	int code = (int)unpack_u32(&u);
	const char *message = unpack_text(&u);
	struct ask_reply answer = {unpack_slice(&u), code, message ? message : ""};
	if (!unpack_end(&u) || (answer.result.len && !scan_is_object(answer.result)))
		worker_cut(w, "its CALL_ANSWER cannot be read");
	else if (c)
		call_answer(c, number, &answer);
}
