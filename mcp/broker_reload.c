/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers come and go while the service runs: a registry that was read again is held against the servers
 * there are, and only those whose row is another are touched; and one server is started anew because a person
 * asks for it. How a server leaves is server_restart.c; here it is decided which ones do.
 *
 * A server that is no longer in the registry is retired: it is not found by name any more and its tools are
 * not offered, but it stays on the list until its calls and its child are gone. Should its name come back
 * before that, the same server takes the new row.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"

#include <stdlib.h>
#include <string.h>

static struct server *server_named(const struct mcp_broker *b, const char *id)
{
	for (size_t i = 0; i < b->servers_count; i++) {
		if (strcmp(b->servers[i]->options->id, id) == 0)
			return b->servers[i];
	}
	return NULL;
}

struct server *broker_server_find(const struct mcp_broker *b, const char *id)
{
	struct server *s = server_named(b, id);
	return s && !s->retired ? s : NULL;
}

void broker_server_free(struct server *s)
{
	struct row_set *set = s->row_set, *next_set = s->next_set;
	broker_logins_end(s->broker, s);
	server_release(s);
	row_set_drop(next_set);
	row_set_drop(set);
	free(s);
}

void broker_retired_sweep(void *broker)
{
	struct mcp_broker *b = broker;
	size_t kept = 0, count = b->servers_count;
	for (size_t i = 0; i < count; i++) {
		struct server *s = b->servers[i];
		if (s->retired && !s->again && server_is_gone(s))
			broker_server_free(s);
		else
			b->servers[kept++] = s;
	}
	b->servers_count = kept;
}

/* --- the registry was read again --- */

struct changes {
	size_t added, replaced, retired, kept;
};

static bool row_is(const struct server *s, const struct mcp_server_options *row)
{
	const struct mcp_server_options *now = s->next ? s->next : s->options;
	return !s->retired && now->fingerprint && row->fingerprint &&
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

static struct server *server_add(struct mcp_broker *b, const struct mcp_server_options *row,
				 struct row_set *set)
{
	struct server *s = xmalloc(sizeof(*s));
	server_init(s, b, b->loop, row, &b->options, b->auth);
	s->row_set = row_set_hold(set);
	return s;
}

/* In the order of the rows; behind them what is in none. New ones are not started yet. */
static void servers_arrange(struct mcp_broker *b, const struct mcp_rows *rows, struct row_set *set)
{
	struct server **list = xcalloc(rows->count + b->servers_count + 1, sizeof(struct server *));
	size_t n = 0;
	for (size_t i = 0; i < rows->count; i++) {
		struct server *s = server_named(b, rows->rows[i].id);
		list[n++] = s ? s : server_add(b, &rows->rows[i], set);
	}
	for (size_t i = 0; i < b->servers_count; i++) {
		if (!row_named(rows, b->servers[i]->options->id))
			list[n++] = b->servers[i];
	}
	free(b->servers);
	b->servers = list;
	b->servers_count = n;
}

static struct changes servers_change(struct mcp_broker *b, const struct mcp_rows *rows, struct row_set *set)
{
	struct changes c = {0};
	for (size_t i = 0; i < b->servers_count; i++) {
		struct server *s = b->servers[i];
		const struct mcp_server_options *row = i < rows->count ? &rows->rows[i] : NULL;
		if (!row) {
			c.retired += !s->retired;
			if (!s->retired)
				server_retire(s);
		} else if (s->options == row) {
			c.added++;
			server_start(s);
		} else if (row_is(s, row)) {
			c.kept++;
		} else {
			c.replaced++;
			server_replace(s, row, set);
		}
	}
	return c;
}

void mcp_broker_reload(struct mcp_broker *b, const struct mcp_rows *rows, const struct mcp_auth_common *auth)
{
	struct row_set *set = row_set_new(rows);
	if (!b->stopping) {
		broker_auth_open(b, rows, auth);
		servers_arrange(b, rows, set);
		struct changes c = servers_change(b, rows, set);
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
	struct server *s = id && unpack_end(&u) ? broker_server_find(w->broker, id) : NULL;
	struct error e = {0};
	struct buf text = BUF_INIT, body = BUF_INIT;
	struct jw j = JW(&text);
	if (!s)
		err_set(&e, ERR_NOT_FOUND, "no server of that name is in the registry");
	else if (server_restart(s, &e) == ERR_NONE)
		server_write(s, &j);
	pack_u32(&body, e.code);
	pack_text(&body, e.code ? e.msg : "");
	pack_slice(&body, buf_slice(&text));
	worker_send(w, IPC_SERVER_RESTARTED, f->id, buf_slice(&body));
	buf_release(&body);
	buf_release(&text);
}
