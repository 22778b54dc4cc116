/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of tool servers, in either of two forms: our own `tool_registry` list, and the `mcpServers`
 * object of desktop MCP hosts (JSON, which is YAML as well). Finds the file, checks every entry and turns it
 * into plain structs. Starts nothing and does not look whether a command exists: a broken server is a matter
 * of its own at run time.
 *
 * A host's file may hold other things beside `mcpServers`; they are that program's and are left alone.
 * Everything within an entry must be known here: an option that is silently ignored is a server that runs
 * otherwise than its owner thinks. A disabled entry is checked too, but may use variables that are not set.
 *
 * Any text of an entry may be a credential: all are wiped when the registry is freed.
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/registry_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char FILE_NAME[] = "tool_registry.yaml";

static const char *const ENTRY_KEYS[] = {
	"id",           "enabled",       "type",  "config",   "trust_annotations", "untrusted",
	"tools",        "sandbox",       "scope", "warm",     "max_instances",     "idle_stop",
	"max_lifetime", "start_seconds", "roots", "sampling", "log_level"};
static const char *const CONFIG_KEYS[] = {"command", "args", "env",   "cwd",     "url", "auth",
					  "headers", "tls",  "proxy", "timeout", "era", "allow_http"};
static const char *const HOST_KEYS[] = {
	"command",       "args",       "env",          "cwd",           "url",
	"auth",          "headers",    "tls",          "proxy",         "timeout",
	"era",           "allow_http", "type",         "disabled",      "trust_annotations",
	"untrusted",     "tools",      "sandbox",      "scope",         "warm",
	"max_instances", "idle_stop",  "max_lifetime", "start_seconds", "roots",
	"sampling",      "log_level"};

/* --- small checks on nodes --- */

enum err registry_keys_check(const struct registry_read *r, const struct conf_node *map, const char *what,
			     const char *const *keys, size_t count, struct error *e)
{
	if (map->kind != CONF_MAP)
		return conf_error_at(&r->tree, map->place, e, "%s must be a map, is %s", what,
				     conf_node_kind_name(map));
	for (const struct conf_node *n = map->first; n; n = n->next) {
		bool known = false;
		for (size_t i = 0; i < count && !known; i++)
			known = !strcmp(n->key, keys[i]);
		if (known)
			continue;
		conf_error_at(&r->tree, n->key_place, e, "%s has no option %.60s", what, n->key);
		conf_suggest(e, n->key, keys, count);
		return ERR_CONFIG;
	}
	return ERR_NONE;
}

const struct conf_node *registry_member(const struct conf_node *map, const char *key)
{
	const struct conf_node *n = map ? conf_node_find(map, key) : NULL;
	return n && !conf_node_is_null(n) ? n : NULL;
}

enum err registry_bool(const struct registry_read *r, const struct conf_node *n, bool *out, struct error *e)
{
	bool yes = n->kind == CONF_SCALAR && !n->quoted && !strcasecmp(n->text, "true");
	bool no = n->kind == CONF_SCALAR && !n->quoted && !strcasecmp(n->text, "false");
	if (!yes && !no)
		return conf_error_at(&r->tree, n->place, e, "%s must be true or false", n->key);
	*out = yes;
	return ERR_NONE;
}

static bool is_id(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n && !s[n] && n <= CONF_TOOL_ID_MAX;
}

static enum err id_check(const struct registry_read *r, const char *id, struct conf_place at, struct error *e)
{
	if (!is_id(id))
		return conf_error_at(
			&r->tree, at, e,
			"a server's name must be 1 to %d letters, digits, '_' or '-', is \"%.60s\"",
			CONF_TOOL_ID_MAX, id);
	for (size_t i = 0; i < r->out->servers_count; i++)
		if (!strcmp(r->out->servers[i].id, id))
			return conf_error_at(&r->tree, at, e, "there is already a server named %s", id);
	return ERR_NONE;
}

/* --- one server --- */

static enum err args_read(struct registry_read *r, const struct conf_node *n, struct conf_tool_server *s,
			  struct error *e)
{
	size_t count = 0;
	for (const struct conf_node *a = n ? n->first : NULL; a; a = a->next)
		count++;
	const char **args = xcalloc(count + 1, sizeof(*args));
	s->args = args;
	if (n && n->kind != CONF_LIST)
		return conf_error_at(&r->tree, n->place, e, "args must be a list, is %s",
				     conf_node_kind_name(n));
	for (const struct conf_node *a = n ? n->first : NULL; a; a = a->next) {
		enum err rc = registry_text(r, a, s, args++, e);
		if (rc)
			return rc;
	}
	return ERR_NONE;
}

static enum err env_read(struct registry_read *r, const struct conf_node *n, struct conf_tool_server *s,
			 struct error *e)
{
	if (!n)
		return ERR_NONE;
	if (n->kind != CONF_MAP)
		return conf_error_at(&r->tree, n->place, e, "env must be a map of variables, is %s",
				     conf_node_kind_name(n));
	size_t count = 0;
	for (const struct conf_node *v = n->first; v; v = v->next)
		count++;
	struct conf_env_pair *pairs = xcalloc(count + 1, sizeof(*pairs));
	s->env = pairs;
	for (const struct conf_node *v = n->first; v; v = v->next) {
		if (!*v->key || strchr(v->key, '='))
			return conf_error_at(&r->tree, v->key_place, e, "\"%.60s\" cannot name a variable",
					     v->key);
		pairs[s->env_count].name = registry_keep(r, slice_str(v->key));
		enum err rc = registry_text(r, v, s, &pairs[s->env_count].value, e);
		if (rc)
			return rc;
		s->env_count++;
	}
	return ERR_NONE;
}

static enum err optional_text(struct registry_read *r, const struct conf_node *map, const char *key,
			      const struct conf_tool_server *s, const char **out, struct error *e)
{
	const struct conf_node *n = registry_member(map, key);
	return n ? registry_text(r, n, s, out, e) : ERR_NONE;
}

static enum err type_read(const struct registry_read *r, const struct conf_node *n, bool has_url,
			  enum conf_tool_type *out, struct error *e)
{
	static const struct {
		const char *name;
		enum conf_tool_type type;
	} TYPES[] = {
		{"local_stdio", CONF_TOOL_STDIO},    {"stdio", CONF_TOOL_STDIO},
		{"remote_http", CONF_TOOL_HTTP},     {"http", CONF_TOOL_HTTP},
		{"streamable-http", CONF_TOOL_HTTP},
	};
	static const char *const NAMES[] = {"local_stdio", "remote_http"};
	*out = has_url ? CONF_TOOL_HTTP : CONF_TOOL_STDIO;
	if (!n)
		return ERR_NONE;
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (size_t i = 0; i < COUNT_OF(TYPES); i++) {
		*out = TYPES[i].type;
		if (!strcmp(text, TYPES[i].name))
			return ERR_NONE;
	}
	conf_error_at(&r->tree, n->place, e, "unknown type \"%.40s\"", text);
	conf_suggest(e, text, NAMES, COUNT_OF(NAMES));
	return ERR_CONFIG;
}

/* What belongs to the one type and not to the other. */
static enum err type_check(const struct registry_read *r, const struct conf_node *entry,
			   const struct conf_node *config, const struct conf_tool_server *s, struct error *e)
{
	static const char *const OF_STDIO[] = {"command", "args", "env", "cwd"};
	const struct conf_node *url = registry_member(config, "url");
	if (s->type == CONF_TOOL_STDIO) {
		if (url)
			return conf_error_at(&r->tree, url->key_place, e,
					     "%s runs a command and takes no url", s->id);
		if (!s->command || !*s->command)
			return conf_error_at(&r->tree, entry->place, e, "%s needs a command", s->id);
		return ERR_NONE;
	}
	for (size_t i = 0; i < COUNT_OF(OF_STDIO); i++) {
		const struct conf_node *n = registry_member(config, OF_STDIO[i]);
		if (n)
			return conf_error_at(&r->tree, n->key_place, e,
					     "%s is reached by its url and takes no %s", s->id, n->key);
	}
	if (!s->url)
		return conf_error_at(&r->tree, entry->place, e, "%s needs a url", s->id);
	if (s->enabled && strncmp(s->url, "http://", 7) && strncmp(s->url, "https://", 8))
		return conf_error_at(&r->tree, url->place, e, "the url must start with http:// or https://");
	return ERR_NONE;
}

/* The common part; id and enabled are set. `entry` is for messages about the whole. */
static enum err server_read(struct registry_read *r, const struct conf_node *entry,
			    const struct conf_node *type, const struct conf_node *config,
			    struct conf_tool_server *s, struct error *e)
{
	enum err rc = type_read(
		r, type, registry_member(config, "url") && !registry_member(config, "command"), &s->type, e);
	if (!rc)
		rc = optional_text(r, config, "command", s, &s->command, e);
	if (!rc)
		rc = optional_text(r, config, "cwd", s, &s->cwd, e);
	if (!rc)
		rc = optional_text(r, config, "url", s, &s->url, e);
	if (!rc)
		rc = args_read(r, registry_member(config, "args"), s, e);
	if (!rc)
		rc = env_read(r, registry_member(config, "env"), s, e);
	if (!rc)
		rc = registry_auth_read(r, config, s, e);
	if (!rc)
		rc = registry_remote_read(r, config, s, e);
	if (!rc)
		rc = registry_effects_read(r, entry, s, e);
	if (!rc)
		rc = registry_sandbox_read(r, entry, s, e);
	if (!rc)
		rc = registry_scope_read(r, entry, s, e);
	if (!rc)
		rc = registry_offer_read(r, entry, s, e);
	return rc ? rc : type_check(r, entry, config, s, e);
}

/* Room for one more, counted at once so that whatever is read into it is freed with the rest. */
static enum err server_add(struct registry_read *r, const char *id, struct conf_place at,
			   struct conf_tool_server **out, struct error *e)
{
	struct conf_registry *reg = r->out;
	enum err rc = id_check(r, id, at, e);
	if (rc)
		return rc;
	if (reg->servers_count == CONF_TOOL_SERVERS_MAX)
		return conf_error_at(&r->tree, at, e, "more than %d servers", CONF_TOOL_SERVERS_MAX);
	reg->servers = xrealloc(reg->servers, (reg->servers_count + 1) * sizeof(*reg->servers));
	*out = &reg->servers[reg->servers_count++];
	**out = (struct conf_tool_server){.id = registry_keep(r, slice_str(id)), .enabled = true};
	registry_sandbox_default(&(*out)->sandbox);
	return ERR_NONE;
}

/* --- the two forms --- */

/* {id, enabled, type, config: {...}} */
static enum err entry_read(struct registry_read *r, const struct conf_node *entry, struct error *e)
{
	struct conf_tool_server *s;
	enum err rc = registry_keys_check(r, entry, "an entry of tool_registry", ENTRY_KEYS,
					  COUNT_OF(ENTRY_KEYS), e);
	if (rc)
		return rc;
	const struct conf_node *id = registry_member(entry, "id"), *config = registry_member(entry, "config");
	const struct conf_node *enabled = registry_member(entry, "enabled");
	if (!id || id->kind != CONF_SCALAR)
		return conf_error_at(&r->tree, entry->place, e, "an entry of tool_registry needs an id");
	rc = server_add(r, id->text, id->place, &s, e);
	if (rc)
		return rc;
	if (!config)
		return conf_error_at(&r->tree, entry->place, e, "%s needs a config with a command or a url",
				     s->id);
	rc = registry_keys_check(r, config, "config", CONFIG_KEYS, COUNT_OF(CONFIG_KEYS), e);
	if (!rc && enabled)
		rc = registry_bool(r, enabled, &s->enabled, e);
	return rc ? rc : server_read(r, entry, registry_member(entry, "type"), config, s, e);
}

/* "name": {command, args, env, ..., disabled} */
static enum err host_entry_read(struct registry_read *r, const struct conf_node *entry, struct error *e)
{
	struct conf_tool_server *s;
	enum err rc =
		registry_keys_check(r, entry, "an entry of mcpServers", HOST_KEYS, COUNT_OF(HOST_KEYS), e);
	if (!rc)
		rc = server_add(r, entry->key, entry->key_place, &s, e);
	if (rc)
		return rc;
	const struct conf_node *disabled = registry_member(entry, "disabled");
	bool off = false;
	if (disabled)
		rc = registry_bool(r, disabled, &off, e);
	s->enabled = !off;
	return rc ? rc : server_read(r, entry, registry_member(entry, "type"), entry, s, e);
}

static enum err root_read(struct registry_read *r, struct error *e)
{
	static const char *const ROOT_KEYS[] = {"tool_registry"};
	const struct conf_node *root = r->tree.root;
	if (!root)
		return ERR_NONE;
	bool is_host = root->kind == CONF_MAP && conf_node_find(root, "mcpServers");
	enum err rc = is_host ? ERR_NONE
			      : registry_keys_check(r, root, "a registry", ROOT_KEYS, COUNT_OF(ROOT_KEYS), e);
	if (rc)
		return rc;
	if (is_host && conf_node_find(root, "tool_registry"))
		return conf_error_at(&r->tree, root->place, e,
				     "there must be tool_registry or mcpServers, not both");
	const struct conf_node *list = registry_member(root, is_host ? "mcpServers" : "tool_registry");
	if (!list)
		return ERR_NONE;
	if (list->kind != (is_host ? CONF_MAP : CONF_LIST))
		return conf_error_at(&r->tree, list->place, e, "%s must be %s of servers, is %s", list->key,
				     is_host ? "a map" : "a list", conf_node_kind_name(list));
	for (const struct conf_node *n = list->first; n && !rc; n = n->next) {
		registry_note_begin(r, n);
		rc = is_host ? host_entry_read(r, n, e) : entry_read(r, n, e);
		if (!rc)
			registry_note_end(r, &r->out->servers[r->out->servers_count - 1]);
	}
	return rc;
}

/* --- finding and loading --- */

/* The registry's path; NULL when there is none. The caller frees it. */
static char *path_find(const struct conf *c)
{
	const char *named = c->tools.registry, *slash = c->path ? strrchr(c->path, '/') : NULL;
	int folder = slash ? (int)(slash - c->path + 1) : 0;
	if (*named == '/')
		return xstrdup(named);
	char *path = xasprintf("%.*s%s", folder, folder ? c->path : "", *named ? named : FILE_NAME);
	if (!*named && (!c->path || access(path, F_OK))) {
		free(path);
		return NULL;
	}
	return path;
}

enum err conf_registry_load(const struct conf *c, conf_env_fn *env, void *env_arg, struct conf_registry **out,
			    struct error *e)
{
	struct registry_read r = {.env = env, .env_arg = env_arg, .out = registry_new()};
	char *path = path_find(c);
	enum err rc = ERR_NONE;
	if (!path)
		goto out;
	rc = conf_tree_read(path, &r.tree, e);
	if (!rc)
		rc = registry_folder(&r, path, e);
	if (!rc)
		rc = root_read(&r, e);
	r.out->path = registry_keep(&r, slice_str(path));
	conf_tree_release(&r.tree);
	free(r.folder);
out:
	free(path);
	if (rc)
		conf_registry_free(r.out);
	else
		*out = r.out;
	return rc;
}
