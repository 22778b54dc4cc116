/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that come often, or may be long, folded from their text, without a tree of it. Only what looks as it
 * usually does: the rest is left to fold.c, and whichever of the two folds an event, the outcome is the same.
 */
#include "base/base.h"
#include "store/doc.h"

#include <string.h>

static bool count_peek(struct slice value, int64_t *count)
{
	*count = 0;
	return json_peek_is_null(value) || json_peek_index(value, count);
}

/* Of what may be a long answer only the usage and the cost are folded. */
static bool fold_model_peek(struct task_doc *d, struct slice data)
{
	static const struct slice names[] = {SLICE_LIT("usage"), SLICE_LIT("cost")};
	static const struct slice counts[] = {SLICE_LIT("input_tokens"), SLICE_LIT("output_tokens"),
					      SLICE_LIT("cached_tokens"), SLICE_LIT("estimated")};
	struct slice v[COUNT_OF(names)], u[COUNT_OF(counts)];
	int64_t input, output, cached;
	bool in_front = json_peek_before(data, SLICE_LIT("text"), names, COUNT_OF(names), v) && v[0].len > 0;
	if ((!in_front && json_peek_object(data, names, COUNT_OF(names), v) != data.len) ||
	    json_peek_object(v[0], counts, COUNT_OF(counts), u) == 0 || !count_peek(u[0], &input) ||
	    !count_peek(u[1], &output) || !count_peek(u[2], &cached))
		return false;
	doc_tokens_add(&d->input_tokens, input);
	doc_tokens_add(&d->output_tokens, output);
	doc_tokens_add(&d->cached_tokens, cached);
	d->estimated = d->estimated || slice_eq_str(u[3], "true");
	struct json *cost = v[1].len > 0 ? json_parse(v[1].ptr, v[1].len, 0, NULL) : NULL;
	doc_cost_add(d, doc_cost_nano(cost));
	json_free(cost);
	return true;
}

/* A text, or nothing, as it is written by json_print: to be copied as it is. */
static bool is_printed(struct slice value)
{
	if (json_peek_is_null(value))
		return true;
	const char *end = value.ptr + value.len, *p = value.ptr;
	while (*value.ptr == '"' && (p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if (strchr("\"\\nrt", p[1]) == NULL)
			return false;
		p += 2;
	}
	return *value.ptr == '"';
}

static struct slice or_null(struct slice value)
{
	return value.len > 0 ? value : SLICE_LIT("null");
}

static bool fold_step_peek(struct task_doc *d, enum event_type type, struct slice data)
{
	static const struct slice names[] = {SLICE_LIT("step"), SLICE_LIT("result"), SLICE_LIT("error")};
	struct slice v[COUNT_OF(names)];
	if (json_peek_object(data, names, COUNT_OF(names), v) != data.len || v[0].len < 2 ||
	    v[0].ptr[0] != '"' || memchr(v[0].ptr, '\\', v[0].len) != NULL || !is_printed(v[1]) ||
	    !is_printed(v[2]))
		return false;
	doc_step_become(d, (struct slice){v[0].ptr + 1, v[0].len - 2}, type, or_null(v[1]), or_null(v[2]));
	return true;
}

static bool fold_result_peek(struct task_doc *d, struct slice data)
{
	static const struct slice names[] = {SLICE_LIT("result")};
	struct slice v[COUNT_OF(names)];
	if (json_peek_object(data, names, COUNT_OF(names), v) != data.len || !is_printed(v[0]))
		return false;
	doc_text_set(&d->result, slice_dup(or_null(v[0])));
	return true;
}

static bool fold_state_peek(struct task_doc *d, struct slice data)
{
	static const struct slice names[] = {SLICE_LIT("to"), SLICE_LIT("error")};
	struct slice v[COUNT_OF(names)];
	char to[32];
	if (json_peek_object(data, names, COUNT_OF(names), v) != data.len || v[1].len > 0 ||
	    !json_peek_plain(v[0], to, sizeof to))
		return false;
	doc_state_become(d, to);
	return true;
}

static bool fold_plan_peek(struct task_doc *d, struct slice data)
{
	static const struct slice names[] = {SLICE_LIT("plan")};
	struct slice v[COUNT_OF(names)];
	return json_peek_object(data, names, COUNT_OF(names), v) == data.len && doc_plan_peek(d, v[0]);
}

bool doc_fold_peek(struct task_doc *d, enum event_type type, struct slice data)
{
	switch (type) {
	case EVENT_MODEL_COMPLETED: return fold_model_peek(d, data);
	case EVENT_TASK_RESULT: return fold_result_peek(d, data);
	case EVENT_TASK_STATE: return fold_state_peek(d, data);
	case EVENT_PLAN_CREATED: return fold_plan_peek(d, data);
	case EVENT_STEP_STARTED:
	case EVENT_STEP_COMPLETED:
	case EVENT_STEP_FAILED:
	case EVENT_STEP_SKIPPED:
	case EVENT_STEP_CANCELLED:
	case EVENT_STEP_WAITING:
	case EVENT_STEP_IN_DOUBT:
	case EVENT_STEP_RESUMED: return fold_step_peek(d, type, data);
	default: return false;
	}
}
