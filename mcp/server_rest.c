/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a ready instance ends without anybody asking: it had no call for idle_stop, or it is older than
 * max_lifetime. A shared one then rests until its next call, or is started anew; one of a task ends, and the
 * task's next call gets another. Nothing is ever taken from a running call: one that is too old only gets no
 * new ones.
 *
 * The timer is armed only where the row asks for one of the two, and never again before it is due: a call
 * costs no more than a look at it.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

static int64_t lifetime_left_ms(const struct server *s, int64_t now)
{
	int64_t max = s->options->lifetime_ms_max;
	return max ? s->started_mono_ms + max - now : INT64_MAX;
}

/* Spares wait for a task however long that takes. */
static int64_t idle_left_ms(const struct server *s, int64_t now)
{
	bool counts = s->options->scope == MCP_SHARED || s->task_id;
	int64_t max = counts && !s->calls_count ? s->options->idle_stop_ms : 0;
	return max ? s->called_mono_ms + max - now : INT64_MAX;
}

void server_rest_check(struct server *s)
{
	static const char too_old[] = "it was older than max_lifetime";
	bool shared = s->options->scope == MCP_SHARED;
	int64_t now = clock_mono_ms();
	int64_t life = lifetime_left_ms(s, now), idle = idle_left_ms(s, now);
	int64_t left = life < idle ? life : idle;
	if (life <= 0 && shared)
		server_renew(s, too_old, -1);
	else if (life <= 0)
		server_retire(s, too_old, -1);
	else if (idle <= 0 && shared)
		server_rest(s);
	else if (idle <= 0)
		server_retire(s, "it was idle (idle_stop)", -1);
	else
		loop_timer_set(s->timer, left < INT64_MAX ? left : -1);
}

void server_call_gone(struct server *s)
{
	s->called_mono_ms = clock_mono_ms();
	/* Ends at the bottom of the loop: this is told from within the session. */
	if (s->state == SERVER_DRAINING && !server_calls_running(s))
		loop_timer_set(s->timer, 0);
	else if (s->state == SERVER_READY && !loop_timer_armed(s->timer))
		server_rest_check(s);
	else if (s->state == SERVER_WAITING && !s->calls_count)
		pool_tend_later(s->pool);
}
