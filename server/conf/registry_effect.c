/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator says of a server's tools: whether its annotations are believed (`trust_annotations`), and
 * whether strangers may have written what its tools return (`untrusted`), and the effect of single tools by
 * hand (`tools: {write_file: {effect: idempotent}}`). Whether the server offers such a tool is not known
 * here; the supervisor says so once it is.
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/registry_int.h"

#include <stdlib.h>
#include <string.h>

static enum err effect_read(const struct registry_read *r, const struct conf_node *tool,
			    enum conf_effect *out, struct error *e)
{
	static const char *const KEYS[] = {"effect"};
	static const char *const WORDS[] = {"write", "idempotent", "read"}; /* in the order of the enum */
	enum err rc = registry_keys_check(r, tool, "an entry of tools", KEYS, COUNT_OF(KEYS), e);
	if (rc)
		return rc;
	const struct conf_node *n = registry_member(tool, "effect");
	if (!n)
		return conf_error_at(&r->tree, tool->place, e, "%.60s needs an effect", tool->key);
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
		*out = (enum conf_effect)i;
		if (!strcmp(text, WORDS[i]))
			return ERR_NONE;
	}
	conf_error_at(&r->tree, n->place, e, "unknown effect \"%.40s\"", text);
	conf_suggest(e, text, WORDS, COUNT_OF(WORDS));
	return ERR_CONFIG;
}

enum err registry_effects_read(struct registry_read *r, const struct conf_node *entry,
			       struct conf_tool_server *s, struct error *e)
{
	const struct conf_node *trust = registry_member(entry, "trust_annotations"),
			       *untrusted = registry_member(entry, "untrusted"),
			       *tools = registry_member(entry, "tools");
	bool all = false, strangers = false;
	size_t count = 0;
	if (trust && registry_bool(r, trust, &all, e) != ERR_NONE)
		return ERR_CONFIG;
	if (trust)
		s->trust = all ? CONF_TRUST_ALL : CONF_TRUST_NONE;
	if (untrusted && registry_bool(r, untrusted, &strangers, e) != ERR_NONE)
		return ERR_CONFIG;
	if (untrusted)
		s->output = strangers ? CONF_OUTPUT_UNTRUSTED : CONF_OUTPUT_TRUSTED;
	if (!tools)
		return ERR_NONE;
	if (tools->kind != CONF_MAP)
		return conf_error_at(&r->tree, tools->place, e, "tools must be a map of tools, is %s",
				     conf_node_kind_name(tools));
	for (const struct conf_node *n = tools->first; n; n = n->next)
		count++;
	if (count > CONF_TOOL_EFFECTS_MAX)
		return conf_error_at(&r->tree, tools->place, e, "more than %d tools", CONF_TOOL_EFFECTS_MAX);
	struct conf_tool_effect *effects = xcalloc(count + 1, sizeof(*effects));
	s->effects = effects;
	for (const struct conf_node *n = tools->first; n; n = n->next, s->effects_count++) {
		enum err rc = effect_read(r, n, &effects[s->effects_count].effect, e);
		if (rc)
			return rc;
		effects[s->effects_count].tool = registry_keep(r, slice_str(n->key));
	}
	return ERR_NONE;
}
