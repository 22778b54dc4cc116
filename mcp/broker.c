/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's half: workers on one side, servers on the other, calls routed between them under two sets
 * of numbers (the worker's, the session's), and the catalogue of all servers told to all workers when it
 * changes. One server's trouble is told to those who call it; the broker itself has no failing state.
 *
 * Owns workers, servers and the catalogue's text. A worker that does not read its socket until the queue is
 * full is cut off: its calls are cancelled as if it had died. It has no tools until it is given a new socket.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/broker_int.h"
#include "mcp/auth.h"
#include "mcp/sandbox_int.h"
#include "ipc/ipc.h"

#include <stdlib.h>
#include <string.h>

/* --- the catalogue --- */

/* Tools of one server, and those made of its resources. Returns how many. */
static size_t sources_add(const struct pool *p, struct catalog_source *out)
{
	const struct tool_entry *own[RESOURCE_TOOLS];
	size_t n = 0, own_count = resource_tools(&p->shelf, &p->tools, own);
	for (size_t k = 0; k < p->tools.count; k++)
		out[n++] = (struct catalog_source){.server = p->options->id,
						   .tool = &p->tools.tools[k],
						   .effect = tool_effect_of(p->options, &p->tools.tools[k]),
						   .world = tool_world_of(p->options, &p->tools.tools[k])};
	for (size_t k = 0; k < own_count; k++)
		out[n++] = (struct catalog_source){.server = p->options->id,
						   .tool = own[k],
						   .effect = {MCP_READS, "runtime"},
						   .world = tool_world_of(p->options, own[k]),
						   .by_runtime = true};
	return n;
}

static void catalog_make(struct mcp_broker *b)
{
	size_t count = 0, at = 0;
	for (size_t i = 0; i < b->pools_count; i++)
		count += b->pools[i]->tools.count + RESOURCE_TOOLS;
	struct catalog_source *sources = xcalloc(count + 1, sizeof(*sources));
	for (size_t i = 0; i < b->pools_count; i++) {
		if (pool_offers_tools(b->pools[i]))
			at += sources_add(b->pools[i], sources + at);
	}
	count = at;
	catalog_name(sources, count);
	buf_reset(&b->catalog);
	catalog_write(sources, count, &b->catalog);
	free(sources);
	b->version++;
}

void worker_send(struct worker *w, enum ipc_msg msg, uint64_t id, struct slice body)
{
	worker_send_parts(w, msg, id, body, (struct slice){0});
}

void worker_send_parts(struct worker *w, enum ipc_msg msg, uint64_t id, struct slice first,
		       struct slice second)
{
	struct error e;
	enum err rc = w->cut ? ERR_LOST : ipc_send_parts(w->channel, msg, id, first, second, &e);
	if (rc == ERR_TOO_LARGE)
		log_error("a message to a worker is over the limit of one: raise it, or offer fewer tools",
			  LF_STR("error", e.msg));
	else if (rc == ERR_FULL || rc == ERR_MEMORY)
		worker_cut(w, e.msg);
}

/* What is in the catalogue is all there is for the time being. */
static bool all_told(const struct mcp_broker *b)
{
	for (size_t i = 0; i < b->pools_count; i++) {
		if (!pool_is_told(b->pools[i]))
			return false;
	}
	return true;
}

/* Some server has, or may have, instances of single tasks, which end with them. */
static bool tasks_matter(const struct mcp_broker *b)
{
	for (size_t i = 0; i < b->pools_count; i++) {
		if (pool_has_tasks(b->pools[i]))
			return true;
	}
	return false;
}

static void catalog_tell(struct worker *w)
{
	struct buf body = BUF_INIT;
	pack_u64(&body, w->broker->version);
	pack_u32(&body, w->broker->settled);
	pack_u32(&body, all_told(w->broker));
	pack_u32(&body, tasks_matter(w->broker));
	pack_slice(&body, buf_slice(&w->broker->catalog));
	worker_send(w, IPC_CATALOG, 0, buf_slice(&body));
	buf_release(&body);
}

static bool all_settled(const struct mcp_broker *b)
{
	for (size_t i = 0; i < b->pools_count; i++) {
		if (!b->pools[i]->settled)
			return false;
	}
	return true;
}

static void publish(void *arg)
{
	struct mcp_broker *b = arg;
	bool was_settled = b->settled;
	b->publish_due = false;
	/* Once and for all: a server that comes with a later registry holds nobody up. */
	b->settled = b->settled || all_settled(b);
	catalog_make(b);
	for (struct worker *w = b->workers; w; w = w->next) {
		if (w->greeted)
			catalog_tell(w);
	}
	if (b->settled && !was_settled && b->on_settled)
		b->on_settled(b->on_settled_arg);
}

/* Several servers that become ready in one turn are told at once. */
static void publish_later(struct mcp_broker *b)
{
	if (b->publish_due)
		return;
	b->publish_due = true;
	loop_defer(b->loop, publish, b);
}

void broker_tools_changed(struct mcp_broker *b)
{
	publish_later(b);
}

void broker_settled_changed(struct mcp_broker *b)
{
	publish_later(b);
}

/* --- workers --- */

static void servers_tell(struct worker *w, uint64_t id)
{
	struct buf text = BUF_INIT;
	mcp_broker_servers_text(w->broker, &text);
	worker_send(w, IPC_SERVERS, id, buf_slice(&text));
	buf_release(&text);
}

static void frame_received(struct ipc_frame *f, void *arg)
{
	struct worker *w = arg;
	if (w->cut)
		return;
	switch (f->msg) {
	case IPC_HELLO:
		w->greeted = true;
		catalog_tell(w);
		broker_tasks_ask(w);
		break;
	case IPC_CALL: broker_call_received(w, f); break;
	case IPC_REQUEST: broker_request_received(w, f); break;
	case IPC_CALL_CANCEL: broker_call_cancelled(w, f->id); break;
	case IPC_CALL_ANSWER: broker_answer_received(w, f); break;
	case IPC_LIST_GET: broker_list_received(w, f); break;
	case IPC_TASK_ENDED: broker_task_ended_received(w, f); break;
	case IPC_LOGIN: broker_login_received(w, f); break;
	case IPC_SERVER_RESTART: broker_restart_received(w, f); break;
	case IPC_SERVERS_GET: servers_tell(w, f->id); break;
	default: log_warn("unexpected message from a worker", LF_STR("message", ipc_msg_name(f->msg)));
	}
}

static void worker_free(void *arg)
{
	struct worker *w = arg;
	struct mcp_broker *b = w->broker;
	while (w->calls)
		call_cancel(w->calls, "the caller is gone");
	broker_logins_forget(w);
	*(w->prev ? &w->prev->next : &b->workers) = w->next;
	if (w->next)
		w->next->prev = w->prev;
	ipc_close(w->channel);
	free(w);
}

void worker_cut(struct worker *w, const char *why)
{
	if (w->cut)
		return;
	w->cut = true;
	log_debug("a worker's connection ends", LF_STR("error", why));
	loop_defer(w->broker->loop, worker_free, w);
}

static void channel_closed(const struct error *why, void *arg)
{
	worker_cut(arg, why->msg);
}

void mcp_broker_add_worker(struct mcp_broker *b, int fd)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	struct ipc_handler h = {frame_received, channel_closed, w};
	w->broker = b;
	w->next = b->workers;
	if (b->workers)
		b->workers->prev = w;
	b->workers = w;
	w->channel = ipc_open(b->loop, fd, b->options.frame_bytes_max, b->options.queue_bytes_max, h);
	ipc_gather(w->channel);
}

/* --- life --- */

void broker_auth_open(struct mcp_broker *b, const struct mcp_rows *rows, const struct mcp_auth_common *auth)
{
	for (size_t i = 0; i < rows->count; i++) {
		if (rows->rows[i].transport == MCP_REMOTE && rows->rows[i].enabled && !b->auth)
			b->auth = auth_house_new(b->loop, auth);
	}
}

bool broker_is_stopping(const struct mcp_broker *b)
{
	return b->stopping;
}

struct loop *broker_loop(const struct mcp_broker *b)
{
	return b->loop;
}

const struct mcp_broker_options *broker_limits(const struct mcp_broker *b)
{
	return &b->options;
}

struct auth_house *broker_auth_house(struct mcp_broker *b)
{
	return b->auth;
}

struct mcp_broker *mcp_broker_new(struct loop *l, const struct mcp_broker_options *o)
{
	struct mcp_broker *b = xcalloc(1, sizeof(*b));
	struct mcp_rows rows = {.rows = o->servers, .count = o->servers_count};
	b->loop = l;
	b->options = *o;
	run_folder_open(o->run_folder);
	b->options.auth = (struct mcp_auth_common){0}; /* it need not live as long */
	b->pools = xcalloc(1, sizeof(struct pool *));
	catalog_make(b);
	publish_later(b);
	mcp_broker_reload(b, &rows, &o->auth);
	return b;
}

void mcp_broker_child_exited(struct mcp_broker *b, int pid, int status)
{
	for (size_t i = 0; i < b->pools_count; i++) {
		for (size_t k = 0; k < b->pools[i]->count; k++) {
			struct server *s = b->pools[i]->instances[k];
			if (s->link && s->link->ops->child_exited(s->link, pid, status))
				return;
			if (server_probe_child_exited(s, pid, status))
				return;
		}
	}
}

static void stop_check(void *arg)
{
	struct mcp_broker *b = arg;
	for (size_t i = 0; i < b->pools_count; i++) {
		if (!pool_is_gone(b->pools[i]))
			return;
	}
	if (!b->on_stopped)
		return;
	loop_fn *fn = b->on_stopped;
	b->on_stopped = NULL;
	fn(b->on_stopped_arg);
}

void broker_pool_gone(struct mcp_broker *b)
{
	loop_defer(b->loop, b->stopping ? stop_check : broker_retired_sweep, b);
}

void mcp_broker_stop(struct mcp_broker *b, loop_fn *fn, void *arg)
{
	if (b->stopping)
		return;
	b->stopping = true;
	b->on_stopped = fn;
	b->on_stopped_arg = arg;
	for (size_t i = 0; i < b->pools_count; i++)
		pool_stop(b->pools[i]);
	loop_defer(b->loop, stop_check, b);
}

void mcp_broker_free(struct mcp_broker *b)
{
	if (!b)
		return;
	while (b->workers) {
		struct worker *w = b->workers;
		w->cut = true;
		loop_defer_cancel(b->loop, w);
		worker_free(w);
	}
	for (size_t i = 0; i < b->pools_count; i++)
		pool_free(b->pools[i]);
	auth_house_free(b->auth);
	loop_defer_cancel(b->loop, b);
	run_folder_close();
	buf_release(&b->catalog);
	free(b->pools);
	free(b);
}

bool mcp_broker_settled(const struct mcp_broker *b)
{
	return b->settled;
}

void mcp_broker_on_settled(struct mcp_broker *b, loop_fn *fn, void *arg)
{
	b->on_settled = fn;
	b->on_settled_arg = arg;
}

void mcp_broker_tools_text(struct mcp_broker *b, struct buf *out)
{
	buf_add_slice(out, buf_slice(&b->catalog));
}

void mcp_broker_servers_text(struct mcp_broker *b, struct buf *out)
{
	struct jw w = JW(out);
	jw_object(&w);
	jw_name(&w, "servers");
	jw_array(&w);
	for (size_t i = 0; i < b->pools_count; i++)
		pool_write(b->pools[i], &w);
	jw_array_end(&w);
	jw_object_end(&w);
}
