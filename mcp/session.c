/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one connection to a server that speaks the handshake wire of MCP (2025-11-25 down to
 * 2024-11-05): initialize, notifications/initialized, the first tools/list, then calls; a ping when it has
 * been quiet for long. It knows the link only by its functions and never ends it: session_break tells the
 * owner, who does. Owns its requests, its tool lists and its timers.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* The first is what we offer. */
static const char *const versions[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

void session_break(struct session *s, const struct error *why)
{
	if (!s->closed)
		s->events.on_broken(why, s->events.arg);
}

/* --- handshake --- */

static void fact_copy(struct slice object, const char *member, char *out, size_t size)
{
	struct buf text = BUF_INIT;
	scan_text(scan_member(object, member), &text);
	size_t n = text.len ? utf8_cut(text.data, text.len, size - 1) : 0;
	snprintf(out, size, "%.*s", (int)n, buf_cstr(&text));
	buf_release(&text);
}

static bool version_is_known(const char *version)
{
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		if (strcmp(version, versions[i]) == 0)
			return true;
	}
	return false;
}

static void initialize_answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	struct error e = a->error;
	if (e.code) {
		err_prefix(&e, "initialize");
		session_break(s, &e);
		return;
	}
	struct slice info = scan_member(a->result, "serverInfo");
	s->facts.era = "handshake";
	fact_copy(a->result, "protocolVersion", s->facts.protocol_version, sizeof(s->facts.protocol_version));
	fact_copy(info, "name", s->facts.server_name, sizeof(s->facts.server_name));
	fact_copy(info, "version", s->facts.server_version, sizeof(s->facts.server_version));
	if (!version_is_known(s->facts.protocol_version)) {
		err_set(&e, ERR_UNSUPPORTED,
			"the server speaks protocol version \"%s\"; known here are %s to %s",
			s->facts.protocol_version, versions[COUNT_OF(versions) - 1], versions[0]);
		session_break(s, &e);
		return;
	}
	s->has_tools = scan_member(scan_member(a->result, "capabilities"), "tools").len > 0;
	if (!s->has_tools)
		log_warn("the server offers no tools", LF_STR("server", s->server));
	if (s->link->ops->version)
		s->link->ops->version(s->link, s->facts.protocol_version);
	if (wire_notify(s, "notifications/initialized", (struct slice){0}, &e) != ERR_NONE)
		session_break(s, &e);
	else
		list_start(s);
}

static enum err initialize_send(struct session *s, struct error *e)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	jw_object(&w);
	jw_kv_text(&w, "protocolVersion", versions[0]);
	jw_name(&w, "capabilities");
	jw_object(&w);
	jw_object_end(&w);
	jw_name(&w, "clientInfo");
	jw_object(&w);
	jw_kv_text(&w, "name", "agent-runtime");
	jw_kv_text(&w, "version", s->version ? s->version : "0");
	jw_object_end(&w);
	jw_object_end(&w);
	struct request_handler h = {.on_end = initialize_answered, .arg = s};
	uint64_t id = wire_request(s, "initialize", buf_slice(&params), h, e);
	buf_release(&params);
	return id ? ERR_NONE : e->code;
}

/* --- is it still there? --- */

static void ping_answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	s->ping_id = 0;
	/* An error of the server's is an answer too; none at all is not. */
	if (a->error.code && a->error.code != ERR_UPSTREAM) {
		session_break(s, &a->error);
		return;
	}
	loop_timer_set(s->alive_timer, PING_EVERY_MS);
}

/* Asks only when it was quiet and owes nothing: a server may well be deaf while it works on a call. */
static void alive_timer_fired(void *arg)
{
	struct session *s = arg;
	struct error e;
	if (s->ping_id && !s->heard) {
		err_set(&e, ERR_TIMEOUT, "no answer to a ping within %d ms", PING_ANSWER_MS);
		session_break(s, &e);
		return;
	}
	if (s->ping_id)
		wire_forget(s, s->ping_id);
	s->ping_id = 0;
	if (!s->heard && !s->requests && s->ready) {
		struct request_handler h = {.on_end = ping_answered, .arg = s};
		s->ping_id = wire_request(s, "ping", (struct slice){0}, h, &e);
	}
	s->heard = false;
	loop_timer_set(s->alive_timer, s->ping_id ? PING_ANSWER_MS : PING_EVERY_MS);
}

/* --- the face --- */

static void broken_at_start(void *arg)
{
	struct session *s = arg;
	struct error e;
	err_set(&e, ERR_LOST, "the handshake could not be written");
	session_break(s, &e);
}

struct session *session_open(struct loop *l, struct link *link, const char *server, const char *version,
			     int64_t list_ms_max, struct session_events events)
{
	struct session *s = xcalloc(1, sizeof(*s));
	struct error e;
	s->loop = l;
	s->link = link;
	s->server = server;
	s->version = version;
	s->list_ms_max = list_ms_max;
	s->events = events;
	s->list_timer = loop_timer_new(l, list_timer_fired, s);
	s->alive_timer = loop_timer_new(l, alive_timer_fired, s);
	loop_timer_set(s->alive_timer, PING_EVERY_MS);
	if (initialize_send(s, &e) != ERR_NONE)
		loop_defer(l, broken_at_start, s);
	return s;
}

static void memory_free(void *arg)
{
	struct session *s = arg;
	tool_list_release(&s->tools);
	tool_list_release(&s->incoming);
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
	loop_timer_free(s->list_timer);
	loop_timer_free(s->alive_timer);
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
	jw_object(&w);
	jw_kv_text(&w, "name", tool);
	jw_kv_raw(&w, "arguments", arguments.ptr, arguments.len);
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
	return id;
}

void session_cancel(struct session *s, uint64_t id, const char *reason)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	struct error e;
	if (!wire_forget(s, id))
		return;
	jw_object(&w);
	jw_kv_int(&w, "requestId", (int64_t)id);
	jw_kv_text(&w, "reason", reason);
	jw_object_end(&w);
	if (wire_notify(s, "notifications/cancelled", buf_slice(&params), &e) != ERR_NONE)
		log_debug("a cancellation could not be written", LF_STR("server", s->server),
			  LF_STR("error", e.msg));
	buf_release(&params);
}
