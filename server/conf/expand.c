/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What texts of the configuration and of the registry have in common: ${NAME} in a text, a text that stands
 * in a file of its own, and what may be a header. ${NAME} is the only form; "$$" before a brace writes a
 * literal
 * "${". What a variable holds is not looked at again, so a value cannot smuggle in another ${...}.
 *
 * The texts are mostly credentials: the caller's buffer has room for them at once, and is wiped by the
 * caller.
 */
#include "base/base.h"
#include "conf/conf_int.h"

#include <string.h>

/* Bytes of the name in "${NAME}" at s, 0 when it is not of that form. */
static size_t variable_len(const char *s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	size_t n = strspn(s + 2, letters);
	return n && s[2 + n] == '}' && strspn(s + 2, "0123456789") == 0 ? n : 0;
}

enum err conf_expand(const struct conf_tree *t, const struct conf_node *n, conf_value_fn *value, void *arg,
		     struct buf *out, struct error *e)
{
	for (const char *p = n->text; *p;) {
		if (p[0] == '$' && p[1] == '$' && p[2] == '{') {
			buf_add_str(out, "${");
			p += 3;
		} else if (p[0] == '$' && p[1] == '{') {
			size_t len = variable_len(p);
			if (!len)
				return conf_error_at(
					t, n->place, e,
					"\"${\" must begin a variable, as ${HOME}; write $${ for itself");
			enum err rc = value(n, (struct slice){p + 2, len}, out, arg, e);
			if (rc)
				return rc;
			p += len + 3;
		} else {
			buf_add_char(out, *p++);
		}
	}
	return out->overflow ? conf_error_at(t, n->place, e, "longer than %zu bytes", out->max) : ERR_NONE;
}

enum err conf_secret_read(const struct conf_tree *t, const struct conf_node *n, const char *path,
			  struct buf *out, struct error *e)
{
	struct error why;
	if (file_read(path, CONF_SECRET_BYTES_MAX, out, &why) != ERR_NONE)
		return conf_error_at(t, n->place, e, "%s", why.msg);
	while (out->len && strchr(" \t\r\n", out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	return ERR_NONE;
}

bool conf_header_name_ok(const char *s)
{
	return *s && !s[strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

bool conf_header_value_ok(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	}
	return strlen(s) <= CONF_SECRET_BYTES_MAX;
}
