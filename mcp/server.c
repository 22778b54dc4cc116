/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance of a server: its states, its connection, its end (its start is server_start.c). There is at
 * most one child and one session at a time, because a start happens only in a state in which the one before
 * is gone. Whatever ends a connection comes through server_lost; the child's end comes through link_gone.
 * Only then a new start is planned, later each time (exponential, with jitter), until it was ready for long
 * enough; an instance of one task is not started again, its pool makes another one for the next call.
 *
 * STOPPED -> (WAITING ->) STARTING -> READY; from both of these -> STOPPING -> BACKOFF -> STARTING, or ->
 * STOPPED when halted. FAILED is for rows that cannot be started at all. DRAINING, between READY and
 * STOPPING, a start without back-off, and IDLE are those of server_restart.c.
 */
#include "base/base.h"
#include "mcp/auth.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

enum { LAST_WORDS_SIZE = 200 };

static void timer_fired(void *arg);

const char *server_state_name(enum server_state state)
{
	static const char *const names[] = {"stopped", "idle",   "waiting",  "starting", "ready",
					    "backoff", "failed", "stopping", "draining"};
	ensure((size_t)state < COUNT_OF(names));
	return names[state];
}

void server_init(struct server *s, struct pool *p)
{
	const struct mcp_server_options *o = p->options;
	*s = (struct server){.pool = p, .loop = p->loop, .options = o, .limits = p->limits};
	s->row_set = row_set_hold(p->row_set);
	s->timer = loop_timer_new(s->loop, timer_fired, s);
	s->era_timer = loop_timer_new(s->loop, server_era_due, s);
	s->auth = auth_hold(pool_auth(p));
	tail_init(&s->tail, s->limits->stderr_tail_bytes);
	err_set(&s->last_error, ERR_NONE, "%s", "");
}

void server_release(struct server *s)
{
	ensure(!s->calls);
	broker_start_leave(s->pool->broker, s);
	session_close(s->session);
	server_probe_free(s);
	if (s->link)
		s->link->ops->free(s->link);
	auth_drop(s->auth);
	loop_defer_cancel(s->loop, s);
	loop_timer_free(s->timer);
	loop_timer_free(s->era_timer);
	tail_release(&s->tail);
	free(s->task_id);
	row_set_drop(s->row_set);
}

bool server_is_gone(const struct server *s)
{
	return !s->link && !s->probe;
}

/* --- the session's events --- */

static void facts_keep(struct server *s)
{
	s->facts = *session_facts(s->session);
}

static void session_ready(void *arg)
{
	struct server *s = arg;
	s->state = SERVER_READY;
	s->called_mono_ms = clock_mono_ms();
	broker_start_leave(s->pool->broker, s);
	facts_keep(s);
	pool_ready(s->pool, s);
	s->ready_mono_ms = s->called_mono_ms;
	log_info("tool server is ready", LF_STR("server", s->options->id),
		 LF_STR("transport", s->link->ops->transport(s->link)),
		 LF_INT("pid", s->link->ops->pid(s->link)),
		 LF_STR("protocol_version", s->facts.protocol_version), LF_INT("tools", s->pool->tools.count),
		 LF_INT("ms", clock_mono_ms() - s->started_mono_ms));
	server_era_watch(s);
	server_calls_dispatch(s);
	server_rest_check(s);
}

static void session_tools_changed(void *arg)
{
	struct server *s = arg;
	facts_keep(s);
	pool_tools_changed(s->pool, s);
}

static void session_items_changed(enum list_kind kind, const struct error *why, void *arg)
{
	struct server *s = arg;
	enum mcp_list items = (enum mcp_list)(kind - LIST_RESOURCES);
	if (why)
		pool_items_failed(s->pool, s, items, why);
	else
		pool_items_take(s->pool, s, items, session_items_take(s->session, kind));
}

static void session_resource_updated(const char *uri, void *arg)
{
	struct server *s = arg;
	pool_resource_updated(s->pool, s, uri);
}

void server_lost(struct server *s, const struct error *why)
{
	if (!s->session)
		return;
	facts_keep(s);
	s->pool->junk_lines += s->facts.junk_lines;
	s->pool->late_answers += s->facts.late_answers;
	s->facts.junk_lines = s->facts.late_answers = 0;
	session_close(s->session);
	s->session = NULL;
	s->transport = s->link->ops->transport(s->link);
	/* Not again and again: a server that forgets each session at once is not of use. */
	s->renew = why->code == ERR_GONE && s->state == SERVER_READY && s->failures == 0;
	if (s->state == SERVER_READY && clock_mono_ms() - s->ready_mono_ms >= s->limits->restart_ms_max)
		s->failures = 0;
	s->failures++;
	s->last_error = *why;
	server_mask(s, &s->last_error);
	if (s->state == SERVER_STARTING && !s->again && !s->halted) {
		pool_start_failed(s->pool, &s->last_error);
		server_era_failed(s, why);
	}
	s->state = SERVER_STOPPING;
	loop_timer_set(s->timer, -1);
	broker_start_leave(s->pool->broker, s);
	server_calls_end(s, &s->last_error);
	if (!s->again)
		pool_settle(s->pool);
	s->link->ops->stop(s->link);
}

static void session_broken(const struct error *why, void *arg)
{
	server_lost(arg, why);
}

static void session_asks(struct session_ask *a, void *arg)
{
	server_asked(arg, a);
}

static void session_logs(struct slice params, void *arg)
{
	server_logged(arg, params);
}

static void session_ask_is_over(const struct session_ask *a, void *arg)
{
	server_ask_over(arg, a);
}

/* --- the link's events --- */

static void link_message(struct slice text, uint64_t about, void *arg)
{
	struct server *s = arg;
	if (s->session)
		session_receive(s->session, text, about);
}

static void link_overlong(const struct frame_line *line, void *arg)
{
	struct server *s = arg;
	if (s->session)
		session_overlong(s->session, line);
}

static void link_failed(const struct link_failure *f, void *arg)
{
	struct server *s = arg;
	if (s->session)
		session_failed(s->session, f);
}

static void link_log(struct slice bytes, void *arg)
{
	struct server *s = arg;
	tail_add(&s->tail, bytes);
}

/* What a dying server said last mostly names the cause ("Cannot find module ..."). */
void server_last_words_add(const struct server *s, struct error *e)
{
	char words[LAST_WORDS_SIZE];
	struct error told = *e;
	struct buf text = BUF_INIT;
	tail_text(&s->tail, &text);
	secrets_mask(s->options, text.data, text.len); /* before it is cut, which may part a secret */
	text_last_line(buf_slice(&text), words, sizeof(words));
	if (words[0])
		err_set(e, told.code, "%s; its last words: %s", told.msg, words);
	buf_release(&text);
}

static void link_lost(const struct error *why, void *arg)
{
	struct server *s = arg;
	struct error e = *why;
	server_last_words_add(s, &e);
	server_lost(s, &e);
}

static void link_gone(const struct error *why, void *arg)
{
	struct server *s = arg;
	ensure(s->link);
	log_info("tool server ended", LF_STR("server", s->options->id), LF_STR("how", why->msg),
		 LF_STR("why", s->leaving ? s->leaving : s->last_error.msg));
	pool_instance_ended(s->pool, s, why);
	s->link->ops->free(s->link);
	s->link = NULL;
	if (s->halted) {
		s->state = SERVER_STOPPED;
		pool_tend_later(s->pool);
		return;
	}
	if (s->again)
		server_renew_later(s);
	else if (s->renew)
		server_start(s);
	else
		server_backoff(s);
}

/* --- connecting, and the end --- */

static void link_start(struct server *s, struct error *e)
{
	const struct mcp_broker_options *o = s->limits;
	struct stdio_limits stdio = {o->line_bytes_max, o->queue_bytes_max, o->stop_grace_ms};
	struct http_limits http = {o->line_bytes_max, o->queue_bytes_max, o->start_ms_max, o->stop_grace_ms};
	struct link_events link_events = {.on_message = link_message,
					  .on_overlong = link_overlong,
					  .on_failed = link_failed,
					  .on_log = link_log,
					  .on_lost = link_lost,
					  .on_gone = link_gone,
					  .arg = s};
	struct session_events session_events = {
		.on_ready = session_ready,
		.on_tools = session_tools_changed,
		.on_items = session_items_changed,
		.on_updated = session_resource_updated,
		.on_broken = session_broken,
		.arg = s,
		.on_ask = session_asks,
		.on_ask_over = session_ask_is_over,
		.offers = {.elicitation = true,
			   .sampling = s->options->sampling != MCP_SAMPLING_OFF,
			   .roots = s->options->roots && *s->options->roots},
		.one_task = s->options->scope == MCP_TASK,
		.on_log = session_logs,
		.log_level = s->options->log_level};
	struct session_limits session_limits = {server_start_ms(s), o->list_items_max, o->list_bytes_max,
						o->input_rounds_max, o->call_ms_max};
	s->link = s->options->transport == MCP_STDIO
			  ? stdio_open(s->loop, s->options, &stdio, link_events, e)
			  : http_open(s->loop, s->options, &http, s->auth, link_events);
	if (!s->link)
		return;
	s->session = session_open(s->loop, s->link, s->options->id, s->limits->version, server_era(s),
				  &session_limits, session_events);
	session_watch(s->session, &s->pool->shelf.watches);
}

void server_connect(struct server *s)
{
	struct error e = {0};
	int64_t settle_ms = s->limits->start_ms_max;
	s->started_wall_ms = clock_wall_ms();
	s->started_mono_ms = clock_mono_ms();
	link_start(s, &e);
	if (!s->link) {
		server_start_failed(s, &e);
		return;
	}
	s->pid = s->link->ops->pid(s->link);
	loop_timer_set(s->timer, server_start_ms(s) < settle_ms ? server_start_ms(s) : settle_ms);
}

static void timer_fired(void *arg)
{
	struct server *s = arg;
	switch (s->state) {
	case SERVER_BACKOFF: server_start(s); break;
	case SERVER_DRAINING: server_drain_over(s); break;
	case SERVER_STARTING: server_start_late(s); break;
	case SERVER_READY: server_rest_check(s); break;
	default: break;
	}
}

/* It works now, or another person must be asked: a start shows. */
void server_login_over(struct server *s)
{
	s->failures = 0;
	if (s->state == SERVER_BACKOFF)
		loop_timer_set(s->timer, 0);
}

void server_stop(struct server *s)
{
	struct error e;
	s->halted = true;
	s->again = false;
	s->leaving = "the service is being stopped";
	loop_timer_set(s->timer, -1);
	broker_start_leave(s->pool->broker, s);
	err_set(&e, ERR_UNAVAILABLE, "the tool servers are being stopped");
	server_probe_stop(s);
	if (s->session) {
		server_lost(s, &e);
		return;
	}
	server_calls_end(s, &e);
	if (server_is_gone(s) && s->state != SERVER_FAILED)
		s->state = SERVER_STOPPED;
}
