/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private face of the llm room: what its files share and nobody else sees. The wires stand in wire_int.h;
 * here are the offline provider, the retry policy, the tries at one provider and the calls that
 * go from one to the next.
 */
#ifndef LLM_LLM_INT_H
#define LLM_LLM_INT_H

#include "base/base.h"
#include "base/fetch.h"
#include "llm/cassette_int.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

/* --- offline.c: the provider without a model --- */

/* Fills *out (initialised by the caller) with text, calls, stop, model and an estimated usage. Synchronous
 * and pure: the same request gives the same turn. Never asks for a tool that is not read-only. */
must_check enum err llm_offline_answer(const struct llm_request *r, struct llm_turn_buf *out,
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

/* --- provider.c, try.c, attempt.c: one provider, and what is asked of it --- */

enum call_state { CALL_READY, CALL_QUEUED, CALL_SENT, CALL_WAITING, CALL_OVER, CALL_ENDING };

struct llm_provider {
	struct loop *loop;
	struct llm_shared shared;
	size_t index;                /* of the setup's list */
	struct llm_options options;  /* texts owned */
	const struct llm_wire *wire; /* NULL for offline, as is all of the next two lines */
	struct fetch *fetch;
	char *url, *shown, **headers;
	char origin[LLM_ORIGIN_SIZE];
	struct llm_cassette *cassette;  /* NULL: neither recorded nor replayed */
	struct cassette_writer *writer; /* NULL: not recorded */
	struct llm_try *first, *last;   /* all calls in order of start; those in QUEUED wait in this order */
	int places_taken;
};

struct llm_try {
	struct llm_provider *provider;
	struct llm_try *next, *prev;
	enum call_state state;
	struct llm_handler handler;
	char *task_id;
	struct buf request; /* encoded once, sent once per attempt */
	bool formatted;     /* it asks for a response format */
	int json_format;    /* the one of its provider then */
	size_t calls_before;
	int attempts;
	int64_t deadline_mono_ms; /* INT64_MAX: none */
	struct loop_timer *deadline, *retry;
	/* In SENT only: one of the first two, and the third while the first is recorded. */
	struct fetch_exchange *exchange;
	struct cassette_play *play;
	struct cassette_take *take;
	struct llm_decode decode; /* of this attempt; the turn of one that ended well */
	struct buf refused;       /* body of an answer that is no 2xx */
	size_t passed_bytes;      /* of the turn's text, given to on_delta */
	struct error e;           /* how the call ended */
	uint64_t after;
	bool deadline_is_callers;
	int shuts;     /* how often the breaker was met */
	bool has_next; /* another provider can be asked in place of this one */
	bool held;     /* in WAITING: not for a retry, but for a limit or a breaker */
	bool admitted; /* the attempt under way has a pass, which is to be reported */
	int64_t tokens_asked;
	struct llm_pass pass;
};

/* --- share.c: what is shared with other processes --- */

/* Asks for one more attempt. Without anybody to ask it is LLM_GO. */
enum llm_permit llm_share_ask(struct llm_try *t, int64_t *wait_ms);
/* The attempt is over; nothing when it had no pass. */
void llm_share_worked(struct llm_try *t);
void llm_share_failed(struct llm_try *t, const struct llm_verdict *v, const struct error *why);
void llm_share_given_up(struct llm_try *t);

/* provider.c. Options are copied. */
struct llm_provider *llm_provider_new(struct loop *l, const struct llm_options *o);
void llm_provider_free(struct llm_provider *p); /* cancels what runs */
/* try.c. Encodes the request, and sends nothing yet; nothing of *r is needed afterwards. Never NULL. */
struct llm_try *llm_try_new(struct llm_provider *p, const struct llm_request *r, struct llm_handler h);
/* The handler's functions are called from the loop; on_end exactly once, and then the pointer is gone. */
void llm_try_begin(struct llm_try *t);
void llm_tries_on_room(struct llm_provider *p); /* as llm_on_room */
void llm_tries_drop(struct llm_provider *p);    /* all of them are cancelled */
/* on_end is not called; the pointer is gone. Within its own on_end it does nothing. */
void llm_try_cancel(struct llm_try *t);

/* attempt.c. The attempt failed in a way that leaves open whether the provider has done the work. */
bool llm_may_be_paid(const struct error *why);
/* try.c. c->e says how it ended, ERR_NONE: c->decode.turn is the answer. on_end comes at the bottom of the
 * loop. */
void llm_try_over(struct llm_try *c);
/* attempt.c. Sends the request; the call has a place. */
void llm_attempt_start(struct llm_try *c);
/* attempt.c. No further news of what was sent. */
void llm_attempt_drop(struct llm_try *c);
void llm_on_retry_due(void *call);
/* Gives text that came since the last time. Last act of whatever happened: c may be gone afterwards. */
void llm_text_pass(struct llm_try *c);

/* --- price.c --- */

/* What this usage costs, in billionths of the currency's unit, rounded up; -1 when the prices are not known.
 */
int64_t llm_cost_nano(const struct llm_prices *p, const struct llm_usage *u);

#endif
