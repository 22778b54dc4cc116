/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges by way of libcurl's multi interface, driven by the process's event loop. The only file that
 * knows curl: names, TLS, proxies and whatever else an address may ask for are its business.
 *
 * Three rules keep it out of trouble with libcurl 7.88 (Debian 12). Inside curl's callbacks facts are
 * recorded and nothing else: whoever uses an exchange hears of it from loop_defer, where it may start and
 * cancel exchanges as it likes. curl is entered only from the loop, in curl_act. Times are our own: its
 * low-speed watch was measured to fire after 9 s when set to 3.
 *
 * Owner: an exchange owns its easy handle and headers. Sockets are close-on-exec by our own open function,
 * else tool servers would inherit them. A connection that died while it was idle costs one resend, when
 * nothing of an answer had come; of a request that must not arrive twice, when nothing of its body had been
 * sent either. curl resends by itself, too, as often as it likes: such a body is therefore handed to it piece
 * by piece, and cannot be wound back. An error of the multi handle itself can only be lack of memory or a bug
 * of ours: it aborts the process, which is replaced.
 */
#include "base/base.h"
#include "base/fetch_int.h"

#include <curl/curl.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct fetch_curl {
	struct fetch *wire;
	CURLM *multi;
	struct loop_timer *timer; /* curl's */
};

/* One exchange in curl's hands. */
struct fetch_easy {
	struct fetch_exchange *x;
	CURL *easy;
	struct curl_slist *headers;
	size_t request_at; /* of a body that is handed out once: what curl has taken */
	bool resent;
	bool not_public; /* an address was refused for options.public_only */
	char text[CURL_ERROR_SIZE];
};

void fetch_curl_stop(struct fetch_exchange *x)
{
	struct fetch_easy *c = x->easy;
	if (c == NULL)
		return;
	ensure(curl_multi_remove_handle(x->wire->curl->multi, c->easy) == CURLM_OK);
	curl_easy_cleanup(c->easy);
	/* The headers hold the API key. */
	for (struct curl_slist *h = c->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(c->headers);
	free(c);
	x->easy = NULL;
}

/* --- how it ended --- */

static enum fetch_result result_of(CURLcode result)
{
	static const struct {
		CURLcode from;
		enum fetch_result to;
	} rows[] = {
#define RESULT(result, code, what, hint, word) {CURLE_##result, FETCH_##result},
#include "base/fetch_result.def"
#undef RESULT
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (rows[i].from == result)
			return rows[i].to;
	}
	return FETCH_OTHER;
}

static enum fetch_result easy_result(const struct fetch_easy *c, CURLcode result)
{
	long os_error = 0;
	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os_error);
	if (result == CURLE_COULDNT_CONNECT && c->not_public)
		return FETCH_NOT_PUBLIC;
	if (result == CURLE_COULDNT_CONNECT && os_error == ECONNREFUSED)
		return FETCH_REFUSED;
	return result_of(result);
}

/* A kept connection may have been closed by the server just as it was used again: that says nothing about the
 * request. Whether it had arrived, nobody knows. */
static bool is_stale_connection(const struct fetch_easy *c, CURLcode result)
{
	long connects = 1;
	curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connects);
	return (result == CURLE_GOT_NOTHING || result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR) &&
	       connects == 0 && c->x->head.status == 0 && !c->resent && c->request_at == 0;
}

static void easy_done(struct fetch_easy *c, CURLcode result)
{
	struct fetch_exchange *x = c->x;
	CURLM *multi = x->wire->curl->multi;
	if (is_stale_connection(c, result)) {
		c->resent = true;
		ensure(curl_multi_remove_handle(multi, c->easy) == CURLM_OK);
		curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, 1L);
		ensure(curl_multi_add_handle(multi, c->easy) == CURLM_OK);
		return;
	}
	if (result == CURLE_OK)
		fetch_end(x);
	else
		fetch_end_badly(x, easy_result(c, result),
				c->text[0] != '\0' ? c->text : curl_easy_strerror(result));
}

/* --- curl on the loop --- */

/* The one entrance into curl's machinery. */
static void curl_act(struct fetch_curl *w, curl_socket_t fd, int ready)
{
	int running, left;
	ensure(curl_multi_socket_action(w->multi, fd, ready, &running) == CURLM_OK);
	for (CURLMsg *m = curl_multi_info_read(w->multi, &left); m != NULL;
	     m = curl_multi_info_read(w->multi, &left)) {
		char *private = NULL;
		CURLcode result = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		easy_done((struct fetch_easy *)(void *)private, result);
	}
}

static void on_timer(void *arg)
{
	curl_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(int fd, int ready, void *arg)
{
	int mask = (ready & LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
	curl_act(arg, fd, mask);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct fetch_curl *w = arg;
	(void)multi;
	loop_timer_set(w->timer, ms);
	return 0;
}

/* Also called for the resolver's descriptors, and while the multi is cleaned up. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch)
{
	struct fetch_curl *w = arg;
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
		curl_multi_assign(w->multi, fd, loop_io_new(w->wire->loop, fd, interest, on_ready, w));
	}
	return 0;
}

static curl_socket_t on_curl_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fetch_easy *c = arg;
	(void)purpose;
	if (c->x->wire->options.public_only && !address_is_public(&a->addr)) {
		c->not_public = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t on_curl_body(char *p, size_t size, size_t n, void *arg)
{
	struct fetch_easy *c = arg;
	/* 0 ends the transfer with an error */
	return fetch_take_body(c->x, (struct slice){p, size * n}) ? size * n : 0;
}

static size_t on_curl_read(char *p, size_t size, size_t n, void *arg)
{
	struct fetch_easy *c = arg;
	size_t left = c->x->request_len - c->request_at;
	n = n * size < left ? n * size : left;
	memcpy(p, c->x->request + c->request_at, n);
	c->request_at += n;
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
	struct fetch_easy *c = arg;
	fetch_head_line(&c->x->head, (struct slice){p, size * n});
	return size * n;
}

/* --- the face --- */

struct fetch_curl *fetch_curl_new(struct fetch *wire)
{
	ensure(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); /* counted: once for each cleanup */
	struct fetch_curl *w = xcalloc(1, sizeof(*w));
	w->wire = wire;
	w->timer = loop_timer_new(wire->loop, on_timer, w);
	w->multi = curl_multi_init();
	ensure(w->multi != NULL);
	/* Else it closes what is idle when few transfers run at that moment. */
	curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)FETCH_CONNECTIONS_KEPT_MAX);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
	return w;
}

void fetch_curl_free(struct fetch_curl *w)
{
	curl_multi_cleanup(w->multi);
	loop_timer_free(w->timer);
	free(w);
	curl_global_cleanup();
}

static void easy_callbacks(struct fetch_easy *c)
{
	CURL *easy = c->easy;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->text);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_curl_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
}

static void easy_body(struct fetch_easy *c, const char *method)
{
	CURL *easy = c->easy;
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->x->request_len);
	if (c->x->once) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_curl_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, c);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_curl_seek);
	} else {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->x->request);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void easy_options(struct fetch_easy *c, const struct fetch_request *r)
{
	const struct fetch_options *o = &c->x->wire->options;
	CURL *easy = c->easy;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else cancelling waits for a name look-up */
	curl_easy_setopt(easy, CURLOPT_URL, r->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* 7.88's pausing and flow control of HTTP/2 streams were repaired only later. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, FETCH_USER_AGENT);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (strcmp(r->method, "GET") != 0)
		easy_body(c, r->method);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L); /* a stream may be quiet for hours */
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, fetch_connection_age(c->x));
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

static void header_add(struct fetch_easy *c, const char *header)
{
	c->headers = curl_slist_append(c->headers, header);
	ensure(c->headers != NULL);
}

/* To curl "Name: " means that the header is not sent, and "Name;" that it is sent empty. */
static void header_add_asked(struct fetch_easy *c, const char *header)
{
	size_t name = strcspn(header, ":");
	bool is_empty = header[name] == ':' && header[name + 1 + strspn(header + name + 1, " ")] == '\0';
	char *line = is_empty ? xasprintf("%.*s;", (int)name, header) : NULL;
	header_add(c, line ? line : header);
	free(line);
}

void fetch_curl_start(struct fetch_exchange *x, const struct fetch_request *r)
{
	struct fetch_easy *c = xcalloc(1, sizeof(*c));
	x->easy = c;
	c->x = x;
	for (const char *const *h = r->headers; *h != NULL; h++)
		header_add_asked(c, *h);
	header_add(c, "Expect:"); /* else a second of waiting before large bodies */
	c->easy = curl_easy_init();
	ensure(c->easy != NULL);
	easy_callbacks(c);
	easy_options(c, r);
	ensure(curl_multi_add_handle(x->wire->curl->multi, c->easy) == CURLM_OK);
}
