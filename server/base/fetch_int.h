/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind fetch.h share: an exchange, and the two ways it can go. */
#ifndef BASE_FETCH_INT_H
#define BASE_FETCH_INT_H

#include "base/fetch.h"

#include <netinet/in.h>

#define FETCH_USER_AGENT "agent-runtime/" AGENT_RUNTIME_VERSION
enum { FETCH_CONNECTIONS_KEPT_MAX = 64 };

struct fetch_curl;
struct fetch_plain;
struct fetch_easy;
struct fetch_conn;

struct fetch {
	struct loop *loop;
	struct fetch_curl *curl;
	struct fetch_plain *plain;
	struct fetch_exchange *exchanges;
	struct fetch_options options;
};

struct fetch_exchange {
	struct fetch *wire;
	struct fetch_exchange *next, **link; /* in wire->exchanges */
	/* The way it goes: one of them until it is over. */
	struct fetch_easy *easy;
	struct fetch_conn *conn;
	char *request; /* the body sent; read in place */
	size_t request_len;
	char *shown;                /* the address for messages */
	struct loop_timer *silence; /* first byte, then idle */
	struct fetch_head head;
	struct buf body; /* received, not yet handed out */
	size_t body_bytes;
	int64_t first_byte_ms, idle_ms; /* 0: no limit */
	bool is_stream, once;
	bool deferred, over, too_large;
	struct error e;
	fetch_fn *fn; /* NULL: forgotten */
	void *arg;
};

/* How an exchange can fail: what libcurl tells, under its names, and three more. */
enum fetch_result {
#define RESULT(result, code, what, hint, word) FETCH_##result,
#include "base/fetch_result.def"
#undef RESULT
	FETCH_OTHER,
	FETCH_REFUSED,    /* the connection */
	FETCH_NOT_PUBLIC, /* an address, for options.public_only */
};

/* --- fetch.c: what the ways tell; all of it is news later, from the loop --- */
/* Seconds after which an idle connection is not used for this exchange. */
long fetch_connection_age(const struct fetch_exchange *x);
/* false: it is too long, and the exchange is to be ended badly. */
bool fetch_take_body(struct fetch_exchange *x, struct slice bytes);
void fetch_end(struct fetch_exchange *x);
void fetch_end_badly(struct fetch_exchange *x, enum fetch_result result, const char *detail);

/* --- fetch_curl.c --- */
struct fetch_curl *fetch_curl_new(struct fetch *wire);
void fetch_curl_free(struct fetch_curl *w); /* without exchanges */
void fetch_curl_start(struct fetch_exchange *x, const struct fetch_request *r);
void fetch_curl_stop(struct fetch_exchange *x); /* nothing when it does not go that way, here and below */

/* --- fetch_plain.c --- */
struct fetch_plain *fetch_plain_new(struct fetch *wire);
void fetch_plain_free(struct fetch_plain *w);
/* false: this is not for it. */
bool fetch_plain_start(struct fetch_exchange *x, const struct fetch_request *r);
void fetch_plain_stop(struct fetch_exchange *x);

/* --- fetch_url.c --- */
/* Of "http://" with a literal address: where to connect, and the two parts of the request (RFC 9112 section
 * 3.2), which point into url. false: anything else. */
struct fetch_target {
	struct sockaddr_storage address;
	socklen_t address_len;
	struct slice host; /* with the port */
	struct slice path; /* with the query; may be empty, or begin with the query */
};
bool url_literal(const char *url, struct fetch_target *out);

/* --- fetch_reply.c: one answer of HTTP/1.1, from bytes that come cut anywhere (RFC 9112). Pure --- */
struct fetch_reply {
	struct fetch_head *head; /* filled */
	struct buf line;         /* the part of a line that came */
	size_t head_bytes;
	enum {
		REPLY_STATUS,
		REPLY_HEADERS,
		REPLY_BODY,      /* `left` bytes of it */
		REPLY_BODY_OPEN, /* until the connection closes */
		REPLY_CHUNK_SIZE,
		REPLY_CHUNK,
		REPLY_CHUNK_END,
		REPLY_TRAILERS,
		REPLY_DONE,
		REPLY_BAD,
	} state;
	uint64_t left;
	bool has_length, is_chunked, keeps;
	const char *why; /* of REPLY_BAD; static */
};
void fetch_reply_init(struct fetch_reply *r, struct fetch_head *head);
void fetch_reply_release(struct fetch_reply *r);
/* Takes bytes from the front of *in, and gives at most one run of the body (empty: none). Called until *in is
 * empty or the reply is done or bad. */
void fetch_reply_take(struct fetch_reply *r, struct slice *in, struct slice *body);
/* The connection has been closed. true: the answer is whole. */
bool fetch_reply_close(struct fetch_reply *r);

#endif
