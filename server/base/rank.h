/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BM25 ranking (k1 1.2, b 0.75) of a few thousand short documents with weighted fields, as used to find the
 * tools that fit a sentence. Words are split at camelCase, '_', '-', '.', '/', lower-cased, lightly stemmed,
 * stop words dropped. Deterministic: equal scores keep document order.
 */
#ifndef BASE_RANK_H
#define BASE_RANK_H

#include "base/buf.h"

struct rank; /* opaque index */

struct rank_hit {
	size_t doc;
	double score;
};

struct rank *rank_new(void);
void rank_free(struct rank *r);
/* Begins the next document and returns its number (0, 1, ...). */
size_t rank_doc(struct rank *r);
/* Adds text to the current document; each word counts `weight` times. */
void rank_add(struct rank *r, const char *text, size_t len, double weight);
/* Best `max` documents with a score above 0, best first; returns how many were written. */
size_t rank_query(struct rank *r, const char *text, size_t len, struct rank_hit *out, size_t max);

/* The splitter and stemmer by themselves. Calls fn for each kept word (lower-case stem, NUL-terminated,
 * borrowed). */
void rank_words(const char *text, size_t len, void (*fn)(const char *stem, void *arg), void *arg);
/* Stem of one lower-case ASCII word into out (truncated to size). */
void rank_stem(const char *word, size_t len, char *out, size_t size);
bool rank_is_stop_word(const char *word);

#endif
