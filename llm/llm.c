/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One provider and what is asked of it, from start to the one end: waiting for room, sending, decoding,
 * trying again, cancelling. Which provider is asked, and which is next, is router.c's matter.
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
	buf_release(&c->unformatted);
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
	const struct llm_wire *wire = c->provider->wire;
	struct llm_options plain = c->provider->options;
	c->json_format = (int)plain.json_format;
	if (wire->encode(&c->provider->options, r, &c->request, &c->e) != ERR_NONE ||
	    r->response_schema.len == 0 || plain.json_format == LLM_FORMAT_NONE)
		return;
	plain.json_format = LLM_FORMAT_NONE;
	(void)!wire->encode(&plain, r, &c->unformatted, &c->e);
}

struct llm_try *llm_try_new(struct llm_provider *m, const struct llm_request *r, struct llm_handler h)
{
	ensure(h.on_end != NULL);
	struct llm_try *c = xcalloc(1, sizeof(*c));
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

void llm_provider_on_room(struct llm_provider *m)
{
	for (struct llm_try *c = m->first; c != NULL; c = c->next)
		if (c->state == CALL_WAITING && c->held)
			llm_attempt_start(c);
}

/* --- the room's object --- */

static void warn_unencrypted(const struct llm_provider *m)
{
	const struct llm_options *o = &m->options;
	if (o->api_key[0] != '\0' && strncmp(m->url, "http://", 7) == 0 && !url_is_loopback(m->url))
		log_warn("the API key is sent unencrypted: use https in base_url",
			 LF_STR("provider", o->name), LF_STR("server", m->shown));
}

static const struct fetch_words words = {.peer = "the model server",
					 .address = "openai.base_url",
					 .proxy = "llm.proxy",
					 .ca_file = "llm.ca_file",
					 .connect = "llm.connect_seconds",
					 .first_byte = "llm.first_byte_seconds",
					 .idle = "llm.idle_seconds",
					 .response = "llm.response_bytes"};

struct llm_provider *llm_provider_new(struct loop *l, const struct llm_options *o)
{
	struct llm_provider *m = xcalloc(1, sizeof(*m));
	m->loop = l;
	m->options = *o;
	m->options.name = xstrdup(o->name != NULL ? o->name : o->api == LLM_OFFLINE ? "offline" : "openai");
	m->options.base_url = xstrdup(o->base_url != NULL ? o->base_url : "");
	m->options.api_key = xstrdup(o->api_key != NULL ? o->api_key : "");
	m->options.model = xstrdup(o->model != NULL ? o->model : "");
	m->options.reasoning_effort = xstrdup(o->reasoning_effort != NULL ? o->reasoning_effort : "");
	m->options.ca_file = NULL; /* both are the transport's */
	m->options.proxy = NULL;
	m->wire = llm_wire_of(o->api);
	if (m->wire != NULL) {
		m->url = llm_wire_url(m->wire, &m->options);
		m->headers = llm_wire_headers(m->wire, &m->options);
		llm_wire_origin(m->wire, &m->options, m->origin);
	}
	m->options.api_version = m->options.key_header = NULL; /* they are in the headers now */
	m->options.headers = NULL;
	m->shown = url_shown(m->url != NULL ? m->url : "");
	if (m->wire == NULL)
		return m;
	ensure(o->concurrency_max > 0);
	m->fetch = fetch_new(l, &(struct fetch_options){.words = &words,
							.ca_file = o->ca_file,
							.proxy = o->proxy,
							.connect_ms = o->connect_ms,
							.first_byte_ms = o->first_byte_ms,
							.idle_ms = o->idle_ms,
							.response_bytes_max = o->response_bytes_max});
	warn_unencrypted(m);
	return m;
}

/* Text of the options that is ours, wiped: one of them is the API key. */
static void text_wipe(const char *text)
{
	char *own = (char *)(uintptr_t)text;
	if (own != NULL)
		explicit_bzero(own, strlen(own));
	free(own);
}

void llm_provider_free(struct llm_provider *m)
{
	while (m->first != NULL) {
		struct llm_try *c = m->first;
		loop_defer_cancel(m->loop, c);
		call_unlink(c);
		call_free(c);
	}
	if (m->fetch != NULL)
		fetch_free(m->fetch);
	text_wipe(m->options.base_url);
	text_wipe(m->options.api_key);
	text_wipe(m->options.model);
	text_wipe(m->options.name);
	text_wipe(m->options.reasoning_effort);
	llm_headers_free(m->headers);
	free(m->url);
	free(m->shown);
	free(m);
}
