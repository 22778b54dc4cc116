/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as RFC 3629 defines it (no surrogates, no overlong forms, nothing above U+10FFFF) and the edit
 * distance behind "did you mean". Pure functions, no state, no allocation.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <endian.h>
#include <string.h>

enum { DISTANCE_BYTES_MAX = 64 };

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_char_bytes(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (n < 2 || !is_tail(p[1]))
		return 0;
	if (p[0] < 0xe0)
		return 2;
	/* The second byte rules out overlong forms (e0, f0), surrogates (ed) and what is above U+10FFFF (f4).
	 */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	if (n < 3 || !is_tail(p[2]))
		return 0;
	if (p[0] < 0xf0)
		return 3;
	return n >= 4 && is_tail(p[3]) ? 4 : 0;
}

/* As text_special16 for eight bytes; 8: none. A borrow between bytes can only mark too much, and only beyond
 * a marked byte: the first mark is right. */
static size_t special_find8(const char *s)
{
	const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
	uint64_t v;

	memcpy(&v, s, sizeof(v));
	v = le64toh(v);
	uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\'), del = v ^ (ones * 0x7f);
	uint64_t marks = ((v - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones) | v) & highs;
	return marks ? (size_t)__builtin_ctzll(marks) / 8 : 8;
}

size_t text_plain_run(const char *s, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		size_t found = text_special16(s + i);
		if (found < 16)
			return i + found;
	}
	if (i < n && n >= 16) /* the last bytes again, some of which are known to be plain */
		return n - 16 + text_special16(s + n - 16);
	if (i < n && n >= 8) {
		size_t found = special_find8(s);
		return found < 8 ? found : n - 8 + special_find8(s + n - 8);
	}
	for (; i < n; i++) {
		signed char c = (signed char)s[i];
		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
			break;
	}
	return i;
}

size_t utf8_put(uint32_t cp, char out[4])
{
	ensure(cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff));
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 63));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 63));
		out[2] = (char)(0x80 | (cp & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 63));
	out[2] = (char)(0x80 | (cp >> 6 & 63));
	out[3] = (char)(0x80 | (cp & 63));
	return 4;
}

size_t utf8_valid_prefix(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint64_t v;
		if (n - i >= 8) {
			memcpy(&v, s + i, 8);
			if (!(v & 0x8080808080808080ULL)) {
				i += 8;
				continue;
			}
		}
		size_t bytes = utf8_char_bytes(s + i, n - i);
		if (bytes == 0)
			break;
		i += bytes;
	}
	return i;
}

bool utf8_valid(const char *s, size_t n)
{
	return utf8_valid_prefix(s, n) == n;
}

size_t utf8_cut(const char *s, size_t n, size_t max)
{
	if (n <= max)
		return n;
	size_t m = max;
	while (m > 0 && is_tail((unsigned char)s[m]))
		m--;
	return m;
}

int text_distance(const char *a, const char *b, int limit)
{
	int row[DISTANCE_BYTES_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (strcmp(a, b) == 0)
		return 0;
	size_t gap = n > m ? n - m : m - n;
	/* Names are short; of two long texts neither is a misspelling of the other worth suggesting. */
	if (limit < 0 || gap > (size_t)limit || n > DISTANCE_BYTES_MAX || m > DISTANCE_BYTES_MAX)
		return limit + 1;
	for (size_t j = 0; j <= m; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= n; i++) {
		int diagonal = row[0], best = row[0] = (int)i;
		for (size_t j = 1; j <= m; j++) {
			int cost = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
			best = cost < best ? cost : best;
		}
		if (best > limit)
			return limit + 1;
	}
	return row[m] > limit ? limit + 1 : row[m];
}
