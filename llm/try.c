/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call at one provider, from start to the one end: waiting for room, sending, decoding, trying again,
 * cancelling. Which provider is asked, and which is next, is router.c's matter; a single attempt is
 * attempt.c's.
 *
 *   READY --begin--> QUEUED --room--> SENT --fails, may be tried again--> WAITING --time--> SENT
 *      any state --answer, failure, deadline--> OVER --bottom of the loop--> on_end, freed
 *
 * A try holds one of `concurrency_max` places from SENT to OVER, also while it waits for a retry: a server
 * that asks us to slow down gets no further calls in its place. Callers' functions are called last, when
 * everything else is in order, since they may cancel this call or free the whole llm; on_end always comes
 * from loop_defer. Between on_end and its return, cancelling the same call does nothing.
 *
 * It knows no wire: the row of wire.c that the options name codes and decodes, base/fetch.h carries, retry.c
 * decides, offline.c answers without a server.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the end of a call --- */

static void call_unlink(struct llm_try *c)
{
	struct llm_provider *m = c->provider;
	*(c->prev != NULL ? &c->prev->next : &m->first) = c->next;
	*(c->next != NULL ? &c->next->prev : &m->last) = c->prev;
	c->next = c->prev = NULL;
}

static void call_free(struct llm_try *c)
{
	llm_share_given_up(c);
	llm_attempt_drop(c);
	loop_timer_free(c->deadline);
	loop_timer_free(c->retry);
	llm_decode_release(&c->decode);
	buf_release(&c->request);
	buf_release(&c->refused);
	free(c->task_id);
	free(c);
}

static void on_try_end(void *arg)
{
	struct llm_try *c = arg;
	struct llm_turn turn;
	if (c->e.code == ERR_NONE) {
		turn = *turn_buf_view(&c->decode.turn);
		turn.provider = c->provider->options.name;
		turn.cost_nano = llm_cost_nano(&c->provider->options.prices, &turn.usage);
	}
	call_unlink(c);
	c->state = CALL_ENDING;
	c->handler.on_end(c->e.code == ERR_NONE ? &turn : NULL, &c->e, c->handler.arg);
	call_free(c);
}

static void place_take(struct llm_try *c)
{
	c->provider->places_taken++;
	llm_attempt_start(c);
}

/* Gives the places that are free to those that wait longest. */
static void places_fill(struct llm_provider *m)
{
	for (struct llm_try *c = m->first; c != NULL; c = c->next) {
		if (m->places_taken >= m->options.concurrency_max)
			return;
		if (c->state == CALL_QUEUED)
			place_take(c);
	}
}

static void place_give(struct llm_try *c)
{
	if (c->state == CALL_SENT || c->state == CALL_WAITING)
		c->provider->places_taken--;
}

/* c->e says how. Calls nobody: on_end comes at the bottom of the loop. */
void llm_try_over(struct llm_try *c)
{
	place_give(c);
	llm_share_given_up(c);
	c->state = CALL_OVER;
	llm_attempt_drop(c);
	loop_timer_set(c->deadline, -1);
	loop_timer_set(c->retry, -1);
	if (c->e.code != ERR_NONE)
		log_warn("model call failed: see the error and the model server",
			 LF_STR("task_id", c->task_id), LF_STR("provider", c->provider->options.name),
			 LF_STR("server", c->provider->shown), LF_INT("attempts", c->attempts),
			 LF_STR("error", c->e.msg));
	loop_defer(c->provider->loop, on_try_end, c);
	places_fill(c->provider);
}

/* A provider that takes longer than a call may take has failed; a task that has no time left has not. */
static void silence_tell(struct llm_try *c)
{
	static const struct llm_verdict lost = {.kind = LLM_FAULT_LOST, .asked_ms = -1};
	if (c->state == CALL_SENT && !c->deadline_is_callers)
		llm_share_failed(c, &lost, &c->e);
}

static void on_deadline(void *arg)
{
	struct llm_try *c = arg;
	err_set(&c->e, ERR_TIMEOUT,
		"the model call was not done in time: %s; raise llm.call_seconds or the task's time, or see "
		"whether the model server at %s is slow",
		c->state == CALL_QUEUED    ? "it still waited for one of llm.concurrency_max places"
		: c->held                  ? "it waited for the limits or the breaker of its provider"
		: c->state == CALL_WAITING ? "it waited to be tried again"
					   : "the answer had not ended",
		c->provider->shown);
	silence_tell(c);
	llm_try_over(c);
}

/* --- calls --- */

static size_t calls_count(const struct llm_request *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->messages_count; i++)
		n += r->messages[i].calls_count;
	return n;
}

static enum err options_check(const struct llm_options *o, struct error *e)
{
	if (o->model[0] == '\0')
		return err_set(e, ERR_CONFIG, "no model is named: set llm.model, or model of the provider %s",
			       o->name);
	for (const char *p = o->api_key; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return err_set(
				e, ERR_CONFIG,
				"the key of the provider %s holds a space or a control character at place "
				"%d: it cannot be sent in a header; see whether it was copied whole",
				o->name, (int)(p - o->api_key) + 1);
	}
	return ERR_NONE;
}

static void on_offline_text(void *arg)
{
	llm_text_pass(arg);
}

/* The answer is there at once; it is handed out from the loop like any other. */
static void offline_begin(struct llm_try *c)
{
	if (c->e.code == ERR_NONE)
		loop_defer(c->provider->loop, on_offline_text, c);
	llm_try_over(c);
}

static void wire_begin(struct llm_try *c)
{
	struct llm_provider *m = c->provider;
	if (c->e.code != ERR_NONE)
		llm_try_over(c);
	else if (m->places_taken < m->options.concurrency_max)
		place_take(c);
}

static void deadline_start(struct llm_try *c)
{
	int64_t now = clock_mono_ms();
	int64_t ours = now + c->provider->options.call_ms_max;
	c->deadline_is_callers = c->provider->options.call_ms_max == 0 || c->deadline_mono_ms <= ours;
	if (!c->deadline_is_callers)
		c->deadline_mono_ms = ours;
	if (c->deadline_mono_ms != INT64_MAX)
		loop_timer_set(c->deadline, c->deadline_mono_ms > now ? c->deadline_mono_ms - now : 0);
}

static void request_encode(struct llm_try *c, const struct llm_request *r)
{
	const struct llm_options *o = &c->provider->options;
	c->json_format = (int)o->json_format;
	c->formatted = r->response_schema.len > 0 && o->json_format != LLM_FORMAT_NONE;
	(void)!c->provider->wire->encode(o, r, &c->request, &c->e);
}

struct llm_try *llm_try_new(struct llm_provider *m, const struct llm_request *r, struct llm_handler h)
{
	ensure(h.on_end != NULL);
	struct llm_try *c = xmalloc(sizeof(*c));
	*c = (struct llm_try){.provider = m, .handler = h, .state = CALL_READY, .prev = m->last};
	*(m->last != NULL ? &m->last->next : &m->first) = c;
	m->last = c;
	c->task_id = xstrdup(r->task_id);
	c->deadline = loop_timer_new(m->loop, on_deadline, c);
	c->retry = loop_timer_new(m->loop, llm_on_retry_due, c);
	c->deadline_mono_ms = r->deadline_mono_ms > 0 ? r->deadline_mono_ms : INT64_MAX;
	c->calls_before = calls_count(r);
	c->after = r->after;
	if (m->wire == NULL) {
		turn_buf_init(&c->decode.turn);
		(void)!llm_offline_answer(r, &c->decode.turn, &c->e);
	} else if (options_check(&m->options, &c->e) == ERR_NONE) {
		request_encode(c, r);
	}
	return c;
}

void llm_try_begin(struct llm_try *c)
{
	c->state = CALL_QUEUED;
	deadline_start(c);
	if (c->provider->wire == NULL)
		offline_begin(c);
	else
		wire_begin(c);
}

void llm_try_cancel(struct llm_try *c)
{
	struct llm_provider *m = c->provider;
	if (c->state == CALL_ENDING)
		return;
	place_give(c);
	loop_defer_cancel(m->loop, c);
	call_unlink(c);
	call_free(c);
	places_fill(m);
}

void llm_tries_drop(struct llm_provider *m)
{
	while (m->first != NULL) {
		struct llm_try *c = m->first;
		loop_defer_cancel(m->loop, c);
		call_unlink(c);
		call_free(c);
	}
}

void llm_tries_on_room(struct llm_provider *m)
{
	for (struct llm_try *c = m->first; c != NULL; c = c->next)
		if (c->state == CALL_WAITING && c->held)
			llm_attempt_start(c);
}
