/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers ask in the course of a call, as a worker sees it: an ask is open from CALL_ASK until it is
 * answered, or until the supervisor says that nobody waits for it, or until its call ends. Only an open one
 * can be answered, so that each is answered once. While one is open the call's own time limit stands still.
 */
#include "base/base.h"
#include "mcp/client_int.h"

#include <stdlib.h>

struct open_ask {
	struct open_ask *next;
	uint64_t number;
};

void client_asks_forget(struct mcp_call *call)
{
	for (struct open_ask *a; (a = call->asks); free(a))
		call->asks = a->next;
}

/* false: it is not open. */
static bool ask_close(struct mcp_call *call, uint64_t number)
{
	struct open_ask **at = &call->asks, *a;
	while (*at && (*at)->number != number)
		at = &(*at)->next;
	a = *at;
	if (!a)
		return false;
	*at = a->next;
	free(a);
	if (!call->asks)
		client_call_clock_go(call);
	return true;
}

static void answer_send(struct mcp_call *call, uint64_t number, int code, const char *message,
			struct slice result)
{
	struct ipc_channel *channel = call->client->channel;
	struct buf body = BUF_INIT;
	struct error e;
	if (!ask_close(call, number) || call->ended || !channel)
		return;
	pack_u64(&body, number);
	pack_u32(&body, (uint32_t)code);
	pack_text(&body, message);
	pack_slice(&body, result);
	if (ipc_send(channel, IPC_CALL_ANSWER, call->id, buf_slice(&body), -1, &e) != ERR_NONE)
		log_warn("an answer to a tool server could not be sent: it will find that nobody answered",
			 LF_STR("error", e.msg));
	buf_release(&body);
}

void mcp_call_answer(struct mcp_call *call, uint64_t ask, struct slice result)
{
	ensure(result.len);
	answer_send(call, ask, 0, NULL, result);
}

void mcp_call_refuse(struct mcp_call *call, uint64_t ask, int code, const char *message)
{
	answer_send(call, ask, code, message, (struct slice){0});
}

/* --- what the supervisor tells --- */

void client_asked(struct mcp_client *c, const struct ipc_frame *f)
{
	struct mcp_call *call = client_call_find(c, f->id);
	struct unpack u = UNPACK(f->body);
	struct mcp_ask ask = {.number = unpack_u64(&u)};
	ask.method = unpack_text(&u);
	ask.confirm = unpack_u32(&u) != 0;
	ask.params = unpack_slice(&u);
	if (!call || !unpack_end(&u) || !ask.method)
		return; /* its end crossed this on its way */
	struct open_ask *a = xcalloc(1, sizeof(*a));
	*a = (struct open_ask){call->asks, ask.number};
	if (!call->asks)
		client_call_clock_stop(call);
	call->asks = a;
	if (call->handler.on_ask)
		call->handler.on_ask(&ask, call->handler.arg);
	else
		mcp_call_refuse(call, ask.number, ASK_UNKNOWN, "nobody here answers that");
}

void client_ask_over(struct mcp_client *c, const struct ipc_frame *f)
{
	struct mcp_call *call = client_call_find(c, f->id);
	struct unpack u = UNPACK(f->body);
	uint64_t number = unpack_u64(&u);
	const char *why = unpack_text(&u);
	if (call && unpack_end(&u) && ask_close(call, number) && call->handler.on_ask_over)
		call->handler.on_ask_over(number, why ? why : "", call->handler.arg);
}

void client_logged(struct mcp_client *c, const struct ipc_frame *f)
{
	struct mcp_call *call = client_call_find(c, f->id);
	if (call && call->handler.on_log)
		call->handler.on_log(f->body, call->handler.arg);
}
