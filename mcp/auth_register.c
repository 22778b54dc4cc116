/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As which client we ask an issuer for tokens, best first: the one that the operator registered, the URL of
 * our client id metadata document where the issuer takes such, one registered by ourselves (RFC 7591).
 * A client belongs to one issuer. When the server names another issuer, a client of our own making is made
 * anew; one of the operator's is not handed to strangers: that needs a word in the registry. Pure.
 */
#include "base/base.h"
#include "base/fetch.h"
#include "mcp/auth_int.h"

#include <stdlib.h>
#include <string.h>

void client_release(struct client *c)
{
	free(c->issuer);
	free(c->id);
	secret_free(c->secret);
	free(c->method);
	free(c->redirect_uri);
	*c = (struct client){0};
}

static enum err given_check(const struct client *c, const struct mcp_auth_options *o,
			    const struct metadata *m, struct error *e)
{
	const char *bound = o->issuer ? o->issuer : c->kind == CLIENT_GIVEN ? c->issuer : NULL;
	if (!bound || !strcmp(bound, m->issuer))
		return ERR_NONE;
	return err_set(e, ERR_CONFIG,
		       "the server now names the authorization server %.150s, but auth.client_id belongs to "
		       "%.150s: if the change is meant, set auth.issuer",
		       m->issuer, bound);
}

/* How the client shows who it is, of what the issuer takes. */
static const char *method_pick(const struct metadata *m, bool key, bool secret)
{
	if (key)
		return "private_key_jwt";
	if (!secret)
		return "none";
	return m->basic ? "client_secret_basic" : m->post ? "client_secret_post" : "client_secret_basic";
}

static void client_set(struct client *c, enum client_kind kind, const struct metadata *m, const char *id,
		       const char *secret, const char *method, const char *redirect_uri)
{
	char *redirect_kept = xstrdup(redirect_uri); /* may be c's own */
	client_release(c);
	*c = (struct client){.kind = kind,
			     .issuer = xstrdup(m->issuer),
			     .id = xstrdup(id),
			     .secret = xstrdup(secret),
			     .method = xstrdup(method),
			     .redirect_uri = redirect_kept};
}

static bool still_good(const struct client *c, const struct metadata *m, const char *redirect_uri)
{
	return c->kind == CLIENT_DYNAMIC && !strcmp(c->issuer, m->issuer) &&
	       !strcmp(c->redirect_uri, redirect_uri) &&
	       (!c->expires_s || c->expires_s > clock_wall_ms() / 1000);
}

enum err client_choose(struct client *c, const struct mcp_auth_options *o, const struct metadata *m,
		       const char *redirect_uri, struct error *e)
{
	if (o->client_id) {
		enum err rc = given_check(c, o, m, e);
		if (!rc)
			client_set(c, CLIENT_GIVEN, m, o->client_id, o->client_secret,
				   method_pick(m, o->private_key, o->client_secret), redirect_uri);
		return rc;
	}
	if (o->client_metadata_url && m->client_documents) {
		client_set(c, CLIENT_DOCUMENT, m, o->client_metadata_url, NULL,
			   method_pick(m, o->private_key, false), redirect_uri);
		return ERR_NONE;
	}
	if (still_good(c, m, redirect_uri))
		return ERR_NONE;
	client_release(c);
	if (m->registration_endpoint)
		return err_set(e, ERR_UNAVAILABLE, "no client is registered yet");
	return err_set(
		e, ERR_CONFIG,
		"the authorization server %.200s registers no clients by itself: register one there by "
		"hand (redirect address %.150s) and set auth.client_id",
		m->issuer, redirect_uri);
}

void registration_write(const struct metadata *m, const char *redirect_uri, const char *scope,
			struct buf *out)
{
	struct jw w = JW(out);
	bool secret = m->basic || m->post;
	jw_object(&w);
	jw_kv_text(&w, "client_name", "Agent Runtime Service");
	jw_name(&w, "redirect_uris");
	jw_array(&w);
	jw_text(&w, redirect_uri);
	jw_array_end(&w);
	jw_kv_text(&w, "application_type", url_is_loopback(redirect_uri) ? "native" : "web");
	jw_name(&w, "grant_types");
	jw_array(&w);
	jw_text(&w, "authorization_code");
	jw_text(&w, "refresh_token");
	jw_array_end(&w);
	jw_name(&w, "response_types");
	jw_array(&w);
	jw_text(&w, "code");
	jw_array_end(&w);
	jw_kv_text(&w, "token_endpoint_auth_method", method_pick(m, false, secret));
	if (scope)
		jw_kv_text(&w, "scope", scope);
	jw_object_end(&w);
}

static bool method_known(const char *method)
{
	return !strcmp(method, "none") || !strcmp(method, "client_secret_basic") ||
	       !strcmp(method, "client_secret_post");
}

enum err registration_read(const struct ask_answer *a, const struct metadata *m, const char *redirect_uri,
			   struct client *c, struct error *e)
{
	const char *id = json_get_text(a->json, "client_id", NULL);
	const char *secret = json_get_text(a->json, "client_secret", NULL);
	const char *method = json_get_text(a->json, "token_endpoint_auth_method", NULL);
	if (a->e.code != ERR_NONE) {
		*e = a->e;
		return e->code;
	}
	bool registered = (a->status == 200 || a->status == 201) && id && *id;
	if (!registered && m->is_guess)
		return err_set(
			e, ERR_UNAUTHORIZED,
			"the server asks for authorization and shows no metadata of it, nor does it register "
			"clients (%.200s answered %d): see headers and auth of its entry in the registry",
			m->registration_endpoint, a->status);
	if (!registered)
		return err_set(e, ERR_UPSTREAM,
			       "the authorization server %.150s did not register us (%d, %.150s): register a "
			       "client there by hand and set auth.client_id",
			       m->issuer, a->status, json_get_text(a->json, "error", "no client_id"));
	if (!method)
		method = method_pick(m, false, secret);
	if (!method_known(method) || (strcmp(method, "none") != 0 && !secret))
		return err_set(
			e, ERR_UPSTREAM,
			"the authorization server %.150s registered us for \"%.40s\"%s, which cannot be "
			"used",
			m->issuer, method, secret ? "" : " without a secret");
	client_set(c, CLIENT_DYNAMIC, m, id, secret, method, redirect_uri);
	c->expires_s = secret ? json_get_integer(a->json, "client_secret_expires_at", 0) : 0;
	return ERR_NONE;
}
