/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service is made to do: a list of steps, the same for the same seed, that creates tasks, moves them
 * through their lives with small and large events, under keys of requests, with artifacts and deletions. It
 * keeps what each task's events are and what of all this has been acknowledged, as a client would know it.
 */
#ifndef TESTS_FAULT_SCRIPT_H
#define TESTS_FAULT_SCRIPT_H

#include "tests/fault/rig.h"

enum { TASKS_MAX = 24, EVENTS_MAX = 64, ARTIFACTS_MAX = 8, ARTIFACT_BYTES_MAX = 600 << 10 };

struct script_request {
	struct request_key key;
	uint64_t seq; /* the event it was made for */
};
struct script_task {
	struct script *script;
	struct id id;
	struct task_ref ref;
	enum task_state state;
	uint64_t last_seq;
	struct buf sse;          /* all events, as the table has them */
	size_t ends[EVENTS_MAX]; /* ends[seq]: bytes of sse up to its end; 0 before the first */
	struct script_request requests[4];
	size_t requests_count;
};
struct script_artifact {
	uint32_t task, number;
	size_t bytes;
	uint64_t seed;
	bool asked;
	struct script *script;
};

/* What a client may rely on at some instant. */
struct acked {
	uint64_t seq[TASKS_MAX];
	bool delete_asked[TASKS_MAX], deleted[TASKS_MAX];
	bool artifact[ARTIFACTS_MAX];
};
void acked_mark(struct acked *a, const struct mark *m);

struct script {
	struct rig *rig;
	uint64_t random;
	size_t at, steps;
	struct script_task tasks[TASKS_MAX];
	size_t tasks_count;
	struct script_artifact artifacts[ARTIFACTS_MAX];
	size_t artifacts_count;
	size_t asked; /* of the archive, not answered yet */
	struct acked acked;
};

void script_init(struct script *s, struct rig *r, uint64_t seed, size_t steps);
void script_release(struct script *s);

enum script_end {
	SCRIPT_DONE,     /* all steps, all durable */
	SCRIPT_GONE,     /* the keeper ended */
	SCRIPT_NO_SPACE, /* nothing new is taken for want of room */
};
/* Goes on until one of these; may be called again when the fault is over. */
enum script_end script_run(struct script *s);
/* Until everything there is has become durable. */
enum script_end script_settle(struct script *s);

/* The table is a new one, filled from the database: goes on with what is there. false: what was acknowledged
 * is not, or something is that never was. */
bool script_resync(struct script *s);

void artifact_fill(const struct script_artifact *a, struct buf *out);

#endif
