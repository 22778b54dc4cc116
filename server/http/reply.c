/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: status line, headers, body, appended to the connection's output. Problems (RFC 9457) for every
 * error.
 *
 * What would break the head apart (a control byte in a header, a line that is none) never leaves the process:
 * it is our mistake, it is logged, and the client gets a plain 500. Text of users goes into headers through
 * http_header_add only.
 */
#include "base/base.h"
#include "http/http_int.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { RETRY_AFTER_SECONDS = 1 };

static const struct {
	int status;
	const char *text;
} status_texts[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{422, "Unprocessable Content"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{507, "Insufficient Storage"},
};

const char *http_status_text(int status)
{
	for (size_t i = 0; i < COUNT_OF(status_texts); i++) {
		if (status_texts[i].status == status)
			return status_texts[i].text;
	}
	return "Unknown";
}

struct slice http_request_header(const struct http_request *r, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < r->head->headers_count; i++) {
		const struct http_header *h = &r->head->headers[i];

		if (h->name.len == n && slice_eq_nocase(h->name, name))
			return h->value;
	}
	return (struct slice){0};
}

static bool field_text_valid(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!http_char_is(s[i], CHAR_FIELD))
			return false;
	}
	return true;
}

bool http_header_add(struct buf *headers, const char *name, const char *value)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++) {
		if (!http_char_is(name[i], CHAR_TOKEN))
			return false;
	}
	if (n == 0 || !field_text_valid(value, strlen(value)))
		return false;
	return buf_add(headers, name, n) && buf_add(headers, ": ", 2) && buf_add_str(headers, value) &&
	       buf_add(headers, "\r\n", 2);
}

/* Lines of name, ':' and text, each with its CR LF. */
static bool header_lines_valid(const char *s)
{
	while (*s) {
		const char *end = strstr(s, "\r\n"), *colon = s;

		while (http_char_is(*colon, CHAR_TOKEN))
			colon++;
		if (!end || colon == s || *colon != ':' || !field_text_valid(colon, (size_t)(end - colon)))
			return false;
		s = end + 2;
	}
	return true;
}

/* The lines that every answer has, made once a second. */
static const char *common_lines(struct http_conns *cs, size_t *n)
{
	int64_t now_s = clock_wall_ms() / 1000;
	time_t t = (time_t)now_s;
	struct tm tm;

	if (now_s != cs->common_s) {
		cs->common_s = now_s;
		gmtime_r(&t, &tm);
		/* The process never leaves the C locale, so the names are English as they must be. */
		cs->common_bytes = strftime(
			cs->common, sizeof(cs->common),
			"X-Content-Type-Options: nosniff\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		ensure(cs->common_bytes > 0);
	}
	*n = cs->common_bytes;
	return cs->common;
}

static void header_text(struct buf *out, struct slice name, const char *value)
{
	buf_add_slice(out, name);
	buf_add_str(out, value);
	buf_add(out, "\r\n", 2);
}

/* The path without its query, which may hold what is not for logs. */
static void reply_log(const struct http_request *r, int status)
{
	char method[16];

	if (log_level() > LOG_DEBUG)
		return;
	snprintf(method, sizeof(method), "%.*s", (int)r->head->method_text.len, r->head->method_text.ptr);
	log_debug("request", LF_STR("method", method), LF_STR("path", r->path), LF_INT("status", status),
		  LF_INT("ms", r->conn->request_ms ? clock_mono_ms() - r->conn->request_ms : 0),
		  LF_STR("request_id", r->id));
}

bool reply_head(struct http_conn *c, int status, const char *content_type, const char *headers,
		int64_t length)
{
	struct buf *out = &c->out;
	bool old = c->request->head->minor == 0;
	const char *common;
	size_t n;

	ensure(status >= 200 && status <= 599);
	if ((content_type && !field_text_valid(content_type, strlen(content_type))) ||
	    (headers && !header_lines_valid(headers)))
		return false;
	conn_out_take(c);
	buf_add(out, "HTTP/1.1 ", 9);
	buf_add_u64(out, (uint64_t)status);
	header_text(out, SLICE_LIT(" "), http_status_text(status));
	common = common_lines(c->http->conns, &n);
	buf_add(out, common, n);
	header_text(out, SLICE_LIT("X-Request-Id: "), c->request->id);
	if (content_type)
		header_text(out, SLICE_LIT("Content-Type: "), content_type);
	if (length < 0 && !old) {
		header_text(out, SLICE_LIT("Transfer-Encoding: "), "chunked");
	} else if (length >= 0 && status != 204 && status != 304) {
		buf_add(out, "Content-Length: ", 16);
		buf_add_u64(out, (uint64_t)length);
		buf_add(out, "\r\n", 2);
	}
	if (c->close_after || old)
		header_text(out, SLICE_LIT("Connection: "), c->close_after ? "close" : "keep-alive");
	if (headers)
		buf_add_str(out, headers);
	buf_add(out, "\r\n", 2);
	if (c->http->store)
		store_count(c->http->store, COUNTER_HTTP_REQUESTS, 1);
	reply_log(c->request, status);
	return true;
}

void http_reply(struct http_request *r, int status, const char *content_type, const char *headers,
		struct slice body)
{
	struct http_conn *c = r->conn;
	bool bodiless = r->head->method == HTTP_HEAD || status == 204 || status == 304;

	ensure(c->request == r);
	if (c->state == CONN_CLOSED) {
		conn_request_done(c);
		return;
	}
	ensure(c->state == CONN_PENDING);
	if (c->http->draining)
		c->close_after = true;
	if (!reply_head(c, status, content_type, headers, (int64_t)body.len)) {
		log_error("an answer with a malformed header was held back: this is a mistake in the server",
			  LF_STR("path", r->path), LF_INT("status", status), LF_STR("request_id", r->id));
		http_reply_errorf(r, ERR_INTERNAL, NULL, "the answer could not be put together");
		return;
	}
	if (!bodiless)
		buf_add_slice(&c->out, body);
	if (c->out.overflow) {
		log_error("an answer does not fit in memory; its connection is reset",
			  LF_STR("request_id", r->id));
		conn_close(c, true);
	}
	conn_request_done(c);
	conn_settle(c);
}

void http_reply_error(struct http_request *r, const struct error *e)
{
	http_reply_problem(r, e, "");
}

void http_reply_problem(struct http_request *r, const struct error *e, const char *headers)
{
	const struct err_info *info = err_info(e->code);
	char type[96];
	struct buf body = BUF_INIT, lines = BUF_INIT;
	struct jw w = JW(&body);

	snprintf(type, sizeof(type), "/problems/%s", info->slug);
	buf_add_str(&lines, headers);
	if (info->http_status == 503)
		buf_printf(&lines, "Retry-After: %d\r\n", RETRY_AFTER_SECONDS);
	jw_object(&w);
	jw_kv_text(&w, "type", type);
	jw_kv_text(&w, "title", info->title);
	jw_kv_int(&w, "status", info->http_status);
	jw_kv_text(&w, "detail", e->msg);
	if (e->field[0])
		jw_kv_text(&w, "field", e->field);
	jw_kv_text(&w, "instance", r->id);
	jw_object_end(&w);
	http_reply(r, info->http_status, "application/problem+json", buf_cstr(&lines), buf_slice(&body));
	buf_release(&lines);
	buf_release(&body);
}

void http_reply_errorf(struct http_request *r, enum err code, const char *field, const char *fmt, ...)
{
	char msg[ERROR_MSG_MAX];
	struct error e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err_set_field(&e, code, field ? field : "", "%s", msg);
	http_reply_error(r, &e);
}
