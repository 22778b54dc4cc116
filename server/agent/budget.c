/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task may spend, and the day of its tenant and of the service. Before a model call the worst it may
 * cost is reserved: in the run, and in the task table for the day; the prompt as budget_tokens.c foresees it,
 * the output bounded by what is left. After it what was used takes the place of the worst. A call whose end
 * nobody saw, because its worker died, keeps its worst: model.started tells it to whoever takes the run over.
 * An attempt that the server refused is a call all the same. At a limit nothing more is begun
 * (budget_end.c).
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUT_TOKENS_MIN = 256, MILLION = 1000000, PERCENT = 100 };
static const double NANO = 1e9;

static bool counts(const struct run *r)
{
	static const struct budget_caps none;
	return memcmp(&r->budget.caps, &none, sizeof none) != 0 || store_has_budgets(r->agent->store);
}

bool budget_is_over(const struct run *r)
{
	return r->budget.over != BUDGET_NONE;
}

/* --- sums --- */

void budget_sums_add(struct budget_sums *to, const struct budget_sums *more)
{
	to->input_tokens += more->input_tokens;
	to->output_tokens += more->output_tokens;
	to->cost_nano += more->cost_nano;
	to->model_calls += more->model_calls;
	to->tool_calls += more->tool_calls;
}

/* Spent, and what calls under way may cost. */
static struct budget_sums charged(const struct run *r)
{
	struct budget_sums sums = r->budget.spent;
	for (const struct budget_ask *a = r->budget.asks; a != NULL; a = a->next)
		budget_sums_add(&sums, &a->worst);
	return sums;
}

/* Of what is not the answer; at least one model call is kept for that. */
static struct budget_caps caps_of(const struct run *r, enum llm_role role)
{
	struct budget_caps c = r->budget.caps;
	int64_t keep = r->agent->options.answer_percent;
	if (role == LLM_WRITER || keep == 0)
		return c;
	int64_t *const at[] = {&c.input_tokens, &c.output_tokens, &c.total_tokens, &c.cost_nano};
	for (size_t i = 0; i < COUNT_OF(at); i++)
		if (*at[i] > 1)
			*at[i] -= *at[i] / PERCENT * keep + *at[i] % PERCENT * keep / PERCENT;
	if (c.model_calls > 1)
		c.model_calls -= c.model_calls * keep / PERCENT > 0 ? c.model_calls * keep / PERCENT : 1;
	return c;
}

/* --- the limit --- */

static void exhausted(struct run *r, const char *scope, enum budget_limit limit, int64_t used, int64_t cap)
{
	struct record rec;
	double unit = limit == BUDGET_COST ? NANO : 1;
	if (budget_is_over(r))
		return;
	r->budget.over = limit;
	r->budget.scope = scope;
	r->budget.used = used;
	r->budget.cap = cap;
	log_info("a budget is used up; the task ends with what it has", LF_STR("task_id", r->task_id),
		 LF_STR("scope", scope), LF_STR("limit", budget_limit_text(limit)));
	store_count(r->agent->store, COUNTER_BUDGETS_EXHAUSTED, 1);
	record_begin(&rec);
	jw_kv_text(&rec.w, "scope", scope);
	jw_kv_text(&rec.w, "limit", budget_limit_text(limit));
	jw_name(&rec.w, "used");
	jw_double(&rec.w, (double)used / unit);
	jw_name(&rec.w, "cap");
	jw_double(&rec.w, (double)cap / unit);
	if (record_event(r, &rec, EVENT_BUDGET_EXHAUSTED))
		run_wake(r);
}

/* --- model calls --- */

/* The most output that fits into what is left; less than OUTPUT_TOKENS_MIN is no room for an answer. */
static int64_t output_room(const struct run *r, enum llm_role role, const struct budget_caps *caps,
			   int64_t input)
{
	struct budget_sums now = charged(r);
	int64_t room = llm_output_tokens_max(r->agent->llm, role);
	room = room > 0 ? room : r->agent->options.call_output_tokens;
	if (caps->output_tokens > 0 && caps->output_tokens - now.output_tokens < room)
		room = caps->output_tokens - now.output_tokens;
	int64_t total = caps->total_tokens - now.input_tokens - now.output_tokens - input;
	if (caps->total_tokens > 0 && total < room)
		room = total;
	int64_t each = llm_worst_nano(r->agent->llm, role, 0, MILLION);
	int64_t money = caps->cost_nano - now.cost_nano - llm_worst_nano(r->agent->llm, role, input, 0);
	if (caps->cost_nano > 0 && each > 0 && (double)money / (double)each * MILLION < (double)room)
		room = money <= 0 ? 0 : (int64_t)((double)money / (double)each * MILLION) - 1;
	return room > OUTPUT_TOKENS_MIN ? room : OUTPUT_TOKENS_MIN;
}

/* In the run's own budget and in the day's; false: it does not fit, and the run knows why. */
static bool reserve(struct run *r, const struct budget_caps *caps, const struct budget_sums *worst,
		    struct budget_hold *hold)
{
	struct budget_sums now = charged(r);
	struct budget_refusal why;
	int64_t used, cap;
	enum budget_limit limit = budget_over(&now, worst, caps, &used, &cap);
	if (limit != BUDGET_NONE) {
		exhausted(r, "task", limit, used, cap);
		return false;
	}
	if (budget_reserve(r->agent->store, r->budget.tenant, worst, clock_wall_ms(), hold, &why) == ERR_NONE)
		return true;
	if (why.limit != BUDGET_NONE)
		exhausted(r, why.of_service ? "service" : "tenant", why.limit, why.used, why.cap);
	else
		run_fail(r, "budget-exhausted",
			 "as many tenants as can be counted have worked today already (budgets.tenants_max)");
	return false;
}

struct budget_ask *budget_ask_new(struct run *r, const char *call)
{
	struct budget_ask *a = xcalloc(1, sizeof *a);
	snprintf(a->call, sizeof a->call, "%s", call);
	a->next = r->budget.asks;
	r->budget.asks = a;
	return a;
}

struct budget_ask *budget_ask_find(const struct run *r, const char *call)
{
	struct budget_ask *a = r->budget.asks;
	while (a != NULL && strcmp(a->call, call) != 0)
		a = a->next;
	return a;
}

void budget_ask_drop(struct run *r, struct budget_ask *a)
{
	struct budget_ask **at = &r->budget.asks;
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	free(a);
}

bool budget_take(struct run *r, const char *call, struct llm_request *q)
{
	if (!counts(r))
		return true;
	if (budget_is_over(r) && q->role != LLM_WRITER)
		return false;
	struct budget_caps caps = caps_of(r, q->role);
	struct budget_sums worst = {.input_tokens = budget_prompt_tokens(r->agent, q), .model_calls = 1};
	struct budget_hold hold;
	worst.output_tokens = output_room(r, q->role, &caps, worst.input_tokens);
	worst.cost_nano = llm_worst_nano(r->agent->llm, q->role, worst.input_tokens, worst.output_tokens);
	if (!reserve(r, &caps, &worst, &hold))
		return false;
	struct budget_ask *a = budget_ask_new(r, call);
	a->role = q->role;
	a->worst = worst;
	a->holds[a->holds_count++] = hold;
	q->output_tokens_max = worst.output_tokens;
	q->after = hold.change;
	return true;
}

/* An attempt that was refused is a call that took place and used nothing. */
static bool refused_count(struct run *r, const struct budget_caps *caps)
{
	static const struct budget_sums one = {.model_calls = 1};
	struct budget_hold hold;
	if (!reserve(r, caps, &one, &hold))
		return false;
	budget_sums_add(&r->budget.spent, &one);
	return true;
}

bool budget_repeat(struct run *r, const char *call, bool paid)
{
	struct budget_ask *a = budget_ask_find(r, call);
	if (a == NULL)
		return true;
	struct budget_caps caps = caps_of(r, a->role);
	struct budget_sums worst = a->holds[0].worst;
	struct budget_hold hold;
	if (!paid)
		return refused_count(r, &caps);
	if (a->holds_count == COUNT_OF(a->holds) || !reserve(r, &caps, &worst, &hold))
		return false;
	/* What the lost attempt may have cost is spent. */
	budget_sums_add(&r->budget.spent, &worst);
	a->holds[a->holds_count++] = hold;
	return true;
}

void budget_give(struct run *r, const char *call, const struct llm_turn *turn, const struct error *e)
{
	struct budget_ask *a = budget_ask_find(r, call);
	if (a == NULL)
		return;
	struct budget_sums used = {.model_calls = 1};
	if (turn != NULL) {
		used.input_tokens = turn->usage.input_tokens > 0 ? turn->usage.input_tokens : 0;
		used.output_tokens = turn->usage.output_tokens > 0 ? turn->usage.output_tokens : 0;
		used.cost_nano = turn->cost_nano > 0 ? turn->cost_nano : 0;
		budget_prompt_learn(r->agent, a->worst.input_tokens, &turn->usage);
	} else if (e->code == ERR_LOST || e->code == ERR_TIMEOUT) {
		used = a->worst; /* nobody knows */
	}
	budget_sums_add(&r->budget.spent, &used);
	/* Of the attempts before the last one nothing comes back. */
	budget_settle(r->agent->store, r->budget.tenant, &a->holds[a->holds_count - 1], &used);
	budget_ask_drop(r, a);
}

void budget_reserved_write(const struct run *r, const char *call, struct jw *w)
{
	const struct budget_ask *a = budget_ask_find(r, call);
	if (a == NULL)
		return;
	jw_name(w, "reserved");
	jw_object(w);
	jw_kv_int(w, "input_tokens", a->worst.input_tokens);
	jw_kv_int(w, "output_tokens", a->worst.output_tokens);
	jw_name(w, "cost");
	jw_double(w, (double)a->worst.cost_nano / NANO);
	jw_object_end(w);
}

bool budget_tool_take(struct run *r)
{
	static const struct budget_sums one = {.tool_calls = 1};
	struct budget_hold hold;
	if (!counts(r))
		return true;
	if (budget_is_over(r) || !reserve(r, &r->budget.caps, &one, &hold))
		return false;
	r->budget.spent.tool_calls++;
	return true;
}

/* --- what is left --- */

/* One limit in words. */
static void left_print(struct buf *out, const char *what, int64_t cap, int64_t used)
{
	if (cap > 0)
		buf_printf(out, "%s%lld %s", out->len > 0 ? ", " : "",
			   (long long)(cap > used ? cap - used : 0), what);
}

/* The answer's part taken off. Time is not among it: no model can tell how long a step takes. */
void budget_left_print(const struct run *r, struct buf *out)
{
	struct budget_caps caps = caps_of(r, LLM_EXECUTOR);
	struct budget_sums now = charged(r);
	left_print(out, "model calls", caps.model_calls, now.model_calls);
	left_print(out, "tool calls", caps.tool_calls, now.tool_calls);
	left_print(out, "input tokens", caps.input_tokens, now.input_tokens);
	left_print(out, "output tokens", caps.output_tokens, now.output_tokens);
	left_print(out, "tokens", caps.total_tokens, now.input_tokens + now.output_tokens);
	if (caps.cost_nano > 0)
		buf_printf(out, "%s%.4g of money", out->len > 0 ? ", " : "",
			   (double)(caps.cost_nano > now.cost_nano ? caps.cost_nano - now.cost_nano : 0) /
				   NANO);
}

/* --- time --- */

int64_t budget_wall_mono_ms(const struct run *r)
{
	if (r->budget.wall_ms == 0 || budget_is_over(r))
		return INT64_MAX;
	return r->deadline_mono_ms - r->budget.wall_ms * r->agent->options.answer_percent / PERCENT;
}

void budget_wall_check(struct run *r)
{
	if (r->state == TASK_RUNNING && clock_mono_ms() >= budget_wall_mono_ms(r))
		exhausted(
			r, "task", BUDGET_WALL_SECONDS,
			(r->budget.wall_ms - r->budget.wall_ms * r->agent->options.answer_percent / PERCENT) /
				1000,
			r->budget.wall_ms / 1000);
}
