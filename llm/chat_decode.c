/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of a Chat Completions answer to a turn. Pure: bytes go in cut anywhere, the turn that comes
 * out does not depend on where.
 *
 * It believes the data rather than the labels, since servers that call themselves compatible differ
 * (reference llm.md, section 1.5): the first byte tells a stream from a single JSON body, whatever the
 * content type; an error is looked for before choices; calls that are there count, not the finish_reason; the
 * end of the connection is the end of the answer only after a finish_reason or [DONE], and otherwise
 * ERR_LOST. Usage that is absent is estimated and marked so.
 *
 * After an error nothing more may be fed; d->fault tells what the server itself reported (d->faulted).
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/llm_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXCERPT_BYTES = 120 };

static sse_reader_fn event_take;

void chat_decode_init(struct chat_decode *d, size_t input_bytes, size_t calls_before)
{
	*d = (struct chat_decode){
		.body = BUF_LIMIT(LLM_TURN_BYTES_MAX),
		.input_bytes = input_bytes,
		.calls_before = calls_before,
	};
	turn_buf_init(&d->turn);
	sse_reader_init(&d->sse, event_take, d);
}

void chat_decode_release(struct chat_decode *d)
{
	turn_buf_release(&d->turn);
	sse_reader_release(&d->sse);
	buf_release(&d->body);
}

/* --- one chunk --- */

static void usage_take(struct chat_decode *d, const struct json *usage)
{
	if (json_get(usage, "prompt_tokens") == NULL && json_get(usage, "completion_tokens") == NULL)
		return;
	const struct json *in = json_get(usage, "prompt_tokens_details");
	const struct json *out = json_get(usage, "completion_tokens_details");
	d->has_usage = true;
	d->turn.usage = (struct llm_usage){
		.input_tokens = json_get_integer(usage, "prompt_tokens", 0),
		.output_tokens = json_get_integer(usage, "completion_tokens", 0),
		.cached_tokens = json_get_integer(in, "cached_tokens", 0),
		.reasoning_tokens = json_get_integer(out, "reasoning_tokens", 0),
	};
}

/* Text, or an array of parts of which those with text count. */
static void content_take(struct chat_decode *d, const struct json *content)
{
	turn_buf_add_text(&d->turn, json_text(content));
	if (!json_is(content, JSON_ARRAY))
		return;
	for (const struct json *part = json_first(content); part != NULL; part = json_next(part))
		turn_buf_add_text(&d->turn, json_get_text(part, "text", NULL));
}

static enum err delta_take(struct chat_decode *d, const struct json *delta, struct error *e)
{
	struct llm_turn_buf *t = &d->turn;
	content_take(d, json_get(delta, "content"));
	const char *refusal = json_get_text(delta, "refusal", NULL);
	if (refusal != NULL) {
		t->refused = true;
		buf_add_str(&t->refusal, refusal);
	}
	const char *reasoning = json_get_text(delta, "reasoning_content", NULL);
	turn_buf_add_reasoning(t, reasoning != NULL ? reasoning : json_get_text(delta, "reasoning", NULL));
	if (t->text.overflow || t->refusal.overflow || t->reasoning.overflow)
		return err_set(e, ERR_UPSTREAM, "the model's answer is over %d bytes", LLM_TURN_BYTES_MAX);
	return chat_calls_add(t, json_get(delta, "tool_calls"), e);
}

/* The report itself is worded by the caller, who knows whose it is. */
static enum err fault_set(struct chat_decode *d, struct error *e)
{
	d->faulted = true;
	return err_set(e, ERR_UPSTREAM, "the model server reported an error inside its answer: %s",
		       d->fault.message);
}

static enum err choice_take(struct chat_decode *d, const struct json *choice, struct error *e)
{
	d->has_choice = true;
	const struct json *delta = json_get(choice, "delta");
	enum err rc = delta_take(d, json_is(delta, JSON_OBJECT) ? delta : json_get(choice, "message"), e);
	const char *finish = json_get_text(choice, "finish_reason", NULL);
	if (finish != NULL && finish[0] != '\0')
		snprintf(d->finish, sizeof(d->finish), "%s", finish);
	if (rc == ERR_NONE && strcmp(d->finish, "error") == 0)
		return fault_set(d, e);
	return rc;
}

static enum err chunk_take(struct chat_decode *d, const char *event, const struct json *chunk,
			   struct error *e)
{
	if (llm_fault_read(chunk, &d->fault) || strcmp(event, "error") == 0)
		return fault_set(d, e);
	const char *model = json_get_text(chunk, "model", "");
	if (model[0] != '\0' && d->turn.model.len == 0)
		turn_buf_set_model(&d->turn, model);
	usage_take(d, json_get(chunk, "usage"));
	const struct json *choices = json_get(chunk, "choices");
	for (const struct json *c = json_first(choices); c != NULL; c = json_next(c)) {
		if (json_get_integer(c, "index", 0) == 0)
			return choice_take(d, c, e);
	}
	return ERR_NONE;
}

/* --- the data of an event: objects, possibly glued, re-wrapped comments, [DONE] --- */

static struct slice skip(struct slice s, size_t n)
{
	return (struct slice){s.ptr + n, s.len - n};
}

static bool starts_with(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

static enum err no_json(const struct chat_decode *d, const char *event, struct slice s, struct error *e)
{
	if (d->flushing || strcmp(event, "message") != 0)
		return ERR_NONE; /* the cut of a stream, or an event that is not of the answer */
	struct llm_fault excerpt = {0};
	char *text = slice_dup((struct slice){s.ptr, s.len < EXCERPT_BYTES ? s.len : EXCERPT_BYTES});
	llm_fault_from_body(slice_str(text), &excerpt);
	free(text);
	return err_set(e, ERR_UPSTREAM, "the model server's stream holds what is not JSON: %s",
		       excerpt.message);
}

static enum err value_take(struct chat_decode *d, const char *event, struct slice *s, struct error *e)
{
	size_t n = chat_value_len(*s);
	struct json *j = n > 0 ? json_parse(s->ptr, n, JSON_DEPTH_MAX, NULL) : NULL;
	if (j == NULL) {
		struct slice bad = *s;
		*s = skip(*s, s->len);
		return no_json(d, event, bad, e);
	}
	*s = skip(*s, n);
	enum err rc = chunk_take(d, event, j, e);
	json_free(j);
	return rc;
}

static enum err event_take(const struct sse_event *ev, void *arg, struct error *e)
{
	struct chat_decode *d = arg;
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
			rc = fault_set(d, e);
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
static struct slice form_find(struct chat_decode *d, struct slice s)
{
	static const char mark[] = "\xef\xbb\xbf";
	while (s.len > 0 && d->form == CHAT_FORM_UNKNOWN) {
		if (d->bom < 3 && s.ptr[0] == mark[d->bom])
			d->bom++;
		else if (s.ptr[0] == '{' || s.ptr[0] == '[')
			d->form = CHAT_FORM_JSON;
		else if (s.ptr[0] == '\0' || strchr(" \t\r\n", s.ptr[0]) == NULL)
			d->form = CHAT_FORM_STREAM;
		if (d->form == CHAT_FORM_UNKNOWN)
			s = skip(s, 1);
	}
	return s;
}

enum err chat_decode_feed(struct chat_decode *d, struct slice bytes, struct error *e)
{
	bytes = form_find(d, bytes);
	if (bytes.len == 0)
		return ERR_NONE;
	if (d->form == CHAT_FORM_JSON) {
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

static enum err no_answer(struct chat_decode *d, struct error *e)
{
	struct slice body = buf_slice(&d->body);
	if (d->form == CHAT_FORM_JSON ? chat_value_len(body) == 0 : d->has_choice || is_event_stream(body))
		return err_set(e, ERR_LOST, "the model server's answer broke off before its end");
	struct llm_fault excerpt = {0};
	llm_fault_from_body(body, &excerpt);
	return err_set(e, ERR_UPSTREAM, "the answer is not one of a Chat Completions server: %s",
		       excerpt.message);
}

static enum llm_stop stop_of(const struct chat_decode *d, bool cut)
{
	if (d->turn.refused)
		return LLM_STOP_REFUSAL;
	if (strcmp(d->finish, "content_filter") == 0)
		return LLM_STOP_FILTER;
	if (cut || strcmp(d->finish, "length") == 0)
		return LLM_STOP_LENGTH;
	return d->turn.calls_count > 0 ? LLM_STOP_TOOL : LLM_STOP_END;
}

static bool is_empty(const struct llm_turn_buf *t)
{
	return t->text.len == 0 && t->calls_count == 0 && !t->refused;
}

enum err chat_decode_finish(struct chat_decode *d, struct error *e)
{
	enum err rc;
	bool cut;
	d->flushing = true;
	if (d->form == CHAT_FORM_JSON) {
		rc = event_take(&(struct sse_event){.event = "message", .data = buf_slice(&d->body)}, d, e);
		d->done |= d->has_choice;
	} else {
		rc = sse_reader_finish(&d->sse, e);
	}
	if (rc != ERR_NONE)
		return rc;
	/* [DONE] with nothing before it is how some gateways end an answer that failed behind them. */
	if (d->finish[0] == '\0' && (!d->done || is_empty(&d->turn)))
		return no_answer(d, e);
	rc = chat_calls_finish(&d->turn, d->calls_before, &cut, e);
	if (rc != ERR_NONE)
		return rc;
	if (!d->has_usage)
		turn_buf_estimate(&d->turn, d->input_bytes);
	d->turn.stop = stop_of(d, cut);
	return ERR_NONE;
}
