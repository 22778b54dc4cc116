/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer: appends text to a buffer as it is told, keeps no tree and checks no structure (a missing
 * jw_object_end is a bug that the reader's parser finds). What it does guarantee is that every value is valid
 * JSON: text is escaped and made valid UTF-8, numbers that JSON cannot say become null. Failure to append is
 * the buffer's sticky overflow; look at it once, at the end.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PIECE_BYTES = 512,
	PIECE_PUT_BYTES_MAX = 6 * PIECE_BYTES + 16, /* the last character may reach beyond the piece */
};

/* n more bytes, which the caller fills: buf_grow and the step behind it, nearly always without a call. */
static inline char *room_take(struct buf *b, size_t n)
{
	char *to = buf_has_room(b, n) ? b->data + b->len : buf_grow(b, n);

	if (to) {
		b->len += n;
		to[n] = '\0';
	}
	return to;
}

/* The escape of one ASCII character that text may not hold as it is; returns its bytes. */
static size_t escape_put(unsigned char c, char out[6])
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
		['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
	};

	out[0] = '\\';
	if (c < sizeof(shorts) && shorts[c]) {
		out[1] = shorts[c];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

/* Writes what one character of s becomes; returns its bytes there, and in *taken those here. */
static size_t special_put(char *to, const char *s, size_t n, size_t *taken)
{
	unsigned char c = (unsigned char)*s;

	*taken = 1;
	if (c < 0x20 || c == '"' || c == '\\')
		return escape_put(c, to);
	size_t bytes = utf8_char_bytes(s, n);
	if (bytes == 0) {
		memcpy(to, "\xEF\xBF\xBD", 3);
		return 3;
	}
	*taken = bytes;
	memcpy(to, s, bytes);
	return bytes;
}

/* Up to PIECE_BYTES of s, which become at most six times as many; *taken are those done. */
static size_t piece_put(char *to, const char *s, size_t n, size_t *taken)
{
	char *begin = to;
	size_t at = 0, end = n < PIECE_BYTES ? n : PIECE_BYTES;

	while (at < end) {
		size_t run, used = 0;
		if (end - at >= 16) {
			memcpy(to, s + at, 16); /* what is special among them is written over */
			run = text_special16(s + at);
		} else {
			run = text_plain_run(s + at, end - at);
			memcpy(to, s + at, run);
		}
		to += run;
		at += run;
		if (at < end && run < 16) {
			to += special_put(to, s + at, n - at, &used);
			at += used;
		}
	}
	*taken = at;
	return (size_t)(to - begin);
}

/* Nearly all text is plain: it is copied in one go. */
static bool plain_put(struct buf *out, const char *s, size_t n)
{
	if (n > BUF_MAX_DEFAULT || text_plain_run(s, n) != n)
		return false;
	char *to = room_take(out, n + 2);
	if (to) {
		to[0] = '"';
		if (n > 0) /* no text may have no place */
			memcpy(to + 1, s, n);
		to[n + 1] = '"';
	}
	return true;
}

bool json_put_text(struct buf *out, const char *s, size_t n)
{
	char piece[PIECE_PUT_BYTES_MAX];
	size_t taken, put;

	if (plain_put(out, s, n))
		return !out->overflow;
	buf_add_char(out, '"');
	for (; n > 0; s += taken, n -= taken) {
		put = piece_put(piece, s, n, &taken);
		buf_add(out, piece, put);
	}
	return buf_add_char(out, '"');
}

bool json_put_double(struct buf *out, double v)
{
	char text[40];

	if (!isfinite(v))
		return buf_add(out, "null", 4);
	if (v == trunc(v) && fabs(v) < 1e15 && !(v == 0 && signbit(v)))
		return buf_add_i64(out, (int64_t)v);
	/* 15 digits survive text-double-text, so %.15g is shortest when it reads back; 17 always read back.
	 * Below DBL_MIN there are fewer digits to keep. */
	for (int digits = fabs(v) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return buf_add(out, text, strlen(text));
}

static void value_begin(struct jw *w)
{
	if (w->comma)
		buf_add_char(w->out, ',');
	w->comma = true;
}

void jw_object(struct jw *w)
{
	value_begin(w);
	buf_add_char(w->out, '{');
	w->comma = false;
}

void jw_object_end(struct jw *w)
{
	buf_add_char(w->out, '}');
	w->comma = true;
}

void jw_array(struct jw *w)
{
	value_begin(w);
	buf_add_char(w->out, '[');
	w->comma = false;
}

void jw_array_end(struct jw *w)
{
	buf_add_char(w->out, ']');
	w->comma = true;
}

void jw_name_n(struct jw *w, const char *name, size_t n)
{
	char *to = room_take(w->out, n + 3 + w->comma);

	if (to) {
		if (w->comma)
			*to++ = ',';
		*to++ = '"';
		memcpy(to, name, n);
		memcpy(to + n, "\":", 2);
	}
	w->comma = false;
}

void jw_text(struct jw *w, const char *s)
{
	if (s)
		jw_text_n(w, s, strlen(s));
	else
		jw_null(w);
}

void jw_text_n(struct jw *w, const char *s, size_t n)
{
	value_begin(w);
	json_put_text(w->out, s, n);
}

void jw_int(struct jw *w, int64_t v)
{
	value_begin(w);
	buf_add_i64(w->out, v);
}

void jw_uint(struct jw *w, uint64_t v)
{
	value_begin(w);
	buf_add_u64(w->out, v);
}

void jw_double(struct jw *w, double v)
{
	value_begin(w);
	json_put_double(w->out, v);
}

void jw_bool(struct jw *w, bool v)
{
	value_begin(w);
	buf_add_str(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
	value_begin(w);
	buf_add(w->out, "null", 4);
}

void jw_raw(struct jw *w, const char *json, size_t n)
{
	if (n == 0) {
		jw_null(w);
		return;
	}
	value_begin(w);
	buf_add(w->out, json, n);
}

void jw_json(struct jw *w, const struct json *j)
{
	if (!j) {
		jw_null(w);
		return;
	}
	value_begin(w);
	json_print(j, w->out);
}
