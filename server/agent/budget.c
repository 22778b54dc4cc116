/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task may spend, and the day of its tenant and of the service. Before a model call the worst it may
 * cost is reserved: in the run, and in the task table for the day; the prompt counted at half a token per
 * byte of ASCII and a token per byte of the rest, which no tokenizer of plain text exceeds, and the output
 * bounded by what is left. After it what was used takes the place of the worst. A call whose end nobody saw,
 * because its worker died, keeps its worst: model.started tells it to whoever takes the run over.
 *
 * At a limit nothing more is begun. The task ends with what it has: steps that are not over are skipped, and
 * a part of the budget was kept for the answer; when not even that is left, a text without a model says what
 * was finished. Not a word of it is a failure, unless nothing was finished.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OVERHEAD_TOKENS = 64, MESSAGE_TOKENS = 8, OUTPUT_TOKENS_MIN = 256, MILLION = 1000000, PERCENT = 100 };
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

static int64_t text_tokens(const char *text, size_t len)
{
	size_t ascii = 0;
	for (size_t i = 0; i < len; i++)
		ascii += (unsigned char)text[i] < 0x80;
	return (int64_t)((ascii + 1) / 2 + (len - ascii));
}

static int64_t tokens_of(const char *text)
{
	return text != NULL ? text_tokens(text, strlen(text)) : 0;
}

static int64_t prompt_tokens(const struct llm_request *q)
{
	int64_t sum = OVERHEAD_TOKENS + text_tokens(q->response_schema.ptr, q->response_schema.len);
	for (size_t i = 0; i < q->messages_count; i++) {
		const struct llm_message *m = &q->messages[i];
		sum += MESSAGE_TOKENS + tokens_of(m->text) + tokens_of(m->reasoning) + tokens_of(m->echo);
		for (size_t k = 0; k < m->calls_count; k++)
			sum += MESSAGE_TOKENS + tokens_of(m->calls[k].name) +
			       tokens_of(m->calls[k].arguments) + tokens_of(m->calls[k].id) +
			       tokens_of(m->calls[k].opaque);
	}
	for (size_t i = 0; i < q->tools_count && !q->tools_in_text; i++)
		sum += MESSAGE_TOKENS + tokens_of(q->tools[i].name) + tokens_of(q->tools[i].description) +
		       text_tokens(q->tools[i].schema_text.ptr, q->tools[i].schema_text.len);
	return sum;
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

static void words(const struct run *r, struct buf *out)
{
	const struct run_budget *b = &r->budget;
	double unit = b->over == BUDGET_COST ? NANO : 1;
	const char *whose = strcmp(b->scope, "task") == 0     ? "of this task"
			    : strcmp(b->scope, "tenant") == 0 ? "of the tenant's day"
							      : "of the service's day";
	buf_printf(out, "The budget %s is used up (%s: %.10g spent or reserved of %.10g)", whose,
		   budget_limit_text(b->over), (double)b->used / unit, (double)b->cap / unit);
}

void budget_note(const struct run *r, struct buf *out)
{
	if (!budget_is_over(r))
		return;
	buf_add_str(out, "\n\nNote: this answer is partial. ");
	words(r, out);
	buf_add_str(out, "; what was not finished by then was left out.");
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
	struct budget_sums worst = {.input_tokens = prompt_tokens(q), .model_calls = 1};
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

bool budget_repeat(struct run *r, const char *call)
{
	struct budget_ask *a = budget_ask_find(r, call);
	if (a == NULL)
		return true;
	struct budget_caps caps = caps_of(r, a->role);
	struct budget_sums worst = a->holds[0].worst;
	struct budget_hold hold;
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

/* --- the end --- */

static void finished_text(const struct run *r, struct buf *out)
{
	size_t done = 0;
	words(r, out);
	buf_add_str(out, ", so that no answer was written. What was finished:");
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		if (r->steps[i].status != STEP_COMPLETED)
			continue;
		done++;
		buf_printf(out, "\n\n[%s] %s: %s", r->plan->steps[i].id, r->plan->steps[i].title,
			   r->steps[i].result != NULL ? r->steps[i].result : "");
	}
	buf_printf(out, "\n\n%zu of %zu steps were finished.", done, r->plan->steps_count);
}

static bool anything_done(const struct run *r)
{
	for (size_t i = 0; r->plan != NULL && i < r->plan->steps_count; i++)
		if (r->steps[i].status == STEP_COMPLETED)
			return true;
	return false;
}

void budget_finish(struct run *r)
{
	struct buf text = BUF_INIT;
	if (!anything_done(r) || r->output_schema != NULL) {
		words(r, &text);
		buf_add_str(&text, anything_done(r)
					   ? ", and no result could be written that follows the output "
					     "schema; the results of steps are in the plan"
					   : " and nothing was finished; give the task a larger budget");
		run_fail(r, "budget-exhausted", buf_cstr(&text));
	} else {
		struct record rec;
		enum event_type type = EVENT_TASK_RESULT;
		finished_text(r, &text);
		record_begin(&rec);
		jw_kv_text(&rec.w, "result", buf_cstr(&text));
		if (record_events(r, &rec, &type, 1, TASK_COMPLETED, NULL))
			run_drop(r, false);
	}
	buf_release(&text);
}

static bool step_close(struct run *r, size_t i)
{
	struct record rec;
	exec_free(r->steps[i].exec);
	r->steps[i].exec = NULL;
	record_begin(&rec);
	jw_kv_text(&rec.w, "step", r->plan->steps[i].id);
	jw_kv_text(&rec.w, "reason", "the budget is used up");
	if (!record_event(r, &rec, EVENT_STEP_SKIPPED))
		return false;
	r->steps[i].status = STEP_SKIPPED;
	return true;
}

void budget_end(struct run *r, bool go_on)
{
	bool busy = r->model != NULL;
	for (size_t i = 0; i < r->plan->steps_count && !run_over(r); i++) {
		struct exec *x = r->steps[i].exec;
		if (x != NULL && !x->over)
			exec_pump(x); /* what was sent comes to its end */
		if (run_over(r))
			return;
		if (x != NULL && !x->over && exec_busy(x, false))
			busy = true;
		if (!go_on || (x != NULL && !x->over && exec_busy(x, false)))
			continue;
		bool open = r->steps[i].status == STEP_PENDING || r->steps[i].status == STEP_RUNNING;
		if (open && !step_close(r, i))
			return;
	}
	if (busy || !go_on || run_over(r))
		return;
	/* Who was asked something for a step that is closed now is asked no longer. */
	if (!asks_hush(r, "the budget of the task is used up"))
		return;
	if (!anything_done(r) || r->budget.answered) {
		budget_finish(r);
		return;
	}
	r->budget.answered = true;
	writer_start(r);
	if (!run_over(r) && r->model == NULL)
		budget_finish(r);
}

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
