/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server may have of us beside its calls: `roots` (folders it is told of), `sampling` (whether it may
 * ask the task's model something), `log_level` (from which level on it is to log).
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/registry_int.h"

#include <string.h>

static enum err word_read(const struct registry_read *r, const struct conf_node *n, const char *const *words,
			  size_t count, size_t *out, struct error *e)
{
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (*out = 0; *out < count; (*out)++) {
		if (!strcmp(text, words[*out]))
			return ERR_NONE;
	}
	conf_error_at(&r->tree, n->place, e, "unknown %s \"%.40s\"", n->key, text);
	conf_suggest(e, text, words, count);
	return ERR_CONFIG;
}

enum err registry_offer_read(struct registry_read *r, const struct conf_node *entry,
			     struct conf_tool_server *s, struct error *e)
{
	static const char *const SAMPLING[] = {"off", "ask", "on"}; /* in the order of the enum */
	static const char *const LEVELS[] = {"debug", "info",     "notice", "warning",
					     "error", "critical", "alert",  "emergency"};
	const struct conf_node *roots = registry_member(entry, "roots"),
			       *sampling = registry_member(entry, "sampling"),
			       *level = registry_member(entry, "log_level");
	size_t word = 0;
	enum err rc = registry_paths(r, roots, s, "roots", CONF_ROOTS_MAX, &s->roots, e);
	if (!rc && sampling)
		rc = word_read(r, sampling, SAMPLING, COUNT_OF(SAMPLING), &word, e);
	if (!rc && sampling)
		s->sampling = (enum conf_sampling)word;
	s->log_level = "warning";
	if (!rc && level)
		rc = word_read(r, level, LEVELS, COUNT_OF(LEVELS), &word, e);
	if (!rc && level)
		s->log_level = LEVELS[word];
	return rc;
}
