/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token endpoint (RFC 6749): what is sent for each of the three grants, with the client authenticated in
 * the way it is registered (secret in a header or in the form, signed assertion, or not at all), and what the
 * answer means. Each request names the resource it is for (RFC 8707). Pure but for the start of the exchange.
 *
 * A failure is judged by what it says of our own things: only a clear word of the issuer makes a refresh
 * token or a registration worthless; an error of the network never does.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <stdlib.h>
#include <string.h>

enum { EXPIRES_SECONDS_MAX = 365 * 24 * 3600, TOKEN_BYTES_MAX = 64 << 10 };

void tokens_release(struct tokens *t)
{
	secret_free(t->access);
	secret_free(t->refresh);
	free(t->scope);
	free(t->issuer);
	*t = (struct tokens){0};
}

/* --- what is asked --- */

static void grant_write(const struct token_request *r, struct buf *form)
{
	switch (r->grant) {
	case GRANT_CODE:
		form_add(form, "grant_type", "authorization_code");
		form_add(form, "code", r->code);
		form_add(form, "redirect_uri", r->redirect_uri);
		form_add(form, "code_verifier", r->verifier);
		break;
	case GRANT_REFRESH:
		form_add(form, "grant_type", "refresh_token");
		form_add(form, "refresh_token", r->refresh);
		break;
	case GRANT_CLIENT:
		form_add(form, "grant_type", "client_credentials");
		form_add(form, "scope", r->scope);
		break;
	}
	form_add(form, "resource", r->metadata->resource);
}

/* RFC 6749 section 2.3.1: both halves are form-encoded first. */
static char *basic_make(const struct client *c)
{
	struct buf pair = BUF_INIT, line = BUF_INIT;
	percent_add(&pair, c->id);
	buf_add_char(&pair, ':');
	percent_add(&pair, c->secret);
	buf_add_str(&line, "Authorization: Basic ");
	base64_encode(pair.data, pair.len, &line);
	secret_buf_release(&pair);
	return buf_take(&line);
}

/* *authorization: a header line, or NULL. */
static enum err client_write(const struct token_request *r, struct buf *form, char **authorization,
			     struct error *e)
{
	const struct client *c = r->client;
	char *assertion = NULL;
	if (!strcmp(c->method, "client_secret_basic")) {
		*authorization = basic_make(c);
		return ERR_NONE;
	}
	form_add(form, "client_id", c->id);
	if (!strcmp(c->method, "client_secret_post"))
		form_add(form, "client_secret", c->secret);
	if (strcmp(c->method, "private_key_jwt") != 0)
		return ERR_NONE;
	enum err rc = assertion_make(r->options->private_key, r->options->key_alg, c->id, r->metadata->issuer,
				     &assertion, e);
	if (rc)
		return rc;
	form_add(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	form_add(form, "client_assertion", assertion);
	secret_free(assertion);
	return ERR_NONE;
}

enum err token_ask(struct auth_net *n, const struct token_request *r, ask_fn *fn, void *arg, struct ask **out,
		   struct error *e)
{
	struct buf form = BUF_INIT;
	char *authorization = NULL;
	grant_write(r, &form);
	enum err rc = client_write(r, &form, &authorization, e);
	struct ask_request ask = {.what = "a token",
				  .url = r->metadata->token_endpoint,
				  .allow_private = r->options->allow_private,
				  .media_type = "application/x-www-form-urlencoded",
				  .authorization = authorization,
				  .body = buf_slice(&form)};
	if (!rc)
		*out = ask_start(n, &ask, fn, arg);
	secret_buf_release(&form);
	secret_free(authorization);
	return rc;
}

/* --- what is answered --- */

static enum token_fault fault_read(const struct ask_answer *a, const char *issuer, struct error *e)
{
	const char *error = json_get_text(a->json, "error", "");
	const char *text = json_get_text(a->json, "error_description", "");
	err_set(e, a->status >= 500 ? ERR_UPSTREAM : ERR_UNAUTHORIZED,
		"the authorization server %.150s gave no token (%d%s%.60s%s%.150s)", issuer, a->status,
		*error ? ", " : "", error, *text ? ": " : "", text);
	if (!strcmp(error, "invalid_grant"))
		return TOKEN_GRANT;
	return !strcmp(error, "invalid_client") || !strcmp(error, "unauthorized_client") ? TOKEN_CLIENT
											 : TOKEN_FAILED;
}

/* It goes into a header: visible ASCII only. */
static bool token_good(const char *token)
{
	size_t n = 0;
	for (; token[n]; n++) {
		if (token[n] <= ' ' || token[n] > '~')
			return false;
	}
	return n && n <= TOKEN_BYTES_MAX;
}

enum token_fault tokens_read(const struct ask_answer *a, const char *issuer, const char *scope,
			     struct tokens *t, struct error *e)
{
	const char *access = json_get_text(a->json, "access_token", NULL);
	const char *refresh = json_get_text(a->json, "refresh_token", NULL);
	const char *type = json_get_text(a->json, "token_type", "Bearer");
	int64_t seconds = json_get_integer(a->json, "expires_in", 0);
	if (a->e.code != ERR_NONE) {
		*e = a->e;
		return TOKEN_FAILED;
	}
	if (a->status != 200 || json_get(a->json, "error"))
		return fault_read(a, issuer, e);
	if (!access || !token_good(access) || strcasecmp(type, "Bearer") != 0) {
		err_set(e, ERR_UPSTREAM,
			"the authorization server %.150s answered without a bearer token that "
			"can be sent",
			issuer);
		return TOKEN_FAILED;
	}
	/* Texts of t may be among the arguments. */
	char *kept_issuer = xstrdup(issuer), *kept_scope = xstrdup(json_get_text(a->json, "scope", scope));
	secret_set(&t->access, xstrdup(access));
	if (refresh)
		secret_set(&t->refresh, xstrdup(refresh));
	secret_set(&t->scope, kept_scope);
	secret_set(&t->issuer, kept_issuer);
	seconds = seconds > EXPIRES_SECONDS_MAX ? EXPIRES_SECONDS_MAX : seconds;
	t->expires_ms = seconds > 0 ? clock_wall_ms() + seconds * 1000 : 0;
	return TOKEN_GOOD;
}
