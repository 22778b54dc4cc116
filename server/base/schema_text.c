/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a schema says about the text of one string: `pattern` and `format`.
 *
 * Patterns are written for ECMAScript and matched by the C library, whose expressions run in bounded time:
 * classes, escapes, lazy quantifiers and unnamed groups are translated. What POSIX cannot say (look-around,
 * back references, \p{...}) is reported as unsupported and not checked: the server that wrote the pattern
 * will check it. Repetition counts are bounded, because the library unfolds them.
 */
#include "base/base.h"
#include "base/schema_int.h"

#include <ctype.h>
#include <locale.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_BYTES_MAX = 2048, PATTERN_UNFOLD_MAX = 20000 };

struct translation {
	const char *in;
	struct buf out;
	int64_t unfold; /* product of the repetition counts: an upper bound of what the library unfolds */
	bool unsupported;
};

/* A class escape as the inside of a bracket expression; NULL when `c` is none. */
static const char *class_inside(char c)
{
	switch (c) {
	case 'd':
	case 'D': return "0-9";
	case 'w':
	case 'W': return "A-Za-z0-9_";
	case 's':
	case 'S': return " \t\n\r\f\v";
	default: return NULL;
	}
}

/* The character that \n, \x41, \u0041 and so on stand for, past which t->in moves; 0 when it is no such
 * escape. */
static unsigned int escape_char(struct translation *t)
{
	static const char names[] = "nrtfv", chars[] = "\n\r\t\f\v";
	char c = *t->in;
	unsigned int v = 0;
	int digits = c == 'x' ? 2 : c == 'u' ? 4 : 0;
	if (digits) {
		for (int i = 1; i <= digits; i++)
			if (!isxdigit((unsigned char)t->in[i]))
				return 0;
		sscanf(t->in + 1, digits == 2 ? "%2x" : "%4x", &v);
		t->in += 1 + digits;
		return v;
	}
	const char *at = c ? strchr(names, c) : NULL;
	if (at)
		t->in++;
	return at ? (unsigned char)chars[at - names] : 0;
}

static void char_put(struct translation *t, unsigned int c, bool in_brackets)
{
	if (c >= 0x80) {
		/* Beyond ASCII in \u form: rare enough to leave to the server. */
		t->unsupported = true;
		return;
	}
	if (!in_brackets && strchr("\\^$.[]|()?*+{}", (int)c))
		buf_add_char(&t->out, '\\');
	buf_add_char(&t->out, (char)c);
}

/* Behind a backslash, outside brackets. */
static void escape_translate(struct translation *t)
{
	char c = *t->in;
	const char *inside = class_inside(c);
	if (inside) {
		buf_printf(&t->out, "[%s%s]", isupper((unsigned char)c) ? "^" : "", inside);
		t->in++;
		return;
	}
	if (c == 'b' || c == 'B') {
		buf_printf(&t->out, "\\%c", c); /* the C library knows these two */
		t->in++;
		return;
	}
	unsigned int v = escape_char(t);
	if (v) {
		char_put(t, v, false);
	} else if (!c || isalnum((unsigned char)c)) {
		t->unsupported = true; /* back references, \p{...}, \k<...>, \c. */
	} else {
		char_put(t, (unsigned char)c, false);
		t->in++;
	}
}

/* One member of a bracket expression; those with a meaning there are written as collating symbols, [.x.]. */
static void member_put(struct translation *t, unsigned int c)
{
	if (c < 0x80 && strchr("[]^-", (int)c))
		buf_printf(&t->out, "[.%c.]", (char)c);
	else
		char_put(t, c, true);
}

/* Is the '-' at t->in[0] between two characters that make a range? Beside a class it means itself. */
static bool is_range_dash(const struct translation *t)
{
	char next = t->in[1];
	return next && next != ']' && !(next == '\\' && class_inside(t->in[2]));
}

/* From behind '[' to behind ']'. */
static void brackets_translate(struct translation *t)
{
	bool may_start_range = false, in_range = false;
	size_t before = t->out.len;
	bool negated = *t->in == '^';
	t->in += negated;
	buf_add_str(&t->out, negated ? "[^" : "[");
	while (*t->in && *t->in != ']' && !t->unsupported) {
		if (*t->in == '-' && may_start_range && is_range_dash(t)) {
			buf_add_char(&t->out, '-');
			t->in++;
			may_start_range = false;
			in_range = true;
			continue;
		}
		bool escaped = *t->in == '\\';
		t->in += escaped;
		const char *inside = escaped ? class_inside(*t->in) : NULL;
		may_start_range = !inside && !in_range;
		in_range = false;
		if (inside) {
			t->unsupported |= isupper((unsigned char)*t->in) != 0;
			buf_add_str(&t->out, inside);
			t->in++;
			continue;
		}
		unsigned int v = escaped ? escape_char(t) : 0;
		if (v)
			member_put(t, v);
		else if ((unsigned char)*t->in < 0x80)
			member_put(t, (unsigned char)*t->in++);
		else
			buf_add_char(&t->out, *t->in++); /* a byte of a character: passed on as it is */
	}
	/* Unclosed, [] (matches nothing) or [^] (matches all): not worth a form of their own. */
	if (!*t->in || t->out.len == before + 1 + negated)
		t->unsupported = true;
	else
		t->in++;
	buf_add_char(&t->out, ']');
}

/* "{3}", "{3,}" or "{3,5}": its bytes and the highest count in it; 0 when it is none of these. */
static size_t repetition_parse(const char *s, int64_t *most)
{
	static const char digits[] = "0123456789";
	size_t first = strspn(s + 1, digits), at = 1 + first;
	if (!first || first > 5)
		return 0;
	*most = atoi(s + 1);
	if (s[at] == ',') {
		size_t second = strspn(s + at + 1, digits);
		if (second > 5)
			return 0;
		if (second && atoi(s + at + 1) > *most)
			*most = atoi(s + at + 1);
		at += 1 + second;
	}
	return s[at] == '}' ? at + 1 : 0;
}

/* At '{': a repetition, or a brace that means itself. */
static void brace_translate(struct translation *t)
{
	int64_t most = 0;
	size_t used = repetition_parse(t->in, &most);
	if (!used) {
		buf_add_str(&t->out, "\\{");
		t->in++;
		return;
	}
	t->unfold *= most > 1 ? most : 1;
	if (t->unfold > PATTERN_UNFOLD_MAX || most > RE_DUP_MAX)
		t->unsupported = true;
	buf_add(&t->out, t->in, used);
	t->in += used;
	t->in += *t->in == '?';
}

static void group_translate(struct translation *t)
{
	t->in++;
	if (*t->in == '?') {
		if (t->in[1] == ':')
			t->in += 2;
		else
			t->unsupported = true; /* look-around, names, flags */
	}
	buf_add_char(&t->out, '(');
}

static void pattern_translate(struct translation *t)
{
	while (*t->in && !t->unsupported) {
		char c = *t->in;
		switch (c) {
		case '\\':
			t->in++;
			escape_translate(t);
			break;
		case '[':
			t->in++;
			brackets_translate(t);
			break;
		case '{': brace_translate(t); break;
		case '}':
			buf_add_str(&t->out, "\\}");
			t->in++;
			break;
		case '(': group_translate(t); break;
		case '.':
			buf_add_str(&t->out, "[^\n\r]");
			t->in++;
			break;
		case '*':
		case '+':
		case '?':
			buf_add_char(&t->out, c);
			t->in++;
			t->in += *t->in == '?'; /* lazy or not is the same to "does it match" */
			break;
		default: buf_add_char(&t->out, c); t->in++;
		}
	}
}

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

static enum pattern_result posix_match(const char *posix, const char *text)
{
	regex_t re;
	/* An empty expression matches everything, but is none to POSIX. */
	if (!*posix)
		return PATTERN_MATCH;
	int rc = regcomp(&re, posix, REG_EXTENDED | REG_NOSUB);
	if (rc == REG_ESPACE)
		return PATTERN_UNSUPPORTED;
	if (rc)
		return PATTERN_BROKEN;
	rc = regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return rc == 0 ? PATTERN_MATCH : rc == REG_NOMATCH ? PATTERN_NO_MATCH : PATTERN_UNSUPPORTED;
}

enum pattern_result schema_pattern(const char *pattern, const char *text)
{
	struct translation t = {.in = pattern, .out = BUF_LIMIT(8 * PATTERN_BYTES_MAX), .unfold = 1};
	enum pattern_result result = PATTERN_UNSUPPORTED;
	if (strlen(pattern) <= PATTERN_BYTES_MAX)
		pattern_translate(&t);
	else
		t.unsupported = true;
	if (!t.unsupported && !t.out.overflow) {
		/* Characters, not bytes, count in "." and classes: that needs a locale which knows them. */
		bool wide = !is_ascii(pattern) || !is_ascii(text);
		locale_t utf8 = wide ? newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0) : (locale_t)0;
		locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
		result = posix_match(buf_cstr(&t.out), text);
		if (utf8) {
			uselocale(before);
			freelocale(utf8);
		}
	}
	buf_release(&t.out);
	return result;
}

/* --- formats --- */

/* 'd' in the form is a digit, everything else itself. Bytes used, 0 when it does not fit. */
static size_t form_match(const char *s, const char *form)
{
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
			return 0;
	return strlen(form);
}

static int two_digits(const char *s)
{
	return (s[0] - '0') * 10 + s[1] - '0';
}

static bool is_date(const char *s)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (!form_match(s, "dddd-dd-dd"))
		return false;
	int year = two_digits(s) * 100 + two_digits(s + 2), month = two_digits(s + 5),
	    day = two_digits(s + 8);
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
	       (month != 2 || day < 29 || leap);
}

/* RFC 3339 section 5.6: full-date "T" time with fraction, and an offset. */
static bool is_date_time(const char *s)
{
	if (!is_date(s) || !(s[10] == 'T' || s[10] == 't') || !form_match(s + 11, "dd:dd:dd"))
		return false;
	if (two_digits(s + 11) > 23 || two_digits(s + 14) > 59 || two_digits(s + 17) > 60)
		return false;
	s += 19;
	if (*s == '.') {
		size_t digits = strspn(s + 1, "0123456789");
		if (!digits)
			return false;
		s += 1 + digits;
	}
	if (*s == 'Z' || *s == 'z')
		return !s[1];
	if (*s != '+' && *s != '-')
		return false;
	return form_match(s + 1, "dd:dd") && !s[6] && two_digits(s + 1) <= 23 && two_digits(s + 4) <= 59;
}

/* One '@' with something before it and a dotted or plain host behind, no white space: what mail programs
 * agree on. */
static bool is_email(const char *s)
{
	const char *at = strrchr(s, '@');
	if (!at || at == s || !at[1] || strpbrk(s, " \t\r\n<>") || memchr(s, '@', (size_t)(at - s)))
		return false;
	return at[1] != '.' && at[1] != '-' && !strstr(at, "..") && s[strlen(s) - 1] != '.';
}

/* RFC 3986: a scheme, a colon, and no byte that must be escaped. */
static bool is_uri(const char *s)
{
	if (!isalpha((unsigned char)*s))
		return false;
	const char *p = s;
	while (isalnum((unsigned char)*p) || (*p && strchr("+.-", *p)))
		p++;
	if (*p != ':' || !p[1])
		return false;
	for (p++; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("<>\"{}|\\^`", *p))
			return false;
	return true;
}

static bool is_uuid(const char *s)
{
	struct id id;
	return id_parse(s, strlen(s), &id);
}

bool schema_format(const char *format, const char *text)
{
	static const struct {
		const char *name;
		bool (*check)(const char *text);
	} FORMATS[] = {
		{"date-time", is_date_time},
		{"email", is_email},
		{"uri", is_uri},
		{"uuid", is_uuid},
	};
	if (!strcmp(format, "date"))
		return is_date(text) && !text[10];
	for (size_t i = 0; i < COUNT_OF(FORMATS); i++)
		if (!strcmp(format, FORMATS[i].name))
			return FORMATS[i].check(text);
	return true;
}
