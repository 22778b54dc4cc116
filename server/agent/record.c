/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run writes its events: JSON objects handed to the store's one mover under the run's lease. A refusal
 * means that the task was ended or taken meanwhile: the run is dropped and the caller must not go on. A limit
 * that is reached, or anything else that keeps an event from being written, ends the task as failed with the
 * reason named; an end that cannot be written is tried again. A store that cannot take anything for now is no
 * such thing: the run is given back, and whoever takes it goes on from its last event.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

enum { RECORDS_MAX = 8, HELD_TURNS_MAX = 3 };

void record_begin(struct record *rec)
{
	rec->text = BUF_INIT;
	rec->w = JW(&rec->text);
	jw_object(&rec->w);
}

bool record_event(struct run *r, struct record *rec, enum event_type type)
{
	return record_events(r, rec, &type, 1, TASK_SAME, NULL);
}

static enum err change_write(struct run *r, const struct task_change *c, struct error *e)
{
	return task_move(r->agent->store, r->lease.ref, c, &r->last_seq, e);
}

static void held_release(struct run *r)
{
	while (r->held_count > 0)
		buf_release(&r->held[--r->held_count].text);
}

static enum err held_write(struct run *r, struct error *e)
{
	enum err code = ERR_NONE;
	for (size_t i = 0; i < r->held_count && code == ERR_NONE; i++) {
		struct task_event event = {r->held[i].type, buf_slice(&r->held[i].text)};
		code = change_write(
			r,
			&(struct task_change){
				.events = &event, .events_count = 1, .to = TASK_SAME, .lease = &r->lease},
			e);
	}
	held_release(r);
	return code;
}

/* With what is held in one change; where that is refused for what it holds, what is held comes first. */
static enum err changes_write(struct run *r, struct task_change *c, struct error *e)
{
	struct task_event events[RECORDS_HELD_MAX + RECORDS_MAX];
	struct task_change all = *c;
	if (r->held_count == 0)
		return change_write(r, c, e);
	for (size_t i = 0; i < r->held_count; i++)
		events[i] = (struct task_event){r->held[i].type, buf_slice(&r->held[i].text)};
	for (size_t i = 0; i < c->events_count; i++)
		events[r->held_count + i] = c->events[i];
	all.events = events;
	all.events_count = r->held_count + c->events_count;
	enum err code = change_write(r, &all, e);
	if (code == ERR_FULL || code == ERR_JSON)
		code = held_write(r, e) == ERR_NONE ? change_write(r, c, e) : e->code;
	held_release(r);
	return code;
}

bool record_events(struct run *r, struct record *recs, const enum event_type *types, size_t n,
		   enum task_state to, struct record *state_data)
{
	struct task_event events[RECORDS_MAX];
	ensure(n <= RECORDS_MAX && !r->dropped);
	for (size_t i = 0; i < n; i++) {
		jw_object_end(&recs[i].w);
		events[i] = (struct task_event){types[i], buf_slice(&recs[i].text)};
	}
	struct task_change change = {.events = events, .events_count = n, .to = to, .lease = &r->lease};
	if (state_data != NULL) {
		jw_object_end(&state_data->w);
		change.state_data = buf_slice(&state_data->text);
	}
	struct error e = {0};
	enum err code = changes_write(r, &change, &e);
	for (size_t i = 0; i < n; i++)
		buf_release(&recs[i].text);
	if (state_data != NULL)
		buf_release(&state_data->text);
	bool terminal = to != TASK_SAME && task_state_terminal(to);
	if (code != ERR_NONE)
		return record_refused(r, code, &e, terminal);
	if (to != TASK_SAME)
		r->state = to;
	return true;
}

bool record_flush(struct run *r)
{
	return r->held_count == 0 || record_events(r, NULL, NULL, 0, TASK_SAME, NULL);
}

/* While the run goes on at once, the next event is near. */
static void held_due(void *arg)
{
	struct run *r = arg;
	if (r->held_count == 0)
		return;
	if (r->woken && ++r->held_turns < HELD_TURNS_MAX)
		loop_late(r->agent->loop, held_due, r);
	else
		record_flush(r);
}

bool record_soon(struct run *r, struct record *recs, const enum event_type *types, size_t n)
{
	ensure(!r->dropped && n <= RECORDS_HELD_MAX);
	if (r->held_count + n > RECORDS_HELD_MAX)
		return record_events(r, recs, types, n, TASK_SAME, NULL);
	if (r->held_count == 0) {
		r->held_turns = 0;
		loop_late(r->agent->loop, held_due, r);
	}
	for (size_t i = 0; i < n; i++) {
		jw_object_end(&recs[i].w);
		r->held[r->held_count++] = (struct held_event){types[i], recs[i].text};
	}
	return true;
}

void record_let_go(struct run *r)
{
	struct error e;
	(void)!held_write(r, &e);
}

void record_error(struct record *rec, const char *code, const char *message)
{
	jw_name(&rec->w, "error");
	jw_object(&rec->w);
	jw_kv_text(&rec->w, "code", code);
	jw_kv_text(&rec->w, "message", message);
	jw_object_end(&rec->w);
}

void record_live(struct run *r, struct record *rec, enum event_type type)
{
	jw_object_end(&rec->w);
	live_publish(r->agent->store, &r->lease, type, buf_slice(&rec->text));
	buf_release(&rec->text);
}

static void model_head(struct record *rec, const char *call, enum llm_role role, const char *step)
{
	record_begin(rec);
	jw_kv_text(&rec->w, "call", call);
	jw_kv_text(&rec->w, "role", llm_role_text(role));
	if (step != NULL)
		jw_kv_text(&rec->w, "step", step);
}

/* Answers of models and tools have events of their own. */
void record_messages(struct jw *w, const struct llm_message *messages, size_t n, size_t bytes_max)
{
	struct buf text = BUF_INIT;
	jw_name(w, "messages");
	jw_array(w);
	for (size_t i = 0; i < n; i++) {
		if (messages[i].speaker != LLM_SYSTEM && messages[i].speaker != LLM_USER)
			continue;
		buf_reset(&text);
		result_bound(slice_str(messages[i].text), bytes_max, &text);
		jw_object(w);
		jw_kv_text(w, "role", messages[i].speaker == LLM_SYSTEM ? "system" : "user");
		jw_kv_text(w, "text", buf_cstr(&text));
		jw_object_end(w);
	}
	jw_array_end(w);
	buf_release(&text);
}

void record_model_started(struct run *r, const char *call, enum llm_role role, const char *step,
			  const struct llm_message *messages, size_t messages_count)
{
	struct record rec;
	model_head(&rec, call, role, step);
	budget_reserved_write(r, call, &rec.w);
	jw_kv_text(&rec.w, "provider", llm_provider(r->agent->llm, role));
	jw_kv_text(&rec.w, "model", llm_model(r->agent->llm, role));
	/* The rules read none of it. */
	if (!agent_is_offline(r->agent, role))
		record_messages(&rec.w, messages, messages_count, r->agent->options.tool_result_bytes_max);
	store_count(r->agent->store, COUNTER_MODEL_CALLS, 1);
	/* A refusal drops the run, and with it the call that was just started. */
	(void)record_event(r, &rec, EVENT_MODEL_STARTED);
}

void record_model_completed(struct record *rec, const char *call, enum llm_role role, const char *step,
			    const struct llm_turn *t)
{
	model_head(rec, call, role, step);
	record_turn(rec, t);
}

void record_turn(struct record *rec, const struct llm_turn *t)
{
	struct jw *w = &rec->w;
	jw_kv_text(w, "provider", t->provider);
	jw_kv_text(w, "model", t->model);
	/* In front of what may be long: the document counts them, and looks no further. */
	jw_name(w, "usage");
	jw_object(w);
	jw_kv_int(w, "input_tokens", t->usage.input_tokens);
	jw_kv_int(w, "output_tokens", t->usage.output_tokens);
	jw_kv_int(w, "cached_tokens", t->usage.cached_tokens);
	jw_kv_int(w, "cache_write_tokens", t->usage.cache_write_tokens);
	jw_kv_int(w, "reasoning_tokens", t->usage.reasoning_tokens);
	jw_kv_bool(w, "estimated", t->usage.estimated);
	jw_object_end(w);
	if (t->cost_nano >= 0) {
		jw_name(w, "cost");
		jw_double(w, (double)t->cost_nano / 1e9);
	}
	jw_kv_text(w, "text", t->text);
	if (t->refusal != NULL)
		jw_kv_text(w, "refusal", t->refusal);
	if (t->reasoning != NULL)
		jw_kv_text(w, "reasoning", t->reasoning);
	if (t->echo != NULL)
		jw_kv_text(w, "echo", t->echo);
	jw_name(w, "calls");
	jw_array(w);
	for (size_t i = 0; i < t->calls_count; i++) {
		jw_object(w);
		jw_kv_text(w, "id", t->calls[i].id);
		jw_kv_text(w, "name", t->calls[i].name);
		jw_kv_text(w, "arguments", t->calls[i].arguments);
		if (t->calls[i].opaque != NULL)
			jw_kv_text(w, "opaque", t->calls[i].opaque);
		jw_object_end(w);
	}
	jw_array_end(w);
	jw_kv_text(w, "stop", llm_stop_text(t->stop));
}

bool record_model_failed(struct run *r, const char *call, enum llm_role role, const char *step,
			 const struct error *e)
{
	struct record rec;
	model_head(&rec, call, role, step);
	record_error(&rec, record_error_code(e), e->msg);
	if (!record_event(r, &rec, EVENT_MODEL_FAILED))
		return false;
	if (e->code == ERR_NOT_FOUND)
		run_fail(r, record_error_code(e), e->msg);
	return e->code != ERR_NOT_FOUND;
}

void record_model_retried(struct run *r, const char *call, int attempt, int64_t wait_ms,
			  const struct error *why)
{
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "call", call);
	jw_kv_int(&rec.w, "attempt", attempt);
	jw_kv_int(&rec.w, "wait_ms", wait_ms);
	record_error(&rec, record_error_code(why), why->msg);
	store_count(r->agent->store, COUNTER_MODEL_RETRIES, 1);
	(void)record_event(r, &rec, EVENT_MODEL_RETRIED);
}

void record_model_failover(struct run *r, const char *call, const char *provider, const char *model,
			   const struct error *why)
{
	struct record rec;
	record_begin(&rec);
	jw_kv_text(&rec.w, "call", call);
	jw_kv_text(&rec.w, "provider", provider);
	jw_kv_text(&rec.w, "model", model);
	record_error(&rec, record_error_code(why), why->msg);
	store_count(r->agent->store, COUNTER_MODEL_FAILOVERS, 1);
	(void)record_event(r, &rec, EVENT_MODEL_FAILOVER);
}

const char *record_error_code(const struct error *e)
{
	return err_info(e->code)->slug;
}

/* --- helpers --- */

bool record_refused(struct run *r, enum err code, const struct error *e, bool terminal)
{
	if (code == ERR_CONFLICT || code == ERR_GONE) {
		run_drop(r, true); /* if it is ours after all, whoever takes it finds how it stands */
		return false;
	}
	if (code == ERR_NO_SPACE || code == ERR_UNAVAILABLE) {
		log_warn("an event could not be written now; the run goes back to where its events end",
			 LF_STR("task_id", r->task_id), LF_STR("error", e->msg));
		run_drop(r, true);
		return false;
	}
	log_warn("an event could not be written; the task ends", LF_STR("task_id", r->task_id),
		 LF_STR("error", e->msg));
	/* While its lease is ours nobody else would end it: a run is never just forgotten. */
	if (terminal)
		run_end_later(r, record_error_code(e), e->msg);
	else
		run_fail(r, record_error_code(e), e->msg);
	return false;
}
