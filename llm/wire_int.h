/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wires of model APIs, and what they are made of: a turn under construction, what a server says went
 * wrong, and one row per API (struct llm_wire) with its encoder and its part of the decoder. All of it is
 * pure: no I/O, no clock. Whoever sends knows no API by name, only its row.
 */
#ifndef LLM_WIRE_INT_H
#define LLM_WIRE_INT_H

#include "base/base.h"
#include "base/fetch.h"
#include "base/sse_read.h"
#include "llm/llm.h"

/* Bounds of one answer. All but response_bytes_max are of the wire, not of the operator, and so no options.
 */
enum {
	LLM_ARGUMENTS_BYTES_MAX = 256 << 10,
	LLM_CALLS_MAX = 128,
	LLM_PARTS_MAX = 1024,
	LLM_TURN_BYTES_MAX = 16 << 20,
	LLM_ECHO_BYTES_MAX = 4 << 20,
	LLM_ERROR_BODY_BYTES_MAX = 64 << 10,
	LLM_NAME_BYTES_MAX = 256, /* a tool's name, a call's id, a model's name */
};

/* --- turn.c: a turn under construction --- */

struct llm_call_buf {
	struct buf id, name, arguments;
	struct json *opaque; /* unknown members as an object; NULL when there are none */
	int64_t key;         /* decoder only: the position the server gave it */
};

/* The answer in the order it came, kept for its echo. */
enum llm_part_kind { LLM_PART_TEXT, LLM_PART_CALL, LLM_PART_RAW };

struct llm_part_buf {
	enum llm_part_kind kind;
	int64_t key;          /* the position the server gave it */
	size_t bytes;         /* TEXT: of turn.text */
	size_t call;          /* CALL: which of turn.calls */
	char phase[24];       /* TEXT: as Responses names it; "" */
	struct json *value;   /* RAW: what goes back as it is; NULL: nothing goes back */
	struct buf text;      /* RAW: a text that grows by pieces */
	struct buf signature; /* RAW: the same, of a signature */
};

/* Owns all it holds. Every adder returns false once a bound of the answer is reached; what is there stays
 * valid. */
struct llm_turn_buf {
	struct buf text, refusal, reasoning;
	bool refused; /* a refusal was given, if only an empty one */
	struct llm_part_buf *parts;
	size_t parts_count;
	struct buf echo;
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

/* --- echo.c: what goes back to a model's API with its own turn, and in what order --- */

/* NULL over LLM_PARTS_MAX. Pointers to earlier parts become invalid. */
struct llm_part_buf *turn_buf_new_part(struct llm_turn_buf *t, enum llm_part_kind kind, int64_t key);
struct llm_part_buf *turn_buf_find_part(struct llm_turn_buf *t, int64_t key); /* the newest; NULL: none */
void turn_buf_add_part_text(struct llm_turn_buf *t, struct llm_part_buf *p, const char *text); /* or NULL */
struct llm_call_buf *turn_buf_part_call(struct llm_turn_buf *t, const struct llm_part_buf *p);
void turn_buf_release_parts(struct llm_turn_buf *t);
/* Writes t->echo from the parts, marked with where they came from; nothing where text and calls say it all.
 */
void turn_buf_make_echo(struct llm_turn_buf *t, const char *origin);

struct llm_part {
	enum llm_part_kind kind;
	struct slice text;                /* TEXT */
	const char *phase;                /* TEXT; NULL when none */
	const struct llm_tool_call *call; /* CALL */
	const struct json *raw;           /* RAW */
};

/* Walks over the parts of an assistant's message: as its echo has them when that came from `origin`, else
 * text, then calls. Each call and each byte of the text is given once, whatever the echo says. */
struct llm_parts {
	const struct llm_message *message;
	struct json *tree;
	const struct json *at;
	size_t text_at, text_len, calls_at;
	bool text_fits;
};
void llm_parts_open(struct llm_parts *p, const struct llm_message *m, const char *origin);
bool llm_parts_next(struct llm_parts *p, struct llm_part *out);
void llm_parts_close(struct llm_parts *p);

/* --- fault.c: what an answer says went wrong --- */

struct llm_fault {
	int status; /* HTTP's, or the number an error inside a 200 carried; 0: there was no answer */
	char type[64], code[64], param[64]; /* as the server named them; "" when it did not */
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
/* The response format is what the server does not take: by the member it names. To ask again without is
 * harmless, so here the message may decide. */
bool llm_fault_is_format(const struct llm_fault *f);
/* Words it for a person: what, from where, what to do. `where` is the address as it may be shown. */
enum err llm_fault_word(const struct llm_fault *f, const struct fetch_head *h, const char *where,
			struct error *e);

/* --- fault_judge.c: what kind of failure it was, for whoever decides what comes next --- */

enum llm_fault_kind {
	LLM_FAULT_REQUEST,  /* the request is refused as it is: no server of the kind will take it */
	LLM_FAULT_FORMAT,   /* the same, for the response format that was asked for */
	LLM_FAULT_MONEY,    /* no more money or quota: waiting does not help */
	LLM_FAULT_ACCESS,   /* key, permission, address or model name: the configuration is wrong */
	LLM_FAULT_RATE,     /* too many calls: later */
	LLM_FAULT_OVERLOAD, /* the server wants less, not just later: much later */
	LLM_FAULT_BUSY,     /* failed for a reason that may pass */
	LLM_FAULT_LOST,     /* no answer, or not to its end: connection refused, lost, silent */
	LLM_FAULT_ANSWER,   /* an answer that cannot be understood */
};
const char *llm_fault_kind_text(enum llm_fault_kind k); /* "request", "format", ... for logs and metrics */

struct llm_verdict {
	enum llm_fault_kind kind;
	bool passing;     /* the same request may succeed later at the same server */
	int64_t asked_ms; /* the wait the server asks for (RFC 9110 section 10.2.3, retry-after-ms), -1: none
			   */
};
/* `how` is the code of the error the attempt ended with; wall_ms is now, for a Retry-After that is a date. */
struct llm_verdict llm_fault_judge(const struct llm_fault *f, const struct fetch_head *h, enum err how,
				   int64_t wall_ms);

/* --- wire.c: the table of APIs --- */

struct llm_decode;

struct llm_wire {
	enum llm_api api;
	const char *name;         /* as llm.api says: "chat" */
	const char *title;        /* for people: "Chat Completions" */
	const char *base_default; /* base address when none is configured */
	const char *version_path; /* "/v1" where base addresses usually come without it; "" */
	const char *path;         /* "/chat/completions" */
	const char *key_header;   /* "Authorization" (a bearer token), or a header that holds the key alone */
	const char *version_header; /* NULL: none */
	const char *version_default;
	const char
		*format[2]; /* where a request asks for a response format: a member, one within it or NULL */
	const char *event_prefixes[2]; /* names of events that are of the answer: their data must be JSON */
	/* Appends the request's body. ERR_TOO_LARGE when it does not fit into memory's bound. */
	enum err (*encode)(const struct llm_options *o, const struct llm_request *r, struct buf *out,
			   struct error *e);
	/* Takes the value at the beginning of `s` if it is one of the many that carry a piece of text, and
	 * says how long it was; 0: it is left to `take`. A short cut that decides nothing (base/json_peek.c).
	 */
	size_t (*peek)(struct llm_decode *d, const char *event, struct slice s);
	/* One JSON value of the answer, whose event was called so ("message" when it had no name). Sets
	 * d->done at the answer's own end. */
	enum err (*take)(struct llm_decode *d, const char *event, const struct json *value, struct error *e);
	/* All values are taken: is the turn whole? Sets turn.stop and usage, or fails with llm_decode_cut. */
	enum err (*finish)(struct llm_decode *d, struct error *e);
};

/* Most output of this answer: the lesser of what options and request say; 0: neither does. For the wires. */
int64_t llm_output_max(const struct llm_options *o, const struct llm_request *r);
/* Takes the response format out of an encoded request. */
void llm_wire_unformat(const struct llm_wire *w, struct buf *request);
/* NULL for LLM_OFFLINE, which has no wire. */
const struct llm_wire *llm_wire_of(enum llm_api api);
/* The address of a call: o->base_url (or the wire's own), "{model}" in it replaced by the model's name, the
 * wire's path behind it unless it is there, a query kept behind that. The caller frees it. */
char *llm_wire_url(const struct llm_wire *w, const struct llm_options *o);
enum { LLM_ORIGIN_SIZE = 48 };
/* Names API, server and model in short: reasoning that one of them sealed no other can open. */
void llm_wire_origin(const struct llm_wire *w, const struct llm_options *o, char out[LLM_ORIGIN_SIZE]);
/* "Name: value", the last NULL: media types, the key, the API's version, what the options add. Hold a
 * secret: llm_headers_free wipes them. */
char **llm_wire_headers(const struct llm_wire *w, const struct llm_options *o);
void llm_headers_free(char **headers); /* NULL is fine */

/* --- decode.c: from bytes to a turn, what all wires share --- */

enum llm_form { LLM_FORM_UNKNOWN, LLM_FORM_STREAM, LLM_FORM_JSON };

/* The request that is answered. */
struct llm_decode_from {
	const char
		*origin; /* llm_wire_origin; borrowed. NULL: nothing is to be sent back but text and calls */
	size_t input_bytes;  /* its size, for an estimate */
	bool text_calls;     /* LLM_CHAT: calls that stand in the text count */
	size_t calls_before; /* calls in the conversation so far, so that ids made here are new ones */
};

/* Text appears in turn.text as it comes; calls are to be trusted after a finish without error. */
struct llm_decode {
	const struct llm_wire *wire;
	struct llm_turn_buf turn;
	struct llm_fault fault; /* filled when the server reported an error inside its answer */
	struct sse_reader sse;
	struct buf body; /* form JSON: the whole; else the first bytes, for a message */
	enum llm_form form;
	int bom;       /* bytes of a byte order mark seen so far */
	unsigned half; /* of a character that was cut, kept back (halves.c); 0: none */
	bool faulted, done, has_usage;
	bool has_answer; /* something of an answer of this wire was there */
	bool flushing;   /* at the end: what breaks off there is the cut, not bad JSON */
	char finish[40]; /* how the server says it ended; "" until it came */
	struct llm_decode_from from;
};
void llm_decode_init(struct llm_decode *d, const struct llm_wire *w, struct llm_decode_from from);
void llm_decode_release(struct llm_decode *d);
must_check enum err llm_decode_feed(struct llm_decode *d, struct slice bytes, struct error *e);
/* The answer is over. ERR_NONE: d->turn is complete. ERR_LOST: it was cut. After an error nothing more may be
 * fed; d->fault tells what the server itself reported (d->faulted). */
must_check enum err llm_decode_finish(struct llm_decode *d, struct error *e);

/* For the wires: d->fault is filled, the answer has failed. Returns the error. */
enum err llm_decode_fault(struct llm_decode *d, struct error *e);
/* For the wires: the answer ended before its end, or is no answer of theirs. */
enum err llm_decode_cut(const struct llm_decode *d, struct error *e);
/* For the wires: fails when a text of the turn is over its bound. */
enum err llm_decode_check(const struct llm_decode *d, struct error *e);
/* Length of the JSON object or array that `s` begins with, 0 when it does not end within `s`. Looks at
 * nesting only. */
size_t llm_value_len(struct slice s);

/* --- halves.c --- */

/* Appends JSON text with whole characters only; *half is what is kept back from one text to the next. false:
 * there was nothing to do. */
bool llm_halves_join(unsigned *half, struct slice s, struct buf *out);

/* --- encode.c: what encoders share --- */

/* The arguments of a call as the text of a JSON object, appended: what the model wrote, or, where that is no
 * object, the same wrapped into one. */
void llm_put_arguments(struct buf *out, const struct llm_tool_call *c);
/* The schema of a tool's arguments: always an object with "properties". */
void llm_put_schema(struct jw *w, const struct llm_tool *t);
/* The members of an object, given as JSON text; NULL: none. */
void llm_put_members(struct jw *w, const char *object);
/* The description of a tool for a model, NULL when it has none. */
const char *llm_tool_text(const struct llm_tool *t);
/* The response format that is asked for, given what the server knows and whether the schema stays within
 * the subset that all servers keep strictly (llm_schema_is_strict). */
bool llm_schema_is_strict(struct slice schema);
/* false: o and r want no caching, or the API's own default is not to ask for it. */
bool llm_wants_cache(const struct llm_options *o);
/* All system messages, joined by blank lines. */
void llm_put_system(struct buf *out, const struct llm_request *r);
must_check enum err llm_encode_end(const struct buf *out, struct error *e);

/* --- chat_encode.c, chat_decode.c, chat_peek.c, chat_calls.c: OpenAI Chat Completions --- */

must_check enum err chat_encode(const struct llm_options *o, const struct llm_request *r, struct buf *out,
				struct error *e);
size_t chat_peek(struct llm_decode *d, const char *event, struct slice s);
enum err chat_take(struct llm_decode *d, const char *event, const struct json *value, struct error *e);
enum err chat_finish(struct llm_decode *d, struct error *e);

/* Tool calls put together from fragments, whatever the server thinks an index is. */
must_check enum err chat_calls_add(struct llm_turn_buf *t, const struct json *fragments, struct error *e);
/* A fragment without a tree. */
struct chat_fragment {
	bool keyed; /* it has a position of its own; else key is its place in the chunk */
	int64_t key;
	char id[64], name[64];  /* "": absent */
	struct slice arguments; /* a JSON string, as it is written; null or absent: none */
};
/* All of them, or none: what may be over a bound is left to chat_calls_add. */
bool chat_fragments_take(struct llm_turn_buf *t, const struct chat_fragment *f, size_t count);

/* --- responses_encode.c, responses_decode.c: OpenAI Responses --- */

must_check enum err responses_encode(const struct llm_options *o, const struct llm_request *r,
				     struct buf *out, struct error *e);
size_t responses_peek(struct llm_decode *d, const char *event, struct slice s);
enum err responses_take(struct llm_decode *d, const char *event, const struct json *value, struct error *e);
enum err responses_finish(struct llm_decode *d, struct error *e);

/* --- messages_encode.c, messages_decode.c: Anthropic Messages --- */

must_check enum err messages_encode(const struct llm_options *o, const struct llm_request *r, struct buf *out,
				    struct error *e);
size_t messages_peek(struct llm_decode *d, const char *event, struct slice s);
enum err messages_take(struct llm_decode *d, const char *event, const struct json *value, struct error *e);
enum err messages_finish(struct llm_decode *d, struct error *e);

/* Makes calls of those that stand in the text, and takes them out of it. */
void chat_text_calls_take(struct llm_turn_buf *t);

/* --- calls.c: tool calls of a turn, on any wire --- */

/* Adds the members of a call as the server sent it, but for those that the wire knows and nulls, to
 * c->opaque. */
void llm_call_keep(struct llm_call_buf *c, const struct json *object, const char *const *known, size_t count);
must_check enum err llm_call_check(const struct llm_call_buf *c, struct error *e); /* its bounds */

/* Names the nameless, turns empty arguments into {}. *cut: arguments that break off in the middle. */
must_check enum err llm_calls_finish(struct llm_turn_buf *t, size_t calls_before, bool *cut, struct error *e);

#endif
