/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of the registry as GET /v1/servers shows it: what is so of the whole, then each instance. Where
 * there are several, what only one can say (pid, stderr) is told of the one that was started last.
 */
#include "base/base.h"
#include "mcp/auth.h"
#include "mcp/mcp_int.h"
#include "mcp/sandbox_int.h"

static void info_write(const struct session_facts *f, struct jw *w)
{
	jw_name(w, "server_info");
	if (!f->server_name[0]) {
		jw_null(w);
		return;
	}
	jw_object(w);
	jw_kv_text(w, "name", f->server_name);
	jw_kv_text(w, "version", f->server_version);
	jw_object_end(w);
}

static void tail_write(const struct server *s, struct jw *w)
{
	struct buf text = BUF_INIT;
	if (s) {
		tail_text(&s->tail, &text);
		secrets_mask(s->options, text.data, text.len);
	}
	jw_name(w, "stderr_tail");
	jw_text_n(w, buf_cstr(&text), text.len);
	buf_release(&text);
}

static void time_write(struct jw *w, const char *name, int64_t wall_ms)
{
	char at[CLOCK_TEXT_SIZE];
	if (wall_ms)
		clock_format(wall_ms, at);
	jw_kv_text(w, name, wall_ms ? at : NULL);
}

static void pid_write(const struct server *s, struct jw *w)
{
	int pid = s && s->link ? s->link->ops->pid(s->link) : 0;
	jw_name(w, "pid");
	if (pid)
		jw_int(w, pid);
	else
		jw_null(w);
}

/* --- instances --- */

static const char *state_word(const struct server *s)
{
	bool login = s->auth && s->state != SERVER_READY && auth_login_url(s->auth);
	return login ? "auth_required" : server_state_name(s->state);
}

/* What a program says while it starts is all there is to see of it: npx that downloads, for one. */
static void last_line_write(const struct server *s, struct jw *w)
{
	enum { LINE_SIZE = 200 };
	char line[LINE_SIZE];
	struct buf text = BUF_INIT;
	tail_text(&s->tail, &text);
	secrets_mask(s->options, text.data, text.len); /* before it is cut, which may part a secret */
	text_last_line(buf_slice(&text), line, sizeof(line));
	jw_kv_text(w, "stderr_line", line[0] ? line : NULL);
	buf_release(&text);
}

static void instance_write(const struct server *s, struct jw *w)
{
	jw_object(w);
	pid_write(s, w);
	jw_kv_text(w, "state", state_word(s));
	jw_kv_text(w, "task_id", s->task_id);
	time_write(w, "started_at", s->link ? s->started_wall_ms : 0);
	jw_kv_int(w, "calls_in_flight", (int64_t)s->calls_count);
	if (s->leaving)
		jw_kv_text(w, "leaving", s->leaving);
	if (s->state == SERVER_STARTING)
		last_line_write(s, w);
	jw_object_end(w);
}

static bool is_shown(const struct server *s)
{
	return !server_is_gone(s) || s->calls || s->state == SERVER_WAITING;
}

static void instances_write(const struct pool *p, struct jw *w)
{
	jw_name(w, "instances");
	jw_array(w);
	for (size_t i = 0; i < p->count; i++) {
		if (is_shown(p->instances[i]))
			instance_write(p->instances[i], w);
	}
	jw_array_end(w);
}

static void end_write(const struct instance_end *n, struct jw *w)
{
	jw_name(w, "last_end");
	if (!n->wall_ms) {
		jw_null(w);
		return;
	}
	jw_object(w);
	time_write(w, "at", n->wall_ms);
	jw_name(w, "pid");
	if (n->pid)
		jw_int(w, n->pid);
	else
		jw_null(w);
	jw_kv_text(w, "task_id", n->task_id);
	jw_kv_text(w, "why", n->why.msg);
	jw_kv_text(w, "how", n->how.msg);
	jw_kv_text(w, "stop_step", n->stop_step);
	jw_object_end(w);
}

/* --- the whole --- */

/* The one that was started last; a shared row has no other. NULL: there is none. */
static const struct server *newest(const struct pool *p)
{
	const struct server *found = NULL;
	for (size_t i = 0; i < p->count; i++) {
		const struct server *s = p->instances[i];
		if (s->link || s->options->scope == MCP_SHARED)
			found = s;
	}
	return found;
}

static bool has_state(const struct pool *p, enum server_state state)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->instances[i]->state == state)
			return true;
	}
	return false;
}

/* What a call of a task that has no instance yet would find. */
const char *pool_state_name(const struct pool *p)
{
	const struct server *s = newest(p);
	if (p->options->scope == MCP_SHARED && s)
		return state_word(s);
	if (!pool_offers_tools(p))
		return p->count ? "stopping" : "stopped";
	if (pool_login_url(p) && !has_state(p, SERVER_READY))
		return "auth_required";
	if (clock_mono_ms() < p->retry_mono_ms)
		return "backoff";
	if (has_state(p, SERVER_READY))
		return "ready";
	if (has_state(p, SERVER_STARTING))
		return "starting";
	return has_state(p, SERVER_WAITING) ? "waiting" : "idle";
}

static uint64_t junk_lines(const struct pool *p, uint64_t *late)
{
	uint64_t junk = p->junk_lines;
	*late = p->late_answers;
	for (size_t i = 0; i < p->count; i++) {
		const struct session *n = p->instances[i]->session;
		junk += n ? session_facts(n)->junk_lines : 0;
		*late += n ? session_facts(n)->late_answers : 0;
	}
	return junk;
}

static void counts_write(const struct pool *p, struct jw *w)
{
	uint64_t late, junk = junk_lines(p, &late);
	bool shared = p->options->scope == MCP_SHARED;
	jw_kv_int(w, "starts", (int64_t)p->starts);
	jw_kv_int(w, "restarts", shared && p->starts ? (int64_t)p->starts - 1 : 0);
	jw_kv_int(w, "calls_in_flight", (int64_t)p->calls_count);
	jw_kv_int(w, "calls_total", (int64_t)p->calls_total);
	jw_kv_int(w, "junk_lines", (int64_t)junk);
	jw_kv_int(w, "late_answers", (int64_t)late);
}

const struct error *pool_last_error(const struct pool *p)
{
	const struct server *s = newest(p);
	return p->options->scope == MCP_SHARED && s ? &s->last_error : &p->last_error;
}

void pool_write(const struct pool *p, struct jw *w)
{
	const struct server *s = newest(p);
	const struct session_facts *f = s && s->session ? session_facts(s->session) : &p->facts;
	const struct error *e = pool_last_error(p);
	const char *login = pool_login_url(p);
	jw_object(w);
	jw_kv_text(w, "id", p->options->id);
	jw_kv_bool(w, "enabled", p->options->enabled);
	jw_kv_text(w, "type", p->options->transport == MCP_STDIO ? "local_stdio" : "remote_http");
	jw_kv_text(w, "scope", p->options->scope == MCP_SHARED ? "shared" : "task");
	jw_kv_text(w, "state", pool_state_name(p));
	if (login)
		jw_kv_text(w, "authorization_url", login);
	jw_kv_text(w, "transport", s && s->link ? s->link->ops->transport(s->link) : p->transport);
	pid_write(s, w);
	era_write(p, f, w);
	jw_kv_text(w, "protocol_version", f->protocol_version[0] ? f->protocol_version : NULL);
	info_write(f, w);
	jw_kv_int(w, "tools", (int64_t)p->tools.count);
	faults_write(&p->tools.faults, w);
	jw_kv_int(w, "resources", (int64_t)p->shelf.lists[MCP_RESOURCES].list.count);
	jw_kv_int(w, "resource_templates", (int64_t)p->shelf.lists[MCP_RESOURCE_TEMPLATES].list.count);
	jw_kv_int(w, "prompts", (int64_t)p->shelf.lists[MCP_PROMPTS].list.count);
	jw_kv_text(w, "last_error", e->msg[0] ? e->msg : NULL);
	tail_write(s, w);
	counts_write(p, w);
	time_write(w, "started_at", s && s->link ? s->started_wall_ms : 0);
	instances_write(p, w);
	end_write(&p->last_end, w);
	sandbox_write(p->options, w);
	jw_object_end(w);
}
