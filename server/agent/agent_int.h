/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the agent room.
 *
 * - agent.c: which tasks this worker runs: leases in, runs out
 * - run.c: one task from lease to release: planning, steps, answer; where every decision is taken
 * - steps.c: which steps run when, and what a failed one means
 * - planner.c: the planner's call, its repair turn, what becomes of its answer
 * - executor.c: one step: model turns until finish_step; exec_turn.c: one of them
 * - calls.c: the tool calls of one turn; call_send.c: one on its way; call_answer.c: what the model is told
 * - keep.c: their results, as they are kept; parts.c: the binary parts
 * of them; output.c: whether they are what their tool promises; result.c: as a model sees them
 * - doubt.c: calls that were lost with a process: made again, or left to a person
 * - asks.c: what servers ask while a call of theirs runs, of a person or (sampling.c; its words:
 *   sampling_talk.c) of the model
 * - writer.c: the final answer; answer.c: whether it is what it must be
 * - questions.c: what the planner asks a person
 * - replan.c: when a new plan is made; plan_revise.c: of the old one and an answer
 * - plan.c: the plan as data: parse, check, digest, print; plan_graph.c: what builds on what; plan_schema.c:
 *   its shape; plan_edit.c: a person's
 * - inherit.c: what a task takes over from an earlier one
 * - prompt.c: the words sent to models; prompt_plain.c: what of them varies; toolbox.c: which tools are
 * offered; tool_index.c: tools by words
 * - finish.c: a turn that calls tools and finishes its step; check.c: were the success criteria met?
 * - context.c: what of a conversation is shown; shorten.c: large JSON made short
 * - builtin.c, read_result.c: the tools that are the runtime's own; repeats.c: a model that goes in circles
 * - resume.c: a run rebuilt from its document and events, table and archive; replay.c: what each event says
 * - budget.c: what the task may spend; budget_tokens.c: the most tokens of a prompt; budget_end.c: the end of
 *   a task that is over it; budget_resume.c: what it has spent before it was taken up
 * - answer_plain.c: an answer that no model has written; answer_links.c: links in one
 * - record.c: events written, always through task_move
 *
 * A run is driven by run_pump(), which is only ever called from the bottom of the loop (run_wake). Callbacks
 * of llm and mcp record what happened and wake the run. A run that lost its lease, or whose task ended, is
 * dropped: its calls are cancelled at once and its memory is freed at the bottom of the loop.
 */
#ifndef AGENT_AGENT_INT_H
#define AGENT_AGENT_INT_H

#include "agent/agent.h"

#include "agent/plan_int.h"
#include "agent/run_int.h"
#include "agent/call_int.h"

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
/* x: the step it is of; NULL: none. */
void run_call_name(struct run *r, const struct exec *x, char out[CALL_ID_SIZE]);
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
/* One more attempt; paid: the one before may have to be paid for. false, when that does not fit in. */
must_check bool budget_repeat(struct run *r, const char *call, bool paid);
must_check bool budget_tool_take(struct run *r);
void budget_reserved_write(const struct run *r, const char *call, struct jw *w); /* into model.started */
bool budget_is_over(const struct run *r);
/* What steps may still use of each limit there is, in words for a planner; nothing without limits. */
void budget_left_print(const struct run *r, struct buf *out);
/* budget_tokens.c. Of a request: an upper bound; then what it was reserved as and what its server counted. */
int64_t budget_prompt_tokens(const struct agent *a, const struct llm_request *q);
void budget_prompt_learn(struct agent *a, int64_t reserved, const struct llm_usage *u);
/* budget_end.c. Of a run that is over its budget: what was sent comes to its end, then, when something may
 * begin, the task.
 */
void budget_end(struct run *r, bool go_on);
/* Ends it without a model: completed with what was finished, or failed when that is nothing. */
void budget_finish(struct run *r);
void budget_note(const struct run *r, struct buf *out); /* behind an answer, when it is partial */
int64_t budget_wall_mono_ms(const struct run *r);       /* when the time for all but the answer is over */
void budget_wall_check(struct run *r);
/* answer_plain.c: something was finished, and the result may be text. Then: the task ends as completed with
 * it; why: the beginning of a sentence. */
bool answer_plain_possible(const struct run *r);
void answer_plain_end(struct run *r, const char *why);
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
const char *exec_step_id(const struct exec *x);
/* turn: model.completed of the turn that decides it, in one change with the end; NULL: it was written before,
 * or there is none. */
void exec_step_completed(struct exec *x, struct record *turn, const char *result);
void exec_step_failed(struct exec *x, struct record *turn, const char *code, const char *message);
void exec_step_finish(struct exec *x, struct record *turn); /* completed, of a step that is finishing */
/* A failure of this attempt is followed by another one. */
bool exec_may_retry(const struct exec *x);
/* How much is shown to the model: bytes of one result, number of tools. The offline rules are shown
 * everything. */
size_t exec_context_bytes_max(const struct agent *a);
size_t exec_tools_offered_max(const struct agent *a, enum llm_role r);

/* exec_turn.c */
void exec_turn_start(struct exec *x);
struct llm_handler exec_model_handler(struct exec *x); /* of a model call of the step */

/* finish.c */
/* A success with this result rests on something: it says what, or a call of the step has answered. */
bool finish_is_shown(const struct exec *x, const char *result);
void finish_refusal(const struct exec *x,
		    struct error *e); /* of one that ends no step: what is wrong with it */
/* The turn is a finish_step whose success is checked before it counts. */
bool finish_waits(const struct exec *x, const struct llm_turn *turn);
/* Whether this is such a one, or one that makes the answers of the other calls of its turn the result. */
bool finish_rides(struct exec_call *c);
/* Decides about it when they have answered: the step is finishing, or the model is told why not. */
void finish_ride(struct exec_call *c);
void finish_result(const struct exec *x, struct buf *out); /* of a step that is finishing */

/* check.c: whether a step that is finishing has met its success criteria is asked first. */
bool check_due(const struct exec *x);
bool check_start(struct exec *x); /* false: it cannot be */

/* context.c */
/* The conversation as the model is shown it, within agent.context_tokens: out has room for all messages.
 * false: it does not fit, e says so. */
bool context_fit(struct exec *x, struct llm_message *out, struct error *e);
void context_learn(struct exec *x, const struct llm_usage *u); /* of the turn that was shown it */
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
/* For events that others will soon follow, and that nothing waits for: they are written, together, with the
 * next one, or when the run has nothing more to do at once. A process that dies before has not got so far. */
bool record_soon(struct run *r, struct record *recs, const enum event_type *types, size_t n);
/* What record_soon holds is written now; false as above. */
bool record_flush(struct run *r);
/* The same for a run that ends, whatever comes of it. */
void record_let_go(struct run *r);
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
/* false: the run is over. It is, too, when a replay has left its recording (ERR_NOT_FOUND): what else a
 * failed call may lead to would tell nothing. */
bool record_model_failed(struct run *r, const char *call, enum llm_role role, const char *step,
			 const struct error *e);
void record_model_failover(struct run *r, const char *call, const char *provider, const char *model,
			   const struct error *why);
void record_model_retried(struct run *r, const char *call, int attempt, int64_t wait_ms,
			  const struct error *why);
/* Slug of an error code as documents show it: "timeout". */
const char *record_error_code(const struct error *e);

#endif
