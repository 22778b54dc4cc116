/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds bytes to the request parser the way a connection does, cut into reads at chosen places, and keeps the
 * outcome in a form that can be compared. For the parser tests and the fuzz target. The bytes are copied into
 * memory of exactly their length for every read, so that a sanitizer sees a read past the end.
 */
#ifndef TESTS_PARSE_FEED_H
#define TESTS_PARSE_FEED_H

#include "base/base.h"
#include "http/http_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one request came to. Plain text and numbers only: no slices, so that two can be compared. */
struct outcome {
	enum http_parse parse;
	struct error error;   /* BAD */
	size_t head_bytes;    /* DONE */
	size_t request_bytes; /* DONE: head and body */
	struct buf body;
	char summary[2048]; /* of the head */
};

static inline void outcome_release(struct outcome *o)
{
	buf_release(&o->body);
}

static inline void outcome_summarise(struct outcome *o, const struct http_head *h)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s %.*s path=%.*s query=%.*s 1.%d host=%.*s keep=%d expect=%d chunked=%d length=%lld",
		   http_method_text(h->method), (int)h->target.len, h->target.ptr, (int)h->path.len,
		   h->path.ptr, (int)h->query.len, h->query.ptr, h->minor, (int)h->host.len, h->host.ptr,
		   h->keep_alive, h->expect_continue, h->chunked, (long long)h->content_length);
	for (size_t i = 0; i < h->headers_count; i++)
		buf_printf(&b, "|%.*s=%.*s", (int)h->headers[i].name.len, h->headers[i].name.ptr,
			   (int)h->headers[i].value.len, h->headers[i].value.ptr);
	snprintf(o->summary, sizeof(o->summary), "%s", buf_cstr(&b));
	buf_release(&b);
}

/* Reads end at the places of cuts[0..cuts_count), ascending, and at n. */
static inline struct outcome feed_cut(const char *bytes, size_t n, const struct http_limits *l,
				      const size_t *cuts, size_t cuts_count)
{
	struct outcome o = {.parse = HTTP_PARSE_MORE};
	struct http_head *head = malloc(sizeof(*head));
	struct http_chunked chunked = {0};
	size_t scanned = 0, eaten = 0; /* of the body, encoded */
	bool head_done = false;

	for (size_t i = 0; i <= cuts_count && o.parse == HTTP_PARSE_MORE; i++) {
		size_t have = i < cuts_count ? cuts[i] : n;
		char *copy = malloc(have ? have : 1);
		struct slice rest;
		size_t used = 0;

		memcpy(copy, bytes, have);
		if (!head_done) {
			o.parse = http_parse_head((struct slice){copy, have}, &scanned, l, head,
						  &o.head_bytes, &o.error);
			head_done = o.parse == HTTP_PARSE_DONE;
			if (head_done) {
				outcome_summarise(&o, head);
				ensure(o.head_bytes <= have);
			}
		}
		if (head_done) {
			rest = (struct slice){copy + o.head_bytes + eaten, have - o.head_bytes - eaten};
			if (head->chunked) {
				o.parse = http_parse_chunked(&chunked, rest, l, &used, &o.body, &o.error);
				ensure(used <= rest.len);
			} else {
				size_t missing = (size_t)head->content_length - eaten;

				used = rest.len < missing ? rest.len : missing;
				if (used)
					buf_add(&o.body, rest.ptr, used);
				o.parse = used == missing ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
			}
			eaten += used;
		}
		o.request_bytes = o.head_bytes + eaten;
		free(copy);
	}
	free(head);
	return o;
}

static inline struct outcome feed(const char *bytes, size_t n, const struct http_limits *l)
{
	return feed_cut(bytes, n, l, NULL, 0);
}

static inline bool outcome_same(const struct outcome *a, const struct outcome *b)
{
	if (a->parse != b->parse)
		return false;
	if (a->parse == HTTP_PARSE_BAD)
		return a->error.code == b->error.code && strcmp(a->error.msg, b->error.msg) == 0;
	if (a->parse == HTTP_PARSE_MORE)
		return true;
	return a->request_bytes == b->request_bytes && strcmp(a->summary, b->summary) == 0 &&
	       slice_eq(buf_slice(&a->body), buf_slice(&b->body));
}

/* The outcome must not depend on how the bytes are cut: byte by byte, and in two at every place. Returns the
 * place that differs, or -1; n + 1 stands for byte by byte. */
static inline long feed_cuts_differ(const char *bytes, size_t n, const struct http_limits *l)
{
	struct outcome whole = feed(bytes, n, l), other;
	size_t *all = malloc((n + 1) * sizeof(*all));
	long differs = -1;

	for (size_t i = 0; i < n; i++)
		all[i] = i;
	other = feed_cut(bytes, n, l, all, n);
	if (!outcome_same(&whole, &other))
		differs = (long)n + 1;
	outcome_release(&other);
	for (size_t i = 0; i < n && differs < 0; i++) {
		other = feed_cut(bytes, n, l, &i, 1);
		if (!outcome_same(&whole, &other))
			differs = (long)i;
		outcome_release(&other);
	}
	outcome_release(&whole);
	free(all);
	return differs;
}

#endif
