/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a structured string (RFC 9651
 * section 3.3.3) or the same text bare, since many clients send it so. What is remembered is a digest of
 * method, path and key, so that a key means nothing outside of its operation. Pure.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

enum { KEY_CHARS_MAX = 255 };

static const char header_name[] = "Idempotency-Key";

static size_t header_count(const struct http_request *r, struct slice *value)
{
	size_t n = 0;

	for (size_t i = 0; i < r->head->headers_count; i++) {
		if (!slice_eq_nocase(r->head->headers[i].name, header_name))
			continue;
		*value = r->head->headers[i].value;
		n++;
	}
	return n;
}

/* What stands between quotes, with its escapes resolved; false when that is no structured string. */
static bool string_read(struct slice in, struct buf *out)
{
	for (size_t i = 1; i + 1 < in.len; i++) {
		char ch = in.ptr[i];

		if (ch == '"')
			return false;
		if (ch == '\\') {
			ch = in.ptr[++i];
			if (i + 1 >= in.len || (ch != '"' && ch != '\\'))
				return false;
		}
		buf_add_char(out, ch);
	}
	return in.len >= 2 && in.ptr[in.len - 1] == '"';
}

static bool visible(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7e)
			return false;
	}
	return true;
}

static void digest(struct slice s, uint8_t out[REQUEST_DIGEST])
{
	uint8_t whole[SHA256_BYTES];

	sha256_bytes(s.ptr, s.len, whole);
	memcpy(out, whole, REQUEST_DIGEST);
}

enum err api_key_read(const struct http_request *r, struct request_key *key, bool *given, struct error *e)
{
	struct slice value = {0};
	size_t count = header_count(r, &value);
	struct buf text = BUF_INIT, all = BUF_INIT;
	bool good = true;

	*given = count > 0;
	if (count == 0)
		return ERR_NONE;
	if (count > 1)
		return err_set_field(e, ERR_FIELD, header_name, "%s is given %zu times, once is meant",
				     header_name, count);
	if (value.len > 0 && value.ptr[0] == '"')
		good = string_read(value, &text);
	else
		buf_add_slice(&text, value);
	if (!good || text.len == 0 || text.len > KEY_CHARS_MAX || !visible(buf_slice(&text))) {
		buf_release(&text);
		return err_set_field(e, ERR_FIELD, header_name,
				     "%s must be 1 to %d visible ASCII characters, bare or as a string in "
				     "double quotes, such as \"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
				     header_name, KEY_CHARS_MAX);
	}
	buf_add_str(&all, http_method_text(r->head->method));
	buf_add_char(&all, '\0');
	buf_add_str(&all, r->path);
	buf_add_char(&all, '\0');
	buf_add_slice(&all, buf_slice(&text));
	digest(buf_slice(&all), key->key);
	digest(r->body, key->body);
	buf_release(&text);
	buf_release(&all);
	return ERR_NONE;
}
