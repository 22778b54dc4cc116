/* SPDX-License-Identifier: Apache-2.0 */
/* One server as GET /v1/servers shows it. */
#include "base/base.h"
#include "mcp/auth.h"
#include "mcp/mcp_int.h"
#include "mcp/sandbox_int.h"

#include <string.h>

void server_mask(const struct server *s, struct error *e)
{
	size_t len = strlen(e->msg);
	secrets_mask(s->options, e->msg, len);
	if (s->auth)
		auth_mask(s->auth, e->msg, len);
}

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
	tail_text(&s->tail, &text);
	secrets_mask(s->options, text.data, text.len);
	jw_name(w, "stderr_tail");
	jw_text_n(w, buf_cstr(&text), text.len);
	buf_release(&text);
}

static void started_write(const struct server *s, struct jw *w)
{
	char at[CLOCK_TEXT_SIZE];
	if (s->link)
		clock_format(s->started_wall_ms, at);
	jw_kv_text(w, "started_at", s->link ? at : NULL);
}

void server_write(const struct server *s, struct jw *w)
{
	const struct session_facts *f = s->session ? session_facts(s->session) : &s->facts;
	const char *login = s->auth ? auth_login_url(s->auth) : NULL;
	int pid = s->link ? s->link->ops->pid(s->link) : 0;
	jw_object(w);
	jw_kv_text(w, "id", s->options->id);
	jw_kv_bool(w, "enabled", s->options->enabled);
	jw_kv_text(w, "type", s->options->transport == MCP_STDIO ? "local_stdio" : "remote_http");
	jw_kv_text(w, "state",
		   login && s->state != SERVER_READY ? "auth_required" : server_state_name(s->state));
	if (login)
		jw_kv_text(w, "authorization_url", login);
	jw_kv_text(w, "transport", s->link ? s->link->ops->transport(s->link) : s->transport);
	jw_name(w, "pid");
	if (pid)
		jw_int(w, pid);
	else
		jw_null(w);
	jw_kv_text(w, "era", f->era);
	jw_kv_text(w, "protocol_version", f->protocol_version[0] ? f->protocol_version : NULL);
	info_write(f, w);
	jw_kv_int(w, "tools", (int64_t)s->tools.count);
	faults_write(&s->tools.faults, w);
	jw_kv_int(w, "restarts", s->starts ? (int64_t)s->starts - 1 : 0);
	jw_kv_text(w, "last_error", s->last_error.msg[0] ? s->last_error.msg : NULL);
	tail_write(s, w);
	jw_kv_int(w, "calls_in_flight", (int64_t)s->calls_count);
	jw_kv_int(w, "calls_total", (int64_t)s->calls_total);
	jw_kv_int(w, "junk_lines", (int64_t)(s->junk_lines_before + f->junk_lines));
	jw_kv_int(w, "late_answers", (int64_t)(s->late_before + f->late_answers));
	started_write(s, w);
	sandbox_write(s->options, w);
	jw_object_end(w);
}
