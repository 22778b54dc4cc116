/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which wire a server speaks, where its registry entry leaves that open (era: auto): one server/discover of
 * the modern wire to a connection that is thrown away afterwards, a process of its own for a local server,
 * because some servers of the handshake era exit, hang or flood when a request they do not know comes first
 * (MCP 2026-07-28, stdio and Streamable HTTP, "Backward Compatibility").
 *
 * The shape of the reply decides. A local server's silence or exit means the handshake; a remote one's
 * silence, 401, 403 and 5xx mean nothing, and the start fails as it would have. The verdict belongs to the
 * row of the registry and has a date: it holds for tools.era_hours, one that mere silence gave for an hour at
 * most, and none outlives a start that failed with it. An instance that has been running for so long with a
 * handshake is looked at again on the side, and started anew when its server has become a modern one.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISCOVER_ID = 1, LIST_ID = 2, SILENCE_MS_MAX = 3600 * 1000 };

/* On its server from server_probe_start until its connection is gone. */
struct server_probe {
	struct server *server;
	struct link *link;
	struct loop_timer *timer;
	struct era_verdict verdict;
	struct error error; /* why there is none */
	bool decided;
};

/* --- the verdict --- */

static void decide(struct server_probe *p, enum mcp_era era, const char *how, const struct error *why)
{
	if (p->decided)
		return;
	p->decided = true;
	p->verdict = (struct era_verdict){era, how, clock_wall_ms(), clock_mono_ms()};
	if (why)
		p->error = *why;
	loop_timer_set(p->timer, -1);
	p->link->ops->stop(p->link);
}

static void undecided(struct server_probe *p, const struct error *why)
{
	struct error e = *why;
	err_prefix(&e, "server/discover, to find out its era");
	decide(p, MCP_ERA_DEFAULT, NULL, &e);
}

static enum err ask(struct server_probe *p, uint64_t id, const char *method, struct error *e)
{
	struct buf text = BUF_INIT;
	struct header_lines lines = {0};
	struct envelope v = {.version = version_newest(true),
			     .client_version = p->server->limits->version,
			     .capabilities = SLICE_LIT("{}")};
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":", (int)id, method);
	envelope_write((struct slice){0}, &v, &text);
	buf_add_char(&text, '}');
	enum err rc = header_lines_add(&lines, "Mcp-Method", slice_str(method), e);
	if (!rc) {
		struct link_message m = {.text = buf_slice(&text),
					 .id = id,
					 .method = method,
					 .headers = (const char *const *)lines.lines};
		rc = p->link->ops->send(p->link, &m, e);
	}
	header_lines_release(&lines);
	buf_release(&text);
	return rc;
}

/* Over HTTP a modern server need not know server/discover: its list of tools shows what it is. */
static void no_method(struct server_probe *p)
{
	struct error e;
	if (p->server->options->transport == MCP_STDIO)
		decide(p, MCP_ERA_HANDSHAKE, "it does not know server/discover", NULL);
	else if (ask(p, LIST_ID, "tools/list", &e) != ERR_NONE)
		undecided(p, &e);
}

static void message(struct slice text, uint64_t about, void *arg)
{
	struct server_probe *p = arg;
	struct scan_message m;
	(void)about;
	if (p->decided || scan_message(text, &m) != SCAN_ANSWER)
		return;
	uint64_t id = wire_id_number(m.id);
	if (id != DISCOVER_ID && id != LIST_ID)
		return;
	if (p->link->ops->done)
		p->link->ops->done(p->link, id);
	switch (id == DISCOVER_ID ? era_hint_of(&m) : era_hint_of_list(&m)) {
	case ERA_HINT_MODERN:
		decide(p, MCP_ERA_MODERN, "it answered as the modern wire demands", NULL);
		break;
	case ERA_HINT_HANDSHAKE:
		decide(p, MCP_ERA_HANDSHAKE, "it answered otherwise than the modern wire demands", NULL);
		break;
	case ERA_HINT_NO_METHOD: no_method(p); break;
	}
}

static void overlong(const struct frame_line *line, void *arg)
{
	(void)line;
	decide(arg, MCP_ERA_HANDSHAKE, "it answered otherwise than the modern wire demands", NULL);
}

static bool says_nothing(int status)
{
	return status < 200 || (status >= 300 && status < 400) || status >= 500 || status == 401 ||
	       status == 403 || status == 407 || status == 408 || status == 425 || status == 429;
}

static void failed(const struct link_failure *f, void *arg)
{
	struct server_probe *p = arg;
	if (says_nothing(f->status))
		undecided(p, &f->why);
	else
		decide(p, MCP_ERA_HANDSHAKE, "it refused a request of the modern wire", NULL);
}

/* Drained, and of no interest: what the real start says is kept. */
static void logged(struct slice bytes, void *arg)
{
	(void)bytes;
	(void)arg;
}

static void lost(const struct error *why, void *arg)
{
	struct server_probe *p = arg;
	/* Could not even be executed. */
	if (p->server->options->transport != MCP_STDIO || why->code == ERR_UNAVAILABLE)
		undecided(p, why);
	else
		decide(p, MCP_ERA_HANDSHAKE, "it ended when it was asked in the modern way", NULL);
}

static void timed_out(void *arg)
{
	struct server_probe *p = arg;
	struct error e;
	if (p->server->options->transport == MCP_STDIO) {
		decide(p, MCP_ERA_HANDSHAKE, ERA_BY_SILENCE, NULL);
		return;
	}
	err_set(&e, ERR_TIMEOUT,
		"no answer within %lld ms (era: handshake in its entry in the registry does not ask)",
		(long long)server_start_ms(p->server));
	undecided(p, &e);
}

/* --- life --- */

static void probe_free(struct server_probe *p)
{
	loop_timer_free(p->timer);
	p->link->ops->free(p->link);
	free(p);
}

static void gone(const struct error *why, void *arg)
{
	struct server_probe *p = arg, ended = *p;
	(void)why;
	p->server->probe = NULL;
	probe_free(p);
	server_probed(ended.server, &ended.verdict, &ended.error);
}

enum err server_probe_start(struct server *s, struct error *e)
{
	const struct mcp_broker_options *o = s->limits;
	bool local = s->options->transport == MCP_STDIO;
	struct stdio_limits stdio = {o->line_bytes_max, o->queue_bytes_max, o->stop_grace_ms};
	struct http_limits http = {o->line_bytes_max, o->queue_bytes_max, o->start_ms_max, o->stop_grace_ms};
	struct server_probe *p = xcalloc(1, sizeof(*p));
	struct link_events events = {.on_message = message,
				     .on_overlong = overlong,
				     .on_failed = failed,
				     .on_log = logged,
				     .on_lost = lost,
				     .on_gone = gone,
				     .arg = p};
	ensure(!s->probe);
	p->server = s;
	p->link = local ? stdio_open(s->loop, s->options, &stdio, events, e)
			: http_open(s->loop, s->options, &http, s->auth, events);
	if (!p->link) {
		free(p);
		return e->code;
	}
	p->timer = loop_timer_new(s->loop, timed_out, p);
	loop_timer_set(p->timer, local ? o->probe_ms_max : server_start_ms(s));
	s->probe = p;
	if (p->link->ops->version)
		p->link->ops->version(p->link, version_newest(true));
	if (ask(p, DISCOVER_ID, "server/discover", e) != ERR_NONE)
		undecided(p, e);
	return ERR_NONE;
}

void server_probe_stop(struct server *s)
{
	struct error e;
	err_set(&e, ERR_UNAVAILABLE, "it is being stopped");
	if (s->probe)
		undecided(s->probe, &e);
}

void server_probe_free(struct server *s)
{
	if (s->probe)
		probe_free(s->probe);
	s->probe = NULL;
}

bool server_probe_child_exited(struct server *s, int pid, int status)
{
	return s->probe && s->probe->link->ops->child_exited(s->probe->link, pid, status);
}

/* --- what is known --- */

enum mcp_era era_of_row(const struct mcp_server_options *o)
{
	if (o->era != MCP_ERA_DEFAULT)
		return o->era;
	return o->transport == MCP_STDIO ? MCP_ERA_HANDSHAKE : MCP_ERA_AUTO;
}

static int64_t verdict_left_ms(const struct server *s)
{
	const struct era_verdict *v = &s->pool->era;
	int64_t ms = s->limits->era_ms_max;
	if (v->how && strcmp(v->how, ERA_BY_SILENCE) == 0 && ms > SILENCE_MS_MAX)
		ms = SILENCE_MS_MAX;
	return v->era == MCP_ERA_DEFAULT ? 0 : v->mono_ms + ms - clock_mono_ms();
}

enum mcp_era server_era(const struct server *s)
{
	enum mcp_era era = era_of_row(s->options);
	if (era != MCP_ERA_AUTO)
		return era;
	return verdict_left_ms(s) > 0 ? s->pool->era.era : MCP_ERA_AUTO;
}

void server_era_failed(struct server *s, const struct error *why)
{
	struct era_verdict *v = &s->pool->era;
	/* A process that ends would have ended in either era. */
	bool is_its_own = v->era == MCP_ERA_HANDSHAKE && why->code == ERR_LOST;
	if (v->era != MCP_ERA_DEFAULT && !is_its_own)
		*v = (struct era_verdict){0};
}

void server_era_watch(struct server *s)
{
	int64_t left = verdict_left_ms(s);
	bool due = era_of_row(s->options) == MCP_ERA_AUTO && s->pool->era.era == MCP_ERA_HANDSHAKE &&
		   s->options->scope == MCP_SHARED;
	loop_timer_set(s->era_timer, due ? (left > 0 ? left : 0) : -1);
}

void server_era_due(void *arg)
{
	struct server *s = arg;
	struct error e;
	if (s->state == SERVER_READY && !s->probe && server_probe_start(s, &e) != ERR_NONE)
		server_probed(s, &(struct era_verdict){0}, &e);
}

/* On the side: the instance works on meanwhile. */
void server_era_again(struct server *s, const struct era_verdict *v)
{
	if (v->era == MCP_ERA_DEFAULT) /* nothing new: after the same time again */
		s->pool->era.mono_ms = clock_mono_ms();
	else
		s->pool->era = *v;
	if (v->era == MCP_ERA_MODERN)
		server_renew(s, "it speaks the modern wire now", s->limits->drain_ms_max);
	else
		server_era_watch(s);
}

void era_write(const struct pool *p, const struct session_facts *f, struct jw *w)
{
	static const char *const names[] = {"default", "handshake", "modern", "auto"};
	char at[CLOCK_TEXT_SIZE];
	bool found = p->era.era != MCP_ERA_DEFAULT && era_of_row(p->options) == MCP_ERA_AUTO;
	jw_kv_text(w, "era", f->era);
	jw_name(w, "era_found");
	if (!found) {
		jw_null(w);
		return;
	}
	clock_format(p->era.wall_ms, at);
	jw_object(w);
	jw_kv_text(w, "era", names[p->era.era]);
	jw_kv_text(w, "how", p->era.how);
	jw_kv_text(w, "at", at);
	jw_object_end(w);
}
