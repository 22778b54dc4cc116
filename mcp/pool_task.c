/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances of a server whose scope is the task: one for each task, made by its first call, never given to
 * another, ended with it; what it remembered ends with its process. The registry may want some spares ready,
 * so that a first call need not wait for a start, and limits how many processes there are: who comes then
 * waits in order, its calls with it, until one ends. Spares never keep a task waiting. Requests that belong
 * to no task have an instance of their own, named "".
 *
 * While nobody has told yet which tools there are, one spare is started for that alone.
 *
 * A start that failed lets none follow for a while, longer each time (a circuit breaker: a task's call that
 * finds it open is refused at once, the first one after it is the trial). An instance that was ready and died
 * harms its own task only.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <string.h>

/* Takes calls, now or soon. */
static bool is_usable(const struct server *s)
{
	return !s->retired && !s->halted && !s->again &&
	       (s->state == SERVER_IDLE || s->state == SERVER_WAITING || s->state == SERVER_STARTING ||
		s->state == SERVER_READY);
}

static bool waits_for_room(const struct server *s)
{
	return is_usable(s) && s->state == SERVER_WAITING && !s->queued;
}

static bool is_spare(const struct server *s)
{
	return is_usable(s) && !s->task_id;
}

bool pool_may_start(const struct pool *p, const struct server *s)
{
	size_t others = 0;
	if (p->options->scope != MCP_TASK || !p->options->instances_max)
		return true;
	for (size_t i = 0; i < p->count; i++) {
		const struct server *o = p->instances[i];
		others += o != s && (!server_is_gone(o) || o->queued);
	}
	return others < p->options->instances_max;
}

/* No start would help now: not before a person has logged in, or some time is over. */
static bool backs_off(const struct pool *p)
{
	return clock_mono_ms() < p->retry_mono_ms || pool_awaits_person(p);
}

void pool_start_failed(struct pool *p, const struct error *why)
{
	if (p->options->scope != MCP_TASK)
		return;
	pool_tend_later(p);
	p->last_error = *why;
	if (backs_off(p))
		return; /* started before the last one failed */
	int64_t ms = pool_backoff_ms(p->limits, ++p->failures);
	p->retry_mono_ms = clock_mono_ms() + ms;
	log_warn("tool server cannot be started: no other start is tried for a while",
		 LF_STR("server", p->options->id), LF_STR("error", why->msg), LF_INT("ms", ms),
		 LF_INT("failures", p->failures));
}

/* --- calls --- */

static struct server *instance_find(const struct pool *p, const char *task_id)
{
	for (size_t i = 0; i < p->count; i++) {
		struct server *s = p->instances[i];
		if (is_usable(s) && s->task_id && strcmp(s->task_id, task_id) == 0)
			return s;
	}
	return NULL;
}

/* The one that is ready first. */
static struct server *spare_take(struct pool *p, const char *task_id)
{
	struct server *best = NULL;
	for (size_t i = 0; i < p->count; i++) {
		struct server *s = p->instances[i];
		if (is_spare(s) && (!best || s->state > best->state))
			best = s;
	}
	if (!best)
		return NULL;
	best->task_id = xstrdup(task_id);
	best->called_mono_ms = clock_mono_ms();
	if (best->state == SERVER_READY)
		server_rest_check(best);
	return best;
}

static struct server *instance_for(struct pool *p, const char *task_id, struct error *e)
{
	struct server *s = instance_find(p, task_id);
	if (!s)
		s = spare_take(p, task_id);
	if (s)
		return s;
	if (backs_off(p)) {
		err_set(e, ERR_UNAVAILABLE, "server %s is not available (%s): %s", p->options->id,
			pool_state_name(p), p->last_error.msg);
		return NULL;
	}
	s = pool_add(p, task_id);
	s->state = SERVER_IDLE;
	return s;
}

void pool_task_call(struct pool *p, struct tool_call *c)
{
	struct answer a = {0};
	struct server *s = instance_for(p, c->task_id ? c->task_id : "", &a.error);
	pool_tend_later(p);
	if (s)
		server_call(s, c);
	else
		call_end(c, &a, false);
}

void pool_task_ended(struct pool *p, const char *task_id)
{
	for (size_t i = 0, n = p->count; i < n; i++) {
		struct server *s = p->instances[i];
		if (!s->task_id || s->retired || strcmp(s->task_id, task_id) != 0)
			continue;
		s->task_over = true;
		server_retire(s, "its task has ended", p->limits->drain_ms_max);
		pool_tend_later(p);
	}
}

/* --- what there should be --- */

static void waiting_start(struct pool *p)
{
	for (size_t i = 0; i < p->count && !backs_off(p); i++) {
		struct server *s = p->instances[i];
		if (waits_for_room(s) && pool_may_start(p, s))
			server_start(s);
	}
}

struct spares {
	size_t wanted, there;
	bool awaited; /* a task waits, which comes first */
};

static struct spares spares_count(const struct pool *p)
{
	struct spares n = {.wanted = p->options->warm};
	if (!n.wanted && !p->tools_known)
		n.wanted = 1;
	for (size_t i = 0; i < p->count; i++) {
		n.there += is_spare(p->instances[i]);
		n.awaited = n.awaited || waits_for_room(p->instances[i]);
	}
	return n;
}

static void spares_add(struct pool *p, struct spares n)
{
	for (; n.there < n.wanted && !n.awaited && !backs_off(p) && pool_may_start(p, NULL); n.there++)
		server_start(pool_add(p, NULL));
}

/* Only those that are ready: what is being started may be of use before it is. */
static void spares_end(struct pool *p, struct spares n)
{
	for (size_t i = 0, count = p->count; i < count && n.there > n.wanted; i++) {
		struct server *s = p->instances[i];
		if (!is_spare(s) || s->state != SERVER_READY)
			continue;
		n.there--;
		server_retire(s, "no spare is wanted (warm)", -1);
	}
}

void pool_task_tend(struct pool *p)
{
	int64_t now = clock_mono_ms();
	waiting_start(p);
	spares_add(p, spares_count(p));
	spares_end(p, spares_count(p));
	struct spares n = spares_count(p);
	bool later = backs_off(p) && (n.there < n.wanted || n.awaited);
	loop_timer_set(p->timer, later ? p->retry_mono_ms - now : -1);
}
