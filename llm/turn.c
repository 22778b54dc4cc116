/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn of the model under construction: text, refusal, reasoning and tool calls that grow as the answer
 * arrives, within the bounds of wire_int.h, and the read-only view of it that callers of the room get.
 *
 * It knows no wire format: decoders and the offline provider fill it. All parts are owned by the struct; the
 * view borrows from them and is rebuilt each time it is asked for, so that growing buffers cannot leave
 * dangling pointers in it.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void turn_buf_init(struct llm_turn_buf *t)
{
	*t = (struct llm_turn_buf){
		.text = BUF_LIMIT(LLM_TURN_BYTES_MAX),
		.refusal = BUF_LIMIT(LLM_TURN_BYTES_MAX),
		.reasoning = BUF_LIMIT(LLM_TURN_BYTES_MAX),
		.echo = BUF_LIMIT(LLM_ECHO_BYTES_MAX),
		.model = BUF_LIMIT(LLM_NAME_BYTES_MAX),
	};
}

static void view_release(struct llm_turn_buf *t)
{
	for (size_t i = 0; i < t->view_count; i++)
		free(t->view_opaque[i]);
	free(t->view_opaque);
	free(t->view_calls);
	t->view_opaque = NULL;
	t->view_calls = NULL;
	t->view_count = 0;
}

static void call_release(struct llm_call_buf *c)
{
	buf_release(&c->id);
	buf_release(&c->name);
	buf_release(&c->arguments);
	json_free(c->opaque);
}

void turn_buf_release(struct llm_turn_buf *t)
{
	view_release(t);
	for (size_t i = 0; i < t->calls_count; i++)
		call_release(&t->calls[i]);
	free(t->calls);
	turn_buf_release_parts(t);
	buf_release(&t->text);
	buf_release(&t->refusal);
	buf_release(&t->reasoning);
	buf_release(&t->echo);
	buf_release(&t->model);
	turn_buf_init(t);
}

bool turn_buf_add_text(struct llm_turn_buf *t, const char *s)
{
	return s == NULL || buf_add_str(&t->text, s);
}

bool turn_buf_add_reasoning(struct llm_turn_buf *t, const char *s)
{
	return s == NULL || buf_add_str(&t->reasoning, s);
}

struct llm_call_buf *turn_buf_new_call(struct llm_turn_buf *t)
{
	if (t->calls_count == LLM_CALLS_MAX)
		return NULL;
	t->calls = xrealloc(t->calls, (t->calls_count + 1) * sizeof(*t->calls));
	struct llm_call_buf *c = &t->calls[t->calls_count++];
	*c = (struct llm_call_buf){
		.id = BUF_LIMIT(LLM_NAME_BYTES_MAX),
		.name = BUF_LIMIT(LLM_NAME_BYTES_MAX),
		.arguments = BUF_LIMIT(LLM_ARGUMENTS_BYTES_MAX),
	};
	return c;
}

bool turn_buf_add_call(struct llm_turn_buf *t, const char *id, const char *name, const char *arguments)
{
	size_t number = t->calls_count;
	struct llm_call_buf *c = turn_buf_new_call(t);
	if (c == NULL)
		return false;
	if (id != NULL && id[0] != '\0')
		buf_add_str(&c->id, id);
	else
		buf_printf(&c->id, "call_%zu", number);
	buf_add_str(&c->name, name);
	buf_add_str(&c->arguments, arguments != NULL && arguments[0] != '\0' ? arguments : "{}");
	return !c->id.overflow && !c->name.overflow && !c->arguments.overflow;
}

void turn_buf_set_model(struct llm_turn_buf *t, const char *model)
{
	buf_reset(&t->model);
	buf_add_str(&t->model, model);
}

void turn_buf_estimate(struct llm_turn_buf *t, size_t input_bytes)
{
	size_t output = t->text.len + t->refusal.len + t->reasoning.len;
	for (size_t i = 0; i < t->calls_count; i++)
		output += t->calls[i].name.len + t->calls[i].arguments.len;
	t->usage = (struct llm_usage){
		.input_tokens = (int64_t)((input_bytes + 3) / 4),
		.output_tokens = (int64_t)((output + 3) / 4),
		.reasoning_tokens = (int64_t)(t->reasoning.len / 4),
		.estimated = true,
	};
}

static char *opaque_text(const struct json *opaque)
{
	if (opaque == NULL)
		return NULL;
	struct buf b = BUF_INIT;
	json_print(opaque, &b);
	return buf_take(&b);
}

const struct llm_turn *turn_buf_view(struct llm_turn_buf *t)
{
	view_release(t);
	t->view_calls = xcalloc(t->calls_count + 1, sizeof(*t->view_calls));
	t->view_opaque = xcalloc(t->calls_count + 1, sizeof(*t->view_opaque));
	t->view_count = t->calls_count;
	for (size_t i = 0; i < t->calls_count; i++) {
		const struct llm_call_buf *c = &t->calls[i];
		t->view_opaque[i] = opaque_text(c->opaque);
		t->view_calls[i] = (struct llm_tool_call){
			.id = buf_cstr(&c->id),
			.name = buf_cstr(&c->name),
			.arguments = c->arguments.len > 0 ? buf_cstr(&c->arguments) : "{}",
			.opaque = t->view_opaque[i],
		};
	}
	t->view = (struct llm_turn){
		.text = buf_cstr(&t->text),
		.refusal = t->refused ? buf_cstr(&t->refusal) : NULL,
		.reasoning = t->reasoning.len > 0 ? buf_cstr(&t->reasoning) : NULL,
		.echo = t->echo.len > 0 ? buf_cstr(&t->echo) : NULL,
		.calls = t->view_calls,
		.calls_count = t->calls_count,
		.stop = t->stop,
		.usage = t->usage,
		.model = buf_cstr(&t->model),
	};
	return &t->view;
}
