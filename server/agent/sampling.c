/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tool server's request to the task's model in the course of a call (2025-11-25, client/sampling): texts
 * in, one text out, by the providers and limits of the executor, with events of role "sampling", so that it
 * is seen and counted like any other model call. The server's wishes as to which model, how warm and which
 * context are not followed. What we have not declared is refused: tools, and content that is no text.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

static const char ROLE[] = "sampling";

struct sampling {
	struct run *run;
	struct json *params; /* borrowed from the ask */
	struct arena *arena;
	struct llm_message *messages;
	size_t messages_count;
	char call_id[CALL_ID_SIZE];
	struct llm_call *model;
	sampling_fn *fn;
	void *arg;
};

/* --- what is asked --- */

/* content is one block or a list of them, all of them text; joined. false: one is not. */
static bool content_text(const struct json *content, struct buf *out)
{
	const struct json *b = json_is(content, JSON_ARRAY) ? json_first(content) : content;
	for (; b != NULL; b = json_is(content, JSON_ARRAY) ? json_next(b) : NULL) {
		if (strcmp(json_get_text(b, "type", ""), "text") != 0 ||
		    json_text(json_get(b, "text")) == NULL)
			return false;
		buf_printf(out, "%s%s", out->len > 0 ? "\n" : "", json_get_text(b, "text", ""));
	}
	return out->len > 0;
}

static enum err message_check(const struct json *m, struct error *e)
{
	struct buf text = BUF_INIT;
	const char *role = json_get_text(m, "role", "");
	bool is_text = content_text(json_get(m, "content"), &text);
	buf_release(&text);
	if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0)
		return err_set(e, ERR_FIELD, "the role of a message must be user or assistant");
	if (!is_text)
		return err_set(e, ERR_FIELD,
			       "a message has content that is no text; this client takes text only");
	return ERR_NONE;
}

enum err sampling_check(const struct json *params, struct error *e)
{
	const struct json *messages = json_get(params, "messages");
	if (json_get(params, "tools") != NULL || json_get(params, "toolChoice") != NULL)
		return err_set(e, ERR_FIELD, "this client has not declared sampling.tools");
	if (!json_is(messages, JSON_ARRAY) || json_count(messages) == 0)
		return err_set(e, ERR_FIELD, "messages must be a list of at least one message");
	for (const struct json *m = json_first(messages); m != NULL; m = json_next(m))
		if (message_check(m, e) != ERR_NONE)
			return e->code;
	const struct json *last = json_at(messages, json_count(messages) - 1);
	if (strcmp(json_get_text(last, "role", ""), "user") != 0)
		return err_set(e, ERR_FIELD, "the last message must be the user's");
	return ERR_NONE;
}

/* --- the call --- */

static void say(struct sampling *s, enum llm_speaker speaker, const char *text)
{
	s->messages[s->messages_count++] =
		(struct llm_message){.speaker = speaker, .text = arena_strndup(s->arena, text, strlen(text))};
}

static void messages_make(struct sampling *s)
{
	const struct json *list = json_get(s->params, "messages");
	const char *system = json_get_text(s->params, "systemPrompt", NULL);
	s->messages = xcalloc(json_count(list) + 1, sizeof *s->messages);
	if (system != NULL)
		say(s, LLM_SYSTEM, system);
	for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
		struct buf text = BUF_INIT;
		(void)content_text(json_get(m, "content"), &text);
		say(s, strcmp(json_get_text(m, "role", ""), "user") == 0 ? LLM_USER : LLM_ASSISTANT,
		    buf_cstr(&text));
		buf_release(&text);
	}
}

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

static void tell(struct sampling *s, const struct llm_turn *turn, const char *why)
{
	struct buf text = BUF_INIT;
	struct jw w = JW(&text);
	if (turn == NULL) {
		s->fn((struct slice){0}, why, s->arg);
		return;
	}
	jw_object(&w);
	jw_kv_text(&w, "role", "assistant");
	jw_name(&w, "content");
	jw_object(&w);
	jw_kv_text(&w, "type", "text");
	jw_kv_text(&w, "text", turn->text);
	jw_object_end(&w);
	jw_kv_text(&w, "model", turn->model);
	jw_kv_text(&w, "stopReason", turn->stop == LLM_STOP_LENGTH ? "maxTokens" : "endTurn");
	jw_object_end(&w);
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

static bool model_may_repeat(void *arg)
{
	struct sampling *s = arg;
	return budget_repeat(s->run, s->call_id);
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
	*s = (struct sampling){.run = r, .params = params, .arena = arena_new(0), .fn = fn, .arg = arg};
	messages_make(s);
	run_call_name(r, s->call_id);
	struct llm_request req = {.role = LLM_EXECUTOR,
				  .messages = s->messages,
				  .messages_count = s->messages_count,
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
	record_messages(&rec.w, s->messages, s->messages_count, r->agent->options.tool_result_bytes_max);
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
	free(s->messages);
	free(s);
}
