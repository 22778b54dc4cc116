/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers, their calls, and the pools of instances of one row of the registry; what they tell the broker.
 * Above links and sessions, which mcp_int.h has: it includes this last.
 */
#ifndef MCP_SERVER_INT_H
#define MCP_SERVER_INT_H

#include "mcp/list_int.h"

/* --- server.c, server_call.c --- */

enum server_state {
	SERVER_STOPPED, /* disabled, retired, or the service ends */
	SERVER_IDLE,    /* nobody needs it: the next call starts it */
	SERVER_WAITING, /* its start waits for room: other instances, or other starts, come first */
	SERVER_STARTING,
	SERVER_READY,
	SERVER_BACKOFF,
	SERVER_FAILED,
	SERVER_STOPPING,
	SERVER_DRAINING, /* ends its running calls; new ones wait for the next start */
};

struct row_set;
struct pool;

struct worker;
struct server;

/* One tool call, or another request for a worker, in the supervisor. On the list of its server (waiting or in
 * flight) and of its worker until call_end or call_cancel frees it. */
struct tool_call {
	struct worker *worker;
	uint64_t worker_id; /* the worker's own number for it */
	struct tool_call *worker_prev, *worker_next;
	struct server *server;
	struct tool_call *prev, *next;
	const char *method;              /* of a request that is no tool call, static; NULL: it is one */
	char *tool;                      /* or the name of that method */
	bool as_tool;                    /* its result is to be a tool's (resource_tools.c) */
	char *key;                       /* of such a request: session_request_key; may be NULL */
	char *task_id, *idempotency_key; /* may be NULL */
	struct buf arguments;            /* or the request's params */
	bool want_progress;
	uint64_t request_id; /* the session's number for it; 0 while it waits for the server to start */
	int64_t idle_ms, total_ms;
	int64_t started_ms, heard_ms; /* on clock_mono_ms */
	struct loop_timer *timer;
	/* server_ask.c: what the server has asked in its course */
	struct call_ask *asks;
	size_t asks_open, asks_total;
	int64_t stopped_ms; /* its clocks stand still since then, while one of them is open */
	int64_t notices_ms; /* notices were passed on in the second from then on */
	int notices;
};

struct server {
	struct pool *pool;
	char *task_id; /* whose it is; NULL: everybody's, or a spare */
	struct loop *loop;
	const struct mcp_server_options *options;
	const struct mcp_broker_options *limits;
	enum server_state state;
	struct link *link;       /* from start to gone */
	struct session *session; /* from start to lost */
	struct auth *auth;       /* its row's; NULL: not a remote one */
	struct session_facts facts;
	struct tool_call *calls; /* waiting and in flight, newest first */
	size_t calls_count;
	struct loop_timer *timer; /* starting: the deadline; backoff: the next start; ready: server_rest.c */
	int64_t logged_ms;        /* when a log message of nobody's was last passed on */
	struct tail tail;
	struct error last_error;
	bool halted;                  /* told to stop: does not start again */
	bool renew;                   /* the server has only forgotten us: starts again at once */
	const char *transport;        /* of the last link; NULL before the first */
	int failures;                 /* in a row, without a long enough ready time between */
	struct server_probe *probe;   /* server_probe.c: finds out its era; NULL: none is under way */
	struct loop_timer *era_timer; /* ready: when to look again */
	/* broker_start.c */
	bool starting; /* is counted among those that start */
	bool queued;   /* waits to be: is in the list */
	struct server *gate_next;
	/* server_restart.c. Once the link is gone: start anew at once, rest, or end when it is retired. */
	bool again, rest, task_over;
	const char *leaving;     /* why, static; NULL: it does not */
	bool retired;            /* takes no more calls, and does not come back */
	bool changed;            /* it is to be what the pool's row is, then */
	struct row_set *row_set; /* holds options */
	int pid;                 /* of the last start */
	int64_t started_wall_ms, started_mono_ms, ready_mono_ms;
	int64_t called_mono_ms; /* when it last had a call, or became ready */
};

/* --- server_probe.c --- */

#define ERA_BY_SILENCE "it gave no answer to a request of the modern wire"
/* Which wire the server of a row was found to speak. */
struct era_verdict {
	enum mcp_era era; /* MCP_ERA_DEFAULT: it is not known */
	const char *how;  /* static */
	int64_t wall_ms, mono_ms;
};
enum mcp_era era_of_row(const struct mcp_server_options *o); /* never MCP_ERA_DEFAULT */
/* The one to begin with; MCP_ERA_AUTO: it must be found out first. */
enum mcp_era server_era(const struct server *s);
/* server_probed follows. */
must_check enum err server_probe_start(struct server *s, struct error *e);
void server_probe_stop(struct server *s); /* the same, without a verdict, as soon as nothing is left of it */
void server_probe_free(struct server *s);
bool server_probe_child_exited(struct server *s, int pid, int status);
void server_era_failed(struct server *s, const struct error *why); /* it did not become ready */
void server_era_watch(struct server *s);                           /* it is ready */
void server_era_due(void *arg);
void server_era_again(struct server *s, const struct era_verdict *v); /* of a probe beside the instance */
struct pool;
void era_write(const struct pool *p, const struct session_facts *f, struct jw *w);

/* --- server_start.c, and what of server.c it needs --- */

void server_connect(struct server *s);
void server_last_words_add(const struct server *s, struct error *e);
void server_start_failed(struct server *s, const struct error *why);
void server_start_late(struct server *s); /* its time is over, or that of those who wait for it */
void server_backoff(struct server *s);
/* A probe has ended. v->era MCP_ERA_DEFAULT: without a verdict, because of why. */
void server_probed(struct server *s, const struct era_verdict *v, const struct error *why);

struct auth_house;
/* Of the pool's row as it is now. */
void server_init(struct server *s, struct pool *p);
void server_release(struct server *s); /* its calls must be gone */
void server_start(struct server *s);
void server_stop(struct server *s); /* ladder; pool_tend_later follows when there was a child */
bool server_is_gone(const struct server *s);
/* The connection is of no use from here on: its calls end, its child is asked to go. */
void server_lost(struct server *s, const struct error *why);
const char *server_state_name(enum server_state state);
/* Hides what the server was given in confidence, and may have handed back, from an error that people will
 * see. */
void server_mask(const struct server *s, struct error *e);
int64_t server_start_ms(const struct server *s); /* its limit */
void server_start_admitted(struct server *s);    /* broker_start.c: it may now */
void server_login_over(struct server *s);        /* nobody is waited for any more */

/* --- server_rest.c --- */

void server_rest_check(struct server *s); /* is ready: looks when it will be idle, or too old */
void server_call_gone(struct server *s);  /* one of its calls has ended */

/* --- server_restart.c --- */

/* A registry that servers refer to; counted by references. */
struct row_set *row_set_new(const struct mcp_rows *rows);
struct row_set *row_set_hold(struct row_set *set);
void row_set_drop(struct row_set *set); /* NULL is fine */
/* It is to be what the pool's row is now; at once, or after its running calls. */
void server_replace(struct server *s);
/* why is static. drain_ms: for its running calls; < 0: as long as they take. pool_tend follows. */
void server_retire(struct server *s, const char *why, int64_t drain_ms);
void server_renew(struct server *s, const char *why, int64_t drain_ms); /* ends, and starts anew */
void server_rest(struct server *s);             /* ends, and starts with the next call */
bool server_comes_back(const struct server *s); /* is stopped to be started: its new calls wait */
void server_drain_over(struct server *s);       /* its calls have ended, or their time is over */
void server_renew_later(struct server *s);      /* its link is gone */
bool server_calls_running(const struct server *s);

/* --- server_call.c --- */

/* Takes the call; it may end before this returns. */
void server_call(struct server *s, struct tool_call *c);
void server_calls_dispatch(struct server *s);                     /* the server is ready */
void server_calls_end(struct server *s, const struct error *why); /* all, but those that
								     wait for the next
								     start */
void call_cancel(struct tool_call *c, const char *reason);        /* nobody waits for it any more */
void call_clocks_stop(struct tool_call *c);
void call_clocks_go(struct tool_call *c);
void call_take(struct tool_call *c); /* one that was not sent, back from its server, for another */
void call_end(struct tool_call *c, const struct answer *a, bool sent); /* tells the worker, frees */

/* --- server_ask.c --- */

/* From the session's events. */
void server_asked(struct server *s, struct session_ask *a);
void server_ask_over(struct server *s, const struct session_ask *a);
/* From the session: a log message that belongs to no call. */
void server_logged(struct server *s, struct slice params);
/* From the worker; one that crossed the end of the ask is ignored. */
void call_answer(struct tool_call *c, uint64_t number, const struct ask_reply *answer);

/* --- pool.c, pool_task.c, pool_text.c --- */

/* How the last instance that ended did. */
struct instance_end {
	int64_t wall_ms; /* 0: none has */
	int pid;
	char *task_id;
	struct error why, how; /* what ended it; what its process did */
	const char *stop_step; /* static; NULL: there is no ladder */
};

/* One row of the registry. */
struct pool {
	struct mcp_broker *broker;
	struct loop *loop;
	const struct mcp_server_options *options; /* as the registry is now */
	struct row_set *row_set;                  /* holds them */
	struct auth *auth;                        /* made when it is first needed */
	const struct mcp_broker_options *limits;
	struct server **instances; /* in the order they were made; MCP_SHARED: one, or it is retired */
	size_t count;
	struct tool_list tools; /* the last good list; kept while there is no instance */
	struct shelf shelf;     /* what else the server lists, kept likewise */
	bool *effects_told;     /* of the operator's effects: it was warned that there is no such tool */
	bool tools_known, settled /* was ready or failed once */, retired /* not in the registry any more */;
	bool tend_due;
	size_t calls_count; /* of all instances */
	uint64_t starts, calls_total, junk_lines, late_answers;
	/* MCP_TASK: a start that failed lets none follow for a while. */
	int failures;
	int64_t retry_mono_ms;
	struct loop_timer *timer;
	struct error last_error;
	struct session_facts facts; /* of the instance that was ready last */
	struct era_verdict era;
	const char *transport;
	struct instance_end last_end;
};

struct pool *pool_new(struct mcp_broker *b, const struct mcp_server_options *row, struct row_set *set);
void pool_free(struct pool *p); /* the calls of its instances must be gone */
void pool_start(struct pool *p);
void pool_stop(struct pool *p);          /* broker_pool_gone follows */
bool pool_is_gone(const struct pool *p); /* no instance has anything left running */
/* Takes the call; it may end before this returns. */
void pool_call(struct pool *p, struct tool_call *c);
must_check enum err pool_restart(struct pool *p, struct error *e); /* as server_restart */
void pool_replace(struct pool *p, const struct mcp_server_options *row, struct row_set *set);
void pool_retire(struct pool *p);
bool pool_offers_tools(const struct pool *p);
/* It makes instances for single tasks, or has some still. */
bool pool_has_tasks(const struct pool *p);
/* Its tools are known, or there is no sign that they will be soon. */
bool pool_is_told(const struct pool *p);
void pool_write(const struct pool *p, struct jw *w); /* as GET /v1/servers shows it */
const char *pool_state_name(const struct pool *p);
const struct error *pool_last_error(const struct pool *p); /* code ERR_NONE: there is none */
/* One that is ready and belongs to no single task; NULL: there is none. */
struct server *pool_common(const struct pool *p);
void pool_task_ended(struct pool *p, const char *task_id);
size_t pool_running(const struct pool *p); /* instances that are not gone */
/* What instances tell it. */
void pool_settle(struct pool *p);
void pool_ready(struct pool *p, struct server *s); /* with its tools */
void pool_tools_changed(struct pool *p, struct server *s);
void pool_items_take(struct pool *p, const struct server *s, enum mcp_list kind, struct item_list l);
/* A resource was read, or has changed. */
void pool_resource_read(struct pool *p, const struct server *s, const char *uri);
void pool_resource_updated(struct pool *p, const struct server *s, const char *uri);
void pool_items_failed(struct pool *p, const struct server *s, enum mcp_list kind, const struct error *why);
void pool_instance_ended(struct pool *p, struct server *s, const struct error *why);
void pool_start_failed(struct pool *p, const struct error *why);
/* Something has ended, or begun: spares, starts that wait and what is gone are seen to at the bottom of the
 * loop. */
void pool_tend_later(struct pool *p);
int64_t pool_backoff_ms(const struct mcp_broker_options *o, int failures);

struct server *pool_add(struct pool *p, const char *task_id);

/* --- pool_auth.c: one authorization for all instances of a row --- */
struct auth *pool_auth(struct pool *p);           /* NULL: it is not a remote row */
void pool_auth_drop(struct pool *p);              /* its row is about to be another */
const char *pool_login_url(const struct pool *p); /* NULL unless a person is waited for */
bool pool_awaits_person(const struct pool *p);    /* and until then there is no token at all */

/* --- pool_task.c: MCP_TASK only --- */
void pool_task_call(struct pool *p, struct tool_call *c);
void pool_task_tend(struct pool *p);
bool pool_may_start(const struct pool *p, const struct server *s);

/* --- broker_start.c --- */
/* false: it waits its turn, server_start_admitted follows. */
bool broker_start_enter(struct mcp_broker *b, struct server *s);
void broker_start_leave(struct mcp_broker *b, struct server *s); /* it is ready, gone, or does not wish to */

/* --- broker.c: what pools tell it --- */

void broker_tools_changed(struct mcp_broker *b);
void broker_settled_changed(struct mcp_broker *b);
void broker_pool_gone(struct mcp_broker *b);
bool broker_is_stopping(const struct mcp_broker *b);
struct loop *broker_loop(const struct mcp_broker *b);
const struct mcp_broker_options *broker_limits(const struct mcp_broker *b);
struct auth_house *broker_auth_house(struct mcp_broker *b);         /* NULL: there are no remote servers */
void broker_logins_end(struct mcp_broker *b, const struct pool *p); /* its auth is about to go */
void broker_call_progress(struct tool_call *c, struct slice progress, struct slice total,
			  struct slice message);
/* Sends the end to the worker and takes the call off its list. */
void broker_call_done(struct tool_call *c, const struct answer *a, bool sent);
void broker_call_forget(struct tool_call *c); /* only takes it off */
void broker_call_ask(struct tool_call *c, const struct session_ask *a);
void broker_call_log(struct tool_call *c, struct slice params);
void broker_call_ask_over(struct tool_call *c, uint64_t number, const char *why);

#endif
