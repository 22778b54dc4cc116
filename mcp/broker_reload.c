/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers come and go while the service runs: a registry that was read again is held against the servers
 * there are, and only those whose row is another are touched; and one server is started anew because a person
 * asks for it. How a server leaves is server_restart.c; here it is decided which ones do.
 *
 * A pool whose server is no longer in the registry is retired: it is not found by name any more and its tools
 * are not offered, but it stays on the list until its calls and its child are gone. Should its name come back
 * before that, the same pool takes the new row.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"

#include <stdlib.h>
#include <string.h>

static struct pool *pool_named(const struct mcp_broker *b, const char *id)
{
	for (size_t i = 0; i < b->pools_count; i++) {
		if (strcmp(b->pools[i]->options->id, id) == 0)
			return b->pools[i];
	}
	return NULL;
}

struct pool *broker_pool_find(const struct mcp_broker *b, const char *id)
{
	struct pool *p = pool_named(b, id);
	return p && !p->retired ? p : NULL;
}

void broker_retired_sweep(void *broker)
{
	struct mcp_broker *b = broker;
	size_t kept = 0, count = b->pools_count;
	for (size_t i = 0; i < count; i++) {
		struct pool *p = b->pools[i];
		if (p->retired && !p->count)
			pool_free(p);
		else
			b->pools[kept++] = p;
	}
	b->pools_count = kept;
}

/* --- the registry was read again --- */

struct changes {
	size_t added, replaced, retired, kept;
};

static bool row_is(const struct pool *p, const struct mcp_server_options *row)
{
	const struct mcp_server_options *now = p->options;
	return !p->retired && now->fingerprint && row->fingerprint &&
	       strcmp(now->fingerprint, row->fingerprint) == 0;
}

static bool row_named(const struct mcp_rows *rows, const char *id)
{
	for (size_t i = 0; i < rows->count; i++) {
		if (strcmp(rows->rows[i].id, id) == 0)
			return true;
	}
	return false;
}

/* In the order of the rows; behind them what is in none. New ones are not started yet. */
static void pools_arrange(struct mcp_broker *b, const struct mcp_rows *rows, struct row_set *set)
{
	struct pool **list = xcalloc(rows->count + b->pools_count + 1, sizeof(struct pool *));
	size_t n = 0;
	for (size_t i = 0; i < rows->count; i++) {
		struct pool *p = pool_named(b, rows->rows[i].id);
		list[n++] = p ? p : pool_new(b, &rows->rows[i], set);
	}
	for (size_t i = 0; i < b->pools_count; i++) {
		if (!row_named(rows, b->pools[i]->options->id))
			list[n++] = b->pools[i];
	}
	free(b->pools);
	b->pools = list;
	b->pools_count = n;
}

static struct changes pools_change(struct mcp_broker *b, const struct mcp_rows *rows, struct row_set *set)
{
	struct changes c = {0};
	for (size_t i = 0; i < b->pools_count; i++) {
		struct pool *p = b->pools[i];
		const struct mcp_server_options *row = i < rows->count ? &rows->rows[i] : NULL;
		if (!row) {
			c.retired += !p->retired;
			if (!p->retired)
				pool_retire(p);
		} else if (p->options == row) {
			c.added++;
			pool_start(p);
		} else if (row_is(p, row)) {
			c.kept++;
		} else {
			c.replaced++;
			pool_replace(p, row, set);
		}
	}
	return c;
}

void mcp_broker_reload(struct mcp_broker *b, const struct mcp_rows *rows, const struct mcp_auth_common *auth)
{
	struct row_set *set = row_set_new(rows);
	if (!b->stopping) {
		broker_auth_open(b, rows, auth);
		pools_arrange(b, rows, set);
		struct changes c = pools_change(b, rows, set);
		log_info("tool registry applied", LF_INT("added", c.added), LF_INT("replaced", c.replaced),
			 LF_INT("removed", c.retired), LF_INT("unchanged", c.kept));
	}
	row_set_drop(set);
}

/* --- a person asks for it --- */

void broker_restart_received(struct worker *w, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	const char *id = unpack_text(&u);
	struct pool *p = id && unpack_end(&u) ? broker_pool_find(w->broker, id) : NULL;
	struct error e = {0};
	struct buf text = BUF_INIT, body = BUF_INIT;
	struct jw j = JW(&text);
	if (!p)
		err_set(&e, ERR_NOT_FOUND, "no server of that name is in the registry");
	else if (pool_restart(p, &e) == ERR_NONE)
		pool_write(p, &j);
	pack_u32(&body, e.code);
	pack_text(&body, e.code ? e.msg : "");
	pack_slice(&body, buf_slice(&text));
	worker_send(w, IPC_SERVER_RESTARTED, f->id, buf_slice(&body));
	buf_release(&body);
	buf_release(&text);
}
