/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: framing, room, ends that are clean and ends that are not. */
#include "conn_rig.h"

#define STREAM "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"

static void stream__is_chunked_on_1_1_and_ends_cleanly(void **state)
{
	int fd = rig_client();
	const char *got;

	(void)state;
	rig_send(fd, STREAM);
	http_stream_write(rig.held, SLICE_LIT("hello"));
	http_stream_write(rig.held, SLICE_LIT(""));
	http_stream_write(rig.held, SLICE_LIT("0123456789abcdef"));
	http_stream_end(rig.held);
	got = rig_read(fd, "0\r\n\r\n");
	assert_non_null(strstr(got, "Transfer-Encoding: chunked\r\n"));
	assert_null(strstr(got, "Content-Length"));
	assert_string_equal(strstr(got, "\r\n\r\n"),
			    "\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
	rig_send(fd, "GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(fd, "/again");
	assert_int_equal(rig.gone, 0);
	close(fd);
}

static void stream__ends_by_close_on_1_0(void **state)
{
	int fd = rig_client();
	const char *got;

	(void)state;
	rig_send(fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	http_stream_write(rig.held, SLICE_LIT("hello"));
	http_stream_end(rig.held);
	got = rig_read(fd, NULL);
	assert_true(rig.got_end);
	assert_null(strstr(got, "Transfer-Encoding"));
	assert_non_null(strstr(got, "Connection: close\r\n"));
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\nhello");
	close(fd);
}

static void stream__reset_is_never_an_end(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, STREAM);
	http_stream_write(rig.held, SLICE_LIT("hello"));
	rig_read(fd, "hello");
	http_stream_reset(rig.held);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	assert_int_equal(rig.gone, 0);
	rig_until_connections(0);
	close(fd);
}

/* Node's fetch takes a reset for the end of an answer that says "Connection: close". */
static void stream__does_not_announce_a_close_that_nobody_asked_for(void **state)
{
	int fd = rig_client(), other = rig_client();

	(void)state;
	rig.http.draining = true;
	rig_send(fd, STREAM);
	http_stream_write(rig.held, SLICE_LIT("hello"));
	assert_null(strstr(rig_read(fd, "hello"), "Connection:"));
	http_stream_end(rig.held);
	rig_read(fd, NULL);
	assert_true(rig.got_end);
	rig_send(other, "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	http_stream_write(rig.held, SLICE_LIT("hello"));
	assert_non_null(strstr(rig_read(other, "hello"), "Connection: close\r\n"));
	http_stream_end(rig.held);
	rig_read(other, NULL);
	assert_true(rig.got_end);
	rig.http.draining = false;
	close(fd);
	close(other);
}

static void stream__calls_ready_once_at_first_and_after_each_write(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, STREAM);
	rig_until(&rig.ready, 1);
	rig_turns(5);
	assert_int_equal(rig.ready, 1);
	assert_true(http_stream_has_room(rig.held));
	http_stream_write(rig.held, SLICE_LIT("x"));
	rig_until(&rig.ready, 2);
	rig_turns(5);
	assert_int_equal(rig.ready, 2);
	close(fd);
}

static void stream__has_no_room_while_its_client_does_not_read(void **state)
{
	static char piece[4096];
	int fd = rig_client(), ready;
	size_t written = 0;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	rig_send(fd, STREAM);
	rig_turns(5);
	while (http_stream_has_room(rig.held) && written < (64 << 20)) {
		http_stream_write(rig.held, (struct slice){piece, sizeof(piece)});
		written += sizeof(piece);
	}
	assert_true(written < (8 << 20));
	rig_turns(5);
	ready = rig.ready;
	assert_true(rig.held->conn->out.len < HTTP_OUT_LOW + 2 * sizeof(piece) + 100000);
	for (int turn = 0; rig.ready == ready; turn++) {
		assert_true(turn < RIG_TURNS_MAX);
		rig_take(fd);
		loop_turn(rig.loop, 1);
	}
	assert_true(http_stream_has_room(rig.held));
	close(fd);
}

static void stream__cuts_a_client_off_that_never_reads(void **state)
{
	static char piece[1 << 16];
	int fd = rig_client();

	(void)state;
	rig_send(fd, STREAM);
	while (http_stream_has_room(rig.held))
		http_stream_write(rig.held, (struct slice){piece, sizeof(piece)});
	rig_turns(3);
	rig_time_pass(8000);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(rig.http.conns->count, 0);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	close(fd);
}

static void stream__may_be_silent_for_ever(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, STREAM);
	rig_read(fd, "\r\n\r\n");
	rig_time_pass(100000000);
	assert_int_equal(rig.gone, 0);
	http_stream_write(rig.held, SLICE_LIT("still"));
	rig_read(fd, "still");
	close(fd);
}

static void stream__tells_when_the_client_resets(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, STREAM);
	rig_turns(5);
	rig_reset(fd);
	rig_until(&rig.gone, 1);
	rig_until_connections(0);
}

static void stream__goes_on_for_a_half_closed_client(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, STREAM);
	shutdown(fd, SHUT_WR);
	rig_turns(5);
	http_stream_write(rig.held, SLICE_LIT("one"));
	rig_read(fd, "one");
	http_stream_write(rig.held, SLICE_LIT("two"));
	http_stream_end(rig.held);
	rig_read(fd, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "two\r\n0\r\n\r\n"));
	assert_true(rig.got_end);
	assert_int_equal(rig.gone, 0);
	close(fd);
}

/* Input during a stream is thrown away up to a bound; then it is not read at all. What it was is unknown, so
 * the connection does not serve another request. */
static void stream__throws_input_away_within_bounds(void **state)
{
	static char junk[1 << 16];
	int fd = rig_client(), full = 0;
	struct http_conn *c = TAILQ_FIRST(&rig.http.conns->all);

	(void)state;
	rig_send(fd, STREAM "GET /next HTTP/1.1\r\n");
	while (full < 20) {
		full = send(fd, junk, sizeof(junk), MSG_NOSIGNAL) < 0 ? full + 1 : 0;
		loop_turn(rig.loop, 0);
	}
	assert_false(c->reading);
	assert_null(c->intake);
	assert_true(c->discarded < HTTP_STREAM_IN_BYTES + sizeof(rig.http.conns->scratch));
	http_stream_write(rig.held, SLICE_LIT("fine"));
	rig_read(fd, "fine");
	http_stream_end(rig.held);
	assert_int_equal(c->state, CONN_LINGER);
	assert_int_equal(rig.dispatched, 1);
	close(fd);
}

static void stream__of_a_head_request_is_its_head(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_until(&rig.gone, 1);
	rig_send(fd, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(fd, "/next");
	assert_int_equal(rig_count(buf_cstr(&rig.got), "HTTP/1.1 200 OK"), 2);
	assert_null(strstr(buf_cstr(&rig.got), "\r\n\r\n0\r\n"));
	close(fd);
}

/* on_ready may do anything, such as end the stream: nothing is touched after that. */
static void end_at_once(struct http_request *r)
{
	rig.held = NULL;
	http_stream_write(r, SLICE_LIT("all"));
	http_stream_end(r);
}

static void start_and_end(struct http_request *r)
{
	http_stream_start(r, 200, "text/plain", "X-A: b\r\n", (struct http_stream_handler){end_at_once});
}

static void stream__may_end_from_ready(void **state)
{
	int fd = rig_client();

	(void)state;
	rig.http.dispatch = start_and_end;
	rig_send(fd, STREAM STREAM);
	rig_read(fd, "3\r\nall\r\n0\r\n\r\n");
	assert_non_null(strstr(buf_cstr(&rig.got), "X-A: b\r\n"));
	close(fd);
	rig_until_connections(0);
}

static void sized(struct http_request *r)
{
	rig.held = r;
	r->on_gone = rig_gone;
	http_stream_start_sized(r, 206, "text/plain", "X: y\r\n", 10,
				(struct http_stream_handler){rig_ready});
}

static void stream__of_known_length_keeps_the_connection(void **state)
{
	int fd = rig_client();
	const char *got;

	(void)state;
	rig.http.dispatch = sized;
	for (int minor = 1; minor >= 0; minor--) {
		rig_send(fd, minor ? "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
				   : "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
		http_stream_write(rig.held, SLICE_LIT("01234"));
		http_stream_write(rig.held, SLICE_LIT("56789"));
		http_stream_end(rig.held);
		got = rig_read(fd, "56789");
		assert_non_null(strstr(got, "HTTP/1.1 206 Partial Content\r\n"));
		assert_non_null(strstr(got, "Content-Length: 10\r\n"));
		assert_null(strstr(got, "chunked"));
		assert_null(strstr(got, "Connection: close"));
		assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n0123456789");
		assert_false(rig.got_end);
	}
	close(fd);
}

static void stream__of_known_length_has_none_of_it_on_head(void **state)
{
	int fd = rig_client();
	const char *got;

	(void)state;
	rig.http.dispatch = sized;
	rig_send(fd, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
	got = rig_read(fd, "\r\n\r\n");
	assert_non_null(strstr(got, "Content-Length: 10\r\n"));
	assert_int_equal(rig.gone, 1);
	rig.http.dispatch = rig_dispatch;
	rig_send(fd, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(fd, "/next");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(stream__is_chunked_on_1_1_and_ends_cleanly),
		RIG_TEST(stream__ends_by_close_on_1_0),
		RIG_TEST(stream__reset_is_never_an_end),
		RIG_TEST(stream__does_not_announce_a_close_that_nobody_asked_for),
		RIG_TEST(stream__calls_ready_once_at_first_and_after_each_write),
		RIG_TEST(stream__has_no_room_while_its_client_does_not_read),
		RIG_TEST(stream__cuts_a_client_off_that_never_reads),
		RIG_TEST(stream__may_be_silent_for_ever),
		RIG_TEST(stream__tells_when_the_client_resets),
		RIG_TEST(stream__goes_on_for_a_half_closed_client),
		RIG_TEST(stream__throws_input_away_within_bounds),
		RIG_TEST(stream__of_a_head_request_is_its_head),
		RIG_TEST(stream__may_end_from_ready),
		RIG_TEST(stream__of_known_length_keeps_the_connection),
		RIG_TEST(stream__of_known_length_has_none_of_it_on_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
