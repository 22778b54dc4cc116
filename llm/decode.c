/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of a model's answer to a turn: what all wires share. Pure: bytes go in cut anywhere, the
 * turn that comes out does not depend on where.
 *
 * It believes the data rather than the labels, since servers that call themselves compatible differ
 * (reference llm.md, section 1.5): the first byte tells a stream from a single JSON body, whatever the
 * content type; several JSON values in one event, comments wrapped as data and a trailing [DONE] are all
 * taken. What a value means is the wire's part (struct llm_wire); so is whether the end of the connection is
 * the end of the answer. A text of the server is quoted only in messages, shortened.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deeper than any answer, and shallow enough to go back within a request. */
enum { EXCERPT_BYTES = 120, DEPTH_MAX = JSON_DEPTH_MAX / 2 };

static sse_reader_fn event_take;

void llm_decode_init(struct llm_decode *d, const struct llm_wire *w, struct llm_decode_from from)
{
	*d = (struct llm_decode){.wire = w, .body = BUF_LIMIT(LLM_TURN_BYTES_MAX), .from = from};
	turn_buf_init(&d->turn);
	sse_reader_init(&d->sse, event_take, d);
}

void llm_decode_release(struct llm_decode *d)
{
	turn_buf_release(&d->turn);
	sse_reader_release(&d->sse);
	buf_release(&d->body);
}

/* --- for the wires --- */

/* The report itself is worded by the caller, who knows whose it is. */
enum err llm_decode_fault(struct llm_decode *d, struct error *e)
{
	d->faulted = true;
	return err_set(e, ERR_UPSTREAM, "the model server reported an error inside its answer: %s",
		       d->fault.message);
}

enum err llm_decode_check(const struct llm_decode *d, struct error *e)
{
	const struct llm_turn_buf *t = &d->turn;
	if (t->text.overflow || t->refusal.overflow || t->reasoning.overflow)
		return err_set(e, ERR_UPSTREAM, "the model's answer is over %d bytes", LLM_TURN_BYTES_MAX);
	return ERR_NONE;
}

/* --- the data of an event: objects, possibly glued, re-wrapped comments, [DONE] --- */

size_t llm_value_len(struct slice s)
{
	size_t depth = 0;
	bool in_text = false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (in_text) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_text = false;
		} else if (c == '"') {
			in_text = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth <= 1)
				return i + 1;
			depth--;
		}
	}
	return 0;
}

static struct slice skip(struct slice s, size_t n)
{
	return (struct slice){s.ptr + n, s.len - n};
}

static bool starts_with(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

/* Of the answer, so that it has to be JSON; others, such as pings, may hold anything. */
static bool is_own_event(const struct llm_decode *d, const char *event)
{
	bool own = strcmp(event, "message") == 0;
	for (size_t i = 0; i < COUNT_OF(d->wire->event_prefixes); i++) {
		const char *prefix = d->wire->event_prefixes[i];
		own |= prefix != NULL && starts_with(slice_str(event), prefix);
	}
	return own;
}

static enum err no_json(const struct llm_decode *d, const char *event, struct slice s, struct error *e)
{
	if (d->flushing || !is_own_event(d, event))
		return ERR_NONE; /* the cut of a stream, or not of the answer */
	struct llm_fault excerpt = {0};
	char *text = slice_dup((struct slice){s.ptr, s.len < EXCERPT_BYTES ? s.len : EXCERPT_BYTES});
	llm_fault_from_body(slice_str(text), &excerpt);
	free(text);
	return err_set(e, ERR_UPSTREAM, "the model server's stream holds what is not JSON: %s",
		       excerpt.message);
}

/* What is no JSON, because characters were cut in two, is taken with the whole ones. */
static enum err halves_take(struct llm_decode *d, const char *event, struct slice bad, struct error *e)
{
	struct buf whole = BUF_LIMIT(2 * LLM_TURN_BYTES_MAX);
	enum err rc;
	if (llm_halves_join(&d->half, bad, &whole))
		rc = event_take(&(struct sse_event){.event = event, .data = buf_slice(&whole)}, d, e);
	else
		rc = no_json(d, event, bad, e);
	buf_release(&whole);
	return rc;
}

static enum err value_take(struct llm_decode *d, const char *event, struct slice *s, struct error *e)
{
	size_t n = d->wire->peek != NULL ? d->wire->peek(d, event, *s) : 0;
	if (n > 0) {
		*s = skip(*s, n);
		return ERR_NONE;
	}
	struct json *j = json_parse_front(s->ptr, s->len, DEPTH_MAX, &n, NULL);
	if (j == NULL) {
		struct slice bad = *s;
		*s = skip(*s, s->len);
		return halves_take(d, event, bad, e);
	}
	*s = skip(*s, n);
	enum err rc = d->wire->take(d, event, j, e);
	json_free(j);
	return rc;
}

static enum err event_take(const struct sse_event *ev, void *arg, struct error *e)
{
	struct llm_decode *d = arg;
	const char *event = ev->event;
	struct slice s = ev->data;
	while (s.len > 0 && !d->done) {
		enum err rc = ERR_NONE;
		if (strchr(" \t\r\n", s.ptr[0]) != NULL && s.ptr[0] != '\0') {
			s = skip(s, 1);
		} else if (starts_with(s, "data:")) {
			s = skip(s, 5);
		} else if (s.ptr[0] == ':') {
			const char *end = memchr(s.ptr, '\n', s.len);
			s = skip(s, end != NULL ? (size_t)(end - s.ptr) : s.len);
		} else if (starts_with(s, "[DONE]")) {
			d->done = true;
		} else if (s.ptr[0] == '{' || s.ptr[0] == '[') {
			rc = value_take(d, event, &s, e);
		} else if (strcmp(event, "error") == 0) {
			llm_fault_from_body(s, &d->fault);
			rc = llm_decode_fault(d, e);
		} else {
			return no_json(d, event, s, e);
		}
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

/* --- bytes --- */

/* Drops a byte order mark and white space, then tells the form by the first byte. Returns what is left. */
static struct slice form_find(struct llm_decode *d, struct slice s)
{
	static const char mark[] = "\xef\xbb\xbf";
	while (s.len > 0 && d->form == LLM_FORM_UNKNOWN) {
		if (d->bom < 3 && s.ptr[0] == mark[d->bom])
			d->bom++;
		else if (s.ptr[0] == '{' || s.ptr[0] == '[')
			d->form = LLM_FORM_JSON;
		else if (s.ptr[0] == '\0' || strchr(" \t\r\n", s.ptr[0]) == NULL)
			d->form = LLM_FORM_STREAM;
		if (d->form == LLM_FORM_UNKNOWN)
			s = skip(s, 1);
	}
	return s;
}

enum err llm_decode_feed(struct llm_decode *d, struct slice bytes, struct error *e)
{
	bytes = form_find(d, bytes);
	if (bytes.len == 0)
		return ERR_NONE;
	if (d->form == LLM_FORM_JSON) {
		if (!buf_add_slice(&d->body, bytes))
			return err_set(e, ERR_UPSTREAM, "the model's answer is over %d bytes",
				       LLM_TURN_BYTES_MAX);
		return ERR_NONE;
	}
	size_t room = EXCERPT_BYTES - d->body.len;
	buf_add(&d->body, bytes.ptr, bytes.len < room ? bytes.len : room);
	return sse_reader_feed(&d->sse, bytes, e);
}

/* --- the end --- */

static bool is_event_stream(struct slice s)
{
	return s.len == 0 || s.ptr[0] == ':' || starts_with(s, "data") || starts_with(s, "event") ||
	       starts_with(s, "id:") || starts_with(s, "retry:");
}

enum err llm_decode_cut(const struct llm_decode *d, struct error *e)
{
	struct slice body = buf_slice(&d->body);
	if (d->form == LLM_FORM_JSON ? llm_value_len(body) == 0 : d->has_answer || is_event_stream(body))
		return err_set(e, ERR_LOST, "the model server's answer broke off before its end");
	struct llm_fault excerpt = {0};
	llm_fault_from_body(body, &excerpt);
	return err_set(e, ERR_UPSTREAM, "the answer is not one of a server of %s: %s", d->wire->title,
		       excerpt.message);
}

/* A turn that is not sent back as it was, because it is cut or was refused, has no echo: reasoning without
 * what followed it is refused. */
static void echo_make(struct llm_decode *d)
{
	enum llm_stop stop = d->turn.stop;
	if (d->from.origin != NULL &&
	    (stop == LLM_STOP_END || stop == LLM_STOP_TOOL || stop == LLM_STOP_PAUSE))
		turn_buf_make_echo(&d->turn, d->from.origin);
}

enum err llm_decode_finish(struct llm_decode *d, struct error *e)
{
	enum err rc;
	d->flushing = true;
	if (d->form == LLM_FORM_JSON) {
		rc = event_take(&(struct sse_event){.event = "message", .data = buf_slice(&d->body)}, d, e);
		d->done |= d->has_answer;
	} else {
		rc = sse_reader_finish(&d->sse, e);
	}
	if (rc == ERR_NONE)
		rc = d->wire->finish(d, e);
	if (rc == ERR_NONE)
		echo_make(d);
	return rc;
}
