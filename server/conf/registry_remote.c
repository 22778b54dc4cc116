/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a server is reached, beside its address: `headers`, `tls` and `proxy` of remote servers, `timeout` and
 * `era` of all. Values of headers are mostly credentials: they are written as ${NAME} or {file: path}, read
 * here once before any process is forked, and wiped with the registry. A header that the transport needs for
 * itself, or that could end one and begin another, is an error. Clear text beyond this machine is refused
 * unless `allow_http` says that it is meant.
 */
#include "base/base.h"
#include "conf/conf.h"
#include "conf/registry_int.h"

#include <string.h>
#include <strings.h>

#define PARAM_PREFIX "mcp-param-"

enum { HEADERS_MAX = 32, TIMEOUT_SECONDS_MAX = 24 * 3600 };

static const char *const REMOTE_KEYS[] = {"headers", "tls", "proxy", "allow_http"};

/* --- headers --- */

static bool is_of_transport(const char *name)
{
	static const char *const OURS[] = {"accept",         "content-type",  "content-length",
					   "host",           "connection",    "transfer-encoding",
					   "mcp-session-id", "last-event-id", "mcp-protocol-version",
					   "mcp-method",     "mcp-name",      "expect"};
	for (size_t i = 0; i < COUNT_OF(OURS); i++) {
		if (strcasecmp(name, OURS[i]) == 0)
			return true;
	}
	return strncasecmp(name, PARAM_PREFIX, strlen(PARAM_PREFIX)) == 0;
}

static enum err name_check(const struct registry_read *r, const struct conf_node *n, struct error *e)
{
	if (!conf_header_name_ok(n->key))
		return conf_error_at(&r->tree, n->key_place, e, "\"%.60s\" cannot name a header", n->key);
	if (is_of_transport(n->key))
		return conf_error_at(&r->tree, n->key_place, e,
				     "header %s belongs to the transport and cannot be set", n->key);
	return ERR_NONE;
}

/* Who sets that header says who we are: nothing else may, whatever the server asks for. */
static enum err authorization_check(const struct registry_read *r, const struct conf_node *n,
				    struct conf_tool_server *s, struct error *e)
{
	if (strcasecmp(n->key, "authorization") != 0)
		return ERR_NONE;
	bool other = s->auth.type != CONF_AUTH_AUTO || s->auth.token || s->auth.client_id;
	if (other && s->auth.type != CONF_AUTH_NONE)
		return conf_error_at(&r->tree, n->key_place, e,
				     "%s has both auth and a header Authorization: leave one out", s->id);
	s->auth.type = CONF_AUTH_NONE;
	return ERR_NONE;
}

static enum err file_read_text(struct registry_read *r, const struct conf_node *n,
			       const struct conf_tool_server *s, const char **out, struct error *e)
{
	static const char *const KEYS[] = {"file"};
	const struct conf_node *file = registry_member(n, "file");
	const char *path = NULL;
	struct buf text = BUF_INIT;
	enum err rc = registry_keys_check(r, n, "a header", KEYS, COUNT_OF(KEYS), e);
	if (!rc && !file)
		rc = conf_error_at(&r->tree, n->place, e, "a header is a text, or {file: path}");
	if (!rc)
		rc = registry_text(r, file, s, &path, e);
	*out = "";
	if (rc || !s->enabled)
		return rc;
	rc = conf_secret_read(&r->tree, file, path, &text, e);
	if (!rc)
		*out = registry_keep(r, buf_slice(&text));
	if (text.data)
		explicit_bzero(text.data, text.cap);
	buf_release(&text);
	return rc;
}

static enum err headers_read(struct registry_read *r, const struct conf_node *map, struct conf_tool_server *s,
			     struct error *e)
{
	if (!map)
		return ERR_NONE;
	if (map->kind != CONF_MAP)
		return conf_error_at(&r->tree, map->place, e, "headers must be a map, is %s",
				     conf_node_kind_name(map));
	struct conf_env_pair *pairs = xcalloc(HEADERS_MAX, sizeof(*pairs));
	s->remote.headers = pairs;
	for (const struct conf_node *n = map->first; n; n = n->next) {
		struct conf_env_pair *p = &pairs[s->remote.headers_count];
		enum err rc = name_check(r, n, e);
		if (!rc)
			rc = authorization_check(r, n, s, e);
		if (!rc && s->remote.headers_count == HEADERS_MAX)
			rc = conf_error_at(&r->tree, n->place, e, "more than %d headers", HEADERS_MAX);
		if (!rc)
			rc = n->kind == CONF_MAP ? file_read_text(r, n, s, &p->value, e)
						 : registry_text(r, n, s, &p->value, e);
		if (rc)
			return rc;
		if (!conf_header_value_ok(p->value))
			return conf_error_at(&r->tree, n->place, e,
					     "the value of header %s is over %d bytes or holds a line break",
					     n->key, CONF_SECRET_BYTES_MAX);
		p->name = registry_keep(r, slice_str(n->key));
		s->remote.headers_count++;
	}
	return ERR_NONE;
}

/* --- the connection --- */

static enum err text_read(struct registry_read *r, const struct conf_node *map, const char *key,
			  const struct conf_tool_server *s, const char **out, struct error *e)
{
	const struct conf_node *n = registry_member(map, key);
	return n ? registry_text(r, n, s, out, e) : ERR_NONE;
}

static enum err tls_read(struct registry_read *r, const struct conf_node *map, struct conf_tool_server *s,
			 struct error *e)
{
	static const char *const KEYS[] = {"ca_file", "cert_file", "key_file"};
	struct conf_remote *m = &s->remote;
	if (!map)
		return ERR_NONE;
	enum err rc = registry_keys_check(r, map, "tls", KEYS, COUNT_OF(KEYS), e);
	if (!rc)
		rc = text_read(r, map, "ca_file", s, &m->ca_file, e);
	if (!rc)
		rc = text_read(r, map, "cert_file", s, &m->cert_file, e);
	if (!rc)
		rc = text_read(r, map, "key_file", s, &m->key_file, e);
	if (!rc && m->key_file && !m->cert_file)
		rc = conf_error_at(&r->tree, map->place, e, "tls has a key_file without its cert_file");
	return rc;
}

static enum err proxy_read(struct registry_read *r, const struct conf_node *config,
			   struct conf_tool_server *s, struct error *e)
{
	enum err rc = text_read(r, config, "proxy", s, &s->remote.proxy, e);
	if (!rc && s->remote.proxy && strcmp(s->remote.proxy, "none") == 0)
		s->remote.proxy = "";
	return rc;
}

/* What is said to this machine is heard by nobody else. */
static bool host_is_here(const char *url)
{
	const char *host = strstr(url, "://");
	host = host ? host + 3 : url;
	size_t n = strcspn(host, "/?#");
	if (memchr(host, '@', n))
		return false;
	if (n >= 5 && strncmp(host, "[::1]", 5) == 0)
		return n == 5 || host[5] == ':';
	n = strcspn(host, ":/?#");
	if (n == 9 && strncasecmp(host, "localhost", 9) == 0)
		return true;
	return n > 4 && strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n;
}

static enum err clear_text_check(const struct registry_read *r, const struct conf_node *config,
				 const struct conf_tool_server *s, struct error *e)
{
	const struct conf_node *allow = registry_member(config, "allow_http");
	bool allowed = false;
	enum err rc = allow ? registry_bool(r, allow, &allowed, e) : ERR_NONE;
	if (rc || allowed || !s->url || strncasecmp(s->url, "http://", 7) != 0 || host_is_here(s->url))
		return rc;
	return conf_error_at(
		&r->tree, registry_member(config, "url")->place, e,
		"the url of %s is clear text beyond this machine: use https://, or say allow_http: "
		"true if that is meant",
		s->id);
}

/* --- both types --- */

static enum err era_read(const struct registry_read *r, const struct conf_node *n, enum conf_era *out,
			 struct error *e)
{
	static const char *const WORDS[] = {"handshake", "modern", "auto"};
	if (!n)
		return ERR_NONE;
	const char *text = n->kind == CONF_SCALAR ? n->text : conf_node_kind_name(n);
	for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
		*out = (enum conf_era)(CONF_ERA_HANDSHAKE + i);
		if (strcmp(text, WORDS[i]) == 0)
			return ERR_NONE;
	}
	conf_error_at(&r->tree, n->place, e, "unknown era \"%.40s\"", text);
	conf_suggest(e, text, WORDS, COUNT_OF(WORDS));
	return ERR_CONFIG;
}

static enum err timeout_read(const struct registry_read *r, const struct conf_node *n, int64_t *out,
			     struct error *e)
{
	int64_t seconds = 0;
	if (!n)
		return ERR_NONE;
	const char *text = n->kind == CONF_SCALAR ? n->text : "";
	for (const char *p = text; *p >= '0' && *p <= '9' && seconds <= TIMEOUT_SECONDS_MAX; p++)
		seconds = seconds * 10 + (*p - '0');
	if (!*text || text[strspn(text, "0123456789")] || seconds < 1 || seconds > TIMEOUT_SECONDS_MAX)
		return conf_error_at(&r->tree, n->place, e, "timeout must be 1 to %d (seconds)",
				     TIMEOUT_SECONDS_MAX);
	*out = seconds;
	return ERR_NONE;
}

enum err registry_remote_read(struct registry_read *r, const struct conf_node *config,
			      struct conf_tool_server *s, struct error *e)
{
	enum err rc = era_read(r, registry_member(config, "era"), &s->era, e);
	if (!rc)
		rc = timeout_read(r, registry_member(config, "timeout"), &s->timeout_seconds, e);
	for (size_t i = 0; i < COUNT_OF(REMOTE_KEYS) && !rc && s->type != CONF_TOOL_HTTP; i++) {
		const struct conf_node *n = registry_member(config, REMOTE_KEYS[i]);
		if (n)
			rc = conf_error_at(&r->tree, n->key_place, e, "%s runs a command and takes no %s",
					   s->id, n->key);
	}
	if (rc || s->type != CONF_TOOL_HTTP)
		return rc;
	rc = headers_read(r, registry_member(config, "headers"), s, e);
	if (!rc)
		rc = tls_read(r, registry_member(config, "tls"), s, e);
	if (!rc)
		rc = proxy_read(r, config, s, e);
	return rc ? rc : clear_text_check(r, config, s, e);
}
