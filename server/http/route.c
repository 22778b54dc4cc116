/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to its handler. The table is route.def; there are few routes, so it is searched from the top
 * (the most frequent first). What no handler is needed for is answered here: unknown paths, wrong methods,
 * OPTIONS.
 *
 * Paths are taken literally: no trailing slash, no dot segments, and no encoded slash, which would let a path
 * mean one thing to a proxy in front of us and another to us.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

const struct http_route http_routes[] = {
#define ROUTE(method, pattern, handler, operation, summary) \
	{HTTP_##method, pattern, handler, operation, summary},
#include "http/route.def"
#undef ROUTE
};
const size_t http_routes_count = COUNT_OF(http_routes);

/* HEAD is GET without a body. */
static enum http_method method_of(const struct http_request *r)
{
	return r->head->method == HTTP_HEAD ? HTTP_GET : r->head->method;
}

static const struct http_route *route_find(const struct http_request *r, struct slice params[HTTP_PARAMS_MAX])
{
	enum http_method method = method_of(r);

	for (size_t i = 0; i < http_routes_count; i++) {
		if (http_routes[i].method == method &&
		    http_pattern_matches(http_routes[i].pattern, r->path, params))
			return &http_routes[i];
	}
	return NULL;
}

/* The methods that `path` has (any: all that are known), as Allow wants them. false: there is nothing at this
 * path. */
static bool allow_collect(const char *path, bool any, struct buf *out)
{
	unsigned methods = 0;

	for (size_t i = 0; i < http_routes_count; i++) {
		if (any || http_pattern_matches(http_routes[i].pattern, path, NULL))
			methods |= 1u << http_routes[i].method;
	}
	if (methods == 0)
		return false;
	if (methods & 1u << HTTP_GET)
		methods |= 1u << HTTP_HEAD;
	methods |= 1u << HTTP_OPTIONS;
	for (unsigned m = 0; m < HTTP_METHOD_OTHER; m++) {
		if (methods & 1u << m)
			buf_printf(out, "%s%s", out->len ? ", " : "", http_method_text((enum http_method)m));
	}
	return true;
}

static bool slash_encoded(struct slice raw)
{
	for (size_t i = 0; i + 2 < raw.len; i++) {
		if (raw.ptr[i] == '%' && raw.ptr[i + 1] == '2' && (raw.ptr[i + 2] | 0x20) == 'f')
			return true;
	}
	return false;
}

static void reply_not_found(struct http_request *r)
{
	size_t n = strlen(r->path);
	char *bare = arena_strndup(r->arena, r->path, n > 1 ? n - 1 : n);
	struct buf allow = BUF_INIT;
	const char *hint = "see /docs";

	if (n > 1 && r->path[n - 1] == '/' && bare && allow_collect(bare, false, &allow))
		hint = "paths here have no slash at their end";
	buf_release(&allow);
	http_reply_errorf(r, ERR_NOT_FOUND, NULL, "there is nothing at %.200s: %s", r->path, hint);
}

/* The path is there, this method of it is not. */
static void reply_allow(struct http_request *r, struct buf *allow)
{
	struct buf headers = BUF_INIT;
	struct error e;

	ensure(http_header_add(&headers, "Allow", buf_cstr(allow)));
	if (r->head->method == HTTP_OPTIONS) {
		http_reply(r, 204, NULL, buf_cstr(&headers), (struct slice){0});
	} else {
		err_set(&e, ERR_METHOD, "%.200s takes %s, not %.*s", r->path, buf_cstr(allow),
			(int)(r->head->method_text.len < 40 ? r->head->method_text.len : 40),
			r->head->method_text.ptr);
		http_reply_problem(r, &e, buf_cstr(&headers));
	}
	buf_release(&headers);
}

void http_route_request(struct http_request *r)
{
	struct slice params[HTTP_PARAMS_MAX] = {0};
	const struct http_route *route;
	struct buf allow = BUF_INIT;
	bool any = r->head->method == HTTP_OPTIONS && strcmp(r->path, "*") == 0;

	if (slash_encoded(r->head->path)) {
		reply_not_found(r);
		return;
	}
	route = route_find(r, params);
	if (!route) {
		if (allow_collect(r->path, any, &allow))
			reply_allow(r, &allow);
		else
			reply_not_found(r);
		buf_release(&allow);
		return;
	}
	r->route = route;
	for (size_t i = 0; i < HTTP_PARAMS_MAX && params[i].ptr; i++) {
		r->params[i] = arena_strndup(r->arena, params[i].ptr, params[i].len);
		if (!r->params[i]) {
			http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for this request");
			return;
		}
	}
	route->handler(r);
}
