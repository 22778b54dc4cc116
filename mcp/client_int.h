/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the worker's half: client.c (connection, catalogue, state of the servers), client_call.c. */
#ifndef MCP_CLIENT_INT_H
#define MCP_CLIENT_INT_H

#include "mcp/mcp_int.h"
#include "ipc/ipc.h"

struct question;

struct mcp_client {
	struct loop *loop;
	struct mcp_client_options options;
	struct ipc_channel *channel; /* NULL while the supervisor is away */
	const struct mcp_catalog *catalog;
	bool settled;
	loop_fn *on_change;
	void *on_change_arg;
	struct mcp_call *calls;
	struct question *questions;
	uint64_t id_last; /* of calls and of questions */
};

/* --- client_call.c --- */
void client_calls_lose(struct mcp_client *c, const struct error *why);
void client_calls_drop(struct mcp_client *c);
void client_call_progress(struct mcp_client *c, const struct ipc_frame *f);
void client_call_done(struct mcp_client *c, const struct ipc_frame *f);

#endif
