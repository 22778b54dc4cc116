/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to the body of OpenAI Chat Completions (POST {base}/chat/completions, streamed). Pure.
 *
 * It sends the least that every server of the kind understands: no sampling parameters, a limit of output
 * only when the operator set one, a response format only in the form the configuration says the server knows.
 * What the next turn must give back (unknown members of tool calls, reasoning) is given back as it came. It
 * does not choose or shorten messages and tools: that is the agent's work.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <string.h>

static bool is_json_object(const char *text)
{
	struct json *j = json_parse(text, strlen(text), JSON_DEPTH_MAX, NULL);
	bool yes = json_is(j, JSON_OBJECT);
	json_free(j);
	return yes;
}

/* Servers that render calls into a prompt parse the arguments and answer 400 to what is no object, which
 * would end the run for a slip of the model that its own next turn can mend. So such text goes back wrapped.
 */
static void put_arguments(struct jw *w, const char *arguments)
{
	const char *text = arguments != NULL && arguments[0] != '\0' ? arguments : "{}";
	if (is_json_object(text)) {
		jw_kv_text(w, "arguments", text);
		return;
	}
	struct buf wrapped = BUF_INIT;
	struct jw inner = JW(&wrapped);
	jw_object(&inner);
	jw_kv_text(&inner, "invalid_arguments", text);
	jw_object_end(&inner);
	jw_kv_text(w, "arguments", buf_cstr(&wrapped));
	buf_release(&wrapped);
}

static void put_opaque(struct jw *w, const char *opaque)
{
	struct json *j = json_parse(opaque, strlen(opaque), JSON_DEPTH_MAX, NULL);
	for (const struct json *m = json_first(j); m != NULL; m = json_next(m)) {
		jw_text(w, json_name(m));
		/* A name of the server's choosing needs escaping, which jw_name does not do: write it as
		 * text. */
		buf_add_char(w->out, ':');
		w->comma = false;
		jw_json(w, m);
	}
	json_free(j);
}

static void put_call(struct jw *w, const struct llm_tool_call *c)
{
	jw_object(w);
	jw_kv_text(w, "id", c->id);
	jw_kv_text(w, "type", "function");
	jw_name(w, "function");
	jw_object(w);
	jw_kv_text(w, "name", c->name);
	put_arguments(w, c->arguments);
	jw_object_end(w);
	if (c->opaque != NULL)
		put_opaque(w, c->opaque);
	jw_object_end(w);
}

static void put_assistant(struct jw *w, const struct llm_message *m)
{
	if (m->text == NULL && m->calls_count > 0)
		jw_kv_raw(w, "content", NULL, 0);
	else
		jw_kv_text(w, "content", m->text != NULL ? m->text : "");
	if (m->reasoning != NULL)
		jw_kv_text(w, "reasoning_content", m->reasoning);
	if (m->calls_count == 0)
		return;
	jw_name(w, "tool_calls");
	jw_array(w);
	for (size_t i = 0; i < m->calls_count; i++)
		put_call(w, &m->calls[i]);
	jw_array_end(w);
}

static void put_message(struct jw *w, const struct llm_message *m)
{
	static const char *const roles[] = {[LLM_SYSTEM] = "system",
					    [LLM_USER] = "user",
					    [LLM_ASSISTANT] = "assistant",
					    [LLM_TOOL] = "tool"};
	ensure(m->speaker <= LLM_TOOL);
	jw_object(w);
	jw_kv_text(w, "role", roles[m->speaker]);
	if (m->speaker == LLM_ASSISTANT) {
		put_assistant(w, m);
	} else {
		if (m->speaker == LLM_TOOL)
			jw_kv_text(w, "tool_call_id", m->tool_call_id);
		jw_kv_text(w, "content", m->text != NULL ? m->text : "");
	}
	jw_object_end(w);
}

/* OpenAI refuses an object schema without "properties", which many tools without arguments declare. */
static void put_parameters(struct jw *w, const struct llm_tool *t)
{
	static const char none[] = "{\"type\":\"object\",\"properties\":{}}";
	jw_name(w, "parameters");
	if (t->schema == NULL && t->schema_text.len == 0) {
		jw_raw(w, none, sizeof(none) - 1);
	} else if (t->schema == NULL ||
		   (json_get(t->schema, "properties") != NULL && t->schema_text.len > 0)) {
		jw_raw(w, t->schema_text.ptr, t->schema_text.len);
	} else if (json_get(t->schema, "properties") != NULL || !json_is(t->schema, JSON_OBJECT)) {
		jw_json(w, t->schema);
	} else {
		struct json *copy = json_copy(t->schema);
		if (json_get(copy, "type") == NULL)
			json_set(copy, "type", json_new_text("object"));
		json_set(copy, "properties", json_new_object());
		jw_json(w, copy);
		json_free(copy);
	}
}

static void put_tools(struct jw *w, const struct llm_request *r)
{
	jw_name(w, "tools");
	jw_array(w);
	for (size_t i = 0; i < r->tools_count; i++) {
		const struct llm_tool *t = &r->tools[i];
		jw_object(w);
		jw_kv_text(w, "type", "function");
		jw_name(w, "function");
		jw_object(w);
		jw_kv_text(w, "name", t->name);
		if (t->description != NULL || t->title != NULL)
			jw_kv_text(w, "description", t->description != NULL ? t->description : t->title);
		put_parameters(w, t);
		jw_object_end(w);
		jw_object_end(w);
	}
	jw_array_end(w);
	if (r->force_tool == NULL)
		return;
	jw_name(w, "tool_choice");
	jw_object(w);
	jw_kv_text(w, "type", "function");
	jw_name(w, "function");
	jw_object(w);
	jw_kv_text(w, "name", r->force_tool);
	jw_object_end(w);
	jw_object_end(w);
}

static void put_format(struct jw *w, const struct llm_options *o, const struct llm_request *r)
{
	if (r->response_schema.len == 0 || o->json_format == LLM_FORMAT_NONE)
		return;
	jw_name(w, "response_format");
	jw_object(w);
	if (o->json_format == LLM_FORMAT_OBJECT) {
		jw_kv_text(w, "type", "json_object");
	} else {
		jw_kv_text(w, "type", "json_schema");
		jw_name(w, "json_schema");
		jw_object(w);
		jw_kv_text(w, "name", r->schema_name != NULL ? r->schema_name : "answer");
		jw_kv_bool(w, "strict", true);
		jw_kv_raw(w, "schema", r->response_schema.ptr, r->response_schema.len);
		jw_object_end(w);
	}
	jw_object_end(w);
}

enum err chat_encode(const struct llm_options *o, const struct llm_request *r, struct buf *out,
		     struct error *e)
{
	struct jw writer = JW(out), *w = &writer;
	jw_object(w);
	jw_kv_text(w, "model", o->model);
	jw_name(w, "messages");
	jw_array(w);
	for (size_t i = 0; i < r->messages_count; i++)
		put_message(w, &r->messages[i]);
	jw_array_end(w);
	if (r->tools_count > 0 && !r->tools_in_text)
		put_tools(w, r);
	put_format(w, o, r);
	if (o->max_output_tokens > 0)
		jw_kv_int(w, "max_completion_tokens", o->max_output_tokens);
	jw_kv_bool(w, "stream", true);
	jw_name(w, "stream_options");
	jw_object(w);
	jw_kv_bool(w, "include_usage", true);
	jw_object_end(w);
	jw_object_end(w);
	if (out->overflow)
		return err_set(e, ERR_TOO_LARGE,
			       "the conversation is over %zu bytes: too large for one model call",
			       out->max != 0 ? out->max : BUF_MAX_DEFAULT);
	return ERR_NONE;
}
