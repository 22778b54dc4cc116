/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a step's conversation a model is shown: the newest results of tools as they are, older ones as one
 * line that says how to read them again. Nothing else is ever changed, so that the beginning of a
 * conversation stays what providers have in their caches. When it still is too large (agent.context_tokens)
 * more results become lines, and after that the step cannot go on.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <string.h>

enum { RESULTS_WHOLE = 3, ELIDED_BYTES_MIN = 512, PERCENT = 100, CORRECTION_MAX = 8 };

static size_t elided_make(struct exec *x, struct llm_message *out, size_t whole);

/* Bytes of the eight at p that are not ASCII. */
static size_t others(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return (size_t)((v >> 7 & 0x0101010101010101u) * 0x0101010101010101u >> 56);
}

/* Tokens are not counted but guessed: four bytes each, of other scripts than Latin two and a half. */
size_t context_tokens(const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0, other = 0, i = 0;
	for (; i + 8 <= n; i += 8)
		other += others(text + i);
	for (; i < n; i++)
		other += (unsigned char)text[i] >> 7;
	return (n - other) / 4 + other * 2 / 5 + 1;
}

/* The model's server has counted what was shown: where that is more than was guessed, further guesses are
 * that much larger. A server that counts beyond reason is not believed. */
void context_learn(struct exec *x, const struct llm_usage *u)
{
	size_t counted = u->input_tokens > 0 && !u->estimated ? (size_t)u->input_tokens : 0;
	if (x->shown_tokens == 0 || counted <= x->shown_tokens)
		return;
	size_t most = x->shown_tokens * CORRECTION_MAX;
	x->tokens_percent = (counted < most ? counted : most) * PERCENT / x->shown_tokens;
}

static size_t corrected(const struct exec *x, size_t tokens)
{
	return x->tokens_percent > PERCENT ? tokens * x->tokens_percent / PERCENT : tokens;
}

bool context_fit(struct exec *x, struct llm_message *out, struct error *e)
{
	size_t max = (size_t)x->run->agent->options.context_tokens_max, tokens = 0;
	/* The offline rules read texts themselves, and pay for none. */
	if (agent_is_offline(x->run->agent, LLM_EXECUTOR)) {
		memcpy(out, x->messages, x->messages_count * sizeof *out);
		return true;
	}
	for (size_t whole = RESULTS_WHOLE + 1; whole-- > 0;) {
		x->shown_tokens = elided_make(x, out, whole);
		tokens = corrected(x, x->shown_tokens);
		if (tokens <= max)
			return true;
	}
	return !err_set(e, ERR_FULL,
			"the conversation of this step has about %zu tokens, the most is %zu "
			"(agent.context_tokens)",
			tokens, max);
}

void context_keep(struct exec *x, const struct exec_call *c, const char *full, bool is_error)
{
	if (x->results_count == x->results_cap) {
		x->results_cap = x->results_cap * 2 + 8;
		x->results = xrealloc(x->results, x->results_cap * sizeof *x->results);
	}
	bool shown = full == x->messages[c->message].text;
	struct exec_result r = {.message = c->message,
				.bytes = strlen(full),
				.name = c->name,
				.arguments = c->arguments,
				.is_error = is_error};
	memcpy(r.id, c->id, sizeof r.id);
	r.full = shown ? full : arena_strndup(x->arena, full, r.bytes);
	/* In the order of the messages: the calls of a turn are answered in any order. */
	size_t at = x->results_count++;
	for (; at > 0 && x->results[at - 1].message > r.message; at--)
		x->results[at] = x->results[at - 1];
	x->results[at] = r;
}

const char *context_full(const struct exec *x, const char *id)
{
	for (size_t i = 0; i < x->results_count; i++)
		if (x->results[i].id[0] != '\0' && strcmp(x->results[i].id, id) == 0)
			return x->results[i].full;
	return NULL;
}

/* --- helpers --- */

static const char *result_line(struct exec *x, struct exec_result *r)
{
	char digest[SHA256_HEX_SIZE];
	if (r->line != NULL)
		return r->line;
	sha256_hex(r->arguments, strlen(r->arguments), digest);
	r->line = arena_printf(
		x->arena,
		"[an earlier result: %s, arguments %.12s, %s, %zu bytes; read_result with handle "
		"%s shows it]",
		r->name, digest, r->is_error ? "an error" : "ok", r->bytes, r->id);
	return r->line;
}

/* The conversation with the newest `whole` results as they are. Returns its tokens. */
static size_t elided_make(struct exec *x, struct llm_message *out, size_t whole)
{
	size_t tokens = 0;
	memcpy(out, x->messages, x->messages_count * sizeof *out);
	for (size_t i = 0; i + whole < x->results_count; i++)
		if (strlen(out[x->results[i].message].text) >= ELIDED_BYTES_MIN)
			out[x->results[i].message].text = result_line(x, &x->results[i]);
	for (size_t i = 0; i < x->messages_count; i++) {
		tokens += context_tokens(out[i].text);
		for (size_t k = 0; k < out[i].calls_count; k++)
			tokens += context_tokens(out[i].calls[k].arguments);
	}
	for (size_t i = 0; i < x->box.count; i++)
		tokens += x->box.tools[i].schema_text.len / 4 + context_tokens(x->box.tools[i].description);
	return tokens;
}
