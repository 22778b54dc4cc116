/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a planner wants to know before it plans: a plan without steps to be done but with questions. The task
 * waits for a person (input_required); the answer is an event, and the planner is asked again, with all that
 * was answered so far. The offline rules read no answers: their task fails and says what is missing.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void questions_text(const struct plan *p, struct buf *out)
{
	for (const struct json *q = json_first(p->questions); q != NULL; q = json_next(q)) {
		if (json_text(q) != NULL)
			buf_add_str(out, json_text(q));
		else
			json_print(q, out);
		if (json_next(q) != NULL)
			buf_add_str(out, "; ");
	}
}

static void pending_write(struct jw *w, const struct plan *p, const char *text)
{
	char *question = xasprintf("Before it can be planned, more has to be known: %s", text);
	char id[PENDING_ID_SIZE];
	snprintf(id, sizeof id, "q%llu", (unsigned long long)p->version);
	jw_object(w);
	jw_kv_text(w, "id", id);
	jw_kv_text(w, "kind", "questions");
	jw_kv_json(w, "questions", p->questions);
	jw_name(w, "actions");
	jw_array(w);
	jw_text(w, "answer");
	jw_text(w, "fail");
	jw_array_end(w);
	jw_kv_text(w, "question", question);
	jw_object_end(w);
	free(question);
}

void questions_ask(struct run *r, const struct plan *p, struct record *recs)
{
	enum event_type types[] = {EVENT_MODEL_COMPLETED, EVENT_PLAN_CREATED, EVENT_TASK_PENDING};
	struct buf text = BUF_INIT;
	questions_text(p, &text);
	if (agent_is_offline(r->agent, LLM_PLANNER)) {
		char *why =
			xasprintf("more information is needed; submit the task again with it. Missing: %s",
				  buf_cstr(&text));
		if (record_events(r, recs, types, 2, TASK_SAME, NULL))
			run_fail(r, "needs-input", why);
		free(why);
	} else {
		struct record state;
		record_begin(&recs[2]);
		jw_name(&recs[2].w, "pending");
		pending_write(&recs[2].w, p, buf_cstr(&text));
		record_begin(&state);
		jw_kv_text(&state.w, "reason", "the planner has questions");
		if (record_events(r, recs, types, 3, TASK_INPUT_REQUIRED, &state))
			run_drop(r, false);
	}
	buf_release(&text);
}

void questions_replay(struct run *r, enum event_type type, const struct json *data)
{
	const struct json *pending = json_get(data, "pending");
	if (type == EVENT_TASK_PENDING && strcmp(json_get_text(pending, "kind", ""), "questions") == 0) {
		struct buf text = BUF_INIT;
		json_print(json_get(pending, "questions"), &text);
		free(r->asked);
		r->asked = buf_take(&text);
		return;
	}
	if (type != EVENT_TASK_INPUT || r->asked == NULL)
		return;
	bool answered = strcmp(json_get_text(data, "action", ""), "answer") == 0;
	if (answered)
		buf_printf(&r->answers, "Asked: %s\nAnswered: %s\n", r->asked,
			   json_get_text(data, "content", ""));
	r->unanswered = !answered;
	free(r->asked);
	r->asked = NULL;
}
