/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tool calls and their results: what decides about them, sends them, keeps and shows what came. Part of
 * agent_int.h.
 */
#ifndef AGENT_CALL_INT_H
#define AGENT_CALL_INT_H

#include "agent/run_int.h"

struct result_view; /* result.c */

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
bool calls_all_done(const struct exec *x);
bool calls_in_flight(const struct exec *x, bool people);
bool calls_journaled(const struct exec *x); /* one of them is to be sent */
/* The next time one of them is made again; INT64_MAX: never. */
int64_t calls_again_mono_ms(const struct exec *x);
/* Stops the calls in flight; their callbacks do not come. */
void calls_cancel(struct exec *x);

/* call_send.c: written as started; sent, once that is durable where it must be. */
void call_start(struct exec_call *c, const struct json *arguments);
void call_send(struct exec_call *c);
/* It can be made again without harm. */
bool call_repeatable(const struct exec_call *c);

/* call_answer.c */
/* Records what came of a call for the model: a tool message in the conversation. full: what read_result
 * reads, NULL: the same. */
void calls_answer(struct exec_call *c, const char *text, const char *full, bool is_error);
/* The same of a result. */
void calls_answer_result(struct exec_call *c, struct result_view *v);
/* What a model is told of a call without an answer. doubt: it may have taken effect all the same. */
void calls_failure_text(const char *message, bool doubt, struct buf *out);
/* The members every event of a call begins with. */
void call_head(struct record *rec, const struct exec_call *c);
/* tool.failed, and the model is told. */
void call_failed(struct exec_call *c, const struct error *why, bool sent);

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
/* The answer's own text, with its links as text where strangers may have made them up. */
void answer_text_add(const struct run *r, const char *text, struct buf *out);
/* answer_links.c: appends it so that nothing loads or leads elsewhere by itself, but for what the prompt
 * names; true: something was changed. */
bool answer_links_defuse(const char *text, const char *prompt, struct buf *out);
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

#endif
