/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planner's role: prompt in, plan out. Clauses are taken in order, each building on the results of the
 * one before. Feedback to a rejected plan gives values that are stronger than the prompt's; feedback that is
 * a wish by itself and states no value replaces the prompt.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <stdlib.h>
#include <string.h>

static void clauses_plan(struct draft *d, const struct analysis *a)
{
	for (size_t i = 0; i < a->clauses_count; i++) {
		const struct clause *c = &a->clauses[i];
		bool last = i + 1 == a->clauses_count;
		if (c->intent == INTENT_NONE) {
			if (rules_has_word(c->text, "|not|don't|never|without|"))
				draft_assume(d, "Taken as a restriction: \"%.*s\".",
					     (int)rules_cut(c->text, 120).len, c->text.ptr);
			else
				draft_decline(d, c, "the offline rules know no verb in it.");
			continue;
		}
		if (c->intent == INTENT_TRANSFORM) {
			draft_transform_clause(d, c, last ? a->inline_text : (struct slice){0});
			continue;
		}
		if (c->intent == INTENT_SEARCH && c->content)
			draft_decline(d, c,
				      "searching inside files takes a tool that does; to look into one file, "
				      "ask for the "
				      "lines of it that contain something.");
		else if (draft_tool_clause(d, c, c->intent))
			d->sources_declined = false;
	}
	if (a->clauses_left_out > 0)
		draft_assume(d, "Only the first %d parts of the prompt are planned; %zu more are left out.",
			     CLAUSES_MAX, a->clauses_left_out);
}

static bool states_values(const struct analysis *a)
{
	for (size_t i = 0; i < a->spans_count; i++)
		if (a->spans[i].kind != SPAN_NAME && a->spans[i].kind != SPAN_NUMBER)
			return true;
	return false;
}

static bool has_wish(const struct analysis *a)
{
	for (size_t i = 0; i < a->clauses_count; i++)
		if (a->clauses[i].intent != INTENT_NONE)
			return true;
	return false;
}

void offline_plan(const struct llm_request *r, struct buf *out)
{
	struct analysis *goal = xcalloc(2, sizeof *goal), *said = goal + 1;
	struct draft d;
	draft_init(&d, r);
	rules_analyse(slice_str(r->context->goal), goal);
	rules_analyse(slice_str(r->context->feedback), said);
	const struct analysis *wish = goal;
	if (said->text.len > 0 && states_values(said)) {
		d.evidence = (struct evidence){.answer = said->text,
					       .answer_spans = said->spans,
					       .answer_spans_count = said->spans_count};
		draft_assume(&d, "Values named in the feedback are used before those of the prompt.");
	} else if (said->text.len > 0 && has_wish(said)) {
		wish = said;
		draft_assume(&d, "The feedback is taken as the wish, in place of the prompt.");
	} else if (said->text.len > 0) {
		d.evidence =
			(struct evidence){.answer = said->text, .answer_is_value = said->text.len <= 200};
		draft_assume(&d, "The feedback names no value and no wish that the rules know.");
	}
	if (strlen(r->context->goal) > GOAL_BYTES_MAX)
		draft_assume(&d, "Only the first %d bytes of the prompt were looked at.", GOAL_BYTES_MAX);
	clauses_plan(&d, wish);
	draft_print(&d, out);
	draft_release(&d);
	free(goal);
}
