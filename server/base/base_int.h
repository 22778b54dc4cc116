/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the kit share among themselves and show to nobody else. */
#ifndef BASE_BASE_INT_H
#define BASE_BASE_INT_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#include "base/json.h"

/* --- log.c --- */
/* true when the log is plain text on stderr, so that printing there as well would say everything twice. */
bool log_is_on_terminal(void);

/* --- utf8.c --- */
/* Bytes of the well-formed UTF-8 character at s, 0 when there is none within n bytes. */
size_t utf8_char_bytes(const char *s, size_t n);
/* Bytes at the front of s that are printable ASCII other than '"' and '\\': what JSON text holds as it is. */
size_t text_plain_run(const char *s, size_t n);
/* Writes one code point (no surrogate, at most 0x10FFFF) and returns its bytes, 1 to 4. */
size_t utf8_put(uint32_t cp, char out[4]);

/* --- json_scan.c --- */
/* A number whose text says more than a double can hold. Filled in document order. */
struct json_exact {
	size_t index; /* how many numbers come before it in the document */
	size_t at;    /* offset of its text */
	size_t len;
};

struct json_exacts {
	struct json_exact *list; /* owned; free() */
	size_t count;
	size_t cap;
};

/* Checks the whole text; see json_scan.c. Offsets of the one document come back in *begin and *end. */
must_check enum err json_scan(const char *text, size_t len, int depth_max, struct json_exacts *exact,
			      size_t *begin, size_t *end, struct error *e);

/* --- json_write.c --- */
/* Appends s with quotes, escaped; bytes that are not UTF-8 become U+FFFD. */
bool json_put_text(struct buf *out, const char *s, size_t n);
bool json_put_double(struct buf *out, double v);

#endif
