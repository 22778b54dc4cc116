/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extractive summary of prose: sentences ranked by TextRank (common stems over the logarithms of the lengths,
 * damping 0.85), first sentences of a paragraph favoured, the best few in their own order; headings, counts
 * and keywords beside them. Below five sentences a text is its own summary. Bounded: 400 sentences (of longer
 * texts the first 200 and every k-th of the rest), 50 rounds. Deterministic: no hashing order, sums always in
 * the same order.
 */
#include "base/base.h"
#include "llm/offline_int.h"
#include "base/rank.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STEMS_MAX = 48,
	STEM_SIZE = 24,
	ROUNDS_MAX = 50,
	SENTENCE_SHOWN_MAX = 400,
	ALL_SENTENCES_MAX = 20000,
	SHORT_TEXT_SHOWN_MAX = 4000
};
static const double damping = 0.85, settled = 1e-6, first_weight = 1.2;

struct sentence {
	struct slice text;
	bool first; /* of its paragraph */
};

struct bag {
	char stems[STEMS_MAX][STEM_SIZE]; /* sorted, each once */
	size_t count;
};

struct prose {
	struct buf plain; /* without markup; sentences point into it */
	struct sentence *sentences;
	size_t count, capacity;
	struct slice heading; /* the first one; points into the source */
};

/* --- sentences --- */

static void sentence_add(struct prose *p, size_t at, size_t end, bool first)
{
	struct slice s = rules_trim((struct slice){p->plain.data + at, end - at});
	if (s.len < 2 || p->count == ALL_SENTENCES_MAX)
		return;
	if (p->count == p->capacity) {
		p->capacity = p->capacity * 2 + 64;
		p->sentences = xrealloc(p->sentences, p->capacity * sizeof *p->sentences);
	}
	p->sentences[p->count++] = (struct sentence){s, first};
}

/* One line without the marks of Markdown and HTML. */
static void line_add(struct buf *out, struct slice line)
{
	while (line.len > 0 &&
	       (strchr("*->+|", line.ptr[0]) != NULL || isspace((unsigned char)line.ptr[0]))) {
		line.ptr++;
		line.len--;
	}
	for (size_t i = 0; i < line.len; i++) {
		char c = line.ptr[i];
		const char *close = NULL;
		if (c == '<' && i + 1 < line.len &&
		    (isalpha((unsigned char)line.ptr[i + 1]) || line.ptr[i + 1] == '/'))
			close = memchr(line.ptr + i, '>', line.len - i < 200 ? line.len - i : 200);
		else if (c == ']' && i + 1 < line.len && line.ptr[i + 1] == '(') /* the address of a link */
			close = memchr(line.ptr + i, ')', line.len - i < 400 ? line.len - i : 400);
		if (close != NULL)
			i = (size_t)(close - line.ptr);
		else if (strchr("*`[]|", c) == NULL)
			buf_add_char(out, c);
	}
}

static bool ends_sentence(struct slice s, size_t i)
{
	if (strchr(".!?", s.ptr[i]) == NULL || i + 1 >= s.len || !isspace((unsigned char)s.ptr[i + 1]))
		return false;
	size_t word = i;
	while (word > 0 && (isalnum((unsigned char)s.ptr[word - 1]) || s.ptr[word - 1] == '.'))
		word--;
	struct slice last = {s.ptr + word, i - word};
	return !rules_word_is(last,
			      "|e.g|i.e|etc|mr|mrs|ms|dr|prof|vs|no|fig|st|approx|inc|ltd|a.m|p.m|u.s|") &&
	       !(s.ptr[i] == '.' && last.len == 1 && isupper((unsigned char)last.ptr[0]));
}

static void paragraph_end(struct prose *p, size_t from)
{
	struct slice s = {p->plain.data + from, p->plain.len - from};
	size_t start = 0;
	bool first = true;
	for (size_t i = 0; i < s.len; i++) {
		if (!ends_sentence(s, i))
			continue;
		sentence_add(p, from + start, from + i + 1, first);
		first = false;
		start = i + 1;
	}
	sentence_add(p, from + start, from + s.len, first);
}

static bool is_rule(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (strchr("-=*_|: +", line.ptr[i]) == NULL)
			return false;
	return true;
}

static bool is_item(struct slice line)
{
	return line.len > 2 &&
	       (((line.ptr[0] == '-' || line.ptr[0] == '*' || line.ptr[0] == '+') && line.ptr[1] == ' ') ||
		(isdigit((unsigned char)line.ptr[0]) && (line.ptr[1] == '.' || line.ptr[1] == ')')));
}

static void prose_read(struct slice text, struct prose *p)
{
	*p = (struct prose){.plain = BUF_LIMIT(2 * (size_t)TEXT_BYTES_MAX)};
	struct slice line;
	size_t from = 0;
	bool fenced = false;
	buf_grow(&p->plain, text.len + text.len / 8 + 1024); /* sentences point into it: it must not move */
	for (size_t at = 0; rules_line_next(text, &at, &line);) {
		line = rules_trim(line);
		bool fence = line.len >= 3 && memcmp(line.ptr, "```", 3) == 0;
		bool heading = line.len > 1 && line.ptr[0] == '#' && !fenced;
		fenced = fenced != fence;
		if (heading && p->heading.len == 0) {
			struct slice h = line;
			while (h.len > 0 && (h.ptr[0] == '#' || h.ptr[0] == ' ')) {
				h.ptr++;
				h.len--;
			}
			p->heading = rules_trim(h);
		}
		bool breaks = is_rule(line) || heading || fence || is_item(line);
		if (breaks) {
			paragraph_end(p, from);
			from = p->plain.len;
		}
		if (fenced || fence || heading || is_rule(line))
			continue;
		if (p->plain.len > from)
			buf_add_char(&p->plain, ' ');
		line_add(&p->plain, line);
	}
	paragraph_end(p, from);
}

static void prose_release(struct prose *p)
{
	buf_release(&p->plain);
	free(p->sentences);
}

/* --- ranks --- */

static void bag_add(const char *stem, void *arg)
{
	struct bag *b = arg;
	if (b->count == STEMS_MAX)
		return;
	char key[STEM_SIZE];
	snprintf(key, sizeof key, "%s", stem);
	size_t i = 0;
	while (i < b->count && strcmp(b->stems[i], key) < 0)
		i++;
	if (i < b->count && strcmp(b->stems[i], key) == 0)
		return;
	memmove(b->stems[i + 1], b->stems[i], (b->count - i) * STEM_SIZE);
	memcpy(b->stems[i], key, STEM_SIZE);
	b->count++;
}

static double similarity(const struct bag *a, const struct bag *b)
{
	size_t i = 0, k = 0, common = 0;
	if (a->count < 2 || b->count < 2)
		return 0;
	while (i < a->count && k < b->count) {
		int order = strcmp(a->stems[i], b->stems[k]);
		common += order == 0;
		i += order <= 0;
		k += order >= 0;
	}
	return (double)common / (log((double)a->count) + log((double)b->count));
}

/* scores[n] of the sentences; m is n x n and symmetric. */
static void text_rank(const double *m, size_t n, double *scores)
{
	double *sums = xcalloc(n, sizeof *sums), *next = xcalloc(n, sizeof *next);
	for (size_t i = 0; i < n; i++) {
		scores[i] = 1;
		for (size_t k = 0; k < n; k++)
			sums[i] += m[i * n + k];
	}
	for (int round = 0; round < ROUNDS_MAX; round++) {
		double change = 0;
		for (size_t i = 0; i < n; i++) {
			double sum = 0;
			for (size_t k = 0; k < n; k++)
				if (m[i * n + k] > 0)
					sum += m[i * n + k] / sums[k] * scores[k];
			next[i] = 1 - damping + damping * sum;
			change = fmax(change, fabs(next[i] - scores[i]));
		}
		memcpy(scores, next, n * sizeof *scores);
		if (change < settled)
			break;
	}
	free(sums);
	free(next);
}

static void rank_sentences(const struct sentence *s, size_t n, double *scores)
{
	struct bag *bags = xcalloc(n, sizeof *bags);
	double *m = xcalloc(n * n, sizeof *m);
	for (size_t i = 0; i < n; i++)
		rank_words(s[i].text.ptr, s[i].text.len, bag_add, &bags[i]);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			m[i * n + k] = m[k * n + i] = similarity(&bags[i], &bags[k]);
	text_rank(m, n, scores);
	for (size_t i = 0; i < n; i++)
		scores[i] *= s[i].first ? first_weight : 1;
	free(m);
	free(bags);
}

/* --- the summary --- */

/* Of more than SENTENCES_MAX the first half of them and every k-th of the rest. */
static size_t thin_out(struct sentence *s, size_t n)
{
	size_t lead = SENTENCES_MAX / 2;
	if (n <= SENTENCES_MAX)
		return n;
	size_t every = (n - lead + lead - 1) / lead, kept = lead;
	for (size_t i = lead; i < n && kept < SENTENCES_MAX; i += every)
		s[kept++] = s[i];
	return kept;
}

static void best_add(const struct sentence *s, size_t n, size_t shown, struct buf *out)
{
	double *scores = xcalloc(n, sizeof *scores);
	bool *chosen = xcalloc(n, sizeof *chosen);
	rank_sentences(s, n, scores);
	for (size_t c = 0; c < shown; c++) {
		size_t best = n;
		for (size_t i = 0; i < n; i++)
			if (!chosen[i] && (best == n || scores[i] > scores[best]))
				best = i;
		chosen[best] = true;
	}
	for (size_t i = 0; i < n; i++) {
		if (!chosen[i])
			continue;
		struct slice cut = rules_cut(s[i].text, SENTENCE_SHOWN_MAX);
		buf_add_str(out, "- ");
		buf_add_slice(out, cut);
		buf_add_str(out, cut.len < s[i].text.len ? " ...\n" : "\n");
	}
	free(scores);
	free(chosen);
}

void rules_summary(struct slice text, struct buf *out)
{
	struct prose p;
	prose_read(text, &p);
	if (rules_trim(text).len == 0) {
		buf_add_str(out, "The text is empty.\n");
		prose_release(&p);
		return;
	}
	if (p.heading.len > 0) {
		buf_add_slice(out, rules_cut(p.heading, SENTENCE_SHOWN_MAX));
		buf_add_str(out, "\n\n");
	}
	size_t n = p.count;
	if (n < 5) {
		struct slice all = rules_trim(text), cut = rules_cut(all, SHORT_TEXT_SHOWN_MAX);
		buf_add_slice(out, cut);
		buf_add_str(out, cut.len < all.len ? " ...\n" : "\n");
	} else {
		size_t shown = n / 10 < 3 ? 3 : n / 10 > 7 ? 7 : n / 10;
		best_add(p.sentences, thin_out(p.sentences, n), shown, out);
	}
	buf_printf(out, "\n%zu lines, %zu words, %zu sentences. Keywords: ", rules_count_lines(text),
		   rules_count_words(text), n);
	rules_keywords(text, 8, out);
	buf_add_char(out, '\n');
	prose_release(&p);
}
