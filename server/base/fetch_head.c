/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an answer, line by line: status and the few headers that matter for retries and messages. Pure.
 * It is no HTTP parser: whoever reads the answer has checked the syntax before a line comes here. Values
 * longer than their field are cut.
 */
#include "base/base.h"
#include "base/fetch.h"

#include <stdio.h>
#include <string.h>

static struct slice trim(struct slice s)
{
	while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1]) != NULL)
		s.len--;
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = (struct slice){s.ptr + 1, s.len - 1};
	return s;
}

/* A list that may come in several lines (RFC 9110 section 5.3); what does not fit is left out whole. */
static void list_add(char *list, size_t size, struct slice value)
{
	size_t used = strlen(list);
	if (used + 2 + value.len < size)
		snprintf(list + used, size - used, "%s%.*s", used > 0 ? ", " : "", (int)value.len, value.ptr);
}

/* The number behind the first space, of three digits (RFC 9112 section 4); 0: none. */
static int status_read(struct slice line)
{
	const char *space = memchr(line.ptr, ' ', line.len), *end = line.ptr + line.len;
	int status = 0, digits = 0;
	for (const char *p = space; p != NULL && ++p < end && *p >= '0' && *p <= '9' && digits < 3; digits++)
		status = status * 10 + (*p - '0');
	return digits == 3 ? status : 0;
}

void fetch_head_line(struct fetch_head *h, struct slice line)
{
	/* An interim answer (1xx) comes as a head of its own before the real one. */
	if (line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
		*h = (struct fetch_head){.status = status_read(line)};
		return;
	}
	const char *colon = memchr(line.ptr, ':', line.len);
	if (colon == NULL)
		return;
	struct slice name = {line.ptr, (size_t)(colon - line.ptr)};
	struct slice value = trim((struct slice){colon + 1, line.len - name.len - 1});
	const struct {
		const char *name;
		char *out;
		size_t size;
	} rows[] = {
		{"retry-after", h->retry_after, sizeof(h->retry_after)},
		{"retry-after-ms", h->retry_after_ms, sizeof(h->retry_after_ms)},
		{"x-should-retry", h->should_retry, sizeof(h->should_retry)},
		{"x-request-id", h->request_id, sizeof(h->request_id)},
		{"request-id", h->request_id, sizeof(h->request_id)},
		{"location", h->location, sizeof(h->location)},
		{"content-type", h->content_type, sizeof(h->content_type)},
		{"mcp-session-id", h->session_id, sizeof(h->session_id)},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (slice_eq_nocase(name, rows[i].name))
			snprintf(rows[i].out, rows[i].size, "%.*s", (int)value.len, value.ptr);
	}
	if (slice_eq_nocase(name, "www-authenticate"))
		list_add(h->www_authenticate, sizeof(h->www_authenticate), value);
}
