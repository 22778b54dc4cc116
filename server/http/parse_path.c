/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request target means once its syntax is known to be right: decoded path and query parameters. Pure
 * but for the arena the results live in. Decoded text is UTF-8 without NUL, so that it is a C string like any
 * other.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <string.h>

/* Decodes escapes (and '+' in a query) into out, which has room for raw.len bytes. false: a bad escape or
 * NUL. */
static bool escapes_decode(struct slice raw, bool plus, char *out, size_t *out_len)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++) {
		char ch = raw.ptr[i];

		if (ch == '%') {
			int high = raw.len - i > 2 ? http_hex(raw.ptr[i + 1]) : -1;
			int low = raw.len - i > 2 ? http_hex(raw.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			ch = (char)(high << 4 | low);
			i += 2;
		} else if (ch == '+' && plus) {
			ch = ' ';
		}
		if (ch == '\0')
			return false;
		out[n++] = ch;
	}
	out[n] = '\0';
	*out_len = n;
	return true;
}

/* NULL: e says why, with `field` as the place. */
static char *text_decode(struct arena *a, struct slice raw, bool plus, const char *field, struct error *e)
{
	char *out = arena_alloc(a, raw.len + 1);
	size_t n = 0;

	if (!out) {
		err_set_field(e, ERR_MEMORY, field, "no memory to decode %s", field);
		return NULL;
	}
	if (!escapes_decode(raw, plus, out, &n)) {
		err_set_field(e, ERR_INVALID, field, "%s has a '%%' without two hexadecimal digits, or a NUL",
			      field);
		return NULL;
	}
	if (!utf8_valid(out, n)) {
		err_set_field(e, ERR_INVALID, field, "%s is not UTF-8 after decoding", field);
		return NULL;
	}
	return out;
}

char *http_decode_path(struct arena *a, struct slice raw, struct error *e)
{
	return text_decode(a, raw, false, "path", e);
}

/* Is `raw` an encoding of `name`? Escapes that are broken are no name of ours. */
static bool name_matches(struct arena *a, struct slice raw, const char *name)
{
	size_t n = 0;
	char *decoded;

	if (slice_eq_str(raw, name))
		return true;
	if (!raw.len || (!memchr(raw.ptr, '%', raw.len) && !memchr(raw.ptr, '+', raw.len)))
		return false;
	decoded = arena_alloc(a, raw.len + 1);
	return decoded && escapes_decode(raw, true, decoded, &n) && strcmp(decoded, name) == 0;
}

char *http_query_get(struct arena *a, struct slice query, const char *name, struct error *e)
{
	bool found = false;
	struct slice value = {0};

	e->code = ERR_NONE;
	while (query.len > 0) {
		const char *amp = memchr(query.ptr, '&', query.len);
		size_t n = amp ? (size_t)(amp - query.ptr) : query.len;
		const char *equal = memchr(query.ptr, '=', n);
		size_t name_bytes = equal ? (size_t)(equal - query.ptr) : n;

		if (name_matches(a, (struct slice){query.ptr, name_bytes}, name)) {
			if (found) {
				err_set_field(e, ERR_INVALID, name, "query parameter %s is given twice",
					      name);
				return NULL;
			}
			found = true;
			value = equal ? (struct slice){equal + 1, n - name_bytes - 1} : SLICE_LIT("");
		}
		n += amp ? 1 : 0;
		query = (struct slice){query.ptr + n, query.len - n};
	}
	return found ? text_decode(a, value, true, name, e) : NULL;
}
