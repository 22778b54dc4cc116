/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization of one server, as its requests see it: the header there is, and a verdict for each request
 * that was refused. All of a server's requests share one flow (auth_flow.c): whoever is refused while it runs
 * waits for its end, and whoever was refused with an older token than there is now is told to try again.
 * Verdicts are told from the bottom of the loop.
 *
 * Bounds: so many flows in a minute, so many times asking for more scopes in ten; a server that refuses what
 * was just issued for it, or wants ever more, is given up until the window is over.
 */
#include "base/base.h"
#include "base/fetch.h"
#include "mcp/auth_int.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	FLOWS_MAX = 6,
	FLOWS_WINDOW_MS = 60 * 1000,
	WIDENINGS_MAX = 2,
	WIDENINGS_WINDOW_MS = 10 * 60 * 1000,
	RENEW_BEFORE_MS = 30 * 1000,
	LOGIN_RENEW_MS = 30 * 60 * 1000,
};

/* --- the house --- */

struct auth_house *auth_house_new(struct loop *l, const struct mcp_auth_common *o)
{
	struct error e;
	struct auth_house *h = xcalloc(1, sizeof(*h));
	h->loop = l;
	h->net = auth_net_new(l, o->ca_file);
	h->redirect_uri = xstrdup(o->redirect_uri ? o->redirect_uri : "http://127.0.0.1/v1/oauth/callback");
	h->login_wait_ms = o->login_wait_ms;
	if (keep_open(o->folder, o->key, &h->keep, &e) != ERR_NONE)
		log_warn(
			"tokens of tool servers are kept in memory only: people log in again after a restart",
			LF_STR("error", e.msg));
	return h;
}

void auth_house_free(struct auth_house *h)
{
	if (!h)
		return;
	auth_net_free(h->net);
	keep_close(h->keep);
	free(h->redirect_uri);
	free(h);
}

/* --- telling --- */

static struct auth_waiter *decided_take(struct auth *a)
{
	for (struct auth_waiter **at = &a->waiters; *at; at = &(*at)->next) {
		struct auth_waiter *w = *at;
		if (!w->decided)
			continue;
		*at = w->next;
		return w;
	}
	return NULL;
}

static void tell(void *arg)
{
	struct auth *a = arg;
	struct auth_waiter *w;
	bool over = a->login_decided && a->login_over;
	a->deferred = false;
	a->telling = true;
	if (a->login_decided) {
		void (*fn)(const struct error *e, void *arg) = a->login_fn;
		struct error result = a->login_result;
		a->login_decided = false;
		a->login_fn = NULL;
		if (fn)
			fn(&result, a->login_arg);
	}
	if (over && a->events.on_login_over)
		a->events.on_login_over(a->events.arg);
	while ((w = decided_take(a))) {
		struct auth_waiter told = *w;
		free(w);
		told.fn(told.verdict, &told.why, told.arg);
	}
	a->telling = false;
}

static void tell_later(struct auth *a)
{
	if (a->deferred)
		return;
	a->deferred = true;
	loop_defer(a->house->loop, tell, a);
}

static void waiter_decide(struct auth_waiter *w, enum auth_verdict v, const struct error *e)
{
	w->decided = true;
	w->verdict = v;
	if (v != AUTH_RETRY)
		w->why = *e;
}

void auth_conclude(struct auth *a, enum auth_verdict v, const struct error *e)
{
	for (struct auth_waiter *w = a->waiters; w; w = w->next) {
		if (!w->decided)
			waiter_decide(w, v, e);
	}
	tell_later(a);
}

void auth_login_conclude(struct auth *a, const struct error *e)
{
	a->login_result = *e;
	a->login_decided = true;
	a->login_over = a->step == STEP_IDLE;
	tell_later(a);
}

/* --- life --- */

static void timer_fired(void *arg)
{
	flow_deadline(arg);
}

void auth_header_make(struct auth *a)
{
	const char *token = a->type == MCP_AUTH_BEARER ? a->options->token : a->tokens.access;
	secret_set(&a->header, token ? xasprintf("Authorization: Bearer %s", token) : NULL);
	a->generation++;
}

static enum mcp_auth_type type_of(const struct mcp_auth_options *o)
{
	if (o->type != MCP_AUTH_AUTO)
		return o->type;
	if (o->token)
		return MCP_AUTH_BEARER;
	return o->client_id && (o->client_secret || o->private_key) ? MCP_AUTH_CLIENT : MCP_AUTH_CODE;
}

/* What was kept under other terms of the operator is as if it was not there. */
static void kept_load(struct auth *a)
{
	const struct mcp_auth_options *o = a->options;
	keep_load(a->house->keep, a->keep_name, &a->client, &a->tokens);
	bool client = !o->client_id ? a->client.kind == CLIENT_GIVEN
				    : a->client.id && strcmp(a->client.id, o->client_id) != 0;
	bool issuer = o->issuer && a->tokens.issuer && strcmp(a->tokens.issuer, o->issuer) != 0;
	if (!client && !issuer)
		return;
	client_release(&a->client);
	tokens_release(&a->tokens);
}

struct auth *auth_new(struct auth_house *h, const char *name, const char *url,
		      const struct mcp_auth_options *o, struct auth_events events)
{
	struct auth *a = xcalloc(1, sizeof(*a));
	*a = (struct auth){.refs = 1,
			   .house = h,
			   .name = name,
			   .url = url,
			   .options = o,
			   .type = type_of(o),
			   .events = events};
	a->timer = loop_timer_new(h->loop, timer_fired, a);
	a->keep_name = xasprintf("%s %s", name, url);
	if (a->type == MCP_AUTH_CLIENT || a->type == MCP_AUTH_CODE)
		kept_load(a);
	if (a->type != MCP_AUTH_NONE && !strncmp(url, "http://", 7) && !url_is_loopback(url))
		log_warn("a tool server is reached without TLS: whoever is on the way can read its tokens",
			 LF_STR("server", name));
	a->scope = xstrdup(a->tokens.scope);
	auth_header_make(a);
	return a;
}

struct auth *auth_hold(struct auth *a)
{
	if (a)
		a->refs++;
	return a;
}

void auth_drop(struct auth *a)
{
	if (!a || --a->refs)
		return;
	ensure(!a->telling);
	for (struct auth_waiter *w; (w = a->waiters);) {
		a->waiters = w->next;
		free(w);
	}
	loop_defer_cancel(a->house->loop, a);
	discovery_cancel(a->discovery);
	ask_cancel(a->ask);
	loop_timer_free(a->timer);
	metadata_release(&a->metadata);
	client_release(&a->client);
	tokens_release(&a->tokens);
	login_release(&a->login);
	secret_free(a->header);
	free(a->keep_name);
	free(a->hint);
	free(a->challenge_scope);
	free(a->scope);
	free(a);
}

/* --- requests --- */

static bool can_renew(const struct auth *a)
{
	return a->type == MCP_AUTH_CLIENT || (a->type == MCP_AUTH_CODE && a->tokens.refresh);
}

/* false: the bound is reached. */
static bool count(int *n, int64_t *since_ms, int max, int64_t window_ms)
{
	int64_t now = clock_mono_ms();
	if (!*n || now - *since_ms > window_ms) {
		*n = 0;
		*since_ms = now;
	}
	return (*n)++ < max;
}

static bool flow_count(struct auth *a)
{
	return count(&a->flows, &a->flows_since_ms, FLOWS_MAX, FLOWS_WINDOW_MS);
}

void auth_mask(const struct auth *a, char *text, size_t len)
{
	secret_mask(a->tokens.access, text, len);
	secret_mask(a->tokens.refresh, text, len);
	secret_mask(a->client.secret, text, len);
}

const char *auth_header(struct auth *a, uint64_t *generation)
{
	*generation = a->header ? a->generation : 0;
	if (a->header && a->step == STEP_IDLE && a->tokens.expires_ms && can_renew(a) &&
	    clock_wall_ms() > a->tokens.expires_ms - RENEW_BEFORE_MS && flow_count(a)) {
		a->widen = false;
		flow_begin(a);
	}
	return a->header;
}

/* Why nothing can be done about this refusal; ERR_NONE: a flow may begin. */
static enum err challenge_judge(struct auth *a, int status, const struct challenge *c, struct error *e)
{
	bool wants_more = status == 403 && !strcmp(c->error, "insufficient_scope");
	if (a->type == MCP_AUTH_NONE)
		return err_set(
			e, ERR_UNAUTHORIZED,
			"the server refuses our credentials (%d%s%s), and no others are to be asked for: "
			"see headers and auth of its entry in the registry",
			status, *c->error ? ", " : "", c->error);
	if (a->type == MCP_AUTH_BEARER)
		return err_set(e, ERR_UNAUTHORIZED,
			       "the server refuses the token it was given (%d%s%s): see auth.token", status,
			       *c->error ? ", " : "", c->error);
	if (status != 401 && !wants_more)
		return err_set(e, ERR_UNAUTHORIZED, "the server refuses this request (%d%s%s)", status,
			       *c->error ? ", " : "", c->error);
	if (wants_more && !count(&a->widenings, &a->widenings_since_ms, WIDENINGS_MAX, WIDENINGS_WINDOW_MS))
		return err_set(e, ERR_UNAUTHORIZED,
			       "the server wants more scopes (%.200s) although it was given more %d times",
			       c->scope, WIDENINGS_MAX);
	if (!flow_count(a))
		return err_set(
			e, ERR_UNAUTHORIZED,
			"the server refused %d times within a minute what was issued for it: it is not asked "
			"for a while",
			FLOWS_MAX);
	a->widen = wants_more;
	return ERR_NONE;
}

static void challenge_take(struct auth *a, struct auth_waiter *w, int status, struct slice header)
{
	struct challenge c;
	struct error e;
	challenge_parse(header, &c);
	if (challenge_judge(a, status, &c, &e) != ERR_NONE) {
		waiter_decide(w, AUTH_REFUSED, &e);
		tell_later(a);
		return;
	}
	if (*c.resource_metadata)
		secret_set(&a->hint, xstrdup(c.resource_metadata));
	secret_set(&a->challenge_scope, *c.scope ? xstrdup(c.scope) : NULL);
	flow_begin(a);
}

void auth_challenged(struct auth *a, int status, struct slice www_authenticate, uint64_t generation,
		     auth_fn *fn, void *arg)
{
	struct error e;
	struct auth_waiter *w = xcalloc(1, sizeof(*w));
	*w = (struct auth_waiter){.next = a->waiters, .fn = fn, .arg = arg};
	a->waiters = w;
	if (a->header && generation != a->generation) {
		waiter_decide(w, AUTH_RETRY, NULL);
		tell_later(a);
	} else if (a->step == STEP_LOGIN && !loop_timer_armed(a->timer)) {
		err_set(&e, ERR_UNAUTHORIZED,
			"a person must log in to %s first: authorization_url in GET /v1/servers", a->name);
		waiter_decide(w, AUTH_PERSON, &e);
		tell_later(a);
	} else if (a->step == STEP_IDLE) {
		challenge_take(a, w, status, www_authenticate);
	}
}

void auth_forget(struct auth *a, void *arg)
{
	for (struct auth_waiter **at = &a->waiters; *at;) {
		struct auth_waiter *w = *at;
		if (w->arg != arg) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
	if (a->login_arg == arg)
		a->login_fn = NULL;
}

/* --- people --- */

const char *auth_login_url(struct auth *a)
{
	if (a->step != STEP_LOGIN)
		return NULL;
	if (clock_mono_ms() - a->login.begun_ms > LOGIN_RENEW_MS)
		login_begin(&a->login, &a->metadata, &a->client, a->login.redirect_uri, a->scope);
	return a->login.url;
}

bool auth_login_is(const struct auth *a, const char *state)
{
	return a->step == STEP_LOGIN && state && secret_equal(a->login.state, state);
}

void auth_login_end(struct auth *a, const struct mcp_login *r, void (*fn)(const struct error *e, void *arg),
		    void *arg)
{
	struct error e;
	if (a->login_fn) {
		err_set(&e, ERR_CONFLICT, "this log-in is being finished already");
		fn(&e, arg);
		return;
	}
	a->login_fn = fn;
	a->login_arg = arg;
	flow_login_end(a, r);
}
