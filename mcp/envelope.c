/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each request of the modern wire says about itself in params._meta: the protocol's version, who we are,
 * what we can do for the server, and from which level on it is to log meanwhile (MCP 2026-07-28, Overview,
 * "Per-request protocol fields"). Pure.
 *
 * What the params hold already stays as the bytes that they are, the members of their own _meta too; only
 * those keys are ours alone.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#define META_PREFIX "io.modelcontextprotocol/"

static bool key_is_ours(struct slice name, const struct envelope *v)
{
	return (v->log_level && slice_eq_str(name, META_PREFIX "logLevel")) ||
	       slice_eq_str(name, META_PREFIX "protocolVersion") ||
	       slice_eq_str(name, META_PREFIX "clientInfo") ||
	       slice_eq_str(name, META_PREFIX "clientCapabilities");
}

static void member_add(struct buf *out, struct slice name, struct slice value)
{
	buf_add_char(out, '"');
	buf_add_slice(out, name);
	buf_add_str(out, "\":");
	buf_add_slice(out, value);
	buf_add_char(out, ',');
}

static void meta_add(struct buf *out, struct slice given, const struct envelope *v)
{
	struct scan_iter it;
	struct slice name, value;
	buf_add_str(out, "\"_meta\":{");
	if (scan_open(given, &it) && it.object) {
		while (scan_next(&it, &name, &value)) {
			if (!key_is_ours(name, v))
				member_add(out, name, value);
		}
	}
	struct jw w = JW(out);
	jw_kv_text(&w, META_PREFIX "protocolVersion", v->version);
	jw_name(&w, META_PREFIX "clientInfo");
	jw_object(&w);
	jw_kv_text(&w, "name", "agent-runtime");
	jw_kv_text(&w, "version", v->client_version ? v->client_version : "0");
	jw_object_end(&w);
	jw_kv_raw(&w, META_PREFIX "clientCapabilities", v->capabilities.ptr, v->capabilities.len);
	if (v->log_level)
		jw_kv_text(&w, META_PREFIX "logLevel", v->log_level);
	buf_add_char(out, '}');
}

void envelope_write(struct slice params, const struct envelope *v, struct buf *out)
{
	struct scan_iter it;
	struct slice name, value, meta = {0};
	buf_add_char(out, '{');
	if (scan_open(params, &it) && it.object) {
		while (scan_next(&it, &name, &value)) {
			if (slice_eq_str(name, "_meta"))
				meta = value;
			else
				member_add(out, name, value);
		}
	}
	if (v->input_responses.len)
		member_add(out, SLICE_LIT("inputResponses"), v->input_responses);
	if (v->request_state.len)
		member_add(out, SLICE_LIT("requestState"), v->request_state);
	meta_add(out, meta, v);
	buf_add_char(out, '}');
}
