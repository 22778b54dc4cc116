/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of an instance: whether it may be tried, when its turn comes, which wire is spoken, and what a
 * start that fails or takes long leads to. The connection itself is made in server.c.
 */
#include "base/base.h"
#include "mcp/auth.h"
#include "mcp/mcp_int.h"
#include "mcp/sandbox_int.h"

enum { BACKOFF_SHIFT_MAX = 16 };

/* --- after a failure --- */

int64_t pool_backoff_ms(const struct mcp_broker_options *o, int failures)
{
	int shift = failures > 1 ? failures - 1 : 0;
	int64_t ms = o->restart_ms_min << (shift < BACKOFF_SHIFT_MAX ? shift : BACKOFF_SHIFT_MAX);
	if (ms > o->restart_ms_max)
		ms = o->restart_ms_max;
	/* Between 75 and 125 percent: servers that died together do not all come back together. */
	return ms - ms / 4 + (ms > 1 ? (int64_t)(random_u64() % (uint64_t)(ms / 2 + 1)) : 0);
}

void server_backoff(struct server *s)
{
	int64_t ms = pool_backoff_ms(s->limits, s->failures);
	pool_settle(s->pool);
	if (!s->pool->tools_known)
		broker_settled_changed(s->pool->broker);
	if (s->options->scope == MCP_TASK) {
		s->state = SERVER_STOPPED; /* its pool has the pause, and makes others */
		pool_tend_later(s->pool);
		return;
	}
	s->state = SERVER_BACKOFF;
	if (s->auth && auth_login_url(s->auth))
		return; /* no try would help before login_over */
	loop_timer_set(s->timer, ms);
	log_warn("tool server failed: it is started again after a while", LF_STR("server", s->options->id),
		 LF_STR("error", s->last_error.msg), LF_INT("ms", ms), LF_INT("failures", s->failures));
}

void server_start_failed(struct server *s, const struct error *why)
{
	s->failures++;
	s->last_error = *why;
	broker_start_leave(s->pool->broker, s);
	pool_start_failed(s->pool, &s->last_error);
	server_calls_end(s, &s->last_error);
	server_backoff(s);
}

/* --- before --- */

int64_t server_start_ms(const struct server *s)
{
	return s->options->start_ms ? s->options->start_ms : s->limits->start_ms_max;
}

/* Rows that no later try would start either. */
static bool cannot_start(struct server *s)
{
	if (s->options->transport == MCP_REMOTE) {
		if (s->options->url)
			return false;
		err_set(&s->last_error, ERR_CONFIG, "the registry names no url for this server");
	} else if (!s->options->command || !s->options->command[0])
		err_set(&s->last_error, ERR_CONFIG, "the registry names no command for this server");
	else
		return sandbox_check(s->options, &s->last_error) != ERR_NONE;
	return true;
}

void server_start(struct server *s)
{
	ensure(!s->link && !s->session && !s->halted);
	s->renew = false;
	if (!s->options->enabled) {
		s->state = SERVER_STOPPED;
		return;
	}
	if (cannot_start(s)) {
		s->state = SERVER_FAILED;
		log_warn("tool server cannot be started", LF_STR("server", s->options->id),
			 LF_STR("error", s->last_error.msg));
		pool_start_failed(s->pool, &s->last_error);
		server_calls_end(s, &s->last_error);
		pool_settle(s->pool);
		return;
	}
	s->state = SERVER_WAITING;
	if (pool_may_start(s->pool, s) && broker_start_enter(s->pool->broker, s))
		server_start_admitted(s);
}

void server_start_admitted(struct server *s)
{
	struct error e = {0};
	s->state = SERVER_STARTING;
	s->ready_mono_ms = 0;
	s->pool->starts++;
	if (server_era(s) != MCP_ERA_AUTO)
		server_connect(s);
	else if (server_probe_start(s, &e) != ERR_NONE)
		server_start_failed(s, &e);
}

/* A probe before the start, or beside an instance that is ready, or on its way out. */
void server_probed(struct server *s, const struct era_verdict *v, const struct error *why)
{
	bool before = s->state == SERVER_STARTING && !s->link;
	if (s->halted && !s->link)
		s->state = SERVER_STOPPED;
	if (s->halted || !before) {
		if (s->state == SERVER_READY && !s->halted && !s->again)
			server_era_again(s, v);
		pool_tend_later(s->pool);
		return;
	}
	if (s->again) {
		server_renew_later(s);
		return;
	}
	if (v->era == MCP_ERA_DEFAULT) {
		struct error e = *why;
		server_mask(s, &e);
		server_start_failed(s, &e);
		return;
	}
	s->pool->era = *v;
	log_info("the era of a tool server was found out", LF_STR("server", s->options->id),
		 LF_STR("era", v->era == MCP_ERA_MODERN ? "modern" : "handshake"), LF_STR("how", v->how));
	server_connect(s);
}

/* --- a long one --- */

/* One that may take longer than others holds nobody up: neither who waits for all of them, nor other starts.
 */
void server_start_late(struct server *s)
{
	struct error e;
	int64_t left = s->started_mono_ms + server_start_ms(s) - clock_mono_ms();
	if (left > 0) {
		pool_settle(s->pool);
		broker_start_leave(s->pool->broker, s);
		loop_timer_set(s->timer, left);
		return;
	}
	err_set(&e, ERR_TIMEOUT, "it was not ready within %lld ms (%s): raise %s if it needs longer",
		(long long)server_start_ms(s),
		session_facts(s->session)->era    ? "tools/list is not answered"
		: server_era(s) == MCP_ERA_MODERN ? "server/discover is not answered"
						  : "initialize is not answered",
		s->options->start_ms ? "start_seconds in its registry entry" : "tools.start_seconds");
	server_last_words_add(s, &e);
	server_lost(s, &e);
}
