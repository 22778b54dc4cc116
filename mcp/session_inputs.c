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
 *
 * The handshake wire knows something like it: error -32042 of a call lists addresses that a person has to
 * open first (2025-11-25, client/elicitation, "URL Elicitation Required Error"). Each becomes an ask too;
 * once all are accepted the call is sent again as it was, and whatever else a person says ends it.
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
	bool urls; /* of the handshake wire: nothing of the answers is sent */
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
	for (size_t i = 0; i < all->count && !all->urls; i++) {
		buf_add_str(responses, i ? ",\"" : "{\"");
		buf_add_slice(responses, buf_slice(&all->list[i].key));
		buf_add_str(responses, "\":");
		buf_add_slice(responses, buf_slice(&all->list[i].answer));
	}
	if (responses->len)
		buf_add_char(responses, '}');
	request_go(all->session, r);
}

static void url_answered(struct inputs *all, struct slice result)
{
	struct buf action = BUF_INIT;
	scan_text(scan_member(result, "action"), &action);
	if (strcmp(buf_cstr(&action), "accept") != 0 && !all->refused.code)
		err_set(&all->refused, ERR_UPSTREAM,
			"the server needs an address to be opened by a person before this call, which was "
			"not accepted (%.20s)",
			buf_cstr(&action));
	buf_release(&action);
}

static void answered(const struct ask_reply *reply, void *arg)
{
	struct input *i = arg;
	struct inputs *all = i->all;
	all->open--;
	if (reply->result.len && all->urls)
		url_answered(all, reply->result);
	else if (reply->result.len)
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

static enum err ask_try(struct session *s, struct request *r, const struct ask_origin *o, struct error *e)
{
	if (r->handler.takes_asks && session_ask_open(s, o))
		return ERR_NONE;
	return err_set(e, ERR_UPSTREAM, "the server asks for \"%.*s\", which this client does not offer",
		       (int)(o->method.len < 60 ? o->method.len : 60), o->method.len ? o->method.ptr : "");
}

enum err input_ask(struct session *s, struct request *r, struct slice asked, struct ask_sink sink,
		   struct error *e)
{
	struct buf method = BUF_INIT;
	scan_text(scan_member(asked, "method"), &method);
	struct ask_origin o = {.method = buf_slice(&method),
			       .params = scan_member(asked, "params"),
			       .request_id = r->id,
			       .sink = sink};
	enum err rc = ask_try(s, r, &o, e);
	buf_release(&method);
	return rc;
}

static enum err input_new(struct inputs *all, struct slice key, struct ask_sink *sink, struct error *e)
{
	struct input *i = &all->list[all->count];
	if (all->count == INPUTS_MAX)
		return err_set(e, ERR_UPSTREAM, "the server asks more than %d things at once", INPUTS_MAX);
	i->all = all;
	buf_add_slice(&i->key, key);
	all->count++;
	all->open++;
	*sink = (struct ask_sink){answered, i};
	return ERR_NONE;
}

static enum err inputs_open(struct inputs *all, struct slice asked, struct error *e)
{
	struct scan_iter it;
	struct slice key, value;
	struct ask_sink sink;
	enum err rc = ERR_NONE;
	if (asked.len && (!scan_open(asked, &it) || !it.object))
		return err_set(e, ERR_UPSTREAM, "the server's inputRequests are no object");
	while (asked.len && !rc && scan_next(&it, &key, &value))
		rc = input_new(all, key, &sink, e) ? e->code
						   : input_ask(all->session, all->request, value, sink, e);
	return rc;
}

static enum err round_check(const struct request *r, const struct input_required *q, struct error *e)
{
	if (!may_require_input(r->repeat->method))
		return err_set(e, ERR_UPSTREAM, "the server requires input for %s, which may not need any",
			       r->repeat->method);
	if (!q->requests.len && !q->state.len)
		return err_set(e, ERR_UPSTREAM, "the server requires input and does not say which");
	if (q->state.len && q->state.ptr[0] != '"')
		return err_set(e, ERR_UPSTREAM, "the server's requestState is no string");
	return ERR_NONE;
}

/* What is asked next is of a new round. */
static enum err round_new(struct session *s, struct request *r, struct error *e)
{
	struct repeat *p = r->repeat;
	if (p->rounds >= s->limits.input_rounds_max)
		return err_set(e, ERR_UPSTREAM,
			       "the server required input %d times, the limit (tools.input_rounds)",
			       p->rounds);
	p->rounds++;
	buf_reset(&p->responses);
	buf_reset(&p->state);
	p->inputs = xcalloc(1, sizeof(*p->inputs));
	p->inputs->session = s;
	p->inputs->request = r;
	wire_rest(s, r);
	return ERR_NONE;
}

enum err inputs_begin(struct session *s, struct request *r, const struct input_required *q, struct error *e)
{
	struct repeat *p = r->repeat;
	if (round_check(r, q, e) != ERR_NONE || round_new(s, r, e) != ERR_NONE)
		return e->code;
	buf_add_slice(&p->state, q->state);
	if (inputs_open(p->inputs, q->requests, e) != ERR_NONE)
		return e->code;
	if (!p->inputs->count)
		loop_defer(s->loop, round_over, p->inputs);
	return ERR_NONE;
}

/* --- addresses of the handshake wire --- */

static enum err url_check(struct slice asked, struct error *e)
{
	struct buf mode = BUF_INIT;
	scan_text(scan_member(asked, "mode"), &mode);
	bool is_url = strcmp(buf_cstr(&mode), "url") == 0;
	buf_release(&mode);
	return is_url ? ERR_NONE
		      : err_set(e, ERR_UPSTREAM,
				"the server's error -32042 lists an elicitation that is not of mode url");
}

static enum err url_ask(struct inputs *all, struct slice asked, struct error *e)
{
	struct ask_origin o = {
		.method = SLICE_LIT(ASK_ELICITATION), .params = asked, .request_id = all->request->id};
	if (url_check(asked, e) != ERR_NONE || input_new(all, (struct slice){0}, &o.sink, e) != ERR_NONE)
		return e->code;
	return ask_try(all->session, all->request, &o, e);
}

static enum err urls_open(struct inputs *all, struct slice list, struct error *e)
{
	struct scan_iter it;
	struct slice name, asked;
	enum err rc = ERR_NONE;
	all->urls = true;
	if (!scan_open(list, &it) || it.object)
		return err_set(e, ERR_UPSTREAM, "the server's error -32042 has no list of elicitations");
	while (!rc && scan_next(&it, &name, &asked))
		rc = url_ask(all, asked, e);
	if (!rc && !all->count)
		return err_set(e, ERR_UPSTREAM, "the server's error -32042 lists no elicitation");
	return rc;
}

bool urls_take(struct session *s, struct request *r, const struct answer *a, struct answer *out)
{
	struct error e = {0};
	*out = *a;
	if (a->rpc_code != RPC_URLS_REQUIRED || !s->events.offers.elicitation)
		return false;
	struct slice list = scan_member(scan_member(a->rpc_error, "data"), "elicitations");
	if (round_new(s, r, &e) == ERR_NONE && urls_open(r->repeat->inputs, list, &e) == ERR_NONE)
		return true;
	*out = (struct answer){.error = e};
	return false;
}
