/* SPDX-License-Identifier: Apache-2.0 */
/* fetch_plain.c against a socket of the test: what is sent, what is kept, and a server that answers before it
 * has read all. The rest of it is tested through calls of models (tests/unit/llm/test_fetch.c). */
#include "base/base.h"
#include "base/fetch.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS_MAX = 5000 };

struct heard {
	int status;
	bool over;
	struct buf body;
	struct error e;
};

struct world {
	struct loop *loop;
	struct fetch *fetch;
	int listener;
	char url[64];
};

static void world_open(struct world *w)
{
	static const struct fetch_words words = {"the server", "url",        "proxy",      "ca_file",
						 "connect",    "first_byte", "idle_limit", "response"};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	w->loop = loop_new();
	w->fetch = fetch_new(w->loop, &(struct fetch_options){.words = &words,
							      .connect_ms = 5000,
							      .first_byte_ms = 5000,
							      .idle_ms = 5000,
							      .response_bytes_max = 1 << 20});
	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(w->listener, 8), 0);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&a, &len), 0);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%d/path?q=1", ntohs(a.sin_port));
}

static void world_close(struct world *w)
{
	fetch_free(w->fetch);
	loop_free(w->loop);
	close(w->listener);
}

static void on_news(const struct fetch_news *n, void *arg)
{
	struct heard *h = arg;
	if (n->body.len > 0)
		buf_add_slice(&h->body, n->body);
	h->status = n->head->status;
	if (n->over) {
		h->over = true;
		h->e = *n->e;
	}
}

static void ask(struct world *w, struct heard *h, struct slice body, bool once)
{
	static const char *const headers[] = {"X-Test: 1", NULL};
	*h = (struct heard){0};
	fetch_start(w->fetch,
		    &(struct fetch_request){
			    .method = "POST", .url = w->url, .headers = headers, .body = body, .once = once},
		    on_news, h);
}

static int taken(struct world *w)
{
	struct pollfd p = {.fd = w->listener, .events = POLLIN};
	for (int i = 0; i < TURNS_MAX && poll(&p, 1, 0) == 0; i++)
		loop_turn(w->loop, 1);
	return accept(w->listener, NULL, NULL);
}

/* Turns the loop until fd has given n bytes. */
static void take(struct world *w, int fd, char *to, size_t n)
{
	size_t have = 0;
	for (int i = 0; i < TURNS_MAX && have < n; i++) {
		ssize_t got = recv(fd, to + have, n - have, MSG_DONTWAIT);
		have += got > 0 ? (size_t)got : 0;
		loop_turn(w->loop, 1);
	}
	assert_int_equal(have, n);
	to[n] = '\0';
}

static void until_over(struct world *w, const struct heard *h)
{
	for (int i = 0; i < TURNS_MAX && !h->over; i++)
		loop_turn(w->loop, 1);
	assert_true(h->over);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

#define REQUEST(host, n)                                                                                 \
	"POST /path?q=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: agent-runtime/" AGENT_RUNTIME_VERSION "\r\n" \
	"X-Test: 1\r\nAccept: */*\r\nContent-Length: %zu\r\n\r\n%s",                                     \
		host, n

static void fetch_plain__sends_and_keeps_the_connection(void **state)
{
	(void)state;
	struct world w;
	struct heard h;
	char got[512], host[32];
	world_open(&w);
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(w.url + 7, "/"), w.url + 7);
	ask(&w, &h, SLICE_LIT("hello"), false);
	int fd = taken(&w);
	char *expected = xasprintf(REQUEST(host, (size_t)5), "hello");
	take(&w, fd, got, strlen(expected));
	assert_string_equal(got, expected);
	free(expected);
	say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n");
	until_over(&w, &h);
	assert_int_equal(h.e.code, ERR_NONE);
	assert_string_equal(buf_cstr(&h.body), "one");
	buf_release(&h.body);
	ask(&w, &h, SLICE_LIT(""), true); /* on the same connection */
	expected = xasprintf(REQUEST(host, (size_t)0), "");
	take(&w, fd, got, strlen(expected));
	assert_string_equal(got, expected);
	free(expected);
	say(fd, "HTTP/1.1 204 None\r\n\r\n");
	until_over(&w, &h);
	assert_int_equal(h.status, 204);
	buf_release(&h.body);
	close(fd);
	world_close(&w);
}

/* The kept connection dies under the request: sent again, unless it must not arrive twice. */
static void fetch_plain__sends_again_what_may_arrive_twice(void **state)
{
	(void)state;
	for (int once = 0; once < 2; once++) {
		struct world w;
		struct heard h;
		char got[512];
		world_open(&w);
		ask(&w, &h, SLICE_LIT("1"), false);
		int fd = taken(&w);
		take(&w, fd, got, 40);
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		until_over(&w, &h);
		ask(&w, &h, SLICE_LIT("2"), once);
		close(fd); /* with the second request in it, unread */
		if (once) {
			until_over(&w, &h);
			assert_int_equal(h.e.code, ERR_LOST);
		} else {
			fd = taken(&w);
			take(&w, fd, got, 40);
			say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
			until_over(&w, &h);
			assert_int_equal(h.e.code, ERR_NONE);
			close(fd);
		}
		world_close(&w);
	}
}

static void fetch_plain__hears_an_answer_that_comes_before_all_is_read(void **state)
{
	(void)state;
	struct world w;
	struct heard h;
	char got[1025], *large = calloc(1, 32 << 20);
	world_open(&w);
	ask(&w, &h, (struct slice){large, 32 << 20}, false);
	int fd = taken(&w);
	take(&w, fd, got, 1024);
	say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
	shutdown(fd, SHUT_WR);
	until_over(&w, &h);
	assert_int_equal(h.status, 413);
	assert_string_equal(buf_cstr(&h.body), "big");
	assert_int_equal(h.e.code, ERR_NONE);
	buf_release(&h.body);
	close(fd);
	free(large);
	world_close(&w);
}

static void fetch_plain__says_what_is_wrong_with_an_answer(void **state)
{
	(void)state;
	static const struct {
		const char *answer, *says;
		enum err code;
	} rows[] = {
		{"no http\r\n", "failed the call (it begins with no status line of HTTP/1)", ERR_UPSTREAM},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "within its answer", ERR_LOST},
		{"", "without an answer", ERR_LOST},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "within its answer", ERR_LOST},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world w;
		struct heard h;
		char got[512];
		world_open(&w);
		ask(&w, &h, SLICE_LIT("1"), false);
		int fd = taken(&w);
		take(&w, fd, got, 40);
		say(fd, rows[i].answer);
		shutdown(fd, SHUT_WR);
		until_over(&w, &h);
		assert_int_equal(h.e.code, rows[i].code);
		if (strstr(h.e.msg, rows[i].says) == NULL)
			fail_msg("%s", h.e.msg);
		buf_release(&h.body);
		close(fd);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch_plain__sends_and_keeps_the_connection),
		cmocka_unit_test(fetch_plain__sends_again_what_may_arrive_twice),
		cmocka_unit_test(fetch_plain__hears_an_answer_that_comes_before_all_is_read),
		cmocka_unit_test(fetch_plain__says_what_is_wrong_with_an_answer),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
