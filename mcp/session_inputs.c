/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results that are none yet because the server wants to know something first (MCP 2026-07-28, Multi
 * Round-Trip Requests). Each of its inputRequests becomes an ask (session_ask.c) of our request; when all are
 * answered that request is sent again with the answers of this round and with the server's requestState,
 * byte for byte as it came, under a new id. Neither is ever part of another request. Where there is only a
 * state it is sent again at once.
 *
 * It ends with an error when it has gone round too often, when one of the asks is of no known kind, or when
 * one is refused: this wire has no word for that. Then the others are over.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <stdlib.h>
#include <string.h>

enum { INPUTS_MAX = 64 };

struct input {
	struct inputs *all;
	struct buf key;    /* as it came, between its quotes */
	struct buf answer; /* empty: there is none yet */
};

/* Of one round; owned by its request. */
struct inputs {
	struct session *session;
	struct request *request;
	size_t count, open;
	struct error refused; /* one of them was */
	struct input list[INPUTS_MAX];
};

void inputs_free(struct inputs *all)
{
	if (!all)
		return;
	loop_defer_cancel(all->session->loop, all);
	for (size_t i = 0; i < all->count; i++) {
		buf_release(&all->list[i].key);
		buf_release(&all->list[i].answer);
	}
	free(all);
}

static void request_go(struct session *s, struct request *r)
{
	struct answer a = {.unsent = true};
	inputs_free(r->repeat->inputs);
	r->repeat->inputs = NULL;
	if (wire_repeat(s, r, &a.error) != ERR_NONE)
		wire_end(s, r, &a);
}

/* At the bottom of the loop: an answer is told from within its ask. */
static void round_over(void *arg)
{
	struct inputs *all = arg;
	struct request *r = all->request;
	struct buf *responses = &r->repeat->responses;
	if (all->open && !all->refused.code)
		return; /* others were opened after the first had been answered */
	if (all->refused.code) {
		struct answer a = {.error = all->refused};
		wire_end(all->session, r, &a);
		return;
	}
	for (size_t i = 0; i < all->count; i++) {
		buf_add_str(responses, i ? ",\"" : "{\"");
		buf_add_slice(responses, buf_slice(&all->list[i].key));
		buf_add_str(responses, "\":");
		buf_add_slice(responses, buf_slice(&all->list[i].answer));
	}
	if (all->count)
		buf_add_char(responses, '}');
	request_go(all->session, r);
}

static void answered(const struct ask_reply *reply, void *arg)
{
	struct input *i = arg;
	struct inputs *all = i->all;
	all->open--;
	if (reply->result.len)
		buf_add_slice(&i->answer, reply->result);
	else if (!all->refused.code)
		err_set(&all->refused, ERR_UPSTREAM,
			"the server needs an answer to go on, which was refused: %.200s", reply->message);
	if (!all->open || all->refused.code)
		loop_defer(all->session->loop, round_over, all);
}

/* --- a round begins --- */

static bool may_require_input(const char *method)
{
	return strcmp(method, "tools/call") == 0 || strcmp(method, "prompts/get") == 0 ||
	       strcmp(method, "resources/read") == 0;
}

static enum err input_open(struct inputs *all, struct slice key, struct slice asked, struct error *e)
{
	struct session *s = all->session;
	struct buf method = BUF_INIT;
	struct input *i = &all->list[all->count];
	enum err rc = ERR_NONE;
	if (all->count == INPUTS_MAX)
		return err_set(e, ERR_UPSTREAM, "the server asks more than %d things at once", INPUTS_MAX);
	scan_text(scan_member(asked, "method"), &method);
	i->all = all;
	buf_add_slice(&i->key, key);
	all->count++;
	all->open++;
	struct ask_origin o = {.method = buf_slice(&method),
			       .params = scan_member(asked, "params"),
			       .request_id = all->request->id,
			       .sink = {answered, i}};
	if (!all->request->handler.takes_asks || !session_ask_open(s, &o))
		rc = err_set(e, ERR_UPSTREAM,
			     "the server asks for \"%.60s\", which this client does not offer",
			     buf_cstr(&method));
	buf_release(&method);
	return rc;
}

static enum err inputs_open(struct inputs *all, struct slice asked, struct error *e)
{
	struct scan_iter it;
	struct slice key, value;
	enum err rc = ERR_NONE;
	if (asked.len && (!scan_open(asked, &it) || !it.object))
		return err_set(e, ERR_UPSTREAM, "the server's inputRequests are no object");
	while (asked.len && !rc && scan_next(&it, &key, &value))
		rc = input_open(all, key, value, e);
	return rc;
}

static enum err round_check(const struct session *s, const struct request *r, const struct input_required *q,
			    struct error *e)
{
	if (!may_require_input(r->repeat->method))
		return err_set(e, ERR_UPSTREAM, "the server requires input for %s, which may not need any",
			       r->repeat->method);
	if (!q->requests.len && !q->state.len)
		return err_set(e, ERR_UPSTREAM, "the server requires input and does not say which");
	if (q->state.len && q->state.ptr[0] != '"')
		return err_set(e, ERR_UPSTREAM, "the server's requestState is no string");
	if (r->repeat->rounds >= s->limits.input_rounds_max)
		return err_set(e, ERR_UPSTREAM,
			       "the server required input %d times, the limit (tools.input_rounds)",
			       r->repeat->rounds);
	return ERR_NONE;
}

enum err inputs_begin(struct session *s, struct request *r, const struct input_required *q, struct error *e)
{
	struct repeat *p = r->repeat;
	if (round_check(s, r, q, e) != ERR_NONE)
		return e->code;
	p->rounds++;
	buf_reset(&p->responses);
	buf_reset(&p->state);
	buf_add_slice(&p->state, q->state);
	p->inputs = xcalloc(1, sizeof(*p->inputs));
	p->inputs->session = s;
	p->inputs->request = r;
	wire_rest(s, r);
	if (inputs_open(p->inputs, q->requests, e) != ERR_NONE)
		return e->code;
	if (!p->inputs->count)
		loop_defer(s->loop, round_over, p->inputs);
	return ERR_NONE;
}
