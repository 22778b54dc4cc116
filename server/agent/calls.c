/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tool calls of one model turn. Read-only calls go out together; as soon as one of them may change
 * something, they go one after the other. A call that cannot be made (unknown tool, arguments that break the
 * schema, a writing tool in a step that was approved as reading) is answered to the model with what is wrong.
 *
 * tool.started is written before a call is sent, once for each call however often it is sent; unless the tool
 * only reads, it is durable before. Each call gets exactly one tool.completed or tool.failed. Calls that a
 * process died with are doubt.c's.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void call_pump(struct exec_call *c);
static void call_begin(struct exec_call *c);
static bool call_refusal(struct exec_call *c, struct json **arguments, struct error *e);
static void call_permit(struct exec_call *c, const struct json *arguments);
static void call_start(struct exec_call *c, const struct json *arguments);
static void call_send(struct exec_call *c);
static void call_progress(struct slice progress, struct slice total, struct slice message, void *arg);
static void call_end(const struct mcp_call_end *end, void *arg);
static void call_asked(const struct mcp_ask *ask, void *arg);
static void call_ask_over(uint64_t number, const char *why, void *arg);
static void call_logged(struct slice params, void *arg);

/* Models may give one id twice: the first that was not started is meant. */
struct exec_call *call_unstarted(struct exec *x, const char *model_call)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state == CALL_WAITING && !x->calls[i].started &&
		    strcmp(x->calls[i].model_id, model_call) == 0)
			return &x->calls[i];
	return NULL;
}

static bool call_reads(const struct exec_call *c)
{
	return c->started ? c->read_only : c->tool != NULL && c->tool->read_only;
}

void calls_pump(struct exec *x)
{
	bool together = true;
	for (size_t i = 0; i < x->calls_count; i++)
		together = together && call_reads(&x->calls[i]);
	for (size_t i = 0; i < x->calls_count && !run_over(x->run); i++) {
		if (finish_rides(&x->calls[i]))
			continue;
		call_pump(&x->calls[i]);
		if (run_over(x->run) || (x->calls[i].state != CALL_DONE && !together))
			return;
	}
	for (size_t i = 0; i < x->calls_count && !run_over(x->run); i++)
		if (x->calls[i].state == CALL_WAITING && finish_rides(&x->calls[i]))
			call_pump(&x->calls[i]);
}

bool calls_all_done(const struct exec *x)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state != CALL_DONE)
			return false;
	return true;
}

bool calls_in_flight(const struct exec *x, bool people)
{
	/* What waits for a disk that takes nothing waits for nothing: it is made by whoever resumes the run.
	 */
	bool durable_soon = store_accepts(x->run->agent->store, NULL) == ERR_NONE;
	for (size_t i = 0; i < x->calls_count; i++) {
		enum call_state s = x->calls[i].state;
		if (!people && s == CALL_RUNNING && asks_person(&x->calls[i]))
			continue;
		bool waits = s == CALL_JOURNALED || (s == CALL_KEEPING && x->calls[i].keeping == NULL);
		if (s == CALL_RUNNING || s == CALL_READING || (s == CALL_KEEPING && !waits) ||
		    (waits && durable_soon))
			return true;
	}
	return false;
}

bool calls_journaled(const struct exec *x)
{
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state == CALL_JOURNALED)
			return true;
	return false;
}

int64_t calls_again_mono_ms(const struct exec *x)
{
	int64_t at = INT64_MAX;
	for (size_t i = 0; i < x->calls_count; i++)
		if (x->calls[i].state == CALL_LOST && x->calls[i].again_mono_ms < at)
			at = x->calls[i].again_mono_ms;
	return at;
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
		struct exec_call *c = &x->calls[i];
		if (c->mcp != NULL)
			mcp_call_cancel(c->mcp);
		asks_call_over(c);
		if (c->keeping != NULL)
			archive_cancel(c->keeping);
		call_result_free(c->result);
		c->mcp = NULL;
		c->keeping = NULL;
		c->result = NULL;
	}
}

/* What came from outside stands between marks that nobody outside can know, and what the runtime says of it
 * behind. The offline rules read nothing into it. */
static void answer_said(const struct exec_call *c, const char *text, const char *warning, struct buf *out)
{
	const struct run *r = c->exec->run;
	bool outside = c->started || (c->tool != NULL && strcmp(c->name, READ_RESULT) == 0);
	if (outside && !agent_is_offline(r->agent, LLM_EXECUTOR))
		buf_printf(out, "<data-%s>\n%s\n</data-%s>", r->fence, text, r->fence);
	else
		buf_add_str(out, text);
	if (c->permit.edited)
		buf_add_str(out, "\n[a person changed the arguments before the call was made]");
	if (warning != NULL)
		buf_printf(out, "\n[%s]", warning);
}

void calls_answer(struct exec_call *c, const char *text, const char *full, bool is_error)
{
	struct exec *x = c->exec;
	struct repeats_verdict v = repeats_note(&x->repeats, c->name, c->arguments, text, is_error);
	struct llm_message *m = &x->messages[c->message];
	struct buf clean = BUF_INIT, said = BUF_INIT;
	text_clean(slice_str(text), &clean);
	answer_said(c, buf_cstr(&clean), v.warning, &said);
	m->text = exec_keep(x, buf_cstr(&said));
	m->is_error = is_error;
	context_keep(x, c,
		     full != NULL            ? full
		     : said.len == clean.len ? m->text
					     : buf_cstr(&clean),
		     is_error);
	buf_release(&clean);
	buf_release(&said);
	if (v.stuck != NULL)
		x->stuck = v.stuck;
	c->state = CALL_DONE;
	x->run->tainted = x->run->tainted || c->untrusted;
}

void calls_answer_result(struct exec_call *c, struct result_view *v)
{
	const struct agent *a = c->exec->run->agent;
	struct buf shown = BUF_INIT, full = BUF_INIT;
	v->handle = agent_is_offline(a, LLM_EXECUTOR) ? NULL : c->id;
	v->reader = c->server != NULL ? toolbox_reader(&c->exec->box, c->server) : NULL;
	result_shown(v, exec_context_bytes_max(a), &shown, &full);
	calls_answer(c, buf_cstr(&shown), full.len > 0 ? buf_cstr(&full) : NULL, v->is_error);
	buf_release(&shown);
	buf_release(&full);
}

void call_head(struct record *rec, const struct exec_call *c)
{
	const char *server = c->server, *tool = c->server_tool;
	if (!c->started && c->tool != NULL && c->tool->server != NULL) {
		server = c->tool->server;
		tool = c->tool->server_tool;
	}
	record_begin(rec);
	jw_kv_text(&rec->w, "call", c->id);
	jw_kv_text(&rec->w, "step", c->exec->run->plan->steps[c->exec->step].id);
	jw_kv_text(&rec->w, "model_call", c->model_id);
	if (server != NULL)
		jw_kv_text(&rec->w, "server", server);
	jw_kv_text(&rec->w, "tool", tool != NULL ? tool : c->name);
	if (c->untrusted)
		jw_kv_bool(&rec->w, "untrusted", true);
}

void call_failed(struct exec_call *c, const struct error *why, bool sent)
{
	struct record rec;
	int64_t ms = c->started ? clock_wall_ms() - c->started_ms : 0;
	if (c->id[0] == '\0')
		run_call_name(c->exec->run, c->exec, c->id);
	sent = sent || c->was_sent;
	call_head(&rec, c);
	record_error(&rec, record_error_code(why), why->msg);
	if (!c->started)
		permit_write(c, &rec.w);
	jw_kv_bool(&rec.w, "sent", sent);
	jw_kv_int(&rec.w, "duration_ms", ms > 0 ? ms : 0);
	if (!record_event(c->exec->run, &rec, EVENT_TOOL_FAILED))
		return;
	struct buf text = BUF_INIT;
	calls_failure_text(why->msg, sent && !call_repeatable(c), &text);
	calls_answer(c, buf_cstr(&text), NULL, true);
	buf_release(&text);
}

bool call_repeatable(const struct exec_call *c)
{
	return c->read_only || c->idempotent;
}

/* --- helpers --- */

static void call_pump(struct exec_call *c)
{
	struct run *r = c->exec->run;
	bool begins = agent_begins(r->agent);
	if (c->state == CALL_WAITING && begins && !permits_hold_calls(r))
		call_begin(c);
	else if (c->state == CALL_LOST && begins && clock_mono_ms() >= c->again_mono_ms)
		call_again(c);
	if (c->state == CALL_KEEPING)
		result_keep_again(c);
	if (!run_over(r) && c->state == CALL_JOURNALED && (c->read_only || run_is_durable(r, c->seq)))
		call_send(c);
}

static void call_begin(struct exec_call *c)
{
	struct error e = {0};
	struct json *arguments = NULL;
	if (finish_rides(c))
		finish_ride(c);
	else if (call_refusal(c, &arguments, &e))
		call_failed(c, &e, false);
	else if (builtin_is(c->tool))
		builtin_call(c, arguments);
	else
		call_permit(c, arguments);
	json_free(arguments);
}

static void call_permit(struct exec_call *c, const struct json *arguments)
{
	struct error e;
	switch (permit_decide(c, arguments)) {
	case PERMIT_ALLOW:
		if (!inherit_reuse(c, arguments))
			call_start(c, arguments);
		break;
	case PERMIT_ASK:
		c->state = CALL_ASKING;
		run_wake(c->exec->run);
		break;
	case PERMIT_DENY:
		if (c->permit.by_person)
			err_set(&e, ERR_DENIED, "a person was asked about this call and denied it%s%s",
				c->permit.word != NULL ? ": " : "",
				c->permit.word != NULL ? c->permit.word : "");
		else
			err_set(&e, ERR_DENIED, "this call is denied: %s", c->permit.why);
		call_failed(c, &e, false);
		break;
	}
}

static bool call_refusal(struct exec_call *c, struct json **arguments, struct error *e)
{
	struct exec *x = c->exec;
	const struct plan_step *s = &x->run->plan->steps[x->step];
	if (c->tool == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no tool \"%s\" here; use one of the tools offered",
			       c->name);
	if (strcmp(c->name, FINISH_STEP) == 0) {
		finish_refusal(x, e);
		return true;
	}
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

static void call_start(struct exec_call *c, const struct json *arguments)
{
	struct exec *x = c->exec;
	struct run *r = x->run;
	struct record rec;
	bool idempotent = toolbox_idempotent(&x->box, c->tool);
	if (!budget_tool_take(r))
		return;
	c->untrusted = toolbox_untrusted(&x->box, c->tool);
	run_call_name(r, x, c->id);
	call_head(&rec, c);
	jw_kv_json(&rec.w, "arguments", arguments);
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

static void call_send(struct exec_call *c)
{
	struct run *r = c->exec->run;
	char key[ID_TEXT_SIZE + CALL_ID_SIZE + 1];
	struct buf text = BUF_INIT;
	/* What was checked is what is sent: members that stand twice, say, stand once. */
	struct json *arguments = json_parse(c->arguments, strlen(c->arguments), 0, NULL);
	if (arguments != NULL)
		json_print(arguments, &text);
	json_free(arguments);
	snprintf(key, sizeof key, "%s:%s", r->task_id, c->id);
	struct mcp_call_request req = {.server = c->server != NULL ? c->server : "",
				       .tool = c->server_tool,
				       .arguments = buf_slice(&text),
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
