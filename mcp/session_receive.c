/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 of a session, the server's half: what comes is sorted into answers to our requests
 * (session_wire.c), requests and notifications of the server's, and what is no message.
 *
 * Faults of the server harm as little as can be: a line that is no message is counted (and ends the request
 * that it is a broken answer to), an unknown request is refused with -32601, an unknown notification is
 * ignored. Only what is too long to show which request it answers ends the session.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <string.h>

static void answer_received(struct session *s, const struct scan_message *m)
{
	struct answer a = {.result = m->result, .is_error = m->is_error};
	if (!m->result.len) {
		wire_error_set(m->error, &a.error);
		a.rpc_error = m->error;
		a.rpc_code = rpc_error_code(m->error);
	}
	wire_take(s, wire_id_number(m->id), &a);
}

/* --- what the server sends by itself --- */

static void request_received(struct session *s, const struct scan_message *m, uint64_t about)
{
	struct ask_origin o = {m->method, m->params, m->id, task_owner(s, about, m->params), {0}};
	if (s->modern) /* its servers ask nothing, and take no answers */
		s->facts.junk_lines++;
	else if (slice_eq_str(m->method, "ping"))
		wire_answer(s, m->id, "result", SLICE_LIT("{}"));
	else if (!session_ask_open(s, &o))
		wire_answer(
			s, m->id, "error",
			SLICE_LIT(
				"{\"code\":-32601,\"message\":\"this client does not offer that method\"}"));
}

static void progress_received(struct session *s, struct slice params)
{
	struct request *r = wire_find(s, wire_id_number(scan_member(params, "progressToken")));
	if (r && r->handler.on_progress)
		r->handler.on_progress(params, r->handler.arg);
}

static void log_received(struct session *s, struct slice params, uint64_t about)
{
	struct request *r = wire_find(s, task_owner(s, about, params));
	if (r && r->handler.on_log)
		r->handler.on_log(params, r->handler.arg);
	else if (s->events.on_log)
		s->events.on_log(params, s->events.arg);
}

static void notification_received(struct session *s, const struct scan_message *m, uint64_t about)
{
	if (s->modern && (task_listen_takes(s, m) || listen_takes(s, m)))
		return;
	if (slice_eq_str(m->method, "notifications/progress"))
		progress_received(s, m->params);
	else if (slice_eq_str(m->method, "notifications/tools/list_changed"))
		list_note_changed(s, LIST_TOOLS);
	else if (slice_eq_str(m->method, "notifications/message"))
		log_received(s, m->params, about);
	else if (slice_eq_str(m->method, "notifications/tasks/status"))
		task_status_received(s, m->params);
	else if (slice_eq_str(m->method, "notifications/cancelled"))
		ask_taken_back(s, scan_member(m->params, "requestId"));
	else if (slice_eq_str(m->method, "notifications/elicitation/complete"))
		ask_completed(s, m->params);
	else if (slice_eq_str(m->method, "notifications/prompts/list_changed"))
		list_note_changed(s, LIST_PROMPTS);
	else if (slice_eq_str(m->method, "notifications/resources/updated"))
		subscribe_updated(s, m->params);
	else if (slice_eq_str(m->method, "notifications/resources/list_changed")) {
		list_note_changed(s, LIST_RESOURCES);
		list_note_changed(s, LIST_TEMPLATES);
	}
}

static bool slice_has(struct slice s, const char *text)
{
	return s.len && memmem(s.ptr, s.len, text, strlen(text));
}

/* An answer that cannot be read is an answer: its request need not wait for its time limit. The line must
 * look like one at both ends, because servers print many things, our own requests among them. */
static bool broken_answer_end(struct session *s, struct slice text)
{
	size_t n = text.len < FRAME_EDGE_BYTES ? text.len : FRAME_EDGE_BYTES;
	struct slice head = {text.ptr, n}, tail = {text.ptr + text.len - n, n};
	struct answer a = {0};
	bool is_answer;
	if (!n || head.ptr[0] != '{' || !(slice_has(head, "\"jsonrpc\"") || slice_has(tail, "\"jsonrpc\"")))
		return false;
	struct slice id = scan_edges(head, tail, &is_answer);
	if (!is_answer || !id.len || !wire_waits(s, wire_id_number(id)))
		return false;
	err_set(&a.error, ERR_UPSTREAM, "the server's answer of %zu bytes is not valid JSON in UTF-8",
		text.len);
	wire_take(s, wire_id_number(id), &a);
	return true;
}

static void junk_received(struct session *s, struct slice text)
{
	s->facts.junk_lines++;
	if (broken_answer_end(s, text))
		return;
	/* The text itself may hold anything, secrets too: only its size is told. */
	log_debug("a tool server's output line is no message", LF_STR("server", s->server),
		  LF_INT("bytes", text.len));
}

void session_receive(struct session *s, struct slice text, uint64_t about)
{
	struct scan_message m;
	if (s->closed)
		return;
	s->heard = true;
	switch (scan_message(text, &m)) {
	case SCAN_REQUEST: request_received(s, &m, about); break;
	case SCAN_NOTIFICATION: notification_received(s, &m, about); break;
	case SCAN_ANSWER: answer_received(s, &m); break;
	case SCAN_JUNK: junk_received(s, text); break;
	}
}

void session_overlong(struct session *s, const struct frame_line *line)
{
	struct answer a = {0};
	struct error e;
	bool is_answer;
	if (s->closed)
		return;
	struct slice id = scan_edges(line->head, line->tail, &is_answer);
	s->heard = true;
	if (!is_answer) {
		s->facts.junk_lines++;
		log_warn("a tool server's message over the limit of one line was dropped",
			 LF_STR("server", s->server), LF_INT("bytes", line->bytes),
			 LF_INT("limit", line->bytes_max));
	} else if (id.len) {
		err_set(&a.error, ERR_TOO_LARGE,
			"the server's answer of %zu bytes is over the limit of %zu for one message: raise "
			"tools.line_bytes, or ask the tool for less",
			line->bytes, line->bytes_max);
		wire_take(s, wire_id_number(id), &a);
	} else {
		err_set(&e, ERR_TOO_LARGE,
			"a line of %zu bytes is over the limit and does not show which request it answers",
			line->bytes);
		session_break(s, &e);
	}
}
