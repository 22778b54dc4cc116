/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans of a prompt: quoted texts, URLs, paths, globs, dates, key=value, e-mail addresses, numbers and
 * capitalised names, each consuming its text. One pass; what is searched ahead (a closing quote) is bounded,
 * so that a prompt made of quotes costs no more than another. Knows no grammar: what a span is for is decided
 * where it is used.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <ctype.h>
#include <string.h>

enum { QUOTE_BYTES_MAX = 4096, APOSTROPHE_BYTES_MAX = 256, EXTENSION_BYTES_MAX = 5 };

struct quote {
	const char *open, *close;
	size_t bytes_max;
};
static const struct quote quotes[] = {
	{"```", "```", GOAL_BYTES_MAX},
	{"\"", "\"", QUOTE_BYTES_MAX},
	{"`", "`", QUOTE_BYTES_MAX},
	{"\xe2\x80\x9c", "\xe2\x80\x9d", QUOTE_BYTES_MAX},
	{"\xc2\xab", "\xc2\xbb", QUOTE_BYTES_MAX},
	{"'", "'", APOSTROPHE_BYTES_MAX},
};

/* Not names of folders: "in the current directory". */
static const char no_folder[] =
	"|a|an|the|this|that|these|those|current|root|home|same|whole|entire|each|every|any|all|"
	"allowed|my|our|your|its|their|parent|first|last|top|working|given|which|what|some|no|of|"
	"in|and|or|other|another|available|accessible|permitted|list|read|show|open|search|find|"
	"count|summarize|summarise|folder|directory|new|empty|single|one|two|";

static bool quoted_scan(struct slice text, size_t at, struct span *out);
static void quoted_path(struct slice text, struct span *s);
static size_t token_end(struct slice text, size_t at);
static bool token_classify(struct slice text, struct slice token, size_t at, struct span *out);
static bool is_date(struct slice w);
static bool is_number(struct slice w);
static bool is_email(struct slice w);
static bool names_folder(struct slice text, struct slice token, size_t at);
static size_t name_run(struct slice text, size_t at, size_t end);

size_t rules_spans_find(struct slice text, struct span *out, size_t max)
{
	size_t count = 0, at = 0;
	bool sentence_start = true;
	while (at < text.len && count < max) {
		if (isspace((unsigned char)text.ptr[at]) || strchr("([{,;", text.ptr[at]) != NULL) {
			sentence_start = sentence_start || text.ptr[at] == '\n' || text.ptr[at] == ';';
			at++;
			continue;
		}
		struct span s = {.at = at};
		if (quoted_scan(text, at, &s)) {
			quoted_path(text, &s);
			out[count++] = s;
			at = s.end;
			sentence_start = false;
			continue;
		}
		size_t end = token_end(text, at);
		struct slice token = {text.ptr + at, end - at};
		while (token.len > 0 && strchr(".,;:!?)]}'\"", token.ptr[token.len - 1]) != NULL)
			token.len--;
		s.end = at + token.len;
		if (token.len > 0 && token_classify(text, token, at, &s)) {
			out[count++] = s;
			end = s.end;
		} else if (token.len > 0 && isupper((unsigned char)token.ptr[0]) && !sentence_start) {
			s.kind = SPAN_NAME;
			s.end = end = name_run(text, at, s.end);
			s.text = (struct slice){text.ptr + at, end - at};
			out[count++] = s;
		}
		sentence_start = end > at && strchr(".!?:", text.ptr[end - 1]) != NULL;
		at = end > at ? end : at + 1;
	}
	return count;
}

bool rules_is_glob(struct slice w)
{
	const char *star = memchr(w.ptr, '*', w.len);
	return star != NULL && w.len > 1 && memchr(w.ptr, '=', w.len) == NULL &&
	       !(w.len > 3 && memcmp(w.ptr, "**", 2) == 0 && isalpha((unsigned char)w.ptr[2]));
}

/* "name.ext": an extension of one to five letters or digits, at least one of them a letter. */
static bool has_extension(struct slice w)
{
	size_t dot = w.len, letters = 0;
	while (dot > 0 && w.ptr[dot - 1] != '.') {
		if (!isalnum((unsigned char)w.ptr[dot - 1]))
			return false;
		letters += isalpha((unsigned char)w.ptr[dot - 1]) != 0;
		dot--;
	}
	size_t n = w.len - dot;
	if (dot < 2 || n < 1 || n > EXTENSION_BYTES_MAX || letters == 0)
		return false;
	for (size_t i = 0; i + 1 < dot; i++)
		if (!isalnum((unsigned char)w.ptr[i]) && (unsigned char)w.ptr[i] < 0x80 &&
		    strchr("._/-+@~#%", w.ptr[i]) == NULL)
			return false;
	return !rules_word_is(w, "|e.g|i.e|a.m|p.m|u.s|u.k|n.b|") && !is_email(w);
}

bool rules_is_path(struct slice w)
{
	if (w.len < 2)
		return w.len == 1 && w.ptr[0] == '/';
	if (w.ptr[0] == '/' && w.ptr[1] != '/')
		return true;
	if (memcmp(w.ptr, "./", 2) == 0 || memcmp(w.ptr, "~/", 2) == 0 ||
	    (w.len > 2 && memcmp(w.ptr, "../", 3) == 0))
		return true;
	if (w.len > 2 && isalpha((unsigned char)w.ptr[0]) && w.ptr[1] == ':' && w.ptr[2] == '\\')
		return true;
	return has_extension(w) || (w.ptr[w.len - 1] == '/' && isalnum((unsigned char)w.ptr[0]));
}

/* --- helpers --- */

static bool quoted_scan(struct slice text, size_t at, struct span *out)
{
	for (size_t q = 0; q < COUNT_OF(quotes); q++) {
		size_t n = strlen(quotes[q].open), c = strlen(quotes[q].close);
		if (text.len - at <= n || memcmp(text.ptr + at, quotes[q].open, n) != 0)
			continue;
		const char *from = text.ptr + at + n;
		size_t room =
			text.len - at - n < quotes[q].bytes_max ? text.len - at - n : quotes[q].bytes_max;
		const char *close = memmem(from, room, quotes[q].close, c);
		while (close != NULL && *quotes[q].close == '\'' && close + 1 < text.ptr + text.len &&
		       isalnum((unsigned char)close[1])) /* an apostrophe within a word */
			close = memmem(close + 1, (size_t)(from + room - close - 1), "'", 1);
		if (close == NULL || close == from)
			continue;
		struct slice inner = {from, (size_t)(close - from)};
		out->end = (size_t)(close - text.ptr) + c;
		if (n == 3 && *quotes[q].open == '`') { /* a fence may name a language on its first line */
			const char *line = memchr(inner.ptr, '\n', inner.len);
			if (line != NULL && line - inner.ptr < 24 &&
			    memchr(inner.ptr, ' ', (size_t)(line - inner.ptr)) == NULL)
				inner = (struct slice){line + 1, inner.len - (size_t)(line + 1 - inner.ptr)};
		}
		out->text = inner;
		out->kind = SPAN_QUOTED;
		return true;
	}
	return false;
}

/* The two words before a place, empty when there are none near. */
static void words_before(struct slice text, size_t at, struct slice *last, struct slice *last_but_one)
{
	size_t from = at > 32 ? at - 32 : 0, w = 0;
	struct slice before = {text.ptr + from, at - from};
	*last = *last_but_one = (struct slice){0};
	for (struct slice word = rules_word_next(before, &w); word.len > 0;
	     word = rules_word_next(before, &w)) {
		*last_but_one = *last;
		*last = word;
	}
}

/* A quoted name of a file: it looks like one, or is called one. What lines contain is none. */
static void quoted_path(struct slice text, struct span *s)
{
	struct slice last, last_but_one;
	words_before(text, s->at, &last, &last_but_one);
	bool folder = rules_word_is(last, "|folder|directory|dir|");
	bool named = folder || rules_word_is(last, "|file|document|");
	bool searched =
		rules_word_is(last, "|containing|contain|contains|with|matching|mentioning|word|text|for|");
	if (searched || s->text.len > 255 || memchr(s->text.ptr, '\n', s->text.len) != NULL)
		return;
	if (!named && !rules_is_path(s->text) && !rules_is_text_file(s->text))
		return;
	s->kind = rules_is_glob(s->text) ? SPAN_GLOB : SPAN_PATH;
	s->directory = folder;
}

static size_t token_end(struct slice text, size_t at)
{
	size_t end = at;
	while (end < text.len && !isspace((unsigned char)text.ptr[end]) &&
	       strchr("\"`<>|", text.ptr[end]) == NULL)
		end++;
	return end > at ? end : at + 1;
}

static bool is_key_value(struct slice text, struct slice token, size_t at, struct span *out)
{
	const char *eq = memchr(token.ptr, '=', token.len);
	size_t n = eq != NULL ? (size_t)(eq - token.ptr) : 0;
	if (n == 0 || !(isalpha((unsigned char)token.ptr[0]) || token.ptr[0] == '_'))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)token.ptr[i]) && token.ptr[i] != '_' && token.ptr[i] != '-')
			return false;
	struct span value = {0};
	out->kind = SPAN_KEY_VALUE;
	out->name = (struct slice){token.ptr, n};
	if (quoted_scan(text, at + n + 1, &value)) {
		out->text = value.text;
		out->end = value.end;
		return true;
	}
	out->text = (struct slice){eq + 1, token.len - n - 1};
	return out->text.len > 0;
}

static bool is_url(struct slice w)
{
	const char *colon = memmem(w.ptr, w.len, "://", 3);
	if (colon == NULL || colon + 3 == w.ptr + w.len)
		return false;
	return rules_word_is((struct slice){w.ptr, (size_t)(colon - w.ptr)}, "|http|https|ftp|file|");
}

static bool token_classify(struct slice text, struct slice token, size_t at, struct span *out)
{
	out->text = token;
	if (is_url(token))
		out->kind = SPAN_URL;
	else if (is_key_value(text, token, at, out))
		return true;
	else if (rules_is_glob(token))
		out->kind = SPAN_GLOB;
	else if (is_date(token))
		out->kind = SPAN_DATE;
	else if (is_number(token))
		out->kind = SPAN_NUMBER;
	else if (is_email(token))
		out->kind = SPAN_EMAIL;
	else if (rules_is_path(token) || names_folder(text, token, at))
		out->kind = SPAN_PATH;
	else
		return false;
	out->directory = out->kind == SPAN_PATH && (token.ptr[token.len - 1] == '/' ||
						    !rules_is_path(token) || names_folder(text, token, at));
	return true;
}

/* "the data folder", "a folder named data". */
static bool names_folder(struct slice text, struct slice token, size_t at)
{
	for (size_t i = 0; i < token.len; i++)
		if (!isalnum((unsigned char)token.ptr[i]) && strchr("._-/", token.ptr[i]) == NULL)
			return false;
	size_t after = at + token.len;
	if (after < text.len && text.ptr[after] == ' ' && !rules_word_is(token, no_folder)) {
		struct slice next = rules_word_next(text, &after);
		if (rules_word_is(next, "|folder|directory|dir|subfolder|subdirectory|"))
			return true;
	}
	struct slice last, last_but_one;
	words_before(text, at, &last, &last_but_one);
	return rules_word_is(last, "|named|called|") && rules_word_is(last_but_one, "|folder|directory|dir|");
}

static bool is_date(struct slice w)
{
	static const char *const forms[] = {"0000-00-00",
					    "00:00",
					    "00:00:00",
					    "0/0/0000",
					    "00/0/0000",
					    "0/00/0000",
					    "00/00/0000",
					    "0000-00-00T00:00",
					    "0000-00-00T00:00:00",
					    "0000-00-00T00:00:00Z"};
	for (size_t f = 0; f < COUNT_OF(forms); f++) {
		bool same = strlen(forms[f]) == w.len;
		for (size_t i = 0; same && i < w.len; i++)
			same = forms[f][i] == '0' ? isdigit((unsigned char)w.ptr[i]) != 0
						  : forms[f][i] == w.ptr[i];
		if (same)
			return true;
	}
	return false;
}

static bool is_number(struct slice w)
{
	size_t i = w.ptr[0] == '-' || w.ptr[0] == '+', digits = 0;
	for (; i < w.len &&
	       (isdigit((unsigned char)w.ptr[i]) || (digits > 0 && strchr(".,", w.ptr[i]) != NULL));
	     i++)
		digits += isdigit((unsigned char)w.ptr[i]) != 0;
	size_t unit = w.len - i;
	if (digits == 0 || unit > 3)
		return false;
	for (; i < w.len; i++)
		if (!isalpha((unsigned char)w.ptr[i]) && w.ptr[i] != '%')
			return false;
	return true;
}

static bool is_email(struct slice w)
{
	const char *at = memchr(w.ptr, '@', w.len);
	return at != NULL && at > w.ptr && memchr(w.ptr, '/', w.len) == NULL &&
	       memchr(at, '.', (size_t)(w.ptr + w.len - at)) != NULL;
}

/* Further capitalised words after the first. */
static size_t name_run(struct slice text, size_t at, size_t end)
{
	while (at < end && end + 1 < text.len && text.ptr[end] == ' ' &&
	       isupper((unsigned char)text.ptr[end + 1])) {
		size_t next = token_end(text, end + 1);
		while (next > end + 1 && strchr(".,;:!?)]}'", text.ptr[next - 1]) != NULL)
			next--;
		struct slice word = {text.ptr + end + 1, next - end - 1};
		if (rules_is_path(word) || rules_is_glob(word))
			break;
		end = next;
	}
	return end;
}
