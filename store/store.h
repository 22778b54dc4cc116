/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared, lock-protected task table: one memfd mapping that every process of the service sees at the same
 * address.
 *
 * A task is its events. task_move() is the only function that changes one: it checks the transition table,
 * the lease and the expected sequence number, folds the events into the task document, publishes document and
 * events together, and wakes whoever watches. A death at any instant leaves either the old or the new
 * version.
 *
 * Nothing here blocks, except on short robust locks held by other processes for bounded memory work; nothing
 * here knows of HTTP, models, tools or the event loop. A struct store is one participant's handle on the
 * mapping; it is used by one thread. References (struct task_ref) are plain values: they go stale (ERR_GONE)
 * when the task is evicted.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/base.h"

enum task_state {
#define STATE(name, text, terminal, works) TASK_##name,
#define NEXT(from, to)
#include "store/task_state.def"
#undef STATE
#undef NEXT
	TASK_STATE_COUNT,
	TASK_SAME = TASK_STATE_COUNT /* in a change: leave the state as it is */
};
const char *task_state_text(enum task_state s);
bool task_state_parse(const char *text, enum task_state *out);
bool task_state_terminal(enum task_state s);
bool task_state_works(enum task_state s);
bool task_state_may_follow(enum task_state from, enum task_state to);

enum event_type {
#define EVENT(name, wire, live) EVENT_##name,
#include "store/event.def"
#undef EVENT
	EVENT_COUNT
};
const char *event_type_text(enum event_type t);
bool event_type_parse(struct slice text, enum event_type *out);
bool event_type_live(enum event_type t);

/* --- the mapping: made by the master before any fork, never unmapped while the service lives --- */

enum { STORE_PROCS_MAX = 64 };

/* --- what all participants together may do with one model provider: see "gates" below --- */
enum { STORE_GATES_MAX = 32, GATE_ERROR_MAX = 512 };
struct gate_limits {
	uint32_t concurrency_max;    /* calls at once; 0: no limit, here and below */
	int64_t requests_per_minute; /* begun within any minute */
	int64_t tokens_per_minute;
	uint32_t breaker_failures; /* in a row, then the breaker trips; 0: it never does */
	int64_t breaker_ms;        /* stays open so long, then one probe is let through */
};

/* --- what a day may cost: see "budgets" below --- */
enum { STORE_TENANT_SIZE = 65 }; /* with its NUL */
struct budget_caps {             /* 0: no limit */
	int64_t input_tokens, output_tokens, total_tokens, cost_nano, model_calls, tool_calls;
};

struct store_options {
	size_t bytes;             /* size of the whole mapping */
	uint32_t tasks_max;       /* slots */
	uint32_t procs_max;       /* participants, <= STORE_PROCS_MAX */
	uint32_t task_events_max; /* events one task may have; its terminal move is always allowed */
	size_t task_bytes_max;    /* bytes of events one task may keep; likewise */
	size_t live_ring_bytes;   /* per participant, power of two, 1024 or more */
	size_t bytes_at_start;    /* of `bytes`, taken by store_create; the rest by store_grow. 0: all */
	bool keeper;              /* the last participant (procs_max - 1) writes changes to a database; false:
				     nobody does, and what is published is shown at once */
	uint32_t requests_max;    /* keys of requests remembered in the mapping */
	const struct gate_limits *gates; /* gates_count of them, <= STORE_GATES_MAX */
	uint32_t gates_count;
	/* Of a day (UTC): of each tenant, of all together. Nothing is counted when budgets_max is 0. */
	struct budget_caps tenant_caps, service_caps;
	uint32_t budgets_max; /* tenants of one day */
};

struct store;

/* memfd_create, posix_fallocate, seals, mmap, layout; eventfds for every participant. ERR_CONFIG when `bytes`
 * is too small for the rest (the message says the least that works), ERR_NO_SPACE when the system has no
 * memory. The result belongs to no participant yet. */
must_check enum err store_create(const struct store_options *o, struct store **out, struct error *e);
/* Takes up to `step` further bytes from the system, so that a large table need not hold up the start (a MiB
 * costs about 0.2 ms). true in *whole: there is nothing left to take. Creator only; the others use what is
 * there as it comes. ERR_NO_SPACE, ERR_MEMORY as store_create. */
must_check enum err store_grow(struct store *created, size_t step, bool *whole, struct error *e);
bool store_whole(const struct store *s); /* nothing is left to take; any participant */
/* Forks a child that dies holding a robust lock of the mapping and checks that the parent gets EOWNERDEAD. */
must_check enum err store_prove_locks(struct store *s, struct error *e);
/* A participant's own handle: call in the child after fork (or in a thread of a test). proc < procs_max. */
struct store *store_attach(struct store *created, uint32_t proc);
void store_detach(struct store *s);        /* frees the handle only */
void store_destroy(struct store *created); /* unmaps and closes: tests, and the master at its very end */

/* Master only; lock-free, touches no task. started: a new process holds slot `proc` (its generation grows).
 * died: its leases are void from now on; all other participants are woken to take its tasks over. */
void store_proc_started(struct store *s, uint32_t proc, int pid);
void store_proc_died(struct store *s, uint32_t proc);
/* Whoever cannot get a lock in time says who holds it and ends. When a participant has died, the master asks
 * here: pid and *proc of one that is stopped inside a critical section and must be killed, so that its lock
 * becomes free; 0: none. Tells each once. */
int store_stuck_take(struct store *s, uint32_t *proc);

/* --- what is durable ---
 *
 * With a keeper the table is its own journal: the mover publishes a change, marks the task as unsaved and
 * wakes the keeper, which copies what is new of all unsaved tasks, commits it in one transaction and then
 * makes it visible (store_db.h). What is not durable yet is seen by those who change a task, never by those
 * who read it. */

enum store_health {
	STORE_STARTING, /* the keeper has not restored the tasks yet */
	STORE_WORKS,
	STORE_FULL, /* store.max_bytes is nearly reached by unfinished tasks: no new one is taken, these go
		       on */
	STORE_NO_SPACE, /* the disk, or store.max_bytes, is full: nothing new is taken until there is room */
	STORE_AWAY,     /* the keeper died and no other can open the database; it is tried again and again */
	STORE_BROKEN,   /* a write or sync failed: nothing becomes durable any more in this boot */
};
/* Any participant; why (may be NULL) gets a text for people, "" when it works. */
enum store_health store_health(const struct store *s, char why[ERROR_MSG_MAX]);
/* ERR_NONE, or ERR_NO_SPACE / ERR_UNAVAILABLE with the reason: whether something new may be begun. */
must_check enum err store_accepts(const struct store *s, struct error *e);
bool store_has_keeper(const struct store *s);

/* --- tasks --- */

struct task_ref {
	uint32_t slot;
	uint32_t gen;
};

struct task_head {
	struct id id;
	enum task_state state;
	uint64_t last_seq;    /* also the version of the document: every change is an event */
	uint64_t first_seq;   /* oldest event kept in the table, last_seq + 1 when none is; older ones are in
				 the   archive */
	uint64_t durable_seq; /* up to here it is durable; last_seq without a keeper */
	enum task_state durable_state; /* as of durable_seq */
	int64_t created_ms;
	int64_t updated_ms;
	bool leased; /* by a living process */
	uint32_t lease_proc;
	uint32_t lease_epoch;
};

/* New task in state QUEUED with its first event task.created. `created` is the JSON object of that event
 * (members as listed in event.def, without seq and at); id must be the one named in it. Evicts the oldest
 * finished tasks when there is no room, none in vain; ERR_FULL when that does not help; ERR_TOO_LARGE
 * when the task alone is larger than one may be; ERR_CONFLICT when there is a task with this id. No lease is
 * taken. Wakes participants that look for work: this one if it does, else all others that do. */
must_check enum err task_create(struct store *s, const struct id *id, struct slice created,
				struct task_ref *out, struct error *e);
bool task_find(struct store *s, const struct id *id, struct task_ref *out);
/* ERR_GONE when the task is no longer in the table. state and last_seq are the newest, durable or not. */
must_check enum err task_head_get(struct store *s, struct task_ref ref, struct task_head *out);
/* Appends the durable document (compact JSON, no newline) to *out; head may be NULL: its state and last_seq
 * are those of this document. ERR_GONE (also while nothing of the task is durable yet), ERR_MEMORY. A copy,
 * but for a task that ended when no memory was left for its document: then it is folded from the events, or,
 * when older ones are not in the table, ERR_GONE: the archive has it. */
must_check enum err task_doc_copy(struct store *s, struct task_ref ref, struct buf *out,
				  struct task_head *head);
/* The same of the newest document, durable or not: for who changes the task, or shows it when head->last_seq
 * has become durable. */
must_check enum err task_doc_copy_newest(struct store *s, struct task_ref ref, struct buf *out,
					 struct task_head *head);

struct task_query {
	uint32_t states;         /* bit (1 << state); 0 means all */
	const struct id *before; /* only tasks older than this id; NULL: from the newest */
	size_t limit;
};
/* Newest first by id, by durable state; returns how many refs were written to out[limit]. */
size_t task_list(struct store *s, const struct task_query *q, struct task_ref *out);

/* Takes a finished, durable task out of the table; ERR_NONE also when it is not there, ERR_CONFLICT when it
 * is unfinished or not durable yet. */
must_check enum err task_forget(struct store *s, const struct id *id, struct error *e);

/* --- leases: who runs a task --- */

struct lease {
	struct task_ref ref;
	uint32_t epoch; /* grows with every taking; a stale one is refused by task_move */
};

/* Takes a task whose state works, or that waits for a person in the middle of a call (pending.live), and that
 * no living process holds. ERR_CONFLICT when held or not in such a
 * state, or when the master has not called store_proc_started for us yet. */
must_check enum err lease_take(struct store *s, struct task_ref ref, struct lease *out, struct error *e);
/* The same for any task that needs a worker, oldest first; false when there is none, and then WAKE_WORK tells
 * of the next one. Cheap when nothing is unleased. When there are more, others that wait for work are woken.
 */
bool lease_next(struct store *s, struct lease *out);
/* This participant takes no work now: what was or will be offered to it goes to others, until it asks again
 * with lease_next. */
void lease_decline(struct store *s);
/* No effect when it is no longer ours. If the task still needs a worker, others are woken. */
void lease_release(struct store *s, const struct lease *l);

/* --- the one mover --- */

struct task_event {
	enum event_type type; /* not live, not TASK_CREATED, not TASK_STATE */
	struct slice data;    /* JSON object text; the store puts "seq" and "at" before its members */
};

struct task_change {
	const struct task_event *events; /* appended in order, before the task.state event */
	size_t events_count;
	enum task_state to; /* TASK_SAME, or the new state: then a task.state event closes the change */
	struct slice
		state_data; /* further members of that event as a JSON object ("" for none): reason, error */
	const struct lease
		*lease; /* the run's own changes name their lease; NULL: a person's (approve, cancel, ...) */
	uint64_t if_last_seq; /* 0, or refuse (ERR_CONFLICT) unless this is still the last event */
};

/* All or nothing. ERR_CONFLICT: transition not allowed from the present state (the message names both), state
 * is terminal, if_last_seq differs, or the lease is no longer held. ERR_FULL: a limit (the message names it,
 * its value, its option). ERR_GONE: evicted. ERR_JSON: data is not an object. On success *last_seq (may be
 * NULL) is the last event's number; a change after which the task needs no worker releases the lease. A move
 * into a terminal state whose events fit into the reserve never fails for want of room. A change without
 * events to TASK_SAME only checks. ERR_JSON is complete for events that the document is folded from; of the
 * others only the form (an object on one line) is looked at. */
must_check enum err task_move(struct store *s, struct task_ref ref, const struct task_change *c,
			      uint64_t *last_seq, struct error *e);

/* --- reading events --- */

/* A reader's place in one task's events. Plain value; only next_seq is public. */
struct event_cursor {
	uint64_t next_seq;
	bool newest;                 /* also events that are not durable yet */
	uint32_t block, offset, gen; /* where it was found last time; the store checks them */
	uint64_t position;
};
void event_cursor_init(struct event_cursor *c, uint64_t after_seq);
void event_cursor_init_newest(struct event_cursor *c, uint64_t after_seq);
/* Appends whole events as ready-made SSE bytes ("id: 5\nevent: step.started\ndata: {...}\n\n") until
 * bytes_max would be exceeded (at least one event if there is any), and moves the cursor. ERR_GONE when the
 * task, or the events asked for, are not in the table (any more): with a keeper the archive has them. head
 * may be NULL; it is of the same instant. */
must_check enum err task_events_copy(struct store *s, struct task_ref ref, struct event_cursor *c,
				     size_t bytes_max, struct buf *out, struct task_head *head);

struct event_view {
	uint64_t seq;
	enum event_type type;
	struct slice data; /* the JSON object, borrowed from the bytes read */
};
/* Splits bytes made by task_events_copy. false at the end. */
bool event_next(struct slice *rest, struct event_view *out);
struct slice events_after(struct slice sse, uint64_t seq); /* what of it is behind event `seq` */
/* Appends one event as SSE bytes. data: JSON object text without "seq" and "at", or empty. false when it is
 * not an object of one line. */
bool event_format(struct buf *out, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data);

/* --- live events: best effort, never kept --- */

/* Puts one live event where the other participants that watch the task find it. Silently dropped when nobody
 * watches or when it is larger than a quarter of the ring. */
void live_publish(struct store *s, const struct lease *l, enum event_type type, struct slice data);
struct live_view {
	struct task_ref ref;
	uint64_t after_seq; /* last event of the task when it was published */
	struct slice sse;   /* "event: model.delta\ndata: {...}\n\n" */
};
/* Gives every live event published since the last call (own ones too) for tasks watched by this participant.
 * Returns how many were overwritten before they could be read. */
uint64_t live_drain(struct store *s, void (*fn)(const struct live_view *v, void *arg), void *arg);

/* --- waking --- */

/* A participant that watches a task is woken when more of it has become durable. Counted: as many unwatch as
 * watch calls. A worker that holds the lease is always woken, at once, when somebody else changes its task.
 */
must_check enum err task_watch(struct store *s, struct task_ref ref);
void task_unwatch(struct store *s, struct task_ref ref);

/* Becomes readable when there is something to do; owned by the store. */
int store_wake_fd(struct store *s);
/* What this participant wakes itself for is told by fn instead of the descriptor: it sees to it that
 * wake_take is called soon, but calls nothing of the store itself. */
void store_wake_self_set(struct store *s, void (*fn)(void *arg), void *arg);
enum {
	WAKE_TASKS = 1,
	WAKE_WORK = 2,
	WAKE_LIVE = 4,
	WAKE_PEER_DIED = 8,
	WAKE_UNSAVED = 16,  /* keeper: there are changes to commit */
	WAKE_HEALTH = 32,   /* store_health is another */
	WAKE_REQUESTS = 64, /* a request that was in progress is settled */
	WAKE_GATES = 128,   /* a gate that said "wait" or "shut" without a time may say otherwise now */
};
/* Clears the descriptor and returns what happened since the last call. on_task is called for every task that
 * changed (by anybody, this participant too) and is watched or leased by this participant. */
unsigned wake_take(struct store *s, void (*on_task)(struct task_ref ref, void *arg), void *arg);

/* --- requests that must not take effect twice (Idempotency-Key) ---
 *
 * A key is claimed before its request is carried out. The change it makes names the request's digest in one
 * of its events ("request": hex of key), and the claim names the task and the event after which to look: so
 * that whoever meets the key again, after whatever death, finds out from the task's events whether it took
 * effect. */

enum { REQUEST_DIGEST = 16, REQUEST_HEX_SIZE = 2 * REQUEST_DIGEST + 1 };

struct request_key {
	uint8_t key[REQUEST_DIGEST];  /* of method, path and Idempotency-Key */
	uint8_t body[REQUEST_DIGEST]; /* of the body */
};
enum request_status {
	REQUEST_NEW,   /* claimed by us: look into the archive, then request_key_begin or request_key_drop */
	REQUEST_BUSY,  /* claimed by a living participant; WAKE_REQUESTS tells when to ask again */
	REQUEST_BEGUN, /* look at *place; if it took no effect there, request_key_reclaim and carry it out */
	REQUEST_OTHER, /* the key was used with another body */
};
struct request_place {
	struct id task;
	uint64_t after_seq; /* its event, if there is one, has a higher number */
	int64_t at_ms;
};
/* ERR_FULL when all keys in the table are in use and none is durable yet (the message names
 * store.idempotency_keys). */
must_check enum err request_key_claim(struct store *s, const struct request_key *k,
				      enum request_status *status, struct request_place *place,
				      struct error *e);
/* Before the change is made: where it will be found. Ours only. */
void request_key_begin(struct store *s, const struct request_key *k, const struct request_place *place);
/* The change was made, or the archive knows of it (saved: it is durable there). Others are woken. */
void request_key_settle(struct store *s, const struct request_key *k, const struct request_place *place,
			bool saved);
/* It took no effect. Others are woken. */
void request_key_drop(struct store *s, const struct request_key *k);
/* Of a BEGUN one that was found without effect at `place`; false: somebody else was quicker, claim again. */
must_check bool request_key_reclaim(struct store *s, const struct request_key *k,
				    const struct request_place *place);
void request_key_hex(const struct request_key *k, char out[REQUEST_HEX_SIZE]);

/* --- gates: breaker, concurrency and rate of a model provider, over all participants ---
 *
 * Before each attempt of a call its gate is asked; afterwards it is told how that ended. What a participant
 * holds when it dies is free again. Times are those of clock_mono_ms, which all processes share. */

enum gate_answer {
	GATE_PASS, /* go on, and report */
	GATE_WAIT, /* a limit is reached: ask again after *wait_ms */
	GATE_SHUT, /* the breaker is open, or half open and probed by another: likewise */
};
struct gate_pass {
	uint32_t gate, proc, proc_gen;
	bool probe; /* the one call that decides what becomes of the breaker */
	int64_t tokens, second;
};
/* tokens: what the attempt may use. *wait_ms -1: WAKE_GATES or WAKE_PEER_DIED tells. */
enum gate_answer gate_acquire(struct store *s, uint32_t gate, int64_t tokens, int64_t now_ms,
			      struct gate_pass *pass, int64_t *wait_ms);

enum gate_outcome {
	GATE_WORKED,
	GATE_FAILED,  /* counts for the breaker */
	GATE_NEITHER, /* given up by the caller, or put off by the provider: says nothing of its health */
};
struct gate_end {
	enum gate_outcome outcome;
	int64_t tokens;   /* used */
	int64_t pause_ms; /* the provider asked for so much quiet; 0: it did not */
	const char *why;  /* what went wrong, for people; NULL: nothing */
	int64_t wall_ms;  /* when */
};
/* Exactly once for each pass. Wakes those who wait. */
void gate_report(struct store *s, const struct gate_pass *p, const struct gate_end *end, int64_t now_ms);

enum gate_state { GATE_CLOSED, GATE_TRIPPED, GATE_HALF_OPEN };
struct gate_view {
	enum gate_state state;
	struct gate_limits limits;
	uint32_t failures; /* in a row */
	uint32_t in_flight;
	int64_t shut_ms, pause_ms; /* left */
	int64_t requests, tokens;  /* of the last minute */
	uint64_t calls, failed, trips;
	char error[GATE_ERROR_MAX]; /* the last one; "" */
	int64_t error_ms;           /* wall clock */
};
void gate_view_get(struct store *s, uint32_t gate, int64_t now_ms, struct gate_view *out);
uint32_t store_gates(const struct store *s);

/* --- budgets of a day, per tenant and for the whole service ---
 *
 * The worst that a call may cost is charged before it is made, and what was not used is given back
 * afterwards. Whoever dies in between leaves it charged. Times are the wall clock's; a day ends at midnight
 * UTC. */

struct budget_sums {
	int64_t input_tokens, output_tokens, cost_nano, model_calls, tool_calls;
};
enum budget_limit {
	BUDGET_NONE,
	BUDGET_INPUT_TOKENS,
	BUDGET_OUTPUT_TOKENS,
	BUDGET_TOTAL_TOKENS,
	BUDGET_COST,
	BUDGET_MODEL_CALLS,
	BUDGET_TOOL_CALLS,
	BUDGET_WALL_SECONDS, /* of tasks only */
};
const char *budget_limit_text(enum budget_limit l); /* "input_tokens" ... */
/* The first limit that `more` on top of `spent` would pass; *used and *cap say how it stands. Pure. */
enum budget_limit budget_over(const struct budget_sums *spent, const struct budget_sums *more,
			      const struct budget_caps *caps, int64_t *used, int64_t *cap);
int64_t budget_day(int64_t wall_ms); /* since 1970 */

struct budget_hold {
	uint32_t entry;
	int64_t day;
	struct budget_sums worst;
	uint64_t change;
};
struct budget_refusal {
	enum budget_limit
		limit; /* BUDGET_NONE: the table has no room for one more tenant (budgets.tenants_max) */
	bool of_service;
	int64_t used, cap;
};
bool store_has_budgets(const struct store *s);
/* tenant: not empty, shorter than STORE_TENANT_SIZE. ERR_FULL with *why. */
must_check enum err budget_reserve(struct store *s, const char *tenant, const struct budget_sums *worst,
				   int64_t wall_ms, struct budget_hold *hold, struct budget_refusal *why);
/* At most once for each hold. */
void budget_settle(struct store *s, const char *tenant, const struct budget_hold *hold,
		   const struct budget_sums *used);
/* No power cut can undo the charge of hold->change; when not, WAKE_GATES tells. */
bool budget_is_saved(struct store *s, uint64_t change);
/* What was charged on that day; "" is the whole service. false: nothing is known of it. */
bool budget_get(struct store *s, const char *tenant, int64_t wall_ms, struct budget_sums *out);
/* The i-th place of those that are counted, 0 is the whole service. false: there are not so many. */
struct budget_view {
	char tenant[STORE_TENANT_SIZE]; /* "": the service, or nobody has this place today */
	struct budget_sums charged;
};
bool budget_view_get(struct store *s, uint32_t i, int64_t wall_ms, struct budget_view *out);
void store_budget_caps(const struct store *s, struct budget_caps *tenant, struct budget_caps *service);

/* --- figures --- */

enum counter {
#define COUNTER(name, text, help) COUNTER_##name,
#include "store/counter.def"
#undef COUNTER
	COUNTER_COUNT
};
void store_count(struct store *s, enum counter c, uint64_t n); /* own cell, relaxed */
uint64_t store_counter(struct store *s, enum counter c);       /* sum over participants */

struct store_usage {
	size_t bytes;
	uint32_t slots, slots_used, slots_unfinished;
	uint32_t blocks, blocks_used;
};
void store_usage_get(struct store *s, struct store_usage *out);

/* Checks every invariant of the mapping: chains disjoint and complete, counts, lists sorted, index complete,
 * documents equal the fold of their events. For tests and `verify`; takes locks slot by slot. ERR_INTERNAL
 * with what is wrong. */
must_check enum err store_check(struct store *s, struct error *e);

/* Fold by itself: the document after all events of `sse` (as read by task_events_copy from the first).
 * task_fold_on: after those that follow the ones `from` is the fold of. ERR_INTERNAL when they do not follow.
 */
must_check enum err task_fold(struct slice sse, struct buf *doc, struct error *e);
must_check enum err task_fold_on(struct slice from, struct slice sse, struct buf *doc, struct error *e);

#endif
