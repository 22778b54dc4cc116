/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to the body of OpenAI Responses (POST {base}/responses, streamed). Pure.
 *
 * Stateless: nothing is stored at the server (store: false), the whole conversation is sent each time, and
 * items go back without the server's ids, which name nothing there. Reasoning goes back sealed
 * (encrypted_content), which has to be asked for and only models that reason have. Tools are never strict,
 * since schemas of tool servers seldom stay within what that takes.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <string.h>

static void put_text_message(struct jw *w, const char *role, struct slice text, const char *phase)
{
	jw_object(w);
	jw_kv_text(w, "type", "message");
	jw_kv_text(w, "role", role);
	if (phase != NULL)
		jw_kv_text(w, "phase", phase);
	jw_name(w, "content");
	jw_array(w);
	jw_object(w);
	jw_kv_text(w, "type", strcmp(role, "assistant") == 0 ? "output_text" : "input_text");
	jw_name(w, "text");
	jw_text_n(w, text.ptr, text.len);
	jw_object_end(w);
	jw_array_end(w);
	jw_object_end(w);
}

static void put_call(struct jw *w, const struct llm_tool_call *c)
{
	struct buf arguments = BUF_INIT;
	llm_put_arguments(&arguments, c);
	jw_object(w);
	jw_kv_text(w, "type", "function_call");
	jw_kv_text(w, "call_id", c->id);
	jw_kv_text(w, "name", c->name);
	jw_kv_text(w, "arguments", buf_cstr(&arguments));
	llm_put_members(w, c->opaque);
	jw_object_end(w);
	buf_release(&arguments);
}

static void put_assistant(struct jw *w, const struct llm_message *m, const char *origin)
{
	struct llm_parts parts;
	struct llm_part p;
	llm_parts_open(&parts, m, origin);
	while (llm_parts_next(&parts, &p)) {
		if (p.kind == LLM_PART_RAW)
			jw_json(w, p.raw);
		else if (p.kind == LLM_PART_CALL)
			put_call(w, p.call);
		else
			put_text_message(w, "assistant", p.text, p.phase);
	}
	llm_parts_close(&parts);
}

static void put_message(struct jw *w, const struct llm_message *m, const char *origin)
{
	switch (m->speaker) {
	case LLM_SYSTEM: return; /* in `instructions` */
	case LLM_ASSISTANT: put_assistant(w, m, origin); return;
	case LLM_USER: put_text_message(w, "user", slice_str(m->text), NULL); return;
	case LLM_TOOL:
		jw_object(w);
		jw_kv_text(w, "type", "function_call_output");
		jw_kv_text(w, "call_id", m->tool_call_id);
		jw_kv_text(w, "output", m->text != NULL ? m->text : "");
		jw_object_end(w);
		return;
	}
	ensure(!"a speaker of no kind");
}

static void put_tools(struct jw *w, const struct llm_request *r)
{
	jw_name(w, "tools");
	jw_array(w);
	for (size_t i = 0; i < r->tools_count; i++) {
		const struct llm_tool *t = &r->tools[i];
		jw_object(w);
		jw_kv_text(w, "type", "function");
		jw_kv_text(w, "name", t->name);
		if (llm_tool_text(t) != NULL)
			jw_kv_text(w, "description", llm_tool_text(t));
		jw_name(w, "parameters");
		llm_put_schema(w, t);
		jw_kv_bool(w, "strict", false);
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
	jw_kv_text(w, "name", r->force_tool);
	jw_object_end(w);
}

static void put_format(struct jw *w, const struct llm_options *o, const struct llm_request *r)
{
	if (r->response_schema.len == 0 || o->json_format == LLM_FORMAT_NONE)
		return;
	jw_name(w, "text");
	jw_object(w);
	jw_name(w, "format");
	jw_object(w);
	if (o->json_format == LLM_FORMAT_OBJECT) {
		jw_kv_text(w, "type", "json_object");
	} else {
		jw_kv_text(w, "type", "json_schema");
		jw_kv_text(w, "name", r->schema_name != NULL ? r->schema_name : "answer");
		jw_kv_bool(w, "strict", llm_schema_is_strict(r->response_schema));
		jw_kv_raw(w, "schema", r->response_schema.ptr, r->response_schema.len);
	}
	jw_object_end(w);
	jw_object_end(w);
}

/* Models that do not reason answer 400 when asked for sealed reasoning. New ones all do. */
static bool may_reason(const struct llm_options *o)
{
	static const char *const plain[] = {"gpt-3", "gpt-4", "chatgpt-4"};
	const char *slash = strrchr(o->model, '/');
	const char *name = slash != NULL ? slash + 1 : o->model;
	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		if (strncmp(name, plain[i], strlen(plain[i])) == 0)
			return false;
	}
	return true;
}

static void put_reasoning(struct jw *w, const struct llm_options *o)
{
	if (o->reasoning_effort != NULL && o->reasoning_effort[0] != '\0') {
		jw_name(w, "reasoning");
		jw_object(w);
		jw_kv_text(w, "effort", o->reasoning_effort);
		jw_object_end(w);
	}
	if (!may_reason(o))
		return;
	jw_name(w, "include");
	jw_array(w);
	jw_text(w, "reasoning.encrypted_content");
	jw_array_end(w);
}

enum err responses_encode(const struct llm_options *o, const struct llm_request *r, struct buf *out,
			  struct error *e)
{
	struct jw writer = JW(out), *w = &writer;
	struct buf system = BUF_INIT;
	char origin[LLM_ORIGIN_SIZE];
	llm_wire_origin(llm_wire_of(LLM_RESPONSES), o, origin);
	llm_put_system(&system, r);
	jw_object(w);
	jw_kv_text(w, "model", o->model);
	if (system.len > 0)
		jw_kv_text(w, "instructions", buf_cstr(&system));
	jw_name(w, "input");
	jw_array(w);
	for (size_t i = 0; i < r->messages_count; i++)
		put_message(w, &r->messages[i], origin);
	jw_array_end(w);
	if (r->tools_count > 0 && !r->tools_in_text)
		put_tools(w, r);
	put_format(w, o, r);
	put_reasoning(w, o);
	if (llm_output_max(o, r) > 0)
		jw_kv_int(w, "max_output_tokens", llm_output_max(o, r));
	if (llm_wants_cache(o) && r->task_id != NULL)
		jw_kv_text(w, "prompt_cache_key", r->task_id);
	jw_kv_bool(w, "store", false);
	jw_kv_bool(w, "stream", true);
	jw_object_end(w);
	buf_release(&system);
	return llm_encode_end(out, e);
}
