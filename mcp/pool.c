/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of the registry: the tools it offers, and its instances. A shared row has one, for as long as it
 * stands in the registry. A row whose scope is the task has as many as tasks use it, and spares; which of
 * them there are is decided in pool_task.c. What an instance does by itself is server.c.
 *
 * The pool outlives its instances: tools, counters and how the last one ended are kept here. An instance that
 * has ended is freed at the bottom of the loop, where all that follows from the end of one is seen to.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

enum { TELLING_STARTS_MAX = 2 }; /* after as many that failed nobody waits for its tools */

static void pool_tend(void *arg);

static void effects_forget(struct pool *p)
{
	free(p->effects_told);
	p->effects_told = xcalloc(p->options->effects_count + 1, sizeof(*p->effects_told));
}

struct pool *pool_new(struct mcp_broker *b, const struct mcp_server_options *row, struct row_set *set)
{
	struct pool *p = xcalloc(1, sizeof(*p));
	p->broker = b;
	p->loop = broker_loop(b);
	p->limits = broker_limits(b);
	p->options = row;
	p->row_set = row_set_hold(set);
	p->settled = !row->enabled;
	shelf_init(&p->shelf);
	p->timer = loop_timer_new(p->loop, pool_tend, p);
	effects_forget(p);
	return p;
}

static void instance_free(struct server *s)
{
	server_release(s);
	free(s);
}

static void lists_forget(struct pool *p)
{
	tool_list_release(&p->tools);
	shelf_release(&p->shelf);
	shelf_init(&p->shelf);
	p->tools_known = false;
}

void pool_free(struct pool *p)
{
	for (size_t i = 0; i < p->count; i++)
		instance_free(p->instances[i]);
	loop_defer_cancel(p->loop, p);
	loop_timer_free(p->timer);
	lists_forget(p);
	pool_auth_drop(p);
	row_set_drop(p->row_set);
	free(p->last_end.task_id);
	free(p->effects_told);
	free(p->instances);
	free(p);
}

struct server *pool_add(struct pool *p, const char *task_id)
{
	struct server *s = xmalloc(sizeof(*s));
	server_init(s, p);
	s->task_id = xstrdup(task_id);
	p->instances = xrealloc(p->instances, (p->count + 1) * sizeof(*p->instances));
	p->instances[p->count++] = s;
	return s;
}

/* The one of a shared row. */
static struct server *shared_find(const struct pool *p)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->instances[i]->options->scope == MCP_SHARED)
			return p->instances[i];
	}
	return NULL;
}

void pool_start(struct pool *p)
{
	if (p->options->scope == MCP_TASK)
		pool_tend_later(p);
	else
		server_start(pool_add(p, NULL));
}

/* --- what ends --- */

static bool is_over(const struct server *s)
{
	bool waits = s->state == SERVER_WAITING && (s->calls || !s->task_id);
	return !s->again && server_is_gone(s) &&
	       (s->retired || (s->options->scope == MCP_TASK && !waits && !s->halted));
}

static void sweep(struct pool *p)
{
	size_t kept = 0;
	for (size_t i = 0; i < p->count; i++) {
		struct server *s = p->instances[i];
		if (is_over(s) && !s->calls)
			instance_free(s);
		else
			p->instances[kept++] = s;
	}
	p->count = kept;
}

static void pool_tend(void *arg)
{
	struct pool *p = arg;
	p->tend_due = false;
	sweep(p);
	if (!broker_is_stopping(p->broker) && pool_offers_tools(p) && p->options->scope == MCP_TASK)
		pool_task_tend(p);
	if (pool_is_gone(p))
		broker_pool_gone(p->broker);
}

void pool_tend_later(struct pool *p)
{
	if (p->tend_due)
		return;
	p->tend_due = true;
	loop_defer(p->loop, pool_tend, p);
}

bool pool_is_gone(const struct pool *p)
{
	return pool_running(p) == 0;
}

size_t pool_running(const struct pool *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->count; i++)
		n += !server_is_gone(p->instances[i]);
	return n;
}

void pool_stop(struct pool *p)
{
	loop_timer_set(p->timer, -1);
	for (size_t i = 0; i < p->count; i++)
		server_stop(p->instances[i]);
}

void pool_instance_ended(struct pool *p, struct server *s, const struct error *why)
{
	const struct link *l = s->link;
	free(p->last_end.task_id);
	p->last_end = (struct instance_end){.wall_ms = clock_wall_ms(),
					    .pid = s->pid,
					    .task_id = xstrdup(s->task_id),
					    .why = s->leaving ? (struct error){0} : s->last_error,
					    .how = *why,
					    .stop_step = l->ops->stop_step ? l->ops->stop_step(l) : NULL};
	if (s->leaving)
		err_set(&p->last_end.why, ERR_LOST, "%s", s->leaving);
	pool_tend_later(p);
}

/* --- what instances tell --- */

void pool_settle(struct pool *p)
{
	if (p->settled)
		return;
	p->settled = true;
	broker_settled_changed(p->broker);
}

struct server *pool_common(const struct pool *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct server *s = p->instances[i];
		if (s->state == SERVER_READY && !s->retired && (!s->task_id || !*s->task_id))
			return s;
	}
	return NULL;
}

/* Not what an instance says whose row is no more, or that has become one task's own. */
static bool speaks_for_all(const struct pool *p, const struct server *s)
{
	bool own = s->task_id && *s->task_id;
	return !s->changed && !s->retired && p->options->enabled && (!own || s->ready_mono_ms == 0);
}

static void tools_take(struct pool *p, struct server *s)
{
	struct tool_list fresh = session_tools_take(s->session);
	bool same = p->tools_known && tool_list_same(&fresh, &p->tools);
	tool_list_release(&p->tools);
	p->tools = fresh;
	p->tools_known = true;
	p->facts = s->facts;
	tool_effects_check(p->options, &p->tools, p->effects_told);
	if (!same)
		broker_tools_changed(p->broker);
}

void pool_tools_changed(struct pool *p, struct server *s)
{
	if (speaks_for_all(p, s))
		tools_take(p, s);
}

void pool_items_take(struct pool *p, const struct server *s, enum mcp_list kind, struct item_list l)
{
	if (!speaks_for_all(p, s)) {
		item_list_release(&l);
		return;
	}
	shelf_take(&p->shelf, kind, l);
	broker_tools_changed(p->broker);
}

void pool_items_failed(struct pool *p, const struct server *s, enum mcp_list kind, const struct error *why)
{
	if (speaks_for_all(p, s))
		shelf_fail(&p->shelf, kind, why);
}

void pool_resource_read(struct pool *p, const struct server *s, const char *uri)
{
	char *dropped;
	if (!speaks_for_all(p, s) || !session_subscribes(s->session))
		return;
	if (watches_read(&p->shelf.watches, uri, p->limits->resource_subscriptions_max, &dropped))
		session_watch_changed(s->session, uri, dropped);
	free(dropped);
}

void pool_resource_updated(struct pool *p, const struct server *s, const char *uri)
{
	if (speaks_for_all(p, s))
		watches_updated(&p->shelf.watches, uri);
}

void pool_ready(struct pool *p, struct server *s)
{
	pool_tools_changed(p, s);
	p->transport = s->link->ops->transport(s->link);
	p->failures = 0;
	p->retry_mono_ms = 0;
	err_set(&p->last_error, ERR_NONE, "%s", "");
	pool_settle(p);
	if (p->options->scope == MCP_TASK)
		pool_tend_later(p);
}

/* --- calls --- */

void pool_call(struct pool *p, struct tool_call *c)
{
	struct error e = {0};
	struct answer a = {0};
	if (!p->options->enabled)
		err_set(&e, ERR_UNAVAILABLE, "server %s is disabled in the registry", p->options->id);
	else if (broker_is_stopping(p->broker))
		err_set(&e, ERR_UNAVAILABLE, "the tool servers are being stopped");
	a.error = e;
	if (e.code)
		call_end(c, &a, false);
	else if (p->options->scope == MCP_SHARED)
		server_call(shared_find(p), c);
	else
		pool_task_call(p, c);
}

/* --- a person, or the registry, wants it otherwise --- */

bool pool_offers_tools(const struct pool *p)
{
	return !p->retired && p->options->enabled;
}

bool pool_has_tasks(const struct pool *p)
{
	bool has = pool_offers_tools(p) && p->options->scope == MCP_TASK;
	for (size_t i = 0; i < p->count && !has; i++)
		has = p->instances[i]->task_id != NULL;
	return has;
}

bool pool_is_told(const struct pool *p)
{
	if (p->tools_known || !pool_offers_tools(p) || p->failures >= TELLING_STARTS_MAX ||
	    pool_awaits_person(p))
		return true;
	for (size_t i = 0; i < p->count; i++) {
		const struct server *s = p->instances[i];
		if (s->state == SERVER_FAILED || s->halted || s->failures >= TELLING_STARTS_MAX)
			return true;
	}
	return false;
}

static enum err restart_check(const struct pool *p, struct error *e)
{
	const struct server *s = shared_find(p);
	if (!p->options->enabled)
		return err_set(e, ERR_CONFLICT,
			       "server %s is disabled: enable it in the registry and reload that (SIGHUP)",
			       p->options->id);
	if (broker_is_stopping(p->broker))
		return err_set(e, ERR_CONFLICT, "the tool servers are being stopped");
	if (s && (s->halted || s->again || s->state == SERVER_STOPPING))
		return err_set(e, ERR_CONFLICT, "server %s is being stopped already (%s)", p->options->id,
			       server_state_name(s->state));
	return ERR_NONE;
}

enum err pool_restart(struct pool *p, struct error *e)
{
	static const char why[] = "a restart was asked for";
	int64_t drain_ms = p->limits->drain_ms_max;
	enum err rc = restart_check(p, e);
	if (rc)
		return rc;
	log_info("tool server is started anew on request", LF_STR("server", p->options->id),
		 LF_INT("instances", p->count), LF_INT("calls", p->calls_count));
	p->failures = 0;
	p->retry_mono_ms = 0;
	for (size_t i = 0, n = p->count; i < n; i++) {
		struct server *s = p->instances[i];
		if (p->options->scope == MCP_TASK)
			server_retire(s, why, drain_ms);
		else if (!s->retired)
			server_renew(s, why, drain_ms);
	}
	pool_tend_later(p);
	return ERR_NONE;
}

void pool_replace(struct pool *p, const struct mcp_server_options *row, struct row_set *set)
{
	struct row_set *old = p->row_set;
	bool shared = row->scope == MCP_SHARED;
	pool_auth_drop(p);
	p->options = row;
	p->row_set = row_set_hold(set);
	row_set_drop(old);
	p->retired = false;
	p->settled = p->settled || !row->enabled;
	p->failures = 0;
	p->retry_mono_ms = 0;
	p->era = (struct era_verdict){0};
	effects_forget(p);
	if (!row->enabled)
		lists_forget(p);
	broker_tools_changed(p->broker);
	for (size_t i = 0, n = p->count; i < n; i++) {
		struct server *s = p->instances[i];
		if (shared && s->options->scope == MCP_SHARED)
			server_replace(s);
		else
			server_retire(s, "its registry entry has changed", p->limits->drain_ms_max);
	}
	if (shared && !shared_find(p))
		server_start(pool_add(p, NULL));
	pool_tend_later(p);
}

void pool_retire(struct pool *p)
{
	p->retired = p->settled = true;
	broker_tools_changed(p->broker);
	for (size_t i = 0, n = p->count; i < n; i++)
		server_retire(p->instances[i], "it is no longer in the registry", p->limits->drain_ms_max);
	pool_tend_later(p);
}
