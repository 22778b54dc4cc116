/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the store room: the layout of the mapping and the layers above it.
 *
 *   lock.c    robust mutexes, their order, what happens when an owner died
 *   map.c     the mapping: sizes, creation, handles
 *   pool.c    blocks, taken and given back by the chain
 *   index.c   id to slot, the list by age, free slots, eviction
 *   slot.c    one task's slot: versions, publishing, repair
 *   event.c   events as text; state.c: the transition table
 *   doc.c     the fold state of a task and its document; fold.c: what each event does to it
 *   move.c    the one mover; create.c: new tasks
 *   room.c    blocks for a change, and who makes room for it; cache.c: fold states kept per handle
 *   read.c    documents, events, lists
 *   gate.c, budget.c
 *   lease.c, wake.c, live.c, count.c, check.c
 *
 * Everything in the mapping is reached by offsets; nothing in it is a pointer. Fields marked (lock) are only
 * touched with that lock held; fields that are _Atomic may be read without.
 */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include "base/base.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	BLOCK_BYTES = 1024,
	NONE = UINT32_MAX, /* no slot, no block, no participant */
	DOC_CACHE = 64,    /* fold states kept per handle */
	WORK_KEPT = 64,    /* tasks one look for work brings home */
	KEY_WAYS = 16,     /* keys of requests that may stand in the place of one */
	LENGTH_BYTES = 4,  /* before each event of a chain */
};

/* --- lock.c --- */

/* Order of taking; a thread may only take a lock of a higher rank than those it holds. */
enum lock_rank { LOCK_INDEX = 1, LOCK_SLOT, LOCK_POOL, LOCK_KEYS, LOCK_GATE, LOCK_BUDGETS };

struct lock {
	pthread_mutex_t mutex;
};

/* --- layout of the mapping --- */

/* Who runs a task. Alive only while the participant is alive in that generation. */
struct lease_word {
	_Atomic uint32_t proc; /* NONE: nobody */
	_Atomic uint32_t proc_gen;
	_Atomic uint32_t epoch;
};

/* All of a task that changes, twice in a slot: the one slot->current names is valid, the other is being
 * written. */
struct version {
	_Atomic uint32_t state; /* enum task_state */
	_Atomic uint32_t works; /* 1: a worker must hold its lease: doc_works of the document */
	struct lease_word lease;
	uint64_t last_seq;
	uint64_t events_bytes; /* of the event chain, with length prefixes */
	int64_t updated_ms;
	/* 0: no room was left; it is folded when it is asked for, or in the archive when events are missing
	 */
	uint32_t doc_head, doc_bytes;
	uint64_t first_seq;                /* of the event chain; last_seq + 1 when it is empty */
	uint32_t events_head, events_tail; /* NONE: no events */
	/* Up to here it is durable; without a keeper all of it. While that is less than all, shown is the
	 * document for readers, of shown_seq; NONE: there is none, since nothing is durable yet. */
	_Atomic uint64_t durable_seq;
	_Atomic uint32_t durable_state;
	uint32_t shown_head, shown_bytes, shown_state;
	uint64_t shown_seq;
};

struct slot {
	struct lock lock;
	_Atomic uint32_t used;    /* 1: holds a task; set last, cleared first (index lock and slot lock) */
	_Atomic uint32_t gen;     /* grows when the task is evicted */
	_Atomic uint32_t current; /* which version is valid */
	uint32_t hash_next;       /* (index lock) next in bucket, or next free slot */
	uint32_t newer, older;    /* (index lock) list by id */
	struct id id;             /* (index lock and slot lock) */
	_Atomic uint64_t age;     /* first half of the id as a number: smaller is older */
	int64_t created_ms;
	_Atomic uint64_t watchers; /* bit per participant */
	struct version versions[2];
};

/* State of a block beside its bytes. FREE and on the free list, or USED by a slot; KEPT only while a repair
 * sorts out which ones the slot still reaches. */
enum { BLOCK_FREE, BLOCK_USED, BLOCK_KEPT };
struct block {
	uint32_t next;          /* in its chain, or in the free list */
	_Atomic uint32_t owner; /* slot, when used */
	_Atomic uint32_t used;
};

/* A key of a request (keys.c), under the keys lock; status is written last. */
enum { KEY_FREE, KEY_CLAIMED, KEY_BEGUN, KEY_DONE };
struct key_entry {
	_Atomic uint32_t status;
	uint32_t proc, proc_gen; /* whose claim it is */
	bool saved;              /* durable; without a keeper as much as it can be */
	bool taken;              /* being saved */
	bool awaited;            /* somebody wants to know of its end */
	struct request_key key;
	struct request_place place;
};

/* gate.c: a provider. The limits are written once, before anybody else is there; all else is under its lock.
 */
enum { GATE_SECONDS = 61 }; /* the present one and a whole minute before it */
struct gate_held {
	uint32_t gen, count; /* of the participant in this generation */
};
struct gate_second {
	int64_t second, tokens;
	uint32_t requests;
};
struct gate {
	struct lock lock;
	struct gate_limits limits;
	uint32_t failures;
	int64_t shut_until_ms;          /* 0: closed */
	uint32_t probe_proc, probe_gen; /* NONE: nobody probes */
	int64_t pause_until_ms;
	_Atomic uint64_t waiting; /* bit per participant */
	struct gate_held held[STORE_PROCS_MAX];
	struct gate_second window[GATE_SECONDS];
	uint64_t calls, failed, trips;
	int64_t error_ms;
	uint32_t error_len; /* written after the text */
	char error[GATE_ERROR_MAX];
};

/* budget.c: what a tenant, or all (the first), has charged on its day; under the budgets lock. */
struct budget_entry {
	_Atomic uint32_t used; /* written last */
	char tenant[STORE_TENANT_SIZE];
	bool dirty, taken; /* to be saved; being saved */
	int64_t day;       /* written after the sums when it turns */
	uint64_t change;   /* the last one; 0: none since the start */
	struct budget_sums spent;
};

struct proc {
	_Atomic uint32_t gen;
	_Atomic uint32_t alive;
	_Atomic int32_t pid;
	_Atomic uint32_t flags;  /* WAKE_* not yet taken */
	_Atomic uint32_t hungry; /* 1: asked for work, got none, and was not woken for any since */
	_Atomic uint64_t counters[COUNTER_COUNT];
	/* live ring: words reserved (about to be written), words and entries published */
	_Atomic uint64_t live_reserved, live_published, live_count;
} __attribute__((aligned(64)));

struct map {
	uint64_t magic;
	uint32_t layout;
	uint32_t tasks_max, procs_max, blocks_max, buckets, keys_max, gates_max, budgets_max;
	uint32_t keeper_proc; /* NONE: what is published is shown at once */
	uint64_t bytes;
	uint32_t task_events_max;
	uint64_t task_bytes_max, live_ring_bytes;
	uint32_t reserve_blocks; /* only for moves into terminal states */
	/* offsets from the start of the mapping */
	uint64_t procs_at, dirty_at, works_at, unsaved_at, slots_at, buckets_at, keys_at, gates_at,
		budgets_at, blocks_at, payload_at, live_at;
	/* how often it changed, and enum store_health; the text of every other change is its reason
	 * (health.c)
	 */
	_Atomic uint32_t health;
	_Atomic uint64_t health_why[2][ERROR_MSG_MAX / sizeof(uint64_t)];
	struct lock keys_lock;
	struct budget_caps tenant_caps, service_caps;
	struct lock budgets_lock;
	uint64_t budget_changes;          /* (budgets lock) */
	_Atomic uint64_t budget_saved;    /* of these, so many are durable */
	_Atomic uint64_t budget_waiting;  /* bit per participant */
	_Atomic uint32_t budgets_unsaved; /* 1: there may be some */
	_Atomic uint32_t keys_unsaved;    /* 1: there may be some */
	_Atomic uint64_t work_seq;        /* counts what may have made a task need a worker */
	_Atomic uint64_t work_again; /* of these, the tasks that are not new: they may be older than others */
	_Atomic uint32_t stuck;      /* participant that held a lock for too long; NONE */
	_Atomic uint64_t bytes_backed;  /* the system has given memory for so many */
	_Atomic uint32_t blocks_backed; /* of blocks_max; follows from it */
	struct lock index_lock;
	uint32_t newest, oldest, slot_free; /* (index lock) */
	_Atomic uint32_t slots_used;
	struct lock pool_lock;
	uint32_t block_free;   /* (pool lock) */
	uint32_t blocks_fresh; /* (pool lock) blocks from here on were never taken and are on no list */
	_Atomic uint32_t blocks_used;
};

/* What this participant watches and runs, by slot: the generation tells when the slot went to another task.
 */
struct watch {
	uint32_t gen, count;
	uint32_t leased_gen;
	bool leased;
};

/* A task that wanted a worker when it was looked at. */
struct work_item {
	uint64_t age;
	uint32_t slot;
};

struct doc_entry {
	struct task_ref ref;
	uint64_t last_seq, age;
	size_t bytes; /* of its text, for what it costs to keep */
	struct task_doc *doc;
};

/* A participant's handle; used by one thread. */
struct store {
	struct map *map;
	uint32_t proc;       /* NONE: the creator, who takes part in nothing */
	const int *wake_fds; /* by participant; owned by the creator's handle */
	int *wake_fds_owned;
	struct watch *watches;  /* by slot */
	struct task_ref *stale; /* tasks whose slot went to another before we could be told of their end */
	size_t stale_count, stale_cap;
	void (*wake_self)(void *arg); /* NULL: by the descriptor */
	void *wake_self_arg;
	bool woken_self;    /* since wake_take, and the descriptor was not written for it */
	uint64_t work_seen; /* map->work_seq when there was no work for us */
	/* The oldest that wanted a worker, youngest first, as of map->work_again; more: they were not all. */
	struct work_item work[WORK_KEPT];
	uint32_t work_count;
	bool work_more;
	uint64_t work_again;
	uint64_t live_seen[STORE_PROCS_MAX], live_seen_count[STORE_PROCS_MAX];
	struct doc_entry cache[DOC_CACHE];
	uint64_t cache_clock;
	size_t cache_bytes;
	struct buf scratch_doc, scratch_events, scratch_live;
	uint32_t index_hint;               /* where the last task was listed; NONE */
	uint32_t unsaved_at;               /* keeper: where to go on looking */
	struct event_cursor *unsaved_from; /* keeper, by slot: behind what was taken */
	int fd;                            /* of the creator, until all of the mapping is backed; -1 */
	uint32_t blocks_mapped;            /* up to here our pages of the blocks' bytes are mapped */
};

static inline void *map_at(const struct store *s, uint64_t offset)
{
	return (char *)s->map + offset;
}
static inline struct slot *slot_at(const struct store *s, uint32_t i)
{
	return (struct slot *)map_at(s, s->map->slots_at) + i;
}
static inline struct block *block_at(const struct store *s, uint32_t i)
{
	return (struct block *)map_at(s, s->map->blocks_at) + i;
}
static inline char *block_bytes(const struct store *s, uint32_t i)
{
	return (char *)map_at(s, s->map->payload_at) + (size_t)i * BLOCK_BYTES;
}
static inline struct proc *proc_at(const struct store *s, uint32_t i)
{
	return (struct proc *)map_at(s, s->map->procs_at) + i;
}
static inline struct version *slot_version(struct slot *t)
{
	return &t->versions[atomic_load(&t->current) & 1];
}

void lock_init(struct lock *l);
/* rank is checked against what this thread holds. repair is called, with the lock held, when the owner before
 * us died; it must put right what the lock protects, and bear being repeated when we die over it. Waits at
 * most 10 seconds, then this process ends: somebody is stopped inside a critical section, whom the master
 * learns from store_stuck_take. */
void lock_take(struct store *s, struct lock *l, enum lock_rank rank,
	       void (*repair)(struct store *s, void *arg), void *arg);
void lock_give(struct lock *l, enum lock_rank rank);
void lock_wait_limit_set(int64_t ms); /* tests */
/* Was the lock held by somebody who died? Waits a second at most. Boot only. */
bool lock_owner_died(struct lock *l);

/* Names a place where tests kill the process (flavour "kill" only). */
#ifdef STORE_KILL_POINTS
void kill_point(const char *name);
/* The process kills itself the count-th time it comes to the place. */
void kill_point_arm(const char *name, int count);
void kill_point_signal(int signo); /* instead of SIGKILL */
#define KILL_POINT(name) kill_point(name)
#else
#define KILL_POINT(name) ((void)0)
#endif

/* --- pool.c: under the pool lock --- */

/* A chain of n blocks for `slot`, or NONE when not `leave` blocks would be left behind it. */
uint32_t pool_take(struct store *s, uint32_t slot, uint32_t n, uint32_t leave);
uint32_t pool_unused(const struct store *s); /* a glance, without the lock */
/* Gives back n blocks of the chain at `head` (the last one's next is not looked at). */
void pool_give(struct store *s, uint32_t head, uint32_t n);
/* After a death: frees the blocks of `slot` that are in none of the chains. */
struct chain {
	uint32_t head, blocks;
};
enum { SLOT_CHAINS = 3 };
void pool_reclaim(struct store *s, uint32_t slot, const struct chain chains[SLOT_CHAINS]);
void pool_format(struct map *m);
static inline uint32_t blocks_for(uint64_t bytes)
{
	return (uint32_t)((bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
}

/* --- slot.c --- */

/* Takes the slot's lock if it still holds this task; false (nothing held) when not. */
bool slot_take(struct store *s, struct task_ref ref);
void slot_take_any(struct store *s, uint32_t i); /* whatever it holds */
void slot_give(struct store *s, uint32_t i);
/* The version being written, begun as a copy of the valid one; slot_publish makes it valid in one store. */
struct version *slot_begin(struct slot *t);
void slot_publish(struct slot *t);
/* Copies bytes into the chain that starts `offset` bytes into block `head`; reads likewise. */
void chain_write(struct store *s, uint32_t head, size_t offset, const void *p, size_t n);
bool chain_read(const struct store *s, uint32_t *block, uint32_t *offset, void *p, size_t n);
/* All blocks of a version. */
void version_chains(const struct version *v, struct chain out[SLOT_CHAINS]);
bool lease_alive(const struct store *s, const struct lease_word *l);
void lease_clear(struct lease_word *l);

/* --- index.c: under the index lock --- */
void index_take(struct store *s);
void index_give(struct store *s);
uint32_t index_find(struct store *s, const struct id *id); /* NONE */
void index_add(struct store *s, uint32_t slot);
uint32_t index_slot_free(struct store *s); /* takes one off the free list; NONE */
void index_slot_put(struct store *s, uint32_t slot);
/* Takes out the first finished task from slot *at (map->oldest to begin with) towards newer ones, and moves
 * *at behind it; false when there is none. Takes and gives the slot lock itself. */
bool index_evict(struct store *s, uint32_t *at);
/* Over, and durable. */
bool index_done_with(const struct version *v);
/* Takes such a task in slot i out of the table, and gives the slot's lock. */
void index_evict_slot(struct store *s, uint32_t i);
/* Blocks that index_evict could free; stops counting at `enough`. *slots: how many tasks that would be. */
uint64_t index_evictable(struct store *s, uint64_t enough, uint32_t *slots);
void index_format(struct map *m);

/* --- create.c --- */
/* Makes the filled slot i a task: publishes, marks, lists. Under the index lock and the slot's. */
struct task_ref slot_use(struct store *s, uint32_t i, const struct id *id, int64_t created_ms, bool works);

/* --- room.c --- */
/* Under the index lock: makes room for `blocks` beyond the reserve, and for a task when `slot`, by evicting
 * finished tasks. false, and nothing is evicted, when that would not do. */
bool room_make(struct store *s, uint32_t blocks, bool slot);
uint32_t room_needed(size_t doc_bytes, size_t events_bytes);
/* Under the slot lock: puts the document into fresh blocks and the events behind the ones there are. What is
 * written beyond the published lengths is invisible until the version is published. false, with nothing
 * taken, when there is no room. A change that ends the task may use the reserve; with `bare` it does without
 * a document when there is no room for one. */
struct filling {
	struct slice doc, events;
	bool terminal, bare;
};
bool room_fill(struct store *s, uint32_t slot, struct version *v, const struct filling *f);
/* One record of the event chain into scratch_events: its length, then the bytes as they are sent. false when
 * data is no object. */
bool event_put(struct store *s, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data);
void scratch_trim(struct store *s); /* gives back what one large task needed */

/* --- event.c --- */
bool event_format_live(struct buf *out, enum event_type type, struct slice data);
/* What is between the braces of an object on one line; false when it is none. Empty data has no members. */
bool event_members(struct slice data, struct slice *members);

/* --- doc.c, fold.c --- */
struct task_doc;
struct task_doc *doc_new(void);
struct task_doc *doc_parse(struct slice text, struct error *e); /* NULL on error */
void doc_free(struct task_doc *d);
/* data: the event's JSON object text (with or without seq and at). */
enum err doc_apply(struct task_doc *d, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data,
		   struct error *e);
void doc_render(struct task_doc *d, struct buf *out);
enum task_state doc_state(const struct task_doc *d);
/* Applies all events of `sse`; *seq is the last one applied before. */
enum err doc_fold(struct task_doc *d, struct slice sse, uint64_t *seq, struct error *e);

/* --- cache.c --- */
bool cache_has(struct store *s, struct task_ref ref, uint64_t last_seq);
struct task_doc *cache_take(struct store *s, struct task_ref ref, uint64_t last_seq); /* NULL */
/* Takes doc, whose text has so many bytes. */
void cache_put(struct store *s, struct task_ref ref, uint64_t last_seq, struct task_doc *doc, size_t bytes);
void cache_release(struct store *s);

/* --- read.c --- */
/* Under the slot lock: appends the newest document if it fits into what *out has room for. */
bool doc_read(const struct store *s, const struct version *v, struct buf *out);
/* Under the slot lock. What one taking of it came to: DONE; ON, c has come nearer to its place: again; STUCK:
 * the next event alone is larger than the room, *need says how large. GONE: it is before first_seq. */
enum copy_end { COPY_DONE, COPY_ON, COPY_STUCK, COPY_GONE };
enum copy_end events_read(struct store *s, struct task_ref ref, const struct version *v,
			  struct event_cursor *c, struct event_cursor *at, size_t end, struct buf *out,
			  size_t *need);

/* --- health.c --- */
/* As store_accepts, for a task that there is not yet. */
must_check enum err store_accepts_task(const struct store *s, struct error *e);

/* --- unsaved.c --- */
static inline bool keeper_is(const struct store *s)
{
	return s->map->keeper_proc != NONE;
}
/* Under the slot lock, before v follows old: what of it is durable and what is shown. true: old's document
 * stays in use. */
bool durable_carry(const struct store *s, const struct version *old, struct version *v);
/* Before a change is published, under the slot lock; unsaved_tell after it. Nothing without a keeper. */
void unsaved_mark(struct store *s, uint32_t slot);
void unsaved_tell(struct store *s);

/* --- lease.c --- */
/* Under the slot lock. Set before a state that works is published, cleared after one that does not. */
void work_mark(struct store *s, uint32_t slot, bool works);

/* --- keys.c --- */
/* A keeper that takes over: what its predecessor was saving is not saved. */
void keys_mark_all(struct store *s);

/* --- gate.c --- */
void gate_format(struct gate *g, const struct gate_limits *limits);
must_check enum err gates_check(struct store *s, struct error *e);

/* --- budget.c --- */
void budgets_format(struct map *m);
must_check enum err budgets_check(struct store *s, struct error *e);
/* A keeper that takes over: what its predecessor was saving is not saved. */
void budgets_mark_all(struct store *s);

/* --- wake.c --- */
/* Under the slot lock, before the change is published: marks the task for `also` (NONE: nobody) and, if so
 * asked, for its watchers, and returns who they are. wake_marked, after the lock, wakes them. Whoever dies in
 * between leaves the marks, and the news of its death makes the others look at them. */
uint64_t wake_mark(struct store *s, uint32_t slot, bool watchers, uint32_t also);
void wake_marked(struct store *s, uint64_t procs);
void wake_proc(struct store *s, uint32_t proc, uint32_t flags);
void wake_all(struct store *s, uint32_t flags); /* but this participant */
/* There is a task without worker: wakes this participant if it waits for work, else all others that do. */
void work_offer(struct store *s);
void work_again(struct store *s); /* before it: the task is not a new one, or nobody knows which it is */
void work_pass(struct store *s);  /* there is more than this participant took: wakes the others that wait */
void stale_add(struct store *s, struct task_ref ref);

#endif
