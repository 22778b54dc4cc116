/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tool servers ask in the course of a call: something of a person (elicitation), or an answer of the
 * task's model (sampling), for which a person may have to agree first. While a person is asked the task waits
 * (input_required) with one entry in `pending`; the next in line follows when that is answered. Unlike a call
 * in doubt, the call lives on meanwhile, so the run keeps its lease (pending.live) and its other steps go on;
 * its working time stands still.
 *
 * An answer is the task.input event that a person's change brings; it is looked for when somebody else has
 * changed the task. Callbacks only note what happened: asks_pump() writes. When the call ends or the server
 * takes its question back, the entry goes and the task runs on. If this process dies, the call is lost like
 * any other: whoever takes the run takes the entry back first.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 64 * 1024, REJECTED = -1, INVALID = -32602 };
/* Longer than any question may wait (tools.input_seconds). */
static const int64_t WAIT_MS_MOST = INT64_C(2) * 86400 * 1000;

struct ask {
	struct ask *next;       /* in the order in which they came */
	struct exec_call *call; /* NULL: its call has ended */
	uint64_t number;        /* within it */
	struct json *params;
	bool is_url;
	bool is_sampling, confirm; /* confirm: a person has to agree first, and has not yet */
	struct sampling *sampling; /* the model is being asked */
	const char *over; /* why nobody waits for the answer any more; static; NULL: it is waited for */
};

static void ask_free(struct run *r, struct ask *k);

/* --- noting --- */

void asks_take(struct exec_call *c, const struct mcp_ask *asked)
{
	struct run *r = c->exec->run;
	struct error e = {0};
	bool is_url = false, is_sampling = strcmp(asked->method, "sampling/createMessage") == 0;
	struct json *params = json_parse(asked->params.ptr, asked->params.len, 0, &e);
	enum err bad = params == NULL ? ERR_JSON
		       : is_sampling  ? sampling_check(params, &e)
				      : mcp_elicit_read(params, &is_url, &e);
	if (bad != ERR_NONE) {
		log_warn("a tool server asks what cannot be asked here", LF_STR("task_id", r->task_id),
			 LF_STR("server", c->server), LF_STR("error", e.msg));
		mcp_call_refuse(c->mcp, asked->number, INVALID, e.msg);
		json_free(params);
		return;
	}
	if (is_sampling && agent_is_offline(r->agent, LLM_EXECUTOR)) {
		mcp_call_refuse(c->mcp, asked->number, REJECTED, "no language model is configured");
		json_free(params);
		return;
	}
	struct ask **at = &r->asks, *k = xcalloc(1, sizeof *k);
	*k = (struct ask){.call = c,
			  .number = asked->number,
			  .params = params,
			  .is_url = is_url,
			  .is_sampling = is_sampling,
			  .confirm = asked->confirm};
	while (*at != NULL)
		at = &(*at)->next;
	*at = k;
	run_wake(r);
}

void asks_over(struct exec_call *c, uint64_t number)
{
	struct run *r = c->exec->run;
	for (struct ask *k = r->asks; k != NULL; k = k->next)
		if (k->call == c && k->number == number)
			k->over = "the server does not wait for the answer any more";
	run_wake(r);
}

void asks_call_over(struct exec_call *c)
{
	struct run *r = c->exec->run;
	for (struct ask *k = r->asks; k != NULL; k = k->next) {
		if (k->call != c)
			continue;
		sampling_free(k->sampling);
		k->sampling = NULL;
		k->call = NULL;
		k->over = "the call that it belonged to has ended";
	}
}

void asks_free(struct run *r)
{
	while (r->asks != NULL)
		ask_free(r, r->asks);
}

static bool wants_person(const struct ask *k)
{
	return !k->is_sampling || k->confirm;
}

bool asks_person(const struct exec_call *c)
{
	for (const struct ask *k = c->exec->run->asks; k != NULL; k = k->next)
		if (k->call == c && wants_person(k))
			return true;
	return false;
}

/* --- helpers --- */

static void ask_free(struct run *r, struct ask *k)
{
	struct ask **at = &r->asks;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	if (r->ask_shown == k)
		r->ask_shown = NULL;
	sampling_free(k->sampling);
	json_free(k->params);
	free(k);
}

/* The time that a person takes is not the task's. */
static void wait_begin(struct run *r)
{
	r->ask_since_mono_ms = clock_mono_ms();
	r->deadline_mono_ms += WAIT_MS_MOST;
	run_timer_arm(r);
}

static void wait_end(struct run *r)
{
	if (r->ask_since_mono_ms == 0)
		return;
	r->deadline_mono_ms -= WAIT_MS_MOST - (clock_mono_ms() - r->ask_since_mono_ms);
	r->ask_since_mono_ms = 0;
	run_timer_arm(r);
}

/* --- showing --- */

static void request_write(struct jw *w, const struct ask *k)
{
	char *question =
		xasprintf("The tool server %s wants the model to answer this in the course of %s. The "
			  "answer goes to that server. approve, or deny.",
			  k->call->server, k->call->server_tool);
	jw_kv_json(w, "request", k->params);
	jw_kv_text(w, "question", question);
	free(question);
}

static void question_write(struct jw *w, const struct ask *k)
{
	const char *message = json_get_text(k->params, "message", "");
	char *question = xasprintf(
		"The tool server %s asks in the course of %s: %s%s", k->call->server, k->call->server_tool,
		message, k->is_url ? " Open the address yourself if you trust it, then accept." : "");
	jw_kv_text(w, "mode", k->is_url ? "url" : "form");
	jw_kv_text(w, "message", message);
	if (k->is_url) {
		jw_kv_text(w, "url", json_get_text(k->params, "url", ""));
		jw_kv_text(w, "elicitation_id", json_get_text(k->params, "elicitationId", NULL));
	} else {
		jw_kv_json(w, "schema", json_get(k->params, "requestedSchema"));
	}
	jw_kv_text(w, "question", question);
	free(question);
}

static void pending_write(const struct run *r, struct jw *w, const struct ask *k)
{
	static const char *const form_actions[] = {"accept", "decline", "cancel", NULL};
	static const char *const model_actions[] = {"approve", "deny", NULL};
	jw_object(w);
	jw_kv_text(w, "id", r->ask_id);
	jw_kv_text(w, "kind", k->is_sampling ? "sampling" : "elicitation");
	jw_kv_bool(w, "live", true);
	jw_kv_text(w, "step", r->plan->steps[k->call->exec->step].id);
	jw_kv_text(w, "call", k->call->id);
	jw_kv_text(w, "server", k->call->server);
	jw_kv_text(w, "tool", k->call->server_tool);
	if (k->is_sampling)
		request_write(w, k);
	else
		question_write(w, k);
	jw_name(w, "actions");
	jw_array(w);
	for (const char *const *a = k->is_sampling ? model_actions : form_actions; *a != NULL; a++)
		jw_text(w, *a);
	jw_array_end(w);
	jw_object_end(w);
}

/* Named by the event it stands in, so that no later entry is taken for it. */
static void ask_show(struct run *r, struct ask *k)
{
	struct record rec, state;
	enum event_type type = EVENT_TASK_PENDING;
	snprintf(r->ask_id, sizeof r->ask_id, "ask%llu", (unsigned long long)r->last_seq + 1);
	record_begin(&rec);
	jw_name(&rec.w, "pending");
	pending_write(r, &rec.w, k);
	record_begin(&state);
	jw_kv_text(&state.w, "reason", "a tool server asks something");
	if (!record_events(r, &rec, &type, 1, TASK_INPUT_REQUIRED, &state))
		return;
	r->ask_shown = k;
	r->ask_seq = r->last_seq;
	wait_begin(r);
}

/* --- the answer --- */

static void sampled(struct slice result, const char *why, void *arg)
{
	struct ask *k = arg;
	struct run *r = k->call->exec->run;
	if (k->call->mcp != NULL && result.len > 0)
		mcp_call_answer(k->call->mcp, k->number, result);
	else if (k->call->mcp != NULL)
		mcp_call_refuse(k->call->mcp, k->number, REJECTED, why);
	ask_free(r, k);
}

static void answer_send(struct ask *k, const struct json *input)
{
	const char *action = json_get_text(input, "action", "cancel");
	struct buf text = BUF_INIT;
	struct jw w = JW(&text);
	if (k->call == NULL || k->call->mcp == NULL)
		return;
	if (k->is_sampling) {
		mcp_call_refuse(k->call->mcp, k->number, REJECTED, "a person has denied it");
		return;
	}
	jw_object(&w);
	jw_kv_text(&w, "action", action);
	if (strcmp(action, "accept") == 0 && !k->is_url)
		jw_kv_json(&w, "content", json_get(input, "content"));
	jw_object_end(&w);
	mcp_call_answer(k->call->mcp, k->number, buf_slice(&text));
	buf_release(&text);
}

/* The task.input event that answers what is shown; NULL when it cannot be found. */
static struct json *input_find(struct run *r)
{
	struct event_cursor cursor;
	struct event_view view;
	struct json *found = NULL;
	event_cursor_init_newest(&cursor, r->ask_seq);
	for (bool more = true; more && found == NULL;) {
		struct buf sse = BUF_INIT;
		uint64_t from = cursor.next_seq;
		more = task_events_copy(r->agent->store, r->lease.ref, &cursor, READ_BYTES, &sse, NULL) ==
			       ERR_NONE &&
		       cursor.next_seq > from;
		struct slice rest = buf_slice(&sse);
		while (found == NULL && event_next(&rest, &view)) {
			if (view.type != EVENT_TASK_INPUT)
				continue;
			found = json_parse(view.data.ptr, view.data.len, JSON_DEPTH_MAX, NULL);
			if (strcmp(json_get_text(found, "id", ""), r->ask_id) == 0)
				continue;
			json_free(found);
			found = NULL;
		}
		buf_release(&sse);
	}
	return found;
}

/* A person has moved the task on. false: the run is gone. */
static bool input_take(struct run *r)
{
	struct json *input = input_find(r);
	r->state = TASK_RUNNING;
	wait_end(r);
	if (input == NULL) {
		log_warn("a person's answer is not in the table any more: the run is taken up anew",
			 LF_STR("task_id", r->task_id));
		run_drop(r, true);
		return false;
	}
	struct ask *k = r->ask_shown;
	r->ask_shown = NULL;
	if (k != NULL && k->is_sampling && strcmp(json_get_text(input, "action", ""), "approve") == 0) {
		k->confirm = false;
	} else if (k != NULL) {
		answer_send(k, input);
		ask_free(r, k);
	}
	json_free(input);
	return true;
}

/* Is it still waiting, as far as the table knows? */
static bool task_waits(const struct run *r)
{
	struct task_head head;
	return task_head_get(r->agent->store, r->lease.ref, &head) != ERR_NONE ||
	       head.state == TASK_INPUT_REQUIRED || task_state_terminal(head.state);
}

bool asks_hush(struct run *r, const char *why)
{
	struct error e = {0};
	struct task_event pending = {EVENT_TASK_PENDING, SLICE_LIT("{\"pending\":null}")};
	struct record state;
	if (r->state != TASK_INPUT_REQUIRED)
		return true;
	if (!record_flush(r))
		return false;
	record_begin(&state);
	jw_kv_text(&state.w, "reason", why);
	jw_object_end(&state.w);
	struct task_change change = {.events = &pending,
				     .events_count = 1,
				     .to = TASK_RUNNING,
				     .state_data = buf_slice(&state.text),
				     .lease = &r->lease};
	enum err code = task_move(r->agent->store, r->lease.ref, &change, &r->last_seq, &e);
	buf_release(&state.text);
	/* A person was quicker: the answer is given, in case somebody still waits for it. */
	if (code == ERR_CONFLICT && !task_waits(r) && r->ask_id[0] != '\0')
		return input_take(r);
	if (code == ERR_CONFLICT && !task_waits(r))
		code = ERR_NONE;
	if (code != ERR_NONE)
		return record_refused(r, code, &e, false);
	r->state = TASK_RUNNING;
	wait_end(r);
	if (r->ask_shown != NULL)
		ask_free(r, r->ask_shown);
	return true;
}

/* --- the pump --- */

static void ask_model(struct run *r, struct ask *k)
{
	k->sampling = sampling_start(k->call, k->params, sampled, k);
	if (k->sampling != NULL)
		return;
	mcp_call_refuse(k->call->mcp, k->number, REJECTED, "the budget of the task does not allow it");
	ask_free(r, k);
}

static void asks_sweep(struct run *r)
{
	for (struct ask *k = r->asks, *next; k != NULL; k = next) {
		next = k->next;
		if (k->over != NULL && k != r->ask_shown)
			ask_free(r, k);
	}
}

bool asks_pump(struct run *r, bool go_on)
{
	if (r->ask_shown != NULL && !task_waits(r) && !input_take(r))
		return false;
	if (r->ask_shown != NULL && r->ask_shown->over != NULL && !asks_hush(r, r->ask_shown->over))
		return false;
	asks_sweep(r);
	for (struct ask *k = r->asks, *next; go_on && k != NULL && !run_over(r); k = next) {
		next = k->next;
		if (!wants_person(k) && k->sampling == NULL)
			ask_model(r, k);
		else if (wants_person(k) && r->state == TASK_RUNNING)
			ask_show(r, k);
	}
	return !run_over(r);
}
