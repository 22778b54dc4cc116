/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The budget of a run that is taken up: its limits from the document, what was spent from each event. A model
 * call that was started and whose end nobody wrote may have been made: it keeps the worst it may have cost.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double NANO = 1e9;

static int64_t nano_of(const struct json *cost)
{
	double v = json_number(cost) * NANO;
	return v > 0 && v < 9e18 ? llround(v) : 0;
}

void budget_load(struct run *r, const struct json *doc)
{
	const struct json *b = json_get(doc, "budget");
	struct run_budget *o = &r->budget;
	o->caps = (struct budget_caps){.input_tokens = json_get_integer(b, "input_tokens", 0),
				       .output_tokens = json_get_integer(b, "output_tokens", 0),
				       .total_tokens = json_get_integer(b, "total_tokens", 0),
				       .cost_nano = nano_of(json_get(b, "cost")),
				       .model_calls = json_get_integer(b, "model_calls", 0),
				       .tool_calls = json_get_integer(b, "tool_calls", 0)};
	o->wall_ms = json_get_integer(b, "wall_seconds", 0) * 1000;
	snprintf(o->tenant, sizeof o->tenant, "%s", json_get_text(doc, "tenant", "default"));
	if (o->wall_ms > 0 && o->wall_ms < r->agent->options.task_ms_max)
		r->deadline_mono_ms -= r->agent->options.task_ms_max - o->wall_ms;
	else
		o->wall_ms = 0;
}

static struct budget_sums reserved_of(const struct json *data)
{
	const struct json *reserved = json_get(data, "reserved");
	return (struct budget_sums){.input_tokens = json_get_integer(reserved, "input_tokens", 0),
				    .output_tokens = json_get_integer(reserved, "output_tokens", 0),
				    .cost_nano = nano_of(json_get(reserved, "cost")),
				    .model_calls = 1};
}

static void over_replay(struct run *r, const struct json *data)
{
	static const char *const scopes[] = {"task", "tenant", "service"};
	const char *limit = json_get_text(data, "limit", ""), *scope = json_get_text(data, "scope", "");
	double unit = 1;
	r->budget.scope = scopes[0];
	for (size_t i = 0; i < COUNT_OF(scopes); i++)
		if (strcmp(scopes[i], scope) == 0)
			r->budget.scope = scopes[i];
	for (int l = BUDGET_INPUT_TOKENS; l <= BUDGET_WALL_SECONDS; l++)
		if (strcmp(budget_limit_text((enum budget_limit)l), limit) == 0)
			r->budget.over = (enum budget_limit)l;
	unit = r->budget.over == BUDGET_COST ? NANO : 1;
	r->budget.used = llround(json_number(json_get(data, "used")) * unit);
	r->budget.cap = llround(json_number(json_get(data, "cap")) * unit);
}

/* An attempt before the last one: what it may have cost, or, refused, a call that used nothing. Another
 * provider that is asked instead is counted only in the first case, as it was when it happened. */
static void repeat_replay(struct run *r, enum event_type type, const struct json *data)
{
	static const struct budget_sums one = {.model_calls = 1};
	const struct budget_ask *a = budget_ask_find(r, json_get_text(data, "call", ""));
	const char *code = json_get_text(json_get(data, "error"), "code", "");
	bool paid =
		strcmp(code, err_info(ERR_LOST)->slug) == 0 || strcmp(code, err_info(ERR_TIMEOUT)->slug) == 0;
	if (a != NULL && paid)
		budget_sums_add(&r->budget.spent, &a->worst);
	else if (a != NULL && type == EVENT_MODEL_RETRIED)
		budget_sums_add(&r->budget.spent, &one);
}

void budget_replay(struct run *r, enum event_type type, const struct json *data)
{
	const char *call = json_get_text(data, "call", "");
	const struct json *usage = json_get(data, "usage");
	if (type == EVENT_BUDGET_EXHAUSTED) {
		over_replay(r, data);
	} else if (type == EVENT_MODEL_STARTED) {
		struct budget_ask *a = budget_ask_new(r, call);
		a->worst = reserved_of(data);
	} else if (type == EVENT_MODEL_RETRIED || type == EVENT_MODEL_FAILOVER) {
		repeat_replay(r, type, data);
	} else if (type == EVENT_TOOL_STARTED) {
		r->budget.spent.tool_calls++;
	} else if (type == EVENT_MODEL_COMPLETED || type == EVENT_MODEL_FAILED) {
		struct budget_ask *a = budget_ask_find(r, call);
		struct budget_sums used = {.model_calls = 1};
		if (a == NULL)
			return;
		if (type == EVENT_MODEL_COMPLETED) {
			used.input_tokens = json_get_integer(usage, "input_tokens", 0);
			used.output_tokens = json_get_integer(usage, "output_tokens", 0);
			used.cost_nano = nano_of(json_get(data, "cost"));
		} else {
			used = a->worst; /* which failures cost nothing is not told here */
		}
		budget_sums_add(&r->budget.spent, &used);
		budget_ask_drop(r, a);
	}
}

void budget_loaded(struct run *r)
{
	while (r->budget.asks != NULL) {
		budget_sums_add(&r->budget.spent, &r->budget.asks->worst);
		budget_ask_drop(r, r->budget.asks);
	}
}

void budget_release(struct run *r)
{
	while (r->budget.asks != NULL)
		budget_ask_drop(r, r->budget.asks);
}
