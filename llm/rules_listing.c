/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tools that list things answer, as entries: "[FILE] a" and "[DIR] b" lines (with or without sizes),
 * "Allowed directories:" and its lines, lines that are all paths, JSON arrays of names or of objects with a
 * name. And the choice of one file to read by fixed rules, with the reason. A text that is none of these is
 * no listing; nothing is guessed.
 */
#include "base/base.h"
#include "llm/offline_int.h"
#include "base/rank.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTING_BYTES_MAX = 1 << 20 };

static const char prose_extensions[] = "|md|markdown|txt|text|rst|adoc|org|";
static const char text_extensions[] = "|md|markdown|txt|text|rst|adoc|org|log|csv|tsv|json|jsonl|yaml|yml|"
				      "toml|ini|cfg|conf|xml|html|htm|tex|c|h|cc|cpp|"
				      "hpp|py|js|ts|go|rs|java|rb|sh|sql|css|diff|patch|env|properties|";
static const char text_names[] =
	"|readme|license|licence|makefile|dockerfile|changelog|authors|contributing|notice|todo|"
	"copying|install|news|";
/* Words of prompts that name no file. */
static const char generic_words[] = "|file|files|content|contents|text|read|open|show|summarize|summarise|"
				    "summary|count|list|find|search|line|lines|word|"
				    "words|folder|directory|please|one|first|extract|keywords|sort|document|";

static void add_entry(struct listing *l, struct slice name, bool directory, int64_t bytes)
{
	if (l->count == ENTRIES_MAX) {
		l->left_out++;
		return;
	}
	if (l->entries == NULL)
		l->entries = xcalloc(ENTRIES_MAX, sizeof *l->entries);
	l->entries[l->count++] = (struct entry){name, directory, bytes};
}

static bool starts_with(struct slice s, const char *prefix)
{
	return s.len >= strlen(prefix) && memcmp(s.ptr, prefix, strlen(prefix)) == 0;
}

/* "notes.md          1.5 KB": cuts the size off the name. -1 when there is none. */
static int64_t size_take(struct slice *name)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	const char *gap = memmem(name->ptr, name->len, "   ", 3);
	if (gap == NULL)
		return -1;
	struct slice rest = rules_trim((struct slice){gap, (size_t)(name->ptr + name->len - gap)});
	char text[32];
	double number = 0;
	char unit[4] = "";
	rules_lower(rest, text, sizeof text);
	if (sscanf(text, "%lf %3s", &number, unit) != 2 || number < 0 || number > 1e9)
		return -1;
	for (size_t u = 0; u < COUNT_OF(units); u++, number *= 1024)
		if (strcasecmp(unit, units[u]) == 0) {
			*name = rules_trim((struct slice){name->ptr, (size_t)(gap - name->ptr)});
			return (int64_t)number;
		}
	return -1;
}

static void parse_marked(struct slice text, struct listing *l)
{
	struct slice line;
	for (size_t at = 0; rules_line_next(text, &at, &line);) {
		bool file = starts_with(line, "[FILE] "), directory = starts_with(line, "[DIR] ");
		if (!file && !directory)
			continue;
		size_t skip = file ? 7 : 6;
		struct slice name = rules_trim((struct slice){line.ptr + skip, line.len - skip});
		int64_t bytes = size_take(&name);
		if (name.len > 0)
			add_entry(l, name, directory, bytes);
	}
	l->kind = l->count > 0 ? LISTING_ENTRIES : LISTING_NONE;
}

/* Every line a path: absolute ones, or names with an extension. */
static void parse_paths(struct slice text, struct listing *l)
{
	struct slice line;
	size_t at = 0;
	while (rules_line_next(text, &at, &line)) {
		line = rules_trim(line);
		if (line.len == 0)
			continue;
		if (line.ptr[0] != '/' && (memchr(line.ptr, ' ', line.len) != NULL || !rules_is_path(line))) {
			l->count = l->left_out = 0;
			return;
		}
		add_entry(l, line, line.ptr[line.len - 1] == '/', -1);
	}
	l->kind = l->count > 0 ? LISTING_PATHS : LISTING_NONE;
}

/* The top of a tree only: names further down are no paths by themselves. */
static void parse_tree(const struct json *list, struct listing *l)
{
	for (const struct json *j = json_first(list); j != NULL; j = json_next(j)) {
		const char *name = json_text(j) != NULL
					   ? json_text(j)
					   : json_get_text(j, "path", json_get_text(j, "name", NULL));
		const char *type = json_get_text(j, "type", "file");
		bool directory = strcmp(type, "directory") == 0 || strcmp(type, "dir") == 0;
		if (name == NULL)
			continue;
		add_entry(l, slice_str(name), directory, json_get_integer(j, "size", -1));
	}
}

void rules_listing_parse(struct slice text, struct listing *l)
{
	*l = (struct listing){.kind = LISTING_NONE};
	text = rules_cut(rules_trim(text), LISTING_BYTES_MAX);
	if (text.len == 0)
		return;
	if (starts_with(text, "Allowed directories:")) {
		struct slice line;
		size_t at = 0;
		while (rules_line_next(text, &at, &line))
			if (line.len > 0 && (line.ptr[0] == '/' || rules_is_path(line)))
				add_entry(l, rules_trim(line), true, -1);
		l->kind = LISTING_ROOTS;
	} else if (text.ptr[0] == '[' && !starts_with(text, "[FILE] ") && !starts_with(text, "[DIR] ")) {
		l->tree = json_parse(text.ptr, text.len, 0, NULL);
		parse_tree(l->tree, l);
		l->kind = l->count > 0 ? LISTING_ENTRIES : LISTING_NONE;
	} else if (starts_with(text, "[FILE] ") || starts_with(text, "[DIR] ")) {
		parse_marked(text, l);
	} else {
		parse_paths(text, l);
	}
}

void rules_listing_release(struct listing *l)
{
	free(l->entries);
	json_free(l->tree);
	*l = (struct listing){0};
}

/* --- the choice --- */

static struct slice base_name(struct slice path)
{
	const char *slash = memrchr(path.ptr, '/', path.len);
	if (slash == NULL)
		return path;
	return (struct slice){slash + 1, (size_t)(path.ptr + path.len - slash - 1)};
}

static struct slice extension_of(struct slice name)
{
	const char *dot = memrchr(name.ptr, '.', name.len);
	if (dot == NULL || dot == name.ptr)
		return (struct slice){0};
	return (struct slice){dot + 1, (size_t)(name.ptr + name.len - dot - 1)};
}

int rules_name_order(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool rules_is_text_file(struct slice name)
{
	struct slice base = base_name(name), ext = extension_of(base);
	return ext.len > 0 ? rules_word_is(ext, text_extensions) : rules_word_is(base, text_names);
}

struct matcher {
	struct slice name;
	int hits;
};

static void match_stem(const char *stem, void *arg)
{
	struct matcher *m = arg;
	size_t n = strlen(stem);
	if (n < 3 || rules_word_is((struct slice){stem, n}, generic_words))
		return;
	for (size_t i = 0; i + n <= m->name.len; i++)
		if (strncasecmp(m->name.ptr + i, stem, n) == 0) {
			m->hits++;
			return;
		}
}

/* Words of the prompt that stand in the name. */
static int matches(struct slice goal, struct slice name)
{
	struct matcher m = {.name = base_name(name)};
	size_t at = 0;
	struct slice head = rules_cut(goal, 4096);
	for (struct slice w = rules_word_next(head, &at); w.len > 0; w = rules_word_next(head, &at))
		if (!rules_word_is(w, generic_words))
			rank_words(w.ptr, w.len, match_stem, &m);
	return m.hits;
}

/* 0 up to 64 KiB or unknown, then one more for each factor of 16. */
static int size_class(int64_t bytes)
{
	int class = 0;
	for (int64_t limit = 64 << 10; bytes > limit && class < 8; limit *= 16)
		class ++;
	return class;
}

struct merit {
	int words, readme, prose, size;
};

static struct merit merit_of(const struct entry *e, struct slice goal)
{
	struct slice base = base_name(e->name);
	return (struct merit){.words = matches(goal, e->name),
			      .readme = base.len >= 6 && strncasecmp(base.ptr, "readme", 6) == 0,
			      .prose = rules_word_is(extension_of(base), prose_extensions),
			      .size = size_class(e->bytes)};
}

static int compare(const struct entry *a, struct merit ma, const struct entry *b, struct merit mb)
{
	int order = mb.words - ma.words;
	order = order != 0 ? order : mb.readme - ma.readme;
	order = order != 0 ? order : mb.prose - ma.prose;
	order = order != 0 ? order : ma.size - mb.size;
	if (order != 0)
		return order;
	return rules_name_order(a->name, b->name);
}

static const char *reason_of(struct merit best, struct merit second, size_t candidates)
{
	if (candidates == 1)
		return "it is the only text file";
	if (best.words > second.words)
		return "words of the prompt stand in its name";
	if (best.readme > second.readme)
		return "a README comes first";
	if (best.prose > second.prose)
		return "prose (md, txt, rst) comes before other texts";
	if (best.size < second.size)
		return "it is of the smallest size class";
	return "it is the first by name";
}

const struct entry *rules_listing_choose(const struct listing *l, struct slice goal, const char **why)
{
	const struct entry *best = NULL, *second = NULL;
	struct merit best_merit = {0}, second_merit = {0};
	size_t candidates = 0;
	for (size_t i = 0; i < l->count; i++) {
		const struct entry *e = &l->entries[i];
		if (e->directory || !rules_is_text_file(e->name))
			continue;
		struct merit m = merit_of(e, goal);
		candidates++;
		if (best == NULL || compare(e, m, best, best_merit) < 0) {
			second = best;
			second_merit = best_merit;
			best = e;
			best_merit = m;
		} else if (second == NULL || compare(e, m, second, second_merit) < 0) {
			second = e;
			second_merit = m;
		}
	}
	*why = best != NULL ? reason_of(best_merit, second_merit, candidates) : "no entry is a text file";
	return best;
}
