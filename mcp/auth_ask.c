/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with an authorization server: a document or an answer of the token endpoint, as JSON. Bounded
 * in time, size and redirects; the address is judged first (auth_url.c), and where private addresses are not
 * allowed the connection itself is refused too, whatever the name resolves to. A redirect is followed for a
 * GET within its origin only: a secret never goes to where a server pointed.
 *
 * Owner: whoever asked, until the answer is told or it is cancelled. Two wires, one guarded and one not, so
 * that a connection made for a server that may reach private addresses is not used for one that may not.
 */
#include "base/base.h"
#include "base/fetch.h"
#include "mcp/auth_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_BYTES_MAX = 256 << 10,
	ANSWER_DEPTH_MAX = 16,
	ASK_MS_MAX = 30000,
	CONNECT_MS_MAX = 10000,
	REDIRECTS_MAX = 3,
};

static const struct fetch_words WORDS = {
	.peer = "the authorization server",
	.address = "the address that the server names",
	.proxy = "the proxy of the environment",
	.ca_file = "tools.ca_file",
	.connect = "the network",
	.first_byte = "its load",
	.idle = "its load",
	.response = "nothing: it is a fixed limit",
};

struct auth_net {
	struct loop *loop;
	struct fetch *wires[2]; /* guarded, open */
};

struct ask {
	struct auth_net *net;
	struct fetch_exchange *exchange; /* NULL: refused before it began */
	struct loop_timer *timer;
	char *what, *url, *media_type, *authorization;
	struct buf request, body;
	bool allow_private;
	int redirects;
	struct error e;
	ask_fn *fn;
	void *arg;
};

struct auth_net *auth_net_new(struct loop *l, const char *ca_file)
{
	struct auth_net *n = xcalloc(1, sizeof(*n));
	struct fetch_options o = {.words = &WORDS,
				  .ca_file = ca_file,
				  .connect_ms = CONNECT_MS_MAX,
				  .response_bytes_max = ANSWER_BYTES_MAX,
				  .public_only = true};
	n->loop = l;
	n->wires[0] = fetch_new(l, &o);
	o.public_only = false;
	n->wires[1] = fetch_new(l, &o);
	return n;
}

void auth_net_free(struct auth_net *n)
{
	if (!n)
		return;
	fetch_free(n->wires[0]);
	fetch_free(n->wires[1]);
	free(n);
}

void ask_cancel(struct ask *a)
{
	if (!a)
		return;
	if (a->exchange)
		fetch_cancel(a->exchange);
	loop_defer_cancel(a->net->loop, a);
	loop_timer_free(a->timer);
	secret_buf_release(&a->request);
	secret_buf_release(&a->body);
	secret_free(a->authorization);
	free(a->media_type);
	free(a->what);
	free(a->url);
	free(a);
}

static void ask_end(struct ask *a, int status)
{
	struct error ignored;
	struct json *j = NULL;
	struct ask_answer answer = {.e = a->e, .status = status};
	ask_fn *fn = a->fn;
	void *arg = a->arg;
	if (a->e.code == ERR_NONE && a->body.len)
		j = json_parse(a->body.data, a->body.len, ANSWER_DEPTH_MAX, &ignored);
	answer.json = json_is(j, JSON_OBJECT) ? j : NULL;
	ask_cancel(a);
	fn(&answer, arg);
	secret_json_free(j);
}

static void ask_fail(void *arg)
{
	ask_end(arg, 0);
}

static void timer_fired(void *arg)
{
	struct ask *a = arg;
	err_set(&a->e, ERR_TIMEOUT, "%s (%.200s) did not come within %d ms", a->what, a->url, ASK_MS_MAX);
	ask_end(a, 0);
}

static void ask_go(struct ask *a);

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void redirect_follow(struct ask *a, const char *location)
{
	char *to = url_redirect(a->url, location);
	a->body.len = 0;
	if (a->request.len || !to || a->redirects++ == REDIRECTS_MAX) {
		err_set(&a->e, ERR_UPSTREAM, "%s (%.200s) leads elsewhere (%.150s), where it is not followed",
			a->what, a->url, location);
		free(to);
		ask_end(a, 0);
		return;
	}
	free(a->url);
	a->url = to;
	ask_go(a);
}

static void news(const struct fetch_news *n, void *arg)
{
	struct ask *a = arg;
	buf_add_slice(&a->body, n->body);
	if (!n->over)
		return;
	a->exchange = NULL;
	if (n->e->code != ERR_NONE) {
		a->e = *n->e;
		err_prefix(&a->e, "%s", a->what);
		ask_end(a, 0);
	} else if (is_redirect(n->head->status)) {
		char location[sizeof(n->head->location)];
		memcpy(location, n->head->location, sizeof(location));
		redirect_follow(a, location);
	} else {
		ask_end(a, n->head->status);
	}
}

static void ask_go(struct ask *a)
{
	char *type = a->media_type ? xasprintf("Content-Type: %s", a->media_type) : NULL;
	const char *headers[] = {"Accept: application/json", type ? type : a->authorization,
				 type ? a->authorization : NULL, NULL};
	struct fetch_request r = {.method = a->request.len ? "POST" : "GET",
				  .url = a->url,
				  .headers = headers,
				  .body = buf_slice(&a->request)};
	if (url_check(a->url, a->allow_private, a->what, &a->e) != ERR_NONE)
		loop_defer(a->net->loop, ask_fail, a);
	else
		a->exchange = fetch_start(a->net->wires[a->allow_private], &r, news, a);
	free(type);
}

struct ask *ask_start(struct auth_net *n, const struct ask_request *r, ask_fn *fn, void *arg)
{
	struct ask *a = xcalloc(1, sizeof(*a));
	*a = (struct ask){.net = n, .allow_private = r->allow_private, .fn = fn, .arg = arg};
	a->what = xstrdup(r->what);
	a->url = xstrdup(r->url);
	a->media_type = xstrdup(r->media_type);
	a->authorization = xstrdup(r->authorization);
	a->body = BUF_LIMIT(ANSWER_BYTES_MAX + 1);
	buf_add_slice(&a->request, r->body);
	a->timer = loop_timer_new(n->loop, timer_fired, a);
	loop_timer_set(a->timer, ASK_MS_MAX);
	ask_go(a);
	return a;
}
