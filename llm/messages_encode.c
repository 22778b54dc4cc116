/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to the body of Anthropic Messages (POST {base}/v1/messages, streamed), the same for both
 * versions of the API: no sampling parameters, no prefill, no documents. Pure.
 *
 * Who speaks alternates there: results of tools and what the user says after them are one message of the
 * user, the results first, and each call of the turn before must have its result. Thinking goes back as it
 * came, in its place (echo.c); with thinking on no tool can be forced, so a call that forces one is made
 * without. Up to four marks tell what to cache: the tools, the system text, and the user's last two messages,
 * so that each turn finds what the one before has written.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <string.h>

enum { OUTPUT_TOKENS_DEFAULT = 16384, THINKING_TOKENS_MIN = 1024 };

struct writer {
	struct jw w;
	const struct llm_options *o;
	const struct llm_request *r;
	char origin[LLM_ORIGIN_SIZE];
	size_t marked[2]; /* the messages whose last block is marked; SIZE_MAX: none */
};

/* Blank blocks are refused. */
static bool is_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

static void put_mark(struct jw *w)
{
	jw_name(w, "cache_control");
	jw_object(w);
	jw_kv_text(w, "type", "ephemeral");
	jw_object_end(w);
}

static void put_text(struct jw *w, struct slice text, bool mark)
{
	jw_object(w);
	jw_kv_text(w, "type", "text");
	jw_name(w, "text");
	jw_text_n(w, text.ptr, text.len);
	if (mark)
		put_mark(w);
	jw_object_end(w);
}

/* --- messages --- */

static void put_call(struct jw *w, const struct llm_tool_call *c)
{
	struct buf arguments = BUF_INIT;
	llm_put_arguments(&arguments, c);
	jw_object(w);
	jw_kv_text(w, "type", "tool_use");
	jw_kv_text(w, "id", c->id);
	jw_kv_text(w, "name", c->name);
	jw_kv_raw(w, "input", arguments.data, arguments.len);
	jw_object_end(w);
	buf_release(&arguments);
}

static bool slice_is_blank(struct slice s)
{
	size_t i = 0;
	while (i < s.len && strchr(" \t\r\n", s.ptr[i]) != NULL)
		i++;
	return i == s.len;
}

/* Blank texts alone may not be sent. */
static bool has_content(const struct llm_message *m, const char *origin)
{
	struct llm_parts parts;
	struct llm_part p;
	bool found = false;
	llm_parts_open(&parts, m, origin);
	while (!found && llm_parts_next(&parts, &p))
		found = p.kind != LLM_PART_TEXT || !slice_is_blank(p.text);
	llm_parts_close(&parts);
	return found;
}

static void put_assistant(struct writer *x, const struct llm_message *m)
{
	struct llm_parts parts;
	struct llm_part p;
	if (!has_content(m, x->origin))
		return;
	jw_object(&x->w);
	jw_kv_text(&x->w, "role", "assistant");
	jw_name(&x->w, "content");
	jw_array(&x->w);
	llm_parts_open(&parts, m, x->origin);
	while (llm_parts_next(&parts, &p)) {
		if (p.kind == LLM_PART_RAW)
			jw_json(&x->w, p.raw);
		else if (p.kind == LLM_PART_CALL)
			put_call(&x->w, p.call);
		else if (!slice_is_blank(p.text))
			put_text(&x->w, p.text, false);
	}
	llm_parts_close(&parts);
	jw_array_end(&x->w);
	jw_object_end(&x->w);
}

static void put_result(struct jw *w, const struct llm_message *m, bool mark)
{
	jw_object(w);
	jw_kv_text(w, "type", "tool_result");
	jw_kv_text(w, "tool_use_id", m->tool_call_id);
	jw_kv_text(w, "content", m->text != NULL ? m->text : "");
	if (m->is_error)
		jw_kv_bool(w, "is_error", true);
	if (mark)
		put_mark(w);
	jw_object_end(w);
}

static bool is_users(const struct llm_message *m)
{
	return m->speaker == LLM_TOOL || (m->speaker == LLM_USER && !is_blank(m->text));
}

/* Messages `from` to `to` as one of the user: results first, then what was said. */
static void put_user(struct writer *x, size_t from, size_t to)
{
	const struct llm_message *messages = x->r->messages;
	jw_object(&x->w);
	jw_kv_text(&x->w, "role", "user");
	jw_name(&x->w, "content");
	jw_array(&x->w);
	for (int said = 0; said < 2; said++) {
		for (size_t i = from; i < to; i++) {
			const struct llm_message *m = &messages[i];
			bool mark = i == x->marked[0] || i == x->marked[1];
			if (!is_users(m) || (m->speaker == LLM_USER) != (said == 1))
				continue;
			if (m->speaker == LLM_TOOL)
				put_result(&x->w, m, mark);
			else
				put_text(&x->w, slice_str(m->text), mark);
		}
	}
	jw_array_end(&x->w);
	jw_object_end(&x->w);
}

/* The end of the user's message that begins at `from`, and whether there is anything in it. */
static size_t user_end(const struct llm_request *r, size_t from, size_t *last)
{
	size_t i = from;
	*last = SIZE_MAX;
	for (int said = 0; said < 2; said++) {
		for (i = from; i < r->messages_count && r->messages[i].speaker != LLM_ASSISTANT; i++) {
			if (is_users(&r->messages[i]) && (r->messages[i].speaker == LLM_USER) == (said == 1))
				*last = i;
		}
	}
	return i;
}

static void put_messages(struct writer *x)
{
	const struct llm_request *r = x->r;
	size_t last;
	jw_name(&x->w, "messages");
	jw_array(&x->w);
	for (size_t i = 0; i < r->messages_count;) {
		if (r->messages[i].speaker == LLM_ASSISTANT) {
			put_assistant(x, &r->messages[i++]);
			continue;
		}
		size_t end = user_end(r, i, &last);
		if (last != SIZE_MAX)
			put_user(x, i, end);
		i = end;
	}
	jw_array_end(&x->w);
}

static void marks_find(struct writer *x)
{
	size_t last;
	x->marked[0] = x->marked[1] = SIZE_MAX;
	if (!llm_wants_cache(x->o))
		return;
	for (size_t i = 0; i < x->r->messages_count;) {
		if (x->r->messages[i].speaker == LLM_ASSISTANT) {
			i++;
			continue;
		}
		i = user_end(x->r, i, &last);
		if (last == SIZE_MAX)
			continue;
		x->marked[0] = x->marked[1];
		x->marked[1] = last;
	}
}

/* --- the rest of the body --- */

static void put_system(struct writer *x)
{
	struct buf system = BUF_INIT;
	llm_put_system(&system, x->r);
	if (!is_blank(buf_cstr(&system))) {
		jw_name(&x->w, "system");
		jw_array(&x->w);
		put_text(&x->w, buf_slice(&system), llm_wants_cache(x->o));
		jw_array_end(&x->w);
	}
	buf_release(&system);
}

static void put_tools(struct writer *x)
{
	struct jw *w = &x->w;
	jw_name(w, "tools");
	jw_array(w);
	for (size_t i = 0; i < x->r->tools_count; i++) {
		const struct llm_tool *t = &x->r->tools[i];
		jw_object(w);
		jw_kv_text(w, "name", t->name);
		if (llm_tool_text(t) != NULL)
			jw_kv_text(w, "description", llm_tool_text(t));
		jw_name(w, "input_schema");
		llm_put_schema(w, t);
		if (llm_wants_cache(x->o) && i + 1 == x->r->tools_count)
			put_mark(w);
		jw_object_end(w);
	}
	jw_array_end(w);
	if (x->r->force_tool == NULL && x->r->tool_choice == LLM_CHOICE_AUTO)
		return;
	jw_name(w, "tool_choice");
	jw_object(w);
	if (x->r->force_tool != NULL) {
		jw_kv_text(w, "type", "tool");
		jw_kv_text(w, "name", x->r->force_tool);
	} else {
		jw_kv_text(w, "type", x->r->tool_choice == LLM_CHOICE_REQUIRED ? "any" : "none");
	}
	jw_object_end(w);
}

static void put_thinking(struct writer *x, int output_tokens)
{
	const struct llm_options *o = x->o;
	int budget = o->thinking_tokens;
	/* The budget is part of the output's limit, and has a least size. */
	if (budget >= output_tokens)
		budget = output_tokens - 1;
	bool off = o->thinking == LLM_THINKING_OFF || x->r->force_tool != NULL ||
		   x->r->tool_choice == LLM_CHOICE_REQUIRED ||
		   (o->thinking == LLM_THINKING_BUDGET && budget < THINKING_TOKENS_MIN);
	if (o->thinking == LLM_THINKING_AUTO)
		return;
	jw_name(&x->w, "thinking");
	jw_object(&x->w);
	jw_kv_text(&x->w, "type",
		   off                                    ? "disabled"
		   : o->thinking == LLM_THINKING_ADAPTIVE ? "adaptive"
							  : "enabled");
	if (!off && o->thinking == LLM_THINKING_BUDGET)
		jw_kv_int(&x->w, "budget_tokens", budget);
	jw_object_end(&x->w);
}

/* Only schemas that are kept strictly are taken there; any other is the prompt's matter. */
static void put_output(struct writer *x)
{
	struct jw *w = &x->w;
	bool effort = x->o->reasoning_effort != NULL && x->o->reasoning_effort[0] != '\0';
	bool format = x->r->response_schema.len > 0 && x->o->json_format == LLM_FORMAT_SCHEMA &&
		      llm_schema_is_strict(x->r->response_schema);
	if (!effort && !format)
		return;
	jw_name(w, "output_config");
	jw_object(w);
	if (effort)
		jw_kv_text(w, "effort", x->o->reasoning_effort);
	if (format) {
		jw_name(w, "format");
		jw_object(w);
		jw_kv_text(w, "type", "json_schema");
		jw_kv_raw(w, "schema", x->r->response_schema.ptr, x->r->response_schema.len);
		jw_object_end(w);
	}
	jw_object_end(w);
}

enum err messages_encode(const struct llm_options *o, const struct llm_request *r, struct buf *out,
			 struct error *e)
{
	struct writer x = {.w = JW(out), .o = o, .r = r};
	int64_t given = llm_output_max(o, r);
	int64_t output_tokens = given > 0 ? given : OUTPUT_TOKENS_DEFAULT;
	llm_wire_origin(llm_wire_of(LLM_MESSAGES), o, x.origin);
	marks_find(&x);
	jw_object(&x.w);
	jw_kv_text(&x.w, "model", o->model);
	jw_kv_int(&x.w, "max_tokens", output_tokens);
	put_system(&x);
	if (r->tools_count > 0 && !r->tools_in_text)
		put_tools(&x);
	put_messages(&x);
	put_thinking(&x, output_tokens);
	put_output(&x);
	jw_kv_bool(&x.w, "stream", true);
	jw_object_end(&x.w);
	return llm_encode_end(out, e);
}
