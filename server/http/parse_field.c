/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header lines of a request (RFC 9112 section 5) and what they say about its body and its connection (section
 * 6, 7, 9). Pure. Only the headers that decide where a message ends, or what becomes of the connection, are
 * understood here; they are told apart by length and first letter. All others are checked for their bytes
 * only and kept as slices.
 *
 * The framing rules leave no room: one Content-Length of digits, or a Transfer-Encoding of exactly "chunked",
 * or neither. A list, a repetition or both headers at once are refused even where RFC 9112 would let a server
 * repair them, since what is repaired here may have been read otherwise by whoever forwarded it.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <arpa/inet.h>
#include <string.h>

#define TOKEN   (CHAR_TOKEN | CHAR_FIELD)
#define DIGIT   (CHAR_TOKEN | CHAR_FIELD | CHAR_TARGET | CHAR_HOST | CHAR_DIGIT | CHAR_HEX)
#define HEXA    (CHAR_TOKEN | CHAR_FIELD | CHAR_TARGET | CHAR_HOST | CHAR_HEX)
#define ALPHA   (CHAR_TOKEN | CHAR_FIELD | CHAR_TARGET | CHAR_HOST)
#define MARK    (CHAR_TOKEN | CHAR_FIELD | CHAR_TARGET | CHAR_HOST) /* in tokens and in names of hosts */
#define DELIM   (CHAR_FIELD | CHAR_TARGET | CHAR_HOST)              /* sub-delims that no token may hold */
#define GENERAL (CHAR_FIELD | CHAR_TARGET)                          /* ':' '@' '/' '?' */

/* Token: RFC 9110 section 5.6.2. Field: VCHAR, blank, tab, obs-text. Target: pchar / "/" / "?", '%' looked at
 * by hand. Host: reg-name without escapes. */
const unsigned char http_char[256] = {
	['\t'] = CHAR_FIELD,   [' '] = CHAR_FIELD,    ['"'] = CHAR_FIELD,
	['<'] = CHAR_FIELD,    ['>'] = CHAR_FIELD,    ['[' ... ']'] = CHAR_FIELD,
	['{'] = CHAR_FIELD,    ['}'] = CHAR_FIELD,    [0x80 ... 0xff] = CHAR_FIELD,
	['0' ... '9'] = DIGIT, ['a' ... 'f'] = HEXA,  ['A' ... 'F'] = HEXA,
	['g' ... 'z'] = ALPHA, ['G' ... 'Z'] = ALPHA, ['!'] = MARK,
	['$'] = MARK,          ['&'] = MARK,          ['\''] = MARK,
	['*'] = MARK,          ['+'] = MARK,          ['-'] = MARK,
	['.'] = MARK,          ['_'] = MARK,          ['~'] = MARK,
	['#'] = TOKEN,         ['%'] = TOKEN,         ['^'] = TOKEN,
	['`'] = TOKEN,         ['|'] = TOKEN,         ['('] = DELIM,
	[')'] = DELIM,         [','] = DELIM,         [';'] = DELIM,
	['='] = DELIM,         [':'] = GENERAL,       ['@'] = GENERAL,
	['/'] = GENERAL,       ['?'] = GENERAL,
};

int http_hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (!http_char_is(ch, CHAR_HEX))
		return -1;
	return (ch | 0x20) - 'a' + 10;
}

static bool port_valid(struct slice s)
{
	unsigned long port = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (!http_char_is(s.ptr[i], CHAR_DIGIT) || i >= 5)
			return false;
		port = port * 10 + (unsigned long)(s.ptr[i] - '0');
	}
	return port <= 65535;
}

bool http_authority_valid(struct slice s)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	size_t end = 0;

	if (s.len > 0 && s.ptr[0] == '[') {
		const char *close = memchr(s.ptr, ']', s.len);
		size_t n = close ? (size_t)(close - s.ptr) - 1 : 0;

		if (!close || n >= sizeof(address) || memchr(s.ptr, '\0', s.len))
			return false;
		memcpy(address, s.ptr + 1, n);
		address[n] = '\0';
		if (inet_pton(AF_INET6, address, &parsed) != 1)
			return false;
		end = n + 2;
	} else {
		while (end < s.len && http_char_is(s.ptr[end], CHAR_HOST))
			end++;
	}
	if (end == 0)
		return false;
	return end == s.len ||
	       (s.ptr[end] == ':' && port_valid((struct slice){s.ptr + end + 1, s.len - end - 1}));
}

static struct slice blanks_trim(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The name of a header as it is shown in an error: cut, it is a token by now. */
static enum err field_bad(struct error *e, enum err code, struct slice name, const char *what)
{
	char field[ERROR_FIELD_MAX];

	snprintf(field, sizeof(field), "%.*s", (int)(name.len < 64 ? name.len : 64), name.ptr);
	return err_set_field(e, code, field, "header %s: %s", field, what);
}

enum err http_parse_field(struct slice line, const struct http_limits *l, struct http_head *out,
			  struct error *e)
{
	struct http_header *h = &out->headers[out->headers_count];
	char shown[HTTP_BYTE_TEXT];
	size_t colon = 0;

	if (out->headers_count >= l->header_count_max || out->headers_count >= HTTP_HEADERS_MAX)
		return err_set(e, ERR_HEADERS_LARGE,
			       "the request has more than %zu headers (limits.header_count)",
			       l->header_count_max < HTTP_HEADERS_MAX ? l->header_count_max
								      : (size_t)HTTP_HEADERS_MAX);
	while (colon < line.len && http_char_is(line.ptr[colon], CHAR_TOKEN))
		colon++;
	if (colon == 0 && line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
		return err_set(e, ERR_INVALID,
			       "a header line starts with a blank: folded lines are not accepted");
	if (colon == line.len)
		return err_set(e, ERR_INVALID, "a header line has no ':' after its name");
	if (line.ptr[colon] != ':' || colon == 0)
		return err_set(e, ERR_INVALID, "the name of a header %s the byte %s",
			       colon == 0 ? "starts with" : "is followed by, or holds,",
			       http_byte_text(line.ptr[colon], shown));
	h->name = (struct slice){line.ptr, colon};
	h->value = blanks_trim((struct slice){line.ptr + colon + 1, line.len - colon - 1});
	for (size_t i = 0; i < h->value.len; i++) {
		if (!http_char_is(h->value.ptr[i], CHAR_FIELD)) {
			char what[64];

			snprintf(what, sizeof(what), "its value holds the byte %s",
				 http_byte_text(h->value.ptr[i], shown));
			return field_bad(e, ERR_INVALID, h->name, what);
		}
	}
	out->headers_count++;
	return ERR_NONE;
}

/* --- what they mean --- */

/* The known headers of one request while they are gathered. */
struct framing {
	const struct http_header *host, *length, *encoding;
	bool close, stay;
};

static enum err length_parse(const struct http_header *h, const struct http_limits *l, struct http_head *out,
			     struct error *e)
{
	uint64_t n = 0;
	char what[96];

	if (h->value.len == 0)
		return field_bad(e, ERR_INVALID, h->name, "is empty");
	for (size_t i = 0; i < h->value.len; i++) {
		if (!http_char_is(h->value.ptr[i], CHAR_DIGIT))
			return field_bad(e, ERR_INVALID, h->name, "must be one number of decimal digits");
		if (n < (uint64_t)1 << 59)
			n = n * 10 + (uint64_t)(h->value.ptr[i] - '0');
	}
	if (n > l->body_bytes_max) {
		snprintf(what, sizeof(what), "the body is over the limit of %zu bytes (limits.body_bytes)",
			 l->body_bytes_max);
		return field_bad(e, ERR_TOO_LARGE, h->name, what);
	}
	out->content_length = (int64_t)n;
	return ERR_NONE;
}

/* Calls each(element, arg) for the elements of a list (RFC 9110 section 5.6.1); false when one is not a
 * token. */
static bool connection_parse(struct slice list, struct framing *f)
{
	while (list.len > 0) {
		const char *comma = memchr(list.ptr, ',', list.len);
		size_t n = comma ? (size_t)(comma - list.ptr) : list.len;
		struct slice item = blanks_trim((struct slice){list.ptr, n});

		for (size_t i = 0; i < item.len; i++) {
			if (!http_char_is(item.ptr[i], CHAR_TOKEN))
				return false;
		}
		f->close = f->close || slice_eq_nocase(item, "close");
		f->stay = f->stay || slice_eq_nocase(item, "keep-alive");
		n += comma ? 1 : 0;
		list = (struct slice){list.ptr + n, list.len - n};
	}
	return true;
}

/* Headers of which a request may have one at most. */
static enum err once(const struct http_header **place, const struct http_header *h, struct error *e)
{
	if (*place)
		return field_bad(e, ERR_INVALID, h->name, "is there more than once");
	*place = h;
	return ERR_NONE;
}

static enum err field_gather(const struct http_header *h, struct framing *f, struct http_head *out,
			     struct error *e)
{
	char first = (char)(h->name.ptr[0] | 0x20);

	if (h->name.len == 4 && first == 'h' && slice_eq_nocase(h->name, "host"))
		return once(&f->host, h, e);
	if (h->name.len == 14 && first == 'c' && slice_eq_nocase(h->name, "content-length"))
		return once(&f->length, h, e);
	if (h->name.len == 17 && first == 't' && slice_eq_nocase(h->name, "transfer-encoding"))
		return once(&f->encoding, h, e);
	if (h->name.len == 10 && first == 'c' && slice_eq_nocase(h->name, "connection") &&
	    !connection_parse(h->value, f))
		return field_bad(e, ERR_INVALID, h->name, "must be a list of tokens");
	if (h->name.len == 6 && first == 'e' && out->minor >= 1 && slice_eq_nocase(h->name, "expect")) {
		if (!slice_eq_nocase(h->value, "100-continue"))
			return field_bad(e, ERR_EXPECTATION, h->name, "only 100-continue can be met");
		out->expect_continue = true;
	}
	return ERR_NONE;
}

/* RFC 9112 section 6.1. A last coding that is not chunked would be 400 and an unknown one 501; a single
 * answer for every coding that we do not have is of more use to who reads it. */
static enum err encoding_parse(const struct http_header *h, struct http_head *out, struct error *e)
{
	if (out->minor == 0)
		return field_bad(e, ERR_INVALID, h->name, "does not exist in HTTP/1.0");
	if (h->value.len == 0)
		return field_bad(e, ERR_INVALID, h->name, "is empty");
	if (!slice_eq_nocase(h->value, "chunked"))
		return field_bad(e, ERR_UNSUPPORTED, h->name, "only exactly \"chunked\" is supported");
	out->chunked = true;
	return ERR_NONE;
}

static enum err host_check(const struct http_header *h, struct http_head *out, struct error *e)
{
	if (!h && out->minor >= 1)
		return err_set_field(e, ERR_INVALID, "Host", "header Host: is missing, HTTP/1.1 needs it");
	if (!h)
		return ERR_NONE;
	if (!http_authority_valid(h->value))
		return field_bad(e, ERR_INVALID, h->name, "must be one host or host:port");
	if (out->host.len == 0)
		out->host = h->value;
	return ERR_NONE;
}

enum err http_parse_framing(const struct http_limits *l, struct http_head *out, struct error *e)
{
	struct framing f = {0};
	enum err code = ERR_NONE;

	for (size_t i = 0; i < out->headers_count && code == ERR_NONE; i++)
		code = field_gather(&out->headers[i], &f, out, e);
	if (code == ERR_NONE)
		code = host_check(f.host, out, e);
	if (code == ERR_NONE && f.length && f.encoding)
		code = field_bad(e, ERR_INVALID, f.length->name,
				 "must not be sent together with Transfer-Encoding");
	if (code == ERR_NONE && f.encoding)
		code = encoding_parse(f.encoding, out, e);
	if (code == ERR_NONE && f.length)
		code = length_parse(f.length, l, out, e);
	out->keep_alive = !f.close && (out->minor >= 1 || f.stay);
	return code;
}
