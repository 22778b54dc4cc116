/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that are better told by their structure than by their sentences: JSON (what it holds, keys and how
 * often), CSV and TSV (columns, rows, range or commonest values of each), logs (lines per level, first and
 * last). What does not clearly have one of these shapes is left to the summary of prose.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	COLUMNS_MAX = 40,
	KEYS_MAX = 40,
	VALUES_MAX = 12,
	CELL_SHOWN_MAX = 60,
	SAMPLE_LINES = 20,
	ERROR_LINES_SHOWN = 3
};

struct value_count {
	struct slice text;
	size_t count;
};

struct column {
	struct slice name;
	size_t filled, numbers;
	double min, max, sum;
	struct value_count values[VALUES_MAX];
	size_t values_count;
	bool many; /* more different values than are kept */
};

/* --- CSV --- */

/* Cells of a line; quotes are respected within the line. Returns how many there are, stores at most max. */
static size_t cells_of(struct slice line, char separator, struct slice *cells, size_t max)
{
	size_t n = 0, start = 0;
	bool quoted = false;
	for (size_t i = 0; i <= line.len; i++) {
		if (i < line.len && line.ptr[i] == '"')
			quoted = !quoted;
		if (i < line.len && (quoted || line.ptr[i] != separator))
			continue;
		struct slice cell = rules_trim((struct slice){line.ptr + start, i - start});
		if (cell.len >= 2 && cell.ptr[0] == '"' && cell.ptr[cell.len - 1] == '"')
			cell = (struct slice){cell.ptr + 1, cell.len - 2};
		if (n < max)
			cells[n] = cell;
		n++;
		start = i + 1;
	}
	return n;
}

/* The separator that splits the first lines into the same number (two or more) of short cells; 0 when none
 * does. */
static char separator_of(struct slice text)
{
	static const char separators[] = {',', '\t', ';'};
	for (size_t s = 0; s < COUNT_OF(separators); s++) {
		struct slice line, cells[COLUMNS_MAX];
		size_t at = 0, lines = 0, columns = 0;
		bool same = true;
		while (same && lines < SAMPLE_LINES && rules_line_next(text, &at, &line)) {
			if (rules_trim(line).len == 0)
				continue;
			size_t n = cells_of(line, separators[s], cells, COLUMNS_MAX);
			same = n >= 2 && n <= COLUMNS_MAX && (columns == 0 || n == columns);
			for (size_t i = 0; same && lines == 0 && i < n; i++)
				same = cells[i].len > 0 && cells[i].len <= CELL_SHOWN_MAX;
			columns = n;
			lines++;
		}
		if (same && lines >= 2)
			return separators[s];
	}
	return 0;
}

int64_t rules_csv_rows(struct slice text)
{
	struct slice line;
	int64_t rows = -1;
	if (separator_of(text) == 0)
		return -1;
	for (size_t at = 0; rules_line_next(text, &at, &line);)
		rows += rules_trim(line).len > 0;
	return rows;
}

static bool number_of(struct slice cell, double *out)
{
	char text[48], *end;
	if (cell.len == 0 || cell.len >= sizeof text ||
	    (!isdigit((unsigned char)cell.ptr[0]) && strchr("+-.", cell.ptr[0]) == NULL))
		return false;
	memcpy(text, cell.ptr, cell.len);
	text[cell.len] = '\0';
	*out = strtod(text, &end);
	return *end == '\0' && end != text && isfinite(*out);
}

static void value_add(struct column *c, struct slice cell)
{
	for (size_t i = 0; i < c->values_count; i++)
		if (slice_eq(c->values[i].text, cell)) {
			c->values[i].count++;
			return;
		}
	if (c->values_count < VALUES_MAX)
		c->values[c->values_count++] = (struct value_count){cell, 1};
	else
		c->many = true;
}

static void column_add(struct column *c, struct slice cell)
{
	double v;
	if (cell.len == 0)
		return;
	c->filled++;
	if (number_of(cell, &v)) {
		c->min = c->numbers == 0 ? v : fmin(c->min, v);
		c->max = c->numbers == 0 ? v : fmax(c->max, v);
		c->sum += v;
		c->numbers++;
	}
	value_add(c, cell);
}

static void column_print(const struct column *c, struct buf *out)
{
	buf_add_str(out, "- ");
	buf_add_slice(out, c->name);
	if (c->filled == 0) {
		buf_add_str(out, ": empty\n");
		return;
	}
	if (c->numbers == c->filled) {
		buf_printf(out, ": %zu numbers, %.6g to %.6g, mean %.6g\n", c->numbers, c->min, c->max,
			   c->sum / (double)c->numbers);
		return;
	}
	if (c->many) {
		buf_printf(out, ": %zu values, for example ", c->filled);
		buf_add_slice(out, rules_cut(c->values[0].text, CELL_SHOWN_MAX));
		buf_add_char(out, '\n');
		return;
	}
	buf_printf(out, ": %zu values: ", c->filled);
	for (size_t i = 0; i < c->values_count; i++) {
		buf_add_str(out, i > 0 ? ", " : "");
		buf_add_slice(out, rules_cut(c->values[i].text, CELL_SHOWN_MAX));
		buf_printf(out, " (%zu)", c->values[i].count);
	}
	buf_add_char(out, '\n');
}

static bool csv_summary(struct slice text, struct buf *out)
{
	char separator = separator_of(text);
	if (separator == 0)
		return false;
	struct column *columns = xcalloc(COLUMNS_MAX, sizeof *columns);
	struct slice line, cells[COLUMNS_MAX];
	size_t at = 0, count = 0, rows = 0;
	while (rules_line_next(text, &at, &line)) {
		if (rules_trim(line).len == 0)
			continue;
		size_t n = cells_of(line, separator, cells, COLUMNS_MAX);
		if (count == 0) {
			count = n;
			for (size_t i = 0; i < n; i++)
				columns[i].name = cells[i];
			continue;
		}
		rows++;
		for (size_t i = 0; i < n && i < count; i++)
			column_add(&columns[i], cells[i]);
	}
	buf_printf(out, "A table of %zu columns and %zu rows (the first line taken as its header):\n", count,
		   rows);
	for (size_t i = 0; i < count; i++)
		column_print(&columns[i], out);
	free(columns);
	return true;
}

/* --- JSON --- */

struct key_count {
	const char *name;
	enum json_type type;
	size_t count;
};

static void keys_add(struct key_count *keys, size_t *n, const struct json *object)
{
	for (const struct json *m = json_first(object); m != NULL; m = json_next(m)) {
		size_t i = 0;
		while (i < *n && strcmp(keys[i].name, json_name(m)) != 0)
			i++;
		if (i == KEYS_MAX)
			continue;
		if (i == *n)
			keys[(*n)++] = (struct key_count){json_name(m), json_type(m), 0};
		keys[i].count++;
	}
}

static void member_print(const struct json *m, struct buf *out)
{
	buf_printf(out, "- %s: ", json_name(m));
	if (json_is(m, JSON_OBJECT) || json_is(m, JSON_ARRAY)) {
		buf_printf(out, "%s of %zu\n", json_type_name(json_type(m)), json_count(m));
		return;
	}
	struct buf value = BUF_INIT;
	json_print(m, &value);
	struct slice cut = rules_cut(buf_slice(&value), CELL_SHOWN_MAX);
	buf_add_slice(out, cut);
	buf_add_str(out, cut.len < value.len ? " ...\n" : "\n");
	buf_release(&value);
}

static bool json_summary(struct slice text, struct buf *out)
{
	text = rules_trim(text);
	if (text.len < 2 || (text.ptr[0] != '{' && text.ptr[0] != '['))
		return false;
	struct json *j = json_parse(text.ptr, text.len, 0, NULL);
	if (j == NULL)
		return false;
	size_t shown = 0;
	if (json_is(j, JSON_OBJECT)) {
		buf_printf(out, "A JSON object with %zu members:\n", json_count(j));
		for (const struct json *m = json_first(j); m != NULL && shown < KEYS_MAX;
		     m = json_next(m), shown++)
			member_print(m, out);
	} else {
		struct key_count keys[KEYS_MAX];
		size_t n = 0, objects = 0;
		for (const struct json *m = json_first(j); m != NULL; m = json_next(m)) {
			objects += json_is(m, JSON_OBJECT);
			if (json_is(m, JSON_OBJECT))
				keys_add(keys, &n, m);
		}
		buf_printf(out, "A JSON array of %zu elements, %zu of them objects.\n", json_count(j),
			   objects);
		for (size_t i = 0; i < n; i++)
			buf_printf(out, "- %s (%s): in %zu\n", keys[i].name, json_type_name(keys[i].type),
				   keys[i].count);
	}
	json_free(j);
	return true;
}

/* --- logs --- */

static const char *const levels[] = {"FATAL",  "CRITICAL", "ERROR", "WARN",
				     "NOTICE", "INFO",     "DEBUG", "TRACE"};

static int level_of(struct slice line)
{
	size_t at = 0;
	struct slice head = rules_cut(line, 120);
	for (struct slice w = rules_word_next(head, &at); w.len > 0; w = rules_word_next(head, &at))
		for (size_t i = 0; i < COUNT_OF(levels); i++)
			if (slice_eq_str(w, levels[i]) || (i == 3 && slice_eq_str(w, "WARNING")))
				return (int)i;
	return -1;
}

static bool starts_with_time(struct slice line)
{
	struct slice head = rules_cut(line, 40);
	size_t digits = 0, marks = 0;
	for (size_t i = 0; i < head.len; i++) {
		digits += isdigit((unsigned char)head.ptr[i]) != 0;
		marks += head.ptr[i] == ':' || head.ptr[i] == '-';
	}
	return digits >= 6 && marks >= 2;
}

static void log_line_print(const char *what, struct slice line, struct buf *out)
{
	buf_printf(out, "%s: ", what);
	buf_add_slice(out, rules_cut(line, 300));
	buf_add_char(out, '\n');
}

static bool log_summary(struct slice text, struct buf *out)
{
	size_t counts[COUNT_OF(levels)] = {0}, lines = 0, told = 0, at = 0, shown = 0;
	struct slice line, first = {0}, last = {0}, errors[ERROR_LINES_SHOWN];
	while (rules_line_next(text, &at, &line)) {
		if (rules_trim(line).len == 0)
			continue;
		int level = level_of(line);
		lines++;
		told += level >= 0 && starts_with_time(line);
		if (level >= 0)
			counts[level]++;
		if (level >= 0 && level <= 2 && shown < ERROR_LINES_SHOWN)
			errors[shown++] = line;
		first = first.len == 0 ? line : first;
		last = line;
	}
	if (lines < 3 || told * 10 < lines * 6)
		return false;
	buf_printf(out, "A log of %zu lines:", lines);
	const char *comma = " ";
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		if (counts[i] > 0)
			buf_printf(out, "%s%zu %s", comma, counts[i], levels[i]);
		comma = counts[i] > 0 ? ", " : comma;
	}
	buf_add_str(out, ".\n");
	log_line_print("First", first, out);
	log_line_print("Last", last, out);
	for (size_t i = 0; i < shown; i++)
		log_line_print("Error line", errors[i], out);
	return true;
}

bool rules_shape_summary(struct slice text, struct buf *out)
{
	return json_summary(text, out) || log_summary(text, out) || csv_summary(text, out);
}
