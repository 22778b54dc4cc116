/* SPDX-License-Identifier: Apache-2.0 */
/* The fold state of a task: shared by doc.c and doc_plan.c, which read and write it as a document, and fold.c
 * and fold_peek.c, which apply events. */
#ifndef STORE_DOC_H
#define STORE_DOC_H

#include "store/store_int.h"

enum { DOC_STEPS_MAX = 256 };

/* Text members hold ready-made JSON (a string with its quotes, an object, null), so that rendering only
 * copies. Owned. */
struct doc_step {
	char *id;     /* plain text */
	char *fixed;  /* members that do not change, without braces: "id":"s1","title":... */
	char *status; /* plain text */
	char *result, *error;
};

/* Members that stand together in the document and change by the same few events. */
enum doc_part { DOC_ASKED, DOC_PLAN, DOC_OUTCOME, DOC_USAGE, DOC_GIVEN, DOC_PARTS };

struct task_doc {
	enum task_state state;
	char *id, *prompt, *approval, *metadata;
	char *output_schema;             /* "null": any result */
	char *parent;                    /* "null": the task goes on with no earlier one */
	char *tenant;                    /* "null": nobody was named */
	char *budget, *budget_exhausted; /* "null": none, not yet */
	char *plan; /* members of the plan beside its steps, without braces; NULL: there is no plan */
	struct doc_step *steps;
	size_t steps_count;
	char *result, *error, *pending;
	bool pending_is_live; /* a call that a worker has under way waits for it */
	int64_t input_tokens, output_tokens, cached_tokens, model_calls, tool_calls;
	int64_t cost_nano; /* -1: nothing that was used has a price */
	bool estimated;
	uint64_t last_seq;
	int64_t created_ms, updated_ms;
	struct buf parts[DOC_PARTS]; /* as they were rendered last; empty: to be rendered again */
};

/* The text of a buffer, which it gives away. Half a text would be a document that nobody can read: better no
 * process than that. */
char *doc_text_whole(struct buf *out);
/* Compact JSON of a member, "null" when it is absent. Caller frees. */
char *doc_member(const struct json *object, const char *name);
/* Members of an object without its braces and without those named in `but` (NULL-terminated). Caller frees.
 */
char *doc_members(const struct json *object, const char *const *but);
void doc_steps_free(struct doc_step *steps, size_t n);
/* Takes over the steps of a plan object; finished steps of `old` (may be NULL) with the same id keep what
 * they have. */
void doc_plan_set(struct task_doc *d, const struct json *plan);
/* The same of a new plan's text, without a tree. false, and nothing done: it has to be parsed. */
bool doc_plan_peek(struct task_doc *d, struct slice plan);
/* An amount as it stands in events and documents, in billionths; -1: none. */
int64_t doc_cost_nano(const struct json *cost);
void doc_text_set(char **at, char *text);                            /* takes text */
void doc_pending_set(struct task_doc *d, const struct json *holder); /* from its member "pending" */
/* fold.c: what events do, whoever read them. The new state, by its name; one that there is not changes
 * nothing. */
void doc_state_become(struct task_doc *d, const char *text);
/* result and error are JSON, copied; the step may be one that the plan does not have. */
void doc_step_become(struct task_doc *d, struct slice id, enum event_type type, struct slice result,
		     struct slice error);
/* What a model's server says of itself: less than nothing is nothing, and the sum stops at the largest. */
void doc_tokens_add(int64_t *sum, int64_t more);
void doc_cost_add(struct task_doc *d, int64_t nano);
/* fold_peek.c: folds the event by its text. false, and nothing folded: it has to be parsed. */
bool doc_fold_peek(struct task_doc *d, enum event_type type, struct slice data);
/* A worker must hold the task's lease: its state works, or it waits for a person in the middle of a call. */
bool doc_works(const struct task_doc *d);

#endif
