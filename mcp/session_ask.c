/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server asks of us while a session lives (2025-11-25: client/elicitation, client/sampling,
 * client/roots): each ask is one object that is handed up by the session's on_ask and answered exactly once,
 * whoever answers it and whenever. On the handshake wire it is a JSON-RPC request of the server's and the
 * answer goes back under its id; where it is an entry of a result that requires input (2026-07-28), the
 * answer goes to the sink that came with it.
 *
 * An ask belongs to the request of ours in whose course it comes: the one whose stream brought it, or, where
 * the transport does not tell, the only one that may have caused it, or, of a server that works for one task,
 * the oldest of these. It does not outlive that request: when
 * that ends, or the server takes its ask back, on_ask_over says so and the pointer is gone.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>
#include <string.h>

static const char *const methods[] = {ASK_ELICITATION, ASK_SAMPLING, ASK_ROOTS};

static void ask_free(struct session_ask *a)
{
	struct session_ask **at = &a->session->asks;
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	buf_release(&a->text);
	buf_release(&a->raw_id);
	free(a);
}

/* What answers a question of a task names the task, too (2025-11-25, basic/utilities/tasks). */
static void related_add(struct slice related, struct slice result, struct buf *out)
{
	struct scan_iter it;
	struct slice name, value;
	bool empty = !scan_open(result, &it) || !scan_next(&it, &name, &value);
	while (result.ptr[0] != '{')
		result = (struct slice){result.ptr + 1, result.len - 1};
	buf_add_str(out, "{\"_meta\":{\"" ASK_RELATED_TASK "\":");
	buf_add_slice(out, related);
	buf_add_str(out, empty ? "}" : "},");
	buf_add_slice(out, (struct slice){result.ptr + 1, result.len - 1});
}

static void result_tell(struct session_ask *a, struct slice result)
{
	struct slice related = task_related(a->params);
	struct buf text = BUF_INIT;
	if (related.len && !scan_member(result, "_meta").len)
		related_add(related, result, &text);
	else
		buf_add_slice(&text, result);
	wire_answer(a->session, buf_slice(&a->raw_id), "result", buf_slice(&text));
	buf_release(&text);
}

/* The answer on the wire, or to the sink. */
static void ask_tell(struct session_ask *a, const struct ask_reply *answer)
{
	struct buf text = BUF_INIT;
	struct jw w = JW(&text);
	if (a->sink.fn) {
		a->sink.fn(answer, a->sink.arg);
		return;
	}
	if (answer->result.len) {
		result_tell(a, answer->result);
		return;
	}
	jw_object(&w);
	jw_kv_int(&w, "code", answer->code);
	jw_kv_text(&w, "message", answer->message);
	jw_object_end(&w);
	wire_answer(a->session, buf_slice(&a->raw_id), "error", buf_slice(&text));
	buf_release(&text);
}

static void ask_end(struct session_ask *a, const struct ask_reply *answer)
{
	ensure(!a->session->closed);
	ask_tell(a, answer);
	ask_free(a);
}

void session_ask_answer(struct session_ask *a, struct slice result)
{
	struct ask_reply answer = {.result = result};
	ensure(result.len);
	ask_end(a, &answer);
}

void session_ask_refuse(struct session_ask *a, int code, const char *message)
{
	struct ask_reply answer = {.code = code, .message = message};
	ask_end(a, &answer);
}

bool session_ask_open(struct session *s, const struct ask_origin *o)
{
	const char *method = NULL;
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (slice_eq_str(o->method, methods[i]))
			method = methods[i];
	}
	if (!method || !capability_answers(s, o->method))
		return false;
	struct session_ask *a = xcalloc(1, sizeof(*a));
	a->session = s;
	a->number = ++s->asks_last;
	a->request_id = o->request_id;
	a->method = method;
	a->sink = o->sink;
	buf_add_slice(&a->text, o->params.len && o->params.ptr[0] == '{' ? o->params : SLICE_LIT("{}"));
	buf_add_slice(&a->raw_id, o->raw_id);
	a->params = buf_slice(&a->text);
	a->next = s->asks;
	s->asks = a;
	s->events.on_ask(a, s->events.arg);
	return true;
}

/* --- asks that nobody waits for any more --- */

static void ask_withdraw(struct session_ask *a)
{
	struct session *s = a->session;
	if (s->events.on_ask_over)
		s->events.on_ask_over(a, s->events.arg);
	ask_free(a);
}

static struct session_ask *ask_of(struct session *s, uint64_t request_id)
{
	struct session_ask *a = s->asks;
	while (a && a->request_id != request_id)
		a = a->next;
	return a;
}

void asks_withdraw(struct session *s, uint64_t request_id)
{
	static const struct ask_reply ended = {.code = ASK_ENDED,
					       .message = "the request that this belongs to has ended"};
	struct session_ask *a;
	while ((a = ask_of(s, request_id))) {
		if (!s->closed && !a->sink.fn)
			ask_tell(a, &ended);
		ask_withdraw(a);
	}
}

void ask_withdraw_of(struct session *s, const void *sink_arg)
{
	struct session_ask *a = s->asks;
	while (a && !(a->sink.fn && a->sink.arg == sink_arg))
		a = a->next;
	if (a)
		ask_withdraw(a);
}

void asks_drop(struct session *s)
{
	while (s->asks)
		ask_withdraw(s->asks);
}

void ask_taken_back(struct session *s, struct slice raw_id)
{
	struct session_ask *a = s->asks;
	while (a && (a->sink.fn || !slice_eq(buf_slice(&a->raw_id), raw_id)))
		a = a->next;
	if (a)
		ask_withdraw(a); /* what was cancelled is not answered */
}

static struct session_ask *ask_elicited(struct session *s, struct slice elicitation_id)
{
	struct session_ask *a = s->asks;
	while (a && (strcmp(a->method, ASK_ELICITATION) != 0 ||
		     !slice_eq(scan_member(a->params, "elicitationId"), elicitation_id)))
		a = a->next;
	return a;
}

void ask_completed(struct session *s, struct slice params)
{
	static const struct ask_reply accepted = {.result = SLICE_LIT("{\"action\":\"accept\"}")};
	struct slice id = scan_member(params, "elicitationId");
	struct session_ask *a = id.len ? ask_elicited(s, id) : NULL;
	if (!a)
		return; /* answered before, or never asked */
	if (s->events.on_ask_over)
		s->events.on_ask_over(a, s->events.arg);
	ask_end(a, &accepted);
}

/* --- whose is it? --- */

uint64_t ask_owner(const struct session *s, uint64_t about)
{
	uint64_t found = 0;
	size_t count = 0;
	for (const struct request *r = s->requests; r; r = r->next) {
		if (!r->handler.takes_asks)
			continue;
		if (about && r->wire_id == about)
			return r->id;
		found = r->id;
		count++;
	}
	/* The oldest, where it may be any. */
	return !about && (count == 1 || s->events.one_task) ? found : 0;
}
