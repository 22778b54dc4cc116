/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the http room. Three layers:
 *   parse.c            pure: bytes in, request or error out (RFC 9112), no sockets
 *   conn.c, listen.c   sockets: one struct http_conn per client, time-outs, pipelining, replies, streams
 *   route.c, api_*.c   what a request means: handlers get a struct http_request and answer it exactly once
 * A handler may answer later: the request lives until it is answered or its connection is gone (then on_gone
 * runs, after which the request must not be touched).
 */
#ifndef HTTP_HTTP_INT_H
#define HTTP_HTTP_INT_H

#include "http/http.h"

#include <sys/queue.h>
#include <sys/uio.h>
#include <event2/event.h>
#include <event2/event_struct.h>

/* --- parse.c, parse_field.c: the head; parse_chunk.c: chunked bodies; parse_path.c: what a target means ---
 */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_PATCH,
	HTTP_METHOD_OTHER
};
const char *http_method_text(enum http_method m);

struct http_header {
	struct slice name, value; /* into the connection's input; value without surrounding white space */
};

struct http_limits {
	size_t target_bytes_max, header_bytes_max, header_count_max, body_bytes_max;
};

enum { HTTP_HEADERS_MAX = 128 };

/* The head of one request. Slices point into the bytes given to http_parse_head. */
struct http_head {
	enum http_method method;
	struct slice method_text, target;
	struct slice path, query; /* of the target, raw: "/" when an absolute form has none, "*" for OPTIONS;
				     without '?' */
	int minor;                /* HTTP/1.minor */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t headers_count;
	bool keep_alive, expect_continue, chunked;
	int64_t content_length; /* 0 when there is none */
	struct slice host;
};

enum http_parse { HTTP_PARSE_MORE, HTTP_PARSE_DONE, HTTP_PARSE_BAD };

/* Looks at `in` from its start. `scanned` remembers how far earlier calls looked (start with 0) so that a
 * dribbled head costs linear time. DONE: *head_bytes is its length with the final CRLF CRLF. BAD: e says what
 * (its code gives the status) and the connection must be closed. Leading empty lines (RFC 9112 section 2.2)
 * are allowed once. */
enum http_parse http_parse_head(struct slice in, size_t *scanned, const struct http_limits *l,
				struct http_head *out, size_t *head_bytes, struct error *e);

/* Chunked body (RFC 9112 section 7.1), incremental. Zero-initialise. */
struct http_chunked {
	int state;
	uint64_t left;
	uint64_t total;
	size_t line_bytes, trailer_bytes;
	size_t extension_bytes; /* of all chunks together */
};
/* Consumes from in, appends decoded bytes to *body; *used tells how many input bytes were eaten. */
enum http_parse http_parse_chunked(struct http_chunked *c, struct slice in, const struct http_limits *l,
				   size_t *used, struct buf *body, struct error *e);

/* One field line without its CR LF, checked and put into out->headers. Then, after the last, what they mean
 * together. */
must_check enum err http_parse_field(struct slice line, const struct http_limits *l, struct http_head *out,
				     struct error *e);
must_check enum err http_parse_framing(const struct http_limits *l, struct http_head *out, struct error *e);
/* uri-host [ ":" port ] (RFC 3986 section 3.2), no user information, not empty. */
bool http_authority_valid(struct slice s);
/* Longest head that is accepted, CR LF CR LF included: what the input buffer has to hold. */
size_t http_head_bytes_max(const struct http_limits *l);

/* Byte classes of RFC 9110 and 3986, made at compile time. */
enum { CHAR_TOKEN = 1, CHAR_FIELD = 2, CHAR_TARGET = 4, CHAR_HOST = 8, CHAR_DIGIT = 16, CHAR_HEX = 32 };
extern const unsigned char http_char[256];
static inline bool http_char_is(char ch, int class)
{
	return (http_char[(unsigned char)ch] & class) != 0;
}
/* Value of a hexadecimal digit, -1 for any other byte. */
int http_hex(char ch);
/* How a byte is shown in an error: 'x' or 0x0a. */
enum { HTTP_BYTE_TEXT = 8 };
const char *http_byte_text(char ch, char out[HTTP_BYTE_TEXT]);

/* Percent-decodes a path; false on bad escapes, %00, or bytes that are not UTF-8. out NUL-terminated, in
 * arena. */
char *http_decode_path(struct arena *a, struct slice raw, struct error *e);
/* Value of query parameter `name`, decoded into the arena ('+' is a space); NULL when absent; e set (and
 * NULL) when malformed or given twice. */
char *http_query_get(struct arena *a, struct slice query, const char *name, struct error *e);

/* --- conn.c --- */

struct http_conn;
struct http_route;
enum { HTTP_PARAMS_MAX = 4 };

struct http_request {
	struct http *http;
	struct http_conn *conn;
	struct arena *arena; /* freed with the request */
	const struct http_head *head;
	char *path;         /* decoded, without query */
	struct slice query; /* raw, without '?' */
	struct slice body;
	char id[ID_TEXT_SIZE];               /* X-Request-Id: the client's when it is sane, else new */
	const char *params[HTTP_PARAMS_MAX]; /* from the route's {placeholders}, in order */
	const struct http_route *route;
	void (*on_gone)(struct http_request *r); /* the client left before the answer, or the server drains */
	void *data;                              /* the handler's */
};

/* The request's head, path, query and body are gone once its stream has started (head is then an empty one,
 * never NULL); params, id and arena stay. */

/* Header by name (any case); first one. ptr NULL when absent. */
struct slice http_request_header(const struct http_request *r, const char *name);

/* Answers: exactly one of these per request; r is gone afterwards. `headers` are extra lines, each "Name:
 * value\r\n", or NULL. A body on HEAD, 204 or 304 is left out (its length still told for HEAD). Never blocks;
 * the bytes are copied. */
void http_reply(struct http_request *r, int status, const char *content_type, const char *headers,
		struct slice body);
/* application/problem+json (RFC 9457): type "/problems/<slug>", title, status, detail, and "field" when set.
 * Adds Retry-After for 503. */
void http_reply_error(struct http_request *r, const struct error *e);
/* The same with further header lines. */
void http_reply_problem(struct http_request *r, const struct error *e, const char *headers);
void http_reply_errorf(struct http_request *r, enum err code, const char *field, const char *fmt, ...)
	printf_like(4);

/* One extra header line for `headers`. false (and nothing added) when name or value hold a byte that a header
 * must not: text of users goes into headers only through this. */
bool http_header_add(struct buf *headers, const char *name, const char *value);

/* A stream: head now, body as the client takes it (chunked on HTTP/1.1). After http_stream_start the request
 * belongs to the stream; on_ready is called (from the loop) whenever less than the low watermark is waiting
 * to be sent; on_gone when the client left. */
struct http_stream_handler {
	void (*on_ready)(struct http_request *r);
};
void http_stream_start(struct http_request *r, int status, const char *content_type, const char *headers,
		       struct http_stream_handler h);
/* The same with a length that is told beforehand: exactly that many bytes are written before the end. */
void http_stream_start_sized(struct http_request *r, int status, const char *content_type,
			     const char *headers, uint64_t length, struct http_stream_handler h);
void http_stream_write(struct http_request *r, struct slice bytes);
bool http_stream_has_room(const struct http_request *r);
void http_stream_end(struct http_request *r);   /* clean end; r is gone */
void http_stream_reset(struct http_request *r); /* the client sees an error, never an end; r is gone */

/* --- route.c --- */

typedef void http_handler_fn(struct http_request *r);

/* One row of route.def. Pattern segments in braces are parameters: "/v1/tasks/{id}/stream". */
struct http_route {
	enum http_method method;
	const char *pattern;
	http_handler_fn *handler;
	const char *operation; /* OpenAPI operationId */
	const char *summary;
};
extern const struct http_route http_routes[];
extern const size_t http_routes_count;
/* "/v1/tasks/{id}" against "/v1/tasks/5": a placeholder stands for one segment that is not empty. What they
 * stood for goes to params (may be NULL). */
bool http_pattern_matches(const char *pattern, const char *path, struct slice params[HTTP_PARAMS_MAX]);
/* Finds and runs the handler; answers 404, 405 (with Allow) and OPTIONS itself; HEAD runs GET. */
void http_route_request(struct http_request *r);

/* --- watch.c: streams and waits that follow a task --- */

/* Everything of this worker's http half; its members are grouped by the file that owns them. */
struct http {
	struct loop *loop;
	struct store *store;     /* NULL only in tests of connections */
	struct archive *archive; /* NULL: there is no keeper */
	struct mcp_client *mcp;
	struct http_options options;
	struct http_listener *listener;           /* listen.c */
	struct http_watchers *watchers;           /* watch.c: who follows which task here */
	struct http_waiters *waiters;             /* waiter.c: who waits for the store */
	struct http_conns *conns;                 /* conn.c: all connections of this worker */
	void (*dispatch)(struct http_request *r); /* http_route_request; tests put theirs */
	/* Optional: would any handler take the body of this request, whose client waits for 100-continue?
	 * When not, the request is dispatched without it and the connection ends; NULL: always. */
	bool (*wants_body)(const struct http_request *r);
	bool draining; /* http_quiesce or http_drain was called: each connection ends with its next answer */
	bool stopping; /* http_drain was called */
	struct loop_timer *drain_timer; /* http.c */
	loop_fn *drained;
	void *drained_arg;
};
struct http_watchers *http_watchers_new(struct http *h);
void http_watchers_free(struct http_watchers *w);
void http_watchers_on_task(struct http_watchers *w, struct task_ref ref);
void http_watchers_on_live(struct http_watchers *w);
/* The server stops: waits are answered now, unfinished streams are reset; answers that wait for their change
 * to become durable go on waiting. */
void http_watchers_drain(struct http_watchers *w);

struct http_waiters *http_waiters_new(struct http *h);
void http_waiters_free(struct http_waiters *ws);
void http_waiters_on_health(struct http_waiters *ws);
void http_waiters_on_requests(struct http_waiters *ws);

/* --- listen.c --- */

/* Accepts on fd (non-blocking, shared with other workers, not ours to close). */
struct http_listener *http_listener_new(struct http *h, int fd);
void http_listener_free(struct http_listener *l); /* NULL is fine */

/* --- shared by conn*.c and reply.c only --- */

enum {
	HTTP_OUT_HIGH =
		256 << 10,       /* waiting to be sent: no further request of that connection is looked at */
	HTTP_OUT_LOW = 32 << 10, /* low watermark of streams */
	HTTP_OUT_MAX = 64 << 20, /* one answer, or what a stream writes without asking for room */
	HTTP_IN_SLACK_BYTES = 4 << 10,   /* input beyond the longest head */
	HTTP_STREAM_IN_BYTES = 64 << 10, /* input that is thrown away while a stream runs */
	HTTP_LINGER_BYTES = 16 << 20,    /* input that is thrown away after an answer that closes */
	HTTP_LINGER_MS = 3000,
	HTTP_OVERFLOW_CONNECTIONS = 32, /* beyond connections_max: only to be told 503 properly */
};

enum http_conn_state {
	CONN_HEAD,    /* between requests, or a head is arriving */
	CONN_BODY,    /* a body is arriving */
	CONN_PENDING, /* a handler has the request */
	CONN_STREAM,  /* a handler streams */
	CONN_CLOSING, /* the last answer is being sent; nothing is read */
	CONN_LINGER,  /* we have said FIN; input is thrown away until theirs comes */
	CONN_CLOSED,  /* no descriptor any more; freed at the bottom of the loop */
};

/* Each kind has one duration, so that each list is in order of time by itself. */
enum http_deadline {
	DEADLINE_REQUEST,
	DEADLINE_IDLE,
	DEADLINE_SEND,
	DEADLINE_LINGER,
	DEADLINE_KINDS,
	DEADLINE_NONE
};

/* What a connection needs only while a request arrives or is being answered; idle connections and streams
 * have none. `in` never moves while a request lives, because slices point into it. */
struct http_intake {
	SLIST_ENTRY(http_intake) link; /* in http_conns.intakes while unused */
	struct http_head head;
	struct http_chunked chunked;
	struct buf body; /* decoded body, unless it lies whole in `in` */
	size_t scanned;  /* of the head that is arriving */
	/* places in `in`: present request, end of its head, what of its body is not yet eaten, end of what
	 * was read */
	size_t at, head_end, body_at, len;
	size_t cap;
	char in[];
};

/* One client. On http_conns.all from accept until conn_bury; on one deadline list at most. */
struct http_conn {
	struct event ev_read, ev_write;
	struct http *http;
	int fd;
	enum http_conn_state state;
	bool reading, writing; /* is ev_read, ev_write added? */
	bool eof;              /* the client has shut its side; both events are edge-triggered from then on */
	bool busy;             /* inside conn_process: replies only append */
	bool deferred;         /* conn_bottom is queued */
	bool close_after;      /* the present request is the last one */
	bool counted;          /* against connections_max */
	bool stream_chunked, stream_mute, stream_ready_due;
	bool stream_sized;
	uint64_t stream_left; /* of a sized one */
	enum http_deadline deadline;
	int64_t deadline_ms;
	int64_t request_ms; /* when the first byte of the present request came */
	size_t discarded;   /* input thrown away during a stream or while lingering */
	struct http_intake *intake;
	struct http_request
		*request; /* in its own arena; NULL when none is with a handler or arriving as a body */
	void (*on_ready)(struct http_request *r);
	struct buf out;
	size_t out_at;
	TAILQ_ENTRY(http_conn) all, timed;
};
TAILQ_HEAD(http_conn_list, http_conn);

struct http_conns {
	struct http_conn_list all;
	struct http_conn_list timed[DEADLINE_KINDS];
	struct loop_timer *timer;
	int64_t timer_ms; /* when it will fire; INT64_MAX: not armed */
	SLIST_HEAD(, http_intake) intakes;
	size_t intakes_count;
	struct buf spare_out; /* output buffer of whoever answers just now */
	int count, overflow;  /* connections within, and beyond, connections_max */
	int64_t limit_logged_ms;
	char id_prefix[17]; /* of request ids, random */
	uint64_t id_next;
	int64_t common_s; /* the second `common` was made for */
	size_t common_bytes;
	char common[96]; /* lines that every answer has */
	struct http_limits limits;
	char scratch[16 << 10]; /* input that nobody wants */
};

/* conn.c: life of connections */
struct http_conns *http_conns_new(struct http *h);
void http_conns_free(struct http *h);
/* Takes fd (non-blocking). Over the limit the client is told 503 and sent away. */
void http_conn_open(struct http *h, int fd);
/* Idle connections are closed, others after their answer. */
void http_conns_drain(struct http *h);
/* reset: RST instead of FIN. The rest happens at the bottom of the loop. */
void conn_close(struct http_conn *c, bool reset);
/* Work of this connection that must not be done inside a handler's call. */
void conn_defer(struct http_conn *c);
/* After anything happened: sends what waits, moves on when that was the last, sets interest and deadline. */
void conn_settle(struct http_conn *c);

/* conn_io.c: bytes and events */
void conn_events_init(struct http_conn *c, bool edge);
void conn_events_del(struct http_conn *c);
void conn_interest_set(struct http_conn *c);
/* false when the connection broke (it is closed then) */
bool conn_flush(struct http_conn *c);
/* What waits in `out`, then iov[1..n-1] (iov[0] is the callee's); what the socket does not take is kept. */
bool conn_send(struct http_conn *c, struct iovec *iov, int n);
void conn_read(struct http_conn *c); /* takes what has come, if anything */
size_t conn_out_pending(const struct http_conn *c);
void conn_out_take(struct http_conn *c); /* makes `out` ready to be appended to */
void conn_out_release(struct http_conn *c);

/* conn_time.c: deadlines */
void conn_deadline_set(struct http_conn *c, enum http_deadline d, int64_t from_ms);
void conn_deadline_clear(struct http_conn *c);
void http_conns_tick(void *http); /* ends what is over its deadline */

/* conn_request.c: from bytes to handlers */
struct http_intake *conn_intake_take(struct http_conns *cs);
void conn_intake_give(struct http_conns *cs, struct http_intake *in);
/* Parses and dispatches what is in the input, as far as it goes. */
void conn_process(struct http_conn *c);
/* Answers a request that never became one, and closes. */
void conn_refuse(struct http_conn *c, const struct error *e);
/* The present request was answered: frees it, ready for the next one or for the end. */
void conn_request_done(struct http_conn *c);
void conn_request_free(struct http_conn *c);
extern const struct http_head http_head_empty;

/* conn_stream.c: on_ready and on_gone from the bottom of the loop */
void conn_stream_bottom(struct http_conn *c);

/* reply.c */
/* Status line and headers into c->out; length < 0: a stream. false when content_type or headers would break
 * the head. */
must_check bool reply_head(struct http_conn *c, int status, const char *content_type, const char *headers,
			   int64_t length);
const char *http_status_text(int status);

#endif
