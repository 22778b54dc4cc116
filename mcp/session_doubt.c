/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether anybody is there at the other end. It is asked only when a call had no answer in its time: a server
 * that nobody uses would only be woken up for nothing, and so would we; the end of its output, or of its
 * connection, tells by itself. The question is a ping, or, on the modern wire, which has none, what begins a
 * connection there.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

static void doubt_answered(const struct answer *a, void *arg)
{
	struct session *s = arg;
	s->ping_id = 0;
	loop_timer_set(s->alive_timer, -1);
	/* An error of the server's is an answer too; none at all is not. */
	if (a->error.code && a->error.code != ERR_UPSTREAM)
		session_break(s, &a->error);
}

/* It may well be deaf then. */
static bool works_on_another(const struct session *s)
{
	for (const struct request *r = s->requests; r; r = r->next) {
		if (r->id != s->ping_id && r->id != s->listen.id)
			return true;
	}
	return false;
}

void alive_timer_fired(void *arg)
{
	struct session *s = arg;
	struct error e;
	if (!s->heard && !works_on_another(s)) {
		err_set(&e, ERR_TIMEOUT,
			"it did not answer a call in its time, nor a ping within %d ms after that",
			PING_ANSWER_MS);
		session_break(s, &e);
		return;
	}
	wire_forget(s, s->ping_id);
	s->ping_id = 0;
}

void session_doubt(struct session *s)
{
	struct error e;
	struct request_handler h = {.on_end = doubt_answered, .arg = s};
	if (s->ping_id || !s->ready || s->closed)
		return;
	s->heard = false;
	s->ping_id = wire_request(s, s->modern ? "server/discover" : "ping", (struct slice){0}, h, &e);
	loop_timer_set(s->alive_timer, s->ping_id ? PING_ANSWER_MS : -1);
}
