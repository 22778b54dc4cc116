/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the secrets that a server was configured with out of what it says to people: stderr and the errors
 * made of it are shown in answers and logs. A secret is the value of an environment variable whose name says
 * so, or of any configured header; anything shorter than eight bytes is left, because it would be found
 * everywhere. Pure.
 */
#include "base/base.h"
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

static void value_mask(char *text, size_t len, const char *value)
{
	size_t n = strlen(value);
	char *end = text + len, *p = text;
	while ((p = memmem(p, (size_t)(end - p), value, n))) {
		memset(p, '*', n);
		p += n;
	}
}

void secrets_mask(const struct mcp_server_options *o, char *text, size_t len)
{
	for (size_t i = 0; len && i < o->env_count; i++) {
		const struct mcp_env *v = &o->env[i];
		if (name_is_secret(v->name) && strlen(v->value) >= SECRET_BYTES_MIN)
			value_mask(text, len, v->value);
	}
	for (size_t i = 0; len && i < o->headers_count; i++) {
		if (strlen(o->headers[i].value) >= SECRET_BYTES_MIN)
			value_mask(text, len, o->headers[i].value);
	}
}
