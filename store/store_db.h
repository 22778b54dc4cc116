/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's side of the store: the database that makes tasks durable, and the keeper that moves changes
 * from the table into it. Only the keeper process (and the command line when no server runs) opens a
 * database; there is one connection to it. Everything here may block on the disk.
 */
#ifndef STORE_STORE_DB_H
#define STORE_STORE_DB_H

#include "base/base.h"
#include "store/store.h"

/* --- what a keeper copies from the table, and gives back to it --- */

/* What is new of one task, as of one instant. Slices are borrowed for the callback. */
struct task_unsaved {
	struct task_ref ref;
	struct id id;
	enum task_state state; /* as of last_seq */
	uint64_t after_seq, last_seq;
	int64_t created_ms, updated_ms;
	struct slice events; /* SSE bytes of after_seq + 1 ... last_seq */
	struct slice doc;    /* as of last_seq; empty when the task ended without room for it: fold it */
};
/* Calls fn for tasks with changes that are not durable, until tasks_max were given or bytes_max is exceeded;
 * returns how many. Each is then no longer marked as unsaved: commit it and call unsaved_done, or
 * unsaved_again. Keeper only. */
size_t unsaved_take(struct store *s, size_t tasks_max, size_t bytes_max,
		    void (*fn)(const struct task_unsaved *t, void *arg), void *arg);
/* Committed: it is visible from now on, and whoever watches the task is woken. doc: as it was taken; kept for
 * readers when the task has changed meanwhile. */
void unsaved_done(struct store *s, struct task_ref ref, uint64_t last_seq, enum task_state state,
		  struct slice doc);
void unsaved_again(struct store *s, struct task_ref ref);
/* A keeper that takes over from a dead one: marks whatever is not durable. Keys of requests too. */
void unsaved_mark_all(struct store *s);

struct request_unsaved {
	struct request_key key;
	struct request_place place;
};
/* As unsaved_take, of requests; after the tasks of the same transaction, so that no event is durable without
 * the key it was made under. Returns how many. */
size_t requests_take(struct store *s, size_t max, struct request_unsaved *out);
void requests_done(struct store *s, const struct request_unsaved *r, size_t n);
void requests_again(struct store *s, const struct request_unsaved *r, size_t n);

/* What a tenant ("": all) had charged on a day. */
struct budget_saved {
	int64_t day;
	char tenant[STORE_TENANT_SIZE];
	struct budget_sums spent;
};
size_t store_budgets(const struct store *s); /* as many as there may be */
/* All that changed; out has room for store_budgets. Then budgets_done with *change, or budgets_again. */
size_t budgets_take(struct store *s, struct budget_saved *out, uint64_t *change);
void budgets_done(struct store *s, uint64_t change);
void budgets_again(struct store *s);
/* Of the present day, at the start; nothing when the table knows more already. */
void budget_restore(struct store *s, const struct budget_saved *b);

/* A task as the database has it. Slices are borrowed. */
struct task_saved {
	struct id id;
	enum task_state state;
	uint64_t last_seq;
	int64_t created_ms, updated_ms;
	struct slice doc; /* as of last_seq */
};
/* Puts it into the table, without its events (first_seq is last_seq + 1). ERR_CONFLICT when it is there
 * already; ERR_FULL when there is no room; an unfinished one evicts finished ones for it, a finished one
 * nobody. Wakes whoever looks for work. */
must_check enum err task_restore(struct store *s, const struct task_saved *t, struct error *e);
void store_health_set(struct store *s, enum store_health h, const char *why); /* wakes all when it changes */

/* --- the database --- */

struct db; /* opaque; each backend has its own */

struct db_options {
	const char *path;  /* folder; made with its parents when it is not there, mode 0700 */
	int64_t bytes_max; /* the database never grows beyond it; 0: no limit */
	int64_t cache_bytes;
	int64_t lock_wait_ms; /* for another process that is just ending to let go of it */
	bool read_only;       /* for the command line: no recovery, no migration */
	bool snapshot; /* likewise, and another process owns the file and has promised to leave it as it is:
			  what that one has in its log only is not seen */
};

struct db_request {
	struct request_key key;
	struct request_place place;
};
struct db_artifact {
	struct id task;
	uint32_t number; /* 1 ... within the task */
	uint64_t bytes;
	const char *media_type, *name; /* name may be NULL */
	char sha256[SHA256_HEX_SIZE];
	int64_t at_ms;
};
enum { DB_PART_BYTES = 256 << 10 }; /* artifacts are kept in parts of this size; the last may be shorter */

/* false: enough. */
typedef bool db_task_fn(const struct task_saved *t, void *arg);

/* One row per kind of database. Errors of all that return one: ERR_NO_SPACE (the transaction was rolled back;
 * it may be tried again later), ERR_IO (nothing may be tried again on this file: db_abandon and end). Writes
 * happen between begin and commit. */
struct db_backend {
	const char *name;
	/* NULL: nothing is kept (memory). ERR_CONFIG with what is wrong and what to do: locked by another
	 * process, not readable or writable, corrupt, written by a newer version, not supported. */
	enum err (*open)(const struct db_options *o, struct db **out, struct error *e);
	void (*close)(struct db *d);   /* orderly: what can be merged is */
	void (*abandon)(struct db *d); /* frees memory, touches no file */

	enum err (*begin)(struct db *d, struct error *e);
	enum err (*commit)(struct db *d, struct error *e);
	void (*rollback)(struct db *d);
	/* Maintenance between transactions: moves the log into the database when it has grown; `all` also
	 * when it has not. */
	enum err (*checkpoint)(struct db *d, bool all, struct error *e);

	/* Makes the task or replaces its document and state. doc.len 0: the document stays as it is, or is
	 * none yet (then it is older than last_seq, and task_get folds). */
	enum err (*task_put)(struct db *d, const struct task_saved *t, struct error *e);
	/* sse: whole events with rising numbers; those that are there already are left as they are. */
	enum err (*events_put)(struct db *d, const struct id *task, struct slice sse, struct error *e);
	enum err (*request_put)(struct db *d, const struct db_request *r, struct error *e);
	/* Replaces that tenant's of that day; those of days before the day before go. */
	enum err (*budget_put)(struct db *d, const struct budget_saved *b, struct error *e);
	/* Parts count from 0; replaces one that is there. */
	enum err (*artifact_part_put)(struct db *d, const struct id *task, uint32_t number, uint32_t part,
				      struct slice bytes, struct error *e);
	/* ERR_CONFLICT unless all its parts are there. */
	enum err (*artifact_put)(struct db *d, const struct db_artifact *a, struct error *e);

	/* ERR_NOT_FOUND. The document is appended to *doc and is as of last_seq; out->doc points there. */
	enum err (*task_get)(struct db *d, const struct id *id, struct task_saved *out, struct buf *doc,
			     struct error *e);
	/* Appends events after after_seq as SSE bytes until bytes_max would be exceeded (at least one if
	 * there is any); *last_seq is the last one appended, after_seq when none. */
	enum err (*events_get)(struct db *d, const struct id *task, uint64_t after_seq, size_t bytes_max,
			       struct buf *out, uint64_t *last_seq, struct error *e);
	/* Newest first by id, older than `before` (NULL: from the newest); states: bit (1 << state), 0 all.
	 * fn may read from the database, but neither list nor write. A task that is damaged is logged and
	 * left out. */
	enum err (*tasks_each)(struct db *d, uint32_t states, const struct id *before, db_task_fn *fn,
			       void *arg, struct error *e);
	enum err (*request_get)(struct db *d, const uint8_t key[REQUEST_DIGEST], struct db_request *out,
				struct error *e);
	/* Calls fn for each of that day; fn may not write. */
	enum err (*budgets_each)(struct db *d, int64_t day,
				 void (*fn)(const struct budget_saved *b, void *arg), void *arg,
				 struct error *e);
	/* media_type and name are valid until the next call. */
	enum err (*artifact_get)(struct db *d, const struct id *task, uint32_t number,
				 struct db_artifact *out, struct error *e);
	enum err (*artifact_read)(struct db *d, const struct id *task, uint32_t number, uint64_t offset,
				  size_t bytes_max, struct buf *out, struct error *e);

	/* The first call hides a finished task from everything but task_delete and task_oldest. Each deletes
	 * at most rows_max rows of it: parts of artifacts, events, at last itself with its keys; *done when
	 * nothing is left. */
	enum err (*task_delete)(struct db *d, const struct id *task, size_t rows_max, bool *done,
				struct error *e);
	/* A task whose deletion has begun; else the oldest finished one by updated_ms, if it ended before
	 * before_ms; ERR_NOT_FOUND. */
	enum err (*task_oldest)(struct db *d, int64_t before_ms, struct id *out, struct error *e);
	/* At most rows_max keys from before before_ms. */
	enum err (*requests_expire)(struct db *d, int64_t before_ms, size_t rows_max, size_t *gone,
				    struct error *e);
	/* Parts of artifacts that never were completed, artifacts of tasks that are not there, and what is
	 * left of interrupted deletions. Only before anybody works: parts that are just being written, or
	 * whose task is not saved yet, would go too. */
	enum err (*orphans_delete)(struct db *d, size_t rows_max, size_t *gone, struct error *e);
	/* Bytes in use, without what is free inside the file. */
	uint64_t (*bytes_used)(struct db *d);
	/* Pages, indexes, numbering of events; one line for each fault through fn. */
	enum err (*check)(struct db *d, void (*fn)(const char *line, void *arg), void *arg, struct error *e);
};
/* Texts of errors may reach clients: but for those of open they do not name the path. */
struct db {
	const struct db_backend *backend;
	const char *path; /* of the file, for the log; NULL: none */
};
/* "sqlite", "memory"; NULL when unknown. */
const struct db_backend *db_backend_find(const char *name);

/* --- the keeper --- */

struct keeper;

struct keeper_options {
	size_t batch_tasks_max, batch_bytes_max; /* of one transaction */
	int64_t batch_delay_ms;                  /* waits so long for more before it commits; 0: not at all */
	int64_t retention_ms; /* finished tasks are deleted so long after their end; 0: never */
	int64_t bytes_max;    /* as of db_options */
	int64_t request_ms;   /* keys are forgotten after it */
	size_t frame_bytes_max, queue_bytes_max; /* of the sockets to workers */
	const char *socket_path;                 /* for the command line; NULL: none */
	void (*on_broken)(void *arg);            /* nothing more becomes durable: end the process */
	void *arg;
};
struct keeper *keeper_new(struct loop *l, struct store *s, struct db *db, const struct keeper_options *o);
void keeper_free(struct keeper *k); /* commits what is left, closes the database */
/* Restores what must and can be in the table; sets the health to STORE_WORKS. */
must_check enum err keeper_restore(struct keeper *k, struct error *e);
/* The loop says that the store's wake descriptor is readable. */
void keeper_on_wake(struct keeper *k);
/* A worker's socket: serves archive requests (archive.h) over it; takes fd. */
void keeper_add_worker(struct keeper *k, int fd);

#endif
