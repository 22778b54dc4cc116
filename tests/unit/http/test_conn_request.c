/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to handlers and back: pipelining, bodies, 100-continue, floods, refusals. */
#include "conn_rig.h"

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define EXPECT(length) \
	"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " length "\r\n\r\n"

static void request__are_answered_in_order(void **state)
{
	int fd = rig_client();
	const char *got;

	(void)state;
	rig_send(fd, REQUEST("/one") REQUEST("/hold") REQUEST("/three") REQUEST("/four"));
	assert_int_equal(rig.dispatched, 2);
	http_reply(rig.held, 200, "text/plain", NULL, SLICE_LIT("/two"));
	got = rig_read(fd, "/four");
	assert_int_equal(rig_count(got, "HTTP/1.1 200 OK"), 4);
	assert_true(strstr(got, "/one") < strstr(got, "/two"));
	assert_true(strstr(got, "/two") < strstr(got, "/three"));
	assert_int_equal(rig.dispatched, 4);
	close(fd);
}

/* How far the first head was scanned must not be taken for the second, which is shorter. */
static void request__after_one_that_came_in_parts(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd,
		 "GET /one HTTP/1.1\r\nHost: a\r\nX: a long header that makes this head the longer one\r\n");
	rig_send(fd, "\r\n" REQUEST("/two"));
	assert_int_equal(rig_count(rig_read(fd, "/two"), "HTTP/1.1 200 OK"), 2);
	close(fd);
}

/* A client that does not take its answers does not get more of them prepared. */
static void request__waits_for_answers_to_be_taken(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_big_fill();
	rig_send(fd, REQUEST("/big")
			     REQUEST("/big") "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	rig_turns(20);
	assert_int_equal(rig.dispatched, 1);
	rig_read(fd, NULL);
	assert_int_equal(rig.dispatched, 3);
	assert_true(rig.got.len > 2 * RIG_BIG_BYTES);
	assert_string_equal(rig.got.data + rig.got.len - 5, "/last");
	close(fd);
}

static void request__comes_byte_by_byte(void **state)
{
	static const char text[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n0\r\n\r\n" REQUEST("/next");
	int fd = rig_client();

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		rig_send_bytes(fd, text + i, 1);
	assert_int_equal(rig_count(rig_read(fd, "/next"), "HTTP/1.1 200 OK"), 2);
	assert_non_null(strstr(buf_cstr(&rig.got), "\r\n\r\nabc"));
	close(fd);
}

static void request__bodies_of_every_size_come_back(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 6000, 6400, 100000, 200000};

	(void)state;
	for (int chunked = 0; chunked < 2; chunked++) {
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			int fd = rig_client();
			struct buf b = BUF_INIT, body = BUF_INIT;

			for (size_t k = 0; k < sizes[i]; k++)
				buf_add_char(&body, (char)('a' + k % 23));
			buf_add_str(&b, "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
			if (chunked && sizes[i])
				buf_printf(&b, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
					   sizes[i], buf_cstr(&body));
			else
				buf_printf(&b, "Content-Length: %zu\r\n\r\n%s", sizes[i], buf_cstr(&body));
			rig_send_bytes(fd, b.data, b.len);
			rig_read(fd, NULL);
			assert_true(rig.got.len > sizes[i]);
			assert_string_equal(strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4, buf_cstr(&body));
			close(fd);
			buf_release(&b);
			buf_release(&body);
			rig_until_connections(0);
		}
	}
}

static void request__is_told_to_continue_once_its_body_is_wanted(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, EXPECT("3"));
	assert_string_equal(rig_read(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
	rig_send(fd, "abc");
	assert_non_null(strstr(rig_read(fd, "abc"), "HTTP/1.1 200 OK"));
	rig_send(fd, EXPECT("3") "abc");
	assert_null(strstr(rig_read(fd, "\r\n\r\nabc"), "100 Continue"));
	rig_send(fd, EXPECT("300000"));
	assert_null(strstr(rig_read(fd, NULL), "100 Continue"));
	assert_non_null(strstr(buf_cstr(&rig.got), "413 "));
	close(fd);
}

static bool no_body_wanted(const struct http_request *r)
{
	(void)r;
	return false;
}

static void request__without_a_taker_is_answered_before_its_body(void **state)
{
	int fd = rig_client();

	(void)state;
	rig.http.wants_body = no_body_wanted;
	rig_send(fd, EXPECT("3"));
	rig_read(fd, NULL);
	assert_null(strstr(buf_cstr(&rig.got), "100 Continue"));
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	close(fd);
}

/* The client pipelines without end while its first request waits: the kernel's buffers fill, ours stays as it
 * is. */
static void request__floods_are_held_back(void **state)
{
	int fd = rig_client();
	struct http_conn *c = TAILQ_FIRST(&rig.http.conns->all);
	size_t sent = 0;
	int full = 0;

	(void)state;
	rig_send(fd, REQUEST("/hold"));
	while (full < 20) {
		ssize_t n = send(fd, REQUEST("/a"), strlen(REQUEST("/a")), MSG_NOSIGNAL);

		full = n < 0 ? full + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
		loop_turn(rig.loop, 0);
	}
	assert_true(sent > 10 * c->intake->cap);
	assert_int_equal(rig.dispatched, 1);
	assert_true(c->intake->len <= c->intake->cap);
	assert_false(c->reading);
	http_reply(rig.held, 200, "text/plain", NULL, SLICE_LIT("first"));
	shutdown(fd, SHUT_WR);
	for (int turn = 0; turn < RIG_TURNS_MAX && !rig.got_end; turn++) {
		loop_turn(rig.loop, 1);
		rig_take(fd);
	}
	assert_true(rig.dispatched > 100);
	assert_true(rig.got_end);
	close(fd);
}

static void request__is_refused_and_closed_when_it_breaks_the_rules(void **state)
{
	static const struct {
		const char *text, *status;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"GET / HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 "},
		{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 "},
		{"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 "},
		{"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "HTTP/1.1 417 "},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
		 "HTTP/1.1 400 "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd = rig_client();

		rig_send(fd, cases[i].text);
		rig_send(fd, REQUEST("/never"));
		rig_read(fd, NULL);
		assert_true(rig.got_end);
		if (strncmp(buf_cstr(&rig.got), cases[i].status, strlen(cases[i].status)) != 0)
			fail_msg("%s: %s", cases[i].text, buf_cstr(&rig.got));
		assert_non_null(strstr(buf_cstr(&rig.got), "application/problem+json"));
		assert_null(strstr(buf_cstr(&rig.got), "/never"));
		close(fd);
		rig_until_connections(0);
	}
	assert_int_equal(rig.dispatched, 0);
}

static void request__that_ends_too_early_is_told_so(void **state)
{
	static const char *const cases[] = {"GET / HT",
					    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd = rig_client();

		rig_send(fd, cases[i]);
		shutdown(fd, SHUT_WR);
		assert_non_null(strstr(rig_read(fd, NULL), "the request ends within"));
		close(fd);
		rig_until_connections(0);
	}
}

static void request__keeps_a_sane_id_only(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc-1.2_3\r\n\r\n");
	assert_non_null(strstr(rig_read(fd, "\r\n\r\n/"), "X-Request-Id: abc-1.2_3\r\n"));
	rig_send(fd, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a \"b\"\r\n\r\n");
	assert_null(strstr(rig_read(fd, "\r\n\r\n/"), "X-Request-Id: a \""));
	rig_send(fd,
		 "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 0123456789012345678901234567890123456\r\n\r\n");
	assert_null(strstr(rig_read(fd, "\r\n\r\n/"), "X-Request-Id: 0123456789012345678901234567890123456"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(request__are_answered_in_order),
		RIG_TEST(request__after_one_that_came_in_parts),
		RIG_TEST(request__waits_for_answers_to_be_taken),
		RIG_TEST(request__comes_byte_by_byte),
		RIG_TEST(request__bodies_of_every_size_come_back),
		RIG_TEST(request__is_told_to_continue_once_its_body_is_wanted),
		RIG_TEST(request__without_a_taker_is_answered_before_its_body),
		RIG_TEST(request__floods_are_held_back),
		RIG_TEST(request__is_refused_and_closed_when_it_breaks_the_rules),
		RIG_TEST(request__that_ends_too_early_is_told_so),
		RIG_TEST(request__keeps_a_sane_id_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
