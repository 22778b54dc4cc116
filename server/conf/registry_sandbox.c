/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sandbox` of a local server: `off`, or a map that widens or narrows what the server may touch and use.
 * Without it the defaults hold. Only the form is checked here: whether a path exists is known when the server
 * starts, and whether the kernel can hold it to all of this, too.
 *
 * Paths must be absolute, since nobody could say from where else; ${NAME} is replaced in them.
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/registry_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const KEYS[] = {"read",  "write",     "network", "cpu",       "memory",
				   "files", "processes", "require", "file_size", "log_files"};

/* --- words and numbers --- */

static enum err network_read(const struct registry_read *r, const struct conf_node *n, enum conf_network *out,
			     struct error *e)
{
	static const char *const WORDS[] = {"none", "loopback", "all"}; /* in the order of the enum */
	if (!n)
		return ERR_NONE;
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
		*out = (enum conf_network)i;
		if (!strcmp(text, WORDS[i]))
			return ERR_NONE;
	}
	conf_error_at(&r->tree, n->place, e, "unknown network \"%.40s\"", text);
	conf_suggest(e, text, WORDS, COUNT_OF(WORDS));
	return ERR_CONFIG;
}

static enum err limit_read(const struct registry_read *r, const struct conf_node *n, int64_t max,
			   int64_t *out, struct error *e)
{
	char *end = NULL;
	if (!n)
		return ERR_NONE;
	errno = 0;
	long long value = n->kind == CONF_SCALAR && !n->quoted ? strtoll(n->text, &end, 10) : -1;
	if (!end || end == n->text || *end || errno || value < 0 || value > max)
		return conf_error_at(&r->tree, n->place, e,
				     "%s must be a whole number from 0 (no limit) to %lld", n->key,
				     (long long)max);
	*out = value;
	return ERR_NONE;
}

/* --- the whole --- */

static bool is_off(const struct conf_node *n)
{
	return n->kind == CONF_SCALAR && (!strcmp(n->text, "off") || !strcmp(n->text, "false"));
}

static enum err limits_read(const struct registry_read *r, const struct conf_node *n, struct conf_sandbox *s,
			    struct error *e)
{
	const struct {
		const char *key;
		int64_t max, *value;
	} limits[] = {
		{"cpu", 1000000000, &s->cpu_seconds},      {"memory", 1 << 24, &s->memory_mib},
		{"processes", 1 << 22, &s->processes},     {"files", 1 << 20, &s->files},
		{"file_size", 1 << 30, &s->file_size_mib},
	};
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		enum err rc =
			limit_read(r, registry_member(n, limits[i].key), limits[i].max, limits[i].value, e);
		if (rc)
			return rc;
	}
	return ERR_NONE;
}

void registry_sandbox_default(struct conf_sandbox *s)
{
	*s = (struct conf_sandbox){.log_files = true,
				   .network = CONF_NETWORK_NONE,
				   .memory_mib = CONF_SANDBOX_MEMORY_MIB,
				   .processes = CONF_SANDBOX_PROCESSES,
				   .files = CONF_SANDBOX_FILES,
				   .file_size_mib = CONF_SANDBOX_FILE_SIZE_MIB};
}

enum err registry_sandbox_read(struct registry_read *r, const struct conf_node *entry,
			       struct conf_tool_server *s, struct error *e)
{
	const struct conf_node *n = registry_member(entry, "sandbox");
	struct conf_sandbox *box = &s->sandbox;
	if (!n)
		return ERR_NONE;
	if (s->type != CONF_TOOL_STDIO)
		return conf_error_at(&r->tree, n->key_place, e,
				     "%s is reached by its url and takes no sandbox: it does not run here",
				     s->id);
	box->off = is_off(n);
	if (box->off || (n->kind == CONF_SCALAR && !strcmp(n->text, "on")))
		return ERR_NONE;
	if (n->kind != CONF_MAP)
		return conf_error_at(&r->tree, n->place, e, "sandbox must be a map, on or off, is %s",
				     n->kind == CONF_SCALAR ? "other text" : conf_node_kind_name(n));
	enum err rc = registry_keys_check(r, n, "sandbox", KEYS, COUNT_OF(KEYS), e);
	if (!rc)
		rc = registry_paths(r, registry_member(n, "read"), s, "sandbox", CONF_SANDBOX_PATHS_MAX,
				    &box->read, e);
	if (!rc)
		rc = registry_paths(r, registry_member(n, "write"), s, "sandbox", CONF_SANDBOX_PATHS_MAX,
				    &box->write, e);
	if (!rc)
		rc = network_read(r, registry_member(n, "network"), &box->network, e);
	if (!rc)
		rc = limits_read(r, n, box, e);
	if (!rc && registry_member(n, "require"))
		rc = registry_bool(r, registry_member(n, "require"), &box->require, e);
	if (!rc && registry_member(n, "log_files"))
		rc = registry_bool(r, registry_member(n, "log_files"), &box->log_files, e);
	return rc;
}
