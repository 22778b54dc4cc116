/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the http_*.c files: one link over HTTP and its exchanges.
 *
 *   http_link      the link: its life, what is sent, which exchange waits for which
 *   http_exchange  one request and all that answers it
 *   http_over      what becomes of it when nothing more comes: resumed streams, refusals
 *   http_status    what an answer's status, type and body mean; pure
 *   http_old       the transport of 2024-11-05: one stream for all answers, an address told on it
 */
#ifndef MCP_HTTP_INT_H
#define MCP_HTTP_INT_H

#include "mcp/mcp_int.h"
#include "mcp/auth.h"
#include "base/fetch.h"
#include "base/sse_read.h"

enum {
	HTTP_EXCHANGES_MAX = 1024,
	HTTP_ERROR_BODY_MAX = 64 << 10, /* kept of an answer that is none */
	HTTP_RETRY_MS = 1000,           /* before a stream is asked for again, unless the server says */
	HTTP_RETRY_MS_MIN = 20,
	HTTP_RETRY_MS_MAX = 60000,
	HTTP_STREAM_WAIT_MS = 1000, /* for that stream to be open, before other requests are sent */
	HTTP_RESUMES_MAX = 5,       /* in a row that brought no event, of an answer */
	HTTP_STREAMS_MAX = 10       /* the same of the stream that is open all the time */
};

enum exchange_kind {
	EXCHANGE_POST,   /* a message of ours, then its answer, over several streams if need be */
	EXCHANGE_STREAM, /* GET: what the server says by itself; of the old transport, all it says */
	EXCHANGE_DELETE,
};

/* On the list of its link until exchange_end; its memory goes at the bottom of the loop. */
struct exchange {
	struct http *http;
	struct exchange *next, **link;
	enum exchange_kind kind;
	uint64_t id;   /* of our request that waits for what this brings; 0: none */
	bool is_call;  /* tools/call: what it does must not be done twice */
	bool is_first; /* initialize: its answer names the session */
	bool is_gate;  /* notifications/initialized: the others wait for its end */
	bool waiting;  /* for the gate, or for authorization */
	bool resuming; /* GET in place of the POST that was cut */
	bool ended;
	struct buf message; /* kept: authorization may ask for it again */
	char **headers;     /* of the message, NULL-terminated; or NULL */
	struct fetch_exchange *fetch;
	struct loop_timer *timer; /* the next try */
	uint64_t generation;      /* of the authorization it was sent with */
	struct fetch_head head;
	bool is_sse, event_seen; /* of the present stream */
	struct sse_reader sse;
	struct buf body;
	char last_id[SSE_ID_SIZE];
	int64_t retry_ms; /* -1: not told */
	int fruitless;    /* streams in a row that brought no event */
};

struct http {
	struct link link;
	struct loop *loop;
	const struct mcp_server_options *options;
	struct http_limits limits;
	struct link_events events;
	struct auth *auth;
	struct fetch *fetch;
	struct exchange *first, **last; /* in the order in which they were made */
	size_t exchanges;
	struct exchange *gate; /* the others wait for it; NULL: for none */
	struct loop_timer *gate_timer;
	char version[16]; /* "" before it was agreed on */
	bool modern;      /* that version has neither sessions nor streams that can be asked for again */
	char session_id[FETCH_SESSION_ID_SIZE];
	struct loop_timer *timer; /* the end of the stop's grace */
	bool lost, stopping, freed;
	/* The old transport: */
	bool old;                  /* it is that one */
	char *post_url;            /* where messages go; NULL: not told yet (or not the old one) */
	struct exchange *greeting; /* initialize, held back until there is an address */
};

/* --- http_link.c --- */
void http_lose(struct http *h, const struct error *why);
void http_stream_answered(struct http *h, const struct exchange *x); /* its head has come */
void http_exchange_ended(struct http *h, const struct exchange *x, bool well);
/* A JSON-RPC message, or an array of them, as the body or an event brought it. about: our request that it
 * came in answer to; 0: none. */
void http_messages(struct http *h, struct slice text, uint64_t about);

/* --- http_exchange.c --- */
struct exchange *exchange_new(struct http *h, enum exchange_kind kind, const struct link_message *m);
void exchange_send(struct exchange *x);
/* Nothing more comes of it. The connection is kept when the rest of the answer comes soon. */
void exchange_end(struct exchange *x);
/* The same, and the connection ends with it. */
void exchange_cut(struct exchange *x);
/* Its request is told so; then it ends. */
void exchange_fail(struct exchange *x, const struct error *why, bool sent);

/* --- http_over.c --- */
/* Nothing more comes; e says why, if not because all is there. It ends, or is sent again. */
void exchange_over(struct exchange *x, const struct error *e);

/* --- http_status.c --- */
bool status_is_good(int status); /* RFC 9110 section 15.3 */
enum answer_type { ANSWER_JSON, ANSWER_SSE, ANSWER_OTHER };
enum answer_type answer_type(const char *content_type);
/* Does the refusal of a request that bore a session id say that there is no such session (any more)? */
bool refusal_is_expiry(int status, struct slice body);
/* Can the server certainly not have acted on a request that it refused so? */
bool refusal_is_unsent(const struct fetch_head *head);
/* In words; body is what came, as text for people. */
enum err refusal_word(const struct fetch_head *head, struct slice body, const char *url, struct error *e);
/* Visible ASCII only and not empty: can be sent back. */
bool session_id_is_good(const char *id);
/* The raw "error" member when the body is a JSON-RPC answer that is one; else empty. */
struct slice refusal_error(struct slice body);

/* --- http_old.c --- */
/* initialize was refused in a way that servers of the old transport do: asks for the stream instead. */
bool old_refusal(int status);
void old_begin(struct http *h, struct exchange *greeting);
/* An event named "endpoint" on the stream. */
void old_endpoint(struct http *h, struct slice address);
/* The address that `endpoint` means, told by a stream at base; NULL when it is of another origin. The caller
 * frees it. */
char *old_resolve(const char *base, struct slice endpoint);

#endif
