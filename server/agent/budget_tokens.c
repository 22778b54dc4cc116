/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most tokens a prompt may have, before its server has counted them: half a token for a small letter or a
 * blank, a whole one for every other byte (capitals, digits, marks, other scripts), which is about twice what
 * tokenizers make of prose, and more than they make of figures, code or base64. Servers add texts of their
 * own, and know tokenizers that we do not: once one has counted more than was foreseen, the prompts of this
 * process are taken for that much larger, for good. A server that counts beyond reason is not believed.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

enum { OVERHEAD_TOKENS = 64, MESSAGE_TOKENS = 8, PERCENT = 100, PERCENT_MAX = 800 };

static int64_t text_tokens(const char *text, size_t len)
{
	int64_t halves = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		halves += (c >= 'a' && c <= 'z') || c == ' ' ? 1 : 2;
	}
	return (halves + 1) / 2;
}

static int64_t tokens_of(const char *text)
{
	return text != NULL ? text_tokens(text, strlen(text)) : 0;
}

static int64_t foreseen(const struct llm_request *q)
{
	int64_t sum = OVERHEAD_TOKENS + text_tokens(q->response_schema.ptr, q->response_schema.len);
	for (size_t i = 0; i < q->messages_count; i++) {
		const struct llm_message *m = &q->messages[i];
		sum += MESSAGE_TOKENS + tokens_of(m->text) + tokens_of(m->reasoning) + tokens_of(m->echo);
		for (size_t k = 0; k < m->calls_count; k++)
			sum += MESSAGE_TOKENS + tokens_of(m->calls[k].name) +
			       tokens_of(m->calls[k].arguments) + tokens_of(m->calls[k].id) +
			       tokens_of(m->calls[k].opaque);
	}
	for (size_t i = 0; i < q->tools_count && !q->tools_in_text; i++)
		sum += MESSAGE_TOKENS + tokens_of(q->tools[i].name) + tokens_of(q->tools[i].description) +
		       text_tokens(q->tools[i].schema_text.ptr, q->tools[i].schema_text.len);
	return sum;
}

int64_t budget_prompt_tokens(const struct agent *a, const struct llm_request *q)
{
	int64_t percent = a->prompt_percent > PERCENT ? a->prompt_percent : PERCENT;
	return (foreseen(q) * percent + PERCENT - 1) / PERCENT;
}

void budget_prompt_learn(struct agent *a, int64_t reserved, const struct llm_usage *u)
{
	int64_t now = a->prompt_percent > PERCENT ? a->prompt_percent : PERCENT;
	if (u->estimated || reserved <= 0 || u->input_tokens <= reserved)
		return;
	/* What was reserved was enlarged already. */
	double percent = (double)now * (double)u->input_tokens / (double)reserved;
	a->prompt_percent = percent >= PERCENT_MAX ? PERCENT_MAX : (int64_t)percent + 1;
	log_info("a model server counts more tokens than were reserved: reservations are larger from now on",
		 LF_INT("reserved", reserved), LF_INT("counted", u->input_tokens),
		 LF_INT("percent", a->prompt_percent));
}
