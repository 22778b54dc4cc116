/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API handlers (api_*.c, sse.c) share: the handlers that route.def names, small checks of requests,
 * and following a task. A check that fails answers the request itself, so that a handler just returns.
 */
#ifndef HTTP_API_INT_H
#define HTTP_API_INT_H

#include "http/http_int.h"

#define ROUTE(method, pattern, handler, operation, summary) http_handler_fn handler;
#include "http/route.def"
#undef ROUTE

/* --- api_request.c: what a request may say --- */

/* The task named by params[0]; false: answered (404). */
must_check bool api_task_resolve(struct http_request *r, struct task_ref *ref);
/* true when every query parameter is one of `names` (NULL-terminated, may be empty); false: answered (400).
 */
must_check bool api_query_check(struct http_request *r, const char *const *names);
/* The body as a JSON object with no members but `names`; the caller frees it. NULL: answered, unless
 * `optional` and the body is empty: then *absent is true. */
must_check struct json *api_body_object(struct http_request *r, const char *const *names, bool optional,
					bool *absent);
/* If-None-Match names this version (RFC 9110 section 13.1.2). */
bool api_etag_matches(const struct http_request *r, uint64_t last_seq);

/* Answers with the task's document and its ETag; `headers` are further lines or NULL. 410 when it is no
 * longer kept. */
void api_reply_task(struct http_request *r, struct task_ref ref, int status, const char *headers);

/* "500ms", "30s", "2m". false: not of that form. */
must_check bool api_duration_parse(const char *text, int64_t *ms);
/* Decimal digits only, within range. */
must_check bool api_uint_parse(const char *text, uint64_t max, uint64_t *out);

/* --- watch.c: who follows which task --- */

struct http_watch; /* a task that is followed here */

/* Embedded in whoever follows a task. Each callback may unfollow its own follower, no other. */
struct http_follower {
	TAILQ_ENTRY(http_follower) link, beating;
	struct http_watch *watch;                   /* NULL: follows nothing */
	void (*on_change)(struct http_follower *f); /* the task may have changed, or is no longer kept */
	void (*on_drain)(struct http_follower *f);  /* the server stops: must unfollow */
	/* Both or none (streams): live events that belong behind after_seq; every heartbeat_ms. */
	void (*on_live)(struct http_follower *f, uint64_t after_seq, struct slice sse);
	void (*on_beat)(struct http_follower *f);
};

/* One watch of the store serves all followers of a task here. ERR_GONE: the task is no longer kept. Follow
 * first, read after: then no change is missed. */
must_check enum err http_follow(struct http_watchers *w, struct task_ref ref, struct http_follower *f);
void http_unfollow(struct http_watchers *w, struct http_follower *f); /* nothing when it follows nothing */
/* The server stops: nobody must begin to wait for news. */
bool http_watchers_draining(const struct http_watchers *w);

/* The last events that were read. While the followers of one task are told of a change (sharing), those that
 * stand at the same place are given the same bytes. Filled by sse.c. */
struct sse_piece {
	bool sharing, valid;
	struct task_ref ref;
	uint64_t from_seq;
	struct event_cursor after;
	struct buf bytes;
	bool caught_up; /* there was no further event */
	bool over;      /* there never will be */
};
struct sse_piece *http_watchers_piece(struct http_watchers *w);

/* --- api_task_wait.c --- */

/* Answers with the document when the task's state is another than now, or after wait_ms; at once when it is
 * over. */
void api_task_wait(struct http_request *r, struct task_ref ref, int64_t wait_ms);

#endif
