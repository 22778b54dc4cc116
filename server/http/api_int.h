/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API handlers (api_*.c, sse.c) share: the handlers that route.def names, small checks of requests,
 * following a task, waiting for the store, and what every POST goes through. A check that takes no struct
 * error answers the request itself when it fails, so that a handler just returns.
 */
#ifndef HTTP_API_INT_H
#define HTTP_API_INT_H

#include "http/http_int.h"

#define ROUTE(method, pattern, handler, operation, summary) http_handler_fn handler;
#include "http/route.def"
#undef ROUTE

/* --- api_request.c: what a request may say --- */

/* The task named by params[0]. ERR_NOT_FOUND: that is no id. */
must_check enum err api_task_id(const struct http_request *r, struct id *id, struct error *e);
/* Also in the table; ERR_NOT_FOUND otherwise (the archive may have it). */
must_check enum err api_task_find(const struct http_request *r, struct id *id, struct task_ref *ref,
				  struct error *e);
/* Words that nobody has the task named by params[0]. */
enum err api_task_missing(const struct http_request *r, struct error *e);
/* true when every query parameter is one of `names` (NULL-terminated, may be empty); false: answered (400).
 */
must_check bool api_query_check(struct http_request *r, const char *const *names);
/* The event after which a stream is to begin: the header, which a reconnecting client sends by itself, goes
 * before the parameter; *field is which one it was. false: answered. */
must_check bool api_after_parse(struct http_request *r, uint64_t *after, const char **field);
/* The body as a JSON object with no members but `names`; the caller frees it. NULL when there is no body and
 * it is `optional`. */
must_check enum err api_body_object(struct http_request *r, const char *const *names, bool optional,
				    struct json **out, struct error *e);
/* Query parameter `limit` of a list: entries of one page, a default without it. ERR_FIELD. */
enum { API_LIMIT_MAX = 200 };
must_check enum err api_limit_parse(struct http_request *r, uint64_t *limit, struct error *e);
/* If-None-Match names this version of a task, this tag (RFC 9110 section 13.1.2). */
bool api_etag_matches(const struct http_request *r, uint64_t last_seq);
bool api_etag_matches_text(const struct http_request *r, const char *tag);

/* --- api_task_get.c --- */

/* Answers with the durable document and its ETag, from the table or else from the archive; 404 when neither
 * has it. ref NULL: it is not in the table. */
void api_reply_task(struct http_request *r, const struct id *id, const struct task_ref *ref);

/* "500ms", "30s", "2m". false: not of that form. */
must_check bool api_duration_parse(const char *text, int64_t *ms);
/* Decimal digits only, within range. */
must_check bool api_uint_parse(const char *text, uint64_t max, uint64_t *out);

/* --- api_task_budget.c: what a new task may spend, and for whom --- */

/* The limits in force for a task with this body as a JSON object into *out; nothing when there are none. */
must_check enum err api_budget_check(const struct http_options *o, const struct json *body, struct buf *out,
				     struct error *e);
/* The tenant as the gateway names it; empty: nobody is named. ERR_FIELD when it cannot be one. */
must_check enum err api_tenant_check(const struct http_request *r, struct slice *tenant, struct error *e);

/* --- watch.c: who follows which task --- */

struct http_watch; /* a task that is followed here */

/* Embedded in whoever follows a task. Each callback may unfollow its own follower, no other. */
struct http_follower {
	TAILQ_ENTRY(http_follower) link, beating;
	struct http_watch *watch;                   /* NULL: follows nothing */
	void (*on_change)(struct http_follower *f); /* the task may have changed, or is no longer kept */
	void (*on_drain)(struct http_follower *f);  /* the server stops: must unfollow; NULL: it stays */
	/* Both or none (streams): live events that belong behind after_seq; every heartbeat_ms. */
	void (*on_live)(struct http_follower *f, uint64_t after_seq, struct slice sse);
	void (*on_beat)(struct http_follower *f);
};

/* One watch of the store serves all followers of a task here. ERR_GONE: the task is no longer kept. Follow
 * first, read after: then no change is missed. */
must_check enum err http_follow(struct http_watchers *w, struct task_ref ref, struct http_follower *f);
/* The task is not in the table: only on_beat and on_drain will be called. */
void http_follow_loose(struct http_watchers *w, struct http_follower *f);
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

/* --- waiter.c: requests that wait for the store, for options.ack_ms_max at most --- */

/* Each callback may end its own wait, no other. */
struct http_waiter {
	TAILQ_ENTRY(http_waiter) link;
	bool waiting;
	int64_t until_ms;
	void (*on_over)(struct http_waiter *w);     /* the time is over; it waits no longer */
	void (*on_health)(struct http_waiter *w);   /* the health of the store is another; may be NULL */
	void (*on_requests)(struct http_waiter *w); /* a request with a key was settled; may be NULL */
};
void http_wait(struct http_waiters *ws, struct http_waiter *w);
void http_wait_end(struct http_waiters *ws, struct http_waiter *w); /* nothing when it does not wait */

/* --- ask.c: questions to the archive, which wait like that --- */

/* Zeroed before its first use; call is NULL when nothing is asked. */
struct api_ask {
	struct http_waiter waiter;
	struct http *http;
	struct archive_call *call;
	archive_fn *fn;
	void *arg;
};
/* call was made with api_ask_came and q. fn gets what comes of it: ERR_UNAVAILABLE when it took too long. */
void api_ask_start(struct api_ask *q, struct http *h, struct archive_call *call, archive_fn *fn, void *arg);
void api_ask_came(const struct archive_answer *a, void *ask);
void api_ask_cancel(struct api_ask *q); /* nothing when nothing is asked */

/* --- hold.c: until a change is durable --- */

struct api_hold;
/* e: why it will not be known, NULL when it is durable. */
typedef void api_hold_fn(struct api_hold *h, const struct error *e);
struct api_hold {
	struct http_follower follower;
	struct http_waiter waiter;
	struct http_request *request; /* NULL: never begun */
	struct task_ref ref;
	uint64_t seq;
	api_hold_fn *fn;
};
/* Calls fn once: at once, or later unless it is cancelled. */
void api_hold(struct api_hold *h, struct http_request *r, struct task_ref ref, uint64_t seq, api_hold_fn *fn);
void api_hold_cancel(struct api_hold *h); /* nothing when it was never begun or has ended */

/* --- key.c --- */

/* Idempotency-Key of a request. *given false: it has none. ERR_FIELD. */
must_check enum err api_key_read(const struct http_request *r, struct request_key *key, bool *given,
				 struct error *e);

/* --- walk.c: all durable events of a task --- */

struct api_walk;
/* The caller sets what is named first, zeroes the rest. */
struct api_walk {
	struct http_request *request;
	struct id task;
	/* Whole events as SSE bytes, in order, each once. An error ends the walk with it. */
	enum err (*take)(struct api_walk *w, struct slice sse, struct error *e);
	/* e NULL: that was all, or enough. ERR_NOT_FOUND: nobody has this task. ERR_GONE: its events are no
	 * longer kept. */
	void (*end)(struct api_walk *w, const struct error *e);
	bool enough; /* set by take: no more is read */
	uint64_t last_seq;
	struct api_ask ask;
};
void api_walk_start(struct api_walk *w); /* end may be called from within */
/* What end was told, in the words of the task that is asked for. */
struct error api_walk_why(const struct api_walk *w, const struct error *why);
void api_walk_cancel(struct api_walk *w); /* nothing when it was never begun or has ended */

/* --- replay.c: a task as it was after one of its events --- */

struct api_replay;
/* e NULL: doc is the document as of event `folded`. ERR_NOT_FOUND: there is no such event and never will be.
 * ERR_GONE: the events are no longer kept. */
typedef void api_replay_fn(struct api_replay *p, const struct error *e);
/* The caller sets what is named first, and takes doc. */
struct api_replay {
	struct http_request *request;
	struct id task;
	uint64_t seq; /* which event; 0: the first after after_seq that names the request `hex` */
	uint64_t after_seq;
	const char *hex;
	api_replay_fn *fn;
	struct buf doc;
	uint64_t folded;
	bool found;
	struct api_walk walk;
	struct api_hold hold;
};
void api_replay(struct api_replay *p); /* fn may be called from within */
void api_replay_cancel(struct api_replay *p);

/* --- post.c: what every POST goes through --- */

struct api_post;
/* What a POST has made: answered with the task as of last_seq. */
struct api_made {
	struct task_ref ref;
	uint64_t last_seq;
};
/* Checks the request and carries it out, or refuses it. Between the two it calls api_post_begin, and the last
 * event of the change (task.created or task.state) has the member "request" with api_post.hex, unless that is
 * "". ERR_NOT_FOUND of a request for a task makes the archive be asked whether it is an old one. */
typedef enum err api_post_fn(struct api_post *p, struct api_made *made, struct error *e);
struct api_post {
	struct http_request *request;
	int status; /* of success; 202 also gets a Location */
	api_post_fn *run;
	void *arg;
	bool keyed;   /* it has an Idempotency-Key */
	bool claimed; /* the key is ours: settle or drop it */
	bool repeated;
	struct request_key key;
	char hex[REQUEST_HEX_SIZE];
	struct request_place place;
	struct http_waiter busy;
	struct api_ask ask;
	struct api_hold hold;
	struct api_replay replay;
	struct buf doc; /* of the answer ... */
	uint64_t seq;   /* ... and its version */
};
void api_post_start(struct http_request *r, int status, api_post_fn *run);
/* The same with something for run, in the request's arena. */
void api_post_start_with(struct http_request *r, int status, api_post_fn *run, void *arg);
/* The change will be found in this task, behind this event. */
void api_post_begin(struct api_post *p, const struct id *task, uint64_t after_seq);

/* --- api_task_act.c: what a person does to a task --- */

struct act {
	struct api_post *post;
	struct json *body;     /* NULL when none was sent */
	struct buf doc;        /* the task as it was read, the newest ... */
	struct task_head head; /* ... with its head */
	struct buf data, state_data;
	struct task_event events[2];
	struct task_change change;
};
/* Checks the body and the task as it is now, and fills a->change; called again when the task has changed. */
typedef enum err act_prepare_fn(struct act *a, struct error *e);
must_check enum err act_run(struct api_post *p, struct api_made *made, const char *const *members,
			    bool optional, act_prepare_fn *prepare, struct error *e);
/* The members of the task.state event that closes the change; reason may be NULL. */
void act_state_data(struct act *a, const char *reason);
/* The members that say who did it. */
void act_by_write(const struct act *a, struct jw *w);

/* --- input_arguments.c --- */

/* The member "arguments" of an answer to what the task waits for. */
must_check enum err input_arguments_check(const struct act *a, const struct json *pending, struct error *e);

/* --- effects.c --- */

/* Calls that may have changed something, each {"call", "step", "server", "tool", "arguments", "outcome"
 * ("completed" or "unknown"), "result"}; of an earlier task also "task_id". All zero at the beginning. */
struct effects {
	struct json **list;
	size_t count;
};
bool effects_concern(enum event_type type); /* whether an event of this type has to be taken */
void effects_take(struct effects *f, enum event_type type, const struct json *data);
/* As an array, but those of steps that are kept; task_id is that of the task whose events were taken. */
void effects_write(const struct effects *f, const char *task_id, bool (*kept)(const char *step, void *arg),
		   void *arg, struct jw *w);
void effects_release(struct effects *f);

/* --- plan_diff.c --- */

/* {"from", "to", "members": [names], "steps": {"added": [ids], "removed": [ids], "changed": [{"id",
 * "members"}]}} */
void plan_diff_write(const struct json *from, const struct json *to, struct jw *w);

/* --- api_task_wait.c --- */

/* Answers with the document when the task's state is another than now, or after wait_ms; at once when it is
 * over. to_end: when it does not work any more, in place of at any change. */
void api_task_wait(struct http_request *r, const struct id *id, struct task_ref ref, int64_t wait_ms,
		   bool to_end);

/* --- range.c: byte ranges (RFC 9110 section 14) --- */

enum api_range { RANGE_WHOLE, RANGE_PART, RANGE_OUTSIDE };
/* What a Range header asks of `size` bytes. PART: [*from, *end). What is malformed, of another unit, or more
 * than one range is as if it was not sent: WHOLE. */
enum api_range api_range_parse(struct slice value, uint64_t size, uint64_t *from, uint64_t *end);

#endif
