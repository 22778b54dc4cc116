/* SPDX-License-Identifier: Apache-2.0 */
/* What a call costs: tokens times prices, in integers, rounded up so that a sum of calls is never too small.
 */
#include "base/base.h"
#include "llm/llm_int.h"

/* 0 ... INT64_MAX / 2, so that two of them can be added. */
static int64_t bounded(__int128 v)
{
	return v < 0 ? 0 : v > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)v;
}

int64_t llm_cost_nano(const struct llm_prices *p, const struct llm_usage *u)
{
	if (p->input < 0 || p->output < 0)
		return -1;
	/* What a server says of itself may be anything: parts are never more than the whole. */
	int64_t input = bounded(u->input_tokens), cached = bounded(u->cached_tokens);
	int64_t written = bounded(u->cache_write_tokens);
	cached = cached < input ? cached : input;
	written = written < input - cached ? written : input - cached;
	__int128 pico = (__int128)(input - cached - written) * p->input +
			(__int128)cached * (p->cached >= 0 ? p->cached : p->input) +
			(__int128)written * (p->cache_write >= 0 ? p->cache_write : p->input) +
			(__int128)bounded(u->output_tokens) * p->output;
	return bounded((pico + 999) / 1000);
}
