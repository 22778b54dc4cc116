/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to words that can be compared: splitting, stop words, a light English stemmer. Made for tool
 * names and the sentences people ask for tools with; no linguistics beyond endings. ASCII decides; bytes of
 * other characters are letters that are kept as they are, so other languages match word by word.
 */
#include "base/base.h"
#include "base/rank.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES_MAX = 64 };

/* Sorted, for bsearch. Verbs of tools (get, list, find, show) are content here, not noise. */
static const char *const STOP_WORDS[] = {
	"a",     "about", "after", "all",    "also",  "am",     "an",    "and",   "any",    "are",  "as",
	"at",    "be",    "been",  "before", "being", "but",    "by",    "can",   "could",  "did",  "do",
	"does",  "done",  "each",  "for",    "from",  "had",    "has",   "have",  "he",     "her",  "here",
	"him",   "his",   "how",   "i",      "if",    "in",     "into",  "is",    "it",     "its",  "just",
	"like",  "may",   "me",    "might",  "must",  "my",     "need",  "no",    "not",    "of",   "on",
	"only",  "or",    "our",   "out",    "over",  "please", "shall", "she",   "should", "so",   "some",
	"such",  "than",  "that",  "the",    "their", "them",   "then",  "there", "these",  "they", "this",
	"those", "to",    "too",   "up",     "us",    "use",    "used",  "using", "very",   "via",  "want",
	"was",   "we",    "were",  "what",   "when",  "where",  "which", "who",   "why",    "will", "with",
	"would", "you",   "your",
};

static int word_compare(const void *word, const void *entry)
{
	return strcmp(word, *(const char *const *)entry);
}

bool rank_is_stop_word(const char *word)
{
	return bsearch(word, STOP_WORDS, COUNT_OF(STOP_WORDS), sizeof(STOP_WORDS[0]), word_compare) != NULL;
}

/* --- stemmer: works on a copy, whose length only shrinks --- */

static bool ends_with(const char *w, size_t n, const char *ending)
{
	size_t e = strlen(ending);
	return n > e && !memcmp(w + n - e, ending, e);
}

static bool has_vowel(const char *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("aeiouy", w[i]))
			return true;
	return false;
}

static size_t plural_cut(char *w, size_t n)
{
	if (ends_with(w, n, "ies") && n > 4) {
		w[n - 3] = 'y';
		return n - 2;
	}
	if (ends_with(w, n, "sses") || ends_with(w, n, "xes") || ends_with(w, n, "zes") ||
	    ends_with(w, n, "ches") || ends_with(w, n, "shes"))
		return n - 2;
	if (ends_with(w, n, "s") && !ends_with(w, n, "ss") && !ends_with(w, n, "us") &&
	    !ends_with(w, n, "is"))
		return n - 1;
	return n;
}

/* -ing and -ed, and the doubled consonant they leave ("running"). */
static size_t participle_cut(char *w, size_t n)
{
	if (ends_with(w, n, "ied") && n > 4) {
		w[n - 3] = 'y';
		return n - 2;
	}
	size_t cut = ends_with(w, n, "ing") ? 3 : ends_with(w, n, "ed") && !ends_with(w, n, "eed") ? 2 : 0;
	if (!cut || n - cut < 3 || !has_vowel(w, n - cut))
		return n;
	n -= cut;
	if (n > 3 && w[n - 1] == w[n - 2] && !strchr("aeiouylsz", w[n - 1]))
		n--;
	return n;
}

void rank_stem(const char *word, size_t len, char *out, size_t size)
{
	ensure(size > 0);
	char w[WORD_BYTES_MAX];
	size_t n = len < sizeof(w) ? len : sizeof(w);
	memcpy(w, word, n);
	if (n > 3)
		n = plural_cut(w, n);
	if (n > 4)
		n = participle_cut(w, n);
	if (n > 5 && ends_with(w, n, "ly"))
		n -= 2;
	/* "create", "created" and "creating" meet without their e. */
	if (n > 3 && w[n - 1] == 'e')
		n--;
	/* British and American: summarise, summarize. */
	if (n > 5 && ends_with(w, n, "is"))
		w[n - 1] = 'z';
	if (n >= size)
		n = size - 1;
	memcpy(out, w, n);
	out[n] = '\0';
}

/* --- splitter --- */

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* Does a new word begin at p[i]? camelCase at C; HTTPServer at S. */
static bool is_hump(const char *p, size_t i, size_t len)
{
	if (!is_upper(p[i]))
		return false;
	return !is_upper(p[i - 1]) || (i + 1 < len && is_lower(p[i + 1]));
}

static void word_tell(const char *p, size_t len, void (*fn)(const char *stem, void *arg), void *arg)
{
	char lower[WORD_BYTES_MAX + 1], stem[WORD_BYTES_MAX + 1];
	if (len > WORD_BYTES_MAX)
		len = WORD_BYTES_MAX;
	for (size_t i = 0; i < len; i++)
		lower[i] = is_upper(p[i]) ? (char)(p[i] - 'A' + 'a') : p[i];
	lower[len] = '\0';
	/* A lone letter says nothing ("s" of "file's"); a lone digit may. */
	if ((len == 1 && is_lower(lower[0])) || rank_is_stop_word(lower))
		return;
	rank_stem(lower, len, stem, sizeof(stem));
	fn(stem, arg);
}

void rank_words(const char *text, size_t len, void (*fn)(const char *stem, void *arg), void *arg)
{
	size_t start = 0;
	while (start < len) {
		if (!is_word_byte(text[start])) {
			start++;
			continue;
		}
		size_t end = start + 1;
		while (end < len && is_word_byte(text[end]) && !is_hump(text, end, len))
			end++;
		word_tell(text + start, end - start, fn, arg);
		start = end;
	}
}
