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

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { WAIT_FIRST_MS = 500, WAIT_MAX_MS = 8000, ASKED_MAX = 1 << 30 };

static bool fault_is(const struct llm_fault *f, const char *name)
{
	return strcmp(f->code, name) == 0 || strcmp(f->type, name) == 0;
}

/* The server wants less, not just later: it gets a longer pause. */
static bool is_overload(const struct llm_fault *f)
{
	return fault_is(f, "slow_down") || fault_is(f, "server_is_overloaded") ||
	       fault_is(f, "overloaded_error") || f->status == 529;
}

static bool is_passing(const struct llm_retry_case *c)
{
	const struct llm_fault *f = c->fault;
	if (strcasecmp(c->head->should_retry, "true") == 0)
		return true;
	if (strcasecmp(c->head->should_retry, "false") == 0)
		return false;
	if (f->status == 408 || f->status == 409 || f->status == 429 || f->status >= 500 || is_overload(f))
		return true;
	if (f->status >= 300)
		return false;
	/* An error inside a 200 has only its name; without any answer the way it ended decides. */
	return fault_is(f, "server_error") || fault_is(f, "rate_limit_exceeded") ||
	       c->why->code == ERR_LOST || c->why->code == ERR_UNAVAILABLE || c->why->code == ERR_TIMEOUT;
}

static bool number_read(const char *text, double *out)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	*out = strtod(text, &end);
	return *end == '\0' && *out < ASKED_MAX;
}

/* The wait the server asks for in milliseconds, -1 when it asks for none. RFC 9110 section 10.2.3, and
 * retry-after-ms. */
static int64_t asked_ms(const struct fetch_head *h, int64_t wall_ms)
{
	double number;
	if (number_read(h->retry_after_ms, &number))
		return (int64_t)number;
	if (number_read(h->retry_after, &number))
		return (int64_t)(number * 1000);
	struct tm tm = {0};
	const char *end = strptime(h->retry_after, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (h->retry_after[0] == '\0' || end == NULL || *end != '\0')
		return -1;
	int64_t ms = (int64_t)timegm(&tm) * 1000 - wall_ms;
	return ms > 0 ? ms : 0;
}

static int64_t default_ms(const struct llm_retry_case *c)
{
	int doublings = c->attempts - 1 + (is_overload(c->fault) ? 2 : 0);
	int64_t ms = WAIT_FIRST_MS;
	for (int i = 0; i < doublings && ms < WAIT_MAX_MS; i++)
		ms *= 2;
	ms = ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
	return ms - ms / 4 * (int64_t)(c->random % 1024) / 1024;
}

bool llm_retry_decide(const struct llm_retry_case *c, int64_t *wait_ms, struct error *e)
{
	*e = *c->why;
	if (llm_fault_is_money(c->fault) || c->passed_on || !is_passing(c))
		return false;
	if (c->attempts > c->retries_max) {
		if (c->attempts > 1)
			err_prefix(e, "gave up after %d attempts", c->attempts);
		return false;
	}
	int64_t asked = asked_ms(c->head, c->wall_ms);
	*wait_ms = asked >= 0 ? asked : default_ms(c);
	if (asked > c->wait_ms_max) {
		err_prefix(e,
			   "the model server asks to wait %lld s, longer than llm.retry_wait_seconds (%lld) "
			   "allows",
			   (long long)((asked + 999) / 1000), (long long)(c->wait_ms_max / 1000));
		return false;
	}
	if (*wait_ms >= c->left_ms) {
		err_prefix(e, "no time left to try again (a wait of %lld ms ends past the deadline)",
			   (long long)*wait_ms);
		return false;
	}
	return true;
}
