/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attempts of this process have to do with those of others: each asks first, and tells how it ended.
 * Which failures speak against a provider's health is decided here: all that say it cannot answer, or will
 * not answer us (a refused key, no money left); not that it refuses one request, nor that it asks for
 * patience.
 */
#include "base/base.h"
#include "llm/llm_int.h"

enum { OUTPUT_TOKENS_GUESS = 1024, BYTES_PER_TOKEN = 4 };

enum llm_permit llm_share_ask(struct llm_try *t, int64_t *wait_ms)
{
	const struct llm_provider *p = t->provider;
	*wait_ms = 0;
	if (p->shared.acquire == NULL)
		return LLM_GO;
	int64_t output = p->options.max_output_tokens;
	t->tokens_asked =
		(int64_t)(t->request.len / BYTES_PER_TOKEN) + (output > 0 ? output : OUTPUT_TOKENS_GUESS);
	enum llm_permit permit =
		p->shared.acquire(p->index, t->tokens_asked, t->after, &t->pass, wait_ms, p->shared.arg);
	t->admitted = permit == LLM_GO;
	return permit;
}

static void tell(struct llm_try *t, const struct llm_report *r)
{
	const struct llm_provider *p = t->provider;
	if (!t->admitted)
		return;
	t->admitted = false;
	p->shared.report(p->index, &t->pass, r, p->shared.arg);
}

void llm_share_worked(struct llm_try *t)
{
	const struct llm_usage *u = &t->decode.turn.usage;
	tell(t, &(struct llm_report){.outcome = LLM_WORKED, .tokens = u->input_tokens + u->output_tokens});
}

void llm_share_failed(struct llm_try *t, const struct llm_verdict *v, const struct error *why)
{
	struct llm_report r = {.outcome = LLM_FAILED, .why = why->msg};
	switch (v->kind) {
	case LLM_FAULT_REQUEST:
	case LLM_FAULT_FORMAT: r.outcome = LLM_WORKED; break;
	case LLM_FAULT_RATE: r.outcome = LLM_NEITHER; break;
	case LLM_FAULT_LOST:
	case LLM_FAULT_ANSWER: r.tokens = t->tokens_asked; break; /* who knows */
	case LLM_FAULT_MONEY:
	case LLM_FAULT_ACCESS:
	case LLM_FAULT_OVERLOAD:
	case LLM_FAULT_BUSY: break;
	}
	if (v->passing && v->asked_ms > 0)
		r.pause_ms = v->asked_ms;
	tell(t, &r);
}

void llm_share_given_up(struct llm_try *t)
{
	tell(t, &(struct llm_report){.outcome = LLM_NEITHER, .tokens = t->tokens_asked});
}
