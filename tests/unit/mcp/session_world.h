/* SPDX-License-Identifier: Apache-2.0 */
/* A session over a link in memory, with a clock of our own. */
#ifndef TESTS_UNIT_MCP_SESSION_WORLD_H
#define TESTS_UNIT_MCP_SESSION_WORLD_H

#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct world {
	struct link link; /* first */
	struct loop *loop;
	struct session *session;
	struct buf sent;    /* lines */
	bool deaf;          /* sending fails */
	bool has_headers;   /* the link is one over HTTP */
	struct buf headers; /* that were sent with them, one a line */
	char version[16];   /* that the link was told */
	uint64_t cancelled; /* what the link was told so of */
	enum mcp_era era;
	int items_told[LIST_KINDS]; /* well or not */
	char updated[64];           /* the last resource that was told of */
	int ready, tools_changed, broken, ends, progress;
	bool takes_asks;         /* as the next world_open is to be */
	struct session_ask *ask; /* the last one; NULL once it is over */
	int asks, asks_over;
	struct error why;
	struct answer answer;
	struct buf result;
	int64_t now_ms;
};

static inline enum err memory_send(struct link *l, const struct link_message *m, struct error *e)
{
	struct slice message = m->text;
	struct world *w = (struct world *)l;
	if (w->deaf)
		return err_set(e, ERR_LOST, "deaf");
	assert_null(memchr(message.ptr, '\n', message.len));
	buf_add_slice(&w->sent, message);
	buf_add_char(&w->sent, '\n');
	for (const char *const *h = m->headers; h && *h; h++)
		buf_printf(&w->headers, "%s\n", *h);
	return ERR_NONE;
}

static inline void memory_version(struct link *l, const char *version)
{
	struct world *w = (struct world *)l;
	snprintf(w->version, sizeof(w->version), "%s", version);
}

static inline void memory_cancel(struct link *l, uint64_t id)
{
	((struct world *)l)->cancelled = id;
}

static inline void told_ready(void *arg)
{
	((struct world *)arg)->ready++;
}

static inline void told_tools(void *arg)
{
	((struct world *)arg)->tools_changed++;
}

static inline void told_items(enum list_kind kind, const struct error *why, void *arg)
{
	struct world *w = arg;
	w->items_told[kind]++;
	if (why)
		w->why = *why;
}

static inline void told_updated(const char *uri, void *arg)
{
	struct world *w = arg;
	snprintf(w->updated, sizeof(w->updated), "%s", uri);
}

static inline void told_broken(const struct error *why, void *arg)
{
	struct world *w = arg;
	w->broken++;
	w->why = *why;
	session_close(w->session);
	w->session = NULL;
}

static inline void told_progress(struct slice params, void *arg)
{
	(void)params;
	((struct world *)arg)->progress++;
}

static inline void told_end(const struct answer *a, void *arg)
{
	struct world *w = arg;
	w->ends++;
	w->answer = *a;
	buf_reset(&w->result);
	buf_add_slice(&w->result, a->result);
}

static inline void told_ask(struct session_ask *a, void *arg)
{
	struct world *w = arg;
	w->asks++;
	w->ask = a;
}

static inline void told_ask_over(const struct session_ask *a, void *arg)
{
	struct world *w = arg;
	w->asks_over++;
	w->ask = a == w->ask ? NULL : w->ask;
}

static const struct link_ops memory_ops = {.send = memory_send, .version = memory_version};
static const struct link_ops http_like_ops = {
	.send = memory_send, .version = memory_version, .cancel = memory_cancel, .has_headers = true};

static inline void world_pass(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	loop_turn(w->loop, 0);
}

static inline void world_open(struct world *w)
{
	struct session_events events = {.on_ready = told_ready,
					.on_tools = told_tools,
					.on_items = told_items,
					.on_updated = told_updated,
					.on_broken = told_broken,
					.arg = w};
	struct session_limits limits = {5000, 4, 1000, 3, 600000};
	struct world asked = *w;
	if (asked.takes_asks) {
		events.on_ask = told_ask;
		events.on_ask_over = told_ask_over;
		events.offers = (struct session_offers){true, true, true};
	}
	*w = (struct world){.link = {asked.has_headers ? &http_like_ops : &memory_ops},
			    .now_ms = 1000000,
			    .deaf = asked.deaf,
			    .era = asked.era,
			    .takes_asks = asked.takes_asks,
			    .has_headers = asked.has_headers};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	w->loop = loop_new();
	w->session = session_open(w->loop, &w->link, "srv", "1.2", w->era, &limits, events);
}

static inline void world_close(struct world *w)
{
	session_close(w->session);
	loop_turn(w->loop, 0);
	loop_free(w->loop);
	buf_release(&w->sent);
	buf_release(&w->headers);
	buf_release(&w->result);
	clock_fake_clear();
}

/* What was sent since the last look. */
static inline void sent_is(struct world *w, const char *text)
{
	assert_string_equal(buf_cstr(&w->sent), text);
	buf_reset(&w->sent);
}

static inline void say(struct world *w, const char *line)
{
	session_receive(w->session, slice_str(line), 0);
}

#define INITIALIZED                                                                                 \
	"{\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}}," \
	"\"serverInfo\":{\"name\":\"n\",\"version\":\"v\"}}}"
#define TOOL(name) "{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\"}}"

static inline void world_opened_ready(struct world *w)
{
	world_open(w);
	say(w, INITIALIZED);
	say(w, "{\"id\":2,\"result\":{\"tools\":[" TOOL("a") "]}}");
	assert_int_equal(w->ready, 1);
	buf_reset(&w->sent);
}

static inline void world_ready(struct world *w)
{
	*w = (struct world){0};
	world_opened_ready(w);
}

static inline uint64_t call(struct world *w, const char *arguments)
{
	struct error e;
	struct request_handler h = {
		.on_progress = told_progress, .on_end = told_end, .arg = w, .takes_asks = true};
	return session_call(w->session, "a", slice_str(arguments), "t:c1", h, &e);
}

#endif
