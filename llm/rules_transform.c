/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The five things the offline rules do with a text by themselves: summarise, count, extract lines, keywords,
 * sort. A text that was cut on its way is said to be cut, since a count of it is only a lower bound.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SORTED_LINES_MAX = 20000, EXTRACTED_MAX = 200 };

static void count_text(const struct transform *t, struct slice text, struct buf *out);
static void extract_lines(const struct transform *t, struct slice text, struct buf *out);
static void sort_lines(const struct transform *t, struct slice text, struct buf *out);

/* "[... 123 bytes left out ...]", as results over the limit are marked. */
static bool is_cut(struct slice text)
{
	const char *mark = memmem(text.ptr, text.len, "\n[... ", 6);
	return mark != NULL &&
	       memmem(mark, text.len - (size_t)(mark - text.ptr), " bytes left out ...]\n", 21) != NULL;
}

void rules_transform(const struct transform *t, struct slice text, struct buf *out)
{
	bool over = text.len > TEXT_BYTES_MAX;
	text = rules_cut(text, TEXT_BYTES_MAX);
	switch (t->op) {
	case OP_SUMMARISE:
		if (t->subject != NULL)
			buf_printf(out, "Summary of %s\n\n", t->subject);
		if (!rules_shape_summary(text, out))
			rules_summary(text, out);
		break;
	case OP_COUNT: count_text(t, text, out); break;
	case OP_EXTRACT: extract_lines(t, text, out); break;
	case OP_KEYWORDS:
		buf_printf(out, "Keywords%s%s: ", t->subject != NULL ? " of " : "",
			   t->subject != NULL ? t->subject : "");
		rules_keywords(text, 12, out);
		buf_add_char(out, '\n');
		break;
	case OP_SORT: sort_lines(t, text, out); break;
	case OP_NONE:
	case OP_UNSUPPORTED: ensure(!"a transform without an operation");
	}
	if (over || is_cut(text))
		buf_add_str(out, "\nThe text was too long and reached this step cut: this covers only what "
				 "was left of it.\n");
}

size_t rules_count_lines(struct slice text)
{
	size_t n = 0, at = 0;
	struct slice line;
	while (rules_line_next(text, &at, &line))
		n++;
	return n;
}

size_t rules_count_words(struct slice text)
{
	size_t n = 0;
	bool in = false;
	for (size_t i = 0; i < text.len; i++) {
		bool space = isspace((unsigned char)text.ptr[i]) != 0;
		n += !space && !in;
		in = !space;
	}
	return n;
}

/* --- helpers --- */

static size_t count_characters(struct slice text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
	return n;
}

/* How search tools say that there is nothing. */
static bool says_nothing(struct slice text)
{
	text = rules_trim(text);
	return text.len == 0 || (text.len < 40 && strncasecmp(text.ptr, "no ", 3) == 0);
}

static size_t count_blocks(struct slice text)
{
	size_t n = 0, at = 0;
	bool in = false;
	struct slice line;
	while (rules_line_next(text, &at, &line)) {
		bool blank = rules_trim(line).len == 0;
		n += !blank && !in;
		in = !blank;
	}
	return n;
}

static size_t count_sentences(struct slice text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++)
		n += strchr(".!?", text.ptr[i]) != NULL &&
		     (i + 1 == text.len || isspace((unsigned char)text.ptr[i + 1]));
	return n;
}

static void count_entries(const struct transform *t, const struct listing *l, struct buf *out)
{
	size_t directories = 0, files;
	for (size_t i = 0; i < l->count; i++)
		directories += l->entries[i].directory;
	files = l->count - directories;
	if (l->kind == LISTING_PATHS)
		buf_printf(out, "%zu match%s", l->count, l->count == 1 ? "" : "es");
	else if (t->unit != NULL && strcmp(t->unit, "folders") == 0)
		buf_printf(out, "%zu director%s", directories, directories == 1 ? "y" : "ies");
	else
		buf_printf(out, "%zu file%s and %zu director%s", files, files == 1 ? "" : "s", directories,
			   directories == 1 ? "y" : "ies");
	if (l->left_out > 0)
		buf_printf(out, " among the first %d entries; %zu more were not looked at", ENTRIES_MAX,
			   l->left_out);
	buf_add_str(out, ".\n");
}

static bool line_has(struct slice line, const char *needle)
{
	size_t n = strlen(needle);
	for (size_t i = 0; i + n <= line.len; i++)
		if (strncasecmp(line.ptr + i, needle, n) == 0)
			return true;
	return false;
}

static void count_text(const struct transform *t, struct slice text, struct buf *out)
{
	const char *unit = t->unit != NULL ? t->unit : "";
	bool things = *unit == '\0' || strcmp(unit, "files") == 0 || strcmp(unit, "folders") == 0 ||
		      strcmp(unit, "entries") == 0;
	struct listing l = {0};
	if (things)
		rules_listing_parse(text, &l);
	if (l.kind != LISTING_NONE && l.kind != LISTING_ROOTS) {
		count_entries(t, &l, out);
		rules_listing_release(&l);
		return;
	}
	bool none = things && *unit != '\0' && says_nothing(text);
	rules_listing_release(&l);
	const char *of = t->subject != NULL ? t->subject : "the text";
	size_t lines = rules_count_lines(text);
	if (none) {
		buf_printf(out, "0 %s: nothing was found.\n", unit);
	} else if (t->needle != NULL) {
		size_t n = 0, at = 0;
		struct slice line;
		while (rules_line_next(text, &at, &line))
			n += line_has(line, t->needle);
		buf_printf(out, "%zu of %zu lines of %s contain \"%s\".\n", n, lines, of, t->needle);
	} else if (strcmp(unit, "words") == 0) {
		buf_printf(out, "%s has %zu words.\n", of, rules_count_words(text));
	} else if (strcmp(unit, "characters") == 0) {
		buf_printf(out, "%s has %zu characters.\n", of, count_characters(text));
	} else if (strcmp(unit, "bytes") == 0) {
		buf_printf(out, "%s has %zu bytes.\n", of, text.len);
	} else if (strcmp(unit, "paragraphs") == 0) {
		buf_printf(out, "%s has %zu paragraphs.\n", of, count_blocks(text));
	} else if (strcmp(unit, "sentences") == 0) {
		buf_printf(out, "%s has about %zu sentences.\n", of, count_sentences(text));
	} else if (strcmp(unit, "rows") == 0 && rules_csv_rows(text) >= 0) {
		buf_printf(out, "%s has %lld rows below its header line.\n", of,
			   (long long)rules_csv_rows(text));
	} else if (strcmp(unit, "lines") == 0) {
		buf_printf(out, "%s has %zu lines.\n", of, lines);
	} else {
		buf_printf(out, "%s has %zu lines, %zu words and %zu bytes.\n", of, lines,
			   rules_count_words(text), text.len);
	}
}

static void extract_spans(enum span_kind kind, struct slice text, struct buf *out, size_t *found)
{
	struct slice line;
	for (size_t at = 0; rules_line_next(text, &at, &line) && *found < EXTRACTED_MAX;) {
		struct span spans[16];
		size_t n = rules_spans_find(line, spans, COUNT_OF(spans));
		for (size_t i = 0; i < n && *found < EXTRACTED_MAX; i++) {
			if (spans[i].kind != kind)
				continue;
			buf_add_slice(out, spans[i].text);
			buf_add_char(out, '\n');
			(*found)++;
		}
	}
}

static void extract_matching(const char *needle, bool headings, struct slice text, struct buf *out,
			     size_t *found)
{
	struct slice line;
	size_t number = 0;
	for (size_t at = 0; rules_line_next(text, &at, &line);) {
		number++;
		bool fits = headings ? line.len > 1 && line.ptr[0] == '#' : line_has(line, needle);
		if (!fits || ++*found > EXTRACTED_MAX)
			continue;
		buf_printf(out, "%zu: ", number);
		buf_add_slice(out, rules_cut(line, 400));
		buf_add_char(out, '\n');
	}
}

static void extract_lines(const struct transform *t, struct slice text, struct buf *out)
{
	static const struct {
		const char *names;
		enum span_kind kind;
	} kinds[] = {{"|emails|email|addresses|", SPAN_EMAIL},
		     {"|urls|url|links|", SPAN_URL},
		     {"|numbers|", SPAN_NUMBER},
		     {"|dates|", SPAN_DATE}};
	struct buf body = BUF_INIT;
	struct slice needle = slice_str(t->needle != NULL ? t->needle : "");
	size_t found = 0;
	bool done = false;
	for (size_t i = 0; i < COUNT_OF(kinds) && !done; i++) {
		done = rules_word_is(needle, kinds[i].names);
		if (done)
			extract_spans(kinds[i].kind, text, &body, &found);
	}
	bool headings = rules_word_is(needle, "|headings|");
	if (!done)
		extract_matching(needle.ptr, headings, text, &body, &found);
	const char *lines = found == 1 ? "line containing \"" : "lines containing \"";
	buf_printf(out, "%zu %s%s%s%s%s\n", found, done || headings ? "" : lines, needle.ptr,
		   done || headings ? "" : "\"", t->subject != NULL ? " in " : "",
		   t->subject != NULL ? t->subject : "");
	if (found > EXTRACTED_MAX)
		buf_printf(out, "(the first %d)\n", EXTRACTED_MAX);
	buf_add_slice(out, buf_slice(&body));
	buf_release(&body);
}

static int line_order(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int order = rules_name_order(*x, *y);
	return order != 0 ? order : (x->ptr > y->ptr) - (x->ptr < y->ptr);
}

static void sort_lines(const struct transform *t, struct slice text, struct buf *out)
{
	size_t count = rules_count_lines(text), n = 0, at = 0;
	size_t max = count < SORTED_LINES_MAX ? count : SORTED_LINES_MAX;
	struct slice *lines = xcalloc(max + 1, sizeof *lines);
	while (n < max && rules_line_next(text, &at, &lines[n]))
		n++;
	qsort(lines, n, sizeof *lines, line_order);
	for (size_t i = 0; i < n; i++) {
		buf_add_slice(out, lines[t->descending ? n - 1 - i : i]);
		buf_add_char(out, '\n');
	}
	if (count > n)
		buf_printf(out, "(only the first %d of %zu lines were sorted)\n", SORTED_LINES_MAX, count);
	free(lines);
}
