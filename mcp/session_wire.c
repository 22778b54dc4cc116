/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 of a session: our requests and their answers, the server's requests and notifications. Their
 * ids live in two spaces that may collide in numbers; ours are integers from 1 up, theirs are echoed as raw
 * bytes and never enter our table.
 *
 * Faults of the server harm as little as can be: a line that is no message is counted (and ends the request
 * that it is a broken answer to), an answer that nobody waits for (late, or made up) is counted too, an
 * unknown request is refused with -32601, an unknown notification is ignored. Only a message that we cannot
 * write ends something: the request it belongs to.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_TEXT_MAX = 400 };

/* --- sending --- */

static enum err message_send(struct session *s, const struct buf *text, struct link_message m,
			     struct error *e)
{
	if (text->overflow)
		return err_set(e, ERR_MEMORY, "no memory for a message to the server");
	m.text = buf_slice(text);
	return s->link->ops->send(s->link, &m, e);
}

static void link_done(struct session *s, uint64_t id)
{
	if (s->link->ops->done)
		s->link->ops->done(s->link, id);
}

/* The wire is one line a message: a line break between the tokens of arguments becomes a space. */
static void breaks_replace(struct buf *text, size_t from)
{
	for (const char *lf = "\n\r"; *lf && from < text->len; lf++) {
		char *end = text->data + text->len, *p = text->data + from;
		while ((p = memchr(p, *lf, (size_t)(end - p))))
			*p++ = ' ';
	}
}

static void value_add(struct buf *text, const char *member, struct slice value)
{
	size_t from = text->len;
	buf_printf(text, ",\"%s\":", member);
	buf_add_slice(text, value);
	breaks_replace(text, from);
}

static void envelope_add(const struct session *s, struct buf *text, const struct repeat *again,
			 struct slice params)
{
	size_t from = text->len;
	struct buf capabilities = BUF_INIT;
	struct jw w = JW(&capabilities);
	capabilities_write(s, &w);
	struct envelope v = {.version = s->protocol,
			     .client_version = s->version,
			     .capabilities = buf_slice(&capabilities),
			     .log_level = s->events.log_level};
	if (again) {
		v.input_responses = buf_slice(&again->responses);
		v.request_state = buf_slice(&again->state);
	}
	buf_add_str(text, ",\"params\":");
	envelope_write(params, &v, text);
	breaks_replace(text, from);
	buf_release(&capabilities);
}

static enum err request_send(struct session *s, struct request *r, const char *method, struct slice params,
			     struct error *e)
{
	struct buf text = BUF_INIT;
	struct header_lines lines = {0};
	uint64_t id = s->id_last + 1;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\"", (unsigned long long)id,
		   method);
	if (s->modern)
		envelope_add(s, &text, r->repeat, params);
	else if (params.len)
		value_add(&text, "params", params);
	buf_add_char(&text, '}');
	enum err rc = s->modern ? request_headers(s, method, params, &lines, e) : ERR_NONE;
	if (!rc)
		rc = message_send(s, &text,
				  (struct link_message){.id = id,
							.method = method,
							.headers = (const char *const *)lines.lines},
				  e);
	if (!rc)
		r->wire_id = s->id_last = id;
	header_lines_release(&lines);
	buf_release(&text);
	return rc;
}

static void request_free(struct request *r)
{
	task_free(r->task);
	if (r->repeat) {
		free(r->repeat->method);
		buf_release(&r->repeat->params);
		inputs_free(r->repeat->inputs);
		buf_release(&r->repeat->responses);
		buf_release(&r->repeat->state);
		free(r->repeat);
	}
	free(r);
}

static struct repeat *repeat_new(const char *method, struct slice params)
{
	struct repeat *p = xcalloc(1, sizeof(*p));
	p->method = xstrdup(method);
	buf_add_slice(&p->params, params);
	return p;
}

uint64_t wire_request(struct session *s, const char *method, struct slice params, struct request_handler h,
		      struct error *e)
{
	struct request *r = xcalloc(1, sizeof(*r));
	r->handler = h;
	if (request_send(s, r, method, params, e) != ERR_NONE) {
		request_free(r);
		return 0;
	}
	r->id = r->wire_id;
	if (s->modern || h.takes_asks)
		r->repeat = repeat_new(method, params);
	r->next = s->requests;
	s->requests = r;
	return r->id;
}

void wire_rest(struct session *s, struct request *r)
{
	uint64_t before = r->wire_id;
	r->wire_id = 0;
	if (before)
		link_done(s, before);
}

enum err wire_repeat(struct session *s, struct request *r, struct error *e)
{
	wire_rest(s, r);
	return request_send(s, r, r->repeat->method, buf_slice(&r->repeat->params), e);
}

enum err wire_notify(struct session *s, const char *method, struct slice params, struct error *e)
{
	struct buf text = BUF_INIT;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\"", method);
	if (params.len)
		value_add(&text, "params", params);
	buf_add_char(&text, '}');
	enum err rc = message_send(s, &text, (struct link_message){.method = method}, e);
	buf_release(&text);
	return rc;
}

void wire_answer(struct session *s, struct slice id, const char *member, struct slice value)
{
	struct error e;
	struct buf text = BUF_INIT;
	buf_add_str(&text, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_add_slice(&text, id);
	value_add(&text, member, value);
	buf_add_char(&text, '}');
	if (message_send(s, &text, (struct link_message){0}, &e) != ERR_NONE)
		log_debug("an answer to a tool server could not be written", LF_STR("server", s->server),
			  LF_STR("error", e.msg));
	buf_release(&text);
}

/* --- requests under way --- */

struct request *wire_find(const struct session *s, uint64_t id)
{
	struct request *r = s->requests;
	while (r && r->id != id)
		r = r->next;
	return r;
}

static struct request *request_of_answer(const struct session *s, uint64_t wire_id)
{
	struct request *r = s->requests;
	while (r && (!wire_id || r->wire_id != wire_id))
		r = r->next;
	return r;
}

static void request_take_out(struct session *s, struct request *r)
{
	struct request **at = &s->requests;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	asks_withdraw(s, r->id);
	if (r->wire_id)
		link_done(s, r->wire_id);
}

uint64_t wire_id_now(const struct session *s, uint64_t id)
{
	const struct request *r = wire_find(s, id);
	return r ? r->wire_id : 0;
}

bool wire_forget(struct session *s, uint64_t id)
{
	struct request *r = wire_find(s, id);
	if (!r)
		return false;
	request_take_out(s, r);
	request_free(r);
	return true;
}

void wire_end(struct session *s, struct request *r, const struct answer *a)
{
	struct request_handler h = r->handler;
	request_take_out(s, r);
	request_free(r);
	h.on_end(a, h.arg);
}

/* Some servers send our integer back as a string, or as 1.0; neither is ours to tolerate beyond the string.
 */
uint64_t wire_id_number(struct slice raw)
{
	uint64_t id = 0;
	if (raw.len > 2 && raw.ptr[0] == '"')
		raw = (struct slice){raw.ptr + 1, raw.len - 2};
	if (!raw.len || raw.len > 16)
		return 0;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.ptr[i] < '0' || raw.ptr[i] > '9')
			return 0;
		id = id * 10 + (uint64_t)(raw.ptr[i] - '0');
	}
	return id;
}

static void request_end(struct session *s, uint64_t wire_id, const struct answer *a)
{
	struct request *r = request_of_answer(s, wire_id);
	struct answer seen = *a;
	if (!r) {
		s->facts.late_answers++;
		log_debug("answer of a tool server that nobody waits for", LF_STR("server", s->server));
		task_orphaned(s, a->result);
		return;
	}
	bool waits = r->task && task_take(s, r, a);
	if (!waits && r->repeat)
		waits = s->modern ? modern_take(s, r, a, &seen) : urls_take(s, r, a, &seen);
	if (!waits)
		wire_end(s, r, &seen);
}

void session_failed(struct session *s, const struct link_failure *f)
{
	struct answer a = {.error = f->why, .unsent = !f->sent};
	if (!s->closed && request_of_answer(s, f->id))
		request_end(s, f->id, &a);
}

enum err wire_error_set(struct slice error, struct error *e)
{
	struct buf message = BUF_INIT;
	struct slice code = scan_member(error, "code");
	if (!scan_text(scan_member(error, "message"), &message) || !message.len)
		buf_add_str(&message, "no message");
	size_t n = utf8_cut(message.data, message.len, ERROR_TEXT_MAX);
	err_set(e, ERR_UPSTREAM, "the server answered with error %.*s: %.*s",
		(int)(code.len < 12 ? code.len : 0), code.len ? code.ptr : "", (int)n, message.data);
	buf_release(&message);
	return e->code;
}

static void answer_received(struct session *s, const struct scan_message *m)
{
	struct answer a = {.result = m->result, .is_error = m->is_error};
	if (!m->result.len) {
		wire_error_set(m->error, &a.error);
		a.rpc_error = m->error;
		a.rpc_code = rpc_error_code(m->error);
	}
	request_end(s, wire_id_number(m->id), &a);
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
	if (!is_answer || !id.len || !request_of_answer(s, wire_id_number(id)))
		return false;
	err_set(&a.error, ERR_UPSTREAM, "the server's answer of %zu bytes is not valid JSON in UTF-8",
		text.len);
	request_end(s, wire_id_number(id), &a);
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
		request_end(s, wire_id_number(id), &a);
	} else {
		err_set(&e, ERR_TOO_LARGE,
			"a line of %zu bytes is over the limit and does not show which request it answers",
			line->bytes);
		session_break(s, &e);
	}
}
