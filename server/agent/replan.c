/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows when a step whose plan says "replan" has failed: the steps under way come to their end, then
 * the planner is asked again, at most agent.max_replans times. First only the failed step is split into
 * smaller ones; if that was tried, or cannot help because its tools are gone, the unfinished part of the plan
 * is replaced. Finished steps stay. Where plans need approval the new one does, too. When there is nothing
 * left to try, the failure is as good as any other (steps.c).
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

enum { SPLIT_DEPTH_MAX = 2 };

static size_t failed_step(const struct run *r)
{
	for (size_t i = 0; i < r->plan->steps_count; i++)
		if (r->steps[i].status == STEP_FAILED && r->plan->steps[i].on_failure == STEP_REPLAN)
			return i;
	return SIZE_MAX;
}

bool replan_due(const struct run *r)
{
	return failed_step(r) != SIZE_MAX && r->replans < r->agent->options.replans_max;
}

void replan_begin(struct run *r)
{
	size_t i = failed_step(r);
	struct record state;
	ensure(i != SIZE_MAX);
	char *why = xasprintf("step %s (%s) failed: %s", r->plan->steps[i].id, r->plan->steps[i].title,
			      r->steps[i].error != NULL ? r->steps[i].error : "no reason given");
	record_begin(&state);
	jw_kv_text(&state.w, "reason", why);
	if (record_events(r, NULL, NULL, 0, TASK_PLANNING, &state)) {
		replan_count(r, why);
		run_wake(r);
	}
	free(why);
}

void replan_count(struct run *r, const char *why)
{
	size_t i = failed_step(r);
	r->replans++;
	if (i != SIZE_MAX)
		r->steps[i].replans++;
	free(r->replan_why);
	r->replan_why = xstrdup(why);
}

bool plan_tools_gone(const struct plan_step *s, const struct mcp_catalog *c)
{
	for (size_t i = 0; i < s->hints_count; i++)
		if (mcp_catalog_find(c, s->hints[i]) != NULL)
			return false;
	return s->hints_count > 0;
}

const struct plan_step *replan_split(struct run *r)
{
	size_t i = failed_step(r);
	if (i == SIZE_MAX || r->feedback != NULL || r->steps[i].replans > 1)
		return NULL;
	const struct plan_step *s = &r->plan->steps[i];
	bool gone = plan_tools_gone(s, tool_index_catalog(agent_tool_index(r->agent)));
	return gone || s->split_depth >= SPLIT_DEPTH_MAX ? NULL : s;
}

struct plan *replan_parse(struct run *r, struct slice text, const struct mcp_catalog *tools, struct error *e)
{
	bool finished[PLAN_STEPS_MAX];
	const struct plan_step *split = replan_split(r);
	for (size_t i = 0; i < r->plan->steps_count; i++)
		finished[i] = r->steps[i].status == STEP_COMPLETED;
	struct plan_revision v = {
		.old = r->plan, .finished = finished, .split = split != NULL ? split->id : NULL};
	return plan_revise(&v, text, tools, (size_t)r->agent->options.steps_max, e);
}

void replan_adopt(struct run *r, struct plan *p)
{
	struct run_step before[PLAN_STEPS_MAX];
	size_t i;
	memcpy(before, r->steps, sizeof before);
	memset(r->steps, 0, sizeof r->steps);
	for (size_t k = 0; r->plan != NULL && k < r->plan->steps_count; k++) {
		struct run_step *s = &before[k];
		ensure(s->exec == NULL);
		if (s->status == STEP_COMPLETED && plan_step_find(p, r->plan->steps[k].id, &i) != NULL) {
			r->steps[i] = *s;
			continue;
		}
		free(s->result);
		free(s->error);
	}
	plan_free(r->plan);
	r->plan = p;
}

void replan_give_up(struct run *r, struct record *completed, const char *why)
{
	enum event_type type = EVENT_MODEL_COMPLETED;
	struct record state;
	record_begin(&state);
	jw_kv_text(&state.w, "reason", why);
	log_info("a new plan could not be made", LF_STR("task_id", r->task_id), LF_STR("why", why));
	if (record_events(r, completed, &type, 1, TASK_RUNNING, &state))
		run_wake(r);
}
