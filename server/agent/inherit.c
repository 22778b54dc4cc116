/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task that goes on where an earlier one stands (retry, fork): its first event has the plan, with the
 * results of the steps that are done, and what calls of the others have changed in the world. The plan is not
 * planned again but approved like any other. A call that was made before, of the same tool with the same
 * arguments, is not made again: its result is taken over; where nobody knows what became of it, a person is
 * asked before it is sent. Each of them stands for one call only.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

static struct json *effects(struct run *r)
{
	return (struct json *)(uintptr_t)json_get(r->inherited, "effects");
}

void inherit_replay(struct run *r, enum event_type type, const struct json *data)
{
	const struct json *reused = json_get(data, "reused");
	if (type == EVENT_TASK_CREATED && json_is(json_get(data, "inherited"), JSON_OBJECT))
		r->inherited = json_copy(json_get(data, "inherited"));
	if (type == EVENT_TOOL_COMPLETED && reused != NULL) {
		for (const struct json *j = json_first(effects(r)); j != NULL; j = json_next(j))
			if (strcmp(json_get_text(j, "call", ""), json_get_text(reused, "call", "?")) == 0 &&
			    strcmp(json_get_text(j, "task_id", ""), json_get_text(reused, "task_id", "?")) ==
				    0)
				json_set((struct json *)(uintptr_t)j, "used", json_new_bool(true));
	}
}

/* --- the plan --- */

bool inherit_plans(const struct run *r)
{
	return r->plan_version == 0 && json_is(json_get(r->inherited, "plan"), JSON_OBJECT);
}

void inherit_begin(struct run *r)
{
	const struct json *plan = json_get(r->inherited, "plan");
	struct record recs[2];
	enum event_type types[] = {EVENT_PLAN_CREATED, EVENT_PLAN_APPROVED};
	struct error e = {0};
	if (plan_adopt(r, plan, &e) != ERR_NONE) {
		run_fail(r, "bad-plan", e.msg);
		return;
	}
	r->plan_version = r->plan->version;
	record_begin(&recs[0]);
	jw_kv_json(&recs[0].w, "plan", plan);
	jw_kv_text(&recs[0].w, "by", "parent");
	if (r->approval == APPROVAL_REQUIRED) {
		if (record_events(r, recs, types, 1, TASK_AWAITING_APPROVAL, NULL))
			run_drop(r, false);
		return;
	}
	record_begin(&recs[1]);
	jw_kv_text(&recs[1].w, "digest", r->plan->digest);
	jw_kv_int(&recs[1].w, "version", (int64_t)r->plan->version);
	jw_kv_text(&recs[1].w, "by", "policy");
	if (record_events(r, recs, types, 2, TASK_RUNNING, NULL))
		run_wake(r);
}

/* --- effects --- */

struct json *inherit_find(const struct exec_call *c, const struct json *arguments)
{
	struct run *r = c->exec->run;
	if (c->tool->read_only)
		return NULL;
	for (const struct json *j = json_first(effects(r)); j != NULL; j = json_next(j))
		if (!json_get_bool(j, "used", false) &&
		    strcmp(json_get_text(j, "server", ""), c->tool->server) == 0 &&
		    strcmp(json_get_text(j, "tool", ""), c->tool->server_tool) == 0 &&
		    json_equal(json_get(j, "arguments"), arguments))
			return (struct json *)(uintptr_t)j;
	return NULL;
}

bool inherit_in_doubt(const struct exec_call *c, const struct json *arguments)
{
	const struct json *effect = inherit_find(c, arguments);
	return effect != NULL && strcmp(json_get_text(effect, "outcome", ""), "completed") != 0;
}

void inherit_sent(const struct exec_call *c, const struct json *arguments)
{
	struct json *effect = inherit_find(c, arguments);
	if (effect != NULL)
		json_set(effect, "used", json_new_bool(true));
}

bool inherit_reuse(struct exec_call *c, const struct json *arguments)
{
	struct json *effect = inherit_find(c, arguments);
	struct record rec;
	if (effect == NULL || inherit_in_doubt(c, arguments))
		return false;
	run_call_name(c->exec->run, c->exec, c->id);
	call_head(&rec, c);
	jw_kv_bool(&rec.w, "is_error", false);
	jw_name(&rec.w, "reused");
	jw_object(&rec.w);
	jw_kv_json(&rec.w, "task_id", json_get(effect, "task_id"));
	jw_kv_json(&rec.w, "call", json_get(effect, "call"));
	jw_object_end(&rec.w);
	jw_kv_json(&rec.w, "result", json_get(effect, "result"));
	if (!record_event(c->exec->run, &rec, EVENT_TOOL_COMPLETED))
		return true;
	struct result_view view = {.result = json_get(effect, "result")};
	json_set(effect, "used", json_new_bool(true));
	calls_answer_result(c, &view);
	return true;
}
