/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading: which file, then file over defaults, environment over file, --set over all, then what one option
 * says about another. Also printing the result and letting it go. What an option may be is options.c's
 * matter, what YAML means tree.c's. On failure nothing is left behind and the caller's pointer is untouched.
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/conf_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char FILE_HERE[] = "config.yaml";
static const char FILE_SYSTEM[] = "/etc/agent-runtime/config.yaml";

/* Environment variables that stand for an option. */
static const struct {
	const char *variable, *section, *name;
} VARIABLES[] = {
	{"OPENAI_API_KEY", "openai", "api_key"},
	{"OPENAI_BASE_URL", "openai", "base_url"},
	{"LOG_LEVEL", "log", "level"},
};

const char *conf_env_process(const char *name, void *arg)
{
	(void)arg;
	return getenv(name);
}

/* An empty variable counts as not set: `OPENAI_API_KEY= agent-runtime` is how shells unset for one command.
 */
static const char *env_get(conf_env_fn *env, void *env_arg, const char *name)
{
	const char *v = env(name, env_arg);
	return v && *v ? v : NULL;
}

static const char *file_find(conf_env_fn *env, void *env_arg)
{
	const char *named = env_get(env, env_arg, "AGENT_RUNTIME_CONFIG");
	if (named)
		return named;
	if (!access(FILE_HERE, F_OK))
		return FILE_HERE;
	return access(FILE_SYSTEM, F_OK) ? NULL : FILE_SYSTEM;
}

static enum err member_apply(struct conf *c, const struct conf_tree *t, const char *section,
			     const struct conf_node *n, struct error *e)
{
	const struct conf_option *o = conf_option_find(section, strlen(section), n->key);
	if (!o) {
		conf_error_at(t, n->key_place, e, "unknown option %s.%.60s", section, n->key);
		conf_suggest_option(e, section, n->key);
		return ERR_CONFIG;
	}
	if (n->kind != CONF_SCALAR)
		return conf_error_at(t, n->place, e, "%s.%s must be one value, is %s", section, n->key,
				     conf_node_kind_name(n));
	/* "api_key:" with nothing behind it leaves the default. */
	if (conf_node_is_null(n))
		return ERR_NONE;
	if (conf_option_assign(c, o, n->text, n->quoted, e))
		return err_prefix(e, "%s:%d:%d: %s.%s", t->file, n->place.line, n->place.column, section,
				  n->key);
	return ERR_NONE;
}

/* Read by providers.c, and no options of the table. */
static bool is_of_providers(const struct conf_node *section, const struct conf_node *n)
{
	return !strcmp(section->key, "llm") && (!strcmp(n->key, "providers") || !strcmp(n->key, "roles"));
}

static bool is_rules(const struct conf_node *section, const struct conf_node *n)
{
	return !strcmp(section->key, "agent") && !strcmp(n->key, "rules");
}

static enum err section_apply(struct conf *c, const struct conf_tree *t, const struct conf_node *section,
			      struct error *e)
{
	bool known = false;
	for (size_t i = 0; i < conf_options_count && !known; i++)
		known = !strcmp(conf_options[i].section, section->key);
	if (!known) {
		conf_error_at(t, section->key_place, e, "unknown section %.60s", section->key);
		conf_suggest_option(e, section->key, NULL);
		return ERR_CONFIG;
	}
	if (conf_node_is_null(section))
		return ERR_NONE;
	if (section->kind != CONF_MAP)
		return conf_error_at(t, section->place, e, "%s must be a map of options, is %s", section->key,
				     conf_node_kind_name(section));
	for (const struct conf_node *n = section->first; n; n = n->next) {
		enum err rc = is_of_providers(section, n) ? ERR_NONE
			      : is_rules(section, n)      ? conf_rules_read(c, t, n, e)
							  : member_apply(c, t, section->key, n, e);
		if (rc)
			return rc;
	}
	return ERR_NONE;
}

static enum err file_apply(struct conf *c, const char *path, conf_env_fn *env, void *env_arg, struct error *e)
{
	struct conf_tree t;
	enum err rc = conf_tree_read(path, &t, e);
	if (rc || !t.root)
		goto out;
	if (t.root->kind != CONF_MAP) {
		rc = conf_error_at(&t, t.root->place, e, "the file must be a map of sections, is %s",
				   conf_node_kind_name(t.root));
		goto out;
	}
	for (const struct conf_node *n = t.root->first; n && !rc; n = n->next)
		rc = section_apply(c, &t, n, e);
	const struct conf_node *llm = conf_node_find(t.root, "llm");
	if (!rc && llm && llm->kind == CONF_MAP)
		rc = conf_providers_read(c, &t, llm, env, env_arg, e);
out:
	conf_tree_release(&t);
	return rc;
}

static enum err env_apply(struct conf *c, conf_env_fn *env, void *env_arg, struct error *e)
{
	for (size_t i = 0; i < COUNT_OF(VARIABLES); i++) {
		const char *v = env_get(env, env_arg, VARIABLES[i].variable);
		if (!v)
			continue;
		const struct conf_option *o = conf_option_find(
			VARIABLES[i].section, strlen(VARIABLES[i].section), VARIABLES[i].name);
		ensure(o);
		/* LOG_LEVEL is shared with other programs, some of which say "warning". */
		if (o->offset == offsetof(struct conf, log.level) && log_level_parse(v, &c->log.level))
			continue;
		if (conf_option_assign(c, o, v, false, e))
			return err_prefix(e, "environment variable %s", VARIABLES[i].variable);
	}
	return ERR_NONE;
}

/* "section.name=value" */
static enum err set_apply(struct conf *c, const char *set, struct error *e)
{
	const char *eq = strchr(set, '='), *dot = strchr(set, '.');
	if (!eq || !dot || dot > eq)
		return err_set(e, ERR_CONFIG,
			       "--set %.*s: must look like section.name=value, as server.port=8080",
			       (int)(eq ? eq - set : 60), set);
	char *section = xstrndup(set, (size_t)(dot - set));
	char *name = xstrndup(dot + 1, (size_t)(eq - dot - 1));
	const struct conf_option *o = conf_option_find(section, strlen(section), name);
	enum err rc = ERR_NONE;
	if (!o) {
		bool section_known = false;
		for (size_t i = 0; i < conf_options_count; i++)
			section_known |= !strcmp(conf_options[i].section, section);
		rc = err_set(e, ERR_CONFIG, "--set: unknown option %.60s.%.60s", section, name);
		conf_suggest_option(e, section, section_known ? name : NULL);
	} else if (conf_option_assign(c, o, eq + 1, false, e)) {
		rc = err_prefix(e, "--set %s.%s", section, name);
	}
	free(section);
	free(name);
	return rc;
}

/* What one option says about another. */
static enum err conf_settle(struct conf *c, struct error *e)
{
	if (c->tools.restart_ms_min > c->tools.restart_ms_max)
		return err_set(e, ERR_CONFIG,
			       "tools.restart_ms_min (%lld) must not be above tools.restart_ms_max (%lld)",
			       (long long)c->tools.restart_ms_min, (long long)c->tools.restart_ms_max);
	const struct conf_option *url = conf_option_find("openai", 6, "base_url");
	bool elsewhere = strcmp(c->openai.base_url, url->def_text) != 0;
	if (c->llm.api == CONF_LLM_AUTO)
		c->llm.api = *c->openai.api_key || elsewhere || c->providers.keyless ? CONF_LLM_CHAT
										     : CONF_LLM_OFFLINE;
	if (c->llm.api == CONF_LLM_MESSAGES && !elsewhere) {
		enum err rc = conf_option_assign(c, url, "https://api.anthropic.com", false, e);
		if (rc)
			return rc;
	}
	return conf_providers_settle(c, e);
}

static enum err load(const char *path, const char *const *sets, size_t sets_count, conf_env_fn *env,
		     void *env_arg, bool keyless, struct conf **out, struct error *e)
{
	struct error local = {0};
	if (!e)
		e = &local;
	struct conf *c = xcalloc(1, sizeof(*c));
	c->providers.keyless = keyless;
	for (size_t i = 0; i < conf_options_count; i++)
		conf_option_default(c, &conf_options[i]);
	if (!path)
		path = file_find(env, env_arg);
	enum err rc = path ? file_apply(c, path, env, env_arg, e) : ERR_NONE;
	if (!rc)
		rc = env_apply(c, env, env_arg, e);
	for (size_t i = 0; i < sets_count && !rc; i++)
		rc = set_apply(c, sets[i], e);
	if (!rc)
		rc = conf_settle(c, e);
	if (!rc && keyless)
		conf_forget_secrets(c);
	if (rc) {
		conf_free(c);
		return rc;
	}
	c->path = xstrdup(path);
	*out = c;
	return ERR_NONE;
}

enum err conf_load(const char *path, const char *const *sets, size_t sets_count, conf_env_fn *env,
		   void *env_arg, struct conf **out, struct error *e)
{
	return load(path, sets, sets_count, env, env_arg, false, out, e);
}

enum err conf_load_keyless(const char *path, const char *const *sets, size_t sets_count, conf_env_fn *env,
			   void *env_arg, struct conf **out, struct error *e)
{
	return load(path, sets, sets_count, env, env_arg, true, out, e);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < conf_options_count; i++)
		conf_option_release(c, &conf_options[i]);
	conf_providers_release(c);
	conf_rules_release(c);
	free((char *)(uintptr_t)c->path);
	free(c);
}

void conf_forget_secrets(struct conf *c)
{
	for (size_t i = 0; i < conf_options_count; i++)
		if (conf_options[i].kind == OPTION_SECRET)
			conf_option_default(c, &conf_options[i]);
	conf_providers_forget(c);
}

static void value_print(const struct conf *c, const struct conf_option *o, struct buf *out)
{
	struct jw w = JW(out); /* a JSON string is a YAML double-quoted one */
	switch (o->kind) {
	case OPTION_SECRET: jw_text(&w, *conf_option_text(c, o) ? "***" : ""); return;
	case OPTION_TEXT:
	case OPTION_URL: jw_text(&w, conf_option_text(c, o)); return;
	case OPTION_ENUM: buf_add_slice(out, conf_word(o->words, conf_option_number(c, o))); return;
	case OPTION_AUTO:
		if (!conf_option_number(c, o)) {
			buf_add_str(out, "auto");
			return;
		}
		break;
	case OPTION_MONEY: conf_decimal_print(conf_option_number(c, o), CONF_MONEY_DECIMALS, out); return;
	case OPTION_INT: break;
	}
	buf_add_i64(out, conf_option_number(c, o));
}

void conf_print_effective(const struct conf *c, struct buf *out)
{
	const char *section = "";
	for (size_t i = 0; i < conf_options_count; i++) {
		const struct conf_option *o = &conf_options[i];
		if (strcmp(section, o->section))
			buf_printf(out, "%s:\n", o->section);
		section = o->section;
		buf_printf(out, "  %s: ", o->name);
		value_print(c, o, out);
		buf_add_char(out, '\n');
		bool last = i + 1 == conf_options_count || strcmp(section, conf_options[i + 1].section) != 0;
		if (last && !strcmp(section, "llm") && c->providers.listed)
			conf_providers_print(c, out);
		if (last && !strcmp(section, "agent"))
			conf_rules_print(c, out);
	}
}
