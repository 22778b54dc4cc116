/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tool calls of a turn, whatever the wire: their bounds, what of them is kept to be given back, and, when the
 * turn is over, what the agent relies on: a name, an id of its own and arguments that are not empty; those
 * that break off are found. Pure. It does not judge names or arguments: the agent checks those against the
 * tool's schema.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <string.h>

void llm_call_keep(struct llm_call_buf *c, const struct json *object, const char *const *known, size_t count)
{
	for (const struct json *m = json_first(object); m != NULL; m = json_next(m)) {
		bool skip = json_is(m, JSON_NULL);
		for (size_t i = 0; i < count; i++)
			skip |= strcmp(json_name(m), known[i]) == 0;
		if (skip)
			continue;
		if (c->opaque == NULL)
			c->opaque = json_new_object();
		json_set(c->opaque, json_name(m), json_copy(m));
	}
}

enum err llm_call_check(const struct llm_call_buf *c, struct error *e)
{
	if (c->id.overflow || c->name.overflow)
		return err_set(e, ERR_UPSTREAM, "the model's tool call has a name or id over %d bytes",
			       LLM_NAME_BYTES_MAX);
	if (c->arguments.overflow)
		return err_set(e, ERR_UPSTREAM, "the arguments of the model's call of %s are over %d bytes",
			       buf_cstr(&c->name), LLM_ARGUMENTS_BYTES_MAX);
	return ERR_NONE;
}

/* "" and "null" mean no arguments. */
static void default_arguments(struct buf *arguments)
{
	struct slice s = buf_slice(arguments);
	while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1]) != NULL)
		s.len--;
	if (s.len > 0 && !slice_eq_str(s, "null"))
		return;
	buf_reset(arguments);
	buf_add_str(arguments, "{}");
}

static bool is_cut(const struct buf *arguments)
{
	return arguments->data[0] == '{' && llm_value_len(buf_slice(arguments)) == 0;
}

/* Does any of the first `count` calls but number i itself bear the id of call i? */
static bool is_id_taken(const struct llm_turn_buf *t, size_t i, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		if (k != i && slice_eq(buf_slice(&t->calls[k].id), buf_slice(&t->calls[i].id)))
			return true;
	}
	return false;
}

/* Results are matched to calls by id, so each must be there and unlike any other of the conversation. */
static void settle_id(struct llm_turn_buf *t, size_t i, size_t calls_before)
{
	struct llm_call_buf *c = &t->calls[i];
	bool keep = c->id.len > 0 && !is_id_taken(t, i, i);
	for (size_t variant = 0; !keep; variant++) {
		buf_reset(&c->id);
		buf_printf(&c->id, "call_%zu", calls_before + i);
		if (variant > 0)
			buf_printf(&c->id, "_%zu", variant);
		keep = !is_id_taken(t, i, t->calls_count);
	}
}

enum err llm_calls_finish(struct llm_turn_buf *t, size_t calls_before, bool *cut, struct error *e)
{
	*cut = false;
	for (size_t i = 0; i < t->calls_count; i++) {
		struct llm_call_buf *c = &t->calls[i];
		if (c->name.len == 0)
			return err_set(e, ERR_UPSTREAM, "the model server sent a tool call without a name");
		default_arguments(&c->arguments);
		*cut |= is_cut(&c->arguments);
		settle_id(t, i, calls_before);
	}
	return ERR_NONE;
}
