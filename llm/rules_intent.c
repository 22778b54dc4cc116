/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one clause wants: intent, operation and its particulars (what is counted, what the lines contain).
 * Only words decide; a verb behind a determiner is a noun, one behind "not" or "without" is no wish.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <ctype.h>
#include <string.h>

static const char determiners[] =
	"|a|an|the|this|that|its|my|your|our|their|of|in|to|from|for|with|by|on|no|";
static const char contains[] = "|containing|contain|contains|matching|match|with|mentioning|including|";
static const char files[] = "|file|files|folder|folders|directory|directories|entries|documents|";

struct unit_row {
	const char *unit, *words;
};
static const struct unit_row unit_rows[] = {
	{"lines", "|line|lines|"},
	{"words", "|word|words|"},
	{"files", "|file|files|documents|"},
	{"folders", "|folder|folders|directory|directories|dirs|"},
	{"entries", "|entry|entries|items|"},
	{"rows", "|row|rows|record|records|"},
	{"characters", "|character|characters|letters|"},
	{"bytes", "|byte|bytes|"},
	{"paragraphs", "|paragraph|paragraphs|"},
	{"sentences", "|sentence|sentences|"},
};

static bool in_span(const struct clause *c, const char *p)
{
	size_t at = c->at + (size_t)(p - c->text.ptr);
	for (size_t i = 0; i < c->spans_count; i++)
		if (c->spans[i].kind != SPAN_NAME && at >= c->spans[i].at && at < c->spans[i].end)
			return true;
	return false;
}

/* The next word that is no part of a span. */
static struct slice plain_next(const struct clause *c, size_t *at)
{
	struct slice w = rules_word_next(c->text, at);
	while (w.len > 0 && in_span(c, w.ptr))
		w = rules_word_next(c->text, at);
	return w;
}

static bool has_plain(const struct clause *c, const char *list)
{
	size_t at = 0;
	for (struct slice w = plain_next(c, &at); w.len > 0; w = plain_next(c, &at))
		if (rules_word_is(w, list))
			return true;
	return false;
}

const struct span *rules_clause_span(const struct clause *c, enum span_kind kind, size_t nth)
{
	for (size_t i = 0; i < c->spans_count; i++)
		if (c->spans[i].kind == kind && nth-- == 0)
			return &c->spans[i];
	return NULL;
}

/* The first word that is meant as a verb. */
static bool first_verb(struct clause *c, struct verb *out)
{
	struct slice before = {0}, before_that = {0};
	size_t at = 0;
	for (struct slice w = plain_next(c, &at); w.len > 0; w = plain_next(c, &at)) {
		bool negated = rules_word_is(before, "|not|never|without|don't|dont|doesn't|") ||
			       rules_word_is(before_that, "|not|never|without|don't|dont|");
		bool wanted = rules_word_is(before, "|to|") &&
			      rules_word_is(before_that, "|want|like|need|have|going|you|try|");
		bool noun = rules_word_is(before, determiners) && !wanted;
		if (!negated && !noun && rules_verb_find(w, out)) {
			c->verb = w;
			return true;
		}
		before_that = before;
		before = w;
	}
	return false;
}

static const char *count_unit(const struct clause *c, bool after_many)
{
	size_t at = 0;
	bool open = !after_many;
	for (struct slice w = plain_next(c, &at); w.len > 0; w = plain_next(c, &at)) {
		if (!open) {
			open = rules_word_is(w, "|many|number|count|");
			continue;
		}
		for (size_t i = 0; i < COUNT_OF(unit_rows); i++)
			if (rules_word_is(w, unit_rows[i].words))
				return unit_rows[i].unit;
	}
	return NULL;
}

/* A transform asked for by a noun: "a summary of", "how many", "the keywords". */
static enum operation noun_operation(const struct clause *c)
{
	if (has_plain(c, "|summary|overview|gist|synopsis|tldr|"))
		return OP_SUMMARISE;
	if (has_plain(c, "|keywords|keyword|keyphrases|topics|"))
		return OP_KEYWORDS;
	size_t at = 0;
	struct slice before = {0};
	for (struct slice w = plain_next(c, &at); w.len > 0; w = plain_next(c, &at)) {
		if (rules_word_is(w, "|many|") && rules_word_is(before, "|how|"))
			return OP_COUNT;
		if (rules_word_is(w, "|of|") && rules_word_is(before, "|number|count|"))
			return OP_COUNT;
		before = w;
	}
	return OP_NONE;
}

/* What follows "containing", "with", "matching": a quoted text, else the next word. */
static struct slice needle_find(const struct clause *c)
{
	static const char kinds[] = "|emails|email|addresses|urls|url|links|numbers|dates|headings|";
	const struct span *quoted = rules_clause_span(c, SPAN_QUOTED, 0);
	if (quoted != NULL)
		return quoted->text;
	size_t at = 0;
	for (struct slice w = plain_next(c, &at); w.len > 0; w = plain_next(c, &at)) {
		if (rules_word_is(w, kinds))
			return w;
		if (!rules_word_is(w, contains))
			continue;
		struct slice next = rules_word_next(c->text, &at);
		while (rules_word_is(next, "|the|word|words|text|a|an|string|"))
			next = rules_word_next(c->text, &at);
		return in_span(c, next.ptr) ? (struct slice){0} : next;
	}
	return (struct slice){0};
}

static void classify_question(struct clause *c)
{
	size_t at = 0;
	struct slice w = rules_word_next(c->text, &at), next = rules_word_next(c->text, &at);
	if (rules_word_is(next, "|not|") ||
	    !rules_word_is(w, "|what|which|who|when|where|how|is|are|does|do|was|what's|where's|who's|"))
		return;
	c->question = true;
	c->intent = INTENT_READ;
	if (rules_word_is(w, "|where|where's|"))
		c->intent = INTENT_SEARCH;
	else if (rules_word_is(w, "|when|") ||
		 (rules_word_is(w, "|how|") && rules_word_is(next, "|big|large|old|long|")))
		c->intent = INTENT_INFO;
	else if (has_plain(c, files) && rules_clause_span(c, SPAN_PATH, 0) == NULL)
		c->intent = INTENT_LIST;
	else if (rules_word_is(w, "|which|what|") && rules_word_is(next, files))
		c->intent = INTENT_LIST;
}

/* What a weak verb or a question asks for is said by its object. */
static void classify_object(struct clause *c, bool reads)
{
	const struct span *path = rules_clause_span(c, SPAN_PATH, 0);
	if (has_plain(c, "|info|information|metadata|size|permissions|modified|properties|"))
		c->intent = INTENT_INFO;
	else if (has_plain(c, "|files|folders|entries|directories|tree|listing|") &&
		 (path == NULL || path->directory) && rules_clause_span(c, SPAN_GLOB, 0) == NULL &&
		 !has_plain(c, "|contents|content|"))
		c->intent = INTENT_LIST;
	else if (path != NULL && path->directory && (reads || has_plain(c, "|contents|content|in|")))
		c->intent = INTENT_LIST;
	else if (rules_clause_span(c, SPAN_GLOB, 0) != NULL)
		c->intent = INTENT_SEARCH;
}

void rules_clause_classify(struct clause *c)
{
	struct verb v = {.intent = INTENT_NONE};
	bool verb = first_verb(c, &v);
	enum operation noun = noun_operation(c);
	bool lines = has_plain(c, "|line|lines|") && has_plain(c, contains);
	c->intent = v.intent;
	c->op = v.op;
	c->all = has_plain(c, "|all|every|each|files|documents|both|");
	c->content = has_plain(c, "|containing|contain|contains|mention|mentioning|mentions|inside|");
	c->descending = has_plain(c, "|descending|reverse|reversed|largest|highest|");
	bool open = !verb || v.weak || v.intent == INTENT_READ || v.intent == INTENT_SEARCH ||
		    v.intent == INTENT_LIST;
	if (open && lines && noun != OP_COUNT) {
		c->intent = INTENT_TRANSFORM;
		c->op = OP_EXTRACT;
	} else if (noun != OP_NONE && (open || v.op == OP_EXTRACT || v.op == OP_COUNT)) {
		c->intent = INTENT_TRANSFORM;
		c->op = noun;
	} else if (!verb) {
		classify_question(c);
		if (c->question && c->intent == INTENT_READ)
			classify_object(c, false);
	} else if (v.weak && v.intent == INTENT_READ) {
		classify_object(c, true);
	} else if (v.intent == INTENT_READ && rules_clause_span(c, SPAN_PATH, 0) != NULL &&
		   rules_clause_span(c, SPAN_PATH, 0)->directory && !has_plain(c, "|file|files|")) {
		c->intent = INTENT_LIST;
	}
	if (c->intent != INTENT_TRANSFORM)
		return;
	if (c->op == OP_COUNT)
		c->unit = count_unit(c, noun == OP_COUNT);
	if (c->op == OP_EXTRACT || (c->op == OP_COUNT && has_plain(c, contains)))
		c->needle = needle_find(c);
}
