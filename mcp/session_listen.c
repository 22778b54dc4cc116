/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the lists stay fresh on the modern wire (MCP 2026-07-28, Subscriptions; Caching).
 *
 * Where the server says that it tells of changes, one subscriptions/listen is under way all the time: a
 * request whose end means that nothing more is told. Its first message is the acknowledgement, which may
 * grant less than was asked for; what comes under another subscription's id, or before that, is not ours. A
 * stream that is dropped is opened again, later each time; one that the server ends properly, after a while.
 * Since changes may have been missed meanwhile, the lists are fetched once it is acknowledged again.
 *
 * Without such a grant the ttlMs of the list of tools counts: it is fetched anew when it is over, though
 * never more often than once a minute, at a moment that chance moves, and less often while that fails.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <string.h>

enum {
	ACK_MS_MAX = 30000,
	RENEW_MS = 1000,
	AGAIN_MS_MIN = 1000, /* after a drop; doubled each time, up to AGAIN_MS_MAX */
	AGAIN_MS_MAX = 300000,
	FRESH_MS_MIN = 60000,
	FRESH_MS_MAX = 24 * 3600 * 1000,
	SHIFT_MAX = 10
};

static void listen_send(struct session *s);

/* Up to a quarter more. */
static int64_t jittered(int64_t ms)
{
	return ms + (int64_t)(random_u64() % (uint64_t)(ms / 4 + 1));
}

/* --- by the clock --- */

void fresh_arm(struct session *s)
{
	int shift = s->list_failures < SHIFT_MAX ? s->list_failures : SHIFT_MAX;
	int64_t ttl_ms = s->lists[LIST_TOOLS].ttl_ms;
	int64_t ms = ttl_ms > FRESH_MS_MIN ? ttl_ms : FRESH_MS_MIN;
	if (s->listen.tools || ttl_ms <= 0) {
		loop_timer_set(s->fresh_timer, -1);
		return;
	}
	ms = ms < FRESH_MS_MAX >> shift ? ms << shift : FRESH_MS_MAX;
	loop_timer_set(s->fresh_timer, jittered(ms));
}

void fresh_timer_fired(void *arg)
{
	list_note_changed(arg, LIST_TOOLS);
}

/* --- the subscription --- */

static void listen_lost(struct session *s)
{
	s->listen.id = 0;
	s->listen.missed = true;
	s->listen.acknowledged = s->listen.tools = s->listen.renew = false;
	lists_told(s, (struct slice){0});
	if (s->ready)
		fresh_arm(s);
}

static void listen_later(struct session *s)
{
	int shift = s->listen.drops < SHIFT_MAX ? s->listen.drops : SHIFT_MAX;
	int64_t ms = (int64_t)AGAIN_MS_MIN << shift;
	s->listen.drops++;
	loop_timer_set(s->listen.timer, jittered(ms < AGAIN_MS_MAX ? ms : AGAIN_MS_MAX));
}

static void listen_ended(const struct answer *a, void *arg)
{
	struct session *s = arg;
	bool refused = a->rpc_code == RPC_METHOD_NOT_FOUND || a->rpc_code == RPC_INVALID_PARAMS;
	listen_lost(s);
	log_debug("a subscription to changes of a tool server's lists has ended", LF_STR("server", s->server),
		  LF_STR("error", a->error.code ? a->error.msg : ""));
	if (refused)
		loop_timer_set(s->listen.timer, -1);
	else if (a->error.code)
		listen_later(s);
	else
		loop_timer_set(s->listen.timer, jittered(FRESH_MS_MIN));
}

static void watches_add(const struct session *s, struct jw *w)
{
	const struct watches *list = s->subscribe.watches;
	if (!session_subscribes(s) || !list->count)
		return;
	jw_name(w, "resourceSubscriptions");
	jw_array(w);
	for (size_t i = 0; i < list->count; i++)
		jw_text(w, list->list[i].uri);
	jw_array_end(w);
}

static void listen_send(struct session *s)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	struct error e;
	struct request_handler h = {.on_end = listen_ended, .arg = s};
	jw_object(&w);
	jw_name(&w, "notifications");
	jw_object(&w);
	if (s->listen.for_tools)
		jw_kv_bool(&w, "toolsListChanged", true);
	if (s->listen.for_prompts)
		jw_kv_bool(&w, "promptsListChanged", true);
	if (s->listen.for_resources)
		jw_kv_bool(&w, "resourcesListChanged", true);
	watches_add(s, &w);
	jw_object_end(&w);
	jw_object_end(&w);
	s->listen.id = wire_request(s, "subscriptions/listen", buf_slice(&params), h, &e);
	buf_release(&params);
	if (s->listen.id)
		loop_timer_set(s->listen.timer, ACK_MS_MAX);
	else
		listen_later(s);
}

/* A request cannot be changed: it is made anew, a while from now, for there may be more. */
void listen_renew(struct session *s)
{
	s->listen.renew = s->listen.id != 0;
	if (s->listen.acknowledged || (!s->listen.id && !loop_timer_armed(s->listen.timer)))
		loop_timer_set(s->listen.timer, RENEW_MS);
}

void listen_timer_fired(void *arg)
{
	struct session *s = arg;
	if (s->listen.renew && s->listen.acknowledged) {
		session_cancel(s, s->listen.id, "it is made anew");
		listen_lost(s);
		listen_send(s);
	} else if (s->listen.id) {
		session_cancel(s, s->listen.id, "not acknowledged");
		listen_lost(s);
		listen_later(s);
	} else {
		listen_send(s);
	}
}

static bool tells_changes(struct slice capabilities, const char *name)
{
	return slice_eq_str(scan_member(scan_member(capabilities, name), "listChanged"), "true");
}

void listen_start(struct session *s, struct slice capabilities)
{
	s->listen.for_tools = tells_changes(capabilities, "tools");
	s->listen.for_prompts = tells_changes(capabilities, "prompts");
	s->listen.for_resources = tells_changes(capabilities, "resources");
	bool updates = session_subscribes(s) && s->subscribe.watches->count;
	if (s->listen.for_tools || s->listen.for_prompts || s->listen.for_resources || updates)
		listen_send(s);
}

/* --- what it brings --- */

static bool is_ours(const struct session *s, struct slice params)
{
	struct slice id = scan_member(scan_member(params, "_meta"), SUBSCRIPTION_ID);
	uint64_t number = wire_id_number(id);
	return s->listen.id && number && number == wire_id_now(s, s->listen.id);
}

static void acknowledged(struct session *s, struct slice params)
{
	struct slice granted = scan_member(params, "notifications");
	if (s->listen.acknowledged)
		return;
	s->listen.acknowledged = true;
	s->listen.drops = 0;
	s->listen.tools = slice_eq_str(scan_member(granted, "toolsListChanged"), "true");
	loop_timer_set(s->listen.timer, s->listen.renew ? RENEW_MS : -1);
	lists_told(s, granted);
	for (int k = 0; s->listen.missed && k < LIST_KINDS; k++)
		list_note_changed(s, (enum list_kind)k);
	s->listen.missed = false;
	if (s->ready)
		fresh_arm(s);
}

/* The server ends it: on a pipe there is no stream that it could close. */
static void taken_back(struct session *s, struct slice params)
{
	uint64_t id = wire_id_number(scan_member(params, "requestId"));
	struct answer ended = {0};
	if (s->listen.id && id && id == wire_id_now(s, s->listen.id)) {
		wire_forget(s, s->listen.id);
		listen_ended(&ended, s);
	}
}

bool listen_takes(struct session *s, const struct scan_message *m)
{
	if (slice_eq_str(m->method, "notifications/progress") ||
	    slice_eq_str(m->method, "notifications/message"))
		return false; /* they belong to requests */
	if (slice_eq_str(m->method, "notifications/cancelled")) {
		taken_back(s, m->params);
		return true;
	}
	if (!is_ours(s, m->params))
		return true;
	if (slice_eq_str(m->method, "notifications/subscriptions/acknowledged")) {
		acknowledged(s, m->params);
		return true;
	}
	return !s->listen.acknowledged;
}
