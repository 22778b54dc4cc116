/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two escapes are JSON and yet stand for no text: \u0000, which a C string cannot hold, and one half of a
 * surrogate pair, which UTF-8 cannot. base/json.h refuses a document with either, but tool servers send them
 * in good faith: the text of a file with a zero byte in it is enough. Each becomes \ufffd, the replacement
 * character, in place, because it has the same length. Pure; the text must have passed the scanner.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <string.h>

enum { ESCAPE_BYTES = 6 };

/* The value of \uXXXX at p, or -1 for anything else. */
static int escape_value(const char *p, const char *end)
{
	int value = 0;
	if (end - p < ESCAPE_BYTES || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < ESCAPE_BYTES; i++) {
		char c = p[i] >= 'A' ? (char)(p[i] | 32) : p[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return -1;
		value = value * 16 + (c >= 'a' ? c - 'a' + 10 : c - '0');
	}
	return value;
}

/* Bytes of the escape at p; *broken when it stands for no text. */
static size_t escape_bytes(const char *p, const char *end, bool *broken)
{
	int value = escape_value(p, end);
	*broken = false;
	if (value < 0)
		return 2;
	if (value >= 0xd800 && value < 0xdc00) {
		int low = escape_value(p + ESCAPE_BYTES, end);
		if (low >= 0xdc00 && low < 0xe000)
			return 2 * ESCAPE_BYTES;
	}
	*broken = value == 0 || (value >= 0xd800 && value < 0xe000);
	return ESCAPE_BYTES;
}

bool escapes_broken(struct slice json)
{
	bool broken = false;
	const char *end = json.ptr + json.len;
	for (const char *p = json.ptr; p < end && !broken && (p = memchr(p, '\\', (size_t)(end - p)));)
		p += escape_bytes(p, end, &broken);
	return broken;
}

void escapes_repair(char *json, size_t len)
{
	bool broken;
	char *end = json + len;
	for (char *p = json; p < end && (p = memchr(p, '\\', (size_t)(end - p)));) {
		size_t n = escape_bytes(p, end, &broken);
		if (broken)
			memcpy(p, "\\ufffd", ESCAPE_BYTES);
		p += n;
	}
}
