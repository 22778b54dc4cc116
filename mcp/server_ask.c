/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one server asks of us, and who answers: its roots are answered here from its row of the registry; all
 * else is handed to the worker whose call it belongs to, where a task has a person and a model. What belongs
 * to no call has nobody to answer it and is refused politely, as is what comes over a limit.
 *
 * While an ask of a call is open the call's clocks stand still: neither is the server idle, nor does the time
 * that a person takes count. Instead each ask has a clock of its own (tools.input_seconds), after which it is
 * refused and the call goes on.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

enum { LOG_EVERY_MS = 1000, LOG_TEXT_MAX = 400, LOG_READ_MAX = 64 << 10 };

/* One open ask of a call; on the call's list until it is answered or over. */
struct call_ask {
	struct call_ask *next;
	struct tool_call *call;
	struct session_ask *ask;
	uint64_t number;
	struct loop_timer *timer;
};

/* --- the list of a call, and its clocks --- */

static void call_ask_free(struct call_ask *k)
{
	struct tool_call *c = k->call;
	struct call_ask **at = &c->asks;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	c->asks_open--;
	loop_timer_free(k->timer);
	free(k);
	if (!c->asks)
		call_clocks_go(c);
}

static struct call_ask *call_ask_find(struct tool_call *c, uint64_t number)
{
	struct call_ask *k = c->asks;
	while (k && k->number != number)
		k = k->next;
	return k;
}

static struct tool_call *call_of(struct server *s, uint64_t request_id)
{
	struct tool_call *c = request_id ? s->calls : NULL;
	while (c && c->request_id != request_id)
		c = c->next;
	return c;
}

/* --- refusals --- */

/* As if nobody had been there: not an error of the server's, so elicitation is told that it was dismissed. */
static void refuse(struct session_ask *a, const char *why)
{
	if (strcmp(a->method, ASK_ELICITATION) == 0)
		session_ask_answer(a, SLICE_LIT("{\"action\":\"cancel\"}"));
	else
		session_ask_refuse(a, ASK_REJECTED, why);
}

static void timed_out(void *arg)
{
	struct call_ask *k = arg;
	struct session_ask *a = k->ask;
	struct tool_call *c = k->call;
	static const char why[] = "nobody answered in time (tools.input_seconds)";
	log_info("what a tool server asked was not answered in time",
		 LF_STR("server", c->server->options->id), LF_STR("task_id", c->task_id),
		 LF_STR("tool", c->tool), LF_STR("method", a->method));
	broker_call_ask_over(c, k->number, why);
	call_ask_free(k);
	refuse(a, why);
}

/* --- from the session --- */

static void ownerless(struct server *s, struct session_ask *a)
{
	log_warn("a tool server asks something that belongs to no task's call, or to one of several: it is "
		 "refused; "
		 "with scope: task in its entry of the registry each task has a server of its own",
		 LF_STR("server", s->options->id), LF_STR("method", a->method));
	refuse(a, "there is nobody to ask: the request belongs to no call of a tool");
}

/* What is wrong with asking this now; NULL: nothing. */
static const char *too_much(const struct server *s, const struct tool_call *c, const struct session_ask *a)
{
	if (c->asks_open >= s->limits->asks_open_max)
		return "too many questions are open in this call (tools.asks_open_max)";
	if (c->asks_total >= s->limits->asks_max)
		return "this call has asked too often (tools.asks_max)";
	if (a->params.len > s->limits->ask_bytes_max)
		return "the question is too large (tools.ask_bytes)";
	return NULL;
}

void server_asked(struct server *s, struct session_ask *a)
{
	struct tool_call *c = call_of(s, a->request_id);
	if (strcmp(a->method, ASK_ROOTS) == 0) {
		struct buf roots = BUF_INIT;
		roots_write(s->options->roots, &roots);
		session_ask_answer(a, buf_slice(&roots));
		buf_release(&roots);
		return;
	}
	if (!c) {
		ownerless(s, a);
		return;
	}
	const char *why = too_much(s, c, a);
	if (why) {
		log_warn("a tool server asks more than it may", LF_STR("server", s->options->id),
			 LF_STR("task_id", c->task_id), LF_STR("tool", c->tool), LF_STR("limit", why));
		refuse(a, why);
		return;
	}
	struct call_ask *k = xcalloc(1, sizeof(*k));
	*k = (struct call_ask){.next = c->asks, .call = c, .ask = a, .number = a->number};
	k->timer = loop_timer_new(s->loop, timed_out, k);
	loop_timer_set(k->timer, s->limits->input_ms_max);
	if (!c->asks)
		call_clocks_stop(c);
	c->asks = k;
	c->asks_open++;
	c->asks_total++;
	broker_call_ask(c, a);
}

void server_ask_over(struct server *s, const struct session_ask *a)
{
	struct tool_call *c = call_of(s, a->request_id);
	struct call_ask *k = c ? call_ask_find(c, a->number) : NULL;
	if (!k)
		return;
	broker_call_ask_over(c, k->number, "the server does not wait for the answer any more");
	call_ask_free(k);
}

/* Nobody's in particular: one line a second at most, and only for who looks closely. */
void server_logged(struct server *s, struct slice params)
{
	int64_t now = clock_mono_ms();
	struct slice data = scan_member(params, "data");
	if (now - s->logged_ms < LOG_EVERY_MS)
		return;
	s->logged_ms = now;
	/* More than is shown, so that no secret is parted before it is found. */
	char *text = xstrndup(data.len ? data.ptr : "", data.len < LOG_READ_MAX ? data.len : LOG_READ_MAX);
	secrets_mask(s->options, text, strlen(text));
	text[utf8_cut(text, strlen(text), LOG_TEXT_MAX)] = '\0';
	log_debug("a tool server logs", LF_STR("server", s->options->id), LF_STR("data", text));
	free(text);
}

/* --- from the worker --- */

void call_answer(struct tool_call *c, uint64_t number, const struct ask_reply *answer)
{
	struct call_ask *k = call_ask_find(c, number);
	if (!k)
		return; /* it was over when the answer was on its way */
	struct session_ask *a = k->ask;
	call_ask_free(k);
	c->heard_ms = clock_mono_ms();
	if (answer->result.len)
		session_ask_answer(a, answer->result);
	else
		session_ask_refuse(a, answer->code, answer->message);
}
