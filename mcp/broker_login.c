/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People who come back from logging in: a worker hands on what they brought, the server that waits for that
 * state takes it, and the worker is told what came of it. The state says which server is meant; it is looked
 * for among all of them in time that tells nothing of it.
 *
 * A login is on its worker's list until it has ended, or until the worker is gone; the log-in itself goes on
 * without anybody to tell.
 */
#include "base/base.h"
#include "mcp/auth.h"
#include "mcp/broker_int.h"

#include <stdlib.h>

struct worker_login {
	struct worker *worker;
	struct worker_login *next;
	uint64_t id;
	struct pool *pool; /* NULL: nobody waits */
};

static void login_free(struct worker_login *g)
{
	struct worker_login **at = &g->worker->logins;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	free(g);
}

static void login_ended(const struct error *e, void *arg)
{
	struct worker_login *g = arg;
	struct worker *w = g->worker;
	struct buf body = BUF_INIT;
	uint64_t id = g->id;
	pack_u32(&body, e->code);
	pack_text(&body, e->msg);
	pack_slice(&body, slice_str(g->pool ? g->pool->options->id : ""));
	login_free(g);
	worker_send(w, IPC_LOGIN_DONE, id, buf_slice(&body));
	buf_release(&body);
}

static struct pool *pool_find(const struct mcp_broker *b, const char *state)
{
	struct pool *found = NULL;
	for (size_t i = 0; i < b->pools_count; i++) {
		struct pool *p = b->pools[i];
		if (p->auth && auth_login_is(p->auth, state))
			found = p;
	}
	return found;
}

void broker_login_received(struct worker *w, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	struct error e;
	struct mcp_login r;
	struct worker_login *g = xcalloc(1, sizeof(*g));
	r.code = unpack_text(&u);
	r.state = unpack_text(&u);
	r.iss = unpack_text(&u);
	r.error = unpack_text(&u);
	r.error_description = unpack_text(&u);
	*g = (struct worker_login){.worker = w, .next = w->logins, .id = f->id};
	w->logins = g;
	if (unpack_end(&u))
		g->pool = pool_find(w->broker, r.state);
	if (g->pool) {
		auth_login_end(g->pool->auth, &r, login_ended, g);
		return;
	}
	err_set(&e, ERR_NOT_FOUND,
		"nobody waits for this log-in: it was finished, it is too old, or it was not begun here; "
		"authorization_url in GET /v1/servers begins it again");
	login_ended(&e, g);
}

void broker_logins_forget(struct worker *w)
{
	while (w->logins) {
		if (w->logins->pool)
			auth_forget(w->logins->pool->auth, w->logins);
		login_free(w->logins);
	}
}

void broker_logins_end(struct mcp_broker *b, const struct pool *p)
{
	struct error e;
	err_set(&e, ERR_GONE, "the server was changed in the registry meanwhile; log in again");
	for (struct worker *w = b->workers; w; w = w->next) {
		for (struct worker_login *g = w->logins, *next; g; g = next) {
			next = g->next;
			if (g->pool != p)
				continue;
			auth_forget(p->auth, g);
			login_ended(&e, g);
		}
	}
}
