/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little that has to be known of addresses beside what libcurl does with them: how to show one to people,
 * and whether it is this machine. Not a parser: an address that is no URL is found by libcurl, with its own
 * message.
 */
#include "base/base.h"
#include "base/fetch.h"

#include <string.h>

/* Scheme with "://", and from the host to the end of the path. */
struct parts {
	struct slice scheme, host, path;
};

static struct parts url_split(const char *url)
{
	const char *mark = strstr(url, "://");
	const char *start = mark != NULL ? mark + 3 : url;
	size_t authority = strcspn(start, "/?#");
	const char *host = start;
	for (size_t i = 0; i < authority; i++) {
		if (start[i] == '@')
			host = start + i + 1;
	}
	const char *path = start + authority;
	return (struct parts){
		.scheme = {url, (size_t)(start - url)},
		.host = {host, (size_t)(path - host)},
		.path = {path, strcspn(path, "?#")},
	};
}

char *url_shown(const char *url)
{
	struct parts p = url_split(url);
	return xasprintf("%.*s%.*s%.*s", (int)p.scheme.len, p.scheme.ptr, (int)p.host.len, p.host.ptr,
			 (int)p.path.len, p.path.ptr);
}

bool url_is_loopback(const char *url)
{
	struct slice host = url_split(url).host;
	if (host.len >= 5 && memcmp(host.ptr, "[::1]", 5) == 0)
		return true;
	const char *port = memchr(host.ptr, ':', host.len);
	if (port != NULL)
		host.len = (size_t)(port - host.ptr);
	if (slice_eq_nocase(host, "localhost"))
		return true;
	bool numeric = host.len > 4 && memcmp(host.ptr, "127.", 4) == 0;
	for (size_t i = 0; i < host.len && numeric; i++)
		numeric = host.ptr[i] == '.' || (host.ptr[i] >= '0' && host.ptr[i] <= '9');
	return numeric;
}
