/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All providers, and calls that go from one to the next. A call asks the providers of its role in order: each
 * is tried by its own rules (try.c, attempt.c), and when it has failed for good the next one is asked, as
 * long as nothing was passed on and there is time. The requests for all of them are encoded when the call
 * starts, so that nothing of the caller's is needed later; the last one's failure is the call's.
 *
 * Callers' functions are called last, since they may cancel this call or free the whole llm.
 */
#include "base/base.h"
#include "llm/llm_int.h"

#include <stdlib.h>
#include <string.h>

struct llm {
	struct loop *loop;
	struct llm_provider *providers[LLM_PROVIDERS_MAX];
	size_t providers_count;
	size_t roles[LLM_ROLES][LLM_PROVIDERS_MAX], roles_count[LLM_ROLES];
	struct llm_call *first;
	struct cassette_writer *writer; /* NULL: nothing is recorded */
};

struct llm_call {
	struct llm *llm;
	struct llm_call *next, **link; /* in the list of all */
	struct llm_handler handler;
	char *task_id;
	struct llm_try *tries[LLM_PROVIDERS_MAX]; /* NULL: over */
	size_t tries_count, at;
	int64_t deadline_mono_ms;
	bool passed_on, ending;
};

/* --- texts --- */

const char *llm_role_text(enum llm_role r)
{
	static const char *const text[] = {"planner", "executor", "writer"};
	ensure((size_t)r < COUNT_OF(text));
	return text[r];
}

static const char *const stop_texts[] = {"end", "tool", "length", "refusal", "filter", "pause"};

const char *llm_stop_text(enum llm_stop s)
{
	ensure((size_t)s < COUNT_OF(stop_texts));
	return stop_texts[s];
}

enum llm_stop llm_stop_of(const char *text)
{
	for (size_t i = 0; i < COUNT_OF(stop_texts); i++) {
		if (strcmp(stop_texts[i], text) == 0)
			return (enum llm_stop)i;
	}
	return LLM_STOP_END;
}

static const struct llm_provider *first_of(const struct llm *m, enum llm_role r)
{
	return m->providers[m->roles[r][0]];
}

const char *llm_provider(const struct llm *m, enum llm_role r)
{
	return first_of(m, r)->options.name;
}

static const char *model_of(const struct llm_provider *p)
{
	return p->wire == NULL ? "builtin-rules" : p->options.model;
}

const char *llm_model(const struct llm *m, enum llm_role r)
{
	return model_of(first_of(m, r));
}

bool llm_is_offline(const struct llm *m, enum llm_role r)
{
	return first_of(m, r)->wire == NULL;
}

/* --- calls --- */

static void call_unlink(struct llm_call *c)
{
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
}

static void tries_drop(struct llm_call *c)
{
	for (size_t i = c->at; i < c->tries_count; i++)
		if (c->tries[i] != NULL)
			llm_try_cancel(c->tries[i]);
	c->tries_count = 0;
}

static void call_free(struct llm_call *c)
{
	tries_drop(c);
	free(c->task_id);
	free(c);
}

static void on_try_delta(struct slice text, void *arg)
{
	struct llm_call *c = arg;
	c->passed_on = true;
	if (c->handler.on_delta != NULL)
		c->handler.on_delta(text, c->handler.arg);
}

static void on_try_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	struct llm_call *c = arg;
	if (c->handler.on_retry != NULL)
		c->handler.on_retry(attempt, wait_ms, why, c->handler.arg);
}

/* What is not in a cassette is no failure of a provider: no other one is asked instead. */
static bool next_may_be_asked(const struct llm_call *c, const struct error *why)
{
	if (why->code == ERR_NOT_FOUND)
		return false;
	bool can = !c->passed_on && c->at + 1 < c->tries_count &&
		   (c->deadline_mono_ms == 0 || clock_mono_ms() < c->deadline_mono_ms);
	return can && (!llm_may_be_paid(why) || c->handler.may_repeat == NULL ||
		       c->handler.may_repeat(true, c->handler.arg));
}

static bool on_try_repeat(bool paid, void *arg)
{
	struct llm_call *c = arg;
	return c->handler.may_repeat(paid, c->handler.arg);
}

static void next_ask(struct llm_call *c, const struct error *why)
{
	struct llm_try *t = c->tries[++c->at];
	const struct llm_provider *p = t->provider;
	log_warn("a model provider failed; the next one of the list is asked", LF_STR("task_id", c->task_id),
		 LF_STR("provider", p->options.name), LF_STR("error", why->msg));
	llm_try_begin(t);
	if (c->handler.on_failover != NULL)
		c->handler.on_failover(p->options.name, model_of(p), why, c->handler.arg);
}

static void on_try_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct llm_call *c = arg;
	c->tries[c->at] = NULL;
	if (turn == NULL && next_may_be_asked(c, e)) {
		next_ask(c, e);
		return;
	}
	c->ending = true;
	call_unlink(c);
	tries_drop(c); /* before the caller may free the providers */
	c->handler.on_end(turn, e, c->handler.arg);
	call_free(c);
}

struct llm_call *llm_call_start(struct llm *m, const struct llm_request *r, struct llm_handler h)
{
	ensure(h.on_end != NULL && (size_t)r->role < (size_t)LLM_ROLES);
	struct llm_call *c = xcalloc(1, sizeof *c);
	struct llm_handler ours = {.on_delta = h.on_delta != NULL ? on_try_delta : NULL,
				   .on_retry = on_try_retry,
				   .may_repeat = h.may_repeat != NULL ? on_try_repeat : NULL,
				   .on_end = on_try_end,
				   .arg = c};
	*c = (struct llm_call){.llm = m, .handler = h, .next = m->first, .link = &m->first};
	if (m->first != NULL)
		m->first->link = &c->next;
	m->first = c;
	c->task_id = xstrdup(r->task_id);
	c->deadline_mono_ms = r->deadline_mono_ms;
	c->tries_count = m->roles_count[r->role];
	for (size_t i = 0; i < c->tries_count; i++) {
		c->tries[i] = llm_try_new(m->providers[m->roles[r->role][i]], r, ours);
		c->tries[i]->has_next = i + 1 < c->tries_count;
	}
	llm_try_begin(c->tries[0]);
	return c;
}

int64_t llm_worst_nano(const struct llm *m, enum llm_role r, int64_t input_tokens, int64_t output_tokens)
{
	struct llm_usage u = {.input_tokens = input_tokens, .output_tokens = output_tokens};
	int64_t most = 0;
	for (size_t i = 0; i < m->roles_count[r]; i++) {
		struct llm_prices p = m->providers[m->roles[r][i]]->options.prices;
		p.input = p.cache_write > p.input ? p.cache_write : p.input;
		int64_t cost = llm_cost_nano(&p, &u);
		most = cost > most ? cost : most;
	}
	return most;
}

int64_t llm_output_tokens_max(const struct llm *m, enum llm_role r)
{
	int64_t most = 0;
	for (size_t i = 0; i < m->roles_count[r]; i++) {
		int64_t one = m->providers[m->roles[r][i]]->options.max_output_tokens;
		if (one == 0)
			return 0;
		most = one > most ? one : most;
	}
	return most;
}

void llm_on_room(struct llm *m)
{
	for (size_t i = 0; i < m->providers_count; i++)
		llm_tries_on_room(m->providers[i]);
}

void llm_call_cancel(struct llm_call *c)
{
	if (c->ending)
		return;
	call_unlink(c);
	call_free(c);
}

/* --- the room's object --- */

struct llm *llm_new(struct loop *l, const struct llm_setup *s)
{
	ensure(s->providers_count > 0 && s->providers_count <= LLM_PROVIDERS_MAX);
	struct llm *m = xcalloc(1, sizeof *m);
	m->loop = l;
	m->providers_count = s->providers_count;
	if (s->cassette != NULL && !llm_cassette_replays(s->cassette))
		m->writer = cassette_writer_new(l, s->cassette);
	for (size_t i = 0; i < s->providers_count; i++) {
		m->providers[i] = llm_provider_new(l, &s->providers[i]);
		m->providers[i]->shared = s->shared;
		m->providers[i]->index = i;
		m->providers[i]->cassette = s->cassette;
		m->providers[i]->writer = m->writer;
	}
	for (size_t role = 0; role < LLM_ROLES; role++) {
		m->roles_count[role] = s->roles_count[role];
		memcpy(m->roles[role], s->roles[role], sizeof m->roles[role]);
		if (s->roles_count[role] == 0)
			for (size_t i = 0; i < s->providers_count; i++)
				m->roles[role][m->roles_count[role]++] = i;
	}
	return m;
}

void llm_free(struct llm *m)
{
	while (m->first != NULL)
		llm_call_cancel(m->first);
	for (size_t i = 0; i < m->providers_count; i++)
		llm_provider_free(m->providers[i]);
	if (m->writer != NULL)
		cassette_writer_free(m->writer);
	free(m);
}
