/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private face of the llm room: what its files share and nobody else sees. From the bottom up: a turn that can
 * grow, the event-stream splitter, the codec of Chat Completions, the retry policy (all four pure: no I/O, no clock),
 * the transport (curl.c, the only file that knows libcurl) and the offline provider.
 */
#ifndef LLM_LLM_INT_H
#define LLM_LLM_INT_H

#include "base/base.h"
#include "llm/llm.h"

/* Bounds of one answer. All but response_bytes_max are of the wire, not of the operator, and so no options. */
enum {
	LLM_SSE_LINE_BYTES_MAX = 1 << 20,
	LLM_SSE_EVENT_BYTES_MAX = 4 << 20,
	LLM_ARGUMENTS_BYTES_MAX = 256 << 10,
	LLM_CALLS_MAX = 128,
	LLM_TURN_BYTES_MAX = 16 << 20,
	LLM_ERROR_BODY_BYTES_MAX = 64 << 10,
	LLM_NAME_BYTES_MAX = 256, /* a tool's name, a call's id, a model's name */
};

/* --- turn.c: a turn under construction ---------------------------------------------------------------------------- */

struct llm_call_buf {
	struct buf id, name, arguments;
	struct json *opaque; /* unknown members as an object; NULL when there are none */
	int64_t key;         /* decoder only: the position the server gave it */
};

/* Owns all it holds. Every adder returns false once a bound of the answer is reached; what is there stays valid. */
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
/* An empty call at the end, to be filled; NULL over LLM_CALLS_MAX. Pointers to earlier calls become invalid. */
struct llm_call_buf *turn_buf_new_call(struct llm_turn_buf *t);
/* A whole call; id NULL or "" makes "call_<n>", n counting from 0 in this turn; arguments NULL or "" is "{}". */
bool turn_buf_add_call(struct llm_turn_buf *t, const char *id, const char *name, const char *arguments);
void turn_buf_set_model(struct llm_turn_buf *t, const char *model);
/* Usage nobody counted: a token is four bytes. Output is all that the turn holds now. */
void turn_buf_estimate(struct llm_turn_buf *t, size_t input_bytes);
/* The turn as the face shows it; borrowed until the next change of t. */
const struct llm_turn *turn_buf_view(struct llm_turn_buf *t);

/* --- offline.c: the provider without a model ---------------------------------------------------------------------- */

/* Fills *out (initialised by the caller) with text, calls, stop, model and an estimated usage. Synchronous and pure:
 * the same request gives the same turn. Never asks for a tool that is not read-only. */
must_check enum err llm_offline_answer(const struct llm_request *r, struct llm_turn_buf *out, struct error *e);

#endif
