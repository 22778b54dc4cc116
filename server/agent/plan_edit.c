/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan that a person wrote: the planner's own rules, and those that a person can keep and a model need not:
 * no member that means nothing, no tool that does not exist, at least one step, and what was done already
 * stays as it is. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <string.h>

/* As plan_print writes steps, and as documents show them. */
static const char *const step_members[] = {
	"id",           "title",      "objective",       "depends_on",
	"tool_hints",   "inputs",     "expected_output", "success_criteria",
	"side_effects", "on_failure", "approval",        "split_depth",
	"status",       "result",     "error",           NULL};

static enum err members_check(const struct json *step, size_t index, struct error *e)
{
	char field[ERROR_FIELD_MAX];
	for (const struct json *m = json_first(step); m != NULL; m = json_next(m)) {
		const char *const *known = step_members;
		while (*known != NULL && strcmp(*known, json_name(m)) != 0)
			known++;
		snprintf(field, sizeof field, "/steps/%zu", index);
		if (*known == NULL)
			return err_set_field(e, ERR_FIELD, field, "a step has no member \"%.64s\"",
					     json_name(m));
	}
	return ERR_NONE;
}

static enum err hints_check(const struct json *step, size_t index, const struct mcp_catalog *tools,
			    struct error *e)
{
	char field[ERROR_FIELD_MAX];
	size_t n = 0;
	for (const struct json *h = json_first(json_get(step, "tool_hints")); h != NULL;
	     h = json_next(h), n++) {
		const char *name = json_text(h) != NULL ? json_text(h) : "";
		snprintf(field, sizeof field, "/steps/%zu/tool_hints/%zu", index, n);
		if (mcp_catalog_find(tools, name) == NULL)
			return err_set_field(e, ERR_FIELD, field,
					     "there is no tool \"%.80s\"; GET /v1/tools lists them", name);
	}
	return ERR_NONE;
}

/* What the step says, without its progress; the caller releases it. */
static struct buf step_text(const struct plan *p, size_t i)
{
	struct buf text = BUF_INIT;
	plan_step_print(p, &p->steps[i], &text);
	return text;
}

/* Steps with a result stay word for word: their results stand for what they said. */
static enum err done_check(const struct plan *p, const struct plan *before, const struct json *now,
			   struct error *e)
{
	for (const struct json *j = json_first(json_get(now, "steps")); j != NULL; j = json_next(j)) {
		const char *id = json_get_text(j, "id", "");
		size_t was, is;
		if (strcmp(json_get_text(j, "status", ""), "completed") != 0 ||
		    plan_step_find(before, id, &was) == NULL)
			continue;
		bool same = plan_step_find(p, id, &is) != NULL;
		if (same) {
			struct buf a = step_text(before, was), b = step_text(p, is);
			same = slice_eq(buf_slice(&a), buf_slice(&b));
			buf_release(&a);
			buf_release(&b);
		}
		if (!same)
			return err_set_field(e, ERR_FIELD, "/steps",
					     "step \"%s\" is completed: it must stay in the plan as it is",
					     id);
	}
	return ERR_NONE;
}

static enum err rules_check(const struct json *given, const struct mcp_catalog *tools, struct error *e)
{
	size_t i = 0;
	if (json_count(json_get(given, "steps")) == 0)
		return err_set_field(e, ERR_FIELD, "/steps",
				     "a plan needs a step; reject the task to have nothing done");
	for (const struct json *s = json_first(json_get(given, "steps")); s != NULL; s = json_next(s), i++) {
		enum err bad = members_check(s, i, e);
		if (bad == ERR_NONE)
			bad = hints_check(s, i, tools, e);
		if (bad != ERR_NONE)
			return bad;
	}
	return ERR_NONE;
}

static enum err edit_check(const struct json *given, const struct json *now, uint64_t version,
			   const struct mcp_catalog *tools, size_t steps_max, struct buf *out,
			   struct error *e)
{
	struct buf text = BUF_INIT;
	struct plan *p = NULL, *before = plan_load(now, tools, e);
	enum err code = before != NULL ? plan_shape_check(given, e) : e->code;
	if (code == ERR_NONE)
		code = rules_check(given, tools, e);
	if (code == ERR_NONE && !json_print(given, &text))
		code = err_set(e, ERR_MEMORY, "no memory for the plan");
	if (code == ERR_NONE) {
		p = plan_parse(buf_slice(&text), tools, steps_max, e);
		code = p != NULL ? done_check(p, before, now, e) : e->code;
	}
	if (code == ERR_NONE) {
		p->version = version;
		plan_print(p, out);
	}
	buf_release(&text);
	plan_free(p);
	plan_free(before);
	return code;
}

enum err agent_plan_check(struct agent *a, const struct json *given, const struct json *now, uint64_t version,
			  struct buf *out, struct error *e)
{
	const struct mcp_catalog *tools = mcp_client_catalog(a->mcp);
	enum err code = edit_check(given, now, version, tools, (size_t)a->options.steps_max, out, e);
	mcp_catalog_drop(tools);
	return code;
}
