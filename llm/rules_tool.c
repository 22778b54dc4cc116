/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tool fits a wish: BM25 over name (x3), title (x2), description and argument names (x0.5), synonyms at
 * 0.4, deprecated tools at half. Ranking alone lets most unanswerable wishes through (measured), so four
 * gates follow: a word of the wish in the name, two in name and description, a tool that does the same kind
 * of thing, and a clear lead over tools that do another. Not read-only is told apart, so that a person learns
 * why it is not used.
 */
#include "base/base.h"
#include "llm/offline_int.h"
#include "base/rank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANKED_TOOLS_MAX = 512 };
static const double lead_min = 1.15, synonym_weight = 0.4, deprecated_weight = 0.5, qualifier_weight = 0.85,
		    list_weight = 0.5;

/* Words of one row stand for each other. */
static const char *const synonyms[][4] = {
	{"file", "document"},
	{"directory", "folder"},
	{"read", "open", "view"},
	{"list", "show", "enumerate"},
	{"search", "find", "locate"},
	{"delete", "remove"},
	{"move", "rename"},
	{"create", "make"},
	{"write", "save"},
	{"info", "metadata", "size"},
	{"get", "fetch"},
	{"edit", "change"},
	{"url", "website", "page"},
	{"sum", "add"},
};

struct word_set {
	struct buf text; /* "|one|two|" of stems */
};

static void set_add(const char *stem, void *arg)
{
	struct word_set *s = arg;
	if (s->text.len == 0)
		buf_add_char(&s->text, '|');
	buf_add_str(&s->text, stem);
	buf_add_char(&s->text, '|');
}

static bool set_has(const struct word_set *s, const char *stem)
{
	char key[72];
	int n = snprintf(key, sizeof key, "|%s|", stem);
	return n > 0 && (size_t)n < sizeof key && strstr(buf_cstr(&s->text), key) != NULL;
}

struct overlap {
	const struct word_set *in, *also;
	struct word_set seen;
	size_t hits, misses;
};

static void overlap_add(const char *stem, void *arg)
{
	struct overlap *o = arg;
	if (set_has(&o->seen, stem))
		return;
	set_add(stem, &o->seen);
	if (set_has(o->in, stem) || (o->also != NULL && set_has(o->also, stem)))
		o->hits++;
	else
		o->misses++;
}

/* How many different words of text are in the set (or in also). */
static struct overlap overlap_of(struct slice text, const struct word_set *in, const struct word_set *also)
{
	struct overlap o = {.in = in, .also = also};
	rank_words(text.ptr, text.len, overlap_add, &o);
	buf_release(&o.seen.text);
	return o;
}

static void synonyms_of(const struct word_set *words, struct buf *out)
{
	for (size_t r = 0; r < COUNT_OF(synonyms); r++) {
		size_t have = COUNT_OF(synonyms[r]);
		char stem[64];
		for (size_t i = 0; i < COUNT_OF(synonyms[r]) && synonyms[r][i] != NULL; i++) {
			rank_stem(synonyms[r][i], strlen(synonyms[r][i]), stem, sizeof stem);
			if (set_has(words, stem))
				have = i;
		}
		for (size_t i = 0; have < COUNT_OF(synonyms[r]) && i < COUNT_OF(synonyms[r]); i++)
			if (i != have && synonyms[r][i] != NULL)
				buf_printf(out, " %s", synonyms[r][i]);
	}
}

static const char *text_or_empty(const char *s)
{
	return s != NULL ? s : "";
}

static bool is_deprecated(const struct llm_tool *t)
{
	return strcasestr(text_or_empty(t->description), "deprecated") != NULL ||
	       strcasestr(text_or_empty(t->title), "deprecated") != NULL;
}

static struct rank *index_new(const struct llm_request *r)
{
	struct rank *x = rank_new();
	for (size_t i = 0; i < r->tools_count && i < RANKED_TOOLS_MAX; i++) {
		const struct llm_tool *t = &r->tools[i];
		rank_doc(x);
		if (t->server == NULL)
			continue;
		const char *title = text_or_empty(t->title), *description = text_or_empty(t->description);
		rank_add(x, t->server_tool, strlen(t->server_tool), 3);
		rank_add(x, title, strlen(title), 2);
		rank_add(x, description, strnlen(description, DESCRIPTION_BYTES_MAX), 1);
		const struct json *properties = json_get(t->schema, "properties");
		for (const struct json *p = json_first(properties); p != NULL; p = json_next(p))
			rank_add(x, json_name(p), strlen(json_name(p)), 0.5);
	}
	return x;
}

/* Score of each tool, by its place in r->tools. The caller frees it. */
static double *scores_new(const struct llm_request *r, struct slice words)
{
	words = rules_cut(words, WISH_BYTES_MAX);
	double *scores = xcalloc(r->tools_count + 1, sizeof *scores);
	struct rank_hit *hits = xcalloc(RANKED_TOOLS_MAX, sizeof *hits);
	struct rank *x = index_new(r);
	struct word_set set = {0};
	struct buf other = BUF_INIT;
	size_t n = rank_query(x, words.ptr, words.len, hits, RANKED_TOOLS_MAX);
	for (size_t i = 0; i < n; i++)
		scores[hits[i].doc] += hits[i].score;
	rank_words(words.ptr, words.len, set_add, &set);
	synonyms_of(&set, &other);
	n = other.len > 0 ? rank_query(x, other.data, other.len, hits, RANKED_TOOLS_MAX) : 0;
	for (size_t i = 0; i < n; i++)
		scores[hits[i].doc] += synonym_weight * hits[i].score;
	for (size_t i = 0; i < r->tools_count && i < RANKED_TOOLS_MAX; i++)
		if (r->tools[i].server != NULL && is_deprecated(&r->tools[i]))
			scores[i] *= deprecated_weight;
	buf_release(&set.text);
	buf_release(&other);
	rank_free(x);
	free(hits);
	return scores;
}

static bool same_kind(enum intent wish, const struct llm_tool *t, bool question)
{
	enum intent does = rules_tool_intent(t->server_tool);
	if (does == wish)
		return true;
	if (wish == INTENT_WRITE || wish == INTENT_EDIT)
		return does == INTENT_WRITE || does == INTENT_EDIT;
	if (wish >= INTENT_WRITE)
		return false;
	bool asks =
		wish == INTENT_READ || wish == INTENT_INFO || wish == INTENT_SEARCH || wish == INTENT_COMPUTE;
	if (does == INTENT_NONE)
		return t->read_only;
	if (rules_tool_is_getter(t->server_tool) && does == INTENT_READ)
		return asks;
	return question && wish == INTENT_READ &&
	       (does == INTENT_SEARCH || does == INTENT_LIST || does == INTENT_INFO);
}

/* Does the wish stand in the tool's words: at least one in the name, two in name and description? */
static bool covers(const struct llm_tool *t, const struct word_set *wish, const struct word_set *also)
{
	struct slice name = slice_str(t->server_tool);
	struct buf both = BUF_INIT;
	buf_printf(&both, "%s %s %.*s", t->server_tool, text_or_empty(t->title), DESCRIPTION_BYTES_MAX,
		   text_or_empty(t->description));
	size_t in_name = overlap_of(name, wish, NULL).hits + overlap_of(name, also, NULL).hits;
	size_t in_all = overlap_of(buf_slice(&both), wish, also).hits;
	buf_release(&both);
	return in_name >= 1 && in_all >= 2;
}

static bool is_before(const struct llm_tool *a, double score_a, const struct llm_tool *b, double score_b)
{
	if (b == NULL || score_a != score_b)
		return b == NULL || score_a > score_b;
	int by_name = strcmp(a->server_tool, b->server_tool);
	return by_name < 0 || (by_name == 0 && strcmp(a->server, b->server) < 0);
}

enum tool_fit rules_tool_choose(const struct llm_request *r, const struct tool_wish *w,
				const struct llm_tool **out)
{
	double *scores = scores_new(r, w->words), best = 0, other = 0;
	struct word_set wish = {0}, also = {0};
	struct buf more = BUF_INIT;
	rank_words(w->words.ptr, w->words.len, set_add, &wish);
	synonyms_of(&wish, &more);
	rank_words(buf_cstr(&more), more.len, set_add, &also);
	*out = NULL;
	for (size_t i = 0; i < r->tools_count && i < RANKED_TOOLS_MAX; i++) {
		const struct llm_tool *t = &r->tools[i];
		if (t->server == NULL || scores[i] <= 0)
			continue;
		if (!same_kind(w->intent, t, w->question)) {
			other = scores[i] > other ? scores[i] : other;
			continue;
		}
		/* What the name says beyond the wish makes it another thing: list_allowed_directories. */
		struct overlap extra = overlap_of(slice_str(t->server_tool), &wish, &also);
		double score = scores[i];
		for (size_t k = 0; k < extra.misses; k++)
			score *= qualifier_weight;
		if (!w->several && rules_arg_required(t->schema, ARG_ARRAY) != NULL)
			score *= list_weight;
		if (covers(t, &wish, &also) && is_before(t, score, *out, best)) {
			*out = t;
			best = score;
		}
	}
	if (*out != NULL && scores[*out - r->tools] < lead_min * other)
		*out = NULL;
	free(scores);
	buf_release(&wish.text);
	buf_release(&also.text);
	buf_release(&more);
	if (*out == NULL)
		return FIT_NONE;
	return (*out)->read_only ? FIT_YES : FIT_NOT_READ_ONLY;
}

size_t rules_tool_nearest(const struct llm_request *r, struct slice words, const struct llm_tool *out[3])
{
	double *scores = scores_new(r, words);
	size_t n = 0;
	while (n < 3) {
		const struct llm_tool *next = NULL;
		double best = -1;
		for (size_t i = 0; i < r->tools_count && i < RANKED_TOOLS_MAX; i++)
			if (r->tools[i].server != NULL && scores[i] >= 0 &&
			    is_before(&r->tools[i], scores[i], next, best)) {
				next = &r->tools[i];
				best = scores[i];
			}
		if (next == NULL)
			break;
		scores[next - r->tools] = -1;
		out[n++] = next;
	}
	free(scores);
	return n;
}

const struct llm_tool *rules_tool_roots(const struct llm_request *r, const char *server)
{
	for (size_t i = 0; i < r->tools_count; i++) {
		const struct llm_tool *t = &r->tools[i];
		if (t->server == NULL || strcmp(t->server, server) != 0 || !t->read_only ||
		    json_count(json_get(t->schema, "required")) > 0 ||
		    rules_tool_intent(t->server_tool) != INTENT_LIST)
			continue;
		if (strstr(t->server_tool, "allowed") != NULL || strstr(t->server_tool, "root") != NULL)
			return t;
	}
	return NULL;
}

const struct llm_tool *rules_tool_lister(const struct llm_request *r, const char *server)
{
	const struct llm_tool *best = NULL, *roots = rules_tool_roots(r, server);
	for (size_t i = 0; i < r->tools_count; i++) {
		const struct llm_tool *t = &r->tools[i];
		if (t->server == NULL || strcmp(t->server, server) != 0 || !t->read_only || t == roots ||
		    is_deprecated(t) || rules_tool_intent(t->server_tool) != INTENT_LIST ||
		    strcasestr(t->server_tool, "tree") != NULL)
			continue;
		size_t required = json_count(json_get(t->schema, "required"));
		if (required > 1 || (required == 1 && rules_arg_required(t->schema, ARG_PATH) == NULL))
			continue;
		if (best == NULL || strlen(t->server_tool) < strlen(best->server_tool))
			best = t;
	}
	return best;
}

const struct llm_tool *rules_tool_find(const struct llm_request *r, const char *exposed)
{
	for (size_t i = 0; exposed != NULL && i < r->tools_count; i++)
		if (strcmp(r->tools[i].name, exposed) == 0)
			return &r->tools[i];
	return NULL;
}
