/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attempts of one call at a model server: send, feed the decoder, judge how it ended, try again or be
 * over.
 *
 * An attempt ends in one of four ways: the answer is whole (also when the connection broke after the answer's
 * own end), the server refused with a status, it reported an error inside its answer, or the answer was cut,
 * silent or not understood. Only the first ends the call well; for the others retry.c decides. Where
 * exchanges are replayed from a cassette, nothing is sent, and the same news come from there
 * (cassette_play.c). Callers' functions are called last in each path, since they may cancel the call.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <string.h>

enum { LIMIT_WAIT_MS_MAX = 61000 };

static void attempt_send(struct llm_try *c);

void llm_on_retry_due(void *arg)
{
	llm_attempt_start(arg);
}

static void exchange_drop(struct llm_try *c)
{
	if (c->exchange != NULL)
		fetch_cancel(c->exchange);
	if (c->play != NULL)
		cassette_play_cancel(c->play);
	c->exchange = NULL;
	c->play = NULL;
}

void llm_attempt_drop(struct llm_try *c)
{
	exchange_drop(c);
	cassette_take_drop(c->take);
	c->take = NULL;
}

/* What came of the exchange is recorded, as far as anything is. */
static void take_keep(struct llm_try *c)
{
	cassette_take_keep(c->take, buf_slice(&c->request));
	c->take = NULL;
}

/* The server does not take the response format that was asked for: this call is made without at once, since
 * its prompt says the form too, and later calls ask for the next lesser one. Nothing of it is recorded: which
 * format is asked for is what this process has learned, and no cassette looks at it. */
static void format_drop(struct llm_try *c, const struct error *why)
{
	struct llm_options *o = &c->provider->options;
	if ((int)o->json_format == c->json_format)
		o->json_format = o->json_format == LLM_FORMAT_SCHEMA ? LLM_FORMAT_OBJECT : LLM_FORMAT_NONE;
	log_warn("the model server refuses the response format and is asked without: set json_format to "
		 "what it knows",
		 LF_STR("provider", o->name), LF_STR("error", why->msg));
	cassette_take_drop(c->take);
	c->take = NULL;
	llm_wire_unformat(c->provider->wire, &c->request);
	c->formatted = false;
	c->state = CALL_WAITING;
	loop_timer_set(c->retry, 0);
	if (c->handler.on_retry != NULL)
		c->handler.on_retry(c->attempts + 1, 0, why, c->handler.arg);
}

bool llm_may_be_paid(const struct error *why)
{
	return why->code == ERR_LOST || why->code == ERR_TIMEOUT;
}

static bool attempt_may_repeat(struct llm_try *c, const struct error *why)
{
	return c->handler.may_repeat == NULL || c->handler.may_repeat(llm_may_be_paid(why), c->handler.arg);
}

/* The attempt failed with *why. Its last act may call on_retry: c may be gone afterwards. */
static void attempt_failed(struct llm_try *c, const struct llm_fault *f, const struct fetch_head *head,
			   const struct error *why)
{
	const struct llm_options *o = &c->provider->options;
	int64_t wait_ms = 0;
	struct llm_retry_case rc = {
		.why = why,
		.fault = f,
		.head = head,
		.attempts = c->attempts,
		.retries_max = o->retries_max,
		.passed_on = c->passed_bytes > 0,
		.left_ms = c->deadline_mono_ms - clock_mono_ms(),
		.wait_ms_max = o->retry_wait_ms_max,
		.wall_ms = clock_wall_ms(),
		.random = (uint32_t)random_u64(),
	};
	struct llm_verdict v = llm_fault_judge(f, head, why->code, rc.wall_ms);
	llm_share_failed(c, &v, why);
	bool unformatted = v.kind == LLM_FAULT_FORMAT && c->formatted && !rc.passed_on;
	if (!unformatted)
		take_keep(c);
	bool again = llm_retry_decide(&rc, &wait_ms, &c->e) || unformatted;
	if (!again || !attempt_may_repeat(c, why)) {
		llm_try_over(c);
		return;
	}
	if (unformatted) {
		c->e = (struct error){0};
		format_drop(c, why);
		return;
	}
	log_info("model call will be tried again", LF_STR("task_id", c->task_id),
		 LF_INT("attempts", c->attempts), LF_INT("wait_ms", wait_ms), LF_STR("error", c->e.msg));
	struct error said = c->e;
	c->e = (struct error){0};
	c->state = CALL_WAITING;
	loop_timer_set(c->retry, wait_ms);
	if (c->handler.on_retry != NULL)
		c->handler.on_retry(c->attempts + 1, wait_ms, &said, c->handler.arg);
}

/* What the decoder or the transport says, in a person's words with the address. */
static void attempt_failed_within(struct llm_try *c, const struct fetch_head *head, const struct error *e)
{
	struct error why = *e;
	struct llm_fault f = c->decode.fault;
	if (c->decode.faulted) {
		llm_fault_mask(&f, c->provider->options.api_key);
		(void)llm_fault_word(&f, head, c->provider->shown, &why);
	} else if (strstr(why.msg, c->provider->shown) == NULL) {
		err_prefix(&why, "%s", c->provider->shown);
	}
	llm_error_mask(&why, c->provider->options.api_key); /* it may quote the answer */
	attempt_failed(c, &f, head, &why);
}

static void attempt_refused(struct llm_try *c, const struct fetch_head *head)
{
	struct error why = {0};
	struct llm_fault f = {.status = head->status};
	llm_fault_from_body(buf_slice(&c->refused), &f);
	llm_fault_mask(&f, c->provider->options.api_key);
	(void)llm_fault_word(&f, head, c->provider->shown, &why);
	attempt_failed(c, &f, head, &why);
}

/* The connection is over. A cut or a silence after the answer's own end is none. */
static bool attempt_is_whole(struct llm_try *c, const struct fetch_news *n, struct error *e)
{
	bool may_be = n->e->code == ERR_NONE || n->e->code == ERR_LOST || n->e->code == ERR_TIMEOUT;
	if (may_be && n->head->status != 0 && llm_decode_finish(&c->decode, e) == ERR_NONE)
		return true;
	if (n->e->code != ERR_NONE && !c->decode.faulted)
		*e = *n->e;
	return false;
}

void llm_text_pass(struct llm_try *c)
{
	size_t from = c->passed_bytes, to = c->decode.turn.text.len;
	if (c->handler.on_delta == NULL || to <= from)
		return;
	c->passed_bytes = to;
	c->handler.on_delta((struct slice){c->decode.turn.text.data + from, to - from}, c->handler.arg);
}

static void on_answer(struct llm_try *c, const struct fetch_news *n)
{
	struct error e = {0};
	bool ended = n->over, well = true;
	if (n->body.len > 0)
		well = llm_decode_feed(&c->decode, n->body, &e) == ERR_NONE;
	if (well && n->over) {
		well = attempt_is_whole(c, n, &e);
	} else if (well && c->decode.done) {
		ended = true;
		well = llm_decode_finish(&c->decode, &e) == ERR_NONE;
	}
	if (!well) {
		exchange_drop(c);
		attempt_failed_within(c, n->head, &e);
		return;
	}
	if (ended) {
		take_keep(c);
		if (c->exchange != NULL)
			fetch_forget(c->exchange); /* its connection is good for the next call */
		c->exchange = NULL;
		exchange_drop(c);
		llm_share_worked(c);
		llm_try_over(c);
	}
	llm_text_pass(c);
}

static void on_news(const struct fetch_news *n, void *arg)
{
	struct llm_try *c = arg;
	if (c->take != NULL)
		cassette_take_news(c->take, n);
	if (n->over) {
		c->exchange = NULL;
		c->play = NULL;
	}
	if (n->head->status < 300) {
		on_answer(c, n);
		return;
	}
	if (n->body.len > 0 && c->refused.len < LLM_ERROR_BODY_BYTES_MAX)
		buf_add_slice(&c->refused, n->body);
	if (n->over)
		attempt_refused(c, n->head);
}

/* Asks again after a while, or when there is room; the deadline goes on. */
static void attempt_hold(struct llm_try *c, int64_t wait_ms)
{
	c->state = CALL_WAITING;
	c->held = true;
	loop_timer_set(c->retry, wait_ms);
}

static void attempt_refuse(struct llm_try *c, const char *what, int64_t wait_ms)
{
	const struct llm_provider *p = c->provider;
	if (wait_ms < 0)
		err_set(&c->e, ERR_UNAVAILABLE, "the provider %s is not asked now: %s", p->options.name,
			what);
	else
		err_set(&c->e, ERR_UNAVAILABLE, "the provider %s is not asked for another %lld s: %s",
			p->options.name, (long long)((wait_ms + 999) / 1000), what);
	llm_try_over(c);
}

/* It has failed too often in a row. Another one is asked at once; the last one of a list is waited for, as
 * often as it would be tried. */
static void attempt_shut(struct llm_try *c, int64_t wait_ms)
{
	const struct llm_options *o = &c->provider->options;
	bool waits = !c->has_next && c->shuts <= o->retries_max && wait_ms <= o->retry_wait_ms_max &&
		     wait_ms < c->deadline_mono_ms - clock_mono_ms();
	c->shuts += wait_ms >= 0;
	if (waits)
		attempt_hold(c, wait_ms);
	else
		attempt_refuse(c,
			       wait_ms < 0 ? "it has failed too often in a row, and one call is finding out "
					     "whether it works again (llm.breaker_failures)"
					   : "it has failed too often in a row (llm.breaker_failures, "
					     "llm.breaker_seconds)",
			       wait_ms);
}

void llm_attempt_start(struct llm_try *c)
{
	const struct llm_options *o = &c->provider->options;
	int64_t wait_ms;
	c->state = CALL_SENT; /* it has its place */
	c->held = false;
	loop_timer_set(c->retry, -1); /* it may have been woken before its time */
	switch (llm_share_ask(c, &wait_ms)) {
	case LLM_GO: attempt_send(c); return;
	case LLM_SHUT: attempt_shut(c, wait_ms); return;
	case LLM_HOLD: break;
	}
	/* Its own limits make no call fail: a minute is over in a minute. */
	if (wait_ms > o->retry_wait_ms_max && wait_ms > LIMIT_WAIT_MS_MAX)
		attempt_refuse(c, "it asked for so much patience (llm.retry_wait_seconds)", wait_ms);
	else
		attempt_hold(c, wait_ms);
}

static void attempt_send(struct llm_try *c)
{
	struct llm_provider *m = c->provider;
	c->attempts++;
	buf_reset(&c->refused);
	llm_decode_release(&c->decode);
	llm_decode_init(&c->decode, m->wire,
			(struct llm_decode_from){.origin = m->origin,
						 .input_bytes = c->request.len,
						 .text_calls = m->options.text_tool_calls,
						 .calls_before = c->calls_before});
	struct fetch_request r = {.method = "POST",
				  .url = m->url,
				  .headers = (const char *const *)m->headers,
				  .body = buf_slice(&c->request)};
	if (m->cassette != NULL && llm_cassette_replays(m->cassette)) {
		c->play = cassette_play_start(m, r.body, on_news, c, &c->e);
		if (c->play == NULL)
			llm_try_over(c);
		return;
	}
	c->take = cassette_take_new(m);
	c->exchange = fetch_start(m->fetch, &r, on_news, c);
}
