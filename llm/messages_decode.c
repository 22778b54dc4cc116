/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the events of an Anthropic Messages answer, or its single body, to a turn. Pure.
 *
 * An answer is a list of blocks, each announced, filled by pieces and closed. Text and calls become the turn;
 * every other block (thinking with its signature, redacted thinking, what tools of the server did) is put
 * together and kept as it came, since it has to go back byte for byte. The end is message_stop, or a stop
 * reason after which the connection closes; without either the answer is cut. Usage is cumulative: what the
 * last event says, and tokens read from and written to the cache count as input.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <string.h>

static enum err over_parts(struct error *e)
{
	return err_set(e, ERR_UPSTREAM, "the model's answer has more than %d blocks or calls", LLM_PARTS_MAX);
}

static enum err over_bytes(struct error *e)
{
	return err_set(e, ERR_UPSTREAM, "a block of the model's answer is over its limit of bytes");
}

/* --- a block, from its announcement to its end --- */

static void call_begin(struct llm_call_buf *c, const struct json *block)
{
	const struct json *input = json_get(block, "input");
	buf_add_str(&c->id, json_get_text(block, "id", ""));
	buf_add_str(&c->name, json_get_text(block, "name", ""));
	/* By the book it is empty here and comes in pieces. */
	if (json_first(input) != NULL)
		json_print(input, &c->arguments);
}

static void raw_begin(struct llm_decode *d, struct llm_part_buf *p, const struct json *block)
{
	p->value = json_copy(block);
	buf_add_str(&p->text, json_get_text(block, "thinking", ""));
	buf_add_str(&p->signature, json_get_text(block, "signature", ""));
	turn_buf_add_reasoning(&d->turn, json_get_text(block, "thinking", NULL));
}

static enum err block_begin(struct llm_decode *d, int64_t index, const struct json *block, struct error *e)
{
	const char *type = json_get_text(block, "type", "");
	if (!json_is(block, JSON_OBJECT))
		return ERR_NONE;
	enum llm_part_kind kind = strcmp(type, "text") == 0       ? LLM_PART_TEXT
				  : strcmp(type, "tool_use") == 0 ? LLM_PART_CALL
								  : LLM_PART_RAW;
	size_t call = d->turn.calls_count;
	struct llm_call_buf *c = kind == LLM_PART_CALL ? turn_buf_new_call(&d->turn) : NULL;
	struct llm_part_buf *p = turn_buf_new_part(&d->turn, kind, index);
	if (p == NULL || (kind == LLM_PART_CALL && c == NULL))
		return over_parts(e);
	p->call = call;
	if (kind == LLM_PART_TEXT)
		turn_buf_add_part_text(&d->turn, p, json_get_text(block, "text", NULL));
	else if (kind == LLM_PART_CALL)
		call_begin(c, block);
	else
		raw_begin(d, p, block);
	return c != NULL ? llm_call_check(c, e) : llm_decode_check(d, e);
}

static enum err piece_take(struct llm_decode *d, int64_t index, const struct json *delta, struct error *e)
{
	struct llm_part_buf *p = turn_buf_find_part(&d->turn, index);
	const char *json = json_get_text(delta, "partial_json", NULL);
	const char *thinking = json_get_text(delta, "thinking", NULL);
	if (p == NULL)
		return ERR_NONE; /* of a block that never began */
	struct buf *grown = &p->text;
	if (p->kind == LLM_PART_TEXT) {
		turn_buf_add_part_text(&d->turn, p, json_get_text(delta, "text", NULL));
	} else if (p->kind == LLM_PART_CALL) {
		grown = &turn_buf_part_call(&d->turn, p)->arguments;
		buf_add_str(grown, json != NULL ? json : "");
	} else {
		buf_add_str(grown, json != NULL ? json : thinking != NULL ? thinking : "");
		buf_add_str(&p->signature, json_get_text(delta, "signature", ""));
		turn_buf_add_reasoning(&d->turn, thinking);
	}
	return grown->overflow || p->signature.overflow ? over_bytes(e) : llm_decode_check(d, e);
}

/* The short cut for pieces of texts and arguments. */
size_t messages_peek(struct llm_decode *d, const char *event, struct slice s)
{
	static const struct slice names[] = {SLICE_LIT("type"), SLICE_LIT("index"), SLICE_LIT("delta")};
	static const struct slice pieces[] = {SLICE_LIT("text"), SLICE_LIT("partial_json")};
	struct slice v[COUNT_OF(names)], piece[COUNT_OF(pieces)];
	int64_t index;
	if (strcmp(event, "error") == 0)
		return 0;
	size_t n = json_peek_object(s, names, COUNT_OF(names), v);
	if (n == 0 || !slice_eq_str(v[0], "\"content_block_delta\"") || !json_peek_index(v[1], &index) ||
	    json_peek_object(v[2], pieces, COUNT_OF(pieces), piece) == 0)
		return 0;
	struct llm_part_buf *p = turn_buf_find_part(&d->turn, index);
	if (p == NULL || p->kind == LLM_PART_RAW)
		return 0;
	if (p->kind == LLM_PART_CALL)
		return json_peek_text(piece[1], &turn_buf_part_call(&d->turn, p)->arguments) ? n : 0;
	size_t before = d->turn.text.len;
	if (!json_peek_text(piece[0], &d->turn.text))
		return 0;
	p->bytes += d->turn.text.len - before;
	return n;
}

/* Puts the pieces of a block that goes back as it came into it. Thinking that nobody signed is worth nothing.
 */
static void raw_end(struct llm_part_buf *p)
{
	bool thinking = strcmp(json_get_text(p->value, "type", ""), "thinking") == 0;
	if (thinking && p->signature.len == 0) {
		json_free(p->value);
		p->value = NULL;
	} else if (thinking) {
		json_set(p->value, "thinking", json_new_text(buf_cstr(&p->text)));
		json_set(p->value, "signature", json_new_text(buf_cstr(&p->signature)));
	} else if (p->text.len > 0) {
		struct json *input = json_parse(p->text.data, p->text.len, JSON_DEPTH_MAX, NULL);
		if (input != NULL)
			json_set(p->value, "input", input);
	}
}

/* --- the message --- */

static void model_take(struct llm_decode *d, const struct json *message)
{
	const char *model = json_get_text(message, "model", "");
	if (model[0] != '\0' && d->turn.model.len == 0)
		turn_buf_set_model(&d->turn, model);
}

static int64_t count_of(const struct json *usage, const char *name, int64_t before)
{
	return json_get_integer(usage, name, before);
}

/* turn.usage.input_tokens is without the cache's until the end. */
static void usage_take(struct llm_decode *d, const struct json *usage)
{
	struct llm_usage *u = &d->turn.usage;
	u->input_tokens = count_of(usage, "input_tokens", u->input_tokens);
	u->output_tokens = count_of(usage, "output_tokens", u->output_tokens);
	u->cached_tokens = count_of(usage, "cache_read_input_tokens", u->cached_tokens);
	u->cache_write_tokens = count_of(usage, "cache_creation_input_tokens", u->cache_write_tokens);
	u->reasoning_tokens =
		count_of(json_get(usage, "output_tokens_details"), "thinking_tokens", u->reasoning_tokens);
	d->has_usage = u->input_tokens > 0 || u->output_tokens > 0;
}

static void stop_take(struct llm_decode *d, const struct json *delta)
{
	const char *reason = json_get_text(delta, "stop_reason", NULL);
	if (reason == NULL)
		return;
	snprintf(d->finish, sizeof(d->finish), "%s", reason);
	if (strcmp(reason, "refusal") != 0)
		return;
	const struct json *details = json_get(delta, "stop_details");
	const char *category = json_get_text(details, "category", "the model declined to answer");
	d->turn.refused = true;
	buf_add_str(&d->turn.refusal, json_get_text(details, "explanation", category));
}

static enum err message_take(struct llm_decode *d, const struct json *message, struct error *e)
{
	int64_t index = 0;
	const struct json *content = json_get(message, "content");
	d->has_answer = true;
	model_take(d, message);
	usage_take(d, json_get(message, "usage"));
	for (const struct json *b = json_first(content); b != NULL; b = json_next(b)) {
		enum err rc = block_begin(d, index++, b, e);
		if (rc != ERR_NONE)
			return rc;
	}
	stop_take(d, message);
	return ERR_NONE;
}

enum err messages_take(struct llm_decode *d, const char *event, const struct json *value, struct error *e)
{
	const char *type = json_get_text(value, "type", event);
	int64_t index = json_get_integer(value, "index", 0);
	if (strcmp(type, "content_block_delta") == 0)
		return piece_take(d, index, json_get(value, "delta"), e);
	if (strcmp(type, "content_block_start") == 0)
		return block_begin(d, index, json_get(value, "content_block"), e);
	if (strcmp(type, "message_start") == 0)
		return message_take(d, json_get(value, "message"), e);
	if (strcmp(type, "message") == 0 && json_get(value, "content") != NULL)
		return message_take(d, value, e);
	if (strcmp(type, "message_delta") == 0) {
		usage_take(d, json_get(value, "usage"));
		stop_take(d, json_get(value, "delta"));
	} else if (strcmp(type, "message_stop") == 0) {
		d->done = true;
	} else if (llm_fault_read(value, &d->fault) || strcmp(event, "error") == 0) {
		return llm_decode_fault(d, e);
	}
	return ERR_NONE;
}

static enum llm_stop stop_of(const struct llm_decode *d, bool cut)
{
	if (d->turn.refused)
		return LLM_STOP_REFUSAL;
	if (cut || strcmp(d->finish, "max_tokens") == 0 ||
	    strcmp(d->finish, "model_context_window_exceeded") == 0)
		return LLM_STOP_LENGTH;
	if (d->turn.calls_count > 0)
		return LLM_STOP_TOOL;
	return strcmp(d->finish, "pause_turn") == 0 ? LLM_STOP_PAUSE : LLM_STOP_END;
}

enum err messages_finish(struct llm_decode *d, struct error *e)
{
	struct llm_usage *u = &d->turn.usage;
	bool cut;
	if (d->finish[0] == '\0')
		return llm_decode_cut(d, e);
	enum err rc = llm_calls_finish(&d->turn, d->from.calls_before, &cut, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < d->turn.parts_count; i++) {
		if (d->turn.parts[i].kind == LLM_PART_RAW)
			raw_end(&d->turn.parts[i]);
	}
	if (d->has_usage)
		u->input_tokens += u->cached_tokens + u->cache_write_tokens;
	else
		turn_buf_estimate(&d->turn, d->from.input_bytes);
	d->turn.stop = stop_of(d, cut);
	return ERR_NONE;
}
