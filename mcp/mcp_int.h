/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. Layers in the supervisor, each knowing only the one below:
 *
 *   broker   workers, routing of calls, the catalogue of all servers
 *   pool     one row of the registry: its tools, and its instances: one for all, or one for each task
 *   server   one instance: states, restarts, its calls and their time-outs
 *   session  JSON-RPC of one connection: ids, handshake, tools/list, tools/call, what the server asks
 *   link     bytes of one connection: a child's pipes (stdio.c) or HTTP (http_*.c), behind a table of
 * functions
 *
 * Beside them pure files that own nothing: frame, scan, tail, tools, catalog.
 */
#ifndef MCP_MCP_INT_H
#define MCP_MCP_INT_H

#include "base/base.h"
#include "mcp/mcp.h"

#include "mcp/wire_int.h"
#include "mcp/list_int.h"

/* --- link: a connection that carries messages --- */

struct link;

/* One message of ours. All is copied. */
struct link_message {
	struct slice text;  /* no line breaks */
	uint64_t id;        /* of a request; 0: a notification or an answer */
	const char *method; /* static; NULL: an answer */
	const char *const
		*headers; /* "Name: value" for transports that have some, the last NULL; NULL: none */
};

struct link_failure {
	uint64_t id;
	struct error why;
	bool sent;  /* false: it certainly was not processed, so that a repeat is harmless */
	int status; /* of HTTP; 0: none came */
};

struct link_events {
	/* about: our request whose answer the bytes belong to, as far as the transport tells; 0: it does not.
	 */
	void (*on_message)(struct slice text, uint64_t about, void *arg);
	void (*on_overlong)(const struct frame_line *line, void *arg);
	/* A message of ours that bears an id gets no answer. Optional. */
	void (*on_failed)(const struct link_failure *f, void *arg);
	void (*on_log)(struct slice bytes, void *arg); /* what the server says to people */
	/* Once: no message will come any more. on_gone follows after the rest has ended. ERR_GONE: the server
	 * has only forgotten us, a new connection is as good as this one was. */
	void (*on_lost)(const struct error *why, void *arg);
	/* Once, the last event: nothing is left of the server's process; link_free may be called from it. */
	void (*on_gone)(const struct error *why, void *arg);
	void *arg;
};

struct link_ops {
	enum err (*send)(struct link *l, const struct link_message *m, struct error *e);
	void (*stop)(struct link *l);     /* politely, then by force; on_gone comes. May be called again. */
	void (*free)(struct link *l);     /* at once; no event follows */
	int (*pid)(const struct link *l); /* 0: none */
	bool (*child_exited)(struct link *l, int pid, int status); /* true: it was its */
	const char *(*transport)(const struct link *l);            /* as people read it */
	/* The rest only where it means something; may be NULL. */
	void (*version)(struct link *l, const char *version); /* what was agreed on */
	void (*done)(struct link *l, uint64_t id);            /* nobody waits for that answer any more */
	/* The same before it came, where that is how the modern wire cancels a request. */
	void (*cancel)(struct link *l, uint64_t id);
	bool has_headers;                               /* link_message.headers are sent */
	const char *(*stop_step)(const struct link *l); /* the last rung of the stop ladder; static */
};

/* First member of each kind of link. */
struct link {
	const struct link_ops *ops;
};

/* --- spawn.c --- */

struct spawned {
	int pid;
	int in, out, err; /* our ends: the child's stdin, stdout and stderr; non-blocking, close-on-exec */
	int status;       /* readable: EOF when exec succeeded, else a struct spawn_failure */
	struct confinement *confinement; /* NULL: not confined; freed by who took the process */
};
struct spawn_failure {
	int stage; /* enum spawn_stage */
	int errnum;
};
must_check enum err spawn_start(const struct mcp_server_options *o, struct spawned *out, struct error *e);
/* Words what the child reported. */
enum err spawn_failure_set(const struct mcp_server_options *o, const struct spawn_failure *f,
			   struct error *e);

/* --- stdio.c --- */

struct stdio_limits {
	size_t line_bytes_max, queue_bytes_max;
	int64_t stop_grace_ms;
};
/* NULL when the child could not even be forked. */
struct link *stdio_open(struct loop *l, const struct mcp_server_options *o, const struct stdio_limits *limits,
			struct link_events events, struct error *e);

/* --- http_link.c, http_exchange.c, http_status.c --- */

struct auth;
struct http_limits {
	size_t message_bytes_max; /* one of the server's */
	size_t queue_bytes_max;   /* one of ours */
	int64_t notify_ms_max; /* for what is no request of ours; those are limited by who waits for them */
	int64_t stop_grace_ms;
};
/* auth may be NULL: no authorization beside the configured headers. It outlives the link. */
struct link *http_open(struct loop *l, const struct mcp_server_options *o, const struct http_limits *limits,
		       struct auth *auth, struct link_events events);

/* --- session.c, session_handshake.c, session_modern.c, session_list.c, session_request.c, session_wire.c ---
 */

struct session;

struct answer {
	struct error error; /* ERR_NONE: result holds raw JSON */
	bool unsent;        /* with an error: the server certainly did not process the request */
	bool is_error;
	int64_t rpc_code;       /* of the server's JSON-RPC error; 0: it sent none */
	struct slice rpc_error; /* the whole of it, raw */
	struct slice result;
};

struct request_handler {
	void (*on_progress)(struct slice params, void *arg); /* raw; optional */
	void (*on_end)(const struct answer *a, void *arg);
	void *arg;
	bool takes_asks;                                /* the server may ask something in its course */
	void (*on_log)(struct slice params, void *arg); /* of notifications/message; with takes_asks */
};

struct session_ask;

/* The lists of a server. Those but the first are of items. */
enum list_kind { LIST_TOOLS, LIST_RESOURCES, LIST_TEMPLATES, LIST_PROMPTS, LIST_KINDS };

/* What a server may ask for: the kinds of ask that on_ask answers. */
struct session_offers {
	bool elicitation, sampling, roots;
};

struct session_events {
	void (*on_ready)(void *arg); /* handshake and first lists are done */
	void (*on_tools)(void *arg); /* the list has changed */
	/* Another list was read, or (why is set) could not be read. Also before on_ready. */
	void (*on_items)(enum list_kind kind, const struct error *why, void *arg);
	/* A resource has changed. Optional. */
	void (*on_updated)(const char *uri, void *arg);
	/* This connection is of no use: the caller ends it. */
	void (*on_broken)(const struct error *why, void *arg);
	void *arg;
	/* The server asks something: answered or refused exactly once, at once or later, unless on_ask_over
	 * comes before. Optional: NULL offers the server nothing. */
	void (*on_ask)(struct session_ask *a, void *arg);
	/* Nobody waits for the answer any more; the pointer is gone after it. Also out of session_close. */
	void (*on_ask_over)(const struct session_ask *a, void *arg);
	struct session_offers offers;
	bool one_task; /* all our requests are of one task: it matters little in whose course the server asks
			*/
	/* params of a notifications/message that belongs to none of our requests. Optional. */
	void (*on_log)(struct slice params, void *arg);
	const char *log_level; /* that the server is told, where it logs; NULL: none */
};

struct session_limits {
	int64_t list_ms_max;                   /* one page of a list, but the first of tools */
	size_t list_items_max, list_bytes_max; /* of each list but that of tools */
	int input_rounds_max;                  /* in which one request may require input */
	int64_t call_ms_max;                   /* how long a call may take, at most */
};
/* era: MCP_ERA_MODERN; any other is the handshake. */
struct session *session_open(struct loop *l, struct link *link, const char *server, const char *version,
			     enum mcp_era era, const struct session_limits *limits,
			     struct session_events events);
/* Forgets all requests, without callbacks; allowed inside its own. NULL is fine. */
void session_close(struct session *s);
/* about: as the link says. */
void session_receive(struct session *s, struct slice text, uint64_t about);
void session_overlong(struct session *s, const struct frame_line *line);
void session_failed(struct session *s, const struct link_failure *f);
/* Returns the request's id, or 0 with e set: then nothing was written. idempotency_key may be NULL. */
uint64_t session_call(struct session *s, const char *tool, struct slice arguments,
		      const char *idempotency_key, struct request_handler h, struct error *e);
/* The same for another request. method is one of session_method; params a raw JSON object without _meta. */
uint64_t session_request(struct session *s, const char *method, struct slice params, struct request_handler h,
			 struct error *e);
/* The static name of a method that session_request takes; NULL: it takes none of that name. */
const char *session_method(const char *name);
/* The text that names what such a request asks for (uri, name); the caller frees it. NULL: there is none. */
char *session_request_key(const char *method, struct slice params);
/* Sorts an ERR_UPSTREAM by what the server's code means for this method: ERR_NOT_FOUND, ERR_FIELD,
 * ERR_UNSUPPORTED. */
void session_request_fault(const char *method, int64_t rpc_code, struct error *e);
/* Forgets the request (on_end is not called) and tells the server. */
void session_cancel(struct session *s, uint64_t id, const char *reason);
/* A call had no answer in its time: is anybody there? on_broken follows if not. */
void session_doubt(struct session *s);
/* The list that on_ready or on_tools told of; the caller releases it. */
struct tool_list session_tools_take(struct session *s);
struct item_list session_items_take(struct session *s, enum list_kind kind); /* likewise on_items */
/* The server declared the capability. */
bool session_offers(const struct session *s, enum list_kind kind);
/* Resources whose changes the server is to tell; borrowed for the session's life. Right after session_open.
 */
void session_watch(struct session *s, const struct watches *w);
bool session_subscribes(const struct session *s); /* the server tells of changes of resources */
/* That list has changed. dropped may be NULL. */
void session_watch_changed(struct session *s, const char *added, const char *dropped);
/* Somebody looks at it: it is fetched again if the server does not tell of changes, or could not be read, and
 * not just now. */
void session_list_refresh(struct session *s, enum list_kind kind);

struct session_facts {
	const char *era; /* "handshake", "modern"; NULL before it is known */
	char protocol_version[16], server_name[128], server_version[64]; /* "" before the handshake */
	uint64_t junk_lines, late_answers;
};
const struct session_facts *session_facts(const struct session *s);

/* --- roots.c --- */

/* The result of roots/list. */
void roots_write(const char *const *roots, struct buf *out);

/* --- session_ask.c --- */

#define ASK_ELICITATION "elicitation/create"
#define ASK_SAMPLING    "sampling/createMessage"
#define ASK_ROOTS       "roots/list"
enum { ASK_REJECTED = -1, ASK_ENDED = -32000, ASK_UNKNOWN = -32601, ASK_INVALID = -32602 };

struct ask_reply {
	struct slice result; /* raw JSON object; empty: refused, as the rest says */
	int code;            /* of JSON-RPC */
	const char *message;
};
/* Where an answer goes that is not one to a JSON-RPC request. Not called for an ask that is over. */
struct ask_sink {
	void (*fn)(const struct ask_reply *answer, void *arg);
	void *arg;
};
struct session_ask {
	uint64_t number;     /* unique within its session */
	uint64_t request_id; /* of our request that it belongs to; 0: of none that is known */
	const char *method;  /* one of the three above */
	struct slice params; /* raw JSON object */
	/* session_ask.c only: */
	struct session *session;
	struct session_ask *next;
	struct buf text, raw_id;
	struct ask_sink sink;
};
/* Each ends the ask: the pointer is gone. result is a raw JSON object. */
void session_ask_answer(struct session_ask *a, struct slice result);
void session_ask_refuse(struct session_ask *a, int code, const char *message);

#include "mcp/server_int.h"

#endif
