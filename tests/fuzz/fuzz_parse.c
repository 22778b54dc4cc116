/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the request parser. Whatever the bytes are, the outcome must not depend on how they are cut
 * into reads, what is accepted must be what RFC 9112 allows (checked here by other means than the parser's),
 * and what is refused must come with a status and a sentence that can be sent.
 * main() is libFuzzer's or replay_main.c's.
 */
#include "tests/unit/http/parse_feed.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTE_BY_BYTE_MAX = 600, CUTS_MAX = 16, ROUNDS = 4 };

static const struct http_limits limits = {
	.target_bytes_max = 256, .header_bytes_max = 1024, .header_count_max = 24, .body_bytes_max = 4096};

/* xorshift64: the same input takes the same path. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void cuts_make(uint64_t *seed, size_t n, size_t *cuts, size_t *count)
{
	size_t at = 0;

	for (*count = 0; *count < CUTS_MAX && at < n; ++*count) {
		at += next_random(seed) % (n / 4 + 2);
		cuts[*count] = at < n ? at : n;
	}
}

static void refusal_check(const struct error *e)
{
	int status = err_info(e->code)->http_status;

	ensure(status >= 400 && status <= 505);
	ensure(e->msg[0] != '\0' && utf8_valid(e->msg, strlen(e->msg)));
	for (const char *p = e->msg; *p; p++)
		ensure((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void header_check(const struct http_header *h)
{
	ensure(h->name.len > 0);
	for (size_t i = 0; i < h->name.len; i++)
		ensure(strchr("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
			      h->name.ptr[i]) &&
		       h->name.ptr[i]);
	for (size_t i = 0; i < h->value.len; i++)
		ensure(h->value.ptr[i] == '\t' ||
		       ((unsigned char)h->value.ptr[i] >= 0x20 && h->value.ptr[i] != 0x7f));
}

/* The head that was accepted, looked at from outside. */
static void head_check(const char *bytes, size_t n)
{
	struct http_head *head = malloc(sizeof(*head));
	size_t scanned = 0, head_bytes = 0, hosts = 0, lengths = 0, encodings = 0;
	struct arena *a = arena_new(1 << 20);
	struct error e;
	char *decoded;

	ensure(http_parse_head((struct slice){bytes, n}, &scanned, &limits, head, &head_bytes, &e) ==
	       HTTP_PARSE_DONE);
	ensure(head_bytes >= 16 && memcmp(bytes + head_bytes - 4, "\r\n\r\n", 4) == 0);
	ensure(!memchr(bytes, '\0', head_bytes));
	for (size_t i = 0; i < head_bytes; i++) {
		ensure(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'));
		ensure(bytes[i] != '\r' || bytes[i + 1] == '\n');
	}
	for (size_t i = 0; i < head->headers_count; i++) {
		header_check(&head->headers[i]);
		hosts += slice_eq_nocase(head->headers[i].name, "host");
		lengths += slice_eq_nocase(head->headers[i].name, "content-length");
		encodings += slice_eq_nocase(head->headers[i].name, "transfer-encoding");
	}
	ensure(head->minor == 0 ? hosts <= 1 : hosts == 1);
	ensure(lengths + encodings <= 1 && head->chunked == (encodings == 1));
	ensure(head->content_length >= 0 && (size_t)head->content_length <= limits.body_bytes_max);
	ensure(head->path.len > 0 && (head->path.ptr[0] == '/' || head->method == HTTP_OPTIONS));
	decoded = http_decode_path(a, head->path, &e);
	ensure(!decoded || utf8_valid(decoded, strlen(decoded)));
	decoded = http_query_get(a, head->query, "after", &e);
	ensure(!decoded || utf8_valid(decoded, strlen(decoded)));
	arena_free(a);
	free(head);
}

static void outcome_check(const struct outcome *o, const char *bytes, size_t n)
{
	struct outcome cut;

	if (o->parse == HTTP_PARSE_BAD)
		refusal_check(&o->error);
	if (o->parse == HTTP_PARSE_MORE)
		ensure(n < http_head_bytes_max(&limits) + limits.body_bytes_max * 6 +
				   limits.header_bytes_max + 8192);
	if (o->parse != HTTP_PARSE_DONE)
		return;
	ensure(o->request_bytes <= n && o->body.len <= limits.body_bytes_max);
	head_check(bytes, n);
	/* It ends where it is said to end: not a byte earlier, and what follows does not matter. */
	cut = feed(bytes, o->request_bytes, &limits);
	ensure(outcome_same(o, &cut));
	outcome_release(&cut);
	cut = feed(bytes, o->request_bytes - 1, &limits);
	ensure(cut.parse == HTTP_PARSE_MORE);
	outcome_release(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct outcome whole = feed(bytes, size, &limits);
	uint64_t seed = 0x9e3779b97f4a7c15 ^ size;

	for (size_t i = 0; i < size; i++)
		seed = (seed ^ data[i]) * 0x100000001b3;
	seed |= 1;
	outcome_check(&whole, bytes, size);
	for (int round = 0; round < ROUNDS; round++) {
		size_t cuts[CUTS_MAX], count;
		struct outcome other;

		cuts_make(&seed, size, cuts, &count);
		other = feed_cut(bytes, size, &limits, cuts, count);
		ensure(outcome_same(&whole, &other));
		outcome_release(&other);
	}
	if (size <= BYTE_BY_BYTE_MAX)
		ensure(feed_cuts_differ(bytes, size, &limits) < 0);
	outcome_release(&whole);
	return 0;
}
