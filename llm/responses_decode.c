/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the events of a Responses answer, or its single body, to a turn. Pure.
 *
 * Of the 59 types of events few matter: text and arguments as they grow, an item when it is done, and the
 * end. What an item holds when it is done counts more than its pieces, and the items of the last event count
 * where no others came, as some gateways leave them out. Reasoning is kept sealed for the next turn
 * (encrypted_content, of the item that is done: the one that was announced may be partial); its summary is
 * for people. The end is response.completed, .incomplete or .failed; a connection that ends without is cut.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <string.h>

static enum err over_parts(struct error *e)
{
	return err_set(e, ERR_UPSTREAM, "the model's answer has more than %d parts or calls", LLM_PARTS_MAX);
}

/* --- items --- */

static enum llm_part_kind kind_of(const struct json *item)
{
	const char *type = json_get_text(item, "type", "message");
	if (strcmp(type, "message") == 0)
		return LLM_PART_TEXT;
	return strcmp(type, "function_call") == 0 ? LLM_PART_CALL : LLM_PART_RAW;
}

/* The part at this place of the output, made if it is new; NULL over a bound. */
static struct llm_part_buf *part_at(struct llm_decode *d, int64_t index, enum llm_part_kind kind)
{
	struct llm_part_buf *p = turn_buf_find_part(&d->turn, index);
	if (p != NULL && p->kind == kind)
		return p;
	size_t call = d->turn.calls_count;
	if (kind == LLM_PART_CALL && turn_buf_new_call(&d->turn) == NULL)
		return NULL;
	p = turn_buf_new_part(&d->turn, kind, index);
	if (p != NULL)
		p->call = call;
	return p;
}

/* The place an event speaks of; where it does not say so, the newest item of the kind. */
static int64_t index_of(const struct llm_decode *d, const struct json *event, enum llm_part_kind kind)
{
	int64_t index;
	if (json_integer(json_get(event, "output_index"), &index))
		return index;
	for (size_t i = d->turn.parts_count; i > 0; i--) {
		if (d->turn.parts[i - 1].kind == kind)
			return d->turn.parts[i - 1].key;
	}
	return (int64_t)d->turn.parts_count;
}

static void refusal_add(struct llm_decode *d, const char *text)
{
	d->turn.refused = true;
	buf_add_str(&d->turn.refusal, text);
}

/* What the pieces left out. */
static void message_done(struct llm_decode *d, struct llm_part_buf *p, const struct json *item)
{
	bool has_text = p->bytes > 0, has_refusal = d->turn.refusal.len > 0;
	const struct json *content = json_get(item, "content");
	snprintf(p->phase, sizeof(p->phase), "%s", json_get_text(item, "phase", ""));
	if (json_text(content) != NULL && !has_text)
		turn_buf_add_part_text(&d->turn, p, json_text(content));
	for (const struct json *c = json_first(content); c != NULL; c = json_next(c)) {
		const char *refusal = json_get_text(c, "refusal", NULL);
		if (refusal != NULL && !has_refusal)
			refusal_add(d, refusal);
		else if (refusal == NULL && !has_text)
			turn_buf_add_part_text(&d->turn, p, json_get_text(c, "text", NULL));
	}
}

static enum err call_take(struct llm_call_buf *c, const struct json *item, struct error *e)
{
	const struct json *arguments = json_get(item, "arguments");
	const char *id = json_get_text(item, "call_id", json_get_text(item, "id", ""));
	const char *name = json_get_text(item, "name", "");
	const char *text = json_text(arguments);
	if (id[0] != '\0') {
		buf_reset(&c->id);
		buf_add_str(&c->id, id);
	}
	if (name[0] != '\0') {
		buf_reset(&c->name);
		buf_add_str(&c->name, name);
	}
	if (json_is(arguments, JSON_OBJECT) || (text != NULL && text[0] != '\0')) {
		buf_reset(&c->arguments);
		if (text != NULL)
			buf_add_str(&c->arguments, text);
		else
			json_print(arguments, &c->arguments);
	}
	return llm_call_check(c, e);
}

/* Sealed reasoning and what else the model gave goes back without the server's id; reasoning that is not
 * sealed exists at the server only, where nothing is stored. */
static void raw_done(struct llm_decode *d, struct llm_part_buf *p, const struct json *item)
{
	bool reasoning = strcmp(json_get_text(item, "type", ""), "reasoning") == 0;
	if (p->text.len == 0) {
		for (const struct json *s = json_first(json_get(item, "summary")); s != NULL;
		     s = json_next(s))
			turn_buf_add_reasoning(&d->turn, json_get_text(s, "text", NULL));
	}
	if (reasoning && json_get_text(item, "encrypted_content", NULL) == NULL)
		return;
	json_free(p->value);
	p->value = json_copy(item);
	json_remove(p->value, "id");
	json_remove(p->value, "status");
}

static enum err item_take(struct llm_decode *d, int64_t index, const struct json *item, bool done,
			  struct error *e)
{
	static const char *const known[] = {"id", "type", "call_id", "name", "arguments", "status"};
	enum llm_part_kind kind = kind_of(item);
	struct llm_part_buf *p = part_at(d, index, kind);
	if (p == NULL)
		return over_parts(e);
	if (kind == LLM_PART_CALL) {
		if (done)
			llm_call_keep(turn_buf_part_call(&d->turn, p), item, known, COUNT_OF(known));
		return call_take(turn_buf_part_call(&d->turn, p), item, e);
	}
	if (done && kind == LLM_PART_TEXT)
		message_done(d, p, item);
	else if (done)
		raw_done(d, p, item);
	return llm_decode_check(d, e);
}

/* --- pieces --- */

static enum err piece_take(struct llm_decode *d, const char *type, const struct json *event, struct error *e)
{
	const char *delta = json_get_text(event, "delta", NULL);
	if (strcmp(type, "response.output_text.delta") == 0) {
		struct llm_part_buf *p = part_at(d, index_of(d, event, LLM_PART_TEXT), LLM_PART_TEXT);
		if (p == NULL)
			return over_parts(e);
		turn_buf_add_part_text(&d->turn, p, delta);
	} else if (strcmp(type, "response.refusal.delta") == 0) {
		refusal_add(d, delta != NULL ? delta : "");
	} else if (strcmp(type, "response.function_call_arguments.delta") == 0) {
		struct llm_part_buf *p = part_at(d, index_of(d, event, LLM_PART_CALL), LLM_PART_CALL);
		if (p == NULL)
			return over_parts(e);
		buf_add_str(&turn_buf_part_call(&d->turn, p)->arguments, delta != NULL ? delta : "");
		return llm_call_check(turn_buf_part_call(&d->turn, p), e);
	} else {
		struct llm_part_buf *p = part_at(d, index_of(d, event, LLM_PART_RAW), LLM_PART_RAW);
		if (p == NULL)
			return over_parts(e);
		buf_add_str(&p->text, delta != NULL ? delta : "");
		turn_buf_add_reasoning(&d->turn, delta);
	}
	return llm_decode_check(d, e);
}

static bool is_piece(const char *type)
{
	static const char *const types[] = {
		"response.output_text.delta",
		"response.refusal.delta",
		"response.function_call_arguments.delta",
		"response.reasoning_summary_text.delta",
		"response.reasoning_text.delta",
	};
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return false;
}

/* The short cut for pieces of items that have begun. */
size_t responses_peek(struct llm_decode *d, const char *event, struct slice s)
{
	static const struct slice names[] = {SLICE_LIT("type"), SLICE_LIT("output_index"), SLICE_LIT("delta"),
					     SLICE_LIT("response"), SLICE_LIT("output")};
	struct slice v[COUNT_OF(names)];
	int64_t index;
	if (strcmp(event, "error") == 0)
		return 0;
	size_t n = json_peek_object(s, names, COUNT_OF(names), v);
	if (n == 0 || v[3].len > 0 || v[4].len > 0 || !json_peek_index(v[1], &index))
		return 0;
	struct llm_part_buf *p = turn_buf_find_part(&d->turn, index);
	if (p == NULL)
		return 0;
	if (p->kind == LLM_PART_TEXT && slice_eq_str(v[0], "\"response.output_text.delta\"")) {
		size_t before = d->turn.text.len;
		if (!json_peek_text(v[2], &d->turn.text))
			return 0;
		p->bytes += d->turn.text.len - before;
	} else if (p->kind != LLM_PART_CALL ||
		   !slice_eq_str(v[0], "\"response.function_call_arguments.delta\"") ||
		   !json_peek_text(v[2], &turn_buf_part_call(&d->turn, p)->arguments)) {
		return 0;
	}
	d->has_answer = true;
	return n;
}

/* --- the answer as a whole --- */

static void usage_take(struct llm_decode *d, const struct json *usage)
{
	int64_t in = json_get_integer(usage, "input_tokens", 0);
	int64_t out = json_get_integer(usage, "output_tokens", 0);
	const struct json *in_details = json_get(usage, "input_tokens_details");
	if (in == 0 && out == 0)
		return; /* nobody counted */
	d->has_usage = true;
	d->turn.usage = (struct llm_usage){
		.input_tokens = in,
		.output_tokens = out,
		.cached_tokens = json_get_integer(in_details, "cached_tokens", 0),
		.cache_write_tokens = json_get_integer(in_details, "cache_write_tokens", 0),
		.reasoning_tokens =
			json_get_integer(json_get(usage, "output_tokens_details"), "reasoning_tokens", 0),
	};
}

static enum err response_fault(struct llm_decode *d, const struct json *response, const char *status,
			       struct error *e)
{
	if (!llm_fault_read(response, &d->fault))
		snprintf(d->fault.message, sizeof(d->fault.message), "the response is %s", status);
	return llm_decode_fault(d, e);
}

/* The response object of the last event, or the whole body. */
static enum err response_take(struct llm_decode *d, const struct json *response, struct error *e)
{
	const struct json *output = json_get(response, "output");
	const char *status = json_get_text(response, "status", "completed");
	const char *reason = json_get_text(json_get(response, "incomplete_details"), "reason", "incomplete");
	bool incomplete = strcmp(status, "incomplete") == 0;
	int64_t index = 0;
	if (strcmp(status, "completed") != 0 && !incomplete)
		return response_fault(d, response, status, e);
	for (const struct json *i = d->turn.parts_count == 0 ? json_first(output) : NULL; i != NULL;
	     i = json_next(i)) {
		enum err rc = item_take(d, index++, i, true, e);
		if (rc != ERR_NONE)
			return rc;
	}
	usage_take(d, json_get(response, "usage"));
	snprintf(d->finish, sizeof(d->finish), "%s", incomplete ? reason : status);
	d->done = true;
	return ERR_NONE;
}

static void model_take(struct llm_decode *d, const struct json *response)
{
	const char *model = json_get_text(response, "model", "");
	if (model[0] != '\0' && d->turn.model.len == 0)
		turn_buf_set_model(&d->turn, model);
}

static enum err event_take(struct llm_decode *d, const char *type, const struct json *event, struct error *e)
{
	const struct json *response = json_get(event, "response");
	model_take(d, response);
	if (is_piece(type))
		return piece_take(d, type, event, e);
	bool added = strcmp(type, "response.output_item.added") == 0;
	if (added || strcmp(type, "response.output_item.done") == 0) {
		const struct json *item = json_get(event, "item");
		return item_take(d, index_of(d, event, kind_of(item)), item, !added, e);
	}
	if (strcmp(type, "response.failed") == 0)
		return response_fault(d, response, "failed", e);
	if (strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0)
		return response_take(d, response, e);
	return ERR_NONE;
}

enum err responses_take(struct llm_decode *d, const char *event, const struct json *value, struct error *e)
{
	const char *type = json_get_text(value, "type", event);
	bool whole = json_is(json_get(value, "output"), JSON_ARRAY);
	bool fault = strcmp(type, "error") == 0 || strcmp(event, "error") == 0 ||
		     (!whole && strncmp(type, "response.", 9) != 0);
	if (fault && llm_fault_read(value, &d->fault))
		return llm_decode_fault(d, e);
	if (strcmp(type, "error") == 0 || strcmp(event, "error") == 0)
		return llm_decode_fault(d, e);
	d->has_answer |= whole || strncmp(type, "response.", 9) == 0;
	if (!whole)
		return event_take(d, type, value, e);
	model_take(d, value);
	return response_take(d, value, e);
}

static enum llm_stop stop_of(const struct llm_decode *d, bool cut)
{
	bool complete = d->finish[0] == '\0' || strcmp(d->finish, "completed") == 0;
	if (d->turn.refused)
		return LLM_STOP_REFUSAL;
	if (strcmp(d->finish, "content_filter") == 0)
		return LLM_STOP_FILTER;
	if (cut || !complete)
		return LLM_STOP_LENGTH;
	return d->turn.calls_count > 0 ? LLM_STOP_TOOL : LLM_STOP_END;
}

enum err responses_finish(struct llm_decode *d, struct error *e)
{
	bool cut, empty = d->turn.text.len == 0 && d->turn.calls_count == 0 && !d->turn.refused;
	/* A [DONE] in place of the last event is the end for what came before it. */
	if (d->finish[0] == '\0' && (!d->done || empty))
		return llm_decode_cut(d, e);
	enum err rc = llm_calls_finish(&d->turn, d->from.calls_before, &cut, e);
	if (rc != ERR_NONE)
		return rc;
	if (!d->has_usage)
		turn_buf_estimate(&d->turn, d->from.input_bytes);
	d->turn.stop = stop_of(d, cut);
	return ERR_NONE;
}
