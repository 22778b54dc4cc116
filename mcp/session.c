/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one connection to a server: a first request, which depends on the wire (session_handshake.c,
 * session_modern.c), the first tools/list, then calls. It knows the link only by its functions and never ends
 * it: session_break tells the owner, who does. Owns its requests, its tool lists and its timers.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

void session_break(struct session *s, const struct error *why)
{
	if (!s->closed)
		s->events.on_broken(why, s->events.arg);
}

void fact_copy(struct slice object, const char *name, char *out, size_t size)
{
	struct buf text = BUF_INIT;
	scan_text(scan_member(object, name), &text);
	size_t n = text.len ? utf8_cut(text.data, text.len, size - 1) : 0;
	snprintf(out, size, "%.*s", (int)n, buf_cstr(&text));
	buf_release(&text);
}

/* --- the face --- */

static void broken_at_start(void *arg)
{
	struct session *s = arg;
	struct error e;
	err_set(&e, ERR_LOST, "the first request could not be written");
	session_break(s, &e);
}

struct session *session_open(struct loop *l, struct link *link, const char *server, const char *version,
			     enum mcp_era era, const struct session_limits *limits,
			     struct session_events events)
{
	struct session *s = xcalloc(1, sizeof(*s));
	struct error e;
	s->loop = l;
	s->link = link;
	s->server = server;
	s->version = version;
	s->limits = *limits;
	s->events = events;
	s->modern = s->task_extension = era == MCP_ERA_MODERN;
	lists_init(s);
	s->alive_timer = loop_timer_new(l, alive_timer_fired, s);
	s->fresh_timer = loop_timer_new(l, fresh_timer_fired, s);
	s->listen.timer = loop_timer_new(l, listen_timer_fired, s);
	if ((s->modern ? discover_send(s, &e) : initialize_send(s, &e)) != ERR_NONE)
		loop_defer(l, broken_at_start, s);
	return s;
}

static void memory_free(void *arg)
{
	struct session *s = arg;
	tool_list_release(&s->tools);
	tool_list_release(&s->incoming);
	for (int i = 0; i < ITEM_KINDS; i++) {
		item_list_release(&s->items[i]);
		item_list_release(&s->items_incoming[i]);
	}
	plans_release(s);
	task_tools_release(s);
	free(s);
}

void session_close(struct session *s)
{
	if (!s)
		return;
	ensure(!s->closed);
	s->closed = true;
	while (s->requests)
		wire_forget(s, s->requests->id);
	asks_drop(s);
	lists_release(s);
	loop_timer_free(s->alive_timer);
	loop_timer_free(s->fresh_timer);
	loop_timer_free(s->listen.timer);
	loop_defer_cancel(s->loop, s);
	loop_defer(s->loop, memory_free, s);
}

struct tool_list session_tools_take(struct session *s)
{
	struct tool_list l = s->tools;
	s->tools = (struct tool_list){0};
	return l;
}

const struct session_facts *session_facts(const struct session *s)
{
	return &s->facts;
}

uint64_t session_call(struct session *s, const char *tool, struct slice arguments,
		      const char *idempotency_key, struct request_handler h, struct error *e)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	ensure(s->ready && !s->closed);
	bool as_task = task_wanted(s, tool);
	jw_object(&w);
	jw_kv_text(&w, "name", tool);
	jw_kv_raw(&w, "arguments", arguments.ptr, arguments.len);
	if (as_task) {
		jw_name(&w, "task");
		jw_object(&w);
		jw_kv_int(&w, "ttl", s->limits.call_ms_max);
		jw_object_end(&w);
	}
	/* Without a token no progress ever comes, and nothing could keep a long call alive. */
	jw_name(&w, "_meta");
	jw_object(&w);
	jw_kv_int(&w, "progressToken", (int64_t)s->id_last + 1);
	if (idempotency_key)
		jw_kv_text(&w, "agent-runtime/idempotencyKey", idempotency_key);
	jw_object_end(&w);
	jw_object_end(&w);
	uint64_t id = wire_request(s, "tools/call", buf_slice(&params), h, e);
	buf_release(&params);
	if (id && as_task)
		task_begin(s, id);
	return id;
}

void session_cancel(struct session *s, uint64_t id, const char *reason)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	struct error e;
	uint64_t wire_id = wire_id_now(s, id);
	bool by_link = s->modern && s->link->ops->cancel;
	if (task_cancel(s, id))
		return;
	if (by_link && wire_id)
		s->link->ops->cancel(s->link, wire_id);
	if (!wire_forget(s, id) || by_link || !wire_id)
		return;
	jw_object(&w);
	jw_kv_int(&w, "requestId", (int64_t)wire_id);
	jw_kv_text(&w, "reason", reason);
	jw_object_end(&w);
	if (wire_notify(s, "notifications/cancelled", buf_slice(&params), &e) != ERR_NONE)
		log_debug("a cancellation could not be written", LF_STR("server", s->server),
			  LF_STR("error", e.msg));
	buf_release(&params);
}
