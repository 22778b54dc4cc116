/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private face of the llm room: what its files share and nobody else sees. From the bottom up: a turn
 * that can grow, the event-stream splitter, the codec of Chat Completions, the retry policy (all four pure:
 * no I/O, no clock), the transport (curl.c, the only file that knows libcurl) and the offline provider.
 */
#ifndef LLM_LLM_INT_H
#define LLM_LLM_INT_H

#include "base/base.h"
#include "base/fetch.h"
#include "base/sse_read.h"
#include "llm/llm.h"

/* Bounds of one answer. All but response_bytes_max are of the wire, not of the operator, and so no options.
 */
enum {
	LLM_ARGUMENTS_BYTES_MAX = 256 << 10,
	LLM_CALLS_MAX = 128,
	LLM_TURN_BYTES_MAX = 16 << 20,
	LLM_ERROR_BODY_BYTES_MAX = 64 << 10,
	LLM_NAME_BYTES_MAX = 256, /* a tool's name, a call's id, a model's name */
};

/* --- turn.c: a turn under construction --- */

struct llm_call_buf {
	struct buf id, name, arguments;
	struct json *opaque; /* unknown members as an object; NULL when there are none */
	int64_t key;         /* decoder only: the position the server gave it */
};

/* Owns all it holds. Every adder returns false once a bound of the answer is reached; what is there stays
 * valid. */
struct llm_turn_buf {
	struct buf text, refusal, reasoning;
	bool refused; /* a refusal was given, if only an empty one */
	struct llm_call_buf *calls;
	size_t calls_count;
	enum llm_stop stop;
	struct llm_usage usage;
	struct buf model;
	/* What turn_buf_view hands out; rebuilt by each call of it. */
	struct llm_turn view;
	struct llm_tool_call *view_calls;
	char **view_opaque;
	size_t view_count;
};

void turn_buf_init(struct llm_turn_buf *t);
void turn_buf_release(struct llm_turn_buf *t);
bool turn_buf_add_text(struct llm_turn_buf *t, const char *s); /* NULL adds nothing */
bool turn_buf_add_reasoning(struct llm_turn_buf *t, const char *s);
/* An empty call at the end, to be filled; NULL over LLM_CALLS_MAX. Pointers to earlier calls become invalid.
 */
struct llm_call_buf *turn_buf_new_call(struct llm_turn_buf *t);
/* A whole call; id NULL or "" makes "call_<n>", n counting from 0 in this turn; arguments NULL or "" is "{}".
 */
bool turn_buf_add_call(struct llm_turn_buf *t, const char *id, const char *name, const char *arguments);
void turn_buf_set_model(struct llm_turn_buf *t, const char *model);
/* Usage nobody counted: a token is four bytes. Output is all that the turn holds now. */
void turn_buf_estimate(struct llm_turn_buf *t, size_t input_bytes);
/* The turn as the face shows it; borrowed until the next change of t. */
const struct llm_turn *turn_buf_view(struct llm_turn_buf *t);

/* --- offline.c: the provider without a model --- */

/* Fills *out (initialised by the caller) with text, calls, stop, model and an estimated usage. Synchronous
 * and pure: the same request gives the same turn. Never asks for a tool that is not read-only. */
must_check enum err llm_offline_answer(const struct llm_request *r, struct llm_turn_buf *out,
				       struct error *e);

/* --- fault.c: what an answer says went wrong --- */

struct llm_fault {
	int status; /* HTTP's, or the number an error inside a 200 carried; 0: there was no answer */
	char type[64], code[64]; /* as the server named them; "" when it did not */
	char message[256];
};

/* Reads the forms in use: {"error":{message,type,code}}, {"error":"text"}, {"message","code"}, {"detail"},
 * and any of them in an array. false when `j` holds no error. Members the server left out stay as they are in
 * *f. */
bool llm_fault_read(const struct json *j, struct llm_fault *f);
/* From the body of an answer that is no 2xx, JSON or not. */
void llm_fault_from_body(struct slice body, struct llm_fault *f);
/* Overwrites the key, and the beginning of it where a text was cut within it, in all that the server said. */
void llm_fault_mask(struct llm_fault *f, const char *key);
void llm_error_mask(struct error *e, const char *key);
/* No more money: waiting does not help (reference: codes of OpenAI and Anthropic). */
bool llm_fault_is_money(const struct llm_fault *f);
/* Words it for a person: what, from where, what to do. `where` is the address as it may be shown. */
enum err llm_fault_word(const struct llm_fault *f, const struct fetch_head *h, const char *where,
			struct error *e);

/* --- retry.c: may this be tried again, and when --- */

struct llm_retry_case {
	const struct error *why;       /* how the attempt ended */
	const struct llm_fault *fault; /* status 0: no answer that said so */
	const struct fetch_head *head;
	int attempts; /* made so far, 1 or more */
	int retries_max;
	bool passed_on;      /* output has reached the caller */
	int64_t left_ms;     /* until the deadline */
	int64_t wait_ms_max; /* longest Retry-After obeyed */
	int64_t wall_ms;     /* now, for a Retry-After that is a date */
	uint32_t random;     /* of the jitter */
};
/* true: wait *wait_ms and try again. false: it is over. *e holds why, with what hindered the retry added. */
bool llm_retry_decide(const struct llm_retry_case *c, int64_t *wait_ms, struct error *e);

/* --- chat_encode.c, chat_decode.c: OpenAI Chat Completions --- */

/* Appends the request's body. ERR_TOO_LARGE when it does not fit into memory's bound. */
must_check enum err chat_encode(const struct llm_options *o, const struct llm_request *r, struct buf *out,
				struct error *e);
/* base_url + "/chat/completions", a query kept behind it. The caller frees it. */
char *chat_url(const char *base_url);

enum chat_form { CHAT_FORM_UNKNOWN, CHAT_FORM_STREAM, CHAT_FORM_JSON };

/* From bytes to a turn. Text appears in turn.text as it comes; calls are to be trusted after a finish without
 * error. */
struct chat_decode {
	struct llm_turn_buf turn;
	struct llm_fault fault; /* filled when the server reported an error inside its answer */
	struct sse_reader sse;
	struct buf body; /* form JSON: the whole; else the first bytes, for a message */
	enum chat_form form;
	int bom; /* bytes of a byte order mark seen so far */
	bool faulted, done, has_usage, has_choice;
	bool flushing;   /* at the end: what breaks off there is the cut, not bad JSON */
	char finish[32]; /* finish_reason; "" until it came */
	size_t input_bytes, calls_before;
};
/* input_bytes: size of the request, for an estimate. calls_before: calls in the conversation so far, so that
 * ids made here are new ones. */
void chat_decode_init(struct chat_decode *d, size_t input_bytes, size_t calls_before);
void chat_decode_release(struct chat_decode *d);
must_check enum err chat_decode_feed(struct chat_decode *d, struct slice bytes, struct error *e);
/* The answer is over. ERR_NONE: d->turn is complete. ERR_LOST: it was cut. */
must_check enum err chat_decode_finish(struct chat_decode *d, struct error *e);

/* chat_calls.c: tool calls put together from fragments, whatever the server thinks an index is. */
must_check enum err chat_calls_add(struct llm_turn_buf *t, const struct json *fragments, struct error *e);
/* Names the nameless, turns empty arguments into {}. *cut: arguments that break off in the middle. */
must_check enum err chat_calls_finish(struct llm_turn_buf *t, size_t calls_before, bool *cut,
				      struct error *e);
/* Length of the JSON object or array that `s` begins with, 0 when it does not end within `s`. Looks at
 * nesting only. */
size_t chat_value_len(struct slice s);

/* --- llm.c, attempt.c: the calls --- */

enum call_state { CALL_QUEUED, CALL_SENT, CALL_WAITING, CALL_OVER, CALL_ENDING };

struct llm {
	struct loop *loop;
	struct llm_options options; /* texts owned */
	struct fetch *wire;         /* NULL for offline */
	char *url, *shown, *authorization;
	struct llm_call *first, *last; /* all calls in order of start; those in QUEUED wait in this order */
	int places_taken;
};

struct llm_call {
	struct llm *llm;
	struct llm_call *next, *prev;
	enum call_state state;
	struct llm_handler handler;
	char *task_id;
	struct buf request; /* encoded once, sent once per attempt */
	size_t calls_before;
	int attempts;
	int64_t deadline_mono_ms; /* INT64_MAX: none */
	struct loop_timer *deadline, *retry;
	struct fetch_exchange *exchange; /* in SENT only */
	struct chat_decode decode;       /* of this attempt; the turn of one that ended well */
	struct buf refused;              /* body of an answer that is no 2xx */
	size_t passed_bytes;             /* of the turn's text, given to on_delta */
	struct error e;                  /* how the call ended */
};

/* llm.c. c->e says how it ended, ERR_NONE: c->decode.turn is the answer. on_end comes at the bottom of the
 * loop. */
void llm_call_over(struct llm_call *c);
/* attempt.c. Sends the request; the call has a place. */
void llm_attempt_start(struct llm_call *c);
void llm_on_retry_due(void *call);
/* Gives text that came since the last time. Last act of whatever happened: c may be gone afterwards. */
void llm_text_pass(struct llm_call *c);

#endif
