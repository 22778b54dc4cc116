/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider that needs no model and no key: rules that plan, carry out and report simple work with
 * read-only tools. It is not an assistant: what its tables do not know is said to be not understood, and
 * every answer says that no language model was used. Pure and synchronous; it works on the request's context
 * and never calls anything itself.
 */
#include "base/base.h"
#include "llm/llm_int.h"
#include "llm/offline_int.h"

#include <stdio.h>

static size_t input_bytes(const struct llm_request *r)
{
	size_t n = slice_str(r->context->goal).len + slice_str(r->context->feedback).len;
	for (size_t i = 0; i < r->messages_count; i++)
		n += slice_str(r->messages[i].text).len;
	return n;
}

/* Calls of one conversation have different ids. */
static void call_id(const struct llm_request *r, char *out, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < r->messages_count; i++)
		n += r->messages[i].calls_count;
	snprintf(out, size, "call_%zu", n);
}

enum err llm_offline_answer(const struct llm_request *r, struct llm_turn_buf *out, struct error *e)
{
	struct buf text = BUF_INIT, name = BUF_INIT;
	char id[32];
	bool added = true;
	if (r->context == NULL || r->context->goal == NULL)
		return err_set(e, ERR_INTERNAL,
			       "the offline rules work on the request's context, and it has none");
	turn_buf_set_model(out, "builtin-rules");
	out->stop = LLM_STOP_END;
	switch (r->role) {
	case LLM_PLANNER: offline_plan(r, &text); break;
	case LLM_WRITER: offline_write(r, &text); break;
	case LLM_EXECUTOR:
		offline_step(r, &name, &text);
		out->stop = LLM_STOP_TOOL;
		break;
	}
	call_id(r, id, sizeof id);
	if (r->role == LLM_EXECUTOR)
		added = turn_buf_add_call(out, id, buf_cstr(&name), buf_cstr(&text));
	else
		added = turn_buf_add_text(out, buf_cstr(&text));
	buf_release(&text);
	buf_release(&name);
	if (!added)
		return err_set(e, ERR_TOO_LARGE,
			       "the answer of the offline rules is over the limit of %d bytes",
			       r->role == LLM_EXECUTOR ? LLM_ARGUMENTS_BYTES_MAX : LLM_TURN_BYTES_MAX);
	turn_buf_estimate(out, input_bytes(r));
	return ERR_NONE;
}
