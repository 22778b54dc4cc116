/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's role: the answer from the results. The results nothing else builds on are shown, each with its
 * step; then what was not done or failed, the steps taken, and that no language model was used. Claims
 * nothing that no step has said.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <string.h>

static bool depends_on(const struct json *step, const char *id)
{
	const struct json *deps = json_get(step, "depends_on"), *inputs = json_get(step, "inputs");
	for (const struct json *d = json_first(deps); d != NULL; d = json_next(d))
		if (json_text(d) != NULL && strcmp(json_text(d), id) == 0)
			return true;
	for (const struct json *in = json_first(inputs); in != NULL; in = json_next(in))
		if (strcmp(json_get_text(in, "from_step", ""), id) == 0)
			return true;
	return false;
}

static bool has_result(const struct llm_context *c, const char *id)
{
	for (size_t i = 0; i < c->results_count; i++)
		if (strcmp(c->results[i].step_id, id) == 0)
			return true;
	return false;
}

/* Does a step that has a result build on this one? */
static bool is_used(const struct llm_context *c, const char *id)
{
	const struct json *steps = json_get(c->plan, "steps");
	for (const struct json *s = json_first(steps); s != NULL; s = json_next(s))
		if (depends_on(s, id) && has_result(c, json_get_text(s, "id", "")))
			return true;
	return false;
}

/* Done by the rules themselves: such a text says by itself what it is. */
static bool is_transform(const struct llm_context *c, const char *id)
{
	const struct json *steps = json_get(c->plan, "steps");
	for (const struct json *s = json_first(steps); s != NULL; s = json_next(s))
		if (strcmp(json_get_text(s, "id", ""), id) == 0)
			return json_count(json_get(s, "tool_hints")) == 0;
	return false;
}

static void result_print(const struct llm_context *c, const struct llm_result_of *res, struct buf *out)
{
	struct slice all = rules_trim(slice_str(res->text)), cut = rules_cut(all, EXCERPT_BYTES_MAX);
	bool transform = is_transform(c, res->step_id);
	if (!transform)
		buf_printf(out, "%s [%s]\n\n", res->title != NULL ? res->title : "Result", res->step_id);
	if (all.len == 0)
		buf_add_str(out, "(an empty text)");
	buf_add_slice(out, cut);
	if (cut.len < all.len)
		buf_printf(out, "\n[... %zu bytes more in the result of %s]", all.len - cut.len,
			   res->step_id);
	if (transform)
		buf_printf(out, " [%s]", res->step_id);
	buf_add_str(out, "\n\n");
}

void offline_write(const struct llm_request *r, struct buf *out)
{
	const struct llm_context *c = r->context;
	const struct json *assumptions = json_get(c->plan, "assumptions");
	for (size_t i = 0; i < c->results_count; i++)
		if (!is_used(c, c->results[i].step_id))
			result_print(c, &c->results[i], out);
	if (c->results_count == 0)
		buf_add_str(out, "No step has a result.\n\n");
	for (const struct json *a = json_first(assumptions); a != NULL; a = json_next(a))
		if (json_text(a) != NULL &&
		    strncmp(json_text(a), NOT_DONE_PREFIX, strlen(NOT_DONE_PREFIX)) == 0)
			buf_printf(out, "%s\n", json_text(a));
	if (c->failed != NULL && *c->failed != '\0')
		buf_printf(out, "Failed: %s\n", c->failed);
	if (c->results_count > 0)
		buf_add_str(out, "Steps:");
	for (size_t i = 0; i < c->results_count; i++)
		buf_printf(out, "%s [%s] %s", i > 0 ? ";" : "", c->results[i].step_id,
			   c->results[i].title != NULL ? c->results[i].title : "");
	buf_printf(out, "%sWritten by " OFFLINE_MARK " was used.\n", c->results_count > 0 ? ".\n" : "");
}
