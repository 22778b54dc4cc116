/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan while it is made, and its JSON. Texts live in the draft's arena, literal values are owned by their
 * input. A draft with questions or with nothing to do prints no steps: the questions, or why nothing fits,
 * are the plan.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAFT_BYTES_MAX = 4 << 20, NOTE_BYTES_MAX = 600, CLAUSE_SHOWN_MAX = 120 };

void draft_init(struct draft *d, const struct llm_request *r)
{
	*d = (struct draft){.r = r, .arena = arena_new(DRAFT_BYTES_MAX)};
}

void draft_release(struct draft *d)
{
	for (size_t i = 0; i < d->steps_count; i++)
		for (size_t k = 0; k < d->steps[i].inputs_count; k++)
			json_free(d->steps[i].inputs[k].literal);
	arena_free(d->arena);
}

struct draft_step *draft_step_add(struct draft *d, int *index)
{
	if (d->steps_count == PLAN_STEPS_MAX) {
		draft_assume(d, "The plan is limited to %d steps; what would follow is left out.",
			     PLAN_STEPS_MAX);
		return NULL;
	}
	*index = (int)d->steps_count;
	return &d->steps[d->steps_count++];
}

void draft_input_literal(struct draft_step *s, const char *name, struct json *value)
{
	ensure(s->inputs_count < STEP_INPUTS_MAX);
	s->inputs[s->inputs_count++] = (struct draft_input){name, -1, value};
}

void draft_input_from(struct draft_step *s, const char *name, int step)
{
	ensure(s->inputs_count < STEP_INPUTS_MAX);
	s->inputs[s->inputs_count++] = (struct draft_input){name, step, NULL};
}

static void note_add(struct draft *d, const char **notes, size_t *count, const char *text)
{
	struct slice cut = rules_cut(slice_str(text), NOTE_BYTES_MAX);
	for (size_t i = 0; i < *count; i++)
		if (slice_eq_str(cut, notes[i]))
			return;
	const char *kept = arena_strndup(d->arena, cut.ptr, cut.len);
	if (*count < NOTES_MAX && kept != NULL)
		notes[(*count)++] = kept;
}

static char *format(const char *fmt, va_list ap)
{
	char *text = NULL;
	ensure(vasprintf(&text, fmt, ap) >= 0);
	return text;
}

void draft_assume(struct draft *d, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = format(fmt, ap);
	va_end(ap);
	note_add(d, d->assumptions, &d->assumptions_count, text);
	free(text);
}

void draft_ask(struct draft *d, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = format(fmt, ap);
	va_end(ap);
	note_add(d, d->questions, &d->questions_count, text);
	free(text);
}

void draft_decline(struct draft *d, const struct clause *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *why = format(fmt, ap);
	va_end(ap);
	struct slice shown = rules_cut(c->text, CLAUSE_SHOWN_MAX);
	char *text = xasprintf("\"%.*s%s\": %s", (int)shown.len, shown.ptr,
			       shown.len < c->text.len ? " ..." : "", why);
	note_add(d, d->declined, &d->declined_count, text);
	free(text);
	free(why);
	d->sources_declined = true;
}

const char *draft_text(struct draft *d, struct slice s)
{
	const char *copy = arena_strndup(d->arena, s.ptr, s.len);
	return copy != NULL ? copy : "";
}

void draft_source_add(struct draft *d, struct source s)
{
	if (d->sources_count < PLAN_STEPS_MAX)
		d->sources[d->sources_count++] = s;
}

/* --- JSON --- */

static void texts_print(struct jw *w, const char *name, const char *const *texts, size_t count)
{
	jw_name(w, name);
	jw_array(w);
	for (size_t i = 0; i < count; i++)
		jw_text(w, texts[i]);
	jw_array_end(w);
}

static void id_print(struct jw *w, int step)
{
	char id[16];
	snprintf(id, sizeof id, "s%d", step + 1);
	jw_text(w, id);
}

static void inputs_print(struct jw *w, const struct draft_step *s)
{
	jw_name(w, "depends_on");
	jw_array(w);
	for (int step = 0; step < PLAN_STEPS_MAX; step++) {
		bool needed = false;
		for (size_t i = 0; i < s->inputs_count; i++)
			needed = needed || s->inputs[i].from == step;
		if (needed)
			id_print(w, step);
	}
	jw_array_end(w);
	jw_name(w, "tool_hints");
	jw_array(w);
	if (s->tool != NULL)
		jw_text(w, s->tool->name);
	jw_array_end(w);
	jw_name(w, "inputs");
	jw_array(w);
	for (size_t i = 0; i < s->inputs_count; i++) {
		jw_object(w);
		jw_kv_text(w, "name", s->inputs[i].name);
		jw_name(w, "from_step");
		if (s->inputs[i].from >= 0)
			id_print(w, s->inputs[i].from);
		else
			jw_null(w);
		jw_kv_json(w, "literal", s->inputs[i].literal);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void step_print(struct jw *w, const struct draft_step *s, int index)
{
	jw_object(w);
	jw_name(w, "id");
	id_print(w, index);
	jw_kv_text(w, "title", s->title);
	jw_kv_text(w, "objective", s->objective);
	inputs_print(w, s);
	jw_kv_text(w, "expected_output", s->expected);
	jw_kv_text(w, "success_criteria", s->success);
	jw_kv_text(w, "side_effects", s->tool != NULL ? "read" : "none");
	jw_kv_text(w, "on_failure", "abort");
	jw_object_end(w);
}

static void help_print(const struct draft *d, struct buf *out)
{
	const struct llm_tool *near[3];
	size_t n = rules_tool_nearest(d->r, slice_str(d->r->context->goal), near);
	if (n == 0) {
		buf_add_str(out, "No tool server is connected.");
	} else {
		buf_add_str(out, "The nearest tools by name are");
		for (size_t i = 0; i < n; i++)
			buf_printf(out, "%s %s", i == 0 ? "" : i + 1 < n ? "," : " and", near[i]->name);
		buf_add_str(out, ".");
	}
	buf_add_str(out, " What you can do: add an MCP server that offers such a tool to the tool registry "
			 "(tool_registry.yaml, or tools.registry in config.yaml), or set a model key "
			 "(OPENAI_API_KEY, or "
			 "openai.api_key in config.yaml) so that a language model plans instead. ");
}

static bool is_used(const struct draft *d, int step)
{
	for (size_t i = 0; i < d->steps_count; i++)
		for (size_t k = 0; k < d->steps[i].inputs_count; k++)
			if (d->steps[i].inputs[k].from == step)
				return true;
	return false;
}

static void final_print(const struct draft *d, bool empty, struct buf *out)
{
	if (empty && d->questions_count > 0) {
		buf_add_str(out, "Some values are missing; submit the task again with them, for example as "
				 "name=value. ");
	} else if (empty) {
		buf_add_str(out, "Nothing was done: no connected tool fits. ");
		for (size_t i = 0; i < d->declined_count; i++)
			buf_printf(out, "%s ", d->declined[i]);
		help_print(d, out);
	} else {
		buf_add_str(out, "The result of");
		const char *comma = " ";
		for (size_t i = 0; i < d->steps_count; i++) {
			if (is_used(d, (int)i))
				continue;
			buf_printf(out, "%ss%zu", comma, i + 1);
			comma = ", ";
		}
		buf_add_str(out, ", with the steps it comes from. ");
		for (size_t i = 0; i < d->declined_count; i++)
			buf_printf(out, NOT_DONE_PREFIX "%s ", d->declined[i]);
	}
	buf_add_str(out, "(" OFFLINE_MARK ")");
}

void draft_print(const struct draft *d, struct buf *out)
{
	bool empty = d->questions_count > 0 || d->steps_count == 0;
	struct jw w = JW(out);
	struct buf final = BUF_INIT;
	final_print(d, empty, &final);
	jw_object(&w);
	jw_kv_text(&w, "goal", d->r->context->goal);
	jw_name(&w, "assumptions");
	jw_array(&w);
	jw_text(&w, "Planned by " OFFLINE_MARK ": only read-only tools are used.");
	for (size_t i = 0; i < d->assumptions_count; i++)
		jw_text(&w, d->assumptions[i]);
	for (size_t i = 0; i < d->declined_count; i++) {
		char *text = xasprintf(NOT_DONE_PREFIX "%s", d->declined[i]);
		jw_text(&w, text);
		free(text);
	}
	jw_array_end(&w);
	texts_print(&w, "questions", d->questions, d->questions_count);
	jw_name(&w, "steps");
	jw_array(&w);
	for (size_t i = 0; !empty && i < d->steps_count; i++)
		step_print(&w, &d->steps[i], (int)i);
	jw_array_end(&w);
	jw_kv_text(&w, "final_output", buf_cstr(&final));
	jw_object_end(&w);
	buf_release(&final);
}
