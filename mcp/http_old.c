/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport of 2024-11-05, HTTP with SSE, for servers that refuse to be initialized by POST: one GET is
 * the stream of all that the server says; its first event, "endpoint", names the address that our messages
 * are posted to, on the same origin as the stream, else the server could have us post anywhere. Answers to
 * the posts themselves say nothing but that they were taken.
 *
 * There is no resumption: when the stream ends the connection is lost with all requests that wait on it.
 */
#include "base/base.h"
#include "mcp/http_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENDPOINT_BYTES_MAX = 4096 };

bool old_refusal(int status)
{
	return status == 400 || status == 404 || status == 405;
}

void old_begin(struct http *h, struct exchange *greeting)
{
	h->old = true;
	h->greeting = greeting;
	greeting->waiting = true;
	exchange_send(exchange_new(h, EXCHANGE_STREAM, NULL));
}

static size_t origin_len(const char *url)
{
	const char *mark = strstr(url, "://");
	return mark ? (size_t)(mark + 3 - url) + strcspn(mark + 3, "/?#") : 0;
}

static bool text_is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
			return false;
	}
	return s.len > 0 && s.len <= ENDPOINT_BYTES_MAX;
}

char *old_resolve(const char *base, struct slice endpoint)
{
	size_t origin = origin_len(base), path = strcspn(base, "?#");
	char *text, *url;
	if (!text_is_plain(endpoint))
		return NULL;
	text = slice_dup(endpoint);
	if (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0) {
		url = origin_len(text) == origin && strncasecmp(base, text, origin) == 0 ? xstrdup(text)
											 : NULL;
	} else if (strstr(text, "//") == text || strcspn(text, ":") < strcspn(text, "/?#")) {
		url = NULL; /* a host or a scheme of its own */
	} else if (text[0] == '/') {
		url = xasprintf("%.*s%s", (int)origin, base, text);
	} else if (text[0] == '?') {
		url = xasprintf("%.*s%s", (int)path, base, text);
	} else {
		size_t folder = path;
		while (folder > origin && base[folder - 1] != '/')
			folder--;
		url = xasprintf("%.*s%s%s", (int)folder, base, folder == origin ? "/" : "", text);
	}
	free(text);
	return url;
}

void old_endpoint(struct http *h, struct slice address)
{
	struct exchange *greeting = h->greeting;
	struct error e;
	if (h->post_url)
		return;
	h->post_url = old_resolve(h->options->url, address);
	if (!h->post_url) {
		err_set(&e, ERR_UPSTREAM,
			"the server names an address for messages that is not on its own origin");
		http_lose(h, &e);
		return;
	}
	h->greeting = NULL;
	if (greeting)
		exchange_send(greeting);
}
