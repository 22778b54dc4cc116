/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, with time moved by hand. */
#include "conn_rig.h"

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void deadline__of_a_request_is_absolute(void **state)
{
	int fd = rig_client();
	const char *text = "GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaa";

	(void)state;
	for (int i = 0; i < 4; i++) {
		rig_send_bytes(fd, text + i, 1);
		rig_time_pass(1200);
		assert_int_equal(rig.http.conns->count, 1);
	}
	rig_send(fd, text + 4);
	rig_time_pass(200);
	rig_read(fd, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "HTTP/1.1 408 Request Timeout\r\n"));
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	close(fd);
	rig_until_connections(0);
}

static void deadline__of_a_request_covers_its_body(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
	rig_time_pass(4999);
	rig_send(fd, "b");
	rig_time_pass(1);
	assert_non_null(strstr(rig_read(fd, NULL), "HTTP/1.1 408 "));
	assert_int_equal(rig.dispatched, 0);
	close(fd);
}

static void deadline__does_not_touch_a_waiting_handler(void **state)
{
	int fd = rig_client();

	(void)state;
	rig_send(fd, REQUEST("/hold"));
	rig_time_pass(1000000);
	assert_non_null(rig.held);
	http_reply(rig.held, 200, "text/plain", NULL, SLICE_LIT("late"));
	rig_read(fd, "late");
	close(fd);
}

static void deadline__of_silence_closes_without_a_word(void **state)
{
	int fd = rig_client(), used = rig_client();

	(void)state;
	rig_time_pass(15000);
	rig_send(used, REQUEST("/a"));
	rig_read(used, "/a");
	rig_time_pass(5000);
	assert_string_equal(rig_read(fd, NULL), "");
	assert_true(rig.got_end);
	assert_int_equal(rig.http.conns->count, 1);
	rig_time_pass(14999);
	assert_int_equal(rig.http.conns->count, 1);
	rig_time_pass(1);
	assert_string_equal(rig_read(used, NULL), "");
	close(fd);
	close(used);
}

static void deadline__of_sending_is_about_progress(void **state)
{
	int fd = rig_client();
	char text[1 << 16];

	(void)state;
	rig_big_fill();
	rig_send(fd, REQUEST("/big"));
	rig_turns(5);
	assert_int_equal(TAILQ_FIRST(&rig.http.conns->all)->deadline, DEADLINE_SEND);
	for (int i = 0; i < 5; i++) {
		rig_time_pass(7000);
		for (int k = 0; k < 20; k++) {
			(void)!recv(fd, text, sizeof(text), 0);
			loop_turn(rig.loop, 1);
		}
		assert_int_equal(rig.http.conns->count, 1);
	}
	rig_time_pass(8000);
	assert_int_equal(rig.http.conns->count, 0);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	close(fd);
}

/* The timer stands for the earliest of all; later ones must not be forgotten when it has fired. */
static void deadline__each_of_many_comes(void **state)
{
	int fds[4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = rig_client();
		rig_time_pass(1000);
	}
	rig_send(fds[3], "G");
	rig_time_pass(5000);
	rig_read(fds[3], NULL);
	rig_until_connections(4);
	rig_time_pass(11000);
	assert_int_equal(rig.http.conns->count, 2);
	rig_time_pass(1000);
	assert_int_equal(rig.http.conns->count, 1);
	rig_time_pass(1000);
	assert_int_equal(rig.http.conns->count, 0);
	assert_true(rig.http.conns->timer_ms == INT64_MAX);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		close(fds[i]);
}

/* A request may have begun before others whose deadline is set already (its connection was busy sending until
 * now). */
static void deadline__set_late_still_comes_in_time(void **state)
{
	int64_t now_ms = clock_mono_ms();
	struct http_conn *c[3], *at;
	int fds[3];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = rig_client();
	at = TAILQ_FIRST(&rig.http.conns->all);
	for (size_t i = 0; i < COUNT_OF(fds); i++, at = TAILQ_NEXT(at, all))
		c[i] = at;
	conn_deadline_set(c[0], DEADLINE_REQUEST, now_ms);
	conn_deadline_set(c[1], DEADLINE_REQUEST, now_ms - 2000);
	conn_deadline_set(c[2], DEADLINE_REQUEST, now_ms - 1000);
	assert_ptr_equal(TAILQ_FIRST(&rig.http.conns->timed[DEADLINE_REQUEST]), c[1]);
	assert_ptr_equal(TAILQ_NEXT(c[1], timed), c[2]);
	assert_ptr_equal(TAILQ_NEXT(c[2], timed), c[0]);
	assert_int_equal(rig.http.conns->timer_ms, now_ms + 3000);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(deadline__of_a_request_is_absolute),
		RIG_TEST(deadline__of_a_request_covers_its_body),
		RIG_TEST(deadline__does_not_touch_a_waiting_handler),
		RIG_TEST(deadline__of_silence_closes_without_a_word),
		RIG_TEST(deadline__of_sending_is_about_progress),
		RIG_TEST(deadline__each_of_many_comes),
		RIG_TEST(deadline__set_late_still_comes_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
