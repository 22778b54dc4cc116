/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header Range (RFC 9110 section 14.2) for one range of bytes: "bytes=0-99", "bytes=100-", "bytes=-100".
 * Several ranges at once would need a multipart answer that no client of ours asks for; a server may answer
 * them with the whole. Pure.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

/* Digits off the front; a number beyond 2^64 is as good as the largest. false: there are none. */
static bool digits_take(struct slice *rest, uint64_t *out)
{
	size_t n = 0;
	uint64_t v = 0;

	for (; n < rest->len && http_char_is(rest->ptr[n], CHAR_DIGIT); n++) {
		uint64_t digit = (uint64_t)(rest->ptr[n] - '0');

		v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
	}
	*rest = (struct slice){rest->ptr + n, rest->len - n};
	*out = v;
	return n > 0;
}

enum api_range api_range_parse(struct slice value, uint64_t size, uint64_t *from, uint64_t *end)
{
	struct slice unit = SLICE_LIT("bytes="), rest;
	uint64_t first = 0, last = UINT64_MAX;
	bool has_first, has_last;

	if (value.len < unit.len || !slice_eq_nocase((struct slice){value.ptr, unit.len}, unit.ptr))
		return RANGE_WHOLE;
	rest = (struct slice){value.ptr + unit.len, value.len - unit.len};
	has_first = digits_take(&rest, &first);
	if (rest.len == 0 || rest.ptr[0] != '-')
		return RANGE_WHOLE;
	rest = (struct slice){rest.ptr + 1, rest.len - 1};
	has_last = digits_take(&rest, &last);
	if (rest.len > 0 || (!has_first && !has_last) || (has_first && has_last && last < first))
		return RANGE_WHOLE;
	if (!has_first) {
		first = last < size ? size - last : 0;
		has_last = false;
		if (last == 0)
			return RANGE_OUTSIDE;
	}
	if (first >= size)
		return RANGE_OUTSIDE;
	*from = first;
	*end = has_last && last < size - 1 ? last + 1 : size;
	return RANGE_PART;
}
