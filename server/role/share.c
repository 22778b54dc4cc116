/* SPDX-License-Identifier: Apache-2.0 */
/* The gates of model providers in the task table, as the llm room asks for them: a worker's attempts ask here
 * first and tell here how they ended, so that all workers know one breaker and one limit for each. */
#include "base/base.h"
#include "role/role_int.h"

#include <string.h>

_Static_assert(sizeof(struct gate_pass) <= sizeof(struct llm_pass), "a pass fits in");

static enum llm_permit acquire(size_t provider, int64_t tokens, uint64_t after, struct llm_pass *p,
			       int64_t *wait_ms, void *arg)
{
	struct gate_pass pass;
	/* What a budget was charged for it can be undone by no power cut, before it is sent. */
	if (after > 0 && !budget_is_saved(arg, after)) {
		*wait_ms = -1;
		return LLM_HOLD;
	}
	enum gate_answer a = gate_acquire(arg, (uint32_t)provider, tokens, clock_mono_ms(), &pass, wait_ms);
	memcpy(p, &pass, sizeof pass);
	return a == GATE_PASS ? LLM_GO : a == GATE_WAIT ? LLM_HOLD : LLM_SHUT;
}

static void report(size_t provider, const struct llm_pass *p, const struct llm_report *r, void *arg)
{
	static const enum gate_outcome outcomes[] = {
		[LLM_WORKED] = GATE_WORKED, [LLM_FAILED] = GATE_FAILED, [LLM_NEITHER] = GATE_NEITHER};
	struct gate_pass pass;
	(void)provider;
	memcpy(&pass, p, sizeof pass);
	gate_report(arg, &pass,
		    &(struct gate_end){.outcome = outcomes[r->outcome],
				       .tokens = r->tokens,
				       .pause_ms = r->pause_ms,
				       .why = r->why,
				       .wall_ms = clock_wall_ms()},
		    clock_mono_ms());
}

struct llm_shared share_make(struct store *s)
{
	return (struct llm_shared){.acquire = acquire, .report = report, .arg = s};
}
