/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short cut for chunks of Chat Completions: those of the common form are taken as they come by, without
 * a tree. A chunk is taken whole or not at all: whatever is unusual about it is left to chat_take, and so is
 * all that would be an error. Pure.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <string.h>

enum { FRAGMENTS_MAX = 4, MODEL_BYTES = 64, FINISH_BYTES = sizeof(((struct llm_decode *)0)->finish) };

struct peeked {
	struct llm_usage usage;
	bool has_usage, has_choice;
	char model[MODEL_BYTES], finish[FINISH_BYTES];
	struct slice content, reasoning; /* of the choice; null or absent: there is none */
	struct chat_fragment calls[FRAGMENTS_MAX];
	size_t calls_count;
};

/* What is wanted of a chunk, and its places. */
enum {
	CHOICES,
	USAGE,
	FAULT,
	MESSAGE,
	DETAIL,
	MODEL,
	INDEX,
	DELTA,
	FINISH,
	WHOLE,
	CONTENT,
	REASONING,
	REASONING_TOO,
	REFUSAL,
	CALLS,
	INPUT,
	OUTPUT,
	INPUT_MORE,
	OUTPUT_MORE,
	PLACES
};
static const struct json_want of_delta[] = {
	JSON_WANT("content", CONTENT), JSON_WANT("reasoning_content", REASONING),
	JSON_WANT("reasoning", REASONING_TOO), JSON_WANT("refusal", REFUSAL), JSON_WANT("tool_calls", CALLS)};
static const struct json_want of_choice[] = {JSON_WANT("index", INDEX),
					     JSON_WANT_IN("delta", DELTA, of_delta),
					     JSON_WANT("finish_reason", FINISH), JSON_WANT("message", WHOLE)};
static const struct json_want of_usage[] = {
	JSON_WANT("prompt_tokens", INPUT), JSON_WANT("completion_tokens", OUTPUT),
	JSON_WANT("prompt_tokens_details", INPUT_MORE), JSON_WANT("completion_tokens_details", OUTPUT_MORE)};
static const struct json_want of_chunk[] = {JSON_WANT_IN("choices", CHOICES, of_choice),
					    JSON_WANT_IN("usage", USAGE, of_usage),
					    JSON_WANT("error", FAULT),
					    JSON_WANT("message", MESSAGE),
					    JSON_WANT("detail", DETAIL),
					    JSON_WANT("model", MODEL)};

/* Usage without details, as most give it. */
static bool usage_read(const struct slice *v, struct peeked *p)
{
	p->has_usage = !json_peek_is_null(v[USAGE]);
	return !p->has_usage ||
	       (v[USAGE].ptr[0] == '{' && json_peek_index(v[INPUT], &p->usage.input_tokens) &&
		json_peek_index(v[OUTPUT], &p->usage.output_tokens) && json_peek_is_null(v[INPUT_MORE]) &&
		json_peek_is_null(v[OUTPUT_MORE]));
}

/* One fragment of a call; no member that would have to be kept. Its bytes, or 0. */
static size_t fragment_read(struct slice s, struct chat_fragment *f)
{
	enum { AT, ID, TYPE, FUNCTION, NAME, ARGUMENTS, COUNT };
	static const struct json_want of_function[] = {JSON_WANT("name", NAME),
						       JSON_WANT("arguments", ARGUMENTS)};
	static const struct json_want of_call[] = {JSON_WANT("index", AT), JSON_WANT("id", ID),
						   JSON_WANT("type", TYPE),
						   JSON_WANT_IN("function", FUNCTION, of_function)};
	struct slice v[COUNT];
	size_t n = json_peek_wants(s, of_call, COUNT_OF(of_call), true, v, COUNT);
	if (n == 0 || v[FUNCTION].len == 0 || v[FUNCTION].ptr[0] != '{')
		return 0;
	f->keyed = v[AT].len > 0;
	f->arguments = v[ARGUMENTS];
	bool plain = (!f->keyed || json_peek_index(v[AT], &f->key)) &&
		     json_peek_plain(v[ID], f->id, sizeof(f->id)) &&
		     json_peek_plain(v[NAME], f->name, sizeof(f->name)) &&
		     (json_peek_is_null(v[ARGUMENTS]) || v[ARGUMENTS].ptr[0] == '"');
	return plain ? n : 0;
}

/* "[{...},{...}]" */
static bool calls_read(struct slice list, struct peeked *p)
{
	if (json_peek_is_null(list))
		return true;
	const char *at = list.ptr + 1, *end = list.ptr + list.len;
	while (p->calls_count < FRAGMENTS_MAX) {
		struct chat_fragment *f = &p->calls[p->calls_count];
		size_t n = fragment_read((struct slice){at, (size_t)(end - at)}, f);
		if (n == 0)
			return false;
		if (!f->keyed)
			f->key = (int64_t)p->calls_count;
		p->calls_count++;
		at += n + 1;
		if (at[-1] != ',')
			return at == end && at[-1] == ']';
	}
	return false;
}

/* The one choice of the chunk, and nothing beside it that means anything; or none. */
static bool choice_read(const struct slice *v, struct peeked *p)
{
	if (slice_eq_str(v[CHOICES], "[]"))
		return true;
	p->has_choice = true;
	if (v[CHOICES].len < 2 || v[CHOICES].ptr[1] != '{' || v[DELTA].len == 0 || v[DELTA].ptr[0] != '{' ||
	    v[WHOLE].len > 0 || (v[INDEX].len > 0 && !slice_eq_str(v[INDEX], "0")) ||
	    !json_peek_plain(v[FINISH], p->finish, sizeof(p->finish)) || strcmp(p->finish, "error") == 0 ||
	    !json_peek_is_null(v[REFUSAL]) || !json_peek_is_null(v[REASONING_TOO]) ||
	    !calls_read(v[CALLS], p))
		return false;
	p->content = v[CONTENT];
	p->reasoning = v[REASONING];
	/* One of them at most: what was taken cannot be given back when the other does not fit. */
	return !json_peek_is_null(p->content) + !json_peek_is_null(p->reasoning) + (p->calls_count > 0) <= 1;
}

/* The pieces of text and of arguments, which are the last that may not fit. */
static bool pieces_take(struct llm_turn_buf *t, const struct peeked *p)
{
	if (p->calls_count > 0)
		return chat_fragments_take(t, p->calls, p->calls_count);
	if (!json_peek_is_null(p->content))
		return json_peek_text(p->content, &t->text);
	return json_peek_is_null(p->reasoning) || json_peek_text(p->reasoning, &t->reasoning);
}

size_t chat_peek(struct llm_decode *d, const char *event, struct slice s)
{
	struct slice v[PLACES];
	struct peeked p;
	p.usage = (struct llm_usage){0};
	p.has_choice = false;
	p.finish[0] = '\0';
	p.content = p.reasoning = (struct slice){0};
	p.calls_count = 0;
	size_t n = json_peek_wants(s, of_chunk, COUNT_OF(of_chunk), false, v, PLACES);
	if (n == 0 || strcmp(event, "message") != 0 || !json_peek_is_null(v[FAULT]) || v[MESSAGE].len > 0 ||
	    v[DETAIL].len > 0 || !json_peek_plain(v[MODEL], p.model, sizeof(p.model)) || !usage_read(v, &p) ||
	    !choice_read(v, &p) || !pieces_take(&d->turn, &p))
		return 0;
	if (p.model[0] != '\0' && d->turn.model.len == 0)
		turn_buf_set_model(&d->turn, p.model);
	if (p.has_usage)
		d->turn.usage = p.usage;
	d->has_usage = d->has_usage || p.has_usage;
	d->has_answer = d->has_answer || p.has_choice;
	if (p.finish[0] != '\0')
		memcpy(d->finish, p.finish, strlen(p.finish) + 1);
	return n;
}
