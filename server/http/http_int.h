/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the http room. Three layers:
 *   parse.c            pure: bytes in, request or error out (RFC 9112), no sockets
 *   conn.c, listen.c   sockets: one struct http_conn per client, time-outs, pipelining, replies, streams
 *   route.c, api_*.c   what a request means: handlers get a struct http_request and answer it exactly once
 * A handler may answer later: the request lives until it is answered or its connection is gone (then on_gone runs, after
 * which the request must not be touched).
 */
#ifndef HTTP_HTTP_INT_H
#define HTTP_HTTP_INT_H

#include "http/http.h"

/* --- parse.c --- */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_PATCH, HTTP_METHOD_OTHER };
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
	int minor; /* HTTP/1.minor */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t headers_count;
	bool keep_alive, expect_continue, chunked;
	int64_t content_length; /* 0 when there is none */
	struct slice host;
};

enum http_parse { HTTP_PARSE_MORE, HTTP_PARSE_DONE, HTTP_PARSE_BAD };

/* Looks at `in` from its start. `scanned` remembers how far earlier calls looked (start with 0) so that a dribbled head costs
 * linear time. DONE: *head_bytes is its length with the final CRLF CRLF. BAD: e says what (its code gives the status) and the
 * connection must be closed. Leading empty lines (RFC 9112 section 2.2) are allowed once. */
enum http_parse http_parse_head(struct slice in, size_t *scanned, const struct http_limits *l, struct http_head *out,
				size_t *head_bytes, struct error *e);

/* Chunked body (RFC 9112 section 7.1), incremental. Zero-initialise. */
struct http_chunked {
	int state;
	uint64_t left;
	uint64_t total;
	size_t line_bytes, trailer_bytes;
};
/* Consumes from in, appends decoded bytes to *body; *used tells how many input bytes were eaten. */
enum http_parse http_parse_chunked(struct http_chunked *c, struct slice in, const struct http_limits *l, size_t *used,
				   struct buf *body, struct error *e);

/* Percent-decodes a path; false on bad escapes, %00, or bytes that are not UTF-8. out NUL-terminated, in arena. */
char *http_decode_path(struct arena *a, struct slice raw, struct error *e);
/* Value of query parameter `name`, decoded into the arena ('+' is a space); NULL when absent; e set (and NULL) when malformed
 * or given twice. */
char *http_query_get(struct arena *a, struct slice query, const char *name, struct error *e);

/* --- conn.c --- */

struct http_conn;

struct http_request {
	struct http *http;
	struct http_conn *conn;
	struct arena *arena; /* freed with the request */
	const struct http_head *head;
	char *path;          /* decoded, without query */
	struct slice query;  /* raw, without '?' */
	struct slice body;
	char id[ID_TEXT_SIZE];   /* X-Request-Id: the client's when it is sane, else new */
	const char *params[4];   /* from the route's {placeholders} */
	const struct http_route *route;
	void (*on_gone)(struct http_request *r); /* the client left before the answer, or the server drains */
	void *data;              /* the handler's */
};

/* Header by name (any case); first one. ptr NULL when absent. */
struct slice http_request_header(const struct http_request *r, const char *name);

/* Answers: exactly one of these per request; r is gone afterwards. `headers` are extra lines, each "Name: value\r\n", or NULL.
 * A body on HEAD, 204 or 304 is left out (its length still told for HEAD). Never blocks; the bytes are copied. */
void http_reply(struct http_request *r, int status, const char *content_type, const char *headers, struct slice body);
/* application/problem+json (RFC 9457): type "/problems/<slug>", title, status, detail, and "field" when set. Adds Retry-After
 * for 503. */
void http_reply_error(struct http_request *r, const struct error *e);
void http_reply_errorf(struct http_request *r, enum err code, const char *field, const char *fmt, ...) printf_like(4);

/* A stream: head now, body as the client takes it (chunked on HTTP/1.1). After http_stream_start the request belongs to the
 * stream; on_ready is called (from the loop) whenever less than the low watermark is waiting to be sent; on_gone when the
 * client left. */
struct http_stream_handler {
	void (*on_ready)(struct http_request *r);
};
void http_stream_start(struct http_request *r, int status, const char *content_type, const char *headers,
		       struct http_stream_handler h);
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
/* Finds and runs the handler; answers 404, 405 (with Allow) and OPTIONS itself; HEAD runs GET. */
void http_route_request(struct http_request *r);

/* --- sse.c: streams and waits that follow a task --- */

/* Everything of this worker's http half; its members are grouped by the file that owns them. */
struct http {
	struct loop *loop;
	struct store *store;
	struct mcp_client *mcp;
	struct http_options options;
	struct http_listener *listener; /* listen.c */
	struct http_watchers *watchers; /* sse.c: who follows which task here */
	bool draining;
};
struct http_watchers *http_watchers_new(struct http *h);
void http_watchers_free(struct http_watchers *w);
void http_watchers_on_task(struct http_watchers *w, struct task_ref ref);
void http_watchers_on_live(struct http_watchers *w);
/* The server stops: waits are answered now, unfinished streams are reset. */
void http_watchers_drain(struct http_watchers *w);

#endif
