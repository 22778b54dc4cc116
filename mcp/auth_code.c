/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending a person to log in: the address with PKCE (S256), an unguessable state, and the resource the token
 * is for (RFC 8707); and the check of what comes back, before any secret is sent anywhere. Pure.
 *
 * `iss` in the answer (RFC 9207) must be, byte for byte, the issuer that was recorded when the person was
 * sent off; where the issuer promised to send it, it must be there. This is looked at before `error` is,
 * which may come from somebody else as well.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <stdlib.h>
#include <string.h>

enum { LOGIN_MS_MAX = 60 * 60 * 1000 };

void login_release(struct login *l)
{
	secret_free(l->url);
	free(l->scope);
	free(l->redirect_uri);
	explicit_bzero(l, sizeof(*l));
}

void login_begin(struct login *l, const struct metadata *m, const struct client *c, const char *redirect_uri,
		 const char *scope)
{
	char challenge[PKCE_SIZE];
	struct buf url = BUF_INIT;
	char *scope_kept = xstrdup(scope), *redirect_kept = xstrdup(redirect_uri); /* may be l's own */
	login_release(l);
	l->scope = scope_kept;
	l->redirect_uri = redirect_kept;
	token_random(l->state);
	token_random(l->verifier);
	pkce_challenge(l->verifier, challenge);
	buf_add_str(&url, m->authorization_endpoint);
	if (!strchr(m->authorization_endpoint, '?'))
		buf_add_char(&url, '?');
	form_add(&url, "response_type", "code");
	form_add(&url, "client_id", c->id);
	form_add(&url, "redirect_uri", l->redirect_uri);
	form_add(&url, "state", l->state);
	form_add(&url, "code_challenge", challenge);
	form_add(&url, "code_challenge_method", "S256");
	form_add(&url, "resource", m->resource);
	form_add(&url, "scope", l->scope);
	if (l->scope && scope_covers(l->scope, "offline_access"))
		form_add(&url, "prompt", "consent"); /* OpenID Connect Core section 11 */
	l->url = buf_take(&url);
	l->begun_ms = clock_mono_ms();
}

static enum err issuer_check(const struct metadata *m, const char *iss, struct error *e)
{
	if (iss && strcmp(iss, m->issuer) != 0)
		return err_set(
			e, ERR_UPSTREAM,
			"the answer comes from %.150s, not from the authorization server %.150s: it is not "
			"used",
			iss, m->issuer);
	if (!iss && m->iss_promised)
		return err_set(e, ERR_UPSTREAM,
			       "the answer does not say which authorization server it is from (iss), which "
			       "%.150s promised: it is not used",
			       m->issuer);
	return ERR_NONE;
}

enum err login_check(const struct login *l, const struct metadata *m, const struct mcp_login *r,
		     struct error *e)
{
	if (!l->begun_ms || !r->state || !secret_equal(l->state, r->state))
		return err_set(e, ERR_NOT_FOUND,
			       "nobody waits for this log-in: it was finished, replaced or not begun here");
	if (clock_mono_ms() - l->begun_ms > LOGIN_MS_MAX)
		return err_set(e, ERR_GONE, "the log-in took longer than %d minutes: begin it again",
			       LOGIN_MS_MAX / 60000);
	enum err rc = issuer_check(m, r->iss, e);
	if (rc)
		return rc;
	if (r->error)
		return err_set(e, ERR_UNAUTHORIZED, "the authorization server said no: %.60s%s%.200s",
			       r->error, r->error_description ? ", " : "",
			       r->error_description ? r->error_description : "");
	if (!r->code || !*r->code)
		return err_set(e, ERR_UPSTREAM, "the answer of the authorization server holds no code");
	return ERR_NONE;
}
