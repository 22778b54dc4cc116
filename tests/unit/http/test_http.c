/* SPDX-License-Identifier: Apache-2.0 */
/* The half of a worker as a whole: wiring, draining, its end. Routes and watchers are this test's own. */
#include "conn_rig.h"

static int watchers_drained, tasks_seen, lives_seen, drained;
static struct http *http;

const struct http_route http_routes[] = {
	{HTTP_POST, "/echo", NULL, "echo", ""},
	{HTTP_PUT, "/echo/{id}/x", NULL, "echoOne", ""},
};
const size_t http_routes_count = COUNT_OF(http_routes);

void http_route_request(struct http_request *r)
{
	rig_dispatch(r);
}

struct http_watchers *http_watchers_new(struct http *h)
{
	assert_non_null(h->conns);
	return (struct http_watchers *)&watchers_drained;
}

void http_watchers_free(struct http_watchers *w)
{
	assert_ptr_equal(w, &watchers_drained);
}

void http_watchers_on_task(struct http_watchers *w, struct task_ref ref)
{
	(void)w;
	tasks_seen += (int)ref.slot;
}

void http_watchers_on_live(struct http_watchers *w)
{
	(void)w;
	lives_seen++;
}

/* As the real ones do: what streams is reset. */
void http_watchers_drain(struct http_watchers *w)
{
	(void)w;
	watchers_drained++;
	if (rig.held && rig.held->conn->state == CONN_STREAM) {
		http_stream_reset(rig.held);
		rig.held = NULL;
	}
}

static void on_drained(void *arg)
{
	assert_ptr_equal(arg, &drained);
	drained++;
}

static int start(void **state)
{
	rig_start(state);
	watchers_drained = tasks_seen = lives_seen = drained = 0;
	http = http_new(rig.loop, rig.listen_fd, NULL, NULL, NULL, &rig.http.options);
	return 0;
}

static int stop(void **state)
{
	http_free(http);
	return rig_stop(state);
}

static int client(void)
{
	int before = http->conns->count, fd = rig_connect();

	rig_until(&http->conns->count, before + 1);
	return fd;
}

static void rig_until_http_empty(void)
{
	for (int turn = 0; http->conns->count; turn++) {
		assert_true(turn < RIG_TURNS_MAX);
		loop_turn(rig.loop, 1);
	}
}

static void http__serves_and_passes_news_on(void **state)
{
	int fd = client();

	(void)state;
	rig_send(fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(fd, "/a");
	http_on_task(http, (struct task_ref){7, 1});
	http_on_live(http);
	assert_int_equal(tasks_seen, 7);
	assert_int_equal(lives_seen, 1);
	close(fd);
}

static void http__asks_only_for_bodies_that_a_route_takes(void **state)
{
	static const struct {
		const char *line;
		bool wanted;
	} cases[] = {
		{"POST /echo", true},      {"PUT /echo/5/x", true}, {"PUT /echo", false},
		{"POST /echo/", false},    {"POST /ech", false},    {"PUT /echo//x", false},
		{"PUT /echo/5", false},    {"PUT /echo/5/", false}, {"PUT /echo/5/6/x", false},
		{"PUT /echo/5/xy", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd = client();
		char text[200];

		snprintf(text, sizeof(text),
			 "%s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
			 cases[i].line);
		rig_send(fd, text);
		rig_read(fd, "\r\n\r\n");
		if ((strncmp(buf_cstr(&rig.got), "HTTP/1.1 100 ", 13) == 0) != cases[i].wanted)
			fail_msg("%s: %s", cases[i].line, buf_cstr(&rig.got));
		rig_reset(fd);
		rig_until_http_empty();
	}
}

static void http_drain__serves_what_came_last(void **state)
{
	int fd = client();

	(void)state;
	assert_int_equal(send(fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 28, 0), 28);
	http_drain(http, 10000, on_drained, &drained);
	rig_read(fd, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	assert_non_null(strstr(buf_cstr(&rig.got), "/a"));
	close(fd);
	rig_until(&drained, 1);
}

static void http_drain__is_over_at_once_without_connections(void **state)
{
	(void)state;
	http_drain(http, 10000, on_drained, &drained);
	rig_turns(3);
	assert_int_equal(drained, 1);
	assert_int_equal(watchers_drained, 1);
}

static void http_drain__answers_what_is_in_flight(void **state)
{
	int idle = client(), busy = client(), late;

	(void)state;
	rig_send(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	http_drain(http, 10000, on_drained, &drained);
	rig_read(idle, NULL);
	assert_true(rig.got_end);
	late = rig_connect();
	rig_turns(5);
	assert_int_equal(http->conns->count, 1);
	assert_int_equal(drained, 0);
	http_reply(rig.held, 200, "text/plain", NULL, SLICE_LIT("last"));
	rig_read(busy, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	close(busy);
	rig_until(&drained, 1);
	rig_time_pass(20000);
	assert_int_equal(drained, 1);
	close(idle);
	close(late);
}

static void http_drain__resets_streams(void **state)
{
	int fd = client();

	(void)state;
	rig_send(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(fd, "\r\n\r\n");
	http_drain(http, 10000, on_drained, &drained);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	rig_until(&drained, 1);
	close(fd);
}

static void http_drain__has_an_end(void **state)
{
	int fd = client();

	(void)state;
	rig_send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	http_drain(http, 10000, on_drained, &drained);
	rig_time_pass(9999);
	assert_int_equal(drained, 0);
	rig_time_pass(1);
	assert_int_equal(drained, 1);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(http->conns->count, 0);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	close(fd);
}

static void http_drain__closes_after_a_request_that_was_arriving(void **state)
{
	int fd = client();

	(void)state;
	rig_send(fd, "GET /a HTTP/1.1\r\n");
	http_drain(http, 10000, on_drained, &drained);
	rig_send(fd, "Host: a\r\n\r\n");
	rig_read(fd, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	close(fd);
	rig_until(&drained, 1);
}

/* What streams and what waits goes on; what is answered ends its connection; nobody new comes in. */
static void http_quiesce__lets_go_on_what_is_open(void **state)
{
	int streaming = client(), busy, late;

	(void)state;
	rig_send(streaming, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(streaming, "\r\n\r\n");
	busy = client();
	http_quiesce(http);
	http_quiesce(http);
	late = rig_connect();
	rig_turns(5);
	assert_int_equal(http->conns->count, 2);
	assert_int_equal(watchers_drained, 0);
	http_stream_write(rig.held, SLICE_LIT("still here"));
	rig_read(streaming, "still here");
	rig_send(busy, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(busy, NULL);
	assert_non_null(strstr(buf_cstr(&rig.got), "Connection: close"));
	close(busy);
	http_drain(http, 10000, on_drained, &drained);
	rig_read(streaming, NULL);
	assert_true(rig.got_reset);
	rig_until(&drained, 1);
	close(streaming);
	close(late);
}

static void http_quiesce__a_stream_still_ends_cleanly(void **state)
{
	int fd = client();

	(void)state;
	rig_send(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_read(fd, "\r\n\r\n");
	http_quiesce(http);
	http_stream_write(rig.held, SLICE_LIT("last"));
	http_stream_end(rig.held);
	rig.held = NULL;
	rig_read(fd, NULL);
	assert_true(rig.got_end);
	assert_non_null(strstr(buf_cstr(&rig.got), "last\r\n0\r\n\r\n"));
	close(fd);
	rig_until_http_empty();
	assert_int_equal(drained, 0);
}

static void http_free__resets_what_waits(void **state)
{
	int fd = client();

	(void)state;
	rig_send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	http_free(http);
	http = NULL;
	assert_int_equal(rig.gone, 1);
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	close(fd);
}

#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HTTP_TEST(http__serves_and_passes_news_on),
		HTTP_TEST(http__asks_only_for_bodies_that_a_route_takes),
		HTTP_TEST(http_drain__serves_what_came_last),
		HTTP_TEST(http_drain__is_over_at_once_without_connections),
		HTTP_TEST(http_drain__answers_what_is_in_flight),
		HTTP_TEST(http_drain__resets_streams),
		HTTP_TEST(http_drain__has_an_end),
		HTTP_TEST(http_drain__closes_after_a_request_that_was_arriving),
		HTTP_TEST(http_quiesce__lets_go_on_what_is_open),
		HTTP_TEST(http_quiesce__a_stream_still_ends_cleanly),
		HTTP_TEST(http_free__resets_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
