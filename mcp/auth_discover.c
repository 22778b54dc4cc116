/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who issues tokens for a server: the metadata of the resource (RFC 9728), which names an issuer, then the
 * metadata of that issuer (RFC 8414, or OpenID discovery). Addresses are tried in the order of the text,
 * the next one only when there is no document at the one before; a document that is there but wrong ends it,
 * so that nobody can have us fall back to something weaker.
 *
 * What is wrong: a `resource` that is not this server or above it on the same origin, an `issuer` other than
 * the one whose metadata was asked for, addresses that may not be asked. A server without metadata of its
 * own, as before 2025-06-18, is its own issuer; one that has none of an issuer either, and names none in its
 * challenge, is taken to have the endpoints that 2025-03-26 says it has then.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 3, NOT_FOUND = 404 };

struct discovery {
	struct auth_net *net;
	char *server_url;
	bool allow_private, for_issuer; /* which of the two documents */
	bool is_old;                    /* nothing has been heard of metadata of the resource */
	char *places[PLACES_MAX];
	int count, at;
	char *issuer;
	struct metadata metadata;
	struct ask *ask;
	discovery_fn *fn;
	void *arg;
};

void metadata_release(struct metadata *m)
{
	free(m->resource);
	free(m->scopes);
	free(m->issuer);
	free(m->authorization_endpoint);
	free(m->token_endpoint);
	free(m->registration_endpoint);
	*m = (struct metadata){0};
}

/* --- the documents --- */

/* An array of texts, as a set of scopes. NULL when it is absent or holds none. */
static char *words_read(const struct json *array)
{
	char *all = NULL;
	for (const struct json *w = json_is(array, JSON_ARRAY) ? json_first(array) : NULL; w;
	     w = json_next(w)) {
		char *more = scope_union(all, json_text(w));
		free(all);
		all = more;
	}
	return all;
}

static bool list_has(const struct json *array, const char *word)
{
	for (const struct json *w = json_is(array, JSON_ARRAY) ? json_first(array) : NULL; w;
	     w = json_next(w)) {
		if (json_text(w) && !strcmp(json_text(w), word))
			return true;
	}
	return false;
}

enum err resource_metadata_read(const struct json *j, const char *server_url, struct metadata *m,
				struct error *e)
{
	const char *resource = json_get_text(j, "resource", NULL);
	const char *issuer = json_text(json_at(json_get(j, "authorization_servers"), 0));
	if (!resource)
		return err_set(e, ERR_UPSTREAM, "the metadata of the server names no resource");
	if (!url_covers(resource, server_url))
		return err_set(
			e, ERR_UPSTREAM,
			"the metadata of the server is about another resource (%.200s): tokens for it are "
			"not this server's, so nobody is asked for one",
			resource);
	if (!issuer)
		return err_set(e, ERR_UPSTREAM, "the metadata of the server names no authorization server");
	m->resource = xstrdup(resource);
	m->issuer = xstrdup(issuer);
	m->scopes = words_read(json_get(j, "scopes_supported"));
	return ERR_NONE;
}

static enum err endpoint_read(const struct json *j, const char *name, bool allow_private, char **out,
			      struct error *e)
{
	const char *text = json_get_text(j, name, NULL);
	if (!text)
		return ERR_NONE;
	*out = xstrdup(text);
	return url_check(text, allow_private, name, e);
}

static void methods_read(const struct json *j, struct metadata *m)
{
	const struct json *methods = json_get(j, "token_endpoint_auth_methods_supported");
	m->methods_known = json_is(methods, JSON_ARRAY);
	m->basic = !m->methods_known || list_has(methods, "client_secret_basic"); /* RFC 8414 section 2 */
	m->post = list_has(methods, "client_secret_post");
	m->none = list_has(methods, "none");
	m->key_jwt = list_has(methods, "private_key_jwt");
}

enum err issuer_metadata_read(const struct json *j, const char *issuer, bool allow_private,
			      struct metadata *m, struct error *e)
{
	const char *told = json_get_text(j, "issuer", NULL);
	if (!told || strcmp(told, issuer) != 0)
		return err_set(
			e, ERR_UPSTREAM,
			"the metadata of the authorization server %.150s says that it is %.150s: it is "
			"not used",
			issuer, told ? told : "nobody (no issuer)");
	if (endpoint_read(j, "authorization_endpoint", allow_private, &m->authorization_endpoint, e) ||
	    endpoint_read(j, "token_endpoint", allow_private, &m->token_endpoint, e) ||
	    endpoint_read(j, "registration_endpoint", allow_private, &m->registration_endpoint, e))
		return e->code;
	if (!m->token_endpoint)
		return err_set(e, ERR_UPSTREAM, "the metadata of %.200s names no token_endpoint", issuer);
	m->pkce = list_has(json_get(j, "code_challenge_methods_supported"), "S256");
	m->client_documents = json_get_bool(j, "client_id_metadata_document_supported", false);
	m->iss_promised = json_get_bool(j, "authorization_response_iss_parameter_supported", false);
	m->offline_access = list_has(json_get(j, "scopes_supported"), "offline_access");
	methods_read(j, m);
	return ERR_NONE;
}

/* --- the way through them --- */

static void places_drop(struct discovery *d)
{
	for (int i = 0; i < d->count; i++)
		free(d->places[i]);
	d->count = d->at = 0;
}

void discovery_cancel(struct discovery *d)
{
	if (!d)
		return;
	ask_cancel(d->ask);
	places_drop(d);
	metadata_release(&d->metadata);
	free(d->server_url);
	free(d->issuer);
	free(d);
}

static void discovery_end(struct discovery *d, const struct error *e)
{
	discovery_fn *fn = d->fn;
	void *arg = d->arg;
	struct error told = *e;
	struct metadata m = d->metadata;
	d->metadata = (struct metadata){0};
	discovery_cancel(d);
	fn(&m, &told, arg);
	metadata_release(&m);
}

static void answer(const struct ask_answer *a, void *arg);

static void next_ask(struct discovery *d)
{
	struct ask_request r = {.what = d->for_issuer ? "the metadata of the authorization server"
						      : "the metadata of the server",
				.url = d->places[d->at++],
				.allow_private = d->allow_private};
	d->ask = ask_start(d->net, &r, answer, d);
}

static void place_add(struct discovery *d, char *url)
{
	ensure(d->count < PLACES_MAX);
	d->places[d->count++] = url;
}

static bool has_path(const char *url)
{
	struct url u;
	return url_parse(url, &u) && u.path.len && !slice_eq_str(u.path, "/");
}

static enum err issuer_begin(struct discovery *d, const char *issuer, struct error *e)
{
	enum err rc = url_check(issuer, d->allow_private, "the authorization server", e);
	if (rc)
		return rc;
	places_drop(d);
	d->for_issuer = true;
	d->issuer = xstrdup(issuer);
	place_add(d, url_well_known(issuer, "oauth-authorization-server", true));
	place_add(d, url_well_known(issuer, "openid-configuration", true));
	if (has_path(issuer)) {
		size_t n = strlen(issuer);
		while (n && issuer[n - 1] == '/')
			n--;
		place_add(d, xasprintf("%.*s/.well-known/openid-configuration", (int)n, issuer));
	}
	next_ask(d);
	return ERR_NONE;
}

/* Before RFC 9728 a server was its own issuer. */
static enum err own_issuer_begin(struct discovery *d, struct error *e)
{
	char *origin = url_origin(d->server_url);
	d->metadata.resource = xstrdup(d->server_url);
	d->metadata.issuer = xstrdup(origin);
	enum err rc = issuer_begin(d, origin, e);
	free(origin);
	return rc;
}

/* MCP 2025-03-26, Authorization, "Fallbacks for Servers without Metadata Discovery". */
static enum err endpoints_guess(struct discovery *d, struct error *e)
{
	struct metadata *m = &d->metadata;
	m->authorization_endpoint = xasprintf("%s/authorize", d->issuer);
	m->token_endpoint = xasprintf("%s/token", d->issuer);
	m->registration_endpoint = xasprintf("%s/register", d->issuer);
	m->pkce = m->basic = m->is_guess = true;
	return url_check(m->token_endpoint, d->allow_private, "the server", e);
}

/* There is nothing at the last place. */
static enum err nowhere(struct discovery *d, int status, struct error *e)
{
	if (!d->for_issuer)
		return own_issuer_begin(d, e);
	if (d->is_old)
		return endpoints_guess(d, e);
	return err_set(e, ERR_UPSTREAM,
		       "the authorization server %.200s shows no metadata at any well-known place (the last "
		       "answer was %d)",
		       d->issuer, status);
}

static enum err document_read(struct discovery *d, const struct ask_answer *a, struct error *e)
{
	enum err rc;
	if (!a->json)
		return err_set(e, ERR_UPSTREAM, "%.250s is no JSON object", d->places[d->at - 1]);
	if (d->for_issuer)
		return issuer_metadata_read(a->json, d->issuer, d->allow_private, &d->metadata, e);
	d->is_old = false;
	rc = resource_metadata_read(a->json, d->server_url, &d->metadata, e);
	return rc ? rc : issuer_begin(d, d->metadata.issuer, e);
}

static void answer(const struct ask_answer *a, void *arg)
{
	struct discovery *d = arg;
	struct error e = a->e;
	bool begun = d->for_issuer, absent = a->status >= 400 && a->status < 500;
	d->ask = NULL;
	if (e.code == ERR_NONE && absent && d->at < d->count)
		next_ask(d);
	else if (e.code == ERR_NONE && absent)
		e.code = nowhere(d, a->status, &e);
	else if (e.code == ERR_NONE && a->status == 200)
		e.code = document_read(d, a, &e);
	else if (e.code == ERR_NONE)
		err_set(&e, ERR_UPSTREAM, "%.250s was answered with %d", d->places[d->at - 1], a->status);
	if (e.code != ERR_NONE || (begun && !d->ask))
		discovery_end(d, &e);
}

struct discovery *discovery_start(struct auth_net *n, const char *server_url, const char *hint,
				  bool allow_private, discovery_fn *fn, void *arg)
{
	struct discovery *d = xcalloc(1, sizeof(*d));
	*d = (struct discovery){
		.net = n, .allow_private = allow_private, .is_old = !hint, .fn = fn, .arg = arg};
	d->server_url = xstrdup(server_url);
	if (hint) {
		place_add(d, xstrdup(hint));
	} else {
		place_add(d, url_well_known(server_url, "oauth-protected-resource", true));
		if (has_path(server_url))
			place_add(d, url_well_known(server_url, "oauth-protected-resource", false));
	}
	next_ask(d);
	return d;
}
