/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authorization of one row of the registry. Its instances share it, whatever their scope: they reach the
 * same resource as the same client, so a person logs in once, and a token is fetched and refreshed once for
 * all of them. The pool holds it between instances; one that still ends its calls under an older row has that
 * row's.
 */
#include "base/base.h"
#include "mcp/auth.h"
#include "mcp/mcp_int.h"

static void login_over(void *arg)
{
	struct pool *p = arg;
	p->failures = 0;
	p->retry_mono_ms = 0;
	for (size_t i = 0; i < p->count; i++)
		server_login_over(p->instances[i]);
	pool_tend_later(p);
}

struct auth *pool_auth(struct pool *p)
{
	struct auth_events events = {NULL, login_over, p};
	const struct mcp_server_options *o = p->options;
	if (!p->auth && o->transport == MCP_REMOTE && o->enabled && o->url)
		p->auth = auth_new(broker_auth_house(p->broker), o->id, o->url, &o->auth, events);
	return p->auth;
}

void pool_auth_drop(struct pool *p)
{
	broker_logins_end(p->broker, p);
	auth_drop(p->auth);
	p->auth = NULL;
}

const char *pool_login_url(const struct pool *p)
{
	return p->auth ? auth_login_url(p->auth) : NULL;
}

bool pool_awaits_person(const struct pool *p)
{
	uint64_t generation;
	return pool_login_url(p) && !auth_header(p->auth, &generation);
}
