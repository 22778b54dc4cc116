/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol tasks: calls of ours that their server runs as tasks of its own, of which there are two kinds. The
 * first part is for the other session files, the second for those of tasks alone. Part of session_int.h.
 *
 *   session_task            the life of either: names, polling, progress, cancellation, the one end
 *   session_task_handshake  tasks of 2025-11-25: we ask for them, tasks/result brings the end
 *   session_task_tools      which calls these are
 *   session_task_modern     tasks of the extension of 2026-07-28: the server decides, tasks/get brings it all
 *   session_task_inputs     what these want to know
 *   session_task_listen     their status as the server tells it
 */
#ifndef MCP_TASK_INT_H
#define MCP_TASK_INT_H

#include "mcp/mcp_int.h"

/* --- session_task_tools.c --- */
void tasks_offered(struct session *s, struct slice capabilities); /* the server's, a raw object */
void task_tools_make(struct session *s);                          /* from the list that has just come */
void task_tools_release(struct session *s);
bool task_wanted(const struct session *s, const char *tool);

/* --- session_task*.c --- */
#define TASK_EXTENSION   "io.modelcontextprotocol/tasks"
#define ASK_RELATED_TASK "io.modelcontextprotocol/related-task"
/* That request of ours has been sent with params.task. */
void task_begin(struct session *s, uint64_t call_id);
/* The result of a call on the modern wire is a task: the call rests. ERR_UPSTREAM: it cannot be one. */
must_check enum err task_created(struct session *s, struct request *call, struct slice result,
				 struct error *e);
/* A result that nobody waits for any more: if it is a task, it is cancelled. */
void task_orphaned(struct session *s, struct slice result);
void task_free(struct protocol_task *t); /* NULL is fine */
/* The answer to a call that is a task. true: it is taken, the call rests or has ended. */
bool task_take(struct session *s, struct request *call, const struct answer *a);
/* As session_cancel. false: the call is no task, nothing was done. */
bool task_cancel(struct session *s, uint64_t call_id);
void task_status_received(struct session *s, struct slice params); /* of the handshake wire */
/* A notification on the modern wire. true: it is of a task's subscription, nobody else is to see it. */
bool task_listen_takes(struct session *s, const struct scan_message *m);
/* The raw object that names the task which a message belongs to; empty: it names none. */
struct slice task_related(struct slice params);
/* Our request that something of the server's belongs to, by the task it names; else as ask_owner. */
uint64_t task_owner(const struct session *s, uint64_t about, struct slice params);

/* --- private to them --- */

enum {
	TASK_POLL_MS_MAX = 30000,
	TASK_FAILURES_MAX = 8 /* lost answers in a row: over 90 s */
};

/* Owned by its call. */
struct protocol_task {
	struct session *session;
	struct request *call;
	/* A status of it has come, an object of the server's. It may be gone after that. */
	void (*take)(struct protocol_task *t, struct slice status);
	struct buf id;          /* a raw JSON string; empty: the server has not named it yet */
	uint64_t query, result; /* requests under way: tasks/get, tasks/result; 0: none */
	bool ended;             /* says the server */
	bool cancelled;         /* before it had a name: nobody waits for the call any more */
	uint64_t seen;          /* hash of the last status */
	int failures;
	int64_t poll_ms;
	int64_t ttl_ms;           /* so long the server keeps it, it says; -1: it does not */
	struct loop_timer *timer; /* the next tasks/get; of a cancelled one: it is waited for no longer */
	/* Of the extension: */
	struct task_inputs *inputs; /* NULL: it has not wanted any */
	uint64_t listen;            /* its subscription; 0: none */
	bool told;                  /* the server tells its status there */
};

struct protocol_task *task_new(struct session *s, struct request *call,
			       void (*take)(struct protocol_task *, struct slice));
/* Each ends the call, once, and frees t. */
void task_end(struct protocol_task *t, const struct answer *a);
void task_fail(struct protocol_task *t, const struct error *why);
void task_abandon(struct protocol_task *t, const struct error *why); /* and has it cancelled at the server */
void task_ended_by_server(struct protocol_task *t, struct slice status);
void task_status_unknown(const char *word, struct error *e);
bool task_id_fits(struct slice id); /* raw */
/* ERR_UPSTREAM: the raw id does not fit. */
must_check enum err task_name(struct protocol_task *t, struct slice id, struct error *e);
/* A request about the task of that name; more: raw members after the name, or empty. 0 with e set when
 * nothing was written. */
uint64_t task_request(struct session *s, const char *method, const struct buf *task_id, struct slice more,
		      struct request_handler h, struct error *e);
/* The same, *id is the request's. When it cannot be written the call ends, and t with it. */
void task_ask(struct protocol_task *t, const char *method, uint64_t *id,
	      void (*on_end)(const struct answer *, void *));
/* The answer to a question about t. true: it was lost on the way, and tasks/get is asked again later. */
bool task_asks_again(struct protocol_task *t, const struct answer *a);
void task_poll_later(struct protocol_task *t);
void task_poll_after_loss(struct protocol_task *t, int losses); /* of answers in a row: 1 and more */
/* Raw numbers of a status; what is none leaves what was known. */
void task_times_take(struct protocol_task *t, struct slice poll, struct slice ttl);
void task_progress(struct protocol_task *t, struct slice status);
struct request *task_call_of(const struct session *s, struct slice id); /* or NULL */
void task_cancel_send(struct session *s, const struct buf *task_id);

/* --- session_task_inputs.c --- */
/* What the task wants to know now: the raw object inputRequests; empty: nothing. ERR_UPSTREAM: it may not. */
must_check enum err task_inputs_take(struct protocol_task *t, struct slice requests, struct error *e);
void task_inputs_free(struct protocol_task *t);

/* --- session_task_listen.c --- */
void task_listen_start(struct protocol_task *t);
void task_listen_stop(struct protocol_task *t);

#endif
