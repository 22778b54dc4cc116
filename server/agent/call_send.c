/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tool call on its way: started, sent, what its server says meanwhile, its end. tool.started is written
 * before it is sent, once for each call however often it is sent; unless the tool only reads, it is durable
 * before. Each call gets exactly one tool.completed or tool.failed. Calls that a process died with are
 * doubt.c's.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <string.h>

bool call_repeatable(const struct exec_call *c)
{
	return c->read_only || c->idempotent;
}

void call_start(struct exec_call *c, const struct json *arguments)
{
	struct exec *x = c->exec;
	struct run *r = x->run;
	struct record rec;
	struct buf text = BUF_INIT;
	bool idempotent = toolbox_idempotent(&x->box, c->tool);
	if (!budget_tool_take(r))
		return;
	/* What was checked is what is sent: members that stand twice, say, stand once. */
	json_print(arguments, &text);
	c->arguments = exec_keep(x, buf_cstr(&text));
	buf_release(&text);
	c->untrusted = toolbox_untrusted(&x->box, c->tool);
	run_call_name(r, x, c->id);
	call_head(&rec, c);
	jw_kv_raw(&rec.w, "arguments", c->arguments, strlen(c->arguments));
	jw_kv_bool(&rec.w, "read_only", c->tool->read_only);
	jw_kv_bool(&rec.w, "idempotent", idempotent);
	permit_write(c, &rec.w);
	if (!record_event(r, &rec, EVENT_TOOL_STARTED))
		return;
	inherit_sent(c, arguments);
	c->started = true;
	c->read_only = c->tool->read_only;
	c->idempotent = idempotent;
	c->server = c->tool->server;
	c->server_tool = c->tool->server_tool;
	c->started_ms = clock_wall_ms();
	c->seq = r->last_seq;
	c->state = CALL_JOURNALED;
	x->calls_made++;
	x->wrote = x->wrote || !c->read_only;
	store_count(r->agent->store, COUNTER_TOOL_CALLS, 1);
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

/* A process died with it, or is away: its server, the supervisor. A server that lives and does not answer in
 * time, or refuses, is another matter: the model is told. */
static bool end_is_loss(const struct mcp_call_end *end)
{
	enum err code = end->error.code;
	return code == ERR_LOST || code == ERR_IN_DOUBT || code == ERR_UNAVAILABLE;
}

static void call_end(const struct mcp_call_end *end, void *arg)
{
	struct exec_call *c = arg;
	struct run *r = c->exec->run;
	struct error why = end->error;
	struct json *result = NULL;
	c->mcp = NULL;
	asks_call_over(c);
	if (why.code == ERR_NONE) {
		result = json_parse(end->result.ptr, end->result.len, JSON_DEPTH_MAX, &why);
		if (result == NULL)
			err_prefix(&why, "the tool server's answer is not valid JSON");
	}
	if (result != NULL)
		result_keep(c, end, result);
	else if (end_is_loss(end))
		call_lost(c, &why, end->sent, call_wait_ms(c));
	else
		call_failed(c, &why, end->sent);
	if (!run_over(r))
		run_wake(r);
}

static void call_asked(const struct mcp_ask *ask, void *arg)
{
	asks_take(arg, ask);
}

static void call_ask_over(uint64_t number, const char *why, void *arg)
{
	struct exec_call *c = arg;
	log_info("what a tool server asked is not asked any more", LF_STR("task_id", c->exec->run->task_id),
		 LF_STR("call", c->id), LF_STR("why", why));
	asks_over(c, number);
}

static void call_logged(struct slice params, void *arg)
{
	struct exec_call *c = arg;
	struct record rec;
	struct json *j = json_parse(params.ptr, params.len, 0, NULL);
	record_begin(&rec);
	jw_kv_text(&rec.w, "call", c->id);
	jw_kv_text(&rec.w, "step", c->exec->run->plan->steps[c->exec->step].id);
	jw_kv_text(&rec.w, "server", c->server);
	jw_kv_text(&rec.w, "level", json_get_text(j, "level", "info"));
	if (json_get_text(j, "logger", NULL) != NULL)
		jw_kv_text(&rec.w, "logger", json_get_text(j, "logger", NULL));
	jw_kv_json(&rec.w, "data", json_get(j, "data"));
	record_live(c->exec->run, &rec, EVENT_TOOL_LOG);
	json_free(j);
}

void call_send(struct exec_call *c)
{
	struct run *r = c->exec->run;
	char key[ID_TEXT_SIZE + CALL_ID_SIZE + 1];
	snprintf(key, sizeof key, "%s:%s", r->task_id, c->id);
	struct mcp_call_request req = {.server = c->server != NULL ? c->server : "",
				       .tool = c->server_tool,
				       .arguments = slice_str(c->arguments),
				       .task_id = r->task_id,
				       .want_progress = true,
				       .idempotency_key = key};
	struct mcp_call_handler h = {.on_progress = call_progress,
				     .on_end = call_end,
				     .arg = c,
				     .on_ask = call_asked,
				     .on_ask_over = call_ask_over,
				     .on_log = call_logged};
	c->state = CALL_RUNNING;
	c->mcp = mcp_call_start(r->agent->mcp, &req, h);
}
