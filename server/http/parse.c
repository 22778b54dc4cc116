/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of HTTP/1.1 requests, to the letter of RFC 9112: bytes in, struct http_head or an error out. Pure: no
 * sockets, no allocation, no state but the caller's.
 *
 * Two steps. The lines are found first (a memchr per line, remembered in *scanned, so that a head that
 * dribbles in costs linear time); when the empty line is there, each line is looked at once. What makes a
 * request ambiguous to somebody else on its way is refused, never repaired: bare LF or CR, NUL, folded lines,
 * blanks around the request line's single SPs.
 *
 * Which error a bad head gets does not depend on how it was cut into reads: the first step fails at the first
 * byte that decides, whether or not later bytes are there already. A refused connection has to be closed,
 * because where its next request starts is unknown.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	VERSION_BYTES = 8,     /* HTTP/1.1 */
	LINE_SLACK_BYTES = 64, /* of the request line: a method, two blanks, the version */
	METHOD_BYTES_MAX = 32,
};

static const char *const method_texts[] = {"GET",    "HEAD",    "POST",  "PUT",
					   "DELETE", "OPTIONS", "PATCH", "OTHER"};

const char *http_method_text(enum http_method m)
{
	ensure((size_t)m < COUNT_OF(method_texts));
	return method_texts[m];
}

const char *http_byte_text(char ch, char out[HTTP_BYTE_TEXT])
{
	unsigned char b = (unsigned char)ch;

	snprintf(out, HTTP_BYTE_TEXT, b > 0x20 && b < 0x7f ? "'%c'" : "0x%02x", b);
	return out;
}

size_t http_head_bytes_max(const struct http_limits *l)
{
	return l->target_bytes_max + LINE_SLACK_BYTES + 1 + l->header_bytes_max;
}

/* Looks for the empty line that ends the head. MORE, DONE with *end just past it, or BAD. The request line is
 * known not to be empty (empty_line_skip). */
static enum http_parse head_scan(struct slice in, size_t start, size_t *scanned, const struct http_limits *l,
				 size_t *end, struct error *e)
{
	size_t line_max = l->target_bytes_max + LINE_SLACK_BYTES;
	size_t from = *scanned > start ? *scanned : start;
	const char *lf = memchr(in.ptr + start, '\n', from - start);
	bool first = lf == NULL;
	/* The header lines begin behind the request line and have a limit of their own. */
	size_t fields = first ? 0 : (size_t)(lf + 1 - in.ptr);

	while ((lf = memchr(in.ptr + from, '\n', in.len - from)) != NULL) {
		size_t at = (size_t)(lf - in.ptr);

		if (first ? at - start > line_max : at - fields >= l->header_bytes_max)
			break;
		if (lf[-1] != '\r') {
			err_set(e, ERR_INVALID, "%s ends in a bare LF: lines end in CR LF",
				first ? "the request line" : "a header line");
			return HTTP_PARSE_BAD;
		}
		if (!first && lf[-2] == '\n') {
			*end = at + 1;
			return HTTP_PARSE_DONE;
		}
		from = at + 1;
		fields = first ? from : fields;
		first = false;
	}
	if (first && in.len - start > line_max) {
		err_set_field(e, ERR_URI_LARGE, "target",
			      "the request target is over the limit of %zu bytes "
			      "(limits.target_bytes)",
			      l->target_bytes_max);
		return HTTP_PARSE_BAD;
	}
	if (!first && in.len - fields >= l->header_bytes_max) {
		err_set(e, ERR_HEADERS_LARGE,
			"the request's headers are over the limit of %zu bytes "
			"(limits.header_bytes)",
			l->header_bytes_max);
		return HTTP_PARSE_BAD;
	}
	*scanned = in.len;
	return HTTP_PARSE_MORE;
}

static bool method_parse(struct slice text, struct http_head *out, struct error *e)
{
	char shown[HTTP_BYTE_TEXT];

	for (size_t i = 0; i < text.len; i++) {
		if (!http_char_is(text.ptr[i], CHAR_TOKEN)) {
			err_set(e, ERR_INVALID, "the method holds the byte %s, which no method may",
				http_byte_text(text.ptr[i], shown));
			return false;
		}
	}
	if (text.len == 0 || text.len > METHOD_BYTES_MAX) {
		err_set(e, text.len ? ERR_UNSUPPORTED : ERR_INVALID,
			"the request line must start with a method");
		return false;
	}
	out->method_text = text;
	out->method = HTTP_METHOD_OTHER;
	for (int m = 0; m < HTTP_METHOD_OTHER; m++) {
		if (slice_eq_str(text, method_texts[m]))
			out->method = (enum http_method)m;
	}
	if (slice_eq_str(text, "CONNECT")) {
		err_set(e, ERR_UNSUPPORTED, "CONNECT is for proxies, which this server is not");
		return false;
	}
	return true;
}

static bool version_parse(struct slice text, struct http_head *out, struct error *e)
{
	if (text.len != VERSION_BYTES || memcmp(text.ptr, "HTTP/", 5) != 0 ||
	    !http_char_is(text.ptr[5], CHAR_DIGIT) || text.ptr[6] != '.' ||
	    !http_char_is(text.ptr[7], CHAR_DIGIT)) {
		err_set(e, ERR_INVALID, "the request line must end in one space and HTTP/1.1 (or HTTP/1.0)");
		return false;
	}
	if (text.ptr[5] != '1') {
		err_set(e, ERR_HTTP_VERSION, "HTTP/%c.%c is not spoken here: use HTTP/1.1", text.ptr[5],
			text.ptr[7]);
		return false;
	}
	out->minor = text.ptr[7] == '0' ? 0 : 1;
	return true;
}

/* Every byte of a target must be one that RFC 3986 allows, every '%' must start an escape. */
static bool target_chars_valid(struct slice t, struct error *e)
{
	char shown[HTTP_BYTE_TEXT];

	for (size_t i = 0; i < t.len; i++) {
		char ch = t.ptr[i];

		if (ch == '%') {
			if (t.len - i < 3 || http_hex(t.ptr[i + 1]) < 0 || http_hex(t.ptr[i + 2]) < 0) {
				err_set_field(
					e, ERR_INVALID, "target",
					"'%%' in the target must be followed by two hexadecimal digits");
				return false;
			}
			i += 2;
		} else if (ch == '#') {
			err_set_field(e, ERR_INVALID, "target",
				      "a fragment ('#') must not be sent to a server");
			return false;
		} else if (!http_char_is(ch, CHAR_TARGET)) {
			err_set_field(e, ERR_INVALID, "target",
				      "the target holds the byte %s, which must be percent-encoded",
				      http_byte_text(ch, shown));
			return false;
		}
	}
	return true;
}

/* http://host[:port]/path?query. RFC 9112 section 3.2.2: its host replaces what the Host header says. */
static bool absolute_parse(struct slice t, struct http_head *out, struct slice *rest, struct error *e)
{
	size_t skip = 0, end;

	if (t.len >= 7 && strncasecmp(t.ptr, "http://", 7) == 0)
		skip = 7;
	else if (t.len >= 8 && strncasecmp(t.ptr, "https://", 8) == 0)
		skip = 8;
	if (skip == 0) {
		err_set_field(e, ERR_INVALID, "target",
			      "the target must be a path that starts with '/', or an http URI");
		return false;
	}
	end = skip;
	while (end < t.len && t.ptr[end] != '/' && t.ptr[end] != '?')
		end++;
	out->host = (struct slice){t.ptr + skip, end - skip};
	if (!http_authority_valid(out->host)) {
		err_set_field(e, ERR_INVALID, "target", "the host in the target is not a valid host[:port]");
		return false;
	}
	*rest = (struct slice){t.ptr + end, t.len - end};
	return true;
}

static bool target_parse(struct slice t, const struct http_limits *l, struct http_head *out, struct error *e)
{
	struct slice rest = t;
	const char *mark;

	out->target = t;
	if (t.len > l->target_bytes_max) {
		err_set_field(e, ERR_URI_LARGE, "target",
			      "the request target has %zu bytes, the limit is %zu "
			      "(limits.target_bytes)",
			      t.len, l->target_bytes_max);
		return false;
	}
	if (slice_eq_str(t, "*")) {
		out->path = t;
		if (out->method == HTTP_OPTIONS)
			return true;
		err_set_field(e, ERR_INVALID, "target", "the target '*' is for OPTIONS only");
		return false;
	}
	if (t.ptr[0] != '/' && !absolute_parse(t, out, &rest, e))
		return false;
	if (!target_chars_valid(rest, e))
		return false;
	mark = rest.len ? memchr(rest.ptr, '?', rest.len) : NULL;
	out->path = rest;
	if (mark) {
		out->path.len = (size_t)(mark - rest.ptr);
		out->query = (struct slice){mark + 1, rest.len - out->path.len - 1};
	}
	if (out->path.len == 0)
		out->path = SLICE_LIT("/");
	return true;
}

/* method SP request-target SP HTTP-version, one SP each. The version is looked at before the target, so that
 * another protocol's first line gets 505 rather than a remark on its spelling. */
static bool request_line_parse(struct slice line, const struct http_limits *l, struct http_head *out,
			       struct error *e)
{
	const char *sp = memchr(line.ptr, ' ', line.len);
	size_t method_bytes = sp ? (size_t)(sp - line.ptr) : line.len;
	const char *last = sp ? memrchr(line.ptr, ' ', line.len) : NULL;
	struct slice target;

	if (!method_parse((struct slice){line.ptr, method_bytes}, out, e))
		return false;
	if (!sp || last == sp) {
		err_set(e, ERR_INVALID,
			"the request line must be: method, one space, target, one space, HTTP/1.1");
		return false;
	}
	target = (struct slice){sp + 1, (size_t)(last - sp) - 1};
	if (target.len == 0 || memchr(target.ptr, ' ', target.len)) {
		err_set(e, ERR_INVALID,
			"the request line must have exactly two spaces, and none in the target");
		return false;
	}
	return version_parse((struct slice){last + 1, (size_t)(line.ptr + line.len - last) - 1}, out, e) &&
	       target_parse(target, l, out, e);
}

/* One empty line before a request is forgiven (RFC 9112 section 2.2): its bytes in *skip. What follows must
 * be a method, which is told apart from other protocols by its first byte. */
static enum http_parse empty_line_skip(struct slice in, size_t *skip, struct error *e)
{
	char shown[HTTP_BYTE_TEXT];

	*skip = 0;
	if (in.len > 0 && in.ptr[0] == '\r') {
		if (in.len == 1)
			return HTTP_PARSE_MORE;
		*skip = in.ptr[1] == '\n' ? 2 : 0;
	}
	if (*skip == in.len)
		return HTTP_PARSE_MORE;
	if (!http_char_is(in.ptr[*skip], CHAR_TOKEN)) {
		err_set(e, ERR_INVALID, "a request must start with a method, not with the byte %s",
			http_byte_text(in.ptr[*skip], shown));
		return HTTP_PARSE_BAD;
	}
	return HTTP_PARSE_DONE;
}

enum http_parse http_parse_head(struct slice in, size_t *scanned, const struct http_limits *l,
				struct http_head *out, size_t *head_bytes, struct error *e)
{
	size_t start, end = 0;
	enum http_parse p;
	bool first = true;

	out->method = HTTP_METHOD_OTHER;
	out->method_text = out->target = out->path = out->query = out->host = (struct slice){0};
	out->minor = 1;
	out->headers_count = 0;
	out->keep_alive = out->expect_continue = out->chunked = false;
	out->content_length = 0;

	p = empty_line_skip(in, &start, e);
	if (p == HTTP_PARSE_DONE)
		p = head_scan(in, start, scanned, l, &end, e);
	if (p != HTTP_PARSE_DONE)
		return p;
	for (size_t at = start; at < end - 2;) {
		const char *lf = memchr(in.ptr + at, '\n', end - at);
		struct slice line = {in.ptr + at, (size_t)(lf - in.ptr) - at - 1};

		if (first ? !request_line_parse(line, l, out, e)
			  : http_parse_field(line, l, out, e) != ERR_NONE)
			return HTTP_PARSE_BAD;
		first = false;
		at += line.len + 2;
	}
	if (http_parse_framing(l, out, e) != ERR_NONE)
		return HTTP_PARSE_BAD;
	*head_bytes = end;
	return HTTP_PARSE_DONE;
}
