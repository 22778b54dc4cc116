/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP as a client: what an exchange is, whichever way it goes, and what becomes of it.
 *
 * There are two ways. fetch_plain.c speaks HTTP/1.1 itself to a literal address without TLS and proxy: the
 * model server or gateway on this machine, the tool server beside it; five model calls a task made libcurl
 * the largest single cost of a task. All else, and whatever is unusual about an address, goes by way of
 * libcurl in fetch_curl.c. Neither knows APIs or retries. Whoever uses an exchange hears of it from
 * loop_defer, where it may start and cancel exchanges as it likes.
 *
 * Owner: the wire owns its exchanges, an exchange its copy of the body.
 */
#include "base/base.h"
#include "base/fetch_int.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Idle connections are not used again after this; under what must not arrive twice none may die, and many
 * servers close theirs after five seconds. */
enum { CONNECTION_AGE_SECONDS_MAX = 60, CONNECTION_AGE_SECONDS_ONCE = 3 };
enum { FORGOTTEN_MS_MAX = 1000 };

/* --- the exchange's end and news --- */

static void exchange_stop(struct fetch_exchange *x)
{
	fetch_curl_stop(x);
	fetch_plain_stop(x);
}

static void exchange_free(struct fetch_exchange *x)
{
	loop_defer_cancel(x->wire->loop, x);
	loop_timer_free(x->silence);
	exchange_stop(x);
	*x->link = x->next;
	if (x->next != NULL)
		x->next->link = x->link;
	buf_release(&x->body);
	explicit_bzero(x->request, x->request_len); /* may hold credentials */
	free(x->request);
	free(x->shown);
	free(x);
}

/* Takes all it needs out of the exchange first: the function called may cancel it, or free the whole wire. */
static void exchange_deliver(void *arg)
{
	struct fetch_exchange *x = arg;
	struct buf body = x->body;
	struct fetch_head head = x->head;
	struct error e = x->e;
	struct fetch_news news = {.head = &head, .body = buf_slice(&body), .over = x->over, .e = &e};
	fetch_fn *fn = x->fn;
	void *fn_arg = x->arg;
	x->body = BUF_INIT;
	x->deferred = false;
	if (x->over)
		exchange_free(x);
	if (fn != NULL)
		fn(&news, fn_arg);
	buf_release(&body);
}

static void deliver_later(struct fetch_exchange *x)
{
	if (x->deferred)
		return;
	x->deferred = true;
	loop_defer(x->wire->loop, exchange_deliver, x);
}

void fetch_end(struct fetch_exchange *x)
{
	ensure(!x->over);
	x->over = true;
	loop_timer_set(x->silence, -1);
	exchange_stop(x);
	deliver_later(x);
}

static void on_silence(void *arg)
{
	struct fetch_exchange *x = arg;
	const struct fetch_options *o = &x->wire->options;
	bool first = x->body_bytes == 0;
	int64_t ms = first ? x->first_byte_ms : x->idle_ms;
	err_set(&x->e, ERR_TIMEOUT,
		"%s at %s sent nothing for %lld ms %s; see whether it is overloaded, or raise %s",
		o->words->peer, x->shown, (long long)ms, first ? "before an answer" : "within its answer",
		first ? o->words->first_byte : o->words->idle);
	fetch_end(x);
}

/* --- how it failed --- */

struct result_row {
	enum err code;
	const char *what, *hint;
	size_t word; /* offset in struct fetch_words */
};

static const struct result_row *result_row(enum fetch_result result)
{
	static const struct result_row rows[] = {
#define RESULT(result, code, what, hint, word) \
	[FETCH_##result] = {ERR_##code, what, hint, offsetof(struct fetch_words, word)},
#include "base/fetch_result.def"
#undef RESULT
		[FETCH_OTHER] = {ERR_UPSTREAM, "failed the call", "check %s",
				 offsetof(struct fetch_words, address)},
	};
	if (result == FETCH_REFUSED || result == FETCH_NOT_PUBLIC)
		result = FETCH_COULDNT_CONNECT;
	return &rows[result];
}

static void result_word(struct fetch_exchange *x, enum fetch_result result, const char *detail)
{
	const struct result_row *row = result_row(result);
	const struct fetch_words *words = x->wire->options.words;
	char hint[160], *mark = strstr(row->hint, "%s");
	ensure(mark != NULL);
	snprintf(hint, sizeof(hint), "%.*s%s%s", (int)(mark - row->hint), row->hint,
		 *(const char *const *)((const char *)words + row->word), mark + 2);
	if (x->too_large)
		err_set(&x->e, ERR_UPSTREAM,
			"the answer of %s at %s is over %zu bytes; raise %s if it may be", words->peer,
			x->shown, x->wire->options.response_bytes_max, words->response);
	else if (result == FETCH_NOT_PUBLIC)
		err_set(&x->e, ERR_CONFIG,
			"%s at %s is in a private, link-local or loopback network, which is not allowed here",
			words->peer, x->shown);
	else if (result == FETCH_REFUSED)
		err_set(&x->e, ERR_UNAVAILABLE, "%s at %s refused the connection; %s", words->peer, x->shown,
			hint);
	else
		err_set(&x->e, row->code, "%s at %s %s (%s); %s", words->peer, x->shown, row->what, detail,
			hint);
}

void fetch_end_badly(struct fetch_exchange *x, enum fetch_result result, const char *detail)
{
	result_word(x, result, detail);
	fetch_end(x);
}

long fetch_connection_age(const struct fetch_exchange *x)
{
	return x->once ? CONNECTION_AGE_SECONDS_ONCE : CONNECTION_AGE_SECONDS_MAX;
}

bool fetch_take_body(struct fetch_exchange *x, struct slice bytes)
{
	x->body_bytes += bytes.len;
	size_t held = x->is_stream ? x->body.len + bytes.len : x->body_bytes;
	if (held > x->wire->options.response_bytes_max || !buf_add_slice(&x->body, bytes)) {
		x->too_large = true;
		return false;
	}
	if (x->fn != NULL)
		loop_timer_set(x->silence, x->idle_ms > 0 ? x->idle_ms : -1);
	deliver_later(x);
	return true;
}

/* --- the face --- */

struct fetch *fetch_new(struct loop *l, const struct fetch_options *o)
{
	struct fetch *w = xcalloc(1, sizeof(*w));
	w->loop = l;
	w->options = *o;
	w->options.ca_file = xstrdup(o->ca_file);
	w->options.cert_file = xstrdup(o->cert_file);
	w->options.key_file = xstrdup(o->key_file);
	w->options.proxy = xstrdup(o->proxy);
	w->curl = fetch_curl_new(w);
	w->plain = fetch_plain_new(w);
	return w;
}

void fetch_free(struct fetch *w)
{
	while (w->exchanges != NULL)
		exchange_free(w->exchanges);
	fetch_plain_free(w->plain);
	fetch_curl_free(w->curl);
	free((void *)(uintptr_t)w->options.ca_file);
	free((void *)(uintptr_t)w->options.cert_file);
	free((void *)(uintptr_t)w->options.key_file);
	free((void *)(uintptr_t)w->options.proxy);
	free(w);
}

struct fetch_exchange *fetch_start(struct fetch *w, const struct fetch_request *r, fetch_fn *fn, void *arg)
{
	struct fetch_exchange *x = xmalloc(sizeof(*x));
	*x = (struct fetch_exchange){
		.wire = w, .fn = fn, .arg = arg, .next = w->exchanges, .link = &w->exchanges};
	if (x->next != NULL)
		x->next->link = &x->next;
	w->exchanges = x;
	x->shown = url_shown(r->url);
	x->request = slice_dup(r->body);
	x->request_len = r->body.len;
	x->silence = loop_timer_new(w->loop, on_silence, x);
	x->is_stream = r->is_stream;
	x->once = r->once;
	x->first_byte_ms = r->silence_ms != 0 ? r->silence_ms : w->options.first_byte_ms;
	x->idle_ms = r->silence_ms != 0 ? r->silence_ms : w->options.idle_ms;
	loop_timer_set(x->silence, x->first_byte_ms > 0 ? x->first_byte_ms : -1);
	if (!fetch_plain_start(x, r))
		fetch_curl_start(x, r);
	return x;
}

void fetch_cancel(struct fetch_exchange *x)
{
	exchange_free(x);
}

void fetch_forget(struct fetch_exchange *x)
{
	x->fn = NULL;
	if (!x->over)
		loop_timer_set(x->silence, FORGOTTEN_MS_MAX);
}
