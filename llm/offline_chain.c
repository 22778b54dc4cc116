/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clause that needs a tool becomes steps: the tool is chosen, its arguments are filled from the prompt, and
 * a path nobody named is found by steps before it (allowed directories, a listing, the file chosen at run
 * time). What cannot be found that way is asked for.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <string.h>

enum { PATHS_PER_CLAUSE_MAX = 5 };

static bool chain_path(struct draft *d, struct draft_step *s, const char *name, int roots,
		       const struct source *listing);
static void step_describe(struct draft *d, struct draft_step *s, const struct json *args, enum intent intent);

/* The words of a clause that tools are looked up by: its own without spans, and what the spans stand for. */
static void wish_words(const struct clause *c, enum intent intent, bool several, bool listed, struct buf *out)
{
	size_t at = 0;
	for (struct slice w = rules_word_next(c->text, &at); w.len > 0 && out->len < 2048;
	     w = rules_word_next(c->text, &at)) {
		size_t place = c->at + (size_t)(w.ptr - c->text.ptr);
		bool spanned = false;
		for (size_t i = 0; i < c->spans_count; i++)
			spanned = spanned || (c->spans[i].kind != SPAN_NAME && place >= c->spans[i].at &&
					      place < c->spans[i].end);
		/* Weak verbs say nothing about a tool, and "show" would speak for listing. */
		if (!spanned && !rules_word_is(w, "|show|give|tell|display|print|see|me|please|"))
			buf_printf(out, "%.*s ", (int)w.len, w.ptr);
	}
	bool path = rules_clause_span(c, SPAN_PATH, 0) != NULL,
	     glob = rules_clause_span(c, SPAN_GLOB, 0) != NULL;
	bool things = listed || path ||
		      rules_has_word(c->text, "|file|files|folder|folders|directory|directories|entries|");
	bool media = rules_has_word(c->text, "|image|images|picture|photo|audio|video|media|");
	if (rules_clause_span(c, SPAN_URL, 0) != NULL)
		buf_add_str(out, "fetch url ");
	else if (intent == INTENT_READ && !media && (things || c->intent == INTENT_TRANSFORM))
		buf_add_str(out, several ? "read text multiple files " : "read text file ");
	else if (intent == INTENT_READ && media)
		buf_add_str(out, "read media file ");
	else if (intent == INTENT_LIST && things)
		buf_add_str(out, "list directory ");
	else if (intent == INTENT_SEARCH && (things || glob))
		buf_add_str(out, "search files ");
	else if (intent == INTENT_INFO && things)
		buf_add_str(out, "file info ");
	else if (intent >= INTENT_WRITE && path)
		buf_add_str(out, "file ");
}

static const struct llm_tool *tool_for(struct draft *d, const struct clause *c, enum intent intent,
				       bool several)
{
	struct buf words = BUF_INIT;
	const struct llm_tool *t = NULL;
	/* What was listed before is files, said or not: "read one". */
	bool listed = intent == INTENT_READ && d->sources_count > 0 && d->sources[0].kind == SOURCE_LISTING;
	wish_words(c, intent, several, listed, &words);
	struct tool_wish wish = {intent, buf_slice(&words), c->question, several};
	enum tool_fit fit = rules_tool_choose(d->r, &wish, &t);
	buf_release(&words);
	if (fit == FIT_YES)
		return t;
	if (fit == FIT_NOT_READ_ONLY)
		draft_decline(d, c,
			      "%s would fit, but it is not marked read-only, and the offline rules run only "
			      "read-only tools "
			      "(a language model may use it, with your approval).",
			      t->name);
	else
		draft_decline(d, c, "no connected tool fits.");
	return NULL;
}

static int roots_step(struct draft *d, const char *server)
{
	const struct llm_tool *roots = rules_tool_roots(d->r, server);
	int index;
	for (size_t i = 0; roots != NULL && i < d->steps_count; i++)
		if (d->steps[i].tool == roots)
			return (int)i;
	struct draft_step *s = roots != NULL ? draft_step_add(d, &index) : NULL;
	if (s == NULL)
		return -1;
	s->tool = roots;
	s->title = roots->title != NULL ? roots->title : roots->server_tool;
	s->objective = "Find out which directories may be used.";
	s->expected = "The allowed directories, one a line.";
	s->success = "At least one directory is named.";
	return index;
}

/* A listing of the first allowed directory; false when the server cannot give one. */
static bool listing_step(struct draft *d, const char *server, struct source *out)
{
	const struct llm_tool *lister = rules_tool_lister(d->r, server);
	int index, roots = -1;
	if (lister == NULL)
		return false;
	const char *path = rules_arg_required(lister->schema, ARG_PATH);
	if (path != NULL && (roots = roots_step(d, server)) < 0)
		return false;
	struct draft_step *s = draft_step_add(d, &index);
	if (s == NULL)
		return false;
	s->tool = lister;
	if (path != NULL)
		draft_input_from(s, path, roots);
	step_describe(d, s, NULL, INTENT_LIST);
	*out = (struct source){.kind = SOURCE_LISTING, .step = index, .roots = roots};
	return true;
}

/* Everything a step needs before it is added; steps it depends on are added here. */
struct need {
	const char *missing[STEP_INPUTS_MAX];
	size_t count;
	int roots;
	struct source listing;
	bool has_listing;
};

/* Plans the steps that a missing path comes from; false: it has to be asked for. */
static bool need_prepare(struct draft *d, const struct llm_tool *t, enum intent intent, struct need *n)
{
	const struct json *properties = json_get(t->schema, "properties");
	bool file = intent == INTENT_READ || intent == INTENT_INFO;
	for (size_t i = 0; i < n->count; i++) {
		const struct json *p = json_get(properties, n->missing[i]);
		enum arg_kind kind = rules_arg_kind(p, n->missing[i]);
		bool paths =
			kind == ARG_ARRAY && rules_arg_kind(json_get(p, "items"), n->missing[i]) == ARG_PATH;
		if (kind != ARG_PATH && !paths)
			return false;
		if (!file) {
			n->roots = roots_step(d, t->server);
			if (n->roots < 0)
				return false;
			continue;
		}
		for (size_t k = 0; k < d->sources_count && !n->has_listing; k++) {
			n->has_listing = d->sources[k].kind == SOURCE_LISTING;
			n->listing = d->sources[k];
		}
		if (!n->has_listing)
			n->has_listing = listing_step(d, t->server, &n->listing);
		if (!n->has_listing)
			return false;
	}
	return true;
}

static void ask_for(struct draft *d, const struct llm_tool *t, const struct need *n)
{
	const struct json *properties = json_get(t->schema, "properties");
	for (size_t i = 0; i < n->count; i++) {
		const struct json *p = json_get(properties, n->missing[i]), *choices = json_get(p, "enum");
		const char *about = json_get_text(p, "description", NULL);
		struct buf one_of = BUF_LIMIT(256);
		for (const struct json *c = json_first(choices); c != NULL; c = json_next(c)) {
			buf_add_str(&one_of, one_of.len > 0 ? ", " : ", one of ");
			json_print(c, &one_of);
		}
		draft_ask(d, "%s (%s%s): needed by %s%s%s. Say it as %s=value, text in quotes.",
			  n->missing[i], json_get_text(p, "type", "any type"), buf_cstr(&one_of), t->name,
			  about != NULL ? ": " : "", about != NULL ? about : "", n->missing[i]);
		buf_release(&one_of);
	}
}

static bool tool_step(struct draft *d, const struct llm_tool *t, const struct evidence *ev,
		      enum intent intent)
{
	struct need n = {.roots = -1};
	struct json *args = NULL;
	int index;
	n.count = rules_fill(t, ev, &args, n.missing, STEP_INPUTS_MAX);
	if (json_count(args) + 2 * n.count > STEP_INPUTS_MAX || !need_prepare(d, t, intent, &n)) {
		ask_for(d, t, &n);
		json_free(args);
		return false;
	}
	struct draft_step *s = draft_step_add(d, &index);
	if (s == NULL) {
		json_free(args);
		return false;
	}
	s->tool = t;
	for (const struct json *a = json_first(args); a != NULL; a = json_next(a))
		draft_input_literal(s, draft_text(d, slice_str(json_name(a))), json_copy(a));
	bool chosen = false;
	for (size_t i = 0; i < n.count; i++)
		chosen = chain_path(d, s, n.missing[i], n.roots, n.has_listing ? &n.listing : NULL) || chosen;
	step_describe(d, s, args, intent);
	const char *named = rules_arg_required(t->schema, ARG_PATH);
	const char *path = named != NULL ? json_get_text(args, named, NULL) : NULL;
	bool lists = intent == INTENT_LIST || intent == INTENT_SEARCH;
	draft_source_add(d, (struct source){.kind = lists ? SOURCE_LISTING : SOURCE_TEXT,
					    .step = index,
					    .roots = n.roots,
					    .subject = !lists && path != NULL ? draft_text(d, slice_str(path))
									      : NULL});
	json_free(args);
	return true;
}

/* One step for each named file. */
static bool read_each(struct draft *d, const struct llm_tool *t, struct evidence *ev, size_t paths)
{
	struct clause one = *ev->clause;
	const struct clause *all = ev->clause;
	size_t made = 0;
	d->sources_count = 0;
	one.spans_count = 1;
	ev->clause = &one;
	for (size_t i = 0; i < paths && i < PATHS_PER_CLAUSE_MAX; i++) {
		one.spans = rules_clause_span(all, SPAN_PATH, i);
		made += tool_step(d, t, ev, INTENT_READ);
	}
	if (paths > PATHS_PER_CLAUSE_MAX)
		draft_assume(d, "Only the first %d of %zu files are read.", PATHS_PER_CLAUSE_MAX, paths);
	return made > 0;
}

/* What a reading clause finds by a pattern or in a folder is listed first, and then read as if nothing was
 * named. Leaves *rest without the spans that are used up; false when the listing was declined. */
static bool read_listed(struct draft *d, const struct clause *c, struct clause *rest, bool *several)
{
	const struct span *path = rules_clause_span(c, SPAN_PATH, 0);
	bool folder = path != NULL && path->directory && rules_clause_span(c, SPAN_PATH, 1) == NULL;
	bool glob = path == NULL && rules_clause_span(c, SPAN_GLOB, 0) != NULL;
	*rest = *c;
	*several = (path == NULL || folder) && (c->all || glob);
	if (!folder && !glob)
		return true;
	rest->spans_count = 0;
	return draft_tool_clause(d, c,
				 glob ? INTENT_SEARCH : INTENT_LIST); /* one level: these do not come here */
}

bool draft_tool_clause(struct draft *d, const struct clause *c, enum intent intent)
{
	struct evidence ev = d->evidence;
	struct clause rest = *c;
	bool several = false;
	size_t paths = 0;
	if (intent == INTENT_READ && !read_listed(d, c, &rest, &several))
		return false;
	ev.clause = &rest;
	while (rules_clause_span(&rest, SPAN_PATH, paths) != NULL)
		paths++;
	if (d->answer_taken)
		ev.answer_spans_count = 0;
	const struct llm_tool *t = tool_for(d, c, intent, several);
	if (t == NULL)
		return false;
	if (intent == INTENT_READ && paths > 1 && rules_arg_required(t->schema, ARG_PATH) != NULL)
		return read_each(d, t, &ev, paths);
	size_t before = d->sources_count;
	if (!tool_step(d, t, &ev, intent))
		return false;
	d->answer_taken = d->answer_taken || ev.answer_spans_count > 0;
	/* Only what this clause made is what the next one works on. */
	memmove(d->sources, d->sources + before, (d->sources_count - before) * sizeof *d->sources);
	d->sources_count -= before;
	return true;
}

/* --- helpers --- */

/* true when the file is chosen at run time. */
static bool chain_path(struct draft *d, struct draft_step *s, const char *name, int roots,
		       const struct source *listing)
{
	const char *kept = draft_text(d, slice_str(name));
	if (listing == NULL) {
		draft_input_from(s, kept, roots);
		return false;
	}
	draft_input_from(s, kept, listing->step);
	/* Names of a listing stand for nothing without the directory that was listed. */
	const struct draft_step *lists = &d->steps[listing->step];
	const char *of = rules_arg_required(lists->tool->schema, ARG_PATH);
	for (size_t i = 0; of != NULL && i < lists->inputs_count; i++) {
		if (strcmp(lists->inputs[i].name, of) != 0)
			continue;
		if (lists->inputs[i].from >= 0)
			draft_input_from(s, INPUT_DIRECTORY, lists->inputs[i].from);
		else
			draft_input_literal(s, INPUT_DIRECTORY, json_copy(lists->inputs[i].literal));
	}
	draft_assume(d,
		     "No file is named: it is chosen from the listing of s%d by fixed rules (words of the "
		     "prompt, README, "
		     "prose, other texts, size, name).",
		     listing->step + 1);
	return true;
}

static void step_describe(struct draft *d, struct draft_step *s, const struct json *args, enum intent intent)
{
	const char *title = s->tool->title != NULL ? s->tool->title : s->tool->server_tool;
	struct buf what = BUF_LIMIT(2048);
	for (size_t i = 0; i < s->inputs_count; i++)
		if (s->inputs[i].from >= 0 && strcmp(s->inputs[i].name, INPUT_DIRECTORY) != 0)
			buf_printf(&what, "%s%s from s%d", what.len > 0 ? ", " : "", s->inputs[i].name,
				   s->inputs[i].from + 1);
	for (const struct json *a = json_first(args); a != NULL; a = json_next(a)) {
		struct buf value = BUF_INIT;
		json_print(a, &value);
		struct slice cut = rules_cut(buf_slice(&value), 80);
		buf_printf(&what, "%s%s %.*s", what.len > 0 ? ", " : "", json_name(a), (int)cut.len, cut.ptr);
		buf_release(&value);
	}
	s->title = what.len > 0 ? arena_printf(d->arena, "%s: %s", title, buf_cstr(&what)) : title;
	s->objective = arena_printf(d->arena, "Call %s%s%s.", s->tool->name, what.len > 0 ? " with " : "",
				    buf_cstr(&what));
	s->expected = intent == INTENT_LIST || intent == INTENT_SEARCH ? "The entries that were found."
								       : "The text of the answer.";
	s->success = "The tool answers without an error.";
	buf_release(&what);
}
