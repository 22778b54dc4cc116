/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a person's browser comes back to from logging in to a tool server (OAuth 2.1). What it brings is
 * handed to the supervisor, which alone knows whose log-in it is and makes the exchange; here it is neither
 * looked at nor kept nor logged. The answer is a small page, because a person reads it: everything in it that
 * came from elsewhere is escaped, it runs no script, and its address, which holds the code, is told to nobody
 * (no-referrer, no-store).
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

static const char PAGE_HEADERS[] =
	"Cache-Control: no-store\r\n"
	"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
	"form-action 'none'; frame-ancestors 'none'\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"X-Content-Type-Options: nosniff\r\n";

static void escaped_add(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case '&': buf_add_str(out, "&amp;"); break;
		case '<': buf_add_str(out, "&lt;"); break;
		case '>': buf_add_str(out, "&gt;"); break;
		case '"': buf_add_str(out, "&quot;"); break;
		case '\'': buf_add_str(out, "&#39;"); break;
		default: buf_add_char(out, text.ptr[i]);
		}
	}
}

static void page_reply(struct http_request *r, int status, const char *title, struct slice text)
{
	struct buf page = BUF_INIT;
	size_t valid = utf8_valid_prefix(text.ptr ? text.ptr : "", text.len);

	buf_printf(&page,
		   "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>\n"
		   "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;"
		   "padding:0 1rem}</style></head>\n<body><h1>%s</h1>\n<p>",
		   title, title);
	escaped_add(&page, (struct slice){text.ptr, valid});
	buf_add_str(&page, "</p></body></html>\n");
	http_reply(r, status, "text/html; charset=utf-8", PAGE_HEADERS, buf_slice(&page));
	buf_release(&page);
}

static void login_ended(struct slice server, const struct error *e, void *request)
{
	struct http_request *r = request;
	struct buf text = BUF_INIT;

	r->on_gone = NULL;
	if (e) {
		page_reply(r, err_info(e->code)->http_status, "The log-in did not work", slice_str(e->msg));
		return;
	}
	buf_printf(&text, "The tool server %.*s may be used now. You can close this page.", (int)server.len,
		   server.ptr);
	page_reply(r, 200, "You are logged in", buf_slice(&text));
	buf_release(&text);
}

static void client_gone(struct http_request *r)
{
	mcp_client_servers_cancel(r->http->mcp, r);
}

/* NULL when it is absent. false: answered. */
static bool parameter(struct http_request *r, const char *name, const char **out)
{
	struct error e = {0};

	*out = http_query_get(r->arena, r->query, name, &e);
	if (*out || e.code == ERR_NONE)
		return true;
	http_reply_error(r, &e);
	return false;
}

/* Unknown parameters are not refused here: clients must ignore them (RFC 6749 section 4.1.2). */
void api_oauth_callback(struct http_request *r)
{
	struct mcp_login login;

	if (!parameter(r, "code", &login.code) || !parameter(r, "state", &login.state) ||
	    !parameter(r, "iss", &login.iss) || !parameter(r, "error", &login.error) ||
	    !parameter(r, "error_description", &login.error_description))
		return;
	if (!login.state || !*login.state) {
		http_reply_errorf(
			r, ERR_FIELD, "state",
			"state is missing: this address is where browsers come back from logging in");
		return;
	}
	r->on_gone = client_gone;
	mcp_client_login(r->http->mcp, &login, login_ended, r);
}
