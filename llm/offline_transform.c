/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clause that the rules carry out by themselves (summarise, count, extract, keywords, sort): where its text
 * comes from, one step for each text. A text can be in the prompt, the answer of the clause before, a named
 * file or page, or a file that is still to be chosen. Other operations (explain, translate ...) are said to
 * be impossible.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <string.h>

static const struct {
	enum operation op;
	const char *title, *objective, *expected;
} phrases[] = {
	{OP_SUMMARISE, "Summarise", "Pick the sentences that say most, or describe the structure of data.",
	 "A summary."},
	{OP_COUNT, "Count", "Count what was asked for.", "A number."},
	{OP_EXTRACT, "Extract", "Pick the lines or values that were asked for.",
	 "The lines, with their numbers."},
	{OP_KEYWORDS, "Keywords", "Find the most frequent content words.", "Words with their counts."},
	{OP_SORT, "Sort", "Sort the lines.", "The lines in order."},
};

static void transform_step(struct draft *d, const struct clause *c, struct source from)
{
	int index;
	struct draft_step *s = draft_step_add(d, &index);
	size_t p = 0;
	while (p < COUNT_OF(phrases) && phrases[p].op != c->op)
		p++;
	ensure(p < COUNT_OF(phrases));
	if (s == NULL)
		return;
	const char *unit = c->unit != NULL ? c->unit : "";
	const char *gap = c->unit != NULL ? " " : "";
	s->title = from.step >= 0 ? arena_printf(d->arena, "%s%s%s: the result of s%d", phrases[p].title, gap,
						 unit, from.step + 1)
				  : arena_printf(d->arena, "%s%s%s: the text of the prompt", phrases[p].title,
						 gap, unit);
	s->objective = phrases[p].objective;
	s->expected = phrases[p].expected;
	s->success = "There is a result.";
	draft_input_literal(s, INPUT_OPERATION, json_new_text(rules_operation_text(c->op)));
	if (c->unit != NULL)
		draft_input_literal(s, INPUT_UNIT, json_new_text(c->unit));
	if (c->needle.len > 0)
		draft_input_literal(s, INPUT_CONTAINS, json_new_text(draft_text(d, c->needle)));
	if (c->descending)
		draft_input_literal(s, INPUT_ORDER, json_new_text("descending"));
	if (from.subject != NULL)
		draft_input_literal(s, INPUT_SUBJECT, json_new_text(from.subject));
	if (from.step >= 0)
		draft_input_from(s, INPUT_TEXT, from.step);
	else
		draft_input_literal(s, INPUT_TEXT, json_new_text(draft_text(d, from.literal)));
	draft_source_add(d, (struct source){.kind = SOURCE_TEXT, .step = index, .roots = -1});
}

static bool counts_entries(const struct clause *c)
{
	return c->op == OP_COUNT && c->unit != NULL && c->needle.len == 0 &&
	       (strcmp(c->unit, "files") == 0 || strcmp(c->unit, "folders") == 0 ||
		strcmp(c->unit, "entries") == 0);
}

static bool sources_fit(const struct draft *d, const struct clause *c)
{
	if (d->sources_count == 0)
		return false;
	if (d->sources[0].kind != SOURCE_LISTING)
		return true;
	return (c->op == OP_COUNT && (c->unit == NULL || counts_entries(c))) || c->op == OP_SORT;
}

/* Finds the texts of the clause into d->sources; false when there are none (declined or asked). */
static bool sources_find(struct draft *d, const struct clause *c, struct slice inline_text)
{
	const struct span *path = rules_clause_span(c, SPAN_PATH, 0),
			  *quoted = rules_clause_span(c, SPAN_QUOTED, 0);
	bool place = path != NULL && path->directory;
	if (inline_text.len > 0 || (quoted != NULL && path == NULL && c->needle.len == 0)) {
		d->sources_count = 0;
		draft_source_add(
			d, (struct source){.kind = SOURCE_LITERAL,
					   .step = -1,
					   .literal = inline_text.len > 0 ? inline_text : quoted->text});
		return true;
	}
	if (rules_clause_span(c, SPAN_GLOB, 0) != NULL) {
		bool names = counts_entries(c) || (c->op == OP_COUNT && c->unit == NULL);
		return draft_tool_clause(d, c, names ? INTENT_SEARCH : INTENT_READ);
	}
	if (place && (counts_entries(c) || c->op == OP_SORT || c->op == OP_COUNT))
		return draft_tool_clause(d, c, INTENT_LIST);
	if (path != NULL || rules_clause_span(c, SPAN_URL, 0) != NULL)
		return draft_tool_clause(d, c, INTENT_READ);
	if (sources_fit(d, c))
		return true;
	if (d->sources_declined) {
		draft_decline(d, c, "the part before it is not done.");
		return false;
	}
	if (d->sources_count == 0 && counts_entries(c))
		return draft_tool_clause(d, c, INTENT_LIST);
	bool file = rules_has_word(c->text, "|file|files|document|documents|readme|text|contents|content|");
	if (d->sources_count > 0 || file || (d->evidence.answer_spans_count > 0 && !d->answer_taken))
		return draft_tool_clause(d, c, INTENT_READ);
	draft_ask(d,
		  "path (string): which text? Name a file, as in path=notes.md, or give the text in quotes.");
	return false;
}

void draft_transform_clause(struct draft *d, const struct clause *c, struct slice inline_text)
{
	if (c->op == OP_UNSUPPORTED) {
		draft_decline(d, c,
			      "that takes a language model; the offline rules can summarise, count, extract "
			      "lines, find "
			      "keywords and sort.");
		return;
	}
	if (c->op == OP_EXTRACT && c->needle.len == 0) {
		draft_ask(d, "contains (string): which lines are to be extracted? Put what they contain in "
			     "quotes.");
		return;
	}
	if (!sources_find(d, c, inline_text))
		return;
	struct source from[PLAN_STEPS_MAX];
	size_t n = d->sources_count;
	memcpy(from, d->sources, n * sizeof *from);
	d->sources_count = 0;
	for (size_t i = 0; i < n; i++)
		transform_step(d, c, from[i]);
	/* "Summarise it and count its words" counts the words of the text, not of the summary; lines that
	 * were picked or sorted are what is worked on next. */
	if (c->op == OP_EXTRACT || c->op == OP_SORT)
		return;
	memcpy(d->sources, from, n * sizeof *from);
	d->sources_count = n;
}
