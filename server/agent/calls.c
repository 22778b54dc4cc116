/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tool calls of one model turn. Read-only calls go out together; as soon as one of them may change
 * something, they go one after the other. A call that cannot be made (unknown tool, arguments that break the
 * schema, a writing tool in a step that was approved as reading) is answered to the model with what is wrong.
 * tool.started is written before a call is sent, and each call gets exactly one tool.completed or
 * tool.failed.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/schema.h"

#include <stdlib.h>
#include <string.h>

static bool call_refusal(struct exec_call *c, struct json **arguments, struct error *e);
static void call_refuse(struct exec_call *c, const struct error *e);
static void call_start(struct exec_call *c, const struct json *arguments);
static void call_progress(struct slice progress, struct slice total, struct slice message, void *arg);
static void call_end(const struct mcp_call_end *end, void *arg);
static bool call_completed(struct exec_call *c, const struct mcp_call_end *end, const struct json *result);
static bool call_failed(struct exec_call *c, const struct error *why, bool sent, int64_t duration_ms);

void calls_pump(struct exec *x)
{
	bool all_read_only = true;
	for (size_t i = 0; i < x->calls_count; i++)
		all_read_only = all_read_only && x->calls[i].tool != NULL && x->calls[i].tool->read_only;
	for (size_t i = 0; i < x->calls_count && !run_over(x->run); i++) {
		struct exec_call *c = &x->calls[i];
		if (c->state == CALL_RUNNING && !all_read_only)
			return;
		if (c->state != CALL_WAITING)
			continue;
		if (x->run->agent->draining)
			return;
		struct error e = {0};
		struct json *arguments = NULL;
		if (call_refusal(c, &arguments, &e))
			call_refuse(c, &e);
		else
			call_start(c, arguments);
		json_free(arguments);
		if (c->state == CALL_RUNNING && !all_read_only)
			return;
	}
}

bool calls_all_done(const struct exec *x)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state != CALL_DONE)
			return false;
	return true;
}

void calls_failure_text(const char *message, bool doubt, struct buf *out)
{
	buf_printf(out, "Error: %s", message);
	if (doubt)
		buf_add_str(out,
			    ". It is not known whether the call took effect: find out before you repeat it.");
}

void calls_cancel(struct exec *x)
{
	for (size_t i = 0; i < x->calls_count; i++) {
		if (x->calls[i].mcp != NULL)
			mcp_call_cancel(x->calls[i].mcp);
		x->calls[i].mcp = NULL;
	}
}

void calls_answer(struct exec_call *c, const char *text, bool is_error)
{
	struct exec *x = c->exec;
	exec_say(x, LLM_TOOL, text);
	x->messages[x->messages_count - 1].tool_call_id = c->model_id;
	x->messages[x->messages_count - 1].is_error = is_error;
	c->state = CALL_DONE;
}

/* --- helpers --- */

static bool call_refusal(struct exec_call *c, struct json **arguments, struct error *e)
{
	struct exec *x = c->exec;
	const struct plan_step *s = &x->run->plan->steps[x->step];
	if (c->tool == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no tool \"%s\" here; use one of the tools offered",
			       c->name);
	if (c->tool->server == NULL)
		return err_set(e, ERR_INVALID,
			       "call " FINISH_STEP " alone, after the other calls have answered, with "
			       "{\"status\": \"success\" or \"failed\", \"result\": \"...\"}");
	if (x->calls_made >= x->run->agent->options.calls_max)
		return err_set(e, ERR_FULL,
			       "this step has used its %d tool calls (agent.calls_max); call " FINISH_STEP
			       " now",
			       x->run->agent->options.calls_max);
	if (!c->tool->read_only && s->effect != STEP_EFFECT_WRITE)
		return err_set(
			e, ERR_CONFLICT,
			"this step was approved as reading only and %s may change things; call " FINISH_STEP
			" with status failed if it is needed",
			c->name);
	*arguments = json_parse(c->arguments, strlen(c->arguments), 0, e);
	if (*arguments == NULL)
		return err_prefix(e, "the arguments are not valid JSON");
	if (!json_is(*arguments, JSON_OBJECT))
		return err_set(e, ERR_FIELD, "the arguments must be a JSON object");
	enum err bad = schema_check(c->tool->schema, *arguments, e);
	return bad == ERR_FIELD && err_prefix(e, "the arguments do not fit the tool's schema");
}

static void call_refuse(struct exec_call *c, const struct error *e)
{
	if (!call_failed(c, e, false, 0))
		return;
	struct buf text = BUF_INIT;
	calls_failure_text(e->msg, false, &text);
	calls_answer(c, buf_cstr(&text), true);
	buf_release(&text);
}

static void call_head(struct record *rec, const struct exec_call *c)
{
	record_begin(rec);
	jw_kv_text(&rec->w, "call", c->id);
	jw_kv_text(&rec->w, "step", c->exec->run->plan->steps[c->exec->step].id);
	jw_kv_text(&rec->w, "model_call", c->model_id);
	if (c->tool != NULL && c->tool->server != NULL)
		jw_kv_text(&rec->w, "server", c->tool->server);
	jw_kv_text(&rec->w, "tool",
		   c->tool != NULL && c->tool->server != NULL ? c->tool->server_tool : c->name);
}

static void call_start(struct exec_call *c, const struct json *arguments)
{
	struct run *r = c->exec->run;
	struct record rec;
	run_call_name(r, c->id);
	call_head(&rec, c);
	jw_kv_json(&rec.w, "arguments", arguments);
	jw_kv_bool(&rec.w, "read_only", c->tool->read_only);
	if (!record_event(r, &rec, EVENT_TOOL_STARTED))
		return;
	c->exec->wrote = c->exec->wrote || !c->tool->read_only;
	store_count(r->agent->store, COUNTER_TOOL_CALLS, 1);
	struct buf text = BUF_INIT;
	json_print(arguments, &text);
	struct mcp_call_request req = {.server = c->tool->server,
				       .tool = c->tool->server_tool,
				       .arguments = buf_slice(&text),
				       .task_id = r->task_id,
				       .want_progress = true};
	struct mcp_call_handler h = {.on_progress = call_progress, .on_end = call_end, .arg = c};
	c->state = CALL_RUNNING;
	c->exec->calls_made++;
	c->mcp = mcp_call_start(r->agent->mcp, &req, h);
	buf_release(&text);
}

static void call_progress(struct slice progress, struct slice total, struct slice message, void *arg)
{
	struct exec_call *c = arg;
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "call", c->id);
	jw_kv_text(&rec.w, "step", c->exec->run->plan->steps[c->exec->step].id);
	jw_kv_raw(&rec.w, "progress", progress.ptr, progress.len);
	if (total.len > 0)
		jw_kv_raw(&rec.w, "total", total.ptr, total.len);
	if (message.len > 0) {
		jw_name(&rec.w, "message");
		jw_text_n(&rec.w, message.ptr, message.len);
	}
	record_live(c->exec->run, &rec, EVENT_TOOL_PROGRESS);
}

static void call_end(const struct mcp_call_end *end, void *arg)
{
	struct exec_call *c = arg;
	struct run *r = c->exec->run;
	struct error why = end->error;
	struct json *result = NULL;
	c->mcp = NULL;
	if (why.code == ERR_NONE) {
		result = json_parse(end->result.ptr, end->result.len, JSON_DEPTH_MAX, &why);
		if (result == NULL)
			err_prefix(&why, "the tool server's answer is not valid JSON");
	}
	bool kept = result != NULL ? call_completed(c, end, result)
				   : call_failed(c, &why, end->sent, end->duration_ms);
	if (kept) {
		struct buf text = BUF_INIT;
		if (result != NULL && end->is_error)
			buf_add_str(&text, "Error: ");
		if (result != NULL)
			result_text(result, exec_context_bytes_max(r->agent), &text);
		else
			calls_failure_text(why.msg, end->sent && !c->tool->read_only, &text);
		calls_answer(c, buf_cstr(&text), result == NULL || end->is_error);
		buf_release(&text);
		run_wake(r);
	}
	json_free(result);
}

/* A result over limits.tool_result_bytes is kept as the bounded text of it, and says so. */
static bool call_completed(struct exec_call *c, const struct mcp_call_end *end, const struct json *result)
{
	struct run *r = c->exec->run;
	size_t bytes_max = r->agent->options.tool_result_bytes_max;
	struct record rec;
	call_head(&rec, c);
	jw_kv_bool(&rec.w, "is_error", end->is_error);
	jw_kv_int(&rec.w, "duration_ms", end->duration_ms);
	if (end->result.len <= bytes_max) {
		jw_kv_raw(&rec.w, "result", end->result.ptr, end->result.len);
	} else {
		struct buf text = BUF_INIT;
		result_text(result, bytes_max, &text);
		jw_name(&rec.w, "result");
		jw_object(&rec.w);
		jw_name(&rec.w, "content");
		jw_array(&rec.w);
		jw_object(&rec.w);
		jw_kv_text(&rec.w, "type", "text");
		jw_kv_text(&rec.w, "text", buf_cstr(&text));
		jw_object_end(&rec.w);
		jw_array_end(&rec.w);
		jw_object_end(&rec.w);
		jw_kv_bool(&rec.w, "truncated", true);
		jw_kv_int(&rec.w, "result_bytes", (int64_t)end->result.len);
		buf_release(&text);
	}
	return record_event(r, &rec, EVENT_TOOL_COMPLETED);
}

static bool call_failed(struct exec_call *c, const struct error *why, bool sent, int64_t duration_ms)
{
	struct record rec;
	if (c->id[0] == '\0')
		run_call_name(c->exec->run, c->id);
	call_head(&rec, c);
	record_error(&rec, record_error_code(why), why->msg);
	jw_kv_bool(&rec.w, "sent", sent);
	jw_kv_int(&rec.w, "duration_ms", duration_ms);
	return record_event(c->exec->run, &rec, EVENT_TOOL_FAILED);
}
