/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of one server, and other requests that a worker makes (call stands for both here): they wait
 * while it starts, are in flight while it is ready, and end exactly once: by an answer, a time-out, the loss
 * of the server, or because their worker went away. A call knows whether it was written to the server, which
 * decides whether a repeat is harmless.
 *
 * Two limits end a call. The idle limit starts again with each sign of progress; the absolute one never does.
 * They are told apart in words, because only one of them says that the server was silent. Both stand still
 * while the server waits for an answer of ours (server_ask.c).
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void calls_list_add(struct server *s, struct tool_call *c)
{
	c->server = s;
	c->prev = NULL;
	c->next = s->calls;
	if (s->calls)
		s->calls->prev = c;
	s->calls = c;
	s->calls_count++;
	s->pool->calls_count++;
}

static void call_leave(struct tool_call *c)
{
	struct server *s = c->server;
	ensure(!c->asks);
	if (s) {
		*(c->prev ? &c->prev->next : &s->calls) = c->next;
		if (c->next)
			c->next->prev = c->prev;
		s->calls_count--;
		s->pool->calls_count--;
	}
	c->server = NULL;
	loop_timer_free(c->timer);
	c->timer = NULL;
}

static void call_free(struct tool_call *c)
{
	struct server *s = c->server;
	call_leave(c);
	if (s)
		server_call_gone(s);
	buf_release(&c->arguments);
	free(c->tool);
	free(c->key);
	free(c->task_id);
	free(c->idempotency_key);
	free(c);
}

void call_end(struct tool_call *c, const struct answer *a, bool sent)
{
	broker_call_done(c, a, sent);
	call_free(c);
}

static void call_fail(struct tool_call *c, const struct error *why)
{
	struct answer a = {.error = *why};
	call_end(c, &a, c->request_id != 0);
}

void call_cancel(struct tool_call *c, const char *reason)
{
	if (c->request_id && c->server->session)
		session_cancel(c->server->session, c->request_id, reason);
	broker_call_forget(c);
	call_free(c);
}

void call_take(struct tool_call *c)
{
	ensure(!c->request_id);
	call_leave(c);
}

/* --- time --- */

static int64_t call_left_ms(const struct tool_call *c)
{
	int64_t now = clock_mono_ms();
	int64_t total = c->started_ms + c->total_ms - now;
	int64_t idle = c->heard_ms + c->idle_ms - now;
	/* A call that waits for the server to start is not idle: the start has its own limit. */
	return !c->request_id || total < idle ? total : idle;
}

void call_clocks_stop(struct tool_call *c)
{
	c->stopped_ms = clock_mono_ms();
	loop_timer_set(c->timer, -1);
}

void call_clocks_go(struct tool_call *c)
{
	int64_t now = clock_mono_ms();
	c->started_ms += now - c->stopped_ms;
	c->heard_ms = now;
	loop_timer_set(c->timer, call_left_ms(c));
}

/* Why the server is not ready yet. */
static enum err never_sent(const struct tool_call *c, struct error *e)
{
	const struct server *s = c->server;
	err_set(e, ERR_TIMEOUT, "%s of server %s was not sent within %lld ms: ", c->tool, s->options->id,
		(long long)c->total_ms);
	size_t n = strlen(e->msg);
	char *more = e->msg + n;
	if (s->state != SERVER_WAITING)
		snprintf(more, sizeof(e->msg) - n, "the server is still %s", server_state_name(s->state));
	else if (s->queued)
		snprintf(more, sizeof(e->msg) - n, "%zu other servers are being started, the limit (%s)",
			 s->limits->starts_max, "tools.starts_max");
	else {
		e->code = ERR_FULL;
		snprintf(more, sizeof(e->msg) - n,
			 "other tasks have all %zu instances of it (max_instances in its registry entry)",
			 s->options->instances_max);
	}
	return e->code;
}

static void call_timed_out(struct tool_call *c)
{
	struct error e;
	const char *server = c->server->options->id;
	bool total = clock_mono_ms() >= c->started_ms + c->total_ms;
	if (!c->request_id)
		never_sent(c, &e);
	else if (total)
		err_set(&e, ERR_TIMEOUT,
			"%s of server %s did not end within %lld ms (absolute time limit of a call)", c->tool,
			server, (long long)c->total_ms);
	else
		err_set(&e, ERR_TIMEOUT,
			"%s of server %s gave neither answer nor progress for %lld ms (idle time limit)",
			c->tool, server, (long long)c->idle_ms);
	if (c->request_id) {
		session_cancel(c->server->session, c->request_id,
			       total ? "absolute time limit" : "idle time limit");
		session_doubt(c->server->session);
	}
	call_fail(c, &e);
}

static void timer_fired(void *arg)
{
	struct tool_call *c = arg;
	int64_t left = call_left_ms(c);
	if (left > 0)
		loop_timer_set(c->timer, left);
	else
		call_timed_out(c);
}

/* --- the session's answers --- */

/* Raw, but only if it is the number it should be. */
static struct slice number_member(struct slice params, const char *name)
{
	struct slice raw = scan_member(params, name);
	bool number = raw.len && (raw.ptr[0] == '-' || (raw.ptr[0] >= '0' && raw.ptr[0] <= '9'));
	return number ? raw : (struct slice){0};
}

/* So many a second are passed on; a server that floods is still heard. */
static bool notice_may_pass(struct tool_call *c)
{
	int64_t now = clock_mono_ms();
	if (now - c->notices_ms >= 1000) {
		c->notices_ms = now;
		c->notices = 0;
	}
	return c->notices++ < c->server->limits->notices_per_second_max;
}

static void call_logged(struct slice params, void *arg)
{
	struct tool_call *c = arg;
	if (params.len <= c->server->limits->ask_bytes_max && notice_may_pass(c))
		broker_call_log(c, params);
}

static void call_progress(struct slice params, void *arg)
{
	struct tool_call *c = arg;
	struct buf message = BUF_INIT;
	c->heard_ms = clock_mono_ms();
	if (!c->want_progress || !notice_may_pass(c))
		return;
	scan_text(scan_member(params, "message"), &message);
	broker_call_progress(c, number_member(params, "progress"), number_member(params, "total"),
			     buf_slice(&message));
	buf_release(&message);
}

/* One code says that there is no such prompt, and that its arguments are wrong. */
static void prompt_fault(const struct tool_call *c, struct error *e)
{
	const struct shelf_list *prompts = &c->server->pool->shelf.lists[MCP_PROMPTS];
	bool is_prompt = strcmp(c->method, "prompts/get") == 0;
	if (e->code == ERR_FIELD && is_prompt && c->key && prompts->version && !prompts->list.truncated &&
	    !item_find(&prompts->list, c->key))
		e->code = ERR_NOT_FOUND;
}

/* Of a request that a model made as a call: contents become content, and the server's refusal a tool's error.
 */
static void tool_shape(struct answer *a, struct buf *text)
{
	bool refused = a->error.code && a->rpc_code;
	if (refused)
		resource_tool_fault(a->error.msg, text);
	else if (a->error.code || resource_tool_result(a->result, text, &a->error) != ERR_NONE)
		return;
	*a = (struct answer){.is_error = refused, .result = buf_slice(text)};
}

static void call_answered(const struct answer *a, void *arg)
{
	struct tool_call *c = arg;
	struct answer bad = *a;
	struct buf text = BUF_INIT;
	if (c->method && a->error.code) {
		session_request_fault(c->method, a->rpc_code, &bad.error);
		prompt_fault(c, &bad.error);
	}
	if (a->error.code) {
		server_mask(c->server, &bad.error);
		a = &bad;
	}
	if (a->error.code == ERR_NONE && a->result.ptr[0] != '{') {
		err_set(&bad.error, ERR_UPSTREAM, "the server's result of %s is not an object", c->tool);
		a = &bad;
	}
	bool sent = !a->unsent;
	if (a->error.code == ERR_NONE && c->key && c->method == session_method("resources/read"))
		pool_resource_read(c->server->pool, c->server, c->key);
	if (c->as_tool) {
		bad = *a;
		tool_shape(&bad, &text);
		a = &bad;
	}
	call_end(c, a, sent);
	buf_release(&text);
}

/* --- taking calls --- */

/* Only now it is known what the server has. true: the call has ended. */
static bool resource_call(const struct server *s, struct tool_call *c)
{
	const struct shelf *shelf = &s->pool->shelf;
	struct answer a = {0};
	struct buf query = BUF_INIT, text = BUF_INIT;
	enum resource_tool which =
		c->method ? RESOURCE_TOOL_NONE : resource_tool_of(shelf, &s->pool->tools, c->tool);
	if (which == RESOURCE_TOOL_READ) {
		c->method = session_method("resources/read");
		c->key = session_request_key(c->method, buf_slice(&c->arguments));
		c->as_tool = true;
	} else if (which == RESOURCE_TOOL_LIST) {
		scan_text(scan_member(buf_slice(&c->arguments), "query"), &query);
		resource_tool_list(shelf, buf_cstr(&query), &text);
		a.result = buf_slice(&text);
		call_end(c, &a, true);
	}
	buf_release(&query);
	buf_release(&text);
	return which == RESOURCE_TOOL_LIST;
}

static void call_send(struct server *s, struct tool_call *c)
{
	struct error e;
	if (resource_call(s, c))
		return;
	struct request_handler h = {call_progress, call_answered, c, !c->method, call_logged};
	struct slice arguments = buf_slice(&c->arguments);
	c->request_id = c->method ? session_request(s->session, c->method, arguments, h, &e)
				  : session_call(s->session, c->tool, arguments, c->idempotency_key, h, &e);
	if (!c->request_id) {
		call_fail(c, &e);
		return;
	}
	buf_release(&c->arguments);
	c->heard_ms = clock_mono_ms();
	loop_timer_set(c->timer, call_left_ms(c));
}

static enum err call_admit(const struct server *s, struct error *e)
{
	if (!s->options->enabled)
		return err_set(e, ERR_UNAVAILABLE, "server %s is disabled in the registry", s->options->id);
	if (s->halted)
		return err_set(e, ERR_UNAVAILABLE, "the tool servers are being stopped");
	if (s->state != SERVER_READY && s->state != SERVER_STARTING && s->state != SERVER_IDLE &&
	    s->state != SERVER_WAITING && !server_comes_back(s))
		return err_set(e, ERR_UNAVAILABLE, "server %s is not available (%s): %s", s->options->id,
			       server_state_name(s->state), s->last_error.msg);
	if (s->pool->calls_count >= s->limits->calls_per_server_max)
		return err_set(e, ERR_FULL,
			       "server %s has %zu calls in flight and waiting, its limit "
			       "(tools.calls_per_server_max)",
			       s->options->id, s->pool->calls_count);
	return ERR_NONE;
}

void server_call(struct server *s, struct tool_call *c)
{
	struct error e;
	c->heard_ms = clock_mono_ms();
	c->started_ms = c->started_ms ? c->started_ms : c->heard_ms;
	if (call_admit(s, &e) != ERR_NONE) {
		call_fail(c, &e);
		return;
	}
	s->pool->calls_total++;
	s->called_mono_ms = c->heard_ms;
	calls_list_add(s, c);
	c->timer = loop_timer_new(s->loop, timer_fired, c);
	loop_timer_set(c->timer, call_left_ms(c));
	if (s->state == SERVER_READY)
		call_send(s, c);
	else if (s->state == SERVER_IDLE)
		server_start(s);
}

/* The oldest call that was not sent, or NULL. The newest stands first. */
static struct tool_call *call_waiting(const struct server *s)
{
	struct tool_call *found = NULL;
	for (struct tool_call *c = s->calls; c; c = c->next) {
		if (!c->request_id)
			found = c;
	}
	return found;
}

void server_calls_dispatch(struct server *s)
{
	struct tool_call *c;
	while (s->state == SERVER_READY && (c = call_waiting(s)))
		call_send(s, c);
}

void server_calls_end(struct server *s, const struct error *why)
{
	for (struct tool_call *c = s->calls, *next; c; c = next) {
		struct error e = *why;
		next = c->next;
		if (!c->request_id && server_comes_back(s))
			continue;
		if (c->request_id) {
			e.code = e.code == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : ERR_LOST;
			err_prefix(&e, "server %s was lost before it answered %s", s->options->id, c->tool);
		} else {
			e.code = ERR_UNAVAILABLE;
			err_prefix(&e, "server %s could not be started", s->options->id);
		}
		call_fail(c, &e);
	}
}
