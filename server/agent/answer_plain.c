/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a task whose answer no model has written, because none could be asked or nothing was left to pay
 * it with: what the finished steps found, in the order of the plan, and what is missing. It says of itself
 * why it is what it is. A task that has finished nothing, or promises JSON, has no such answer.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

bool answer_plain_possible(const struct run *r)
{
	for (size_t i = 0; r->plan != NULL && r->output_schema == NULL && i < r->plan->steps_count; i++)
		if (r->steps[i].status == STEP_COMPLETED)
			return true;
	return false;
}

static void steps_print(const struct run *r, struct buf *out)
{
	size_t done = 0;
	for (size_t i = 0; i < r->plan->steps_count; i++) {
		if (r->steps[i].status != STEP_COMPLETED)
			continue;
		done++;
		buf_printf(out, "\n\n[%s] %s: ", r->plan->steps[i].id, r->plan->steps[i].title);
		result_bound(slice_str(r->steps[i].result != NULL ? r->steps[i].result : ""),
			     r->agent->options.tool_context_bytes_max, out);
	}
	buf_printf(out, "\n\n%zu of %zu steps were finished.", done, r->plan->steps_count);
}

void answer_plain_end(struct run *r, const char *why)
{
	struct buf text = BUF_INIT, shown = BUF_INIT;
	struct record rec;
	enum event_type type = EVENT_TASK_RESULT;
	ensure(answer_plain_possible(r));
	buf_printf(&text, "%s, so that no answer was written. What was finished:", why);
	steps_print(r, &text);
	answer_notes(r, "", &text);
	record_begin(&rec);
	answer_text_add(r, buf_cstr(&text), &shown);
	jw_kv_text(&rec.w, "result", buf_cstr(&shown));
	buf_release(&text);
	buf_release(&shown);
	if (record_events(r, &rec, &type, 1, TASK_COMPLETED, NULL))
		run_drop(r, false);
}
