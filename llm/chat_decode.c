/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the chunks of a Chat Completions answer, or its single body, to a turn. Pure.
 *
 * An error is looked for before choices, since some servers send both; calls that are there count, not the
 * finish_reason; the end of the connection is the end of the answer only after a finish_reason or [DONE].
 * Usage that is absent is estimated and marked so.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <string.h>

static void usage_take(struct llm_decode *d, const struct json *usage)
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
		.cache_write_tokens = json_get_integer(in, "cache_write_tokens", 0),
		.reasoning_tokens = json_get_integer(out, "reasoning_tokens", 0),
	};
}

/* Text, or an array of parts of which those with text count. */
static void content_take(struct llm_decode *d, const struct json *content)
{
	turn_buf_add_text(&d->turn, json_text(content));
	if (!json_is(content, JSON_ARRAY))
		return;
	for (const struct json *part = json_first(content); part != NULL; part = json_next(part))
		turn_buf_add_text(&d->turn, json_get_text(part, "text", NULL));
}

static enum err delta_take(struct llm_decode *d, const struct json *delta, struct error *e)
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
	enum err rc = llm_decode_check(d, e);
	return rc != ERR_NONE ? rc : chat_calls_add(t, json_get(delta, "tool_calls"), e);
}

static enum err choice_take(struct llm_decode *d, const struct json *choice, struct error *e)
{
	d->has_answer = true;
	const struct json *delta = json_get(choice, "delta");
	enum err rc = delta_take(d, json_is(delta, JSON_OBJECT) ? delta : json_get(choice, "message"), e);
	const char *finish = json_get_text(choice, "finish_reason", NULL);
	if (finish != NULL && finish[0] != '\0')
		snprintf(d->finish, sizeof(d->finish), "%s", finish);
	if (rc == ERR_NONE && strcmp(d->finish, "error") == 0)
		return llm_decode_fault(d, e);
	return rc;
}

/* --- any chunk --- */

enum err chat_take(struct llm_decode *d, const char *event, const struct json *chunk, struct error *e)
{
	if (llm_fault_read(chunk, &d->fault) || strcmp(event, "error") == 0)
		return llm_decode_fault(d, e);
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

static enum llm_stop stop_of(const struct llm_decode *d, bool cut)
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

enum err chat_finish(struct llm_decode *d, struct error *e)
{
	bool cut;
	/* [DONE] with nothing before it is how some gateways end an answer that failed behind them. */
	if (d->finish[0] == '\0' && (!d->done || is_empty(&d->turn)))
		return llm_decode_cut(d, e);
	if (d->from.text_calls && d->turn.calls_count == 0)
		chat_text_calls_take(&d->turn);
	enum err rc = llm_calls_finish(&d->turn, d->from.calls_before, &cut, e);
	if (rc != ERR_NONE)
		return rc;
	if (!d->has_usage)
		turn_buf_estimate(&d->turn, d->from.input_bytes);
	d->turn.stop = stop_of(d, cut);
	return ERR_NONE;
}
