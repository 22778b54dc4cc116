/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's half: a socket to the supervisor, the catalogue it told last, and questions to it. It knows no
 * server and no JSON-RPC. While the supervisor is away the last catalogue stays, so that plans can be read;
 * calls and questions fail at once, and a new socket comes through mcp_client_connect.
 */
#include "base/base.h"
#include "mcp/client_int.h"

#include <stdlib.h>
#include <unistd.h>

enum { HELLO_VERSION = 1, SERVERS_MS_MAX = 5000 };

struct servers_wait {
	struct mcp_client *client;
	struct servers_wait *next;
	uint64_t id;
	void (*fn)(struct slice text, const struct error *e, void *arg);
	void *arg;
	struct error error; /* once it failed: told at the bottom of the loop */
	bool failed;
	struct loop_timer *timer;
};

/* --- the state of the servers --- */

static void servers_wait_free(struct servers_wait *w)
{
	struct servers_wait **at = &w->client->servers_waits;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	loop_timer_free(w->timer);
	loop_defer_cancel(w->client->loop, w);
	free(w);
}

static void servers_wait_tell_failure(void *arg)
{
	struct servers_wait *w = arg, told = *w;
	servers_wait_free(w);
	told.fn((struct slice){0}, &told.error, told.arg);
}

static void servers_wait_fail(struct servers_wait *w, const struct error *why)
{
	if (w->failed)
		return;
	w->failed = true;
	w->error = *why;
	loop_defer(w->client->loop, servers_wait_tell_failure, w);
}

static void servers_wait_timed_out(void *arg)
{
	struct error e;
	err_set(&e, ERR_TIMEOUT, "the supervisor did not answer within %d ms", SERVERS_MS_MAX);
	servers_wait_fail(arg, &e);
}

void mcp_client_servers(struct mcp_client *c, void (*fn)(struct slice text, const struct error *e, void *arg),
			void *arg)
{
	struct servers_wait *w = xcalloc(1, sizeof(*w));
	struct error e;
	*w = (struct servers_wait){
		.client = c, .next = c->servers_waits, .id = ++c->id_last, .fn = fn, .arg = arg};
	c->servers_waits = w;
	w->timer = loop_timer_new(c->loop, servers_wait_timed_out, w);
	loop_timer_set(w->timer, SERVERS_MS_MAX);
	if (!c->channel) {
		err_set(&e, ERR_UNAVAILABLE, "the supervisor of the tool servers is away");
		servers_wait_fail(w, &e);
	} else if (ipc_send(c->channel, IPC_SERVERS_GET, w->id, (struct slice){0}, -1, &e) != ERR_NONE) {
		servers_wait_fail(w, &e);
	}
}

void mcp_client_servers_cancel(struct mcp_client *c, void *arg)
{
	for (struct servers_wait *w = c->servers_waits, *next; w; w = next) {
		next = w->next;
		if (w->arg == arg)
			servers_wait_free(w);
	}
}

static void servers_received(struct mcp_client *c, const struct ipc_frame *f)
{
	for (struct servers_wait *w = c->servers_waits; w; w = w->next) {
		if (w->id != f->id || w->failed)
			continue;
		struct servers_wait told = *w;
		servers_wait_free(w);
		told.fn(f->body, NULL, told.arg);
		return;
	}
}

/* --- the catalogue --- */

static void catalog_received(struct mcp_client *c, const struct ipc_frame *f)
{
	struct unpack u = UNPACK(f->body);
	struct error e = {0};
	uint64_t version = unpack_u64(&u);
	bool settled = unpack_u32(&u) != 0;
	struct slice text = unpack_slice(&u);
	const struct mcp_catalog *fresh = unpack_end(&u) ? catalog_read(text, version, &e) : NULL;
	if (!fresh) {
		log_error("the supervisor's catalogue cannot be read; the last one stays",
			  LF_STR("error", e.msg));
	} else {
		mcp_catalog_drop(c->catalog);
		c->catalog = fresh;
	}
	c->settled = settled;
	if (c->on_change)
		c->on_change(c->on_change_arg);
}

const struct mcp_catalog *mcp_client_catalog(struct mcp_client *c)
{
	return mcp_catalog_hold(c->catalog);
}

bool mcp_client_settled(const struct mcp_client *c)
{
	return c->settled;
}

void mcp_client_on_change(struct mcp_client *c, loop_fn *fn, void *arg)
{
	c->on_change = fn;
	c->on_change_arg = arg;
}

/* --- the connection --- */

static void frame_received(struct ipc_frame *f, void *arg)
{
	struct mcp_client *c = arg;
	switch (f->msg) {
	case IPC_CATALOG: catalog_received(c, f); break;
	case IPC_CALL_PROGRESS: client_call_progress(c, f); break;
	case IPC_CALL_DONE: client_call_done(c, f); break;
	case IPC_SERVERS: servers_received(c, f); break;
	default: log_warn("unexpected message from the supervisor", LF_STR("message", ipc_msg_name(f->msg)));
	}
}

static void supervisor_lose(struct mcp_client *c, const struct error *why)
{
	ipc_close(c->channel);
	c->channel = NULL;
	client_calls_lose(c, why);
	for (struct servers_wait *w = c->servers_waits; w; w = w->next)
		servers_wait_fail(w, why);
}

static void channel_closed(const struct error *why, void *arg)
{
	supervisor_lose(arg, why);
}

void mcp_client_connect(struct mcp_client *c, int fd)
{
	struct buf hello = BUF_INIT;
	struct error e;
	struct ipc_handler h = {frame_received, channel_closed, c};
	if (c->channel) {
		err_set(&e, ERR_LOST, "the supervisor of the tool servers was replaced");
		supervisor_lose(c, &e);
	}
	c->channel = ipc_open(c->loop, fd, c->options.frame_bytes_max, c->options.queue_bytes_max, h);
	pack_u32(&hello, HELLO_VERSION);
	pack_u32(&hello, (uint32_t)getpid());
	if (ipc_send(c->channel, IPC_HELLO, 0, buf_slice(&hello), -1, &e) != ERR_NONE)
		log_warn("the supervisor cannot be greeted", LF_STR("error", e.msg));
	buf_release(&hello);
}

struct mcp_client *mcp_client_new(struct loop *l, const struct mcp_client_options *o)
{
	struct mcp_client *c = xcalloc(1, sizeof(*c));
	struct error e;
	c->loop = l;
	c->options = *o;
	c->catalog = catalog_read(SLICE_LIT("{\"tools\":[]}"), 0, &e);
	ensure(c->catalog);
	return c;
}

void mcp_client_free(struct mcp_client *c)
{
	if (!c)
		return;
	ipc_close(c->channel);
	client_calls_drop(c);
	while (c->servers_waits)
		servers_wait_free(c->servers_waits);
	mcp_catalog_drop(c->catalog);
	free(c);
}
