/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the final answer is what it must be. Text: the steps it cites, as [s1] or [s1, s2], exist; what
 * failed or was left out is named; links are what answer_links.c makes of them. A task with an output schema:
 * one JSON value that fits it. Decided by looking, never by asking a model.
 */
#include "base/base.h"
#include "agent/agent_int.h"
#include "base/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { STRICT_DEPTH_MAX = 32 };

/* "s", digits, and perhaps more of them after dots: what our planner is told to call steps. */
static bool id_looks_like_step(struct slice id)
{
	if (id.len < 2 || id.ptr[0] != 's')
		return false;
	for (size_t i = 1; i < id.len; i++)
		if (!isdigit((unsigned char)id.ptr[i]) && (id.ptr[i] != '.' || i == 1))
			return false;
	return true;
}

static bool slice_is(struct slice s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

/* Calls fn for each id in square brackets; ids stand between commas or blanks. */
static void cited_each(const char *text, void (*fn)(struct slice id, void *arg), void *arg)
{
	bool inside = false;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '[')
			inside = true;
		else if (*p == ']' || *p == '\n')
			inside = false;
		if (!inside || strchr("[], ;", *p) != NULL)
			continue;
		size_t len = strcspn(p, "[], ;\n");
		fn((struct slice){p, len}, arg);
		p += len - 1;
	}
}

struct citations {
	const struct plan *plan;
	struct buf *unknown;
};

static void citation_check(struct slice id, void *arg)
{
	struct citations *c = arg;
	for (size_t i = 0; i < c->plan->steps_count; i++)
		if (slice_is(id, c->plan->steps[i].id))
			return;
	if (id_looks_like_step(id))
		buf_printf(c->unknown, "%s%.*s", c->unknown->len > 0 ? ", " : "", (int)id.len, id.ptr);
}

void answer_unknown_steps(const struct plan *p, const char *text, struct buf *out)
{
	struct citations c = {p, out};
	cited_each(text, citation_check, &c);
}

struct naming {
	const char *id;
	bool named;
};

static void naming_check(struct slice id, void *arg)
{
	struct naming *n = arg;
	n->named = n->named || slice_is(id, n->id);
}

void answer_notes(const struct run *r, const char *text, struct buf *out)
{
	const char *head = "\n\nNot completed:";
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		const struct plan_step *p = &r->plan->steps[i];
		struct naming n = {.id = p->id};
		if (r->steps[i].status != STEP_FAILED && r->steps[i].status != STEP_SKIPPED)
			continue;
		cited_each(text, naming_check, &n);
		if (n.named)
			continue;
		const char *why = r->steps[i].status == STEP_SKIPPED ? "left out"
				  : r->steps[i].error != NULL        ? r->steps[i].error
								     : "failed";
		buf_printf(out, "%s\n- [%s] %s: %s", head, p->id, p->title, why);
		head = "";
	}
}

void answer_text_add(const struct run *r, const char *text, struct buf *out)
{
	if (!r->tainted || r->agent->options.tainted_calls == PERMIT_ALLOW)
		buf_add_str(out, text);
	else if (answer_links_defuse(text, r->prompt, out))
		buf_add_str(out,
			    "\n\nNote: links and images are written as text, since texts of strangers were "
			    "read before.");
}

/* --- with an output schema --- */

/* What stands between the first two fences of a Markdown code block. */
static struct slice fenced(const char *text)
{
	const char *from = strstr(text, "```");
	const char *line = from != NULL ? strchr(from, '\n') : NULL;
	const char *to = line != NULL ? strstr(line, "```") : NULL;
	return to != NULL ? (struct slice){line + 1, (size_t)(to - line - 1)} : (struct slice){NULL, 0};
}

struct json *answer_json(const char *text, const struct json *schema, struct error *e)
{
	struct slice inner = fenced(text);
	struct json *value = json_parse(text, strlen(text), 0, e);
	if (value == NULL && inner.len > 0)
		value = json_parse(inner.ptr, inner.len, 0, NULL);
	if (value == NULL)
		value = plan_object_find(slice_str(text), e);
	if (value == NULL)
		return NULL;
	e->code = ERR_NONE;
	if (schema_check(schema, value, e) == ERR_NONE)
		return value;
	json_free(value);
	return NULL;
}

static bool name_required(const struct json *required, const char *name)
{
	for (const struct json *j = json_first(required); j != NULL; j = json_next(j))
		if (json_text(j) != NULL && strcmp(json_text(j), name) == 0)
			return true;
	return false;
}

static bool strict_below(const struct json *schema, int depth)
{
	static const char *const known[] = {"type",   "properties", "required",    "additionalProperties",
					    "items",  "enum",       "description", "title",
					    "$schema"};
	const char *type = json_get_text(schema, "type", "");
	const struct json *properties = json_get(schema, "properties");
	if (depth > STRICT_DEPTH_MAX || !json_is(schema, JSON_OBJECT))
		return false;
	for (const struct json *m = json_first(schema); m != NULL; m = json_next(m)) {
		size_t i = 0;
		while (i < COUNT_OF(known) && strcmp(json_name(m), known[i]) != 0)
			i++;
		if (i == COUNT_OF(known))
			return false;
	}
	if (strcmp(type, "array") == 0)
		return strict_below(json_get(schema, "items"), depth + 1);
	if (strcmp(type, "object") != 0)
		return *type != '\0';
	if (json_get_bool(schema, "additionalProperties", true))
		return false;
	for (const struct json *p = json_first(properties); p != NULL; p = json_next(p))
		if (!name_required(json_get(schema, "required"), json_name(p)) || !strict_below(p, depth + 1))
			return false;
	return true;
}

bool answer_schema_strict(const struct json *schema)
{
	return strcmp(json_get_text(schema, "type", ""), "object") == 0 && strict_below(schema, 0);
}
