/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648 section 4, with padding), strict on the way in: no white space, no missing padding, and
 * the unused bits of the last character must be zero, so that each byte string has exactly one text.
 */
#include "base/base.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t n, struct buf *out)
{
	const unsigned char *p = data;
	char *to = buf_grow(out, (n + 2) / 3 * 4);
	char *begin = to;

	if (!to)
		return;
	for (; n >= 3; n -= 3, p += 3) {
		*to++ = alphabet[p[0] >> 2];
		*to++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*to++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
		*to++ = alphabet[p[2] & 63];
	}
	if (n > 0) {
		unsigned char second = n == 2 ? p[1] : 0;
		*to++ = alphabet[p[0] >> 2];
		*to++ = alphabet[(p[0] & 3) << 4 | second >> 4];
		*to++ = n == 2 ? alphabet[(second & 15) << 2] : '=';
		*to++ = '=';
	}
	out->len += (size_t)(to - begin);
	out->data[out->len] = '\0';
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *s, size_t n, struct buf *out)
{
	size_t pad = n >= 1 && s[n - 1] == '=' ? (n >= 2 && s[n - 2] == '=' ? 2 : 1) : 0;
	uint32_t bits = 0;

	if (n % 4 != 0)
		return false;
	char *to = buf_grow(out, n / 4 * 3);
	if (!to)
		return false;
	char *begin = to;
	for (size_t i = 0; i < n - pad; i++) {
		int v = digit_value(s[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 == 0)
			continue;
		int spare = 6 - 2 * (int)(i % 4); /* bits that wait for the next character: 4, 2, 0 */
		*to++ = (char)(bits >> spare);
		bits &= ((uint32_t)1 << spare) - 1;
	}
	if (pad && bits != 0)
		return false;
	out->len += (size_t)(to - begin);
	out->data[out->len] = '\0';
	return true;
}
