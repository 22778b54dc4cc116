/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 (RFC 9110, 9112) and server-sent events on libevent buffers: listener, strict parser, routes, API
 * handlers. Reads and changes tasks only through the store and its archive; learns of changes by
 * http_on_task. What it shows is durable, and what it has accepted is durable before it says so.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/base.h"
#include "store/store.h"
#include "store/archive.h"
#include "mcp/mcp.h"

/* Plans that a person writes are checked by the same rules as the planner's; the rules are not of this room.
 */
struct http_plans {
	/* given: the plan object; now: the task's plan as its document has it, progress included. The new
	 * plan object, numbered `version`, is appended to *out. ERR_FIELD with the place of the mistake. */
	enum err (*check)(const struct json *given, const struct json *now, uint64_t version, struct buf *out,
			  struct error *e, void *arg);
	void *arg;
};

/* One model provider, as it is configured; its gate in the store has the same index. */
struct http_model {
	const char *provider, *model;
	char api[24], base_url[256]; /* as it may be shown */
	unsigned roles;              /* bit 0: planner, 1: executor, 2: writer */
};

/* Bounds of one task; 0: none. */
struct http_budget {
	struct budget_caps caps;
	int64_t wall_seconds;
};

struct http_options {
	struct http_budget budget, budget_max; /* of tasks that do not say; the most that one may have */
	bool prices_known;                     /* a budget of money can be kept to */
	const char *tenant_header;             /* names the tenant; NULL: there is one only */
	const struct http_model *models;       /* store_gates of them; borrowed for the life of http */
	size_t header_bytes_max, header_count_max, target_bytes_max;
	size_t body_bytes_max;
	int json_depth_max;
	size_t prompt_bytes_max, metadata_bytes_max, output_schema_bytes_max;
	int64_t request_ms_max;       /* absolute: first byte of a request to its last */
	int64_t idle_ms_max;          /* keep-alive without a request */
	int64_t send_ms_max;          /* a client that does not read */
	int64_t heartbeat_ms;         /* of streams */
	int64_t wait_ms_max;          /* ?wait= */
	int64_t ack_ms_max;           /* an accepted change is answered when it is durable: waits so long */
	int connections_max;          /* per worker */
	size_t stream_chunk_bytes;    /* events written to a socket at once */
	size_t tool_result_bytes_max; /* of a result that a person gives in place of a tool */
	const char *approval;         /* of tasks that do not say: "required", "auto" or "policy" */
	struct http_plans plans;
	const char *user_header;   /* names who acts, as a gateway in front has made sure; NULL: nobody is
				      named */
	const char *store_backend; /* "sqlite", "memory": for people */
	const char *version;
};

struct http;
/* Serves on listen_fd (shared with the other workers, owned by the caller). archive: NULL without a keeper.
 */
struct http *http_new(struct loop *l, int listen_fd, struct store *s, struct archive *a, struct mcp_client *c,
		      const struct http_options *o);
void http_free(struct http *h); /* resets unfinished streams, closes everything */
/* Called by the worker: a watched task has changed, live events came. */
void http_on_task(struct http *h, struct task_ref ref);
void http_on_live(struct http *h);
/* WAKE_HEALTH, WAKE_REQUESTS. */
void http_on_health(struct http *h);
void http_on_requests(struct http *h);
/* The worker begins to drain: no new connections, /readyz says so, each connection ends with its next answer;
 * streams and waits go on. Optional before http_drain, harmless when repeated. */
void http_quiesce(struct http *h);
/* Stop accepting; answer what is in flight with Connection: close; reset unfinished streams. fn(arg) once
 * when no connection is left or grace_ms is over. */
void http_drain(struct http *h, int64_t grace_ms, loop_fn *fn, void *arg);

#endif
