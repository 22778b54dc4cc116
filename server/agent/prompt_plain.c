/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the words sent to models is another in each run of the same task, taken out: the day, and how far
 * the steps of the plan are at a moment that depends on which of two was faster. What is recorded is found
 * again without them. The other half of prompt.c, whose words it knows; its test holds it against them. Twice
 * is as once.
 */
#include "base/base.h"
#include "agent/agent.h"

#include <string.h>

static const char DAY[] = "Today is ";

static bool starts(struct slice s, const char *with, size_t n)
{
	return s.len >= n && memcmp(s.ptr, with, n) == 0;
}

/* Bytes of "2026-11-28." at the beginning, 0 when it is none. */
static size_t day_len(struct slice s)
{
	static const char form[] = "dddd-dd-dd.";
	if (s.len < sizeof form - 1)
		return 0;
	for (size_t i = 0; i < sizeof form - 1; i++) {
		bool digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
		if (form[i] == 'd' ? !digit : s.ptr[i] != form[i])
			return 0;
	}
	return sizeof form - 1;
}

/* "- s1 [running] ": gives the bytes before the word, and the word's. */
static bool step_parse(struct slice line, size_t *before, size_t *word)
{
	static const char *const words[] = {"pending", "running", "completed", "failed", "skipped"};
	size_t i = 2;
	if (!starts(line, "- ", 2))
		return false;
	while (i < line.len && line.ptr[i] != ' ' && line.ptr[i] != '\n')
		i++;
	if (i == 2 || i + 1 >= line.len || line.ptr[i] != ' ' || line.ptr[i + 1] != '[')
		return false;
	*before = i + 2;
	for (size_t k = 0; k < COUNT_OF(words); k++) {
		struct slice rest = {line.ptr + *before, line.len - *before};
		*word = strlen(words[k]);
		if (starts(rest, words[k], *word) && rest.len > *word && rest.ptr[*word] == ']')
			return true;
	}
	return false;
}

static void line_plain(struct slice line, struct buf *out)
{
	size_t before, word, n;
	if (step_parse(line, &before, &word)) {
		buf_add(out, line.ptr, before);
		buf_add_str(out, "...");
		line = (struct slice){line.ptr + before + word, line.len - before - word};
	} else if (starts(line, DAY, sizeof DAY - 1)) {
		struct slice rest = {line.ptr + sizeof DAY - 1, line.len - (sizeof DAY - 1)};
		if ((n = day_len(rest)) > 0) {
			buf_printf(out, "%s(day).", DAY);
			line = (struct slice){rest.ptr + n, rest.len - n};
		}
	}
	buf_add_slice(out, line);
}

void agent_prompt_plain(struct slice text, struct buf *out)
{
	while (text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t n = end != NULL ? (size_t)(end - text.ptr) + 1 : text.len;
		line_plain((struct slice){text.ptr, n}, out);
		text = (struct slice){text.ptr + n, text.len - n};
	}
}
