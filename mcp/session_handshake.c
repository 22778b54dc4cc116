/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is of the handshake wire alone (MCP 2025-11-25 down to 2024-11-05): initialize and
 * notifications/initialized at the beginning.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

static void level_answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	if (a->error.code)
		log_debug("a tool server does not take the level it is to log from",
			  LF_STR("server", s->server), LF_STR("error", a->error.msg));
}

/* Nobody waits for it: what it logs in the meantime is as welcome. */
static void level_send(struct session *s)
{
	struct request_handler h = {.on_end = level_answered, .arg = s};
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	struct error e;
	if (!s->events.log_level)
		return;
	jw_object(&w);
	jw_kv_text(&w, "level", s->events.log_level);
	jw_object_end(&w);
	if (!wire_request(s, "logging/setLevel", buf_slice(&params), h, &e))
		log_debug("a tool server cannot be told the level it is to log from",
			  LF_STR("server", s->server), LF_STR("error", e.msg));
	buf_release(&params);
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
	if (!version_known(s->facts.protocol_version, false)) {
		err_set(&e, ERR_UNSUPPORTED,
			"the server speaks protocol version \"%s\"; known here are %s to %s",
			s->facts.protocol_version, version_oldest_handshake(), version_newest(false));
		session_break(s, &e);
		return;
	}
	if (s->link->ops->version)
		s->link->ops->version(s->link, s->facts.protocol_version);
	struct slice capabilities = scan_member(a->result, "capabilities");
	subscribe_offered(s, capabilities);
	tasks_offered(s, capabilities);
	if (wire_notify(s, "notifications/initialized", (struct slice){0}, &e) != ERR_NONE) {
		session_break(s, &e);
		return;
	}
	if (scan_member(capabilities, "logging").len)
		level_send(s);
	lists_begin(s, capabilities);
}

enum err initialize_send(struct session *s, struct error *e)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	jw_object(&w);
	jw_kv_text(&w, "protocolVersion", version_newest(false));
	jw_name(&w, "capabilities");
	capabilities_write(s, &w);
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
