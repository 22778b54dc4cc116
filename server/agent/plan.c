/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan as data: from a model's text to a checked DAG of steps and back to JSON. Pure: it asks nobody and
 * starts nothing. A plan that breaks a rule is refused with a sentence that the planner can act on; tool
 * hints that name no tool are dropped, since the executor looks for tools itself. The digest covers
 * everything a person approves, not the progress.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { TITLE_BYTES_MAX = 200, OBJECTS_TRIED_MAX = 8 };

static const char *const effect_texts[] = {"none", "read", "write"};
static const char *const on_failure_texts[] = {"abort", "retry", "skip", "replan"};

static enum err steps_read(struct plan *p, const struct mcp_catalog *tools, size_t steps_max, bool approved,
			   struct error *e);
static void step_read(struct plan *p, struct plan_step *s, const struct json *j,
		      const struct mcp_catalog *tools, bool approved);
static void step_print(const struct plan *p, const struct plan_step *s, struct jw *w);
static void body_print(const struct plan *p, struct jw *w);

struct plan *plan_of_tree(struct json *tree, const struct mcp_catalog *tools, size_t steps_max, bool approved,
			  struct error *e)
{
	struct plan *p = xcalloc(1, sizeof *p);
	p->arena = arena_new(0);
	p->tree = tree;
	p->goal = json_get_text(tree, "goal", "");
	p->final_output = json_get_text(tree, "final_output", "");
	p->questions = json_get(tree, "questions");
	if (steps_read(p, tools, steps_max, approved, e) != ERR_NONE) {
		plan_free(p);
		return NULL;
	}
	if (!approved)
		plan_tools_pin(p, tools);
	p->tools = json_get(tree, "tools");
	struct buf body = BUF_INIT;
	struct jw w = JW(&body);
	jw_object(&w);
	body_print(p, &w);
	jw_object_end(&w);
	sha256_hex(body.data, body.len, p->digest);
	buf_release(&body);
	return p;
}

/* The first '{' whose matching '}' exists, strings respected. Linear: a brace that does not close ends the
 * search. */
static struct slice first_balanced(struct slice text)
{
	const char *start = text.len > 0 ? memchr(text.ptr, '{', text.len) : NULL;
	if (start == NULL)
		return (struct slice){NULL, 0};
	const char *end = text.ptr + text.len;
	int depth = 0;
	bool in_string = false;
	for (const char *p = start; p < end; p++) {
		if (in_string) {
			if (*p == '\\')
				p++;
			else if (*p == '"')
				in_string = false;
		} else if (*p == '"') {
			in_string = true;
		} else if (*p == '{') {
			depth++;
		} else if (*p == '}' && --depth == 0) {
			return (struct slice){start, (size_t)(p + 1 - start)};
		}
	}
	return (struct slice){NULL, 0};
}

struct json *plan_object_find(struct slice text, struct error *e)
{
	struct error why = {0};
	struct slice rest = text;
	for (int i = 0; i < OBJECTS_TRIED_MAX; i++) {
		struct slice object = first_balanced(rest);
		if (object.len == 0)
			break;
		struct json *tree = json_parse(object.ptr, object.len, 0, i == 0 ? &why : NULL);
		if (tree != NULL)
			return tree;
		size_t used = (size_t)(object.ptr + object.len - rest.ptr);
		rest = (struct slice){rest.ptr + used, rest.len - used};
	}
	if (why.code == ERR_NONE)
		err_set(&why, ERR_JSON,
			"there is no JSON object in the answer; answer with the plan object only");
	*e = why;
	return NULL;
}

struct plan *plan_parse(struct slice text, const struct mcp_catalog *tools, size_t steps_max, struct error *e)
{
	struct json *tree = plan_object_find(text, e);
	if (tree == NULL)
		return NULL;
	if (plan_shape_check(tree, e) != ERR_NONE) {
		json_free(tree);
		return NULL;
	}
	return plan_of_tree(tree, tools, steps_max, false, e);
}

struct plan *plan_single_step(const char *goal, const char *why, const struct mcp_catalog *tools)
{
	struct buf text = BUF_INIT;
	struct jw w = JW(&text);
	jw_object(&w);
	jw_kv_text(&w, "goal", goal);
	jw_name(&w, "assumptions");
	jw_array(&w);
	jw_text(&w, why);
	jw_array_end(&w);
	jw_name(&w, "steps");
	jw_array(&w);
	jw_object(&w);
	jw_kv_text(&w, "id", "s1");
	jw_kv_text(&w, "title", "Reach the goal");
	jw_kv_text(&w, "objective", goal);
	/* Nobody has said that the step only reads, and the person who approves must know. */
	jw_kv_text(&w, "side_effects", "write");
	jw_object_end(&w);
	jw_array_end(&w);
	jw_object_end(&w);
	struct error e;
	struct json *tree = json_parse(text.data, text.len, 0, &e);
	buf_release(&text);
	ensure(tree != NULL);
	struct plan *p = plan_of_tree(tree, tools, PLAN_STEPS_MAX, false, &e);
	ensure(p != NULL);
	return p;
}

struct plan *plan_load(const struct json *doc_plan, const struct mcp_catalog *tools, struct error *e)
{
	if (!json_is(doc_plan, JSON_OBJECT)) {
		err_set(e, ERR_INTERNAL, "the task has no plan");
		return NULL;
	}
	struct plan *p = plan_of_tree(json_copy(doc_plan), tools, PLAN_STEPS_MAX, true, e);
	if (p == NULL)
		return NULL;
	/* What was approved counts, even if the catalogue has changed since and hints were dropped. */
	snprintf(p->digest, sizeof p->digest, "%s", json_get_text(doc_plan, "digest", p->digest));
	p->version = (uint64_t)json_get_integer(doc_plan, "version", 1);
	return p;
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	json_free(p->tree);
	arena_free(p->arena);
	free(p);
}

const struct plan_step *plan_step_find(const struct plan *p, const char *id, size_t *index)
{
	for (size_t i = 0; id != NULL && i < p->steps_count; i++) {
		if (strcmp(p->steps[i].id, id) != 0)
			continue;
		if (index != NULL)
			*index = i;
		return &p->steps[i];
	}
	return NULL;
}

void plan_step_print(const struct plan *p, const struct plan_step *s, struct buf *out)
{
	struct jw w = JW(out);
	step_print(p, s, &w);
}

void plan_print(const struct plan *p, struct buf *out)
{
	struct jw w = JW(out);
	jw_object(&w);
	jw_kv_int(&w, "version", (int64_t)p->version);
	jw_kv_text(&w, "digest", p->digest);
	body_print(p, &w);
	jw_object_end(&w);
}

/* --- helpers --- */

static enum err steps_read(struct plan *p, const struct mcp_catalog *tools, size_t steps_max, bool approved,
			   struct error *e)
{
	const struct json *steps = json_get(p->tree, "steps");
	size_t count = json_count(steps);
	if (steps_max > PLAN_STEPS_MAX)
		steps_max = PLAN_STEPS_MAX;
	if (count > steps_max)
		return err_set_field(e, ERR_FIELD, "/steps",
				     "the plan has %zu steps, at most %zu are allowed", count, steps_max);
	p->steps = arena_alloc(p->arena, (count + 1) * sizeof *p->steps);
	for (const struct json *j = json_first(steps); j != NULL; j = json_next(j)) {
		struct plan_step *s = &p->steps[p->steps_count];
		const char *id = json_get_text(j, "id", "");
		if (plan_step_find(p, id, NULL) != NULL)
			return err_set_field(e, ERR_FIELD, "/steps", "two steps have the id \"%s\"", id);
		p->steps_count++;
		step_read(p, s, j, tools, approved);
	}
	return plan_graph_read(p, steps, e);
}

static int text_index(const char *const *texts, size_t n, const char *text, int fallback)
{
	for (size_t i = 0; text != NULL && i < n; i++)
		if (strcmp(texts[i], text) == 0)
			return (int)i;
	return fallback;
}

static void step_read(struct plan *p, struct plan_step *s, const struct json *j,
		      const struct mcp_catalog *tools, bool approved)
{
	s->id = json_get_text(j, "id", "");
	s->objective = json_get_text(j, "objective", "");
	const char *title = json_get_text(j, "title", "");
	if (*title == '\0')
		title = s->objective;
	s->title = arena_strndup(p->arena, title, utf8_cut(title, strlen(title), TITLE_BYTES_MAX));
	s->expected_output = json_get_text(j, "expected_output", "");
	s->success_criteria = json_get_text(j, "success_criteria", "");
	s->inputs = json_is(json_get(j, "inputs"), JSON_ARRAY) ? json_get(j, "inputs") : NULL;
	s->effect = (enum step_effect)text_index(effect_texts, COUNT_OF(effect_texts),
						 json_get_text(j, "side_effects", NULL), STEP_EFFECT_READ);
	s->on_failure = (enum step_on_failure)text_index(on_failure_texts, COUNT_OF(on_failure_texts),
							 json_get_text(j, "on_failure", NULL), STEP_ABORT);
	s->split_depth = (int)json_get_integer(j, "split_depth", 0);
	s->approval = strcmp(json_get_text(j, "approval", "auto"), "required") == 0;
	const struct json *hints = json_get(j, "tool_hints");
	s->hints = arena_alloc(p->arena, (json_count(hints) + 1) * sizeof *s->hints);
	for (const struct json *h = json_first(hints); h != NULL; h = json_next(h)) {
		const struct mcp_tool *t = json_text(h) ? mcp_catalog_find(tools, json_text(h)) : NULL;
		const char *name = t != NULL ? t->exposed : json_text(h);
		if (name == NULL || (t == NULL && !approved))
			continue;
		s->hints[s->hints_count++] = arena_strndup(p->arena, name, strlen(name));
		if (t != NULL && !t->read_only && !approved)
			s->effect = STEP_EFFECT_WRITE;
	}
}

static void step_print(const struct plan *p, const struct plan_step *s, struct jw *w)
{
	jw_object(w);
	jw_kv_text(w, "id", s->id);
	jw_kv_text(w, "title", s->title);
	jw_kv_text(w, "objective", s->objective);
	jw_name(w, "depends_on");
	jw_array(w);
	for (size_t i = 0; i < s->depends_count; i++)
		jw_text(w, p->steps[s->depends_on[i]].id);
	jw_array_end(w);
	jw_kv_text(w, "side_effects", effect_texts[s->effect]);
	jw_name(w, "tool_hints");
	jw_array(w);
	for (size_t i = 0; i < s->hints_count; i++)
		jw_text(w, s->hints[i]);
	jw_array_end(w);
	jw_name(w, "inputs");
	if (s->inputs != NULL)
		jw_json(w, s->inputs);
	else
		jw_raw(w, "[]", 2);
	jw_kv_text(w, "expected_output", s->expected_output);
	jw_kv_text(w, "success_criteria", s->success_criteria);
	jw_kv_text(w, "on_failure", on_failure_texts[s->on_failure]);
	if (s->split_depth > 0)
		jw_kv_int(w, "split_depth", s->split_depth);
	if (s->approval)
		jw_kv_text(w, "approval", "required");
	jw_object_end(w);
}

/* Everything the digest covers, in a fixed order. */
static void body_print(const struct plan *p, struct jw *w)
{
	const struct json *assumptions = json_get(p->tree, "assumptions");
	jw_kv_text(w, "goal", p->goal);
	jw_name(w, "assumptions");
	if (json_is(assumptions, JSON_ARRAY))
		jw_json(w, assumptions);
	else
		jw_raw(w, "[]", 2);
	jw_name(w, "questions");
	if (json_is(p->questions, JSON_ARRAY))
		jw_json(w, p->questions);
	else
		jw_raw(w, "[]", 2);
	jw_name(w, "steps");
	jw_array(w);
	for (size_t i = 0; i < p->steps_count; i++)
		step_print(p, &p->steps[i], w);
	jw_array_end(w);
	if (json_count(p->tools) > 0)
		jw_kv_json(w, "tools", p->tools);
	jw_kv_text(w, "final_output", p->final_output);
}
