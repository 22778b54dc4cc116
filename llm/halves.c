/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters beyond U+FFFF that a server has cut in two. One that cuts its text by UTF-16 units writes the
 * first half of such a character into one event and the second into the next, each as an escape of its own
 * ("\ud83d", "\ude00"), which no JSON may hold (RFC 8259 section 8.2). The first half is kept back and put
 * before the second; a second half without a first becomes U+FFFD. Pure.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPE_BYTES = 6, HIGH = 0xd800, LOW = 0xdc00, END = 0xe000 };

/* The code of "\uXXXX" at s, -1 when that is not what stands there. */
static long escape_code(struct slice s)
{
	char digits[5] = "";
	if (s.len < ESCAPE_BYTES || s.ptr[0] != '\\' || s.ptr[1] != 'u')
		return -1;
	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)s.ptr[2 + i]))
			return -1;
		digits[i] = s.ptr[2 + i];
	}
	return strtol(digits, NULL, 16);
}

bool llm_halves_join(unsigned *half, struct slice s, struct buf *out)
{
	bool changed = false;
	for (size_t at = 0, n; at < s.len; at += n) {
		struct slice rest = {s.ptr + at, s.len - at};
		long code = escape_code(rest);
		n = code >= 0 ? ESCAPE_BYTES : rest.ptr[0] == '\\' && rest.len > 1 ? 2 : 1;
		if (code < HIGH || code >= END) {
			buf_add(out, rest.ptr, n);
			continue;
		}
		long next = escape_code((struct slice){rest.ptr + n, rest.len - n});
		if (code < LOW && next >= LOW && next < END) {
			n += ESCAPE_BYTES;
			buf_add(out, rest.ptr, n);
			continue;
		}
		changed = true;
		if (code < LOW) {
			*half = (unsigned)code;
		} else if (*half != 0) {
			buf_printf(out, "\\u%04x\\u%04lx", *half, (unsigned long)code);
			*half = 0;
		} else {
			buf_add_str(out, "\\ufffd");
		}
	}
	return changed;
}
