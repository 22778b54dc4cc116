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

static void put_call(struct jw *w, const struct llm_tool_call *c)
{
	struct buf arguments = BUF_INIT;
	llm_put_arguments(&arguments, c);
	jw_object(w);
	jw_kv_text(w, "id", c->id);
	jw_kv_text(w, "type", "function");
	jw_name(w, "function");
	jw_object(w);
	jw_kv_text(w, "name", c->name);
	jw_kv_text(w, "arguments", buf_cstr(&arguments));
	jw_object_end(w);
	llm_put_members(w, c->opaque);
	jw_object_end(w);
	buf_release(&arguments);
}

static void put_assistant(struct jw *w, const struct llm_options *o, const struct llm_message *m)
{
	bool empty = m->text == NULL || m->text[0] == '\0';
	if (empty && m->calls_count > 0)
		jw_kv_raw(w, "content", NULL, 0);
	else
		jw_kv_text(w, "content", empty ? "" : m->text);
	if (m->reasoning != NULL && o->reasoning_echo != LLM_ECHO_OFF)
		jw_kv_text(w, o->reasoning_echo == LLM_ECHO_REASONING ? "reasoning" : "reasoning_content",
			   m->reasoning);
	if (m->calls_count == 0)
		return;
	jw_name(w, "tool_calls");
	jw_array(w);
	for (size_t i = 0; i < m->calls_count; i++)
		put_call(w, &m->calls[i]);
	jw_array_end(w);
}

static void put_message(struct jw *w, const struct llm_options *o, const struct llm_message *m)
{
	static const char *const roles[] = {[LLM_SYSTEM] = "system",
					    [LLM_USER] = "user",
					    [LLM_ASSISTANT] = "assistant",
					    [LLM_TOOL] = "tool"};
	ensure(m->speaker <= LLM_TOOL);
	jw_object(w);
	jw_kv_text(w, "role", roles[m->speaker]);
	if (m->speaker == LLM_ASSISTANT) {
		put_assistant(w, o, m);
	} else {
		if (m->speaker == LLM_TOOL)
			jw_kv_text(w, "tool_call_id", m->tool_call_id);
		jw_kv_text(w, "content", m->text != NULL ? m->text : "");
	}
	jw_object_end(w);
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
		if (llm_tool_text(t) != NULL)
			jw_kv_text(w, "description", llm_tool_text(t));
		jw_name(w, "parameters");
		llm_put_schema(w, t);
		jw_object_end(w);
		jw_object_end(w);
	}
	jw_array_end(w);
	if (r->force_tool == NULL && r->tool_choice != LLM_CHOICE_AUTO)
		jw_kv_text(w, "tool_choice", r->tool_choice == LLM_CHOICE_REQUIRED ? "required" : "none");
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
		jw_kv_bool(w, "strict", llm_schema_is_strict(r->response_schema));
		jw_kv_raw(w, "schema", r->response_schema.ptr, r->response_schema.len);
		jw_object_end(w);
	}
	jw_object_end(w);
}

/* The newer name is refused or ignored by many compatible servers, the older one by newer models of OpenAI.
 */
static const char *limit_name(const struct llm_options *o)
{
	bool theirs = o->base_url == NULL || o->base_url[0] == '\0' ||
		      strstr(o->base_url, "openai.com") != NULL ||
		      strstr(o->base_url, "openai.azure.com") != NULL;
	return theirs ? "max_completion_tokens" : "max_tokens";
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
		put_message(w, o, &r->messages[i]);
	jw_array_end(w);
	if (r->tools_count > 0 && !r->tools_in_text)
		put_tools(w, r);
	put_format(w, o, r);
	if (llm_output_max(o, r) > 0)
		jw_kv_int(w, limit_name(o), llm_output_max(o, r));
	if (o->reasoning_effort != NULL && o->reasoning_effort[0] != '\0')
		jw_kv_text(w, "reasoning_effort", o->reasoning_effort);
	if (llm_wants_cache(o) && r->task_id != NULL)
		jw_kv_text(w, "prompt_cache_key", r->task_id);
	jw_kv_bool(w, "stream", true);
	jw_name(w, "stream_options");
	jw_object(w);
	jw_kv_bool(w, "include_usage", true);
	jw_object_end(w);
	jw_object_end(w);
	return llm_encode_end(out, e);
}
