/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the agent room.
 *
 * - agent.c: which tasks this worker runs: leases in, runs out
 * - run.c: one task from lease to release: planning, steps, answer; where every decision is taken
 * - steps.c: which steps run when, and what a failed one means
 * - planner.c: the planner's call, its repair turn, what becomes of its answer
 * - executor.c: one step: model turns until finish_step
 * - calls.c: the tool calls of one turn; keep.c: their results, as they are kept; parts.c: the binary parts
 * of them; output.c: whether they are what their tool promises; result.c: as a model sees them
 * - doubt.c: calls that were lost with a process: made again, or left to a person
 * - asks.c: what servers ask while a call of theirs runs, of a person or (sampling.c; its words:
 *   sampling_talk.c) of the model
 * - writer.c: the final answer; answer.c: whether it is what it must be
 * - questions.c: what the planner asks a person
 * - replan.c: when a new plan is made; plan_revise.c: of the old one and an answer
 * - plan.c: the plan as data: parse, check, digest, print; plan_schema.c: its shape; plan_edit.c: a person's
 * - inherit.c: what a task takes over from an earlier one
 * - prompt.c: the words sent to models; toolbox.c: which tools are offered; tool_index.c: tools by words
 * - finish.c: a turn that calls tools and finishes its step
 * - context.c: what of a conversation is shown; shorten.c: large JSON made short
 * - builtin.c, read_result.c: the tools that are the runtime's own; repeats.c: a model that goes in circles
 * - resume.c: a run rebuilt from its document and events, table and archive; replay.c: what each event says
 * - budget.c: what the task may spend; budget_resume.c: what it has spent before it was taken up
 * - record.c: events written, always through task_move
 *
 * A run is driven by run_pump(), which is only ever called from the bottom of the loop (run_wake). Callbacks
 * of llm and mcp record what happened and wake the run. A run that lost its lease, or whose task ended, is
 * dropped: its calls are cancelled at once and its memory is freed at the bottom of the loop.
 */
#ifndef AGENT_AGENT_INT_H
#define AGENT_AGENT_INT_H

#include "agent/agent.h"

enum {
	PLAN_STEP_ID_MAX = 32,
	PLAN_STEPS_MAX = 64,
	CALL_ID_SIZE = 24,
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
	size_t max; /* all tools when there are no more than this */
	bool own;   /* the runtime's own tools, too: those of an executor */
	bool reads; /* read_result among them */
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

/* --- runs --- */

struct run;
struct exec;

struct record {
	struct buf text; /* the event's object being written */
	struct jw w;
};

/* --- policy.c --- */

struct policy_call {
	const char *server, *tool; /* the server's own name of it */
	enum agent_effect effect;
	const struct json *arguments;
};
/* The rule that denies it, from 1; 0: none does. */
size_t policy_denies(const struct agent_policy *p, const struct policy_call *c);
/* By all rules; *rule is the one that decided, 0: none, and what reads is allowed, else a person is asked. */
enum permit policy_decide(const struct agent_policy *p, const struct policy_call *c, size_t *rule);

/* How a task is approved: its plan by a person; its plan by itself; its plan by itself, its calls by rules.
 */
enum approval { APPROVAL_REQUIRED, APPROVAL_AUTO, APPROVAL_POLICY };

enum call_state {
	CALL_WAITING,   /* not begun */
	CALL_ASKING,    /* a person is to be asked before it begins */
	CALL_JOURNALED, /* its start is written; it is sent once that is durable */
	CALL_RUNNING,   /* sent */
	CALL_LOST,      /* a process died with it: made again at again_mono_ms */
	CALL_KEEPING,   /* answered; the result is being written as an artifact, or waits for room on the disk
			 */
	CALL_READING,   /* read_result waits for the archive */
	CALL_DONE,
};
/* What a person said of a call in doubt. */
enum call_word { WORD_NONE, WORD_RETRY, WORD_COMPLETED, WORD_SKIP, WORD_FAIL };

struct call_result; /* keep.c */

/* What was decided of a call before it is made. Texts are static, or in the step's arena. */
struct call_permit {
	size_t rule;             /* of agent.rules, from 1; 0: none decided */
	const char *why;         /* why a person is asked */
	char id[CALL_ID_SIZE];   /* under which one was asked; "": nobody was */
	const char *digest;      /* of the tool as it was shown then; NULL: it has not changed */
	bool by_person, denied;  /* who decided, and how; neither: nobody has said no */
	bool edited;             /* the arguments are the person's */
	const char *user, *word; /* who, and what they said; NULL */
};

/* One call a model asked for, in the turn that is being carried out. */
struct exec_call {
	struct exec *exec;
	char id[CALL_ID_SIZE]; /* ours, unique within the task: "c12" */
	const char *model_id;  /* the model's id of it */
	const char *name, *arguments;
	const struct llm_tool *tool; /* NULL: not offered */
	size_t message;              /* of the conversation: its answer */
	enum call_state state;
	/* Once it was started, as tool.started says: */
	bool started, read_only, idempotent;
	const char *server, *server_tool; /* of the toolbox's catalogue, or in the step's arena */
	int64_t started_ms;               /* wall clock */
	uint64_t seq;                     /* of the event that must be durable before it is sent */
	int repeats;                      /* tool.repeated so far */
	int64_t again_mono_ms;
	bool was_sent; /* a sending that was lost may have taken effect */
	/* Of a run that is being resumed: */
	bool unsent, in_doubt; /* what became of the last sending */
	enum call_word word;
	const char *content; /* the person's; NULL */
	bool untrusted;      /* strangers may have written what it returns */
	struct call_permit permit;
	struct mcp_call *mcp;
	struct archive_call *keeping;
	uint64_t read_offset;       /* while an artifact is read */
	struct call_result *result; /* while it is being kept */
};

/* --- repeats.c --- */

enum { REPEATS_KEPT = 32, REPEATS_SEQUENCE = 6 };
/* What a step's model has called so far, as hashes. All zero at the beginning. */
struct repeats {
	struct repeats_call {
		uint64_t call, result;
		int times;
	} seen[REPEATS_KEPT]; /* pairs of call and result; the oldest gives way */
	size_t seen_next;
	uint64_t sequence[REPEATS_SEQUENCE]; /* the last calls, newest last */
	size_t sequence_count;
	uint64_t error_class; /* of the last call, 0: it did not fail */
	int errors;           /* in a row of that class */
};
/* What an answered call says: warning is a sentence for the model, stuck the reason to end the step; static,
 * NULL. arguments: as the model wrote them. Pure but for the struct. */
struct repeats_verdict {
	const char *warning, *stuck;
};
struct repeats_verdict repeats_note(struct repeats *r, const char *tool, const char *arguments,
				    const char *answer, bool is_error);

/* An answered call in a step's conversation. */
struct exec_result {
	size_t message; /* index of the tool message */
	char id[CALL_ID_SIZE];
	size_t bytes;
	const char *full; /* in the step's arena */
	const char *line; /* what is shown in its place when it is old */
};

/* A step while it runs. Owned by its run. */
struct exec {
	struct run *run;
	size_t step;
	int attempt;
	struct arena *arena; /* texts of the conversation */
	struct llm_message *messages;
	size_t messages_count, messages_cap;
	size_t messages_told; /* so many of them are in the journal */
	struct toolbox box;
	struct llm_call *model;
	char model_call_id[CALL_ID_SIZE];
	int turns, calls_made, turns_idle;
	struct exec_call *calls; /* of the last turn; COUNT calls_count */
	size_t calls_count;
	bool forced;    /* finish_step is demanded of the present turn */
	bool finishing; /* finish_step came with the calls of this turn, which all succeeded */
	bool wrote;     /* a call that may have changed something was started: never tried again by itself */
	bool over;      /* finished or failed: freed by the run's pump */
	struct exec_result *results; /* of tools, in the order of their messages */
	size_t results_count, results_cap;
	struct repeats repeats;
	const char *stuck; /* static: why the step ends once the calls of this turn are answered; NULL */
};

struct run_step {
	enum step_status status;
	int attempts, replans; /* replans that it was the reason of */
	char *result;          /* text, NULL until completed */
	char *error;           /* message, NULL unless failed */
	struct exec *exec;     /* while it runs */
	/* Of a step that a person is asked about before it begins: */
	bool asking, approved;
	enum step_status declined; /* STEP_SKIPPED or STEP_FAILED by a person's word; else STEP_PENDING */
};

/* A model call under way, and the worst it may cost: once for each attempt that may have to be paid for. */
struct budget_ask {
	struct budget_ask *next;
	char call[CALL_ID_SIZE];
	enum llm_role role;
	struct budget_sums worst; /* of the attempt under way */
	struct budget_hold holds[16];
	size_t holds_count;
};
struct run_budget {
	struct budget_caps caps;
	int64_t wall_ms; /* 0: none of its own */
	char tenant[STORE_TENANT_SIZE];
	struct budget_sums spent;
	struct budget_ask *asks;
	enum budget_limit over; /* BUDGET_NONE: not yet */
	const char *scope;      /* whose: "task", "tenant", "service" */
	int64_t used, cap;
	bool answered; /* the answer within what was kept has been tried */
};

struct run {
	struct agent *agent;
	struct run_budget budget;
	struct run *next;
	struct lease lease;
	enum task_state state;
	struct id id;
	char task_id[ID_TEXT_SIZE];
	char fence[FENCE_SIZE];     /* marks data in prompts; nobody outside can know it */
	char *prompt, *feedback;    /* feedback of the last rejection, NULL */
	struct json *output_schema; /* the result follows it; NULL: it is text */
	char *asked;                /* the planner's questions while they wait for an answer; NULL */
	struct buf answers;         /* to them and to earlier ones, each with its question */
	bool unanswered;            /* a person has decided that there is no answer */
	enum approval approval;
	bool tainted;                       /* output that strangers may have written was read */
	bool plan_tainted;                  /* the plan was made after that, and approved by nobody */
	struct text_list *digests_accepted; /* of tools that changed, by a person */
	struct json *inherited;             /* {plan, effects} of an earlier task; NULL: there is none */
	struct plan *plan;
	uint64_t plan_version; /* of the newest plan.created */
	int replans;           /* begun so far */
	char *replan_why;      /* of the last one; NULL */
	struct run_step steps[PLAN_STEPS_MAX];
	uint64_t calls_named; /* for call ids */
	uint32_t artifacts_named;
	uint64_t last_seq;      /* of the last event this run wrote */
	uint64_t durable_seq;   /* as far as it was looked at */
	bool watched;           /* task_watch: woken when more is durable */
	struct llm_call *model; /* planner's or writer's */
	char model_call_id[CALL_ID_SIZE];
	char *rejected_answer; /* of planner or writer: what was wrong, for the repair turn; NULL */
	struct error rejected_why;
	int64_t deadline_mono_ms;
	int64_t worked_ms, works_since_ms; /* of earlier holders of the lease; wall clock, 0: it waited */
	struct loop_timer *timer;     /* deadline, the wait for the catalogue, the next try to end the task */
	int64_t settle_until_mono_ms; /* 0: not waiting for the catalogue */
	int64_t paused_since_mono_ms; /* nothing is begun while the store takes nothing; 0: it does */
	/* Document and events are being read, then loaded. */
	bool documented, loaded;
	struct archive_call *loading; /* under way */
	uint64_t load_seq;            /* events up to here were replayed */
	uint64_t load_durable_seq;    /* what was durable when the lease was taken */
	int64_t load_again_mono_ms;   /* the archive is asked again then */
	struct error load_error;
	/* What servers ask, in order; the one in `pending`, and that entry's id and event. */
	struct ask *asks, *ask_shown;
	char ask_id[ASK_ID_SIZE];
	uint64_t ask_seq;
	int64_t ask_since_mono_ms; /* a person is asked; 0: nobody is */
	const char *end_code;      /* why the task ends although that could not be written yet; NULL */
	char *end_message;
	bool woken, dropped;
};

struct text_list {
	struct text_list *next;
	char text[];
};

/* A run that ended while the agent drains: who watches its task is told of the end before the service goes.
 */
struct last_word {
	struct last_word *next;
	struct task_ref ref;
	uint64_t seq; /* until this is durable */
};

struct agent {
	struct loop *loop;
	struct store *store;
	struct llm *llm;
	struct mcp_client *mcp;
	struct archive *archive; /* NULL without a keeper */
	struct agent_options options;
	struct run *runs;
	size_t runs_count;
	struct last_word *last_words;
	struct tool_index *tool_index; /* of the catalogue of the last look */
	struct text_list *unchecked;   /* tools whose output schema cannot be used, as the log was told */
	bool draining;
	loop_fn *drained;
	void *drained_arg;
};

/* agent.c: after a run's memory is gone: there is room for another */
void agent_run_freed(struct agent *a);
/* A run of it ends here: if the task has ended, too, its tool servers are told. */
void agent_task_check(struct agent *a, struct task_ref ref);
/* The run has written its last; a drain waits until that is durable. */
void agent_run_ended(struct agent *a, const struct run *r);
/* Something new may be begun: a step, a model call, a tool call. */
bool agent_begins(const struct agent *a);
/* The present tools. Borrowed: until the next call of it. */
struct tool_index *agent_tool_index(struct agent *a);
/* No language model is used in this role. */
bool agent_is_offline(const struct agent *a, enum llm_role r);

/* run.c */
void run_start(struct agent *a, const struct lease *l);
/* The task's end could not be written: its calls are stopped, and it is tried again after a while. */
void run_end_later(struct run *r, const char *code, const char *message);
/* Nothing more is begun: the caller returns. */
bool run_over(const struct run *r);
/* Pump at the bottom of the loop. */
void run_wake(struct run *r);
/* Cancels calls now, frees at the bottom of the loop; may be called from any callback. release: gives the
 * lease back so that another worker goes on. */
void run_drop(struct run *r, bool release);
/* Ends the task as failed and drops the run. code is static. */
void run_fail(struct run *r, const char *code, const char *message);
void run_call_name(struct run *r, char out[CALL_ID_SIZE]);
/* A model or tool call is in flight. people: one that waits for a person is; else it holds nobody up. */
bool run_busy(const struct run *r, bool people);
/* Whether the run's events are durable up to there; when not, it is woken later. */
bool run_is_durable(struct run *r, uint64_t seq);
void run_timer_arm(struct run *r); /* after anything that the run waits for by time has changed */

/* steps.c: frees the steps that are over, begins those whose turn it is and takes on those under way; at the
 * end the answer. go_on: steps may begin, and so may the answer; those under way go on in any case. */
void steps_pump(struct run *r, bool go_on);
bool steps_over(const struct run *r); /* none is left to be run */

/* questions.c */
/* The plan, which has questions only, is written, and the task waits for answers. recs: room for three, the
 * first two are filled; takes them. */
void questions_ask(struct run *r, const struct plan *p, struct record *recs);
void questions_replay(struct run *r, enum event_type type, const struct json *data);

/* replan.c */
/* A failed step asks for a new plan, and one may be made. */
bool replan_due(const struct run *r);
/* Moves to planning. No step runs. */
void replan_begin(struct run *r);
void replan_count(struct run *r, const char *why); /* what a replay does in its place */
/* The step that the planner is asked to split; NULL: it is asked for all that is unfinished. */
const struct plan_step *replan_split(struct run *r);
struct plan *replan_parse(struct run *r, struct slice text, const struct mcp_catalog *tools, struct error *e);
/* Takes p in place of the plan; finished steps keep what they have. */
void replan_adopt(struct run *r, struct plan *p);
/* Back to running with the plan as it is. Takes the record. */
void replan_give_up(struct run *r, struct record *completed, const char *why);

/* budget.c */
/* Reserves the worst that the call may cost and bounds its output; false: a limit is reached, and nothing
 * more is begun (budget_is_over). To be given, whatever becomes of the call, but for one that is cancelled.
 */
must_check bool budget_take(struct run *r, const char *call, struct llm_request *q);
void budget_give(struct run *r, const char *call, const struct llm_turn *turn, const struct error *e);
/* One more attempt after one that may have to be paid for: false, when that does not fit in. */
must_check bool budget_repeat(struct run *r, const char *call);
must_check bool budget_tool_take(struct run *r);
void budget_reserved_write(const struct run *r, const char *call, struct jw *w); /* into model.started */
bool budget_is_over(const struct run *r);
/* Of a run that is over its budget: what was sent comes to its end, then, when something may begin, the task.
 */
void budget_end(struct run *r, bool go_on);
/* Ends it without a model: completed with what was finished, or failed when that is nothing. */
void budget_finish(struct run *r);
void budget_note(const struct run *r, struct buf *out); /* behind an answer, when it is partial */
int64_t budget_wall_mono_ms(const struct run *r);       /* when the time for all but the answer is over */
void budget_wall_check(struct run *r);
void budget_sums_add(struct budget_sums *to, const struct budget_sums *more);
struct budget_ask *budget_ask_new(struct run *r, const char *call);
struct budget_ask *budget_ask_find(const struct run *r, const char *call); /* NULL */
void budget_ask_drop(struct run *r, struct budget_ask *a);
/* budget_resume.c. Of a run that is taken up: from its document, then each event, then budget_loaded. */
void budget_load(struct run *r, const struct json *doc);
void budget_replay(struct run *r, enum event_type type, const struct json *data);
void budget_loaded(struct run *r);
void budget_release(struct run *r);

/* planner.c, writer.c */
void planner_start(struct run *r);
void writer_start(struct run *r);
void rejected_forget(struct run *r); /* there is no answer to be put right any more */

/* executor.c */
struct exec *exec_new(struct run *r, size_t step);
void exec_free(struct exec *x); /* cancels its calls */
/* Starts whatever can go on: the next model turn or waiting tool calls. */
void exec_pump(struct exec *x);
bool exec_busy(const struct exec *x, bool people);
void exec_say(struct exec *x, enum llm_speaker speaker, const char *text);
const char *exec_keep(struct exec *x, const char *text); /* a copy in the step's arena; NULL of NULL */
/* Adds an assistant turn; its calls become the calls to be carried out, and where none is, the user's message
 * that asks for one follows. Texts are copied. */
void exec_add_turn(struct exec *x, const struct llm_turn *turn);
void exec_step_failed(struct exec *x, const char *code, const char *message);
/* A failure of this attempt is followed by another one. */
bool exec_may_retry(const struct exec *x);
/* How much is shown to the model: bytes of one result, number of tools. The offline rules are shown
 * everything. */
size_t exec_context_bytes_max(const struct agent *a);
size_t exec_tools_offered_max(const struct agent *a, enum llm_role r);

struct result_view;

/* finish.c */
/* Whether this is a finish_step that makes the answers of the other calls of its turn the result. */
bool finish_rides(const struct exec_call *c);
/* Decides about it when they have answered: the step is finishing, or the model is told why not. */
void finish_ride(struct exec_call *c);
void finish_result(const struct exec *x, struct buf *out); /* of a step that is finishing */

/* context.c */
/* The conversation as the model is shown it, within agent.context_tokens: out has room for all messages.
 * false: it does not fit, e says so. */
bool context_fit(struct exec *x, struct llm_message *out, struct error *e);
/* Remembers the answer of a call; full: what read_result reads of it, the message's own text or other. */
void context_keep(struct exec *x, const struct exec_call *c, const char *full, bool is_error);
const char *context_full(const struct exec *x, const char *id); /* NULL: no such call */
size_t context_tokens(const char *text);                        /* a guess */

/* resume.c: the plan and the steps that are done, as a task's document has them. */
must_check enum err plan_adopt(struct run *r, const struct json *plan, struct error *e);

/* inherit.c */
void inherit_replay(struct run *r, enum event_type type, const struct json *data);
bool inherit_plans(const struct run *r); /* the plan is there, nobody need make one */
void inherit_begin(struct run *r);
/* What an earlier task's call of this tool with these arguments did, until it has been used; NULL: there was
 * none. */
struct json *inherit_find(const struct exec_call *c, const struct json *arguments);
/* Such a call was sent, and nobody knows what became of it. */
bool inherit_in_doubt(const struct exec_call *c, const struct json *arguments);
void inherit_sent(const struct exec_call *c, const struct json *arguments); /* it is sent all the same */
/* Such a call took effect: its result is taken in place of a call. false: there is none. */
bool inherit_reuse(struct exec_call *c, const struct json *arguments);

/* permit.c */
enum agent_effect permit_effect(const struct exec_call *c);
/* Also what c->permit says of it. The call's tool is offered and its arguments fit. */
enum permit permit_decide(struct exec_call *c, const struct json *arguments);
/* Is the tool described otherwise than when the plan was made, and nobody has accepted that? Then *digest is
 * its present one. */
bool permit_tool_changed(const struct exec_call *c, char digest[TOOL_DIGEST_SIZE]);
/* The member "decision" of tool.started or tool.failed, where a rule or a person decided. */
void permit_write(const struct exec_call *c, struct jw *w);

/* permit_ask.c */
enum { STEP_PENDING_SIZE = PLAN_STEP_ID_MAX + 24 };
/* A person must be asked: no step begins until then ... */
bool permits_wait(const struct run *r);
/* ... and it is about a call: no other call, and no turn of a model. */
bool permits_hold_calls(const struct run *r);
/* Nothing of the run is under way: asks, which gives it back. */
void permits_ask(struct run *r);
void permit_replay(struct run *r, enum event_type type, const struct json *data);

/* calls.c */
void calls_pump(struct exec *x);
/* The first call of this id of the model's that was not started; NULL. */
struct exec_call *call_unstarted(struct exec *x, const char *model_call);
/* Records what came of a call for the model: a tool message in the conversation. full: what read_result
 * reads, NULL: the same. */
void calls_answer(struct exec_call *c, const char *text, const char *full, bool is_error);
/* The same of a result. */
void calls_answer_result(struct exec_call *c, struct result_view *v);
bool calls_all_done(const struct exec *x);
bool calls_in_flight(const struct exec *x, bool people);
bool calls_journaled(const struct exec *x); /* one of them is to be sent */
/* The next time one of them is made again; INT64_MAX: never. */
int64_t calls_again_mono_ms(const struct exec *x);
/* What a model is told of a call without an answer. doubt: it may have taken effect all the same. */
void calls_failure_text(const char *message, bool doubt, struct buf *out);
/* Stops the calls in flight; their callbacks do not come. */
void calls_cancel(struct exec *x);
/* The members every event of a call begins with. */
void call_head(struct record *rec, const struct exec_call *c);
/* tool.failed, and the model is told. */
void call_failed(struct exec_call *c, const struct error *why, bool sent);
/* It can be made again without harm. */
bool call_repeatable(const struct exec_call *c);

/* keep.c: tool.completed, and the model is told; binary parts and a large result are written as artifacts
 * first. Takes result; end is borrowed. */
void result_keep(struct exec_call *c, const struct mcp_call_end *end, struct json *result);
/* A result in CALL_KEEPING that waits for room: written if there is. */
void result_keep_again(struct exec_call *c);
void call_result_free(struct call_result *k);
/* {"content":[{"type":"text","text":...}]} as the member "result", text of at most bytes_max bytes. */
void result_write_text(struct record *rec, const char *text, size_t bytes_max);

/* Path of an artifact; the caller frees it. */
char *artifact_url(const char *task_id, uint32_t number);

/* parts.c: the binary parts of a result */
enum part_state { PART_OPEN, PART_KEPT, PART_DROPPED, PART_INVALID };
struct result_part {
	const struct json *block;  /* of the content */
	const struct json *holder; /* of mimeType and base64: the block itself, or the resource in it */
	const char *member;        /* that has the base64 */
	enum part_state state;
	const char *why; /* static; of what is dropped or invalid */
	size_t bytes;
	uint32_t number;
	char sha256[SHA256_HEX_SIZE];
};
/* In order; borrows from result. COUNT *count; the caller frees it. */
struct result_part *parts_find(const struct json *result, size_t *count);
/* The bytes in place of what is in out. false: the part is invalid, and says why. */
bool part_decode(struct result_part *p, struct buf *out);
const char *part_media_type(const struct result_part *p);
const char *part_suffix(const struct result_part *p); /* of a file's name */
/* The result with a preview for each part. */
void parts_print(const struct json *result, const struct result_part *parts, size_t count,
		 const char *task_id, struct buf *out);

/* answer.c: the final answer */
/* Ids that the text cites although there is no such step, appended: "s7, s9". */
void answer_unknown_steps(const struct plan *p, const char *text, struct buf *out);
/* What failed or was left out and is not cited by the text, as lines that can be put behind it; appended. */
void answer_notes(const struct run *r, const char *text, struct buf *out);
/* The value that the text is or holds, if it fits the schema; else NULL and what is wrong with it. */
struct json *answer_json(const char *text, const struct json *schema, struct error *e);
/* Every provider that takes schemas takes this one as strict. */
bool answer_schema_strict(const struct json *schema);

/* builtin.c: the tools of the runtime itself */
bool builtin_is(const struct llm_tool *tool);
/* Carries the call out and writes its end. */
void builtin_call(struct exec_call *c, const struct json *arguments);
/* Writes the answer of such a call: its text, and structured what a replay needs of it, if anything. */
void builtin_answer(struct exec_call *c, const char *text, struct slice structured);
/* read_result.c */
void read_result(struct exec_call *c, const struct json *arguments);
/* Does again what a call that had this result did to its step. */
void builtin_replay(struct exec_call *c, const struct json *result);

/* output.c: what is wrong with structuredContent by the tool's output schema, as a sentence to be freed; NULL
 * when nothing is, or nothing can be said. */
char *output_fault(struct exec_call *c, const struct mcp_call_end *end, const struct json *result);

/* doubt.c */
#define CALL_SKIPPED "skipped" /* code of a tool.failed that a person decided */
/* A process died with the call. sent: it may have reached its server. It is made again after wait_ms, left
 * to a person, or given up. */
void call_lost(struct exec_call *c, const struct error *why, bool sent, int64_t wait_ms);
int64_t call_wait_ms(const struct exec_call *c);
/* Writes tool.repeated: the call is to be sent again. */
void call_again(struct exec_call *c);
/* What a person's answer names: "c3", "c3.2" when the call had been made again before it was lost again. */
void pending_id(const struct exec_call *c, char out[PENDING_ID_SIZE]);
/* Decides what becomes of calls that a resumed run finds without an end. */
void doubts_settle(struct run *r);

/* sampling_talk.c */
struct sampling_talk {
	struct llm_message *messages;
	size_t messages_count;
	struct llm_tool *tools; /* the server's own */
	size_t tools_count;
	enum llm_choice choice;
};
/* params of sampling/createMessage. ERR_FIELD with a sentence for the server. */
must_check enum err sampling_check(const struct json *params, struct error *e);
/* params were checked. All of it in the arena, but the schemas, which stay theirs. */
void sampling_read(const struct json *params, struct arena *a, struct sampling_talk *out);
/* The result of sampling/createMessage, appended. false: a tool was called with what is no object. */
must_check bool sampling_turn_write(const struct sampling_talk *t, const struct llm_turn *turn,
				    struct buf *out);

/* sampling.c */
struct sampling;
/* result: of sampling/createMessage; empty: it was refused or failed, because of why. */
typedef void sampling_fn(struct slice result, const char *why, void *arg);
/* Writes model.started and asks the model. fn once, not from within; params are borrowed until then. NULL:
 * the task's budget does not allow it. */
struct sampling *sampling_start(const struct exec_call *c, struct json *params, sampling_fn *fn, void *arg);
void sampling_free(struct sampling *s); /* the model is asked no longer; also from within fn; NULL is fine */

/* asks.c */
struct ask;
/* From a call's callbacks: the server asks; it does not wait any more. */
void asks_take(struct exec_call *c, const struct mcp_ask *asked);
void asks_over(struct exec_call *c, uint64_t number);
void asks_call_over(struct exec_call *c); /* its call has ended */
void asks_free(struct run *r);
bool asks_person(const struct exec_call *c); /* it waits for a person */
/* Takes answers, shows what is next. false: the run is over. */
bool asks_pump(struct run *r, bool go_on);
/* Nobody is asked any more, and the task runs on; what was in line comes back with asks_pump. false: the run
 * is over. */
bool asks_hush(struct run *r, const char *why);

/* result.c: an answer as tool.completed has it, and what a model is told of it. */
struct result_view {
	const struct json *result;
	bool is_error;
	const char *fault;   /* of its structured content; NULL */
	int64_t whole_bytes; /* 0: it is not truncated */
	int64_t artifact;    /* that has the whole; 0: none */
	const char *handle;  /* by which a model reads the whole; NULL: it cannot */
	const char *reader;  /* tool that reads what is linked to; NULL: none */
};
/* full: gets the whole text when only a part of it is shown and there is a handle; may be NULL without one.
 */
void result_shown(const struct result_view *v, size_t bytes_max, struct buf *out, struct buf *full);
/* Appends JSON text made shorter, all members kept; false when it is no JSON, or does not become so short. */
bool json_shorten(struct slice text, size_t bytes_max, struct buf *out);
/* Text of an MCP tool result for a model: blocks joined, binary described, bounded with a marker. */
void result_text(const struct json *result, const char *reader, size_t bytes_max, struct buf *out);
/* Appends text of at most bytes_max bytes: head and tail with a marker between when it is longer. */
void result_bound(struct slice text, size_t bytes_max, struct buf *out);

/* prompt.c: appended, English */
/* "- server__tool(path*, head): Reads a file ..." with required arguments starred. */
void prompt_tool_line(const struct llm_tool *t, struct buf *out);
void prompt_planner_system(const struct run *r, struct buf *out);
void prompt_planner_user(struct run *r, const struct toolbox *t, struct buf *out);
void prompt_executor_system(struct buf *out);
void prompt_executor_user(const struct run *r, size_t step, struct buf *out);
void prompt_writer_system(const struct run *r, struct buf *out);
void prompt_writer_user(const struct run *r, struct buf *out);

/* resume.c: fills the run from document and events. Called until it is not RESUME_WAITS; the run is woken
 * when it is to be called again. On failure the reason is in load_error. */
enum resume { RESUME_DONE, RESUME_WAITS, RESUME_FAILED };
enum resume resume_pump(struct run *r);
/* replay.c: what one event says of the run, in order. */
void event_replay(struct run *r, enum event_type type, const struct json *data);

/* record.c: each appends to the task (and sets last_seq); false when the run is not ours any more or cannot
 * be written (then it was dropped). */
void record_begin(struct record *rec); /* writes "{" */
bool record_event(struct run *r, struct record *rec, enum event_type type);
/* Several in one change, with a new state or TASK_SAME. Takes the records (released). */
bool record_events(struct run *r, struct record *recs, const enum event_type *types, size_t n,
		   enum task_state to, struct record *state_data);
void record_error(struct record *rec, const char *code, const char *message); /* "error": {...} */
/* What follows from a change of ours that the store refused. Always false. */
bool record_refused(struct run *r, enum err code, const struct error *e, bool terminal);
void record_live(struct run *r, struct record *rec, enum event_type type);
/* messages: of the conversation, those that no model.started before had; those of people and of the runtime
 * are written, so that the events are the whole of what was said. */
void record_model_started(struct run *r, const char *call, enum llm_role role, const char *step,
			  const struct llm_message *messages, size_t messages_count);
/* The member "messages", those of assistants and tools left out. */
void record_messages(struct jw *w, const struct llm_message *messages, size_t n, size_t bytes_max);
/* What model.completed says of the turn, beside who and for what. */
void record_turn(struct record *rec, const struct llm_turn *t);
/* Fills a model.completed object. */
void record_model_completed(struct record *rec, const char *call, enum llm_role role, const char *step,
			    const struct llm_turn *t);
bool record_model_failed(struct run *r, const char *call, enum llm_role role, const char *step,
			 const struct error *e);
void record_model_failover(struct run *r, const char *call, const char *provider, const char *model,
			   const struct error *why);
void record_model_retried(struct run *r, const char *call, int attempt, int64_t wait_ms,
			  const struct error *why);
/* Slug of an error code as documents show it: "timeout". */
const char *record_error_code(const struct error *e);

#endif
