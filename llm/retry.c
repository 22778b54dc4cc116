/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a failed model call be tried again, and after how long? The rules of the official SDKs (statuses 408,
 * 409, 429 and 5xx, lost and refused connections, time-outs; half a second doubling up to eight with jitter;
 * Retry-After obeyed), with what they lack: never for want of money, never once output was passed on, and no
 * waiting that cannot succeed: a Retry-After over the limit or past the deadline ends the call at once and
 * says so. Pure.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

enum { WAIT_FIRST_MS = 500, WAIT_MAX_MS = 8000 };

static int64_t default_ms(const struct llm_retry_case *c, const struct llm_verdict *v)
{
	int doublings = c->attempts - 1 + (v->kind == LLM_FAULT_OVERLOAD ? 2 : 0);
	int64_t ms = WAIT_FIRST_MS;
	for (int i = 0; i < doublings && ms < WAIT_MAX_MS; i++)
		ms *= 2;
	ms = ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
	return ms - ms / 4 * (int64_t)(c->random % 1024) / 1024;
}

bool llm_retry_decide(const struct llm_retry_case *c, int64_t *wait_ms, struct error *e)
{
	*e = *c->why;
	struct llm_verdict v = llm_fault_judge(c->fault, c->head, c->why->code, c->wall_ms);
	if (c->passed_on || !v.passing)
		return false;
	if (c->attempts > c->retries_max) {
		if (c->attempts > 1)
			err_prefix(e, "gave up after %d attempts", c->attempts);
		return false;
	}
	*wait_ms = v.asked_ms >= 0 ? v.asked_ms : default_ms(c, &v);
	if (v.asked_ms > c->wait_ms_max) {
		err_prefix(e,
			   "the model server asks to wait %lld s, longer than llm.retry_wait_seconds (%lld) "
			   "allows",
			   (long long)((v.asked_ms + 999) / 1000), (long long)(c->wait_ms_max / 1000));
		return false;
	}
	if (*wait_ms >= c->left_ms) {
		err_prefix(e, "no time left to try again (a wait of %lld ms ends past the deadline)",
			   (long long)*wait_ms);
		return false;
	}
	return true;
}
