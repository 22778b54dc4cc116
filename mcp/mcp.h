/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model Context Protocol. Two halves that talk over a Unix socket (messages of ipc/message.def):
 *
 *   client half, in each worker: the tool catalogue and tool calls;
 *   broker half, in the supervisor: owns the servers (children, sessions, credentials) and the catalogue.
 *
 * Every call ends exactly once. A server that is missing, dies, floods, is silent or speaks junk harms its
 * own calls only.
 */
#ifndef MCP_MCP_H
#define MCP_MCP_H

#include "base/base.h"

enum { MCP_TOOL_NAME_MAX = 64 };
/* Names of the tools by which models read what servers offer beside tools. */
#define MCP_READ_RESOURCE  "read_resource"
#define MCP_LIST_RESOURCES "list_resources"

/* --- the catalogue --- */

struct mcp_tool {
	const char *server;  /* id in the registry */
	const char *name;    /* the server's own name of it */
	const char *exposed; /* "server__tool": [A-Za-z0-9_-]{1,64}, unique, deterministic */
	const char *title;   /* may be NULL */
	const char *description;
	struct slice input_schema;  /* JSON text as the server sent it */
	const struct json *schema;  /* the same, parsed */
	struct slice output_schema; /* empty when there is none */
	bool read_only, idempotent; /* as the operator says, or as the server does where it is trusted; what
				       reads is idempotent, too */
	bool destructive, open_world;
	bool by_runtime; /* made here of the server's resources: MCP_READ_RESOURCE, MCP_LIST_RESOURCES */
	bool untrusted;  /* strangers may have written what it returns */
};

/* Immutable, counted by references; tools sorted by `exposed`. */
struct mcp_catalog {
	uint64_t version;
	size_t count;
	const struct mcp_tool *tools;
	struct slice text; /* {"tools":[...]} as GET /v1/tools shows it */
};
const struct mcp_catalog *mcp_catalog_hold(const struct mcp_catalog *c);
void mcp_catalog_drop(const struct mcp_catalog *c); /* NULL is fine */
/* By exposed name, or by "server.tool" / "server__tool". NULL when unknown. */
const struct mcp_tool *mcp_catalog_find(const struct mcp_catalog *c, const char *name);

/* --- client half --- */

struct mcp_client;

struct mcp_client_options {
	size_t frame_bytes_max; /* one message between worker and supervisor */
	size_t queue_bytes_max;
	int64_t call_ms_max; /* a call ends after this whatever happens (the supervisor's own limits are
				shorter) */
};

struct mcp_client *mcp_client_new(struct loop *l, const struct mcp_client_options *o);
void mcp_client_free(struct mcp_client *c);
/* A (new) socket to the supervisor; takes fd. Calls in flight on an old one end with ERR_LOST. */
void mcp_client_connect(struct mcp_client *c, int fd);
/* The present catalogue (held for the caller; drop it), never NULL: empty before the supervisor told. */
const struct mcp_catalog *mcp_client_catalog(struct mcp_client *c);
/* false until the supervisor has said that every enabled server is ready or has failed its first start. */
bool mcp_client_settled(const struct mcp_client *c);
/* fn(arg) on each change of catalogue or settled; one listener. */
void mcp_client_on_change(struct mcp_client *c, loop_fn *fn, void *arg);

struct mcp_call;

struct mcp_call_request {
	const char *server;
	const char *tool;       /* the server's own name */
	struct slice arguments; /* JSON object text; copied */
	const char *task_id;    /* for logs, and whose instance it is where the server's scope is MCP_TASK */
	int64_t timeout_ms;     /* 0: the server's own */
	bool want_progress;
	/* NULL: none. Told to the server in the request's _meta; the same for each sending of one call. */
	const char *idempotency_key;
};

struct mcp_call_end {
	struct error error; /* code ERR_NONE: the server answered; see is_error */
	bool sent;          /* false: it certainly never reached the server, so that a repeat is harmless */
	bool is_error;      /* the tool itself reports failure; the text is in result */
	/* Of it, only escapes that stand for no text (\u0000, halves of surrogate pairs) are changed: to
	 * \ufffd. */
	struct slice result; /* JSON of the result member (content, structuredContent, ...); borrowed for the
				callback */
	int64_t duration_ms;
};

/* What the server asks in the course of a call. */
struct mcp_ask {
	uint64_t number;     /* names it within its call */
	const char *method;  /* "elicitation/create" or "sampling/createMessage" */
	struct slice params; /* JSON object as the server sent it */
	bool confirm;        /* a person has to agree before a model is asked */
};

struct mcp_call_handler {
	/* number texts as the server sent them; total and message may be empty. Optional. */
	void (*on_progress)(struct slice progress, struct slice total, struct slice message, void *arg);
	/* Exactly once, never from within mcp_call_start. The call is freed after it. */
	void (*on_end)(const struct mcp_call_end *end, void *arg);
	void *arg;
	/* To be answered by mcp_call_answer or mcp_call_refuse, now or later, while it is not over; the
	 * call's time limits stand still meanwhile. Several may be open at once. Optional: without it all is
	 * refused. */
	void (*on_ask)(const struct mcp_ask *ask, void *arg);
	/* Nobody waits for the answer any more. Not told when the call ends. */
	void (*on_ask_over)(uint64_t number, const char *why, void *arg);
	/* A log message of the server in the course of the call: params of notifications/message. Optional.
	 */
	void (*on_log)(struct slice params, void *arg);
};

/* Never NULL. Waits in a bounded queue while a server starts. */
struct mcp_call *mcp_call_start(struct mcp_client *c, const struct mcp_call_request *r,
				struct mcp_call_handler h);
/* The server is told; on_end is NOT called; the pointer is gone. */
void mcp_call_cancel(struct mcp_call *call);
/* result is a JSON object of the shape that the method's specification demands. Of an ask that is not open
 * (any more) nothing is told. */
void mcp_call_answer(struct mcp_call *call, uint64_t ask, struct slice result);
void mcp_call_refuse(struct mcp_call *call, uint64_t ask, int code, const char *message);

/* A request of the protocol that is no tool call: resources/list, resources/templates/list, resources/read,
 * prompts/list, prompts/get, completion/complete. */
struct mcp_request {
	const char *server;
	const char *method;
	struct slice params; /* JSON object text, without _meta; empty: {} */
	const char *task_id; /* for logs; NULL: of no task */
	int64_t timeout_ms;  /* 0: the server's own */
};
/* Waits, is limited, is cancelled (mcp_call_cancel) and ends like a tool call; progress is not told, and
 * is_error is always false. Beside the errors of calls: ERR_NOT_FOUND (no such server, no such resource),
 * ERR_FIELD (the server refuses the params), ERR_UNSUPPORTED (it does not know the method). */
struct mcp_call *mcp_request_start(struct mcp_client *c, const struct mcp_request *r,
				   struct mcp_call_handler h);

/* Whether the params of an elicitation/create can be shown to a person, as a form or as an address. ERR_FIELD
 * with a sentence for the server (JSON-RPC -32602). */
must_check enum err mcp_elicit_read(const struct json *params, bool *is_url, struct error *e);
/* The content that a person gives, with the defaults of what was left out: what the server gets, to be freed.
 * content NULL: nothing was given. ERR_FIELD with e->field the JSON pointer into content. */
must_check enum err mcp_elicit_fill(const struct json *schema, const struct json *content,
				    struct json **filled, struct error *e);

/* State of the servers as JSON text {"servers":[...]}; fn once, text empty and e set when the supervisor is
 * away. */
void mcp_client_servers(struct mcp_client *c, void (*fn)(struct slice text, const struct error *e, void *arg),
			void *arg);
/* This task makes no more calls, whoever made them: its instances of servers whose scope is MCP_TASK end. May
 * be told more than once, and of tasks that had none. Never fails: what gets lost is asked for later. */
void mcp_client_task_ended(struct mcp_client *c, const char *task_id);
/* Says of tasks that have instances whether they are over; asked for whenever a (new) supervisor or worker
 * meets the other. One function; without one none is. */
void mcp_client_on_task_asked(struct mcp_client *c, bool (*is_over)(const char *task_id, void *arg),
			      void *arg);
/* Forgets every pending answer of mcp_client_servers, mcp_client_list, mcp_client_login and
 * mcp_client_restart with this arg. */
void mcp_client_servers_cancel(struct mcp_client *c, void *arg);

/* What a server lists besides its tools. */
enum mcp_list { MCP_RESOURCES, MCP_RESOURCE_TEMPLATES, MCP_PROMPTS };
struct mcp_list_request {
	const char *server;
	enum mcp_list list;
	const char *cursor; /* next_cursor of the page before; NULL: from the beginning */
	unsigned limit;     /* entries of one page */
};
/* One page of the last list that the server told: {"server", "resources" | "resource_templates" | "prompts":
 * [as the server sent them], "offered", "listed_at", "last_error", "quarantined", "truncated",
 * "next_cursor"}; of resources also "subscriptions": [{"uri", "updated_at"}], those that were read. fn once.
 * ERR_NOT_FOUND: no such server. ERR_UNAVAILABLE: it has never told. ERR_FIELD, ERR_GONE: the cursor.
 * mcp_client_servers_cancel forgets it. */
void mcp_client_list(struct mcp_client *c, const struct mcp_list_request *r,
		     void (*fn)(struct slice text, const struct error *e, void *arg), void *arg);

/* What a person brought back from logging in to a server (RFC 6749 section 4.1.2, RFC 9207); texts are NULL
 * when absent. */
struct mcp_login {
	const char *code, *state, *iss, *error, *error_description;
};
/* Hands it to the server that waits for it. fn once: text is that server's id and e NULL when it may be used
 * now; else e is set. mcp_client_servers_cancel forgets it. */
void mcp_client_login(struct mcp_client *c, const struct mcp_login *r,
		      void (*fn)(struct slice text, const struct error *e, void *arg), void *arg);
/* Stops this server once its running calls have ended, and starts it anew. fn once, as soon as that has
 * begun: text is the server as mcp_client_servers shows it. ERR_NOT_FOUND, ERR_CONFLICT: it is disabled, or
 * is being stopped already. mcp_client_servers_cancel forgets it. */
void mcp_client_restart(struct mcp_client *c, const char *server,
			void (*fn)(struct slice text, const struct error *e, void *arg), void *arg);

/* --- broker half --- */

enum mcp_transport { MCP_STDIO, MCP_REMOTE };
/* Who works with one instance of a server (a process, or a session of a remote one): everybody, or one task,
 * for as long as it lives. */
enum mcp_scope { MCP_SHARED, MCP_TASK };
/* Which wire is spoken: with a handshake (revisions up to 2025-11-25) or without (2026-07-28 on).
 * MCP_ERA_DEFAULT: the handshake to local servers, what the server answers to of remote ones. */
enum mcp_era { MCP_ERA_DEFAULT, MCP_ERA_HANDSHAKE, MCP_ERA_MODERN, MCP_ERA_AUTO };

struct mcp_env {
	const char *name, *value;
};

/* What a call of a tool does: whether it may be made again when nobody knows what became of it. */
enum mcp_effect { MCP_WRITES, MCP_WRITES_ONCE /* idempotent */, MCP_READS };
/* Which of a server's annotations are believed. */
enum mcp_trust { MCP_TRUST_LOCAL_READS /* readOnlyHint of a local server */, MCP_TRUST_ALL, MCP_TRUST_NONE };

/* Who may have written what a server's tools return: anybody, where they reach out; or as the operator says.
 */
enum mcp_output { MCP_OUTPUT_DEFAULT, MCP_OUTPUT_TRUSTED, MCP_OUTPUT_UNTRUSTED };

struct mcp_tool_effect {
	const char *tool; /* the server's own name of it */
	enum mcp_effect effect;
};

/* How requests to a remote server are authorized. */
enum mcp_auth_type {
	MCP_AUTH_AUTO, /* client credentials where there are some, else a person when the server asks */
	MCP_AUTH_NONE,
	MCP_AUTH_BEARER, /* a token that was given */
	MCP_AUTH_CLIENT, /* client credentials: no person is needed */
	MCP_AUTH_CODE,   /* authorization code: a person logs in */
};

/* What is NULL is not given. */
struct mcp_auth_options {
	enum mcp_auth_type type;
	const char *token;
	const char *client_id, *client_secret;
	const char *private_key;         /* PEM; then client assertions are signed with it ... */
	const char *key_alg;             /* ... as "RS256" or "ES256"; NULL: by the kind of the key */
	const char *issuer;              /* the one that client_id belongs to; NULL: the first one seen */
	const char *scopes;              /* words; NULL: what the server asks for */
	const char *client_metadata_url; /* of our client id metadata document */
	const char *redirect_uri;
	bool allow_private; /* addresses that a server supplies may be private ones */
};

/* The same for all servers. What is NULL is not given. */
struct mcp_auth_common {
	const char *folder;       /* where tokens are kept; NULL: memory only */
	const char *key;          /* 32 bytes as hex or base64, to encrypt them; NULL: memory only */
	const char *redirect_uri; /* where people come back to, when a server's row says nothing else */
	const char *ca_file;      /* NULL: the system's */
	int64_t login_wait_ms;    /* how long requests wait for a person before they fail; 0: not at all */
};

/* What a local server may touch and use besides what every program needs (mcp/sandbox_path.c says what that
 * is). All zero: confined, without limits of number and size. */
enum mcp_network { MCP_NETWORK_NONE, MCP_NETWORK_LOOPBACK, MCP_NETWORK_ALL };
struct mcp_sandbox {
	bool off;
	bool files_unlogged;                    /* nothing is told of those it is refused */
	bool require;                           /* not started where the kernel lacks a part */
	const char *const *read, *const *write; /* absolute, NULL-terminated; NULL: none */
	const char *withheld; /* no folder that holds this is granted for a file in it; NULL: none */
	enum mcp_network network;
	/* 0: no limit. CPU time, memory and files are those of one process; processes count threads, too. */
	int64_t cpu_seconds, memory_mib, processes, files, file_size_mib;
};

/* Whether a server may have the task's model answer something (sampling): no, when a person agrees, yes. */
enum mcp_sampling { MCP_SAMPLING_OFF, MCP_SAMPLING_ASK, MCP_SAMPLING_ON };

/* One row of the registry. All strings are borrowed for the broker's life. */
struct mcp_server_options {
	const char *id;
	bool enabled;
	enum mcp_transport transport;
	const char *command;
	const char *const *args; /* NULL-terminated, without argv[0] */
	const struct mcp_env *env;
	size_t env_count;
	const char *cwd; /* NULL: "/" is used for nothing; the service's own directory */
	const char *url;
	/* MCP_REMOTE */
	struct mcp_auth_options auth;
	const struct mcp_env *headers; /* sent with every request; the values are secrets */
	size_t headers_count;
	const char *ca_file;              /* NULL: the system's */
	const char *cert_file, *key_file; /* ours; NULL: none */
	const char *proxy;                /* NULL: environment; "": none */
	int64_t call_idle_ms;             /* 0: the broker's */
	enum mcp_era era;
	enum mcp_trust trust;
	enum mcp_output output;
	const struct mcp_tool_effect *effects; /* the operator's word, before any annotation */
	size_t effects_count;
	struct mcp_sandbox sandbox; /* MCP_STDIO */
	enum mcp_scope scope;
	size_t instances_max;     /* MCP_TASK: processes at once, spares included; 0: no limit */
	size_t warm;              /* MCP_TASK: spares that are kept ready; at most instances_max */
	int64_t idle_stop_ms;     /* an instance without a call for so long is stopped; 0: never */
	int64_t lifetime_ms_max;  /* an older one is replaced between calls; 0: none */
	int64_t start_ms;         /* from spawn to the first tools/list; 0: the broker's */
	const char *const *roots; /* folders it is told of, absolute, NULL-terminated; NULL: none */
	enum mcp_sampling sampling;
	const char *log_level; /* of the protocol, from which on it is to log; NULL: it is not told */
	/* Stands for all of the row, secrets included: rows with the same one are the same. NULL: like no
	 * other. */
	const char *fingerprint;
};

struct mcp_broker_options {
	const struct mcp_server_options *servers;
	size_t servers_count;
	int64_t start_ms_max;     /* from spawn to the first tools/list */
	int64_t call_idle_ms_max; /* without answer or progress */
	int64_t call_ms_max;      /* absolute */
	size_t line_bytes_max;    /* one line of a server's output */
	/* Each list of resources, templates and prompts of one server; what is more is left out. */
	size_t list_items_max, list_bytes_max;
	size_t resource_subscriptions_max; /* of one server */
	size_t stderr_tail_bytes;
	int64_t probe_ms_max;  /* for a local server to answer the question which era it speaks */
	int64_t era_ms_max;    /* how long the answer holds */
	int64_t stop_grace_ms; /* between EOF, SIGTERM and SIGKILL */
	int64_t drain_ms_max;  /* for running calls to end before their server is restarted or replaced */
	int64_t restart_ms_min, restart_ms_max; /* back-off */
	size_t calls_per_server_max;            /* in flight and waiting; more give ERR_FULL */
	/* What a server may ask in the course of one call: */
	int64_t input_ms_max; /* for an answer to come */
	size_t asks_open_max, asks_max;
	int input_rounds_max;
	size_t ask_bytes_max;       /* one of them */
	int notices_per_second_max; /* progress and log messages of a call that are passed on */
	size_t starts_max; /* local servers that are starting at the same time; others wait; 0: no limit */
	size_t frame_bytes_max, queue_bytes_max;
	const char *version; /* ours, for clientInfo */
	struct mcp_auth_common auth;
	/* Absolute path of a folder, made when it is not there, for the private temporary folders of local
	 * servers. NULL: they have none. */
	const char *run_folder;
};

struct mcp_broker;
/* Starts the enabled servers. The caller must reap children through mcp_broker_child_exited. */
struct mcp_broker *mcp_broker_new(struct loop *l, const struct mcp_broker_options *o);
/* A registry as it was read (again). */
struct mcp_rows {
	const struct mcp_server_options *rows; /* borrowed until release(arg), which is called once, when no
						  server refers to any of them */
	size_t count;
	loop_fn *release;
	void *arg;
};
/* Starts the servers that are new, stops those that are gone or disabled, replaces those whose row is
 * another; the others are not touched. What is stopped or replaced ends its running calls first. `auth` as in
 * the options of mcp_broker_new; it need not live on. */
void mcp_broker_reload(struct mcp_broker *b, const struct mcp_rows *rows, const struct mcp_auth_common *auth);
/* A worker's socket; takes fd. Its end cancels the calls that came over it. */
void mcp_broker_add_worker(struct mcp_broker *b, int fd);
/* From the SIGCHLD handler of the process; unknown pids are ignored. */
void mcp_broker_child_exited(struct mcp_broker *b, int pid, int status);
/* Stop ladder on all servers; fn(arg) once when no child is left. New calls get ERR_UNAVAILABLE. */
void mcp_broker_stop(struct mcp_broker *b, loop_fn *fn, void *arg);
void mcp_broker_free(struct mcp_broker *b); /* kills what is left */
bool mcp_broker_settled(const struct mcp_broker *b);
void mcp_broker_on_settled(struct mcp_broker *b, loop_fn *fn, void *arg);
/* The texts of GET /v1/tools and GET /v1/servers, appended. */
void mcp_broker_tools_text(struct mcp_broker *b, struct buf *out);
void mcp_broker_servers_text(struct mcp_broker *b, struct buf *out);

#endif
