/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task's document and the state it is folded into. Rendering copies ready-made pieces, the plan in one, and
 * is fast enough to be done on each event; parsing a document back is for a participant that changes a task
 * it has not changed before.
 */
#include "base/base.h"
#include "store/doc.h"

#include <stdlib.h>
#include <math.h>
#include <string.h>

/* Amounts are counted in billionths, and read back exactly up to some millions of the unit. */
static const double NANO = 1e9, MONEY_MAX = 9e18;

enum { STEP_ID_SIZE = 64 };

static void steps_free(struct doc_step *steps, size_t n);
static void part_add(const struct task_doc *d, struct buf *text, enum doc_part part, struct jw *w);
static void time_render(struct jw *w, const char *name, int64_t ms);

struct task_doc *doc_new(void)
{
	struct task_doc *d = xcalloc(1, sizeof *d);
	d->state = TASK_QUEUED;
	d->cost_nano = -1;
	return d;
}

void doc_free(struct task_doc *d)
{
	if (d == NULL)
		return;
	steps_free(d->steps, d->steps_count);
	free(d->id);
	free(d->prompt);
	free(d->approval);
	free(d->metadata);
	free(d->output_schema);
	free(d->tenant);
	free(d->parent);
	free(d->budget);
	free(d->budget_exhausted);
	free(d->plan);
	free(d->result);
	free(d->error);
	free(d->pending);
	for (size_t i = 0; i < DOC_PARTS; i++)
		buf_release(&d->parts[i]);
	free(d);
}

enum task_state doc_state(const struct task_doc *d)
{
	return d->state;
}

void doc_text_set(char **at, char *text)
{
	free(*at);
	*at = text;
}

void doc_pending_set(struct task_doc *d, const struct json *holder)
{
	doc_text_set(&d->pending, doc_member(holder, "pending"));
	d->pending_is_live = json_get_bool(json_get(holder, "pending"), "live", false);
}

bool doc_works(const struct task_doc *d)
{
	return task_state_works(d->state) || (d->state == TASK_INPUT_REQUIRED && d->pending_is_live);
}

/* Half a text would be a document that nobody can read: better no process than that. */
static char *text_whole(struct buf *out)
{
	ensure(!out->overflow);
	return buf_take(out);
}

int64_t doc_cost_nano(const struct json *cost)
{
	double v = json_number(cost) * NANO;
	return !json_is(cost, JSON_NUMBER) || v < 0 ? -1 : v > MONEY_MAX ? (int64_t)MONEY_MAX : llround(v);
}

char *doc_member(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, name);
	struct buf out = BUF_INIT;
	if (v == NULL)
		return xstrdup("null");
	json_print(v, &out);
	return text_whole(&out);
}

char *doc_members(const struct json *object, const char *const *but)
{
	struct buf out = BUF_INIT;
	struct jw w = JW(&out);
	for (const struct json *m = json_first(object); m != NULL; m = json_next(m)) {
		bool skip = false;
		for (size_t i = 0; but[i] != NULL; i++)
			skip = skip || strcmp(json_name(m), but[i]) == 0;
		if (skip)
			continue;
		if (w.comma)
			buf_add_char(&out, ',');
		w.comma = false;
		jw_text(&w, json_name(m));
		buf_add_char(&out, ':');
		json_print(m, &out);
		w.comma = true;
	}
	return text_whole(&out);
}

static const struct doc_step *step_find(const struct doc_step *steps, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(steps[i].id, id) == 0)
			return &steps[i];
	return NULL;
}

/* Takes the members of a new plan and its steps; those that were finished before keep what they have. */
static void plan_replace(struct task_doc *d, char *members, struct doc_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct doc_step *before = step_find(d->steps, d->steps_count, steps[i].id);
		if (before == NULL || strcmp(before->status, "completed") != 0)
			continue;
		doc_text_set(&steps[i].status, xstrdup(before->status));
		doc_text_set(&steps[i].result, xstrdup(before->result));
		doc_text_set(&steps[i].error, xstrdup(before->error));
	}
	steps_free(d->steps, d->steps_count);
	d->steps = steps;
	d->steps_count = count;
	doc_text_set(&d->plan, members);
}

void doc_plan_set(struct task_doc *d, const struct json *plan)
{
	static const char *const plan_but[] = {"steps", NULL};
	static const char *const step_but[] = {"status", "result", "error", NULL};
	const struct json *list = json_get(plan, "steps");
	size_t count = json_count(list) < DOC_STEPS_MAX ? json_count(list) : DOC_STEPS_MAX, n = 0;
	struct doc_step *steps = xcalloc(count + 1, sizeof *steps);
	for (const struct json *j = json_first(list); j != NULL && n < count; j = json_next(j), n++)
		steps[n] = (struct doc_step){.id = xstrdup(json_get_text(j, "id", "")),
					     .fixed = doc_members(j, step_but),
					     .status = xstrdup(json_get_text(j, "status", "pending")),
					     .result = doc_member(j, "result"),
					     .error = doc_member(j, "error")};
	plan_replace(d, doc_members(plan, plan_but), steps, n);
}

/* One new step; its bytes, or 0. */
static size_t step_peek(struct slice s, struct doc_step *step)
{
	static const struct slice names[] = {SLICE_LIT("id"), SLICE_LIT("status"), SLICE_LIT("result"),
					     SLICE_LIT("error")};
	struct slice v[COUNT_OF(names)];
	char id[STEP_ID_SIZE];
	size_t n = json_peek_object(s, names, COUNT_OF(names), v);
	if (n == 0 || v[1].len + v[2].len + v[3].len > 0 || !json_peek_plain(v[0], id, sizeof id))
		return 0;
	*step = (struct doc_step){.id = xstrdup(id),
				  .fixed = xstrndup(s.ptr + 1, n - 2),
				  .status = xstrdup("pending"),
				  .result = xstrdup("null"),
				  .error = xstrdup("null")};
	return n;
}

/* "[{...},{...}]"; returns how many, or 0. */
static size_t steps_peek(struct slice list, struct doc_step **steps)
{
	const char *at = list.ptr + 1, *end = list.ptr + list.len;
	size_t count = 0;
	while (count < DOC_STEPS_MAX) {
		*steps = xrealloc(*steps, (count + 1) * sizeof **steps);
		size_t n = step_peek((struct slice){at, (size_t)(end - at)}, &(*steps)[count]);
		if (n == 0)
			break;
		count++;
		at += n + 1;
		if (at[-1] != ',' && at == end)
			return count;
		if (at[-1] != ',')
			break;
	}
	steps_free(*steps, count);
	return 0;
}

bool doc_plan_peek(struct task_doc *d, struct slice plan)
{
	static const struct slice names[] = {SLICE_LIT("steps")};
	static const char name[] = "\"steps\":";
	struct slice v[COUNT_OF(names)];
	struct doc_step *steps = NULL;
	if (json_peek_object(plan, names, COUNT_OF(names), v) != plan.len || v[0].len == 0 ||
	    v[0].ptr[0] != '[')
		return false;
	const char *begin = plan.ptr + 1, *before = v[0].ptr - strlen(name);
	struct slice left = {begin, (size_t)(before - begin)}, right = {v[0].ptr + v[0].len, 0};
	right.len = (size_t)(plan.ptr + plan.len - 1 - right.ptr);
	if (before < begin || memcmp(before, name, strlen(name)) != 0 ||
	    (left.len > 0 && before[-1] != ',') || (right.len > 0 && *right.ptr != ','))
		return false; /* white space within */
	size_t count = steps_peek(v[0], &steps);
	if (count == 0)
		return false;
	/* One of the commas beside the steps stays where there is something on both sides. */
	if (right.len > 0)
		right = (struct slice){right.ptr + 1, right.len - 1};
	else if (left.len > 0)
		left.len--;
	struct buf members = BUF_INIT;
	buf_add_slice(&members, left);
	buf_add_slice(&members, right);
	plan_replace(d, text_whole(&members), steps, count);
	return true;
}

struct task_doc *doc_parse(struct slice text, struct error *e)
{
	struct json *j = json_parse(text.ptr, text.len, JSON_DEPTH_MAX, e);
	if (j == NULL)
		return NULL;
	struct task_doc *d = doc_new();
	const struct json *usage = json_get(j, "usage");
	if (!task_state_parse(json_get_text(j, "status", ""), &d->state)) {
		err_set(e, ERR_INTERNAL, "a task's document has no known status");
		doc_free(d);
		json_free(j);
		return NULL;
	}
	d->id = doc_member(j, "id");
	d->prompt = doc_member(j, "prompt");
	d->approval = doc_member(j, "approval");
	d->metadata = doc_member(j, "metadata");
	d->output_schema = doc_member(j, "output_schema");
	d->tenant = doc_member(j, "tenant");
	d->parent = doc_member(j, "parent");
	d->budget = doc_member(j, "budget");
	d->budget_exhausted = doc_member(j, "budget_exhausted");
	d->result = doc_member(j, "result");
	d->error = doc_member(j, "error");
	doc_pending_set(d, j);
	if (json_is(json_get(j, "plan"), JSON_OBJECT))
		doc_plan_set(d, json_get(j, "plan"));
	d->input_tokens = json_get_integer(usage, "input_tokens", 0);
	d->output_tokens = json_get_integer(usage, "output_tokens", 0);
	d->cached_tokens = json_get_integer(usage, "cached_tokens", 0);
	d->model_calls = json_get_integer(usage, "model_calls", 0);
	d->tool_calls = json_get_integer(usage, "tool_calls", 0);
	d->estimated = json_get_bool(usage, "estimated", false);
	d->cost_nano = doc_cost_nano(json_get(usage, "cost"));
	d->last_seq = (uint64_t)json_get_integer(j, "last_seq", 0);
	clock_parse(json_get_text(j, "created_at", ""), &d->created_ms);
	clock_parse(json_get_text(j, "updated_at", ""), &d->updated_ms);
	json_free(j);
	return d;
}

static void raw(struct jw *w, const char *name, const char *json)
{
	jw_kv_raw(w, name, json, json != NULL ? strlen(json) : 0);
}

/* Members that most tasks do not have. */
static void optional(struct jw *w, const char *name, const char *json)
{
	if (json != NULL && strcmp(json, "null") != 0)
		raw(w, name, json);
}

void doc_render(struct task_doc *d, struct buf *out)
{
	struct jw w = JW(out);
	jw_object(&w);
	raw(&w, "id", d->id);
	jw_kv_text(&w, "status", task_state_text(d->state));
	for (enum doc_part i = 0; i < DOC_PARTS; i++)
		part_add(d, &d->parts[i], i, &w);
	jw_name(&w, "last_seq");
	jw_uint(&w, d->last_seq);
	time_render(&w, "created_at", d->created_ms);
	time_render(&w, "updated_at", d->updated_ms);
	jw_object_end(&w);
}

/* --- helpers --- */

static void steps_free(struct doc_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(steps[i].id);
		free(steps[i].fixed);
		free(steps[i].status);
		free(steps[i].result);
		free(steps[i].error);
	}
	free(steps);
}

static void asked_render(const struct task_doc *d, struct jw *w)
{
	raw(w, "prompt", d->prompt);
	raw(w, "approval", d->approval);
}

static void given_render(const struct task_doc *d, struct jw *w)
{
	raw(w, "metadata", d->metadata);
	optional(w, "output_schema", d->output_schema);
	optional(w, "parent", d->parent);
	optional(w, "tenant", d->tenant);
	optional(w, "budget", d->budget);
	optional(w, "budget_exhausted", d->budget_exhausted);
}

static void outcome_render(const struct task_doc *d, struct jw *w)
{
	raw(w, "result", d->result);
	raw(w, "error", d->error);
	raw(w, "pending", d->pending);
}

static void plan_render(const struct task_doc *d, struct jw *w)
{
	jw_name(w, "plan");
	if (d->plan == NULL) {
		jw_null(w);
		return;
	}
	jw_object(w);
	buf_add_str(w->out, d->plan);
	w->comma = *d->plan != '\0';
	jw_name(w, "steps");
	jw_array(w);
	for (size_t i = 0; i < d->steps_count; i++) {
		const struct doc_step *s = &d->steps[i];
		jw_object(w);
		buf_add_str(w->out, s->fixed);
		w->comma = *s->fixed != '\0';
		jw_kv_text(w, "status", s->status);
		raw(w, "result", s->result);
		raw(w, "error", s->error);
		jw_object_end(w);
	}
	jw_array_end(w);
	jw_object_end(w);
}

static void usage_render(const struct task_doc *d, struct jw *w)
{
	jw_name(w, "usage");
	jw_object(w);
	jw_kv_int(w, "input_tokens", d->input_tokens);
	jw_kv_int(w, "output_tokens", d->output_tokens);
	jw_kv_int(w, "cached_tokens", d->cached_tokens);
	jw_kv_int(w, "model_calls", d->model_calls);
	jw_kv_int(w, "tool_calls", d->tool_calls);
	if (d->cost_nano >= 0) {
		jw_name(w, "cost");
		jw_double(w, (double)d->cost_nano / NANO);
	}
	jw_kv_bool(w, "estimated", d->estimated);
	jw_object_end(w);
}

static void part_add(const struct task_doc *d, struct buf *text, enum doc_part part, struct jw *w)
{
	static void (*const renders[])(const struct task_doc *d, struct jw *w) = {
		[DOC_ASKED] = asked_render, [DOC_PLAN] = plan_render,   [DOC_OUTCOME] = outcome_render,
		[DOC_USAGE] = usage_render, [DOC_GIVEN] = given_render,
	};
	struct jw members = JW(text);
	if (text->len == 0)
		renders[part](d, &members);
	buf_add_char(w->out, ',');
	buf_add_slice(w->out, buf_slice(text));
	if (!text->overflow)
		return;
	w->out->overflow = true;
	buf_reset(text);
}

static void time_render(struct jw *w, const char *name, int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];
	clock_format(ms, text);
	jw_name(w, name);
	buf_add_char(w->out, '"');
	buf_add_str(w->out, text);
	buf_add_char(w->out, '"');
	w->comma = true;
}
