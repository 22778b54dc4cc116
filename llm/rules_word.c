/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest parts of a text: words, lines, cuts that keep UTF-8 whole. Words are runs of ASCII letters and
 * digits and of any bytes above ASCII, so that other languages stay words even though no table knows them.
 * Pure; never fails.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <ctype.h>
#include <string.h>

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

void rules_lower(struct slice w, char *out, size_t size)
{
	size_t n = w.len < size - 1 ? w.len : size - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)w.ptr[i]);
	out[n] = '\0';
}

bool rules_word_is(struct slice w, const char *list)
{
	char key[40];
	if (w.len == 0 || w.len > sizeof key - 3)
		return false;
	key[0] = '|';
	rules_lower(w, key + 1, sizeof key - 2);
	if (memchr(key + 1, '|', w.len) != NULL)
		return false;
	key[w.len + 1] = '|';
	key[w.len + 2] = '\0';
	return strstr(list, key) != NULL;
}

struct slice rules_word_next(struct slice text, size_t *at)
{
	size_t i = *at;
	while (i < text.len && !is_word_byte(text.ptr[i]))
		i++;
	size_t start = i;
	while (i < text.len &&
	       (is_word_byte(text.ptr[i]) || (text.ptr[i] == '\'' && i > start && i + 1 < text.len &&
					      isalpha((unsigned char)text.ptr[i + 1]))))
		i++;
	*at = i;
	return (struct slice){text.ptr + start, i - start};
}

bool rules_has_word(struct slice text, const char *list)
{
	size_t at = 0;
	for (struct slice w = rules_word_next(text, &at); w.len > 0; w = rules_word_next(text, &at))
		if (rules_word_is(w, list))
			return true;
	return false;
}

struct slice rules_trim(struct slice s)
{
	while (s.len > 0 && isspace((unsigned char)s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && isspace((unsigned char)s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool rules_line_next(struct slice text, size_t *at, struct slice *line)
{
	if (*at >= text.len)
		return false;
	const char *start = text.ptr + *at;
	const char *end = memchr(start, '\n', text.len - *at);
	size_t n = end != NULL ? (size_t)(end - start) : text.len - *at;
	*at += n + (end != NULL);
	if (n > 0 && start[n - 1] == '\r')
		n--;
	*line = (struct slice){start, n};
	return true;
}

struct slice rules_cut(struct slice s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.ptr[max] & 0xC0) == 0x80)
		max--;
	return (struct slice){s.ptr, max};
}
