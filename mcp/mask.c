/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the secrets that a server was configured with out of what it says to people: stderr and the errors
 * made of it are shown in answers and logs, errors it answers with are in events. A secret is the value of an
 * environment variable whose name says so, of any configured header, a token or a client's secret; anything
 * shorter than eight bytes is left, because it would be found everywhere. Pure.
 */
#include "base/base.h"
#include "mcp/auth.h"
#include "mcp/mcp_int.h"

#include <string.h>
#include <strings.h>

enum { SECRET_BYTES_MIN = 8 };

static bool name_is_secret(const char *name)
{
	static const char *const parts[] = {"KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH", "DSN"};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (strcasestr(name, parts[i]))
			return true;
	}
	return false;
}

void secret_mask(const char *value, char *text, size_t len)
{
	size_t n = value ? strlen(value) : 0;
	char *end = text + len, *p = text;
	if (n < SECRET_BYTES_MIN || !len)
		return;
	while ((p = memmem(p, (size_t)(end - p), value, n))) {
		memset(p, '*', n);
		p += n;
	}
	/* The text may have been cut within one. */
	for (size_t part = n - 1 < len ? n - 1 : len; part >= SECRET_BYTES_MIN; part--) {
		if (memcmp(end - part, value, part) == 0) {
			memset(end - part, '*', part);
			return;
		}
	}
}

void secrets_mask(const struct mcp_server_options *o, char *text, size_t len)
{
	for (size_t i = 0; i < o->env_count; i++) {
		if (name_is_secret(o->env[i].name))
			secret_mask(o->env[i].value, text, len);
	}
	for (size_t i = 0; i < o->headers_count; i++)
		secret_mask(o->headers[i].value, text, len);
	secret_mask(o->auth.token, text, len);
	secret_mask(o->auth.client_secret, text, len);
}

void server_mask(const struct server *s, struct error *e)
{
	size_t len = strlen(e->msg);
	secrets_mask(s->options, e->msg, len);
	if (s->auth)
		auth_mask(s->auth, e->msg, len);
}
