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
	doc_steps_free(d->steps, d->steps_count);
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

char *doc_text_whole(struct buf *out)
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
	return doc_text_whole(&out);
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
	return doc_text_whole(&out);
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
