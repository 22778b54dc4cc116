/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of JSON text, strictly by RFC 8259: strings, numbers, the three literals, and the wording of what is
 * wrong with them. A cursor moves over the text; the structure around the tokens is json_scan.c's business.
 * Nothing here allocates but the optional unescaped copy of a string. Errors give line and column, both from
 * 1, columns in characters.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	NUMBER_BYTES_MAX = 63,
	NUMBER_DIGITS_EXACT = 15,
};

enum err json_fail_prefix(struct json_cursor *cur, size_t pos)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < pos && i < cur->len; i++) {
		if (cur->text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)cur->text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	if (cur->e)
		err_prefix(cur->e, "line %zu, column %zu", line, column);
	return ERR_JSON;
}

/* "expected X, found Y". */
enum err json_fail_expected(struct json_cursor *cur, const char *what)
{
	if (cur->pos >= cur->len)
		return json_fail_at(cur, cur->pos, "expected %s, but the text ends here", what);
	unsigned char c = (unsigned char)cur->text[cur->pos];
	size_t bytes = utf8_char_bytes(cur->text + cur->pos, cur->len - cur->pos);
	if (c < 0x20 || c == 0x7f || bytes == 0)
		return json_fail_at(cur, cur->pos, "expected %s, found byte 0x%02x", what, c);
	return json_fail_at(cur, cur->pos, "expected %s, found '%.*s'", what, (int)bytes,
			    cur->text + cur->pos);
}

void json_space_skip(struct json_cursor *cur)
{
	while (cur->pos < cur->len) {
		char c = cur->text[cur->pos];
		if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
			return;
		cur->pos++;
	}
}

/* Four hexadecimal digits at `at`; -1 when they are not there. */
static int hex4(const struct json_cursor *cur, size_t at)
{
	int v = 0;

	if (cur->len - at < 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char c = cur->text[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* pos is behind "\u"; moves it behind the digits, and behind the second half of a surrogate pair. */
static enum err unicode_escape(struct json_cursor *cur, uint32_t *out)
{
	size_t begin = cur->pos - 2;
	int v = hex4(cur, cur->pos);

	if (v < 0)
		return json_fail_at(cur, begin, "\\u must be followed by four hexadecimal digits");
	if (v == 0)
		return json_fail_at(cur, begin, "\\u0000 is not accepted in text");
	cur->pos += 4;
	*out = (uint32_t)v;
	if (v < 0xd800 || v > 0xdfff)
		return ERR_NONE;
	int low = v < 0xdc00 && cur->len - cur->pos >= 6 && cur->text[cur->pos] == '\\' &&
				  cur->text[cur->pos + 1] == 'u'
			  ? hex4(cur, cur->pos + 2)
			  : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return json_fail_at(cur, begin,
				    "\\u%04x is half of a surrogate pair, the other half is missing", v);
	cur->pos += 6;
	*out = 0x10000 + (((uint32_t)v - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
	return ERR_NONE;
}

/* pos is at a backslash. The character meant comes back in *out. */
static enum err escape_scan(struct json_cursor *cur, uint32_t *out)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";

	if (cur->len - cur->pos < 2)
		return json_fail_at(cur, cur->pos, "the text ends within an escape");
	char c = cur->text[cur->pos + 1];
	const char *known = c ? strchr(letters, c) : NULL;
	if (!known && c != 'u')
		return json_fail_at(cur, cur->pos,
				    "unknown escape: after '\\' only \" \\ / b f n r t u may stand");
	cur->pos += 2;
	if (!known)
		return unicode_escape(cur, out);
	*out = (unsigned char)meant[known - letters];
	return ERR_NONE;
}

/* A byte within a string that is neither plain nor the end: an escape, a character beyond ASCII, or wrong. */
static enum err string_special(struct json_cursor *cur, struct buf *unescaped)
{
	unsigned char c = (unsigned char)cur->text[cur->pos];

	if (c == '\\') {
		uint32_t cp = 0;
		char utf8[4];
		enum err err = escape_scan(cur, &cp);
		if (!err && unescaped)
			buf_add(unescaped, utf8, utf8_put(cp, utf8));
		return err;
	}
	if (c < 0x20)
		return json_fail_at(cur, cur->pos,
				    "control character 0x%02x within a string must be written as an escape",
				    c);
	size_t bytes = utf8_char_bytes(cur->text + cur->pos, cur->len - cur->pos);
	if (bytes == 0)
		return json_fail_at(cur, cur->pos, "byte 0x%02x is not valid UTF-8", c);
	if (unescaped)
		buf_add(unescaped, cur->text + cur->pos, bytes);
	cur->pos += bytes;
	return ERR_NONE;
}

/* pos is at the opening quote; afterwards behind the closing one. With `unescaped` the value is appended to
 * it. */
enum err json_token_string(struct json_cursor *cur, struct buf *unescaped, bool *escapes)
{
	size_t begin = cur->pos++;

	*escapes = false;
	for (;;) {
		size_t run = text_plain_run(cur->text + cur->pos, cur->len - cur->pos);
		if (run && unescaped)
			buf_add(unescaped, cur->text + cur->pos, run);
		cur->pos += run;
		if (cur->pos >= cur->len)
			return json_fail_at(cur, begin, "the string that begins here has no closing quote");
		if (cur->text[cur->pos] == '"')
			break;
		*escapes |= cur->text[cur->pos] == '\\';
		enum err err = string_special(cur, unescaped);
		if (err)
			return err;
	}
	cur->pos++;
	return ERR_NONE;
}

static size_t digits_skip(struct json_cursor *cur)
{
	size_t begin = cur->pos;

	while (cur->pos < cur->len && cur->text[cur->pos] >= '0' && cur->text[cur->pos] <= '9')
		cur->pos++;
	return cur->pos - begin;
}

static bool char_skip(struct json_cursor *cur, char a, char b)
{
	if (cur->pos >= cur->len || (cur->text[cur->pos] != a && cur->text[cur->pos] != b))
		return false;
	cur->pos++;
	return true;
}

/* The grammar is met; now the value: does it fit a double, and must its text be kept? */
static enum err number_judge(struct json_cursor *cur, size_t begin, double *value)
{
	char text[NUMBER_BYTES_MAX + 1];
	size_t len = cur->pos - begin;

	if (len > NUMBER_BYTES_MAX)
		return json_fail_at(cur, begin, "a number may have at most %d characters, this one has %zu",
				    NUMBER_BYTES_MAX, len);
	memcpy(text, cur->text + begin, len);
	text[len] = '\0';
	*value = strtod(text, NULL);
	return isfinite(*value) ? ERR_NONE : json_fail_at(cur, begin, "the number is out of range");
}

/* A whole number of few digits, without a look into the locale. */
static double digits_value(const char *digits, size_t n)
{
	int64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (digits[i] - '0');
	return (double)v;
}

enum err json_token_number(struct json_cursor *cur, double *value, bool *exact)
{
	size_t begin = cur->pos;
	bool integral = true, negative = char_skip(cur, '-', '-');

	size_t at = cur->pos, digits = digits_skip(cur);
	if (digits == 0)
		return json_fail_expected(cur, "a digit");
	if (digits > 1 && cur->text[at] == '0')
		return json_fail_at(cur, at, "a number may not begin with 0");
	if (char_skip(cur, '.', '.')) {
		integral = false;
		if (digits_skip(cur) == 0)
			return json_fail_expected(cur, "a digit after the decimal point");
	}
	if (char_skip(cur, 'e', 'E')) {
		integral = false;
		char_skip(cur, '+', '-');
		if (digits_skip(cur) == 0)
			return json_fail_expected(cur, "a digit in the exponent");
	}
	*exact = integral && digits > NUMBER_DIGITS_EXACT;
	if (!integral || *exact)
		return number_judge(cur, begin, value);
	double v = digits_value(cur->text + at, digits);
	*value = negative ? -v : v;
	*exact = negative && v == 0;
	return ERR_NONE;
}

enum err json_token_literal(struct json_cursor *cur)
{
	static const char *const literals[] = {"true", "false", "null"};

	for (size_t i = 0; i < COUNT_OF(literals); i++) {
		size_t n = strlen(literals[i]);
		if (cur->len - cur->pos >= n && memcmp(cur->text + cur->pos, literals[i], n) == 0) {
			cur->pos += n;
			return ERR_NONE;
		}
	}
	return json_fail_expected(cur, "a value");
}
