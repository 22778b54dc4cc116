/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: takes leases on tasks that need a worker, plans them with a model, waits for approval where it
 * is asked for, carries the plan out step by step with tools, writes the answer. It keeps nothing that the
 * store does not have: a run can be taken over by any worker from the task's events.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "base/base.h"
#include "store/store.h"
#include "store/archive.h"
#include "llm/llm.h"
#include "mcp/mcp.h"

/* Whether a tool call may be made. */
enum permit { PERMIT_ALLOW, PERMIT_ASK, PERMIT_DENY };
/* What a tool does, as far as anybody vouches for it. */
enum agent_effect { AGENT_READS, AGENT_WRITES_ONCE /* idempotent */, AGENT_WRITES };

struct agent_rule_argument {
	const char *name, *pattern; /* a top member of the arguments; fnmatch(3) */
};

/* The operator's word about calls that fit all it names. */
struct agent_rule {
	const char *server,
		*tool;    /* patterns as of fnmatch(3), of the server's own name of the tool; NULL: any
			   */
	unsigned effects; /* bits 1 << enum agent_effect; 0: any */
	const struct agent_rule_argument *arguments;
	size_t arguments_count;
	enum permit decision;
};

/* Borrowed for the agent's life. */
struct agent_policy {
	const struct agent_rule *rules;
	size_t rules_count;
};

struct agent_options {
	struct agent_policy policy;
	enum permit tainted_calls;  /* calls that the plan did not name, after output of strangers was read */
	bool check_writes;          /* steps that write are checked against their success criteria */
	int runs_max;               /* tasks run at once by this worker; more stay for others */
	int parallel_steps;         /* read-only steps of one task side by side */
	int steps_max;              /* of a plan */
	int turns_max;              /* model turns per step */
	int calls_max;              /* tool calls per step */
	int replans_max;            /* new plans of one task after steps have failed */
	int answer_percent;         /* of a budget, kept for the final answer */
	int64_t call_output_tokens; /* most of one call, where a budget counts and nothing else says */
	int tools_offered_max;      /* tools shown to the planner and to a step */
	const char *tools_pinned; /* always among them: exposed names between commas or blanks; NULL: none */
	int64_t tools_wait_ms;    /* for tool servers that are still starting; then without them */
	int64_t task_ms_max;      /* working time of one task */
	int64_t repeat_wait_ms;   /* before a call is made again that was lost with a process; grows */
	size_t tool_result_bytes_max;  /* kept in the journal */
	int tool_result_parts_max;     /* binary parts of one result that become artifacts */
	size_t tool_context_bytes_max; /* shown to the model */
	int context_tokens_max;        /* of one conversation with a model, as guessed */
	/* The marks around data in prompts are made of this and the prompt, so that a task that is recorded
	 * and one that replays it have the same; nobody outside may know it. NULL: new random ones in each
	 * run. */
	const char *marks;
};

struct agent;
/* archive: NULL without a keeper. All are borrowed for the agent's life. */
struct agent *agent_new(struct loop *l, struct store *s, struct llm *m, struct mcp_client *c,
			struct archive *archive, const struct agent_options *o);
void agent_free(struct agent *a);
/* Called by the worker: there may be tasks to lease. */
void agent_on_work(struct agent *a);
/* Called by the worker: a task that this worker leases or watches has changed (cancelled by a person, say).
 * Calls of a task that reached a terminal state are stopped before this returns. */
void agent_on_task(struct agent *a, struct task_ref ref);
/* Called by the worker: store_health has changed. While store_accepts refuses nothing new is begun; what is
 * under way is brought to its end. */
void agent_on_health(struct agent *a);
/* No new leases, no new calls; calls that run may finish. fn(arg) once when nothing runs. */
void agent_drain(struct agent *a, loop_fn *fn, void *arg);
size_t agent_runs(const struct agent *a);

/* Is `given` a plan that may take the place of `now`, the "plan" of a task's document? By the rules that the
 * planner's own must keep, and stricter where a person can be (plan_edit.c). The new plan object, numbered
 * `version` and with its digest, is appended to *out. ERR_FIELD with the place of the mistake. */
must_check enum err agent_plan_check(struct agent *a, const struct json *given, const struct json *now,
				     uint64_t version, struct buf *out, struct error *e);

/* Appends a text of a request to a model without what is another in each run of the same task
 * (llm/cassette.h). */
void agent_prompt_plain(struct slice text, struct buf *out);

#endif
