/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most frequent content words of a text, counted by stem and shown as first written. The table is
 * bounded: words that are new once it is full are not counted.
 */
#include "base/base.h"
#include "llm/offline_int.h"
#include "base/rank.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_SIZE = 8192, WORDS_MAX = 6000, WORD_SIZE = 40 };

struct word {
	char stem[WORD_SIZE], shown[WORD_SIZE];
	size_t count, order;
};

static uint32_t hash_of(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static void word_count(struct word *table, size_t *used, struct slice w)
{
	char lower[WORD_SIZE], stem[WORD_SIZE];
	bool letters = false;
	for (size_t i = 0; i < w.len; i++)
		letters = letters || !isdigit((unsigned char)w.ptr[i]);
	if (w.len < 3 || w.len >= WORD_SIZE || !letters)
		return;
	rules_lower(w, lower, sizeof lower);
	if (rank_is_stop_word(lower))
		return;
	rank_stem(lower, w.len, stem, sizeof stem);
	size_t at = hash_of(stem) % TABLE_SIZE;
	while (table[at].count > 0 && strcmp(table[at].stem, stem) != 0)
		at = (at + 1) % TABLE_SIZE;
	if (table[at].count == 0) {
		if (*used == WORDS_MAX)
			return;
		memcpy(table[at].stem, stem, sizeof stem);
		memcpy(table[at].shown, lower, sizeof lower);
		table[at].order = (*used)++;
	}
	table[at].count++;
}

void rules_keywords(struct slice text, size_t max, struct buf *out)
{
	struct word *table = xcalloc(TABLE_SIZE, sizeof *table);
	size_t used = 0, at = 0, shown = 0;
	for (struct slice w = rules_word_next(text, &at); w.len > 0; w = rules_word_next(text, &at))
		word_count(table, &used, w);
	while (shown < max) {
		struct word *best = NULL;
		for (size_t i = 0; i < TABLE_SIZE; i++) {
			struct word *w = &table[i];
			if (w->count > 0 && (best == NULL || w->count > best->count ||
					     (w->count == best->count && w->order < best->order)))
				best = w;
		}
		if (best == NULL)
			break;
		buf_printf(out, "%s%s (%zu)", shown++ > 0 ? ", " : "", best->shown, best->count);
		best->count = 0;
	}
	if (shown == 0)
		buf_add_str(out, "none");
	free(table);
}
