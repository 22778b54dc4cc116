/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prompt as clauses, each with one wish: split at sentence ends, lines, semicolons, "then", and at a comma
 * or "and" that a known verb follows. The wish is the first verb that is meant as one (not "the list", not
 * "do not delete"); weak verbs (show, get, give) are decided by their object. At most CLAUSES_MAX; the rest
 * is counted.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <ctype.h>
#include <string.h>

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_SPAN, TOKEN_STOP, TOKEN_COMMA };

struct token {
	enum token_kind kind;
	size_t at, end;
	const struct span *span;
};

struct reader {
	const struct analysis *a;
	size_t at, span;
};

static struct token token_next(struct reader *r);
static void clause_close(struct analysis *a, size_t at, size_t end);
static bool starts_wish(struct slice w);
static void inline_text_find(struct analysis *a);

void rules_analyse(struct slice text, struct analysis *a)
{
	*a = (struct analysis){.text = rules_cut(text, GOAL_BYTES_MAX)};
	inline_text_find(a);
	struct slice whole = a->text;
	if (a->inline_text.len > 0)
		a->text.len = (size_t)(a->inline_text.ptr - a->text.ptr);
	a->spans_count = rules_spans_find(a->text, a->spans, SPANS_MAX);
	struct reader r = {.a = a};
	size_t start = 0, join = 0;
	bool joining = false, content = false;
	for (struct token t = token_next(&r);; t = token_next(&r)) {
		struct slice w = {a->text.ptr + t.at, t.end - t.at};
		if (t.kind == TOKEN_END || t.kind == TOKEN_STOP ||
		    (t.kind == TOKEN_WORD && rules_word_is(w, "|then|"))) {
			clause_close(a, start, joining ? join : t.at);
			start = t.end;
			joining = content = false;
			if (t.kind == TOKEN_END)
				break;
			continue;
		}
		if (t.kind == TOKEN_COMMA || (t.kind == TOKEN_WORD && rules_word_is(w, "|and|also|"))) {
			join = joining ? join : t.at;
			joining = content;
			continue;
		}
		if (joining && t.kind == TOKEN_WORD && starts_wish(w)) {
			clause_close(a, start, join);
			start = t.at;
		}
		joining = joining && t.kind == TOKEN_WORD &&
			  rules_word_is(w, "|please|finally|next|afterwards|the|a|its|their|an|give|me|");
		content = true;
	}
	a->text = whole;
}

/* --- helpers --- */

static struct token token_next(struct reader *r)
{
	struct slice text = r->a->text;
	while (r->at < text.len) {
		size_t at = r->at;
		while (r->span < r->a->spans_count && r->a->spans[r->span].end <= at)
			r->span++;
		const struct span *s = r->span < r->a->spans_count ? &r->a->spans[r->span] : NULL;
		if (s != NULL && s->at == at && s->kind != SPAN_NAME) {
			r->at = s->end;
			return (struct token){TOKEN_SPAN, at, s->end, s};
		}
		char c = text.ptr[at];
		if (isalnum((unsigned char)c) || (unsigned char)c >= 0x80) {
			rules_word_next(text, &r->at);
			return (struct token){TOKEN_WORD, at, r->at, NULL};
		}
		r->at++;
		bool last = r->at == text.len || isspace((unsigned char)text.ptr[r->at]);
		bool short_form = at >= 3 && text.ptr[at - 2] == '.'; /* "e.g." */
		if (c == '\n' || c == ';' || (last && (c == '!' || c == '?' || (c == '.' && !short_form))))
			return (struct token){TOKEN_STOP, at, r->at, NULL};
		if (c == ',')
			return (struct token){TOKEN_COMMA, at, r->at, NULL};
	}
	return (struct token){TOKEN_END, text.len, text.len, NULL};
}

static bool starts_wish(struct slice w)
{
	struct verb v;
	return rules_verb_find(w, &v) ||
	       rules_word_is(w, "|how|what|which|summary|overview|keywords|number|");
}

static void clause_close(struct analysis *a, size_t at, size_t end)
{
	struct slice text = rules_trim((struct slice){a->text.ptr + at, end - at});
	while (text.len > 0 && strchr("-*.,:!?) \t", text.ptr[0]) != NULL) {
		text.ptr++;
		text.len--;
	}
	size_t w = 0;
	struct slice first = rules_word_next(text, &w);
	/* "1." of a numbered list ends up as a clause of its own. */
	if (first.len == 0 ||
	    (isdigit((unsigned char)first.ptr[0]) && first.len < 3 && first.len + 1 >= text.len))
		return;
	if (a->clauses_count == CLAUSES_MAX) {
		a->clauses_left_out++;
		return;
	}
	struct clause *c = &a->clauses[a->clauses_count++];
	*c = (struct clause){.text = text, .at = (size_t)(text.ptr - a->text.ptr)};
	c->end = c->at + text.len;
	size_t from = 0;
	while (from < a->spans_count && a->spans[from].end <= c->at)
		from++;
	c->spans = a->spans + from;
	while (from + c->spans_count < a->spans_count && a->spans[from + c->spans_count].at < c->end)
		c->spans_count++;
	rules_clause_classify(c);
}

/* "Summarize this text: ..." and "the following:" give the text itself. */
static void inline_text_find(struct analysis *a)
{
	struct slice head = rules_cut(a->text, 400);
	for (size_t i = 0; i + 1 < head.len; i++) {
		if (head.ptr[i] != ':' || !isspace((unsigned char)head.ptr[i + 1]))
			continue;
		struct slice before = {head.ptr, i};
		struct slice rest = rules_trim((struct slice){a->text.ptr + i + 1, a->text.len - i - 1});
		size_t at = i > 24 ? i - 24 : 0;
		struct slice near = {head.ptr + at, i - at};
		bool named = rules_has_word(near, "|following|this|below|text|");
		if (named &&
		    rules_has_word(before,
				   "|summarize|summarise|count|extract|sort|keywords|summary|many|") &&
		    rest.len > 0 && !rules_is_path(rest))
			a->inline_text = rest;
		return;
	}
}
