/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions to single resources. What is wanted stands in a list of the owner's (watches.c); here the
 * server is told of it: on the handshake wire by resources/subscribe and /unsubscribe, all of them again in
 * each new session; on the modern wire the list is part of the one subscription (session_listen.c). A server
 * that refuses costs nothing but the news, one that does not even answer is not asked any more.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

enum { UNANSWERED_MAX = 16 /* besides one for each resource */ };

static void answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	s->subscribe.unanswered--;
	if (a->error.code)
		log_debug("a server refuses a subscription to a resource", LF_STR("server", s->server),
			  LF_STR("error", a->error.msg));
}

static void request_send(struct session *s, const char *method, const char *uri)
{
	struct buf params = BUF_INIT;
	struct jw w = JW(&params);
	struct error e;
	struct request_handler h = {.on_end = answered, .arg = s};
	if (s->subscribe.unanswered >= s->subscribe.watches->count + UNANSWERED_MAX) {
		s->subscribe.offered = false;
		log_warn("a server does not answer subscriptions to its resources; it is not asked any more",
			 LF_STR("server", s->server));
		return;
	}
	jw_object(&w);
	jw_kv_text(&w, "uri", uri);
	jw_object_end(&w);
	s->subscribe.unanswered++;
	if (!wire_request(s, method, buf_slice(&params), h, &e))
		s->subscribe.unanswered--;
	buf_release(&params);
}

void subscribe_offered(struct session *s, struct slice capabilities)
{
	struct slice flag = scan_member(scan_member(capabilities, "resources"), "subscribe");
	s->subscribe.offered = slice_eq_str(flag, "true");
}

void session_watch(struct session *s, const struct watches *w)
{
	s->subscribe.watches = w;
}

bool session_subscribes(const struct session *s)
{
	return s->subscribe.offered && s->subscribe.watches;
}

void subscribe_begin(struct session *s)
{
	const struct watches *w = s->subscribe.watches;
	for (size_t i = 0; !s->modern && session_subscribes(s) && i < w->count; i++)
		request_send(s, "resources/subscribe", w->list[i].uri);
}

void session_watch_changed(struct session *s, const char *added, const char *dropped)
{
	if (!session_subscribes(s) || !s->ready)
		return;
	if (s->modern) {
		listen_renew(s);
		return;
	}
	request_send(s, "resources/subscribe", added);
	if (dropped && session_subscribes(s))
		request_send(s, "resources/unsubscribe", dropped);
}

void subscribe_updated(struct session *s, struct slice params)
{
	struct buf uri = BUF_INIT;
	if (s->events.on_updated && scan_text(scan_member(params, "uri"), &uri) && uri.len)
		s->events.on_updated(uri.data, s->events.arg);
	buf_release(&uri);
}
