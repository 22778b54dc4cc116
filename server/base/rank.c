/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BM25 over an inverted index in memory: a hash table of stems, each with the documents it is in and its
 * weight there. Built once, asked a few times, freed; nothing is removed or changed. Which words there are is
 * rank_words.c's matter.
 *
 * Deterministic: scores are summed in the order of the question's words, and equal scores keep document
 * order, so that a plan made twice is the same plan. Small data: running out of memory aborts.
 */
#include "base/base.h"
#include "base/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double K1 = 1.2, B = 0.75;

struct posting {
	size_t doc;
	double weight; /* how often the word is there, each time with its field's weight */
};

struct term {
	char *stem;               /* NULL: the place is free */
	struct posting *postings; /* by document, rising */
	size_t count, cap;
};

struct rank {
	struct term *terms; /* open addressing; the size is a power of two, at most half full */
	size_t terms_size, terms_count;
	double *doc_lengths; /* sum of weights */
	size_t docs, docs_cap;
	double length_total;
};

struct rank *rank_new(void)
{
	struct rank *r = xcalloc(1, sizeof(*r));
	r->terms_size = 256;
	r->terms = xcalloc(r->terms_size, sizeof(*r->terms));
	return r;
}

void rank_free(struct rank *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->terms_size; i++) {
		free(r->terms[i].stem);
		free(r->terms[i].postings);
	}
	free(r->terms);
	free(r->doc_lengths);
	free(r);
}

/* The place of a stem, or the free place where it belongs. */
static struct term *term_at(struct term *terms, size_t size, const char *stem)
{
	size_t i = (size_t)hash64(stem, strlen(stem)) & (size - 1);
	while (terms[i].stem && strcmp(terms[i].stem, stem))
		i = (i + 1) & (size - 1);
	return &terms[i];
}

static void terms_double(struct rank *r)
{
	size_t size = r->terms_size * 2;
	struct term *terms = xcalloc(size, sizeof(*terms));
	for (size_t i = 0; i < r->terms_size; i++)
		if (r->terms[i].stem)
			*term_at(terms, size, r->terms[i].stem) = r->terms[i];
	free(r->terms);
	r->terms = terms;
	r->terms_size = size;
}

static struct term *term_get(struct rank *r, const char *stem)
{
	struct term *t = term_at(r->terms, r->terms_size, stem);
	if (t->stem)
		return t;
	if ((r->terms_count + 1) * 2 > r->terms_size) {
		terms_double(r);
		t = term_at(r->terms, r->terms_size, stem);
	}
	t->stem = xstrdup(stem);
	r->terms_count++;
	return t;
}

size_t rank_doc(struct rank *r)
{
	if (r->docs == r->docs_cap) {
		r->docs_cap = r->docs_cap ? r->docs_cap * 2 : 64;
		r->doc_lengths = xrealloc(r->doc_lengths, r->docs_cap * sizeof(*r->doc_lengths));
	}
	r->doc_lengths[r->docs] = 0;
	return r->docs++;
}

struct adding {
	struct rank *r;
	double weight;
};

static void word_add(const char *stem, void *arg)
{
	struct adding *a = arg;
	struct rank *r = a->r;
	struct term *t = term_get(r, stem);
	size_t doc = r->docs - 1;
	if (!t->count || t->postings[t->count - 1].doc != doc) {
		if (t->count == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 4;
			t->postings = xrealloc(t->postings, t->cap * sizeof(*t->postings));
		}
		t->postings[t->count++] = (struct posting){doc, 0};
	}
	t->postings[t->count - 1].weight += a->weight;
	r->doc_lengths[doc] += a->weight;
	r->length_total += a->weight;
}

void rank_add(struct rank *r, const char *text, size_t len, double weight)
{
	ensure(r->docs > 0 && weight > 0);
	rank_words(text, len, word_add, &(struct adding){r, weight});
}

/* --- asking --- */

struct asking {
	const struct rank *r;
	double *scores; /* by document */
	bool *asked;    /* by place in the table: a repeated word counts once */
};

static void word_score(const char *stem, void *arg)
{
	struct asking *a = arg;
	const struct rank *r = a->r;
	const struct term *t = term_at(r->terms, r->terms_size, stem);
	if (!t->stem || a->asked[t - r->terms])
		return;
	a->asked[t - r->terms] = true;
	double with = (double)t->count, average = r->length_total / (double)r->docs;
	double rarity = log(1 + ((double)r->docs - with + 0.5) / (with + 0.5));
	for (size_t i = 0; i < t->count; i++) {
		const struct posting *p = &t->postings[i];
		double length = 1 - B + B * r->doc_lengths[p->doc] / average;
		a->scores[p->doc] += rarity * p->weight * (K1 + 1) / (p->weight + K1 * length);
	}
}

size_t rank_query(struct rank *r, const char *text, size_t len, struct rank_hit *out, size_t max)
{
	if (!r->docs || !max)
		return 0;
	struct asking a = {r, xcalloc(r->docs, sizeof(double)), xcalloc(r->terms_size, sizeof(bool))};
	rank_words(text, len, word_score, &a);
	size_t count = 0;
	for (size_t doc = 0; doc < r->docs; doc++) {
		if (a.scores[doc] <= 0 || (count == max && a.scores[doc] <= out[max - 1].score))
			continue;
		size_t at = count < max ? count++ : max - 1;
		for (; at > 0 && out[at - 1].score < a.scores[doc]; at--)
			out[at] = out[at - 1];
		out[at] = (struct rank_hit){doc, a.scores[doc]};
	}
	free(a.scores);
	free(a.asked);
	return count;
}
