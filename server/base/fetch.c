/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP as a client: libcurl's multi interface, driven by the process's event loop. The only file that
 * knows curl.
 *
 * It sends a request and hands out what comes back as it comes; it knows neither API nor retries. Three rules
 * keep it out of trouble with libcurl 7.88 (Debian 12). Inside curl's callbacks facts are recorded and
 * nothing else: whoever uses an exchange hears of it from loop_defer, where it may start and cancel exchanges
 * as it likes. curl is entered only from the loop, in wire_act. Times are our own: its low-speed watch was
 * measured to fire after 9 s when set to 3.
 *
 * Owner: the wire owns its exchanges, an exchange its easy handle, headers and copy of the body. Sockets are
 * close-on-exec by our own open function, else tool servers would inherit them. A connection that died while
 * it was idle costs one resend, when nothing of an answer had come; of a request that must not arrive twice,
 * when nothing of its body had been sent either. curl resends by itself, too, as often as it likes: such a
 * body is therefore handed to it piece by piece, and cannot be wound back. An error of the multi handle
 * itself can only be lack of memory or a bug of ours: it aborts the process, which is replaced.
 */
#include "base/base.h"
#include "base/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Idle connections are not used again after this; under what must not arrive twice none may die, and many
 * servers close theirs after five seconds. */
enum { CONNECTION_AGE_SECONDS_MAX = 60, CONNECTION_AGE_SECONDS_ONCE = 3 };
enum { CONNECTIONS_KEPT_MAX = 64, FORGOTTEN_MS_MAX = 1000 };

struct fetch {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer; /* curl's */
	struct fetch_exchange *exchanges;
	struct fetch_options options;
};

struct fetch_exchange {
	struct fetch *wire;
	struct fetch_exchange *next, **link; /* in wire->exchanges */
	CURL *easy;                          /* NULL once it is over */
	struct curl_slist *headers;
	char *request;              /* the body sent; curl reads it in place */
	char *shown;                /* the address for messages */
	struct loop_timer *silence; /* first byte, then idle */
	struct fetch_head head;
	struct buf body; /* received, not yet handed out */
	size_t body_bytes;
	size_t request_len;
	size_t request_at;              /* of a body that is handed out once: what curl has taken */
	int64_t first_byte_ms, idle_ms; /* 0: no limit */
	bool is_stream, once;
	bool deferred, over, resent, too_large;
	bool not_public; /* an address was refused for options.public_only */
	struct error e;
	char curl_text[CURL_ERROR_SIZE];
	fetch_fn *fn; /* NULL: forgotten */
	void *arg;
};

/* --- the exchange's end and news --- */

static void exchange_free(struct fetch_exchange *x)
{
	struct fetch *w = x->wire;
	loop_defer_cancel(w->loop, x);
	loop_timer_free(x->silence);
	if (x->easy != NULL) {
		ensure(curl_multi_remove_handle(w->multi, x->easy) == CURLM_OK);
		curl_easy_cleanup(x->easy);
	}
	*x->link = x->next;
	if (x->next != NULL)
		x->next->link = x->link;
	/* The headers hold the API key. */
	for (struct curl_slist *h = x->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(x->headers);
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

/* Not from within curl's callbacks. x->e is set. */
static void exchange_end(struct fetch_exchange *x)
{
	ensure(!x->over);
	x->over = true;
	loop_timer_set(x->silence, -1);
	ensure(curl_multi_remove_handle(x->wire->multi, x->easy) == CURLM_OK);
	curl_easy_cleanup(x->easy);
	x->easy = NULL;
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
	exchange_end(x);
}

/* --- what curl's results mean --- */

struct result_row {
	CURLcode result;
	enum err code;
	const char *what, *hint;
	size_t word; /* offset in struct fetch_words */
};

static const struct result_row *result_find(CURLcode result)
{
	static const struct result_row rows[] = {
#define RESULT(result, code, what, hint, word) \
	{CURLE_##result, ERR_##code, what, hint, offsetof(struct fetch_words, word)},
#include "base/fetch_result.def"
#undef RESULT
	};
	static const struct result_row other = {CURLE_OK, ERR_UPSTREAM, "failed the call", "check %s",
						offsetof(struct fetch_words, address)};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (rows[i].result == result)
			return &rows[i];
	}
	return &other;
}

static void result_word(struct fetch_exchange *x, CURLcode result)
{
	long os_error = 0;
	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_error);
	const struct result_row *row = result_find(result);
	const struct fetch_words *words = x->wire->options.words;
	const char *detail = x->curl_text[0] != '\0' ? x->curl_text : curl_easy_strerror(result);
	char hint[160], *mark = strstr(row->hint, "%s");
	ensure(mark != NULL);
	snprintf(hint, sizeof(hint), "%.*s%s%s", (int)(mark - row->hint), row->hint,
		 *(const char *const *)((const char *)words + row->word), mark + 2);
	if (x->too_large)
		err_set(&x->e, ERR_UPSTREAM,
			"the answer of %s at %s is over %zu bytes; raise %s if it may be", words->peer,
			x->shown, x->wire->options.response_bytes_max, words->response);
	else if (result == CURLE_COULDNT_CONNECT && x->not_public)
		err_set(&x->e, ERR_CONFIG,
			"%s at %s is in a private, link-local or loopback network, which is not allowed here",
			words->peer, x->shown);
	else if (result == CURLE_COULDNT_CONNECT && os_error == ECONNREFUSED)
		err_set(&x->e, ERR_UNAVAILABLE, "%s at %s refused the connection; %s", words->peer, x->shown,
			hint);
	else
		err_set(&x->e, row->code, "%s at %s %s (%s); %s", words->peer, x->shown, row->what, detail,
			hint);
}

/* A kept connection may have been closed by the server just as it was used again: that says nothing about the
 * request. Whether it had arrived, nobody knows. */
static bool is_stale_connection(const struct fetch_exchange *x, CURLcode result)
{
	long connects = 1;
	curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connects);
	return (result == CURLE_GOT_NOTHING || result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR) &&
	       connects == 0 && x->head.status == 0 && !x->resent && x->request_at == 0;
}

static void exchange_done(struct fetch_exchange *x, CURLcode result)
{
	if (is_stale_connection(x, result)) {
		x->resent = true;
		ensure(curl_multi_remove_handle(x->wire->multi, x->easy) == CURLM_OK);
		curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
		ensure(curl_multi_add_handle(x->wire->multi, x->easy) == CURLM_OK);
		return;
	}
	if (result != CURLE_OK)
		result_word(x, result);
	exchange_end(x);
}

/* --- curl on the loop --- */

/* The one entrance into curl's machinery. */
static void wire_act(struct fetch *w, curl_socket_t fd, int ready)
{
	int running, left;
	ensure(curl_multi_socket_action(w->multi, fd, ready, &running) == CURLM_OK);
	for (CURLMsg *m = curl_multi_info_read(w->multi, &left); m != NULL;
	     m = curl_multi_info_read(w->multi, &left)) {
		char *private = NULL;
		CURLcode result = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		exchange_done((struct fetch_exchange *)(void *)private, result);
	}
}

static void on_timer(void *arg)
{
	wire_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(int fd, int ready, void *arg)
{
	int mask = (ready & LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
	wire_act(arg, fd, mask);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct fetch *w = arg;
	(void)multi;
	loop_timer_set(w->timer, ms);
	return 0;
}

/* Also called for the resolver's descriptors, and while the multi is cleaned up. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch)
{
	struct fetch *w = arg;
	struct loop_io *io = watch;
	(void)easy;
	int interest = what == CURL_POLL_IN      ? LOOP_READ
		       : what == CURL_POLL_OUT   ? LOOP_WRITE
		       : what == CURL_POLL_INOUT ? LOOP_READ | LOOP_WRITE
						 : 0;
	if (what == CURL_POLL_REMOVE) {
		loop_io_free(io);
		curl_multi_assign(w->multi, fd, NULL);
	} else if (io != NULL) {
		loop_io_set(io, interest);
	} else {
		curl_multi_assign(w->multi, fd, loop_io_new(w->loop, fd, interest, on_ready, w));
	}
	return 0;
}

static curl_socket_t on_curl_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fetch_exchange *x = arg;
	(void)purpose;
	if (x->wire->options.public_only && !address_is_public(&a->addr)) {
		x->not_public = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t on_curl_body(char *p, size_t size, size_t n, void *arg)
{
	struct fetch_exchange *x = arg;
	n *= size;
	x->body_bytes += n;
	size_t held = x->is_stream ? x->body.len + n : x->body_bytes;
	if (held > x->wire->options.response_bytes_max || !buf_add(&x->body, p, n)) {
		x->too_large = true;
		return 0; /* ends the transfer with an error */
	}
	if (x->fn != NULL)
		loop_timer_set(x->silence, x->idle_ms > 0 ? x->idle_ms : -1);
	deliver_later(x);
	return n;
}

static size_t on_curl_read(char *p, size_t size, size_t n, void *arg)
{
	struct fetch_exchange *x = arg;
	size_t left = x->request_len - x->request_at;
	n = n * size < left ? n * size : left;
	memcpy(p, x->request + x->request_at, n);
	x->request_at += n;
	return n;
}

static int on_curl_seek(void *arg, curl_off_t offset, int origin)
{
	(void)arg;
	(void)offset;
	(void)origin;
	return CURL_SEEKFUNC_FAIL;
}

static size_t on_curl_header(char *p, size_t size, size_t n, void *arg)
{
	struct fetch_exchange *x = arg;
	fetch_head_line(&x->head, (struct slice){p, size * n});
	return size * n;
}

/* --- the face --- */

struct fetch *fetch_new(struct loop *l, const struct fetch_options *o)
{
	ensure(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); /* counted: once for each cleanup */
	struct fetch *w = xcalloc(1, sizeof(*w));
	w->loop = l;
	w->options = *o;
	w->options.ca_file = xstrdup(o->ca_file);
	w->options.cert_file = xstrdup(o->cert_file);
	w->options.key_file = xstrdup(o->key_file);
	w->options.proxy = xstrdup(o->proxy);
	w->timer = loop_timer_new(l, on_timer, w);
	w->multi = curl_multi_init();
	ensure(w->multi != NULL);
	/* Else it closes what is idle when few transfers run at that moment. */
	curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT_MAX);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
	return w;
}

void fetch_free(struct fetch *w)
{
	while (w->exchanges != NULL)
		exchange_free(w->exchanges);
	curl_multi_cleanup(w->multi);
	loop_timer_free(w->timer);
	free((void *)(uintptr_t)w->options.ca_file);
	free((void *)(uintptr_t)w->options.cert_file);
	free((void *)(uintptr_t)w->options.key_file);
	free((void *)(uintptr_t)w->options.proxy);
	free(w);
	curl_global_cleanup();
}

static void easy_callbacks(struct fetch_exchange *x)
{
	CURL *easy = x->easy;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl_text);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_curl_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, x);
}

static void easy_body(struct fetch_exchange *x, const char *method)
{
	CURL *easy = x->easy;
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->request_len);
	if (x->once) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_curl_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, x);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_curl_seek);
	} else {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, x->request);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void easy_options(struct fetch_exchange *x, const struct fetch_request *r)
{
	const struct fetch_options *o = &x->wire->options;
	CURL *easy = x->easy;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else cancelling waits for a name look-up */
	curl_easy_setopt(easy, CURLOPT_URL, r->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* 7.88's pausing and flow control of HTTP/2 streams were repaired only later. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "agent-runtime/" AGENT_RUNTIME_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (strcmp(r->method, "GET") != 0)
		easy_body(x, r->method);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L); /* a stream may be quiet for hours */
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN,
			 (long)(x->once ? CONNECTION_AGE_SECONDS_ONCE : CONNECTION_AGE_SECONDS_MAX));
	if (o->ca_file != NULL && o->ca_file[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file);
	if (o->cert_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, o->cert_file);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, o->key_file != NULL ? o->key_file : o->cert_file);
	}
	if (o->proxy != NULL && !o->public_only)
		curl_easy_setopt(easy, CURLOPT_PROXY, o->proxy);
	else if (o->public_only || url_is_loopback(r->url))
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

static void header_add(struct fetch_exchange *x, const char *header)
{
	x->headers = curl_slist_append(x->headers, header);
	ensure(x->headers != NULL);
}

/* To curl "Name: " means that the header is not sent, and "Name;" that it is sent empty. */
static void header_add_asked(struct fetch_exchange *x, const char *header)
{
	size_t name = strcspn(header, ":");
	bool is_empty = header[name] == ':' && header[name + 1 + strspn(header + name + 1, " ")] == '\0';
	char *line = is_empty ? xasprintf("%.*s;", (int)name, header) : NULL;
	header_add(x, line ? line : header);
	free(line);
}

struct fetch_exchange *fetch_start(struct fetch *w, const struct fetch_request *r, fetch_fn *fn, void *arg)
{
	struct fetch_exchange *x = xcalloc(1, sizeof(*x));
	*x = (struct fetch_exchange){
		.wire = w, .fn = fn, .arg = arg, .next = w->exchanges, .link = &w->exchanges};
	if (x->next != NULL)
		x->next->link = &x->next;
	w->exchanges = x;
	x->shown = url_shown(r->url);
	x->request = slice_dup(r->body);
	x->request_len = r->body.len;
	for (const char *const *h = r->headers; *h != NULL; h++)
		header_add_asked(x, *h);
	header_add(x, "Expect:"); /* else a second of waiting before large bodies */
	x->silence = loop_timer_new(w->loop, on_silence, x);
	x->is_stream = r->is_stream;
	x->once = r->once;
	x->first_byte_ms = r->silence_ms != 0 ? r->silence_ms : w->options.first_byte_ms;
	x->idle_ms = r->silence_ms != 0 ? r->silence_ms : w->options.idle_ms;
	loop_timer_set(x->silence, x->first_byte_ms > 0 ? x->first_byte_ms : -1);
	x->easy = curl_easy_init();
	ensure(x->easy != NULL);
	easy_callbacks(x);
	easy_options(x, r);
	ensure(curl_multi_add_handle(w->multi, x->easy) == CURLM_OK);
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
