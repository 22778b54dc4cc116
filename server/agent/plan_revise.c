/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan in place of another one, when a step has failed: what is finished stays as it is, whatever the
 * planner says of it; the rest is replaced, or only the failed step by smaller ones. What comes out is a
 * whole plan, checked like any other, so that people see and approve one thing. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <string.h>

static struct json *rest_replaced(const struct plan_revision *v, const struct json *answer);
static struct json *step_split(const struct plan_revision *v, const struct json *answer, struct error *e);

static const struct json *steps_of(const struct json *plan)
{
	return json_get(plan, "steps");
}

static const char *id_of(const struct json *step)
{
	return json_get_text(step, "id", "");
}

struct plan *plan_revise(const struct plan_revision *v, struct slice text, const struct mcp_catalog *tools,
			 size_t steps_max, struct error *e)
{
	struct json *answer = plan_object_find(text, e), *tree = NULL, *steps = NULL;
	struct plan *p = NULL;
	if (answer == NULL || plan_shape_check(answer, e) != ERR_NONE)
		goto out;
	if (json_count(steps_of(answer)) > steps_max) {
		err_set_field(e, ERR_FIELD, "/steps", "the answer has %zu steps, at most %zu are allowed",
			      json_count(steps_of(answer)), steps_max);
		goto out;
	}
	steps = v->split != NULL ? step_split(v, answer, e) : rest_replaced(v, answer);
	if (steps == NULL)
		goto out;
	/* What is said of the whole stays, but for what the planner knows better now. */
	tree = json_copy(v->old->tree);
	json_set(tree, "steps", steps);
	json_remove(tree, "questions");
	if (json_get(answer, "questions") != NULL)
		json_set(tree, "questions", json_copy(json_get(answer, "questions")));
	if (v->split == NULL && json_is(json_get(answer, "assumptions"), JSON_ARRAY))
		json_set(tree, "assumptions", json_copy(json_get(answer, "assumptions")));
	if (v->split == NULL && *json_get_text(answer, "final_output", "") != '\0')
		json_set(tree, "final_output", json_copy(json_get(answer, "final_output")));
	p = plan_of_tree(tree, tools, PLAN_STEPS_MAX, false, e);
out:
	json_free(answer);
	return p;
}

/* --- helpers --- */

static bool step_finished(const struct plan_revision *v, const char *id)
{
	size_t i;
	return plan_step_find(v->old, id, &i) != NULL && v->finished[i];
}

/* A step of the old plan without its progress. */
static struct json *step_kept(const struct json *step)
{
	static const char *const progress[] = {"status", "result", "error"};
	struct json *kept = json_copy(step);
	for (size_t i = 0; i < COUNT_OF(progress); i++)
		json_remove(kept, progress[i]);
	return kept;
}

static struct json *rest_replaced(const struct plan_revision *v, const struct json *answer)
{
	struct json *steps = json_new_array();
	for (const struct json *j = json_first(steps_of(v->old->tree)); j != NULL; j = json_next(j))
		if (step_finished(v, id_of(j)))
			json_push(steps, step_kept(j));
	for (const struct json *j = json_first(steps_of(answer)); j != NULL; j = json_next(j))
		if (!step_finished(v, id_of(j)))
			json_push(steps, json_copy(j));
	return steps;
}

/* --- one step becomes several: "s2" becomes "s2.1", "s2.2" --- */

struct part_names {
	const struct json *steps; /* of the answer */
	const char *split;
	char names[PLAN_STEPS_MAX][PLAN_STEP_ID_MAX];
	bool built_on[PLAN_STEPS_MAX]; /* another part needs it */
	size_t count;
};

static const char *part_name(const struct part_names *n, const char *id)
{
	size_t i = 0;
	for (const struct json *j = json_first(n->steps); j != NULL; j = json_next(j), i++)
		if (strcmp(id_of(j), id) == 0)
			return n->names[i];
	return NULL;
}

static enum err parts_name(struct part_names *n, const struct json *steps, const char *split, struct error *e)
{
	*n = (struct part_names){.steps = steps, .split = split, .count = json_count(steps)};
	if (n->count == 0)
		return err_set_field(
			e, ERR_FIELD, "/steps",
			"there is no step in place of \"%s\"; give the steps that reach its objective",
			split);
	for (size_t i = 0; i < n->count; i++)
		if (snprintf(n->names[i], PLAN_STEP_ID_MAX, "%s.%zu", split, i + 1) >= PLAN_STEP_ID_MAX)
			return err_set_field(e, ERR_FIELD, "/steps",
					     "the id of step \"%s\" is too long to be split", split);
	return ERR_NONE;
}

/* Dependencies of a part: on other parts by their new names, on steps of the plan as they are; the first
 * parts need what the split step needed. */
static struct json *part_depends(struct part_names *n, const struct json *part, const struct json *old)
{
	struct json *deps = json_new_array();
	for (const struct json *d = json_first(json_get(part, "depends_on")); d != NULL; d = json_next(d)) {
		const char *id = json_text(d) != NULL ? json_text(d) : "";
		const char *name = part_name(n, id);
		if (name == NULL && strcmp(id, n->split) == 0)
			continue;
		if (name != NULL)
			n->built_on[(name - n->names[0]) / PLAN_STEP_ID_MAX] = true;
		json_push(deps, json_new_text(name != NULL ? name : id));
	}
	if (json_count(deps) == 0)
		for (const struct json *d = json_first(json_get(old, "depends_on")); d != NULL;
		     d = json_next(d))
			json_push(deps, json_copy(d));
	return deps;
}

/* Inputs with other names of the steps they come from; from_split: in place of the step that is split. */
static struct json *inputs_renamed(const struct part_names *n, const struct json *step, bool parts,
				   const char *from_split)
{
	struct json *inputs = json_new_array();
	for (const struct json *in = json_first(json_get(step, "inputs")); in != NULL; in = json_next(in)) {
		struct json *copy = json_copy(in);
		const char *from = json_get_text(in, "from_step", NULL);
		const char *name = from != NULL && parts ? part_name(n, from) : NULL;
		if (name == NULL && from != NULL && strcmp(from, n->split) == 0)
			name = from_split;
		if (name != NULL)
			json_set(copy, "from_step", json_new_text(name));
		json_push(inputs, copy);
	}
	return inputs;
}

static struct json *part_make(struct part_names *n, size_t i, const struct json *part, const struct json *old)
{
	struct json *step = json_copy(part);
	json_set(step, "id", json_new_text(n->names[i]));
	json_set(step, "depends_on", part_depends(n, part, old));
	json_set(step, "inputs", inputs_renamed(n, part, true, n->names[i > 0 ? i - 1 : 0]));
	json_set(step, "split_depth", json_new_integer(json_get_integer(old, "split_depth", 0) + 1));
	if (json_get_text(part, "on_failure", NULL) == NULL)
		json_set(step, "on_failure", json_new_text("replan"));
	return step;
}

/* A step that built on the one that is split builds on the last parts of it. */
static struct json *step_moved(const struct part_names *n, const struct json *step)
{
	struct json *kept = step_kept(step), *deps = json_new_array();
	for (const struct json *d = json_first(json_get(step, "depends_on")); d != NULL; d = json_next(d)) {
		if (json_text(d) == NULL || strcmp(json_text(d), n->split) != 0) {
			json_push(deps, json_copy(d));
			continue;
		}
		for (size_t i = 0; i < n->count; i++)
			if (!n->built_on[i])
				json_push(deps, json_new_text(n->names[i]));
	}
	json_set(kept, "depends_on", deps);
	json_set(kept, "inputs", inputs_renamed(n, step, false, n->names[n->count - 1]));
	return kept;
}

static struct json *step_split(const struct plan_revision *v, const struct json *answer, struct error *e)
{
	struct part_names n;
	if (parts_name(&n, steps_of(answer), v->split, e) != ERR_NONE)
		return NULL;
	struct json *steps = json_new_array(), *parts[PLAN_STEPS_MAX];
	const struct json *old = json_first(steps_of(v->old->tree)), *part = json_first(n.steps);
	while (old != NULL && strcmp(id_of(old), v->split) != 0)
		old = json_next(old);
	ensure(old != NULL && n.count <= PLAN_STEPS_MAX);
	for (size_t i = 0; i < n.count; i++, part = json_next(part))
		parts[i] = part_make(&n, i, part, old);
	for (const struct json *j = json_first(steps_of(v->old->tree)); j != NULL; j = json_next(j)) {
		if (j != old)
			json_push(steps, step_moved(&n, j));
		for (size_t i = 0; j == old && i < n.count; i++)
			json_push(steps, parts[i]);
	}
	return steps;
}
