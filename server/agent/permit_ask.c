/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A person is asked before a call is made or a step begins. The question waits until nothing of the run is
 * under way, while nothing new begins; then it is written together with the state that waits for its answer
 * (input_required), and the run is given back. The answer is an event (task.input): whoever resumes the run
 * reads it from there. Nothing was sent, so a death at any point repeats nothing; at worst the question is
 * asked again.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const effect_words[] = {
	[AGENT_READS] = "read", [AGENT_WRITES_ONCE] = "idempotent", [AGENT_WRITES] = "write"};

/* --- which is next? --- */

static struct exec_call *call_asking(const struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		struct exec *x = r->steps[i].exec;
		for (size_t k = 0; x != NULL && !x->over && k < x->calls_count; k++)
			if (x->calls[k].state == CALL_ASKING)
				return &x->calls[k];
	}
	return NULL;
}

static size_t step_asking(const struct run *r)
{
	size_t i = 0;
	while (i < r->plan->steps_count && !r->steps[i].asking)
		i++;
	return i;
}

bool permits_wait(const struct run *r)
{
	return call_asking(r) != NULL || step_asking(r) < r->plan->steps_count;
}

bool permits_hold_calls(const struct run *r)
{
	return call_asking(r) != NULL;
}

/* --- asking --- */

static void actions_write(struct jw *w, const char *const *actions)
{
	jw_name(w, "actions");
	jw_array(w);
	while (*actions != NULL)
		jw_text(w, *actions++);
	jw_array_end(w);
}

static void call_pending_write(struct exec_call *c, struct jw *w)
{
	static const char *const actions[] = {"approve", "deny", NULL};
	const char *step = c->exec->run->plan->steps[c->exec->step].id;
	struct json *arguments = json_parse(c->arguments, strlen(c->arguments), 0, NULL);
	char digest[TOOL_DIGEST_SIZE];
	char *question =
		xasprintf("Step %s wants to call %s of %s, and a person is asked because %s. Approve it, "
			  "with other arguments if you like, or deny it.",
			  step, c->tool->server_tool, c->tool->server, c->permit.why);
	jw_kv_text(w, "kind", "approval");
	jw_kv_text(w, "step", step);
	jw_kv_text(w, "server", c->tool->server);
	jw_kv_text(w, "tool", c->tool->server_tool);
	jw_kv_text(w, "name", c->name);
	jw_kv_text(w, "effect", effect_words[permit_effect(c)]);
	jw_kv_json(w, "arguments", arguments);
	jw_kv_text(w, "reason", c->permit.why);
	if (c->permit.rule != 0)
		jw_kv_int(w, "rule", (int64_t)c->permit.rule);
	if (permit_tool_changed(c, digest)) {
		jw_kv_text(w, "description", c->tool->description);
		jw_kv_text(w, "tool_digest", digest);
	}
	actions_write(w, actions);
	jw_kv_text(w, "question", question);
	free(question);
	json_free(arguments);
}

static void step_pending_write(const struct plan_step *s, struct jw *w)
{
	static const char *const actions[] = {"approve", "skip", "fail", NULL};
	char *question =
		xasprintf("Step %s (%s) is marked to be approved before it begins. Approve it, skip it, or "
			  "let it fail.",
			  s->id, s->title);
	jw_kv_text(w, "kind", "step_approval");
	jw_kv_text(w, "step", s->id);
	actions_write(w, actions);
	jw_kv_text(w, "question", question);
	free(question);
}

static void pending_record(struct run *r, const char *id, const char *model_call, struct exec_call *c,
			   const struct plan_step *s)
{
	struct record rec, state;
	enum event_type type = EVENT_TASK_PENDING;
	record_begin(&rec);
	jw_name(&rec.w, "pending");
	jw_object(&rec.w);
	jw_kv_text(&rec.w, "id", id);
	if (c != NULL)
		call_pending_write(c, &rec.w);
	else
		step_pending_write(s, &rec.w);
	jw_object_end(&rec.w);
	/* What a run that is resumed finds the call by. */
	if (model_call != NULL) {
		jw_kv_text(&rec.w, "step", r->plan->steps[c->exec->step].id);
		jw_kv_text(&rec.w, "call", id);
		jw_kv_text(&rec.w, "model_call", model_call);
	}
	record_begin(&state);
	jw_kv_text(&state.w, "reason", c != NULL ? "a tool call needs approval" : "a step needs approval");
	if (record_events(r, &rec, &type, 1, TASK_INPUT_REQUIRED, &state))
		run_drop(r, false);
}

static void step_pending_id(const struct run *r, size_t i, char out[STEP_PENDING_SIZE])
{
	snprintf(out, STEP_PENDING_SIZE, "%s.v%llu", r->plan->steps[i].id,
		 (unsigned long long)r->plan->version);
}

void permits_ask(struct run *r)
{
	struct exec_call *c = call_asking(r);
	size_t i = step_asking(r);
	char id[STEP_PENDING_SIZE];
	if (c != NULL) {
		run_call_name(r, c->exec, c->id);
		pending_record(r, c->id, c->model_id, c, NULL);
	} else if (i < r->plan->steps_count) {
		step_pending_id(r, i, id);
		pending_record(r, id, NULL, NULL, &r->plan->steps[i]);
	}
}

/* --- answers, of a run that is being resumed --- */

static void text_list_add(struct text_list **list, const char *text)
{
	size_t n = strlen(text) + 1;
	struct text_list *t = xmalloc(sizeof *t + n);
	memcpy(t->text, text, n);
	t->next = *list;
	*list = t;
}

/* The question about a call that was not made: it keeps the id that it was asked about under. */
static void asked_replay(struct run *r, const struct json *data)
{
	const struct json *pending = json_get(data, "pending");
	size_t i;
	if (strcmp(json_get_text(pending, "kind", ""), "approval") != 0 ||
	    plan_step_find(r->plan, json_get_text(data, "step", NULL), &i) == NULL ||
	    r->steps[i].exec == NULL)
		return;
	struct exec_call *c = call_unstarted(r->steps[i].exec, json_get_text(data, "model_call", ""));
	if (c == NULL)
		return;
	snprintf(c->permit.id, sizeof c->permit.id, "%s", json_get_text(pending, "id", ""));
	c->permit.digest = exec_keep(r->steps[i].exec, json_get_text(pending, "tool_digest", NULL));
}

static void call_answered(struct exec_call *c, const struct json *data)
{
	struct exec *x = c->exec;
	const struct json *arguments = json_get(data, "arguments");
	bool approved = strcmp(json_get_text(data, "action", ""), "approve") == 0;
	c->permit.by_person = true;
	c->permit.denied = !approved;
	c->permit.user = exec_keep(x, json_get_text(data, "user", NULL));
	c->permit.word = exec_keep(x, json_get_text(data, "content", NULL));
	if (approved && c->permit.digest != NULL)
		text_list_add(&x->run->digests_accepted, c->permit.digest);
	if (!approved || !json_is(arguments, JSON_OBJECT))
		return;
	struct buf text = BUF_INIT;
	json_print(arguments, &text);
	c->arguments = exec_keep(x, buf_cstr(&text));
	c->permit.edited = true;
	buf_release(&text);
}

static void step_answered(struct run *r, size_t i, const char *action)
{
	r->steps[i].approved = strcmp(action, "approve") == 0;
	r->steps[i].declined = strcmp(action, "skip") == 0   ? STEP_SKIPPED
			       : strcmp(action, "fail") == 0 ? STEP_FAILED
							     : STEP_PENDING;
}

static void answer_replay(struct run *r, const struct json *data)
{
	const char *id = json_get_text(data, "id", "");
	char step_id[STEP_PENDING_SIZE];
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		struct exec *x = r->steps[i].exec;
		for (size_t k = 0; x != NULL && k < x->calls_count; k++)
			if (!x->calls[k].started && strcmp(x->calls[k].permit.id, id) == 0)
				call_answered(&x->calls[k], data);
		step_pending_id(r, i, step_id);
		if (strcmp(step_id, id) == 0)
			step_answered(r, i, json_get_text(data, "action", ""));
	}
}

void permit_replay(struct run *r, enum event_type type, const struct json *data)
{
	if (type == EVENT_TASK_PENDING)
		asked_replay(r, data);
	else if (type == EVENT_TASK_INPUT)
		answer_replay(r, data);
}
