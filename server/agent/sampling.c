/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tool server's request to the task's model in the course of a call (2025-11-25, client/sampling): a
 * conversation in (sampling_talk.c), one turn out, by the providers and limits of the executor, with events
 * of role "sampling", so that it is seen and counted like any other model call. The server's wishes as to
 * which model, how warm and which context are not followed.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>

static const char ROLE[] = "sampling";

struct sampling {
	struct run *run;
	struct arena *arena;
	struct sampling_talk talk;
	char call_id[CALL_ID_SIZE];
	struct llm_call *model;
	sampling_fn *fn;
	void *arg;
};

static void head(struct record *rec, const struct sampling *s, const struct exec_call *c)
{
	record_begin(rec);
	jw_kv_text(&rec->w, "call", s->call_id);
	jw_kv_text(&rec->w, "role", ROLE);
	if (c == NULL)
		return;
	jw_kv_text(&rec->w, "for", c->id);
	jw_kv_text(&rec->w, "server", c->server);
}

static void tools_write(struct jw *w, const struct sampling_talk *t)
{
	if (t->tools_count == 0)
		return;
	jw_name(w, "tools");
	jw_array(w);
	for (size_t i = 0; i < t->tools_count; i++)
		jw_text(w, t->tools[i].name);
	jw_array_end(w);
}

static void tell(struct sampling *s, const struct llm_turn *turn, const char *why)
{
	struct buf text = BUF_INIT;
	if (turn == NULL)
		s->fn((struct slice){0}, why, s->arg);
	else if (!sampling_turn_write(&s->talk, turn, &text))
		s->fn((struct slice){0}, "the model called a tool with arguments that are no JSON object",
		      s->arg);
	else
		s->fn(buf_slice(&text), NULL, s->arg);
	buf_release(&text);
}

static void model_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	struct sampling *s = arg;
	struct record rec;
	s->model = NULL;
	budget_give(s->run, s->call_id, turn, e);
	head(&rec, s, NULL);
	if (turn != NULL)
		record_turn(&rec, turn);
	else
		record_error(&rec, record_error_code(e), e->msg);
	if (!record_event(s->run, &rec, turn != NULL ? EVENT_MODEL_COMPLETED : EVENT_MODEL_FAILED))
		return;
	if (turn != NULL && turn->refusal != NULL)
		tell(s, NULL, turn->refusal);
	else
		tell(s, turn, turn == NULL ? e->msg : NULL);
}

static void model_retry(int attempt, int64_t wait_ms, const struct error *why, void *arg)
{
	struct sampling *s = arg;
	record_model_retried(s->run, s->call_id, attempt, wait_ms, why);
}

static bool model_may_repeat(bool paid, void *arg)
{
	struct sampling *s = arg;
	return budget_repeat(s->run, s->call_id, paid);
}

static void model_failover(const char *provider, const char *model, const struct error *why, void *arg)
{
	struct sampling *s = arg;
	record_model_failover(s->run, s->call_id, provider, model, why);
}

struct sampling *sampling_start(const struct exec_call *c, struct json *params, sampling_fn *fn, void *arg)
{
	struct run *r = c->exec->run;
	struct sampling *s = xcalloc(1, sizeof *s);
	struct record rec;
	*s = (struct sampling){.run = r, .arena = arena_new(0), .fn = fn, .arg = arg};
	sampling_read(params, s->arena, &s->talk);
	run_call_name(r, c->exec, s->call_id);
	struct llm_request req = {.role = LLM_EXECUTOR,
				  .messages = s->talk.messages,
				  .messages_count = s->talk.messages_count,
				  .tools = s->talk.tools,
				  .tools_count = s->talk.tools_count,
				  .tool_choice = s->talk.choice,
				  .deadline_mono_ms = r->deadline_mono_ms,
				  .task_id = r->task_id};
	if (!budget_take(r, s->call_id, &req)) {
		sampling_free(s);
		return NULL;
	}
	int64_t most = json_get_integer(params, "maxTokens", 0);
	if (most > 0 && (req.output_tokens_max <= 0 || most < req.output_tokens_max))
		req.output_tokens_max = most;
	head(&rec, s, c);
	jw_kv_text(&rec.w, "provider", llm_provider(r->agent->llm, LLM_EXECUTOR));
	jw_kv_text(&rec.w, "model", llm_model(r->agent->llm, LLM_EXECUTOR));
	record_messages(&rec.w, s->talk.messages, s->talk.messages_count,
			r->agent->options.tool_result_bytes_max);
	tools_write(&rec.w, &s->talk);
	budget_reserved_write(r, s->call_id, &rec.w);
	store_count(r->agent->store, COUNTER_MODEL_CALLS, 1);
	struct llm_handler h = {.on_retry = model_retry,
				.may_repeat = model_may_repeat,
				.on_failover = model_failover,
				.on_end = model_end,
				.arg = s};
	if (record_event(r, &rec, EVENT_MODEL_STARTED))
		s->model = llm_call_start(r->agent->llm, &req, h);
	return s;
}

void sampling_free(struct sampling *s)
{
	if (s == NULL)
		return;
	if (s->model != NULL)
		llm_call_cancel(s->model);
	arena_free(s->arena);
	free(s);
}
