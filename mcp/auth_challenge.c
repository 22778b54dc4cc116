/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WWW-Authenticate as servers write it (RFC 9110 section 11.6.1): several challenges, each a scheme with
 * either one token or a list of parameters, all separated by commas, values bare or quoted with backslashes.
 * A comma separates parameters as well as challenges; what follows a word tells which: "=" makes it a
 * parameter. Pure, and never fails: what cannot be read is passed over.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <stdio.h>
#include <string.h>

static bool is_token(char c)
{
	return c &&
	       strchr("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", c);
}

static void skip_blank(struct slice *s)
{
	while (s->len && (*s->ptr == ' ' || *s->ptr == '\t'))
		s->ptr++, s->len--;
}

static struct slice take_token(struct slice *s)
{
	struct slice t = {s->ptr, 0};
	while (s->len && is_token(*s->ptr))
		s->ptr++, s->len--, t.len++;
	return t;
}

/* Up to the next comma outside of quotes. */
static void skip_junk(struct slice *s)
{
	bool quoted = false;
	while (s->len && (quoted || *s->ptr != ',')) {
		if (quoted && *s->ptr == '\\' && s->len > 1)
			s->ptr++, s->len--;
		else if (*s->ptr == '"')
			quoted = !quoted;
		s->ptr++, s->len--;
	}
}

/* false: longer than out. */
static bool take_quoted(struct slice *s, char *out, size_t size)
{
	size_t n = 0;
	bool fits = true;
	for (s->ptr++, s->len--; s->len && *s->ptr != '"'; s->ptr++, s->len--) {
		if (*s->ptr == '\\' && s->len > 1)
			s->ptr++, s->len--;
		if (n + 1 < size)
			out[n++] = *s->ptr;
		else
			fits = false;
	}
	if (s->len)
		s->ptr++, s->len--;
	out[n] = '\0';
	return fits;
}

static bool take_value(struct slice *s, char *out, size_t size)
{
	if (s->len && *s->ptr == '"')
		return take_quoted(s, out, size);
	struct slice t = take_token(s);
	snprintf(out, size, "%.*s", (int)t.len, t.ptr);
	return t.len && t.len < size;
}

/* The first value of a name counts. */
static void parameter_keep(struct challenge *c, struct slice name, const char *value)
{
	const struct {
		const char *name;
		char *out;
		size_t size;
	} rows[] = {
		{"resource_metadata", c->resource_metadata, sizeof(c->resource_metadata)},
		{"scope", c->scope, sizeof(c->scope)},
		{"error", c->error, sizeof(c->error)},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (slice_eq_nocase(name, rows[i].name) && !*rows[i].out && strlen(value) < rows[i].size)
			snprintf(rows[i].out, rows[i].size, "%s", value);
	}
}

void challenge_parse(struct slice s, struct challenge *out)
{
	bool ours = false; /* within the first Bearer challenge */
	*out = (struct challenge){0};
	while (s.len) {
		char value[CHALLENGE_VALUE_SIZE];
		while (s.len && strchr(" \t,", *s.ptr))
			s.ptr++, s.len--;
		struct slice name = take_token(&s), rest = s;
		skip_blank(&rest);
		if (name.len && rest.len && *rest.ptr == '=') {
			s = (struct slice){rest.ptr + 1, rest.len - 1};
			skip_blank(&s);
			bool good = take_value(&s, value, sizeof(value));
			if (ours && good)
				parameter_keep(out, name, value);
			skip_junk(&s);
		} else if (name.len) { /* a scheme; its parameters follow without a comma */
			ours = !out->bearer && slice_eq_nocase(name, "Bearer");
			out->bearer = out->bearer || ours;
		} else {
			skip_junk(&s);
		}
	}
}
