/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 of a session, our half: what we send, our requests under way, and their ends. Ids live in two
 * spaces that may collide in numbers; ours are integers from 1 up, the server's are echoed as raw bytes and
 * never enter our table. What comes is sorted by session_receive.c.
 *
 * A message that we cannot write ends the request it belongs to, and nothing else. An answer that nobody
 * waits for (late, or made up) is counted.
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
	buf_put(text, ",\"", member, "\":");
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
	buf_add_str(&text, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_add_u64(&text, id);
	buf_put(&text, ",\"method\":\"", method, "\"");
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

bool wire_waits(const struct session *s, uint64_t wire_id)
{
	return request_of_answer(s, wire_id) != NULL;
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

void wire_take(struct session *s, uint64_t wire_id, const struct answer *a)
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
	if (!s->closed && wire_waits(s, f->id))
		wire_take(s, f->id, &a);
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
