/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run is made of: the agent, its runs, their steps, the calls of a step. Which file changes what is
 * said in agent_int.h, whose part this is.
 */
#ifndef AGENT_RUN_INT_H
#define AGENT_RUN_INT_H

#include "agent/plan_int.h"

/* --- runs --- */

struct run;
struct exec;

struct record {
	struct buf text; /* the event's object being written */
	struct jw w;
};

enum { RECORDS_HELD_MAX = 8 };

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
	const char *name;
	const char *arguments;       /* as the model wrote them; once it was started as they are sent */
	const struct llm_tool *tool; /* NULL: not offered */
	size_t message;              /* of the conversation: its answer */
	enum call_state state;
	enum { FINISH_UNREAD, FINISH_STANDS, FINISH_RIDES } finish; /* finish.c: what a finish_step says */
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
	/* In the step's arena: */
	const char *full;
	const char *name, *arguments;
	const char *line; /* what is shown in its place when it is old; NULL: not made yet */
	bool is_error;
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
	bool finishing; /* a finish_step of this turn waits for its calls, which succeeded, or for its check
			 */
	int checks;     /* of its success criteria, made so far */
	bool unchecked; /* none can be made */
	bool wrote;     /* a call that may have changed something was started: never tried again by itself */
	bool over;      /* finished or failed: freed by the run's pump */
	size_t shown_tokens;         /* of the last turn's conversation, as guessed */
	size_t tokens_percent;       /* how much larger they are, as its server counted; 0: not known */
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
	/* For call ids: of the run, and where it is recorded of each place in the plan. */
	uint64_t calls_named, step_calls_named[PLAN_STEPS_MAX];
	uint32_t artifacts_named;
	uint64_t last_seq; /* of the last event this run wrote */
	/* Events that are written with the next ones (record_soon). */
	struct held_event {
		enum event_type type;
		struct buf text;
	} held[RECORDS_HELD_MAX];
	size_t held_count;
	int held_turns;         /* of the loop, since the first of them */
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
	int64_t prompt_percent; /* how much larger prompts are than foreseen (budget_tokens.c); 0: not known
				 */
	bool draining;
	loop_fn *drained;
	void *drained_arg;
};

#endif
