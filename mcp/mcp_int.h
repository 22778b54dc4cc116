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

/* --- scan.c: JSON text looked at without building a tree --- */

enum scan_kind { SCAN_JUNK, SCAN_REQUEST, SCAN_NOTIFICATION, SCAN_ANSWER };

/* Parts of one JSON-RPC message, borrowed from the line as raw JSON text; what is absent is empty. */
struct scan_message {
	struct slice id;     /* a string with its quotes, or a number */
	struct slice method; /* without quotes, escapes kept */
	struct slice params, result, error;
	bool is_error; /* result.isError is true */
};

/* Checks the whole line against the grammar of JSON; SCAN_JUNK when it is not one JSON-RPC object. */
enum scan_kind scan_message(struct slice line, struct scan_message *out);
/* Members or elements of a JSON object or array, in order. */
struct scan_iter {
	const char *at, *end;
	bool object, first, bad;
};
bool scan_open(struct slice value, struct scan_iter *it); /* false: neither object nor array */
/* name is the text between the quotes; empty for elements. false at the end or when it is broken (it->bad).
 */
bool scan_next(struct scan_iter *it, struct slice *name, struct slice *value);
/* Raw value of a member; empty when absent. */
struct slice scan_member(struct slice object, const char *name);
/* true when text is exactly one JSON object by the grammar. */
bool scan_is_object(struct slice text);
/* Raw string (with quotes) to text. false when it is no string, or not UTF-8. */
bool scan_text(struct slice raw, struct buf *out);
/* The id of a message of which only the first and the last bytes are known; empty when it does not show.
 * *answer: it is not a request or notification as far as one can see. */
struct slice scan_edges(struct slice head, struct slice tail, bool *answer);

/* An id of ours that came back raw; 0: it is none. */
uint64_t wire_id_number(struct slice raw);

/* --- era.c: versions of the protocol, and which wire an answer speaks of --- */

/* Errors of JSON-RPC and of MCP 2026-07-28 that mean something to us. */
enum {
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_RESOURCE_NOT_FOUND = -32002,
	RPC_URLS_REQUIRED = -32042,
	RPC_HEADER_MISMATCH = -32020,
	RPC_CAPABILITY_MISSING = -32021,
	RPC_VERSION_UNSUPPORTED = -32022,
};
/* What an answer says about its sender. NO_METHOD: "there is no such method", which both eras may say. */
enum era_hint { ERA_HINT_HANDSHAKE, ERA_HINT_MODERN, ERA_HINT_NO_METHOD };

const char *version_newest(bool is_modern);
const char *version_oldest_handshake(void);
/* Our own text of it; NULL: not one of that era that is known here. */
const char *version_known(const char *version, bool is_modern);
/* The newest of a raw array of strings that is known here, or NULL. */
const char *version_pick(struct slice array, bool is_modern);
/* The code of a raw JSON-RPC error; 0 when it has none that is a small integer. */
int64_t rpc_error_code(struct slice error);
/* m answers server/discover. */
enum era_hint era_hint_of(const struct scan_message *m);
/* m answers tools/list that was asked the modern way. */
enum era_hint era_hint_of_list(const struct scan_message *m);

/* --- envelope.c: what each request of the modern wire says about itself --- */

struct envelope {
	const char *version, *client_version; /* of the protocol; ours (may be NULL) */
	struct slice capabilities;            /* ours, a raw object */
	struct slice input_responses;         /* raw object; empty: none */
	struct slice request_state;           /* raw string; empty: none */
	const char *log_level; /* from which on the server is to log in its course; NULL: it is not to */
};
/* params (a raw object, or empty) with all that, appended. */
void envelope_write(struct slice params, const struct envelope *v, struct buf *out);

/* --- param_header.c: arguments that are sent in headers, too --- */

enum { PARAM_HEADERS_MAX = 32, HEADER_LINES_MAX = PARAM_HEADERS_MAX + 4, HEADER_LINE_BYTES_MAX = 8 << 10 };

struct param_header {
	char *name;  /* without "Mcp-Param-" */
	char **path; /* names of properties from the root of the arguments */
	size_t depth;
};
/* Those of one tool. */
struct param_plan {
	char *tool;
	struct param_header *headers;
	size_t count;
};
/* Lines "Name: value", ready to be sent. */
struct header_lines {
	char *lines[HEADER_LINES_MAX + 1]; /* the last is NULL */
	size_t count;
};
/* ERR_UPSTREAM: an annotation of the schema breaks the rules; e says which and how. Nothing to release then.
 */
must_check enum err param_plan_make(const char *tool, const struct json *schema, struct param_plan *out,
				    struct error *e);
void param_plan_release(struct param_plan *p);
/* The value of a header: as it is, or =?base64?...?=. */
void header_value_add(struct slice text, struct buf *out);
must_check enum err header_lines_add(struct header_lines *l, const char *name, struct slice value,
				     struct error *e);
/* arguments: a raw object. ERR_TOO_LARGE: a value that does not fit a header. */
must_check enum err param_headers_add(const struct param_plan *p, struct slice arguments,
				      struct header_lines *l, struct error *e);
void header_lines_release(struct header_lines *l);

/* --- repair.c --- */

/* Replaces in place, by \ufffd, the escapes in valid JSON text that stand for no text. */
void escapes_repair(char *json, size_t len);
bool escapes_broken(struct slice json); /* would it change anything? */

/* --- frame.c: lines out of a stream of bytes --- */

enum { FRAME_EDGE_BYTES = 512 };
enum frame_kind { FRAME_NONE, FRAME_LINE, FRAME_OVERLONG, FRAME_ENDLESS };

struct framer {
	char *data; /* data[start..end) is received and not yet given out */
	size_t start, end, cap;
	size_t searched; /* no newline within that many bytes from start */
	size_t line_bytes_max;
	bool skipping;  /* within a line over the limit */
	size_t skipped; /* bytes of it so far */
	char head[FRAME_EDGE_BYTES], tail[FRAME_EDGE_BYTES];
	size_t head_len, tail_len;
};

struct frame_line {
	struct slice text; /* FRAME_LINE: without LF and CR */
	struct slice head, tail;
	size_t bytes; /* the others: first and last bytes, and length so far */
	size_t bytes_max;
};

void framer_init(struct framer *f, size_t line_bytes_max);
void framer_release(struct framer *f);
/* Room to read into (never 0), then how much of it was filled. */
char *framer_room(struct framer *f, size_t *room);
void framer_filled(struct framer *f, size_t n);
/* The next line; its slices are valid until the next call. FRAME_OVERLONG comes at the end of a line over the
 * limit, FRAME_ENDLESS once when it goes on for many times the limit. */
enum frame_kind framer_next(struct framer *f, struct frame_line *out);

/* --- tail.c: the last bytes of a stream --- */

struct tail {
	char *ring;
	size_t size, at, len;
};
void tail_init(struct tail *t, size_t size);
void tail_release(struct tail *t);
void tail_add(struct tail *t, struct slice bytes);
/* Appends them; from the beginning of a line when the first of them has lost its front. */
void tail_text(const struct tail *t, struct buf *out);
/* The last line that is not blank, or what it was that killed a Node program; cut to size, "" when there is
 * none. */
void text_last_line(struct slice text, char *out, size_t size);

/* --- mask.c --- */

/* Overwrites with '*' one secret wherever the text has it, or ends with a beginning of it; in place. What is
 * shorter than 8 bytes is no secret; NULL is fine. */
void secret_mask(const char *value, char *text, size_t len);
/* The same for all secrets of a row of the registry. */
void secrets_mask(const struct mcp_server_options *o, char *text, size_t len);

/* --- faults.c: entries of lists that were left out --- */

enum { FAULTS_MAX = 100, FAULT_NAME_BYTES_MAX = 256 };

struct fault {
	char *name, *reason;
};
struct faults {
	struct fault *list;
	size_t count;
};
void faults_add(struct faults *f, const char *name, const char *reason);
void faults_release(struct faults *f);
void faults_write(const struct faults *f, struct jw *w); /* "quarantined":[...] */

/* --- tools.c: what tools/list brought --- */

enum { TOOLS_MAX = 2000, TOOL_NAME_BYTES_MAX = 256 };

struct tool_entry {
	char *name, *title, *description; /* title may be NULL */
	struct buf input_schema, output_schema;
	bool read_only, idempotent; /* the server's hints */
	bool closed_world;          /* openWorldHint is false */
	bool task_required; /* execution.taskSupport: it runs as a task of the server, or not at all */
};

struct tool_list {
	struct tool_entry *tools;
	size_t count, cap;
	struct faults faults;
	bool wants_headers; /* x-mcp-header annotations bind: a tool with a bad one is left out */
};
void tool_list_release(struct tool_list *l);
/* The same tools, in the same order, with the same schemas. */
bool tool_list_same(const struct tool_list *a, const struct tool_list *b);
/* Adds the elements of a raw "tools" array; a bad one is quarantined. ERR_UPSTREAM when it is no array. */
must_check enum err tool_list_add(struct tool_list *l, struct slice array, struct error *e);

/* --- items.c: what the lists of resources, resource templates and prompts brought --- */

enum { ITEM_KINDS = MCP_PROMPTS + 1 };

struct item {
	char *key; /* uri, uriTemplate, name: unique within the list */
	uint64_t hash;
	struct buf raw; /* JSON object as the server sent it */
};
struct item_list {
	enum mcp_list kind; /* set by the owner */
	struct item *items; /* in the server's order */
	size_t count, cap, bytes;
	struct faults faults;
	bool truncated; /* there is more than the limits let in */
};
void item_list_release(struct item_list *l); /* keeps kind */
/* Adds the entries of one page, a raw result; a bad one is quarantined. ERR_UPSTREAM: it has no such array.
 */
must_check enum err item_list_add(struct item_list *l, struct slice result, size_t count_max,
				  size_t bytes_max, struct error *e);
const struct item *item_find(const struct item_list *l, const char *key); /* or NULL */
bool uri_has_scheme(const char *uri);                                     /* RFC 3986 section 3.1 */

/* --- watches.c: resources whose changes are to be told --- */

struct watch {
	char *uri;
	int64_t updated_wall_ms; /* 0: never told */
	uint64_t read_at;        /* on a clock of reads */
};
struct watches {
	struct watch *list;
	size_t count;
	uint64_t reads;
};
void watches_release(struct watches *w);
/* It was read. true: it is watched from now on, and *dropped, if not NULL, is not any more (to be freed). */
bool watches_read(struct watches *w, const char *uri, size_t max, char **dropped);
void watches_updated(struct watches *w, const char *uri);
void watches_write(const struct watches *w, struct jw *out); /* "subscriptions":[...] */

/* --- shelf.c: what a server lists besides tools, as it is shown --- */

struct shelf_list {
	struct item_list list; /* the last good one */
	uint64_t version;      /* 0: there was none yet */
	int64_t listed_wall_ms;
	struct error error; /* why there is no newer one; code 0: nothing is wrong */
};
struct shelf {
	struct shelf_list lists[ITEM_KINDS];
	struct watches watches;
};
void shelf_init(struct shelf *s);
void shelf_release(struct shelf *s);
void shelf_take(struct shelf *s, enum mcp_list kind, struct item_list l);
void shelf_fail(struct shelf *s, enum mcp_list kind, const struct error *why);
/* One page as mcp_client_list tells it; `offered` as there. cursor NULL or "": from the beginning. ERR_FIELD:
 * it is none of ours; ERR_GONE: the list is another one now. */
struct shelf_page {
	const char *server;
	enum mcp_list kind;
	bool offered;
	const char *cursor;
	size_t limit;
};
must_check enum err shelf_write(const struct shelf *s, const struct shelf_page *p, struct buf *out,
				struct error *e);

/* --- resource_tools.c --- */

enum { RESOURCE_TOOLS = 2 };
enum resource_tool { RESOURCE_TOOL_NONE, RESOURCE_TOOL_READ, RESOURCE_TOOL_LIST };
/* Those of a server with these lists. COUNT returned; static. */
size_t resource_tools(const struct shelf *s, const struct tool_list *l,
		      const struct tool_entry *out[RESOURCE_TOOLS]);
/* Which of them a call of this name means. */
enum resource_tool resource_tool_of(const struct shelf *s, const struct tool_list *l, const char *name);
/* What resources/read answered, or what it refused, as the result of a tool. ERR_UPSTREAM: it has no
 * contents. */
must_check enum err resource_tool_result(struct slice result, struct buf *out, struct error *e);
void resource_tool_fault(const char *message, struct buf *out);
/* The result of list_resources; query may be NULL. */
void resource_tool_list(const struct shelf *s, const char *query, struct buf *out);

/* --- effect.c --- */

struct tool_effect {
	enum mcp_effect effect;
	const char *source; /* "operator", "annotation", "default"; "runtime": a tool made here */
};
/* Whether calls of it can reach anybody, and whether anybody may have written what they return. */
struct tool_world {
	bool open, untrusted;
};
struct tool_world tool_world_of(const struct mcp_server_options *o, const struct tool_entry *t);
struct tool_effect tool_effect_of(const struct mcp_server_options *o, const struct tool_entry *t);
/* Warns of names among the operator's effects that the server does not offer; of each once, which `told`
 * (one for each effect) remembers. */
void tool_effects_check(const struct mcp_server_options *o, const struct tool_list *l, bool *told);

/* --- catalog.c, catalog_write.c --- */

struct catalog_source {
	const char *server;
	const struct tool_entry *tool;
	struct tool_effect effect;
	bool by_runtime;
	struct tool_world world;
	char exposed[MCP_TOOL_NAME_MAX + 1];
};
/* Gives each its exposed name and sorts by it. The names depend on the set only, not on its order. */
void catalog_name(struct catalog_source *sources, size_t count);
/* {"tools":[...]} of named sources. */
void catalog_write(const struct catalog_source *sources, size_t count, struct buf *out);
/* From such a text (copied). NULL when it is not one. */
const struct mcp_catalog *catalog_read(struct slice text, uint64_t version, struct error *e);

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
	struct auth *auth;       /* NULL: not a remote one */
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
struct auth_house *broker_auth_house(struct mcp_broker *b);           /* NULL: there are no remote servers */
void broker_logins_end(struct mcp_broker *b, const struct server *s); /* its auth is about to go */
void broker_call_progress(struct tool_call *c, struct slice progress, struct slice total,
			  struct slice message);
/* Sends the end to the worker and takes the call off its list. */
void broker_call_done(struct tool_call *c, const struct answer *a, bool sent);
void broker_call_forget(struct tool_call *c); /* only takes it off */
void broker_call_ask(struct tool_call *c, const struct session_ask *a);
void broker_call_log(struct tool_call *c, struct slice params);
void broker_call_ask_over(struct tool_call *c, uint64_t number, const char *why);

#endif
