/* SPDX-License-Identifier: Apache-2.0 */
/* Life of connections: keep-alive, ends, limit, drain, clients that leave. */
#include "conn_rig.h"

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void conn__stays_open_on_1_1(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/a"));
	rig_read(fd, "/a");
	assert_false(rig.got_end);
	assert_null(strstr(buf_cstr(&rig.got), "Connection:"));
	rig_send(fd, REQUEST("/b"));
	rig_read(fd, "/b");
	assert_int_equal(rig.http.conns->count, 1);
	close(fd);
	rig_until_connections(0);
}

static void conn__owns_nothing_while_idle(void **state)
{
	int fd = rig_client();
	struct http_conn *c = TAILQ_FIRST(&rig.http.conns->all);

	(void)state;
	rig_send(fd, REQUEST("/a"));
	rig_read(fd, "/a");
	assert_null(c->intake);
	assert_null(c->out.data);
	assert_null(c->request);
	assert_false(c->writing);
	close(fd);
}

static void conn__ends_when_asked(void **state)
{
	static const struct {
		const char *request, *says;
		bool ends;
	} cases[] = {
		{"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "Connection: close\r\n", true},
		{"GET /a HTTP/1.0\r\n\r\n", "Connection: close\r\n", true},
		{"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: keep-alive\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd = rig_client();

		rig_send(fd, cases[i].request);
		rig_read(fd, cases[i].ends ? NULL : "/a");
		assert_non_null(strstr(buf_cstr(&rig.got), cases[i].says));
		assert_int_equal(rig.got_end, cases[i].ends);
		close(fd);
		rig_until_connections(0);
	}
}

/* Data that was not read when a socket is closed makes the kernel send RST, which would overtake the answer.
 */
static void conn__lingers_so_that_the_answer_arrives(void **state)
{
	static char more[300000];
	int fd = rig_client();

	(void)state;
	memset(more, 'x', sizeof(more));
	rig_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
	rig_send_bytes(fd, more, sizeof(more));
	rig_read(fd, NULL);
	assert_true(rig.got_end);
	assert_false(rig.got_reset);
	assert_non_null(strstr(buf_cstr(&rig.got), "413 Content Too Large"));
	assert_non_null(strstr(buf_cstr(&rig.got), "\"field\":\"Content-Length\""));
	close(fd);
	rig_until_connections(0);
}

static void conn__sends_all_before_it_ends(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_big_fill();
	rig_send(fd, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	rig_turns(10);
	rig_read(fd, NULL);
	assert_true(rig.got_end);
	assert_int_equal(rig.got.len - (size_t)(strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4 - rig.got.data),
			 RIG_BIG_BYTES);
	close(fd);
}

static void conn__bounds_lingering_in_bytes(void **state)
{
	static char junk[1 << 16];
	int fd = rig_client();
	size_t sent = 0;
	ssize_t n;

	(void)state;
	rig_send(fd, "bad\r\n\r\n");
	rig_read(fd, NULL);
	for (int idle = 0; idle < RIG_TURNS_MAX;) {
		n = send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		loop_turn(rig.loop, 0);
		assert_true(sent < 4 * HTTP_LINGER_BYTES);
	}
	assert_true(sent > HTTP_LINGER_BYTES);
	assert_int_equal(rig.http.conns->count, 0);
	close(fd);
}

static void conn__bounds_lingering_in_time(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, "bad\r\n\r\n");
	rig_read(fd, NULL);
	assert_int_equal(rig.http.conns->count, 1);
	rig_time_pass(HTTP_LINGER_MS - 1);
	assert_int_equal(rig.http.conns->count, 1);
	rig_time_pass(1);
	assert_int_equal(rig.http.conns->count, 0);
	close(fd);
}

static void conn__tells_503_over_the_limit(void **state)
{
	int fds[5];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = rig_client();
	assert_int_equal(rig.http.conns->count, 4);
	rig_send(fds[4], REQUEST("/a"));
	rig_read(fds[4], NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "HTTP/1.1 503 "));
	assert_non_null(strstr(buf_cstr(&rig.got), "Retry-After: "));
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	assert_non_null(strstr(buf_cstr(&rig.got), "server.connections_max"));
	for (size_t i = 0; i < 4; i++) {
		rig_send(fds[i], REQUEST("/a"));
		rig_read(fds[i], "/a");
	}
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		close(fds[i]);
	rig_until_connections(0);
}

static void conn__tells_a_waiting_handler_that_its_client_left(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/hold"));
	assert_non_null(rig.held);
	rig_reset(fd);
	rig_until(&rig.gone, 1);
	rig_until_connections(0);
}

static void conn__answers_a_half_closed_client(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/hold"));
	shutdown(fd, SHUT_WR);
	rig_turns(5);
	assert_int_equal(rig.gone, 0);
	http_reply(rig.held, 200, "text/plain", NULL, SLICE_LIT("late"));
	rig_read(fd, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "late"));
	assert_true(rig.got_end);
	close(fd);
	rig_until_connections(0);
}

static void conn__answers_all_that_came_before_a_half_close(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/hold") REQUEST("/b") REQUEST("/c"));
	shutdown(fd, SHUT_WR);
	rig_turns(5);
	http_reply(rig.held, 200, "text/plain", NULL, SLICE_LIT("/a"));
	rig_read(fd, NULL);
	assert_int_equal(rig_count(buf_cstr(&rig.got), "HTTP/1.1 200 OK"), 3);
	close(fd);
}

/* After its FIN a client that is gone for good is seen by the RST that our first bytes bring back. */
static void conn__sees_a_reset_after_a_half_close(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/stream"));
	rig_read(fd, "\r\n\r\n");
	close(fd);
	rig_turns(5);
	assert_int_equal(rig.gone, 0);
	http_stream_write(rig.held, SLICE_LIT("event"));
	rig_until(&rig.gone, 1);
	rig_until_connections(0);
}

/* A handler without on_gone keeps its request until it has answered, whatever the client does. */
static void conn__keeps_a_request_that_nobody_can_be_told_of(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/hold-deaf"));
	rig_reset(fd);
	for (int i = 0; i < 50; i++)
		loop_turn(rig.loop, 1);
	assert_int_equal(rig.http.conns->count, 1);
	http_reply(rig.held, 200, NULL, NULL, SLICE_LIT("to nobody"));
	rig_until_connections(0);
}

static void conn__forgets_a_request_whose_body_never_came(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
	rig_reset(fd);
	rig_until_connections(0);
	assert_int_equal(rig.dispatched, 0);
}

static void conn__frees_waiting_requests_at_the_end(void **state)
{
	int fd = rig_client(), other = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/hold"));
	rig_send(other, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
	close(other);
	http_conns_free(&rig.http);
	assert_int_equal(rig.gone, 1);
	http_conns_new(&rig.http);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	close(fd);
}

static void count_up(void *arg)
{
	++*(int *)arg;
}

static void conn__drains(void **state)
{
	int idle = rig_client(), busy = rig_client(), done = 0;

	(void)state;
	rig_send(idle, REQUEST("/a"));
	rig_read(idle, "/a");
	rig_send(busy, REQUEST("/hold"));
	rig.http.draining = true;
	rig.http.drained = count_up;
	rig.http.drained_arg = &done;
	http_conns_drain(&rig.http);
	rig_read(idle, NULL);
	assert_true(rig.got_end);
	assert_int_equal(done, 0);
	http_reply(rig.held, 200, "text/plain", NULL, SLICE_LIT("last"));
	rig_read(busy, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	assert_non_null(strstr(buf_cstr(&rig.got), "last"));
	close(busy);
	rig_until(&done, 1);
	rig_turns(3);
	assert_int_equal(done, 1);
	close(idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(conn__stays_open_on_1_1),
		RIG_TEST(conn__owns_nothing_while_idle),
		RIG_TEST(conn__ends_when_asked),
		RIG_TEST(conn__lingers_so_that_the_answer_arrives),
		RIG_TEST(conn__sends_all_before_it_ends),
		RIG_TEST(conn__bounds_lingering_in_bytes),
		RIG_TEST(conn__bounds_lingering_in_time),
		RIG_TEST(conn__tells_503_over_the_limit),
		RIG_TEST(conn__tells_a_waiting_handler_that_its_client_left),
		RIG_TEST(conn__answers_a_half_closed_client),
		RIG_TEST(conn__answers_all_that_came_before_a_half_close),
		RIG_TEST(conn__sees_a_reset_after_a_half_close),
		RIG_TEST(conn__keeps_a_request_that_nobody_can_be_told_of),
		RIG_TEST(conn__forgets_a_request_whose_body_never_came),
		RIG_TEST(conn__frees_waiting_requests_at_the_end),
		RIG_TEST(conn__drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
