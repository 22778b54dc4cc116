/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans as data, and the tools that are offered: pure, no run knows of them. Part of agent_int.h.
 */
#ifndef AGENT_PLAN_INT_H
#define AGENT_PLAN_INT_H

#include "agent/agent.h"

enum {
	PLAN_STEP_ID_MAX = 32,
	PLAN_STEPS_MAX = 64,
	CALL_ID_SIZE = 24,
	STEP_CALLS = 1000000, /* more than a place in the plan can ever see */
	PENDING_ID_SIZE = CALL_ID_SIZE + 12,
	ASK_ID_SIZE = 24,
	FENCE_SIZE = 17
};

/* --- plan.c --- */

enum step_effect { STEP_EFFECT_NONE, STEP_EFFECT_READ, STEP_EFFECT_WRITE };
enum step_on_failure { STEP_ABORT, STEP_RETRY, STEP_SKIP, STEP_REPLAN };
enum step_status { STEP_PENDING, STEP_RUNNING, STEP_COMPLETED, STEP_FAILED, STEP_SKIPPED };

struct plan_step {
	const char *id, *title, *objective, *expected_output, *success_criteria;
	size_t depends_on[PLAN_STEPS_MAX]; /* indexes of steps */
	size_t depends_count;
	const char **hints; /* exposed tool names that existed when it was planned */
	size_t hints_count;
	const struct json *inputs; /* array, borrowed from the plan's tree; NULL */
	enum step_effect effect;
	enum step_on_failure on_failure;
	int split_depth; /* 0: as it was planned; else a part of a part ... of such a step */
	bool approval;   /* a person is asked before it begins */
};

/* Immutable once parsed. Strings live in the arena, json in the tree. */
struct plan {
	struct arena *arena;
	struct json *tree; /* as it was written, normalised */
	const char *goal, *final_output;
	const struct json *questions; /* array or NULL */
	struct plan_step *steps;
	size_t steps_count;
	const struct json *tools; /* [{name, digest}] of the hinted tools as they were; NULL: none */
	char digest[SHA256_HEX_SIZE];
	uint64_t version;
};

/* Finds the first balanced JSON object in `text` (a bare object, in a code fence, or within prose), checks it
 * against the schema and the rules (unique ids, known acyclic dependencies, at most steps_max), drops tool
 * hints that are not in the catalogue, raises the effect of steps whose hinted tools may write. On failure
 * NULL and a sentence the model can act on. */
struct plan *plan_parse(struct slice text, const struct mcp_catalog *tools, size_t steps_max,
			struct error *e);
/* A plan of one step that just pursues the goal: what is left when a model cannot plan. `why` stands in its
 * assumptions, for whoever approves. */
struct plan *plan_single_step(const char *goal, const char *why, const struct mcp_catalog *tools);
/* From the "plan" member of a task document. Its effects stay as they were approved, whatever the tools have
 * become. */
struct plan *plan_load(const struct json *doc_plan, const struct mcp_catalog *tools, struct error *e);
void plan_free(struct plan *p);
/* The first balanced JSON object of a text. NULL when there is none. */
struct json *plan_object_find(struct slice text, struct error *e);
/* Takes tree, also when it fails. approved: what the steps may do was settled by whoever approved the plan.
 */
struct plan *plan_of_tree(struct json *tree, const struct mcp_catalog *tools, size_t steps_max, bool approved,
			  struct error *e);
/* It names tools, and none of them is there. */
bool plan_tools_gone(const struct plan_step *s, const struct mcp_catalog *c);
/* The plan object as plan.created carries it. */
void plan_print(const struct plan *p, struct buf *out);
/* The step's object, without progress. */
void plan_step_print(const struct plan *p, const struct plan_step *s, struct buf *out);
const struct plan_step *plan_step_find(const struct plan *p, const char *id, size_t *index);

/* --- plan_graph.c --- */

/* Fills in what each step depends on; steps are those of `p` as JSON, in order. ERR_FIELD and a sentence the
 * model can act on. */
must_check enum err plan_graph_read(struct plan *p, const struct json *steps, struct error *e);

/* --- plan_revise.c --- */

struct plan_revision {
	const struct plan *old;
	const bool *finished; /* of each of its steps: it stays as it is */
	const char *split; /* only this step is replaced, by the steps of the answer; NULL: all that are not
			      finished */
};
/* The whole new plan from a planner's answer; steps_max: of the answer. On failure NULL and a sentence the
 * model can act on. */
struct plan *plan_revise(const struct plan_revision *v, struct slice text, const struct mcp_catalog *tools,
			 size_t steps_max, struct error *e);

/* --- tool_digest.c --- */

enum { TOOL_DIGEST_SIZE = 33 };
/* Of all that a model is told of a tool: name, title, description, schema. */
void tool_digest(const struct mcp_tool *t, char out[TOOL_DIGEST_SIZE]);
/* The digest that a tool had when the plan was made; NULL: the plan does not name it. */
const char *plan_tool_digest(const struct plan *p, const char *exposed);
/* Names the hinted tools with their digests, in the plan's tree. */
void plan_tools_pin(struct plan *p, const struct mcp_catalog *tools);

/* --- tool_index.c --- */

/* The tools of one catalogue, to be found by words. */
struct tool_index;
struct tool_index *tool_index_new(const struct mcp_catalog *c);
void tool_index_free(struct tool_index *x);                               /* NULL is fine */
const struct mcp_catalog *tool_index_catalog(const struct tool_index *x); /* borrowed */
/* Places in the catalogue of the best `max` tools, best first; returns how many. */
size_t tool_index_query(struct tool_index *x, const char *query, size_t *out, size_t max);

/* --- toolbox.c --- */

enum { TOOLBOX_QUERIES_MAX = 2 };

/* The tools shown to a model. Names and texts are borrowed from the held catalogue. */
struct toolbox {
	const struct mcp_catalog *catalog; /* held */
	struct llm_tool *tools;
	size_t count;
	size_t found, found_max; /* by find_tools */
};
struct toolbox_want {
	const char *queries[TOOLBOX_QUERIES_MAX]; /* what the tools are for */
	size_t queries_count;
	const char *const *hints; /* exposed names that are shown in any case */
	size_t hints_count;
	const char *pinned; /* likewise, between commas or blanks; NULL: none */
	size_t max;         /* all tools when there are no more than this */
	bool own;           /* the runtime's own tools, too: those of an executor */
	bool reads;         /* read_result among them */
	bool plain; /* none that the runtime makes of resources: the offline rules do not know what they are
		       for */
};
void toolbox_init(struct toolbox *t, struct tool_index *x, const struct toolbox_want *w);
void toolbox_release(struct toolbox *t);
/* Shows one more tool; false when there is none of this name, or no room. */
bool toolbox_add(struct toolbox *t, const char *exposed);
/* Calls of it may be repeated without harm; false for the runtime's own. */
bool toolbox_untrusted(const struct toolbox *t, const struct llm_tool *tool);
bool toolbox_idempotent(const struct toolbox *t, const struct llm_tool *tool);
/* The tool on offer that reads this server's resources; NULL: there is none. */
const char *toolbox_reader(const struct toolbox *t, const char *server);
/* NULL when this name was not offered. */
const struct llm_tool *toolbox_find(const struct toolbox *t, const char *name);
#define FINISH_STEP "finish_step"
#define FIND_TOOLS  "find_tools"
#define READ_RESULT "read_result"

/* --- plan_schema.c --- */

/* The JSON Schema a planner's answer must follow, within the subset every provider accepts as strict. */
struct slice plan_schema_text(void);
/* Whether an answer has that shape; members that can be done without may be missing. */
must_check enum err plan_shape_check(const struct json *tree, struct error *e);

#endif
