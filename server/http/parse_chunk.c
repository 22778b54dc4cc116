/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunked bodies (RFC 9112 section 7.1), decoded as they come. Pure; the state is the caller's, zero to begin
 * with.
 *
 * Sizes are hexadecimal digits and nothing else: no sign, no "0x", no blanks, not even the "bad white space"
 * that a recipient may skip around extensions. Extensions are checked and thrown away; so are trailers, which
 * must not become headers. Both are bounded over the whole body, because each costs the sender little and us
 * a scan.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <string.h>

enum {
	SIZE_DIGITS_MAX = 32,          /* with leading zeros */
	EXTENSION_BYTES_MAX = 4 << 10, /* of all chunks together */
};
#define CHUNK_BYTES_MAX ((uint64_t)1 << 60)

enum chunk_state {
	SIZE_FIRST,
	SIZE,
	EXT_NAME_FIRST,
	EXT_NAME,
	EXT_VALUE_FIRST,
	EXT_VALUE,
	EXT_QUOTED,
	EXT_ESCAPED,
	EXT_AFTER,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	FINISHED,
	STATE_BAD,
};

static int bad(struct error *e, enum err code, const char *what)
{
	err_set(e, code, "chunked body: %s", what);
	return STATE_BAD;
}

static int bad_byte(struct error *e, const char *what, char ch)
{
	char shown[HTTP_BYTE_TEXT];

	err_set(e, ERR_INVALID, "chunked body: %s, not the byte %s", what, http_byte_text(ch, shown));
	return STATE_BAD;
}

/* The size line is complete. */
static int size_take(struct http_chunked *c, const struct http_limits *l, struct error *e)
{
	if (c->left <= l->body_bytes_max && c->total + c->left <= l->body_bytes_max)
		return SIZE_LF;
	err_set(e, ERR_TOO_LARGE, "the body is over the limit of %zu bytes (limits.body_bytes)",
		l->body_bytes_max);
	return STATE_BAD;
}

static int size_step(struct http_chunked *c, char ch, const struct http_limits *l, struct error *e)
{
	int digit = http_hex(ch);

	if (digit >= 0) {
		if (++c->line_bytes > SIZE_DIGITS_MAX || c->left > CHUNK_BYTES_MAX >> 4)
			return bad(e, ERR_INVALID, "the size of a chunk is not a reasonable number");
		c->left = c->left << 4 | (uint64_t)digit;
		if (c->left > CHUNK_BYTES_MAX)
			return bad(e, ERR_INVALID, "the size of a chunk is not a reasonable number");
		return SIZE;
	}
	if (c->state == SIZE_FIRST)
		return bad_byte(e, "the size of a chunk must be hexadecimal digits", ch);
	if (ch == '\r')
		return size_take(c, l, e);
	if (ch == ';')
		return EXT_NAME_FIRST;
	return bad_byte(e, "the size of a chunk must be followed by CR LF or ';'", ch);
}

/* chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ) */
static int extension_step(struct http_chunked *c, char ch, const struct http_limits *l, struct error *e)
{
	bool token = http_char_is(ch, CHAR_TOKEN), complete;

	if (++c->extension_bytes > EXTENSION_BYTES_MAX)
		return bad(e, ERR_INVALID, "the chunk extensions are too long");
	if (c->state == EXT_QUOTED || c->state == EXT_ESCAPED) {
		if (!http_char_is(ch, CHAR_FIELD))
			return bad_byte(e, "a quoted chunk extension must be text", ch);
		if (c->state == EXT_ESCAPED)
			return EXT_QUOTED;
		return ch == '\\' ? EXT_ESCAPED : ch == '"' ? EXT_AFTER : EXT_QUOTED;
	}
	complete = c->state == EXT_NAME || c->state == EXT_VALUE || c->state == EXT_AFTER;
	if (token && c->state != EXT_AFTER)
		return c->state == EXT_NAME_FIRST || c->state == EXT_NAME ? EXT_NAME : EXT_VALUE;
	if (ch == '=' && c->state == EXT_NAME)
		return EXT_VALUE_FIRST;
	if (ch == '"' && c->state == EXT_VALUE_FIRST)
		return EXT_QUOTED;
	if (ch == ';' && complete)
		return EXT_NAME_FIRST;
	if (ch == '\r' && complete)
		return size_take(c, l, e);
	return bad_byte(e, "a chunk extension must be name or name=value", ch);
}

static int trailer_step(struct http_chunked *c, char ch, const struct http_limits *l, struct error *e)
{
	if (++c->trailer_bytes > l->header_bytes_max)
		return bad(e, ERR_HEADERS_LARGE, "the trailers are over the limit (limits.header_bytes)");
	if (c->state == TRAILER_VALUE) {
		if (ch == '\r')
			return TRAILER_LF;
		return http_char_is(ch, CHAR_FIELD) ? TRAILER_VALUE
						    : bad_byte(e, "a trailer must be text", ch);
	}
	if (ch == '\r' && c->state == TRAILER_FIRST)
		return LAST_LF;
	if (ch == ':' && c->state == TRAILER_NAME)
		return TRAILER_VALUE;
	if (http_char_is(ch, CHAR_TOKEN))
		return TRAILER_NAME;
	return bad_byte(e, "a trailer must be a name, ':' and a value", ch);
}

/* One byte that is not data; the new state. */
static int byte_step(struct http_chunked *c, char ch, const struct http_limits *l, struct error *e)
{
	switch ((enum chunk_state)c->state) {
	case SIZE_FIRST:
	case SIZE: return size_step(c, ch, l, e);
	case EXT_NAME_FIRST:
	case EXT_NAME:
	case EXT_VALUE_FIRST:
	case EXT_VALUE:
	case EXT_QUOTED:
	case EXT_ESCAPED:
	case EXT_AFTER: return extension_step(c, ch, l, e);
	case DATA_CR: return ch == '\r' ? DATA_LF : bad_byte(e, "a chunk must end in CR LF", ch);
	case TRAILER_FIRST:
	case TRAILER_NAME:
	case TRAILER_VALUE: return trailer_step(c, ch, l, e);
	case SIZE_LF:
	case DATA_LF:
	case TRAILER_LF:
	case LAST_LF: break;
	case DATA:
	case FINISHED:
	case STATE_BAD: ensure(!"a chunked body is over or has its data here");
	}
	if (ch != '\n')
		return bad_byte(e, "CR must be followed by LF", ch);
	if (c->state == SIZE_LF)
		return c->left > 0 ? DATA : TRAILER_FIRST;
	c->line_bytes = 0;
	return c->state == DATA_LF ? SIZE_FIRST : c->state == TRAILER_LF ? TRAILER_FIRST : FINISHED;
}

enum http_parse http_parse_chunked(struct http_chunked *c, struct slice in, const struct http_limits *l,
				   size_t *used, struct buf *body, struct error *e)
{
	size_t at = 0;

	while (at < in.len && c->state != FINISHED && c->state != STATE_BAD) {
		if (c->state == DATA) {
			size_t n = in.len - at < c->left ? in.len - at : (size_t)c->left;

			if (!buf_add(body, in.ptr + at, n)) {
				err_set(e, ERR_MEMORY, "no memory for the body");
				c->state = STATE_BAD;
				break;
			}
			at += n;
			c->total += n;
			c->left -= n;
			c->state = c->left > 0 ? DATA : DATA_CR;
		} else {
			c->state = byte_step(c, in.ptr[at++], l, e);
		}
	}
	*used = at;
	if (c->state == STATE_BAD)
		return HTTP_PARSE_BAD;
	return c->state == FINISHED ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
}
