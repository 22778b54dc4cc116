/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of authorization: taken apart strictly, compared by origin, and judged, because most of them come
 * from a server that may want us to ask somebody else's machine. Pure. Names are not resolved here: the
 * exchange itself refuses to connect to a private address (base/fetch.h, public_only), so that what was
 * checked is what is used.
 */
#include "base/base.h"
#include "base/fetch.h"
#include "mcp/auth_int.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { URL_BYTES_MAX = 2048, PORT_MAX = 65535, PORT_HTTP = 80, PORT_HTTPS = 443 };

static bool port_parse(struct slice s, int *out)
{
	int port = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9' || (port = port * 10 + s.ptr[i] - '0') > PORT_MAX)
			return false;
	}
	*out = port;
	return s.len > 0;
}

/* host[:port], the host maybe in brackets. */
static bool authority_parse(struct slice s, struct url *out)
{
	const char *close = s.len && s.ptr[0] == '[' ? memchr(s.ptr, ']', s.len) : NULL;
	const char *from = close ? close : s.ptr;
	const char *colon = memchr(from, ':', s.len - (size_t)(from - s.ptr));
	out->host = (struct slice){s.ptr, colon ? (size_t)(colon - s.ptr) : s.len};
	if (!out->host.len || memchr(s.ptr, '@', s.len) || (s.ptr[0] == '[' && !close))
		return false;
	if (close && out->host.ptr + out->host.len != close + 1)
		return false;
	for (size_t i = 0; i < out->host.len; i++) {
		char c = out->host.ptr[i];
		if (!isalnum((unsigned char)c) && !strchr(close ? "[]:.%" : ".-_", c))
			return false;
	}
	return !colon || port_parse((struct slice){colon + 1, s.len - out->host.len - 1}, &out->port);
}

bool url_parse(const char *text, struct url *out)
{
	size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;
	*out = (struct url){.scheme = {text, scheme ? scheme - 3 : 0},
			    .port = scheme == 8 ? PORT_HTTPS : PORT_HTTP};
	if (!scheme || strlen(text) > URL_BYTES_MAX)
		return false;
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~' || strchr("\"#<>\\^`{|}", *p))
			return false;
	}
	const char *host = text + scheme, *path = host + strcspn(host, "/?");
	out->path = (struct slice){path, strcspn(path, "?")};
	out->query = slice_str(path + out->path.len);
	return authority_parse((struct slice){host, (size_t)(path - host)}, out);
}

/* A host that is written as an address. */
static bool host_is_private(struct slice host)
{
	char text[INET6_ADDRSTRLEN + 1] = "";
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	bool brackets = host.len > 2 && host.ptr[0] == '[';
	if (brackets)
		host = (struct slice){host.ptr + 1, host.len - 2};
	if (!host.len || host.len >= sizeof(text))
		return false;
	memcpy(text, host.ptr, host.len);
	if (brackets)
		return inet_pton(AF_INET6, text, &in6.sin6_addr) != 1 ||
		       !address_is_public((const struct sockaddr *)&in6);
	return inet_aton(text, &in.sin_addr) && !address_is_public((const struct sockaddr *)&in);
}

enum err url_check(const char *text, bool allow_private, const char *what, struct error *e)
{
	struct url u;
	if (!url_parse(text, &u))
		return err_set(e, ERR_UPSTREAM, "%s (%.200s) is no usable address", what, text);
	bool loopback = url_is_loopback(text);
	if (u.scheme.len == 4 && !(loopback && allow_private))
		return err_set(e, ERR_CONFIG, "%s (%.200s) is not https, which it must be%s", what, text,
			       loopback ? " unless auth.allow_private of the server is set" : "");
	if (!allow_private && (loopback || host_is_private(u.host)))
		return err_set(e, ERR_CONFIG,
			       "%s (%.200s) is in a private, link-local or loopback network; set "
			       "auth.allow_private of the server if it is meant to be",
			       what, text);
	return ERR_NONE;
}

static bool same_origin(const struct url *a, const struct url *b)
{
	if (a->scheme.len != b->scheme.len || a->port != b->port || a->host.len != b->host.len)
		return false;
	return strncasecmp(a->host.ptr, b->host.ptr, a->host.len) == 0;
}

bool url_same_origin(const char *a, const char *b)
{
	struct url x, y;
	return url_parse(a, &x) && url_parse(b, &y) && same_origin(&x, &y);
}

bool url_covers(const char *a, const char *b)
{
	struct url x, y;
	if (!url_parse(a, &x) || !url_parse(b, &y) || !same_origin(&x, &y) || x.query.len)
		return false;
	while (x.path.len && x.path.ptr[x.path.len - 1] == '/')
		x.path.len--;
	if (memmem(y.path.ptr, y.path.len, "/..", 3) || y.path.len < x.path.len ||
	    memcmp(x.path.ptr, y.path.ptr, x.path.len) != 0)
		return false;
	return y.path.len == x.path.len || y.path.ptr[x.path.len] == '/';
}

char *url_origin(const char *text)
{
	struct url u;
	ensure(url_parse(text, &u));
	bool usual = u.port == (u.scheme.len == 5 ? PORT_HTTPS : PORT_HTTP);
	char *out = xasprintf("%.*s://%.*s", (int)u.scheme.len, u.scheme.ptr, (int)u.host.len, u.host.ptr);
	for (char *p = out; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (usual)
		return out;
	char *with_port = xasprintf("%s:%d", out, u.port);
	free(out);
	return with_port;
}

char *url_well_known(const char *text, const char *name, bool with_path)
{
	struct url u;
	ensure(url_parse(text, &u));
	char *origin = url_origin(text);
	while (u.path.len && u.path.ptr[u.path.len - 1] == '/')
		u.path.len--;
	char *out =
		xasprintf("%s/.well-known/%s%.*s", origin, name, with_path ? (int)u.path.len : 0, u.path.ptr);
	free(origin);
	return out;
}

char *url_redirect(const char *from, const char *location)
{
	char *origin = url_origin(from);
	char *out = location[0] == '/' && location[1] != '/' ? xasprintf("%s%s", origin, location)
							     : xstrdup(location);
	bool good = url_same_origin(from, out);
	free(origin);
	if (good)
		return out;
	free(out);
	return NULL;
}

void percent_add(struct buf *out, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p < 0x80 && isalnum(*p)) || strchr("-._~", *p)) {
			buf_add_char(out, (char)*p);
		} else {
			buf_add_char(out, '%');
			buf_add_char(out, hex[*p >> 4]);
			buf_add_char(out, hex[*p & 15]);
		}
	}
}

void form_add(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	if (out->len && !strchr("?&", out->data[out->len - 1]))
		buf_add_char(out, '&');
	buf_add_str(out, name);
	buf_add_char(out, '=');
	percent_add(out, value);
}
