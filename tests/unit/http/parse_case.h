/* SPDX-License-Identifier: Apache-2.0 */
/* Table-driven cases of the parser tests: bytes, what must come of them, a piece of the summary or of the
 * message. */
#ifndef TESTS_PARSE_CASE_H
#define TESTS_PARSE_CASE_H

#include "parse_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct http_limits case_limits = {
	.target_bytes_max = 100, .header_bytes_max = 400, .header_count_max = 12, .body_bytes_max = 1000};

struct parse_case {
	const char *bytes;
	size_t n;
	enum http_parse parse;
	enum err code;    /* BAD */
	const char *says; /* DONE: in the summary; BAD: in the message */
	const char *body; /* DONE: when not NULL */
	size_t rest;      /* bytes that belong to the next request */
};

#define GOOD(text, summary)                                                             \
	{                                                                               \
		(text), sizeof(text) - 1, HTTP_PARSE_DONE, ERR_NONE, (summary), NULL, 0 \
	}
#define BODY(text, content, after)                                                          \
	{                                                                                   \
		(text), sizeof(text) - 1, HTTP_PARSE_DONE, ERR_NONE, "", (content), (after) \
	}
#define BAD(text, code, message)                                                         \
	{                                                                                \
		(text), sizeof(text) - 1, HTTP_PARSE_BAD, ERR_##code, (message), NULL, 0 \
	}
#define MORE(text)                                                               \
	{                                                                        \
		(text), sizeof(text) - 1, HTTP_PARSE_MORE, ERR_NONE, "", NULL, 0 \
	}

static inline void case_check(const struct parse_case *c)
{
	struct outcome o = feed(c->bytes, c->n, &case_limits);
	const char *told = o.parse == HTTP_PARSE_BAD ? o.error.msg : o.summary;
	long cut;

	if (o.parse != c->parse || (o.parse == HTTP_PARSE_BAD && o.error.code != c->code))
		fail_msg("%s: outcome %d code %s (%s)", c->bytes, o.parse,
			 o.parse == HTTP_PARSE_BAD ? err_info(o.error.code)->name : "-", told);
	if (!strstr(told, c->says))
		fail_msg("%s: \"%s\" does not say \"%s\"", c->bytes, told, c->says);
	if (c->body)
		assert_string_equal(buf_cstr(&o.body), c->body);
	if (o.parse == HTTP_PARSE_DONE)
		assert_int_equal(c->n - o.request_bytes, c->rest);
	outcome_release(&o);
	cut = feed_cuts_differ(c->bytes, c->n, &case_limits);
	if (cut >= 0)
		fail_msg("%s: another outcome when cut at %ld", c->bytes, cut);
}

static inline void cases_check(const struct parse_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		case_check(&cases[i]);
}

/* Puts every byte value in place of the '@' of `pattern` and tells how many were accepted; `accepted` (256
 * flags) says which must be. */
static inline void bytes_check(const char *pattern, const bool accepted[256])
{
	size_t n = strlen(pattern);
	char *text = strdup(pattern);
	size_t at = (size_t)(strchr(pattern, '@') - pattern);

	for (int b = 0; b < 256; b++) {
		struct outcome o;

		text[at] = (char)b;
		o = feed(text, n, &case_limits);
		if ((o.parse == HTTP_PARSE_DONE) != accepted[b])
			fail_msg("%s with byte 0x%02x: outcome %d, %s", pattern, (unsigned)b, o.parse,
				 o.parse == HTTP_PARSE_BAD ? o.error.msg : o.summary);
		outcome_release(&o);
	}
	free(text);
}

static inline void bytes_allow(bool accepted[256], const char *chars)
{
	for (; *chars; chars++)
		accepted[(unsigned char)*chars] = true;
}

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

#endif
