/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting: a few at a time, flags of the descriptors, a pause when the process has no descriptor left. */
#include "conn_rig.h"

#include <fcntl.h>
#include <sys/resource.h>

static int open_connections(void)
{
	return rig.http.conns->count + rig.http.conns->overflow;
}

static void listener__accepts_a_few_at_a_time(void **state)
{
	struct http_listener *l;
	int fds[12], turns = 0;

	(void)state;
	rig.http.options.connections_max = 100;
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = rig_connect();
	l = http_listener_new(&rig.http, rig.listen_fd);
	loop_turn(rig.loop, 1);
	assert_int_equal(open_connections(), 8);
	for (; open_connections() < 12; turns++) {
		assert_true(turns < RIG_TURNS_MAX);
		loop_turn(rig.loop, 1);
	}
	http_listener_free(l);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		close(fds[i]);
}

static void listener__makes_descriptors_private_and_non_blocking(void **state)
{
	struct http_listener *l = http_listener_new(&rig.http, rig.listen_fd);
	int fd = rig_connect(), server;

	(void)state;
	rig_until_connections(1);
	server = TAILQ_FIRST(&rig.http.conns->all)->fd;
	assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
	http_listener_free(l);
	close(fd);
}

static void listener__pauses_without_descriptors_and_goes_on(void **state)
{
	struct http_listener *l = http_listener_new(&rig.http, rig.listen_fd);
	int fd = rig_connect(), next = dup(fd);
	struct rlimit old, none;

	(void)state;
	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &none);
	for (int i = 0; i < 20; i++)
		loop_turn(rig.loop, 0);
	assert_int_equal(open_connections(), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	for (int i = 0; i < 20; i++)
		loop_turn(rig.loop, 0);
	assert_int_equal(open_connections(), 0);
	rig_time_pass(100);
	rig_until_connections(1);
	http_listener_free(l);
	close(fd);
}

/* A shortage of a minute is one line in the log, not six hundred. */
static void listener__tells_of_a_pause_once_a_while(void **state)
{
	int log[2], err = dup(STDERR_FILENO), fd, next;
	char text[4096];
	struct rlimit old, none;

	(void)state;
	log_init("test", LOG_WARN, LOG_FORMAT_JSON);
	assert_int_equal(pipe2(log, O_NONBLOCK), 0);
	struct http_listener *l = http_listener_new(&rig.http, rig.listen_fd);
	fd = rig_connect();
	next = dup(fd);
	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = (rlim_t)next;
	dup2(log[1], STDERR_FILENO);
	setrlimit(RLIMIT_NOFILE, &none);
	for (int i = 0; i < 20; i++) {
		loop_turn(rig.loop, 0);
		rig_time_pass(100);
	}
	setrlimit(RLIMIT_NOFILE, &old);
	dup2(err, STDERR_FILENO);
	ssize_t n = read(log[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	char *first = strstr(text, "cannot accept connections");
	assert_non_null(first);
	assert_null(strstr(first + 1, "cannot accept connections"));
	http_listener_free(l);
	close(fd);
	close(err);
	close(log[0]);
	close(log[1]);
}

static void listener__stops_and_leaves_the_socket_alone(void **state)
{
	struct http_listener *l = http_listener_new(&rig.http, rig.listen_fd);
	int fd;

	(void)state;
	http_listener_free(l);
	fd = rig_connect();
	rig_turns(10);
	assert_int_equal(open_connections(), 0);
	assert_true(fcntl(rig.listen_fd, F_GETFD) >= 0);
	http_listener_free(NULL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(listener__accepts_a_few_at_a_time),
		RIG_TEST(listener__makes_descriptors_private_and_non_blocking),
		RIG_TEST(listener__pauses_without_descriptors_and_goes_on),
		RIG_TEST(listener__tells_of_a_pause_once_a_while),
		RIG_TEST(listener__stops_and_leaves_the_socket_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
