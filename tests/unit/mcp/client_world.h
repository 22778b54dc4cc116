/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's half against a supervisor played by hand, with a clock of our own. */
#ifndef TESTS_UNIT_MCP_CLIENT_WORLD_H
#define TESTS_UNIT_MCP_CLIENT_WORLD_H

#include "base/base.h"
#include "ipc/ipc.h"
#include "mcp/mcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { FRAMES_MAX = 32 };

struct seen {
	enum ipc_msg msg;
	uint64_t id;
};

struct world {
	struct loop *loop;
	struct mcp_client *client;
	struct ipc_channel *supervisor; /* NULL once the client went away */
	struct seen frames[FRAMES_MAX];
	size_t frames_count;
	int changes, ends, progress, answers;
	struct mcp_call_end end;
	struct error error; /* of the servers question */
	char text[256];
	struct mcp_call *cancel_in_end;
	int64_t now_ms;
	bool tasks_matter; /* of the next catalogue */
};

static inline void frame_received(struct ipc_frame *f, void *arg)
{
	struct world *w = arg;
	assert_true(w->frames_count < FRAMES_MAX);
	w->frames[w->frames_count++] = (struct seen){f->msg, f->id};
}

static inline void channel_closed(const struct error *why, void *arg)
{
	struct world *w = arg;
	(void)why;
	ipc_close(w->supervisor);
	w->supervisor = NULL;
}

static inline void changed(void *arg)
{
	((struct world *)arg)->changes++;
}

static inline void turns(struct world *w)
{
	for (int i = 0; i < 5; i++)
		loop_turn(w->loop, 0);
}

static inline void world_pass(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	turns(w);
}

static inline void supervisor_connect(struct world *w)
{
	struct error e;
	struct ipc_handler h = {frame_received, channel_closed, w};
	int pair[2];
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	w->supervisor = ipc_open(w->loop, pair[0], 1 << 16, 1 << 16, h);
	mcp_client_connect(w->client, pair[1]);
	turns(w);
}

static inline void world_open(struct world *w)
{
	struct mcp_client_options o = {1 << 16, 1 << 16, 10000};
	*w = (struct world){.now_ms = 5000000};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	w->loop = loop_new();
	w->client = mcp_client_new(w->loop, &o);
	mcp_client_on_change(w->client, changed, w);
}

static inline void world_close(struct world *w)
{
	mcp_client_free(w->client);
	ipc_close(w->supervisor);
	loop_turn(w->loop, 0);
	loop_free(w->loop);
	clock_fake_clear();
}

static inline void frame_send(struct world *w, enum ipc_msg msg, uint64_t id, struct buf *body)
{
	struct error e;
	assert_int_equal(ipc_send(w->supervisor, msg, id, buf_slice(body), -1, &e), ERR_NONE);
	buf_release(body);
	turns(w);
}

static inline void catalog_send_as(struct world *w, const char *text, bool settled, bool all_told)
{
	struct buf b = BUF_INIT;
	pack_u64(&b, 3);
	pack_u32(&b, settled);
	pack_u32(&b, all_told);
	pack_u32(&b, w->tasks_matter);
	pack_slice(&b, slice_str(text));
	frame_send(w, IPC_CATALOG, 0, &b);
}

static inline void catalog_send(struct world *w, const char *text, bool settled)
{
	catalog_send_as(w, text, settled, settled);
}

static inline void done_send(struct world *w, uint64_t id, uint32_t code, const char *result)
{
	struct buf b = BUF_INIT;
	pack_u32(&b, code);
	pack_text(&b, code ? "told so" : "");
	pack_u32(&b, 1);
	pack_u32(&b, 0);
	pack_slice(&b, slice_str(result));
	frame_send(w, IPC_CALL_DONE, id, &b);
}

static inline void call_progress(struct slice progress, struct slice total, struct slice message, void *arg)
{
	struct world *w = arg;
	w->progress++;
	snprintf(w->text, sizeof(w->text), "%.*s of %.*s: %.*s", (int)progress.len, progress.ptr,
		 (int)total.len, total.len ? total.ptr : "", (int)message.len, message.ptr);
}

static inline void call_end(const struct mcp_call_end *end, void *arg)
{
	struct world *w = arg;
	w->ends++;
	w->end = *end;
	snprintf(w->text, sizeof(w->text), "%.*s", (int)end->result.len,
		 end->result.len ? end->result.ptr : "");
	if (w->cancel_in_end)
		mcp_call_cancel(w->cancel_in_end);
	w->cancel_in_end = NULL;
}

static inline struct mcp_call *call_start(struct world *w)
{
	struct mcp_call_request r = {"s", "t", SLICE_LIT("{}"), "task", 0, true, NULL};
	struct mcp_call_handler h = {.on_progress = call_progress, .on_end = call_end, .arg = w};
	int before = w->ends;
	struct mcp_call *call = mcp_call_start(w->client, &r, h);
	assert_int_equal(w->ends, before);
	return call;
}

static inline uint64_t frame_last(const struct world *w, enum ipc_msg msg)
{
	assert_true(w->frames_count > 0);
	assert_int_equal(w->frames[w->frames_count - 1].msg, msg);
	return w->frames[w->frames_count - 1].id;
}

#endif
