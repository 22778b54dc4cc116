/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is of the modern wire alone (MCP 2026-07-28): server/discover at the beginning, and answers that are
 * none yet. A refused version is taken once from those that the server names; headers that do not fit are
 * made once more from a list of tools asked for anew; the extension of tasks is told once to who demands it.
 * Each repetition is a request with an id of its own, of which its owner knows nothing. What else a server
 * refuses is never sent again blindly.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <string.h>

enum { SHOWN_BYTES_MAX = 200 };

/* --- the beginning --- */

static void protocol_set(struct session *s, const char *version)
{
	s->protocol = version;
	memcpy(s->facts.protocol_version, version, strlen(version) + 1);
	if (s->link->ops->version)
		s->link->ops->version(s->link, version);
}

/* false: it speaks no version that is known here; e says so. */
static bool versions_fit(struct session *s, struct slice versions, struct error *e)
{
	const char *version = version_pick(versions, true);
	if (!versions.len || version) {
		if (version)
			protocol_set(s, version);
		return true;
	}
	int n = (int)utf8_cut(versions.ptr, versions.len, SHOWN_BYTES_MAX);
	err_set(e, ERR_UNSUPPORTED,
		"the server supports the protocol versions %.*s; known here without a handshake is %s%s", n,
		versions.ptr, version_newest(true),
		version_pick(versions, false) ? " (era: handshake in its entry in the registry would do)"
					      : "");
	return false;
}

static void discover_answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	struct error e = a->error;
	/* Over HTTP a server need not know it. Then it is asked for what every server may have. A local one
	 * that does not is of the other era, where many list their tools without a handshake all the same. */
	bool unknown = a->rpc_code == RPC_METHOD_NOT_FOUND && s->link->ops->has_headers;
	if (!e.code && !versions_fit(s, scan_member(a->result, "supportedVersions"), &e)) {
		session_break(s, &e);
		return;
	}
	if (e.code && !unknown) {
		if (a->rpc_code != RPC_VERSION_UNSUPPORTED ||
		    versions_fit(s, scan_member(scan_member(a->rpc_error, "data"), "supported"), &e))
			err_prefix(&e, "server/discover");
		if (a->rpc_code == RPC_METHOD_NOT_FOUND)
			err_set(&e, ERR_UNSUPPORTED,
				"the server does not know server/discover of %s, which era: modern in its "
				"entry in "
				"the registry demands: set it to handshake or auto",
				version_newest(true));
		session_break(s, &e);
		return;
	}
	struct slice capabilities = scan_member(a->result, "capabilities");
	s->facts.era = "modern";
	if (!unknown)
		s->task_extension =
			scan_member(scan_member(capabilities, "extensions"), TASK_EXTENSION).len > 0;
	/* First, so that no change falls between the two. */
	subscribe_offered(s, capabilities);
	listen_start(s, capabilities);
	lists_begin(s, capabilities.len ? capabilities : SLICE_LIT("{\"tools\":{}}"));
}

enum err discover_send(struct session *s, struct error *e)
{
	struct request_handler h = {.on_end = discover_answered, .arg = s};
	protocol_set(s, version_newest(true));
	return wire_request(s, "server/discover", (struct slice){0}, h, e) ? ERR_NONE : e->code;
}

/* --- sending again --- */

static void repeat(struct session *s, struct request *r)
{
	struct answer a = {.unsent = true};
	if (wire_repeat(s, r, &a.error) != ERR_NONE)
		wire_end(s, r, &a);
}

static bool version_taken(struct session *s, struct request *r, const struct answer *a)
{
	const char *version = version_pick(scan_member(scan_member(a->rpc_error, "data"), "supported"), true);
	if (!version || r->repeat->version_tried)
		return false;
	r->repeat->version_tried = true;
	protocol_set(s, version);
	repeat(s, r);
	return true;
}

static bool headers_taken(struct session *s, struct request *r, const struct answer *a)
{
	if (r->repeat->headers_tried || !s->ready || strcmp(r->repeat->method, "tools/call") != 0)
		return false;
	r->repeat->headers_tried = r->repeat->awaits_list = true;
	r->repeat->refused = a->error;
	wire_rest(s, r);
	if (!s->lists[LIST_TOOLS].id)
		list_fetch(s, LIST_TOOLS);
	return true;
}

/* From the beginning each time: sending may end requests, and their owners begin others. */
static struct request *list_waiter(const struct session *s)
{
	struct request *r = s->requests;
	while (r && !(r->repeat && r->repeat->awaits_list))
		r = r->next;
	return r;
}

void modern_list_over(struct session *s, bool fresh)
{
	struct request *r;
	while (!s->closed && (r = list_waiter(s))) {
		struct answer refused = {.error = r->repeat->refused};
		r->repeat->awaits_list = false;
		if (fresh)
			repeat(s, r);
		else
			wire_end(s, r, &refused);
	}
}

/* --- answers --- */

struct parts {
	struct buf type; /* resultType; "" when absent */
	struct slice meta;
	struct input_required input;
};

static void parts_read(struct slice result, struct parts *p)
{
	struct scan_iter it;
	struct slice name, value;
	if (!scan_open(result, &it) || !it.object)
		return;
	while (scan_next(&it, &name, &value)) {
		if (slice_eq_str(name, "resultType") && !scan_text(value, &p->type))
			buf_add_char(&p->type, '?'); /* no string */
		else if (slice_eq_str(name, "_meta"))
			p->meta = value;
		else if (slice_eq_str(name, "inputRequests"))
			p->input.requests = value;
		else if (slice_eq_str(name, "requestState"))
			p->input.state = value;
	}
}

/* Who the server says it is: for people, nothing depends on it. */
static void server_info_keep(struct session *s, struct slice meta)
{
	struct slice info = scan_member(meta, "io.modelcontextprotocol/serverInfo");
	if (!info.len)
		return;
	fact_copy(info, "name", s->facts.server_name, sizeof(s->facts.server_name));
	fact_copy(info, "version", s->facts.server_version, sizeof(s->facts.server_version));
}

/* true: it is none yet. */
static bool result_take(struct session *s, struct request *r, const struct answer *a, struct answer *out)
{
	struct parts p = {0};
	struct error e = {0};
	bool waits = false;
	parts_read(a->result, &p);
	server_info_keep(s, p.meta);
	if (p.type.len && strcmp(buf_cstr(&p.type), "input_required") == 0)
		waits = inputs_begin(s, r, &p.input, &e) == ERR_NONE;
	else if (p.type.len && strcmp(buf_cstr(&p.type), "task") == 0)
		waits = task_created(s, r, a->result, &e) == ERR_NONE;
	else if (p.type.len && strcmp(buf_cstr(&p.type), "complete") != 0)
		err_set(&e, ERR_UPSTREAM,
			"the server's result is of the type \"%.40s\", which is not known here",
			buf_cstr(&p.type));
	if (e.code)
		*out = (struct answer){.error = e};
	buf_release(&p.type);
	return waits;
}

/* A server that demands the extension of tasks has it, whether it has said so or not. */
static bool extension_taken(struct session *s, struct request *r, const struct answer *a)
{
	struct slice needed = scan_member(scan_member(a->rpc_error, "data"), "requiredCapabilities");
	if (s->task_extension || !scan_member(scan_member(needed, "extensions"), TASK_EXTENSION).len)
		return false;
	s->task_extension = true;
	repeat(s, r);
	return true;
}

static void capability_word(const struct answer *a, struct answer *out)
{
	struct slice needed = scan_member(scan_member(a->rpc_error, "data"), "requiredCapabilities");
	int n = (int)utf8_cut(needed.ptr, needed.len, SHOWN_BYTES_MAX);
	if (needed.len)
		err_set(&out->error, ERR_UPSTREAM, "the server needs what this client does not offer: %.*s",
			n, needed.ptr);
}

bool modern_take(struct session *s, struct request *r, const struct answer *a, struct answer *out)
{
	*out = *a;
	if (!a->error.code)
		return result_take(s, r, a, out);
	switch (a->rpc_code) {
	case RPC_VERSION_UNSUPPORTED: return version_taken(s, r, a);
	case RPC_HEADER_MISMATCH: return headers_taken(s, r, a);
	case RPC_CAPABILITY_MISSING:
		if (extension_taken(s, r, a))
			return true;
		capability_word(a, out);
		return false;
	default: return false;
	}
}
