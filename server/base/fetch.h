/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP as a client: requests out, answers in as they come. It knows neither APIs nor retries, follows no
 * redirect, and resends only what certainly never arrived.
 */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include "base/buf.h"
#include "base/loop.h"

struct fetch;
struct fetch_exchange;

/* What the user calls things, for messages: the peer ("the model server") and the options that decide about
 * it. */
struct fetch_words {
	const char *peer, *address, *proxy, *ca_file, *connect, *first_byte, *idle, *response;
};

struct fetch_options {
	const struct fetch_words *words;  /* static */
	const char *ca_file;              /* NULL: the system's */
	const char *cert_file, *key_file; /* ours, where the peer asks for one; NULL: none */
	const char *proxy;                /* NULL: environment; "": none */
	int64_t connect_ms;               /* 0: no limit of ours, here and below */
	int64_t first_byte_ms, idle_ms;
	size_t response_bytes_max;
	/* Connects to addresses of the open Internet only, looked at when the name has been resolved: for
	 * URLs that somebody else wrote. No proxy is used then, since it would do the resolving. */
	bool public_only;
};

struct fetch_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value", the last NULL */
	struct slice body;          /* empty: none */
	int64_t silence_ms;         /* in place of first_byte_ms and idle_ms; 0: those, < 0: no limit */
	/* A stream without end: response_bytes_max is for what has not been handed out yet. */
	bool is_stream;
	/* Must not arrive twice: when a kept connection dies under it, it is lost rather than sent again. */
	bool once;
};

enum { FETCH_SESSION_ID_SIZE = 1024 };

/* The headers of an answer that matter here; "" when absent. */
struct fetch_head {
	int status; /* 0 until there is one */
	char retry_after[64], retry_after_ms[32], should_retry[16], request_id[96], location[256];
	char content_type[128], session_id[FETCH_SESSION_ID_SIZE];
	char www_authenticate[2048]; /* all of them, joined by ", " */
};

/* What became of an exchange since the last time. Comes from the loop, never from within fetch_start. */
struct fetch_news {
	const struct fetch_head *head;
	struct slice body;     /* further bytes, may be none */
	bool over;             /* the last news: the exchange is gone when this is called */
	const struct error *e; /* when over: how; ERR_NONE when the answer arrived whole */
};
typedef void fetch_fn(const struct fetch_news *n, void *arg);

/* Options are copied. */
struct fetch *fetch_new(struct loop *l, const struct fetch_options *o);
void fetch_free(struct fetch *f); /* drops what runs, without news */
/* Everything of the request is copied. Never NULL. */
struct fetch_exchange *fetch_start(struct fetch *f, const struct fetch_request *r, fetch_fn *fn, void *arg);
/* No further news; the pointer is gone. Allowed from within the news function. */
void fetch_cancel(struct fetch_exchange *x);
/* The answer is of no further interest: no news, but the connection may be kept for the next exchange if the
 * rest comes soon. The pointer is gone. */
void fetch_forget(struct fetch_exchange *x);

/* fetch_head.c: takes one line of an answer's head, the status line too. */
void fetch_head_line(struct fetch_head *h, struct slice line);

/* fetch_url.c: an address without user, password and query, for messages. The caller frees it. */
char *url_shown(const char *url);
/* localhost, 127.0.0.0/8 or ::1: never reached through a proxy of the environment. */
bool url_is_loopback(const char *url);

/* fetch_address.c: of the open Internet, neither this machine nor a private or link-local network, nor
 * anything reserved. */
struct sockaddr;
bool address_is_public(const struct sockaddr *a);

#endif
