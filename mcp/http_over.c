/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of an exchange over HTTP (http_exchange.c) of which nothing more comes: it was answered,
 * refused, or cut. A stream of events that is cut is asked for again from its last event on (Last-Event-ID),
 * the one that the server talks on by itself for as long as the link lives. A 401 or 403 goes to the
 * authorization first, which may have it sent again. Losing a stream is no cancellation: what was sent may
 * have taken effect, and is told so.
 */
#include "base/base.h"
#include "mcp/http_int.h"

/* --- the end of a stream --- */

static int64_t retry_ms(const struct exchange *x)
{
	int64_t ms = x->retry_ms >= 0 ? x->retry_ms : HTTP_RETRY_MS;
	ms = ms > HTTP_RETRY_MS_MIN ? ms : HTTP_RETRY_MS_MIN;
	if (x->fruitless) {
		int shift = x->fruitless < 8 ? x->fruitless : 8;
		ms = ms << shift < HTTP_RETRY_MS_MAX ? ms << shift
		     : ms > HTTP_RETRY_MS_MAX        ? ms
						     : HTTP_RETRY_MS_MAX;
	}
	return ms;
}

/* A stream that lives on is asked for again; one that did not bring anything, a few times only. */
static void stream_ended(struct exchange *x, const struct error *why)
{
	struct error e;
	bool answers = x->kind == EXCHANGE_POST;
	x->fruitless = x->event_seen ? 0 : x->fruitless + 1;
	if (x->http->old && !answers)
		err_set(&e, ERR_LOST, "the server ended the stream that its answers come on%s%s",
			why->code ? ": " : "", why->code ? why->msg : "");
	else if (answers && (!x->last_id[0] || x->http->modern))
		err_set(&e, ERR_LOST, "the server's stream ended before its answer came%s%s",
			why->code ? ": " : "", why->code ? why->msg : "");
	else if (x->fruitless > (answers ? HTTP_RESUMES_MAX : HTTP_STREAMS_MAX))
		err_set(&e, ERR_LOST, "the server's stream ended, and %d more brought nothing%s%s",
			x->fruitless - 1, why->code ? ": " : "", why->code ? why->msg : "");
	else {
		x->resuming = answers;
		loop_timer_set(x->timer, retry_ms(x));
		return;
	}
	exchange_fail(x, &e, true);
}

/* --- refusals --- */

static void authorization_told(enum auth_verdict v, const struct error *why, void *arg)
{
	struct exchange *x = arg;
	if (v == AUTH_RETRY)
		exchange_send(x);
	else
		exchange_fail(x, why, x->resuming);
}

static void expired(struct exchange *x)
{
	struct http *h = x->http;
	struct error e;
	err_set(&e, ERR_UNAVAILABLE, "the server has ended our session (HTTP %d): a new one is opened",
		x->head.status);
	h->session_id[0] = '\0';
	exchange_fail(x, &e, x->resuming);
	e.code = ERR_GONE;
	http_lose(h, &e);
}

/* A JSON-RPC error is an answer, also when it does not say to what. */
static bool error_answered(struct exchange *x)
{
	struct http *h = x->http;
	struct slice error = refusal_error(buf_slice(&x->body));
	struct buf text = BUF_INIT;
	if (!x->id || !error.len || x->resuming)
		return false;
	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"error\":", (unsigned long long)x->id);
	buf_add_slice(&text, error);
	buf_add_char(&text, '}');
	if (!h->lost)
		h->events.on_message(buf_slice(&text), x->id, h->events.arg);
	buf_release(&text);
	return x->ended;
}

/* Streams are an offer: a server without has said so, and one that cannot now may later. */
static void stream_refused(struct exchange *x)
{
	struct http *h = x->http;
	struct error e;
	bool later = x->head.status >= 500 || x->head.status == 409 || x->head.status == 429;
	refusal_word(&x->head, buf_slice(&x->body), h->options->url, &e);
	if (later)
		stream_ended(x, &e);
	else if (x->kind == EXCHANGE_POST && h->session_id[0] && x->head.status == 404)
		expired(x);
	else
		exchange_fail(x, &e, true);
}

static void refused(struct exchange *x)
{
	struct http *h = x->http;
	struct slice body = buf_slice(&x->body);
	struct error e;
	if (h->auth && (x->head.status == 401 || x->head.status == 403)) {
		x->waiting = true;
		auth_challenged(h->auth, x->head.status, slice_str(x->head.www_authenticate), x->generation,
				authorization_told, x);
	} else if (x->kind == EXCHANGE_STREAM || x->resuming) {
		stream_refused(x);
	} else if (x->kind == EXCHANGE_POST && h->session_id[0] && !x->is_first &&
		   refusal_is_expiry(x->head.status, body)) {
		expired(x);
	} else if (x->is_first && !h->old && old_refusal(x->head.status) && !refusal_error(body).len) {
		old_begin(h, x);
	} else if (!error_answered(x)) {
		refusal_word(&x->head, body, h->options->url, &e);
		exchange_fail(x, &e, !refusal_is_unsent(&x->head));
	}
}

/* --- the end of one request --- */

static void broken(struct exchange *x, const struct error *e)
{
	bool cut = x->is_sse || x->resuming || x->kind == EXCHANGE_STREAM;
	if (cut)
		stream_ended(x, e);
	else
		exchange_fail(x, e, e->code != ERR_UNAVAILABLE && e->code != ERR_CONFIG);
}

/* One JSON document, when the request wants an answer. */
static void answered(struct exchange *x)
{
	struct error e;
	bool accepted = x->http->old && x->kind == EXCHANGE_POST;
	if (!x->id || x->kind != EXCHANGE_POST) {
		exchange_end(x);
		return;
	}
	if (accepted)
		return; /* the answer comes on the stream */
	if (answer_type(x->head.content_type) == ANSWER_JSON)
		http_messages(x->http, buf_slice(&x->body), x->id);
	if (x->ended)
		return;
	if (!x->body.len)
		err_set(&e, ERR_UPSTREAM, "the server answered HTTP %d without an answer to the request",
			x->head.status);
	else if (answer_type(x->head.content_type) == ANSWER_JSON)
		err_set(&e, ERR_UPSTREAM, "the server's body of %zu bytes does not answer the request",
			x->body.len);
	else
		err_set(&e, ERR_UPSTREAM,
			"the server answered with content type \"%.80s\", which is neither application/json "
			"nor "
			"text/event-stream; check that url is an MCP endpoint",
			x->head.content_type);
	exchange_fail(x, &e, true);
}

void exchange_over(struct exchange *x, const struct error *e)
{
	struct error last = *e;
	if (x->kind == EXCHANGE_DELETE) {
		exchange_end(x);
		return;
	}
	if (x->is_sse && e->code == ERR_NONE && sse_reader_finish(&x->sse, &last) != ERR_NONE && x->ended)
		return;
	if (x->ended)
		return;
	if (e->code)
		broken(x, e);
	else if (!status_is_good(x->head.status))
		refused(x);
	else if (x->is_sse)
		stream_ended(x, e);
	else if (x->kind == EXCHANGE_STREAM)
		stream_refused(x);
	else
		answered(x);
}
