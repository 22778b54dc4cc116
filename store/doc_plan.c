/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a task's document: its members in one piece, and its steps one by one, since what becomes of
 * them changes. A new plan is read from its tree; one that looks as plans usually do is read from its text,
 * at a fraction of the cost, and with the same outcome.
 */
#include "base/base.h"
#include "store/doc.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_ID_SIZE = 64 };

void doc_steps_free(struct doc_step *steps, size_t n)
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
	doc_steps_free(d->steps, d->steps_count);
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
	doc_steps_free(*steps, count);
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
	plan_replace(d, doc_text_whole(&members), steps, count);
	return true;
}
