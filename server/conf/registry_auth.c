/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auth` of a remote server: how its requests are authorized. Secrets are written as ${NAME} or named by a
 * file; either way they are read here, once, before any process is forked, and are texts of the registry,
 * which are wiped with it. What does not go together is an error with its place: a secret that is silently
 * not used is a server that somebody believes protected.
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/registry_int.h"

#include <string.h>

enum { SECRET_BYTES_MAX = 64 << 10 };

struct auth_read {
	struct registry_read *registry;
	const struct conf_node *map;
	struct conf_tool_server *server;
	struct error *e;
};

static enum err type_read(const struct auth_read *a, enum conf_auth_type *out)
{
	/* In the order of the enum. */
	static const char *const WORDS[] = {"auto", "none", "bearer", "client_credentials",
					    "authorization_code"};
	const struct conf_node *n = registry_member(a->map, "type");
	if (!n)
		return ERR_NONE;
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
		*out = (enum conf_auth_type)i;
		if (!strcmp(text, WORDS[i]))
			return ERR_NONE;
	}
	conf_error_at(&a->registry->tree, n->place, a->e, "unknown auth.type \"%.40s\"", text);
	conf_suggest(a->e, text, WORDS, COUNT_OF(WORDS));
	return ERR_CONFIG;
}

static enum err text_read(const struct auth_read *a, const char *key, const char **out)
{
	const struct conf_node *n = registry_member(a->map, key);
	enum err rc = n ? registry_text(a->registry, n, a->server, out, a->e) : ERR_NONE;
	if (!rc && n && !**out)
		return conf_error_at(&a->registry->tree, n->place, a->e, "%s is empty", key);
	return rc;
}

/* The text of the file that `key` names, without white space at its end. */
static enum err file_text_read(const struct auth_read *a, const char *key, const char **out)
{
	const struct conf_node *n = registry_member(a->map, key);
	const char *path = NULL;
	struct error why;
	struct buf text = BUF_INIT;
	enum err rc = n ? registry_text(a->registry, n, a->server, &path, a->e) : ERR_NONE;
	if (rc || !n || !a->server->enabled)
		return rc;
	if (file_read(path, SECRET_BYTES_MAX, &text, &why) != ERR_NONE) {
		rc = conf_error_at(&a->registry->tree, n->place, a->e, "%s: %s", key, why.msg);
	} else {
		while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
			text.len--;
		*out = registry_keep(a->registry, buf_slice(&text));
		if (!text.len || strlen(*out) != text.len)
			rc = conf_error_at(&a->registry->tree, n->place, a->e, "%s: %s holds no text", key,
					   path);
	}
	if (text.data)
		explicit_bzero(text.data, text.cap);
	buf_release(&text);
	return rc;
}

/* By value or by file, not both. */
static enum err secret_read(const struct auth_read *a, const char *key, const char *file_key,
			    const char **out)
{
	const struct conf_node *value = registry_member(a->map, key),
			       *file = registry_member(a->map, file_key);
	if (value && file)
		return conf_error_at(&a->registry->tree, file->key_place, a->e,
				     "auth takes %s or %s, not both", key, file_key);
	return value ? text_read(a, key, out) : file_text_read(a, file_key, out);
}

/* A list of words, or one text with spaces. */
static enum err scopes_read(const struct auth_read *a, const char **out)
{
	const struct conf_node *n = registry_member(a->map, "scopes");
	struct buf words = BUF_INIT;
	const char *word;
	enum err rc = ERR_NONE;
	if (!n || n->kind != CONF_LIST)
		return text_read(a, "scopes", out);
	for (const struct conf_node *w = n->first; w && !rc; w = w->next) {
		rc = registry_text(a->registry, w, a->server, &word, a->e);
		if (!rc)
			buf_printf(&words, "%s%s", words.len ? " " : "", word);
	}
	if (!rc)
		*out = registry_keep(a->registry, buf_slice(&words));
	buf_release(&words);
	return rc;
}

static enum err bool_read(const struct auth_read *a, const char *key, bool *out)
{
	const struct conf_node *n = registry_member(a->map, key);
	return n ? registry_bool(a->registry, n, out, a->e) : ERR_NONE;
}

static enum err url_check(const struct auth_read *a, const char *key, const char *text, bool https)
{
	bool good = !text || !a->server->enabled || !strncmp(text, "https://", 8) ||
		    (!https && !strncmp(text, "http://", 7));
	if (good)
		return ERR_NONE;
	return conf_error_at(&a->registry->tree, registry_member(a->map, key)->place, a->e,
			     "%s must start with https://%s", key, https ? "" : " (or http://)");
}

static enum err needs(const struct auth_read *a, const char *type, bool has, const char *what)
{
	if (has)
		return ERR_NONE;
	return conf_error_at(&a->registry->tree, a->map->place, a->e, "auth.type %s needs %s", type, what);
}

/* What a type needs, and what does not go together. A disabled entry's files were not read. */
static enum err together_check(const struct auth_read *a, const struct conf_auth *auth)
{
	enum err rc = ERR_NONE;
	bool secret = auth->client_secret || auth->private_key;
	if (!a->server->enabled)
		return ERR_NONE;
	if (auth->type == CONF_AUTH_BEARER)
		rc = needs(a, "bearer", auth->token, "token or token_file");
	else if (auth->type == CONF_AUTH_CLIENT)
		rc = needs(a, "client_credentials", auth->client_id && secret,
			   "client_id, and client_secret, client_secret_file or private_key_file");
	else if (auth->token && auth->type != CONF_AUTH_AUTO)
		rc = conf_error_at(&a->registry->tree, a->map->place, a->e,
				   "auth.token is for type bearer only");
	if (!rc && secret && !auth->client_id)
		rc = conf_error_at(&a->registry->tree, a->map->place, a->e,
				   "auth names a secret or key, but no client_id that it belongs to");
	if (!rc && auth->client_secret && auth->private_key)
		rc = conf_error_at(&a->registry->tree, a->map->place, a->e,
				   "auth takes a client secret or a private key, not both");
	if (!rc && auth->key_alg && strcmp(auth->key_alg, "RS256") != 0 &&
	    strcmp(auth->key_alg, "ES256") != 0)
		rc = conf_error_at(&a->registry->tree, registry_member(a->map, "key_alg")->place, a->e,
				   "key_alg must be RS256 or ES256");
	return rc;
}

enum err registry_auth_read(struct registry_read *r, const struct conf_node *config,
			    struct conf_tool_server *s, struct error *e)
{
	static const char *const KEYS[] = {"type",
					   "token",
					   "token_file",
					   "client_id",
					   "client_secret",
					   "client_secret_file",
					   "key_alg",
					   "private_key_file",
					   "issuer",
					   "scopes",
					   "client_metadata_url",
					   "redirect_uri",
					   "allow_private"};
	struct auth_read a = {r, registry_member(config, "auth"), s, e};
	struct conf_auth *auth = &s->auth;
	if (!a.map)
		return ERR_NONE;
	if (s->type != CONF_TOOL_HTTP)
		return conf_error_at(&r->tree, a.map->key_place, e,
				     "%s runs a command, which gets its credentials by env and takes no auth",
				     s->id);
	bool bad = registry_keys_check(r, a.map, "auth", KEYS, COUNT_OF(KEYS), e) ||
		   type_read(&a, &auth->type) || secret_read(&a, "token", "token_file", &auth->token) ||
		   text_read(&a, "client_id", &auth->client_id) ||
		   secret_read(&a, "client_secret", "client_secret_file", &auth->client_secret) ||
		   file_text_read(&a, "private_key_file", &auth->private_key) ||
		   text_read(&a, "key_alg", &auth->key_alg) || text_read(&a, "issuer", &auth->issuer) ||
		   scopes_read(&a, &auth->scopes) ||
		   text_read(&a, "client_metadata_url", &auth->client_metadata_url) ||
		   text_read(&a, "redirect_uri", &auth->redirect_uri) ||
		   bool_read(&a, "allow_private", &auth->allow_private) ||
		   url_check(&a, "client_metadata_url", auth->client_metadata_url, true) ||
		   url_check(&a, "redirect_uri", auth->redirect_uri, false) || together_check(&a, auth);
	return bad ? ERR_CONFIG : ERR_NONE;
}
