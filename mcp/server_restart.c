/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that is stopped on purpose while the service goes on: to be started anew, to become what another
 * row of the registry says, or because its row is gone. All three go the same way: no new call is sent, the
 * running ones have drain_ms_max to end, the connection ends by its ladder, and when the child is gone the
 * server takes its next row and starts at once. New calls wait for that; those of a server that does not come
 * back are refused.
 *
 * A running call that does not end in time is lost with the connection, as if the server had died: whoever
 * made it knows that it was sent. A server that dies by itself on the way only gets there sooner.
 *
 * The registry that a row came from is held until the last server that was made from it has another row or is
 * gone; then its owner is told to release it.
 */
#include "base/base.h"
#include "mcp/auth.h"
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

bool server_offers_tools(const struct server *s)
{
	const struct mcp_server_options *o = s->next ? s->next : s->options;
	return !s->retired && o->enabled;
}

bool server_comes_back(const struct server *s)
{
	return s->again && server_offers_tools(s);
}

static bool calls_running(const struct server *s)
{
	for (const struct tool_call *c = s->calls; c; c = c->next) {
		if (c->request_id)
			return true;
	}
	return false;
}

static void calls_waiting_end(struct server *s)
{
	struct answer a = {0};
	err_set(&s->last_error, ERR_UNAVAILABLE, "it was disabled, or is no longer in the registry");
	a.error = s->last_error;
	err_prefix(&a.error, "server %s is being stopped", s->options->id);
	for (struct tool_call *c = s->calls, *next; c; c = next) {
		next = c->next;
		if (!c->request_id)
			call_end(c, &a, false);
	}
}

/* Not at once: the call's end is told from within the session. */
void server_drain_check(struct server *s)
{
	if (s->state == SERVER_DRAINING && !calls_running(s))
		loop_timer_set(s->timer, 0);
}

void server_drain_over(struct server *s)
{
	struct error e;
	err_set(&e, ERR_LOST, "it was stopped on purpose%s",
		calls_running(s) ? " and the time for running calls was over (tools.drain_seconds)" : "");
	server_lost(s, &e);
}

/* --- the next start --- */

static void next_drop(struct server *s)
{
	row_set_drop(s->next_set);
	s->next = NULL;
	s->next_set = NULL;
}

/* What belongs to the old row goes with it; the calls that wait, and the tools until there are others, stay.
 */
static void row_take(struct server *s)
{
	struct server old = *s;
	bool enabled = old.next->enabled;
	broker_logins_end(s->broker, s);
	s->calls = NULL;
	if (enabled)
		s->tools = (struct tool_list){0};
	server_release(s);
	server_init(s, old.broker, old.loop, old.next, old.limits, broker_auth_house(old.broker));
	row_set_drop(old.row_set);
	s->row_set = old.next_set;
	s->settled = old.settled || !enabled;
	s->starts = old.starts;
	s->calls_total = old.calls_total;
	s->calls = old.calls;
	s->calls_count = old.calls_count;
	if (enabled)
		s->tools = old.tools;
}

static void server_renew(void *arg)
{
	struct server *s = arg;
	if (!s->again) /* the whole service is being stopped meanwhile */
		return;
	s->again = false;
	loop_timer_set(s->timer, -1);
	if (s->retired) {
		s->state = SERVER_STOPPED;
		broker_server_gone(s->broker);
		return;
	}
	if (s->next)
		row_take(s);
	s->failures = 0;
	err_set(&s->last_error, ERR_NONE, "%s", "");
	server_start(s);
}

/* At the bottom of the loop: the link, and what it works with, is in its last callback. */
void server_renew_later(struct server *s)
{
	log_info("tool server stopped on purpose", LF_STR("server", s->options->id));
	loop_defer(s->loop, server_renew, s);
}

/* It may be under way already, then with other reasons. */
static void server_leave(struct server *s)
{
	bool first = !s->again;
	s->again = true;
	if (!server_comes_back(s))
		calls_waiting_end(s);
	if (s->state == SERVER_DRAINING)
		return;
	if (s->session && calls_running(s)) {
		s->state = SERVER_DRAINING;
		loop_timer_set(s->timer, s->limits->drain_ms_max);
	} else if (s->session) {
		server_drain_over(s);
	} else if (!s->link && first) {
		server_renew(s);
	}
}

/* --- the three reasons --- */

enum err server_restart(struct server *s, struct error *e)
{
	if (!s->options->enabled)
		return err_set(e, ERR_CONFLICT,
			       "server %s is disabled: enable it in the registry and reload that (SIGHUP)",
			       s->options->id);
	if (s->halted || s->again || s->state == SERVER_STOPPING)
		return err_set(e, ERR_CONFLICT, "server %s is being stopped already (%s)", s->options->id,
			       server_state_name(s->state));
	log_info("tool server is started anew on request", LF_STR("server", s->options->id),
		 LF_STR("state", server_state_name(s->state)), LF_INT("calls", s->calls_count));
	server_leave(s);
	return ERR_NONE;
}

void server_replace(struct server *s, const struct mcp_server_options *row, struct row_set *set)
{
	next_drop(s);
	s->next = row;
	s->next_set = row_set_hold(set);
	s->retired = false;
	if (!row->enabled)
		broker_tools_changed(s->broker);
	server_leave(s);
}

void server_retire(struct server *s)
{
	next_drop(s);
	s->retired = true;
	s->settled = true;
	broker_tools_changed(s->broker);
	server_leave(s);
}
