/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's rules about tool calls: which are allowed, which a person is asked about, which are denied.
 * A deny wins over everything; else the first rule that fits decides. Patterns are those of fnmatch(3), where
 * * stands for slashes, too. Values that look like paths are matched as they are written and with "." and
 * ".." resolved: a rule that allows must fit both, one that asks or denies either. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static bool name_fits(const char *pattern, const char *name)
{
	return pattern == NULL || fnmatch(pattern, name != NULL ? name : "", 0) == 0;
}

/* Drops the last segment of a path that has been built so far. */
static void segment_drop(struct buf *out, size_t floor)
{
	size_t at = out->len;
	while (at > floor && out->data[at - 1] != '/')
		at--;
	out->len = at > floor ? at - 1 : floor;
}

/* "a//b/./c/../d" is "a/b/d"; what would climb above the start stays there. */
static void path_resolve(const char *text, struct buf *out)
{
	buf_reset(out);
	for (const char *p = text; *p != '\0';) {
		size_t n = strcspn(p, "/");
		bool up = n == 2 && p[0] == '.' && p[1] == '.', here = n == 0 || (n == 1 && p[0] == '.');
		if (up) {
			segment_drop(out, 0);
		} else if (!here) {
			if (out->len > 0 || *text == '/')
				buf_add_char(out, '/');
			buf_add(out, p, n);
		}
		p += n;
		p += *p == '/';
	}
	if (out->len == 0)
		buf_add_char(out, *text == '/' ? '/' : '.');
}

static bool text_fits(const char *pattern, const char *text, bool both)
{
	struct buf path = BUF_INIT;
	bool raw = fnmatch(pattern, text, 0) == 0, resolved = raw;
	if (strchr(text, '/') != NULL || strstr(text, "..") != NULL) {
		path_resolve(text, &path);
		resolved = fnmatch(pattern, buf_cstr(&path), 0) == 0;
		buf_release(&path);
	}
	return both ? raw && resolved : raw || resolved;
}

static bool value_fits(const char *pattern, const struct json *value, bool allows)
{
	struct buf text = BUF_INIT;
	bool fits;
	if (json_is(value, JSON_ARRAY) && json_count(value) > 0) {
		for (const struct json *v = json_first(value); v != NULL; v = json_next(v))
			if (value_fits(pattern, v, allows) != allows)
				return !allows;
		return allows;
	}
	if (json_text(value) != NULL)
		return text_fits(pattern, json_text(value), allows);
	json_print(value, &text);
	fits = fnmatch(pattern, buf_cstr(&text), 0) == 0;
	buf_release(&text);
	return fits;
}

static bool arguments_fit(const struct agent_rule *r, const struct json *arguments)
{
	for (size_t i = 0; i < r->arguments_count; i++) {
		const struct json *value = json_get(arguments, r->arguments[i].name);
		if (value == NULL || !value_fits(r->arguments[i].pattern, value, r->decision == PERMIT_ALLOW))
			return false;
	}
	return true;
}

static bool rule_fits(const struct agent_rule *r, const struct policy_call *c)
{
	return name_fits(r->server, c->server) && name_fits(r->tool, c->tool) &&
	       (r->effects == 0 || (r->effects & (1u << c->effect)) != 0) && arguments_fit(r, c->arguments);
}

size_t policy_denies(const struct agent_policy *p, const struct policy_call *c)
{
	for (size_t i = 0; i < p->rules_count; i++)
		if (p->rules[i].decision == PERMIT_DENY && rule_fits(&p->rules[i], c))
			return i + 1;
	return 0;
}

enum permit policy_decide(const struct agent_policy *p, const struct policy_call *c, size_t *rule)
{
	*rule = policy_denies(p, c);
	if (*rule != 0)
		return PERMIT_DENY;
	for (size_t i = 0; i < p->rules_count; i++) {
		if (p->rules[i].decision == PERMIT_DENY || !rule_fits(&p->rules[i], c))
			continue;
		*rule = i + 1;
		return p->rules[i].decision;
	}
	return c->effect == AGENT_READS ? PERMIT_ALLOW : PERMIT_ASK;
}
