/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the session files:
 *
 *   session            life of a connection, and its face
 *   session_wire       requests, answers, ids; what is sent goes through here whichever the wire
 *   session_receive    what comes
 *   session_handshake  initialize of the handshake wire
 *   session_modern     server/discover of the modern wire, and its answers that are none yet
 *   session_inputs     answers that require input first, of either wire
 *   session_task*      calls that the server runs as tasks of its own (task_int.h)
 *   session_headers    what of a request the modern wire wants to see in headers
 *   session_list       the lists of the server: tools, resources, templates, prompts
 *   session_ask        what the server asks of us
 *   session_listen     how that list stays fresh on the modern wire
 *   session_doubt      is anybody there?
 *   session_subscribe  changes of single resources
 *   session_request    what else is asked for, by method and params
 */
#ifndef MCP_SESSION_INT_H
#define MCP_SESSION_INT_H

#include "mcp/mcp_int.h"

enum {
	PAGES_MAX = 200,
	LIST_DEBOUNCE_MS = 200,
	LIST_DELAY_MS_MAX = 2000,
	LIST_FRESH_MS = 5000, /* so long a list is as good as a new one */
	LISTS_WAIT_MS = 2000, /* how long other lists hold up a server that has told its tools */
	PING_ANSWER_MS = 30000
};

/* One of our requests that has no answer yet. Of their requests, those that wait for an answer are asks. */
struct request {
	uint64_t id;      /* its owner's name for it: that of its first sending */
	uint64_t wire_id; /* that of its latest; 0: it waits to be sent again */
	struct request *next;
	struct request_handler handler;
	struct repeat *repeat;      /* NULL: on the handshake wire nothing but calls of tools is sent again */
	struct protocol_task *task; /* NULL: it is none */
};

/* What it takes to send a request again, under another id. */
struct repeat {
	char *method;
	struct buf params; /* without the envelope */
	bool version_tried, headers_tried;
	bool awaits_list;            /* of tools, because its headers did not fit */
	struct error refused;        /* with that */
	int rounds;                  /* that required input */
	struct inputs *inputs;       /* of the one under way; NULL: none is */
	struct buf responses, state; /* raw, of the last one; empty: none */
};

/* The subscription of the modern wire. */
struct listen {
	bool for_tools, for_prompts, for_resources; /* what the server tells of */
	uint64_t id;                                /* of the request under way; 0: none */
	bool acknowledged;
	bool tools;               /* changes of the list of tools are told */
	bool renew;               /* it is made anew once it is acknowledged */
	bool missed;              /* some may not have been */
	int drops;                /* in a row */
	struct loop_timer *timer; /* the acknowledgement's deadline, or the next try */
};

/* One list of the server's: the fetch under way, and when there will be another. */
struct list_fetch {
	struct session *session;
	enum list_kind kind;
	bool offered;                    /* the server declared the capability */
	bool tells;                      /* that it tells of changes, too */
	bool failed;                     /* the last fetch */
	int64_t over_ms;                 /* when that ended; on clock_mono_ms */
	bool over;                       /* the first fetch has ended, well or not */
	int64_t ttl_ms, incoming_ttl_ms; /* how long it is fresh, says a modern server; -1: it does not */
	int pages;                       /* so far */
	bool again;                      /* it changed while it was fetched */
	bool restarted;                  /* a cursor was refused once already */
	int64_t changed_ms;              /* the first change that waits for a fetch; on clock_mono_ms */
	uint64_t id;                     /* request under way; 0: none */
	struct loop_timer
		*timer; /* debounce, or the answer's deadline; LIST_TOOLS: how long others are waited for */
};

/* session_subscribe.c */
struct subscribe {
	const struct watches *watches; /* NULL: nobody wants to know */
	bool offered;                  /* the server can be asked */
	size_t unanswered;
};

struct session {
	struct loop *loop;
	struct link *link;
	const char *server, *version; /* borrowed: registry id; our own version */
	struct session_limits limits;
	struct session_events events;
	struct session_facts facts;
	struct request *requests;
	uint64_t id_last;
	struct session_ask *asks;
	uint64_t asks_last;

	bool modern;
	const char *protocol;     /* the version of the modern wire that is spoken */
	struct param_plan *plans; /* of the tools of the last list that have any */
	size_t plans_count;

	bool offers_tasks;     /* the server can run calls as tasks, if asked to */
	bool task_extension;   /* the modern wire: it can of its own accord, or may be able to */
	bool tasks_untold;     /* but does not tell their status */
	size_t tasks_listened; /* subscriptions to them */
	char **task_tools;     /* names of the tools that demand it */
	size_t task_tools_count;
	size_t cancels;  /* tasks/cancel without an answer */
	size_t nameless; /* tasks that are cancelled as soon as they have a name */

	bool ready, closed;
	struct tool_list tools;    /* a complete list, until the owner takes it */
	struct tool_list incoming; /* the one being fetched */
	struct item_list items[ITEM_KINDS], items_incoming[ITEM_KINDS]; /* the same of other lists */
	struct list_fetch lists[LIST_KINDS];
	int list_failures;              /* in a row */
	struct loop_timer *fresh_timer; /* its end */
	struct listen listen;
	struct subscribe subscribe;
	struct loop_timer *alive_timer; /* a ping's deadline */
	uint64_t ping_id;
	bool heard; /* something came since the ping */
};

/* --- session_wire.c --- */
/* params is a raw JSON object, or empty. 0 with e set when nothing was written. */
uint64_t wire_request(struct session *s, const char *method, struct slice params, struct request_handler h,
		      struct error *e);
must_check enum err wire_notify(struct session *s, const char *method, struct slice params, struct error *e);
/* Answers one of theirs; id is raw, member "result" or "error". */
void wire_answer(struct session *s, struct slice id, const char *member, struct slice value);
bool wire_forget(struct session *s, uint64_t id);                /* false: no such request */
struct request *wire_find(const struct session *s, uint64_t id); /* or NULL */
/* Under which id the server knows it now; 0: it knows nothing of it. */
uint64_t wire_id_now(const struct session *s, uint64_t id);
/* Sends it once more, under a new id. e is set when it could not be written: the caller ends it then. */
must_check enum err wire_repeat(struct session *s, struct request *r, struct error *e);
/* The server knows nothing of it from now on. */
void wire_rest(struct session *s, struct request *r);
bool wire_waits(const struct session *s, uint64_t wire_id); /* a request of ours that it knows by that id */
/* An answer to it, if there is one: it ends, or is none yet. */
void wire_take(struct session *s, uint64_t wire_id, const struct answer *a);
/* Takes it out, hands its end on, frees it. */
void wire_end(struct session *s, struct request *r, const struct answer *a);
void session_break(struct session *s, const struct error *why);
/* A JSON-RPC error object in words. */
enum err wire_error_set(struct slice error, struct error *e);

/* --- capability.c --- */
/* What we can do for a server, as both wires tell it: one object. */
void capabilities_write(const struct session *s, struct jw *w);
bool capability_answers(const struct session *s, struct slice method); /* a server may ask this */

/* --- session.c --- */
/* Member `name` of a raw object as text, cut to size. */
void fact_copy(struct slice object, const char *name, char *out, size_t size);

/* --- session_handshake.c --- */
must_check enum err initialize_send(struct session *s, struct error *e);

/* --- session_modern.c --- */
must_check enum err discover_send(struct session *s, struct error *e);
/* An answer to r. true: it is none yet, r is or will be sent again, or has ended. Else *out is what to hand
 * on. */
bool modern_take(struct session *s, struct request *r, const struct answer *a, struct answer *out);
/* The list of tools that requests wait for has come (they are sent again), or will not (they end). */
void modern_list_over(struct session *s, bool fresh);

/* --- session_inputs.c --- */
struct input_required {
	struct slice requests, state; /* raw; empty when absent */
};
/* r has such a result: it waits, and is or will be sent again. On an error nothing of that holds: the caller
 * ends it. */
must_check enum err inputs_begin(struct session *s, struct request *r, const struct input_required *q,
				 struct error *e);
/* An answer to r on the handshake wire: as modern_take. */
bool urls_take(struct session *s, struct request *r, const struct answer *a, struct answer *out);
void inputs_free(struct inputs *all); /* NULL is fine */
/* Asks what an entry {method, params} of inputRequests wants to know, in the course of r. ERR_UPSTREAM: it is
 * of no kind that is offered; then it is not asked. */
must_check enum err input_ask(struct session *s, struct request *r, struct slice asked, struct ask_sink sink,
			      struct error *e);

/* --- session_headers.c --- */
/* From the list of tools that has just come. */
void plans_make(struct session *s);
void plans_release(struct session *s);
/* Lines for the link, where it has any. */
must_check enum err request_headers(const struct session *s, const char *method, struct slice params,
				    struct header_lines *l, struct error *e);

/* --- session_ask.c --- */
struct ask_origin {
	struct slice method, params,
		raw_id; /* raw_id of a JSON-RPC request; else empty, and there is a sink */
	uint64_t request_id;
	struct ask_sink sink;
};
/* Hands it up. false: it is of no known kind, or nobody takes it: the caller says so to the server. */
bool session_ask_open(struct session *s, const struct ask_origin *o);
/* Our request has ended: what the server asked in its course is over. */
void asks_withdraw(struct session *s, uint64_t request_id);
void asks_drop(struct session *s);                             /* all of them, without answers */
void ask_withdraw_of(struct session *s, const void *sink_arg); /* the one that is answered there, if open */
/* notifications/cancelled of the server's. */
void ask_taken_back(struct session *s, struct slice raw_id);
/* notifications/elicitation/complete: the person has been where the address leads. */
void ask_completed(struct session *s, struct slice params);
/* Our request that an ask belongs to; about: as the link says. */
uint64_t ask_owner(const struct session *s, uint64_t about);

/* --- session_subscribe.c --- */
/* capabilities: the server's, a raw object. */
void subscribe_offered(struct session *s, struct slice capabilities);
void subscribe_begin(struct session *s); /* the session is ready */
void subscribe_updated(struct session *s, struct slice params);

/* --- session_listen.c --- */
#define SUBSCRIPTION_ID "io.modelcontextprotocol/subscriptionId"
void listen_renew(struct session *s); /* what is to be listened to has changed */
void listen_start(struct session *s, struct slice capabilities);
void listen_timer_fired(void *arg);
/* A notification on the modern wire. true: nobody else is to see it. */
bool listen_takes(struct session *s, const struct scan_message *m);
/* The list of tools has come, or could not be read: when to ask for it by the clock. */
void fresh_arm(struct session *s);
void fresh_timer_fired(void *arg);

/* --- session_doubt.c --- */
void alive_timer_fired(void *arg);

/* --- session_list.c --- */
void lists_init(struct session *s);
void lists_release(struct session *s); /* timers only */
/* The first of each that `capabilities`, a raw object, names; then the session is ready. */
void lists_begin(struct session *s, struct slice capabilities);
void list_fetch(struct session *s, enum list_kind kind); /* now, from the beginning */
/* The lists whose changes the server tells from now on: a raw object of the modern wire, empty: none. */
void lists_told(struct session *s, struct slice granted);
/* It has changed: it is fetched in a quiet moment, if the server has such a list. */
void list_note_changed(struct session *s, enum list_kind kind);

#include "mcp/task_int.h"

#endif
