/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the broker files: broker.c (servers, workers, catalogue), broker_call.c (calls between them),
 * broker_ask.c (what servers ask in their course), broker_login.c (people who logged in to a server),
 * broker_reload.c (servers come and go), broker_list.c (what servers list besides tools), broker_start.c
 * (starts take turns), broker_task.c (the ends of tasks). */
#ifndef MCP_BROKER_INT_H
#define MCP_BROKER_INT_H

#include "mcp/mcp_int.h"
#include "ipc/ipc.h"

struct worker_login;

struct worker {
	struct mcp_broker *broker;
	struct worker *prev, *next;
	struct ipc_channel *channel;
	struct tool_call *calls;
	struct worker_login *logins;
	bool greeted; /* said HELLO: wants to know of changes */
	bool cut;     /* freed at the bottom of the loop */
};

struct mcp_broker {
	struct loop *loop;
	struct mcp_broker_options options;
	struct auth_house *auth; /* NULL: there are no remote servers */
	struct pool **pools;     /* as in the registry, then those that are retired but not gone yet */
	size_t pools_count;
	size_t starting;                         /* local servers */
	struct server *start_first, *start_last; /* those that wait to be */
	struct worker *workers;
	struct buf catalog; /* {"tools":[...]} */
	uint64_t version;
	bool publish_due, settled, stopping;
	loop_fn *on_settled, *on_stopped;
	void *on_settled_arg, *on_stopped_arg;
};

/* Errors are dealt with: a worker that takes no more is cut. */
void worker_send(struct worker *w, enum ipc_msg msg, uint64_t id, struct slice body);
void worker_send_parts(struct worker *w, enum ipc_msg msg, uint64_t id, struct slice first,
		       struct slice second);
/* The connection ends. May be called from anywhere: whoever walks the workers or their calls goes on
 * undisturbed. */
void worker_cut(struct worker *w, const char *why);

/* Only where one of the rows needs it: it brings up TLS. */
void broker_auth_open(struct mcp_broker *b, const struct mcp_rows *rows, const struct mcp_auth_common *auth);

/* --- broker_call.c --- */
void broker_call_received(struct worker *w, const struct ipc_frame *f);
void broker_request_received(struct worker *w, const struct ipc_frame *f);
void broker_call_cancelled(struct worker *w, uint64_t id);
struct tool_call *broker_call_find(const struct worker *w, uint64_t id); /* by the worker's number for it */

/* --- broker_ask.c --- */
void broker_answer_received(struct worker *w, const struct ipc_frame *f);

/* --- broker_task.c --- */
void broker_task_ended_received(struct worker *w, const struct ipc_frame *f);
void broker_tasks_ask(struct worker *w);

/* --- broker_login.c --- */
void broker_login_received(struct worker *w, const struct ipc_frame *f);
void broker_logins_forget(struct worker *w); /* the worker is gone */

/* --- broker_list.c --- */
void broker_list_received(struct worker *w, const struct ipc_frame *f);

/* --- broker_reload.c --- */
struct pool *broker_pool_find(const struct mcp_broker *b, const char *id); /* not one that is retired */
void broker_restart_received(struct worker *w, const struct ipc_frame *f);
void broker_retired_sweep(void *broker); /* frees those that are gone */

#endif
