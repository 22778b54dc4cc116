/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to a token, one flow for a server at a time: find out who issues tokens for it, be a client there,
 * then ask for a token by client credentials, by the refresh token, or by sending a person to log in. Each
 * flow discovers anew, so that a server that changes its issuer is noticed: tokens and clients of the issuer
 * before are not shown to the new one.
 *
 * IDLE -> DISCOVER -> [REGISTER] -> TOKEN -> IDLE, or -> LOGIN -> TOKEN -> IDLE. Every step that waits is one
 * exchange, bounded by itself; the whole is bounded by the timer. A failure ends the flow and changes nothing
 * of what is held, unless the issuer said clearly that it is worthless.
 */
#include "base/base.h"
#include "mcp/auth_int.h"

#include <stdlib.h>
#include <string.h>

enum { FLOW_MS_MAX = 90 * 1000 };

static void authorize(struct auth *a, struct error *e);
static void token_answer(const struct ask_answer *answer, void *arg);

static const char *redirect_of(const struct auth *a)
{
	return a->options->redirect_uri ? a->options->redirect_uri : a->house->redirect_uri;
}

static void step_set(struct auth *a, enum auth_step step)
{
	a->step = step;
	if (step == STEP_IDLE)
		loop_timer_set(a->timer, -1);
}

static void flow_fail(struct auth *a, const struct error *e)
{
	struct error told = *e;
	err_prefix(&told, "authorization for %s", a->name);
	log_warn("a tool server cannot be authorized", LF_STR("server", a->name), LF_STR("error", e->msg));
	bool was_login = a->login.begun_ms != 0;
	step_set(a, STEP_IDLE);
	login_release(&a->login);
	if (was_login)
		auth_login_conclude(a, &told);
	auth_conclude(a, AUTH_REFUSED, &told);
}

/* --- tokens --- */

static void token_begin(struct auth *a, enum grant grant, const char *code, struct error *e)
{
	struct token_request r = {.grant = grant,
				  .options = a->options,
				  .metadata = &a->metadata,
				  .client = &a->client,
				  .code = code,
				  .verifier = a->login.verifier,
				  .redirect_uri = a->login.redirect_uri,
				  .refresh = a->tokens.refresh,
				  .scope = a->scope};
	a->grant = grant;
	step_set(a, STEP_TOKEN);
	if (token_ask(a->house->net, &r, token_answer, a, &a->ask, e) != ERR_NONE)
		flow_fail(a, e);
}

static void token_came(struct auth *a)
{
	struct error none = {0};
	auth_header_make(a);
	keep_save(a->house->keep, a->keep_name, &a->client, &a->tokens);
	log_info("a tool server is authorized", LF_STR("server", a->name), LF_STR("issuer", a->tokens.issuer),
		 LF_STR("scope", a->tokens.scope));
	step_set(a, STEP_IDLE);
	login_release(&a->login);
	if (a->grant == GRANT_CODE)
		auth_login_conclude(a, &none);
	auth_conclude(a, AUTH_RETRY, NULL);
}

/* The refresh token is worthless, and perhaps the client it was given to. */
static void refresh_refused(struct auth *a, enum token_fault fault, struct error *e)
{
	log_warn("the refresh token of a tool server is no longer good", LF_STR("server", a->name),
		 LF_STR("error", e->msg));
	secret_set(&a->tokens.refresh, NULL);
	if (fault == TOKEN_CLIENT && a->client.kind == CLIENT_DYNAMIC)
		client_release(&a->client);
	keep_save(a->house->keep, a->keep_name, &a->client, &a->tokens);
	authorize(a, e);
}

static void token_answer(const struct ask_answer *answer, void *arg)
{
	struct auth *a = arg;
	struct error e;
	a->ask = NULL;
	enum token_fault fault = tokens_read(answer, a->metadata.issuer, a->scope, &a->tokens, &e);
	if (fault == TOKEN_GOOD) {
		token_came(a);
	} else if (a->grant == GRANT_REFRESH && fault != TOKEN_FAILED) {
		refresh_refused(a, fault, &e);
	} else {
		if (fault == TOKEN_CLIENT && a->client.kind == CLIENT_DYNAMIC) {
			client_release(&a->client); /* the next flow registers anew */
			keep_save(a->house->keep, a->keep_name, &a->client, &a->tokens);
		}
		flow_fail(a, &e);
	}
}

/* --- a person --- */

static void login_wait(struct auth *a)
{
	struct error e;
	login_begin(&a->login, &a->metadata, &a->client, redirect_of(a), a->scope);
	step_set(a, STEP_LOGIN);
	loop_timer_set(a->timer, a->house->login_wait_ms > 0 ? a->house->login_wait_ms : -1);
	log_warn("a person must log in to a tool server: authorization_url in GET /v1/servers",
		 LF_STR("server", a->name), LF_STR("issuer", a->metadata.issuer));
	err_set(&e, ERR_UNAUTHORIZED,
		"a person must log in to %s first: authorization_url in GET /v1/servers", a->name);
	if (a->house->login_wait_ms <= 0)
		auth_conclude(a, AUTH_PERSON, &e);
	if (a->events.on_login_due)
		a->events.on_login_due(a->login.url, a->events.arg);
}

void flow_login_end(struct auth *a, const struct mcp_login *r)
{
	struct error e;
	if (a->step != STEP_LOGIN || !auth_login_is(a, r->state)) {
		/* Anybody may send a state that is not ours: the one who was sent off may still come. */
		err_set(&e, ERR_NOT_FOUND,
			"nobody waits for this log-in: it was finished, replaced or not begun here");
		auth_login_conclude(a, &e);
		return;
	}
	loop_timer_set(a->timer, FLOW_MS_MAX);
	if (login_check(&a->login, &a->metadata, r, &e) != ERR_NONE)
		flow_fail(a, &e);
	else
		token_begin(a, GRANT_CODE, r->code, &e);
}

/* --- being a client --- */

static void registered(const struct ask_answer *answer, void *arg)
{
	struct auth *a = arg;
	struct error e;
	a->ask = NULL;
	if (registration_read(answer, &a->metadata, redirect_of(a), &a->client, &e) != ERR_NONE) {
		flow_fail(a, &e);
		return;
	}
	keep_save(a->house->keep, a->keep_name, &a->client, &a->tokens);
	login_wait(a);
}

static void register_begin(struct auth *a)
{
	struct buf body = BUF_INIT;
	registration_write(&a->metadata, redirect_of(a), a->scope, &body);
	struct ask_request r = {.what = "our registration as a client",
				.url = a->metadata.registration_endpoint,
				.allow_private = a->options->allow_private,
				.media_type = "application/json",
				.body = buf_slice(&body)};
	step_set(a, STEP_REGISTER);
	a->ask = ask_start(a->house->net, &r, registered, a);
	buf_release(&body);
}

static enum err code_check(const struct metadata *m, struct error *e)
{
	if (!m->authorization_endpoint)
		return err_set(e, ERR_UPSTREAM, "the metadata of %.200s names no authorization_endpoint",
			       m->issuer);
	if (!m->pkce)
		return err_set(e, ERR_UPSTREAM,
			       "the authorization server %.200s does not say that it does PKCE with S256 "
			       "(code_challenge_methods_supported), without which nobody is sent there",
			       m->issuer);
	return ERR_NONE;
}

static void authorize(struct auth *a, struct error *e)
{
	bool refresh = a->tokens.refresh && !a->widen;
	/* A refresh token is good for the client that it was given to, wherever people come back to now. */
	const char *redirect = refresh && a->client.redirect_uri ? a->client.redirect_uri : redirect_of(a);
	enum err rc = a->type == MCP_AUTH_CODE ? code_check(&a->metadata, e) : ERR_NONE;
	if (!rc && a->type == MCP_AUTH_CLIENT && !a->options->client_id)
		rc = err_set(e, ERR_CONFIG, "auth.type client_credentials needs auth.client_id");
	if (!rc)
		rc = client_choose(&a->client, a->options, &a->metadata, redirect, e);
	if (rc == ERR_UNAVAILABLE)
		register_begin(a);
	else if (rc)
		flow_fail(a, e);
	else if (a->type == MCP_AUTH_CLIENT)
		token_begin(a, GRANT_CLIENT, NULL, e);
	else if (refresh)
		token_begin(a, GRANT_REFRESH, NULL, e);
	else
		login_wait(a);
}

/* --- the beginning --- */

/* What the operator wants, else what the server asked for, else all that it lists; and what was asked for
 * before, since a new token replaces the old one. */
static void scope_choose(struct auth *a)
{
	const char *base = a->options->scopes   ? a->options->scopes
			   : a->challenge_scope ? a->challenge_scope
						: a->metadata.scopes;
	if (a->widen && a->challenge_scope)
		base = a->challenge_scope;
	char *all = scope_union(a->scope, base);
	if (a->type == MCP_AUTH_CODE && a->metadata.offline_access) {
		char *more = scope_union(all, "offline_access");
		free(all);
		all = more;
	}
	secret_set(&a->scope, all);
}

static void discovered(struct metadata *m, const struct error *found, void *arg)
{
	struct auth *a = arg;
	struct error e = *found;
	a->discovery = NULL;
	if (e.code != ERR_NONE) {
		flow_fail(a, &e);
		return;
	}
	metadata_release(&a->metadata);
	a->metadata = *m;
	*m = (struct metadata){0};
	if (a->tokens.issuer && strcmp(a->tokens.issuer, a->metadata.issuer) != 0) {
		log_warn("a tool server has another authorization server now: its old tokens are dropped",
			 LF_STR("server", a->name), LF_STR("issuer", a->metadata.issuer));
		tokens_release(&a->tokens);
		secret_set(&a->scope, NULL);
		auth_header_make(a);
	}
	scope_choose(a);
	authorize(a, &e);
}

void flow_begin(struct auth *a)
{
	ensure(a->step == STEP_IDLE && !a->discovery && !a->ask);
	step_set(a, STEP_DISCOVER);
	loop_timer_set(a->timer, FLOW_MS_MAX);
	a->discovery =
		discovery_start(a->house->net, a->url, a->hint, a->options->allow_private, discovered, a);
}

void flow_deadline(struct auth *a)
{
	struct error e;
	if (a->step == STEP_LOGIN) {
		err_set(&e, ERR_UNAUTHORIZED,
			"nobody has logged in to %s yet: authorization_url in GET /v1/servers", a->name);
		auth_conclude(a, AUTH_PERSON, &e);
		return;
	}
	discovery_cancel(a->discovery);
	ask_cancel(a->ask);
	a->discovery = NULL;
	a->ask = NULL;
	err_set(&e, ERR_TIMEOUT, "no token came within %d ms", FLOW_MS_MAX);
	flow_fail(a, &e);
}
