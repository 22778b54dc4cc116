/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little that has to be known of addresses beside what libcurl does with them: how to show one to people,
 * whether it is this machine, and whether it is so plain that libcurl is not needed. Not a parser: an address
 * that is no URL is found by libcurl, with its own message.
 */
#include "base/base.h"
#include "base/fetch_int.h"

#include <arpa/inet.h>
#include <stdlib.h>
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
	struct buf shown = BUF_INIT;
	buf_add_slice(&shown, p.scheme);
	buf_add_slice(&shown, p.host);
	buf_add_slice(&shown, p.path);
	return buf_take(&shown);
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

/* Of the characters that may stand in a URL (RFC 3986 section 2), and none that would end the path. */
static bool is_plain(const char *url)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				      "-._~:/?[]@!$&'()*+,;=%";
	return url[strspn(url, letters)] == '\0';
}

/* "8080" of host:8080; 80 when there is none, 0 when it is no port. */
static in_port_t port_read(struct slice digits)
{
	unsigned port = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9' || i >= 5)
			return 0;
		port = port * 10 + (unsigned)(digits.ptr[i] - '0');
	}
	return port <= UINT16_MAX ? htons((uint16_t)port) : 0;
}

static bool address_set(struct fetch_target *out, int family, const char *text, in_port_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->address;
	if (family == AF_INET6) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
		out->address_len = sizeof(*v6);
		return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
	}
	*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
	out->address_len = sizeof(*v4);
	return inet_pton(AF_INET, text, &v4->sin_addr) == 1;
}

/* host or [host], and perhaps a port. */
static bool host_read(struct slice host, struct fetch_target *out)
{
	char text[INET6_ADDRSTRLEN];
	bool bracket = host.len > 0 && host.ptr[0] == '[';
	const char *end = memchr(host.ptr, bracket ? ']' : ':', host.len);
	size_t n = end != NULL ? (size_t)(end - host.ptr) : host.len;
	if (host.len == 0 || (bracket && end == NULL) || n - bracket >= sizeof(text))
		return false;
	memcpy(text, host.ptr + bracket, n - bracket);
	text[n - bracket] = '\0';
	n += bracket;
	in_port_t port = htons(80);
	if (n < host.len)
		port = host.ptr[n] == ':' ? port_read((struct slice){host.ptr + n + 1, host.len - n - 1}) : 0;
	return port != 0 && address_set(out, bracket ? AF_INET6 : AF_INET, text, port);
}

bool url_literal(const char *url, struct fetch_target *out)
{
	struct parts p = url_split(url);
	bool has_user = p.host.ptr != p.scheme.ptr + p.scheme.len;
	*out = (struct fetch_target){.host = p.host, .path = {p.path.ptr, strlen(p.path.ptr)}};
	return slice_eq_nocase(p.scheme, "http://") && !has_user && is_plain(url) && host_read(p.host, out);
}
