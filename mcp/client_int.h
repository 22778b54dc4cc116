/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the worker's half: client.c (connection, catalogue, state of the servers), client_call.c,
 * client_ask.c. */
#ifndef MCP_CLIENT_INT_H
#define MCP_CLIENT_INT_H

#include "mcp/mcp_int.h"
#include "ipc/ipc.h"

struct question;
struct open_ask;

/* On its client's list until on_end returns or it is cancelled. */
struct mcp_call {
	struct mcp_client *client;
	struct mcp_call *prev, *next;
	uint64_t id;
	struct mcp_call_handler handler;
	int64_t started_ms;
	bool sent;  /* to the supervisor */
	bool ended; /* how is in error; on_end is deferred */
	struct error error;
	struct loop_timer *timer;
	struct open_ask *asks; /* while there are some the timer stands still, with left_ms to go */
	int64_t left_ms, timer_set_ms;
};

struct mcp_client {
	struct loop *loop;
	struct mcp_client_options options;
	struct ipc_channel *channel; /* NULL while the supervisor is away */
	const struct mcp_catalog *catalog;
	bool settled;
	bool tasks_matter;  /* some server has instances of single tasks */
	bool catalog_stays; /* of the supervisor before: until the new one has all its servers back */
	loop_fn *on_change;
	void *on_change_arg;
	bool (*is_over)(const char *task_id, void *arg);
	void *is_over_arg;
	struct mcp_call *calls;
	struct question *questions;
	uint64_t id_last; /* of calls and of questions */
};

/* --- client_call.c --- */
void client_calls_lose(struct mcp_client *c, const struct error *why);
void client_calls_drop(struct mcp_client *c);
void client_call_progress(struct mcp_client *c, const struct ipc_frame *f);
void client_call_done(struct mcp_client *c, const struct ipc_frame *f);
struct mcp_call *client_call_find(const struct mcp_client *c, uint64_t id); /* not one that has ended */
void client_call_clock_stop(struct mcp_call *call);
void client_call_clock_go(struct mcp_call *call);

/* --- client_ask.c --- */
void client_asked(struct mcp_client *c, const struct ipc_frame *f);
void client_ask_over(struct mcp_client *c, const struct ipc_frame *f);
void client_logged(struct mcp_client *c, const struct ipc_frame *f);
void client_asks_forget(struct mcp_call *call);

#endif
