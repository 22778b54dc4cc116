/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request parser as a filter, for comparing it with others: raw bytes of one connection on stdin, one
 * line of JSON on stdout: the requests that were complete, and how it ended: "ok" (nothing left, or the last
 * request closes), "reject" (with status and message), "incomplete".
 */
#include "base/base.h"
#include "http/http_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_BYTES_MAX = 8 << 20 };

static const struct http_limits limits = {.target_bytes_max = 8192,
					  .header_bytes_max = 16384,
					  .header_count_max = 100,
					  .body_bytes_max = 1 << 20};

static void input_read(struct buf *in)
{
	for (;;) {
		char text[65536];
		ssize_t n = read(STDIN_FILENO, text, sizeof(text));

		if (n < 0)
			die(74, "cannot read stdin");
		if (n == 0 || in->len > INPUT_BYTES_MAX)
			return;
		buf_add(in, text, (size_t)n);
	}
}

/* The body of the request at the start of rest; *used its encoded bytes. */
static enum http_parse body_parse(const struct http_head *head, struct slice rest, size_t *used,
				  struct buf *body, struct error *e)
{
	struct http_chunked chunked = {0};

	if (head->chunked)
		return http_parse_chunked(&chunked, rest, &limits, used, body, e);
	*used = (size_t)head->content_length;
	if (rest.len < *used)
		return HTTP_PARSE_MORE;
	buf_add(body, rest.ptr, *used);
	return HTTP_PARSE_DONE;
}

static void request_print(struct jw *w, const struct http_head *head, const struct buf *body)
{
	struct buf text = BUF_INIT;

	base64_encode(body->data, body->len, &text);
	jw_object(w);
	jw_name(w, "method");
	jw_text_n(w, head->method_text.ptr, head->method_text.len);
	jw_name(w, "target");
	jw_text_n(w, head->target.ptr, head->target.len);
	jw_kv_text(w, "body", buf_cstr(&text));
	jw_object_end(w);
	buf_release(&text);
}

int main(void)
{
	struct buf in = BUF_INIT, out = BUF_INIT, body = BUF_INIT;
	struct http_head *head = xcalloc(1, sizeof(*head));
	enum http_parse p = HTTP_PARSE_DONE;
	bool open = true;
	struct jw w = JW(&out);
	struct error e;
	size_t at = 0;

	input_read(&in);
	jw_object(&w);
	jw_name(&w, "requests");
	jw_array(&w);
	while (p == HTTP_PARSE_DONE && open && at < in.len) {
		size_t scanned = 0, head_bytes = 0, used = 0;

		buf_reset(&body);
		p = http_parse_head((struct slice){in.data + at, in.len - at}, &scanned, &limits, head,
				    &head_bytes, &e);
		at += head_bytes;
		if (p == HTTP_PARSE_DONE)
			p = body_parse(head, (struct slice){in.data + at, in.len - at}, &used, &body, &e);
		at += used;
		if (p == HTTP_PARSE_DONE)
			request_print(&w, head, &body);
		open = head->keep_alive;
	}
	jw_array_end(&w);
	jw_kv_text(&w, "end", p == HTTP_PARSE_DONE ? "ok" : p == HTTP_PARSE_BAD ? "reject" : "incomplete");
	if (p == HTTP_PARSE_BAD) {
		jw_kv_int(&w, "status", err_info(e.code)->http_status);
		jw_kv_text(&w, "message", e.msg);
	}
	jw_object_end(&w);
	puts(buf_cstr(&out));
	buf_release(&in);
	buf_release(&out);
	buf_release(&body);
	free(head);
	return 0;
}
