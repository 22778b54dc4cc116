/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many processes of a server there are, and for how long: `scope`, `warm`, `max_instances`, `idle_stop`,
 * `max_lifetime` and `start_seconds` of an entry. What means nothing where the scope is `shared` is an error
 * there.
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/registry_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	IDLE_SECONDS_MAX = 30 * 24 * 3600,
	LIFETIME_SECONDS_MAX = 365 * 24 * 3600,
	START_SECONDS_MAX = 24 * 3600,
};

static enum err number_read(const struct registry_read *r, const struct conf_node *entry, const char *key,
			    int64_t min, int64_t max, int64_t *out, struct error *e)
{
	const struct conf_node *n = registry_member(entry, key);
	char *end = NULL;
	if (!n)
		return ERR_NONE;
	errno = 0;
	long long value = n->kind == CONF_SCALAR && !n->quoted ? strtoll(n->text, &end, 10) : -1;
	if (!end || end == n->text || *end || errno || value < min || value > max)
		return conf_error_at(&r->tree, n->place, e, "%s must be a whole number from %lld to %lld",
				     key, (long long)min, (long long)max);
	*out = value;
	return ERR_NONE;
}

static enum err scope_read(const struct registry_read *r, const struct conf_node *n, enum conf_scope *out,
			   struct error *e)
{
	static const char *const WORDS[] = {"shared", "task"}; /* in the order of the enum */
	if (!n)
		return ERR_NONE;
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
		*out = (enum conf_scope)i;
		if (!strcmp(text, WORDS[i]))
			return ERR_NONE;
	}
	conf_error_at(&r->tree, n->place, e, "unknown scope \"%.40s\"", text);
	conf_suggest(e, text, WORDS, COUNT_OF(WORDS));
	return ERR_CONFIG;
}

static enum err shared_check(const struct registry_read *r, const struct conf_node *entry,
			     const struct conf_tool_server *s, struct error *e)
{
	static const char *const OF_TASK[] = {"warm", "max_instances"};
	for (size_t i = 0; i < COUNT_OF(OF_TASK); i++) {
		const struct conf_node *n = registry_member(entry, OF_TASK[i]);
		if (n)
			return conf_error_at(&r->tree, n->key_place, e,
					     "%s is one process for all and takes no %s (scope: task does)",
					     s->id, n->key);
	}
	return ERR_NONE;
}

static enum err task_check(const struct registry_read *r, const struct conf_node *entry,
			   const struct conf_tool_server *s, struct error *e)
{
	const struct conf_node *warm = registry_member(entry, "warm");
	if (s->scope.warm > s->scope.max_instances)
		return conf_error_at(&r->tree, warm->place, e,
				     "warm must be at most max_instances, which is %lld",
				     (long long)s->scope.max_instances);
	return ERR_NONE;
}

enum err registry_scope_read(const struct registry_read *r, const struct conf_node *entry,
			     struct conf_tool_server *s, struct error *e)
{
	struct conf_scoping *o = &s->scope;
	enum err rc = scope_read(r, registry_member(entry, "scope"), &o->scope, e);
	if (rc)
		return rc;
	bool task = o->scope == CONF_SCOPE_TASK;
	o->max_instances = task ? CONF_SCOPE_INSTANCES : 1;
	o->idle_stop_seconds = task ? CONF_SCOPE_IDLE_SECONDS : 0;
	if (!task)
		rc = shared_check(r, entry, s, e);
	if (!rc)
		rc = number_read(r, entry, "max_instances", 1, CONF_SCOPE_INSTANCES_MAX, &o->max_instances,
				 e);
	if (!rc)
		rc = number_read(r, entry, "warm", 0, CONF_SCOPE_INSTANCES_MAX, &o->warm, e);
	if (!rc)
		rc = number_read(r, entry, "idle_stop", 0, IDLE_SECONDS_MAX, &o->idle_stop_seconds, e);
	if (!rc)
		rc = number_read(r, entry, "max_lifetime", 0, LIFETIME_SECONDS_MAX, &o->lifetime_seconds, e);
	if (!rc)
		rc = number_read(r, entry, "start_seconds", 1, START_SECONDS_MAX, &o->start_seconds, e);
	return rc || !task ? rc : task_check(r, entry, s, e);
}
