/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.rules: what the operator says of tool calls, as a list in the section `agent` of the configuration
 * file: rules:
 *     - {server: filesystem, tool: "write_*", arguments: {path: "/srv/out*"}, decision: allow}
 *     - {effect: [idempotent, write], decision: ask}
 * Each names what it is about and one decision. Which rule wins is the agent's to know.
 */
#include "base/base.h"
#include "conf/conf_int.h"

#include <stdlib.h>
#include <string.h>

static const char *const KEYS[] = {"server", "tool", "effect", "arguments", "decision"};
static const char *const EFFECTS[] = {"read", "idempotent", "write"};
static const char *const DECISIONS[] = {"allow", "ask", "deny"}; /* in the order of the enum */

static enum err word_read(const struct conf_tree *t, const struct conf_node *n, const char *what,
			  const char *const *words, size_t count, size_t *out, struct error *e)
{
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (*out = 0; *out < count; ++*out)
		if (!strcmp(words[*out], text))
			return ERR_NONE;
	conf_error_at(t, n->place, e, "unknown %s \"%.40s\"", what, text);
	conf_suggest(e, text, words, count);
	return ERR_CONFIG;
}

static enum err pattern_read(const struct conf_tree *t, const struct conf_node *n, char **out,
			     struct error *e)
{
	if (n->kind != CONF_SCALAR || !*n->text)
		return conf_error_at(t, n->place, e, "%.60s must be a pattern, is %s", n->key,
				     conf_node_kind_name(n));
	*out = xstrdup(n->text);
	return ERR_NONE;
}

static enum err effects_read(const struct conf_tree *t, const struct conf_node *n, unsigned *out,
			     struct error *e)
{
	bool list = n->kind == CONF_LIST;
	for (const struct conf_node *w = list ? n->first : n; w; w = list ? w->next : NULL) {
		size_t i;
		enum err rc = word_read(t, w, "effect", EFFECTS, COUNT_OF(EFFECTS), &i, e);
		if (rc)
			return rc;
		*out |= 1u << i;
	}
	return *out ? ERR_NONE : conf_error_at(t, n->place, e, "effect names none");
}

static enum err arguments_read(const struct conf_tree *t, const struct conf_node *n, struct conf_rule *r,
			       struct error *e)
{
	if (n->kind != CONF_MAP)
		return conf_error_at(t, n->place, e, "arguments must be a map of patterns, is %s",
				     conf_node_kind_name(n));
	for (const struct conf_node *m = n->first; m; m = m->next) {
		if (r->arguments_count == CONF_RULE_ARGUMENTS_MAX)
			return conf_error_at(t, m->place, e, "more than %d arguments",
					     CONF_RULE_ARGUMENTS_MAX);
		struct conf_rule_argument *a = &r->arguments[r->arguments_count];
		enum err rc = pattern_read(t, m, &a->pattern, e);
		if (rc)
			return rc;
		a->name = xstrdup(m->key);
		r->arguments_count++;
	}
	return ERR_NONE;
}

static enum err member_read(const struct conf_tree *t, const struct conf_node *m, struct conf_rule *r,
			    bool *decided, struct error *e)
{
	size_t i;
	if (!strcmp(m->key, "server"))
		return pattern_read(t, m, &r->server, e);
	if (!strcmp(m->key, "tool"))
		return pattern_read(t, m, &r->tool, e);
	if (!strcmp(m->key, "effect"))
		return effects_read(t, m, &r->effects, e);
	if (!strcmp(m->key, "arguments"))
		return arguments_read(t, m, r, e);
	if (!strcmp(m->key, "decision")) {
		enum err rc = word_read(t, m, "decision", DECISIONS, COUNT_OF(DECISIONS), &i, e);
		r->decision = (enum conf_decision)i;
		*decided = true;
		return rc;
	}
	conf_error_at(t, m->key_place, e, "a rule has no option %.60s", m->key);
	conf_suggest(e, m->key, KEYS, COUNT_OF(KEYS));
	return ERR_CONFIG;
}

static enum err rule_read(const struct conf_tree *t, const struct conf_node *n, struct conf_rule *r,
			  struct error *e)
{
	bool decided = false;
	if (n->kind != CONF_MAP)
		return conf_error_at(t, n->place, e, "a rule must be a map, is %s", conf_node_kind_name(n));
	for (const struct conf_node *m = n->first; m; m = m->next) {
		enum err rc = member_read(t, m, r, &decided, e);
		if (rc)
			return rc;
	}
	return decided ? ERR_NONE
		       : conf_error_at(t, n->place, e, "the rule needs a decision: allow, ask or deny");
}

enum err conf_rules_read(struct conf *c, const struct conf_tree *t, const struct conf_node *rules,
			 struct error *e)
{
	size_t count = 0;
	if (conf_node_is_null(rules))
		return ERR_NONE;
	if (rules->kind != CONF_LIST)
		return conf_error_at(t, rules->place, e, "agent.rules must be a list of rules, is %s",
				     conf_node_kind_name(rules));
	for (const struct conf_node *n = rules->first; n; n = n->next)
		count++;
	if (count > CONF_RULES_MAX)
		return conf_error_at(t, rules->place, e, "more than %d rules", CONF_RULES_MAX);
	c->rules.list = xcalloc(count + 1, sizeof(*c->rules.list));
	for (const struct conf_node *n = rules->first; n; n = n->next) {
		enum err rc = rule_read(t, n, &c->rules.list[c->rules.count++], e);
		if (rc)
			return rc;
	}
	return ERR_NONE;
}

void conf_rules_release(struct conf *c)
{
	for (size_t i = 0; i < c->rules.count; i++) {
		struct conf_rule *r = &c->rules.list[i];
		free(r->server);
		free(r->tool);
		for (size_t k = 0; k < r->arguments_count; k++) {
			free(r->arguments[k].name);
			free(r->arguments[k].pattern);
		}
	}
	free(c->rules.list);
	c->rules = (struct conf_rules){0};
}

static void pattern_print(struct jw *w, const char *name, const char *pattern)
{
	if (pattern)
		jw_kv_text(w, name, pattern);
}

void conf_rules_print(const struct conf *c, struct buf *out)
{
	if (!c->rules.count)
		return;
	buf_add_str(out, "  rules:\n");
	for (size_t i = 0; i < c->rules.count; i++) {
		const struct conf_rule *r = &c->rules.list[i];
		struct jw w = JW(out); /* a JSON object is a YAML map */
		buf_add_str(out, "    - ");
		jw_object(&w);
		pattern_print(&w, "server", r->server);
		pattern_print(&w, "tool", r->tool);
		if (r->effects) {
			jw_name(&w, "effect");
			jw_array(&w);
			for (size_t k = 0; k < COUNT_OF(EFFECTS); k++)
				if (r->effects & (1u << k))
					jw_text(&w, EFFECTS[k]);
			jw_array_end(&w);
		}
		if (r->arguments_count) {
			jw_name(&w, "arguments");
			jw_object(&w);
			for (size_t k = 0; k < r->arguments_count; k++) {
				jw_text(&w, r->arguments[k].name);
				buf_add_char(out, ':');
				w.comma = false;
				jw_text(&w, r->arguments[k].pattern);
			}
			jw_object_end(&w);
		}
		jw_kv_text(&w, "decision", DECISIONS[r->decision]);
		jw_object_end(&w);
		buf_add_char(out, '\n');
	}
}
