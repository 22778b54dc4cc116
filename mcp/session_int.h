/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the session files: session.c (life of a connection), session_wire.c (requests, answers, ids),
 * session_list.c (tools/list). */
#ifndef MCP_SESSION_INT_H
#define MCP_SESSION_INT_H

#include "mcp/mcp_int.h"

enum {
	PAGES_MAX = 200,
	LIST_DEBOUNCE_MS = 200,
	LIST_DELAY_MS_MAX = 2000,
	PING_EVERY_MS = 60000,
	PING_ANSWER_MS = 30000
};

/* One of our requests that has no answer yet. Their requests need no table: each is answered at once. */
struct request {
	uint64_t id;
	struct request *next;
	struct request_handler handler;
};

struct session {
	struct loop *loop;
	struct link *link;
	const char *server, *version; /* borrowed: registry id; our own version */
	int64_t list_ms_max;
	struct session_events events;
	struct session_facts facts;
	struct request *requests;
	uint64_t id_last;

	bool ready, closed;
	bool has_tools; /* the server declared the capability */

	struct tool_list tools;    /* a complete list, until the owner takes it */
	struct tool_list incoming; /* the one being fetched */
	int pages;
	bool list_again;                /* it changed while it was fetched */
	int64_t list_changed_ms;        /* the first change that waits for a fetch; on clock_mono_ms */
	bool list_restarted;            /* a cursor was refused once already */
	uint64_t list_id;               /* request under way; 0: none */
	struct loop_timer *list_timer;  /* debounce, or the answer's deadline after the first list */
	struct loop_timer *alive_timer; /* next ping, or its answer's deadline */
	uint64_t ping_id;
	bool heard; /* something came since the timer was set */
};

/* --- session_wire.c --- */
/* params is a raw JSON object, or empty. 0 with e set when nothing was written. */
uint64_t wire_request(struct session *s, const char *method, struct slice params, struct request_handler h,
		      struct error *e);
must_check enum err wire_notify(struct session *s, const char *method, struct slice params, struct error *e);
bool wire_forget(struct session *s, uint64_t id); /* false: no such request */
void session_break(struct session *s, const struct error *why);
/* A JSON-RPC error object in words. */
enum err wire_error_set(struct slice error, struct error *e);

/* --- session_list.c --- */
void list_start(struct session *s);
void list_note_changed(struct session *s);
void list_timer_fired(void *arg);

#endif
