/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that is stopped on purpose while the service goes on: to be started anew, to become what another
 * row of the registry says, to rest until its next call, or for good, because its row or its task is gone.
 * All go the same way: no new call is sent, the running ones have some time to end, the connection ends by
 * its ladder, and when the child is gone the server takes its next row and starts at once. New calls wait for
 * that; those of a server that does not come back are refused, or go to the next instance for their task.
 *
 * A running call that does not end in time is lost with the connection, as if the server had died: whoever
 * made it knows that it was sent. A server that dies by itself on the way only gets there sooner.
 *
 * The registry that a row came from is held until the last server that was made from it has another row or is
 * gone; then its owner is told to release it.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>

/* --- what rows live in --- */

struct row_set {
	struct mcp_rows rows;
	size_t users;
};

struct row_set *row_set_new(const struct mcp_rows *rows)
{
	struct row_set *set = xcalloc(1, sizeof(*set));
	*set = (struct row_set){*rows, 1};
	return set;
}

struct row_set *row_set_hold(struct row_set *set)
{
	set->users++;
	return set;
}

void row_set_drop(struct row_set *set)
{
	if (!set || --set->users)
		return;
	if (set->rows.release)
		set->rows.release(set->rows.arg);
	free(set);
}

/* --- the end of its calls --- */

bool server_comes_back(const struct server *s)
{
	const struct mcp_server_options *o = s->changed ? s->pool->options : s->options;
	return s->again && !s->retired && o->enabled;
}

bool server_calls_running(const struct server *s)
{
	for (const struct tool_call *c = s->calls; c; c = c->next) {
		if (c->request_id)
			return true;
	}
	return false;
}

/* Those of a task's instance go to the next one. */
static void calls_waiting_end(struct server *s)
{
	struct answer a = {0};
	bool others = s->options->scope == MCP_TASK && pool_offers_tools(s->pool) && !s->task_over;
	err_set(&a.error, ERR_UNAVAILABLE, "%s",
		s->task_over ? "the task has ended" : "it was disabled, or is no longer in the registry");
	s->last_error = a.error;
	err_prefix(&a.error, "server %s is being stopped", s->options->id);
	for (struct tool_call *c = s->calls, *next; c; c = next) {
		next = c->next;
		if (c->request_id)
			continue;
		if (others) {
			call_take(c);
			pool_call(s->pool, c);
		} else {
			call_end(c, &a, false);
		}
	}
}

void server_drain_over(struct server *s)
{
	struct error e;
	err_set(&e, ERR_LOST, "it was stopped on purpose%s",
		server_calls_running(s) ? " and the time for running calls was over (tools.drain_seconds)"
					: "");
	server_lost(s, &e);
}

/* --- the next start --- */

/* What belongs to the old row goes with it; the calls that wait stay. */
static void row_take(struct server *s)
{
	struct tool_call *calls = s->calls;
	size_t count = s->calls_count;
	s->calls = NULL;
	server_release(s);
	server_init(s, s->pool);
	s->calls = calls;
	s->calls_count = count;
}

static void renew(void *arg)
{
	struct server *s = arg;
	if (!s->again) /* the whole service is being stopped meanwhile */
		return;
	bool rest = s->rest && !s->calls && !s->changed;
	s->again = s->rest = false;
	loop_timer_set(s->timer, -1);
	broker_start_leave(s->pool->broker, s);
	if (s->retired) {
		s->state = SERVER_STOPPED;
		pool_tend_later(s->pool);
		return;
	}
	if (s->changed)
		row_take(s);
	s->failures = 0;
	s->leaving = NULL;
	err_set(&s->last_error, ERR_NONE, "%s", "");
	if (rest)
		s->state = SERVER_IDLE;
	else
		server_start(s);
}

/* At the bottom of the loop: the link, and what it works with, is in its last callback. */
void server_renew_later(struct server *s)
{
	loop_defer(s->loop, renew, s);
}

/* It may be under way already, then with other reasons. */
static void server_leave(struct server *s, const char *why, int64_t drain_ms)
{
	bool first = !s->again;
	s->again = true;
	s->leaving = why;
	if (!server_comes_back(s))
		calls_waiting_end(s);
	server_probe_stop(s);
	if (s->state == SERVER_DRAINING) {
		if (drain_ms >= 0 && !loop_timer_armed(s->timer))
			loop_timer_set(s->timer, drain_ms);
	} else if (s->session && server_calls_running(s)) {
		s->state = SERVER_DRAINING;
		loop_timer_set(s->timer, drain_ms);
	} else if (s->session) {
		server_drain_over(s);
	} else if (server_is_gone(s) && first) {
		renew(s);
	}
}

/* --- the reasons --- */

void server_renew(struct server *s, const char *why, int64_t drain_ms)
{
	s->rest = false;
	server_leave(s, why, drain_ms);
}

void server_rest(struct server *s)
{
	s->rest = true;
	server_leave(s, "it was idle (idle_stop)", -1);
}

void server_replace(struct server *s)
{
	s->changed = true;
	s->retired = false;
	server_leave(s, "its registry entry has changed", s->limits->drain_ms_max);
}

void server_retire(struct server *s, const char *why, int64_t drain_ms)
{
	s->retired = true;
	server_leave(s, why, drain_ms);
}
