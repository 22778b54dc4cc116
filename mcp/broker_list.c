/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers list besides tools, for workers that ask: a page of the last list that the server told. The
 * question never waits for a server. One that does not tell of changes is asked again behind the answer.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"
#include "ipc/ipc.h"

static enum err page_write(const struct pool *pool, struct shelf_page *p, struct buf *out, struct error *e)
{
	const struct shelf_list *l = &pool->shelf.lists[p->kind];
	enum list_kind kind = (enum list_kind)(LIST_RESOURCES + p->kind);
	const struct server *s = pool_common(pool);
	const struct error *why = pool_last_error(pool);
	p->offered = s ? session_offers(s->session, kind) : l->version > 0;
	if (!l->version && !s)
		return err_set(e, ERR_UNAVAILABLE, "server %s has not told it yet (%s)%s%s",
			       pool->options->id, pool_state_name(pool), why->msg[0] ? ": " : "", why->msg);
	if (s)
		session_list_refresh(s->session, kind);
	if (!l->version && p->offered && l->error.code)
		return err_set(e, l->error.code, "server %s could not tell it: %s", pool->options->id,
			       l->error.msg);
	if (!l->version && p->offered)
		return err_set(e, ERR_UNAVAILABLE, "server %s has not told it yet: it is being asked",
			       pool->options->id);
	return shelf_write(&pool->shelf, p, out, e);
}

void broker_list_received(struct worker *w, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	struct shelf_page p = {.server = unpack_text(&u)};
	uint32_t kind = unpack_u32(&u);
	struct error e = {0};
	struct buf text = BUF_INIT, body = BUF_INIT;
	p.cursor = unpack_text(&u);
	p.limit = unpack_u32(&u);
	struct pool *pool = p.server ? broker_pool_find(w->broker, p.server) : NULL;
	if (!unpack_end(&u) || !p.server || kind >= ITEM_KINDS) {
		worker_cut(w, "its LIST_GET cannot be read");
		return;
	}
	p.kind = (enum mcp_list)kind;
	if (!pool)
		err_set(&e, ERR_NOT_FOUND, "no server of that name is in the registry");
	else if (page_write(pool, &p, &text, &e) != ERR_NONE)
		buf_reset(&text);
	pack_u32(&body, e.code);
	pack_text(&body, e.code ? e.msg : "");
	pack_slice(&body, buf_slice(&text));
	worker_send(w, IPC_LIST, f->id, buf_slice(&body));
	buf_release(&body);
	buf_release(&text);
}
